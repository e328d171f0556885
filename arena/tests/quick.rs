// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every case at a small size: it ends, every receiver has exactly what it is to have, and there are figures.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::ensure;
use arena::{CASES, Contestant, Figure, Kind};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Each takes a second or two.
const LIMIT: Duration = Duration::from_secs(60);

fn all_cases_with(kind: Kind) {
    let program = kind.program().unwrap();
    let contestant = Contestant { kind, program };
    for case in CASES.iter().filter(|case| !case.without.contains(&kind)) {
        for size in case.sizes(true) {
            let outcome = arena::run(case, size, LIMIT, &contestant).unwrap();
            let name = format!("{} of {size:?} with {}", case.name, kind.name());
            assert_eq!(outcome.fault, None, "{name}");
            for figure in [Figure::Cpu, Figure::Peak, Figure::Messages] {
                let value = outcome.figures.get(&figure).copied();
                // Nothing to say may take no time at all.
                let is_there = value.is_some_and(|value| value > 0.0 || case.name == "idle");
                assert!(is_there, "{name}: {outcome:?}");
            }
            let is_listed = outcome.figures.contains_key(&Figure::Listing);
            assert_eq!(is_listed, case.name.contains("list"), "{name}: {outcome:?}");
        }
    }
}

#[test]
#[ignore = "needs netns"]
fn every_case_works_with_bgpd() {
    all_cases_with(Kind::Bgpd);
}

#[test]
#[ignore = "needs netns"]
fn every_case_works_with_bird() {
    all_cases_with(Kind::Bird);
}

#[test]
#[ignore = "needs netns"]
fn a_run_that_is_ended_leaves_nothing_behind() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_arena"))
            .args(["reflect-200", "--against", "bird", "--runs", "1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let tag = format!("arena{:x}-", run.id());
        let left = || {
            let names = fs::read_dir("/run/netns").unwrap();
            let names = names.map(|entry| entry.unwrap().file_name());
            names
                .filter(|name| name.to_string_lossy().starts_with(&tag))
                .count()
        };
        lab::until("both namespaces are there", LIMIT, || {
            ensure!(left() == 2, "{} are", left());
            Ok(())
        })
        .unwrap();
        kill(Pid::from_raw(run.id().cast_signed()), signal).unwrap();
        let status = run.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{signal}");
        assert_eq!(left(), 0, "{signal}");
    }
}
