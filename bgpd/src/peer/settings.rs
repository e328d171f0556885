// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a neighbour's configuration comes to, and what the RIB is told of it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use crate::config::{LimitAction, is_link_local};
use bgp_fsm::SessionConfig;
use bgp_proto::{Asn, Capability, Family, Negotiated, NextHop, Open};
use rib::{Disposition, NextHopMode, PathsSent, PeerId, PeerInfo, Policy, Relation, Terms};

/// What a neighbour's configuration comes to.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Names it towards the RIB.
    pub id: PeerId,
    /// Its address.
    pub address: IpAddr,
    /// The session's side of it.
    pub session: SessionConfig,
    /// It is a client of ours, if the session is internal (RFC 4456).
    pub route_reflector_client: bool,
    /// `NEXT_HOP` towards it.
    pub next_hop: NextHopMode,
    /// Packets for next hops that are on no subnet we share with it go to the neighbour itself.
    pub is_gateway: bool,
    /// Import policy.
    pub import: Policy,
    /// Export policy.
    pub export: Policy,
    /// How many prefixes it may have announced, by family.
    pub limits: Vec<PrefixLimit>,
    /// How often our own AS may be in its paths.
    pub allow_own_as: u8,
    /// Weight of its paths in the decision.
    pub weight: u16,
    /// What else is agreed with it.
    pub terms: Terms,
    /// The members of our confederation besides us (RFC 5065).
    pub members: Vec<Asn>,
    /// The neighbour is on a subnet of ours: other routers' next hops there are passed on (RFC 4271 §5.1.3).
    pub shared_subnets: Vec<bgp_proto::Prefix>,
    /// Which paths of a prefix it is told, by family, if it takes several (RFC 7911).
    pub paths_sent: Vec<(Family, PathsSent)>,
    /// Addresses of ours, each with another one of the same interface: next hops of the other family.
    pub siblings: Vec<(IpAddr, IpAddr)>,
    /// Shards that will each report their part of the initial table.
    pub shards: usize,
}

/// How many prefixes a neighbour may have announced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PrefixLimit {
    /// Of this family.
    pub family: Family,
    /// So many.
    pub max: u32,
    /// What becomes of more.
    pub action: LimitAction,
    /// From this percentage of `max` on the log warns.
    pub warn_percent: Option<u8>,
    /// A session that has ended by it is tried again after this time. `None`: an operator has to start it.
    pub restart: Option<Duration>,
}

impl PeerSettings {
    /// Everything passes, there is no limit and one shard; nothing is known of our addresses.
    pub fn new(id: PeerId, address: IpAddr, session: SessionConfig) -> Self {
        Self {
            id,
            address,
            session,
            route_reflector_client: false,
            next_hop: NextHopMode::Auto,
            is_gateway: false,
            import: Policy::accept_all(),
            export: Policy::accept_all(),
            limits: Vec::new(),
            allow_own_as: 0,
            weight: 0,
            terms: Terms::default(),
            members: Vec::new(),
            shared_subnets: Vec::new(),
            paths_sent: Vec::new(),
            siblings: Vec::new(),
            shards: 1,
        }
    }

    /// The families that we offer.
    pub fn families(&self) -> impl Iterator<Item = Family> + '_ {
        self.session
            .capabilities
            .iter()
            .filter_map(|capability| match capability {
                Capability::Multiprotocol(family) => Some(*family),
                _ => None,
            })
    }

    /// Where packets go that follow a route with this next hop.
    pub(super) fn disposition(&self, next_hop: NextHop) -> Disposition {
        let is_shared = |subnet: &bgp_proto::Prefix| subnet.contains(next_hop.addr());
        if !self.is_gateway || self.shared_subnets.iter().any(is_shared) {
            return Disposition::Via(next_hop);
        }
        Disposition::Via(match self.address {
            IpAddr::V4(address) => NextHop::V4(address),
            IpAddr::V6(address) => NextHop::V6(address),
        })
    }

    /// What a neighbour in this AS is to us.
    pub(super) fn relation(&self, asn: Asn) -> Relation {
        if asn == self.session.local_as {
            return if self.route_reflector_client {
                Relation::Client
            } else {
                Relation::Internal
            };
        }
        if self.members.contains(&asn) {
            Relation::Member
        } else {
            Relation::External
        }
    }

    /// What the RIB has to know of the neighbour in this session.
    pub(super) fn info(
        &self,
        local_as: Asn,
        negotiated: &Negotiated,
        remote: &Open,
        local: Option<IpAddr>,
    ) -> PeerInfo {
        let relation = self.relation(remote.asn);
        // Between link-local addresses nobody knows whether IPv4 addresses are of the same subnet; IPv6 next hops do not ask.
        let unnumbered = local.is_some_and(is_link_local)
            && negotiated
                .family(Family::IPV4_UNICAST)
                .is_some_and(|entry| entry.extended_next_hop);
        // Beyond a router nobody can send packets there (RFC 2545 §3).
        let is_on_link = !self.shared_subnets.is_empty() || local.is_some_and(is_link_local);
        PeerInfo {
            id: self.id,
            address: self.address,
            relation,
            peer_as: remote.asn,
            local_as,
            router_id: remote.router_id,
            local_v4: self.own(local, as_ipv4).filter(|_| !unnumbered),
            local_v6: self.own(local, |address| {
                as_ipv6(address).filter(|v6| !v6.is_unicast_link_local())
            }),
            local_link_local: self
                .own(local, |address| {
                    as_ipv6(address).filter(Ipv6Addr::is_unicast_link_local)
                })
                .filter(|_| is_on_link),
            negotiated: negotiated.clone(),
            next_hop: self.next_hop,
            import: self.import.clone(),
            export: self.export.clone(),
            allow_own_as: self.allow_own_as,
            terms: self.terms_with(local_as),
            shared_subnets: self.shared_subnets.clone(),
            weight: self.weight,
            paths_sent: self.paths_sent.clone(),
        }
    }

    /// The terms of a session in which this AS is ours: one that knows our real AS has nothing to do with the other one.
    pub(super) fn terms_with(&self, local_as: Asn) -> Terms {
        let mut terms = self.terms.clone();
        if self.session.other_as == Some(local_as) {
            terms.also_own = None;
            terms.prepend_received = false;
        }
        terms
    }

    /// Our address of a kind: the one of the session's connection, or one beside it on the same interface.
    fn own<T>(&self, local: Option<IpAddr>, kind: impl Fn(IpAddr) -> Option<T>) -> Option<T> {
        let local = local?;
        let beside = self
            .siblings
            .iter()
            .filter(|(address, _)| *address == local);
        kind(local).or_else(|| beside.map(|(_, sibling)| *sibling).find_map(&kind))
    }
}

fn as_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

fn as_ipv6(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use bgp_fsm::PeerAs;
    use bgp_proto::RouterId;

    use super::*;

    #[test]
    fn a_link_local_address_is_no_next_hop_beyond_a_router() {
        let ours: IpAddr = "2001:db8:1::1".parse().expect("an address");
        let link_local: Ipv6Addr = "fe80::1".parse().expect("an address");
        let us = RouterId::new([192, 0, 2, 1].into()).expect("not zero");
        let session = SessionConfig::new(Asn(64512), PeerAs::Any, us);
        let neighbor = "2001:db8:2::2".parse().expect("an address");
        let mut settings = PeerSettings::new(PeerId(1), neighbor, session);
        settings.siblings.push((ours, link_local.into()));
        let remote = Open {
            asn: Asn(64512),
            hold_time: bgp_proto::HoldTime::OFF,
            router_id: us,
            capabilities: Vec::new(),
        };
        let told = |settings: &PeerSettings| {
            let info = settings.info(Asn(64512), &Negotiated::default(), &remote, Some(ours));
            (info.local_v6.map(IpAddr::V6), info.local_link_local)
        };
        assert_eq!(told(&settings), (Some(ours), None));
        let subnet = "2001:db8::/32".parse().expect("a prefix");
        settings.shared_subnets.push(subnet);
        assert_eq!(told(&settings), (Some(ours), Some(link_local)));
    }
}
