// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a receiver has: one bit a prefix, a count, and a sum that does not depend on the order.

use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

use bgp_proto::Prefix;

use crate::random::mix;

/// Any neighbour's path will do.
const ANYBODY: u32 = 0;

/// All prefixes there are, with a place for each. Shared by all receivers.
#[derive(Debug)]
pub struct Index {
    /// Prefixes as keys, at a place that follows from their hash or behind it; 0 is free.
    keys: Box<[u64]>,
    /// For each, the AS from which the best path comes.
    from: Box<[u32]>,
    mask: usize,
}

impl Index {
    /// Of prefixes, with the AS that the best path comes from; `None` if it does not matter.
    pub fn new(prefixes: impl IntoIterator<Item = (Prefix, Option<u32>)>) -> Arc<Self> {
        let prefixes: Vec<_> = prefixes.into_iter().collect();
        let places = (prefixes.len() * 2).next_power_of_two().max(64);
        let mut index = Self {
            keys: vec![0; places].into(),
            from: vec![ANYBODY; places].into(),
            mask: places - 1,
        };
        for (prefix, from) in prefixes {
            let key = key(prefix);
            let mut place = mix(key) as usize & index.mask;
            while index.keys[place] != 0 && index.keys[place] != key {
                place = (place + 1) & index.mask;
            }
            index.keys[place] = key;
            index.from[place] = from.unwrap_or(ANYBODY);
        }
        Arc::new(index)
    }

    fn place(&self, key: u64) -> Option<usize> {
        let mut place = mix(key) as usize & self.mask;
        loop {
            match self.keys[place] {
                0 => return None,
                found if found == key => return Some(place),
                _ => place = (place + 1) & self.mask,
            }
        }
    }
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
            all.add(key(prefix));
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

    fn add(&mut self, key: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(mix(key ^ 0x5bd1));
    }

    fn remove(&mut self, key: u64) {
        self.count -= 1;
        self.sum = self.sum.wrapping_sub(mix(key ^ 0x5bd1));
    }
}

/// What one receiver has been told.
#[derive(Debug)]
pub struct Ledger {
    index: Arc<Index>,
    seen: Box<[u64]>,
    has: Expected,
    /// What it has announced itself; a reflector may send it back (RFC 4456 §8 has the client find that out).
    own: RangeInclusive<u64>,
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
            seen: vec![0; index.keys.len() / 64].into(),
            has: Expected::default(),
            own: RangeInclusive::new(1, 0),
            expected,
            strange: 0,
            broken: 0,
            announced: 0,
            withdrawn: 0,
        }
    }

    /// Does not look at what comes back of these, which are in a row.
    #[must_use]
    pub fn without_own(mut self, prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        let keys: Vec<u64> = prefixes.into_iter().map(key).collect();
        if let (Some(first), Some(last)) = (keys.iter().min(), keys.iter().max()) {
            self.own = *first..=*last;
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

    /// Forgets all: the session is over.
    pub fn clear(&mut self) {
        self.seen.fill(0);
        self.has = Expected::default();
    }

    /// Takes an UPDATE, without its header. Only what a prefix is told with is looked at: the second AS of the path, that is, the
    /// neighbour that it came from.
    pub fn update(&mut self, body: &[u8]) {
        if self.read(body).is_none() {
            self.broken += 1;
        }
    }

    fn read(&mut self, body: &[u8]) -> Option<()> {
        let (withdrawn, rest) = counted(body)?;
        let (mut attributes, announced) = counted(rest)?;
        self.withdraw(withdrawn, 4)?;
        let mut from = ANYBODY;
        while !attributes.is_empty() {
            let [flags, code, ..] = *attributes else {
                return None;
            };
            let (value, rest) = if flags & 0x10 != 0 {
                counted(attributes.get(2..)?)?
            } else {
                let length = usize::from(*attributes.get(2)?);
                attributes.get(3..)?.split_at_checked(length)?
            };
            attributes = rest;
            match code {
                2 => {
                    // The head of a segment, our own neighbour, and the one behind.
                    from = value
                        .get(6..10)
                        .and_then(|octets| octets.try_into().ok())
                        .map_or(ANYBODY, u32::from_be_bytes);
                }
                14 => {
                    let hop = usize::from(*value.get(3)?);
                    let list = value.get(5 + hop..)?;
                    // AS_PATH stands behind MP_REACH_NLRI in what some daemons write.
                    let from = if from == ANYBODY {
                        path(attributes)
                    } else {
                        from
                    };
                    self.announce(list, octets(value)?, from)?;
                }
                15 => self.withdraw(value.get(3..)?, octets(value)?)?,
                _ => {}
            }
        }
        self.announce(announced, 4, from)
    }

    fn announce(&mut self, mut list: &[u8], octets: usize, from: u32) -> Option<()> {
        while !list.is_empty() {
            let key;
            (key, list) = next(list, octets)?;
            self.announced += 1;
            if self.own.contains(&key) {
                continue;
            }
            let Some(place) = self.index.place(key) else {
                self.strange += 1;
                continue;
            };
            let (word, bit) = (place / 64, 1 << (place % 64));
            let best = self.index.from[place];
            let is_seen = self.seen[word] & bit != 0;
            let is_right = best == ANYBODY || best == from;
            if is_right && !is_seen {
                self.seen[word] |= bit;
                self.has.add(key);
            } else if !is_right && is_seen {
                self.seen[word] &= !bit;
                self.has.remove(key);
            }
        }
        Some(())
    }

    fn withdraw(&mut self, mut list: &[u8], octets: usize) -> Option<()> {
        while !list.is_empty() {
            let key;
            (key, list) = next(list, octets)?;
            self.withdrawn += 1;
            if let Some(place) = self.index.place(key) {
                let (word, bit) = (place / 64, 1 << (place % 64));
                if self.seen[word] & bit != 0 {
                    self.seen[word] &= !bit;
                    self.has.remove(key);
                }
            }
        }
        Some(())
    }
}

/// The second AS of the path among these attributes.
fn path(mut attributes: &[u8]) -> u32 {
    while let [flags, code, length, ..] = *attributes {
        let head = if flags & 0x10 != 0 { 4 } else { 3 };
        let length = match attributes.get(2..4) {
            Some(&[high, low]) if head == 4 => usize::from(u16::from_be_bytes([high, low])),
            _ => usize::from(length),
        };
        let value = attributes.get(head..).unwrap_or_default();
        if code == 2 {
            let octets = value.get(6..10).and_then(|octets| octets.try_into().ok());
            return octets.map_or(ANYBODY, u32::from_be_bytes);
        }
        attributes = value.get(length..).unwrap_or_default();
    }
    ANYBODY
}

/// Octets of an address of the family at the beginning of a value.
fn octets(value: &[u8]) -> Option<usize> {
    match value.get(..2)? {
        [0, 1] => Some(4),
        [0, 2] => Some(16),
        _ => None,
    }
}

/// What has its length in front, and what is behind.
fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// The next prefix of a list, as a key.
fn next(list: &[u8], octets: usize) -> Option<(u64, &[u8])> {
    let (length, rest) = list.split_first()?;
    let bytes = usize::from(length.div_ceil(8));
    if bytes > octets {
        return None;
    }
    let (address, rest) = rest.split_at_checked(bytes)?;
    let mut word = [0; 8];
    // Of an IPv6 address, what is behind 56 bits is not used here.
    let kept = bytes.min(7);
    word[..kept].copy_from_slice(&address[..kept]);
    let high = u64::from_be_bytes(word);
    let key = if octets == 4 {
        (high >> 32 << 8) | u64::from(*length)
    } else {
        high | u64::from(*length)
    };
    Some((key, rest))
}

fn key(prefix: Prefix) -> u64 {
    let length = u64::from(prefix.length());
    match prefix.addr() {
        IpAddr::V4(address) => (u64::from(u32::from(address)) << 8) | length,
        IpAddr::V6(address) => ((u128::from(address) >> 64) as u64 & !0xff) | length,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bgp_proto::Family;

    use super::*;
    use crate::{Table, load::Voice};

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
            ledger.update(&stream[19..length]);
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
        ledger.update(&stream[19..40]);
        assert_eq!(ledger.broken, 1);
    }
}
