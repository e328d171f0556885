// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stands around the table: neighbours, next hops, configuration. The decision asks it about a path.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use super::{Peer, Rib};
use crate::{
    PeerId, Relation, RibConfig, Source,
    decision::Context,
    export::{GroupKey, Learned, Telling},
    next_hop::NextHops,
    path::Path,
};

/// Borrowed from a [`Rib`] while an entry of its table is borrowed too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    pub(crate) config: &'a RibConfig,
    pub(crate) peers: &'a BTreeMap<PeerId, Peer>,
    pub(crate) next_hops: &'a NextHops,
}

impl Rib {
    pub(crate) fn around(&self) -> Around<'_> {
        Around {
            config: &self.config,
            peers: &self.peers,
            next_hops: &self.next_hops,
        }
    }
}

impl Around<'_> {
    fn peer(&self, source: Source) -> Option<&Peer> {
        self.peers.get(&source.peer()?)
    }

    /// How a group is told of a best path, if it is: plainly, or reflected.
    pub(crate) fn telling(
        &self,
        key: &GroupKey,
        best: &Path,
    ) -> Result<Option<Reflection>, NotTold> {
        let sender = self.peer(best.source);
        let learned = sender.map_or(Learned::Locally, |peer| Learned::From(peer.info.relation));
        match key.telling(best, learned) {
            Telling::No => Err(NotTold),
            Telling::Plain => Ok(None),
            Telling::Reflected => {
                let sender = sender.ok_or(NotTold)?;
                Ok(Some((sender.info.router_id, self.config.cluster_id)))
            }
        }
    }
}

/// The group is not told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotTold;

/// What reflection adds to a path: who brought it into the AS, and our cluster.
pub(crate) type Reflection = (bgp_proto::RouterId, bgp_proto::ClusterId);

impl Context for Around<'_> {
    fn is_usable(&self, path: &Path) -> bool {
        path.refused.is_none() && self.next_hops.is_reachable(path)
    }

    fn preference(&self, source: Source) -> u16 {
        self.config.preferences.of(source)
    }

    fn is_external(&self, path: &Path) -> bool {
        let peer = self.peer(path.source);
        peer.is_some_and(|peer| peer.info.relation == Relation::External)
    }

    fn cost(&self, path: &Path) -> u32 {
        self.next_hops.cost(path)
    }

    fn identifier(&self, path: &Path) -> u32 {
        let peer = self.peer(path.source);
        peer.map_or(0, |peer| peer.info.router_id.as_u32())
    }

    fn address(&self, path: &Path) -> Option<IpAddr> {
        self.peer(path.source).map(|peer| peer.info.address)
    }

    fn always_compare_med(&self) -> bool {
        self.config.always_compare_med
    }
}
