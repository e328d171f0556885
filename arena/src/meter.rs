// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a daemon has used: processor time and memory of its process and of those that it has started.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use nix::{
    sys::time::TimeValLike as _,
    time::{ClockId, clock_getcpuclockid},
    unistd::Pid,
};

/// What has been used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time, of the system for it too.
    pub cpu: Duration,
    /// Resident memory in octets.
    pub resident: u64,
    /// The most it ever was.
    pub peak: u64,
}

impl Usage {
    /// Of these processes.
    ///
    /// # Errors
    /// One of them has ended.
    pub fn of(pids: &[u32]) -> Result<Self> {
        let mut usage = Self::default();
        for pid in pids {
            usage.add(*pid)?;
        }
        Ok(usage)
    }

    fn add(&mut self, pid: u32) -> Result<()> {
        let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))
            .with_context(|| format!("process {pid} has ended"))?;
        self.cpu += read(clock)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|number| number.parse::<u64>().ok())
        };
        self.resident += kilobytes("VmRSS:").context("no VmRSS")? << 10;
        self.peak += kilobytes("VmHWM:").context("no VmHWM")? << 10;
        Ok(())
    }
}

/// Processor time of this thread.
pub(crate) fn own() -> Duration {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

fn read(clock: ClockId) -> Result<Duration> {
    let time = nix::time::clock_gettime(clock)?;
    Ok(Duration::from_nanos(u64::try_from(time.num_nanoseconds())?))
}

/// A process, its children, and so on.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<(u32, u32)> = numbers
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name, in brackets, may have blanks; behind it are state and parent.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            Some((pid, parent.parse().ok()?))
        })
        .collect();
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(parent) = all.get(next).copied() {
        next += 1;
        let children = parents.iter().filter(|(_, of)| *of == parent);
        all.extend(children.map(|(pid, _)| *pid));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_use_ourselves_is_seen() {
        let (begun, us) = (own(), std::process::id());
        let ballast = vec![1_u8; 32 << 20];
        while own().saturating_sub(begun) < Duration::from_millis(20) {
            std::hint::black_box(&ballast);
        }
        let usage = Usage::of(&[us]).unwrap();
        assert!(usage.cpu >= Duration::from_millis(20), "{usage:?}");
        assert!(
            usage.peak >= usage.resident && usage.resident > 32 << 20,
            "{usage:?}"
        );
    }

    #[test]
    fn children_belong_to_the_family() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let found = family(std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()), "{found:?}");
    }
}
