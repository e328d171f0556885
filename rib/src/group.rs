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
    Attributes, Output, PeerId, Recipients, Source, Transmit, attributes::Interner,
    export::GroupKey, path::Path, policy::Memo, rib::Around,
};

/// Prefixes that one feed looks at in one drain.
const FEED_CHUNK: usize = 4096;

/// What the group has been told about a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) attributes: Attributes,
    /// The neighbour it comes from, if that is one: it is not told.
    pub(crate) from: Option<PeerId>,
}

impl Told {
    fn reaches(&self, peer: PeerId) -> bool {
        self.from != Some(peer)
    }
}

/// Who gets a message.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum To {
    All,
    AllBut(PeerId),
    Only(PeerId),
}

/// Messages in the making: prefixes by what they share.
#[derive(Debug, Default)]
struct Pack {
    announce: Announcements,
    withdraw: BTreeMap<(Family, To), Vec<Prefix>>,
}

/// A walk through the Adj-RIB-Out for the members that need it from the same place.
#[derive(Debug)]
struct Feed {
    family: Family,
    /// The last prefix that was looked at.
    after: Option<Prefix>,
    /// Its members have not been told anything of the family yet.
    is_first: bool,
    members: BTreeSet<PeerId>,
}

/// What a member that is not in the stream has missed.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    prefixes: BTreeSet<Prefix>,
    /// Feeds that it was in.
    feeds: Vec<(Family, Option<Prefix>)>,
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
    pub(crate) told: BTreeMap<Prefix, Told>,
    /// Prefixes told, by family and by where they come from.
    counts: BTreeMap<(Family, Option<PeerId>), u64>,
    feeds: Vec<Feed>,
    pack: Pack,
    /// Attribute sets as this group is sent them, by number, family and source, within one drain.
    exported: HashMap<(u64, Family, Source), Option<Attributes>, FixedState>,
    /// The same under a policy that has statements, by number, preference and source.
    under_policy: Memo<(u64, u16, Source), Option<Attributes>>,
    /// Who is in the stream of a family; empty when that has to be found anew.
    live: BTreeMap<Family, Arc<[PeerId]>>,
}

/// Prefixes by what their messages share: the attributes, by number, and the recipients.
type Announcements = BTreeMap<(u64, Family, To), (Option<Attributes>, Vec<Prefix>)>;

impl Group {
    pub(crate) fn new(key: GroupKey) -> Self {
        Self {
            writer: UpdateWriter::new(&key.negotiated),
            key,
            members: BTreeSet::new(),
            behind: BTreeMap::new(),
            told: BTreeMap::new(),
            counts: BTreeMap::new(),
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

    fn resume(&mut self, peer: PeerId, feeds: Vec<(Family, Option<Prefix>)>) {
        for (family, after) in feeds {
            self.feed(peer, family, after, false);
        }
    }

    fn feed(&mut self, peer: PeerId, family: Family, after: Option<Prefix>, is_first: bool) {
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
            for prefix in missed.prefixes {
                match self.told_to(peer, prefix) {
                    Some(told) => pack.announce(prefix, &told.attributes, To::Only(peer)),
                    None => pack.withdraw(prefix, To::Only(peer)),
                }
            }
            let only: Arc<[PeerId]> = Arc::from([peer]);
            self.write(pack, |_, _| Arc::clone(&only), out);
            self.live.clear();
            self.resume(peer, missed.feeds);
        }
    }

    /// What the group is to be told of a prefix with this best path.
    pub(crate) fn export(
        &mut self,
        prefix: Prefix,
        best: Option<&Path>,
        around: Around<'_>,
        interner: &mut Interner,
    ) -> Option<Told> {
        let family = prefix.family();
        let best = best.filter(|_| self.key.has_family(family))?;
        let reflection = around.telling(&self.key, best).ok()?;
        let key = (best.attributes.0.number, family, best.source);
        if self.key.export.has_statements() {
            let facts = around.export_facts(prefix, best, &self.key);
            let key = (key.0, facts.preference, best.source);
            let attributes = self.under_policy.get(key, &facts, |watch| {
                let made = self.key.under_policy(best, &facts, reflection, watch);
                made.map(|attributes| interner.intern(attributes))
            });
            return Some(Told {
                attributes: attributes?,
                from: best.source.peer(),
            });
        }
        let attributes = self.exported.entry(key).or_insert_with(|| {
            let made = self.key.attributes(best, family, reflection);
            made.map(|attributes| interner.intern(attributes))
        });
        Some(Told {
            attributes: attributes.clone()?,
            from: best.source.peer(),
        })
    }

    /// Changes what the group is told about a prefix.
    pub(crate) fn tell(&mut self, prefix: Prefix, new: Option<Told>) {
        let old = self.told.get(&prefix).cloned();
        match (&old, &new) {
            (None, None) => return,
            (Some(old), Some(new)) if old.attributes == new.attributes => {
                if old.from == new.from {
                    return;
                }
                // Only the neighbours that it comes from notice.
                self.only(old.from, |pack, to| {
                    pack.announce(prefix, &new.attributes, to);
                });
                self.only(new.from, |pack, to| pack.withdraw(prefix, to));
            }
            (old, Some(new)) => {
                self.pack.announce(prefix, &new.attributes, but(new.from));
                if old.as_ref().is_some_and(|old| old.from != new.from) {
                    self.only(new.from, |pack, to| pack.withdraw(prefix, to));
                }
            }
            (Some(old), None) => self.pack.withdraw(prefix, but(old.from)),
        }
        for missed in self.behind.values_mut() {
            missed.prefixes.insert(prefix);
        }
        self.count(prefix, old.as_ref(), new.as_ref());
        match new {
            Some(new) => self.told.insert(prefix, new),
            None => self.told.remove(&prefix),
        };
    }

    fn only(&mut self, peer: Option<PeerId>, pack: impl FnOnce(&mut Pack, To)) {
        if let Some(peer) = peer.filter(|peer| self.members.contains(peer)) {
            pack(&mut self.pack, To::Only(peer));
        }
    }

    fn count(&mut self, prefix: Prefix, old: Option<&Told>, new: Option<&Told>) {
        let family = prefix.family();
        if let Some(old) = old
            && let Some(count) = self.counts.get_mut(&(family, old.from))
        {
            *count -= 1;
        }
        if let Some(new) = new {
            *self.counts.entry((family, new.from)).or_default() += 1;
        }
    }

    /// Prefixes of a family that a member has been told.
    pub(crate) fn advertised(&self, peer: PeerId, family: Family) -> u64 {
        let all = self
            .counts
            .iter()
            .filter(|((known, from), _)| *known == family && *from != Some(peer));
        all.map(|(_, count)| count).sum()
    }

    /// Whether a member has been told of a prefix, and how.
    pub(crate) fn told_to(&self, peer: PeerId, prefix: Prefix) -> Option<&Told> {
        self.told.get(&prefix).filter(|told| told.reaches(peer))
    }

    /// Drops what was packed: the feed of whoever joins brings it.
    pub(crate) fn forget_messages(&mut self) {
        self.exported.clear();
        self.under_policy.clear();
        self.pack = Pack::default();
    }

    /// Takes in a member of another group with what it has missed there: it is sent the difference.
    pub(crate) fn take_over(&mut self, peer: PeerId, mut missed: Missed, old: &Self) {
        let differs = |prefix: &Prefix| {
            let (before, now) = (old.told_to(peer, *prefix), self.told_to(peer, *prefix));
            before.map(|told| &told.attributes) != now.map(|told| &told.attributes)
        };
        let all = old.told.keys().chain(self.told.keys()).copied();
        missed.prefixes.extend(all.filter(differs));
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
        let from = feed
            .after
            .map_or(core::ops::Bound::Unbounded, core::ops::Bound::Excluded);
        let mut looked_at = 0;
        let mut last = None;
        for (prefix, told) in self
            .told
            .range((from, core::ops::Bound::Unbounded))
            .take(FEED_CHUNK)
        {
            looked_at += 1;
            last = Some(*prefix);
            if prefix.family() == feed.family {
                self.pack
                    .announce(*prefix, &told.attributes, but(told.from));
            }
        }
        feed.after = if looked_at == FEED_CHUNK { last } else { None };
    }

    fn send_feed(&mut self, number: usize, out: &mut Output) {
        let Some(feed) = self.feeds.get(number) else {
            return;
        };
        let members: Arc<[PeerId]> = feed.members.iter().copied().collect();
        let pack = core::mem::take(&mut self.pack);
        self.write(pack, |_, _| Arc::clone(&members), out);
        // Whoever has had the first part is in the stream from now on.
        self.live.clear();
    }

    fn send(&mut self, out: &mut Output) {
        let pack = core::mem::take(&mut self.pack);
        self.write(pack, Self::live, out);
    }

    /// Who is in the stream of a family: neither behind nor before the first part of the first feed, which brings all.
    fn live(&mut self, family: Family) -> Arc<[PeerId]> {
        if let Some(live) = self.live.get(&family) {
            return Arc::clone(live);
        }
        let begins = |feed: &&Feed| feed.family == family && feed.is_first && feed.after.is_none();
        let waits = |peer: &PeerId| {
            let mut feeds = self.feeds.iter().filter(begins);
            feeds.any(|feed| feed.members.contains(peer))
        };
        let in_stream = |peer: &&PeerId| !self.behind.contains_key(*peer) && !waits(peer);
        let live: Arc<[PeerId]> = self.members.iter().filter(in_stream).copied().collect();
        self.live.insert(family, Arc::clone(&live));
        live
    }

    fn write(
        &mut self,
        pack: Pack,
        members: impl Fn(&mut Self, Family) -> Arc<[PeerId]>,
        out: &mut Output,
    ) {
        for ((family, to), prefixes) in pack.withdraw {
            let members = members(self, family);
            self.write_withdrawals(family, &prefixes, &to.resolve(&members), out);
        }
        for ((_, family, to), (attributes, prefixes)) in pack.announce {
            let members = members(self, family);
            let (recipients, Some(attributes)) = (to.resolve(&members), attributes) else {
                continue;
            };
            if recipients.is_empty() {
                continue;
            }
            let list = prefixes.iter().map(|prefix| (0, *prefix));
            let sent = self.writer.announce(&attributes, family, list, |message| {
                out.transmit.push(Transmit {
                    recipients: recipients.clone(),
                    message,
                });
            });
            if sent.is_err() {
                // Others keep it; these had something older, or nothing.
                out.too_large += prefixes.len() as u64;
                self.write_withdrawals(family, &prefixes, &recipients, out);
            }
        }
    }

    fn write_withdrawals(
        &self,
        family: Family,
        prefixes: &[Prefix],
        to: &Recipients,
        out: &mut Output,
    ) {
        if to.is_empty() {
            return;
        }
        let list = prefixes.iter().map(|prefix| (0, *prefix));
        self.writer.withdraw(family, list, |message| {
            out.transmit.push(Transmit {
                recipients: to.clone(),
                message,
            });
        });
    }
}

impl Pack {
    fn announce(&mut self, prefix: Prefix, attributes: &Attributes, to: To) {
        let (set, prefixes) = self
            .announce
            .entry((attributes.0.number, prefix.family(), to))
            .or_default();
        set.get_or_insert_with(|| attributes.clone());
        prefixes.push(prefix);
    }

    fn withdraw(&mut self, prefix: Prefix, to: To) {
        self.withdraw
            .entry((prefix.family(), to))
            .or_default()
            .push(prefix);
    }
}

fn but(from: Option<PeerId>) -> To {
    from.map_or(To::All, To::AllBut)
}

impl To {
    fn resolve(self, members: &Arc<[PeerId]>) -> Recipients {
        match self {
            Self::All => Recipients::new(Arc::clone(members), None),
            Self::AllBut(peer) => Recipients::new(Arc::clone(members), Some(peer)),
            Self::Only(peer) if members.binary_search(&peer).is_ok() => {
                Recipients::new(Arc::from([peer]), None)
            }
            Self::Only(_) => Recipients::default(),
        }
    }
}
