// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours as configured.

use std::{fmt, net::IpAddr};

use bgp_proto::{Asn, Family};
use ipnetwork::IpNetwork;
use rib::PathsSent;

use super::{name::PeerName, policy::PeerPolicy};

/// A neighbour, with all defaults filled in.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is configured by itself; any combination makes sense"
)]
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbor {
    /// What it is called.
    pub name: PeerName,
    /// Its address; unspecified as long as nobody knows it (unnumbered).
    pub address: IpAddr,
    /// Its AS; 0 for any.
    pub peer_as: Asn,
    /// Which are let in, if it may be any.
    pub any_as: AnyAs,
    /// Our AS towards it.
    pub local_as: Asn,
    /// Our real AS, if the neighbour may know us by that, too.
    pub other_as: Option<Asn>,
    /// Free text.
    pub description: Option<String>,
    /// The peer group it is in.
    pub group: Option<String>,
    /// TCP MD5 key.
    pub auth_password: Option<Secret>,
    /// We wait for it to connect.
    pub passive: bool,
    /// Not started until an operator says so.
    pub admin_down: bool,
    /// Our end of the session.
    pub local_address: Option<LocalAddress>,
    /// TCP port it listens on.
    pub remote_port: u16,
    /// Hold time we offer, in seconds; 0 for none.
    pub hold_time: u16,
    /// Seconds between keepalives; a third of the hold time if not given.
    pub keepalive: Option<u16>,
    /// Seconds between attempts to connect.
    pub connect_retry: u16,
    /// Seconds of rest after a session has ended.
    pub idle_hold: u16,
    /// RFC 5082: packets of less than this TTL are dropped.
    pub ttl_security: Option<u8>,
    /// TTL of an eBGP session over several hops.
    pub multihop: Option<u8>,
    /// An external one that is one hop away has to be on a link of ours.
    pub connected_check: bool,
    /// Device or VRF the session is bound to.
    pub bind_interface: Option<String>,
    /// It is a client of ours as a reflector.
    pub route_reflector_client: bool,
    /// What next hop it is told.
    pub next_hop: NextHopMode,
    /// Where packets for a next hop of its routes go.
    pub gateway: Gateway,
    /// What is exchanged.
    pub families: Vec<FamilyConfig>,
    /// Our AS is accepted this often in a path.
    pub allow_own_as: u8,
    /// Weight of its routes: the highest wins before anything else is compared.
    pub weight: u16,
    /// What else is agreed with it.
    pub terms: rib::Terms,
    /// It has to say its role, too (RFC 9234).
    pub strict_role: bool,
    /// It is another member of our confederation (RFC 5065).
    pub is_member: bool,
    /// RFC 4724.
    pub graceful_restart: GracefulRestart,
    /// RFC 5880 to 5883.
    pub bfd: Bfd,
    /// Which of its routes are taken.
    pub import: PeerPolicy,
    /// Which routes it is given.
    pub export: PeerPolicy,
}

/// Where packets for a next hop go that is not on a link we share with the neighbour.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Gateway {
    /// Where the routing table leads.
    #[default]
    Recursive,
    /// To the neighbour.
    Direct,
}

impl Neighbor {
    /// Seconds between attempts to connect if not configured: a node that comes back is connected soon.
    pub const CONNECT_RETRY: u16 = 5;
    /// Seconds of rest after a session has ended if not configured.
    pub const IDLE_HOLD: u16 = 5;
    /// Hold time if not configured.
    pub const HOLD_TIME: u16 = 90;

    /// A neighbour with defaults: policies accept if it is internal, and reject otherwise.
    pub fn new(address: IpAddr, peer_as: Asn, local_as: Asn) -> Self {
        let policy = PeerPolicy::standard(peer_as == local_as);
        Self {
            name: address.into(),
            address,
            peer_as,
            any_as: AnyAs::Every,
            local_as,
            other_as: None,
            description: None,
            group: None,
            auth_password: None,
            passive: false,
            admin_down: false,
            local_address: None,
            remote_port: 179,
            hold_time: Self::HOLD_TIME,
            keepalive: None,
            connect_retry: Self::CONNECT_RETRY,
            idle_hold: Self::IDLE_HOLD,
            ttl_security: None,
            multihop: None,
            connected_check: true,
            bind_interface: None,
            route_reflector_client: false,
            next_hop: NextHopMode::Auto,
            gateway: Gateway::Recursive,
            families: vec![FamilyConfig::new(family_of(address))],
            allow_own_as: 0,
            weight: 0,
            terms: rib::Terms {
                enforce_first_as: true,
                ..rib::Terms::default()
            },
            strict_role: false,
            is_member: false,
            graceful_restart: GracefulRestart::default(),
            bfd: Bfd::default(),
            import: policy.clone(),
            export: policy,
        }
    }

    /// Its AS, in words.
    pub fn remote_as(&self) -> String {
        match (self.peer_as.0, self.any_as) {
            (0, AnyAs::External) => "any other AS".to_owned(),
            (0, AnyAs::Every) => "any AS".to_owned(),
            (number, _) => format!("AS {number}"),
        }
    }

    /// Nobody knows yet where it is (unnumbered).
    pub fn is_awaited(&self) -> bool {
        self.address.is_unspecified()
    }

    /// Of our own AS.
    pub fn is_internal(&self) -> bool {
        self.peer_as == self.local_as
    }
}

/// The unicast family an address belongs to.
pub(super) fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() {
        Family::IPV4_UNICAST
    } else {
        Family::IPV6_UNICAST
    }
}

/// Which AS a neighbour may have that is not configured with one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AnyAs {
    /// Whichever it says.
    #[default]
    Every,
    /// Any but ours.
    External,
}

/// Our end of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LocalAddress {
    /// Given.
    Address(IpAddr),
    /// The first address of an interface that has the neighbour's family.
    Interface(String),
}

/// What next hop a neighbour is told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NextHopMode {
    /// Ourselves to eBGP, as received to iBGP.
    #[default]
    Auto,
    /// Always ourselves.
    ToSelf,
    /// As received.
    Unchanged,
}

/// A family exchanged with a neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FamilyConfig {
    /// Which.
    pub family: Family,
    /// It may send several paths of a prefix (RFC 7911).
    pub add_path_receive: bool,
    /// It is told several paths of a prefix, if it takes them: these.
    pub add_path_send: Option<PathsSent>,
    /// How many prefixes it may have announced.
    pub max_prefixes: Option<u32>,
    /// What becomes of more.
    pub limit_action: LimitAction,
    /// Percent of `max_prefixes` from which on we warn.
    pub threshold: Option<u8>,
    /// RFC 8950: its IPv4 routes may have IPv6 next hops. `None`: if the session is over IPv6.
    pub extended_next_hop: Option<bool>,
    /// Its routes are kept while the neighbour's peer, which we are, restarts (RFC 4724).
    pub graceful_restart: bool,
    /// Seconds for which stale routes are kept once the restart time is over (RFC 9494): what we tell the neighbour.
    pub long_lived: Option<u32>,
    /// Seconds after which a session that had too many prefixes is tried again. `None`: when an operator says so.
    pub restart: Option<u32>,
}

impl FamilyConfig {
    /// Without limits and additions.
    pub fn new(family: Family) -> Self {
        Self {
            family,
            add_path_receive: false,
            add_path_send: None,
            max_prefixes: None,
            limit_action: LimitAction::default(),
            threshold: None,
            extended_next_hop: None,
            graceful_restart: true,
            long_lived: None,
            restart: None,
        }
    }
}

/// What becomes of prefixes beyond the limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LimitAction {
    /// They end the session (Cease/1, RFC 4486); it may be tried again after a time.
    #[default]
    Restart,
    /// They are taken, and the log says so.
    Warn,
    /// They are not taken.
    Drop,
}

/// RFC 4724.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GracefulRestart {
    /// Offered.
    pub enabled: bool,
    /// Seconds the neighbour keeps our routes while we are away.
    pub restart_time: u16,
}

impl Default for GracefulRestart {
    fn default() -> Self {
        Self {
            enabled: true,
            restart_time: 120,
        }
    }
}

/// RFC 5880 to 5883: how a neighbour's silence is noticed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bfd {
    /// There is a BFD session with the neighbour, and its failure ends the BGP session.
    pub enabled: bool,
    /// No BGP session before the BFD session is up.
    pub strict: bool,
    /// Seconds that the neighbour's OPEN waits for that.
    pub strict_hold_time: u16,
    /// Milliseconds between packets of ours.
    pub min_transmit: u32,
    /// Milliseconds between packets that we can take.
    pub min_receive: u32,
    /// So many packets missing are a failure, to the neighbour.
    pub multiplier: u8,
    /// RFC 5883 instead of RFC 5881. `None`: as the BGP session is.
    pub multihop: Option<bool>,
    /// The neighbour speaks first.
    pub passive: bool,
    /// How packets are authenticated.
    pub authentication: Option<BfdAuthentication>,
}

/// A key that both ends of a BFD session have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BfdAuthentication {
    /// How it is used.
    pub method: bfd::Method,
    /// Its number.
    pub id: u8,
    /// It.
    pub secret: Secret,
}

impl Default for Bfd {
    fn default() -> Self {
        Self {
            enabled: false,
            strict: false,
            strict_hold_time: 30,
            min_transmit: 300,
            min_receive: 300,
            multiplier: 3,
            multihop: None,
            passive: false,
            authentication: None,
        }
    }
}

/// Neighbours that connect from anywhere in a prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicNeighbor {
    /// Where from.
    pub prefix: IpNetwork,
    /// Most of them at once.
    pub limit: Option<usize>,
    /// What they are; its address is the prefix's.
    pub template: Neighbor,
}

impl DynamicNeighbor {
    /// The neighbour that connects. It is passive: it has connected.
    pub fn neighbor(&self, name: PeerName) -> Neighbor {
        Neighbor {
            name,
            address: name.address().unwrap_or(self.template.address),
            passive: true,
            ..self.template.clone()
        }
    }
}

/// A password. `Debug` does not show it.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What the kernel is given.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
