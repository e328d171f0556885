// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Route servers (RFC 7947) with GoBGP: as a client of ours, and with us as a client of its.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, GoBgp, Lab, config, until};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

/// BIRD at 10.0.0.3 in AS 65003, with these routes, a client of the route server at 10.0.0.1.
fn bird(server: u32, routes: &[&str]) -> String {
    let ends = [("10.0.0.3", 65003), ("10.0.0.1", server)];
    config::bird("10.0.0.3", routes)
        + &config::bird_session(ends, &config::bird_channel("ipv4", ""))
}

#[test]
#[ignore = "needs netns"]
fn gobgp_hears_of_the_other_clients_of_our_route_server_as_if_we_were_not_there() -> Result<()> {
    let lab = Lab::new("rsgobgp")?;
    let hosts = lab.lan(3)?;
    let client = |address: &str, asn: u32| {
        config::neighbor(
            address,
            asn,
            "route-server = { route-server-client = true }",
        )
    };
    let ours = config::ours("10.0.0.1") + &client("10.0.0.2", 65002) + &client("10.0.0.3", 65003);
    let us = Bgpd::start(&hosts[0], &ours)?;
    let theirs = config::gobgp(65002, "10.0.0.2") + &config::gobgp_neighbor("10.0.0.1", 64512);
    let gobgp = GoBgp::start(&hosts[1], &theirs)?;
    let bird = Bird::start(&hosts[2], &bird(64512, &["10.3.0.0/16", "10.9.0.0/16"]))?;
    us.wait_established("10.0.0.2")?;
    us.wait_established("10.0.0.3")?;
    // The path of both to 10.9.0.0/16: ours is BIRD's, the shorter one, and BIRD hears GoBGP's all the same.
    gobgp.ctl("global rib add -a ipv4 10.2.0.0/16 nexthop 10.0.0.2 med 7")?;
    gobgp.ctl("global rib add -a ipv4 10.9.0.0/16 nexthop 10.0.0.2 aspath 65020,65021")?;
    us.wait_best("10.9.0.0/16", &json!({ "as_path": "65003" }))?;
    let text = until("BIRD has the other path", SOON, || {
        let text = bird.ctl("show route for 10.9.0.0/16 all protocol ours")?;
        ensure!(text.contains("BGP.as_path: 65002 65020 65021\n"), "{text}");
        Ok(text)
    })?;
    ensure!(text.contains("BGP.next_hop: 10.0.0.2\n"), "{text}");
    let text = bird.wait_route("10.2.0.0/16")?;
    ensure!(
        text.contains("BGP.as_path: 65002\n") && text.contains("BGP.med: 7\n"),
        "{text}"
    );
    for prefix in ["10.3.0.0/16", "10.9.0.0/16"] {
        until("GoBGP has BIRD's path", SOON, || {
            let text = gobgp.ctl(&format!("neighbor 10.0.0.1 adj-in -a ipv4 {prefix}"))?;
            let words: Vec<&str> = text.split_whitespace().collect();
            let route = [prefix, "10.0.0.3", "65003"];
            ensure!(words.windows(3).any(|words| words == route), "{text}");
            Ok(())
        })?;
    }
    // Its own comes not back, and what BIRD takes back goes.
    let text = gobgp.ctl("neighbor 10.0.0.1 adj-in -a ipv4")?;
    ensure!(!text.contains("10.2.0.0/16"), "{text}");
    bird.ctl("disable s4")?;
    gobgp.wait_no_route("10.3.0.0/16")
}

#[test]
#[ignore = "needs netns"]
fn we_are_a_client_of_gobgps_route_server() -> Result<()> {
    let lab = Lab::new("rsgobgp")?;
    let hosts = lab.lan(3)?;
    let client = |address: &str, asn: u32| {
        config::gobgp_neighbor(address, asn)
            + "route-server = { config = { route-server-client = true } }\n"
    };
    let server =
        config::gobgp(65001, "10.0.0.1") + &client("10.0.0.2", 64512) + &client("10.0.0.3", 65003);
    let _gobgp = GoBgp::start(&hosts[0], &server)?;
    let ours = |options: &str| {
        config::ours("10.0.0.2")
            + &config::neighbor("10.0.0.1", 65001, options)
            + &config::blackhole("10.1.0.0/16")
    };
    let us = Bgpd::start(
        &hosts[1],
        &ours("as-path-options = { enforce-first-as = false }"),
    )?;
    let bird = Bird::start(&hosts[2], &bird(65001, &["10.3.0.0/16"]))?;
    us.wait_established("10.0.0.1")?;
    us.wait_best(
        "10.3.0.0/16",
        &json!({ "as_path": "65003", "next_hop": "10.0.0.3" }),
    )?;
    let text = bird.wait_route("10.1.0.0/16")?;
    ensure!(
        text.contains("BGP.as_path: 64512\n") && text.contains("BGP.next_hop: 10.0.0.2\n"),
        "{text}"
    );
    // Where it is not agreed that the server is silent about itself, its paths are not believed.
    us.reload(&ours(""))?;
    until("it is refused", SOON, || {
        let text = us.ctl(&["explain", "10.3.0.0/16"])?;
        ensure!(text.contains("does not begin with"), "{text}");
        Ok(())
    })?;
    us.wait_no_route("10.3.0.0/16")
}
