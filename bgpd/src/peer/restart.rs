// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Graceful restart of a neighbour, as its helper (RFC 4724 §4.2, RFC 9494 §4): what is kept when its session breaks, as
//! what, and until when.
//!
//! Decides; the owner carries the orders to the RIB.

use std::time::Duration;

use bgp_proto::{Capability, Family, Instant, LongLivedFamily, Open};

/// Stale routes go at the latest this long after the session is back, End-of-RIB or not.
const STALE_PATHS: Duration = Duration::from_secs(360);

/// What becomes of a neighbour's stale routes of a family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// They go.
    Sweep(Family),
    /// From now on they are the last choice, and say so (RFC 9494 §4.2).
    LongLived(Family),
}

/// How stale routes of a family are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Staleness {
    /// As if nothing had happened (RFC 4724).
    Graceful,
    /// As the last choice (RFC 9494).
    LongLived,
}

/// Helper state of one neighbour.
#[derive(Debug, Default)]
pub(super) struct Helper {
    /// From the last OPEN: families whose forwarding state the neighbour keeps, and for how long.
    offered: Option<Offer>,
    /// Families with stale routes.
    stale: Vec<Stale>,
    is_up: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stale {
    family: Family,
    how: Staleness,
    until: Instant,
}

#[derive(Clone, Debug)]
struct Offer {
    families: Vec<Family>,
    restart_time: Duration,
    long_lived: Vec<LongLivedFamily>,
}

impl Offer {
    fn long_lived(&self, family: Family) -> Option<Duration> {
        let mut entries = self.long_lived.iter();
        let entry = entries.find(|entry| entry.family == family && entry.stale_time > 0)?;
        Some(Duration::from_secs(entry.stale_time.into()))
    }

    /// How routes of a family are kept first, and for how long.
    fn first(&self, family: Family) -> Option<(Staleness, Duration)> {
        if self.families.contains(&family) && !self.restart_time.is_zero() {
            return Some((Staleness::Graceful, self.restart_time));
        }
        let time = self.long_lived(family)?;
        Some((Staleness::LongLived, time))
    }
}

impl Helper {
    /// A session is up: `families` are exchanged, `remote` is the neighbour's OPEN, `local` what we have offered: without
    /// a capability of ours the neighbour's means nothing. Returns the families whose stale routes go now, because the
    /// neighbour does not offer graceful restart for them any more or lost its forwarding state.
    pub(super) fn up(
        &mut self,
        remote: &Open,
        families: &[Family],
        local: &[Capability],
        now: Instant,
    ) -> Vec<Family> {
        self.is_up = true;
        let ours = |wanted: fn(&Capability) -> bool| local.iter().any(wanted);
        let graceful =
            |capability: &Capability| matches!(capability, Capability::GracefulRestart(_));
        let theirs = remote.capabilities.iter().find_map(|one| match one {
            Capability::GracefulRestart(restart) if ours(graceful) => Some(restart),
            _ => None,
        });
        // RFC 9494 §3: without graceful restart the long-lived one is ignored. Families are those of both sides.
        let is_ours = |family| long_lived(local).any(|entry| entry.family == family);
        let both = long_lived(&remote.capabilities)
            .filter(|entry| theirs.is_some() && is_ours(entry.family))
            .copied()
            .collect::<Vec<_>>();
        let preserved = |kept: &Stale| {
            let graceful = theirs.iter().flat_map(|restart| &restart.families);
            let graceful = graceful.map(|entry| (entry.family, entry.forwarding_preserved));
            let long = both
                .iter()
                .map(|entry| (entry.family, entry.forwarding_preserved));
            let mut entries = graceful
                .filter(|_| kept.how == Staleness::Graceful)
                .chain(long);
            families.contains(&kept.family) && entries.any(|entry| entry == (kept.family, true))
        };
        let (kept, gone): (Vec<_>, Vec<_>) = self.stale.iter().copied().partition(preserved);
        self.stale = kept;
        for stale in &mut self.stale {
            // RFC 9494 §4.2: what is long-lived stale goes when it would have gone, if not by End-of-RIB.
            if stale.how == Staleness::Graceful {
                stale.until = now + STALE_PATHS;
            }
        }
        self.offered = theirs.map(|restart| Offer {
            families: restart.families.iter().map(|f| f.family).collect(),
            restart_time: Duration::from_secs(restart.restart_time.into()),
            long_lived: both,
        });
        gone.into_iter().map(|stale| stale.family).collect()
    }

    /// The session broke. `orderly` is a shutdown that the neighbour or an operator wanted. `None`: nothing is kept.
    /// Else what is kept is stale, but for these orders.
    pub(super) fn down(
        &mut self,
        orderly: bool,
        families: &[Family],
        now: Instant,
    ) -> Option<Vec<Order>> {
        self.is_up = false;
        let offer = self.offered.as_ref().filter(|_| !orderly);
        let before = std::mem::take(&mut self.stale);
        let mut orders = Vec::new();
        for family in families.iter().copied() {
            let Some((how, time)) = offer.and_then(|offer| offer.first(family)) else {
                orders.push(Order::Sweep(family));
                continue;
            };
            // A session that was too short for End-of-RIB does not make the time longer (RFC 9494 §4.2).
            let mut before = before.iter();
            let long =
                before.find(|stale| stale.family == family && stale.how == Staleness::LongLived);
            let stale = long.copied().unwrap_or(Stale {
                family,
                how,
                until: now + time,
            });
            if stale.how == Staleness::LongLived {
                orders.push(Order::LongLived(family));
            }
            self.stale.push(stale);
        }
        (!self.stale.is_empty()).then_some(orders)
    }

    /// End-of-RIB arrived: whether stale routes of the family go now.
    pub(super) fn end_of_rib(&mut self, family: Family) -> bool {
        let before = self.stale.len();
        self.stale.retain(|stale| stale.family != family);
        self.stale.len() != before
    }

    /// What is due by now.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = Vec::new();
        let (offered, is_up) = (&self.offered, self.is_up);
        self.stale.retain_mut(|stale| {
            if stale.until > now {
                return true;
            }
            let long = offered
                .as_ref()
                .filter(|_| !is_up && stale.how == Staleness::Graceful);
            let long = long.and_then(|offer| offer.long_lived(stale.family));
            let Some(time) = long else {
                orders.push(Order::Sweep(stale.family));
                return false;
            };
            orders.push(Order::LongLived(stale.family));
            stale.how = Staleness::LongLived;
            stale.until = now + time;
            true
        });
        orders
    }

    /// When [`Self::expire`] has something to say.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.stale.iter().map(|stale| stale.until).min()
    }

    /// How stale routes of a family are kept, and until when.
    pub(super) fn stale(&self, family: Family) -> Option<(Staleness, Instant)> {
        let mut all = self.stale.iter();
        let stale = all.find(|stale| stale.family == family)?;
        Some((stale.how, stale.until))
    }

    /// Nothing is kept any more.
    pub(super) fn forget(&mut self) {
        self.stale.clear();
    }
}

fn long_lived(capabilities: &[Capability]) -> impl Iterator<Item = &LongLivedFamily> {
    let entries = capabilities
        .iter()
        .filter_map(|capability| match capability {
            Capability::LongLivedGracefulRestart(entries) => Some(entries),
            _ => None,
        });
    entries.flatten()
}

#[cfg(test)]
mod tests {
    use bgp_proto::{Asn, GracefulRestart, HoldTime, RestartFamily, RouterId};

    use super::*;

    const FOUR: Family = Family::IPV4_UNICAST;
    const SIX: Family = Family::IPV6_UNICAST;

    /// Graceful for IPv4 and a minute, long-lived for both and an hour; `kept` is the F bit of all.
    fn capabilities(kept: bool) -> Vec<Capability> {
        let long = |family| LongLivedFamily {
            family,
            forwarding_preserved: kept,
            stale_time: 3600,
        };
        vec![
            Capability::GracefulRestart(GracefulRestart {
                restart_time: 60,
                families: vec![RestartFamily {
                    family: FOUR,
                    forwarding_preserved: kept,
                }],
                ..GracefulRestart::default()
            }),
            Capability::LongLivedGracefulRestart(vec![long(FOUR), long(SIX)]),
        ]
    }

    fn open(capabilities: Vec<Capability>) -> Open {
        Open {
            asn: Asn(64513),
            hold_time: HoldTime::OFF,
            router_id: RouterId::new([10, 0, 0, 2].into()).expect("not zero"),
            capabilities,
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn up(helper: &mut Helper, kept: bool, seconds: u64) -> Vec<Family> {
        let ours = capabilities(false);
        helper.up(&open(capabilities(kept)), &[FOUR, SIX], &ours, at(seconds))
    }

    #[test]
    fn what_is_kept_gracefully_is_then_kept_long() {
        let mut helper = Helper::default();
        up(&mut helper, false, 0);
        let orders = helper.down(false, &[FOUR, SIX], at(100));
        assert_eq!(orders, Some(vec![Order::LongLived(SIX)]), "at once");
        assert_eq!(helper.stale(FOUR), Some((Staleness::Graceful, at(160))));
        assert_eq!(helper.deadline(), Some(at(160)));
        assert_eq!(helper.expire(at(160)), [Order::LongLived(FOUR)]);
        assert_eq!(helper.stale(FOUR), Some((Staleness::LongLived, at(3760))));
        assert_eq!(helper.expire(at(3700)), [Order::Sweep(SIX)]);
        assert_eq!(helper.expire(at(3760)), [Order::Sweep(FOUR)]);
        assert_eq!(helper.deadline(), None);
    }

    #[test]
    fn a_session_that_breaks_before_end_of_rib_does_not_prolong_it() {
        let mut helper = Helper::default();
        up(&mut helper, false, 0);
        helper.down(false, &[FOUR, SIX], at(0));
        helper.expire(at(60));
        assert_eq!(up(&mut helper, true, 100), []);
        assert!(helper.end_of_rib(FOUR));
        let orders = helper.down(false, &[FOUR, SIX], at(200));
        assert_eq!(orders, Some(vec![Order::LongLived(SIX)]));
        assert_eq!(helper.stale(FOUR), Some((Staleness::Graceful, at(260))));
        assert_eq!(helper.stale(SIX), Some((Staleness::LongLived, at(3600))));
    }

    #[test]
    fn lost_forwarding_state_or_an_orderly_end_keeps_nothing() {
        let mut helper = Helper::default();
        up(&mut helper, false, 0);
        helper.down(false, &[FOUR, SIX], at(0));
        assert_eq!(up(&mut helper, false, 10), [FOUR, SIX]);
        assert_eq!(helper.down(true, &[FOUR, SIX], at(20)), None);
        assert_eq!(helper.deadline(), None);
    }

    #[test]
    fn without_graceful_restart_of_both_sides_long_lived_means_nothing() {
        let (only_long, both) = (capabilities(true).split_off(1), capabilities(true));
        for (theirs, ours) in [(&only_long, &both), (&both, &only_long)] {
            let mut helper = Helper::default();
            helper.up(&open(theirs.clone()), &[SIX], ours, at(0));
            assert_eq!(helper.down(false, &[SIX], at(1)), None);
        }
    }
}
