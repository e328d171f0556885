// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is told what: one table for external sessions, full mesh and reflection, and the attributes on their way out.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp_proto::{
    Asn, ClusterId, Community, Family, Negotiated, NextHop, PathAttributes, Prefix, RouterId,
};

use crate::{
    Attributes, NextHopMode, PathsSent, PeerId, PeerInfo, Policy, Relation, Source, Verdict,
    attributes::Reach,
    path::Path,
    peer::own_next_hop,
    policy::{Draft, Facts, SeenNeighbor, Watch},
    terms::{OnlyToCustomer, PathRules, leave},
};

/// Where a path comes from, as the table sees it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Learned {
    /// Not from BGP.
    Locally,
    /// From such a neighbour.
    From(Relation),
}

/// What happens to a path on its way to a neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Telling {
    /// It is not told.
    No,
    /// It is told as one of ours or as learned from another AS.
    Plain,
    /// It is reflected: `ORIGINATOR_ID` and `CLUSTER_LIST` are added.
    Reflected,
}

/// The table (RFC 4271 §9.2, RFC 4456 §6, RFC 5065 §4). Nothing goes back to the neighbour it came from; that is the caller's.
pub fn who_tells_whom(learned: Learned, to: Relation) -> Telling {
    use {
        Learned::{From, Locally},
        Relation::{Client, External, Internal, Member},
    };
    match (learned, to) {
        (Locally | From(External | Member), _) | (From(Internal | Client), External | Member) => {
            Telling::Plain
        }
        (From(Internal), Internal) => Telling::No,
        (From(Internal), Client) | (From(Client), Internal | Client) => Telling::Reflected,
    }
}

/// Everything that the bytes sent to a neighbour depend on: neighbours with the same are one update group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct GroupKey {
    pub(crate) relation: Relation,
    as_path: PathRules,
    only_to_customer: OnlyToCustomer,
    is_leaving: bool,
    pub(crate) negotiated: Negotiated,
    local_v4: Option<Ipv4Addr>,
    local_v6: Option<Ipv6Addr>,
    local_link_local: Option<Ipv6Addr>,
    next_hop: NextHopMode,
    pub(crate) export: Policy,
    pub(crate) neighbor: SeenNeighbor,
    shared_subnets: Vec<Prefix>,
    /// The only member, if it is a client of ours as a route server: what is best is chosen for each of them.
    client: Option<PeerId>,
    /// Families with path identifiers.
    paths_sent: Vec<(Family, PathsSent)>,
}

impl GroupKey {
    pub(crate) fn new(peer: &PeerInfo) -> Self {
        let mut negotiated = peer.negotiated.clone();
        // What does not change a byte of an UPDATE does not divide a group.
        negotiated.hold_time = bgp_proto::HoldTime::OFF;
        negotiated.route_refresh = false;
        negotiated.enhanced_route_refresh = false;
        for family in &mut negotiated.families {
            family.add_path_receive = false;
        }
        let with_ids = negotiated
            .families
            .iter()
            .filter(|entry| entry.add_path_send);
        let paths_sent = with_ids.map(|entry| {
            let mut wanted = peer.paths_sent.iter();
            let wanted = wanted.find(|(family, _)| *family == entry.family);
            (
                entry.family,
                wanted.map_or_else(PathsSent::default, |(_, paths)| *paths),
            )
        });
        let paths_sent = paths_sent.collect();
        Self {
            relation: peer.relation,
            as_path: PathRules::new(peer),
            only_to_customer: OnlyToCustomer::new(peer),
            is_leaving: peer.terms.graceful_shutdown,
            negotiated,
            local_v4: peer.local_v4,
            local_v6: peer.local_v6,
            local_link_local: peer.local_link_local,
            next_hop: peer.next_hop,
            export: peer.export.clone(),
            neighbor: SeenNeighbor::new(&peer.export, peer.address),
            shared_subnets: peer.shared_subnets.clone(),
            client: peer.is_route_server_client().then_some(peer.id),
            paths_sent,
        }
    }

    /// Whether it is told the best of those paths that are for it, not the best one if that is (RFC 7947 §2.3).
    pub(crate) fn chooses(&self) -> bool {
        self.client.is_some()
    }

    /// The AS that this group takes us for.
    pub(crate) fn local_as(&self) -> Asn {
        self.as_path.local_as
    }

    /// Which paths of a prefix this group is told, in a family with path identifiers.
    pub(crate) fn paths_sent(&self, family: Family) -> Option<PathsSent> {
        let mut known = self.paths_sent.iter();
        let (_, paths) = known.find(|(known, _)| *known == family)?;
        Some(*paths)
    }

    pub(crate) fn has_family(&self, family: Family) -> bool {
        self.negotiated.has_family(family)
    }

    /// Whether a path passes at all, before anybody looks at its attributes.
    pub(crate) fn telling(&self, path: &Path, learned: Learned) -> Telling {
        let is_its_own = self.client.is_some() && path.source().peer() == self.client;
        let kept = is_its_own
            || !self.passes_communities(path)
            || self.keeps_marked(path)
            || self.is_stale_to(path);
        if kept || !self.export.exports(path.source()) {
            return Telling::No;
        }
        who_tells_whom(learned, self.relation)
    }

    /// RFC 1997: `NO_EXPORT` is about the confederation, where there is one, and `NO_EXPORT_SUBCONFED` about its members.
    pub(crate) fn passes_communities(&self, path: &Path) -> bool {
        let beyond = match self.relation {
            Relation::External => Reach::Confederation,
            Relation::Member => Reach::MemberAs,
            Relation::Internal | Relation::Client => Reach::Us,
        };
        path.attributes.hot().reach > beyond
    }

    /// It was for customers only (RFC 9234 §5).
    pub(crate) fn keeps_marked(&self, path: &Path) -> bool {
        path.attributes.hot().is_only_to_customer() && self.only_to_customer.keeps_marked()
    }

    /// RFC 9494 §4.3: only those are told that know what it means, and our own AS.
    pub(crate) fn is_stale_to(&self, path: &Path) -> bool {
        let is_unknown = self.relation == Relation::External && !self.negotiated.long_lived_stale;
        is_unknown && path.attributes.hot().is_long_lived_stale()
    }

    /// The attributes as this group is sent them. `None`: we have no address of the family to put in as next hop.
    pub(crate) fn attributes(
        &self,
        attributes: &Attributes,
        source: Source,
        family: Family,
        reflection: Option<(RouterId, ClusterId)>,
    ) -> Option<PathAttributes> {
        let mut out = attributes.unpack();
        if let Some((originator, cluster)) = reflection {
            out.originator_id = out.originator_id.or(Some(originator));
            out.cluster_list.insert(0, cluster);
        }
        match self.relation {
            Relation::External => {
                out.as_path = self.as_path.told_outside(&out.as_path);
                out.local_pref = None;
                out.originator_id = None;
                out.cluster_list.clear();
                out.aigp = None;
                out.extended_communities
                    .retain(|community| community.is_transitive());
                // A MED that another AS gave us is not for a third one (RFC 4271 §5.1.4), unless we only pass it on (RFC 7947).
                if source.peer().is_some() && self.client.is_none() {
                    out.med = None;
                }
            }
            Relation::Member => {
                out.as_path = self.as_path.told_member(&out.as_path);
                out.local_pref = Some(attributes.hot().local_pref);
                out.originator_id = None;
                out.cluster_list.clear();
            }
            Relation::Internal | Relation::Client => {
                out.local_pref = Some(attributes.hot().local_pref);
            }
        }
        self.only_to_customer.mark(&mut out);
        if self.is_leaving {
            leave(self.relation, &mut out);
        }
        self.warn_of_stale(&mut out);
        out.next_hop = self.next_hop(attributes, source, family)?;
        Some(out)
    }

    /// The same as export policy leaves them. It sees what the group would be sent, with the `LOCAL_PREF` of the table. `None`:
    /// also if it does not pass.
    pub(crate) fn under_policy(
        &self,
        path: &Path,
        facts: &Facts,
        reflection: Option<(RouterId, ClusterId)>,
        watch: &mut impl Watch,
    ) -> Option<PathAttributes> {
        let family = facts.prefix.family();
        let mut out = self.attributes(&path.attributes, path.source(), family, reflection)?;
        out.local_pref = Some(path.attributes.hot().local_pref);
        let mut draft = Draft::new(&out);
        draft.preference = Some(facts.preference);
        if self.export.run(facts, &mut draft, watch) == Verdict::Reject {
            return None;
        }
        let mut out = draft.attributes.into_owned();
        if self.relation == Relation::External {
            out.local_pref = None;
        }
        if self.is_leaving {
            leave(self.relation, &mut out);
        }
        self.warn_of_stale(&mut out);
        self.is_writable(family, out.next_hop).then_some(out)
    }

    /// Within our AS, who does not know `LLGR_STALE` is told in other words: the last choice, and no further
    /// (RFC 9494 §4.6).
    fn warn_of_stale(&self, attributes: &mut PathAttributes) {
        let communities = &mut attributes.communities;
        if self.relation == Relation::External
            || self.negotiated.long_lived_stale
            || !communities.contains(&Community::LLGR_STALE)
        {
            return;
        }
        if !communities.contains(&Community::NO_EXPORT) {
            communities.push(Community::NO_EXPORT);
        }
        attributes.local_pref = Some(0);
    }

    /// The next hop as this group is sent it, if there is one for it.
    pub(crate) fn next_hop(
        &self,
        attributes: &Attributes,
        source: Source,
        family: Family,
    ) -> Option<NextHop> {
        let received = attributes.next_hop();
        let is_local = source.peer().is_none();
        let ours = match self.next_hop {
            _ if received.is_unspecified() || is_of_a_link(received) => true,
            NextHopMode::Unchanged => false,
            NextHopMode::ToSelf => true,
            NextHopMode::Auto if self.relation == Relation::External && self.client.is_none() => {
                !self.is_shared(received.addr())
            }
            NextHopMode::Auto => is_local && !matches!(source, Source::Api),
        };
        let hop = match received {
            _ if ours => self.own(family)?,
            // Of no use where the link is another one (RFC 2545 §3).
            NextHop::V6LinkLocal { global, .. } if !self.is_shared(global.into()) => {
                NextHop::V6(global)
            }
            _ => received,
        };
        self.is_writable(family, hop).then_some(hop)
    }

    fn is_shared(&self, address: IpAddr) -> bool {
        self.shared_subnets
            .iter()
            .any(|subnet| subnet.contains(address))
    }

    pub(crate) fn own(&self, family: Family) -> Option<NextHop> {
        own_next_hop(family, self.local_v4, self.local_v6, self.local_link_local)
    }

    /// IPv6 routes have IPv6 next hops; IPv4 routes may, if that was agreed (RFC 8950).
    fn is_writable(&self, family: Family, hop: NextHop) -> bool {
        match (family == Family::IPV4_UNICAST, hop) {
            (true, NextHop::V4(_)) => true,
            (true, _) => self
                .negotiated
                .family(family)
                .is_some_and(|entry| entry.extended_next_hop),
            (false, hop) => !matches!(hop, NextHop::V4(_)),
        }
    }
}

/// Nobody but those on one link can send packets there.
fn is_of_a_link(hop: NextHop) -> bool {
    matches!(hop.addr(), IpAddr::V6(address) if address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_rfc_4456() {
        use {
            Learned::{From, Locally},
            Relation::{Client, External, Internal, Member},
            Telling::{No, Plain, Reflected},
        };
        let rows = [
            // from                  external member internal client
            (Locally, [Plain, Plain, Plain, Plain]),
            (From(External), [Plain, Plain, Plain, Plain]),
            (From(Member), [Plain, Plain, Plain, Plain]),
            (From(Internal), [Plain, Plain, No, Reflected]),
            (From(Client), [Plain, Plain, Reflected, Reflected]),
        ];
        for (learned, expected) in rows {
            let found = [External, Member, Internal, Client].map(|to| who_tells_whom(learned, to));
            assert_eq!(found, expected, "{learned:?}");
        }
    }
}
