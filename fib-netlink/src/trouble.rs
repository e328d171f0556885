// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes that the kernel refuses or that somebody keeps taking away, and when to try them again.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

/// Why the kernel refused an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The errno, positive.
    pub errno: i32,
    /// The kernel's own words.
    pub words: String,
}

/// Errors of the kernel that mean something to us (`errno(3)`, the same on every Linux).
pub(crate) mod errno {
    pub(crate) const EPERM: i32 = 1;
    pub(crate) const ENOENT: i32 = 2;
    pub(crate) const ESRCH: i32 = 3;
    pub(crate) const EINTR: i32 = 4;
    pub(crate) const EAGAIN: i32 = 11;
    pub(crate) const ENOMEM: i32 = 12;
    pub(crate) const EEXIST: i32 = 17;
    pub(crate) const EINVAL: i32 = 22;
    pub(crate) const ENOBUFS: i32 = 105;
}

#[derive(Debug, Default)]
pub(crate) struct Troubles {
    by_prefix: HashMap<IpNetwork, Trouble>,
    queue: BTreeSet<(Instant, IpNetwork)>,
    fights: HashMap<IpNetwork, VecDeque<Instant>>,
}

#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) cause: Cause,
    pub(crate) next_try: Instant,
}

#[derive(Debug)]
pub(crate) enum Cause {
    Refused { words: String, attempts: u32 },
    Contested,
}

impl Troubles {
    pub(crate) fn get(&self, prefix: &IpNetwork) -> Option<&Trouble> {
        self.by_prefix.get(prefix)
    }

    /// Returns whether the cause is another than before.
    pub(crate) fn refused(&mut self, prefix: IpNetwork, refusal: Refusal, now: Instant) -> bool {
        let (attempts, news) = match self.by_prefix.get(&prefix).map(|trouble| &trouble.cause) {
            Some(Cause::Refused { attempts, words }) => (attempts + 1, *words != refusal.words),
            _ => (1, true),
        };
        let base = match refusal.errno {
            errno::EAGAIN | errno::EINTR | errno::ENOMEM | errno::ENOBUFS | errno::EEXIST => {
                TRANSIENT
            }
            _ => REFUSED,
        };
        let delay = base
            .saturating_mul(1 << attempts.saturating_sub(1).min(12))
            .min(SLOWEST);
        self.set(
            prefix,
            Cause::Refused {
                words: refusal.words,
                attempts,
            },
            now + delay,
        );
        news
    }

    /// Asks leave to restore a route that was taken away.
    pub(crate) fn may_restore(&mut self, prefix: IpNetwork, now: Instant) -> bool {
        let times = self.fights.entry(prefix).or_default();
        while times
            .front()
            .is_some_and(|first| now.duration_since(*first) >= FIGHT)
        {
            times.pop_front();
        }
        if times.len() < RESTORES {
            times.push_back(now);
            return true;
        }
        // The slow pace: one restore for each that is a minute old.
        let next = times.front().map_or(now + FIGHT, |first| *first + FIGHT);
        times.clear();
        times.extend([next; RESTORES - 1]);
        self.set(prefix, Cause::Contested, next);
        false
    }

    fn set(&mut self, prefix: IpNetwork, cause: Cause, next_try: Instant) {
        self.clear(&prefix);
        self.by_prefix.insert(prefix, Trouble { cause, next_try });
        self.queue.insert((next_try, prefix));
    }

    pub(crate) fn clear(&mut self, prefix: &IpNetwork) {
        if self.by_prefix.is_empty() {
            return; // the usual case, and this is asked of every route
        }
        if let Some(trouble) = self.by_prefix.remove(prefix) {
            self.queue.remove(&(trouble.next_try, *prefix));
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one that is due. It stays known, with its count of attempts.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<IpNetwork> {
        let (at, prefix) = *self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        Some(prefix)
    }

    /// Something changed that refused routes may have waited for. What is contested keeps waiting.
    pub(crate) fn retry_refused(&mut self, now: Instant) {
        for (prefix, trouble) in &mut self.by_prefix {
            if matches!(trouble.cause, Cause::Refused { .. }) && trouble.next_try > now {
                self.queue.remove(&(trouble.next_try, *prefix));
                trouble.next_try = now;
                self.queue.insert((now, *prefix));
            }
        }
    }

    /// Forgets fights that are long over.
    pub(crate) fn prune(&mut self, now: Instant) {
        self.fights.retain(|_, times| {
            times
                .back()
                .is_some_and(|last| now.saturating_duration_since(*last) < FIGHT)
        });
    }
}

/// First pause after an error that says more about the moment than about the route.
const TRANSIENT: Duration = Duration::from_millis(50);
/// First pause after a refusal; doubles.
const REFUSED: Duration = Duration::from_secs(1);
/// Longest pause.
const SLOWEST: Duration = Duration::from_secs(60);
/// A stolen route is restored at once this often …
const RESTORES: usize = 5;
/// … within this time.
const FIGHT: Duration = Duration::from_secs(60);
