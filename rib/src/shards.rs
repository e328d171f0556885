// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several shards in one thread: what a shard is to the daemon's threads, together, for embedding programs and tests.

use alloc::{collections::BTreeMap, vec::Vec};
use core::net::IpAddr;

use bgp_proto::{Family, Instant, Prefix};

use crate::{
    Difference, Explanation, FamilyCounts, Forecast, Input, NextHopState, Output, PeerId, Proposal,
    Rib, RibConfig, RoutePage, RouteQuery, batch::shard_of,
};

/// Some [`Rib`]s that divide the prefixes between them.
#[derive(Debug)]
pub struct Shards {
    ribs: Vec<Rib>,
    /// How many shards have fed a neighbour a family.
    fed: BTreeMap<(PeerId, Family), usize>,
    tracking: Tracking,
    now: Instant,
}

/// Next hops that shards want to know about.
#[derive(Debug, Default)]
struct Tracking(BTreeMap<IpAddr, Tracked>);

/// A next hop: the outside is asked once, whatever the number of shards.
#[derive(Debug, Default)]
struct Tracked {
    shards: usize,
    /// The outside has been asked.
    is_asked: bool,
    /// What the outside has said.
    state: Option<NextHopState>,
}

impl Shards {
    /// So many shards, at least one.
    pub fn new(config: RibConfig, count: usize) -> Self {
        let ribs = core::iter::repeat_n(config, count.max(1));
        let ribs = ribs.map(Rib::new).collect();
        Self {
            ribs,
            fed: BTreeMap::new(),
            tracking: Tracking::default(),
            now: Instant::ZERO,
        }
    }

    /// What would be different under a proposal, so many prefixes at a time; how many prefixes were looked at. See
    /// [`Forecast`].
    pub fn forecast(
        &self,
        proposal: &Proposal,
        piece: usize,
        mut each: impl FnMut(Difference),
    ) -> u64 {
        let statics = proposal
            .statics
            .clone()
            .map(|all| all.deal(self.ribs.len()));
        let mut statics = statics.into_iter().flatten();
        let mut looked_at = 0;
        for rib in &self.ribs {
            let proposal = Proposal {
                statics: statics.next(),
                ..proposal.clone()
            };
            let mut forecast = Forecast::new(rib, proposal);
            while !forecast.is_done() {
                looked_at += forecast.look(rib, piece, &mut each);
            }
        }
        looked_at
    }

    /// Feeds one input: routes to the shards they belong to, anything else to all.
    pub fn step(&mut self, input: Input, now: Instant) {
        self.now = now;
        if let Input::NextHops(states) = &input {
            self.tracking.learn(states);
        }
        match input {
            Input::Routes(batch) => {
                let parts = batch.deal(self.ribs.len());
                for (rib, part) in self
                    .ribs
                    .iter_mut()
                    .zip(parts)
                    .filter(|(_, part)| !part.is_empty())
                {
                    rib.step(Input::Routes(part), now);
                }
            }
            input => {
                if let Input::PeerUp(info) = &input {
                    let id = info.id;
                    self.fed.retain(|(peer, _), _| *peer != id);
                }
                for rib in &mut self.ribs {
                    rib.step(input.clone(), now);
                }
            }
        }
    }

    /// More is to be drained.
    pub fn has_work(&self) -> bool {
        self.ribs.iter().any(Rib::has_work)
    }

    /// Says what is to be done. A family counts as fed when all shards have fed it.
    pub fn drain(&mut self, out: &mut Output) {
        for rib in &mut self.ribs {
            let (tracked, untracked) = (out.track.len(), out.untrack.len());
            rib.drain(out);
            let track = out.track.split_off(tracked.min(out.track.len()));
            let untrack = out.untrack.split_off(untracked.min(out.untrack.len()));
            let known = self.tracking.count(track, untrack);
            if !known.is_empty() {
                // Decided now, drained next: `has_work` says so.
                rib.step(Input::NextHops(known), self.now);
            }
        }
        self.tracking.ask(out);
        out.install.sort_by_key(|change| change.prefix);
        out.remove.sort_by_key(|change| change.prefix);
        let count = self.ribs.len();
        for key in core::mem::take(&mut out.fed) {
            let fed = self.fed.entry(key).or_default();
            *fed += 1;
            if *fed >= count {
                self.fed.remove(&key);
                out.fed.push(key);
            }
        }
    }

    /// Update groups of each shard.
    pub fn group_count(&self) -> usize {
        self.ribs.iter().map(Rib::group_count).max().unwrap_or(0)
    }

    /// Routes of all shards, sorted by prefix.
    pub fn routes(&self, query: &RouteQuery) -> RoutePage {
        let pages: Vec<RoutePage> = self.ribs.iter().map(|rib| rib.routes(query)).collect();
        // Beyond the first end of a page a shard may have what is not here.
        let end = pages.iter().filter_map(|page| page.next).min();
        let mut routes: Vec<_> = pages.into_iter().flat_map(|page| page.routes).collect();
        routes.retain(|view| end.is_none_or(|end| view.prefix <= end));
        routes.sort_by_key(|view| view.prefix);
        let mut page = RoutePage { next: end, routes };
        if page.routes.len() > query.limit {
            // A page ends with a whole prefix.
            let last = page.routes.get(query.limit.saturating_sub(1));
            let last = last.map(|view| view.prefix);
            let length = page.routes.len();
            page.routes.retain(|view| Some(view.prefix) <= last);
            if page.routes.len() < length {
                page.next = last;
            }
        }
        page
    }

    /// Prefixes of one family that a neighbour has announced.
    pub fn received(&self, id: PeerId, family: Family) -> u64 {
        self.ribs.iter().map(|rib| rib.received(id, family)).sum()
    }

    /// Routes of a neighbour, by family.
    pub fn counts(&self, id: PeerId) -> Vec<(Family, FamilyCounts)> {
        let mut total: Vec<(Family, FamilyCounts)> = Vec::new();
        for (family, counts) in self.ribs.iter().flat_map(|rib| rib.counts(id)) {
            match total.iter_mut().find(|(known, _)| *known == family) {
                Some((_, sum)) => sum.add(counts),
                None => total.push((family, counts)),
            }
        }
        total
    }

    /// All paths of a prefix, and why the best one won.
    pub fn explain(&self, prefix: Prefix) -> Option<Explanation> {
        self.ribs
            .get(shard_of(prefix, self.ribs.len()))?
            .explain(prefix)
    }
}

impl Tracking {
    fn learn(&mut self, states: &[(IpAddr, NextHopState)]) {
        for (address, state) in states {
            if let Some(tracked) = self.0.get_mut(address) {
                tracked.state = Some(*state);
            }
        }
    }

    /// Counts what a shard wants to track and what no longer; returns what is known already.
    fn count(&mut self, track: Vec<IpAddr>, untrack: Vec<IpAddr>) -> Vec<(IpAddr, NextHopState)> {
        let mut known = Vec::new();
        for address in track {
            let tracked = self.0.entry(address).or_default();
            tracked.shards += 1;
            known.extend(tracked.state.map(|state| (address, state)));
        }
        for address in untrack {
            if let Some(tracked) = self.0.get_mut(&address) {
                tracked.shards = tracked.shards.saturating_sub(1);
            }
        }
        known
    }

    /// Asks the outside for what the first shard wants and the last one does not want any more.
    fn ask(&mut self, out: &mut Output) {
        for (address, tracked) in &mut self.0 {
            let is_wanted = tracked.shards > 0;
            if core::mem::replace(&mut tracked.is_asked, is_wanted) != is_wanted {
                let list = if is_wanted {
                    &mut out.track
                } else {
                    &mut out.untrack
                };
                list.push(*address);
            }
        }
        self.0.retain(|_, tracked| tracked.shards > 0);
    }
}
