// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where it is measured, and whether something else runs there.

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{Contestant, Kind};

/// Of a machine that does nothing else.
const IDLE: f64 = 0.5;

/// How long it is looked at.
const LOOK: Duration = Duration::from_millis(400);

/// It does not have to come to rest for ever.
const RESTLESS: Duration = Duration::from_secs(5);

/// The machine and what is on it.
#[derive(Clone, Debug)]
pub struct Machine {
    kernel: String,
    /// TCP's congestion control, which all use as it is set.
    tcp: String,
    processor: String,
    /// Load average of the last minute, before anything was started.
    load: f64,
    versions: BTreeMap<Kind, String>,
    /// The most that somebody else was seen to use of it between two runs, in cores.
    busy: f64,
}

impl Machine {
    /// This one, as it is now.
    pub fn of(contestants: &[Contestant]) -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let (processors, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
        let names = processors
            .lines()
            .filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let names: Vec<&str> = names.map(|(_, name)| name).collect();
        let versions = contestants
            .iter()
            .map(|contestant| (contestant.kind, version(contestant)));
        Self {
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            tcp: read("/proc/sys/net/ipv4/tcp_congestion_control")
                .trim()
                .to_owned(),
            processor: format!(
                "{} × {}",
                names.len(),
                names.first().unwrap_or(&"an unknown processor")
            ),
            load: load
                .split_whitespace()
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or_default(),
            versions: versions.collect(),
            busy: 0.0,
        }
    }

    /// Waits until nobody uses the machine, but not long, and remembers if somebody does.
    pub fn rest(&mut self) {
        let end = Instant::now() + RESTLESS;
        loop {
            let busy = busy_cores();
            if busy < 0.1 || Instant::now() > end {
                self.busy = self.busy.max(busy);
                return;
            }
        }
    }

    /// Where and with what it was measured, and a warning if the machine had other things to do.
    pub(crate) fn describe(&self, kinds: impl Iterator<Item = Kind>, runs: usize) -> String {
        let mut programs: Vec<&str> = Vec::new();
        for version in kinds.filter_map(|kind| self.versions.get(&kind)) {
            if !programs.contains(&version.as_str()) {
                programs.push(version);
            }
        }
        let mut text = format!(
            "Median of {runs} (least–most). {}; Linux {} (TCP {}), {}; load average {:.2} before.\n",
            programs.join(", "),
            self.kernel,
            self.tcp,
            self.processor,
            self.load
        );
        // The load average tells of what has ended, too: the build of this program.
        if self.busy > IDLE {
            let warning = format!(
                "\n**The machine was not idle: up to {:.1} cores in use between runs. Times are too long, and ratios a hint.**\n",
                self.busy
            );
            text += &warning;
        }
        text
    }
}

/// How many cores are in use, by everybody.
fn busy_cores() -> f64 {
    let before = ticks();
    thread::sleep(LOOK);
    let after = ticks();
    // Ticks of the kernel's clock for users are hundredths of a second, everywhere.
    after.saturating_sub(before) as f64 / 100.0 / LOOK.as_secs_f64()
}

/// Ticks that all cores have been busy: for users, nice ones, the system, interrupts, and other virtual machines.
fn ticks() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let words = text.lines().next().unwrap_or_default().split_whitespace();
    let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|place| numbers.get(*place))
        .sum()
}

/// What a program says that it is; the first line with a number.
fn version(contestant: &Contestant) -> String {
    let flag = match contestant.kind {
        Kind::OpenBgpd => "-V",
        _ => "--version",
    };
    let output = Command::new(&contestant.program).arg(flag).output();
    let text = output.map_or_else(
        |_| String::new(),
        |output| {
            let (out, err) = (output.stdout, output.stderr);
            String::from_utf8_lossy(&[out, err].concat()).into_owned()
        },
    );
    let line = text
        .lines()
        .find(|line| line.contains(|letter: char| letter.is_ascii_digit()));
    let name = contestant.kind.name();
    let number = line
        .into_iter()
        .flat_map(str::split_whitespace)
        .find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()));
    number.map_or_else(|| name.to_owned(), |number| format!("{name} {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(load: f64, busy: f64) -> Machine {
        Machine {
            kernel: "6.18.5".into(),
            tcp: "cubic".into(),
            processor: "2 × Z80".into(),
            load,
            versions: [(Kind::Bird, "bird 2.0.12".into())].into(),
            busy,
        }
    }

    #[test]
    fn a_busy_machine_is_told_of() {
        let idle = machine(0.1, 0.0).describe([Kind::Bird, Kind::Bird].into_iter(), 3);
        assert_eq!(
            idle,
            "Median of 3 (least–most). bird 2.0.12; Linux 6.18.5 (TCP cubic), 2 × Z80; load average 0.10 before.\n"
        );
        let busy = machine(4.0, 1.2).describe([Kind::Bird].into_iter(), 3);
        assert!(busy.contains("was not idle: up to 1.2 cores"), "{busy}");
        let built = machine(4.0, 0.0).describe([Kind::Bird].into_iter(), 3);
        assert!(built.ends_with("load average 4.00 before.\n"), "{built}");
    }

    #[test]
    fn who_works_is_seen() {
        let end = Instant::now() + Duration::from_secs(5);
        let worker = thread::spawn(move || {
            while Instant::now() < end {
                std::hint::black_box(());
            }
        });
        assert!(busy_cores() > 0.3);
        drop(worker);
        let machine = Machine::of(&[]);
        assert!(!machine.kernel.is_empty() && !machine.processor.starts_with('0'));
    }
}
