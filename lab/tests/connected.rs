// SPDX-License-Identifier: Apache-2.0 OR MIT
//! External neighbours that have to be on a link of ours: not tried before they are, unless that is not wanted.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Frr, Lab, Netns, until};

const SOON: Duration = Duration::from_secs(20);

/// Us with a neighbour that has these keys.
fn ours(address: &str, keys: &str) -> String {
    format!(
        "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n\
         apply-policy = {{ default-import-policy = \"accept-route\", default-export-policy = \"accept-route\" }}\n\
         [[neighbors]]\nneighbor-address = \"{address}\"\npeer-as = 64513\n\
         timers = {{ connect-retry = 1 }}\n{keys}\n"
    )
}

/// What `bgpctl` says is in the way.
fn wait_obstacle(us: &Bgpd, address: &str, words: &str) -> Result<()> {
    until(&format!("{words} is in the way"), SOON, || {
        let neighbor = us.json(&["neighbor", address])?;
        let obstacle = neighbor["obstacle"].as_str().unwrap_or_default();
        ensure!(obstacle.contains(words), "{neighbor}");
        ensure!(neighbor["state"] != "Established", "{neighbor}");
        Ok(())
    })?;
    let table = us.ctl(&["neighbor"])?;
    ensure!(table.contains("is on no link of ours"), "{table}");
    Ok(())
}

fn frr(source: &str, remote: &str, lines: &str) -> String {
    format!(
        "router bgp 64513\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n \
         neighbor {remote} remote-as 64512\n neighbor {remote} update-source {source}\n \
         neighbor {remote} timers connect 1\n{lines}"
    )
}

/// Loopback addresses, and the ways there.
fn loopbacks(a: &Netns, b: &Netns) -> Result<()> {
    for (netns, number, other) in [(a, 1, 2), (b, 2, 1)] {
        netns.ip(&format!("addr add 10.9.9.{number}/32 dev lo"))?;
        netns.ip(&format!("route add 10.9.9.{other}/32 via 10.0.0.{other}"))?;
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn who_is_behind_a_router_is_neither_tried_nor_taken_unless_that_is_wanted() -> Result<()> {
    let lab = Lab::new("conn")?;
    let (a, b) = lab.pair()?;
    loopbacks(&a, &b)?;
    let keys = "transport = { local-address = \"10.9.9.1\" }\n";
    let us = Bgpd::start(&a, &ours("10.9.9.2", keys))?;
    let lines = " neighbor 10.9.9.1 disable-connected-check\n";
    let frr = Frr::start(&b, &frr("10.9.9.2", "10.9.9.1", lines))?;
    wait_obstacle(&us, "10.9.9.2", "behind 10.0.0.2")?;
    until("FRR has tried", SOON, || {
        ensure!(us.log().contains("connection refused"), "{}", us.log());
        Ok(())
    })?;
    let text = frr.ctl("show bgp neighbors 10.9.9.1")?;
    ensure!(!text.contains("BGP state = Established"), "{text}");
    // As its operator has done.
    let unchecked = "ebgp-multihop = { disable-connected-check = true }";
    us.write_config(&ours("10.9.9.2", &format!("{keys}{unchecked}")))?;
    us.ctl(&["reload"])?;
    us.wait_established("10.9.9.2")?;
    let neighbor = us.json(&["neighbor", "10.9.9.2"])?;
    ensure!(neighbor["obstacle"].is_null(), "{neighbor}");
    Ok(())
}

/// Whoever waits for us to dial is found, and so is whoever we wait for; with GTSM it is the same.
#[test]
#[ignore = "needs netns"]
fn a_session_begins_when_the_link_is_there() -> Result<()> {
    for (keys, bird_keys) in [
        ("", "passive on;"),
        ("transport = { passive-mode = true }", ""),
        (
            "ttl-security = { enabled = true }",
            "passive on; ttl security on;",
        ),
    ] {
        let lab = Lab::new("conn")?;
        let (a, b) = lab.pair()?;
        a.ip("addr del 10.0.0.1/24 dev eth0")?;
        let us = Bgpd::start(&a, &ours("10.0.0.2", keys))?;
        let bgp = format!(
            "router id 10.0.0.2;\nprotocol device {{}}\nprotocol bgp {{ local 10.0.0.2 as 64513; \
             neighbor 10.0.0.1 as 64512; {bird_keys} connect retry time 1; connect delay time 1; \
             error wait time 1, 2; ipv4 {{ import all; export none; }}; }}\n"
        );
        let _bird = Bird::start(&b, &bgp)?;
        wait_obstacle(&us, "10.0.0.2", "no route")?;
        a.ip("addr add 10.0.0.1/24 dev eth0")?;
        us.wait_established("10.0.0.2")?;
    }
    Ok(())
}

/// A route without a router is a link, whatever the prefix; a route through one is none, and neither is a range of dynamic
/// neighbours around it.
#[test]
#[ignore = "needs netns"]
fn routes_say_what_is_on_a_link() -> Result<()> {
    let lab = Lab::new("conn")?;
    let (a, b) = lab.pair()?;
    loopbacks(&a, &b)?;
    let range = "[[dynamic-neighbors]]\nprefix = \"10.9.9.0/24\"\npeer-group = \"far\"\n\
        [[peer-groups]]\npeer-group-name = \"far\"\npeer-as = 64513\n";
    let us = Bgpd::start(&a, &format!("{}{range}", ours("10.0.0.9", "")))?;
    let lines = " neighbor 10.9.9.1 disable-connected-check\n";
    let _frr = Frr::start(&b, &frr("10.9.9.2", "10.9.9.1", lines))?;
    until("FRR has tried", SOON, || {
        ensure!(us.log().contains("connection refused"), "{}", us.log());
        Ok(())
    })?;
    a.ip("route replace 10.9.9.2/32 dev eth0 scope link")?;
    b.exec(&["sysctl", "-qw", "net.ipv4.conf.eth0.arp_ignore=0"])?;
    us.wait_established("10.9.9.2")
}
