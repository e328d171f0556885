// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IPv4 routes with IPv6 next hops (RFC 8950) over a link that has no IPv4 address: on the wire, in the kernel, and a ping.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Frr, GoBgp, Lab, Netns, until};

const SOON: Duration = Duration::from_secs(20);

const OURS: &str = r#"
[global]
as = 64512
router-id = "10.1.0.1"
apply-policy = { default-import-policy = "accept-route", default-export-policy = "accept-route" }

[[neighbors]]
neighbor-address = "fd00::2"
peer-as = 64513
afi-safis = [{ afi-safi-name = "ipv4-unicast" }, { afi-safi-name = "ipv6-unicast" }]

[[static-routes]]
prefix = "10.1.0.0/16"
blackhole = true

[fib]
"#;

const BIRD: &str = "router id 10.2.0.1;\nlog stderr all;\nprotocol device {}\n\
    protocol kernel { ipv4 { import none; export all; }; }\n\
    protocol static { ipv4; route 10.2.0.0/16 blackhole; }\n\
    protocol bgp peer1 { local fd00::2 as 64513; neighbor fd00::1 as 64512;\n\
    connect retry time 1; connect delay time 1; error wait time 1, 5;\n\
    ipv4 { import all; export where source = RTS_STATIC; extended next hop; }; ipv6 { import all; export all; }; }\n";

const FRR: &str = "
router bgp 64513
 bgp router-id 10.2.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor fd00::1 remote-as 64512
 neighbor fd00::1 timers connect 1
 neighbor fd00::1 capability extended-nexthop
 address-family ipv4 unicast
  network 10.2.0.0/16
  neighbor fd00::1 activate
 exit-address-family
";

const GOBGP: &str = r#"
[global.config]
as = 64513
router-id = "10.2.0.1"
[[neighbors]]
config = { neighbor-address = "fd00::1", peer-as = 64512 }
timers = { config = { connect-retry = 5 } }
[[neighbors.afi-safis]]
config = { afi-safi-name = "ipv4-unicast" }
[[neighbors.afi-safis]]
config = { afi-safi-name = "ipv6-unicast" }
"#;

/// Two hosts; their IPv4 addresses are not on the link.
fn pair(lab: &Lab) -> Result<(Netns, Netns)> {
    let (a, b) = (lab.netns("a")?, lab.netns("b")?);
    lab.cable((&a, "eth0"), (&b, "eth0"))?;
    for (netns, number) in [(&a, 1), (&b, 2)] {
        netns.ip(&format!("addr add 10.{number}.0.1/32 dev lo"))?;
        netns.ip(&format!("-6 addr add fd00::{number}/64 dev eth0 nodad"))?;
    }
    Ok((a, b))
}

fn kernel_has(netns: &Netns, route: &str) -> Result<()> {
    until(&format!("{} has {route}", netns.short()), SOON, || {
        let routes = netns.routes()?;
        ensure!(routes.contains(route), "{routes}");
        Ok(())
    })
}

fn ping(a: &Netns) -> Result<()> {
    until("a ping comes back", SOON, || {
        a.exec(&["ping", "-c", "1", "-W", "1", "-I", "10.1.0.1", "10.2.0.1"])
            .map(drop)
    })
}

#[test]
#[ignore = "needs netns"]
fn packets_to_bird_and_back() -> Result<()> {
    let lab = Lab::new("enh-bird")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, OURS)?;
    let bird = Bird::start(&b, BIRD)?;
    us.wait_established("fd00::2")?;
    kernel_has(&a, "10.2.0.0/16 via inet6 fd00::2 dev eth0")?;
    let text = bird.wait_route("10.1.0.0/16")?;
    ensure!(text.contains("BGP.next_hop: fd00::1"), "{text}");
    ping(&a)?;
    let text = us.ctl(&["neighbor", "fd00::2"])?;
    ensure!(text.contains("extended-nexthop"), "{text}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn packets_to_frr_and_back() -> Result<()> {
    let lab = Lab::new("enh-frr")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, OURS)?;
    let frr = Frr::start_with_zebra(&b, FRR)?;
    us.wait_established("fd00::2")?;
    kernel_has(&a, "10.2.0.0/16 via inet6 fd00::2 dev eth0")?;
    frr.wait_route("10.1.0.0/16")?;
    ping(&a)
}

#[test]
#[ignore = "needs netns"]
fn gobgp_takes_them_and_has_some() -> Result<()> {
    let lab = Lab::new("enh-gobgp")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, OURS)?;
    let gobgp = GoBgp::start(&b, GOBGP)?;
    us.wait_established("fd00::2")?;
    gobgp.ctl("global rib add -a ipv4 10.2.0.0/16 nexthop fd00::2")?;
    kernel_has(&a, "10.2.0.0/16 via inet6 fd00::2 dev eth0")?;
    let text = gobgp.wait_route("10.1.0.0/16")?;
    ensure!(text.contains("fd00::1"), "{text}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn without_the_capability_no_such_route_is_sent() -> Result<()> {
    let lab = Lab::new("enh-off")?;
    let (a, b) = pair(&lab)?;
    let off = OURS.replace(
        "{ afi-safi-name = \"ipv4-unicast\" }",
        "{ afi-safi-name = \"ipv4-unicast\", extended-nexthop = false }",
    );
    let us = Bgpd::start(&a, &off)?;
    let bird = Bird::start(&b, BIRD)?;
    us.wait_established("fd00::2")?;
    until("the tables are sent", SOON, || {
        let neighbor = us.json(&["neighbor", "fd00::2"])?;
        ensure!(neighbor["families"][0]["end_of_rib"] == true, "{neighbor}");
        Ok(())
    })?;
    bird.wait_no_route("10.1.0.0/16")?;
    us.wait_no_route("10.2.0.0/16")?;
    // A reload offers it: the session is set up anew.
    us.write_config(OURS)?;
    us.ctl(&["reload"])?;
    bird.wait_route("10.1.0.0/16").map(drop)
}
