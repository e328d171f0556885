// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With OpenBGPD: a session of each family, routes both ways, attributes, withdrawal.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Lab, OpenBgp, until};
use serde_json::Value;

const OURS: &str = r#"
[global]
as = 64512
router-id = "10.0.0.1"
apply-policy = { default-import-policy = "accept-route", default-export-policy = "accept-route" }

[[neighbors]]
neighbor-address = "10.0.0.2"
peer-as = 64513
[[neighbors]]
neighbor-address = "fd00::2"
peer-as = 64513

[[static-routes]]
prefix = "10.1.0.0/16"
blackhole = true
[[static-routes]]
prefix = "fd01::/48"
blackhole = true
"#;

const THEIRS: &str = "
AS 64513
router-id 10.0.0.2
fib-update no
network 10.2.0.0/16 set community 65000:1
network fd02::/48
neighbor 10.0.0.1 { remote-as 64512 }
neighbor fd00::1 { remote-as 64512 }
allow from any
allow to any
";

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
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let open = OpenBgp::start(&b, THEIRS)?;
    us.wait_established("10.0.0.2")?;
    us.wait_established("fd00::2")?;

    for (prefix, next_hop) in [("10.1.0.0/16", "10.0.0.1"), ("fd01::/48", "fd00::1")] {
        let path = path(&open, prefix)?;
        ensure!(path["aspath"] == "64512", "{path}");
        ensure!(path["exit_nexthop"] == next_hop, "{path}");
        ensure!(path["origin"] == "IGP" && path["valid"] == true, "{path}");
    }
    for (prefix, next_hop) in [("10.2.0.0/16", "10.0.0.2"), ("fd02::/48", "fd00::2")] {
        us.wait_route(prefix)?;
        let route = &us.json(&["route", prefix])?[0];
        ensure!(
            route["as_path"] == "64513" && route["next_hop"] == next_hop,
            "{route}"
        );
    }
    let route = &us.json(&["route", "10.2.0.0/16"])?[0];
    ensure!(
        route["communities"] == serde_json::json!(["65000:1"]),
        "{route}"
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn withdrawals_arrive_on_both_sides() -> Result<()> {
    let lab = Lab::new("open")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let open = OpenBgp::start(&b, THEIRS)?;
    us.wait_established("10.0.0.2")?;
    us.wait_established("fd00::2")?;
    us.wait_route("10.2.0.0/16")?;
    open.ctl("network delete 10.2.0.0/16")?;
    us.wait_no_route("10.2.0.0/16")?;

    us.ctl(&[
        "route",
        "add",
        "10.9.0.0/16",
        "--blackhole",
        "--med",
        "5",
        "--community",
        "64512:7",
    ])?;
    let path = path(&open, "10.9.0.0/16")?;
    ensure!(
        path["metric"] == 5 && path["communities"][0] == "64512:7",
        "{path}"
    );
    us.ctl(&["route", "del", "10.9.0.0/16"])?;
    until(
        "OpenBGPD has lost the route",
        Duration::from_secs(5),
        || {
            let table = open.ctl("show rib")?;
            ensure!(!table.contains("10.9.0.0/16"), "{table}");
            Ok(())
        },
    )
}
