// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A neighbour with more prefixes than it may have, and what becomes of them: `prefix-limit.action`.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{
    Bgpd, Bird, Lab,
    config::{self, EBGP},
    until,
};

const SOON: Duration = Duration::from_secs(15);

fn ours(action: &str) -> String {
    let limit = format!(
        "[[neighbors.afi-safis]]\nafi-safi-name = \"ipv4-unicast\"\n\
         prefix-limit = {{ max-prefixes = 10, shutdown-threshold-pct = 50, action = \"{action}\" }}"
    );
    config::ours("10.0.0.1") + "shards = 2\n" + &config::neighbor("10.0.0.2", 64513, &limit)
}

/// With so many routes; BIRD is told of fewer by a file with another number.
fn theirs(routes: u8) -> String {
    let routes: Vec<String> = (1..=routes)
        .map(|number| format!("10.{number}.0.0/16"))
        .collect();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let channel = config::bird_channel("ipv4", "");
    config::bird("10.0.0.2", &routes) + &config::bird_session(EBGP, &channel)
}

fn received(us: &Bgpd, count: u64) -> Result<()> {
    until(&format!("{count} prefixes are there"), SOON, || {
        let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
        ensure!(neighbor["state"] == "Established", "{neighbor}");
        ensure!(neighbor["families"][0]["end_of_rib"] == true, "{neighbor}");
        ensure!(neighbor["families"][0]["received"] == count, "{neighbor}");
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn what_is_too_much_is_not_taken() -> Result<()> {
    let lab = Lab::new("limit-drop")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours("drop"))?;
    let bird = Bird::start(&b, &theirs(25))?;
    received(&us, 10)?;
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    ensure!(neighbor["beyond_limit"] == 15, "{neighbor}");
    ensure!(
        us.log().matches("over the limit of prefixes").count() == 1,
        "{}",
        us.log()
    );
    // The same ten are announced again: there is room for them, since they are there.
    us.ctl(&["neighbor", "10.0.0.2", "softresetin"])?;
    until("the others are refused again", SOON, || {
        let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
        ensure!(neighbor["beyond_limit"] == 30, "{neighbor}");
        Ok(())
    })?;
    received(&us, 10)?;
    // What goes makes room for what comes.
    b.write("bird.conf", &theirs(5))?;
    bird.ctl("configure")?;
    until("there are less", SOON, || {
        let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
        let received = neighbor["families"][0]["received"].as_u64();
        ensure!(received.is_some_and(|count| count <= 5), "{neighbor}");
        Ok(())
    })?;
    us.ctl(&["neighbor", "10.0.0.2", "softresetin"])?;
    received(&us, 5)?;
    b.write("bird.conf", &theirs(9))?;
    bird.ctl("configure")?;
    received(&us, 9)
}

#[test]
#[ignore = "needs netns"]
fn what_is_too_much_is_told() -> Result<()> {
    let lab = Lab::new("limit-warn")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours("warn"))?;
    let _bird = Bird::start(&b, &theirs(25))?;
    received(&us, 25)?;
    ensure!(
        us.log().matches("over the limit of prefixes").count() == 1,
        "{}",
        us.log()
    );
    // As an order to end it, the same limit ends the session.
    us.reload(&ours("restart"))?;
    until("the session ends", SOON, || {
        let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
        let error = neighbor["last_error"].to_string();
        ensure!(error.contains("Maximum Number of Prefixes"), "{error}");
        Ok(())
    })
}
