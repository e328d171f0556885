// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Update groups: neighbours that are sent the same bytes share one Adj-RIB-Out, one encoder and the messages.
//!
//! A member that does not read leaves the stream; what changed meanwhile is remembered by prefix, and it is fed again
//! from the current state. A new member, a refresh and a member that caught up are all fed the same way.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::{cell::RefCell, ops::Bound};

use bgp_proto::{Family, PathAttributes, Prefix, UpdateWriter};

use crate::{
    Output, PeerId,
    attributes::Interner,
    export::GroupKey,
    path::{Entry, Path},
    rib::{Around, Before, Sender, View},
};

mod adj_out;
mod pack;
mod several;
mod under_policy;

use adj_out::{AdjOut, Counts, Form};
pub(crate) use adj_out::{Nlri, Told};
use pack::{Pack, To};
pub use several::PathsSent;
use under_policy::UnderPolicy;

/// Routes that one feed looks at in one drain.
const FEED_CHUNK: usize = 4096;

/// A walk through the Adj-RIB-Out for the members that need it from the same place.
#[derive(Debug)]
struct Feed {
    family: Family,
    /// The last route that was looked at.
    after: Option<Nlri>,
    /// Its members have not been told anything of the family yet.
    is_first: bool,
    members: BTreeSet<PeerId>,
}

/// What a member that is not in the stream has missed.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    routes: BTreeSet<Nlri>,
    /// Feeds that it was in.
    feeds: Vec<(Family, Option<Nlri>)>,
    /// It reads again: the next drain brings it up to date.
    is_reading: bool,
}

/// An update group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: GroupKey,
    writer: UpdateWriter,
    members: BTreeSet<PeerId>,
    /// Members that are not in the stream: they don't read, or have just begun to.
    behind: BTreeMap<PeerId, Missed>,
    /// What it has been told, where that is kept.
    told: AdjOut,
    /// The same of prefixes that were dirty when the group came to be, until they are told of.
    said: BTreeMap<Prefix, Option<Told>>,
    counts: Counts,
    feeds: Vec<Feed>,
    pack: Pack,
    /// What policy makes of attribute sets, within one drain.
    under_policy: RefCell<UnderPolicy>,
    /// Two things that the group was told, and whether it was sent the same.
    compared: Option<(Told, Told, bool)>,
    /// Who is in the stream of a family; empty when that has to be found anew.
    live: BTreeMap<Family, Arc<[PeerId]>>,
}

impl Group {
    pub(crate) fn new(key: GroupKey) -> Self {
        Self {
            writer: UpdateWriter::new(&key.negotiated),
            key,
            members: BTreeSet::new(),
            behind: BTreeMap::new(),
            told: AdjOut::default(),
            said: BTreeMap::new(),
            counts: Counts::default(),
            feeds: Vec::new(),
            pack: Pack::default(),
            under_policy: RefCell::default(),
            compared: None,
            live: BTreeMap::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn has(&self, peer: PeerId) -> bool {
        self.members.contains(&peer)
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.members.iter().copied()
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.feeds.is_empty() || self.behind.values().any(|missed| missed.is_reading)
    }

    /// Adds a neighbour; it is fed everything of every family.
    pub(crate) fn join(&mut self, peer: PeerId) {
        self.members.insert(peer);
        let families: Vec<Family> = self.key.negotiated.families().collect();
        for family in families {
            self.feed(peer, family, None, true);
        }
    }

    /// Removes a member. Says what it has missed, if it moves to another group.
    pub(crate) fn leave(&mut self, peer: PeerId) -> Missed {
        self.live.clear();
        self.members.remove(&peer);
        let mut missed = self.behind.remove(&peer).unwrap_or(Missed {
            is_reading: true,
            ..Missed::default()
        });
        self.stop_feeds(peer, &mut missed);
        missed
    }

    /// Takes a member out of its feeds and notes where it was in them.
    fn stop_feeds(&mut self, peer: PeerId, missed: &mut Missed) {
        for feed in &mut self.feeds {
            if feed.members.remove(&peer) {
                missed.feeds.push((feed.family, feed.after));
            }
        }
        self.feeds.retain(|feed| !feed.members.is_empty());
    }

    /// Sends one neighbour everything of a family again.
    pub(crate) fn refresh(&mut self, peer: PeerId, family: Family) {
        if !self.key.has_family(family) {
            return;
        }
        if let Some(missed) = self.behind.get_mut(&peer) {
            missed.feeds.retain(|(fed, _)| *fed != family);
            missed.feeds.push((family, None));
            return;
        }
        for feed in self.feeds.iter_mut().filter(|feed| feed.family == family) {
            feed.members.remove(&peer);
        }
        self.feeds.retain(|feed| !feed.members.is_empty());
        self.feed(peer, family, None, false);
    }

    fn resume(&mut self, peer: PeerId, feeds: Vec<(Family, Option<Nlri>)>) {
        for (family, after) in feeds {
            self.feed(peer, family, after, false);
        }
    }

    fn feed(&mut self, peer: PeerId, family: Family, after: Option<Nlri>, is_first: bool) {
        self.live.clear();
        match self
            .feeds
            .iter_mut()
            .find(|feed| (feed.family, feed.after, feed.is_first) == (family, after, is_first))
        {
            Some(feed) => {
                feed.members.insert(peer);
            }
            None => self.feeds.push(Feed {
                family,
                after,
                is_first,
                members: BTreeSet::from([peer]),
            }),
        }
    }

    /// The member does not read: nothing is sent to it until [`Self::drained`].
    pub(crate) fn congest(&mut self, peer: PeerId) {
        if !self.members.contains(&peer) {
            return;
        }
        self.live.clear();
        let mut missed = self.behind.remove(&peer).unwrap_or_default();
        missed.is_reading = false;
        self.stop_feeds(peer, &mut missed);
        self.behind.insert(peer, missed);
    }

    /// The member reads again.
    pub(crate) fn drained(&mut self, peer: PeerId) {
        if let Some(missed) = self.behind.get_mut(&peer) {
            missed.is_reading = true;
        }
    }

    /// Brings members that read again up to date. Comes after everything else that the drain tells.
    fn catch_up(&mut self, view: &View<'_>, out: &mut Output) {
        let reading = self
            .behind
            .iter()
            .filter(|(_, missed)| missed.is_reading)
            .map(|(peer, _)| *peer);
        let reading: Vec<PeerId> = reading.collect();
        for peer in reading {
            let Some(missed) = self.behind.remove(&peer) else {
                continue;
            };
            for nlri in missed.routes {
                match self.told_to(peer, nlri, view) {
                    Some(told) => self.pack.announce(nlri, &told, To::Only(peer)),
                    None => self.pack.withdraw(nlri, To::Only(peer)),
                }
            }
            let only: Arc<[PeerId]> = Arc::from([peer]);
            self.write(|_| Arc::clone(&only), out);
            self.live.clear();
            self.resume(peer, missed.feeds);
        }
    }

    /// Whether it is told of nothing but best paths.
    pub(crate) fn is_about_best(&self) -> bool {
        !self
            .key
            .negotiated
            .families()
            .any(|family| self.keeps(family))
    }

    /// Whether what the group is told of a family has to be kept, because it does not follow from the best path.
    fn keeps(&self, family: Family) -> bool {
        self.key.chooses() || self.key.paths_sent(family).is_some()
    }

    /// Counts in what the members are told from the beginning, with what is dirty as it is now: whoever comes from
    /// another group is told what differs there, and no more.
    pub(crate) fn begin(
        &mut self,
        prefix: Prefix,
        entry: &Entry,
        around: Around<'_>,
        interner: &mut Interner,
    ) {
        let family = prefix.family();
        if !self.key.has_family(family) {
            return;
        }
        if self.keeps(family) {
            return self.update(prefix, entry, None, around, interner);
        }
        let told = self.best(prefix, entry, around);
        if let Some(told) = &told {
            self.counts.add(family, told);
        }
        if entry.is_dirty() {
            self.said.insert(prefix, told);
        }
    }

    /// Tells what is to be told of a prefix now.
    pub(crate) fn update(
        &mut self,
        prefix: Prefix,
        entry: &Entry,
        before: Option<&Before>,
        around: Around<'_>,
        interner: &mut Interner,
    ) {
        let family = prefix.family();
        if !self.key.has_family(family) {
            return;
        }
        if !self.keeps(family) {
            let old = self.before(prefix, before, around);
            self.said.remove(&prefix);
            let new = self.best(prefix, entry, around);
            return self.tell((prefix, 0), old.as_ref(), new.as_ref());
        }
        let Some(paths) = self.key.paths_sent(family) else {
            let best = entry.best();
            let mut told = best.and_then(|best| self.kept(prefix, best, around, interner));
            if told.is_none() && self.key.chooses() {
                PathsSent::default().choose(entry, &around, |path| {
                    told = self.kept(prefix, path, around, interner);
                    told.is_some()
                });
            }
            return self.keep((prefix, 0), told);
        };
        let before: Vec<u32> = self.told.identifiers(prefix).collect();
        let mut now: Vec<(u32, Told)> = Vec::new();
        paths.choose(entry, &around, |path| {
            let told = self.kept(prefix, path, around, interner);
            let is_told = told.is_some();
            now.extend(told.map(|told| (path.sent_id, told)));
            is_told
        });
        for id in before {
            if now.iter().all(|(told, _)| *told != id) {
                self.keep((prefix, id), None);
            }
        }
        for (id, told) in now {
            self.keep((prefix, id), Some(told));
        }
    }

    /// What the group is told of a prefix by its best path.
    fn best(&self, prefix: Prefix, entry: &Entry, around: Around<'_>) -> Option<Told> {
        let best = entry.best()?;
        let sender = around.sender(best.source());
        self.exported((prefix, best), sender, around, None)
    }

    /// What it was told before the prefix changed.
    fn before(&self, prefix: Prefix, before: Option<&Before>, around: Around<'_>) -> Option<Told> {
        if let Some(said) = self.said.get(&prefix) {
            return said.clone();
        }
        let before = before?;
        self.exported((prefix, &before.best), before.sender, around, None)
    }

    /// How the group is told of a path, if it is.
    fn exported(
        &self,
        (prefix, path): (Prefix, &Path),
        sender: Sender,
        around: Around<'_>,
        interner: Option<&mut Interner>,
    ) -> Option<Told> {
        if !self.key.has_family(prefix.family()) {
            return None;
        }
        let reflection = around.telling(&self.key, path, sender).ok()?;
        let (attributes, source) = (&path.attributes, path.source());
        if self.key.export.has_statements() {
            let facts = around.export_facts(prefix, path, sender, &self.key);
            let mut under_policy = self.under_policy.borrow_mut();
            let attributes = under_policy.get(path, &facts, sender, |watch, made| {
                let changed = self.key.under_policy(path, &facts, reflection, watch)?;
                Some(interner.unwrap_or(made).intern(&changed))
            });
            return Some(Told {
                attributes: attributes?,
                source,
                form: Form::Sent,
            });
        }
        self.key.next_hop(attributes, source, prefix.family())?;
        Some(Told {
            attributes: attributes.clone(),
            source,
            form: Form::Stored(reflection),
        })
    }

    /// The same, to be kept: attributes that policy makes are shared with all others there are.
    fn kept(
        &self,
        prefix: Prefix,
        path: &Path,
        around: Around<'_>,
        interner: &mut Interner,
    ) -> Option<Told> {
        let sender = around.sender(path.source());
        self.exported((prefix, path), sender, around, Some(interner))
    }

    /// The attributes as they are sent.
    pub(crate) fn sent(&self, told: &Told, family: Family) -> Option<PathAttributes> {
        sent(&self.key, told, family)
    }

    /// Whether the same was sent.
    fn is_same(&mut self, old: &Told, new: &Told, family: Family) -> bool {
        if old == new {
            return true;
        }
        if old.form == Form::Sent && new.form == Form::Sent {
            return old.attributes == new.attributes;
        }
        // Many prefixes in a row change in the same way.
        if let Some((before, now, is_same)) = &self.compared
            && (before, now) == (old, new)
        {
            return *is_same;
        }
        let is_same = self.sent(old, family) == self.sent(new, family);
        self.compared = Some((old.clone(), new.clone(), is_same));
        is_same
    }

    /// Changes what is kept of a route, and tells it.
    fn keep(&mut self, nlri: Nlri, new: Option<Told>) {
        let old = self.told.get(nlri).cloned();
        self.tell(nlri, old.as_ref(), new.as_ref());
        if old != new {
            self.told.set(nlri, new);
        }
    }

    /// Tells a route, if it is not as it was.
    fn tell(&mut self, nlri: Nlri, old: Option<&Told>, new: Option<&Told>) {
        let family = nlri.0.family();
        match (old, new) {
            (None, None) => return,
            (Some(old), Some(new)) if self.is_same(old, new, family) => {
                if old.from() == new.from() {
                    return;
                }
                // Only the neighbours that it comes from notice.
                self.only(old.from(), |pack, to| pack.announce(nlri, new, to));
                self.only(new.from(), |pack, to| pack.withdraw(nlri, to));
            }
            (old, Some(new)) => {
                self.pack.announce(nlri, new, To::but(new.from()));
                if old.is_some_and(|old| old.from() != new.from()) {
                    self.only(new.from(), |pack, to| pack.withdraw(nlri, to));
                }
            }
            (Some(old), None) => self.pack.withdraw(nlri, To::but(old.from())),
        }
        for missed in self.behind.values_mut() {
            missed.routes.insert(nlri);
        }
        if let Some(old) = old {
            self.counts.remove(family, old);
        }
        if let Some(new) = new {
            self.counts.add(family, new);
        }
    }

    fn only(&mut self, peer: Option<PeerId>, pack: impl FnOnce(&mut Pack, To)) {
        if let Some(peer) = peer.filter(|peer| self.members.contains(peer)) {
            pack(&mut self.pack, To::Only(peer));
        }
    }

    /// What the group has been told of a route.
    fn state(&self, nlri: Nlri, view: &View<'_>) -> Option<Told> {
        let (prefix, id) = nlri;
        let family = prefix.family();
        if self.keeps(family) {
            return self.told.get(nlri).cloned();
        }
        if id != 0 {
            return None;
        }
        self.state_of(prefix, view.table.get(prefix)?, view)
    }

    fn state_of(&self, prefix: Prefix, entry: &Entry, view: &View<'_>) -> Option<Told> {
        match view.dirty.get(&prefix) {
            Some(before) => self.before(prefix, *before, view.around),
            None => self.best(prefix, entry, view.around),
        }
    }

    /// Whether a member has been told of a route, and how.
    fn told_to(&self, peer: PeerId, nlri: Nlri, view: &View<'_>) -> Option<Told> {
        let told = self.state(nlri, view);
        told.filter(|told| told.reaches(peer))
    }

    /// Members that have been told of a prefix.
    pub(crate) fn knowing(&self, prefix: Prefix, view: &View<'_>) -> BTreeSet<PeerId> {
        let kept = self.told.identifiers(prefix).map(|id| (prefix, id));
        let routes = core::iter::once((prefix, 0)).chain(kept);
        let told: Vec<Told> = routes.filter_map(|nlri| self.state(nlri, view)).collect();
        let members = self.members.iter().copied();
        members
            .filter(|peer| told.iter().any(|told| told.reaches(*peer)))
            .collect()
    }

    /// Routes of a family from a place on, in order, and how the group has been told of them, if it has.
    pub(crate) fn told_from<'a>(
        &'a self,
        family: Family,
        from: Bound<Nlri>,
        view: &'a View<'a>,
    ) -> Box<dyn Iterator<Item = (Nlri, Option<Told>)> + 'a> {
        let first = (Prefix::first_of(family), 0);
        let from = match from {
            Bound::Included(place) | Bound::Excluded(place) if place >= first => from,
            _ => Bound::Included(first),
        };
        let some = |(nlri, told): (Nlri, &Told)| (nlri, Some(told.clone()));
        let is_of_family = move |((prefix, _), _): &(Nlri, _)| prefix.family() == family;
        if self.key.paths_sent(family).is_some() {
            let told = self.told.several_from(from).map(some);
            return Box::new(told.take_while(is_of_family));
        }
        let from = from.map(|(prefix, _)| prefix);
        if self.keeps(family) {
            let told = self.told.single_from(from).map(some);
            return Box::new(told.take_while(is_of_family));
        }
        let entries = view.table.range_from(from);
        let told =
            entries.map(move |(prefix, entry)| ((prefix, 0), self.state_of(prefix, entry, view)));
        Box::new(told.take_while(is_of_family))
    }

    pub(crate) fn count(&self, peer: PeerId, family: Family) -> u64 {
        self.counts.of(peer, family)
    }

    /// Drops what was packed: the feed of whoever joins brings it.
    pub(crate) fn forget_messages(&mut self) {
        self.under_policy.get_mut().clear();
        self.pack = Pack::default();
    }

    /// Takes in a member of another group with what it has missed there: it is sent the difference.
    pub(crate) fn take_over(
        &mut self,
        peer: PeerId,
        mut missed: Missed,
        old: &Self,
        view: &View<'_>,
    ) {
        let mut known: BTreeMap<_, bool> = BTreeMap::new();
        let mut differs = |nlri: &Nlri| {
            let (before, now) = (
                old.told_to(peer, *nlri, view),
                self.told_to(peer, *nlri, view),
            );
            let (Some(before), Some(now)) = (&before, &now) else {
                return before.is_some() != now.is_some();
            };
            let family = nlri.0.family();
            let key = |told: &Told| (told.attributes.hot().number, told.source, told.form);
            let sent = || old.sent(before, family) != self.sent(now, family);
            *known
                .entry((family, key(before), key(now)))
                .or_insert_with(sent)
        };
        let table = view.table.prefixes().map(|prefix| (prefix, 0));
        let all = table.chain(old.told.keys()).chain(self.told.keys());
        missed.routes.extend(all.filter(&mut differs));
        self.live.clear();
        self.members.insert(peer);
        self.behind.insert(peer, missed);
    }

    /// Makes the messages about what has changed.
    pub(crate) fn drain(&mut self, out: &mut Output) {
        self.compared = None;
        self.send(out);
        self.under_policy.get_mut().clear();
    }

    /// Makes those for members that are to hear what others know already. Nothing is dirty.
    pub(crate) fn feed_on(&mut self, view: &View<'_>, out: &mut Output) {
        self.catch_up(view, out);
        for number in 0..self.feeds.len() {
            self.feed_chunk(number, view);
            self.send_feed(number, out);
        }
        for feed in &self.feeds {
            if feed.after.is_none() {
                out.fed
                    .extend(feed.members.iter().map(|peer| (*peer, feed.family)));
            }
        }
        self.feeds.retain(|feed| feed.after.is_some());
        self.under_policy.get_mut().clear();
    }

    /// Packs the next part of a feed. Its place is `None` when there is no more.
    fn feed_chunk(&mut self, number: usize, view: &View<'_>) {
        let Some(feed) = self.feeds.get(number) else {
            return;
        };
        let family = feed.family;
        let after = feed.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut pack = Pack::default();
        let mut looked_at = 0;
        let mut last = None;
        for (nlri, told) in self.told_from(family, after, view).take(FEED_CHUNK) {
            looked_at += 1;
            last = Some(nlri);
            if let Some(told) = told {
                pack.announce(nlri, &told, To::but(told.from()));
            }
        }
        self.pack = pack;
        if let Some(feed) = self.feeds.get_mut(number) {
            feed.after = last.filter(|_| looked_at == FEED_CHUNK);
        }
    }

    fn send_feed(&mut self, number: usize, out: &mut Output) {
        let Some(feed) = self.feeds.get(number) else {
            return;
        };
        let members: Arc<[PeerId]> = feed.members.iter().copied().collect();
        self.write(|_| Arc::clone(&members), out);
        // Whoever has had the first part is in the stream from now on.
        self.live.clear();
    }

    fn send(&mut self, out: &mut Output) {
        let pack = core::mem::take(&mut self.pack);
        let (members, behind, feeds) = (&self.members, &self.behind, &self.feeds);
        let live = &mut self.live;
        let of_family = |family| {
            let list = live
                .entry(family)
                .or_insert_with(|| in_stream(family, members, behind, feeds));
            Arc::clone(list)
        };
        let made = |told: &Told, family| sent(&self.key, told, family);
        pack.write(&self.writer, made, of_family, out);
    }

    fn write(&mut self, members: impl FnMut(Family) -> Arc<[PeerId]>, out: &mut Output) {
        let pack = core::mem::take(&mut self.pack);
        let made = |told: &Told, family| sent(&self.key, told, family);
        pack.write(&self.writer, made, members, out);
    }
}

/// Who is in the stream of a family: neither behind nor before the first part of the first feed, which brings all.
fn in_stream(
    family: Family,
    members: &BTreeSet<PeerId>,
    behind: &BTreeMap<PeerId, Missed>,
    feeds: &[Feed],
) -> Arc<[PeerId]> {
    let begins = |feed: &&Feed| feed.family == family && feed.is_first && feed.after.is_none();
    let waits = |peer: &PeerId| {
        let mut feeds = feeds.iter().filter(begins);
        feeds.any(|feed| feed.members.contains(peer))
    };
    let in_stream = |peer: &&PeerId| !behind.contains_key(*peer) && !waits(peer);
    members.iter().filter(in_stream).copied().collect()
}

/// The attributes as a group is sent them.
fn sent(key: &GroupKey, told: &Told, family: Family) -> Option<PathAttributes> {
    match told.form {
        Form::Stored(reflection) => {
            key.attributes(&told.attributes, told.source, family, reflection)
        }
        Form::Sent => Some(told.attributes.unpack()),
    }
}
