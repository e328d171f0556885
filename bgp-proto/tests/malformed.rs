// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bad input, case by case: what each costs. The names say what is sent, the second column what must come of it:
//! `accept`, `discard:CODE`, `withdraw:CODE`, `ignore` (nothing to do, nothing lost), `eor:FAMILY`, or the NOTIFICATION.

use bgp_proto::{
    Capability, Code, Family, Framer, HoldTime, Negotiated, NegotiatedFamily, Notification, Open,
    PeerKind, RouteRefresh, Update, Verdict,
    frame::{HEADER, MAX_EXTENDED},
};
use bytes::BytesMut;

const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const AS_PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe8];
const NEXT_HOP: &[u8] = &[0x40, 3, 4, 192, 0, 2, 1];
const LOCAL_PREF: &[u8] = &[0x40, 5, 4, 0, 0, 0, 100];
/// 10.0.0.0/8 and 10.1.0.0/16.
const NLRI: &[u8] = &[8, 10, 16, 10, 1];
/// `2001:db8::/32` by way of `2001:db8::1`.
const REACH: &[u8] = &[
    0x80, 14, 26, 0, 2, 1, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 0x20,
    1, 0xd, 0xb8,
];
const UNREACH: &[u8] = &[0x80, 15, 8, 0, 2, 1, 32, 0x20, 1, 0xd, 0xb8];

type Case = (&'static str, &'static str, Vec<u8>);

#[test]
fn attributes_cost_what_rfc_7606_says() {
    check(&internal(), &attribute_cases());
}

#[test]
fn paths_cost_what_rfc_7606_says() {
    check(&internal(), &path_cases());
}

#[test]
fn an_external_peer_may_not_say_everything() {
    let cases = [
        ("LOCAL_PREF", "discard:5", with(&[LOCAL_PREF])),
        (
            "LOCAL_PREF of two octets",
            "discard:5",
            with(&[&[0x40, 5, 2, 0, 1]]),
        ),
        (
            "ORIGINATOR_ID",
            "discard:9",
            with(&[&[0x80, 9, 4, 1, 2, 3, 4]]),
        ),
        (
            "ORIGINATOR_ID of no octet",
            "discard:9",
            with(&[&[0x80, 9, 0]]),
        ),
        (
            "CLUSTER_LIST",
            "discard:10",
            with(&[&[0x80, 10, 4, 1, 2, 3, 4]]),
        ),
        (
            "AIGP, which is quietly ignored",
            "accept",
            with(&[&aigp(1, 11)]),
        ),
        (
            "AS_CONFED_SEQUENCE",
            "withdraw:2",
            path(&[3, 1, 0, 0, 0xfd, 0xe8]),
        ),
        (
            "AS_CONFED_SET behind a sequence",
            "withdraw:2",
            path(&[2, 1, 0, 0, 0xfd, 0xe8, 4, 1, 0, 0, 0xfd, 0xe8]),
        ),
        ("AS_SET", "accept", path(&[1, 2, 0, 0, 0, 1, 0, 0, 0, 2])),
    ];
    let session = Negotiated {
        kind: PeerKind::External,
        aigp: false,
        ..internal()
    };
    check(&session, &cases);
}

#[test]
fn an_as_set_can_be_refused() {
    let session = Negotiated {
        refuse_as_sets: true,
        ..internal()
    };
    check(
        &session,
        &[
            (
                "AS_SET",
                "withdraw:2",
                path(&[1, 2, 0, 0, 0, 1, 0, 0, 0, 2]),
            ),
            ("AS_SEQUENCE", "accept", with(&[])),
        ],
    );
}

#[test]
fn a_two_octet_peer_costs_its_as4_attributes() {
    let two = [0x40, 2, 6, 2, 2, 0x5b, 0xa0, 0x5b, 0xa0];
    let aggregator = [0xc0, 7, 6, 0x5b, 0xa0, 1, 1, 1, 1];
    let base = |more: &[&[u8]]| {
        let mut all: Vec<&[u8]> = vec![ORIGIN, &two, NEXT_HOP];
        all.extend(more);
        update(&[], &all.concat(), NLRI)
    };
    let first = |as4: &[u8]| update(&[], &[as4, ORIGIN, &two, NEXT_HOP].concat(), NLRI);
    let cases = [
        (
            "AS4_PATH",
            "accept",
            base(&[&[0xc0, 17, 6, 2, 1, 0, 1, 0, 1]]),
        ),
        (
            "AS4_PATH that is cut",
            "discard:17",
            base(&[&[0xc0, 17, 5, 2, 1, 0, 1, 0]]),
        ),
        ("AS4_PATH of nothing", "discard:17", base(&[&[0xc0, 17, 0]])),
        (
            "AS4_PATH of no AS",
            "discard:17",
            base(&[&[0xc0, 17, 2, 2, 0]]),
        ),
        (
            "AS4_PATH that is cut, in front of AS_PATH",
            "discard:17",
            first(&[0xc0, 17, 3, 2, 9, 0]),
        ),
        (
            "AS4_PATH longer than AS_PATH",
            "accept",
            base(&[&[0xc0, 17, 14, 2, 3, 0, 1, 0, 1, 0, 1, 0, 2, 0, 1, 0, 3]]),
        ),
        (
            "AS4_PATH with AS 0",
            "discard:17",
            base(&[&[0xc0, 17, 6, 2, 1, 0, 0, 0, 0]]),
        ),
        (
            "AS4_PATH of a confederation",
            "accept",
            base(&[&[0xc0, 17, 6, 3, 1, 0, 1, 0, 1]]),
        ),
        (
            "AS4_AGGREGATOR of six octets",
            "discard:18",
            base(&[&aggregator, &[0xc0, 18, 6, 0, 1, 1, 1, 1, 1]]),
        ),
        (
            "AS4_AGGREGATOR of AS 0",
            "discard:18",
            base(&[&[0xc0, 18, 8, 0, 0, 0, 0, 1, 1, 1, 1]]),
        ),
        (
            "AGGREGATOR of eight octets",
            "discard:7",
            base(&[&[0xc0, 7, 8, 0, 0, 0, 1, 1, 1, 1, 1]]),
        ),
        ("AS_PATH of four octets an AS", "withdraw:2", with(&[])),
    ];
    check(
        &Negotiated {
            four_octet_as: false,
            ..internal()
        },
        &cases,
    );
}

#[test]
fn as4_attributes_of_a_four_octet_peer_are_dropped() {
    check(
        &internal(),
        &[
            (
                "AS4_PATH",
                "discard:17",
                with(&[&[0xc0, 17, 6, 2, 1, 0, 1, 0, 1]]),
            ),
            (
                "AS4_AGGREGATOR",
                "discard:18",
                with(&[&[0xc0, 18, 8, 0, 1, 0, 1, 1, 1, 1, 1]]),
            ),
        ],
    );
}

#[test]
fn an_aggregator_that_fits_two_octets_does_not_hide_as4_path() {
    let session = Negotiated {
        four_octet_as: false,
        ..internal()
    };
    let body = update(
        &[],
        &[
            ORIGIN,
            &[0x40, 2, 4, 2, 1, 0x5b, 0xa0],
            NEXT_HOP,
            &[0xc0, 7, 6, 0xfd, 0xe8, 1, 1, 1, 1],
            &[0xc0, 17, 6, 2, 1, 0, 1, 0, 1],
        ]
        .concat(),
        NLRI,
    );
    let path = |body: &[u8]| {
        Update::decode(body, &session)
            .unwrap()
            .announced()
            .next()
            .unwrap()
            .0
            .as_path
            .to_string()
    };
    assert_eq!(path(&body), "65537");
    // With AS4_AGGREGATOR beside it, somebody aggregated who knew nothing of either: RFC 6793 §4.2.3.
    let stale = update(
        &[],
        &[
            ORIGIN,
            &[0x40, 2, 4, 2, 1, 0x5b, 0xa0],
            NEXT_HOP,
            &[0xc0, 7, 6, 0xfd, 0xe8, 1, 1, 1, 1],
            &[0xc0, 17, 6, 2, 1, 0, 1, 0, 1],
            &[0xc0, 18, 8, 0, 1, 0, 1, 1, 1, 1, 1],
        ]
        .concat(),
        NLRI,
    );
    assert_eq!(path(&stale), "23456");
}

#[test]
fn next_hops_are_those_of_routers() {
    let classic = |a, b, c, d| {
        update(
            &[],
            &[ORIGIN, AS_PATH, &[0x40, 3, 4, a, b, c, d]].concat(),
            NLRI,
        )
    };
    let six = |head: [u8; 8], tail: u8| {
        let mut hop = [0; 16];
        hop[..8].copy_from_slice(&head);
        hop[15] = tail;
        reach(&[&[0, 2, 1, 16], &hop[..], &[0, 32, 0x20, 1, 0xd, 0xb8]].concat())
    };
    let cases = [
        ("0.0.0.0", "withdraw:3", classic(0, 0, 0, 0)),
        ("0.0.0.1", "withdraw:3", classic(0, 0, 0, 1)),
        ("127.0.0.1", "withdraw:3", classic(127, 0, 0, 1)),
        ("224.0.0.1", "withdraw:3", classic(224, 0, 0, 1)),
        ("240.0.0.1", "withdraw:3", classic(240, 0, 0, 1)),
        ("255.255.255.255", "withdraw:3", classic(255, 255, 255, 255)),
        (
            "NEXT_HOP of no octet",
            "withdraw:3",
            update(&[], &[ORIGIN, AS_PATH, &[0x40, 3, 0]].concat(), NLRI),
        ),
        (
            "NEXT_HOP of three octets",
            "withdraw:3",
            update(
                &[],
                &[ORIGIN, AS_PATH, &[0x40, 3, 3, 192, 0, 2]].concat(),
                NLRI,
            ),
        ),
        (
            "NEXT_HOP of sixteen octets",
            "withdraw:3",
            update(
                &[],
                &[ORIGIN, AS_PATH, &[0x40, 3, 16], &[1; 16]].concat(),
                NLRI,
            ),
        ),
        (
            "martian NEXT_HOP beside MP_REACH_NLRI alone",
            "accept",
            update(
                &[],
                &[REACH, ORIGIN, AS_PATH, &[0x40, 3, 4, 0, 0, 0, 0]].concat(),
                &[],
            ),
        ),
        ("::", "withdraw:14", six([0; 8], 0)),
        ("::1", "withdraw:14", six([0; 8], 1)),
        (
            "ff02::1",
            "withdraw:14",
            six([0xff, 2, 0, 0, 0, 0, 0, 0], 1),
        ),
        (
            "fe80::1 alone",
            "accept",
            six([0xfe, 0x80, 0, 0, 0, 0, 0, 0], 1),
        ),
        (
            "IPv4 by way of 0.0.0.0 in MP_REACH_NLRI",
            "withdraw:14",
            reach(&[0, 1, 1, 4, 0, 0, 0, 0, 0, 8, 10]),
        ),
    ];
    check(&internal(), &cases);
}

#[test]
fn an_ipv6_next_hop_of_ipv4_routes_has_to_be_negotiated() {
    let body = reach(
        &[
            &[0, 1, 1, 16, 0x20, 1, 0xd, 0xb8][..],
            &[0; 11],
            &[1, 0, 8, 10],
        ]
        .concat(),
    );
    check(
        &internal(),
        &[("not negotiated", "withdraw:14", body.clone())],
    );
    let mut session = internal();
    session.families[0].extended_next_hop = true;
    check(&session, &[("negotiated", "accept", body)]);
}

#[test]
fn multiprotocol_attributes_cost_the_session_only_when_they_can_not_be_read() {
    check(&internal(), &multiprotocol_cases());
}

#[test]
fn nlri_that_can_not_be_read_costs_the_session() {
    let cases = [
        (
            "a prefix of 33 bits",
            "3/10",
            update(&[], &good(), &[33, 10, 0, 0, 0, 0]),
        ),
        (
            "a prefix of 255 bits",
            "3/10",
            update(&[], &good(), &[255, 10, 0, 0, 0, 0]),
        ),
        (
            "a prefix that is cut",
            "3/10",
            update(&[], &good(), &[24, 10, 0]),
        ),
        ("host bits", "accept", update(&[], &good(), &[12, 10, 0xff])),
        (
            "the same prefix twice",
            "accept",
            update(&[], &good(), &[8, 10, 8, 10]),
        ),
        ("the default route", "accept", update(&[], &good(), &[0])),
        (
            "withdrawn prefix of 33 bits",
            "3/10",
            update(&[33, 10, 0, 0, 0, 0], &[], &[]),
        ),
        (
            "withdrawn prefix that is cut",
            "3/10",
            update(&[16, 10], &[], &[]),
        ),
        (
            "withdrawn and announced at once",
            "accept",
            update(&[8, 10], &good(), NLRI),
        ),
        (
            "withdrawn routes longer than the message",
            "3/1",
            vec![0, 9, 8, 10, 0, 0],
        ),
        ("no attribute length", "3/1", vec![0, 0]),
        ("half an attribute length", "3/1", vec![0, 0, 0]),
        (
            "attributes longer than the message",
            "3/1",
            vec![0, 0, 0, 9, 0x40, 1, 1, 0],
        ),
        (
            "800 prefixes",
            "accept",
            update(&[], &good(), &[24, 10, 0, 0].repeat(800)),
        ),
    ];
    check(&internal(), &cases);
}

#[test]
fn what_looks_like_end_of_rib_is_one_only_where_the_family_is_exchanged() {
    let cases = [
        ("no octets", "eor:ipv4-unicast", update(&[], &[], &[])),
        (
            "MP_UNREACH_NLRI of nothing",
            "eor:ipv6-unicast",
            update(&[], &[0x80, 15, 3, 0, 2, 1], &[]),
        ),
        (
            "the same with extended length",
            "eor:ipv6-unicast",
            update(&[], &[0x90, 15, 0, 3, 0, 2, 1], &[]),
        ),
        (
            "of IPv4 in MP_UNREACH_NLRI",
            "eor:ipv4-unicast",
            update(&[], &[0x80, 15, 3, 0, 1, 1], &[]),
        ),
        (
            "of FlowSpec",
            "ignore",
            update(&[], &[0x80, 15, 3, 0, 1, 133], &[]),
        ),
        (
            "of a family without a name",
            "ignore",
            update(&[], &[0x80, 15, 3, 0xff, 0xff, 9], &[]),
        ),
        (
            "withdrawal of a family that is not exchanged",
            "ignore",
            update(&[], &[0x80, 15, 5, 0, 1, 133, 8, 10], &[]),
        ),
        ("ORIGIN alone", "ignore", update(&[], ORIGIN, &[])),
        (
            "ORIGIN of 3 alone",
            "3/1",
            update(&[], &[0x40, 1, 1, 3], &[]),
        ),
        (
            "ORIGIN of 3 beside an empty MP_UNREACH_NLRI",
            "3/1",
            update(&[], &[0x80, 15, 3, 0, 2, 1, 0x40, 1, 1, 3], &[]),
        ),
        (
            "ORIGIN beside an empty MP_UNREACH_NLRI",
            "ignore",
            update(&[], &[0x80, 15, 3, 0, 2, 1, 0x40, 1, 1, 0], &[]),
        ),
        (
            "MP_UNREACH_NLRI of two octets",
            "3/9",
            update(&[], &[0x80, 15, 2, 0, 2], &[]),
        ),
        (
            "COMMUNITIES of three octets, nothing announced",
            "3/1",
            update(&[8, 10], &[0xc0, 8, 3, 0, 0, 0], &[]),
        ),
        (
            "an attribute to be discarded, nothing announced",
            "discard:6",
            update(&[8, 10], &[0x40, 6, 1, 0], &[]),
        ),
    ];
    check(&internal(), &cases);
    let only_six = Negotiated {
        families: vec![entry(Family::IPV6_UNICAST)],
        ..internal()
    };
    check(
        &only_six,
        &[
            (
                "of IPv4 where only IPv6 is exchanged",
                "ignore",
                update(&[], &[], &[]),
            ),
            (
                "IPv4 routes where only IPv6 is exchanged",
                "ignore",
                update(&[8, 10], &good(), NLRI),
            ),
        ],
    );
}

#[test]
fn path_identifiers_that_are_not_expected_never_panic() {
    let with_id: &[u8] = &[0, 0, 0, 1, 24, 10, 0, 1];
    let mut add_path = internal();
    add_path.families[0].add_path_receive = true;
    let four = update(&[], &good(), with_id);
    assert_eq!(outcome(&add_path, &four), "accept");
    let _ = outcome(&internal(), &four);
    assert_eq!(
        outcome(&add_path, &update(&[], &good(), &[0, 0, 0])),
        "3/10"
    );
    let _ = outcome(&add_path, &update(&[], &good(), NLRI));
}

#[test]
fn faults_do_not_outgrow_the_message() {
    let many = [0x80, 200, 0].repeat(20_000);
    let body = update(&[], &[&good()[..], &many].concat(), NLRI);
    let update = Update::decode(&body, &internal()).unwrap();
    assert_eq!(
        (update.faults().len(), update.verdict()),
        (1, Verdict::Discard)
    );
    let each: Vec<u8> = (36..=255)
        .flat_map(|code| [0xc0, code, 0, 0xc0, code, 0])
        .collect();
    let body = self::update(&[], &[&good()[..], &each].concat(), NLRI);
    let update = Update::decode(&body, &internal()).unwrap();
    assert_eq!(update.faults().len(), 220);
    assert_eq!(update.announced().next().unwrap().0.unknown.len(), 220);
}

#[test]
fn opens_that_lie() {
    let wrong: Vec<String> = open_cases()
        .iter()
        .filter_map(|(name, wanted, body)| {
            let found = match Open::decode(body) {
                Ok(_) => "accept".to_owned(),
                Err(error) => told(&error.notification()),
            };
            (found != *wanted).then(|| format!("{name}: wanted {wanted}, found {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_capability_that_can_not_be_understood_has_no_effect() {
    let cases: &[(&str, u8, &[u8])] = &[
        ("multiprotocol of three octets", 1, &[0, 1, 0]),
        ("multiprotocol of five octets", 1, &[0, 1, 0, 1, 0]),
        ("route refresh with a value", 2, &[0]),
        ("extended next hop of five octets", 5, &[0, 1, 0, 1, 0]),
        ("extended message with a value", 6, &[1]),
        ("role of no octet", 9, &[]),
        ("role of two octets", 9, &[0, 1]),
        ("graceful restart of one octet", 64, &[0]),
        ("graceful restart with half a family", 64, &[0, 90, 0, 1]),
        ("four-octet AS of two octets", 65, &[0, 1]),
        ("four-octet AS of no octet", 65, &[]),
        ("add-path with half a family", 69, &[0, 1, 1]),
        ("enhanced refresh with a value", 70, &[9]),
        (
            "long-lived restart with half a family",
            71,
            &[0, 1, 1, 0x80, 0],
        ),
        ("host name longer than the capability", 73, &[9, b'a']),
        ("host name of no octet at all", 73, &[]),
        (
            "something behind the domain name",
            73,
            &[1, b'a', 1, b'b', 0],
        ),
        ("version longer than the capability", 75, &[200, b'a']),
        ("version of no octet at all", 75, &[]),
        ("something behind the version", 75, &[1, b'a', b'b']),
    ];
    for (name, code, value) in cases {
        let mut parameter = vec![
            2,
            u8::try_from(value.len() + 2).unwrap(),
            *code,
            u8::try_from(value.len()).unwrap(),
        ];
        parameter.extend_from_slice(value);
        let open = Open::decode(&open(&parameter)).expect(name);
        let kept = Capability::Unknown {
            code: *code,
            value: value.to_vec().into(),
        };
        assert_eq!(open.capabilities, [kept], "{name}");
    }
}

#[test]
fn what_a_peer_calls_itself_can_not_write_on_a_terminal() {
    let capability = [2, 9, 73, 7, 3, b'a', 0x1b, b'[', 2, b'\n', 0xff];
    let open = Open::decode(&open(&capability)).unwrap();
    let [Capability::Fqdn { host, domain }] = &open.capabilities[..] else {
        panic!("{open:?}")
    };
    assert_eq!(
        (host.as_str(), domain.as_str()),
        ("a\\u{1b}[", "\\n\u{fffd}")
    );
}

#[test]
fn notifications_that_lie_are_taken_all_the_same() {
    let text = |data: &[u8]| Notification::decode(&[&[6, 2], data].concat()).shutdown_text();
    assert_eq!(text(&[3, b'b', b'y', b'e']).as_deref(), Some("bye"));
    assert_eq!(text(&[9, b'b', b'y', b'e']), None);
    assert_eq!(text(&[1, 0xff]), None);
    assert_eq!(text(&[0]), None);
    assert_eq!(text(&[]), None);
    assert_eq!(
        text(&[4, b'a', 0x1b, b'[', b'm']).as_deref(),
        Some("a\\u{1b}[m")
    );
    assert_eq!(
        text("\u{3}a\u{202e}".as_bytes()),
        None,
        "the length is that of the octets"
    );
    assert_eq!(
        text("\u{4}a\u{202e}".as_bytes()).as_deref(),
        Some("a\\u{202e}")
    );
    for body in [&[][..], &[6], &[6, 2], &[99, 99], &[0, 0, 1]] {
        assert!(!Notification::decode(body).to_string().is_empty());
    }
}

#[test]
fn headers_that_lie() {
    let message = |length: u16, kind: u8, rest: usize| {
        let mut octets = vec![0xff; 16];
        octets.extend_from_slice(&length.to_be_bytes());
        octets.push(kind);
        octets.resize(octets.len() + rest, 0);
        octets
    };
    let cases: &[(&str, &str, Vec<u8>)] = &[
        ("a web browser", "1/1", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            "one wrong octet, and no more yet",
            "1/1",
            vec![0xff, 0xff, 0xfe],
        ),
        (
            "the last octet of the marker",
            "1/1",
            [&[0xff; 15][..], &[0xfe]].concat(),
        ),
        ("length 0", "1/2:0000", message(0, 4, 0)),
        ("length 18", "1/2:0012", message(18, 4, 0)),
        ("length 4097", "1/2:1001", message(4097, 2, 0)),
        ("length 65535", "1/2:ffff", message(65535, 2, 0)),
        ("type 0", "1/3:00", message(19, 0, 0)),
        ("type 6", "1/3:06", message(40, 6, 0)),
        ("type 255", "1/3:ff", message(19, 255, 0)),
        ("OPEN of 28 octets", "1/2:001c", message(28, 1, 0)),
        ("UPDATE of 22 octets", "1/2:0016", message(22, 2, 0)),
        ("NOTIFICATION of 20 octets", "1/2:0014", message(20, 3, 0)),
        ("KEEPALIVE of 20 octets", "1/2:0014", message(20, 4, 1)),
        ("a part of a message", "wait", message(29, 1, 9)),
        ("nothing", "wait", vec![]),
        ("a part of a header", "wait", vec![0xff; 18]),
        ("a whole message", "message", message(19, 4, 0)),
        (
            "an UPDATE of 4096 octets",
            "message",
            message(4096, 2, 4077),
        ),
    ];
    for (name, wanted, octets) in cases {
        let found = match Framer::default().next(&mut BytesMut::from(&octets[..])) {
            Ok(Some(_)) => "message".to_owned(),
            Ok(None) => "wait".to_owned(),
            Err(error) => told(&error.notification()),
        };
        assert_eq!(&found, wanted, "{name}");
    }
    // With RFC 8654: OPEN and KEEPALIVE stay as they are.
    let mut long = Framer::default();
    long.set_max_message(MAX_EXTENDED);
    let mut next = |octets: &[u8]| {
        long.next(&mut BytesMut::from(octets))
            .map(|frame| frame.is_some())
    };
    assert_eq!(next(&message(65535, 2, 65516)), Ok(true));
    assert_eq!(next(&message(4097, 3, 4078)), Ok(true));
    assert!(next(&message(4097, 1, 4078)).is_err());
}

#[test]
fn refreshes_of_the_wrong_length() {
    assert!(RouteRefresh::decode(&[0, 1, 0, 1]).is_ok());
    // Outbound route filters that nobody asked for, even cut ones, are passed over.
    assert!(RouteRefresh::decode(&[0, 1, 0, 1, 1, 0x80]).is_ok());
    for body in [&[][..], &[0, 1, 0], &[0, 1, 1, 1, 0], &[0, 1, 2, 1, 0]] {
        let error = RouteRefresh::decode(body).unwrap_err();
        assert_eq!(
            told(&error.notification(true)).split(':').next(),
            Some("7/1")
        );
        assert!(told(&error.notification(false)).starts_with("1/2:"));
        let message = error.notification(true).data;
        assert_eq!(message.get(18..), Some(&[&[5], body].concat()[..]));
    }
}

#[rustfmt::skip]
fn attribute_cases() -> Vec<Case> {
    let long = |code: u8, flags: u8, octets: usize| {
        let [high, low] = u16::try_from(octets).unwrap().to_be_bytes();
        [&[flags | 0x10, code, high, low][..], &vec![0; octets]].concat()
    };
    vec![
        ("nothing wrong", "accept", with(&[])),
        ("low bits of the flags", "accept", update(&[], &[&[0x4f & !0x10, 1, 1, 0], AS_PATH, NEXT_HOP].concat(), NLRI)),
        ("ORIGIN missing", "withdraw:1", update(&[], &[AS_PATH, NEXT_HOP].concat(), NLRI)),
        ("AS_PATH missing", "withdraw:2", update(&[], &[ORIGIN, NEXT_HOP].concat(), NLRI)),
        ("NEXT_HOP missing", "withdraw:3", update(&[], &[ORIGIN, AS_PATH].concat(), NLRI)),
        ("no attributes at all", "withdraw:1", update(&[], &[], NLRI)),
        ("an unknown attribute only", "withdraw:1", update(&[], &[0xc0, 99, 1, 0], NLRI)),
        ("LOCAL_PREF missing from an internal peer", "accept", with(&[])),
        ("ORIGIN of 3", "withdraw:1", update(&[], &[&[0x40, 1, 1, 3], AS_PATH, NEXT_HOP].concat(), NLRI)),
        ("ORIGIN of no octet", "withdraw:1", update(&[], &[&[0x40, 1, 0], AS_PATH, NEXT_HOP].concat(), NLRI)),
        ("ORIGIN of two octets", "withdraw:1", update(&[], &[&[0x40, 1, 2, 0, 0], AS_PATH, NEXT_HOP].concat(), NLRI)),
        ("ORIGIN that is optional", "withdraw:1", update(&[], &[&[0xc0, 1, 1, 0], AS_PATH, NEXT_HOP].concat(), NLRI)),
        ("ORIGIN that is not transitive", "withdraw:1", update(&[], &[&[0, 1, 1, 0], AS_PATH, NEXT_HOP].concat(), NLRI)),
        ("AS_PATH that is optional", "withdraw:2", update(&[], &[ORIGIN, &[0xc0, 2, 0], NEXT_HOP].concat(), NLRI)),
        ("MULTI_EXIT_DISC of three octets", "withdraw:4", with(&[&[0x80, 4, 3, 0, 0, 1]])),
        ("MULTI_EXIT_DISC that is transitive", "withdraw:4", with(&[&[0xc0, 4, 4, 0, 0, 0, 1]])),
        ("LOCAL_PREF of five octets", "withdraw:5", with(&[&[0x40, 5, 5, 0, 0, 0, 0, 1]])),
        ("LOCAL_PREF that is optional", "withdraw:5", with(&[&[0xc0, 5, 4, 0, 0, 0, 1]])),
        ("ATOMIC_AGGREGATE with a value", "discard:6", with(&[&[0x40, 6, 1, 0]])),
        ("ATOMIC_AGGREGATE that is optional", "withdraw:6", with(&[&[0xc0, 6, 0]])),
        ("AGGREGATOR of six octets", "discard:7", with(&[&[0xc0, 7, 6, 0, 1, 1, 1, 1, 1]])),
        ("AGGREGATOR of nine octets", "discard:7", with(&[&[0xc0, 7, 9, 0, 0, 0, 1, 1, 1, 1, 1, 0]])),
        ("AGGREGATOR of AS 0", "discard:7", with(&[&[0xc0, 7, 8, 0, 0, 0, 0, 1, 1, 1, 1]])),
        ("AGGREGATOR that is well-known", "withdraw:7", with(&[&[0x40, 7, 8, 0, 0, 0, 1, 1, 1, 1, 1]])),
        ("COMMUNITIES of no octet", "withdraw:8", with(&[&[0xc0, 8, 0]])),
        ("COMMUNITIES of five octets", "withdraw:8", with(&[&[0xc0, 8, 5, 0, 0, 0, 1, 2]])),
        ("COMMUNITIES that is not transitive", "withdraw:8", with(&[&[0x80, 8, 4, 0, 0, 0, 1]])),
        ("COMMUNITIES that is partial", "accept", with(&[&[0xe0, 8, 4, 0, 0, 0, 1]])),
        ("1000 communities", "accept", with(&[&long(8, 0xc0, 4000)])),
        ("extended length for four octets", "accept", with(&[&[0xd0, 8, 0, 4, 0, 0, 0, 1]])),
        ("ORIGINATOR_ID of five octets", "withdraw:9", with(&[&[0x80, 9, 5, 1, 2, 3, 4, 5]])),
        ("ORIGINATOR_ID that is transitive", "withdraw:9", with(&[&[0xc0, 9, 4, 1, 2, 3, 4]])),
        ("CLUSTER_LIST of no octet", "withdraw:10", with(&[&[0x80, 10, 0]])),
        ("CLUSTER_LIST of six octets", "withdraw:10", with(&[&[0x80, 10, 6, 1, 2, 3, 4, 5, 6]])),
        ("100 clusters", "accept", with(&[&long(10, 0x80, 400)])),
        ("EXTENDED COMMUNITIES of no octet", "withdraw:16", with(&[&[0xc0, 16, 0]])),
        ("EXTENDED COMMUNITIES of nine octets", "withdraw:16", with(&[&long(16, 0xc0, 9)])),
        ("EXTENDED COMMUNITIES of an unknown type", "accept", with(&[&[0xc0, 16, 8, 0x99, 0x99, 1, 2, 3, 4, 5, 6]])),
        ("LARGE_COMMUNITY of no octet", "withdraw:32", with(&[&[0xc0, 32, 0]])),
        ("LARGE_COMMUNITY of thirteen octets", "withdraw:32", with(&[&long(32, 0xc0, 13)])),
        ("330 large communities", "accept", with(&[&long(32, 0xc0, 3960)])),
        ("ONLY_TO_CUSTOMER of three octets", "withdraw:35", with(&[&[0xc0, 35, 3, 0, 0, 1]])),
        ("AIGP", "accept", with(&[&aigp(1, 11)])),
        ("AIGP of no TLV", "accept", with(&[&[0x80, 26, 0]])),
        ("AIGP whose TLV is shorter than its head", "discard:26", with(&[&[0x80, 26, 3, 1, 0, 2]])),
        ("AIGP whose TLV is longer than the attribute", "discard:26", with(&[&[0x80, 26, 3, 1, 0, 11]])),
        ("AIGP of ten octets", "discard:26", with(&[&aigp(1, 10)])),
        ("AIGP of another type", "accept", with(&[&aigp(2, 5)])),
        ("AIGP that is transitive", "withdraw:26", with(&[&[0xc0, 26, 0]])),
        ("ORIGIN twice", "discard:1", with(&[&[0x40, 1, 1, 2]])),
        ("ORIGIN twice, the second one malformed", "discard:1", with(&[&[0x40, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]])),
        ("COMMUNITIES twice", "discard:8", with(&[&[0xc0, 8, 4, 0, 0, 0, 1], &[0xc0, 8, 4, 0, 0, 0, 2]])),
        ("an unknown attribute twice", "discard:99", with(&[&[0xc0, 99, 0], &[0xc0, 99, 0]])),
        ("unknown, optional, transitive", "accept", with(&[&[0xc0, 99, 2, 1, 2]])),
        ("unknown, optional, not transitive", "accept", with(&[&[0x80, 99, 2, 1, 2]])),
        ("unknown, well-known", "3/2:[40, 63, 02, 01, 02]", with(&[&[0x40, 99, 2, 1, 2]])),
        ("unknown, not even transitive", "3/2:[00, 63, 00]", with(&[&[0, 99, 0]])),
        ("type 0", "accept", with(&[&[0xc0, 0, 1, 1]])),
        ("type 28 with junk", "accept", with(&[&[0xc0, 28, 5, 9, 9, 9, 9, 9]])),
        ("type 40 full of zeros", "accept", with(&[&long(40, 0xc0, 300)])),
        ("type 128", "accept", with(&[&[0xe0, 128, 5, 0, 0, 0, 0, 0]])),
        ("type 255", "accept", with(&[&[0xe0, 255, 200], &[7; 200]])),
        ("110 unknown ones", "accept", with(&[&(100..210).flat_map(|code| [0xc0, code, 1, 0]).collect::<Vec<u8>>()])),
        ("an unknown one of 3950 octets", "accept", with(&[&long(99, 0xc0, 3950)])),
        ("the last one longer than the list", "withdraw:4", with(&[&[0x80, 4, 9, 0, 0]])),
        ("the last one without its length", "withdraw:4", with(&[&[0x80, 4]])),
        ("flags and no code", "withdraw:0", with(&[&[0x80]])),
        ("extended length that is cut", "withdraw:8", with(&[&[0xd0, 8, 0]])),
        ("extended length of 65535", "withdraw:8", with(&[&[0xd0, 8, 0xff, 0xff, 0, 0]])),
        ("the gravest decides", "withdraw:8", with(&[&[0x40, 6, 1, 0], &[0xc0, 8, 1, 0]])),
    ]
}

#[rustfmt::skip]
fn path_cases() -> Vec<Case> {
    let segment = |kind: u8, count: u8, asns: usize| {
        [&[kind, count][..], &[0, 0, 0xfd, 0xe8].repeat(asns)].concat()
    };
    vec![
        ("a path of nothing", "accept", path(&[])),
        ("a segment of no AS", "withdraw:2", path(&[2, 0])),
        ("a segment of kind 0", "withdraw:2", path(&segment(0, 1, 1))),
        ("a segment of kind 5", "withdraw:2", path(&segment(5, 1, 1))),
        ("a segment longer than the path", "withdraw:2", path(&segment(2, 2, 1))),
        ("a segment shorter than the path", "withdraw:2", path(&segment(2, 1, 2))),
        ("half an AS", "withdraw:2", path(&[2, 1, 0, 0])),
        ("one octet", "withdraw:2", path(&[2])),
        ("AS 0", "withdraw:2", path(&[2, 1, 0, 0, 0, 0])),
        ("AS 0 in the middle", "withdraw:2", path(&[2, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2])),
        ("AS_TRANS", "accept", path(&[2, 1, 0, 0, 0x5b, 0xa0])),
        ("AS 4294967295", "accept", path(&[2, 1, 255, 255, 255, 255])),
        ("the same AS again and again", "accept", path(&segment(2, 9, 9))),
        ("AS_SET", "accept", path(&segment(1, 2, 2))),
        ("a confederation, from an internal peer", "accept", path(&[segment(3, 2, 2), segment(2, 1, 1)].concat())),
        ("300 ASes in two segments", "accept", path(&[segment(2, 255, 255), segment(2, 45, 45)].concat())),
        ("765 ASes in three segments", "accept", path(&segment(2, 255, 255).repeat(3))),
        ("965 ASes in four segments", "accept", path(&[segment(2, 255, 255).repeat(3), segment(2, 200, 200)].concat())),
        ("16000 ASes", "accept", path(&segment(2, 250, 250).repeat(64))),
        ("AS_CONFED_SEQUENCE of 255", "accept", path(&segment(3, 255, 255))),
        ("two octets an AS", "withdraw:2", path(&[2, 3, 0xfd, 0xe8, 0xfd, 0xe8, 0xfd, 0xe8])),
    ]
}

#[rustfmt::skip]
fn multiprotocol_cases() -> Vec<Case> {
    let six = |attribute: &[u8]| update(&[], &[attribute, ORIGIN, AS_PATH].concat(), &[]);
    let value = REACH[3..].to_vec();
    let changed = |at: usize, octet: u8| { let mut v = value.clone(); v[at] = octet; reach(&v) };
    vec![
        ("IPv6 routes", "accept", six(REACH)),
        ("IPv6 and IPv4 routes", "accept", update(&[], &[REACH, &good()].concat(), NLRI)),
        ("IPv6 routes withdrawn", "accept", update(&[], UNREACH, &[])),
        ("MP_UNREACH_NLRI and IPv4 routes without attributes", "withdraw:1", update(&[], UNREACH, NLRI)),
        ("IPv6 routes without attributes", "withdraw:1", update(&[], REACH, &[])),
        ("MP_REACH_NLRI twice", "3/1", update(&[], &[REACH, REACH, &good()].concat(), &[])),
        ("MP_UNREACH_NLRI twice", "3/1", update(&[], &[UNREACH, UNREACH].concat(), &[])),
        ("both for the same prefix", "accept", update(&[], &[REACH, UNREACH, ORIGIN, AS_PATH].concat(), &[])),
        ("MP_REACH_NLRI that is transitive", "3/9", six(&[&[0xc0], &REACH[1..]].concat())),
        ("MP_REACH_NLRI that is well-known", "3/9", six(&[&[0x40], &REACH[1..]].concat())),
        ("MP_UNREACH_NLRI that is transitive", "3/9", update(&[], &[&[0xc0], &UNREACH[1..]].concat(), &[])),
        ("MP_REACH_NLRI of no octet", "3/9", reach(&[])),
        ("MP_REACH_NLRI of four octets", "3/9", reach(&[0, 2, 1, 16])),
        ("a next hop of 15 octets", "3/9", changed(3, 15)),
        ("a next hop of no octet", "3/9", changed(3, 0)),
        ("a next hop longer than the attribute", "3/9", changed(3, 255)),
        ("a next hop of 4 octets for IPv6", "3/9", changed(3, 4)),
        ("a prefix of 129 bits", "3/10", changed(21, 129)),
        ("a prefix that is cut", "3/10", changed(21, 40)),
        ("no prefix", "ignore", reach(&value[..21])),
        ("a reserved octet that is not zero", "accept", changed(20, 7)),
        ("an address family without a name", "ignore", changed(0, 99)),
        ("FlowSpec of length 0", "ignore", reach(&[0, 1, 133, 0, 0, 0])),
        ("EVPN with junk", "ignore", reach(&[0, 25, 70, 4, 192, 0, 2, 1, 0, 2, 99, 1])),
        ("VPN whose labels are cut", "ignore", reach(&[0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1, 0, 8, 0])),
        ("a family that is not exchanged beside IPv4 routes", "accept",
            update(&[], &[&[0x80, 14, 6, 0, 1, 133, 0, 0, 0], &good()[..]].concat(), NLRI)),
        ("MP_UNREACH_NLRI that is cut, beside IPv4 routes", "3/9",
            update(&[], &[&[0x80, 15, 2, 0, 2], &good()[..]].concat(), NLRI)),
        ("something malformed in front of MP_REACH_NLRI", "withdraw:1",
            update(&[], &[&[0x40, 1, 1, 9], REACH, AS_PATH].concat(), &[])),
        ("IPv4 in MP_REACH_NLRI by way of IPv4", "accept", reach(&[0, 1, 1, 4, 192, 0, 2, 1, 0, 8, 10])),
    ]
}

#[rustfmt::skip]
fn open_cases() -> Vec<Case> {
    let fixed = |version: u8, asn: u16, hold: u16, identifier: [u8; 4]| {
        let mut body = vec![version];
        body.extend_from_slice(&asn.to_be_bytes());
        body.extend_from_slice(&hold.to_be_bytes());
        body.extend_from_slice(&identifier);
        body.push(0);
        body
    };
    let id = [1, 1, 1, 1];
    let extended = |length: u16, list: &[u8]| {
        let mut body = open(&[]);
        body.pop();
        body.extend_from_slice(&[255, 255]);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(list);
        body
    };
    let four = |asn: [u8; 4]| [&[2, 6, 65, 4][..], &asn].concat();
    vec![
        ("nothing wrong", "accept", fixed(4, 64512, 90, id)),
        ("version 3", "2/1:0004", fixed(3, 64512, 90, id)),
        ("version 255", "2/1:0004", fixed(255, 64512, 90, id)),
        ("AS 0", "2/2", fixed(4, 0, 90, id)),
        ("AS 0 with four-octet AS 0", "2/2", { let mut b = open(&four([0; 4])); b[1] = 0; b[2] = 0; b }),
        ("four-octet AS 0", "2/2", open(&four([0; 4]))),
        ("AS_TRANS, for the session to compare", "accept", fixed(4, 23456, 90, id)),
        ("hold time 0", "accept", fixed(4, 64512, 0, id)),
        ("hold time 1", "2/6", fixed(4, 64512, 1, id)),
        ("hold time 2", "2/6", fixed(4, 64512, 2, id)),
        ("hold time 3", "accept", fixed(4, 64512, 3, id)),
        ("hold time 65535", "accept", fixed(4, 64512, 65535, id)),
        ("identifier 0.0.0.0", "2/3", fixed(4, 64512, 90, [0; 4])),
        ("identifier 255.255.255.255", "accept", fixed(4, 64512, 90, [255; 4])),
        ("identifier 224.0.0.1", "accept", fixed(4, 64512, 90, [224, 0, 0, 1])),
        ("parameters longer than the message", "2/0", { let mut b = fixed(4, 64512, 90, id); b[9] = 9; b }),
        ("something behind the parameters", "2/0", { let mut b = fixed(4, 64512, 90, id); b.push(0); b }),
        ("no parameter length", "2/0", { let mut b = fixed(4, 64512, 90, id); b.pop(); b }),
        ("a body of nothing", "2/0", vec![]),
        ("a parameter longer than the list", "2/0", open(&[2, 9, 1, 4])),
        ("a parameter without its length", "2/0", open(&[2])),
        ("a parameter of nothing", "accept", open(&[2, 0])),
        ("an unknown parameter", "2/4", open(&[9, 1, 0])),
        ("authentication, which is no more", "2/4", open(&[1, 1, 0])),
        ("a capability longer than its parameter", "2/0", open(&[2, 4, 1, 4, 0, 1])),
        ("a capability without its length", "2/0", open(&[2, 1, 1])),
        ("an unknown capability", "accept", open(&[2, 3, 200, 1, 0])),
        ("the same capability again and again", "accept", open(&[2, 2, 2, 0].repeat(60))),
        ("RFC 9072", "accept", extended(7, &[2, 0, 4, 2, 0, 70, 0])),
        ("RFC 9072 with no parameters", "accept", extended(0, &[])),
        ("RFC 9072, parameters longer than the message", "2/0", extended(9, &[2, 0, 2, 2, 0])),
        ("RFC 9072, parameters shorter than the message", "2/0", extended(0, &[2, 0, 2, 2, 0])),
        ("RFC 9072, nothing behind the type", "2/0", { let mut b = open(&[]); b.pop(); b.extend([255, 255]); b }),
        ("RFC 9072, half a length", "2/0", { let mut b = open(&[]); b.pop(); b.extend([255, 255, 0]); b }),
        ("RFC 9072, a parameter that is cut", "2/0", extended(2, &[2, 0])),
        ("255 in the type octet, another length", "accept", { let mut b = extended(5, &[2, 0, 2, 2, 0]); b[9] = 4; b }),
        ("255 in the length only", "accept", open(&[&[2, 253, 200, 251][..], &[0; 251]].concat())),
    ]
}

fn check(session: &Negotiated, cases: &[Case]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(name, wanted, body)| {
            let found = outcome(session, body);
            (found != *wanted).then(|| format!("{name}: wanted {wanted}, found {found}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

fn outcome(session: &Negotiated, body: &[u8]) -> String {
    let update = match Update::decode(body, session) {
        Ok(update) => update,
        Err(error) => {
            let notification = error.notification();
            // The attribute is in the data (RFC 4271 §6.3); the table would be hard to read with it.
            if notification.code == Code::UPDATE_OPTIONAL_ATTRIBUTE {
                assert!(notification.data.len() >= 3);
                return "3/9".to_owned();
            }
            return told(&notification);
        }
    };
    let announced: usize = update
        .announced()
        .map(|(_, block)| block.prefixes().count())
        .sum();
    let withdrawn: usize = update
        .withdrawn()
        .map(|block| block.prefixes().count())
        .sum();
    let worst = |verdict| {
        update
            .faults()
            .iter()
            .find(|fault| fault.verdict == verdict)
    };
    match update.verdict() {
        Verdict::Withdraw => {
            // The routes are still named.
            assert!(announced == 0 && withdrawn > 0);
            format!("withdraw:{}", worst(Verdict::Withdraw).unwrap().attribute)
        }
        Verdict::Discard => {
            assert!(announced + withdrawn > 0);
            format!("discard:{}", worst(Verdict::Discard).unwrap().attribute)
        }
        Verdict::Accept => match update.end_of_rib() {
            Some(family) => format!("eor:{family}"),
            None if announced + withdrawn == 0 => "ignore".to_owned(),
            None => "accept".to_owned(),
        },
    }
}

/// Code, subcode, and data if there are any.
fn told(notification: &Notification) -> String {
    let Code(major, minor) = notification.code;
    match notification.data.iter().as_slice() {
        [] => format!("{major}/{minor}"),
        [one] => format!("{major}/{minor}:{one:02x}"),
        [one, two] => format!("{major}/{minor}:{one:02x}{two:02x}"),
        more => format!("{major}/{minor}:{more:02x?}"),
    }
}

fn internal() -> Negotiated {
    Negotiated {
        four_octet_as: true,
        max_message: MAX_EXTENDED,
        families: vec![entry(Family::IPV4_UNICAST), entry(Family::IPV6_UNICAST)],
        kind: PeerKind::Internal,
        aigp: true,
        hold_time: HoldTime::OFF,
        ..Negotiated::default()
    }
}

fn entry(family: Family) -> NegotiatedFamily {
    NegotiatedFamily {
        family,
        add_path_receive: false,
        add_path_send: false,
        extended_next_hop: false,
    }
}

fn good() -> Vec<u8> {
    [ORIGIN, AS_PATH, NEXT_HOP].concat()
}

/// A good UPDATE with more attributes.
fn with(more: &[&[u8]]) -> Vec<u8> {
    update(&[], &[&good()[..], &more.concat()].concat(), NLRI)
}

/// A good UPDATE with this path.
fn path(value: &[u8]) -> Vec<u8> {
    let mut attribute = vec![0x50, 2];
    attribute.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
    attribute.extend_from_slice(value);
    update(&[], &[ORIGIN, &attribute, NEXT_HOP].concat(), NLRI)
}

/// An UPDATE with this `MP_REACH_NLRI` and no classic routes.
fn reach(value: &[u8]) -> Vec<u8> {
    let head = [0x80, 14, u8::try_from(value.len()).unwrap()];
    update(&[], &[&head, value, ORIGIN, AS_PATH].concat(), &[])
}

fn aigp(kind: u8, length: u8) -> Vec<u8> {
    let mut attribute = vec![0x80, 26, length, kind, 0, length];
    attribute.resize(usize::from(length) + 3, 0);
    attribute
}

fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in [withdrawn, attributes] {
        body.extend_from_slice(&u16::try_from(part.len()).unwrap().to_be_bytes());
        body.extend_from_slice(part);
    }
    body.extend_from_slice(nlri);
    assert!(body.len() + HEADER <= MAX_EXTENDED);
    body
}

fn open(parameters: &[u8]) -> Vec<u8> {
    let mut body = vec![
        4,
        0xfc,
        0,
        0,
        90,
        1,
        1,
        1,
        1,
        u8::try_from(parameters.len()).unwrap(),
    ];
    body.extend_from_slice(parameters);
    body
}
