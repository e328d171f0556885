// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Next hops: what is tracked, and what a change touches.

use std::net::IpAddr;

use bgp_proto::NextHop;
use rib::{Disposition, Input, NextHopState, PeerId, Relation, RibConfig, RouteBatch, Selection};

use crate::world::{World, address, attributes, config, from, peer};

const UP: NextHopState = NextHopState::Reachable { metric: 1 };

fn tracking(max_paths: usize) -> World {
    let config = RibConfig {
        next_hop_tracking: true,
        selection: Selection {
            max_paths,
            max_internal_paths: max_paths,
            ..Selection::default()
        },
        ..config()
    };
    let mut world = World::new(config, 1);
    for number in 1..=3 {
        world.up(peer(number, Relation::Internal));
    }
    world.up(peer(9, Relation::External));
    world.settle();
    world
}

fn hop(number: u32) -> IpAddr {
    address(number).into()
}

#[test]
fn a_next_hop_is_tracked_from_its_first_path_to_its_last() {
    let mut world = tracking(1);
    world.announce(from(1), "10.1.0.0/16", attributes(101, &[]));
    world.announce(from(2), "10.1.0.0/16", attributes(101, &[]));
    world.announce(from(1), "10.2.0.0/16", attributes(101, &[]));
    world.settle();
    assert!(world.tracked.contains(&hop(101)));
    world.withdraw(from(1), "10.1.0.0/16");
    world.announce(from(1), "10.2.0.0/16", attributes(102, &[]));
    world.settle();
    assert!(world.tracked.contains(&hop(101)) && world.tracked.contains(&hop(102)));
    world.step(Input::PeerDown(PeerId(2)));
    world.settle();
    assert!(!world.tracked.contains(&hop(101)));
}

#[test]
fn a_lost_next_hop_withdraws_its_routes_and_no_others() {
    let mut world = tracking(1);
    world.announce(from(1), "10.1.0.0/16", attributes(101, &[]));
    world.announce(from(1), "10.2.0.0/16", attributes(102, &[]));
    world.step(Input::NextHops(vec![(hop(101), UP), (hop(102), UP)]));
    world.settle();
    assert_eq!(world.forwarding.len(), 2);
    let before = world.neighbours[&PeerId(9)].messages;
    world.step(Input::NextHops(vec![(hop(101), NextHopState::Unreachable)]));
    world.settle();
    assert_eq!(world.forwarding.len(), 1);
    assert_eq!(world.heard(9).len(), 1);
    assert_eq!(world.neighbours[&PeerId(9)].messages, before + 1);
}

#[test]
fn a_route_in_use_stays_in_use_until_something_is_known_of_its_new_next_hop() {
    let mut world = tracking(1);
    world.announce(from(1), "10.1.0.0/16", attributes(101, &[]));
    world.step(Input::NextHops(vec![(hop(101), UP)]));
    world.settle();
    let before = world.neighbours[&PeerId(9)].messages;
    world.announce(from(1), "10.1.0.0/16", attributes(102, &[]));
    world.announce(from(1), "10.2.0.0/16", attributes(102, &[]));
    world.settle();
    let ways = |world: &World| {
        let all = world.forwarding.iter();
        let all = all.map(|(prefix, route)| (prefix.to_string(), route.paths[0].disposition));
        all.collect::<Vec<_>>()
    };
    let by = |prefix: &str, number| {
        let next_hop = NextHop::V4(address(number));
        (prefix.to_owned(), Disposition::Via(next_hop))
    };
    // What is new waits.
    assert_eq!(ways(&world), [by("10.1.0.0/16", 102)]);
    world.step(Input::NextHops(vec![(
        hop(102),
        NextHopState::Reachable { metric: 0 },
    )]));
    world.settle();
    assert_eq!(
        ways(&world),
        [by("10.1.0.0/16", 102), by("10.2.0.0/16", 102)]
    );
    assert_eq!(world.heard(9).len(), 2);
    // The neighbour hears of each once: our address is the next hop there, so that the first is as it was.
    assert_eq!(world.neighbours[&PeerId(9)].messages, before + 1);

    world.announce(from(1), "10.1.0.0/16", attributes(103, &[]));
    world.settle();
    assert_eq!(
        ways(&world),
        [by("10.1.0.0/16", 103), by("10.2.0.0/16", 102)]
    );
    world.step(Input::NextHops(vec![(hop(103), NextHopState::Unreachable)]));
    world.settle();
    assert_eq!(ways(&world), [by("10.2.0.0/16", 102)]);
    assert_eq!(world.heard(9).len(), 1);
}

#[test]
fn one_way_of_several_comes_and_goes_with_its_next_hop() {
    let mut world = tracking(4);
    for number in 1..=3 {
        world.announce(from(number), "10.1.0.0/16", attributes(100 + number, &[]));
    }
    let ways = |world: &World| {
        world
            .forwarding
            .values()
            .next()
            .map_or(0, |route| route.paths.len())
    };
    let all = (101..=103).map(|number| (hop(number), UP)).collect();
    world.step(Input::NextHops(all));
    world.settle();
    assert_eq!(ways(&world), 3);
    world.step(Input::NextHops(vec![(hop(103), NextHopState::Unreachable)]));
    world.settle();
    assert_eq!(ways(&world), 2);
    world.step(Input::NextHops(vec![(
        hop(103),
        NextHopState::Reachable { metric: 7 },
    )]));
    world.settle();
    assert_eq!(ways(&world), 2, "farther away is not as good");
    world.step(Input::NextHops(vec![(hop(103), UP)]));
    world.settle();
    assert_eq!(ways(&world), 3);
}

#[test]
fn an_interface_that_is_down_withdraws_the_routes_that_name_it_until_it_is_up() {
    let mut world = tracking(2);
    let announce = |world: &mut World, source, prefix: &str, interface| {
        let mut batch = RouteBatch::new(source);
        let gateway = "fe80::1".parse().unwrap();
        let link = Disposition::Link { gateway, interface };
        let path = batch.push_path(attributes(101, &[]), link);
        batch.announce(prefix.parse().unwrap(), 0, path);
        world.step(Input::Routes(batch));
    };
    announce(&mut world, from(1), "10.1.0.0/16", 7);
    announce(&mut world, from(2), "10.1.0.0/16", 8);
    announce(&mut world, from(1), "10.2.0.0/16", 7);
    world.settle();
    let ways = |world: &World| {
        let ways = world.forwarding.iter();
        let ways = ways.map(|(prefix, route)| (prefix.to_string(), route.paths.len()));
        ways.collect::<Vec<_>>()
    };
    let both = [("10.1.0.0/16".to_owned(), 2), ("10.2.0.0/16".to_owned(), 1)];
    assert_eq!(ways(&world), both);
    world.step(Input::Interfaces(vec![(7, false), (9, false)]));
    world.settle();
    assert_eq!(ways(&world), [("10.1.0.0/16".to_owned(), 1)]);

    // What is announced by it meanwhile has to wait as well.
    announce(&mut world, from(3), "10.3.0.0/16", 7);
    world.withdraw(from(1), "10.2.0.0/16");
    world.settle();
    assert_eq!(ways(&world), [("10.1.0.0/16".to_owned(), 1)]);
    world.step(Input::Interfaces(vec![(7, true)]));
    world.settle();
    let expected = [("10.1.0.0/16".to_owned(), 2), ("10.3.0.0/16".to_owned(), 1)];
    assert_eq!(ways(&world), expected);
}
