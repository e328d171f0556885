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
            () if way.object.is_none() && way.hops.iter().any(|hop| hop.gateway.is_none()) => {
                RouteScope::Link
            }
            () => RouteScope::Universe,
        });
    if *metric != 0 {
        route = route.priority(*metric);
    }
    if let Some(source) = way.source {
        route = route.pref_source(source).ok()?;
    }
    if let Some(id) = way.object {
        route = route.nhid(id);
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
        Kind::Throw => RouteType::Throw,
        Kind::Other => RouteType::Unspec,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

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
