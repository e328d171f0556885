// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the decision asks the table about a path.

use core::net::IpAddr;

use super::Rib;
use crate::{Relation, Source, decision::Context, path::Path};

impl Context for Rib {
    fn is_usable(&self, path: &Path) -> bool {
        path.refused.is_none() && self.next_hops.is_reachable(path)
    }

    fn preference(&self, source: Source) -> u16 {
        self.config.preferences.of(source)
    }

    fn is_external(&self, path: &Path) -> bool {
        let peer = path.source.peer().and_then(|id| self.peers.get(&id));
        peer.is_some_and(|peer| peer.info.relation == Relation::External)
    }

    fn cost(&self, path: &Path) -> u32 {
        self.next_hops.cost(path)
    }

    fn identifier(&self, path: &Path) -> u32 {
        let peer = path.source.peer().and_then(|id| self.peers.get(&id));
        peer.map_or(0, |peer| peer.info.router_id.as_u32())
    }

    fn address(&self, path: &Path) -> Option<IpAddr> {
        self.peer_address(path.source)
    }

    fn always_compare_med(&self) -> bool {
        self.config.always_compare_med
    }
}
