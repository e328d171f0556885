// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What export policy makes of attribute sets.

use bgp_proto::Family;

use crate::{
    Attributes, Source,
    attributes::Interner,
    path::Path,
    policy::{Facts, Memo, Questions},
    rib::Sender,
};

/// With the prefix, all that policy can see of a path: the family, the number of its set, its preference, and whoever it
/// comes from.
type Key = (Family, u64, u16, Source, Sender);

/// Outcomes, as long as they may be asked for again.
#[derive(Debug, Default)]
pub(super) struct UnderPolicy {
    known: Memo<Key, Option<Attributes>>,
    /// Equal outcomes are one set, so that their prefixes share messages.
    made: Interner,
}

impl UnderPolicy {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.known = Memo::default();
        self.made.clear();
    }

    /// What is known of a path, or what `make` makes of it.
    pub(super) fn get(
        &mut self,
        path: &Path,
        facts: &Facts,
        sender: Sender,
        make: impl FnOnce(&mut Questions, &mut Interner) -> Option<Attributes>,
    ) -> Option<Attributes> {
        let number = path.attributes.hot().number;
        let family = facts.prefix.family();
        let key = (family, number, facts.preference, path.source(), sender);
        let Self { known, made: sets } = self;
        known.get(key, facts, |watch| make(watch, sets))
    }
}
