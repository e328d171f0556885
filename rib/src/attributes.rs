// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attribute sets, each once: equal sets are one pointer, and what the decision needs of them is computed once.

use core::{
    hash::{Hash, Hasher},
    ops::Deref,
};

use bgp_proto::{Asn, PathAttributes};
use foldhash::fast::RandomState;
use hashbrown::HashSet;
use triomphe::Arc;

/// `LOCAL_PREF` of a route that has none (RFC 4271 §9.1.1 leaves it to us; everybody takes this).
pub(crate) const DEFAULT_LOCAL_PREF: u32 = 100;

/// Sets that nobody uses any more are looked for when the table has grown by half.
const FIRST_SWEEP: usize = 1024;

/// An interned set.
#[derive(Debug)]
pub(crate) struct AttributeSet {
    pub(crate) attributes: PathAttributes,
    pub(crate) local_pref: u32,
    pub(crate) hops: u32,
    pub(crate) med: u32,
    pub(crate) neighbor: Asn,
    /// In order of first use: sorts as sets came, on every run alike.
    pub(crate) number: u64,
}

/// A shared, immutable attribute set. Two of one RIB are equal if they are the same.
#[derive(Clone, Debug)]
pub struct Attributes(pub(crate) Arc<AttributeSet>);

impl Deref for Attributes {
    type Target = PathAttributes;

    fn deref(&self) -> &PathAttributes {
        &self.0.attributes
    }
}

impl AsRef<PathAttributes> for Attributes {
    fn as_ref(&self) -> &PathAttributes {
        &self.0.attributes
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.attributes == other.0.attributes
    }
}

impl Eq for Attributes {}

/// In the interner a set is found by its contents.
#[derive(Debug)]
struct ByContents(Arc<AttributeSet>);

impl Hash for ByContents {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.attributes.hash(state);
    }
}

impl PartialEq for ByContents {
    fn eq(&self, other: &Self) -> bool {
        self.0.attributes == other.0.attributes
    }
}

impl Eq for ByContents {}

impl hashbrown::Equivalent<ByContents> for PathAttributes {
    fn equivalent(&self, key: &ByContents) -> bool {
        *self == key.0.attributes
    }
}

/// All sets in use.
#[derive(Debug)]
pub(crate) struct Interner {
    sets: HashSet<ByContents, RandomState>,
    next: u64,
    sweep_at: usize,
}

impl Default for Interner {
    fn default() -> Self {
        Self {
            sets: HashSet::default(),
            next: 0,
            sweep_at: FIRST_SWEEP,
        }
    }
}

impl Interner {
    /// The set with these contents.
    pub(crate) fn intern(&mut self, attributes: PathAttributes) -> Attributes {
        if let Some(known) = self.sets.get(&attributes) {
            return Attributes(known.0.clone());
        }
        if self.sets.len() >= self.sweep_at {
            self.sets.retain(|set| !set.0.is_unique());
            self.sweep_at = FIRST_SWEEP.max(self.sets.len() + self.sets.len() / 2);
        }
        self.next += 1;
        let set = Arc::new(AttributeSet {
            local_pref: attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF),
            hops: attributes.as_path.hop_count(),
            med: attributes.med.unwrap_or(0),
            neighbor: attributes.as_path.neighbor_as().unwrap_or_default(),
            number: self.next,
            attributes,
        });
        self.sets.insert(ByContents(set.clone()));
        Attributes(set)
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
    fn equal_sets_are_one() {
        let mut interner = Interner::default();
        let (first, second) = (interner.intern(with_med(1)), interner.intern(with_med(1)));
        assert!(Arc::ptr_eq(&first.0, &second.0));
        assert!(!Arc::ptr_eq(&first.0, &interner.intern(with_med(2)).0));
    }

    #[test]
    fn sets_that_nobody_uses_are_forgotten() {
        let mut interner = Interner::default();
        for med in 0..100_000 {
            interner.intern(with_med(med));
        }
        assert!(
            interner.sets.len() <= FIRST_SWEEP + 1,
            "{} sets",
            interner.sets.len()
        );
    }
}
