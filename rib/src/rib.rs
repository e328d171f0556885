// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One shard of the routing table: what comes in is stored and decided, what changed is told in one drain.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use bgp_proto::{Family, Instant, Prefix};

use crate::{
    Input, Output, PathsSent, PeerId, PeerInfo, RibConfig, Selection, Source, Speaker, Totals,
    attributes::Interner,
    export::GroupKey,
    group::Group,
    next_hop::NextHops,
    path::{Entry, Path},
    peer::Counters,
    table::{Place, Table},
};

/// [`Rib::around`] where the table, the groups or the list of what is dirty are borrowed beside it.
macro_rules! around {
    ($rib:expr) => {
        Around {
            config: &$rib.config,
            peers: &$rib.peers,
            next_hops: &$rib.next_hops,
        }
    };
}

/// [`Rib::view`] where the groups are borrowed beside it.
macro_rules! view {
    ($rib:expr) => {
        View {
            table: &$rib.table,
            around: around!($rib),
            dirty: BTreeMap::new(),
        }
    };
}

mod context;
mod forecast;
mod forwarding;
mod import;
mod leaving;
mod long_lived;
mod query;
mod silence;
mod terms;
mod trace;

pub use forecast::{Difference, Forecast, Imported, Proposal, ProposedPeer, Sent};
pub use silence::Silence;

use forwarding::{fib_route, fib_route_by, forward};
use leaving::Leaving;

pub(crate) use context::{Around, Before, Reflection, Sender, View};

/// A neighbour with a session, or with stale routes of one.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) info: PeerInfo,
    pub(crate) counters: Counters,
    pub(crate) is_up: bool,
}

/// A prefix whose best path may have changed.
#[derive(Debug)]
struct Dirty {
    prefix: Prefix,
    place: Place,
    /// What was best before, if anything was.
    before: Option<Box<Before>>,
}

/// One shard. Feed it with [`Rib::step`], then [`Rib::drain`] it.
#[derive(Debug)]
pub struct Rib {
    pub(crate) config: RibConfig,
    pub(crate) table: Table,
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    pub(crate) groups: Vec<Group>,
    interner: Interner,
    pub(crate) next_hops: NextHops,
    /// Prefixes whose best path may have changed, with how it was before. Each once: its entry knows.
    dirty: VecDeque<Dirty>,
    /// Neighbours of which something is still to be removed.
    leaving: VecDeque<Leaving>,
    /// What was removed of them since the last drain.
    departed: Vec<(PeerId, Vec<(Prefix, u32)>)>,
    /// Prefixes with a path, and paths.
    pub(crate) totals: Totals,
}

impl Rib {
    /// An empty table.
    pub fn new(config: RibConfig) -> Self {
        Self {
            next_hops: NextHops::new(config.next_hop_tracking),
            config,
            table: Table::default(),
            peers: BTreeMap::new(),
            groups: Vec::new(),
            interner: Interner::default(),
            dirty: VecDeque::new(),
            leaving: VecDeque::new(),
            departed: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// Feeds one input.
    pub fn step(&mut self, input: Input, now: Instant) {
        match input {
            Input::PeerUp(info) => self.peer_up(*info),
            Input::PeerDown(id) => self.peer_down(id),
            Input::PeerLost(id) => self.peer_lost(id),
            Input::MarkStale(id, family) => self.mark_stale(id, |prefix| prefix.family() == family),
            Input::LongLivedStale(id, family) => self.keep_long(id, family),
            Input::SweepStale(id, family) => {
                self.remove_paths(id, |path, prefix| {
                    path.is_stale() && prefix.family() == family
                });
            }
            Input::Routes(batch) => self.apply(&batch, now),
            Input::EndOfRib(..) => {}
            Input::Refresh(id, family) => self.group_of(id, |group| group.refresh(id, family)),
            Input::Congested(id) => self.group_of(id, |group| group.congest(id)),
            Input::Drained(id) => self.group_of(id, |group| group.drained(id)),
            Input::NextHops(changes) => {
                let prefixes = self.next_hops.concerned(&changes, &self.table);
                self.touch_all(&prefixes);
                for (address, state) in changes {
                    self.next_hops.change(address, state);
                }
                for prefix in prefixes {
                    self.decide(prefix);
                }
            }
            Input::Interfaces(changes) => {
                for (index, up) in changes {
                    let prefixes = self
                        .next_hops
                        .concerned_by_interface(index, up, &self.table);
                    self.touch_all(&prefixes);
                    self.next_hops.interface_changed(index, up);
                    for prefix in prefixes {
                        self.decide(prefix);
                    }
                }
            }
            Input::Policy(id, import, export) => self.policy(id, import, export),
            Input::KernelPolicy(policy) => self.kernel_policy(policy),
            Input::Weight(id, weight) => self.change_weight(id, weight),
            Input::Speaker(speaker) => self.become_speaker(speaker),
            Input::Selection(selection) => self.change_selection(selection),
            Input::Terms(id, terms) => self.change_terms(id, *terms),
            Input::PathsSent(id, paths) => self.change_paths_sent(id, paths),
        }
    }

    /// More is to be drained: a table is being fed in pieces.
    pub fn has_work(&self) -> bool {
        !self.dirty.is_empty()
            || !self.leaving.is_empty()
            || self.groups.iter().any(Group::has_work)
    }

    /// Says what is to be done, a part of it if there is very much. Changes that took each other back in the meantime do
    /// not appear.
    pub fn drain(&mut self, out: &mut Output) {
        self.remove_piece(out);
        let chunk = self.dirty.len().min(DRAIN_CHUNK);
        for dirty in self.dirty.drain(..chunk) {
            let (prefix, before) = (dirty.prefix, dirty.before.as_deref());
            let Some(entry) = self.table.at_mut(dirty.place) else {
                continue;
            };
            entry.make_clean();
            let around = around!(self);
            if let Some(before) = before {
                assume(entry, &before.best, around);
            }
            if !out.without_forwarding {
                forward(prefix, entry, before, around, out);
            }
            if out.with_best && is_best_another(entry, before) {
                out.best.push(prefix);
            }
            for group in &mut self.groups {
                group.update(prefix, entry, before, around, &mut self.interner);
            }
            if entry.paths.is_empty() {
                self.table.remove(prefix);
            }
        }
        if self.dirty.is_empty() {
            self.dirty = VecDeque::new();
        }
        out.install.sort_unstable_by_key(|change| change.prefix);
        out.remove.sort_unstable_by_key(|change| change.prefix);
        for group in &mut self.groups {
            group.drain(out);
        }
        if self.dirty.is_empty() {
            let view = view!(self);
            for group in &mut self.groups {
                group.feed_on(&view, out);
            }
        }
        self.next_hops.drain(out);
    }

    /// Whether a change that leaves the best path of a prefix as it is concerns nobody.
    fn is_about_best(&self) -> bool {
        self.config.selection.is_about_best() && self.groups.iter().all(Group::is_about_best)
    }

    fn announce(&mut self, prefix: Prefix, mut path: Path, is_about_best: bool) {
        let Some((at, entry)) = self.table.entry(prefix, path.source()) else {
            return;
        };
        let place = entry.place(path.source(), path.path_id);
        path.sent_id = entry.sent_id(place);
        let old = place.and_then(|place| entry.paths.get(place));
        let is_same = old.is_some_and(|old| old.is_like(&path));
        match old.filter(|_| is_same) {
            Some(old) => {
                path.since = old.since;
                if old.is_assumed() {
                    path.assume();
                }
            }
            None if is_about_best => {}
            None => touch(entry, (prefix, at), &mut self.dirty, around!(self)),
        }
        count(&mut self.peers, &mut self.totals, prefix, &path, true);
        self.next_hops.use_by(at, &entry.paths, &path);
        self.totals.prefixes += u64::from(entry.paths.is_empty());
        let around = around!(self);
        let slot = place.and_then(|place| entry.paths.get_mut(place));
        let old = match slot.filter(|_| is_same) {
            Some(slot) => Some(core::mem::replace(slot, path)),
            None if is_about_best => {
                let best = entry.best_place();
                let old = entry.arrive(place, path, &around);
                if entry.best_place() != best || (best.is_some() && place == best) {
                    let was_best = old.as_ref().filter(|_| place == best);
                    let was_best = was_best.or_else(|| entry.paths.get(best?)).cloned();
                    touch_after(entry, was_best, (prefix, at), &mut self.dirty, around);
                }
                old
            }
            None => entry.arrive(place, path, &around),
        };
        if let Some(old) = old {
            count(&mut self.peers, &mut self.totals, prefix, &old, false);
            self.next_hops.release(at, &entry.paths, &old);
        }
    }

    fn withdraw(&mut self, prefix: Prefix, source: Source, path_id: u32) {
        let place = self
            .table
            .get(prefix)
            .and_then(|entry| entry.place(source, path_id));
        if let Some(place) = place {
            self.remove_at(prefix, place);
        }
    }

    fn remove_at(&mut self, prefix: Prefix, place: usize) {
        self.touch(prefix);
        let Some((at, entry)) = self.table.get_mut(prefix) else {
            return;
        };
        if place >= entry.paths.len() {
            return;
        }
        let path = entry.leave(place, &around!(self));
        self.totals.prefixes -= u64::from(entry.paths.is_empty());
        count(&mut self.peers, &mut self.totals, prefix, &path, false);
        self.next_hops.release(at, &entry.paths, &path);
    }

    /// Remembers what is best for a prefix, before it changes.
    fn touch(&mut self, prefix: Prefix) {
        let around = around!(self);
        if let Some((place, entry)) = self.table.get_mut(prefix) {
            touch(entry, (prefix, place), &mut self.dirty, around);
        }
    }

    /// The same for several. What the decision depends on must not have changed yet.
    fn touch_all(&mut self, prefixes: &[Prefix]) {
        for prefix in prefixes {
            self.touch(*prefix);
        }
    }

    /// Chooses the best path anew. The prefix has been touched.
    fn decide(&mut self, prefix: Prefix) {
        let around = around!(self);
        if let Some((_, entry)) = self.table.get_mut(prefix) {
            entry.decide(&around);
        }
    }

    fn peer_up(&mut self, info: PeerInfo) {
        let id = info.id;
        self.finish_leaving(id);
        self.leave_group(id);
        let counters = self
            .peers
            .get(&id)
            .map(|peer| peer.counters)
            .unwrap_or_default();
        let key = GroupKey::new(&info);
        // Stale paths are seen with the eyes of the new session.
        let is_known = self.peers.contains_key(&id);
        let was_kept = !self.imports_only(id);
        let stale = if is_known {
            self.prefixes_of(id)
        } else {
            Vec::new()
        };
        self.touch_all(&stale);
        self.peers.insert(
            id,
            Peer {
                info,
                counters,
                is_up: true,
            },
        );
        if was_kept {
            self.reimport(id, &stale);
        }
        for prefix in stale {
            self.decide(prefix);
        }
        self.join_group(id, key);
    }

    /// Nothing is left of a neighbour.
    fn forget(&mut self, id: PeerId) {
        self.peers.remove(&id);
        self.table.forget(id);
    }

    fn peer_lost(&mut self, id: PeerId) {
        self.leave_group(id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.is_up = false;
        self.mark_stale(id, |_| true);
    }

    fn mark_stale(&mut self, id: PeerId, which: impl Fn(Prefix) -> bool) {
        for prefix in self
            .prefixes_of(id)
            .into_iter()
            .filter(|prefix| which(*prefix))
        {
            let entry = self.table.get_mut(prefix).into_iter();
            let paths = entry.flat_map(|(_, entry)| entry.paths.iter_mut());
            for path in paths.filter(|path| path.source() == Source::Bgp(id)) {
                path.make_stale();
            }
        }
    }

    fn remove_paths(&mut self, id: PeerId, which: impl Fn(&Path, Prefix) -> bool) {
        let source = Source::Bgp(id);
        let found: Vec<(Prefix, u32)> = self
            .paths_of(id)
            .filter(|(prefix, path)| which(path, *prefix))
            .map(|(prefix, path)| (prefix, path.path_id))
            .collect();
        for (prefix, path_id) in found {
            self.withdraw(prefix, source, path_id);
        }
        // What is left of a neighbour whose session is over.
        let is_over = |peer: &Peer| !peer.is_up && peer.counters.received() == 0;
        if self.peers.get(&id).is_some_and(is_over) {
            self.forget(id);
        }
    }

    /// The paths of a neighbour. It looks no further when it has them all, and only where it has some.
    pub(crate) fn paths_of(&self, id: PeerId) -> impl Iterator<Item = (Prefix, &Path)> + '_ {
        let count = self.received_from(id);
        let all = self.table.near(id);
        let all =
            all.flat_map(|(prefix, entry)| entry.paths.iter().map(move |path| (prefix, path)));
        all.filter(move |(_, path)| path.source() == Source::Bgp(id))
            .take(count)
    }

    /// How many paths there are of a neighbour.
    fn received_from(&self, id: PeerId) -> usize {
        let count = self.peers.get(&id).map(|peer| peer.counters.received());
        usize::try_from(count.unwrap_or(0)).unwrap_or(usize::MAX)
    }

    fn change_weight(&mut self, id: PeerId, weight: u16) {
        let prefixes = self.prefixes_of(id);
        self.touch_all(&prefixes);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.info.weight = weight;
        }
        for prefix in prefixes {
            let entry = self.table.get_mut(prefix).into_iter();
            let paths = entry.flat_map(|(_, entry)| entry.paths.iter_mut());
            for path in paths.filter(|path| path.source() == Source::Bgp(id)) {
                path.weight = weight;
            }
            self.decide(prefix);
        }
    }

    fn become_speaker(&mut self, speaker: Speaker) {
        let config = &mut self.config;
        config.local_as = speaker.local_as;
        config.confederation = speaker.confederation;
        config.router_id = speaker.router_id;
        config.cluster_id = speaker.cluster_id;
    }

    fn change_selection(&mut self, selection: Selection) {
        let prefixes: Vec<Prefix> = self.table.prefixes().collect();
        self.touch_all(&prefixes);
        self.config.selection = selection;
        for prefix in prefixes {
            self.decide(prefix);
        }
    }

    /// The weight of paths of a source.
    fn weight(&self, source: Source) -> u16 {
        let peer = source.peer();
        peer.map_or(LOCAL_WEIGHT, |id| {
            self.peers.get(&id).map_or(0, |peer| peer.info.weight)
        })
    }

    fn change_paths_sent(&mut self, id: PeerId, paths: Vec<(Family, PathsSent)>) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.info.paths_sent = paths;
        let (key, is_up) = (GroupKey::new(&peer.info), peer.is_up);
        if is_up {
            self.change_group(id, key);
        }
    }

    fn group_of(&mut self, id: PeerId, order: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.has(id)) {
            order(group);
        }
    }

    fn join_group(&mut self, id: PeerId, key: GroupKey) {
        let number = self.group_for(key);
        if let Some(group) = self.groups.get_mut(number) {
            group.join(id);
        }
    }

    /// The group with this key; a new one is told all there is.
    fn group_for(&mut self, key: GroupKey) -> usize {
        if let Some(number) = self.groups.iter().position(|group| group.key == key) {
            return number;
        }
        let mut group = Group::new(key);
        let around = around!(self);
        for (prefix, entry) in self.table.iter() {
            group.begin(prefix, entry, around, &mut self.interner);
        }
        // Nobody has joined yet: the feed of the first member brings it.
        group.forget_messages();
        self.groups.push(group);
        self.groups.len() - 1
    }

    fn leave_group(&mut self, id: PeerId) {
        self.group_of(id, |group| drop(group.leave(id)));
        self.groups.retain(|group| !group.is_empty());
    }

    /// Moves a neighbour to another group without its session noticing more than the difference.
    fn change_group(&mut self, id: PeerId, key: GroupKey) {
        let Some(from) = self.groups.iter().position(|group| group.has(id)) else {
            return;
        };
        let to = self.group_for(key);
        if from == to {
            return;
        }
        let mut old = self.groups.swap_remove(from);
        let missed = old.leave(id);
        let to = if to == self.groups.len() { from } else { to };
        let dirty = self.dirty.iter();
        let before = dirty.map(|dirty| (dirty.prefix, dirty.before.as_deref()));
        let view = View {
            dirty: before.collect(),
            ..view!(self)
        };
        if let Some(new) = self.groups.get_mut(to) {
            new.take_over(id, missed, &old, &view);
        }
        if !old.is_empty() {
            self.groups.push(old);
        }
    }

    /// Families of which a neighbour has paths or is told prefixes.
    pub(crate) fn families() -> [Family; 2] {
        [Family::IPV4_UNICAST, Family::IPV6_UNICAST]
    }

    pub(crate) fn prefixes_told(&self, prefix: Prefix) -> BTreeSet<PeerId> {
        let view = view!(self);
        self.groups
            .iter()
            .flat_map(|group| group.knowing(prefix, &view))
            .collect()
    }
}

/// Prefixes looked at in one drain: what comes of them waits in memory until it is sent. More than a turn changes.
const DRAIN_CHUNK: usize = 16_384;

/// Weight of our own routes, as in FRR: a neighbour's wins over them if it is configured to.
const LOCAL_WEIGHT: u16 = 32768;

/// Remembers what is best of an entry, if that is not remembered yet.
fn touch(
    entry: &mut Entry,
    (prefix, place): (Prefix, Place),
    dirty: &mut VecDeque<Dirty>,
    around: Around<'_>,
) {
    if entry.make_dirty() {
        let before = entry.best().map(|best| {
            Box::new(Before {
                best: best.clone(),
                sender: around.sender(best.source()),
                fib: fib_route(prefix, entry, around),
            })
        });
        dirty.push_back(Dirty {
            prefix,
            place,
            before,
        });
    }
}

/// The same when it is another one already, where nothing but the best path is used.
fn touch_after(
    entry: &mut Entry,
    was_best: Option<Path>,
    (prefix, place): (Prefix, Place),
    dirty: &mut VecDeque<Dirty>,
    around: Around<'_>,
) {
    if entry.make_dirty() {
        let before = was_best.map(|best| {
            Box::new(Before {
                sender: around.sender(best.source()),
                fib: fib_route_by(prefix, &best, &[], around),
                best,
            })
        });
        dirty.push_back(Dirty {
            prefix,
            place,
            before,
        });
    }
}

/// Whether somebody who knows the best path of before has to learn something.
fn is_best_another(entry: &Entry, before: Option<&Before>) -> bool {
    match (before.map(|before| &before.best), entry.best()) {
        (None, None) => false,
        (Some(old), Some(new)) => {
            (old.source(), old.path_id) != (new.source(), new.path_id) || !old.is_like(new)
        }
        _ => true,
    }
}

/// What was in use goes on by a next hop of which nobody knows yet. The alternative is to take it back from everybody, and to say
/// it again when the answer comes.
fn assume(entry: &mut Entry, before: &Path, around: Around<'_>) {
    let place = entry.place(before.source(), before.path_id);
    let path = place.and_then(|place| entry.paths.get_mut(place));
    if let Some(path) = path.filter(|path| !path.is_assumed() && around.next_hops.is_unknown(path))
    {
        path.assume();
        entry.decide(&around);
    }
}

/// Counts a path that comes or goes.
fn count(
    peers: &mut BTreeMap<PeerId, Peer>,
    totals: &mut Totals,
    prefix: Prefix,
    path: &Path,
    added: bool,
) {
    let step = |counter: &mut u64| {
        *counter = if added {
            *counter + 1
        } else {
            counter.saturating_sub(1)
        }
    };
    step(&mut totals.paths);
    if let Some(peer) = path.source().peer().and_then(|id| peers.get_mut(&id)) {
        let counts = peer.counters.of(prefix.family());
        step(&mut counts.received);
        if path.refused.is_none() {
            step(&mut counts.accepted);
        }
    }
}
