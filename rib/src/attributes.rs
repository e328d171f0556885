// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attribute sets, each once: equal sets are one pointer, and what is asked of them for each route is computed once.

use alloc::vec::Vec;
use core::{
    fmt,
    hash::{Hash, Hasher},
};

use bgp_proto::{Asn, Community, NextHop, Origin, PackedAttributes, PathAttributes, RouterId};
use foldhash::fast::RandomState;
use hashbrown::HashSet;
use triomphe::ThinArc;

/// `LOCAL_PREF` of a route that has none (RFC 4271 §9.1.1 leaves it to us; everybody takes this).
pub(crate) const DEFAULT_LOCAL_PREF: u32 = 100;

/// Sets that nobody uses any more are looked for when the table has grown by half.
const FIRST_SWEEP: usize = 1024;

/// What decision and export ask of a set. There may be millions.
#[derive(Debug)]
pub(crate) struct Hot {
    /// In order of first use: sorts as sets came, on every run alike.
    pub(crate) number: u64,
    pub(crate) local_pref: u32,
    /// 0 if there is none.
    med: u32,
    pub(crate) neighbor: Asn,
    pub(crate) originator_id: Option<RouterId>,
    /// More than fit into a message are never there.
    pub(crate) hops: u16,
    pub(crate) clusters: u16,
    pub(crate) origin: Origin,
    pub(crate) reach: Reach,
    marks: u8,
}

const HAS_MED: u8 = 1;
const ONLY_TO_CUSTOMER: u8 = 2;
const LONG_LIVED_STALE: u8 = 4;

impl Hot {
    pub(crate) fn med(&self) -> Option<u32> {
        self.has(HAS_MED).then_some(self.med)
    }

    pub(crate) fn is_only_to_customer(&self) -> bool {
        self.has(ONLY_TO_CUSTOMER)
    }

    /// The last choice (RFC 9494 §4.3).
    pub(crate) fn is_long_lived_stale(&self) -> bool {
        self.has(LONG_LIVED_STALE)
    }

    fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }
}

/// How far a set may go (RFC 1997).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Reach {
    /// `NO_ADVERTISE`.
    Us,
    /// `NO_EXPORT_SUBCONFED`.
    MemberAs,
    /// `NO_EXPORT`.
    Confederation,
    Everybody,
}

impl Reach {
    fn of(communities: &[Community]) -> Self {
        let reaches = communities.iter().map(|community| match *community {
            Community::NO_ADVERTISE => Self::Us,
            Community::NO_EXPORT_SUBCONFED => Self::MemberAs,
            Community::NO_EXPORT => Self::Confederation,
            _ => Self::Everybody,
        });
        reaches.min().unwrap_or(Self::Everybody)
    }
}

/// A shared, immutable attribute set. Two of one RIB are equal if they are the same. It is one allocation: what is asked
/// often, and all of it as octets.
#[derive(Clone)]
pub struct Attributes(ThinArc<Hot, u8>);

impl Attributes {
    /// One that is in no table.
    pub(crate) fn alone(attributes: &PathAttributes) -> Self {
        let mut octets = Vec::new();
        attributes.pack(&mut octets);
        Self::new(0, attributes, &octets)
    }

    fn new(number: u64, attributes: &PathAttributes, octets: &[u8]) -> Self {
        let communities = &attributes.communities;
        let marks = [
            (HAS_MED, attributes.med.is_some()),
            (ONLY_TO_CUSTOMER, attributes.only_to_customer.is_some()),
            (
                LONG_LIVED_STALE,
                communities.contains(&Community::LLGR_STALE),
            ),
        ];
        let marks = marks.into_iter().filter(|(_, holds)| *holds);
        let hot = Hot {
            number,
            local_pref: attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF),
            hops: u16::try_from(attributes.as_path.hop_count()).unwrap_or(u16::MAX),
            med: attributes.med.unwrap_or_default(),
            neighbor: attributes.as_path.neighbor_as().unwrap_or_default(),
            originator_id: attributes.originator_id,
            clusters: u16::try_from(attributes.cluster_list.len()).unwrap_or(u16::MAX),
            origin: attributes.origin,
            reach: Reach::of(communities),
            marks: marks.fold(0, |marks, (mark, _)| marks | mark),
        };
        Self(ThinArc::from_header_and_slice(hot, octets))
    }

    pub(crate) fn hot(&self) -> &Hot {
        &self.0.header.header
    }

    /// As octets.
    pub fn packed(&self) -> PackedAttributes<'_> {
        PackedAttributes::new(&self.0.slice)
    }

    /// As values.
    pub fn unpack(&self) -> PathAttributes {
        self.packed().unpack()
    }

    /// The next hop.
    pub fn next_hop(&self) -> NextHop {
        self.packed().next_hop()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ptr() == other.0.as_ptr() || self.0.slice == other.0.slice
    }
}

impl Eq for Attributes {}

/// In the interner a set is found by its octets.
#[derive(Debug)]
struct ByOctets(Attributes);

impl Hash for ByOctets {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.0.slice.hash(state);
    }
}

impl PartialEq for ByOctets {
    fn eq(&self, other: &Self) -> bool {
        self.0.0.slice == other.0.0.slice
    }
}

impl Eq for ByOctets {}

impl hashbrown::Equivalent<ByOctets> for [u8] {
    fn equivalent(&self, key: &ByOctets) -> bool {
        *self == key.0.0.slice
    }
}

/// All sets in use.
#[derive(Debug)]
pub(crate) struct Interner {
    sets: HashSet<ByOctets, RandomState>,
    next: u64,
    sweep_at: usize,
    /// A set that is looked for.
    octets: Vec<u8>,
}

impl Default for Interner {
    fn default() -> Self {
        Self {
            sets: HashSet::default(),
            next: 0,
            sweep_at: FIRST_SWEEP,
            octets: Vec::new(),
        }
    }
}

impl Interner {
    /// Forgets all sets. Those that come have other numbers than those that were here.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            next: self.next,
            ..Self::default()
        };
    }

    /// The set with these contents.
    pub(crate) fn intern(&mut self, attributes: &PathAttributes) -> Attributes {
        self.octets.clear();
        attributes.pack(&mut self.octets);
        if let Some(known) = self.sets.get(self.octets.as_slice()) {
            return known.0.clone();
        }
        if self.sets.len() >= self.sweep_at {
            self.sets.retain(|set| ThinArc::strong_count(&set.0.0) > 1);
            self.sweep_at = FIRST_SWEEP.max(self.sets.len() + self.sets.len() / 2);
        }
        self.next += 1;
        let set = Attributes::new(self.next, attributes, &self.octets);
        self.sets.insert(ByOctets(set.clone()));
        set
    }
}

#[cfg(test)]
mod tests {
    use bgp_proto::{AsPath, NextHop, Origin};

    use super::*;

    fn with_med(med: u32) -> PathAttributes {
        let mut attributes = PathAttributes::new(
            Origin::Igp,
            AsPath::empty(),
            NextHop::V4([192, 0, 2, 1].into()),
        );
        attributes.med = Some(med);
        attributes
    }

    #[test]
    fn a_set_has_a_small_head() {
        assert_eq!(size_of::<Hot>(), 32);
    }

    #[test]
    fn equal_sets_are_one() {
        let mut interner = Interner::default();
        let (first, second) = (interner.intern(&with_med(1)), interner.intern(&with_med(1)));
        assert_eq!(first.0.as_ptr(), second.0.as_ptr());
        let third = interner.intern(&with_med(2));
        assert_ne!(first.0.as_ptr(), third.0.as_ptr());
        assert_eq!((first.unpack(), third.unpack()), (with_med(1), with_med(2)));
    }

    #[test]
    fn sets_that_nobody_uses_are_forgotten() {
        let mut interner = Interner::default();
        for med in 0..100_000 {
            interner.intern(&with_med(med));
        }
        assert!(
            interner.sets.len() <= FIRST_SWEEP + 1,
            "{} sets",
            interner.sets.len()
        );
    }
}
