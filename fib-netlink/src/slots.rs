// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where slots are kept: found by prefix, and by what is desired there.
//!
//! Slots lie in one array, and an index of four octets each finds them by prefix: a map that held them itself would leave up
//! to half of its room empty. Slots that desire the same are a list through that array.

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use ipnetwork::IpNetwork;

use crate::table::Slot;
use crate::wants::WantId;

#[derive(Debug, Default)]
pub(crate) struct Slots {
    places: Vec<Place>,
    /// The first of the places that are free; they are a list by `next`.
    free: Link,
    index: HashTable<At>,
    hasher: RandomState,
    /// The first place of those that desire the same, by the name of what they desire.
    first: Vec<Link>,
    /// How many slots were looked at.
    #[cfg(test)]
    pub(crate) looked_at: std::sync::atomic::AtomicUsize,
}

/// A place in the array, counted from one: so that "none" needs no more room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct At(NonZeroU32);

type Link = Option<At>;

#[derive(Debug)]
struct Place {
    prefix: IpNetwork,
    taken: bool,
    before: Link,
    next: Link,
    slot: Slot,
}

impl At {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    fn of(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("fewer than 2^32 slots fit in memory"))
    }
}

impl Slots {
    fn find(&self, prefix: &IpNetwork) -> Link {
        self.note_look();
        let hash = self.hasher.hash_one(prefix);
        let same = |at: &At| self.places[at.index()].prefix == *prefix;
        self.index.find(hash, same).copied()
    }

    pub(crate) fn get(&self, prefix: &IpNetwork) -> Option<&Slot> {
        self.find(prefix).map(|at| &self.places[at.index()].slot)
    }

    pub(crate) fn get_mut(&mut self, prefix: &IpNetwork) -> Option<&mut Slot> {
        let at = self.find(prefix)?;
        Some(&mut self.places[at.index()].slot)
    }

    /// The slot of a prefix, made if there is none.
    pub(crate) fn entry(&mut self, prefix: IpNetwork) -> &mut Slot {
        let at = self.find_or_make(prefix);
        &mut self.places[at.index()].slot
    }

    fn find_or_make(&mut self, prefix: IpNetwork) -> At {
        if let Some(at) = self.find(&prefix) {
            return at;
        }
        let place = Place {
            prefix,
            taken: true,
            before: None,
            next: None,
            slot: Slot::default(),
        };
        let at = if let Some(at) = self.free {
            self.free = self.places[at.index()].next;
            self.places[at.index()] = place;
            at
        } else {
            self.places.push(place);
            At::of(self.places.len() - 1)
        };
        let (places, hasher) = (&self.places, &self.hasher);
        let hash = |at: &At| hasher.hash_one(places[at.index()].prefix);
        self.index.insert_unique(hash(&at), at, hash);
        at
    }

    /// Forgets a slot.
    pub(crate) fn remove(&mut self, prefix: &IpNetwork) {
        let hash = self.hasher.hash_one(prefix);
        let places = &self.places;
        let same = |at: &At| places[at.index()].prefix == *prefix;
        let Ok(entry) = self.index.find_entry(hash, same) else {
            return;
        };
        let (at, _) = entry.remove();
        self.unlink(at);
        let free = self.free.replace(at);
        let place = &mut self.places[at.index()];
        place.taken = false;
        place.next = free;
        place.slot = Slot::default();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpNetwork, &Slot)> {
        let taken = self.places.iter().filter(|place| place.taken);
        taken.map(|place| {
            self.note_look();
            (&place.prefix, &place.slot)
        })
    }

    /// Changes what is desired for a prefix. Returns what was.
    pub(crate) fn desire(&mut self, prefix: IpNetwork, wanted: Option<WantId>) -> Option<WantId> {
        let at = self.find_or_make(prefix);
        let before = self.places[at.index()].slot.wanted;
        if before == wanted {
            return before;
        }
        self.unlink(at);
        self.places[at.index()].slot.wanted = wanted;
        if let Some(id) = wanted {
            if self.first.len() <= id.index() {
                self.first.resize(id.index() + 1, None);
            }
            let next = self.first[id.index()].replace(at);
            self.places[at.index()].next = next;
            if let Some(next) = next {
                self.places[next.index()].before = Some(at);
            }
        }
        before
    }

    /// Takes a slot out of the list of those that desire the same.
    fn unlink(&mut self, at: At) {
        let place = &mut self.places[at.index()];
        let (before, next) = (place.before.take(), place.next.take());
        let Some(wanted) = place.slot.wanted.take() else {
            return;
        };
        match before {
            Some(before) => self.places[before.index()].next = next,
            None => self.first[wanted.index()] = next,
        }
        if let Some(next) = next {
            self.places[next.index()].before = before;
        }
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests count"))]
    fn note_look(&self) {
        #[cfg(test)]
        self.looked_at
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// The prefixes for which this is desired, in no order that means anything.
    pub(crate) fn that_want(&self, id: WantId) -> impl Iterator<Item = IpNetwork> {
        let mut next = self.first.get(id.index()).copied().flatten();
        std::iter::from_fn(move || {
            let place = &self.places[next?.index()];
            next = place.next;
            Some(place.prefix)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn prefix(n: u8) -> IpNetwork {
        format!("10.0.{n}.0/24").parse().unwrap()
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
                    slots.remove(&prefix(n));
                    model.remove(&prefix(n));
                } else {
                    let before = slots.desire(prefix(n), wanted.map(WantId::of));
                    let expected = model.insert(prefix(n), wanted).flatten();
                    prop_assert_eq!(before, expected.map(WantId::of));
                }
            }
            let there: BTreeMap<_, _> = slots.iter().map(|(prefix, slot)| (*prefix, slot.wanted)).collect();
            let expected = model.iter().map(|(prefix, wanted)| (*prefix, wanted.map(WantId::of)));
            prop_assert_eq!(there, expected.collect::<BTreeMap<_, _>>());
            for id in 0..4 {
                let found: Vec<_> = slots.that_want(WantId::of(id)).collect();
                let wanting = model.iter().filter(|(_, wanted)| **wanted == Some(id));
                let expected: BTreeSet<_> = wanting.map(|(prefix, _)| *prefix).collect();
                prop_assert_eq!(found.len(), expected.len());
                prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
            }
        }
    }

    #[test]
    fn a_slot_of_one_route_takes_80_octets() {
        assert!(size_of::<Place>() <= 80, "{}", size_of::<Place>());
    }
}
