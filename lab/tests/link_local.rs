// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sessions between link-local addresses: BIRD and FRR have the same address on two of our interfaces.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Frr, Lab, Netns, config, until};

const LINKS: &str = r#"
[[peer-groups]]
peer-group-name = "links"
auth-password = "one-for-both"
ttl-security = { enabled = true }
afi-safis = [{ afi-safi-name = "ipv4-unicast" }, { afi-safi-name = "ipv6-unicast" }]
"#;

fn ours() -> String {
    config::ours("10.1.0.1")
        + LINKS
        + &config::neighbor("fe80::2%eth0", 64513, "peer-group = \"links\"")
        + &config::neighbor("fe80::2%eth1", 64514, "peer-group = \"links\"")
        + &config::blackhole("10.1.0.0/16")
        + &config::blackhole("fd01::/48")
        + "[fib]\n"
}

/// The one with 10.NUMBER.0.0/16.
fn bird(number: u8, asn: u32) -> String {
    let id = format!("10.{number}.0.1");
    let routes = [
        &*format!("10.{number}.0.0/16"),
        &format!("fd0{number}::/48"),
    ];
    let ends = [("fe80::2", asn), ("fe80::1%eth0", 64512)];
    let lines = "password \"one-for-both\"; ttl security on;\n".to_owned()
        + &config::bird_channel("ipv4", "extended next hop;")
        + &config::bird_channel("ipv6", "");
    config::bird(&id, &routes)
        + "protocol kernel { ipv4 { import none; export all; }; }\n\
           protocol kernel { ipv6 { import none; export all; }; }\n"
        + &config::bird_session(ends, &lines)
}

const FRR: &str = " neighbor fe80::1 interface eth0
 neighbor fe80::1 password one-for-both
 neighbor fe80::1 ttl-security hops 1
 neighbor fe80::1 capability extended-nexthop
";

fn frr() -> String {
    let active = "neighbor fe80::1 activate";
    config::frr(64514, "10.3.0.1", &[("fe80::1", 64512)])
        + FRR
        + &config::frr_family("ipv4", &["network 10.3.0.0/16", active])
        + &config::frr_family("ipv6", &["network fd03::/48", active])
}

/// Us in the middle; every end of a cable has one link-local address, ours the same, theirs the same.
fn three(lab: &Lab) -> Result<[Netns; 3]> {
    let all = [lab.netns("a")?, lab.netns("b")?, lab.netns("c")?];
    let [a, b, c] = &all;
    lab.cable((a, "eth0"), (b, "eth0"))?;
    lab.cable((a, "eth1"), (c, "eth0"))?;
    for (netns, device, number) in [
        (a, "eth0", 1),
        (a, "eth1", 1),
        (b, "eth0", 2),
        (c, "eth0", 2),
    ] {
        netns.ip(&format!("-6 addr flush dev {device} scope link"))?;
        netns.ip(&format!("-6 addr add fe80::{number}/64 dev {device} nodad"))?;
    }
    for (netns, number) in [(a, 1), (b, 2), (c, 3)] {
        netns.own_addresses(number)?;
    }
    Ok(all)
}

#[test]
#[ignore = "needs netns"]
fn one_link_local_address_is_two_neighbours() -> Result<()> {
    let lab = Lab::new("linklocal")?;
    let [a, b, c] = three(&lab)?;
    let us = Bgpd::start(&a, &ours())?;
    let bird = Bird::start(&b, &bird(2, 64513))?;
    let frr = Frr::start_with_zebra(&c, &frr())?;
    us.wait_established("fe80::2%eth0")?;
    us.wait_established("fe80::2%eth1")?;
    for (prefix, way) in [
        ("10.2.0.0/16", "via inet6 fe80::2 dev eth0"),
        ("10.3.0.0/16", "via inet6 fe80::2 dev eth1"),
        ("fd02::/48", "via fe80::2 dev eth0"),
        ("fd03::/48", "via fe80::2 dev eth1"),
    ] {
        a.wait_route_with(prefix, way)?;
    }
    // What one has the other is told with our own address: theirs is of no use there.
    let text = bird.wait_route("10.3.0.0/16")?;
    ensure!(
        text.contains("fe80::1") && !text.contains("BGP.next_hop: fe80::2"),
        "{text}"
    );
    frr.wait_route("10.2.0.0/16")?;
    a.wait_ping("10.1.0.1", "10.2.0.1")?;
    a.wait_ping("10.1.0.1", "10.3.0.1")?;
    a.wait_ping("fd01::1", "fd02::1")?;
    a.wait_ping("fd01::1", "fd03::1")?;
    // Across us, from one to the other.
    b.wait_ping("10.2.0.1", "10.3.0.1")?;
    let shown = us.ctl(&["route", "10.3.0.0/16"])?;
    ensure!(shown.contains("fe80::2%eth1"), "{shown}");
    let table = us.ctl(&["neighbor"])?;
    ensure!(table.contains("fe80::2%eth0"), "{table}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn one_that_only_connects_is_known_by_its_interface() -> Result<()> {
    let lab = Lab::new("linklocal")?;
    let [a, b, c] = three(&lab)?;
    let passive = ours().replace(
        "ttl-security = { enabled = true }",
        "ttl-security = { enabled = true }\ntransport = { passive-mode = true }",
    );
    let us = Bgpd::start(&a, &passive)?;
    let _bird = Bird::start(&b, &bird(2, 64513))?;
    let _other = Bird::start(&c, &bird(3, 64514))?;
    us.wait_established("fe80::2%eth0")?;
    us.wait_established("fe80::2%eth1")?;
    // One is taken away by a reload, the other stays, with its key.
    let block = config::neighbor("fe80::2%eth1", 64514, "peer-group = \"links\"");
    ensure!(passive.contains(&block), "the block is there");
    us.reload(&passive.replace(&block, ""))?;
    us.wait_no_route("10.3.0.0/16")?;
    us.ctl(&["neighbor", "fe80::2%eth0", "reset"])?;
    us.wait_established("fe80::2%eth0")?;
    us.wait_route("10.2.0.0/16")
}

#[test]
#[ignore = "needs netns"]
fn a_cable_that_is_pulled_takes_its_link_local_next_hops_before_the_session_ends() -> Result<()> {
    let lab = Lab::new("linklocal")?;
    let [a, b, c] = three(&lab)?;
    let us = Bgpd::start(&a, &ours())?;
    let shared = "route 10.9.0.0/16 blackhole;\nroute 10.2.0.0/16 blackhole;";
    let theirs = |number, asn| {
        let text = bird(number, asn);
        let own = format!("route 10.{number}.0.0/16 blackhole;");
        ensure!(text.contains(&own), "{text}");
        Ok(text.replace(&own, shared))
    };
    let _bird = Bird::start(&b, &theirs(2, 64513)?)?;
    let _other = Bird::start(&c, &theirs(3, 64514)?)?;
    us.wait_established("fe80::2%eth0")?;
    us.wait_established("fe80::2%eth1")?;
    let chosen = "via inet6 fe80::2 dev eth0";
    a.wait_route_with("10.9.0.0/16", chosen)?;
    a.wait_route_with("fd02::/48", "via fe80::2 dev eth0")?;
    b.ip("link set eth0 down")?;
    let begun = Instant::now();
    until("the other way is taken", Duration::from_secs(2), || {
        let routes = a.routes()?;
        let gone = !routes.contains(chosen);
        ensure!(
            gone && routes.matches("via inet6 fe80::2 dev eth1").count() == 2,
            "{routes}"
        );
        Ok(())
    })?;
    let took = begun.elapsed();
    a.wait_route("fd02::/48", "")?;
    ensure!(
        us.state("fe80::2%eth0")? == "established",
        "the session had no time to end: {took:?}"
    );
    eprintln!("link-local next hops were left {took:?} after the cable was pulled");
    b.ip("link set eth0 up")?;
    b.ip("-6 addr replace fe80::2/64 dev eth0 nodad")?;
    a.wait_route_with("fd02::/48", "via fe80::2 dev eth0")
}
