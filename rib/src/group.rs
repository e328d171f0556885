// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Update groups: neighbours that are sent the same bytes share one Adj-RIB-Out, one encoder and the messages.
//!
//! A member that does not read leaves the stream; what changed meanwhile is remembered by prefix, and it is fed again
//! from the current state. A new member, a refresh and a member that caught up are all fed the same way.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

use bgp_proto::{Family, Prefix, UpdateWriter};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::{
    Attributes, Output, PeerId, Source,
    attributes::Interner,
    export::GroupKey,
    path::{Entry, Path},
    policy::Memo,
    rib::Around,
};

mod adj_out;
mod pack;
mod several;

pub(crate) use adj_out::{AdjOut, Nlri, Told};
use pack::{Pack, To};
pub use several::PathsSent;

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
    pub(crate) told: AdjOut,
    feeds: Vec<Feed>,
    pack: Pack,
    /// Attribute sets as this group is sent them, by number, family and source, within one drain.
    exported: HashMap<(u64, Family, Source), Option<Attributes>, FixedState>,
    /// The same under a policy that has statements, by number, preference and source.
    under_policy: Memo<(u64, u16, Source), Option<Attributes>>,
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
            feeds: Vec::new(),
            pack: Pack::default(),
            exported: HashMap::with_hasher(FixedState::default()),
            under_policy: Memo::default(),
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
    fn catch_up(&mut self, out: &mut Output) {
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
            let mut pack = Pack::default();
            for nlri in missed.routes {
                match self.told_to(peer, nlri) {
                    Some(told) => pack.announce(nlri, &told.attributes, To::Only(peer)),
                    None => pack.withdraw(nlri, To::Only(peer)),
                }
            }
            let only: Arc<[PeerId]> = Arc::from([peer]);
            pack.write(&self.writer, |_| Arc::clone(&only), out);
            self.live.clear();
            self.resume(peer, missed.feeds);
        }
    }

    /// Tells what is to be told of a prefix now.
    pub(crate) fn update(
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
        let Some(paths) = self.key.paths_sent(family) else {
            let best = entry.best();
            let mut told = best.and_then(|best| self.export(prefix, best, around, interner));
            if told.is_none() && self.key.chooses() {
                PathsSent::default().choose(entry, &around, |path| {
                    told = self.export(prefix, path, around, interner);
                    told.is_some()
                });
            }
            self.tell((prefix, 0), told);
            return;
        };
        let before: Vec<u32> = self.told.identifiers(prefix).collect();
        let mut now: Vec<(u32, Told)> = Vec::new();
        paths.choose(entry, &around, |path| {
            let told = self.export(prefix, path, around, interner);
            let is_told = told.is_some();
            now.extend(told.map(|told| (path.sent_id, told)));
            is_told
        });
        for id in before {
            if now.iter().all(|(told, _)| *told != id) {
                self.tell((prefix, id), None);
            }
        }
        for (id, told) in now {
            self.tell((prefix, id), Some(told));
        }
    }

    /// How the group is told of a path, if it is.
    fn export(
        &mut self,
        prefix: Prefix,
        path: &Path,
        around: Around<'_>,
        interner: &mut Interner,
    ) -> Option<Told> {
        let family = prefix.family();
        let reflection = around.telling(&self.key, path).ok()?;
        let key = (path.attributes.hot().number, family, path.source);
        if self.key.export.has_statements() {
            let facts = around.export_facts(prefix, path, &self.key);
            let key = (key.0, facts.preference, path.source);
            let attributes = self.under_policy.get(key, &facts, |watch| {
                let made = self.key.under_policy(path, &facts, reflection, watch);
                made.map(|attributes| interner.intern(&attributes))
            });
            return Some(Told {
                attributes: attributes?,
                from: path.source.peer(),
            });
        }
        let attributes = self.exported.entry(key).or_insert_with(|| {
            let made = self.key.attributes(path, family, reflection);
            made.map(|attributes| interner.intern(&attributes))
        });
        Some(Told {
            attributes: attributes.clone()?,
            from: path.source.peer(),
        })
    }

    /// Changes what the group is told about a route.
    fn tell(&mut self, nlri: Nlri, new: Option<Told>) {
        let old = self.told.get(nlri).cloned();
        match (&old, &new) {
            (None, None) => return,
            (Some(old), Some(new)) if old.attributes == new.attributes => {
                if old.from == new.from {
                    return;
                }
                // Only the neighbours that it comes from notice.
                self.only(old.from, |pack, to| {
                    pack.announce(nlri, &new.attributes, to);
                });
                self.only(new.from, |pack, to| pack.withdraw(nlri, to));
            }
            (old, Some(new)) => {
                self.pack.announce(nlri, &new.attributes, To::but(new.from));
                if old.as_ref().is_some_and(|old| old.from != new.from) {
                    self.only(new.from, |pack, to| pack.withdraw(nlri, to));
                }
            }
            (Some(old), None) => self.pack.withdraw(nlri, To::but(old.from)),
        }
        for missed in self.behind.values_mut() {
            missed.routes.insert(nlri);
        }
        self.told.set(nlri, new);
    }

    fn only(&mut self, peer: Option<PeerId>, pack: impl FnOnce(&mut Pack, To)) {
        if let Some(peer) = peer.filter(|peer| self.members.contains(peer)) {
            pack(&mut self.pack, To::Only(peer));
        }
    }

    /// Whether a member has been told of a route, and how.
    fn told_to(&self, peer: PeerId, nlri: Nlri) -> Option<&Told> {
        self.told.get(nlri).filter(|told| told.reaches(peer))
    }

    /// Members that have been told of a prefix.
    pub(crate) fn knowing(&self, prefix: Prefix) -> impl Iterator<Item = PeerId> + '_ {
        let knows = move |peer: &PeerId| self.told.of(prefix).any(|told| told.reaches(*peer));
        self.members.iter().copied().filter(knows)
    }

    /// Drops what was packed: the feed of whoever joins brings it.
    pub(crate) fn forget_messages(&mut self) {
        self.exported.clear();
        self.under_policy.clear();
        self.pack = Pack::default();
    }

    /// Takes in a member of another group with what it has missed there: it is sent the difference.
    pub(crate) fn take_over(&mut self, peer: PeerId, mut missed: Missed, old: &Self) {
        let differs = |nlri: &Nlri| {
            let (before, now) = (old.told_to(peer, *nlri), self.told_to(peer, *nlri));
            before.map(|told| &told.attributes) != now.map(|told| &told.attributes)
        };
        let all = old.told.keys().chain(self.told.keys());
        missed.routes.extend(all.filter(differs));
        self.live.clear();
        self.members.insert(peer);
        self.behind.insert(peer, missed);
    }

    /// Makes the messages.
    pub(crate) fn drain(&mut self, out: &mut Output) {
        self.exported.clear();
        self.under_policy.clear();
        self.send(out);
        self.catch_up(out);
        for number in 0..self.feeds.len() {
            self.feed_chunk(number);
            self.send_feed(number, out);
        }
        for feed in &self.feeds {
            if feed.after.is_none() {
                out.fed
                    .extend(feed.members.iter().map(|peer| (*peer, feed.family)));
            }
        }
        self.feeds.retain(|feed| feed.after.is_some());
    }

    /// Packs the next part of a feed. Its place is `None` when there is no more.
    fn feed_chunk(&mut self, number: usize) {
        let Some(feed) = self.feeds.get_mut(number) else {
            return;
        };
        let (pack, family) = (&mut self.pack, feed.family);
        feed.after = if self.key.paths_sent(family).is_some() {
            pack_chunk(pack, family, self.told.several_after(feed.after))
        } else {
            pack_chunk(pack, family, self.told.single_after(feed.after))
        };
    }

    fn send_feed(&mut self, number: usize, out: &mut Output) {
        let Some(feed) = self.feeds.get(number) else {
            return;
        };
        let members: Arc<[PeerId]> = feed.members.iter().copied().collect();
        let pack = core::mem::take(&mut self.pack);
        pack.write(&self.writer, |_| Arc::clone(&members), out);
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
        pack.write(&self.writer, of_family, out);
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

/// Packs the next routes of a family. Returns the last one, if there may be more.
fn pack_chunk<'a>(
    pack: &mut Pack,
    family: Family,
    routes: impl Iterator<Item = (Nlri, &'a Told)>,
) -> Option<Nlri> {
    let mut looked_at = 0;
    let mut last = None;
    for (nlri, told) in routes.take(FEED_CHUNK) {
        looked_at += 1;
        last = Some(nlri);
        if nlri.0.family() == family {
            pack.announce(nlri, &told.attributes, To::but(told.from));
        }
    }
    last.filter(|_| looked_at == FEED_CHUNK)
}
