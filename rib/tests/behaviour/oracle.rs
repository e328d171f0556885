// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What neighbours and forwarding table must have, computed from scratch in the plainest form. Shares no code with
//! the crate: each rule is written a second time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use bgp_proto::{ClusterId, Community, Family, NextHop, PathAttributes, Prefix};
use rib::{
    Input, NextHopMode, NextHopState, PathsSent, PeerId, PeerInfo, Policy, Relation, RibConfig,
    Source,
};

use crate::world::{LOCAL_AS, LOCAL_V4, LOCAL_V6};

/// The Partial bit (RFC 4271 §4.3).
const PARTIAL: u8 = 0x20;

#[derive(Clone, Debug)]
struct Path {
    source: Source,
    id: u32,
    attributes: PathAttributes,
    is_stale: bool,
    /// It came in the place of one that was in use: usable until something is known of its next hop.
    is_assumed: bool,
}

/// Everything a RIB was told, as it was told.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) is_tracking: bool,
    /// Of external and other paths, and of internal ones.
    max_paths: (usize, usize),
    /// What is known of neighbours, also of those that are only stale.
    known: BTreeMap<PeerId, PeerInfo>,
    up: BTreeMap<PeerId, bool>,
    paths: BTreeMap<Prefix, Vec<Path>>,
    hops: BTreeMap<IpAddr, NextHopState>,
    /// Whose paths were best when all was told.
    best: BTreeMap<Prefix, (Source, u32)>,
}

impl Oracle {
    pub(crate) fn new(config: &RibConfig) -> Self {
        Self {
            is_tracking: config.next_hop_tracking,
            max_paths: (
                config.selection.max_paths,
                config.selection.max_internal_paths,
            ),
            known: BTreeMap::new(),
            up: BTreeMap::new(),
            paths: BTreeMap::new(),
            hops: BTreeMap::new(),
            best: BTreeMap::new(),
        }
    }

    pub(crate) fn is_up(&self, peer: PeerId) -> bool {
        self.up.get(&peer).copied().unwrap_or(false)
    }

    pub(crate) fn is_known(&self, peer: PeerId) -> bool {
        self.known.contains_key(&peer)
    }

    /// Policies of a neighbour.
    pub(crate) fn policies(&self, peer: PeerId) -> (Policy, Policy) {
        let info = &self.known[&peer];
        (info.import.clone(), info.export.clone())
    }

    /// Takes in what the RIB is told; routes come by [`Self::announce`] and [`Self::withdraw`].
    pub(crate) fn step(&mut self, input: &Input) {
        match input {
            Input::PeerUp(info) => {
                self.known.insert(info.id, (**info).clone());
                self.up.insert(info.id, true);
            }
            Input::PeerDown(id) => {
                self.up.insert(*id, false);
                self.remove(|path, _| path.source == Source::Bgp(*id));
                self.known.remove(id);
            }
            Input::PeerLost(id) => {
                self.up.insert(*id, false);
                let paths = self.paths.values_mut().flatten();
                paths
                    .filter(|path| path.source == Source::Bgp(*id))
                    .for_each(|path| path.is_stale = true);
            }
            Input::MarkStale(id, family) => {
                let of_family = |(prefix, _): &(&Prefix, _)| prefix.family() == *family;
                let paths = self.paths.iter_mut().filter(|entry| of_family(entry));
                let paths = paths.flat_map(|(_, paths)| paths);
                paths
                    .filter(|path| path.source == Source::Bgp(*id))
                    .for_each(|path| path.is_stale = true);
            }
            Input::SweepStale(id, family) => self.remove(|path, prefix| {
                path.is_stale && path.source == Source::Bgp(*id) && prefix.family() == *family
            }),
            Input::Policy(id, import, export) => {
                if let Some(info) = self.known.get_mut(id) {
                    info.import = import.clone();
                    info.export = export.clone();
                }
            }
            Input::PathsSent(id, paths) => {
                if let Some(info) = self.known.get_mut(id) {
                    info.paths_sent.clone_from(paths);
                }
            }
            Input::NextHops(states) => self.hops.extend(states.iter().copied()),
            _ => {}
        }
    }

    pub(crate) fn announce(
        &mut self,
        source: Source,
        (prefix, id): (Prefix, u32),
        attributes: PathAttributes,
    ) {
        self.withdraw(source, (prefix, id));
        self.paths.entry(prefix).or_default().push(Path {
            source,
            id,
            attributes,
            is_stale: false,
            is_assumed: false,
        });
    }

    pub(crate) fn withdraw(&mut self, source: Source, (prefix, id): (Prefix, u32)) {
        self.paths
            .entry(prefix)
            .or_default()
            .retain(|path| (path.source, path.id) != (source, id));
    }

    fn remove(&mut self, which: impl Fn(&Path, Prefix) -> bool) {
        for (prefix, paths) in &mut self.paths {
            paths.retain(|path| !which(path, *prefix));
        }
    }

    /// All is told now.
    pub(crate) fn drained(&mut self) {
        let prefixes: Vec<Prefix> = self.paths.keys().copied().collect();
        for prefix in prefixes {
            let was_best = self.best.remove(&prefix);
            for path in self.paths.get_mut(&prefix).into_iter().flatten() {
                let is_unknown = !self.hops.contains_key(&path.attributes.next_hop.addr());
                path.is_assumed |= is_unknown && was_best == Some((path.source, path.id));
            }
            if let Some(best) = self.decide(prefix).0 {
                self.best.insert(prefix, (best.source, best.id));
            }
        }
    }

    /// Next hops that paths depend on. Those that are not tracked any more are forgotten, as the driver does.
    pub(crate) fn next_hops(&mut self) -> Vec<IpAddr> {
        let bgp = self
            .paths
            .values()
            .flatten()
            .filter(|path| path.source.peer().is_some());
        let mut all: Vec<IpAddr> = bgp.map(|path| path.attributes.next_hop.addr()).collect();
        all.sort_unstable();
        all.dedup();
        self.hops.retain(|address, _| all.contains(address));
        all
    }

    /// Sources of the paths in use, the best first, of each prefix that the kernel has to know of.
    pub(crate) fn forwarding(&self) -> BTreeMap<Prefix, Vec<(Source, PathAttributes)>> {
        let mut all = BTreeMap::new();
        for prefix in self.paths.keys() {
            let (best, mut level) = self.decide(*prefix);
            let Some(best) = best else { continue };
            if matches!(best.source, Source::Kernel | Source::Direct) {
                continue;
            }
            level.retain(|path| (path.source, path.id) != (best.source, best.id));
            level.insert(0, best);
            let most = match self.relation(&level[0]) {
                Some(Relation::Internal | Relation::Client) => self.max_paths.1,
                _ => self.max_paths.0,
            };
            // The same way twice is one way.
            let mut ways = BTreeSet::new();
            level.retain(|path| ways.insert(path.attributes.next_hop));
            let used = level.into_iter().map(|path| (path.source, path.attributes));
            all.insert(*prefix, used.take(most).collect());
        }
        all
    }

    /// What a neighbour must have heard when all is told: with path identifiers, or without.
    pub(crate) fn heard(&self, peer: PeerId) -> BTreeMap<Prefix, (bool, Vec<PathAttributes>)> {
        let info = &self.known[&peer];
        let mut all = BTreeMap::new();
        for prefix in self.paths.keys() {
            let told = |path: &Path| self.told(*prefix, path, info);
            let not_own = |path: &Path| path.source != Source::Bgp(peer);
            let family = info.negotiated.family(prefix.family());
            let (has_ids, list) = if family.is_some_and(|family| family.add_path_send) {
                // Which are told does not depend on whose they are: all neighbours of a kind share the choice.
                let mut chosen = self.chosen(*prefix, info);
                chosen.retain(not_own);
                (true, chosen.iter().filter_map(told).collect())
            } else {
                let best = self.decide(*prefix).0.filter(not_own);
                (false, best.iter().filter_map(told).collect::<Vec<_>>())
            };
            if !list.is_empty() {
                all.insert(*prefix, (has_ids, list));
            }
        }
        all
    }

    /// Paths for a neighbour that takes several.
    fn chosen(&self, prefix: Prefix, to: &PeerInfo) -> Vec<Path> {
        let mut wanted = to.paths_sent.iter();
        let wanted = wanted.find(|(family, _)| *family == prefix.family());
        let is_told = |path: &Path| self.told(prefix, path, to).is_some();
        let paths = self.paths.get(&prefix).into_iter().flatten();
        let mut usable: Vec<Path> = paths.filter_map(|path| self.import(path)).collect();
        let (candidates, limit) = match wanted.map_or_else(PathsSent::default, |(_, paths)| *paths)
        {
            PathsSent::All => (usable, usize::MAX),
            PathsSent::Ecmp(limit) => (self.decide(prefix).1, limit.get().into()),
            PathsSent::Best(limit) => {
                let mut ranked = Vec::new();
                while let Some(best) = self.choose(usable.clone()).0 {
                    usable.retain(|path| (path.source, path.id) != (best.source, best.id));
                    ranked.push(best);
                }
                (ranked, limit.get().into())
            }
        };
        candidates.into_iter().filter(is_told).take(limit).collect()
    }

    /// The best path, and those that only ties were left to tell from it.
    fn decide(&self, prefix: Prefix) -> (Option<Path>, Vec<Path>) {
        let paths = self.paths.get(&prefix).into_iter().flatten();
        self.choose(paths.filter_map(|path| self.import(path)).collect())
    }

    fn choose(&self, mut left: Vec<Path>) -> (Option<Path>, Vec<Path>) {
        keep(&mut left, |path| match path.source {
            Source::Direct => 1,
            Source::Static => 2,
            Source::Api => 3,
            Source::Bgp(_) => 4,
            Source::Kernel => 5,
        });
        keep(&mut left, |path| {
            Reverse(path.attributes.local_pref.unwrap_or(100))
        });
        keep(&mut left, |path| path.attributes.as_path.hop_count());
        keep(&mut left, |path| path.attributes.origin);
        let all = left.clone();
        let neighbor = |path: &Path| path.attributes.as_path.neighbor_as().unwrap_or_default();
        let med = |path: &Path| path.attributes.med.unwrap_or(0);
        left.retain(|path| {
            !all.iter()
                .any(|other| neighbor(other) == neighbor(path) && med(other) < med(path))
        });
        keep(&mut left, |path| {
            self.relation(path) != Some(Relation::External)
        });
        keep(&mut left, |path| {
            match self.hops.get(&path.attributes.next_hop.addr()) {
                Some(NextHopState::Reachable { metric }) if self.is_tracking => *metric,
                _ => 0,
            }
        });
        let mut level = left.clone();
        level.sort_by_key(|path| self.tie(path));
        keep(&mut left, |path| {
            path.attributes
                .originator_id
                .or(self.sender(path).map(|info| info.router_id))
        });
        keep(&mut left, |path| path.attributes.cluster_list.len());
        keep(&mut left, |path| self.sender(path).map(|info| info.address));
        keep(&mut left, |path| path.id);
        assert!(left.len() < 2, "the same path twice");
        (left.pop(), level)
    }

    fn tie(&self, path: &Path) -> impl Ord + use<> {
        let sender = self.sender(path);
        let id = path
            .attributes
            .originator_id
            .or(sender.map(|info| info.router_id));
        (
            id,
            path.attributes.cluster_list.len(),
            sender.map(|info| info.address),
            path.id,
        )
    }

    fn sender(&self, path: &Path) -> Option<&PeerInfo> {
        self.known.get(&path.source.peer()?)
    }

    fn relation(&self, path: &Path) -> Option<Relation> {
        self.sender(path).map(|info| info.relation)
    }

    /// The path as it takes part in the decision, if it does.
    fn import(&self, path: &Path) -> Option<Path> {
        let mut path = path.clone();
        let Some(info) = self.sender(&path) else {
            return Some(path);
        };
        let attributes = &path.attributes;
        let us = info_id();
        let is_looped = attributes
            .as_path
            .asns()
            .filter(|asn| *asn == LOCAL_AS)
            .count()
            > usize::from(info.allow_own_as)
            || attributes
                .originator_id
                .is_some_and(|id| id.addr() == LOCAL_V4)
            || attributes.cluster_list.contains(&us);
        let hop = self.hops.get(&attributes.next_hop.addr());
        let is_reachable = match hop {
            _ if !self.is_tracking => true,
            Some(state) => matches!(state, NextHopState::Reachable { .. }),
            None => path.is_assumed,
        };
        if is_looped || !is_reachable || info.import == Policy::reject_all() {
            return None;
        }
        if info.relation == Relation::External
            && attributes
                .communities
                .contains(&Community::GRACEFUL_SHUTDOWN)
        {
            path.attributes.local_pref = Some(0);
        }
        Some(path)
    }

    fn told(&self, prefix: Prefix, path: &Path, to: &PeerInfo) -> Option<PathAttributes> {
        let is_external = to.relation == Relation::External;
        let has = |community| path.attributes.communities.contains(&community);
        if !to.negotiated.has_family(prefix.family())
            || to.export == Policy::reject_all()
            || matches!(path.source, Source::Kernel | Source::Direct)
                && to.export == Policy::accept_all()
            || has(Community::NO_ADVERTISE)
            || is_external && (has(Community::NO_EXPORT) || has(Community::NO_EXPORT_SUBCONFED))
        {
            return None;
        }
        let mut out = path.attributes.clone();
        let from = self.relation(path);
        if !is_external && matches!(from, Some(Relation::Internal | Relation::Client)) {
            if from == Some(Relation::Internal) && to.relation == Relation::Internal {
                return None;
            }
            out.originator_id = out
                .originator_id
                .or(self.sender(path).map(|info| info.router_id));
            out.cluster_list.insert(0, info_id());
        }
        if is_external {
            out.as_path = out.as_path.prepended(to.local_as, 1);
            out.local_pref = None;
            out.originator_id = None;
            out.cluster_list.clear();
            if from.is_some() {
                out.med = None;
            }
            out.extended_communities
                .retain(|community| community.0[0] & 0x40 == 0);
        } else {
            out.local_pref = Some(out.local_pref.unwrap_or(100));
        }
        for unknown in &mut out.unknown {
            unknown.flags |= PARTIAL;
        }
        let shared = to
            .shared_subnets
            .iter()
            .any(|subnet| subnet.contains(out.next_hop.addr()));
        let is_ours = match to.next_hop {
            NextHopMode::ToSelf => true,
            NextHopMode::Auto if is_external => from.is_none() || !shared,
            NextHopMode::Auto | NextHopMode::Unchanged => from.is_none(),
        };
        if is_ours {
            out.next_hop = if prefix.family() == Family::IPV4_UNICAST {
                NextHop::V4(LOCAL_V4)
            } else {
                NextHop::V6(LOCAL_V6)
            };
        }
        Some(out)
    }
}

fn info_id() -> ClusterId {
    ClusterId(Ipv4Addr::into(LOCAL_V4))
}

fn keep<K: Ord>(paths: &mut Vec<Path>, key: impl Fn(&Path) -> K) {
    if let Some(lowest) = paths.iter().map(&key).min() {
        paths.retain(|path| key(path) == lowest);
    }
}
