// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Deadlines and jitter.

use core::time::Duration;

use bgp_proto::Instant;

/// A timer that runs or does not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Timer(Option<Instant>);

impl Timer {
    pub(crate) fn start(&mut self, now: Instant, after: Duration) {
        self.0 = Some(now + after);
    }

    pub(crate) fn stop(&mut self) {
        self.0 = None;
    }

    pub(crate) fn is_running(self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn deadline(self) -> Option<Instant> {
        self.0
    }

    /// True once when the time has come; the timer stops.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let due = self.0.is_some_and(|deadline| deadline <= now);
        if due {
            self.0 = None;
        }
        due
    }
}

/// Pseudo-random factors between 0.75 and 1 (RFC 4271 §10), from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn apply(&mut self, duration: Duration) -> Duration {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let permille = 750 + u32::try_from((word ^ (word >> 31)) % 251).unwrap_or(0);
        duration.saturating_mul(permille) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_between_three_quarters_and_all_and_not_always_the_same() {
        let mut jitter = Jitter::new(7);
        let hundred = Duration::from_secs(100);
        let values: std::vec::Vec<Duration> = (0..100).map(|_| jitter.apply(hundred)).collect();
        assert!(
            values
                .iter()
                .all(|value| (Duration::from_secs(75)..=hundred).contains(value))
        );
        assert!(values.iter().any(|value| *value != values[0]));
    }
}
