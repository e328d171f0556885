// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours whose routes are kept only as import leaves them.

use std::sync::Arc;

use bgp_proto::{Community, Family, PathAttributes};
use rib::{
    Disposition, Input, PeerId, PeerInfo, Policy, Relation, RouteBatch, RouteQuery, Table, Terms,
    Verdict,
    policy::{Action, Condition, NextHopAction, Number, PrefixSet, Statement},
};

use crate::world::{World, attributes, from, peer};

const CHANGED: &str = "10.1.0.0/16";
const REJECTED: &str = "10.2.0.0/16";
const PLAIN: &str = "10.3.0.0/16";

fn first(import: Policy, imported_only: bool) -> PeerInfo {
    PeerInfo {
        import,
        terms: terms(imported_only),
        ..peer(1, Relation::External)
    }
}

fn terms(imported_only: bool) -> Terms {
    Terms {
        imported_only,
        ..Terms::default()
    }
}

/// Changes one prefix and rejects another.
fn policy(local_pref: u32) -> Policy {
    let is =
        |prefix: &str| Condition::Prefix(Arc::new(PrefixSet::exact([prefix.parse().unwrap()])));
    let elsewhere = NextHopAction::Address("192.0.2.77".parse().unwrap());
    let body = vec![
        Statement::when(is(REJECTED), vec![Statement::Reject]),
        Statement::when(
            is(CHANGED),
            vec![
                Statement::Act(Action::LocalPref(Number::Constant(local_pref))),
                Statement::Act(Action::Preference(Number::Constant(170))),
                Statement::Act(Action::NextHop(elsewhere)),
            ],
        ),
    ];
    Policy::new(body, Verdict::Accept).unwrap()
}

fn announce(world: &mut World) {
    let mut batch = RouteBatch::new(from(1));
    let sent = attributes(1, &[65001]);
    let path = batch.push_path(sent.clone(), Disposition::Via(sent.next_hop));
    for prefix in [CHANGED, REJECTED, PLAIN] {
        batch.announce(prefix.parse().unwrap(), 0, path);
    }
    world.step(Input::Routes(batch));
    world.settle();
}

fn world(first: PeerInfo) -> World {
    let mut world = World::plain();
    world.up(first);
    world.up(peer(2, Relation::Internal));
    announce(&mut world);
    world
}

/// `LOCAL_PREF`s that neighbour 2 hears.
fn heard(world: &World) -> [Option<u32>; 3] {
    [CHANGED, REJECTED, PLAIN].map(|prefix| world.heard_of(2, prefix)?.local_pref)
}

fn adj_in(world: &World) -> Vec<PathAttributes> {
    let query = RouteQuery {
        table: Table::AdjIn(PeerId(1)),
        family: None,
        prefix: None,
        best_only: false,
        after: None,
        limit: 10,
    };
    let routes = world.rib.routes(&query).routes;
    routes.iter().map(|view| view.attributes.unpack()).collect()
}

#[test]
fn only_what_import_makes_of_it_is_kept_and_a_new_policy_waits_for_it_to_come_again() {
    let mut world = world(first(policy(300), true));
    assert_eq!(heard(&world), [Some(300), None, Some(100)]);
    let stored = adj_in(&world);
    assert_eq!(stored.len(), 2, "what is rejected is not there");
    assert_eq!(stored[0].local_pref, Some(300), "as it became");
    assert_eq!(stored[0].next_hop.to_string(), "192.0.2.77");

    // Nobody knows what this would make of it.
    let id = PeerId(1);
    world.step(Input::Policy(
        id,
        Policy::accept_all(),
        Policy::accept_all(),
    ));
    world.settle();
    assert_eq!(heard(&world), [Some(300), None, Some(100)]);
    announce(&mut world);
    assert_eq!(heard(&world), [Some(100); 3]);
    assert_eq!(adj_in(&world).len(), 3);

    // A route that is rejected when it comes again goes.
    world.step(Input::Policy(id, policy(50), Policy::accept_all()));
    announce(&mut world);
    assert_eq!(heard(&world), [Some(50), None, Some(100)]);
    assert_eq!(adj_in(&world).len(), 2);
}

#[test]
fn keeping_begins_and_ends_while_the_session_stays() {
    let mut world = world(first(policy(300), false));
    assert_eq!(adj_in(&world).len(), 3);
    let id = PeerId(1);
    world.step(Input::Terms(id, Box::new(terms(true))));
    world.settle();
    assert_eq!(heard(&world), [Some(300), None, Some(100)]);
    assert_eq!(adj_in(&world).len(), 2);
    world.step(Input::Terms(id, Box::new(terms(false))));
    announce(&mut world);
    assert_eq!(adj_in(&world).len(), 3);
    assert_eq!(adj_in(&world)[0].local_pref, None, "as it was received");
    world.step(Input::Policy(id, policy(70), Policy::accept_all()));
    world.settle();
    assert_eq!(heard(&world), [Some(70), None, Some(100)]);
}

#[test]
fn stale_routes_are_not_imported_twice() {
    let mut info = first(policy(300), true);
    info.terms.prepend_received = true;
    let mut world = world(info.clone());
    let path = |world: &World| {
        world
            .heard_of(2, PLAIN)
            .map(|heard| heard.as_path.to_string())
    };
    assert_eq!(path(&world).as_deref(), Some("64512 65001"));
    world.step(Input::PeerLost(PeerId(1)));
    world.up(info);
    world.settle();
    assert_eq!(path(&world).as_deref(), Some("64512 65001"));
    assert_eq!(heard(&world), [Some(300), None, Some(100)]);
}

#[test]
fn long_lived_stale_routes_are_marked_and_not_imported_twice() {
    let mut info = first(policy(300), true);
    info.terms.prepend_received = true;
    let mut world = world(info);
    world.step(Input::PeerLost(PeerId(1)));
    world.step(Input::LongLivedStale(PeerId(1), Family::IPV4_UNICAST));
    world.settle();
    let heard = world.heard_of(2, PLAIN).unwrap();
    assert_eq!(heard.as_path.to_string(), "64512 65001");
    assert!(heard.communities.contains(&Community::LLGR_STALE));
    let changed = &adj_in(&world)[0];
    assert_eq!(
        changed.local_pref,
        Some(300),
        "what policy made of it stays"
    );
    assert_eq!(changed.next_hop.to_string(), "192.0.2.77");
}
