// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A hundred thousand routes through our daemon to two others: every one arrives, every one goes, and how long it took.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    Bgpd, Bird, GoBgp, Lab,
    config::{self, NO_RESTART},
    until,
};

const ROUTES: u32 = 100_000;

/// So many routes in a row have the same attributes.
const ALIKE: u32 = 10;

/// Each step takes about a second on two cores, and BIRD pauses for three before it sends the last of so many routes;
/// this is when something is broken.
const LIMIT: Duration = Duration::from_secs(15);

/// Most memory our daemon may have used for 100 000 routes and two receivers, in KiB.
const MEMORY: u64 = 256 << 10;

fn ours() -> String {
    let keys = "timers = { connect-retry = 1 }\n".to_owned() + NO_RESTART;
    config::ours("10.0.0.1")
        + "shards = 2\n"
        + &config::neighbor("10.0.0.2", 64513, &keys)
        + &config::neighbor("10.0.0.3", 64514, &keys)
        + &config::neighbor("10.0.0.4", 64515, &keys)
}

fn prefix(number: u32) -> String {
    format!("{}/24", Ipv4Addr::from(0x1400_0000 + number * 256))
}

/// BIRD at 10.0.0.NUMBER.
fn bird(number: u32, routes: u32) -> String {
    let route = |number| {
        let community = number / ALIKE;
        format!(
            "route {} blackhole {{ bgp_community.add((64513,{community})); bgp_path.prepend(65000); }};\n",
            prefix(number)
        )
    };
    let routes: String = (0..routes).map(route).collect();
    let address = format!("10.0.0.{number}");
    let lines = "graceful restart off;".to_owned() + &config::bird_channel("ipv4", "");
    config::bird(&address, &[])
        + &format!("protocol static {{ ipv4;\n{routes} }}\n")
        + &config::bird_session([(&address, 64511 + number), ("10.0.0.1", 64512)], &lines)
}

fn bird_has(bird: &Bird, count: u32) -> Result<()> {
    until(&format!("BIRD has {count} routes"), LIMIT, || {
        let text = bird.ctl("show route count")?;
        let line = format!("{count} of {count} routes for {count} networks in table master4");
        ensure!(text.contains(&line), "{text}");
        Ok(())
    })
}

fn gobgp_has(gobgp: &GoBgp, count: u32) -> Result<()> {
    until(&format!("GoBGP has {count} routes"), LIMIT, || {
        let text = gobgp.ctl("global rib summary")?;
        let line = format!("Destination: {count}, Path: {count}");
        ensure!(text.contains(&line), "{text}");
        Ok(())
    })
}

fn we_have(us: &Bgpd, count: u32) -> Result<()> {
    until(&format!("bgpd has {count} paths"), LIMIT, || {
        let status = us.json(&["status"])?;
        ensure!(
            status["paths"] == count && status["prefixes"] == count,
            "{status}"
        );
        Ok(())
    })
}

/// The most memory that the process has ever used, in KiB.
fn peak_memory(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    Ok(kib.context("VmHWM")?.parse()?)
}

/// Every prefix, with the attributes of its group.
fn nothing_is_mixed_up(receiver: &Bird) -> Result<()> {
    let table = receiver.ctl("show route")?;
    let seen: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.contains('/'))
        .collect();
    let missing = (0..ROUTES).find(|number| !seen.contains(prefix(*number).as_str()));
    ensure!(missing.is_none(), "{missing:?} is not there");
    for number in (0..ROUTES).step_by(9_973) {
        let text = receiver.wait_route(&prefix(number))?;
        for line in [
            "BGP.as_path: 64512 64513 65000\n".to_owned(),
            // All are in one subnet: packets need not go by way of us (RFC 4271 §5.1.3).
            "BGP.next_hop: 10.0.0.2\n".to_owned(),
            format!("BGP.community: (64513,{})\n", number / ALIKE),
        ] {
            ensure!(text.contains(&line), "no {line:?} in {text}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_hundred_thousand_routes_arrive_and_go() -> Result<()> {
    let lab = Lab::new("scale")?;
    let hosts = lab.lan(4)?;
    let mut us = Bgpd::start(&hosts[0], &ours())?;
    let early = Bird::start(&hosts[2], &bird(3, 0))?;
    us.wait_established("10.0.0.3")?;

    let mut sender = Bird::start(&hosts[1], &bird(2, ROUTES))?;
    us.wait_established("10.0.0.2")?;
    let begun = Instant::now();
    we_have(&us, ROUTES)?;
    let taken = begun.elapsed();
    bird_has(&early, ROUTES)?;
    let passed = begun.elapsed();
    nothing_is_mixed_up(&early)?;

    let late = GoBgp::start(
        &hosts[3],
        &(config::gobgp(64515, "10.0.0.4") + &config::gobgp_neighbor("10.0.0.1", 64512)),
    )?;
    us.wait_established("10.0.0.4")?;
    let begun = Instant::now();
    gobgp_has(&late, ROUTES)?;
    let synchronised = begun.elapsed();

    sender.process().kill()?;
    let begun = Instant::now();
    we_have(&us, 0)?;
    let dropped = begun.elapsed();
    bird_has(&early, 0)?;
    gobgp_has(&late, 0)?;
    let withdrawn = begun.elapsed();
    let memory = peak_memory(us.process().pid())?;
    println!(
        "{ROUTES} routes, {} sets of attributes: taken in {taken:.2?}, passed on to BIRD in {passed:.2?}, told to \
         GoBGP in {synchronised:.2?}, dropped in {dropped:.2?}, withdrawn everywhere in {withdrawn:.2?}; \
         {} MiB at most",
        ROUTES / ALIKE,
        memory >> 10
    );
    ensure!(memory < MEMORY, "{memory} KiB");
    for neighbor in ["10.0.0.3", "10.0.0.4"] {
        let state = us.json(&["neighbor", neighbor])?;
        ensure!(
            state["state"] == "Established" && state["established_count"] == 1,
            "{state}"
        );
    }
    Ok(())
}

/// All of the receiver's routes have this next hop.
fn all_by_way_of(receiver: &Bird, next_hop: &str, count: u32) -> Result<()> {
    until(&format!("all by way of {next_hop}"), LIMIT, || {
        let text = receiver.ctl(&format!("show route where bgp_next_hop = {next_hop} count"))?;
        let line = format!("{count} of {count} routes for {count} networks in table master4");
        ensure!(text.contains(&line), "{text}");
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn after_much_flapping_the_table_is_as_if_nothing_had_been() -> Result<()> {
    const FEW: u32 = 20_000;
    let lab = Lab::new("flap")?;
    let hosts = lab.lan(4)?;
    let mut us = Bgpd::start(&hosts[0], &ours())?;
    let receiver = Bird::start(&hosts[2], &bird(3, 0))?;
    let senders = [
        Bird::start(&hosts[1], &bird(2, FEW))?,
        Bird::start(&hosts[3], &bird(4, FEW))?,
    ];
    bird_has(&receiver, FEW)?;
    // Each goes and comes back at any point of its own and the other's table.
    for round in 0..12_u64 {
        let sender = &senders[usize::from(round % 3 == 0)];
        sender.ctl("disable all")?;
        std::thread::sleep(Duration::from_millis(17 * round));
        sender.ctl("enable all")?;
        std::thread::sleep(Duration::from_millis(400 - 31 * round));
    }
    // BIRD at 10.0.0.2 has the lower identifier.
    all_by_way_of(&receiver, "10.0.0.2", FEW)?;
    senders[0].ctl("disable all")?;
    all_by_way_of(&receiver, "10.0.0.4", FEW)?;
    senders[1].ctl("disable all")?;
    bird_has(&receiver, 0)?;
    we_have(&us, 0)?;
    senders[0].ctl("enable all")?;
    all_by_way_of(&receiver, "10.0.0.2", FEW)?;
    let neighbor = us.json(&["neighbor", "10.0.0.3"])?;
    ensure!(neighbor["established_count"] == 1, "{neighbor}");
    ensure!(us.process().is_running(), "{}", us.log());
    Ok(())
}
