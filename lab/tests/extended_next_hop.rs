// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IPv4 routes with IPv6 next hops (RFC 8950) over a link that has no IPv4 address: on the wire, in the kernel, and a ping.

use anyhow::{Result, ensure};
use lab::{
    Bgpd, Bird, Frr, GoBgp, Lab, Netns,
    config::{self, BOTH_FAMILIES},
};

fn ours() -> String {
    config::ours("10.1.0.1")
        + &config::neighbor("fd00::2", 64513, BOTH_FAMILIES)
        + &config::blackhole("10.1.0.0/16")
        + "[fib]\n"
}

fn bird() -> String {
    let ends = [("fd00::2", 64513), ("fd00::1", 64512)];
    let channels =
        config::bird_channel("ipv4", "extended next hop;") + &config::bird_channel("ipv6", "");
    config::bird("10.2.0.1", &["10.2.0.0/16"])
        + "protocol kernel { ipv4 { import none; export all; }; }\n"
        + &config::bird_session(ends, &channels)
}

/// Two hosts; their IPv4 addresses are not on the link.
fn pair(lab: &Lab) -> Result<(Netns, Netns)> {
    let (a, b) = (lab.netns("a")?, lab.netns("b")?);
    lab.cable((&a, "eth0"), (&b, "eth0"))?;
    for (netns, number) in [(&a, 1), (&b, 2)] {
        netns.own_addresses(number)?;
        netns.ip(&format!("-6 addr add fd00::{number}/64 dev eth0 nodad"))?;
    }
    Ok((a, b))
}

/// Ours has their route by way of their address.
fn we_have_it(us: &Bgpd, a: &Netns) -> Result<()> {
    us.wait_established("fd00::2")?;
    a.wait_route_with("10.2.0.0/16", "via inet6 fd00::2 dev eth0")
}

#[test]
#[ignore = "needs netns"]
fn packets_to_bird_and_back() -> Result<()> {
    let lab = Lab::new("enh-bird")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, &ours())?;
    let bird = Bird::start(&b, &bird())?;
    we_have_it(&us, &a)?;
    let text = bird.wait_route("10.1.0.0/16")?;
    ensure!(text.contains("BGP.next_hop: fd00::1"), "{text}");
    a.wait_ping("10.1.0.1", "10.2.0.1")?;
    let text = us.ctl(&["neighbor", "fd00::2"])?;
    ensure!(text.contains("extended-nexthop"), "{text}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn packets_to_frr_and_back() -> Result<()> {
    let lab = Lab::new("enh-frr")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, &ours())?;
    let config = config::frr(64513, "10.2.0.1", &[("fd00::1", 64512)])
        + " neighbor fd00::1 capability extended-nexthop\n"
        + &config::frr_family(
            "ipv4",
            &["network 10.2.0.0/16", "neighbor fd00::1 activate"],
        );
    let frr = Frr::start_with_zebra(&b, &config)?;
    we_have_it(&us, &a)?;
    frr.wait_route("10.1.0.0/16")?;
    a.wait_ping("10.1.0.1", "10.2.0.1")
}

#[test]
#[ignore = "needs netns"]
fn gobgp_takes_them_and_has_some() -> Result<()> {
    let lab = Lab::new("enh-gobgp")?;
    let (a, b) = pair(&lab)?;
    let us = Bgpd::start(&a, &ours())?;
    let config = config::gobgp(64513, "10.2.0.1")
        + &config::gobgp_neighbor("fd00::1", 64512)
        + &config::gobgp_family("ipv4-unicast", "")
        + &config::gobgp_family("ipv6-unicast", "");
    let gobgp = GoBgp::start(&b, &config)?;
    us.wait_established("fd00::2")?;
    gobgp.ctl("global rib add -a ipv4 10.2.0.0/16 nexthop fd00::2")?;
    we_have_it(&us, &a)?;
    let text = gobgp.wait_route("10.1.0.0/16")?;
    ensure!(text.contains("fd00::1"), "{text}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn without_the_capability_no_such_route_is_sent() -> Result<()> {
    let lab = Lab::new("enh-off")?;
    let (a, b) = pair(&lab)?;
    let off = ours().replace(
        "{ afi-safi-name = \"ipv4-unicast\" }",
        "{ afi-safi-name = \"ipv4-unicast\", extended-nexthop = false }",
    );
    let us = Bgpd::start(&a, &off)?;
    let bird = Bird::start(&b, &bird())?;
    us.wait_established("fd00::2")?;
    us.wait_end_of_rib("fd00::2")?;
    us.wait_no_route("10.2.0.0/16")?;
    // What comes after the first table is there, and what would have been in that table is not.
    us.add_route("fd09::/48 --blackhole")?;
    bird.wait_route("fd09::/48")?;
    bird.wait_no_route("10.1.0.0/16")?;
    // A reload offers it: the session is set up anew.
    us.reload(&ours())?;
    bird.wait_route("10.1.0.0/16").map(drop)
}
