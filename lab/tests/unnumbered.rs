// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours without addresses, found by router advertisements: FRR at the other end, and ourselves.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{Bgpd, Frr, Lab, Netns, until};

/// Advertisements come every ten seconds.
const SOON: Duration = Duration::from_secs(40);

const OURS: &str = r#"
[global]
as = 64512
router-id = "10.1.0.1"
apply-policy = { default-import-policy = "accept-route", default-export-policy = "accept-route" }

[[neighbors]]
neighbor-interface = "eth0"
peer-as = "external"
description = "the other end"
timers = { hold-time = 9 }

[[static-routes]]
prefix = "10.1.0.0/16"
blackhole = true
[[static-routes]]
prefix = "fd01::/48"
blackhole = true

[fib]
"#;

const FRR: &str = "
router bgp 64513
 bgp router-id 10.2.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor eth0 interface remote-as external
 neighbor eth0 timers connect 1
 address-family ipv4 unicast
  network 10.2.0.0/16
 exit-address-family
 address-family ipv6 unicast
  network fd02::/48
  neighbor eth0 activate
 exit-address-family
";

/// A cable whose ends have the link-local addresses that the kernel gives them.
fn pair(lab: &Lab) -> Result<(Netns, Netns)> {
    let (a, b) = (lab.netns("a")?, lab.netns("b")?);
    lab.cable((&a, "eth0"), (&b, "eth0"))?;
    for (netns, number) in [(&a, 1), (&b, 2)] {
        netns.ip(&format!("addr add 10.{number}.0.1/32 dev lo"))?;
        netns.ip(&format!("-6 addr add fd0{number}::1/128 dev lo"))?;
    }
    Ok((a, b))
}

fn link_local(netns: &Netns) -> Result<String> {
    let text = netns.ip_output("-6 -o addr show dev eth0 scope link")?;
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with("fe80"));
    let address = word.and_then(|word| word.split('/').next());
    address
        .map(str::to_owned)
        .ok_or_else(|| anyhow::anyhow!("{text}"))
}

fn kernel_has(netns: &Netns, route: &str) -> Result<()> {
    until(&format!("{} has {route}", netns.short()), SOON, || {
        let routes = format!("{}{}", netns.routes()?, netns.ip_output("-6 route show")?);
        ensure!(routes.contains(route), "{routes}");
        Ok(())
    })
}

fn ping(from: &Netns, source: &str, to: &str) -> Result<()> {
    until(&format!("{to} answers"), SOON, || {
        from.exec(&["ping", "-c", "1", "-W", "1", "-I", source, to])
            .map(drop)
    })
}

#[test]
#[ignore = "needs netns"]
fn frr_and_we_find_each_other_and_packets_flow() -> Result<()> {
    let lab = Lab::new("unnumbered")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, OURS)?;
    let frr = Frr::start_with_zebra(&b, FRR)?;
    us.wait_established("eth0")?;
    let theirs = link_local(&b)?;
    kernel_has(&a, &format!("10.2.0.0/16 via inet6 {theirs} dev eth0"))?;
    kernel_has(&a, &format!("fd02::/48 via {theirs} dev eth0"))?;
    frr.wait_route("10.1.0.0/16")?;
    ping(&a, "10.1.0.1", "10.2.0.1")?;
    ping(&a, "fd01::1", "fd02::1")?;
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
    ensure!(us.state("eth0")? != "established");
    b.ip("link set eth0 up")?;
    us.wait_established("eth0")?;
    kernel_has(&a, "10.2.0.0/16 via inet6")?;
    ping(&a, "10.1.0.1", "10.2.0.1")
}

#[test]
#[ignore = "needs netns"]
fn a_neighbour_that_changes_its_address_is_found_again() -> Result<()> {
    let lab = Lab::new("unnumbered")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, OURS)?;
    let theirs = OURS.replace("64512", "64513").replace("10.1.0", "10.2.0");
    let other = Bgpd::start(&b, &theirs.replace("fd01", "fd02"))?;
    us.wait_established("eth0")?;
    other.wait_established("eth0")?;
    b.ip("-6 addr flush dev eth0 scope link")?;
    b.ip("-6 addr add fe80::77/64 dev eth0 nodad")?;
    kernel_has(&a, "10.2.0.0/16 via inet6 fe80::77 dev eth0")?;
    ping(&a, "10.1.0.1", "10.2.0.1")?;
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
    let us = Bgpd::start(&a, OURS)?;
    let _other = Bgpd::start(
        &b,
        &OURS
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
    us.write_config(&OURS.replace("\"external\"", "\"internal\""))?;
    us.ctl(&["reload"])?;
    us.wait_established("eth0")
}
