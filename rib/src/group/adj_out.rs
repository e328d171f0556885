// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a group has been told: one path of each prefix, or several in families with path identifiers (RFC 7911).
//!
//! Most groups are told the best path as it is in the table, with attributes that follow from those there. They keep
//! nothing: what they have been told is made again when somebody asks. What depends on policy or on more than the best
//! path is kept.

use alloc::collections::BTreeMap;
use core::ops::Bound;

use bgp_proto::{Family, Prefix};

use crate::{Attributes, PeerId, Source, rib::Reflection};

/// A prefix and the path identifier that it is sent with; 0 where there are none.
pub(crate) type Nlri = (Prefix, u32);

/// What the group has been told about a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) attributes: Attributes,
    pub(crate) source: Source,
    pub(crate) form: Form,
}

/// What the attributes are.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Form {
    /// Those of the table: what is sent is made of them, for some with what reflection adds.
    Stored(Option<Reflection>),
    /// As they are sent.
    Sent,
}

impl Told {
    /// The neighbour it comes from, if that is one: it is not told.
    pub(crate) fn from(&self) -> Option<PeerId> {
        self.source.peer()
    }

    pub(crate) fn reaches(&self, peer: PeerId) -> bool {
        self.from() != Some(peer)
    }
}

/// The Adj-RIB-Out that the members of a group share, as far as it is kept. A family has path identifiers for all of
/// them or for none.
#[derive(Debug, Default)]
pub(crate) struct AdjOut {
    single: BTreeMap<Prefix, Told>,
    several: BTreeMap<Nlri, Told>,
}

impl AdjOut {
    pub(crate) fn get(&self, nlri: Nlri) -> Option<&Told> {
        match nlri {
            (prefix, 0) => self.single.get(&prefix),
            _ => self.several.get(&nlri),
        }
    }

    pub(crate) fn set(&mut self, nlri: Nlri, new: Option<Told>) {
        match (nlri, new) {
            ((prefix, 0), Some(new)) => self.single.insert(prefix, new),
            ((prefix, 0), None) => self.single.remove(&prefix),
            (_, Some(new)) => self.several.insert(nlri, new),
            (_, None) => self.several.remove(&nlri),
        };
    }

    /// Path identifiers that a prefix has been told with.
    pub(crate) fn identifiers(&self, prefix: Prefix) -> impl Iterator<Item = u32> + '_ {
        let several = self.several.range((prefix, 1)..=(prefix, u32::MAX));
        several.map(|((_, id), _)| *id)
    }

    /// From here on, in families without path identifiers.
    pub(crate) fn single_from(
        &self,
        from: Bound<Prefix>,
    ) -> impl Iterator<Item = (Nlri, &Told)> + '_ {
        let told = self.single.range((from, Bound::Unbounded));
        told.map(|(prefix, told)| ((*prefix, 0), told))
    }

    /// From here on, in families with path identifiers.
    pub(crate) fn several_from(
        &self,
        from: Bound<Nlri>,
    ) -> impl Iterator<Item = (Nlri, &Told)> + '_ {
        let told = self.several.range((from, Bound::Unbounded));
        told.map(|(nlri, told)| (*nlri, told))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Nlri> + '_ {
        let single = self.single.keys().map(|prefix| (*prefix, 0));
        single.chain(self.several.keys().copied())
    }
}

/// How many paths a group has been told, by family and by where they come from.
#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<(Family, Option<PeerId>), u64>);

impl Counts {
    pub(crate) fn add(&mut self, family: Family, told: &Told) {
        *self.0.entry((family, told.from())).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, family: Family, told: &Told) {
        if let Some(count) = self.0.get_mut(&(family, told.from())) {
            *count -= 1;
        }
    }

    /// Paths of a family that a member has been told.
    pub(crate) fn of(&self, peer: PeerId, family: Family) -> u64 {
        let all = self.0.iter();
        let all = all.filter(|((known, from), _)| *known == family && *from != Some(peer));
        all.map(|(_, count)| count).sum()
    }
}
