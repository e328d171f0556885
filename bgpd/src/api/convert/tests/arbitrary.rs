// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Values of every type that clients see, for properties that hold for all of them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use bgp_proto::{
    Aggregator, AsPath, Asn, ClusterId, Community, ExtendedCommunity, Family, LargeCommunity,
    NextHop, Origin, PathAttributes, Prefix, RouterId, SegmentKind, UnknownAttribute,
};
use proptest::{collection::vec, option, prelude::*};

use crate::config::PeerName;
use crate::control::{
    AddPathStatus, Explanation, FamilyStatus, FibRoute, FibState, FibSummary, LastError,
    MessageCounts, NextHopStatus, PeerOrder, PeerStatus, PolicyChange, PolicyHit, PolicyPoint,
    PolicyTrace, PrefixMatch, Route, RouteQuery, RouteSource, SessionState, StaleStatus, Status,
    Table, Verdict, WatchEvent, Way,
};

pub(super) fn prefixes() -> impl Strategy<Value = Prefix> {
    (any::<IpAddr>(), 0_u8..=128).prop_map(|(address, length)| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Prefix::truncating(address, length.min(bits)).expect("in range")
    })
}

pub(super) fn next_hops() -> impl Strategy<Value = NextHop> {
    prop_oneof![
        any::<IpAddr>().prop_map(NextHop::from),
        any::<(Ipv6Addr, Ipv6Addr)>()
            .prop_map(|(global, link_local)| NextHop::V6LinkLocal { global, link_local }),
    ]
}

pub(super) fn as_paths() -> impl Strategy<Value = AsPath> {
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

pub(super) fn router_ids() -> impl Strategy<Value = RouterId> {
    any::<Ipv4Addr>().prop_filter_map("not 0.0.0.0", RouterId::new)
}

/// What could come from a neighbour: real next hops, and nothing known in the guise of the unknown.
pub(super) fn is_sound(attributes: &PathAttributes) -> bool {
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

pub(super) fn attributes() -> impl Strategy<Value = PathAttributes> {
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

pub(super) fn sources() -> impl Strategy<Value = RouteSource> {
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
pub(super) fn durations() -> impl Strategy<Value = Duration> {
    (0..315_576_000_000_u64, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

pub(super) fn routes() -> impl Strategy<Value = Route> {
    let words = any::<(String, Option<String>, Option<String>)>();
    (
        prefixes(),
        any::<(u32, bool, bool, bool)>(),
        sources(),
        attributes(),
        words,
        durations(),
    )
        .prop_map(
            |(
                prefix,
                (path_id, best, multipath, stale),
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
                stale,
                lost_at,
                age,
            },
        )
}

pub(super) fn tracked_next_hops() -> impl Strategy<Value = NextHopStatus> {
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

pub(super) fn fib_routes() -> impl Strategy<Value = FibRoute> {
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

pub(super) fn explanations() -> impl Strategy<Value = Explanation> {
    let words = (
        any::<(Option<String>, String)>(),
        option::of(fib_routes()),
        vec(peer_names(), 0..4),
        vec(policy_traces(), 0..3),
        (
            vec((peer_names(), any::<String>()), 0..3),
            any::<Option<String>>(),
        ),
    );
    (prefixes(), vec(routes(), 0..3), words).prop_map(
        |(
            prefix,
            routes,
            (
                (decided_by, profile),
                kernel,
                advertised_to,
                policies,
                (not_advertised_to, no_kernel),
            ),
        )| Explanation {
            prefix,
            routes,
            decided_by,
            profile,
            kernel,
            advertised_to,
            not_advertised_to,
            no_kernel,
            policies,
        },
    )
}

pub(super) fn policy_traces() -> impl Strategy<Value = PolicyTrace> {
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

pub(super) fn states() -> impl Strategy<Value = SessionState> {
    prop::sample::select(vec![
        SessionState::Idle,
        SessionState::Connect,
        SessionState::Active,
        SessionState::OpenSent,
        SessionState::OpenConfirm,
        SessionState::Established,
    ])
}

pub(super) fn counts() -> impl Strategy<Value = MessageCounts> {
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

pub(super) fn families() -> impl Strategy<Value = Family> {
    prop::sample::select(vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST])
}

pub(super) fn family_statuses() -> impl Strategy<Value = FamilyStatus> {
    let several = (any::<bool>(), any::<bool>(), option::of(paths_sent()));
    let counts = any::<[u64; 3]>();
    let stale = option::of(any::<(bool, u64)>());
    (families(), any::<(bool, bool)>(), counts, several, stale).prop_map(
        |(family, (negotiated, end_of_rib), counts, several, stale)| FamilyStatus {
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
            stale: stale.map(|(long_lived, seconds_left)| StaleStatus {
                long_lived,
                seconds_left,
            }),
        },
    )
}

pub(super) fn paths_sent() -> impl Strategy<Value = rib::PathsSent> {
    prop_oneof![
        Just(rib::PathsSent::All),
        any::<std::num::NonZeroU8>().prop_map(rib::PathsSent::Best),
        any::<std::num::NonZeroU8>().prop_map(rib::PathsSent::Ecmp),
    ]
}

pub(super) fn errors() -> impl Strategy<Value = LastError> {
    (any::<String>(), any::<Option<(u8, u8)>>(), durations())
        .prop_map(|(text, code, age)| LastError { text, code, age })
}

pub(super) fn peer_names() -> impl Strategy<Value = PeerName> {
    prop_oneof![
        any::<IpAddr>().prop_map(PeerName::Address),
        "fe80::[1-9]%eth[0-9]{1,3}".prop_map(|text| text.parse().unwrap()),
        "[a-z]{1,8}[0-9]{0,4}".prop_map(|text| text.parse().unwrap()),
    ]
}

pub(super) fn peers() -> impl Strategy<Value = PeerStatus> {
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
            obstacle: md5.then(|| export_policy.clone()),
            terms: vec![export_policy.clone()],
            export_policy,
            md5,
        },
    )
}

pub(super) fn statuses() -> impl Strategy<Value = Status> {
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
                memory: converging.then_some(prefixes / 3),
                fib: lists.2,
                log: lists.1.join(" "),
                warnings: lists.1.into(),
            },
        )
}

pub(super) fn events() -> impl Strategy<Value = WatchEvent> {
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

pub(super) fn queries() -> impl Strategy<Value = RouteQuery> {
    let table = prop_oneof![
        Just(Table::LocRib),
        peer_names().prop_map(Table::AdjIn),
        peer_names().prop_map(Table::AdjOut),
    ];
    let matching = prop::sample::select(vec![
        PrefixMatch::Exact,
        PrefixMatch::Longer,
        PrefixMatch::Longest,
        PrefixMatch::Shorter,
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

pub(super) fn orders() -> impl Strategy<Value = PeerOrder> {
    prop_oneof![
        "[a-z ]{0,60}".prop_map(PeerOrder::Disable),
        "[a-z ]{0,60}".prop_map(PeerOrder::Reset),
        "[a-z ]{0,60}".prop_map(PeerOrder::Shutdown),
        Just(PeerOrder::Enable),
        Just(PeerOrder::RefreshIn),
        Just(PeerOrder::RefreshOut),
        any::<bool>().prop_map(PeerOrder::GracefulShutdown),
    ]
}
