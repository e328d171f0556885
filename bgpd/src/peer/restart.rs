// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Graceful restart of a neighbour, as its helper (RFC 4724 §4.2): what is kept when its session breaks, and until when.
//!
//! Decides; the owner carries the orders to the RIB.

use std::time::Duration;

use bgp_proto::{Capability, Family, Instant, Open};

/// Stale routes go at the latest this long after the session is back, End-of-RIB or not.
const STALE_PATHS: Duration = Duration::from_secs(360);

/// What the RIB has to do about the neighbour's routes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The session is gone, keep the routes as stale.
    Keep,
    /// The session is gone and the routes with it.
    Drop,
}

/// Helper state of one neighbour.
#[derive(Debug, Default)]
pub(super) struct Helper {
    /// From the last OPEN: families whose forwarding state the neighbour keeps, and for how long.
    offered: Option<Offer>,
    /// Families with stale routes.
    stale: Vec<Family>,
    /// Until then.
    until: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Offer {
    families: Vec<Family>,
    restart_time: Duration,
}

impl Helper {
    /// A session is up: `families` are exchanged, `remote` is the neighbour's OPEN; without `offered` our own did not
    /// offer to be a helper. Returns the families whose stale routes go now, because the neighbour does not offer graceful
    /// restart for them any more or lost its forwarding state.
    pub(super) fn up(
        &mut self,
        remote: &Open,
        families: &[Family],
        offered: bool,
        now: Instant,
    ) -> Vec<Family> {
        let theirs = remote
            .capabilities
            .iter()
            .find_map(|capability| match capability {
                Capability::GracefulRestart(restart) if offered => Some(restart),
                _ => None,
            });
        self.offered = theirs.map(|restart| Offer {
            families: restart.families.iter().map(|f| f.family).collect(),
            restart_time: Duration::from_secs(restart.restart_time.into()),
        });
        let preserved = |family: &Family| {
            families.contains(family)
                && theirs.is_some_and(|restart| {
                    let mut entries = restart.families.iter();
                    entries.any(|f| f.family == *family && f.forwarding_preserved)
                })
        };
        let (kept, gone) = self.stale.iter().copied().partition(preserved);
        self.stale = kept;
        self.until = (!self.stale.is_empty()).then(|| now + STALE_PATHS);
        gone
    }

    /// The session broke. `orderly` is a shutdown that the neighbour or an operator wanted.
    pub(super) fn down(&mut self, orderly: bool, families: &[Family], now: Instant) -> Verdict {
        match &self.offered {
            Some(offer) if !orderly && !offer.restart_time.is_zero() => {
                self.stale = families
                    .iter()
                    .copied()
                    .filter(|family| offer.families.contains(family))
                    .collect();
                self.until = Some(now + offer.restart_time);
                if self.stale.is_empty() {
                    self.forget()
                } else {
                    Verdict::Keep
                }
            }
            _ => self.forget(),
        }
    }

    /// The families for which nothing is kept in spite of [`Verdict::Keep`].
    pub(super) fn not_kept(&self, families: &[Family]) -> Vec<Family> {
        families
            .iter()
            .copied()
            .filter(|family| !self.stale.contains(family))
            .collect()
    }

    /// End-of-RIB arrived: whether stale routes of the family go now.
    pub(super) fn end_of_rib(&mut self, family: Family) -> bool {
        let before = self.stale.len();
        self.stale.retain(|kept| *kept != family);
        if self.stale.is_empty() {
            self.until = None;
        }
        self.stale.len() != before
    }

    /// The time is over: the families whose stale routes go now.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Family> {
        match self.until {
            Some(until) if until <= now => {
                self.until = None;
                std::mem::take(&mut self.stale)
            }
            _ => Vec::new(),
        }
    }

    /// When [`Self::expire`] has something to say.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Nothing is kept any more.
    pub(super) fn forget(&mut self) -> Verdict {
        self.stale.clear();
        self.until = None;
        Verdict::Drop
    }
}
