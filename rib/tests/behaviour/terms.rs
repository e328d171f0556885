// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is agreed with a neighbour about AS paths: what it is told, and what is taken from it.

use bgp_proto::{AsPath, Asn, SegmentKind};
use rib::{Input, PeerId, PeerInfo, PrivateAs, Relation, Terms};

use crate::world::{LOCAL_AS, World, attributes, from, local, peer};

const PREFIX: &str = "10.1.0.0/16";

/// Another AS of ours, towards one neighbour.
const OTHER: Asn = Asn(65_500);

fn external(number: u32, terms: Terms) -> PeerInfo {
    PeerInfo {
        terms,
        ..peer(number, Relation::External)
    }
}

/// The path that neighbour 2 hears when neighbour 1 announces this one.
fn told(first: PeerInfo, second: PeerInfo, path: &[u32]) -> Option<String> {
    let mut world = World::plain();
    world.up(first);
    world.up(second);
    world.announce(from(1), PREFIX, attributes(1, path));
    world.settle();
    world
        .heard_of(2, PREFIX)
        .map(|heard| heard.as_path.to_string())
}

#[test]
fn a_local_as_is_seen_alone_or_before_the_real_one() {
    let to = |also_own| PeerInfo {
        local_as: OTHER,
        ..external(
            2,
            Terms {
                also_own,
                ..Terms::default()
            },
        )
    };
    let from_1 = || peer(1, Relation::External);
    let heard = told(from_1(), to(None), &[65001]);
    assert_eq!(heard.as_deref(), Some("65500 65001"));
    let heard = told(from_1(), to(Some(LOCAL_AS)), &[65001]);
    assert_eq!(heard.as_deref(), Some("65500 64512 65001"));
}

#[test]
fn a_local_as_is_put_before_what_is_received_unless_told_otherwise() {
    let terms = |prepend_received| Terms {
        prepend_received,
        enforce_first_as: true,
        ..Terms::default()
    };
    let of = |prepend_received| PeerInfo {
        local_as: OTHER,
        ..external(1, terms(prepend_received))
    };
    let to = || peer(2, Relation::Internal);
    assert_eq!(told(of(false), to(), &[65001]).as_deref(), Some("65001"));
    assert_eq!(
        told(of(true), to(), &[65001]).as_deref(),
        Some("65500 65001")
    );
    // What we have put there is no loop; what has come with it is.
    assert_eq!(told(of(true), to(), &[65001, 65500]), None);
    assert_eq!(told(of(false), to(), &[65001, 65500]), None);
}

#[test]
fn private_ases_are_left_out_or_replaced_but_not_the_neighbours_own() {
    let path = [65001, 64600, 7018, 4_200_000_000, 65002, 64496, 65535];
    let to = |private_as| {
        external(
            2,
            Terms {
                private_as: Some(private_as),
                ..Terms::default()
            },
        )
    };
    let from_1 = || peer(1, Relation::External);
    // 65002 is the neighbour; 64496 and 65535 are reserved, but not for private use.
    assert_eq!(
        told(from_1(), to(PrivateAs::Remove), &path).as_deref(),
        Some("64512 7018 65002 64496 65535")
    );
    assert_eq!(
        told(from_1(), to(PrivateAs::Replace), &path).as_deref(),
        Some("64512 64512 64512 7018 64512 65002 64496 65535")
    );
    let internal = PeerInfo {
        terms: to(PrivateAs::Remove).terms,
        ..peer(2, Relation::Internal)
    };
    let whole = "65001 64600 7018 4200000000 65002 64496 65535";
    assert_eq!(told(from_1(), internal, &path).as_deref(), Some(whole));
}

#[test]
fn sites_with_one_as_hear_of_each_other_when_it_is_replaced() {
    let to = external(
        2,
        Terms {
            replace_peer_as: true,
            ..Terms::default()
        },
    );
    let heard = told(peer(1, Relation::External), to, &[65001, 65002, 65002]);
    assert_eq!(heard.as_deref(), Some("64512 65001 64512 64512"));
}

#[test]
fn an_external_path_begins_with_the_neighbours_as() {
    let strict = |relation| PeerInfo {
        terms: Terms {
            enforce_first_as: true,
            ..Terms::default()
        },
        ..peer(1, relation)
    };
    let to = || peer(2, Relation::External);
    assert!(told(strict(Relation::External), to(), &[65001, 7018]).is_some());
    assert_eq!(told(strict(Relation::External), to(), &[7018, 65001]), None);
    assert_eq!(told(strict(Relation::External), to(), &[]), None);
    assert!(told(strict(Relation::Internal), to(), &[7018]).is_some());
    assert!(told(peer(1, Relation::External), to(), &[7018]).is_some());

    let mut world = World::plain();
    world.up(strict(Relation::External));
    world.up(to());
    let mut set = attributes(1, &[]);
    set.as_path = AsPath::empty();
    set.as_path.push_segment(SegmentKind::Set, &[Asn(65001)]);
    world.announce(from(1), PREFIX, set);
    world.settle();
    assert_eq!(world.heard_of(2, PREFIX), None);
}

#[test]
fn other_terms_are_carried_out_while_the_session_stays() {
    let mut world = World::plain();
    world.up(peer(1, Relation::External));
    world.up(peer(2, Relation::External));
    world.announce(from(1), PREFIX, attributes(1, &[65001, 64600]));
    world.announce(rib::Source::Static, "10.2.0.0/16", local());
    world.settle();
    let before = world.neighbours[&PeerId(2)].messages;
    let removing = Terms {
        private_as: Some(PrivateAs::Remove),
        ..Terms::default()
    };
    world.step(Input::Terms(PeerId(2), Box::new(removing)));
    world.settle();
    let heard = world.heard_of(2, PREFIX).unwrap();
    assert_eq!(heard.as_path.to_string(), "64512");
    assert_eq!(
        world.neighbours[&PeerId(2)].messages,
        before + 1,
        "only what is different"
    );

    let strict = Terms {
        enforce_first_as: true,
        ..Terms::default()
    };
    world.announce(from(1), PREFIX, attributes(1, &[7018]));
    world.settle();
    assert!(world.heard_of(2, PREFIX).is_some());
    world.step(Input::Terms(PeerId(1), Box::new(strict)));
    world.settle();
    assert_eq!(world.heard_of(2, PREFIX), None);
}
