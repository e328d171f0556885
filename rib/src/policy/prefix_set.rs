// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets of prefixes with ranges of lengths, and of addresses: one search in a sorted list, however large they are.

use alloc::{boxed::Box, vec::Vec};
use core::{
    hash::{Hash, Hasher},
    net::IpAddr,
    ops::RangeInclusive,
};

use bgp_proto::{Ipv4Prefix, Ipv6Prefix, Prefix};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Prefixes, each with the lengths at which what it covers is in the set.
///
/// Addresses are cut where a prefix begins or ends; each piece knows the lengths that are in the set there. That is what is
/// searched: the pieces are at most twice as many as the prefixes.
#[derive(Clone, Debug, Default)]
pub struct PrefixSet {
    entries: Box<[(Prefix, u8, u8)]>,
    v4: Pieces<u32>,
    v6: Pieces<u128>,
}

impl PrefixSet {
    /// A prefix is in the set if an entry and it agree in all bits that both have and its length is in the entry's range.
    /// A range that begins below the length of its prefix takes in the prefixes around it.
    pub fn new(entries: impl IntoIterator<Item = (Prefix, RangeInclusive<u8>)>) -> Self {
        let entries = entries
            .into_iter()
            .map(|(prefix, lengths)| (prefix, *lengths.start(), *lengths.end()));
        let mut entries: Vec<(Prefix, u8, u8)> = entries.collect();
        entries.sort_unstable();
        entries.dedup();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (prefix, from, to) in entries.iter().copied() {
            match prefix {
                Prefix::V4(prefix) => {
                    let bits = u32::from(prefix.addr());
                    spread(bits, prefix.length(), from, to, &mut v4);
                }
                Prefix::V6(prefix) => {
                    let bits = u128::from(prefix.addr());
                    spread(bits, prefix.length(), from, to, &mut v6);
                }
            }
        }
        Self {
            entries: entries.into(),
            v4: Pieces::new(v4),
            v6: Pieces::new(v6),
        }
    }

    /// Prefixes as they are, without ranges.
    pub fn exact(prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        Self::new(
            prefixes
                .into_iter()
                .map(|prefix| (prefix, prefix.length()..=prefix.length())),
        )
    }

    /// Whether it is in the set.
    pub fn contains(&self, prefix: Prefix) -> bool {
        match prefix {
            Prefix::V4(prefix) => self.v4.contains(prefix.addr().into(), prefix.length()),
            Prefix::V6(prefix) => self.v6.contains(prefix.addr().into(), prefix.length()),
        }
    }

    /// Entries, sorted, each once.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl PartialEq for PrefixSet {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for PrefixSet {}

impl Hash for PrefixSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entries.hash(state);
    }
}

/// Addresses, alone or by prefix.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct AddressSet(PrefixSet);

impl AddressSet {
    /// What these prefixes cover.
    pub fn new(prefixes: impl IntoIterator<Item = Prefix>) -> Self {
        let host = |prefix: Prefix| match prefix {
            Prefix::V4(_) => Ipv4Prefix::MAX_LENGTH,
            Prefix::V6(_) => Ipv6Prefix::MAX_LENGTH,
        };
        Self(PrefixSet::new(
            prefixes
                .into_iter()
                .map(|prefix| (prefix, host(prefix)..=host(prefix))),
        ))
    }

    /// Whether it is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.0.v4.contains(address.into(), Ipv4Prefix::MAX_LENGTH),
            IpAddr::V6(address) => self.0.v6.contains(address.into(), Ipv6Prefix::MAX_LENGTH),
        }
    }
}

/// The bits of an address.
trait Bits: Copy + Ord {
    const LENGTH: u8;
    const ZERO: Self;
    /// The first `length` bits, the others zero.
    fn truncated(self, length: u8) -> Self;
    /// The first address behind the block of that length; `None` behind the last one.
    fn behind(self, length: u8) -> Option<Self>;
}

macro_rules! bits {
    ($word:ty, $length:literal) => {
        impl Bits for $word {
            const LENGTH: u8 = $length;
            const ZERO: Self = 0;

            fn truncated(self, length: u8) -> Self {
                let mask = <$word>::MAX.checked_shl(u32::from(Self::LENGTH.saturating_sub(length)));
                self & mask.unwrap_or(0)
            }

            fn behind(self, length: u8) -> Option<Self> {
                let size: $word = 1;
                self.checked_add(size.checked_shl(u32::from(Self::LENGTH.checked_sub(length)?))?)
            }
        }
    };
}

bits!(u32, 32);
bits!(u128, 128);

/// Lengths: bit `n` is length `n`, and one more for 128.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Lengths {
    below: u128,
    whole: bool,
}

impl Lengths {
    fn range(from: u8, to: u8) -> Self {
        let mut lengths = Self::default();
        for length in from..=to.min(Ipv6Prefix::MAX_LENGTH) {
            match 1_u128.checked_shl(length.into()) {
                Some(bit) => lengths.below |= bit,
                None => lengths.whole = true,
            }
        }
        lengths
    }

    fn has(self, length: u8) -> bool {
        match 1_u128.checked_shl(length.into()) {
            Some(bit) => self.below & bit != 0,
            None => self.whole,
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            below: self.below | other.below,
            whole: self.whole || other.whole,
        }
    }
}

/// An entry whose lengths are not below that of its prefix.
type Plain<W> = (W, u8, Lengths);

/// An entry, and those for the prefixes around it.
fn spread<W: Bits>(bits: W, length: u8, from: u8, to: u8, out: &mut Vec<Plain<W>>) {
    for around in from..length.min(to.saturating_add(1)) {
        let block = bits.truncated(around);
        out.push((block, around, Lengths::range(around, around)));
    }
    if to >= length {
        out.push((bits, length, Lengths::range(from.max(length), to)));
    }
}

/// Where each piece begins, and which of the few different `lengths` are in the set there.
#[derive(Clone, Debug, Default)]
struct Pieces<W> {
    starts: Box<[W]>,
    kinds: Box<[u32]>,
    lengths: Box<[Lengths]>,
}

impl<W: Bits> Pieces<W> {
    fn new(mut entries: Vec<Plain<W>>) -> Self {
        // Blocks are nested or apart; the outer one of two that begin together comes first.
        entries.sort_unstable_by_key(|(bits, length, _)| (*bits, *length));
        let mut pieces: Vec<(W, Lengths)> = Vec::new();
        let mut begin = |at: W, lengths: Lengths| match pieces.last_mut() {
            Some((last, known)) if *last == at => *known = lengths,
            Some((_, known)) if *known == lengths => {}
            _ => pieces.push((at, lengths)),
        };
        begin(W::ZERO, Lengths::default());
        // The blocks around the current place, each with its end and with what holds in it.
        let mut open: Vec<(Option<W>, Lengths)> = Vec::new();
        for (bits, length, lengths) in entries {
            while let Some((Some(end), _)) = open.last().copied()
                && end <= bits
            {
                open.pop();
                let around = open.last().map(|(_, lengths)| *lengths);
                begin(end, around.unwrap_or_default());
            }
            let around = open.last().map(|(_, lengths)| *lengths);
            let inside = around.unwrap_or_default().with(lengths);
            begin(bits, inside);
            open.push((bits.behind(length), inside));
        }
        while let Some((Some(end), _)) = open.pop() {
            let around = open.last().map(|(_, lengths)| *lengths);
            begin(end, around.unwrap_or_default());
        }
        let mut numbers: HashMap<Lengths, u32, FixedState> = HashMap::default();
        let mut different = Vec::new();
        let mut number = |lengths: Lengths| {
            *numbers.entry(lengths).or_insert_with(|| {
                different.push(lengths);
                u32::try_from(different.len() - 1).unwrap_or(u32::MAX)
            })
        };
        Self {
            starts: pieces.iter().map(|(start, _)| *start).collect(),
            kinds: pieces.iter().map(|(_, lengths)| number(*lengths)).collect(),
            lengths: different.into(),
        }
    }

    fn contains(&self, bits: W, length: u8) -> bool {
        let behind = self.starts.partition_point(|start| *start <= bits);
        let kind = behind.checked_sub(1).and_then(|at| self.kinds.get(at));
        let lengths = kind.and_then(|kind| self.lengths.get(*kind as usize));
        lengths.is_some_and(|lengths| lengths.has(length))
    }
}

#[cfg(test)]
mod tests {
    use std::{format, vec};

    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    /// The rule of [`PrefixSet::new`], one entry after the other.
    fn scan(entries: &[(Prefix, RangeInclusive<u8>)], prefix: Prefix) -> bool {
        entries.iter().any(|(entry, lengths)| {
            lengths.contains(&prefix.length()) && (entry.covers(prefix) || prefix.covers(*entry))
        })
    }

    fn prefixes() -> impl Strategy<Value = Prefix> {
        // Few different bits, so that prefixes meet.
        let v4 = (0_u32..64, 0_u8..=32, any::<bool>()).prop_map(|(bits, length, high)| {
            let bits = if high { bits << 26 } else { bits };
            Prefix::truncating(IpAddr::V4(bits.into()), length).unwrap()
        });
        let v6 = (0_u128..64, 0_u8..=128, any::<bool>()).prop_map(|(bits, length, high)| {
            let bits = if high { bits << 122 } else { bits };
            Prefix::truncating(IpAddr::V6(bits.into()), length).unwrap()
        });
        prop_oneof![3 => v4, 1 => v6]
    }

    #[test]
    fn lengths_count() {
        let set = PrefixSet::new([(prefix("10.0.0.0/8"), 16..=24)]);
        assert!(set.contains(prefix("10.1.0.0/16")) && set.contains(prefix("10.1.1.0/24")));
        assert!(!set.contains(prefix("10.0.0.0/8")) && !set.contains(prefix("10.1.1.1/32")));
        assert!(!set.contains(prefix("11.1.0.0/16")) && !set.contains(prefix("a00::/16")));
        let all = PrefixSet::new([(prefix("::/0"), 0..=128)]);
        assert!(all.contains(prefix("::/0")) && all.contains(prefix("ffff::1/128")));
        assert!(!PrefixSet::default().contains(prefix("0.0.0.0/0")));
    }

    #[test]
    fn addresses_are_found_by_what_covers_them() {
        let set = AddressSet::new(vec![prefix("192.0.2.0/24"), prefix("2001:db8::1/128")]);
        for (address, expected) in [
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
        ] {
            assert_eq!(
                set.contains(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_search_finds_what_a_scan_finds(
            entries in prop::collection::vec((prefixes(), 0_u8..=128, 0_u8..=128), 0..40),
            asked in prop::collection::vec(prefixes(), 1..60),
        ) {
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(prefix, one, other)| (prefix, one.min(other)..=one.max(other)))
                .collect();
            let set = PrefixSet::new(entries.iter().cloned());
            for prefix in asked.into_iter().chain(entries.iter().map(|(prefix, _)| *prefix)) {
                prop_assert_eq!(set.contains(prefix), scan(&entries, prefix), "{}", format!("{prefix}"));
            }
        }
    }
}
