// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Path attributes as the rest of the system sees them: owned, typed, every value valid.

use alloc::vec::Vec;
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use bytes::Bytes;

use crate::{AsPath, Asn, ClusterId, Community, ExtendedCommunity, LargeCommunity, RouterId};

/// How a route came into BGP (RFC 4271 §5.1.1). Lower is preferred.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// From an interior protocol.
    Igp = 0,
    /// From EGP.
    Egp = 1,
    /// Otherwise.
    Incomplete = 2,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Igp => "igp",
            Self::Egp => "egp",
            Self::Incomplete => "incomplete",
        })
    }
}

/// Where packets go next: `NEXT_HOP`, or the next hop of `MP_REACH_NLRI` (RFC 4760, RFC 2545, RFC 8950).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum NextHop {
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6, one address.
    V6(Ipv6Addr),
    /// IPv6, global and link-local.
    V6LinkLocal {
        /// The global address.
        global: Ipv6Addr,
        /// The link-local address.
        link_local: Ipv6Addr,
    },
}

impl NextHop {
    /// The address, the global one if there are two.
    pub fn addr(self) -> IpAddr {
        match self {
            Self::V4(address) => address.into(),
            Self::V6(address)
            | Self::V6LinkLocal {
                global: address, ..
            } => address.into(),
        }
    }

    /// Not an address yet: whoever announces it puts its own.
    pub fn is_unspecified(self) -> bool {
        self.addr().is_unspecified()
    }
}

impl From<IpAddr> for NextHop {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr().fmt(f)
    }
}

/// Who aggregated a route (RFC 4271 §5.1.7).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Aggregator {
    /// Its AS.
    pub asn: Asn,
    /// Its address.
    pub address: Ipv4Addr,
}

/// An optional transitive attribute that we do not know and pass on (RFC 4271 §5).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct UnknownAttribute {
    /// The flags octet as received, without extended length; Partial is set when it is passed on.
    pub flags: u8,
    /// Type code.
    pub code: u8,
    /// Value.
    pub value: Bytes,
}

/// The attributes of a path.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PathAttributes {
    /// ORIGIN.
    pub origin: Origin,
    /// `AS_PATH`, merged with `AS4_PATH`.
    pub as_path: AsPath,
    /// `NEXT_HOP`, or that of `MP_REACH_NLRI`.
    pub next_hop: NextHop,
    /// `MULTI_EXIT_DISC`.
    pub med: Option<u32>,
    /// `LOCAL_PREF`.
    pub local_pref: Option<u32>,
    /// `ATOMIC_AGGREGATE`.
    pub atomic_aggregate: bool,
    /// AGGREGATOR, merged with `AS4_AGGREGATOR`.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES (RFC 1997), as received.
    pub communities: Vec<Community>,
    /// `ORIGINATOR_ID` (RFC 4456).
    pub originator_id: Option<RouterId>,
    /// `CLUSTER_LIST` (RFC 4456), nearest first.
    pub cluster_list: Vec<ClusterId>,
    /// EXTENDED COMMUNITIES (RFC 4360).
    pub extended_communities: Vec<ExtendedCommunity>,
    /// LARGE COMMUNITIES (RFC 8092).
    pub large_communities: Vec<LargeCommunity>,
    /// AIGP metric (RFC 7311).
    pub aigp: Option<u64>,
    /// Only to Customer (RFC 9234).
    pub only_to_customer: Option<Asn>,
    /// What we do not know and pass on, by code.
    pub unknown: Vec<UnknownAttribute>,
}

impl PathAttributes {
    /// The mandatory attributes and nothing else.
    pub fn new(origin: Origin, as_path: AsPath, next_hop: NextHop) -> Self {
        Self {
            origin,
            as_path,
            next_hop,
            med: None,
            local_pref: None,
            atomic_aggregate: false,
            aggregator: None,
            communities: Vec::new(),
            originator_id: None,
            cluster_list: Vec::new(),
            extended_communities: Vec::new(),
            large_communities: Vec::new(),
            aigp: None,
            only_to_customer: None,
            unknown: Vec::new(),
        }
    }
}
