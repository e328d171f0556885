// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a receiver has: one bit a prefix, a count, and a sum that does not depend on the order.

use std::{ops::Range, sync::Arc};

use bgp_proto::Prefix;

use crate::{
    effect::{Effect, Word, key},
    random::mix,
};

/// Any neighbour's path will do.
pub(crate) const ANYBODY: u32 = 0;

/// No prefix has this number.
const NONE: u32 = u32::MAX;

/// All prefixes there are, numbered in the order of the table that is sent. Shared by all receivers.
#[derive(Debug)]
pub struct Index {
    /// By number, as keys.
    keys: Box<[u64]>,
    /// By number, the AS from which the best path comes.
    from: Box<[u32]>,
    /// Numbers, at a place that follows from the hash of the key or behind it.
    places: Box<[u32]>,
}

impl Index {
    /// Of prefixes, with the AS that the best path comes from; `None` if it does not matter.
    pub fn new(prefixes: impl IntoIterator<Item = (Prefix, Option<u32>)>) -> Arc<Self> {
        let (keys, from): (Vec<u64>, Vec<u32>) = prefixes
            .into_iter()
            .map(|(prefix, from)| (key(prefix), from.unwrap_or(ANYBODY)))
            .unzip();
        let count = (keys.len() * 2).next_power_of_two().max(64);
        let mut index = Self {
            places: vec![NONE; count].into(),
            from: from.into(),
            keys: keys.into(),
        };
        for number in 0..index.keys.len() {
            let place = index.place(index.keys[number]);
            index.places[place] = number as u32;
        }
        Arc::new(index)
    }

    /// Where the number of a key is, or would be.
    fn place(&self, key: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut place = mix(key) as usize & mask;
        while self.places[place] != NONE && self.keys[self.places[place] as usize] != key {
            place = (place + 1) & mask;
        }
        place
    }

    /// The number of a key. Who writes a table mostly writes it in order, so that it is looked for at `guess` first.
    pub(crate) fn number(&self, key: u64, guess: u32) -> Option<u32> {
        if self.keys.get(guess as usize) == Some(&key) {
            return Some(guess);
        }
        Some(self.places[self.place(key)]).filter(|number| *number != NONE)
    }

    /// The AS from which the best path comes.
    pub(crate) fn from(&self, number: u32) -> u32 {
        self.from[number as usize]
    }

    /// What a prefix adds to a sum.
    pub(crate) fn hash(&self, number: u32) -> u64 {
        hash(self.keys[number as usize])
    }
}

fn hash(key: u64) -> u64 {
    mix(key ^ 0x5bd1)
}

/// Which prefixes a receiver must have: how many, and their sum.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Expected {
    /// How many.
    pub count: u64,
    /// The sum of their hashes.
    pub sum: u64,
}

impl Expected {
    /// Exactly these.
    pub fn of(prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        let mut all = Self::default();
        for prefix in prefixes {
            all.count += 1;
            all.sum = all.sum.wrapping_add(hash(key(prefix)));
        }
        all
    }

    /// Without those of another.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            count: self.count - other.count,
            sum: self.sum.wrapping_sub(other.sum),
        }
    }

    /// And those of another, which must be different ones.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum.wrapping_add(other.sum),
        }
    }
}

/// What one receiver has been told.
#[derive(Debug)]
pub struct Ledger {
    index: Arc<Index>,
    seen: Box<[u64]>,
    has: Expected,
    /// What it has announced itself; a reflector may send it back (RFC 4456 §8 has the client find that out).
    own: Range<u32>,
    /// What it is to have.
    pub expected: Expected,
    /// Announced prefixes that nobody had sent.
    pub strange: u64,
    /// Messages that could not be read.
    pub broken: u64,
    /// Prefixes announced, each time counted.
    pub announced: u64,
    /// Prefixes withdrawn, each time counted.
    pub withdrawn: u64,
}

impl Ledger {
    /// An empty one.
    pub fn new(index: &Arc<Index>, expected: Expected) -> Self {
        Self {
            index: Arc::clone(index),
            seen: vec![0; index.keys.len().div_ceil(64)].into(),
            has: Expected::default(),
            own: 0..0,
            expected,
            strange: 0,
            broken: 0,
            announced: 0,
            withdrawn: 0,
        }
    }

    /// Does not look at what comes back of these, which are in a row.
    ///
    /// # Panics
    /// One of them is not in the index.
    #[must_use]
    pub fn without_own(mut self, prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        let number = |prefix| self.index.number(key(prefix), 0);
        let numbers: Option<Vec<u32>> = prefixes.into_iter().map(number).collect();
        let numbers = numbers.expect("what is announced is in the index");
        if let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) {
            self.own = *first..last + 1;
        }
        self
    }

    /// It has exactly what it is to have, and was never told anything else.
    pub fn is_complete(&self) -> bool {
        self.has == self.expected && self.strange == 0 && self.broken == 0
    }

    /// How many prefixes it has.
    pub fn count(&self) -> u64 {
        self.has.count
    }

    /// All prefixes that there are.
    pub(crate) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Forgets all: the session is over.
    pub fn clear(&mut self) {
        self.seen.fill(0);
        self.has = Expected::default();
    }

    /// Takes what an UPDATE does.
    pub(crate) fn apply(&mut self, effect: &Effect, words: &[Word]) {
        self.announced += u64::from(effect.announced);
        self.withdrawn += u64::from(effect.withdrawn);
        self.strange += u64::from(effect.strange);
        self.broken += u64::from(effect.is_broken);
        for word in words {
            let foreign = !self.own_of(word.place);
            let seen = &mut self.seen[word.place as usize];
            let before = *seen;
            *seen = (before | word.set & foreign) & !(word.clear & foreign);
            let changed = before ^ *seen;
            if changed == word.set && word.clear == 0 {
                self.has.count += u64::from(changed.count_ones());
                self.has.sum = self.has.sum.wrapping_add(word.sum);
            } else {
                let after = *seen;
                self.each(word.place, changed, after);
            }
        }
    }

    /// Counts changed bits of a word one by one.
    fn each(&mut self, place: u32, mut changed: u64, after: u64) {
        while changed != 0 {
            let bit = changed.trailing_zeros();
            changed &= changed - 1;
            let hash = self.index.hash(place * 64 + bit);
            if after & (1 << bit) == 0 {
                self.has.count -= 1;
                self.has.sum = self.has.sum.wrapping_sub(hash);
            } else {
                self.has.count += 1;
                self.has.sum = self.has.sum.wrapping_add(hash);
            }
        }
    }

    /// The bits of its own prefixes in a word.
    fn own_of(&self, place: u32) -> u64 {
        let first = place * 64;
        if self.own.end <= first || first + 64 <= self.own.start {
            return 0;
        }
        let begin = self.own.start.saturating_sub(first);
        let end = (self.own.end - first).min(64);
        (u64::MAX >> (64 - (end - begin))) << begin
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bgp_proto::Family;

    use super::*;
    use crate::{Table, load::Voice, memo::Memo};

    fn voice() -> Voice {
        Voice {
            address: Ipv4Addr::new(10, 0, 1, 1).into(),
            asn: 64_601,
            internal: false,
        }
    }

    /// Takes a stream apart, header by header, as if the daemon had put its AS in front.
    fn feed(ledger: &mut Ledger, mut stream: &[u8]) {
        while let Some(length) = stream.get(16..18) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            Memo::default().tell(ledger, &stream[19..length]);
            stream = &stream[length..];
        }
    }

    #[test]
    fn a_receiver_is_complete_with_exactly_what_was_sent() {
        for family in [Family::IPV4_UNICAST, Family::IPV6_UNICAST] {
            let table = Table::public(family, 5000, 1);
            assert_eq!(table.prefixes().count(), 5000);
            let index = Index::new(table.prefixes().map(|prefix| (prefix, None)));
            let mut ledger = Ledger::new(&index, Expected::of(table.prefixes()));
            feed(&mut ledger, &table.stream(&voice(), 0, 1));
            assert!(ledger.is_complete(), "{} of 5000", ledger.count());
            feed(&mut ledger, &table.withdrawal());
            assert_eq!((ledger.count(), ledger.withdrawn), (0, 5000));
            assert!(!ledger.is_complete());
        }
    }

    #[test]
    fn what_nobody_sent_is_strange() {
        let (table, other) = (Table::blocks(0, 50), Table::blocks(49, 2));
        let index = Index::new(table.prefixes().map(|prefix| (prefix, None)));
        let mut ledger = Ledger::new(&index, Expected::of(table.prefixes()));
        feed(&mut ledger, &table.stream(&voice(), 0, 1));
        assert!(ledger.is_complete());
        feed(&mut ledger, &other.stream(&voice(), 0, 1));
        assert_eq!(ledger.strange, 1);
        assert!(!ledger.is_complete());
    }

    #[test]
    fn a_path_of_the_wrong_neighbour_does_not_count() {
        let table = Table::public(Family::IPV4_UNICAST, 100, 1);
        let next = |place: usize| table.groups[place].path[0];
        // These streams lack the daemon's own AS: the second one of the path is that behind the sender.
        let from = |wrong: u32| {
            let numbered = table.groups.iter().enumerate();
            Index::new(numbered.flat_map(move |(place, group)| {
                let from = next(place) + wrong;
                group
                    .prefixes
                    .iter()
                    .map(move |prefix| (*prefix, Some(from)))
            }))
        };
        for (wrong, count) in [(0, 100), (1, 0)] {
            let mut ledger = Ledger::new(&from(wrong), Expected::of(table.prefixes()));
            feed(&mut ledger, &table.stream(&voice(), 0, 1));
            assert_eq!(ledger.count(), count);
        }
    }

    #[test]
    fn what_comes_back_is_not_looked_at() {
        let (all, own) = (Table::blocks(0, 50), Table::blocks(10, 5));
        let index = Index::new(all.prefixes().map(|prefix| (prefix, None)));
        let expected = Expected::of(all.prefixes()).without(Expected::of(own.prefixes()));
        let mut ledger = Ledger::new(&index, expected).without_own(own.prefixes());
        feed(&mut ledger, &all.stream(&voice(), 0, 1));
        assert!(ledger.is_complete());
    }

    #[test]
    fn half_a_message_is_broken() {
        let table = Table::blocks(0, 3);
        let index = Index::new(table.prefixes().map(|prefix| (prefix, None)));
        let mut ledger = Ledger::new(&index, Expected::of(table.prefixes()));
        let stream = table.stream(&voice(), 0, 1);
        Memo::default().tell(&mut ledger, &stream[19..40]);
        assert_eq!(ledger.broken, 1);
    }
}
