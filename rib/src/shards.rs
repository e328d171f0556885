// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several shards in one thread: what a shard is to the daemon's threads, together, for embedding programs and tests.

use alloc::{collections::BTreeMap, vec::Vec};

use bgp_proto::{Family, Instant, Prefix};

use crate::{
    Explanation, Input, Output, PeerId, Rib, RibConfig, RoutePage, RouteQuery, batch::shard_of,
};

/// Some [`Rib`]s that divide the prefixes between them.
#[derive(Debug)]
pub struct Shards {
    ribs: Vec<Rib>,
    /// How many shards have fed a neighbour a family.
    fed: BTreeMap<(PeerId, Family), usize>,
}

impl Shards {
    /// So many shards, at least one.
    pub fn new(config: RibConfig, count: usize) -> Self {
        let ribs = (0..count.max(1))
            .map(|_| Rib::new(config.clone()))
            .collect();
        Self {
            ribs,
            fed: BTreeMap::new(),
        }
    }

    /// Feeds one input: routes to the shards they belong to, anything else to all.
    pub fn step(&mut self, input: Input, now: Instant) {
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
            rib.drain(out);
        }
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

    /// Routes of all shards, sorted by prefix.
    pub fn routes(&self, query: &RouteQuery) -> RoutePage {
        let mut routes: Vec<_> = self
            .ribs
            .iter()
            .flat_map(|rib| rib.routes(query).routes)
            .collect();
        routes.sort_by_key(|view| view.prefix);
        let mut page = RoutePage { next: None, routes };
        if page.routes.len() > query.limit {
            // A page ends with a whole prefix.
            let last = page
                .routes
                .get(query.limit.saturating_sub(1))
                .map(|view| view.prefix);
            page.routes.retain(|view| Some(view.prefix) <= last);
            page.next = last;
        }
        page
    }

    /// Prefixes of one family that a neighbour has announced.
    pub fn received(&self, id: PeerId, family: Family) -> u64 {
        self.ribs.iter().map(|rib| rib.received(id, family)).sum()
    }

    /// All paths of a prefix, and why the best one won.
    pub fn explain(&self, prefix: Prefix) -> Option<Explanation> {
        self.ribs
            .get(shard_of(prefix, self.ribs.len()))?
            .explain(prefix)
    }
}
