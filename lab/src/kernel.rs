// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel of a namespace has and does: its routes, what happens to them, and whether packets arrive.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};

use crate::{Netns, Process, bgpd::PATIENCE, until};

const DAY: Duration = Duration::from_secs(86_400);

impl Netns {
    /// Routes of the main table, a line each.
    ///
    /// # Errors
    /// `ip`'s.
    pub fn routes(&self) -> Result<String> {
        self.ip_output("route show")
    }

    /// What the kernel has of a prefix, of either family, without superfluous spaces; `table 100` and the like may follow
    /// the prefix.
    ///
    /// # Errors
    /// `ip`'s.
    pub fn route(&self, prefix: &str) -> Result<String> {
        let family = if prefix.contains(':') { "-6" } else { "-4" };
        let text = self.ip_output(&format!("{family} route show {prefix}"))?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Waits until this is all that the kernel has of a prefix; an empty text is no route.
    ///
    /// # Errors
    /// It has something else to the end.
    pub fn wait_route(&self, prefix: &str, wanted: &str) -> Result<()> {
        let what = format!("`{wanted}` in the kernel of {}", self.short());
        until(&what, PATIENCE, || {
            let found = self.route(prefix)?;
            ensure!(found == wanted, "it has `{found}`");
            Ok(())
        })
    }

    /// Waits until the kernel has a route of a prefix in which this occurs.
    ///
    /// # Errors
    /// It has none to the end.
    pub fn wait_route_with(&self, prefix: &str, part: &str) -> Result<()> {
        let what = format!("{prefix} {part} in the kernel of {}", self.short());
        until(&what, PATIENCE, || {
            let found = self.route(prefix)?;
            ensure!(found.contains(part), "it has `{found}`");
            Ok(())
        })
    }

    /// Waits until a ping comes back.
    ///
    /// # Errors
    /// None does.
    pub fn wait_ping(&self, source: &str, to: &str) -> Result<()> {
        until(&format!("{to} answers"), PATIENCE, || {
            let words = ["ping", "-c", "1", "-W", "1", "-I", source, to];
            self.exec(&words).map(drop)
        })
    }

    /// A counter of the kernel's, as `nstat` calls it.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn counter(&self, name: &str) -> Result<u64> {
        let text = self.exec(&["nstat", "-asz", name])?;
        let mut words = text.split_whitespace().skip_while(|word| *word != name);
        let number = words.nth(1).with_context(|| text.clone())?;
        Ok(number.parse()?)
    }
}

/// What happens to routes in a namespace, with times.
#[derive(Debug)]
pub struct Monitor(Process);

impl Monitor {
    /// Listens from now on.
    ///
    /// # Errors
    /// `ip monitor` does not start.
    pub fn start(netns: &Netns) -> Result<Self> {
        let mut command = netns.command("ip");
        command
            .args(["-ts", "-o", "monitor", "route"])
            .env("TZ", "UTC");
        let file = netns.file("monitor.log");
        if file.exists() {
            std::fs::remove_file(&file)?;
        }
        let monitor = Self(netns.start(&mut command, "monitor")?);
        // It hears what happens from when it has its socket: a route of our own shows that.
        until("the monitor listens", PATIENCE, || {
            netns.ip("route replace blackhole 203.0.113.255/32")?;
            netns.ip("route del blackhole 203.0.113.255/32")?;
            ensure!(monitor.0.log().contains("203.0.113.255"));
            Ok(())
        })?;
        Ok(monitor)
    }

    /// All that has happened, a line each; without what its start did.
    pub fn log(&self) -> String {
        let log = self.0.log();
        let others = log.lines().filter(|line| !line.contains("203.0.113.255"));
        others.fold(String::new(), |text, line| text + line + "\n")
    }

    /// How long after a point in time (of the day) the first thing happened in which this occurs.
    ///
    /// # Errors
    /// It does not happen.
    pub fn wait(&self, part: &str, after: Duration) -> Result<Duration> {
        until(part, PATIENCE, || {
            let log = self.log();
            let lines = log.lines().filter(|line| line.contains(part));
            let mut times = lines.filter_map(clock);
            let since = times.find_map(|time| {
                // A day may end meanwhile; what was long before is of another time.
                let since = (time + DAY).checked_sub(after)?;
                let since = Duration::new(since.as_secs() % DAY.as_secs(), since.subsec_nanos());
                (since < PATIENCE).then_some(since)
            });
            since.with_context(|| log.clone())
        })
    }

    /// How long a prefix was away at the longest, from when it was deleted to when it was there again.
    ///
    /// # Errors
    /// It has not come back, or a line has no time.
    pub fn longest_gap(&self, prefix: &str) -> Result<Duration> {
        let log = self.log();
        let (mut gone, mut longest) = (None, Duration::ZERO);
        let of_prefix = format!(" {prefix} ");
        for line in log.lines().filter(|line| line.contains(&of_prefix)) {
            let time = clock(line).with_context(|| line.to_owned())?;
            if line.contains("Deleted") {
                gone = Some(time);
            } else if let Some(since) = gone.take() {
                longest = longest.max(time.saturating_sub(since));
            }
        }
        ensure!(gone.is_none(), "{prefix} is gone:\n{log}");
        Ok(longest)
    }

    /// Ends it, and returns [`Self::log`].
    ///
    /// # Errors
    /// It has ended before.
    pub fn finish(mut self) -> Result<String> {
        self.0.terminate()?;
        Ok(self.log())
    }
}

/// Since midnight, UTC.
pub fn time_of_day() -> Duration {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Duration::new(since.as_secs() % DAY.as_secs(), since.subsec_nanos())
}

/// The time of `[2026-11-21T08:52:21.123456] …`.
fn clock(line: &str) -> Option<Duration> {
    let (_, rest) = line.split_once('T')?;
    let (time, _) = rest.split_once(']')?;
    let mut seconds = 0.0;
    for part in time.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(Duration::from_secs_f64(seconds))
}
