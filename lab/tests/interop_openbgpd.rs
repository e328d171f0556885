// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With OpenBGPD: a session of each family, routes both ways, attributes, withdrawal.

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Lab, OpenBgp, config};
use serde_json::{Value, json};

fn ours() -> String {
    config::ours_with(64513, "")
        + &config::neighbor("fd00::2", 64513, "")
        + &config::blackhole("10.1.0.0/16")
        + &config::blackhole("fd01::/48")
}

const THEIRS: &str = "network 10.2.0.0/16 set community 65000:1
network fd02::/48
neighbor 10.0.0.1 { remote-as 64512 }
neighbor fd00::1 { remote-as 64512 }";

/// Both, with two sessions.
fn start(lab: &Lab) -> Result<(Bgpd, OpenBgp)> {
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours())?;
    let open = OpenBgp::start(&b, &config::openbgp(64513, "10.0.0.2", THEIRS))?;
    us.wait_established("10.0.0.2")?;
    us.wait_established("fd00::2")?;
    Ok((us, open))
}

/// The only path OpenBGPD has of a prefix.
fn path(open: &OpenBgp, prefix: &str) -> Result<Value> {
    open.wait_route(prefix)?;
    let text = open.ctl(&format!("-j show rib detail {prefix}"))?;
    let table: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    ensure!(table["rib"].as_array().map(Vec::len) == Some(1), "{text}");
    Ok(table["rib"][0].clone())
}

#[test]
#[ignore = "needs netns"]
fn routes_of_both_families_go_both_ways() -> Result<()> {
    let lab = Lab::new("open")?;
    let (us, open) = start(&lab)?;

    for (prefix, next_hop) in [("10.1.0.0/16", "10.0.0.1"), ("fd01::/48", "fd00::1")] {
        let path = path(&open, prefix)?;
        ensure!(path["aspath"] == "64512", "{path}");
        ensure!(path["exit_nexthop"] == next_hop, "{path}");
        ensure!(path["origin"] == "IGP" && path["valid"] == true, "{path}");
    }
    let four = json!({ "as_path": "64513", "next_hop": "10.0.0.2", "communities": ["65000:1"] });
    us.wait_best("10.2.0.0/16", &four)?;
    us.wait_best(
        "fd02::/48",
        &json!({ "as_path": "64513", "next_hop": "fd00::2" }),
    )
}

#[test]
#[ignore = "needs netns"]
fn withdrawals_arrive_on_both_sides() -> Result<()> {
    let lab = Lab::new("open")?;
    let (us, open) = start(&lab)?;
    us.wait_route("10.2.0.0/16")?;
    open.ctl("network delete 10.2.0.0/16")?;
    us.wait_no_route("10.2.0.0/16")?;

    us.add_route("10.9.0.0/16 --blackhole --med 5 --community 64512:7")?;
    let path = path(&open, "10.9.0.0/16")?;
    ensure!(
        path["metric"] == 5 && path["communities"][0] == "64512:7",
        "{path}"
    );
    us.ctl(&["route", "del", "10.9.0.0/16"])?;
    open.wait_no_route("10.9.0.0/16")
}
