// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Enhanced route refresh (RFC 7313) with BIRD, FRR and OpenBGPD: marks around what is sent again, and nothing is lost.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{
    Bgpd, Bird, Frr, Lab, OpenBgp,
    config::{self, EBGP},
    until,
};

const SOON: Duration = Duration::from_secs(15);

fn ours() -> String {
    config::ours("10.0.0.1")
        + "shards = 2\n"
        + &config::neighbor("10.0.0.2", 64513, "")
        + &config::blackhole("10.1.0.0/16")
}

fn bird() -> String {
    let lines = "enable route refresh; ipv4 { import all; export all; };";
    config::bird("10.0.0.2", &["10.2.0.0/16"]) + &config::bird_session(EBGP, lines)
}

fn frr() -> String {
    let lines = ["network 10.2.0.0/16", "neighbor 10.0.0.1 activate"];
    config::frr(64513, "10.0.0.2", &[("10.0.0.1", 64512)]) + &config::frr_family("ipv4", &lines)
}

const OPEN: &str = "network 10.2.0.0/16
neighbor 10.0.0.1 {
    remote-as 64512
    announce enhanced refresh yes
}";

/// ROUTE-REFRESH messages of a direction.
fn refreshes(us: &Bgpd, direction: &str) -> Result<u64> {
    us.number("10.0.0.2", &format!("{direction}/route_refresh"))
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
    us.wait_end_of_rib("10.0.0.2")?;
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
    let us = Bgpd::start(&a, &ours())?;
    let bird = Bird::start(&b, &bird())?;
    ask(&us)?;
    bird.wait_route("10.1.0.0/16")?;
    let marks = refreshes(&us, "messages_sent")?;
    bird.ctl("reload in ours")?;
    until_more(&us, "messages_sent", marks, 2)?;
    bird.wait_route("10.1.0.0/16")?;
    // What BIRD sends again of its own accord has marks, too.
    let heard = refreshes(&us, "messages_received")?;
    bird.ctl("reload out ours")?;
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
    let us = Bgpd::start(&a, &ours())?;
    let frr = Frr::start(&b, &frr())?;
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
    let us = Bgpd::start(&a, &ours())?;
    let open = OpenBgp::start(&b, &config::openbgp(64513, "10.0.0.2", OPEN))?;
    us.wait_route("10.2.0.0/16")?;
    open.wait_route("10.1.0.0/16")?;
    let marks = refreshes(&us, "messages_sent")?;
    open.ctl("neighbor 10.0.0.1 refresh")?;
    until_more(&us, "messages_sent", marks, 2)?;
    open.wait_route("10.1.0.0/16")?;
    ensure!(us.number("10.0.0.2", "established_count")? == 1);
    Ok(())
}
