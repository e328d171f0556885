// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How we end, and what the neighbours' BFD makes of it: killed, stopped silently, stopped with a word, and one session
//! alone that an operator ends.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use lab::{Bgpd, Bird, Frr, Lab, Netns, until};

use crate::scene::{FRR_BFD, bird, bird_bgp, frr, neighbor, ours, wait_bfd};

const SOON: Duration = Duration::from_secs(20);

/// After its BFD has noticed, and long before our restart time is over.
const WHILE: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Killed,
    Silent,
    Told,
}

/// We, who announce 10.1.0.0/16 and end in one of these ways.
fn us(a: &Netns, end: End) -> Result<Bgpd> {
    let on_stop = if end == End::Silent {
        "silent"
    } else {
        "notify"
    };
    let route = "[[static-routes]]\nprefix = \"10.1.0.0/16\"\nblackhole = true\n";
    let config = ours(&[&neighbor("10.0.0.2", ""), route]);
    let config = config.replace("[fib]", &format!("on-stop = \"{on_stop}\"\n[fib]"));
    Bgpd::start(a, &config)
}

fn finish(us: &mut Bgpd, end: End) -> Result<()> {
    match end {
        End::Killed => us.process().kill(),
        End::Silent | End::Told => us.process().terminate(),
    }
}

/// Whether the neighbour has our route all the time.
fn keeps(has_route: impl Fn() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + WHILE;
    while Instant::now() < end {
        if !has_route()? {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(true)
}

/// Ends in each way, and comes back. Returns in which of them our route was kept.
fn kept(a: &Netns, has_route: &dyn Fn() -> Result<bool>) -> Result<Vec<End>> {
    let mut kept = Vec::new();
    for end in [End::Killed, End::Silent, End::Told] {
        let mut us = us(a, end)?;
        us.wait_established("10.0.0.2")?;
        wait_bfd(&us, "10.0.0.2", "up")?;
        until("it has our route", SOON, || {
            ensure!(has_route()?);
            Ok(())
        })?;
        // The slow start of BFD is over.
        thread::sleep(Duration::from_millis(1500));
        ensure!(us.state("10.0.0.2")? == "established", "{}", us.log());
        finish(&mut us, end)?;
        if keeps(has_route)? {
            kept.push(end);
        }
        if end == End::Silent {
            us.restart()?;
            let stays = keeps(has_route)?;
            us.wait_established("10.0.0.2")?;
            wait_bfd(&us, "10.0.0.2", "up")?;
            if kept.contains(&end) && !stays {
                bail!(
                    "kept while we were away, and lost when we came back:\n{}",
                    us.log()
                );
            }
        }
    }
    Ok(kept)
}

#[test]
#[ignore = "needs netns"]
fn bird_keeps_our_routes_if_its_bfd_is_graceful() -> Result<()> {
    for (how, expected) in [
        ("bfd on;", vec![]),
        ("bfd graceful;", vec![End::Killed, End::Silent]),
    ] {
        let lab = Lab::new("bfd")?;
        let (a, b) = lab.pair()?;
        let bird = Bird::start(&b, &bird("", &bird_bgp(how)))?;
        let has_route = || Ok(bird.ctl("show route")?.contains("10.1.0.0/16"));
        let kept = kept(&a, &has_route)?;
        ensure!(kept == expected, "{how}: {kept:?}\n{}", bird.log());
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn frr_keeps_our_routes() -> Result<()> {
    let expected = [End::Killed, End::Silent];
    for how in ["", " neighbor 10.0.0.1 bfd check-control-plane-failure\n"] {
        let lab = Lab::new("bfd")?;
        let (a, b) = lab.pair()?;
        let config = frr().replace(
            " neighbor 10.0.0.1 bfd profile fast\n",
            &format!(" neighbor 10.0.0.1 bfd profile fast\n{how}"),
        );
        let frr = Frr::start_with_bfd(&b, &config, FRR_BFD)?;
        let has_route = || {
            let text = frr.ctl("show bgp ipv4 unicast")?;
            Ok(text.contains("10.1.0.0/16"))
        };
        let kept = kept(&a, &has_route)?;
        ensure!(kept == expected, "{how}: {kept:?}");
    }
    Ok(())
}

fn log_has(bird: &Bird, words: &str) -> Result<()> {
    let log = bird.log();
    ensure!(log.contains(words), "no {words} in\n{log}");
    Ok(())
}

/// An operator ends one session and begins it again, or resets it: the neighbour is told why by BGP, and by BFD that it is
/// no failure of the path; it does not make us wait for it.
#[test]
#[ignore = "needs netns"]
fn one_session_is_shut_down_and_reset() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let us = us(&a, End::Told)?;
    // A failure of BFD alone would leave routes with it, and no word of ours would be heard.
    let bird = Bird::start(&b, &bird("", &bird_bgp("bfd graceful;")))?;
    let is_up = || -> Result<()> {
        us.wait_established("10.0.0.2")?;
        wait_bfd(&us, "10.0.0.2", "up")?;
        bird.wait_route("10.1.0.0/16").map(drop)
    };
    is_up()?;
    us.ctl(&["neighbor", "10.0.0.2", "disable"])?;
    bird.wait_no_route("10.1.0.0/16")?;
    log_has(&bird, "Administrative shutdown")?;
    ensure!(
        us.json(&["bfd"])? == serde_json::json!([]),
        "nobody is watched"
    );
    // Neither does a reload begin it again.
    let text = std::fs::read_to_string(us.config())?;
    std::fs::write(
        us.config(),
        text.replace("interval = 100", "interval = 200"),
    )?;
    us.ctl(&["reload"])?;
    ensure!(
        us.json(&["bfd"])? == serde_json::json!([]),
        "nobody is watched"
    );
    std::fs::write(us.config(), text)?;
    us.ctl(&["reload"])?;
    let begun = Instant::now();
    us.ctl(&["neighbor", "10.0.0.2", "enable"])?;
    is_up()?;
    ensure!(begun.elapsed() < Duration::from_secs(10));

    let count = || -> Result<u64> {
        let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
        neighbor["established_count"].as_u64().context("a count")
    };
    let before = count()?;
    us.ctl(&["neighbor", "10.0.0.2", "reset"])?;
    is_up()?;
    // A neighbour that is set up anew by a reload goes on being watched.
    let text = std::fs::read_to_string(us.config())?;
    std::fs::write(
        us.config(),
        text.replace("hold-time = 90", "hold-time = 60"),
    )?;
    let said = us.ctl(&["reload"])?;
    ensure!(said.contains("restarted (hold-time)"), "{said}");
    is_up()?;
    // It goes on as if nothing had been.
    thread::sleep(WHILE);
    is_up()?;
    let after = count()?;
    ensure!(after <= before + 2, "{before}, {after}");
    Ok(())
}

/// Its timers are those of its group: other ones are agreed on, and nothing else happens.
#[test]
#[ignore = "needs netns"]
fn timers_of_a_group_change_without_a_flap() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let group = |interval: u32| {
        let group = neighbor("", "")
            .replace("[[neighbors]]", "[[peer-groups]]")
            .replace("neighbor-address = \"\"", "peer-group-name = \"tor\"")
            .replace("interval = 100", &format!("interval = {interval}"));
        let member = "[[neighbors]]\nneighbor-address = \"10.0.0.2\"\npeer-group = \"tor\"\n";
        ours(&[&group, member])
    };
    let us = Bgpd::start(&a, &group(100))?;
    let bird = Bird::start(&b, &bird("", &bird_bgp("bfd on;")))?;
    us.wait_established("10.0.0.2")?;
    wait_bfd(&us, "10.0.0.2", "up")?;
    us.write_config(&group(250))?;
    let said = us.ctl(&["reload"])?;
    ensure!(said.contains("updated (bfd)"), "{said}");
    until("the new interval is agreed on", SOON, || {
        let session = us.json(&["bfd", "10.0.0.2"])?;
        ensure!(session["transmit_interval"] == 0.25, "{session}");
        Ok(())
    })?;
    let session = us.json(&["bfd", "10.0.0.2"])?;
    ensure!(session["ups"] == 1 && session["downs"] == 0, "{session}");
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    ensure!(neighbor["established_count"] == 1, "{neighbor}");
    ensure!(!bird.log().contains("BFD session down"), "{}", bird.log());
    Ok(())
}
