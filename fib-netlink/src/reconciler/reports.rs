// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the reconciler tells: events in portions, and answers about the state of routes.

use std::net::IpAddr;
use std::time::Instant;

use ipnetwork::IpNetwork;

use super::Reconciler;
use crate::kernel::network;
use crate::slots::At;
use crate::table::Mark;
use crate::trouble::Cause;
use crate::wants::Resolved;
use crate::{FibEvent, Link, Reachability, Route, RouteState, Status, Totals};

/// Things told in one event.
const PORTION: usize = 1024;

impl Reconciler {
    /// The next event, if there is news.
    pub fn event(&mut self, now: Instant) -> Option<FibEvent> {
        if std::mem::take(&mut self.news.links) {
            return Some(FibEvent::Links(self.links()));
        }
        let learned = self.learned.drain(PORTION);
        if !learned.is_empty() {
            return Some(FibEvent::Learned(learned));
        }
        let next_hops = self.tracker.drain(PORTION, &self.links);
        if !next_hops.is_empty() {
            return Some(FibEvent::NextHops(next_hops));
        }
        while !self.news.status.is_empty() {
            let mut states = Vec::new();
            while states.len() < PORTION {
                let Some(prefix) = self.news.status.pop_first() else {
                    break;
                };
                states.extend(self.state(prefix, now));
            }
            if !states.is_empty() {
                return Some(FibEvent::Status(states));
            }
        }
        std::mem::take(&mut self.news.resynced).then_some(FibEvent::Resynced)
    }

    /// Whether [`event`](Self::event) may have something.
    pub fn has_news(&self) -> bool {
        self.news.links
            || self.news.resynced
            || self.learned.has_news()
            || self.tracker.has_news()
            || !self.news.status.is_empty()
    }

    /// The route desired for a prefix, and how far it got.
    pub fn state(&self, prefix: IpNetwork, now: Instant) -> Option<RouteState> {
        let prefix = network(prefix);
        let at = self.table.find(&prefix)?;
        let id = self.table.slot(at).wanted?;
        let want = self.wants.want(id)?;
        let route = Route {
            prefix,
            target: want.target.clone(),
            table: want.table,
            metric: want.metric,
            source: want.source,
        };
        let status = match self.wants.resolved(id)? {
            Resolved::Waiting => Status::WaitingForInterface,
            Resolved::Ready(_) => self.status(at, &prefix, now),
        };
        let object = self.object_of(id);
        Some(RouteState {
            route,
            status,
            object,
        })
    }

    fn status(&self, at: At, prefix: &IpNetwork, now: Instant) -> Status {
        if let Some(trouble) = self.troubles.get(prefix) {
            let next_try = trouble.next_try.saturating_duration_since(now);
            return match &trouble.cause {
                Cause::Contested => Status::Contested { next_try },
                Cause::Refused { words, attempts } => Status::Failed {
                    error: words.clone(),
                    attempts: *attempts,
                    next_try,
                },
            };
        }
        let Some(goal) = self.goal(at) else {
            return Status::Pending;
        };
        let marks = self.table.slot(at).marks;
        if marks.has(Mark::Satisfied) {
            return if marks.has(Mark::Written) {
                Status::Installed
            } else {
                Status::Adopted
            };
        }
        let at_place =
            |held: &&crate::kernel::Held| held.table == goal.table && held.metric == goal.metric;
        let mut there = self.table.held(at).iter().filter(at_place);
        match there.find(|held| !self.own.owns(prefix, held)) {
            Some(foreign) => Status::Blocked {
                protocol: foreign.protocol,
            },
            None => Status::Pending,
        }
    }

    /// All desired routes, sorted by prefix.
    pub fn states(&self, now: Instant) -> Vec<RouteState> {
        let wanted = self.table.iter().filter(|(_, slot)| slot.wanted.is_some());
        let mut states: Vec<_> = wanted
            .filter_map(|(at, _)| self.state(self.table.prefix(at), now))
            .collect();
        states.sort_unstable_by_key(|state| state.route.prefix);
        states
    }

    /// The addresses that are watched for the caller and the way to them, in order.
    pub fn next_hops(&self) -> Vec<(IpAddr, Reachability)> {
        self.tracker.asked(&self.links).collect()
    }

    /// How many desired routes are in which state.
    pub fn totals(&self, now: Instant) -> Totals {
        let mut totals = Totals::default();
        for (at, slot) in self.table.iter() {
            let Some(resolved) = slot.wanted.and_then(|id| self.wants.resolved(id)) else {
                continue;
            };
            let is_ready = matches!(resolved, Resolved::Ready(_));
            let prefix = self.table.prefix(at);
            // This is asked of every route: the usual case looks nothing up.
            if is_ready && slot.marks.has(Mark::Satisfied) && self.troubles.get(&prefix).is_none() {
                totals.installed += 1;
                continue;
            }
            match is_ready.then(|| self.status(at, &prefix, now)) {
                Some(Status::Installed | Status::Adopted) => totals.installed += 1,
                None | Some(Status::Pending | Status::WaitingForInterface) => totals.pending += 1,
                Some(Status::Failed { .. } | Status::Blocked { .. } | Status::Contested { .. }) => {
                    totals.failed += 1;
                }
            }
        }
        totals
    }

    /// All interfaces, sorted by index.
    pub fn links(&self) -> Vec<Link> {
        self.links.to_public()
    }

    pub(super) fn note_trouble(&mut self, prefix: IpNetwork) {
        let contested = self.is_contested(&prefix);
        if self.news.troubled.insert(prefix) || contested || self.troubles.get(&prefix).is_some() {
            self.news.status.insert(prefix);
        }
    }

    pub(super) fn note_good(&mut self, prefix: IpNetwork) {
        if !self.news.troubled.is_empty() && self.news.troubled.remove(&prefix) {
            self.news.status.insert(prefix);
        }
    }
}
