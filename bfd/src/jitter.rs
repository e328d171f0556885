// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pseudo-random numbers from a seed.

use core::time::Duration;

/// `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Shortens by up to a quarter; with a multiplier of one by a tenth at least, since then the next packet has to be
    /// there before the time that the neighbour waits is over (RFC 5880 §6.8.7).
    pub(crate) fn apply(&mut self, interval: Duration, multiplier: u8) -> Duration {
        let most = if multiplier == 1 { 900 } else { 1000 };
        let permille = 750 + u32::try_from(self.next() % (most - 749)).unwrap_or(0);
        interval.saturating_mul(permille) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_shortened_by_up_to_a_quarter() {
        let mut jitter = Jitter::new(1);
        let second = Duration::from_secs(1);
        for (multiplier, longest) in [(1, 900), (3, 1000)] {
            let times: std::vec::Vec<_> = (0..5000)
                .map(|_| jitter.apply(second, multiplier))
                .collect();
            assert_eq!(times.iter().min(), Some(&Duration::from_millis(750)));
            assert_eq!(times.iter().max(), Some(&Duration::from_millis(longest)));
        }
    }
}
