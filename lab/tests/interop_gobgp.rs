// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With GoBGP: a session of each family, routes both ways, attributes, withdrawal.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, GoBgp, Lab, until};
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

const THEIRS: &str = r#"
[global.config]
as = 64513
router-id = "10.0.0.2"
[[neighbors]]
config = { neighbor-address = "10.0.0.1", peer-as = 64512 }
timers = { config = { connect-retry = 5 } }
[[neighbors]]
config = { neighbor-address = "fd00::1", peer-as = 64512 }
timers = { config = { connect-retry = 5 } }
"#;

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
    let us = Bgpd::start(&a, OURS)?;
    let gobgp = GoBgp::start(&b, THEIRS)?;
    gobgp.ctl("global rib add -a ipv4 10.2.0.0/16 nexthop 10.0.0.2 med 7 community 65000:1")?;
    gobgp.ctl("global rib add -a ipv6 fd02::/48 nexthop fd00::2")?;
    us.wait_established("10.0.0.2")?;
    us.wait_established("fd00::2")?;

    for prefix in ["10.1.0.0/16", "fd01::/48"] {
        let path = attribute(&gobgp, prefix, 2)?;
        ensure!(
            path["as_paths"][0]["asns"] == serde_json::json!([64512]),
            "{path}"
        );
    }
    let next_hop = attribute(&gobgp, "10.1.0.0/16", 3)?;
    ensure!(next_hop["nexthop"] == "10.0.0.1", "{next_hop}");
    let reach = attribute(&gobgp, "fd01::/48", 14)?;
    ensure!(reach["nexthop"] == "fd00::1", "{reach}");

    us.wait_route("10.2.0.0/16")?;
    let route = &us.json(&["route", "10.2.0.0/16"])?[0];
    ensure!(
        route["as_path"] == "64513" && route["next_hop"] == "10.0.0.2",
        "{route}"
    );
    ensure!(
        route["med"] == 7 && route["communities"][0] == "65000:1",
        "{route}"
    );
    us.wait_route("fd02::/48")?;
    let route = &us.json(&["route", "fd02::/48"])?[0];
    ensure!(
        route["as_path"] == "64513" && route["next_hop"] == "fd00::2",
        "{route}"
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn withdrawals_arrive_on_both_sides() -> Result<()> {
    let lab = Lab::new("gobgp")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let gobgp = GoBgp::start(&b, THEIRS)?;
    us.wait_established("10.0.0.2")?;
    us.wait_established("fd00::2")?;
    gobgp.ctl("global rib add -a ipv6 fd02::/48 nexthop fd00::2")?;
    us.wait_route("fd02::/48")?;
    gobgp.ctl("global rib del -a ipv6 fd02::/48")?;
    us.wait_no_route("fd02::/48")?;

    us.ctl(&[
        "route",
        "add",
        "fd09::/48",
        "--blackhole",
        "--community",
        "64512:7",
    ])?;
    let communities = attribute(&gobgp, "fd09::/48", 8)?;
    let number = (64512_u64 << 16) + 7;
    ensure!(
        communities["communities"] == serde_json::json!([number]),
        "{communities}"
    );
    us.ctl(&["route", "del", "fd09::/48"])?;
    until("GoBGP has lost the route", Duration::from_secs(5), || {
        let table = gobgp.ctl("global rib -a ipv6")?;
        ensure!(!table.contains("fd09::/48"), "{table}");
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn gobgp_keeps_our_routes_while_we_restart() -> Result<()> {
    let lab = Lab::new("gobgp")?;
    let (a, b) = lab.pair()?;
    let mut us = Bgpd::start(&a, &format!("{OURS}\n[fib]\n"))?;
    let helping = THEIRS.replace(
        "timers =",
        "graceful-restart = { config = { enabled = true, restart-time = 30 } }\ntimers =",
    );
    let family = |name: &str| {
        format!(
            "[[neighbors.afi-safis]]\nconfig = {{ afi-safi-name = \"{name}\" }}\n\
             mp-graceful-restart = {{ config = {{ enabled = true }} }}\n"
        )
    };
    // The family's table comes after the neighbour's keys, and before the next neighbour.
    let (first, second) = helping
        .rsplit_once("[[neighbors]]")
        .context("two of them")?;
    let (v4, v6) = (family("ipv4-unicast"), family("ipv6-unicast"));
    let config = format!("{first}{v4}[[neighbors]]{second}{v6}");
    let gobgp = GoBgp::start(&b, &config)?;
    us.wait_established("10.0.0.2")?;
    us.wait_established("fd00::2")?;
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
