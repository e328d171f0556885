// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sessions between link-local addresses: BIRD and FRR have the same address on two of our interfaces.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Frr, Lab, Netns, until};

const SOON: Duration = Duration::from_secs(20);

const OURS: &str = r#"
[global]
as = 64512
router-id = "10.1.0.1"
apply-policy = { default-import-policy = "accept-route", default-export-policy = "accept-route" }

[[peer-groups]]
peer-group-name = "links"
auth-password = "one-for-both"
ttl-security = { enabled = true }
afi-safis = [{ afi-safi-name = "ipv4-unicast" }, { afi-safi-name = "ipv6-unicast" }]

[[neighbors]]
neighbor-address = "fe80::2%eth0"
peer-group = "links"
peer-as = 64513
[[neighbors]]
neighbor-address = "fe80::2%eth1"
peer-group = "links"
peer-as = 64514

[[static-routes]]
prefix = "10.1.0.0/16"
blackhole = true
[[static-routes]]
prefix = "fd01::/48"
blackhole = true

[fib]
"#;

const BIRD: &str = "router id 10.2.0.1;\nlog stderr all;\nprotocol device {}\n\
    protocol kernel { ipv4 { import none; export all; }; }\nprotocol kernel { ipv6 { import none; export all; }; }\n\
    protocol static { ipv4; route 10.2.0.0/16 blackhole; }\nprotocol static { ipv6; route fd02::/48 blackhole; }\n\
    protocol bgp peer1 { local fe80::2 as 64513; neighbor fe80::1%eth0 as 64512; password \"one-for-both\";\n\
    ttl security on; connect retry time 1; connect delay time 1; error wait time 1, 5;\n\
    ipv4 { import all; export where source = RTS_STATIC; extended next hop; };\n\
    ipv6 { import all; export where source = RTS_STATIC; }; }\n";

const FRR: &str = "
router bgp 64514
 bgp router-id 10.3.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor fe80::1 remote-as 64512
 neighbor fe80::1 interface eth0
 neighbor fe80::1 password one-for-both
 neighbor fe80::1 ttl-security hops 1
 neighbor fe80::1 timers connect 1
 neighbor fe80::1 capability extended-nexthop
 address-family ipv4 unicast
  network 10.3.0.0/16
  neighbor fe80::1 activate
 exit-address-family
 address-family ipv6 unicast
  network fd03::/48
  neighbor fe80::1 activate
 exit-address-family
";

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
        netns.ip(&format!("addr add 10.{number}.0.1/32 dev lo"))?;
        netns.ip(&format!("-6 addr add fd0{number}::1/128 dev lo"))?;
    }
    Ok(all)
}

fn ping(from: &Netns, source: &str, to: &str) -> Result<()> {
    until(&format!("{to} answers"), SOON, || {
        from.exec(&["ping", "-c", "1", "-W", "1", "-I", source, to])
            .map(drop)
    })
}

#[test]
#[ignore = "needs netns"]
fn one_link_local_address_is_two_neighbours() -> Result<()> {
    let lab = Lab::new("linklocal")?;
    let [a, b, c] = three(&lab)?;
    let us = Bgpd::start(&a, OURS)?;
    let bird = Bird::start(&b, BIRD)?;
    let frr = Frr::start_with_zebra(&c, FRR)?;
    us.wait_established("fe80::2%eth0")?;
    us.wait_established("fe80::2%eth1")?;
    until("the kernel knows whose link it is", SOON, || {
        let routes = format!("{}{}", a.routes()?, a.ip_output("-6 route show")?);
        for route in [
            "10.2.0.0/16 via inet6 fe80::2 dev eth0",
            "10.3.0.0/16 via inet6 fe80::2 dev eth1",
            "fd02::/48 via fe80::2 dev eth0",
            "fd03::/48 via fe80::2 dev eth1",
        ] {
            ensure!(routes.contains(route), "no {route} in\n{routes}");
        }
        Ok(())
    })?;
    // What one has the other is told with our own address: theirs is of no use there.
    let text = bird.wait_route("10.3.0.0/16")?;
    ensure!(
        text.contains("fe80::1") && !text.contains("BGP.next_hop: fe80::2"),
        "{text}"
    );
    frr.wait_route("10.2.0.0/16")?;
    ping(&a, "10.1.0.1", "10.2.0.1")?;
    ping(&a, "10.1.0.1", "10.3.0.1")?;
    ping(&a, "fd01::1", "fd02::1")?;
    ping(&a, "fd01::1", "fd03::1")?;
    // Across us, from one to the other.
    ping(&b, "10.2.0.1", "10.3.0.1")?;
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
    let passive = OURS.replace(
        "ttl-security = { enabled = true }",
        "ttl-security = { enabled = true }\ntransport = { passive-mode = true }",
    );
    let us = Bgpd::start(&a, &passive)?;
    let _bird = Bird::start(&b, BIRD)?;
    let _other = Bird::start(
        &c,
        &BIRD.replace("64513", "64514").replace("10.2.", "10.3."),
    )?;
    us.wait_established("fe80::2%eth0")?;
    us.wait_established("fe80::2%eth1")?;
    // One is taken away by a reload, the other stays, with its key.
    let block = "[[neighbors]]\nneighbor-address = \"fe80::2%eth1\"\npeer-group = \"links\"\npeer-as = 64514\n";
    ensure!(passive.contains(block), "the block is there");
    us.write_config(&passive.replace(block, ""))?;
    us.ctl(&["reload"])?;
    us.wait_no_route("10.3.0.0/16")?;
    us.ctl(&["neighbor", "fe80::2%eth0", "reset"])?;
    us.wait_established("fe80::2%eth0")?;
    us.wait_route("10.2.0.0/16")
}
