// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every type comes back from protobuf as it went, and what makes no sense is refused with words that help.

mod arbitrary;

use bgp_proto::{Capability, Origin};
use proptest::{option, prelude::*};

use self::arbitrary::*;
use super::*;
use crate::control::NewRoute;

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
        "with DISABLE, RESET and SHUTDOWN only",
    );
    refused(
        request(v1::PeerOrder::Reset, &"x".repeat(256)),
        "256 octets long",
    );
}
