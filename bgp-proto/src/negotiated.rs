// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What two OPENs agree on: the context in which UPDATEs are read and written.

use alloc::vec::Vec;

use crate::{Afi, Capability, ExtendedNextHop, Family, HoldTime, Open, frame};

/// Which kind of session it is, for the rules that differ (RFC 7606 §7.5, RFC 4271 §5.1.5).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PeerKind {
    /// Same AS.
    Internal,
    /// Another AS.
    External,
}

/// A family that both sides have, and how its routes are written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct NegotiatedFamily {
    /// Which family.
    pub family: Family,
    /// What we receive has path identifiers (RFC 7911).
    pub add_path_receive: bool,
    /// What we send has path identifiers.
    pub add_path_send: bool,
    /// Next hops may be of the other family (RFC 8950).
    pub extended_next_hop: bool,
}

/// Everything a session has agreed on.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is agreed on by itself; any combination is a session"
)]
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Negotiated {
    /// AS numbers in UPDATEs have four octets (RFC 6793).
    pub four_octet_as: bool,
    /// Longest message (RFC 8654).
    pub max_message: usize,
    /// Families of both sides, sorted.
    pub families: Vec<NegotiatedFamily>,
    /// ROUTE-REFRESH may be sent (RFC 2918).
    pub route_refresh: bool,
    /// Its beginning and end are marked (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// The neighbour knows long-lived stale routes (RFC 9494 §4.3).
    pub long_lived_stale: bool,
    /// Kind of session.
    pub kind: PeerKind,
    /// AIGP is believed and sent (RFC 7311 §3.4): on internal sessions unless told otherwise.
    pub aigp: bool,
    /// Routes whose path has an `AS_SET` are treated as withdrawn (RFC 9774 §3): not unless told so.
    pub refuse_as_sets: bool,
    /// The lower of both hold times.
    pub hold_time: HoldTime,
}

impl Default for Negotiated {
    /// An external session with an old speaker: IPv4 unicast, two-octet AS numbers, nothing else.
    fn default() -> Self {
        Self {
            four_octet_as: false,
            max_message: frame::MAX_STANDARD,
            families: alloc::vec![NegotiatedFamily {
                family: Family::IPV4_UNICAST,
                add_path_receive: false,
                add_path_send: false,
                extended_next_hop: false,
            }],
            route_refresh: false,
            enhanced_route_refresh: false,
            long_lived_stale: false,
            kind: PeerKind::External,
            aigp: false,
            refuse_as_sets: false,
            hold_time: HoldTime::OFF,
        }
    }
}

impl Negotiated {
    /// What our OPEN and the peer's come to. A side without any multiprotocol capability has IPv4 unicast (RFC 4760 §8).
    pub fn from_opens(local: &Open, remote: &Open) -> Self {
        let both = |wanted: &Capability| {
            local.capabilities.contains(wanted) && remote.capabilities.contains(wanted)
        };
        let four = |open: &Open| {
            open.capabilities
                .iter()
                .any(|capability| matches!(capability, Capability::FourOctetAs(_)))
        };
        let theirs = families(remote);
        let mut common: Vec<Family> = families(local)
            .into_iter()
            .filter(|family| theirs.contains(family))
            .collect();
        common.sort_unstable();
        common.dedup();
        let negotiate = |family| NegotiatedFamily {
            family,
            add_path_receive: add_path(local, family).0 && add_path(remote, family).1,
            add_path_send: add_path(local, family).1 && add_path(remote, family).0,
            extended_next_hop: extended_next_hop(local, family)
                && extended_next_hop(remote, family),
        };
        let kind = if local.asn == remote.asn {
            PeerKind::Internal
        } else {
            PeerKind::External
        };
        Self {
            four_octet_as: four(local) && four(remote),
            max_message: if both(&Capability::ExtendedMessage) {
                frame::MAX_EXTENDED
            } else {
                frame::MAX_STANDARD
            },
            families: common.into_iter().map(negotiate).collect(),
            route_refresh: both(&Capability::RouteRefresh),
            enhanced_route_refresh: both(&Capability::EnhancedRouteRefresh),
            long_lived_stale: knows_stale(remote),
            kind,
            aigp: kind == PeerKind::Internal,
            refuse_as_sets: false,
            hold_time: local.hold_time.min(remote.hold_time),
        }
    }

    /// The families.
    pub fn families(&self) -> impl Iterator<Item = Family> + '_ {
        self.families.iter().map(|entry| entry.family)
    }

    /// Whether routes of the family may be exchanged.
    pub fn has_family(&self, family: Family) -> bool {
        self.family(family).is_some()
    }

    /// How routes of the family are written, if they may be exchanged.
    pub fn family(&self, family: Family) -> Option<&NegotiatedFamily> {
        self.families.iter().find(|entry| entry.family == family)
    }
}

fn knows_stale(open: &Open) -> bool {
    let known =
        |capability: &Capability| matches!(capability, Capability::LongLivedGracefulRestart(_));
    open.capabilities.iter().any(known)
}

fn families(open: &Open) -> Vec<Family> {
    let listed = open
        .capabilities
        .iter()
        .filter_map(|capability| match capability {
            Capability::Multiprotocol(family) => Some(*family),
            _ => None,
        });
    let listed: Vec<Family> = listed.collect();
    if listed.is_empty() {
        alloc::vec![Family::IPV4_UNICAST]
    } else {
        listed
    }
}

/// Whether the speaker receives and sends path identifiers.
fn add_path(open: &Open, family: Family) -> (bool, bool) {
    let mut entries = open
        .capabilities
        .iter()
        .flat_map(|capability| match capability {
            Capability::AddPath(entries) => entries.as_slice(),
            _ => &[],
        });
    let direction = entries
        .find(|entry| entry.family == family)
        .map(|entry| entry.direction);
    direction.map_or((false, false), |direction| {
        (direction.receives(), direction.sends())
    })
}

fn extended_next_hop(open: &Open, family: Family) -> bool {
    let wanted = ExtendedNextHop {
        nlri: family,
        next_hop: Afi::IPV6,
    };
    open.capabilities.iter().any(|capability| matches!(capability, Capability::ExtendedNextHop(entries) if entries.contains(&wanted)))
}
