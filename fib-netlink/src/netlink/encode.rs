// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Operations and requests → octets, many messages to a buffer.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::{RouteMessage, RouteNextHop, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{RouteMessageBuilder, RouteNextHopBuilder};

use crate::kernel::{Held, KernelHop, Kind};
use crate::plan::{Operation, Verb};

/// Something that the kernel is asked to list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dump {
    Links,
    Addresses,
    Routes { family: AddressFamily, table: u32 },
}

/// Appends one request to a buffer.
fn append(out: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16, sequence: u32) {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags | NLM_F_REQUEST;
    message.header.sequence_number = sequence;
    message.finalize();
    let at = out.len();
    out.resize(at + message.buffer_len().next_multiple_of(4), 0);
    message.serialize(&mut out[at..]);
}

pub(crate) fn dump(dump: Dump, sequence: u32) -> Vec<u8> {
    let request = match dump {
        Dump::Links => RouteNetlinkMessage::GetLink(LinkMessage::default()),
        Dump::Addresses => RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        Dump::Routes { family, table } => {
            // With strict checking, table is a filter and all that is not one must be zero.
            let mut request = RouteMessage::default();
            request.header.address_family = family;
            let table = netlink_packet_route::route::RouteAttribute::Table(table);
            request.attributes.push(table);
            RouteNetlinkMessage::GetRoute(request)
        }
    };
    let mut out = Vec::with_capacity(64);
    append(&mut out, request, NLM_F_DUMP, sequence);
    out
}

/// Appends an operation, numbered; the kernel acknowledges it if it is the last of its buffer, and complains in any case.
/// Returns false, and appends nothing, if it makes no sense (an IPv4 gateway of an IPv6 route).
pub(crate) fn operation(
    out: &mut Vec<u8>,
    operation: &Operation,
    sequence: u32,
    last: bool,
) -> bool {
    let Some(message) = route(operation) else {
        return false;
    };
    let (message, flags) = match operation.verb {
        Verb::Add => (
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_EXCL,
        ),
        Verb::Replace => (RouteNetlinkMessage::NewRoute(message), NLM_F_REPLACE),
        Verb::Delete => (RouteNetlinkMessage::DelRoute(message), 0),
    };
    append(
        out,
        message,
        if last { flags | NLM_F_ACK } else { flags },
        sequence,
    );
    true
}

/// A request that does nothing and is refused for lack of rights before it is refused for lack of sense.
pub(crate) fn probe(sequence: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    append(
        &mut out,
        RouteNetlinkMessage::DelRoute(RouteMessage::default()),
        NLM_F_ACK,
        sequence,
    );
    out
}

fn route(operation: &Operation) -> Option<RouteMessage> {
    let Held {
        table,
        metric,
        protocol,
        way,
    } = &operation.route.held;
    let prefix = operation.route.prefix;
    let is_deletion = operation.verb == Verb::Delete;
    let mut route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(prefix.ip(), prefix.prefix())
        .ok()?
        .table_id(*table)
        .protocol((*protocol).into())
        .kind(kind(way.kind))
        .scope(match () {
            () if is_deletion => RouteScope::NoWhere,
            () if way.hops.iter().any(|hop| hop.gateway.is_none()) => RouteScope::Link,
            () => RouteScope::Universe,
        });
    if *metric != 0 {
        route = route.priority(*metric);
    }
    if let Some(source) = way.source {
        route = route.pref_source(source).ok()?;
    }
    match way.hops.as_slice() {
        // A group of IPv6 hops goes as a whole if none is named.
        [_, _, ..] if is_deletion && prefix.is_ipv6() => {}
        [] => {}
        [hop] => {
            if let Some(gateway) = hop.gateway {
                route = route.gateway(gateway).ok()?;
            }
            if hop.ifindex != 0 {
                route = route.output_interface(hop.ifindex);
            }
            if hop.onlink {
                route = route.onlink();
            }
        }
        hops => {
            let family = if prefix.is_ipv6() {
                AddressFamily::Inet6
            } else {
                AddressFamily::Inet
            };
            let hops = hops.iter().map(|hop| next_hop(hop, family));
            route = route.multipath(hops.collect::<Option<Vec<_>>>()?);
        }
    }
    Some(route.build())
}

fn next_hop(hop: &KernelHop, family: AddressFamily) -> Option<RouteNextHop> {
    let mut next_hop = RouteNextHopBuilder::new(family)
        .interface(hop.ifindex)
        .weight(hop.weight.saturating_sub(1));
    if let Some(gateway) = hop.gateway {
        next_hop = next_hop.via(gateway).ok()?;
    }
    if hop.onlink {
        next_hop = next_hop.onlink();
    }
    Some(next_hop.build())
}

fn kind(kind: Kind) -> RouteType {
    match kind {
        Kind::Unicast => RouteType::Unicast,
        Kind::Blackhole => RouteType::BlackHole,
        Kind::Unreachable => RouteType::Unreachable,
        Kind::Prohibit => RouteType::Prohibit,
        Kind::Other => RouteType::Unspec,
    }
}
