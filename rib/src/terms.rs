// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is agreed with a neighbour beyond the plain rules of its relation, and what that makes of paths.

use alloc::borrow::Cow;

use bgp_proto::{AsPath, Asn, Community, PathAttributes, Role};

use crate::{PeerInfo, Relation, RibConfig, Unusable};

/// What becomes of the ASes for private use in what an external neighbour is told (RFC 6996 §4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PrivateAs {
    /// They are left out.
    Remove,
    /// Ours is put in their place: the length stays.
    Replace,
}

/// What is agreed with a neighbour. The default is nothing of it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is agreed on by itself; any combination makes sense"
)]
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
    /// Its AS has to be the first in its paths (RFC 4271 §6.3, RFC 5065 §5).
    pub enforce_first_as: bool,
    /// We are a route server to it (RFC 7947): it is told what others say as they say it, and the best of what is for it.
    pub route_server_client: bool,
    /// Our role towards it, if it is in another AS (RFC 9234).
    pub role: Option<Role>,
    /// The session will end soon: both sides are to prefer other ways (RFC 8326).
    pub graceful_shutdown: bool,
    /// What it has told us is not kept as it was, only what import made of it; nothing is left of what policy rejected. What
    /// import would make of it now is not known without its telling us again.
    pub imported_only: bool,
}

impl Terms {
    /// Whether import makes the same of routes that come in: what was kept needs no second look.
    pub fn imports_like(&self, other: &Self) -> bool {
        let matters = |terms: &Self| {
            (
                terms.prepend_received,
                terms.enforce_first_as,
                terms.role,
                terms.graceful_shutdown,
            )
        };
        matters(self) == matters(other)
    }
}

impl PeerInfo {
    /// Whether it is a client of ours as a route server. Neighbours in our own AS are none.
    pub(crate) fn is_route_server_client(&self) -> bool {
        self.terms.route_server_client && self.relation == Relation::External
    }

    /// What the terms make of attributes that this neighbour has sent.
    pub(crate) fn take_in(&self, attributes: &mut Cow<'_, PathAttributes>) {
        let is_external = self.relation == Relation::External;
        // RFC 8326 §4.1: whoever announces this wants others to be preferred. If we are leaving, so do we.
        let communities = &attributes.communities;
        let is_leaving = is_external && communities.contains(&Community::GRACEFUL_SHUTDOWN);
        if is_leaving || self.terms.graceful_shutdown {
            attributes.to_mut().local_pref = Some(0);
        }
        if !is_external {
            return;
        }
        if self.terms.prepend_received {
            let path = attributes.as_path.prepended(self.local_as, 1);
            attributes.to_mut().as_path = path;
        }
        // RFC 9234 §5: from here on it only goes down.
        let is_above = matches!(
            self.terms.role,
            Some(Role::CUSTOMER | Role::PEER | Role::ROUTE_SERVER_CLIENT)
        );
        if is_above && attributes.only_to_customer.is_none() {
            attributes.to_mut().only_to_customer = Some(self.peer_as);
        }
    }

    /// Why a path as it was received can't be used.
    pub(crate) fn path_refusal(
        &self,
        config: &RibConfig,
        attributes: &PathAttributes,
    ) -> Option<Unusable> {
        let path = &attributes.as_path;
        let allowed = usize::from(self.allow_own_as);
        let ours = [
            Some(config.local_as),
            config.confederation,
            Some(self.local_as),
        ];
        if ours.iter().flatten().any(|asn| path.count(*asn) > allowed) {
            return Some(Unusable::AsLoop);
        }
        if self.terms.enforce_first_as && !self.begins(path) {
            return Some(Unusable::FirstAs);
        }
        self.is_leak(attributes).then_some(Unusable::Leak)
    }

    /// Whether a path begins with the neighbour's AS, as it has to from another one.
    fn begins(&self, path: &AsPath) -> bool {
        match self.relation {
            Relation::External => path.neighbor_as() == Some(self.peer_as),
            Relation::Member => path.neighbor_member() == Some(self.peer_as),
            Relation::Internal | Relation::Client => true,
        }
    }

    /// RFC 9234 §5, on ingress: who has been told that it goes down only has sent it up, or across.
    fn is_leak(&self, attributes: &PathAttributes) -> bool {
        let (Relation::External, Some(marked)) = (self.relation, attributes.only_to_customer)
        else {
            return false;
        };
        match self.terms.role {
            Some(Role::PROVIDER | Role::ROUTE_SERVER) => true,
            Some(Role::PEER) => marked != self.peer_as,
            _ => false,
        }
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
    /// Nothing is put in front (RFC 7947 §2.2.2).
    is_transparent: bool,
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
            is_transparent: peer.is_route_server_client(),
        }
    }

    /// The path as another member of our confederation is told it (RFC 5065 §4.1).
    pub(crate) fn told_member(&self, path: &AsPath) -> AsPath {
        path.prepended_member(self.local_as, 1)
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
        if self.is_transparent {
            return told;
        }
        if let Some(behind) = self.also_own {
            told = told.prepended(behind, 1);
        }
        told.prepended(self.local_as, 1)
    }
}

/// RFC 9234 §5 on egress. Part of what update groups are told apart by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OnlyToCustomer {
    /// No role is known.
    Nothing,
    /// Towards a provider, a peer or a route server: nothing that only goes down.
    Up,
    /// Towards a customer or a client of ours as a route server: from here on it only goes down.
    Down(Asn),
    /// Towards a peer: both.
    Across(Asn),
}

impl OnlyToCustomer {
    pub(crate) fn new(peer: &PeerInfo) -> Self {
        match peer
            .terms
            .role
            .filter(|_| peer.relation == Relation::External)
        {
            Some(Role::CUSTOMER | Role::ROUTE_SERVER_CLIENT) => Self::Up,
            Some(Role::PROVIDER | Role::ROUTE_SERVER) => Self::Down(peer.local_as),
            Some(Role::PEER) => Self::Across(peer.local_as),
            _ => Self::Nothing,
        }
    }

    /// Whether what is marked already is not told.
    pub(crate) fn keeps_marked(self) -> bool {
        matches!(self, Self::Up | Self::Across(_))
    }

    pub(crate) fn mark(self, attributes: &mut PathAttributes) {
        if let Self::Down(asn) | Self::Across(asn) = self {
            attributes.only_to_customer.get_or_insert(asn);
        }
    }
}

/// Makes a route the last choice of whoever is told it (RFC 8326 §4.2): of our own AS by preference, of others by word.
pub(crate) fn leave(relation: Relation, attributes: &mut PathAttributes) {
    let communities = &mut attributes.communities;
    match relation {
        Relation::External if communities.contains(&Community::GRACEFUL_SHUTDOWN) => {}
        Relation::External => communities.push(Community::GRACEFUL_SHUTDOWN),
        Relation::Member | Relation::Internal | Relation::Client => attributes.local_pref = Some(0),
    }
}
