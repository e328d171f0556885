// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Operations and requests → octets, many messages to a buffer.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::{RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::kernel::{Held, KernelHop, Kind};
use crate::plan::{Operation, Verb};

use super::nexthop;

/// Something that the kernel is asked to list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dump {
    Links,
    Addresses,
    Routes { family: AddressFamily, table: u32 },
    NextHops,
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
        Dump::NextHops => return nexthop::dump(sequence),
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
///
/// Written by hand: routes come by the hundred thousand, and the builder of rtnetlink, with which the tests compare, makes several
/// allocations for each.
pub(crate) fn operation(
    out: &mut Vec<u8>,
    operation: &Operation,
    sequence: u32,
    last: bool,
) -> bool {
    let (kind, flags) = match operation.verb {
        Verb::Add => (RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL),
        Verb::Replace => (RTM_NEWROUTE, NLM_F_REPLACE),
        Verb::Delete => (RTM_DELROUTE, 0),
    };
    let ack = if last { NLM_F_ACK } else { 0 };
    let begin = out.len();
    let mut head = [0; HEADER];
    head[4..6].copy_from_slice(&kind.to_ne_bytes());
    head[6..8].copy_from_slice(&(flags | ack | NLM_F_REQUEST).to_ne_bytes());
    head[8..12].copy_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&head);
    if route(out, operation).is_none() {
        out.truncate(begin);
        return false;
    }
    let length = u32::try_from(out.len() - begin).unwrap_or(u32::MAX);
    out[begin..begin + 4].copy_from_slice(&length.to_ne_bytes());
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

/// `struct rtmsg` and its attributes.
fn route(out: &mut Vec<u8>, operation: &Operation) -> Option<()> {
    let Held {
        table,
        metric,
        protocol,
        way,
    } = &operation.route.held;
    let prefix = operation.route.prefix;
    let is_deletion = operation.verb == Verb::Delete;
    let scope = match () {
        () if is_deletion => RT_SCOPE_NOWHERE,
        () if way.object.is_none() && way.hops.iter().any(|hop| hop.gateway.is_none()) => {
            RT_SCOPE_LINK
        }
        () => RT_SCOPE_UNIVERSE,
    };
    let on_link = matches!(way.hops.as_slice(), [hop] if hop.onlink);
    let flags = if on_link { RTNH_F_ONLINK } else { 0 };
    let family = if prefix.is_ipv6() { AF_INET6 } else { AF_INET };
    // A number of one octet has its place here, one that is greater says so.
    let short_table = u8::try_from(*table).unwrap_or(RT_TABLE_COMPAT);
    let kind = u8::from(kind(way.kind));
    out.extend_from_slice(&[
        family,
        prefix.prefix(),
        0,
        0,
        short_table,
        *protocol,
        scope,
        kind,
    ]);
    out.extend_from_slice(&u32::from(flags).to_ne_bytes());
    address(out, RTA_DST, prefix.ip());
    if u32::from(short_table) != *table {
        attribute(out, RTA_TABLE, &table.to_ne_bytes());
    }
    if *metric != 0 {
        attribute(out, RTA_PRIORITY, &metric.to_ne_bytes());
    }
    if let Some(source) = way.source {
        if source.is_ipv6() != prefix.is_ipv6() {
            return None;
        }
        address(out, RTA_PREFSRC, source);
    }
    if let Some(id) = way.object {
        attribute(out, RTA_NH_ID, &id.to_ne_bytes());
    }
    match way.hops.as_slice() {
        // A group of IPv6 hops goes as a whole if none is named.
        [_, _, ..] if is_deletion && prefix.is_ipv6() => {}
        [] => {}
        [hop] => {
            gateway(out, hop, family)?;
            if hop.ifindex != 0 {
                attribute(out, RTA_OIF, &hop.ifindex.to_ne_bytes());
            }
        }
        hops => {
            let begin = out.len();
            attribute(out, RTA_MULTIPATH, &[]);
            for hop in hops {
                next_hop(out, hop, family)?;
            }
            put_length(out, begin);
        }
    }
    Some(())
}

/// `struct rtnexthop` and its attributes.
fn next_hop(out: &mut Vec<u8>, hop: &KernelHop, family: u8) -> Option<()> {
    let begin = out.len();
    let flags = if hop.onlink { RTNH_F_ONLINK } else { 0 };
    out.extend_from_slice(&[0, 0, flags, hop.weight.saturating_sub(1)]);
    out.extend_from_slice(&hop.ifindex.to_ne_bytes());
    gateway(out, hop, family)?;
    put_length(out, begin);
    Some(())
}

/// An IPv6 gateway of an IPv4 route is something of its own (`RTA_VIA`); the other way round there is none.
fn gateway(out: &mut Vec<u8>, hop: &KernelHop, family: u8) -> Option<()> {
    match hop.gateway {
        None => {}
        Some(IpAddr::V6(gateway)) if family == AF_INET => {
            let mut via = [0; 18];
            via[..2].copy_from_slice(&u16::from(AF_INET6).to_ne_bytes());
            via[2..].copy_from_slice(&gateway.octets());
            attribute(out, RTA_VIA, &via);
        }
        Some(IpAddr::V4(_)) if family == AF_INET6 => return None,
        Some(gateway) => address(out, RTA_GATEWAY, gateway),
    }
    Some(())
}

fn address(out: &mut Vec<u8>, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(address) => attribute(out, kind, &address.octets()),
        IpAddr::V6(address) => attribute(out, kind, &address.octets()),
    }
}

fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// What began there with a length of two octets has come to its end.
fn put_length(out: &mut [u8], begin: usize) {
    let length = u16::try_from(out.len() - begin).unwrap_or(u16::MAX);
    out[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
}

fn kind(kind: Kind) -> RouteType {
    match kind {
        Kind::Unicast => RouteType::Unicast,
        Kind::Blackhole => RouteType::BlackHole,
        Kind::Unreachable => RouteType::Unreachable,
        Kind::Prohibit => RouteType::Prohibit,
        Kind::Throw => RouteType::Throw,
        Kind::Other => RouteType::Unspec,
    }
}

// linux/netlink.h, linux/rtnetlink.h
const HEADER: usize = 16;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RT_SCOPE_NOWHERE: u8 = 255;
const RT_TABLE_COMPAT: u8 = 252;
const RTNH_F_ONLINK: u8 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_NH_ID: u16 = 30;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netlink_packet_core::NetlinkPayload;
    use netlink_packet_route::route::RouteScope;
    use proptest::prelude::*;
    use rtnetlink::{RouteMessageBuilder, RouteNextHopBuilder};

    use super::*;
    use crate::kernel::{KernelRoute, Way, stored_metric, truncated};
    use crate::netlink::decode::{Notice, messages};

    fn any_hop(v6: bool) -> impl Strategy<Value = KernelHop> {
        let gateway = prop_oneof![
            Just(None),
            any::<[u8; 4]>().prop_map(move |octets| (!v6).then(|| octets.into())),
            any::<[u8; 16]>().prop_map(|octets| Some(octets.into())),
        ];
        (gateway, 1..9u32, 1..=255u8, any::<bool>()).prop_map(
            |(gateway, ifindex, weight, onlink)| KernelHop {
                gateway,
                ifindex,
                weight,
                onlink,
            },
        )
    }

    fn any_route() -> impl Strategy<Value = KernelRoute> {
        let address = prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from),
        ];
        (address, 0..=128u8, any::<bool>()).prop_flat_map(|(address, length, sourced)| {
            let prefix = truncated(address, length);
            let source = sourced.then_some(address);
            let hops = proptest::collection::vec(any_hop(address.is_ipv6()), 1..4);
            let way = prop_oneof![
                hops.prop_map(move |hops| Way::unicast(hops, source)),
                Just(Way::reject(Kind::Blackhole)),
                Just(Way::reject(Kind::Prohibit)),
                Just(Way::reject(Kind::Throw)),
            ];
            (way, 1..2000u32, any::<u32>(), any::<u8>()).prop_map(
                move |(way, table, metric, protocol)| {
                    let metric = stored_metric(&prefix, metric);
                    let held = Held {
                        table,
                        metric,
                        protocol,
                        way: Arc::new(way),
                    };
                    KernelRoute { prefix, held }
                },
            )
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(routes in proptest::collection::vec(any_route(), 1..5)) {
            let mut buffer = Vec::new();
            for (at, route) in (0u32..).zip(&routes) {
                let add = Operation { verb: Verb::Add, route: route.clone() };
                prop_assert!(operation(&mut buffer, &add, at, false));
            }
            let read: Vec<_> = messages(&buffer, None).map(|message| message.notice).collect();
            let written = routes.into_iter().map(|route| Notice::Route { route, replaces: false });
            prop_assert_eq!(read, written.collect::<Vec<_>>());
        }
    }

    /// The same route as rtnetlink builds it.
    fn built(route: &KernelRoute) -> Option<RouteMessage> {
        let KernelRoute { prefix, held } = route;
        let scope = match () {
            () if held.way.hops.iter().any(|hop| hop.gateway.is_none()) => RouteScope::Link,
            () => RouteScope::Universe,
        };
        let mut built = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(prefix.ip(), prefix.prefix())
            .ok()?
            .table_id(held.table)
            .protocol(held.protocol.into())
            .kind(kind(held.way.kind))
            .scope(scope);
        if held.metric != 0 {
            built = built.priority(held.metric);
        }
        if let Some(source) = held.way.source {
            built = built.pref_source(source).ok()?;
        }
        match held.way.hops.as_slice() {
            [] => {}
            [hop] => {
                if let Some(gateway) = hop.gateway {
                    built = built.gateway(gateway).ok()?;
                }
                built = built.output_interface(hop.ifindex);
                if hop.onlink {
                    built = built.onlink();
                }
            }
            hops => {
                let family = if prefix.is_ipv6() {
                    AddressFamily::Inet6
                } else {
                    AddressFamily::Inet
                };
                let hop = |hop: &KernelHop| {
                    let mut built = RouteNextHopBuilder::new(family)
                        .interface(hop.ifindex)
                        .weight(hop.weight.saturating_sub(1));
                    if let Some(gateway) = hop.gateway {
                        built = built.via(gateway).ok()?;
                    }
                    Some(if hop.onlink { built.onlink() } else { built }.build())
                };
                built = built.multipath(hops.iter().map(hop).collect::<Option<Vec<_>>>()?);
            }
        }
        Some(built.build())
    }

    /// What a message says; in which order its attributes come does not matter to the kernel.
    fn said(message: &RouteMessage) -> (String, Vec<String>) {
        let attributes = message.attributes.iter().map(|one| format!("{one:?}"));
        let mut attributes: Vec<_> = attributes.collect();
        attributes.sort();
        (format!("{:?}", message.header), attributes)
    }

    proptest! {
        #[test]
        fn what_is_written_by_hand_says_what_rtnetlink_would_say(route in any_route()) {
            let mut buffer = Vec::new();
            let add = Operation { verb: Verb::Add, route: route.clone() };
            prop_assert!(operation(&mut buffer, &add, 7, true));
            let read = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&buffer).unwrap();
            prop_assert_eq!(read.header.sequence_number, 7);
            let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(read)) = read.payload else {
                panic!("no new route");
            };
            let mut built = built(&route).expect("it makes sense");
            if route.held.table > 255 {
                // The attribute says it, and the octet has no meaning.
                built.header.table = RT_TABLE_COMPAT;
            }
            prop_assert_eq!(said(&read), said(&built));
        }
    }

    #[test]
    fn an_ipv4_gateway_of_an_ipv6_route_is_not_written() {
        let hop = KernelHop {
            gateway: Some([10, 0, 0, 1].into()),
            ifindex: 2,
            weight: 1,
            onlink: false,
        };
        let way = Arc::new(Way::unicast(vec![hop], None));
        let held = Held {
            table: 254,
            metric: 0,
            protocol: 12,
            way,
        };
        let route = KernelRoute {
            prefix: "fd00::/16".parse().unwrap(),
            held,
        };
        let mut buffer = Vec::new();
        assert!(!operation(
            &mut buffer,
            &Operation {
                verb: Verb::Add,
                route
            },
            1,
            true
        ));
        assert!(buffer.is_empty());
    }
}
