// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where slots are kept: found by prefix, and by what is desired there.
//!
//! Slots of a family lie in pages, and an index of four octets each finds them by prefix: a map that held them itself would
//! leave up to half of its room empty, and so would an array that doubles. Slots that desire the same are a list through them.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use ipnetwork::IpNetwork;

use crate::table::Slot;
use crate::wants::WantId;

#[derive(Debug, Default)]
pub(crate) struct Slots {
    v4: Family<u32>,
    v6: Family<[u8; 16]>,
    /// The first place of those that desire the same, by the name of what they desire.
    first: Vec<Link>,
    /// How many slots were looked at.
    #[cfg(test)]
    pub(crate) looked_at: std::sync::atomic::AtomicUsize,
}

/// A slot's place: its number in its family counted from one, so that "none" needs no more room, and a bit for IPv6.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct At(NonZeroU32);

type Link = Option<At>;

#[derive(Debug)]
struct Family<A> {
    pages: Vec<Vec<Place<A>>>,
    /// The first of the places that are free; they are a list by `next`.
    free: Link,
    index: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Place<A> {
    address: A,
    before: Link,
    next: Link,
    slot: Slot,
}

/// An address as it is kept.
trait Address: Copy + Debug + Eq + Hash {
    /// Set in the number of a place of the family.
    const BIT: u32;

    fn to_ip(self) -> IpAddr;
}

impl Address for u32 {
    const BIT: u32 = 0;

    fn to_ip(self) -> IpAddr {
        Ipv4Addr::from(self).into()
    }
}

impl Address for [u8; 16] {
    const BIT: u32 = V6;

    fn to_ip(self) -> IpAddr {
        Ipv6Addr::from(self).into()
    }
}

const V6: u32 = 1 << 31;

/// Places of a page.
const PAGE: usize = 1024;

impl At {
    fn index(self) -> usize {
        (self.0.get() & !V6) as usize - 1
    }

    pub(crate) fn is_v6(self) -> bool {
        self.0.get() & V6 != 0
    }

    fn of<A: Address>(index: usize) -> Self {
        let number = u32::try_from(index + 1)
            .ok()
            .filter(|number| number & V6 == 0);
        let number = number.and_then(|number| NonZeroU32::new(number | A::BIT));
        Self(number.expect("fewer than 2^31 slots fit in memory"))
    }
}

impl<A> Default for Family<A> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            free: None,
            index: HashTable::default(),
            hasher: RandomState::default(),
        }
    }
}

impl<A: Address> Family<A> {
    fn place(&self, index: usize) -> &Place<A> {
        &self.pages[index / PAGE][index % PAGE]
    }

    fn place_mut(&mut self, index: usize) -> &mut Place<A> {
        &mut self.pages[index / PAGE][index % PAGE]
    }

    fn find(&self, key: (A, u8)) -> Link {
        let hash = self.hasher.hash_one(key);
        let same = |at: &u32| self.place(*at as usize).key() == key;
        let found = self.index.find(hash, same)?;
        Some(At::of::<A>(*found as usize))
    }

    fn find_or_make(&mut self, key: (A, u8)) -> At {
        if let Some(at) = self.find(key) {
            return at;
        }
        let place = Place {
            address: key.0,
            before: None,
            next: None,
            slot: Slot::of(key.1),
        };
        let index = if let Some(at) = self.free {
            self.free = self.place(at.index()).next;
            *self.place_mut(at.index()) = place;
            at.index()
        } else {
            match self.pages.last_mut() {
                Some(page) if page.len() < PAGE => page.push(place),
                _ => {
                    let mut page = Vec::with_capacity(PAGE);
                    page.push(place);
                    self.pages.push(page);
                }
            }
            let full = self.pages.len().saturating_sub(1) * PAGE;
            full + self.pages.last().map_or(0, Vec::len) - 1
        };
        let at = At::of::<A>(index);
        let (pages, hasher) = (&self.pages, &self.hasher);
        let hash = |at: &u32| {
            let index = *at as usize;
            hasher.hash_one(pages[index / PAGE][index % PAGE].key())
        };
        let number = u32::try_from(index).expect("At::of has checked it");
        self.index.insert_unique(hash(&number), number, hash);
        at
    }

    fn remove(&mut self, at: At) {
        let hash = self.hasher.hash_one(self.place(at.index()).key());
        if let Ok(entry) = self
            .index
            .find_entry(hash, |other| *other as usize == at.index())
        {
            entry.remove();
            let free = self.free.replace(at);
            let place = self.place_mut(at.index());
            place.next = free;
            place.slot = Slot::default();
        }
    }

    fn taken(&self) -> impl Iterator<Item = (At, &Place<A>)> {
        let all = self.pages.iter().flatten().enumerate();
        let taken = all.filter(|(_, place)| place.slot.is_taken());
        taken.map(|(index, place)| (At::of::<A>(index), place))
    }
}

impl<A: Address> Place<A> {
    fn key(&self) -> (A, u8) {
        (self.address, self.slot.length)
    }

    fn prefix(&self) -> IpNetwork {
        let address = self.address.to_ip();
        // Never refused: it was a prefix once.
        IpNetwork::new(address, self.slot.length).unwrap_or_else(|_| address.into())
    }
}

impl Slots {
    pub(crate) fn find(&self, prefix: &IpNetwork) -> Option<At> {
        self.note_look();
        match prefix {
            IpNetwork::V4(prefix) => self.v4.find((prefix.ip().into(), prefix.prefix())),
            IpNetwork::V6(prefix) => self.v6.find((prefix.ip().octets(), prefix.prefix())),
        }
    }

    pub(crate) fn at(&self, at: At) -> &Slot {
        if at.is_v6() {
            &self.v6.place(at.index()).slot
        } else {
            &self.v4.place(at.index()).slot
        }
    }

    pub(crate) fn at_mut(&mut self, at: At) -> &mut Slot {
        self.note_look();
        if at.is_v6() {
            &mut self.v6.place_mut(at.index()).slot
        } else {
            &mut self.v4.place_mut(at.index()).slot
        }
    }

    pub(crate) fn prefix(&self, at: At) -> IpNetwork {
        if at.is_v6() {
            self.v6.place(at.index()).prefix()
        } else {
            self.v4.place(at.index()).prefix()
        }
    }

    /// The place of a prefix, made if there is none.
    pub(crate) fn entry(&mut self, prefix: &IpNetwork) -> At {
        self.note_look();
        match prefix {
            IpNetwork::V4(prefix) => self.v4.find_or_make((prefix.ip().into(), prefix.prefix())),
            IpNetwork::V6(prefix) => self
                .v6
                .find_or_make((prefix.ip().octets(), prefix.prefix())),
        }
    }

    /// Forgets a slot.
    pub(crate) fn remove(&mut self, at: At) {
        self.unlink(at);
        if at.is_v6() {
            self.v6.remove(at);
        } else {
            self.v4.remove(at);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (At, &Slot)> {
        let v4 = self.v4.taken().map(|(at, place)| (at, &place.slot));
        let v6 = self.v6.taken().map(|(at, place)| (at, &place.slot));
        v4.chain(v6).inspect(|_| self.note_look())
    }

    fn link(&mut self, at: At) -> (&mut Link, &mut Link) {
        if at.is_v6() {
            let place = self.v6.place_mut(at.index());
            (&mut place.before, &mut place.next)
        } else {
            let place = self.v4.place_mut(at.index());
            (&mut place.before, &mut place.next)
        }
    }

    /// Changes what is desired at a place. Returns what was.
    pub(crate) fn desire(&mut self, at: At, wanted: Option<WantId>) -> Option<WantId> {
        let before = self.at(at).wanted;
        if before == wanted {
            return before;
        }
        self.unlink(at);
        self.at_mut(at).wanted = wanted;
        if let Some(id) = wanted {
            if self.first.len() <= id.index() {
                self.first.resize(id.index() + 1, None);
            }
            let next = self.first[id.index()].replace(at);
            *self.link(at).1 = next;
            if let Some(next) = next {
                *self.link(next).0 = Some(at);
            }
        }
        before
    }

    /// Takes a slot out of the list of those that desire the same.
    fn unlink(&mut self, at: At) {
        let (before, next) = self.link(at);
        let (before, next) = (before.take(), next.take());
        let Some(wanted) = self.at_mut(at).wanted.take() else {
            return;
        };
        match before {
            Some(before) => *self.link(before).1 = next,
            None => self.first[wanted.index()] = next,
        }
        if let Some(next) = next {
            *self.link(next).0 = before;
        }
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests count"))]
    fn note_look(&self) {
        #[cfg(test)]
        self.looked_at
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// The places where this is desired, in no order that means anything.
    pub(crate) fn that_want(&self, id: WantId) -> impl Iterator<Item = At> {
        let mut next = self.first.get(id.index()).copied().flatten();
        std::iter::from_fn(move || {
            let at = next?;
            next = if at.is_v6() {
                self.v6.place(at.index()).next
            } else {
                self.v4.place(at.index()).next
            };
            Some(at)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn prefix(n: u8) -> IpNetwork {
        let text = if n < 6 {
            format!("10.0.{n}.0/24")
        } else {
            format!("fd00:{n}::/32")
        };
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn what_wants_the_same_is_found_whatever_was_changed_before(
            changes in proptest::collection::vec((0..12u8, proptest::option::of(0..4u32), any::<bool>()), 0..80)
        ) {
            let mut slots = Slots::default();
            let mut model = BTreeMap::<IpNetwork, Option<u32>>::new();
            for (n, wanted, removed) in changes {
                if removed {
                    if let Some(at) = slots.find(&prefix(n)) {
                        slots.remove(at);
                    }
                    model.remove(&prefix(n));
                } else {
                    let at = slots.entry(&prefix(n));
                    let before = slots.desire(at, wanted.map(WantId::of));
                    let expected = model.insert(prefix(n), wanted).flatten();
                    prop_assert_eq!(before, expected.map(WantId::of));
                }
            }
            let there: BTreeMap<_, _> = slots.iter().map(|(at, slot)| (slots.prefix(at), slot.wanted)).collect();
            let expected = model.iter().map(|(prefix, wanted)| (*prefix, wanted.map(WantId::of)));
            prop_assert_eq!(there, expected.collect::<BTreeMap<_, _>>());
            for id in 0..4 {
                let found: Vec<_> = slots.that_want(WantId::of(id)).map(|at| slots.prefix(at)).collect();
                let wanting = model.iter().filter(|(_, wanted)| **wanted == Some(id));
                let expected: BTreeSet<_> = wanting.map(|(prefix, _)| *prefix).collect();
                prop_assert_eq!(found.len(), expected.len());
                prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
            }
        }
    }

    #[test]
    fn a_slot_takes_24_octets_and_36_with_an_ipv6_prefix() {
        assert_eq!(size_of::<Place<u32>>(), 24);
        assert_eq!(size_of::<Place<[u8; 16]>>(), 36);
    }
}
