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

use crate::{Attributes, Output, PeerId, Transmit, export::GroupKey};

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
    announce: BTreeMap<(u64, Family, To), (Option<Attributes>, Vec<Prefix>)>,
    withdraw: BTreeMap<(Family, To), Vec<Prefix>>,
}

/// A walk through the Adj-RIB-Out for the members that need it from the same place.
#[derive(Debug)]
struct Feed {
    family: Family,
    /// The last prefix that was looked at.
    after: Option<Prefix>,
    members: BTreeSet<PeerId>,
}

/// What a member that does not read has missed.
#[derive(Debug, Default)]
struct Missed {
    prefixes: BTreeSet<Prefix>,
    /// Feeds that it was in.
    feeds: Vec<(Family, Option<Prefix>)>,
}

/// An update group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: GroupKey,
    writer: UpdateWriter,
    members: BTreeSet<PeerId>,
    congested: BTreeMap<PeerId, Missed>,
    pub(crate) told: BTreeMap<Prefix, Told>,
    /// Prefixes told, by family and by where they come from.
    counts: BTreeMap<(Family, Option<PeerId>), u64>,
    feeds: Vec<Feed>,
    pack: Pack,
}

impl Group {
    pub(crate) fn new(key: GroupKey) -> Self {
        Self {
            writer: UpdateWriter::new(&key.negotiated),
            key,
            members: BTreeSet::new(),
            congested: BTreeMap::new(),
            told: BTreeMap::new(),
            counts: BTreeMap::new(),
            feeds: Vec::new(),
            pack: Pack::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn has(&self, peer: PeerId) -> bool {
        self.members.contains(&peer)
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.feeds.is_empty()
    }

    /// Adds a neighbour; it is fed everything of every family.
    pub(crate) fn join(&mut self, peer: PeerId) {
        self.members.insert(peer);
        let families: Vec<Family> = self.key.negotiated.families().collect();
        for family in families {
            self.feed(peer, family, None);
        }
    }

    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.members.remove(&peer);
        self.congested.remove(&peer);
        for feed in &mut self.feeds {
            feed.members.remove(&peer);
        }
        self.feeds.retain(|feed| !feed.members.is_empty());
    }

    /// Sends one neighbour everything of a family again.
    pub(crate) fn refresh(&mut self, peer: PeerId, family: Family) {
        if !self.key.has_family(family) {
            return;
        }
        match self.congested.get_mut(&peer) {
            Some(missed) => missed.feeds.push((family, None)),
            None => {
                for feed in &mut self.feeds {
                    if feed.family == family {
                        feed.members.remove(&peer);
                    }
                }
                self.feed(peer, family, None);
            }
        }
    }

    fn feed(&mut self, peer: PeerId, family: Family, after: Option<Prefix>) {
        match self
            .feeds
            .iter_mut()
            .find(|feed| feed.family == family && feed.after == after)
        {
            Some(feed) => {
                feed.members.insert(peer);
            }
            None => self.feeds.push(Feed {
                family,
                after,
                members: BTreeSet::from([peer]),
            }),
        }
    }

    pub(crate) fn congest(&mut self, peer: PeerId) {
        if !self.members.contains(&peer) {
            return;
        }
        let missed = self.congested.entry(peer).or_default();
        for feed in &mut self.feeds {
            if feed.members.remove(&peer) {
                missed.feeds.push((feed.family, feed.after));
            }
        }
        self.feeds.retain(|feed| !feed.members.is_empty());
    }

    pub(crate) fn drained(&mut self, peer: PeerId) {
        let Some(missed) = self.congested.remove(&peer) else {
            return;
        };
        for prefix in missed.prefixes {
            match self.told.get(&prefix).filter(|told| told.reaches(peer)) {
                Some(told) => self.pack.announce(prefix, &told.attributes, To::Only(peer)),
                None => self.pack.withdraw(prefix, To::Only(peer)),
            }
        }
        for (family, after) in missed.feeds {
            self.feed(peer, family, after);
        }
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
                    pack.announce(prefix, &new.attributes, to)
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
        for missed in self.congested.values_mut() {
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
        self.pack = Pack::default();
    }

    /// Takes back what a member has been told and is not told in its new group.
    pub(crate) fn hand_over(&self, peer: PeerId, to: &mut Self) {
        for (prefix, told) in &self.told {
            if told.reaches(peer) && to.told_to(peer, *prefix).is_none() {
                to.pack.withdraw(*prefix, To::Only(peer));
            }
        }
    }

    /// Makes the messages.
    pub(crate) fn drain(&mut self, out: &mut Output) {
        self.send(out);
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
        let members = feed.members.clone();
        let pack = core::mem::take(&mut self.pack);
        self.write(pack, &members, out);
    }

    fn send(&mut self, out: &mut Output) {
        let pack = core::mem::take(&mut self.pack);
        let live = self
            .members
            .iter()
            .copied()
            .filter(|peer| !self.congested.contains_key(peer))
            .collect();
        self.write(pack, &live, out);
    }

    fn write(&mut self, pack: Pack, members: &BTreeSet<PeerId>, out: &mut Output) {
        for ((family, to), prefixes) in pack.withdraw {
            let peers = resolve(to, members);
            if !peers.is_empty() {
                let prefixes = prefixes.into_iter().map(|prefix| (0, prefix));
                self.writer.withdraw(family, prefixes, |message| {
                    out.transmit.push(Transmit {
                        peers: peers.clone(),
                        message,
                    })
                });
            }
        }
        for ((_, family, to), (attributes, prefixes)) in pack.announce {
            let (peers, Some(attributes)) = (resolve(to, members), attributes) else {
                continue;
            };
            if peers.is_empty() {
                continue;
            }
            let list = prefixes.iter().map(|prefix| (0, *prefix));
            let sent = self.writer.announce(&attributes, family, list, |message| {
                out.transmit.push(Transmit {
                    peers: peers.clone(),
                    message,
                });
            });
            if sent.is_err() {
                // Others keep it; these had something older, or nothing.
                out.too_large += prefixes.len() as u64;
                let list = prefixes.iter().map(|prefix| (0, *prefix));
                self.writer.withdraw(family, list, |message| {
                    out.transmit.push(Transmit {
                        peers: peers.clone(),
                        message,
                    })
                });
            }
        }
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

fn resolve(to: To, members: &BTreeSet<PeerId>) -> Arc<[PeerId]> {
    match to {
        To::All => members.iter().copied().collect(),
        To::AllBut(peer) => members
            .iter()
            .copied()
            .filter(|member| *member != peer)
            .collect(),
        To::Only(peer) => members
            .iter()
            .copied()
            .filter(|member| *member == peer)
            .collect(),
    }
}
