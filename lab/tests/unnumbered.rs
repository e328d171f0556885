// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours without addresses, found by router advertisements: FRR at the other end, and ourselves.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Frr, Lab, Netns, config, until};

/// Advertisements come every ten seconds.
const SOON: Duration = Duration::from_secs(40);

const NEIGHBOR: &str = r#"
[[neighbors]]
neighbor-interface = "eth0"
peer-as = "external"
description = "the other end"
timers = { hold-time = 9 }
"#;

fn ours() -> String {
    config::ours("10.1.0.1")
        + NEIGHBOR
        + &config::blackhole("10.1.0.0/16")
        + &config::blackhole("fd01::/48")
        + "[fib]\n"
}

fn frr() -> String {
    config::frr(64513, "10.2.0.1", &[])
        + " neighbor eth0 interface remote-as external\n neighbor eth0 timers connect 1\n"
        + &config::frr_family("ipv4", &["network 10.2.0.0/16"])
        + &config::frr_family("ipv6", &["network fd02::/48", "neighbor eth0 activate"])
}

/// A cable whose ends have the link-local addresses that the kernel gives them.
fn pair(lab: &Lab) -> Result<(Netns, Netns)> {
    let (a, b) = (lab.netns("a")?, lab.netns("b")?);
    lab.cable((&a, "eth0"), (&b, "eth0"))?;
    a.own_addresses(1)?;
    b.own_addresses(2)?;
    Ok((a, b))
}

fn link_local(netns: &Netns) -> Result<String> {
    let text = netns.ip_output("-6 -o addr show dev eth0 scope link")?;
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with("fe80"));
    let address = word.and_then(|word| word.split('/').next());
    address.map(str::to_owned).context(text)
}

#[test]
#[ignore = "needs netns"]
fn frr_and_we_find_each_other_and_packets_flow() -> Result<()> {
    let lab = Lab::new("unnumbered")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, &ours())?;
    let frr = Frr::start_with_zebra(&b, &frr())?;
    us.wait_established("eth0")?;
    let theirs = link_local(&b)?;
    a.wait_route_with("10.2.0.0/16", &format!("via inet6 {theirs} dev eth0"))?;
    a.wait_route_with("fd02::/48", &format!("via {theirs} dev eth0"))?;
    frr.wait_route("10.1.0.0/16")?;
    a.wait_ping("10.1.0.1", "10.2.0.1")?;
    a.wait_ping("fd01::1", "fd02::1")?;
    let neighbor = us.json(&["neighbor", "eth0"])?;
    ensure!(
        neighbor["as"] == 64513 && neighbor["description"] == "the other end",
        "{neighbor}"
    );
    // Nobody takes us for a default router.
    let routes = b.ip_output("-6 route show default")?;
    ensure!(routes.trim().is_empty(), "{routes}");

    // The cable is pulled: long before the hold time is over the routes are gone.
    b.ip("link set eth0 down")?;
    until("the route is gone", Duration::from_secs(6), || {
        let routes = a.routes()?;
        ensure!(!routes.contains("10.2.0.0/16"), "{routes}");
        Ok(())
    })?;
    // Its next hops go at once, its session within a second.
    until("the session is over", Duration::from_secs(6), || {
        ensure!(us.state("eth0")? != "established");
        Ok(())
    })?;
    b.ip("link set eth0 up")?;
    us.wait_established("eth0")?;
    a.wait_route_with("10.2.0.0/16", "via inet6")?;
    a.wait_ping("10.1.0.1", "10.2.0.1")
}

#[test]
#[ignore = "needs netns"]
fn a_neighbour_that_changes_its_address_is_found_again() -> Result<()> {
    let lab = Lab::new("unnumbered")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, &ours())?;
    let theirs = ours().replace("64512", "64513").replace("10.1.0", "10.2.0");
    let other = Bgpd::start(&b, &theirs.replace("fd01", "fd02"))?;
    us.wait_established("eth0")?;
    other.wait_established("eth0")?;
    b.ip("-6 addr flush dev eth0 scope link")?;
    b.ip("-6 addr add fe80::77/64 dev eth0 nodad")?;
    until("it is found where it is now", SOON, || {
        a.wait_route_with("10.2.0.0/16", "via inet6 fe80::77 dev eth0")
    })?;
    a.wait_ping("10.1.0.1", "10.2.0.1")?;
    // An operator's word counts for the interface, whoever is there.
    us.ctl(&["neighbor", "eth0", "disable"])?;
    us.wait_no_route("10.2.0.0/16")?;
    us.ctl(&["neighbor", "eth0", "enable"])?;
    us.wait_route("10.2.0.0/16")
}

#[test]
#[ignore = "needs netns"]
fn one_of_our_own_as_is_not_let_in_where_another_is_wanted() -> Result<()> {
    let lab = Lab::new("unnumbered")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, &ours())?;
    let _other = Bgpd::start(
        &b,
        &ours()
            .replace("\"external\"", "\"any\"")
            .replace("10.1.0", "10.2.0"),
    )?;
    until("it is refused, and we say why", SOON, || {
        let neighbor = us.json(&["neighbor", "eth0"])?;
        let error = neighbor["last_error"].to_string();
        ensure!(error.contains("Bad Peer AS"), "{error}");
        Ok(())
    })?;
    // A reload takes it.
    us.reload(&ours().replace("\"external\"", "\"internal\""))?;
    us.wait_established("eth0")
}
