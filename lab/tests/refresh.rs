// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Enhanced route refresh (RFC 7313) with BIRD, FRR and OpenBGPD: marks around what is sent again, and nothing is lost.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Bird, Frr, Lab, OpenBgp, until};

const SOON: Duration = Duration::from_secs(15);

const OURS: &str = r#"
[global]
as = 64512
router-id = "10.0.0.1"
shards = 2
apply-policy = { default-import-policy = "accept-route", default-export-policy = "accept-route" }

[[neighbors]]
neighbor-address = "10.0.0.2"
peer-as = 64513
afi-safis = [{ afi-safi-name = "ipv4-unicast" }]

[[static-routes]]
prefix = "10.1.0.0/16"
blackhole = true
"#;

const BIRD: &str = "router id 10.0.0.2;\nlog stderr all;\nprotocol device {}\n\
    protocol static { ipv4; route 10.2.0.0/16 blackhole; }\n\
    protocol bgp peer1 { local 10.0.0.2 as 64513; neighbor 10.0.0.1 as 64512;\n\
    connect retry time 1; connect delay time 1; enable route refresh;\n\
    ipv4 { import all; export all; }; }\n";

const FRR: &str = "
router bgp 64513
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 64512
 neighbor 10.0.0.1 timers connect 1
 address-family ipv4 unicast
  network 10.2.0.0/16
  neighbor 10.0.0.1 activate
 exit-address-family
";

const OPEN: &str = "
AS 64513
router-id 10.0.0.2
fib-update no
network 10.2.0.0/16
neighbor 10.0.0.1 {
    remote-as 64512
    announce enhanced refresh yes
}
allow from any
allow to any
";

/// ROUTE-REFRESH messages of a direction.
fn refreshes(us: &Bgpd, direction: &str) -> Result<u64> {
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    let count = neighbor[direction]["route_refresh"].as_u64();
    count.context("a number")
}

/// Waits until so many more have come or gone. Two marks belong to every table.
fn until_more(us: &Bgpd, direction: &str, before: u64, more: u64) -> Result<()> {
    until("the marks", SOON, || {
        let now = refreshes(us, direction)?;
        ensure!(now == before + more, "{direction}: {before}, now {now}");
        Ok(())
    })
}

/// We ask, and what was there is there as it was.
fn ask(us: &Bgpd) -> Result<()> {
    us.wait_route("10.2.0.0/16")?;
    until("the first table is complete", SOON, || {
        let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
        ensure!(neighbor["families"][0]["end_of_rib"] == true, "{neighbor}");
        Ok(())
    })?;
    let (asked, heard) = (
        refreshes(us, "messages_sent")?,
        refreshes(us, "messages_received")?,
    );
    us.ctl(&["neighbor", "10.0.0.2", "softresetin"])?;
    until_more(us, "messages_sent", asked, 1)?;
    until_more(us, "messages_received", heard, 2)?;
    us.wait_route("10.2.0.0/16")?;
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    ensure!(neighbor["established_count"] == 1, "{neighbor}");
    ensure!(neighbor["families"][0]["accepted"] == 1, "{neighbor}");
    ensure!(!us.log().contains("ROUTE-REFRESH ignored"), "{}", us.log());
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn bird_and_we_put_marks_around_what_is_sent_again() -> Result<()> {
    let lab = Lab::new("refresh-bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let bird = Bird::start(&b, BIRD)?;
    ask(&us)?;
    bird.wait_route("10.1.0.0/16")?;
    let marks = refreshes(&us, "messages_sent")?;
    bird.ctl("reload in peer1")?;
    until_more(&us, "messages_sent", marks, 2)?;
    bird.wait_route("10.1.0.0/16")?;
    // What BIRD sends again of its own accord has marks, too.
    let heard = refreshes(&us, "messages_received")?;
    bird.ctl("reload out peer1")?;
    until_more(&us, "messages_received", heard, 2)?;
    us.wait_route("10.2.0.0/16")?;
    // And so has what we do.
    let marks = refreshes(&us, "messages_sent")?;
    us.ctl(&["neighbor", "10.0.0.2", "softresetout"])?;
    until_more(&us, "messages_sent", marks, 2)?;
    bird.wait_route("10.1.0.0/16").map(drop)
}

#[test]
#[ignore = "needs netns"]
fn frr_and_we_put_marks_around_what_is_sent_again() -> Result<()> {
    let lab = Lab::new("refresh-frr")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let frr = Frr::start(&b, FRR)?;
    ask(&us)?;
    frr.wait_route("10.1.0.0/16")?;
    let marks = refreshes(&us, "messages_sent")?;
    frr.ctl("clear ip bgp * soft in")?;
    until_more(&us, "messages_sent", marks, 2)?;
    frr.wait_route("10.1.0.0/16").map(drop)
}

/// It does not answer ours: OpenBGPD 7.7 says that the family it exchanges is not negotiated.
#[test]
#[ignore = "needs netns"]
fn openbgpd_is_sent_marks_around_what_it_asks_for() -> Result<()> {
    let lab = Lab::new("refresh-open")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let open = OpenBgp::start(&b, OPEN)?;
    us.wait_route("10.2.0.0/16")?;
    open.wait_route("10.1.0.0/16")?;
    let marks = refreshes(&us, "messages_sent")?;
    open.ctl("neighbor 10.0.0.1 refresh")?;
    until_more(&us, "messages_sent", marks, 2)?;
    open.wait_route("10.1.0.0/16")?;
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    ensure!(neighbor["established_count"] == 1, "{neighbor}");
    Ok(())
}
