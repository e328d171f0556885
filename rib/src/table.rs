// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The prefixes with their paths, sorted. Entries stay where they are, in pages; sorted is only a small index of each
//! family.

mod index;

use alloc::vec::Vec;
use core::ops::Bound;

use bgp_proto::{Ipv4Prefix, Ipv6Prefix, Prefix};

use self::index::Index;
use crate::{PeerId, Source, path::Entry};

/// Where an entry is, as long as its prefix is in the table. Octets, so that beside a prefix there is no gap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place([u8; 4]);

impl Place {
    fn new(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX).to_ne_bytes())
    }

    /// Prefixes that came together are on the same one.
    pub(crate) fn page(self) -> usize {
        self.number() / PAGE
    }

    fn number(self) -> usize {
        u32::from_ne_bytes(self.0) as usize
    }
}

/// All prefixes and their entries.
#[derive(Debug, Default)]
pub(crate) struct Table {
    v4: Index<Ipv4Prefix>,
    v6: Index<Ipv6Prefix>,
    entries: Entries,
}

impl Table {
    pub(crate) fn get(&self, prefix: Prefix) -> Option<&Entry> {
        self.entries.get(self.place(prefix)?)
    }

    pub(crate) fn get_mut(&mut self, prefix: Prefix) -> Option<(Place, &mut Entry)> {
        let place = self.place(prefix)?;
        Some((place, self.entries.get_mut(place)?))
    }

    /// The entry of a prefix for a path of this source, a new one if there is none.
    pub(crate) fn entry(&mut self, prefix: Prefix, source: Source) -> Option<(Place, &mut Entry)> {
        let add = || self.entries.add();
        let place = match prefix {
            Prefix::V4(prefix) => self.v4.get_or_insert(prefix, source.peer(), add),
            Prefix::V6(prefix) => self.v6.get_or_insert(prefix, source.peer(), add),
        };
        Some((place, self.entries.get_mut(place)?))
    }

    pub(crate) fn at_mut(&mut self, place: Place) -> Option<&mut Entry> {
        self.entries.get_mut(place)
    }

    pub(crate) fn remove(&mut self, prefix: Prefix) {
        let place = match prefix {
            Prefix::V4(prefix) => self.v4.remove(prefix),
            Prefix::V6(prefix) => self.v6.remove(prefix),
        };
        if let Some(place) = place {
            self.entries.remove(place);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Prefix, &Entry)> + '_ {
        self.range_from(Bound::Unbounded)
    }

    pub(crate) fn prefixes(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.iter().map(|(prefix, _)| prefix)
    }

    /// From here on.
    pub(crate) fn range_from(
        &self,
        from: Bound<Prefix>,
    ) -> impl Iterator<Item = (Prefix, &Entry)> + '_ {
        let (v4, v6) = by_family(from);
        let v4 = v4.into_iter().flat_map(|from| self.v4.range_from(from));
        let v4 = v4.map(|(prefix, place)| (Prefix::V4(prefix), place));
        let v6 = self.v6.range_from(v6);
        let all = v4.chain(v6.map(|(prefix, place)| (Prefix::V6(prefix), place)));
        all.filter_map(|(prefix, place)| Some((prefix, self.entries.get(place)?)))
    }

    /// Entries that may have a path of a neighbour, and all others that are near one.
    pub(crate) fn near(&self, peer: PeerId) -> impl Iterator<Item = (Prefix, &Entry)> + '_ {
        self.near_from(peer, Bound::Unbounded)
    }

    /// The same from here on, and some in front of it.
    pub(crate) fn near_from(
        &self,
        peer: PeerId,
        from: Bound<Prefix>,
    ) -> impl Iterator<Item = (Prefix, &Entry)> + '_ {
        let (v4, v6) = by_family(from);
        let v4 = v4
            .into_iter()
            .flat_map(move |from| self.v4.near_from(peer, from));
        let v4 = v4.map(|(prefix, place)| (Prefix::V4(prefix), place));
        let v6 = self.v6.near_from(peer, v6);
        let all = v4.chain(v6.map(|(prefix, place)| (Prefix::V6(prefix), place)));
        all.filter_map(|(prefix, place)| Some((prefix, self.entries.get(place)?)))
    }

    /// A neighbour has no path any more.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.v4.forget(peer);
        self.v6.forget(peer);
    }

    /// What is on some pages.
    pub(crate) fn on_pages(
        &self,
        is_wanted: impl Fn(usize) -> bool,
    ) -> impl Iterator<Item = (Prefix, &Entry)> {
        let v4 = self.v4.range_from(Bound::Unbounded);
        let v4 = v4.map(|(prefix, place)| (Prefix::V4(prefix), place));
        let v6 = self.v6.range_from(Bound::Unbounded);
        let all = v4.chain(v6.map(|(prefix, place)| (Prefix::V6(prefix), place)));
        all.filter(move |(_, place)| is_wanted(place.page()))
            .filter_map(|(prefix, place)| Some((prefix, self.entries.get(place)?)))
    }

    fn place(&self, prefix: Prefix) -> Option<Place> {
        match prefix {
            Prefix::V4(prefix) => self.v4.get(prefix),
            Prefix::V6(prefix) => self.v6.get(prefix),
        }
    }
}

/// Entries of one page.
const PAGE: usize = 256;

/// Where to begin in either family: all of IPv4 is in front of IPv6.
fn by_family(from: Bound<Prefix>) -> (Option<Bound<Ipv4Prefix>>, Bound<Ipv6Prefix>) {
    match from {
        Bound::Included(Prefix::V4(prefix)) => (Some(Bound::Included(prefix)), Bound::Unbounded),
        Bound::Excluded(Prefix::V4(prefix)) => (Some(Bound::Excluded(prefix)), Bound::Unbounded),
        Bound::Included(Prefix::V6(prefix)) => (None, Bound::Included(prefix)),
        Bound::Excluded(Prefix::V6(prefix)) => (None, Bound::Excluded(prefix)),
        Bound::Unbounded => (Some(Bound::Unbounded), Bound::Unbounded),
    }
}

/// Entries in pages of the same size: growing copies nothing.
#[derive(Debug, Default)]
struct Entries {
    pages: Vec<Vec<Entry>>,
    free: Vec<Place>,
}

impl Entries {
    fn get(&self, place: Place) -> Option<&Entry> {
        let place = place.number();
        self.pages.get(place / PAGE)?.get(place % PAGE)
    }

    fn get_mut(&mut self, place: Place) -> Option<&mut Entry> {
        let place = place.number();
        self.pages.get_mut(place / PAGE)?.get_mut(place % PAGE)
    }

    fn add(&mut self) -> Place {
        if let Some(place) = self.free.pop() {
            return place;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let before = (self.pages.len() - 1) * PAGE;
        let place = self.pages.last_mut().map_or(0, |page| {
            page.push(Entry::default());
            before + page.len() - 1
        });
        Place::new(place)
    }

    fn remove(&mut self, place: Place) {
        if let Some(entry) = self.get_mut(place) {
            *entry = Entry::default();
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn prefix(number: u32) -> Prefix {
        let address = Ipv4Addr::from(number << 12);
        Prefix::V4(Ipv4Prefix::truncating(address, 24).unwrap())
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map(
            steps in prop::collection::vec((any::<bool>(), 0..1500_u32), 0..4000),
            ascending in any::<bool>(),
        ) {
            let mut table = Table::default();
            let mut model = BTreeMap::new();
            for (count, (add, number)) in steps.into_iter().enumerate() {
                let number = if ascending { u32::try_from(count).unwrap() } else { number };
                let key = prefix(number);
                if add || ascending {
                    let source = Source::Bgp(PeerId(number % 7));
                    let (place, entry) = table.entry(key, source).unwrap();
                    entry.last_id = number;
                    let known = *model.entry(key).or_insert((place, number));
                    prop_assert_eq!(known, (place, number));
                } else {
                    table.remove(key);
                    model.remove(&key);
                }
            }
            let read = |from| -> Vec<_> {
                let all = table.range_from(from);
                all.map(|(prefix, entry)| (prefix, entry.last_id)).collect()
            };
            for from in [Bound::Unbounded, Bound::Included(prefix(700)), Bound::Excluded(prefix(700))] {
                let all = model.range((from, Bound::Unbounded));
                let expected: Vec<_> = all.map(|(prefix, (_, number))| (*prefix, *number)).collect();
                prop_assert_eq!(read(from), expected);
            }
            for peer in 0..7 {
                let near: Vec<_> = table.near(PeerId(peer)).map(|(_, entry)| entry.last_id).collect();
                prop_assert!(near.is_sorted() || !ascending);
                let own = |number: &&u32| **number % 7 == peer;
                let expected = model.values().map(|(_, number)| number).filter(own).count();
                prop_assert_eq!(near.iter().filter(own).count(), expected);
            }
            table.forget(PeerId(3));
            prop_assert_eq!(table.near(PeerId(3)).count(), 0);
            for number in 0..1500 {
                let found = table.get(prefix(number)).map(|entry| entry.last_id);
                prop_assert_eq!(found, model.get(&prefix(number)).map(|(_, number)| *number));
            }
        }
    }
}
