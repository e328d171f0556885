// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Other terms with a neighbour while its session stays.

use super::{GroupKey, Rib};
use crate::{PeerId, Terms};

impl Rib {
    /// Looks again at what the neighbour has sent, and sends it what is different now.
    pub(super) fn change_terms(&mut self, id: PeerId, terms: Terms) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.info.terms == terms {
            return;
        }
        let was_kept = !core::mem::replace(&mut peer.info.terms, terms).imported_only;
        let (key, is_up) = (GroupKey::new(&peer.info), peer.is_up);
        if was_kept {
            let prefixes = self.prefixes_of(id);
            self.reimport(id, &prefixes);
        }
        if is_up {
            self.change_group(id, key);
        }
    }
}
