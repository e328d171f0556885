// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What neighbours are to each other: AS paths as agreed, seen where they arrive.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{
    Bgpd, Bird, Frr, GoBgp, Lab, OpenBgp,
    config::{self, EBGP},
    until,
};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

/// Us at 10.0.0.1 with one neighbour at 10.0.0.2 that has these keys.
fn ours(asn: u32, keys: &str) -> String {
    config::ours_with(asn, keys)
}

/// FRR at 10.0.0.2 with one neighbour at 10.0.0.1 that has these lines.
fn frr(asn: u32, remote: u32, lines: &[&str]) -> String {
    let lines = lines.iter().fold(String::new(), |text, line| {
        text + " neighbor 10.0.0.1 " + line + "\n"
    });
    config::frr(asn, "10.0.0.2", &[("10.0.0.1", remote)])
        + &lines
        + &config::frr_family("ipv4", &["network 10.2.0.0/16"])
}

/// BIRD at 10.0.0.2 with these lines in its session with us.
fn bird(lines: &str) -> String {
    let lines = format!("{lines} {}", config::bird_channel("ipv4", ""));
    config::bird("10.0.0.2", &["10.2.0.0/16"]) + &config::bird_session(EBGP, &lines)
}

/// The AS path of a prefix as FRR prints it.
fn frr_path(frr: &Frr, prefix: &str) -> Result<String> {
    let paths = frr.paths(prefix)?;
    let path = paths
        .first()
        .and_then(|path| path["aspath"]["string"].as_str());
    path.map(str::to_owned)
        .with_context(|| format!("no path of {prefix}"))
}

fn frr_has(frr: &Frr, prefix: &str, path: &str) -> Result<()> {
    until(&format!("FRR has {prefix} by {path}"), SOON, || {
        let found = frr_path(frr, prefix)?;
        ensure!(found == path, "{found}");
        Ok(())
    })
}

fn we_have(us: &Bgpd, prefix: &str, path: &str) -> Result<()> {
    us.wait_best(prefix, &json!({ "as_path": path }))
}

fn add(us: &Bgpd, prefix: &str, path: &str) -> Result<()> {
    let words = ["route", "add", prefix, "--blackhole", "--as-path", path];
    us.ctl(&words).map(drop)
}

/// The session is the one that there was at first.
fn has_stayed(us: &Bgpd) -> Result<()> {
    let count = us.number("10.0.0.2", "established_count")?;
    ensure!(count == 1, "it was Established {count} times");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn frr_sees_the_as_paths_that_were_agreed() -> Result<()> {
    let lab = Lab::new("rel")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours(64513, "local-as = 64999"))?;
    let frr = Frr::start(&b, &frr(64513, 64999, &[]))?;
    us.wait_established("10.0.0.2")?;
    add(&us, "10.1.0.0/16", "65010 7018 4200000000")?;
    add(&us, "10.3.0.0/16", "65010 64513")?;
    frr_has(&frr, "10.1.0.0/16", "64999 65010 7018 4200000000")?;
    we_have(&us, "10.2.0.0/16", "64513")?;

    // These need no new session.
    let with = |keys: &str| ours(64513, &format!("local-as = 64999\n{keys}"));
    us.reload(&with("remove-private-as = \"replace\""))?;
    frr_has(&frr, "10.1.0.0/16", "64999 64999 7018 64999")?;
    us.reload(&with("remove-private-as = \"all\""))?;
    frr_has(&frr, "10.1.0.0/16", "64999 7018")?;
    // Its own AS is private and stays: it refuses the loop.
    ensure!(frr_path(&frr, "10.3.0.0/16").is_err(), "a loop");
    us.reload(&with("as-path-options = { replace-peer-as = true }"))?;
    frr_has(&frr, "10.3.0.0/16", "64999 65010 64999")?;
    frr_has(&frr, "10.1.0.0/16", "64999 65010 7018 4200000000")?;
    has_stayed(&us)?;

    us.reload(&with(
        "local-as-options = { no-prepend = false, replace-as = false }",
    ))?;
    frr_has(&frr, "10.1.0.0/16", "64999 64512 65010 7018 4200000000")?;
    we_have(&us, "10.2.0.0/16", "64999 64513")?;
    let neighbor = us.ctl(&["neighbor", "10.0.0.2"])?;
    ensure!(
        neighbor.contains("Terms: our own AS behind the local AS, local AS before received paths"),
        "{neighbor}"
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn the_local_as_of_frr_is_taken_as_it_comes() -> Result<()> {
    for (form, path) in [("", "64999 64513"), (" no-prepend replace-as", "64999")] {
        let lab = Lab::new("rel")?;
        let (a, b) = lab.pair()?;
        let local_as = format!("local-as 64999{form}");
        let us = Bgpd::start(&a, &ours(64999, ""))?;
        let frr = Frr::start(&b, &frr(64513, 64512, &[&local_as, "allowas-in 1"]))?;
        us.wait_established("10.0.0.2")?;
        we_have(&us, "10.2.0.0/16", path)?;
        // It takes its own AS once.
        add(&us, "10.1.0.0/16", "64513")?;
        add(&us, "10.3.0.0/16", "64513 64513")?;
        let seen = if form.is_empty() {
            "64999 64512 64513"
        } else {
            "64512 64513"
        };
        frr_has(&frr, "10.1.0.0/16", seen)?;
        ensure!(frr_path(&frr, "10.3.0.0/16").is_err(), "too often");
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn the_path_of_a_route_server_is_taken_where_that_is_agreed() -> Result<()> {
    let lab = Lab::new("rel")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours(64513, ""))?;
    let server = frr(64513, 64512, &[]).replace(
        "  network",
        "  neighbor 10.0.0.1 route-server-client\n  network",
    );
    let _frr = Frr::start(&b, &server)?;
    us.wait_established("10.0.0.2")?;
    let explained = until("why it is not used", SOON, || {
        let text = us.ctl(&["explain", "10.2.0.0/16"])?;
        ensure!(text.contains("10.0.0.2"), "{text}");
        Ok(text)
    })?;
    ensure!(
        explained.contains("the AS path does not begin with the neighbour's AS"),
        "{explained}"
    );
    us.reload(&ours(
        64513,
        "as-path-options = { enforce-first-as = false }",
    ))?;
    we_have(&us, "10.2.0.0/16", "")?;
    has_stayed(&us)?;
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn roles_are_agreed_with_frr_and_leaks_marked_and_refused() -> Result<()> {
    let lab = Lab::new("rel")?;
    let (a, b) = lab.pair()?;
    let with = |role: &str| ours(64513, role);
    let us = Bgpd::start(&a, &with("role = \"provider\"\nstrict-role = true"))?;
    let customer = Frr::start(&b, &frr(64513, 64512, &["local-role customer strict-mode"]))?;
    us.wait_established("10.0.0.2")?;
    we_have(&us, "10.2.0.0/16", "64513")?;
    add(&us, "10.1.0.0/16", "65010")?;
    frr_has(&customer, "10.1.0.0/16", "64512 65010")?;
    let text = customer.ctl("show bgp ipv4 unicast 10.1.0.0/16")?;
    ensure!(text.contains("otc 64512"), "marked by us: {text}");
    let text = us.ctl(&["neighbor", "10.0.0.2"])?;
    ensure!(text.contains("role customer: received"), "{text}");
    drop(customer);

    // It takes itself for a peer: both sides see that this is no pair.
    let peer = Frr::start(&b, &frr(64513, 64512, &["local-role peer"]))?;
    until("the role is refused", SOON, || {
        let neighbor = us.ctl(&["neighbor", "10.0.0.2"])?;
        ensure!(neighbor.contains("Role Mismatch"), "{neighbor}");
        Ok(())
    })?;
    us.reload(&with("role = \"peer\""))?;
    us.wait_established("10.0.0.2")?;
    we_have(&us, "10.2.0.0/16", "64513")?;
    // What has been marked elsewhere goes neither up nor across.
    let route = &us.json(&["route", "10.2.0.0/16"])?[0];
    ensure!(
        route["only_to_customer"] == 64513,
        "marked by both: {route}"
    );
    frr_has(&peer, "10.1.0.0/16", "64512 65010")?;
    drop(peer);

    // A customer that says no role, and is not asked for one.
    us.reload(&with("role = \"provider\""))?;
    let _none = Frr::start(&b, &frr(64513, 64512, &[]))?;
    us.wait_established("10.0.0.2")?;
    us.reload(&with("role = \"provider\"\nstrict-role = true"))?;
    until("a role is wanted", SOON, || {
        let neighbor = us.ctl(&["neighbor", "10.0.0.2"])?;
        ensure!(neighbor.contains("Role Mismatch"), "{neighbor}");
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn frr_is_told_that_we_leave_and_that_we_stay() -> Result<()> {
    let lab = Lab::new("rel")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours(64513, ""))?;
    let frr = Frr::start(&b, &frr(64513, 64512, &[]))?;
    us.wait_established("10.0.0.2")?;
    add(&us, "10.1.0.0/16", "65010")?;
    frr_has(&frr, "10.1.0.0/16", "64512 65010")?;
    we_have(&us, "10.2.0.0/16", "64513")?;
    let leaving = |wanted: bool| {
        until(&format!("leaving is {wanted}"), SOON, || {
            let path = frr.path("10.1.0.0/16")?;
            let said = path["community"]["string"].as_str().unwrap_or_default();
            ensure!(said.contains("graceful-shutdown") == wanted, "{path}");
            let route = &us.json(&["route", "10.2.0.0/16"])?[0];
            ensure!((route["local_pref"] == 0) == wanted, "{route}");
            Ok(())
        })
    };
    leaving(false)?;
    us.ctl(&["neighbor", "10.0.0.2", "graceful-shutdown", "on"])?;
    leaving(true)?;
    let text = us.ctl(&["neighbor", "10.0.0.2"])?;
    ensure!(text.contains("leaving (graceful shutdown)"), "{text}");
    us.ctl(&["neighbor", "all", "graceful-shutdown", "off"])?;
    leaving(false)?;
    us.reload(&(ours(64513, "") + "graceful-shutdown = true"))?;
    leaving(true)?;
    has_stayed(&us)?;
    Ok(())
}

/// One neighbour in each of two member ASes, one outside; each is asked for the path of our route and of the others'.
#[test]
#[ignore = "needs netns"]
fn a_confederation_with_frr_bird_and_gobgp() -> Result<()> {
    let lab = Lab::new("rel")?;
    let (us, frr_net) = lab.pair()?;
    let mut nets = vec![frr_net];
    for number in 1..4 {
        let net = lab.netns(&format!("n{number}"))?;
        let ours = format!("eth{number}");
        lab.cable((&us, &ours), (&net, "eth0"))?;
        us.ip(&format!("addr add 10.0.{number}.1/24 dev {ours}"))?;
        net.ip(&format!("addr add 10.0.{number}.2/24 dev eth0"))?;
        nets.push(net);
    }
    // BIRD takes no next hop that it can not reach.
    let neighbor = |number: u8, asn: u32| {
        let next_hop = if number == 1 { "self" } else { "auto" };
        let keys = format!("next-hop = \"{next_hop}\"");
        config::neighbor(&format!("10.0.{number}.2"), asn, &keys)
    };
    // 64513 to 64515 are members; 65000 is not, and knows us as 100.
    let members = "confederation = { enabled = true, identifier = 100, member-as-list = [64513, 64514, 64515] }\n";
    let config = config::ours("10.0.0.1")
        + members
        + &neighbor(0, 64513)
        + &neighbor(1, 64514)
        + &neighbor(2, 64515)
        + &neighbor(3, 65000);
    let bgpd = Bgpd::start(&us, &config)?;
    let frr_config = frr(
        64513,
        64512,
        &[],
    )
    .replace(
        " no bgp ebgp-requires-policy\n",
        " bgp confederation identifier 100\n bgp confederation peers 64512 64514 64515\n no bgp ebgp-requires-policy\n",
    );
    let frr = Frr::start(&nets[0], &frr_config)?;
    let bird = |local: &str, asn: u32, remote: u32, route: &str, extra: &str| {
        let us = local.replace(".2", ".1");
        let lines = format!("{extra} {}", config::bird_channel("ipv4", ""));
        config::bird(local, &[route]) + &config::bird_session([(local, asn), (&us, remote)], &lines)
    };
    let member = "confederation 100; confederation member yes;";
    let inside = Bird::start(
        &nets[1],
        &bird("10.0.1.2", 64514, 64512, "10.3.0.0/16", member),
    )?;
    let members = "[global.confederation.config]\nenabled = true\nidentifier = 100\n\
         member-as-list = [64512, 64513, 64514]\n";
    let config = config::gobgp(64515, "10.0.2.2") + members;
    let gobgp = GoBgp::start(
        &nets[2],
        &(config + &config::gobgp_neighbor("10.0.2.1", 64512)),
    )?;
    let outside = Bird::start(&nets[3], &bird("10.0.3.2", 65000, 100, "10.5.0.0/16", ""))?;
    for number in 0..4 {
        bgpd.wait_established(&format!("10.0.{number}.2"))?;
    }
    gobgp.ctl("global rib add -a ipv4 10.4.0.0/16 nexthop 10.0.2.2")?;
    add(&bgpd, "10.1.0.0/16", "")?;
    for (prefix, path) in [
        ("10.2.0.0/16", "(64513)"),
        ("10.3.0.0/16", "(64514)"),
        ("10.4.0.0/16", "(64515)"),
        ("10.5.0.0/16", "65000"),
    ] {
        we_have(&bgpd, prefix, path)?;
    }
    frr_has(&frr, "10.1.0.0/16", "(64512)")?;
    frr_has(&frr, "10.3.0.0/16", "(64512 64514)")?;
    frr_has(&frr, "10.4.0.0/16", "(64512 64515)")?;
    frr_has(&frr, "10.5.0.0/16", "(64512) 65000")?;
    let path = frr.path("10.5.0.0/16")?;
    ensure!(
        path["locPrf"] == 100,
        "LOCAL_PREF is told to members: {path}"
    );
    let text = inside.wait_route("10.2.0.0/16")?;
    ensure!(text.contains("BGP.as_path: (64512 64513)"), "{text}");
    let text = inside.wait_route("10.5.0.0/16")?;
    ensure!(text.contains("BGP.as_path: (64512) 65000"), "{text}");
    for (prefix, path) in [
        ("10.1.0.0/16", "100"),
        ("10.2.0.0/16", "100"),
        ("10.4.0.0/16", "100"),
    ] {
        let text = outside.wait_route(prefix)?;
        ensure!(text.contains(&format!("BGP.as_path: {path}\n")), "{text}");
    }
    let text = gobgp.wait_route("10.5.0.0/16")?;
    ensure!(text.contains("(64512) 65000"), "{text}");
    let text = bgpd.ctl(&["neighbor", "10.0.0.2"])?;
    ensure!(text.contains("remote AS 64513, member"), "{text}");
    Ok(())
}

/// A member of our confederation puts members where members belong, and others behind them: FRR takes nothing else.
#[test]
#[ignore = "needs netns"]
fn members_are_prepended_as_members() -> Result<()> {
    let config = format!(
        "{}apply-policy = {{ export-policy-list = [\"out\"] }}\n[[policy-definitions]]\nname = \"out\"\nstatements = [\n\
         {{ actions.bgp-actions.set-as-path-prepend = {{ as = \"own\", repeat-n = 2 }} }},\n\
         {{ actions.bgp-actions.set-as-path-prepend = {{ as = \"65020\", repeat-n = 2 }} }}]\n",
        ours(64513, ""),
    )
    .replacen(
        "[[neigh",
        "confederation = { enabled = true, identifier = 100, member-as-list = [64513] }\n[[neigh",
        1,
    );
    let lab = Lab::new("rel")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &config)?;
    let confederation = " bgp confederation identifier 100\n bgp confederation peers 64512\n";
    let theirs = frr(64513, 64512, &[])
        .replace(" bgp router-id", &format!("{confederation} bgp router-id"))
        .replace(
            "  network",
            "  neighbor 10.0.0.1 route-map far out\n  network",
        )
        + "route-map far permit 10\n set as-path prepend 65030 65030\n";
    let daemon = Frr::start(&b, &theirs)?;
    us.wait_established("10.0.0.2")?;
    add(&us, "10.1.0.0/16", "65010")?;
    add(&us, "10.3.0.0/16", "")?;
    frr_has(
        &daemon,
        "10.1.0.0/16",
        "(64512 64512 64512) 65020 65020 65010",
    )?;
    frr_has(&daemon, "10.3.0.0/16", "(64512 64512 64512) 65020 65020")?;
    we_have(&us, "10.2.0.0/16", "(64513) 65030 65030")?;
    drop(daemon);

    let bird = Bird::start(
        &b,
        "router id 10.0.0.2;\nprotocol device {}\nprotocol static { ipv4; route 10.4.0.0/16 blackhole; }\n\
         protocol bgp ours { local 10.0.0.2 as 64513; neighbor 10.0.0.1 as 64512; connect retry time 1;\n\
         connect delay time 1; error wait time 1, 2; confederation 100; confederation member yes;\n\
         ipv4 { import all; export filter { if source != RTS_STATIC then reject; bgp_path.prepend(65030); accept; }; }; }\n",
    )?;
    us.wait_established("10.0.0.2")?;
    let text = bird.wait_route("10.1.0.0/16")?;
    let path = "BGP.as_path: (64512 64512 64512) 65020 65020 65010";
    ensure!(text.contains(path), "{text}");
    we_have(&us, "10.4.0.0/16", "(64513) 65030")?;
    let sessions = us.number("10.0.0.2", "established_count")?;
    ensure!(sessions == 2, "one session each, not {sessions}");
    Ok(())
}

/// We are the route server of a BIRD, an FRR and an OpenBGPD on one link. Two of them have a route to one prefix.
#[test]
#[ignore = "needs netns"]
fn no_path_hides_another_from_the_clients_of_our_route_server() -> Result<()> {
    let lab = Lab::new("rel")?;
    let hosts = lab.lan(4)?;
    let client = |number: u32| {
        let keys = "route-server = { route-server-client = true }";
        config::neighbor(&format!("10.0.0.{number}"), 65000 + number, keys)
    };
    let bgpd = Bgpd::start(
        &hosts[0],
        &(config::ours("10.0.0.1") + &client(2) + &client(3) + &client(4)),
    )?;
    let lines = "ipv4 { import all; export filter { if source != RTS_STATIC then reject; bgp_med = 5; accept; }; };";
    let ends = [("10.0.0.2", 65002), ("10.0.0.1", 64512)];
    let bird = Bird::start(
        &hosts[1],
        &(config::bird("10.0.0.2", &["10.9.0.0/16"]) + &config::bird_session(ends, lines)),
    )?;
    let farther = frr(65003, 64512, &[])
        .replace("10.0.0.2", "10.0.0.3")
        .replace(
            "network 10.2.0.0/16",
            "network 10.9.0.0/16\n  network 10.3.0.0/16\n  neighbor 10.0.0.1 route-map far out",
        )
        + "route-map far permit 10\n set as-path prepend 65003\n";
    let frr = Frr::start(&hosts[2], &farther)?;
    let open = OpenBgp::start(
        &hosts[3],
        &config::openbgp(
            65004,
            "10.0.0.4",
            "neighbor 10.0.0.1 {\n remote-as 64512\n enforce neighbor-as no\n}",
        ),
    )?;
    for number in 2..5 {
        bgpd.wait_established(&format!("10.0.0.{number}"))?;
    }
    // The best one, whose path, next hop and MED are BIRD's.
    frr_all(&frr, "10.9.0.0/16", "65002")?;
    let text = open.wait_route("10.9.0.0/16")?;
    ensure!(text.contains("65002") && !text.contains("64512"), "{text}");
    let text = open.ctl("show rib detail 10.9.0.0/16")?;
    ensure!(
        text.contains("Nexthop 10.0.0.2") && text.contains("metric 5"),
        "{text}"
    );
    // BIRD itself hears the other one.
    let text = until("BIRD has the other path", SOON, || {
        let text = bird.ctl("show route 10.9.0.0/16 all protocol ours")?;
        ensure!(text.contains("BGP.as_path: 65003 65003"), "{text}");
        Ok(text)
    })?;
    ensure!(text.contains("BGP.next_hop: 10.0.0.3"), "{text}");
    let text = open.wait_route("10.3.0.0/16")?;
    ensure!(text.contains("65003 65003"), "{text}");
    Ok(())
}

/// Whether one of FRR's paths of a prefix is this.
fn frr_all(frr: &Frr, prefix: &str, path: &str) -> Result<()> {
    until(&format!("FRR has {prefix} by {path}, too"), SOON, || {
        let paths = frr.paths(prefix)?;
        let found = paths.iter().any(|found| found["aspath"]["string"] == path);
        ensure!(found, "{paths:?}");
        Ok(())
    })
}

/// OpenBGPD as a route server: its own route comes with no AS at all.
#[test]
#[ignore = "needs netns"]
fn openbgpd_as_a_route_server_is_believed_where_that_is_agreed() -> Result<()> {
    let lab = Lab::new("rel")?;
    let (a, b) = lab.pair()?;
    let options = "as-path-options = { enforce-first-as = false }";
    let us = Bgpd::start(&a, &ours(64513, options))?;
    let _open = OpenBgp::start(
        &b,
        &config::openbgp(
            64513,
            "10.0.0.2",
            "network 10.2.0.0/16\nneighbor 10.0.0.1 {\n remote-as 64512\n transparent-as yes\n}",
        ),
    )?;
    us.wait_established("10.0.0.2")?;
    we_have(&us, "10.2.0.0/16", "")?;
    us.reload(&ours(64513, ""))?;
    until("it is refused", SOON, || {
        let text = us.ctl(&["explain", "10.2.0.0/16"])?;
        ensure!(text.contains("does not begin with"), "{text}");
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn roles_are_agreed_with_bird() -> Result<()> {
    let lab = Lab::new("rel")?;
    let (a, b) = lab.pair()?;
    let with = |role: &str| ours(64513, &format!("role = \"{role}\"\nstrict-role = true"));
    let us = Bgpd::start(&a, &with("provider"))?;
    let bird = Bird::start(&b, &bird("local role customer; require roles yes;"))?;
    us.wait_established("10.0.0.2")?;
    add(&us, "10.1.0.0/16", "65010")?;
    let text = bird.wait_route("10.1.0.0/16")?;
    ensure!(text.contains("64512 65010"), "{text}");
    ensure!(text.contains("otc: 64512"), "marked: {text}");
    we_have(&us, "10.2.0.0/16", "64513")?;
    us.reload(&with("customer"))?;
    until("two customers are no pair", SOON, || {
        let neighbor = us.ctl(&["neighbor", "10.0.0.2"])?;
        ensure!(neighbor.contains("Role Mismatch"), "{neighbor}");
        Ok(())
    })
}
