// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With BIRD 2: routes of both families both ways, MD5, two-octet AS numbers, refresh, collision, death.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lab::{
    Bgpd, Bird, Lab, Netns,
    config::{self, BOTH_FAMILIES, EBGP, NO_RESTART},
    until,
};
use serde_json::json;

fn ours() -> String {
    ours_with("")
}

fn ours_with(keys: &str) -> String {
    config::ours_with(64513, &(keys.to_owned() + "\n" + BOTH_FAMILIES))
        + &config::blackhole("10.1.0.0/16")
        + &config::blackhole("fd01::/48")
}

/// BIRD with these lines in the session.
fn theirs(extra: &str) -> String {
    let lines = format!(
        "{extra}\n ipv4 {{ import all; export all; }};\n ipv6 {{ import all; export all; next hop address fd00::2; }};"
    );
    config::bird("10.0.0.2", &["10.2.0.0/16", "fd02::/48"]) + &config::bird_session(EBGP, &lines)
}

/// Waits until the kernel has refused so many more segments for a reason, which is one of its counters: it does not answer
/// those who dial us, and they dial again.
fn refuses(netns: &Netns, reason: &str) -> Result<()> {
    let before = netns.counter(reason)?;
    until(&format!("two of {reason}"), Duration::from_secs(20), || {
        let now = netns.counter(reason)?;
        ensure!(now >= before + 2, "{before}, then {now}");
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn routes_of_both_families_go_both_ways() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours())?;
    let bird = Bird::start(&b, &theirs(""))?;
    us.wait_established("10.0.0.2")?;
    us.wait_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")?;
    let text = bird.wait_route("10.1.0.0/16")?;
    ensure!(
        text.contains("BGP.next_hop: 10.0.0.1") && text.contains("BGP.as_path: 64512"),
        "{text}"
    );
    let text = bird.wait_route("fd01::/48")?;
    ensure!(text.contains("BGP.next_hop: fd00::1"), "{text}");
    let route = us.json(&["route", "10.2.0.0/16"])?;
    ensure!(
        route[0]["next_hop"] == "10.0.0.2" && route[0]["as_path"] == "64513",
        "{route}"
    );
    let route = us.json(&["route", "fd02::/48"])?;
    ensure!(route[0]["next_hop"] == "fd00::2", "{route}");
    let explained = us.json(&["explain", "10.2.0.0/16"])?;
    ensure!(explained["decided_by"] == "only path", "{explained}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_peer_that_is_killed_takes_its_routes_along() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours_with(NO_RESTART))?;
    let mut bird = Bird::start(&b, &theirs("graceful restart off;"))?;
    us.wait_route("10.2.0.0/16")?;
    bird.process().kill()?;
    let begun = Instant::now();
    us.wait_no_route("10.2.0.0/16")?;
    ensure!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_killed_peer_with_graceful_restart_keeps_its_routes_until_it_is_back_without_them() -> Result<()>
{
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours())?;
    let mut bird = Bird::start(&b, &theirs("graceful restart on;"))?;
    us.wait_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")?;
    bird.process().kill()?;
    us.wait_down("10.0.0.2")?;
    us.wait_route("10.2.0.0/16")?;
    drop(bird);
    let less = theirs("graceful restart on;").replace("route 10.2.0.0/16 blackhole;", "");
    let _bird = Bird::start(&b, &less)?;
    us.wait_no_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")?;
    ensure!(us.number("10.0.0.2", "established_count")? == 2);
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn tcp_md5_lets_in_who_knows_the_key_and_nobody_else() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours_with("auth-password = \"right\""))?;
    {
        let _wrong = Bird::start(&b, &theirs("password \"wrong\";"))?;
        refuses(&a, "TcpExtTCPMD5Failure")?;
        ensure!(us.state("10.0.0.2")? != "established");
    }
    {
        let _none = Bird::start(&b, &theirs(""))?;
        refuses(&a, "TcpExtTCPMD5NotFound")?;
        ensure!(us.state("10.0.0.2")? != "established");
        ensure!(us.json(&["neighbor", "10.0.0.2"])?["established_count"] == 0);
    }
    let _right = Bird::start(&b, &theirs("password \"right\";"))?;
    us.wait_route("10.2.0.0/16")?;
    ensure!(us.json(&["neighbor", "10.0.0.2"])?["md5"] == true);
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_dynamic_neighbour_with_graceful_restart_is_waited_for_and_then_forgotten() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let ours = config::ours("10.0.0.1") + &range("10.0.0.0/24", "");
    let us = Bgpd::start(&a, &ours)?;
    let lines = "graceful restart yes; graceful restart time 5; ipv4 { import all; export all; };";
    let theirs = config::bird("10.0.0.2", &["10.2.0.0/16"]) + &config::bird_session(EBGP, lines);
    for _ in 0..2 {
        let mut bird = Bird::start(&b, &theirs)?;
        us.wait_established("10.0.0.2")?;
        us.wait_route("10.2.0.0/16")?;
        bird.process().kill()?;
        us.wait_down("10.0.0.2")?;
        us.wait_route("10.2.0.0/16")?;
    }
    us.wait_no_route("10.2.0.0/16")?;
    until("it is forgotten", Duration::from_secs(5), || nobody(&us))
}

/// Neighbours of AS 64513 in a range, with these keys.
fn range(prefix: &str, keys: &str) -> String {
    format!(
        "[[peer-groups]]\npeer-group-name = \"range\"\npeer-as = 64513\n{keys}\n\
         [[dynamic-neighbors]]\nprefix = \"{prefix}\"\npeer-group = \"range\"\n"
    )
}

fn nobody(us: &Bgpd) -> Result<()> {
    let neighbors = us.json(&["neighbor"])?;
    ensure!(neighbors == json!([]), "{neighbors}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn tcp_md5_works_over_ipv6_and_for_a_range_of_dynamic_neighbours() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let ours = config::ours("10.0.0.1") + &range("fd00::/64", "auth-password = \"right\"");
    let us = Bgpd::start(&a, &ours)?;
    let theirs = |key: &str| {
        let lines = format!("password \"{key}\"; ") + &config::bird_channel("ipv6", "");
        let ends = [("fd00::2", 64513), ("fd00::1", 64512)];
        config::bird("10.0.0.2", &["fd02::/48"]) + &config::bird_session(ends, &lines)
    };
    {
        let _wrong = Bird::start(&b, &theirs("wrong"))?;
        refuses(&a, "TcpExtTCPMD5Failure")?;
        nobody(&us)?;
    }
    let bird = Bird::start(&b, &theirs("right"))?;
    us.wait_route("fd02::/48")?;
    let neighbor = us.json(&["neighbor", "fd00::2"])?;
    ensure!(
        neighbor["dynamic"] == true && neighbor["md5"] == true,
        "{neighbor}"
    );
    // It is forgotten when it leaves.
    drop(bird);
    until("it is forgotten", Duration::from_secs(5), || nobody(&us))
}

#[test]
#[ignore = "needs netns"]
fn a_peer_with_two_octet_as_numbers_gets_as_trans_and_the_whole_path_comes_back() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours())?;
    // It prepends a number that its AS_PATH has no room for: AS_TRANS is there, and AS4_PATH has the number.
    let theirs = theirs("enable as4 off;").replacen(
        "export all;",
        "export filter { if source = RTS_STATIC then { bgp_path.prepend(4200000002); accept; } reject; };",
        1,
    );
    let bird = Bird::start(&b, &theirs)?;
    us.wait_route("10.2.0.0/16")?;
    let route = us.json(&["route", "10.2.0.0/16"])?;
    ensure!(route[0]["as_path"] == "64513 4200000002", "{route}");
    us.add_route("10.8.0.0/16 --next-hop 10.0.0.9 --as-path 4200000001")?;
    let text = bird.wait_route("10.8.0.0/16")?;
    ensure!(text.contains("BGP.as_path: 64512 4200000001"), "{text}");
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    let remote = neighbor["remote_capabilities"].to_string();
    ensure!(!remote.contains("4-octet"), "{remote}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn route_refresh_is_answered_and_asked_for() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours())?;
    let bird = Bird::start(&b, &theirs(""))?;
    us.wait_route("10.2.0.0/16")?;
    bird.wait_route("10.1.0.0/16")?;
    let count = |what: &str| us.number("10.0.0.2", what);
    let (asked, sent) = (
        count("messages_received/route_refresh")?,
        count("messages_sent/update")?,
    );
    bird.ctl("reload in ours")?;
    until("all is sent again", Duration::from_secs(5), || {
        ensure!(count("messages_received/route_refresh")? > asked);
        ensure!(count("messages_sent/update")? >= sent + 2);
        Ok(())
    })?;
    bird.wait_route("10.1.0.0/16")?;
    let (asked, received) = (
        count("messages_sent/route_refresh")?,
        count("messages_received/update")?,
    );
    us.ctl(&["neighbor", "10.0.0.2", "softresetin"])?;
    until("all is received again", Duration::from_secs(5), || {
        ensure!(count("messages_sent/route_refresh")? > asked);
        ensure!(count("messages_received/update")? >= received + 2);
        Ok(())
    })?;
    us.wait_route("10.2.0.0/16")?;
    ensure!(count("established_count")? == 1);
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn both_sides_dial_and_one_session_comes_of_it() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    // Both identifiers win once.
    for id in ["9.0.0.1", "11.0.0.1"] {
        let us = Bgpd::start(&a, &ours().replace("10.0.0.1", id))?;
        let bird = Bird::start(&b, &theirs(""))?;
        us.wait_established("10.0.0.2")?;
        // Both dial at the same moment, again and again.
        let count = || us.number("10.0.0.2", "established_count");
        for _ in 0..5 {
            let before = count()?;
            bird.ctl("restart ours")?;
            us.ctl(&["neighbor", "10.0.0.2", "reset"])?;
            until("a new session", Duration::from_secs(10), || {
                let now = count()?;
                ensure!(now > before, "{now}");
                us.wait_established("10.0.0.2")
            })?;
        }
        let settled = count()?;
        std::thread::sleep(Duration::from_secs(2));
        ensure!(count()? == settled, "it flaps");
        us.wait_route("10.2.0.0/16")?;
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn generalised_ttl_security_lets_neighbours_in() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let security = "ttl-security = { enabled = true, ttl-min = 255 }";
    let us = Bgpd::start(&a, &ours_with(security))?;
    {
        // Its packets have a TTL of 1: they might come from afar.
        let _far = Bird::start(&b, &theirs(""))?;
        refuses(&a, "TcpExtTCPMinTTLDrop")?;
        ensure!(us.json(&["neighbor", "10.0.0.2"])?["established_count"] == 0);
    }
    let _near = Bird::start(&b, &theirs("ttl security on;"))?;
    us.wait_route("10.2.0.0/16")
}

#[test]
#[ignore = "needs netns"]
fn a_shutdown_says_why_in_both_directions() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours())?;
    let bird = Bird::start(&b, &theirs(""))?;
    us.wait_established("10.0.0.2")?;
    us.ctl(&["neighbor", "10.0.0.2", "disable", "--reason", "new cable"])?;
    until("BIRD has heard it", Duration::from_secs(5), || {
        let text = bird.ctl("show protocols all ours")?;
        ensure!(text.contains("Administrative shutdown"), "{text}");
        Ok(())
    })?;
    ensure!(bird.log().contains("new cable"), "{}", bird.log());
    us.ctl(&["neighbor", "10.0.0.2", "enable"])?;
    us.wait_established("10.0.0.2")?;
    bird.ctl("disable ours \"lunch\"")?;
    until("we have heard it", Duration::from_secs(5), || {
        let error = us.json(&["neighbor", "10.0.0.2"])?["last_error"].clone();
        let text = error["text"].as_str().unwrap_or_default();
        ensure!(
            text.contains("Administrative Shutdown") && text.contains("lunch"),
            "{error}"
        );
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn too_many_prefixes_end_the_session_and_the_restart_timer_begins_another() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let ours = ours().replacen(
        "afi-safi-name = \"ipv4-unicast\"",
        "afi-safi-name = \"ipv4-unicast\", \
         prefix-limit = { max-prefixes = 3, shutdown-threshold-pct = 60, restart-timer = 2 }",
        1,
    );
    let us = Bgpd::start(&a, &ours)?;
    let routes = |count: u8| -> String {
        let list = (0..count).fold(String::new(), |text, number| {
            text + &format!("route 10.2.{number}.0/24 blackhole;")
        });
        theirs("").replace("route 10.2.0.0/16 blackhole;", &list)
    };
    let bird = Bird::start(&b, &routes(3))?;
    us.wait_route("10.2.2.0/24")?;
    ensure!(
        us.log().contains("near the limit of prefixes"),
        "{}",
        us.log()
    );
    b.write("bird.conf", &routes(4))?;
    bird.ctl("configure")?;
    until("the session is ended", Duration::from_secs(5), || {
        let text = bird.ctl("show protocols all ours")?;
        ensure!(
            text.contains("Maximum number of prefixes reached"),
            "{text}"
        );
        Ok(())
    })?;
    us.wait_no_route("10.2.0.0/24")?;
    b.write("bird.conf", &routes(2))?;
    bird.ctl("configure")?;
    us.wait_route("10.2.1.0/24")?;
    ensure!(us.number("10.0.0.2", "established_count")? >= 2);
    Ok(())
}
