// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Leaks are kept out and marked by role (RFC 9234 §5); a neighbour that we leave is told (RFC 8326).

use bgp_proto::{Asn, Community, PathAttributes, Role};
use rib::{Input, PeerId, PeerInfo, Relation, Terms};

use crate::world::{LOCAL_AS, World, attributes, from, local, peer};

const PREFIX: &str = "10.1.0.0/16";

const ROLES: [Role; 5] = [
    Role::PROVIDER,
    Role::ROUTE_SERVER,
    Role::ROUTE_SERVER_CLIENT,
    Role::CUSTOMER,
    Role::PEER,
];

/// A neighbour in another AS towards which we have this role.
fn as_what(number: u32, role: Role) -> PeerInfo {
    PeerInfo {
        terms: Terms {
            role: Some(role),
            ..Terms::default()
        },
        ..peer(number, Relation::External)
    }
}

fn marked(otc: Option<u32>) -> PathAttributes {
    PathAttributes {
        only_to_customer: otc.map(Asn),
        ..attributes(1, &[65001])
    }
}

/// What neighbour 2 hears of a route of neighbour 1.
fn told(first: PeerInfo, second: PeerInfo, sent: PathAttributes) -> Option<PathAttributes> {
    let mut world = World::plain();
    world.up(first);
    world.up(second);
    world.announce(from(1), PREFIX, sent);
    world.settle();
    world.heard_of(2, PREFIX).cloned()
}

/// The mark with which a neighbour inside of our AS is told of it; `None`: it is a leak.
#[expect(clippy::option_option, reason = "a route, and its mark")]
fn taken(role: Role, otc: Option<u32>) -> Option<Option<Asn>> {
    let heard = told(as_what(1, role), peer(2, Relation::Internal), marked(otc));
    heard.map(|heard| heard.only_to_customer)
}

#[test]
fn what_went_down_does_not_come_in_from_below_and_what_comes_from_above_is_marked() {
    let theirs = Some(Asn(65001));
    // Our role, then: not marked, marked by the neighbour, marked by another.
    for (role, expected) in [
        (Role::PROVIDER, [Some(None), None, None]),
        (Role::ROUTE_SERVER, [Some(None), None, None]),
        (Role::PEER, [Some(theirs), Some(theirs), None]),
        (
            Role::CUSTOMER,
            [Some(theirs), Some(theirs), Some(Some(Asn(7018)))],
        ),
        (
            Role::ROUTE_SERVER_CLIENT,
            [Some(theirs), Some(theirs), Some(Some(Asn(7018)))],
        ),
    ] {
        let found = [None, Some(65001), Some(7018)].map(|otc| taken(role, otc));
        assert_eq!(found, expected, "{role:?}");
    }
}

#[test]
fn what_goes_down_only_is_not_told_up_or_across_and_is_marked_on_its_way() {
    let inside = |otc: Option<u32>, role| {
        let sent = PathAttributes {
            only_to_customer: otc.map(Asn),
            ..attributes(1, &[])
        };
        let heard = told(peer(1, Relation::Internal), as_what(2, role), sent);
        heard.map(|heard| heard.only_to_customer)
    };
    let ours = Some(LOCAL_AS);
    for (role, plain, marked) in [
        (Role::PROVIDER, Some(ours), Some(Some(Asn(7018)))),
        (Role::ROUTE_SERVER, Some(ours), Some(Some(Asn(7018)))),
        (Role::PEER, Some(ours), None),
        (Role::CUSTOMER, Some(None), None),
        (Role::ROUTE_SERVER_CLIENT, Some(None), None),
    ] {
        assert_eq!(inside(None, role), plain, "{role:?}");
        assert_eq!(inside(Some(7018), role), marked, "{role:?}");
    }
}

/// Valley-free, whatever the roles: what has come from above or from the side goes down only.
#[test]
fn no_route_goes_up_or_across_that_has_come_from_there() {
    for into in ROLES {
        for out in ROLES {
            let is_from_below = matches!(into, Role::PROVIDER | Role::ROUTE_SERVER);
            let goes_down = matches!(out, Role::PROVIDER | Role::ROUTE_SERVER);
            let heard = told(as_what(1, into), as_what(2, out), marked(None));
            assert_eq!(
                heard.is_some(),
                is_from_below || goes_down,
                "{into:?} {out:?}"
            );
        }
    }
}

#[test]
fn roles_are_of_other_ases_only_and_the_mark_is_passed_on_without() {
    let inside = |number| PeerInfo {
        relation: Relation::Internal,
        peer_as: LOCAL_AS,
        ..as_what(number, Role::CUSTOMER)
    };
    let external = || peer(2, Relation::External);
    let heard = told(inside(1), external(), marked(Some(7018))).unwrap();
    assert_eq!(heard.only_to_customer, Some(Asn(7018)));
    let heard = told(inside(1), external(), marked(None)).unwrap();
    assert_eq!(heard.only_to_customer, None);
}

#[test]
fn whom_we_leave_is_told_to_prefer_others_and_so_are_ours() {
    let leaving = |relation| PeerInfo {
        terms: Terms {
            graceful_shutdown: true,
            ..Terms::default()
        },
        ..peer(2, relation)
    };
    let mut sent = attributes(1, &[65001]);
    sent.communities = vec![Community(1)];
    let first = || peer(1, Relation::External);
    let heard = told(first(), leaving(Relation::External), sent.clone()).unwrap();
    assert_eq!(
        heard.communities,
        [Community(1), Community::GRACEFUL_SHUTDOWN]
    );
    assert_eq!(heard.local_pref, None);
    let heard = told(first(), leaving(Relation::Internal), sent.clone()).unwrap();
    assert_eq!(heard.communities, [Community(1)]);
    assert_eq!(heard.local_pref, Some(0));
    // What it has sent us is the last choice, too.
    let from_it = PeerInfo {
        id: PeerId(1),
        ..leaving(Relation::External)
    };
    let heard = told(from_it, peer(2, Relation::Internal), sent).unwrap();
    assert_eq!(heard.local_pref, Some(0));
}

#[test]
fn leaving_is_begun_and_ended_while_the_session_stays() {
    let mut world = World::plain();
    world.up(peer(1, Relation::External));
    world.up(peer(2, Relation::External));
    world.announce(from(1), PREFIX, attributes(1, &[65001]));
    world.announce(rib::Source::Static, "10.2.0.0/16", local());
    world.settle();
    let change = |world: &mut World, graceful_shutdown| {
        let terms = Terms {
            graceful_shutdown,
            ..Terms::default()
        };
        world.step(Input::Terms(PeerId(2), Box::new(terms)));
        world.settle();
        let heard = world.heard(2).values();
        let said: Vec<bool> = heard
            .map(|heard| heard.communities.contains(&Community::GRACEFUL_SHUTDOWN))
            .collect();
        said
    };
    assert_eq!(change(&mut world, true), [true, true]);
    assert_eq!(change(&mut world, false), [false, false]);
    assert_eq!(world.neighbours[&PeerId(2)].needless, 0);
}
