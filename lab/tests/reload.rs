// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A new configuration while the daemon runs: only what differs is touched, and a bad file changes nothing.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Lab, Netns, binary, config, until};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(5);

/// Two neighbours and what else is given.
fn ours(description: &str, hold_time: u16, rest: &str) -> String {
    let described = format!("description = \"{description}\"");
    let timers = format!("timers = {{ hold-time = {hold_time} }}");
    config::ours_with(64513, &described) + &config::neighbor("10.0.1.2", 64513, &timers) + rest
}

fn block() -> String {
    config::blackhole("10.1.0.0/16")
}

fn theirs(local: &str, remote: &str, routes: &[&str]) -> String {
    let ends = [(local, 64513), (remote, 64512)];
    config::bird(local, routes) + &config::bird_session(ends, &config::bird_channel("ipv4", ""))
}

/// Us at 10.0.0.1 and 10.0.1.1, a BIRD at the other end of each cable.
fn three(lab: &Lab) -> Result<(Netns, [Bird; 2])> {
    let (a, b, c) = lab.three()?;
    let first = theirs("10.0.0.2", "10.0.0.1", &["10.2.0.0/16"]);
    let second = theirs("10.0.1.2", "10.0.1.1", &[]);
    Ok((a, [Bird::start(&b, &first)?, Bird::start(&c, &second)?]))
}

fn hang_up(us: &mut Bgpd, config: &str, said: &str) -> Result<()> {
    let before = us.log().matches(said).count();
    us.write_config(config)?;
    us.process().signal(Signal::SIGHUP)?;
    until("the reload is logged", SOON, || {
        ensure!(us.log().matches(said).count() > before, "{}", us.log());
        Ok(())
    })
}

/// How often each session was established.
fn counts(us: &Bgpd) -> Result<[u64; 2]> {
    let count = |address| us.number(address, "established_count");
    Ok([count("10.0.0.2")?, count("10.0.1.2")?])
}

#[test]
#[ignore = "needs netns"]
fn only_what_differs_is_touched() -> Result<()> {
    let lab = Lab::new("load")?;
    let (a, [bird, other]) = three(&lab)?;
    let mut us = Bgpd::start(&a, &ours("one", 90, &block()))?;
    us.wait_established("10.0.0.2")?;
    us.wait_established("10.0.1.2")?;
    bird.wait_route("10.1.0.0/16")?;

    hang_up(&mut us, &ours("one", 90, &block()), "nothing has changed")?;
    ensure!(counts(&us)? == [1, 1]);

    hang_up(
        &mut us,
        &ours("two", 90, &block()),
        "configuration read again",
    )?;
    ensure!(counts(&us)? == [1, 1], "a description needs no new session");
    ensure!(us.json(&["neighbor", "10.0.0.2"])?["description"] == "two");

    hang_up(&mut us, &ours("two", 30, &block()), "hold-time")?;
    until("the second session is new", SOON, || {
        ensure!(us.json(&["neighbor", "10.0.1.2"])?["hold_time"] == 30);
        us.wait_established("10.0.1.2")
    })?;
    ensure!(counts(&us)?[0] == 1, "the first one has been left alone");

    let moved = block().replace("10.1.0.0", "10.7.0.0");
    hang_up(&mut us, &ours("two", 30, &moved), "static route")?;
    bird.wait_route("10.7.0.0/16")?;
    bird.wait_no_route("10.1.0.0/16")?;
    ensure!(counts(&us)?[0] == 1);

    let one = ours("two", 30, &moved);
    let end = one.rfind("[[neighbors]]").unwrap_or_default();
    hang_up(&mut us, &format!("{}{moved}", &one[..end]), "removed")?;
    ensure!(us.state("10.0.1.2").is_err(), "the neighbour is gone");
    until("it was told so", SOON, || {
        let said = other.ctl("show protocols all ours")?;
        ensure!(said.contains("Peer de-configured"), "{said}");
        Ok(())
    })?;
    ensure!(us.state("10.0.0.2")? == "established");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_policy_that_changes_is_applied_without_a_new_session() -> Result<()> {
    let lab = Lab::new("load")?;
    let (a, [bird, _other]) = three(&lab)?;
    let open = ours("one", 90, &block());
    let mut us = Bgpd::start(&a, &open)?;
    us.wait_route("10.2.0.0/16")?;
    bird.wait_route("10.1.0.0/16")?;
    let closed = open.replace("accept-route", "reject-route");
    hang_up(&mut us, &closed, "configuration read again")?;
    us.wait_no_route("10.2.0.0/16")?;
    bird.wait_no_route("10.1.0.0/16")?;
    hang_up(&mut us, &open, "configuration read again")?;
    us.wait_route("10.2.0.0/16")?;
    bird.wait_route("10.1.0.0/16")?;
    ensure!(counts(&us)? == [1, 1]);
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_bad_file_changes_nothing_and_says_where_it_is_bad() -> Result<()> {
    let lab = Lab::new("load")?;
    let (a, _birds) = three(&lab)?;
    let good = ours("one", 90, &block());
    let mut us = Bgpd::start(&a, &good)?;
    us.wait_route("10.2.0.0/16")?;
    let bad = good
        .replace("description = \"one\"", "descripton = \"one\"")
        .replace("10.1.0.0/16", "10.1.0.0/33");
    hang_up(&mut us, &bad, "configuration not changed")?;
    let log = us.log();
    ensure!(
        log.contains("bgpd.toml:8:1") && log.contains("description"),
        "{log}"
    );
    ensure!(log.contains("10.1.0.0/33"), "{log}");
    ensure!(counts(&us)? == [1, 1]);
    us.wait_route("10.1.0.0/16")?;
    // The same over the API, and afterwards a good one is taken.
    let error = us.ctl(&["reload"]).unwrap_err().to_string();
    ensure!(error.contains("bgpd.toml:8:1"), "{error}");
    us.write_config(&ours("three", 90, &block()))?;
    let said = us.ctl(&["reload"])?;
    ensure!(said.contains("10.0.0.2 updated (description)"), "{said}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn check_reads_a_file_and_starts_nothing() -> Result<()> {
    let lab = Lab::new("load")?;
    let good = lab.folder().join("good.toml");
    let bad = lab.folder().join("bad.toml");
    std::fs::write(&good, ours("one", 90, &block()))?;
    std::fs::write(
        &bad,
        "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\nprot = 179\n",
    )?;
    let check = |file| {
        Command::new(binary("bgpd")?)
            .arg("--check")
            .arg("--config")
            .arg(file)
            .output()
            .map_err(anyhow::Error::from)
    };
    let output = check(&good)?;
    ensure!(output.status.success(), "{output:?}");
    let output = check(&bad)?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(
        !output.status.success() && said.contains("bad.toml:4:1") && said.contains("port"),
        "{said}"
    );
    let output = check(&lab.folder().join("absent.toml"))?;
    ensure!(!output.status.success() && String::from_utf8(output.stderr)?.contains("absent.toml"));
    Ok(())
}
