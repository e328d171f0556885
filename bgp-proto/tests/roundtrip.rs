// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is written is read the same, for every type; and no octets at all make the decoder panic.

use std::net::{Ipv4Addr, Ipv6Addr};

use bgp_proto::{
    AddPath, AddPathDirection, Afi, Aggregator, AsPath, Asn, Capability, ClusterId, Code,
    Community, ExtendedCommunity, ExtendedNextHop, Family, Framer, GracefulRestart, HoldTime,
    Ipv4Prefix, Ipv6Prefix, LargeCommunity, LongLivedFamily, Message, MessageKind, Negotiated,
    NegotiatedFamily, NextHop, Notification, Open, Origin, PackedAttributes, PathAttributes,
    PeerKind, Prefix, RefreshSubtype, RestartFamily, Role, RouteRefresh, RouterId, Safi,
    SegmentKind, UnknownAttribute, Update, UpdateWriter, Verdict,
    frame::{HEADER, MAX_EXTENDED, MAX_STANDARD},
};
use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, option, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn an_open_is_read_as_it_was_written(open in open()) {
        let message = Message::Open(open.clone()).encode();
        prop_assert!(message.len() <= MAX_STANDARD);
        prop_assert_eq!(Open::decode(body(&message)), Ok(open));
    }

    #[test]
    fn a_capability_of_any_kind_survives(capability in capability()) {
        let open = Open {
            asn: Asn(64512),
            hold_time: HoldTime::OFF,
            router_id: RouterId::new(Ipv4Addr::LOCALHOST).unwrap(),
            capabilities: vec![Capability::FourOctetAs(Asn(64512)), capability],
        };
        prop_assert_eq!(Open::decode(body(&open.encode())), Ok(open));
    }

    #[test]
    fn a_notification_is_read_as_it_was_written(
        major in any::<u8>(), minor in any::<u8>(), data in vec(any::<u8>(), 0..600)
    ) {
        let notification = Notification::with_data(Code(major, minor), &data);
        let message = Message::Notification(notification.clone()).encode();
        prop_assert_eq!(Notification::decode(body(&message)), notification);
    }

    #[test]
    fn a_shutdown_text_arrives_cut_at_a_character(text in "[^\\p{C}\\p{Zl}\\p{Zp}]{0,300}") {
        let notification = Notification::with_shutdown_text(Code::CEASE_ADMIN_SHUTDOWN, &text);
        let told = Notification::decode(body(&notification.encode())).shutdown_text();
        match told {
            Some(told) => prop_assert!(text.starts_with(&told) && told.len() + 4 > text.len().min(255)),
            None => prop_assert!(text.is_empty()),
        }
    }

    #[test]
    fn a_route_refresh_is_read_as_it_was_written(family in family(), subtype in any::<u8>()) {
        let refresh = RouteRefresh { family, subtype: RefreshSubtype(subtype) };
        let message = Message::RouteRefresh(refresh).encode();
        prop_assert_eq!(RouteRefresh::decode(body(&message)), Ok(refresh));
    }

    #[test]
    fn a_stream_is_cut_where_messages_end(
        open in open(), keepalives in 0..4_usize, piece in 1..40_usize
    ) {
        let mut sent = vec![Message::Open(open)];
        sent.extend(std::iter::repeat_n(Message::Keepalive, keepalives));
        let stream: Vec<u8> = sent.iter().flat_map(Message::encode).collect();
        let (mut framer, mut buffer) = (Framer::default(), BytesMut::new());
        let mut kinds = Vec::new();
        for part in stream.chunks(piece) {
            buffer.extend_from_slice(part);
            while let Some(frame) = framer.next(&mut buffer).unwrap() {
                kinds.push(frame.kind);
            }
        }
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(kinds, sent.iter().map(Message::kind).collect::<Vec<_>>());
    }

    #[test]
    fn announcements_are_read_as_they_were_written(
        (session, attributes) in session().prop_flat_map(|s| { let a = attributes(&s); (Just(s), a) }),
        ipv4 in vec((any::<u32>(), ipv4_prefix()), 1..300),
        ipv6 in vec((any::<u32>(), ipv6_prefix()), 1..300),
        six in any::<bool>(),
    ) {
        let family = if six && !matches!(attributes.next_hop, NextHop::V4(_)) {
            Family::IPV6_UNICAST
        } else {
            Family::IPV4_UNICAST
        };
        let routes = routes(&session, family, &ipv4, &ipv6);
        let mut read = Vec::new();
        let written = UpdateWriter::new(&session)
            .announce(&attributes, family, routes.iter().copied(), |message| {
                assert!(message.len() <= session.max_message);
                let update = Update::decode(body(&message), &session).unwrap();
                assert_eq!((update.verdict(), update.faults()), (Verdict::Accept, &[][..]));
                assert_eq!((update.withdrawn().count(), update.end_of_rib()), (0, None));
                for (found, block) in update.announced() {
                    assert_eq!((found, block.family), (&attributes, family));
                    read.extend(block.prefixes());
                }
            });
        if written.is_err() {
            prop_assert!(read.is_empty() && session.max_message == MAX_STANDARD);
            return Ok(());
        }
        prop_assert_eq!(read, routes);
    }

    #[test]
    fn attributes_are_unpacked_as_they_were_packed(
        attributes in session().prop_flat_map(|s| attributes(&s)),
    ) {
        let mut octets = Vec::new();
        attributes.pack(&mut octets);
        let packed = PackedAttributes::new(&octets);
        prop_assert_eq!(packed.next_hop(), attributes.next_hop);
        prop_assert_eq!(packed.value(1), Some(&[attributes.origin as u8][..]));
        prop_assert_eq!(packed.unpack(), attributes);
    }

    #[test]
    fn withdrawals_are_read_as_they_were_written(
        session in session(),
        ipv4 in vec((any::<u32>(), ipv4_prefix()), 1..2000),
        ipv6 in vec((any::<u32>(), ipv6_prefix()), 1..500),
        six in any::<bool>(),
    ) {
        let family = if six { Family::IPV6_UNICAST } else { Family::IPV4_UNICAST };
        let routes = routes(&session, family, &ipv4, &ipv6);
        let mut read = Vec::new();
        UpdateWriter::new(&session).withdraw(family, routes.iter().copied(), |message| {
            assert!(message.len() <= session.max_message);
            let update = Update::decode(body(&message), &session).unwrap();
            assert_eq!((update.verdict(), update.announced().count()), (Verdict::Accept, 0));
            assert_eq!(update.end_of_rib(), None);
            read.extend(update.withdrawn().flat_map(|block| block.prefixes()));
        });
        prop_assert_eq!(read, routes);
    }

    #[test]
    fn prefixes_go_through_text(id in ipv4_prefix(), six in ipv6_prefix()) {
        for prefix in [Prefix::V4(id), Prefix::V6(six)] {
            prop_assert_eq!(prefix.to_string().parse::<Prefix>(), Ok(prefix));
        }
    }

    #[test]
    fn communities_go_through_text(standard in any::<u32>(), large in large_community()) {
        prop_assert_eq!(Community(standard).to_string().parse(), Ok(Community(standard)));
        prop_assert_eq!(large.to_string().parse(), Ok(large));
    }

    #[test]
    fn no_octets_make_the_decoders_panic(data in vec(any::<u8>(), 0..300), session in session()) {
        let _ = Open::decode(&data);
        let _ = Notification::decode(&data).to_string();
        let _ = RouteRefresh::decode(&data);
        let _ = Update::decode(&data, &session);
        let _ = Framer::default().next(&mut BytesMut::from(&data[..]));
    }

    #[test]
    fn a_damaged_update_never_panics_and_never_invents_routes(
        (session, attributes) in session().prop_flat_map(|s| { let a = attributes(&s); (Just(s), a) }),
        ipv4 in vec((0..1_u32, ipv4_prefix()), 1..20),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut messages: Vec<Bytes> = Vec::new();
        let routes = ipv4.iter().map(|(id, prefix)| (*id, Prefix::V4(*prefix)));
        let _ = UpdateWriter::new(&session)
            .announce(&attributes, Family::IPV4_UNICAST, routes, |message| messages.push(message));
        for message in messages {
            let mut damaged = body(&message).to_vec();
            for (at, octet) in &damage {
                *at.get_mut(&mut damaged[..]) = *octet;
            }
            if cut {
                damaged.truncate(end.index(damaged.len()));
            }
            if let Ok(update) = Update::decode(&damaged, &session) {
                if update.verdict() == Verdict::Withdraw {
                    assert_eq!(update.announced().count(), 0);
                }
                for (_, block) in update.announced() {
                    assert!(block.prefixes().count() <= damaged.len());
                }
                // Nothing is remembered that the message did not pay for.
                assert!(update.faults().len() <= 2 * 256 + 8);
            }
        }
    }
}

#[test]
fn the_end_of_rib_of_each_family_is_read_as_such() {
    let session = Negotiated {
        families: vec![
            entry(Family::IPV4_UNICAST, true),
            entry(Family::IPV6_UNICAST, true),
        ],
        ..Negotiated::default()
    };
    for family in [Family::IPV4_UNICAST, Family::IPV6_UNICAST] {
        let message = UpdateWriter::new(&session).end_of_rib(family);
        let update = Update::decode(body(&message), &session).unwrap();
        assert_eq!(update.end_of_rib(), Some(family));
        assert_eq!(update.verdict(), Verdict::Accept);
    }
}

#[test]
fn a_set_of_attributes_that_fills_the_message_is_refused_and_nothing_is_written() {
    let mut attributes = PathAttributes::new(
        Origin::Igp,
        AsPath::from_sequence((1..=1500).map(Asn)),
        NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)),
    );
    let route = (
        0,
        Prefix::V4(Ipv4Prefix::truncating(Ipv4Addr::new(10, 0, 0, 0), 8).unwrap()),
    );
    let session = |max_message| Negotiated {
        four_octet_as: true,
        max_message,
        ..Negotiated::default()
    };
    let write = |attributes: &PathAttributes, max| {
        let mut messages = Vec::new();
        UpdateWriter::new(&session(max))
            .announce(attributes, Family::IPV4_UNICAST, [route], |message| {
                messages.push(message);
            })
            .map(|()| messages)
    };
    assert!(write(&attributes, MAX_STANDARD).is_err());
    let messages = write(&attributes, MAX_EXTENDED).unwrap();
    let update = Update::decode(body(&messages[0]), &session(MAX_EXTENDED)).unwrap();
    assert_eq!(update.announced().next().unwrap().0, &attributes);
    // Longer than the length of an attribute can say.
    attributes.communities = (0..20_000).map(Community).collect();
    assert!(write(&attributes, MAX_EXTENDED).is_err());
}

#[test]
fn a_long_path_for_a_two_octet_peer_is_told_whole_or_not_at_all() {
    let session = Negotiated::default();
    let route = (
        0,
        Prefix::V4(Ipv4Prefix::truncating(Ipv4Addr::new(10, 0, 0, 0), 8).unwrap()),
    );
    // Six octets an AS: in AS_PATH and in AS4_PATH.
    for (length, fits) in [
        (255, true),
        (256, true),
        (660, true),
        (700, false),
        (16_000, false),
    ] {
        let path = AsPath::from_sequence((0..length).map(|number| Asn(4_200_000_000 + number)));
        let attributes =
            PathAttributes::new(Origin::Igp, path, NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)));
        let mut read = Vec::new();
        let written = UpdateWriter::new(&session).announce(
            &attributes,
            Family::IPV4_UNICAST,
            [route],
            |message| {
                assert!(message.len() <= MAX_STANDARD);
                let update = Update::decode(body(&message), &session).unwrap();
                assert_eq!(update.faults(), []);
                read.extend(update.announced().map(|(found, _)| found.clone()));
            },
        );
        assert_eq!(written.is_ok(), fits, "{length}");
        assert_eq!(
            read,
            if fits { vec![attributes] } else { Vec::new() },
            "{length}"
        );
    }
}

#[test]
fn a_full_first_segment_takes_no_more_after_any_number_of_prepends() {
    let mut path = AsPath::empty();
    for _ in 0..600 {
        path = path.prepended(Asn(4_200_000_000), 1);
    }
    assert_eq!(path.hop_count(), 600);
    assert!(path.segments().all(|(_, asns)| asns.len() <= 255));
}

fn body(message: &[u8]) -> &[u8] {
    &message[HEADER..]
}

fn routes(
    session: &Negotiated,
    family: Family,
    ipv4: &[(u32, Ipv4Prefix)],
    ipv6: &[(u32, Ipv6Prefix)],
) -> Vec<(u32, Prefix)> {
    let with_ids = session.family(family).unwrap().add_path_receive;
    let id = |id: u32| if with_ids { id } else { 0 };
    if family == Family::IPV4_UNICAST {
        ipv4.iter()
            .map(|(number, prefix)| (id(*number), Prefix::V4(*prefix)))
            .collect()
    } else {
        ipv6.iter()
            .map(|(number, prefix)| (id(*number), Prefix::V6(*prefix)))
            .collect()
    }
}

fn entry(family: Family, add_path: bool) -> NegotiatedFamily {
    NegotiatedFamily {
        family,
        add_path_receive: add_path,
        add_path_send: add_path,
        extended_next_hop: true,
    }
}

prop_compose! {
    fn session()(
        four_octet_as in any::<bool>(), extended in any::<bool>(), internal in any::<bool>(),
        add_path in any::<(bool, bool)>()
    ) -> Negotiated {
        Negotiated {
            four_octet_as,
            max_message: if extended { MAX_EXTENDED } else { MAX_STANDARD },
            families: vec![entry(Family::IPV4_UNICAST, add_path.0), entry(Family::IPV6_UNICAST, add_path.1)],
            kind: if internal { PeerKind::Internal } else { PeerKind::External },
            aigp: internal,
            ..Negotiated::default()
        }
    }
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![
        Just(Family::IPV4_UNICAST),
        Just(Family::IPV6_UNICAST),
        any::<(u16, u8)>().prop_map(|(afi, safi)| Family {
            afi: Afi(afi),
            safi: Safi(safi)
        }),
    ]
}

fn open() -> impl Strategy<Value = Open> {
    let hold = any::<u16>().prop_filter_map("one or two seconds", |seconds| {
        HoldTime::from_wire(seconds).ok()
    });
    (1..=u32::MAX, hold, 1..=u32::MAX, vec(capability(), 0..12)).prop_map(
        |(asn, hold_time, identifier, capabilities)| {
            let mut all = vec![Capability::FourOctetAs(Asn(asn))];
            // A second number would contradict the first.
            all.extend(capabilities.into_iter().filter(|one| one.code() != 65));
            Open {
                asn: Asn(asn),
                hold_time,
                router_id: RouterId::new(identifier.into()).unwrap(),
                capabilities: all,
            }
        },
    )
}

fn capability() -> impl Strategy<Value = Capability> {
    let text = || "[ -~]{0,64}";
    let direction = prop_oneof![
        Just(AddPathDirection::Receive),
        Just(AddPathDirection::Send),
        Just(AddPathDirection::Both)
    ];
    let add_path =
        (family(), direction).prop_map(|(family, direction)| AddPath { family, direction });
    let next_hop = (family(), any::<u16>()).prop_map(|(nlri, afi)| ExtendedNextHop {
        nlri,
        next_hop: Afi(afi),
    });
    let long_lived = (family(), any::<bool>(), 0..1_u32 << 24).prop_map(
        |(family, forwarding_preserved, stale_time)| LongLivedFamily {
            family,
            forwarding_preserved,
            stale_time,
        },
    );
    // Codes whose values are not looked into.
    let unknown = prop_oneof![Just(3_u8), Just(4), 10..64_u8, 76..=255_u8];
    prop_oneof![
        family().prop_map(Capability::Multiprotocol),
        Just(Capability::RouteRefresh),
        Just(Capability::EnhancedRouteRefresh),
        Just(Capability::ExtendedMessage),
        (1..=u32::MAX).prop_map(|asn| Capability::FourOctetAs(Asn(asn))),
        any::<u8>().prop_map(|role| Capability::Role(Role(role))),
        restart().prop_map(Capability::GracefulRestart),
        vec(long_lived, 0..10).prop_map(Capability::LongLivedGracefulRestart),
        vec(add_path, 0..10).prop_map(Capability::AddPath),
        vec(next_hop, 0..10).prop_map(Capability::ExtendedNextHop),
        (text(), text()).prop_map(|(host, domain)| Capability::Fqdn { host, domain }),
        text().prop_map(Capability::SoftwareVersion),
        (unknown, vec(any::<u8>(), 0..=255)).prop_map(|(code, value)| Capability::Unknown {
            code,
            value: value.into()
        }),
    ]
}

fn restart() -> impl Strategy<Value = GracefulRestart> {
    let family =
        (family(), any::<bool>()).prop_map(|(family, forwarding_preserved)| RestartFamily {
            family,
            forwarding_preserved,
        });
    (any::<(bool, bool)>(), 0..4096_u16, vec(family, 0..10)).prop_map(
        |((restarting, notification), restart_time, families)| GracefulRestart {
            restarting,
            notification,
            restart_time,
            families,
        },
    )
}

fn ipv4_prefix() -> impl Strategy<Value = Ipv4Prefix> {
    (any::<u32>(), 0..=32_u8)
        .prop_map(|(bits, length)| Ipv4Prefix::truncating(bits.into(), length).unwrap())
}

fn ipv6_prefix() -> impl Strategy<Value = Ipv6Prefix> {
    (any::<u128>(), 0..=128_u8)
        .prop_map(|(bits, length)| Ipv6Prefix::truncating(bits.into(), length).unwrap())
}

fn large_community() -> impl Strategy<Value = LargeCommunity> {
    any::<(u32, u32, u32)>().prop_map(|(global, local_1, local_2)| LargeCommunity {
        global,
        local_1,
        local_2,
    })
}

/// A number that tells whether two octets hold it; not the one that says "it did not fit".
fn asn() -> impl Strategy<Value = Asn> {
    prop_oneof![1..=23455_u32, 23457..=65535_u32, 65536..=u32::MAX].prop_map(Asn)
}

/// Confederation segments stand in front and are not sent to external peers (RFC 5065 §4.1). `AS4_PATH` does not have
/// them (RFC 6793 §3), so that their members have two octets where a speaker of two octets takes part.
fn as_path(internal: bool) -> impl Strategy<Value = AsPath> {
    let confederation = prop_oneof![
        Just(SegmentKind::ConfedSequence),
        Just(SegmentKind::ConfedSet)
    ];
    let plain = prop_oneof![4 => Just(SegmentKind::Sequence), 1 => Just(SegmentKind::Set)];
    let front = vec(
        (confederation, vec((64512..=65535_u32).prop_map(Asn), 1..5)),
        0..=if internal { 2 } else { 0 },
    );
    let rest = vec(
        (plain, prop_oneof![vec(asn(), 1..8), vec(asn(), 200..300)]),
        0..3,
    );
    (front, rest).prop_map(|(front, rest)| {
        let mut path = AsPath::empty();
        for (kind, asns) in front.iter().chain(&rest) {
            path.push_segment(*kind, asns);
        }
        path
    })
}

fn next_hop() -> impl Strategy<Value = NextHop> {
    let global =
        || any::<u64>().prop_map(|low| Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(low)));
    let local = any::<u64>().prop_map(|low| Ipv6Addr::from(0xfe80 << 112 | u128::from(low)));
    prop_oneof![
        (0x0a00_0001..0x7eff_ffff_u32).prop_map(|bits| NextHop::V4(bits.into())),
        global().prop_map(NextHop::V6),
        (global(), local)
            .prop_map(|(global, link_local)| NextHop::V6LinkLocal { global, link_local }),
    ]
}

/// Codes without a row, kept apart and ascending as the decoder leaves them.
fn unknown() -> impl Strategy<Value = Vec<UnknownAttribute>> {
    let codes = prop_oneof![Just(0_u8), Just(11), Just(28), Just(33), 36..=255_u8];
    prop::collection::btree_map(codes, vec(any::<u8>(), 0..300), 0..4).prop_map(|all| {
        all.into_iter()
            .map(|(code, value)| UnknownAttribute {
                flags: 0xe0,
                code,
                value: value.into(),
            })
            .collect()
    })
}

fn attributes(session: &Negotiated) -> impl Strategy<Value = PathAttributes> + use<> {
    let internal = session.kind == PeerKind::Internal;
    let origin = prop_oneof![
        Just(Origin::Igp),
        Just(Origin::Egp),
        Just(Origin::Incomplete)
    ];
    let aggregator = (asn(), any::<u32>()).prop_map(|(asn, bits)| Aggregator {
        asn,
        address: bits.into(),
    });
    let identifier = (1..=u32::MAX).prop_map(|bits| RouterId::new(bits.into()).unwrap());
    (
        (
            origin,
            as_path(internal),
            next_hop(),
            option::of(any::<u32>()),
            any::<bool>(),
        ),
        (
            option::of(aggregator),
            vec(any::<u32>().prop_map(Community), 0..100),
        ),
        (
            vec(any::<[u8; 8]>().prop_map(ExtendedCommunity), 0..20),
            vec(large_community(), 0..20),
            option::of(asn()),
            unknown(),
        ),
        (
            option::of(any::<u32>()),
            option::of(identifier),
            vec(any::<u32>().prop_map(ClusterId), 0..80),
            option::of(any::<u64>()),
        ),
    )
        .prop_map(move |(basic, (aggregator, communities), more, inner)| {
            let (origin, as_path, next_hop, med, atomic_aggregate) = basic;
            let mut attributes = PathAttributes::new(origin, as_path, next_hop);
            attributes.med = med;
            attributes.atomic_aggregate = atomic_aggregate;
            attributes.aggregator = aggregator;
            attributes.communities = communities;
            (
                attributes.extended_communities,
                attributes.large_communities,
                attributes.only_to_customer,
                attributes.unknown,
            ) = more;
            if internal {
                (
                    attributes.local_pref,
                    attributes.originator_id,
                    attributes.cluster_list,
                    attributes.aigp,
                ) = inner;
            }
            attributes
        })
}

#[test]
fn each_kind_of_message_says_its_kind() {
    assert_eq!(Message::Keepalive.encode().len(), HEADER);
    assert_eq!(Message::Keepalive.kind(), MessageKind::Keepalive);
    assert_eq!(Message::Update(Bytes::new()).kind(), MessageKind::Update);
}
