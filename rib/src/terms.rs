// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is agreed with a neighbour beyond the plain rules of its relation, and what that makes of an `AS_PATH`.

use bgp_proto::{AsPath, Asn};

use crate::{PeerInfo, Relation, Unusable};

/// What becomes of the ASes for private use in what an external neighbour is told (RFC 6996 §4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PrivateAs {
    /// They are left out.
    Remove,
    /// Ours is put in their place: the length stays.
    Replace,
}

/// What is agreed with a neighbour. The default is nothing of it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Terms {
    /// An AS of ours that it sees behind [`PeerInfo::local_as`] (RFC 7705 §3.1). `None`: it is hidden.
    pub also_own: Option<Asn>,
    /// [`PeerInfo::local_as`] is put in front of what it tells us (RFC 7705 §3.1).
    pub prepend_received: bool,
    /// ASes for private use in what it is told.
    pub private_as: Option<PrivateAs>,
    /// Ours is put in the place of its own in what it is told: several sites with one AS hear of each other.
    pub replace_peer_as: bool,
    /// Its AS has to be the first in its paths (RFC 4271 §6.3).
    pub enforce_first_as: bool,
}

impl PeerInfo {
    /// What the terms make of a path that this neighbour has sent, if anything.
    pub(crate) fn path_in(&self, received: &AsPath) -> Option<AsPath> {
        let is_longer = self.terms.prepend_received && self.relation == Relation::External;
        is_longer.then(|| received.prepended(self.local_as, 1))
    }

    /// Why a path as it was received can't be used.
    pub(crate) fn path_refusal(&self, own: Asn, path: &AsPath) -> Option<Unusable> {
        let allowed = usize::from(self.allow_own_as);
        if path.count(own) > allowed || path.count(self.local_as) > allowed {
            return Some(Unusable::AsLoop);
        }
        let is_wrong = self.terms.enforce_first_as
            && self.relation == Relation::External
            && path.neighbor_as() != Some(self.peer_as);
        is_wrong.then_some(Unusable::FirstAs)
    }
}

/// What becomes of the `AS_PATH` towards another AS. Part of what update groups are told apart by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PathRules {
    /// What the neighbour takes us for.
    pub(crate) local_as: Asn,
    /// Another one of ours behind it.
    also_own: Option<Asn>,
    /// With the neighbour's AS, if that is private itself: it stays, so that the neighbour sees its loops.
    private: Option<(PrivateAs, Option<Asn>)>,
    /// Ours takes the place of this one.
    replaced: Option<Asn>,
}

impl PathRules {
    pub(crate) fn new(peer: &PeerInfo) -> Self {
        let terms = &peer.terms;
        let stays = Some(peer.peer_as).filter(|asn| asn.is_private());
        Self {
            local_as: peer.local_as,
            also_own: terms.also_own,
            private: terms.private_as.map(|what| (what, stays)),
            replaced: terms.replace_peer_as.then_some(peer.peer_as),
        }
    }

    /// The path as another AS is told it (RFC 4271 §5.1.2, RFC 5065 §4.1).
    pub(crate) fn told_outside(&self, path: &AsPath) -> AsPath {
        let mut told = path.without_confederation();
        let ours = Some(self.local_as);
        if let Some((what, stays)) = self.private {
            let instead = ours.filter(|_| what == PrivateAs::Replace);
            told = told.rewritten(|asn| match asn {
                asn if asn.is_private() && Some(asn) != stays => instead,
                asn => Some(asn),
            });
        }
        if let Some(theirs) = self.replaced {
            told = told.rewritten(|asn| if asn == theirs { ours } else { Some(asn) });
        }
        if let Some(behind) = self.also_own {
            told = told.prepended(behind, 1);
        }
        told.prepended(self.local_as, 1)
    }
}
