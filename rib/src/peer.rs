// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the RIB knows of a neighbour, and of itself.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp_proto::{Asn, ClusterId, Family, Negotiated, NextHop, Prefix, RouterId};

use crate::{PathsSent, PeerId, Policy, Preferences, Selection, Terms};

/// What a neighbour is to us.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Relation {
    /// Another AS.
    External,
    /// Another member AS of our confederation (RFC 5065).
    Member,
    /// Our AS, not a client.
    Internal,
    /// Our AS, a client of ours (RFC 4456).
    Client,
}

/// What `NEXT_HOP` says towards a neighbour.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum NextHopMode {
    /// Ourselves towards other ASes (unless the next hop is on the neighbour's own subnet, RFC 4271 §5.1.3) and for local
    /// routes, else what was received.
    #[default]
    Auto,
    /// Always ourselves.
    ToSelf,
    /// What was received, also towards other ASes.
    Unchanged,
}

/// A session that is up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerInfo {
    /// Its number.
    pub id: PeerId,
    /// Its address: the last tie breaker.
    pub address: IpAddr,
    /// What it is to us.
    pub relation: Relation,
    /// Its AS.
    pub peer_as: Asn,
    /// The AS we show it.
    pub local_as: Asn,
    /// Its identifier.
    pub router_id: RouterId,
    /// Our IPv4 address towards it.
    pub local_v4: Option<Ipv4Addr>,
    /// Our IPv6 address towards it.
    pub local_v6: Option<Ipv6Addr>,
    /// Our link-local address towards it.
    pub local_link_local: Option<Ipv6Addr>,
    /// What the session has agreed on.
    pub negotiated: Negotiated,
    /// `NEXT_HOP` towards it.
    pub next_hop: NextHopMode,
    /// Import policy.
    pub import: Policy,
    /// Export policy.
    pub export: Policy,
    /// How often our own AS may be in its paths.
    pub allow_own_as: u8,
    /// Subnets that we share with it.
    pub shared_subnets: Vec<Prefix>,
    /// Weight of its paths.
    pub weight: u16,
    /// What else is agreed with it.
    pub terms: Terms,
    /// Which paths of a prefix it is told in families that it takes several in; the best where nothing is said.
    pub paths_sent: Vec<(Family, PathsSent)>,
}

impl PeerInfo {
    /// Our address towards it, as next hop of routes of a family.
    pub(crate) fn own_next_hop(&self, family: Family) -> Option<NextHop> {
        own_next_hop(family, self.local_v4, self.local_v6, self.local_link_local)
    }

    /// Whether packets sent there would come to us.
    pub(crate) fn is_ours(&self, next_hop: NextHop) -> bool {
        match next_hop {
            NextHop::V4(address) => self.local_v4 == Some(address),
            NextHop::V6(address) => [self.local_v6, self.local_link_local].contains(&Some(address)),
            NextHop::V6LinkLocal { global, link_local } => {
                self.local_v6 == Some(global) || self.local_link_local == Some(link_local)
            }
        }
    }
}

/// The next hop that these addresses make for routes of a family.
pub(crate) fn own_next_hop(
    family: Family,
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
    link_local: Option<Ipv6Addr>,
) -> Option<NextHop> {
    let v6 = match (v6, link_local) {
        (Some(global), Some(link_local)) => Some(NextHop::V6LinkLocal { global, link_local }),
        (Some(address), None) | (None, Some(address)) => Some(NextHop::V6(address)),
        (None, None) => None,
    };
    if family == Family::IPV4_UNICAST {
        v4.map(NextHop::V4).or(v6)
    } else {
        v6
    }
}

/// What a RIB is told of the router it belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RibConfig {
    /// Our AS.
    pub local_as: Asn,
    /// The AS that our confederation is to others, if we are in one: [`Self::local_as`] is a member of it (RFC 5065).
    pub confederation: Option<Asn>,
    /// Our identifier.
    pub router_id: RouterId,
    /// The cluster that we reflect for (RFC 4456).
    pub cluster_id: ClusterId,
    /// Which source wins over which.
    pub preferences: Preferences,
    /// Next hops are usable when [`crate::Input::NextHops`] says so. Without it all are, at no cost.
    pub next_hop_tracking: bool,
    /// How the best path is chosen, and those that are used beside it.
    pub selection: Selection,
    /// What goes into the forwarding table. It can change what [`crate::FibPath::kernel`] says, and nothing else.
    pub kernel_export: Policy,
}

impl RibConfig {
    /// The usual values; the cluster is named by the identifier.
    pub fn new(local_as: Asn, router_id: RouterId) -> Self {
        Self {
            local_as,
            confederation: None,
            router_id,
            cluster_id: ClusterId(router_id.as_u32()),
            preferences: Preferences::default(),
            next_hop_tracking: false,
            selection: Selection::default(),
            kernel_export: Policy::accept_all(),
        }
    }
}

/// Routes of one family at one neighbour.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FamilyCounts {
    /// Paths in the Adj-RIB-In.
    pub received: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Paths in the Adj-RIB-Out.
    pub advertised: u64,
}

impl FamilyCounts {
    /// Adds those of another shard.
    pub(crate) fn add(&mut self, other: Self) {
        self.received += other.received;
        self.accepted += other.accepted;
        self.advertised += other.advertised;
    }
}

/// Counters of one neighbour, by family.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters([FamilyCounts; 2]);

impl Counters {
    pub(crate) fn get(mut self, family: Family) -> FamilyCounts {
        *self.of(family)
    }

    /// Paths of all families in the Adj-RIB-In.
    pub(crate) fn received(&self) -> u64 {
        self.0.iter().map(|counts| counts.received).sum()
    }

    pub(crate) fn of(&mut self, family: Family) -> &mut FamilyCounts {
        let [v4, v6] = &mut self.0;
        if family == Family::IPV6_UNICAST {
            v6
        } else {
            v4
        }
    }
}
