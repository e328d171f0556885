// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every type comes back from protobuf as it went, and what makes no sense is refused with words that help.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use bgp_proto::{
    Aggregator, AsPath, Asn, Capability, ClusterId, Community, ExtendedCommunity, LargeCommunity,
    NextHop, Origin, PathAttributes, SegmentKind, UnknownAttribute,
};
use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::control::{
    AddPathStatus, Explanation, FamilyStatus, FibRoute, FibState, FibSummary, LastError,
    MessageCounts, NewRoute, NextHopStatus, PeerOrder, PeerStatus, PolicyChange, PolicyHit,
    PolicyPoint, PolicyTrace, PrefixMatch, Route, RouteQuery, RouteSource, SessionState, Status,
    Table, Verdict, WatchEvent, Way,
};

fn comes_back<T>(value: &T) -> Result<(), TestCaseError>
where
    T: Protobuf<Message: bgpd_api::Message + Default> + PartialEq + std::fmt::Debug,
{
    let octets = bgpd_api::Message::encode_to_vec(&value.to_protobuf());
    let message = bgpd_api::Message::decode(octets.as_slice()).expect("what was encoded");
    let back = T::from_protobuf(message);
    prop_assert_eq!(back.as_ref(), Ok(value));
    Ok(())
}

proptest! {
    #[test]
    fn a_route_comes_back(route in routes()) {
        comes_back(&route)?;
    }

    #[test]
    fn an_explanation_comes_back(explanation in explanations()) {
        comes_back(&explanation)?;
    }

    #[test]
    fn a_peer_comes_back(peer in peers()) {
        comes_back(&peer)?;
    }

    #[test]
    fn a_status_comes_back(status in statuses()) {
        comes_back(&status)?;
    }

    #[test]
    fn a_next_hop_comes_back(next_hop in tracked_next_hops()) {
        comes_back(&next_hop)?;
    }

    #[test]
    fn an_event_comes_back(event in events()) {
        comes_back(&event)?;
    }

    #[test]
    fn a_query_comes_back(query in queries()) {
        prop_assert_eq!(super::query(query_request(&query)), Ok(query));
    }

    #[test]
    fn an_order_comes_back(whom in option::of(peer_names()), order in orders()) {
        prop_assert_eq!(super::order(order_request(whom, &order)), Ok((whom, order)));
    }

    #[test]
    fn a_new_route_comes_back(
        prefix in prefixes(), attributes in attributes().prop_filter("a neighbour would not take it", is_sound),
        path_id: u32, blackhole: bool,
    ) {
        prop_assume!(prefix.addr().is_ipv4() || attributes.next_hop.addr().is_ipv6());
        comes_back(&NewRoute { prefix, path_id, attributes, blackhole })?;
    }

    #[test]
    fn no_text_makes_the_prefix_parser_panic(text in "[0-9a-f:./ ]{0,20}") {
        let _ = prefix("prefix", &text);
    }
}

#[test]
fn every_capability_comes_back() {
    for capability in super::capabilities::examples() {
        assert_eq!(
            Capability::from_protobuf(capability.to_protobuf()).as_ref(),
            Ok(&capability)
        );
        assert!(!capability.to_protobuf().text.is_empty());
    }
}

#[test]
fn wrong_prefixes_are_refused_with_what_was_probably_meant() {
    let cases = [
        (
            "10.0.0.1/8",
            "prefix: `10.0.0.1/8` has host bits set; did you mean 10.0.0.0/8?",
        ),
        (
            "2001:db8::1/32",
            "prefix: `2001:db8::1/32` has host bits set; did you mean 2001:db8::/32?",
        ),
        (
            "10.0.0.0/33",
            "prefix: `10.0.0.0/33`: a prefix of IPv4 has a length of at most 32",
        ),
        (
            "::/129",
            "prefix: `::/129`: a prefix of IPv6 has a length of at most 128",
        ),
        (
            "10.0.0.0/300",
            "prefix: `10.0.0.0/300`: a prefix of IPv4 has a length of at most 32",
        ),
        (
            "10.0.0/8",
            "prefix: `10.0.0/8` is not a prefix such as 192.0.2.0/24 or 2001:db8::/32",
        ),
        (
            "10.0.0.0/+8",
            "prefix: `10.0.0.0/+8` is not a prefix such as 192.0.2.0/24 or 2001:db8::/32",
        ),
        (
            "10.0.0.0/",
            "prefix: `10.0.0.0/`: a prefix of IPv4 has a length of at most 32",
        ),
        (
            "x",
            "prefix: `x` is not a prefix such as 192.0.2.0/24 or 2001:db8::/32",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(
            prefix("prefix", text).expect_err(text).to_string(),
            expected
        );
    }
    assert_eq!(
        prefix("prefix", "192.0.2.1").map(|prefix| prefix.to_string()),
        Ok("192.0.2.1/32".to_owned())
    );
}

#[test]
fn an_error_names_the_way_to_the_field() {
    let wrong = v1::NewRoute {
        prefix: "10.0.0.0/8".to_owned(),
        attributes: Some(v1::PathAttributes {
            next_hop: Some(v1::NextHop {
                address: "x".to_owned(),
                link_local: None,
            }),
            ..v1::PathAttributes::default()
        }),
        ..v1::NewRoute::default()
    };
    let error = list("routes", vec![wrong], NewRoute::from_protobuf).expect_err("wrong");
    assert_eq!(
        error.to_string(),
        "routes[0].attributes.next_hop.address: `x` is not an IP address"
    );
}

#[test]
fn what_no_neighbour_would_take_is_refused_in_words() {
    let refused = |attributes: v1::PathAttributes| {
        let message = v1::NewRoute {
            prefix: "10.0.0.0/8".to_owned(),
            attributes: Some(attributes),
            ..v1::NewRoute::default()
        };
        NewRoute::from_protobuf(message)
            .expect_err("nonsense")
            .to_string()
    };
    let plain = v1::PathAttributes::default;
    let unknown = |code, octets| v1::UnknownAttribute {
        flags: 0xc0,
        code,
        value: vec![0; octets],
    };
    let cases = [
        v1::PathAttributes {
            as_path: vec![v1::AsSegment {
                kind: v1::as_segment::Kind::Sequence.into(),
                asns: vec![65001, 0],
            }],
            ..plain()
        },
        v1::PathAttributes {
            next_hop: Some(v1::NextHop {
                address: "224.0.0.5".to_owned(),
                link_local: None,
            }),
            ..plain()
        },
        v1::PathAttributes {
            unknown: vec![unknown(99, 1), unknown(99, 2)],
            ..plain()
        },
        // Known, and not to be smuggled in.
        v1::PathAttributes {
            unknown: vec![unknown(8, 4)],
            ..plain()
        },
        v1::PathAttributes {
            unknown: vec![unknown(99, 70_000)],
            ..plain()
        },
    ];
    let said = [
        "attributes: AS_PATH (2): invalid value",
        "attributes: NEXT_HOP (3): not the address of a router",
        "attributes: attribute (99): present a second time",
        "attributes: they would not arrive as they are here",
        "attributes: they do not fit into one message",
    ];
    assert_eq!(cases.map(refused), said);
}

#[test]
fn a_new_route_without_a_next_hop_points_at_ourselves() {
    for (prefix, expected) in [("10.0.0.0/8", "0.0.0.0"), ("2001:db8::/32", "::")] {
        let message = v1::NewRoute {
            prefix: prefix.to_owned(),
            ..v1::NewRoute::default()
        };
        let route = NewRoute::from_protobuf(message).expect("enough");
        assert_eq!(route.attributes.next_hop.addr().to_string(), expected);
        assert_eq!(route.attributes.origin, Origin::Igp);
    }
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let refused = |request: v1::ListRoutesRequest, words: &str| {
        let error = query(request).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    };
    let default = v1::ListRoutesRequest::default;
    let (adj_in, longer) = (v1::Table::AdjIn.into(), v1::PrefixMatch::Longer.into());
    refused(
        v1::ListRoutesRequest {
            table: adj_in,
            ..default()
        },
        "need the address of a neighbour",
    );
    refused(
        v1::ListRoutesRequest {
            neighbor: Some("192.0.2.1".to_owned()),
            ..default()
        },
        "choose ADJ_IN or ADJ_OUT",
    );
    refused(
        v1::ListRoutesRequest {
            r#match: longer,
            ..default()
        },
        "needs a prefix",
    );
    refused(
        v1::ListRoutesRequest {
            table: 9,
            ..default()
        },
        "9 is not LOC_RIB",
    );
    refused(
        v1::ListRoutesRequest {
            family: Some(v1::Family {
                afi: 70_000,
                safi: 1,
            }),
            ..default()
        },
        "70000 is too large",
    );
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let refused = |request: v1::OrderPeerRequest, words: &str| {
        let error = order(request).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    };
    let all = || Some(v1::order_peer_request::Whom::All(true));
    let request = |order: v1::PeerOrder, reason: &str| v1::OrderPeerRequest {
        whom: all(),
        order: order.into(),
        reason: reason.to_owned(),
    };
    refused(
        v1::OrderPeerRequest {
            whom: None,
            ..request(v1::PeerOrder::Reset, "")
        },
        "whom?",
    );
    refused(request(v1::PeerOrder::Unspecified, ""), "none of DISABLE");
    refused(
        request(v1::PeerOrder::Enable, "why"),
        "with DISABLE and RESET only",
    );
    refused(
        request(v1::PeerOrder::Reset, &"x".repeat(256)),
        "256 octets long",
    );
}

fn prefixes() -> impl Strategy<Value = Prefix> {
    (any::<IpAddr>(), 0_u8..=128).prop_map(|(address, length)| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Prefix::truncating(address, length.min(bits)).expect("in range")
    })
}

fn next_hops() -> impl Strategy<Value = NextHop> {
    prop_oneof![
        any::<IpAddr>().prop_map(NextHop::from),
        any::<(Ipv6Addr, Ipv6Addr)>()
            .prop_map(|(global, link_local)| NextHop::V6LinkLocal { global, link_local }),
    ]
}

fn as_paths() -> impl Strategy<Value = AsPath> {
    let kind = prop::sample::select(vec![
        SegmentKind::Set,
        SegmentKind::Sequence,
        SegmentKind::ConfedSequence,
        SegmentKind::ConfedSet,
    ]);
    vec((kind, vec(any::<u32>().prop_map(Asn), 1..5)), 0..4).prop_map(|segments| {
        let mut path = AsPath::empty();
        for (kind, asns) in segments {
            path.push_segment(kind, &asns);
        }
        path
    })
}

fn router_ids() -> impl Strategy<Value = RouterId> {
    any::<Ipv4Addr>().prop_filter_map("not 0.0.0.0", RouterId::new)
}

/// What could come from a neighbour: real next hops, and nothing known in the guise of the unknown.
fn is_sound(attributes: &PathAttributes) -> bool {
    let is_router = match attributes.next_hop {
        NextHop::V4(address) => !matches!(address.octets()[0], 0 | 127 | 224..),
        NextHop::V6(address) => !address.is_multicast() && !address.is_loopback(),
        NextHop::V6LinkLocal { link_local, .. } => link_local.is_unicast_link_local(),
    };
    let mut codes: Vec<u8> = attributes
        .unknown
        .iter()
        .map(|unknown| unknown.code)
        .collect();
    let count = codes.len();
    codes.sort_unstable();
    codes.dedup();
    is_router && codes.len() == count && codes.iter().all(|code| *code > 35)
}

fn attributes() -> impl Strategy<Value = PathAttributes> {
    let origin = prop::sample::select(vec![Origin::Igp, Origin::Egp, Origin::Incomplete]);
    let required =
        (origin, as_paths(), next_hops()).prop_map(|(a, b, c)| PathAttributes::new(a, b, c));
    let numbers = any::<(Option<u32>, Option<u32>, bool, Option<u64>, Option<u32>)>();
    let aggregator = option::of(any::<(u32, Ipv4Addr)>());
    let communities = (
        vec(any::<u32>(), 0..4),
        vec(any::<[u8; 8]>(), 0..4),
        vec(any::<(u32, u32, u32)>(), 0..4),
    );
    let reflection = (option::of(router_ids()), vec(any::<u32>(), 0..4));
    let unknown = vec((any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..9)), 0..3);
    (
        required,
        numbers,
        aggregator,
        communities,
        reflection,
        unknown,
    )
        .prop_map(
            |(
                base,
                (med, local_pref, atomic_aggregate, aigp, otc),
                aggregator,
                communities,
                reflection,
                unknown,
            )| {
                PathAttributes {
                    med,
                    local_pref,
                    atomic_aggregate,
                    aigp,
                    only_to_customer: otc.map(Asn),
                    aggregator: aggregator.map(|(asn, address)| Aggregator {
                        asn: Asn(asn),
                        address,
                    }),
                    communities: communities.0.into_iter().map(Community).collect(),
                    extended_communities: communities
                        .1
                        .into_iter()
                        .map(ExtendedCommunity)
                        .collect(),
                    large_communities: communities
                        .2
                        .into_iter()
                        .map(|(global, local_1, local_2)| LargeCommunity {
                            global,
                            local_1,
                            local_2,
                        })
                        .collect(),
                    originator_id: reflection.0,
                    cluster_list: reflection.1.into_iter().map(ClusterId).collect(),
                    unknown: unknown
                        .into_iter()
                        .map(|(flags, code, value)| UnknownAttribute {
                            flags,
                            code,
                            value: value.into(),
                        })
                        .collect(),
                    ..base
                }
            },
        )
}

fn sources() -> impl Strategy<Value = RouteSource> {
    let local = vec![
        RouteSource::Static,
        RouteSource::Direct,
        RouteSource::Kernel,
        RouteSource::Api,
    ];
    prop_oneof![
        peer_names().prop_map(RouteSource::Bgp),
        prop::sample::select(local)
    ]
}

/// Up to the largest that protobuf's durations hold.
fn durations() -> impl Strategy<Value = Duration> {
    (0..315_576_000_000_u64, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn routes() -> impl Strategy<Value = Route> {
    let words = any::<(String, Option<String>, Option<String>)>();
    (
        prefixes(),
        any::<(u32, bool, bool)>(),
        sources(),
        attributes(),
        words,
        durations(),
    )
        .prop_map(
            |(
                prefix,
                (path_id, best, multipath),
                source,
                attributes,
                (target, unusable, lost_at),
                age,
            )| Route {
                prefix,
                path_id,
                source,
                attributes: Arc::new(attributes),
                target,
                best,
                multipath,
                unusable,
                lost_at,
                age,
            },
        )
}

fn tracked_next_hops() -> impl Strategy<Value = NextHopStatus> {
    let way = any::<(Option<IpAddr>, String, u32)>().prop_map(|(gateway, interface, cost)| Way {
        gateway,
        interface,
        cost,
    });
    (any::<IpAddr>(), option::of(way), any::<u64>()).prop_map(|(address, way, prefixes)| {
        NextHopStatus {
            address,
            way,
            prefixes,
        }
    })
}

fn fib_routes() -> impl Strategy<Value = FibRoute> {
    let state = prop_oneof![
        Just(FibState::Pending),
        Just(FibState::Installed),
        Just(FibState::Adopted),
        any::<(String, u32)>().prop_map(|(error, attempts)| FibState::Failed { error, attempts }),
        any::<String>().prop_map(FibState::Blocked),
        any::<String>().prop_map(FibState::WaitingForInterface),
    ];
    (prefixes(), any::<String>(), any::<u32>(), state).prop_map(
        |(prefix, target, metric, state)| FibRoute {
            prefix,
            target,
            metric,
            state,
        },
    )
}

fn explanations() -> impl Strategy<Value = Explanation> {
    let words = (
        any::<(Option<String>, String)>(),
        option::of(fib_routes()),
        vec(peer_names(), 0..4),
        vec(policy_traces(), 0..3),
    );
    (prefixes(), vec(routes(), 0..3), words).prop_map(
        |(prefix, routes, ((decided_by, profile), kernel, advertised_to, policies))| Explanation {
            prefix,
            routes,
            decided_by,
            profile,
            kernel,
            advertised_to,
            policies,
        },
    )
}

fn policy_traces() -> impl Strategy<Value = PolicyTrace> {
    let verdict = || prop::sample::select(vec![Verdict::Accept, Verdict::Reject]);
    let point = prop::sample::select(vec![
        PolicyPoint::Import,
        PolicyPoint::Export,
        PolicyPoint::Kernel,
    ]);
    let change = any::<[String; 3]>().prop_map(|[what, from, to]| PolicyChange { what, from, to });
    let names = vec(any::<String>(), 0..3);
    let hit =
        (names, vec(change, 0..3), option::of(verdict())).prop_map(|(names, changes, verdict)| {
            PolicyHit {
                names,
                changes,
                verdict,
            }
        });
    let peers = vec(peer_names(), 0..3);
    (point, peers, verdict(), any::<bool>(), vec(hit, 0..3)).prop_map(
        |(point, peers, verdict, is_default, hits)| PolicyTrace {
            point,
            peers,
            verdict,
            is_default,
            hits,
        },
    )
}

fn states() -> impl Strategy<Value = SessionState> {
    prop::sample::select(vec![
        SessionState::Idle,
        SessionState::Connect,
        SessionState::Active,
        SessionState::OpenSent,
        SessionState::OpenConfirm,
        SessionState::Established,
    ])
}

fn counts() -> impl Strategy<Value = MessageCounts> {
    any::<[u64; 6]>().prop_map(
        |[open, update, notification, keepalive, route_refresh, bytes]| MessageCounts {
            open,
            update,
            notification,
            keepalive,
            route_refresh,
            bytes,
        },
    )
}

fn families() -> impl Strategy<Value = Family> {
    prop::sample::select(vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST])
}

fn family_statuses() -> impl Strategy<Value = FamilyStatus> {
    let several = (any::<bool>(), any::<bool>(), option::of(paths_sent()));
    let counts = any::<[u64; 3]>();
    (families(), any::<(bool, bool)>(), counts, several).prop_map(
        |(family, (negotiated, end_of_rib), counts, several)| FamilyStatus {
            family,
            negotiated,
            received: counts[0],
            accepted: counts[1],
            advertised: counts[2],
            end_of_rib,
            add_path: AddPathStatus {
                receive: several.0,
                send: several.1,
                paths: several.2,
            },
        },
    )
}

fn paths_sent() -> impl Strategy<Value = rib::PathsSent> {
    prop_oneof![
        Just(rib::PathsSent::All),
        any::<std::num::NonZeroU8>().prop_map(rib::PathsSent::Best),
        any::<std::num::NonZeroU8>().prop_map(rib::PathsSent::Ecmp),
    ]
}

fn errors() -> impl Strategy<Value = LastError> {
    (any::<String>(), any::<Option<(u8, u8)>>(), durations())
        .prop_map(|(text, code, age)| LastError { text, code, age })
}

fn peer_names() -> impl Strategy<Value = PeerName> {
    prop_oneof![
        any::<IpAddr>().prop_map(PeerName::Address),
        "fe80::[1-9]%eth[0-9]{1,3}".prop_map(|text| text.parse().unwrap()),
        "[a-z]{1,8}[0-9]{0,4}".prop_map(|text| text.parse().unwrap()),
    ]
}

fn peers() -> impl Strategy<Value = PeerStatus> {
    let who = (
        peer_names(),
        any::<[u32; 2]>(),
        prop::sample::select(vec!["external", "internal", "client"]),
    );
    let session = (
        states(),
        option::of(durations()),
        option::of(router_ids()),
        any::<Option<IpAddr>>(),
    );
    let numbers = any::<([bool; 3], [u16; 2], [u64; 3])>();
    let words = any::<[String; 3]>();
    let lists = (
        vec(family_statuses(), 0..3),
        option::of(errors()),
        counts(),
        counts(),
    );
    (who, session, numbers, words, lists).prop_map(
        |(
            (address, [peer_as, local_as], relation),
            (state, since, router_id, local_address),
            (
                [dynamic, admin_down, md5],
                [hold_time, keepalive],
                [established_count, treated_as_withdraw, queued],
            ),
            [description, import_policy, export_policy],
            (families, last_error, received, sent),
        )| PeerStatus {
            address,
            peer_as: Asn(peer_as),
            local_as: Asn(local_as),
            description,
            relation,
            dynamic,
            admin_down,
            state,
            since,
            established_count,
            router_id,
            local_address,
            hold_time,
            keepalive,
            remote_capabilities: super::capabilities::examples(),
            local_capabilities: Vec::new(),
            received,
            sent,
            treated_as_withdraw,
            queued,
            panics: established_count / 2,
            beyond_limit: established_count / 3,
            last_error,
            families,
            import_policies: vec![import_policy.clone()],
            export_policies: vec![export_policy.clone()],
            import_policy,
            terms: vec![export_policy.clone()],
            export_policy,
            md5,
        },
    )
}

fn statuses() -> impl Strategy<Value = Status> {
    let summary = any::<Option<[u64; 3]>>().prop_map(|fib| {
        fib.map(|[installed, pending, failed]| FibSummary {
            installed,
            pending,
            failed,
        })
    });
    let lists = (
        vec((any::<IpAddr>(), any::<u16>()), 0..3),
        any::<[String; 2]>(),
        summary,
    );
    (
        any::<u32>(),
        router_ids(),
        any::<Ipv4Addr>(),
        durations(),
        any::<([u16; 3], bool, [u64; 2])>(),
        lists,
    )
        .prop_map(
            |(
                asn,
                router_id,
                cluster_id,
                uptime,
                (small, converging, [prefixes, paths]),
                lists,
            )| Status {
                version: "1.2.3".to_owned(),
                local_as: Asn(asn),
                router_id,
                cluster_id,
                uptime,
                listening: lists
                    .0
                    .into_iter()
                    .map(std::net::SocketAddr::from)
                    .collect(),
                shards: small[0].into(),
                converging,
                peers: small[1].into(),
                established: small[2].into(),
                prefixes,
                paths,
                fib: lists.2,
                warnings: lists.1.into(),
            },
        )
}

fn events() -> impl Strategy<Value = WatchEvent> {
    prop_oneof![
        (peer_names(), states(), states(), any::<Option<String>>()).prop_map(
            |(address, from, to, reason)| WatchEvent::Peer {
                address,
                from,
                to,
                reason
            }
        ),
        (prefixes(), option::of(routes().prop_map(Box::new)))
            .prop_map(|(prefix, route)| WatchEvent::Best { prefix, route }),
        (prefixes(), option::of(fib_routes()))
            .prop_map(|(prefix, route)| WatchEvent::Fib { prefix, route }),
        any::<u64>().prop_map(WatchEvent::Lagged),
    ]
}

fn queries() -> impl Strategy<Value = RouteQuery> {
    let table = prop_oneof![
        Just(Table::LocRib),
        peer_names().prop_map(Table::AdjIn),
        peer_names().prop_map(Table::AdjOut),
    ];
    let matching = prop::sample::select(vec![
        PrefixMatch::Exact,
        PrefixMatch::Longer,
        PrefixMatch::Longest,
    ]);
    (
        table,
        option::of(families()),
        option::of((prefixes(), matching)),
        any::<bool>(),
    )
        .prop_map(|(table, family, prefix, best_only)| RouteQuery {
            table,
            family,
            prefix,
            best_only,
        })
}

fn orders() -> impl Strategy<Value = PeerOrder> {
    prop_oneof![
        "[a-z ]{0,60}".prop_map(PeerOrder::Disable),
        "[a-z ]{0,60}".prop_map(PeerOrder::Reset),
        Just(PeerOrder::Enable),
        Just(PeerOrder::RefreshIn),
        Just(PeerOrder::RefreshOut),
        any::<bool>().prop_map(PeerOrder::GracefulShutdown),
    ]
}
