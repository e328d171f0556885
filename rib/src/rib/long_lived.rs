// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes that outlive a neighbour by hours (RFC 9494): the last choice of everybody, and marked so.

use bgp_proto::{Community, Family};

use super::Rib;
use crate::{PeerId, attributes::Interner, path::Path};

impl Rib {
    /// Marks the stale paths of a neighbour, as if it had sent them so, and lets go of those that are not to be kept
    /// (RFC 9494 §4.2).
    pub(super) fn keep_long(&mut self, id: PeerId, family: Family) {
        self.remove_paths(id, |path, prefix| {
            path.is_stale()
                && prefix.family() == family
                && path
                    .received()
                    .unpack()
                    .communities
                    .contains(&Community::NO_LLGR)
        });
        let mut prefixes = self.prefixes_of(id);
        prefixes.retain(|prefix| prefix.family() == family);
        let mark = |interner: &mut Interner, path: &Path| {
            let received = path.received();
            if !path.is_stale() || received.hot().is_long_lived_stale() {
                return received.clone();
            }
            let mut marked = received.unpack();
            marked.communities.push(Community::LLGR_STALE);
            interner.intern(&marked)
        };
        if self.imports_only(id) {
            self.change_imported(id, &prefixes, mark);
        } else {
            self.reimport_as(id, &prefixes, mark);
        }
    }
}
