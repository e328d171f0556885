// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With FRR: routes of both families both ways in one session, attributes, withdrawal, refresh.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{
    Bgpd, Frr, Lab, Netns,
    config::{self, BOTH_FAMILIES},
    until,
};
use serde_json::{Value, json};

fn ours() -> String {
    config::ours_with(4_200_000_002, BOTH_FAMILIES)
        + &config::blackhole("10.1.0.0/16")
        + &config::blackhole("fd01::/48")
}

const ROUTE_MAPS: &str = "route-map out4 permit 10
 set metric 77
 set community 65000:1 65000:2
 set as-path prepend 4200000009
route-map out6 permit 10
 set ipv6 next-hop global fd00::2
";

fn theirs() -> String {
    let active = "neighbor 10.0.0.1 activate";
    let four = [
        "network 10.2.0.0/16",
        active,
        "neighbor 10.0.0.1 route-map out4 out",
    ];
    let six = [
        "network fd02::/48",
        active,
        "neighbor 10.0.0.1 route-map out6 out",
    ];
    config::frr(4_200_000_002, "10.0.0.2", &[("10.0.0.1", 64512)])
        + &config::frr_family("ipv4", &four)
        + &config::frr_family("ipv6", &six)
        + ROUTE_MAPS
}

const SOON: Duration = Duration::from_secs(10);

/// Both, with a session. FRR runs with zebra: without interfaces it withdraws what has a link-local next hop beside the
/// global one.
fn start(lab: &Lab) -> Result<(Bgpd, Frr)> {
    let (a, b) = lab.pair()?;
    start_with(&a, &ours(), &b, &theirs())
}

fn start_with(a: &Netns, ours: &str, b: &Netns, theirs: &str) -> Result<(Bgpd, Frr)> {
    let us = Bgpd::start(a, ours)?;
    let frr = Frr::start_with_zebra(b, theirs)?;
    us.wait_established("10.0.0.2")?;
    Ok((us, frr))
}

/// The only path FRR has of a prefix, when it has come.
fn path(frr: &Frr, prefix: &str) -> Result<Value> {
    frr.wait_route(prefix)?;
    frr.path(prefix)
}

#[test]
#[ignore = "needs netns"]
fn routes_of_both_families_go_both_ways() -> Result<()> {
    let lab = Lab::new("frr")?;
    let (us, frr) = start(&lab)?;

    for (prefix, next_hop) in [("10.1.0.0/16", "10.0.0.1"), ("fd01::/48", "fd00::1")] {
        let path = path(&frr, prefix)?;
        ensure!(path["aspath"]["string"] == "64512", "{path}");
        ensure!(path["nexthops"][0]["ip"] == next_hop, "{path}");
        ensure!(path["origin"] == "IGP" && path["valid"] == true, "{path}");
    }

    let four = json!({
        "as_path": "4200000002 4200000009", "next_hop": "10.0.0.2", "med": 77,
        "communities": ["65000:1", "65000:2"],
    });
    us.wait_best("10.2.0.0/16", &four)?;
    us.wait_best(
        "fd02::/48",
        &json!({ "as_path": "4200000002", "next_hop": "fd00::2" }),
    )
}

#[test]
#[ignore = "needs netns"]
fn attributes_and_withdrawals_arrive() -> Result<()> {
    let lab = Lab::new("frr")?;
    let (us, frr) = start(&lab)?;
    us.add_route("10.9.0.0/16 --blackhole --med 5 --community 64512:7 --large-community 64512:1:2 --origin incomplete")?;
    let path = path(&frr, "10.9.0.0/16")?;
    ensure!(
        path["metric"] == 5 && path["origin"] == "incomplete",
        "{path}"
    );
    ensure!(path["community"]["string"] == "64512:7", "{path}");
    ensure!(path["largeCommunity"]["string"] == "64512:1:2", "{path}");

    us.ctl(&["route", "del", "10.9.0.0/16"])?;
    frr.wait_no_route("10.9.0.0/16")?;

    us.wait_route("10.2.0.0/16")?;
    frr.ctl("configure terminal\nrouter bgp 4200000002\naddress-family ipv4 unicast\nno network 10.2.0.0/16")?;
    us.wait_no_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")
}

#[test]
#[ignore = "needs netns"]
fn each_refreshes_for_the_other() -> Result<()> {
    let lab = Lab::new("frr")?;
    let (us, frr) = start(&lab)?;
    us.wait_route("fd02::/48")?;
    path(&frr, "fd01::/48")?;
    let count = |what: &str| us.number("10.0.0.2", what);
    let before = count("messages_sent/update")?;
    frr.ctl("clear bgp ipv4 unicast 10.0.0.1 soft in")?;
    until("we send again", Duration::from_secs(5), || {
        ensure!(
            count("messages_received/route_refresh")? > 0,
            "no ROUTE-REFRESH came"
        );
        ensure!(count("messages_sent/update")? > before, "nothing was sent");
        Ok(())
    })?;

    let before = count("messages_received/update")?;
    us.ctl(&["neighbor", "10.0.0.2", "softresetin"])?;
    until("FRR sends again", Duration::from_secs(5), || {
        ensure!(
            count("messages_received/update")? > before,
            "no UPDATE came"
        );
        Ok(())
    })?;
    ensure!(
        count("established_count")? == 1,
        "the session has not ended"
    );
    us.wait_route("10.2.0.0/16")
}

#[test]
#[ignore = "needs netns"]
fn each_keeps_the_others_routes_while_it_restarts() -> Result<()> {
    let lab = Lab::new("frr")?;
    let (a, b) = lab.pair()?;
    let restarting = theirs().replace(
        " no bgp network import-check\n",
        " no bgp network import-check\n bgp graceful-restart\n",
    );
    let (mut us, mut frr) = start_with(&a, &(ours() + "[fib]\n"), &b, &restarting)?;
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
    us.wait_down("10.0.0.2")?;
    us.wait_route("10.2.0.0/16")?;
    drop(frr);
    let less = restarting.replace("  network 10.2.0.0/16\n", "");
    let _frr = Frr::start_with_zebra(&b, &less)?;
    // What it does not announce again is swept, the rest is not.
    us.wait_no_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")
}
