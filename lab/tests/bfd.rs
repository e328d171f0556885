// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BFD with BIRD and FRR: links that are up and carry nothing, routers in between, operators, restarts, a busy machine.

#[path = "bfd/scene.rs"]
mod scene;
#[path = "bfd/stops.rs"]
mod stops;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Frr, Lab, Monitor, Netns, run, time_of_day, until};
use scene::{
    FRR_BFD, bird, bird_bgp, deaf, fall, frr, hears, kernel_has, neighbor, ours, wait_bfd,
};

const BOTH: [(&str, &str); 2] = [("10.0.0.2", "10.2.0.0/16"), ("fd00::2", "fd02::/48")];

/// We with a neighbour over IPv4 and one over IPv6.
fn start(a: &Netns) -> Result<Bgpd> {
    Bgpd::start(
        a,
        &ours(&[&neighbor("10.0.0.2", ""), &neighbor("fd00::2", "")]),
    )
}

fn wait_up(us: &Bgpd, a: &Netns) -> Result<()> {
    for (address, prefix) in BOTH {
        us.wait_established(address)?;
        wait_bfd(us, address, "up")?;
        kernel_has(a, prefix, true)?;
    }
    Ok(())
}

/// Cuts the link in three ways, while it stays up: `is_up` says whether the other daemon still has a BGP session.
fn cut_link(us: &Bgpd, a: &Netns, b: &Netns, is_up: impl Fn() -> Result<bool>) -> Result<()> {
    let monitor = Monitor::start(a)?;
    let ways: [(&str, &[&Netns]); 3] = [("both ways", &[a, b]), ("to us", &[a]), ("from us", &[b])];
    for (way, cut) in ways {
        fall(way, || {
            wait_up(us, a)?;
            // The slow start is over at both ends.
            thread::sleep(Duration::from_millis(1500));
            let at = deaf(cut)?;
            let times = BOTH.map(|(_, prefix)| monitor.wait(&format!("Deleted {prefix} "), at));
            for (address, _) in BOTH {
                let text = us.json(&["neighbor", address])?.to_string();
                // Whom we still hear may be the first to say it; BIRD says Cease and no more.
                let told = way == "from us" && text.contains("received NOTIFICATION Cease");
                ensure!(text.contains("BFD Down") || told, "{text}");
            }
            // It hears nothing, or is told: its BFD ends its session, not its hold time of 90 s.
            until("the other end has noticed", Duration::from_secs(5), || {
                ensure!(!is_up()?);
                Ok(())
            })?;
            hears(&[a, b])?;
            let [one, other] = times;
            Ok(one?.max(other?))
        })?;
    }
    wait_up(us, a)
}

#[test]
#[ignore = "needs netns"]
fn a_cut_link_takes_the_routes_of_bird_with_it() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let us = start(&a)?;
    let bird = Bird::start(&b, &bird("", &bird_bgp("bfd on;")))?;
    cut_link(&us, &a, &b, || {
        Ok(bird.ctl("show protocols")?.contains("Established"))
    })?;
    let log = us.log();
    ensure!(log.contains("BFD session failed"), "{log}");
    let session = us.json(&["bfd", "10.0.0.2"])?;
    ensure!(
        session["interface"] == "eth0" && session["multihop"] == false,
        "{session}"
    );
    ensure!(session["detection_time"] == 0.3, "{session}");
    let config = ours(&[&neighbor("10.0.0.2", ""), &neighbor("fd00::2", "")]);
    slower(&us, &config)?;
    let text = bird.ctl("show bfd sessions")?;
    ensure!(text.contains("0.750"), "{text}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_cut_link_takes_the_routes_of_frr_with_it() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let us = start(&a)?;
    let frr = Frr::start_with_bfd(&b, &frr(), FRR_BFD)?;
    cut_link(&us, &a, &b, || {
        Ok(frr
            .ctl("show bgp neighbors")?
            .contains("BGP state = Established"))
    })?;
    // FRR, too, says why.
    let text = frr.ctl("show bgp neighbors")?;
    ensure!(text.contains("BFD"), "{text}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_cut_behind_a_router_is_noticed() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, r) = (lab.netns("a")?, lab.netns("r")?);
    let (b, c) = (lab.netns("b")?, lab.netns("c")?);
    for (netns, link, number) in [(&a, "to-a", 1), (&b, "to-b", 2), (&c, "to-c", 3)] {
        lab.cable((netns, "eth0"), (&r, link))?;
        r.ip(&format!("addr add 10.0.{number}.254/24 dev {link}"))?;
        r.ip(&format!(
            "-6 addr add fd00:{number}::fe/64 dev {link} nodad"
        ))?;
        netns.ip(&format!("addr add 10.0.{number}.{number}/24 dev eth0"))?;
        netns.ip(&format!(
            "-6 addr add fd00:{number}::{number}/64 dev eth0 nodad"
        ))?;
        netns.ip("route add 10.0.0.0/16 via 10.0.%.254"
            .replace('%', &number.to_string())
            .as_str())?;
        netns.ip(&format!("-6 route add fd00::/16 via fd00:{number}::fe"))?;
    }
    let far = "ebgp-multihop = { enabled = true }";
    let (to_b, to_b6, to_c) = (
        neighbor("10.0.2.2", far),
        neighbor("fd00:2::2", far),
        neighbor("10.0.3.3", far),
    );
    let us = Bgpd::start(&a, &ours(&[&to_b, &to_b6, &to_c.replace("64513", "64514")]))?;
    let bgp = "protocol bgp p4 { local 10.0.2.2 as 64513; neighbor 10.0.1.1 as 64512; multihop; bfd on; hold time 90;
         connect retry time 1; connect delay time 1; error wait time 1, 2; ipv4 { import all; export where source = RTS_STATIC; }; }
         protocol bgp p6 { local fd00:2::2 as 64513; neighbor fd00:1::1 as 64512; multihop; bfd on; hold time 90;
         connect retry time 1; connect delay time 1; error wait time 1, 2; ipv6 { import all; export where source = RTS_STATIC; }; }";
    let _bird = Bird::start(&b, &bird("", bgp))?;
    let bgp = "
router bgp 64514
 bgp router-id 10.0.3.3
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.1.1 remote-as 64512
 neighbor 10.0.1.1 ebgp-multihop 5
 neighbor 10.0.1.1 update-source 10.0.3.3
 neighbor 10.0.1.1 timers connect 1
 neighbor 10.0.1.1 bfd
 neighbor 10.0.1.1 bfd profile fast
 address-family ipv4 unicast
  network 10.3.0.0/16
 exit-address-family
";
    let _frr = Frr::start_with_bfd(&c, bgp, FRR_BFD)?;
    let all = [
        ("10.0.2.2", "10.2.0.0/16"),
        ("fd00:2::2", "fd02::/48"),
        ("10.0.3.3", "10.3.0.0/16"),
    ];
    let monitor = Monitor::start(&a)?;
    fall("behind a router", || {
        for (address, prefix) in all {
            us.wait_established(address)?;
            wait_bfd(&us, address, "up")?;
            kernel_has(&a, prefix, true)?;
            let session = us.json(&["bfd", address])?;
            ensure!(session["multihop"] == true, "{session}");
        }
        thread::sleep(Duration::from_millis(1500));
        let drop_all = "add table inet cut; add chain inet cut f { type filter hook forward priority 0; policy drop; }";
        r.exec(&["nft", drop_all])?;
        let at = time_of_day();
        let times = all.map(|(_, prefix)| monitor.wait(&format!("Deleted {prefix} "), at));
        hears(&[&r])?;
        let mut longest = Duration::ZERO;
        for time in times {
            longest = longest.max(time?);
        }
        Ok(longest)
    })
}

fn sessions(us: &Bgpd) -> Result<u64> {
    us.number("10.0.0.2", "established_count")
}

/// Our session is there for a while, and it is the one that we had.
fn stays_up(us: &Bgpd, before: u64) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        ensure!(us.state("10.0.0.2")? == "established", "{}", us.log());
        thread::sleep(Duration::from_millis(100));
    }
    ensure!(sessions(us)? == before, "{}", us.log());
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn the_peers_operator_takes_bfd_down_and_bgp_stays() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let us = start(&a)?;
    let frr = Frr::start_with_bfd(&b, &frr(), FRR_BFD)?;
    wait_up(&us, &a)?;
    // FRR makes its BFD session anew when its BGP session is up for the first time.
    thread::sleep(Duration::from_millis(1500));
    wait_up(&us, &a)?;
    let before = sessions(&us)?;
    frr.bfd(&["configure terminal", "bfd", "profile fast", "shutdown"])?;
    wait_bfd(&us, "10.0.0.2", "down")?;
    let session = us.json(&["bfd", "10.0.0.2"])?;
    ensure!(session["remote_state"] == "admin-down", "{session}");
    stays_up(&us, before)?;
    frr.bfd(&["configure terminal", "bfd", "profile fast", "no shutdown"])?;
    wait_bfd(&us, "10.0.0.2", "up")
}

/// BIRD 2.0.12 and FRR 8.4 end BGP when they are told `AdminDown`, against RFC 5882 §3.2: so the other end is ours too.
#[test]
#[ignore = "needs netns"]
fn a_reload_takes_bfd_down_and_up_and_bgp_stays() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let on = ours(&[&neighbor("10.0.0.2", "")]);
    let us = Bgpd::start(&a, &on)?;
    let other = neighbor("10.0.0.1", "").replace("64513", "64512");
    let other = ours(&[&other]).replace("as = 64512\nr", "as = 64513\nr");
    let other = other.replace("router-id = \"10.0.0.1\"", "router-id = \"10.0.0.2\"");
    let them = Bgpd::start(&b, &other)?;
    us.wait_established("10.0.0.2")?;
    wait_bfd(&us, "10.0.0.2", "up")?;
    let before = sessions(&us)?;
    us.reload(&on.replace("enabled = true", "enabled = false"))?;
    ensure!(us.json(&["bfd"])? == serde_json::json!([]));
    wait_bfd(&them, "10.0.0.1", "down")?;
    let session = them.json(&["bfd", "10.0.0.1"])?;
    ensure!(session["remote_state"] == "admin-down", "{session}");
    stays_up(&us, before)?;
    us.reload(&on)?;
    wait_bfd(&us, "10.0.0.2", "up")?;
    slower(&us, &on)?;
    stays_up(&us, before)
}

/// Other intervals are agreed on while the session is up.
fn slower(us: &Bgpd, config: &str) -> Result<()> {
    let before = us.json(&["bfd", "10.0.0.2"])?;
    us.reload(&config.replace("interval = 100", "interval = 250"))?;
    until(
        "the new interval is agreed on",
        Duration::from_secs(5),
        || {
            let session = us.json(&["bfd", "10.0.0.2"])?;
            ensure!(session["transmit_interval"] == 0.25, "{session}");
            ensure!(session["downs"] == before["downs"], "{session}");
            Ok(())
        },
    )
}

#[test]
#[ignore = "needs netns"]
fn a_peer_that_restarts_keeps_its_routes_and_is_watched_again() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let us = start(&a)?;
    let config = bird("", &bird_bgp("bfd on; graceful restart on;"));
    let mut first = Bird::start(&b, &config)?;
    wait_up(&us, &a)?;
    let monitor = Monitor::start(&a)?;
    // Its BFD dies with its BGP: RFC 5882 §4.3.2.
    first.process().kill()?;
    wait_bfd(&us, "10.0.0.2", "down")?;
    ensure!(us.state("10.0.0.2")? != "established");
    kernel_has(&a, "10.2.0.0/16", true)?;
    ensure!(
        !monitor.log().contains("Deleted 10.2.0.0/16"),
        "{}",
        monitor.log()
    );
    drop(first);
    let _second = Bird::start(&b, &config)?;
    wait_up(&us, &a)?;
    let session = us.json(&["bfd", "10.0.0.2"])?;
    ensure!(session["ups"] == 2 && session["downs"] == 1, "{session}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn strict_mode_waits_for_bfd() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let strict = neighbor("10.0.0.2", "").replace(
        "enabled = true",
        "enabled = true, strict = true, strict-hold-time = 3",
    );
    let us = Bgpd::start(&a, &ours(&[&strict]))?;
    let bird = Bird::start(&b, &bird("", &bird_bgp("")))?;
    until("the wait is over once", Duration::from_secs(20), || {
        let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
        ensure!(neighbor["established_count"] == 0, "{neighbor}");
        ensure!(neighbor.to_string().contains("BFD Down"), "{neighbor}");
        Ok(())
    })?;
    ensure!(!bird.ctl("show protocols p4")?.contains("Established"));
    b.write("bird.conf", &self::bird("", &bird_bgp("bfd on;")))?;
    bird.ctl("configure")?;
    us.wait_established("10.0.0.2")?;
    wait_bfd(&us, "10.0.0.2", "up")?;
    kernel_has(&a, "10.2.0.0/16", true)
}

/// From a peer group, on a single hop and without a neighbour of its own in the file.
#[test]
#[ignore = "needs netns"]
fn a_dynamic_neighbour_is_watched_while_it_is_there() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let group = neighbor("", "")
        .replace("[[neighbors]]", "[[peer-groups]]")
        .replace("neighbor-address = \"\"", "peer-group-name = \"tor\"");
    let range = "[[dynamic-neighbors]]\nprefix = \"10.0.0.0/24\"\npeer-group = \"tor\"\n";
    let us = Bgpd::start(&a, &ours(&[&group, range]))?;
    ensure!(us.json(&["bfd"])? == serde_json::json!([]));
    let _bird = Bird::start(&b, &bird("", &bird_bgp("bfd on;")))?;
    let monitor = Monitor::start(&a)?;
    fall("a dynamic neighbour", || {
        until("it is Established", Duration::from_secs(20), || {
            ensure!(us.state("10.0.0.2")? == "established");
            Ok(())
        })?;
        wait_bfd(&us, "10.0.0.2", "up")?;
        kernel_has(&a, "10.2.0.0/16", true)?;
        thread::sleep(Duration::from_millis(1500));
        let at = deaf(&[&a])?;
        let time = monitor.wait("Deleted 10.2.0.0/16 ", at);
        until("it is forgotten", Duration::from_secs(5), || {
            ensure!(us.json(&["bfd"])? == serde_json::json!([]));
            Ok(())
        })?;
        hears(&[&a])?;
        time
    })
}

#[test]
#[ignore = "needs netns"]
fn only_who_has_the_key_is_believed() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    for (ours_is, theirs_is) in [
        ("simple", "simple"),
        ("keyed-sha1", "keyed sha1"),
        ("meticulous-keyed-sha1", "meticulous keyed sha1"),
    ] {
        let with_key = |password: &str| {
            let key = format!(
                "enabled = true, auth-type = \"{ours_is}\", auth-key-id = 7, auth-password = \"{password}\""
            );
            ours(&[&neighbor("10.0.0.2", "").replace("enabled = true", &key)])
        };
        let us = Bgpd::start(&a, &with_key("wrong"))?;
        // `neighbor` of the protocol, with its own options, since `interface` is for all.
        let key = format!("authentication {theirs_is}; password \"right\" {{ id 7; }};");
        let config = bird("", &bird_bgp("bfd on;"))
            .replace("multiplier 3;", &format!("multiplier 3; {key}"));
        let bird = Bird::start(&b, &config)?;
        us.wait_established("10.0.0.2")?;
        thread::sleep(Duration::from_secs(3));
        let session = us.json(&["bfd", "10.0.0.2"])?;
        ensure!(
            session["state"] == "down" && session["ups"] == 0,
            "{ours_is}: {session}"
        );
        ensure!(session["authentication"] == ours_is, "{session}");
        us.write_config(&with_key("right"))?;
        us.ctl(&["reload"])?;
        wait_bfd(&us, "10.0.0.2", "up")?;
        // Numbers go on, and are taken.
        thread::sleep(Duration::from_secs(3));
        let session = us.json(&["bfd", "10.0.0.2"])?;
        ensure!(
            session["state"] == "up" && session["downs"] == 0,
            "{ours_is}: {session}"
        );
        let text = bird.ctl("show bfd sessions")?;
        ensure!(text.contains(" Up "), "{text}");
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_link_local_neighbour_is_watched_on_its_interface() -> Result<()> {
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    for (netns, number) in [(&a, 1), (&b, 2)] {
        netns.ip(&format!("-6 addr add fe80::{number}/64 dev eth0 nodad"))?;
    }
    let us = Bgpd::start(&a, &ours(&[&neighbor("fe80::2%eth0", "")]))?;
    let bgp = "protocol bgp p6 { local fe80::2 as 64513; neighbor fe80::1%eth0 as 64512; bfd on; hold time 90;
         connect retry time 1; connect delay time 1; error wait time 1, 2; ipv6 { import all; export where source = RTS_STATIC; }; }";
    let _bird = Bird::start(&b, &bird("", bgp))?;
    let monitor = Monitor::start(&a)?;
    fall("a link-local neighbour", || {
        us.wait_established("fe80::2%eth0")?;
        wait_bfd(&us, "fe80::2", "up")?;
        kernel_has(&a, "fd02::/48", true)?;
        let session = us.json(&["bfd", "fe80::2"])?;
        ensure!(
            session["interface"] == "eth0" && session["multihop"] == false,
            "{session}"
        );
        let own = session["local_address"].as_str().unwrap_or_default();
        ensure!(own.starts_with("fe80::"), "{session}");
        thread::sleep(Duration::from_millis(1500));
        let at = deaf(&[&a, &b])?;
        let time = monitor.wait("Deleted fd02::/48 ", at);
        hears(&[&a, &b])?;
        time
    })
}

/// `BGPD_BFD_SECONDS=600 cargo test -p lab --test bfd -- --ignored --nocapture a_busy_machine` is the long form.
#[test]
#[ignore = "needs netns"]
fn a_busy_machine_is_no_false_alarm() -> Result<()> {
    let seconds = std::env::var("BGPD_BFD_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(60);
    let lab = Lab::new("bfd")?;
    let (a, b) = lab.pair()?;
    let us = start(&a)?;
    let mut bird = Bird::start(&b, &bird("", &bird_bgp("bfd on;")))?;
    wait_up(&us, &a)?;
    // BIRD stands for another machine: it gets the processor when it wants it.
    run(&format!("chrt -a --rr -p 10 {}", bird.process().pid()))?;
    let before = us.json(&["bfd", "10.0.0.2"])?;
    let stop = Arc::new(AtomicBool::new(false));
    let cores = thread::available_parallelism()?.get().max(2);
    let busy: Vec<_> = (0..cores)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let begun = Instant::now();
    let mut wrong = None;
    while wrong.is_none() && begun.elapsed() < Duration::from_secs(seconds) {
        thread::sleep(Duration::from_millis(500));
        wrong = us
            .json(&["bfd"])
            .and_then(|all| {
                let sessions = all.as_array().cloned().unwrap_or_default();
                ensure!(sessions.len() == 2, "{all}");
                ensure!(
                    sessions
                        .iter()
                        .all(|session| session["state"] == "up" && session["downs"] == 0),
                    "{all}"
                );
                Ok(())
            })
            .err();
    }
    stop.store(true, Ordering::Relaxed);
    for thread in busy {
        ensure!(thread.join().is_ok());
    }
    if let Some(error) = wrong {
        return Err(error.context(bird.log()));
    }
    let took = begun.elapsed();
    let after = us.json(&["bfd", "10.0.0.2"])?;
    let count = |name: &str| after[name].as_u64().unwrap_or(0) - before[name].as_u64().unwrap_or(0);
    let (sent, received) = (count("packets_sent"), count("packets_received"));
    println!(
        "{cores} busy loops for {took:?}: {sent} packets sent, {received} received, no failure"
    );
    // One each 75 to 100 ms: fewer would mean that we were late as a rule.
    let least = u64::try_from(took.as_millis() / 105)?;
    ensure!(
        sent >= least && received >= least,
        "{sent}, {received} of {least}"
    );
    let text = bird.ctl("show protocols")?;
    ensure!(text.matches("Established").count() == 2, "{text}");
    for (address, _) in BOTH {
        let neighbor = us.json(&["neighbor", address])?;
        ensure!(neighbor["established_count"] == 1, "{neighbor}");
    }
    Ok(())
}
