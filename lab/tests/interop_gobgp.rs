// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With GoBGP: a session of each family, routes both ways, attributes, withdrawal.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, GoBgp, Lab, Netns, config, until};
use serde_json::{Value, json};

fn ours() -> String {
    config::ours_with(64513, "")
        + &config::neighbor("fd00::2", 64513, "")
        + &config::blackhole("10.1.0.0/16")
        + &config::blackhole("fd01::/48")
}

fn theirs() -> String {
    config::gobgp(64513, "10.0.0.2")
        + &config::gobgp_neighbor("10.0.0.1", 64512)
        + &config::gobgp_neighbor("fd00::1", 64512)
}

/// Both, with two sessions.
fn start(a: &Netns, ours: &str, b: &Netns, theirs: &str) -> Result<(Bgpd, GoBgp)> {
    let us = Bgpd::start(a, ours)?;
    let gobgp = GoBgp::start(b, theirs)?;
    us.wait_established("10.0.0.2")?;
    us.wait_established("fd00::2")?;
    Ok((us, gobgp))
}

const SOON: Duration = Duration::from_secs(15);

/// The attributes GoBGP has of a prefix, by their type.
fn attribute(gobgp: &GoBgp, prefix: &str, kind: u64) -> Result<Value> {
    gobgp.wait_route(prefix)?;
    let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
    let text = gobgp.ctl(&format!("-j global rib -a {family} {prefix}"))?;
    let table: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    let paths = table[prefix].as_array().or(table.as_array());
    let [path] = paths.context(text.clone())?.as_slice() else {
        anyhow::bail!("not one path: {text}");
    };
    let found = path["attrs"].as_array().context("attributes")?;
    let found = found.iter().find(|attribute| attribute["type"] == kind);
    found
        .cloned()
        .with_context(|| format!("no attribute {kind}: {text}"))
}

#[test]
#[ignore = "needs netns"]
fn routes_of_both_families_go_both_ways() -> Result<()> {
    let lab = Lab::new("gobgp")?;
    let (a, b) = lab.pair()?;
    let (us, gobgp) = start(&a, &ours(), &b, &theirs())?;
    gobgp.ctl("global rib add -a ipv4 10.2.0.0/16 nexthop 10.0.0.2 med 7 community 65000:1")?;
    gobgp.ctl("global rib add -a ipv6 fd02::/48 nexthop fd00::2")?;

    for prefix in ["10.1.0.0/16", "fd01::/48"] {
        let path = attribute(&gobgp, prefix, 2)?;
        ensure!(path["as_paths"][0]["asns"] == json!([64512]), "{path}");
    }
    let next_hop = attribute(&gobgp, "10.1.0.0/16", 3)?;
    ensure!(next_hop["nexthop"] == "10.0.0.1", "{next_hop}");
    let reach = attribute(&gobgp, "fd01::/48", 14)?;
    ensure!(reach["nexthop"] == "fd00::1", "{reach}");

    let four = json!({
        "as_path": "64513", "next_hop": "10.0.0.2", "med": 7, "communities": ["65000:1"],
    });
    us.wait_best("10.2.0.0/16", &four)?;
    us.wait_best(
        "fd02::/48",
        &json!({ "as_path": "64513", "next_hop": "fd00::2" }),
    )
}

#[test]
#[ignore = "needs netns"]
fn withdrawals_arrive_on_both_sides() -> Result<()> {
    let lab = Lab::new("gobgp")?;
    let (a, b) = lab.pair()?;
    let (us, gobgp) = start(&a, &ours(), &b, &theirs())?;
    gobgp.ctl("global rib add -a ipv6 fd02::/48 nexthop fd00::2")?;
    us.wait_route("fd02::/48")?;
    gobgp.ctl("global rib del -a ipv6 fd02::/48")?;
    us.wait_no_route("fd02::/48")?;

    us.add_route("fd09::/48 --blackhole --community 64512:7")?;
    let communities = attribute(&gobgp, "fd09::/48", 8)?;
    let number = (64512_u64 << 16) + 7;
    ensure!(
        communities["communities"] == json!([number]),
        "{communities}"
    );
    us.ctl(&["route", "del", "fd09::/48"])?;
    gobgp.wait_no_route("fd09::/48")
}

#[test]
#[ignore = "needs netns"]
fn gobgp_keeps_our_routes_while_we_restart() -> Result<()> {
    let lab = Lab::new("gobgp")?;
    let (a, b) = lab.pair()?;
    let helping = |address: &str, family: &str| {
        let helps = "graceful-restart = { config = { enabled = true, restart-time = 30 } }\n";
        let family_helps = "mp-graceful-restart = { config = { enabled = true } }";
        config::gobgp_neighbor(address, 64512) + helps + &config::gobgp_family(family, family_helps)
    };
    let config = config::gobgp(64513, "10.0.0.2")
        + &helping("10.0.0.1", "ipv4-unicast")
        + &helping("fd00::1", "ipv6-unicast");
    let (mut us, gobgp) = start(&a, &(ours() + "[fib]\n"), &b, &config)?;
    let stale = |prefix: &str, wanted: bool| -> Result<()> {
        let line = gobgp.wait_route(prefix)?;
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let text = gobgp.ctl(&format!("-j global rib -a {family} {prefix}"))?;
        ensure!(text.contains("\"stale\":true") == wanted, "{line}{text}");
        Ok(())
    };
    let both = ["10.1.0.0/16", "fd01::/48"];
    for prefix in both {
        stale(prefix, false)?;
    }
    us.process().kill()?;
    for prefix in both {
        until("GoBGP keeps it as stale", SOON, || stale(prefix, true))?;
    }
    us.restart()?;
    for prefix in both {
        until("GoBGP has it anew", SOON, || stale(prefix, false))?;
    }
    Ok(())
}
