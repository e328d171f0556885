// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Other programs that want the same prefixes in the same table: both sides stay correct, and it is said.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Lab, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// Ours, with a protocol number of its own: 186 is `bgp`.
const OURS: &str = "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n[fib]\nprotocol = 186\ndeferral = 1\n\
     [[static-routes]]\nprefix = \"10.2.0.0/16\"\nvia = \"10.0.0.2\"\n\
     [[static-routes]]\nprefix = \"10.3.0.0/16\"\nvia = \"10.0.0.2\"\n";

/// The same prefixes and the same metric, another router.
const THEIRS: &str = "router id 10.0.0.1;\nprotocol device { scan time 1; }\n\
     protocol kernel { scan time 1; metric 0; ipv4 { import none; export all; }; }\n\
     protocol static rivals { ipv4; route 10.2.0.0/16 via 10.0.0.3; route 10.4.0.0/16 via 10.0.0.3; }\n";

fn state(us: &Bgpd, prefix: &str) -> Result<String> {
    let all = us.json(&["fib"])?;
    let mut routes = all.as_array().into_iter().flatten();
    let found = routes.find(|route| route["prefix"] == prefix);
    let state = found.and_then(|route| route["state"].as_str());
    Ok(state.unwrap_or_default().to_owned())
}

fn is(us: &Bgpd, prefix: &str, wanted: &str) -> Result<()> {
    until(&format!("{prefix} is {wanted}"), SOON, || {
        let state = state(us, prefix)?;
        ensure!(state == wanted, "it is {state}");
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn bird_and_bgpd_in_one_table_leave_each_other_what_was_there_first() -> Result<()> {
    let lab = Lab::new("fight")?;
    let (a, _b) = lab.pair()?;
    let (mine, rivals) = (
        "via 10.0.0.2 dev eth0 proto bgp",
        "via 10.0.0.3 dev eth0 proto bird",
    );
    let mut bird = Bird::start(&a, THEIRS)?;
    a.wait_route("10.2.0.0/16", &format!("10.2.0.0/16 {rivals}"))?;
    let us = Bgpd::start(&a, OURS)?;
    a.wait_route("10.3.0.0/16", &format!("10.3.0.0/16 {mine}"))?;
    is(&us, "10.2.0.0/16", "blocked")?;
    let log = us.log();
    ensure!(
        log.contains("10.2.0.0/16") && log.contains("is in the way"),
        "{log}"
    );
    // Several of its scans later nothing has moved.
    std::thread::sleep(Duration::from_secs(3));
    a.wait_route("10.2.0.0/16", &format!("10.2.0.0/16 {rivals}"))?;
    bird.ctl("disable rivals")?;
    a.wait_route("10.2.0.0/16", &format!("10.2.0.0/16 {mine}"))?;
    a.wait_route("10.4.0.0/16", "")?;
    is(&us, "10.2.0.0/16", "installed")?;
    // Now the other way round: BIRD finds ours in its way.
    bird.ctl("enable rivals")?;
    a.wait_route("10.4.0.0/16", &format!("10.4.0.0/16 {rivals}"))?;
    std::thread::sleep(Duration::from_secs(3));
    a.wait_route("10.2.0.0/16", &format!("10.2.0.0/16 {mine}"))?;
    ensure!(state(&us, "10.2.0.0/16")? == "installed");
    ensure!(bird.process().is_running());
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_program_that_deletes_our_route_again_and_again_does_not_make_us_busy() -> Result<()> {
    let lab = Lab::new("fight")?;
    let (a, _b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    is(&us, "10.2.0.0/16", "installed")?;
    is(&us, "10.3.0.0/16", "installed")?;
    let (mut deleted, begun) = (0, Instant::now());
    while begun.elapsed() < Duration::from_secs(5) {
        deleted += u32::from(a.ip("route del 10.2.0.0/16 proto bgp").is_ok());
        std::thread::sleep(Duration::from_millis(20));
    }
    // Five restores a minute, and the one that was there.
    ensure!((2..=7).contains(&deleted), "deleted {deleted} times");
    is(&us, "10.2.0.0/16", "blocked")?;
    let said: Vec<Value> = us.json(&["fib"])?.as_array().cloned().unwrap_or_default();
    let said = serde_json::to_string(&said)?;
    ensure!(said.contains("again and again"), "{said}");
    let log = us.log();
    ensure!(
        log.contains("taken away repeatedly by another program"),
        "{log}"
    );
    // Its neighbour in the table is not concerned.
    ensure!(state(&us, "10.3.0.0/16")? == "installed");
    Ok(())
}
