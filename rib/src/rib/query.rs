// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Questions answered from the table.

use alloc::vec::Vec;
use core::ops::Bound;

use bgp_proto::{Family, Instant, Prefix};
use smallvec::SmallVec;

use super::{Around, Rib, forwarding::fib_route};
use crate::{
    Attributes, Disposition, Explanation, FamilyCounts, FibChange, PeerId, PeerInfo, PrefixFilter,
    RoutePage, RouteQuery, RouteView, Source, Table, TableSize, Totals, Unusable,
    decision::{self, Context as _},
    group::{Group, Nlri, Told},
    path::{Entry, Path},
};

impl Rib {
    /// The next hops in use, in order, and how many prefixes have a path by way of each. None if next hops are not tracked.
    pub fn next_hops(&self) -> Vec<(core::net::IpAddr, u64)> {
        self.next_hops.users().collect()
    }

    /// Routes, sorted by prefix, a page at a time.
    pub fn routes(&self, query: &RouteQuery) -> RoutePage {
        if let Table::AdjOut(id) = query.table {
            return self.adj_out(id, query);
        }
        let mut page = RoutePage::default();
        for (prefix, entry) in self.table.range_from(first(query)) {
            if page.routes.len() >= query.limit {
                page.next = page.routes.last().map(|view: &RouteView| view.prefix);
                break;
            }
            if ends_before(query, prefix) {
                break;
            }
            if wanted(query, prefix) {
                let views = match query.table {
                    Table::AdjIn(_) => self.views_by_source(prefix, entry),
                    Table::LocRib | Table::AdjOut(_) => self.views_in_order(prefix, entry),
                };
                page.routes
                    .extend(views.into_iter().filter_map(|view| match query.table {
                        Table::AdjIn(id) if view.source == Source::Bgp(id) => {
                            Some(as_received(view, entry))
                        }
                        Table::AdjIn(_) => None,
                        Table::LocRib | Table::AdjOut(_) => {
                            (!query.best_only || view.best).then_some(view)
                        }
                    }));
            }
        }
        page
    }

    /// What the forwarding table is to have, from behind a prefix on: so many prefixes are looked at. Returns the last
    /// of them if there may be more.
    pub fn forwarding(
        &self,
        after: Option<Prefix>,
        limit: usize,
    ) -> (Vec<FibChange>, Option<Prefix>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut routes, mut last, mut seen) = (Vec::new(), None, 0);
        for (prefix, entry) in self.table.range_from(from) {
            if seen == limit {
                return (routes, last);
            }
            seen += 1;
            last = Some(prefix);
            if let Some(best) = fib_route(prefix, entry, around!(self)) {
                routes.push(FibChange {
                    prefix,
                    best: Some(best),
                });
            }
        }
        (routes, None)
    }

    /// The best path of a prefix.
    pub fn best(&self, prefix: Prefix) -> Option<RouteView> {
        self.views(prefix, self.table.get(prefix)?)
            .into_iter()
            .find(|view| view.best)
    }

    /// One path, as import has left it.
    pub fn path(&self, prefix: Prefix, source: Source, path_id: u32) -> Option<RouteView> {
        let views = self.views(prefix, self.table.get(prefix)?);
        let mut views = views.into_iter();
        views.find(|view| view.source == source && view.path_id == path_id)
    }

    /// The same as the neighbour has sent it.
    pub fn path_received(&self, prefix: Prefix, source: Source, path_id: u32) -> Option<RouteView> {
        let view = self.path(prefix, source, path_id)?;
        Some(as_received(view, self.table.get(prefix)?))
    }

    /// Prefix and path identifier of what a neighbour has announced, in order.
    pub fn keys_of(&self, id: PeerId) -> Vec<(Prefix, u32)> {
        let paths = self.paths_of(id);
        paths.map(|(prefix, path)| (prefix, path.path_id)).collect()
    }

    /// A neighbour with a session, or with routes that are kept for it.
    pub fn peer(&self, id: PeerId) -> Option<&PeerInfo> {
        self.peers.get(&id).map(|peer| &peer.info)
    }

    /// Whether there is such a path.
    pub fn has_path(&self, prefix: Prefix, source: Source, path_id: u32) -> bool {
        self.table
            .get(prefix)
            .is_some_and(|entry| entry.place(source, path_id).is_some())
    }

    /// All paths of a prefix, and why the best one won.
    pub fn explain(&self, prefix: Prefix) -> Option<Explanation> {
        let entry = self.table.get(prefix)?;
        if entry.paths.is_empty() {
            return None;
        }
        let best = entry.best_place();
        let reasons = decision::reasons(&entry.paths, best, &self.around());
        let views = self.views(prefix, entry);
        let mut routes: Vec<_> = views.into_iter().zip(reasons).collect();
        let profile = self.config.selection.profile;
        // The best first, then those that held out longest.
        routes.sort_by_key(|(view, step)| {
            let held_out = step.map_or(0, |step| profile.number(step));
            (!view.best, core::cmp::Reverse(held_out))
        });
        Some(Explanation {
            prefix,
            profile,
            routes,
            advertised_to: self.prefixes_told(prefix).into_iter().collect(),
            not_told: self.silences(prefix, entry),
            policies: self.traces(prefix, entry),
        })
    }

    /// The same for the most specific prefix that covers this one.
    pub fn explain_longest(&self, prefix: Prefix) -> Option<Explanation> {
        let lengths = (0..=prefix.length()).rev();
        let covering = lengths.filter_map(|length| Prefix::truncating(prefix.addr(), length));
        covering
            .filter(|prefix| {
                self.table
                    .get(*prefix)
                    .is_some_and(|entry| !entry.paths.is_empty())
            })
            .find_map(|prefix| self.explain(prefix))
    }

    /// Routes of a neighbour, by family.
    pub fn counts(&self, id: PeerId) -> Vec<(Family, FamilyCounts)> {
        let Some(peer) = self.peers.get(&id) else {
            return Vec::new();
        };
        let mut counters = peer.counters;
        let group = self.groups.iter().find(|group| group.has(id));
        let count = |family| {
            let mut counts = *counters.of(family);
            counts.advertised = group.map_or(0, |group| group.count(id, family));
            (family, counts)
        };
        Self::families().map(count).to_vec()
    }

    /// Prefixes of one family that a neighbour has announced, whether they were accepted or not.
    pub fn received(&self, id: PeerId, family: Family) -> u64 {
        let peer = self.peers.get(&id);
        peer.map_or(0, |peer| peer.counters.get(family).received)
    }

    /// How much of one family import has let into the table, by a look at so many prefixes behind `after`; and where to go
    /// on, if that was not all.
    pub fn size(
        &self,
        family: Family,
        after: Option<Prefix>,
        limit: usize,
    ) -> (TableSize, Option<Prefix>) {
        let mut size = TableSize::default();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (seen, (prefix, entry)) in self.table.range_from(from).enumerate() {
            if prefix.family() == family {
                let paths = entry.paths.iter().filter(|path| path.refused.is_none());
                let paths = paths.count() as u64;
                size += TableSize {
                    prefixes: u64::from(paths > 0),
                    paths,
                    accepted: paths,
                };
            }
            if seen + 1 >= limit {
                return (size, Some(prefix));
            }
        }
        (size, None)
    }

    /// Size of the table.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Update groups there are.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    fn adj_out(&self, id: PeerId, query: &RouteQuery) -> RoutePage {
        let mut page = RoutePage::default();
        let Some(group) = self.groups.iter().find(|group| group.has(id)) else {
            return page;
        };
        let view = self.view();
        let from = first(query).map(|prefix| (prefix, u32::MAX));
        let from = match from {
            Bound::Included((prefix, _)) => Bound::Included((prefix, 0)),
            other => other,
        };
        let families = Self::families().into_iter();
        let told = families.flat_map(|family| group.told_from(family, from, &view));
        for (nlri, told) in told {
            let last = page.routes.last().map(|view: &RouteView| view.prefix);
            // A page ends with a whole prefix.
            if page.routes.len() >= query.limit && last != Some(nlri.0) {
                page.next = last;
                break;
            }
            if ends_before(query, nlri.0) {
                break;
            }
            let told = told.filter(|told| wanted(query, nlri.0) && told.reaches(id));
            let told = told.and_then(|told| self.told_view(nlri, &told, group));
            page.routes.extend(told);
        }
        page
    }

    fn told_view(&self, nlri: Nlri, told: &Told, group: &Group) -> Option<RouteView> {
        let (prefix, path_id) = nlri;
        let attributes = Attributes::alone(&group.sent(told, prefix.family())?);
        let entry = self.table.get(prefix);
        let best = entry.and_then(Entry::best);
        let path = match path_id {
            0 => best,
            id => entry.and_then(|entry| entry.paths.iter().find(|path| path.sent_id == id)),
        };
        Some(RouteView {
            prefix,
            path_id,
            source: told.source,
            disposition: Disposition::Via(attributes.next_hop()),
            attributes,
            best: path_id == 0 || best.is_some_and(|best| best.sent_id == path_id),
            multipath: false,
            unusable: None,
            stale: path.is_some_and(Path::is_stale),
            since: path.map_or(Instant::ZERO, |path| path.since),
        })
    }

    fn views(&self, prefix: Prefix, entry: &Entry) -> SmallVec<[RouteView; 2]> {
        let most = entry.best().map_or(1, |best| self.around().max_paths(best));
        let level = if most > 1 {
            let level = entry.level(&self.around()).into_iter();
            level.take(most).collect()
        } else {
            SmallVec::<[usize; 4]>::new()
        };
        let best = entry.best_place();
        let view = |(place, path): (usize, &Path)| RouteView {
            prefix,
            path_id: path.path_id,
            source: path.source(),
            attributes: path.attributes.clone(),
            disposition: path.disposition(),
            best: best == Some(place),
            multipath: level.len() > 1 && level.contains(&place),
            unusable: path.refused.or_else(|| {
                (!self.around().is_usable(path)).then_some(Unusable::NextHopUnreachable)
            }),
            stale: path.is_stale(),
            since: path.since,
        };
        entry.paths.iter().enumerate().map(view).collect()
    }

    /// The same, the best path first, the others by where they come from.
    fn views_by_source(&self, prefix: Prefix, entry: &Entry) -> SmallVec<[RouteView; 2]> {
        let mut views = self.views(prefix, entry);
        views.sort_by_key(|view| (!view.best, view.source, view.path_id));
        views
    }

    /// The same as one reads it: the best path first, the others as they would follow.
    fn views_in_order(&self, prefix: Prefix, entry: &Entry) -> SmallVec<[RouteView; 2]> {
        if entry.paths.len() < 3 {
            return self.views_by_source(prefix, entry);
        }
        let views = self.views(prefix, entry);
        let ranking = decision::ranking(&entry.paths, entry.best_place(), &self.around());
        let in_order = ranking
            .into_iter()
            .filter_map(|place| views.get(place).cloned());
        in_order.collect()
    }
}

/// A path before import changed it.
fn as_received(mut view: RouteView, entry: &Entry) -> RouteView {
    let place = entry.place(view.source, view.path_id);
    if let Some(path) = place.and_then(|place| entry.paths.get(place)) {
        view.attributes = path.received().clone();
        view.disposition = path.arrived_as();
    }
    view
}

/// Where it begins.
fn first(query: &RouteQuery) -> Bound<Prefix> {
    match (query.after, query.prefix) {
        (Some(after), _) => Bound::Excluded(after),
        (None, Some(PrefixFilter::Exact(prefix) | PrefixFilter::Longer(prefix))) => {
            Bound::Included(prefix)
        }
        (None, _) => Bound::Unbounded,
    }
}

/// No prefix from here on can match: they are sorted by address.
fn ends_before(query: &RouteQuery, prefix: Prefix) -> bool {
    match query.prefix {
        Some(PrefixFilter::Exact(wanted) | PrefixFilter::Shorter(wanted)) => prefix > wanted,
        Some(PrefixFilter::Longer(wanted)) => prefix > wanted && !wanted.covers(prefix),
        None => false,
    }
}

fn wanted(query: &RouteQuery, prefix: Prefix) -> bool {
    query.family.is_none_or(|family| family == prefix.family())
        && query.prefix.is_none_or(|filter| filter.matches(prefix))
}
