// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With FRR: routes of both families both ways in one session, attributes, withdrawal, refresh.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Frr, Lab, until};
use serde_json::Value;

const OURS: &str = r#"
[global]
as = 64512
router-id = "10.0.0.1"

[[neighbors]]
neighbor-address = "10.0.0.2"
peer-as = 4200000002
apply-policy = { default-import-policy = "accept-route", default-export-policy = "accept-route" }
afi-safis = [{ afi-safi-name = "ipv4-unicast" }, { afi-safi-name = "ipv6-unicast" }]

[[static-routes]]
prefix = "10.1.0.0/16"
blackhole = true
[[static-routes]]
prefix = "fd01::/48"
blackhole = true
"#;

/// FRR runs with zebra: without interfaces it withdraws what has a link-local next hop beside the global one.
const THEIRS: &str = "
router bgp 4200000002
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 64512
 neighbor 10.0.0.1 timers connect 1
 address-family ipv4 unicast
  network 10.2.0.0/16
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.1 route-map out4 out
 exit-address-family
 address-family ipv6 unicast
  network fd02::/48
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.1 route-map out6 out
 exit-address-family
route-map out4 permit 10
 set metric 77
 set community 65000:1 65000:2
 set as-path prepend 4200000009
route-map out6 permit 10
 set ipv6 next-hop global fd00::2
";

const SOON: Duration = Duration::from_secs(10);

/// The only path FRR has of a prefix.
fn path(frr: &Frr, prefix: &str) -> Result<Value> {
    frr.wait_route(prefix)?;
    let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
    let text = frr.ctl(&format!("show bgp {family} unicast {prefix} json"))?;
    let table: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    ensure!(table["paths"].as_array().map(Vec::len) == Some(1), "{text}");
    Ok(table["paths"][0].clone())
}

#[test]
#[ignore = "needs netns"]
fn routes_of_both_families_go_both_ways() -> Result<()> {
    let lab = Lab::new("frr")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let frr = Frr::start_with_zebra(&b, THEIRS)?;
    us.wait_established("10.0.0.2")?;

    for (prefix, next_hop) in [("10.1.0.0/16", "10.0.0.1"), ("fd01::/48", "fd00::1")] {
        let path = path(&frr, prefix)?;
        ensure!(path["aspath"]["string"] == "64512", "{path}");
        ensure!(path["nexthops"][0]["ip"] == next_hop, "{path}");
        ensure!(path["origin"] == "IGP" && path["valid"] == true, "{path}");
    }

    us.wait_route("10.2.0.0/16")?;
    let route = &us.json(&["route", "10.2.0.0/16"])?[0];
    ensure!(route["as_path"] == "4200000002 4200000009", "{route}");
    ensure!(
        route["next_hop"] == "10.0.0.2" && route["med"] == 77,
        "{route}"
    );
    ensure!(
        route["communities"] == serde_json::json!(["65000:1", "65000:2"]),
        "{route}"
    );
    us.wait_route("fd02::/48")?;
    let route = &us.json(&["route", "fd02::/48"])?[0];
    ensure!(route["as_path"] == "4200000002", "{route}");
    ensure!(route["next_hop"] == "fd00::2", "{route}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn attributes_and_withdrawals_arrive() -> Result<()> {
    let lab = Lab::new("frr")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let frr = Frr::start_with_zebra(&b, THEIRS)?;
    us.wait_established("10.0.0.2")?;
    us.ctl(&[
        "route",
        "add",
        "10.9.0.0/16",
        "--blackhole",
        "--med",
        "5",
        "--community",
        "64512:7",
        "--large-community",
        "64512:1:2",
        "--origin",
        "incomplete",
    ])?;
    let path = path(&frr, "10.9.0.0/16")?;
    ensure!(
        path["metric"] == 5 && path["origin"] == "incomplete",
        "{path}"
    );
    ensure!(path["community"]["string"] == "64512:7", "{path}");
    ensure!(path["largeCommunity"]["string"] == "64512:1:2", "{path}");

    us.ctl(&["route", "del", "10.9.0.0/16"])?;
    until(
        "FRR has lost the route",
        Duration::from_secs(5),
        || match frr.ctl("show bgp ipv4 unicast 10.9.0.0/16 json")? {
            text if text.contains("paths") => anyhow::bail!("{text}"),
            _ => Ok(()),
        },
    )?;

    us.wait_route("10.2.0.0/16")?;
    frr.ctl("configure terminal\nrouter bgp 4200000002\naddress-family ipv4 unicast\nno network 10.2.0.0/16")?;
    us.wait_no_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")
}

#[test]
#[ignore = "needs netns"]
fn each_refreshes_for_the_other() -> Result<()> {
    let lab = Lab::new("frr")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let frr = Frr::start_with_zebra(&b, THEIRS)?;
    us.wait_established("10.0.0.2")?;
    us.wait_route("fd02::/48")?;
    path(&frr, "fd01::/48")?;
    let count = |key: &str| -> Result<u64> {
        let all = us.json(&["neighbor", "10.0.0.2"])?;
        let number = all["messages_received"][key].as_u64();
        number.with_context(|| format!("no {key} in {all}"))
    };
    let sent = || -> Result<u64> {
        let all = us.json(&["neighbor", "10.0.0.2"])?;
        all["messages_sent"]["update"]
            .as_u64()
            .context("updates are counted")
    };

    let before = sent()?;
    frr.ctl("clear bgp ipv4 unicast 10.0.0.1 soft in")?;
    until("we send again", Duration::from_secs(5), || {
        ensure!(count("route_refresh")? > 0, "no ROUTE-REFRESH came");
        ensure!(sent()? > before, "nothing was sent");
        Ok(())
    })?;

    let before = count("update")?;
    us.ctl(&["neighbor", "10.0.0.2", "softresetin"])?;
    until("FRR sends again", Duration::from_secs(5), || {
        ensure!(count("update")? > before, "no UPDATE came");
        Ok(())
    })?;
    ensure!(
        us.json(&["neighbor", "10.0.0.2"])?["established_count"] == 1,
        "the session has not ended"
    );
    us.wait_route("10.2.0.0/16")
}

#[test]
#[ignore = "needs netns"]
fn each_keeps_the_others_routes_while_it_restarts() -> Result<()> {
    let lab = Lab::new("frr")?;
    let (a, b) = lab.pair()?;
    let mut us = Bgpd::start(&a, &format!("{OURS}\n[fib]\n"))?;
    let restarting = THEIRS.replace(
        " no bgp network import-check\n",
        " no bgp network import-check\n bgp graceful-restart\n",
    );
    let mut frr = Frr::start_with_zebra(&b, &restarting)?;
    us.wait_established("10.0.0.2")?;
    for prefix in ["10.1.0.0/16", "fd01::/48"] {
        let path = path(&frr, prefix)?;
        ensure!(path["stale"].is_null(), "{path}");
    }
    us.wait_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")?;

    us.process().kill()?;
    let stale = |wanted: bool, prefix: &str| -> Result<()> {
        let path = path(&frr, prefix)?;
        ensure!(path["stale"].as_bool().unwrap_or(false) == wanted, "{path}");
        Ok(())
    };
    for prefix in ["10.1.0.0/16", "fd01::/48"] {
        until("FRR keeps it as stale", SOON, || stale(true, prefix))?;
    }
    us.restart()?;
    us.wait_established("10.0.0.2")?;
    for prefix in ["10.1.0.0/16", "fd01::/48"] {
        until("FRR has it anew", SOON, || stale(false, prefix))?;
    }
    us.wait_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")?;

    frr.process().kill()?;
    until("the session is over", SOON, || {
        ensure!(us.state("10.0.0.2")? != "established");
        Ok(())
    })?;
    us.wait_route("10.2.0.0/16")?;
    drop(frr);
    let less = restarting.replace("  network 10.2.0.0/16\n", "");
    let _frr = Frr::start_with_zebra(&b, &less)?;
    // What it does not announce again is swept, the rest is not.
    us.wait_no_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")
}
