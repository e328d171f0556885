// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stands around the table: neighbours, next hops, configuration. The decision asks it about a path.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use bgp_proto::{Asn, NextHop, Prefix, RouterId};
use triomphe::Arc;

use super::{Peer, Rib};
use crate::{
    Attributes, FibRoute, KernelAttributes, PeerId, Relation, RibConfig, Selection, Source,
    Verdict,
    decision::Context,
    export::{GroupKey, Learned, Telling},
    next_hop::NextHops,
    path::Path,
    policy::{Draft, Facts, RpkiState, Watch},
    table::Table,
};

/// Borrowed from a [`Rib`] while an entry of its table is borrowed too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    pub(crate) config: &'a RibConfig,
    pub(crate) peers: &'a BTreeMap<PeerId, Peer>,
    pub(crate) next_hops: &'a NextHops,
}

/// The same with the table, for what groups have been told.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) table: &'a Table,
    pub(crate) around: Around<'a>,
    /// Prefixes that are dirty, as they were before, if that counts.
    pub(crate) dirty: BTreeMap<Prefix, Option<&'a Before>>,
}

/// A prefix before it became dirty.
#[derive(Debug)]
pub(crate) struct Before {
    /// The best path, and what is needed to know who was told of it, should its neighbour be gone.
    pub(crate) best: Path,
    pub(crate) sender: Sender,
    /// What the forwarding table has.
    pub(crate) fib: Option<FibRoute>,
}

impl Rib {
    pub(crate) fn view(&self) -> View<'_> {
        view!(self)
    }

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

    /// What a policy can ask of a route that is in the table.
    fn facts(&self, prefix: Prefix, source: Source, sender: Sender, next_hop: NextHop) -> Facts {
        Facts {
            prefix,
            source,
            relation: sender.relation(),
            from: sender.address,
            neighbor: sender.address,
            next_hop,
            own_as: self.config.local_as,
            own_next_hop: None,
            member_as: None,
            preference: self.config.preferences.of(source),
            rpki: RpkiState::NotFound,
        }
    }

    /// Our AS to such a neighbour, if both are in one confederation.
    fn member_as(&self, relation: Relation) -> Option<Asn> {
        let inside = self.config.confederation.is_some() && relation != Relation::External;
        inside.then_some(self.config.local_as)
    }

    /// The same on import. `None`: it does not come from a neighbour.
    pub(crate) fn import_facts(
        &self,
        prefix: Prefix,
        source: Source,
        received: &Attributes,
    ) -> Option<Facts> {
        let info = &self.peer(source)?.info;
        Some(Facts {
            own_as: info.local_as,
            own_next_hop: info.own_next_hop(prefix.family()),
            member_as: self.member_as(info.relation),
            ..self.facts(prefix, source, self.sender(source), received.next_hop())
        })
    }

    /// The same on export to a group, of a path that is in the table, or was.
    pub(crate) fn export_facts(
        &self,
        prefix: Prefix,
        path: &Path,
        sender: Sender,
        key: &GroupKey,
    ) -> Facts {
        Facts {
            neighbor: Some(key.neighbor.address),
            own_as: key.local_as(),
            own_next_hop: key.own(prefix.family()),
            member_as: self.member_as(key.relation),
            preference: self.preference(path),
            ..self.facts(prefix, path.source(), sender, path.attributes.next_hop())
        }
    }

    /// What kernel export makes of a path.
    pub(crate) fn kernel_export(
        &self,
        prefix: Prefix,
        path: &Path,
        watch: &mut impl Watch,
    ) -> Result<Option<Arc<KernelAttributes>>, Rejected> {
        let imported = path.imported();
        let before = imported.and_then(|imported| imported.kernel.clone());
        let attributes = path.attributes.unpack();
        let mut draft = Draft::new(&attributes);
        draft.kernel = before.as_deref().cloned().unwrap_or_default();
        let (sender, next_hop) = (self.sender(path.source()), path.attributes.next_hop());
        let facts = Facts {
            preference: self.preference(path),
            ..self.facts(prefix, path.source(), sender, next_hop)
        };
        match self.config.kernel_export.run(&facts, &mut draft, watch) {
            Verdict::Reject => Err(Rejected),
            Verdict::Accept if before.as_deref() == Some(&draft.kernel) => Ok(before),
            Verdict::Accept if draft.kernel == KernelAttributes::default() => Ok(None),
            Verdict::Accept => Ok(Some(Arc::new(draft.kernel))),
        }
    }

    /// Most paths of a prefix in use at once.
    pub(crate) fn max_paths(&self, best: &Path) -> usize {
        let is_internal = best.source().peer().is_some() && !self.is_external(best);
        if is_internal {
            self.config.selection.max_internal_paths
        } else {
            self.config.selection.max_paths
        }
    }

    /// What export asks of whoever a path comes from.
    pub(crate) fn sender(&self, source: Source) -> Sender {
        let sender = self.peer(source);
        Sender {
            learned: sender.map_or(Learned::Locally, |peer| Learned::From(peer.info.relation)),
            router_id: sender.map(|peer| peer.info.router_id),
            address: sender.map(|peer| peer.info.address),
        }
    }

    /// How a group is told of a path, if it is: plainly, or reflected.
    pub(crate) fn telling(
        &self,
        key: &GroupKey,
        path: &Path,
        sender: Sender,
    ) -> Result<Option<Reflection>, NotTold> {
        match key.telling(path, sender.learned) {
            Telling::No => Err(NotTold),
            Telling::Plain => Ok(None),
            Telling::Reflected => {
                let originator = sender.router_id.ok_or(NotTold)?;
                Ok(Some((originator, self.config.cluster_id)))
            }
        }
    }
}

/// What export asks of whoever a path comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Sender {
    learned: Learned,
    router_id: Option<RouterId>,
    address: Option<IpAddr>,
}

impl Sender {
    /// What it is to us, if it is a neighbour.
    fn relation(self) -> Option<Relation> {
        match self.learned {
            Learned::From(relation) => Some(relation),
            Learned::Locally => None,
        }
    }
}

/// Policy does not let it pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rejected;

/// The group is not told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotTold;

/// What reflection adds to a path: who brought it into the AS, and our cluster.
pub(crate) type Reflection = (bgp_proto::RouterId, bgp_proto::ClusterId);

impl Context for Around<'_> {
    fn selection(&self) -> &Selection {
        &self.config.selection
    }

    fn is_usable(&self, path: &Path) -> bool {
        path.refused.is_none() && self.next_hops.is_reachable(path)
    }

    fn preference(&self, path: &Path) -> u16 {
        let imported = path.imported();
        let wanted = imported.and_then(|imported| imported.preference);
        wanted.unwrap_or_else(|| self.config.preferences.of(path.source()))
    }

    fn is_external(&self, path: &Path) -> bool {
        let peer = self.peer(path.source());
        peer.is_some_and(|peer| peer.info.relation == Relation::External)
    }

    fn cost(&self, path: &Path) -> u32 {
        self.next_hops.cost(path)
    }

    fn identifier(&self, path: &Path) -> u32 {
        let peer = self.peer(path.source());
        peer.map_or(0, |peer| peer.info.router_id.as_u32())
    }

    fn address(&self, path: &Path) -> Option<IpAddr> {
        self.peer(path.source()).map(|peer| peer.info.address)
    }
}
