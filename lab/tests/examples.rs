// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The examples that watch best paths, in Rust and in Python, with our daemon.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use lab::{Bgpd, Ended, Lab, Netns, Process, binary, config, until};
use nix::sys::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(30);

/// The system's interpreter: another one may not have the packages.
const PYTHON: &str = "/usr/bin/python3";

fn rust(netns: &Netns) -> Result<Command> {
    Ok(netns.command(binary("best-paths")?))
}

fn python(netns: &Netns) -> Command {
    let mut command = netns.command(PYTHON);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/best_paths.py"));
    command
}

fn says(watcher: &mut Process, line: &str) -> Result<()> {
    until(line, PATIENCE, || {
        let log = watcher.log();
        if log.lines().any(|said| said == line) {
            return Ok(());
        }
        if let Some(status) = watcher.ended() {
            return Err(Ended(format!("it has ended ({status}): {log}")).into());
        }
        bail!("it has said: {log}")
    })
}

/// Whether it ended well.
fn end(watcher: &mut Process) -> Result<bool> {
    until("it ends", PATIENCE, || {
        let status = watcher.ended().context("it runs")?;
        Ok(status.success())
    })
}

/// What is there, what comes and what goes; then Ctrl-C.
fn watches(lab: &Lab, command: impl Fn(&Netns) -> Result<Command>) -> Result<()> {
    let netns = lab.netns("a")?;
    netns.ip("link set lo up")?;
    let nobody = command(&netns)?.arg("127.0.0.1:50051").output()?;
    let said = String::from_utf8_lossy(&nobody.stderr);
    ensure!(!nobody.status.success(), "nobody was there");
    ensure!(said.contains("nobody answers at 127.0.0.1:50051"), "{said}");

    let ours = config::ours("10.0.0.1") + &config::blackhole("10.1.0.0/16");
    let mut us = Bgpd::start(&netns, &ours)?;
    let target = us.target();
    let mut first = netns.start(command(&netns)?.arg(&target), "first")?;
    says(&mut first, "10.1.0.0/16 via 0.0.0.0, AS path")?;
    for (prefix, next_hop) in [("10.2.0.0/16", "10.0.0.9"), ("fd02::/48", "fd00::9")] {
        us.add_route(&format!(
            "{prefix} --next-hop {next_hop} --as-path 64998,64999"
        ))?;
        let added = format!("{prefix} via {next_hop}, AS path 64998 64999");
        says(&mut first, &added)?;
        us.ctl(&["route", "del", prefix])?;
        says(&mut first, &format!("{prefix} is gone"))?;
    }
    first.signal(Signal::SIGINT)?;
    ensure!(end(&mut first)?, "Ctrl-C is no failure: {}", first.log());

    let mut second = netns.start(command(&netns)?.arg(&target), "second")?;
    says(&mut second, "10.1.0.0/16 via 0.0.0.0, AS path")?;
    us.process().terminate()?;
    ensure!(!end(&mut second)?, "the daemon is gone: {}", second.log());
    ensure!(
        second.log().contains("has ended the stream"),
        "{}",
        second.log()
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn best_paths_are_watched_in_rust() -> Result<()> {
    watches(&Lab::new("best-rs")?, rust)
}

#[test]
#[ignore = "needs netns"]
fn best_paths_are_watched_in_python() -> Result<()> {
    watches(&Lab::new("best-py")?, |netns| Ok(python(netns)))
}
