// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many prefixes the neighbour has announced, against how many it may.

use std::collections::BTreeMap;

use bgp_proto::Family;

use super::PrefixLimit;
use crate::config::LimitAction;

/// What the shards have said in this session.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    counts: BTreeMap<(Family, usize), u64>,
    warned: Vec<Family>,
    /// What is beyond the limit has been told.
    exceeded: Vec<Family>,
}

/// What is to be done about a count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Finding {
    /// Say that so many are near the limit; once until they are fewer again.
    Near(u64, u32),
    /// Say that there are more than that; once until there are not.
    Exceeded(u64, u32),
    /// End the session.
    Over(PrefixLimit),
}

impl Prefixes {
    /// Takes in what a shard counted.
    pub(super) fn count(
        &mut self,
        shard: usize,
        family: Family,
        count: u64,
        limits: &[PrefixLimit],
    ) -> Option<Finding> {
        self.counts.insert((family, shard), count);
        let limit = *limits.iter().find(|limit| limit.family == family)?;
        let of_family = self
            .counts
            .iter()
            .filter(|((counted, _), _)| *counted == family);
        let total: u64 = of_family.map(|(_, count)| count).sum();
        let is_over = total > limit.max.into();
        match limit.action {
            LimitAction::Restart if is_over => return Some(Finding::Over(limit)),
            LimitAction::Warn if is_over => return self.exceed(family, total, limit.max),
            LimitAction::Drop if total == u64::from(limit.max) => {}
            _ => self.exceeded.retain(|exceeded| *exceeded != family),
        }
        let near = u64::from(limit.warn_percent?) * u64::from(limit.max);
        if total * 100 < near {
            self.warned.retain(|warned| *warned != family);
            return None;
        }
        let is_new = !self.warned.contains(&family);
        self.warned.extend(is_new.then_some(family));
        is_new.then_some(Finding::Near(total, limit.max))
    }

    /// Routes were not taken, since there is no room.
    pub(super) fn dropped(&mut self, family: Family, limits: &[PrefixLimit]) -> Option<Finding> {
        let limit = limits.iter().find(|limit| limit.family == family)?;
        self.exceed(family, u64::from(limit.max) + 1, limit.max)
    }

    fn exceed(&mut self, family: Family, total: u64, max: u32) -> Option<Finding> {
        let is_new = !self.exceeded.contains(&family);
        self.exceeded.extend(is_new.then_some(family));
        is_new.then_some(Finding::Exceeded(total, max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_summed_warned_about_once_and_ended_above_the_limit() {
        let family = Family::IPV4_UNICAST;
        let limit = PrefixLimit {
            family,
            max: 10,
            action: LimitAction::Restart,
            warn_percent: Some(80),
            restart: None,
        };
        let mut prefixes = Prefixes::default();
        let mut count = |shard, count| prefixes.count(shard, family, count, &[limit]);
        assert_eq!(count(0, 4), None);
        assert_eq!(count(1, 3), None);
        assert_eq!(count(1, 4), Some(Finding::Near(8, 10)));
        assert_eq!(count(1, 6), None);
        assert_eq!(count(0, 1), None);
        assert_eq!(count(0, 3), Some(Finding::Near(9, 10)));
        assert_eq!(count(0, 5), Some(Finding::Over(limit)));
        assert_eq!(prefixes.count(0, Family::IPV6_UNICAST, 99, &[limit]), None);
    }

    #[test]
    fn without_an_end_what_is_too_much_is_told_once() {
        let family = Family::IPV4_UNICAST;
        let limit = |action| PrefixLimit {
            family,
            max: 10,
            action,
            warn_percent: None,
            restart: None,
        };
        let mut prefixes = Prefixes::default();
        let mut count = |count| prefixes.count(0, family, count, &[limit(LimitAction::Warn)]);
        assert_eq!(count(10), None);
        assert_eq!(count(11), Some(Finding::Exceeded(11, 10)));
        assert_eq!(count(12), None);
        assert_eq!(count(10), None);
        assert_eq!(count(11), Some(Finding::Exceeded(11, 10)));

        let drop = [limit(LimitAction::Drop)];
        let mut prefixes = Prefixes::default();
        assert_eq!(prefixes.count(0, family, 10, &drop), None);
        assert_eq!(
            prefixes.dropped(family, &drop),
            Some(Finding::Exceeded(11, 10))
        );
        assert_eq!(prefixes.dropped(family, &drop), None);
        // There was room, and there is none again.
        prefixes.count(0, family, 9, &drop);
        prefixes.count(0, family, 10, &drop);
        assert!(prefixes.dropped(family, &drop).is_some());
    }
}
