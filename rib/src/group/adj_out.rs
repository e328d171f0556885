// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a group has been told: one path of each prefix, or several in families with path identifiers (RFC 7911).

use alloc::collections::BTreeMap;
use core::ops::Bound;

use bgp_proto::{Family, Prefix};

use crate::{Attributes, PeerId};

/// A prefix and the path identifier that it is sent with; 0 where there are none.
pub(crate) type Nlri = (Prefix, u32);

/// What the group has been told about a path.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) attributes: Attributes,
    /// The neighbour it comes from, if that is one: it is not told.
    pub(crate) from: Option<PeerId>,
}

impl Told {
    pub(crate) fn reaches(&self, peer: PeerId) -> bool {
        self.from != Some(peer)
    }
}

/// The Adj-RIB-Out that the members of a group share. A family has path identifiers for all of them or for none.
#[derive(Debug, Default)]
pub(crate) struct AdjOut {
    single: BTreeMap<Prefix, Told>,
    several: BTreeMap<Nlri, Told>,
    /// How many, by family and by where they come from.
    counts: BTreeMap<(Family, Option<PeerId>), u64>,
}

impl AdjOut {
    pub(crate) fn get(&self, nlri: Nlri) -> Option<&Told> {
        match nlri {
            (prefix, 0) => self.single.get(&prefix),
            _ => self.several.get(&nlri),
        }
    }

    pub(crate) fn set(&mut self, nlri: Nlri, new: Option<Told>) {
        let family = nlri.0.family();
        if let Some(new) = &new {
            *self.counts.entry((family, new.from)).or_default() += 1;
        }
        let old = match (nlri, new) {
            ((prefix, 0), Some(new)) => self.single.insert(prefix, new),
            ((prefix, 0), None) => self.single.remove(&prefix),
            (_, Some(new)) => self.several.insert(nlri, new),
            (_, None) => self.several.remove(&nlri),
        };
        if let Some(old) = old
            && let Some(count) = self.counts.get_mut(&(family, old.from))
        {
            *count -= 1;
        }
    }

    /// Path identifiers that a prefix has been told with.
    pub(crate) fn identifiers(&self, prefix: Prefix) -> impl Iterator<Item = u32> + '_ {
        let several = self.several.range((prefix, 1)..=(prefix, u32::MAX));
        several.map(|((_, id), _)| *id)
    }

    /// Paths of a family that a member has been told.
    pub(crate) fn count(&self, peer: PeerId, family: Family) -> u64 {
        let all = self
            .counts
            .iter()
            .filter(|((known, from), _)| *known == family && *from != Some(peer));
        all.map(|(_, count)| count).sum()
    }

    /// From here on, in families without path identifiers.
    pub(crate) fn single_after(
        &self,
        after: Option<Nlri>,
    ) -> impl Iterator<Item = (Nlri, &Told)> + '_ {
        let from = after.map_or(Bound::Unbounded, |(prefix, _)| Bound::Excluded(prefix));
        let told = self.single.range((from, Bound::Unbounded));
        told.map(|(prefix, told)| ((*prefix, 0), told))
    }

    /// From here on, in families with path identifiers.
    pub(crate) fn several_after(
        &self,
        after: Option<Nlri>,
    ) -> impl Iterator<Item = (Nlri, &Told)> + '_ {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let told = self.several.range((from, Bound::Unbounded));
        told.map(|(nlri, told)| (*nlri, told))
    }

    /// All, IPv4 before IPv6, sorted by prefix.
    pub(crate) fn range(&self, from: Bound<Prefix>) -> impl Iterator<Item = (Nlri, &Told)> + '_ {
        let several = match from {
            Bound::Included(prefix) => Bound::Included((prefix, 0)),
            Bound::Excluded(prefix) => Bound::Excluded((prefix, u32::MAX)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let mut single = self.single.range((from, Bound::Unbounded)).peekable();
        let mut several = self.several.range((several, Bound::Unbounded)).peekable();
        core::iter::from_fn(move || {
            let is_single = match (single.peek(), several.peek()) {
                (Some((one, _)), Some(((other, _), _))) => *one <= other,
                (one, _) => one.is_some(),
            };
            if is_single {
                single.next().map(|(prefix, told)| ((*prefix, 0), told))
            } else {
                several.next().map(|(nlri, told)| (*nlri, told))
            }
        })
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Nlri> + '_ {
        let single = self.single.keys().map(|prefix| (*prefix, 0));
        single.chain(self.several.keys().copied())
    }

    /// What a prefix has been told with.
    pub(crate) fn of(&self, prefix: Prefix) -> impl Iterator<Item = &Told> + '_ {
        let several = self.several.range((prefix, 1)..=(prefix, u32::MAX));
        let single = self.single.get(&prefix).into_iter();
        single.chain(several.map(|(_, told)| told))
    }
}
