// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several paths of a prefix to a neighbour that takes them (RFC 7911): which, and with which identifiers.

use std::{collections::BTreeMap, num::NonZeroU8};

use bgp_proto::{Asn, ClusterId, Community, Family, RouterId};
use rib::{Input, PathsSent, PeerId, Policy, Relation};

use crate::world::{LOCAL_V4, World, address, attributes, from, local, peer, several};

const PREFIX: &str = "10.1.0.0/16";

fn best(count: u8) -> PathsSent {
    PathsSent::Best(NonZeroU8::new(count).unwrap())
}

fn ecmp(count: u8) -> PathsSent {
    PathsSent::Ecmp(NonZeroU8::new(count).unwrap())
}

/// Three external neighbours announce a prefix, the path of each one AS longer; then a client comes.
fn three(paths: PathsSent) -> World {
    let mut world = World::plain();
    for number in 1..=3 {
        world.up(peer(number, Relation::External));
        let longer = [65100, 65101, 65102];
        let tail = &longer[..number as usize - 1];
        let path = [&[65000 + number][..], tail].concat();
        world.announce(from(number), PREFIX, attributes(number, &path));
    }
    world.up(several(9, Relation::Client, paths));
    world.settle();
    world
}

fn known(pairs: &[(u32, u32)]) -> BTreeMap<u32, Option<Asn>> {
    let pair = |(id, asn): &(u32, u32)| (*id, Some(Asn(*asn)));
    pairs.iter().map(pair).collect()
}

#[test]
fn all_are_told_or_the_best_of_them() {
    let all = known(&[(1, 65001), (2, 65002), (3, 65003)]);
    assert_eq!(three(PathsSent::All).identifiers(9, PREFIX), all);
    let two = three(best(2)).identifiers(9, PREFIX);
    assert_eq!(two, known(&[(1, 65001), (2, 65002)]));
    let level = three(ecmp(8)).identifiers(9, PREFIX);
    assert_eq!(level, known(&[(1, 65001)]), "the others are longer");
}

#[test]
fn those_that_are_as_good_are_told_and_no_more_than_wanted() {
    for (limit, expected) in [(8, vec![1, 2]), (1, vec![1])] {
        let mut world = three(ecmp(limit));
        world.announce(from(2), PREFIX, attributes(2, &[65002]));
        world.settle();
        let ids: Vec<u32> = world.identifiers(9, PREFIX).into_keys().collect();
        assert_eq!(ids, expected);
    }
}

#[test]
fn identifiers_stay_when_others_go_and_come_up_again_late() {
    let mut world = three(PathsSent::All);
    world.withdraw(from(1), PREFIX);
    world.settle();
    let rest = [(2, 65002), (3, 65003)];
    assert_eq!(world.identifiers(9, PREFIX), known(&rest));
    let messages = world.neighbours[&PeerId(9)].messages;
    // The path changes, its identifier does not.
    world.announce(from(3), PREFIX, attributes(3, &[65003]));
    world.settle();
    assert_eq!(world.identifiers(9, PREFIX), known(&rest));
    assert_eq!(world.neighbours[&PeerId(9)].messages, messages + 1);
    world.announce(from(1), PREFIX, attributes(1, &[65001]));
    world.settle();
    let again = known(&[(2, 65002), (3, 65003), (4, 65001)]);
    assert_eq!(world.identifiers(9, PREFIX), again);
    world.step(Input::PeerDown(PeerId(2)));
    world.settle();
    let left = known(&[(3, 65003), (4, 65001)]);
    assert_eq!(world.identifiers(9, PREFIX), left);
    assert_eq!(world.neighbours[&PeerId(9)].needless, 0);
}

#[test]
fn the_place_of_one_that_goes_is_taken_by_the_next() {
    let mut world = three(best(2));
    world.withdraw(from(1), PREFIX);
    world.settle();
    let two = known(&[(2, 65002), (3, 65003)]);
    assert_eq!(world.identifiers(9, PREFIX), two);
}

#[test]
fn other_paths_are_told_by_another_selection_and_nothing_else_changes() {
    let mut world = three(PathsSent::All);
    let select = |paths| Input::PathsSent(PeerId(9), vec![(Family::IPV4_UNICAST, paths)]);
    let messages = |world: &World| world.neighbours[&PeerId(9)].messages;
    let before = messages(&world);
    world.step(select(best(1)));
    world.settle();
    assert_eq!(world.identifiers(9, PREFIX), known(&[(1, 65001)]));
    assert_eq!(messages(&world), before + 1, "one withdrawal of two paths");
    world.step(select(PathsSent::All));
    world.settle();
    assert_eq!(world.identifiers(9, PREFIX).len(), 3);
    let needless = world.neighbours[&PeerId(9)].needless;
    assert_eq!(needless, 0, "what it knew is not told again");
}

#[test]
fn paths_of_one_neighbour_are_told_to_others_and_not_to_it() {
    let mut world = World::plain();
    for number in 1..=2 {
        world.up(several(number, Relation::Client, PathsSent::All));
    }
    for id in [17, 4] {
        let path = attributes(id, &[65000 + id]);
        world.announce_path(from(1), PREFIX, id, path);
    }
    world.settle();
    let both = known(&[(1, 65017), (2, 65004)]);
    assert_eq!(world.identifiers(2, PREFIX), both, "identifiers are ours");
    assert!(world.heard(1).is_empty());
    for reflected in world.heard(2).values() {
        assert_eq!(reflected.originator_id, RouterId::new(address(1)));
        assert_eq!(reflected.cluster_list, [ClusterId(LOCAL_V4.into())]);
    }
    world.announce(from(2), PREFIX, attributes(2, &[65002]));
    world.withdraw_path(from(1), PREFIX, 17);
    world.settle();
    assert_eq!(world.identifiers(1, PREFIX), known(&[(3, 65002)]));
    assert_eq!(world.identifiers(2, PREFIX), known(&[(2, 65004)]));
}

#[test]
fn neighbours_with_and_without_identifiers_live_side_by_side() {
    let mut world = three(PathsSent::All);
    world.up(peer(8, Relation::Client));
    world.up(several(7, Relation::External, best(2)));
    let mut only_v6 = several(6, Relation::Client, PathsSent::All);
    only_v6.negotiated.families[0].add_path_send = false;
    world.up(only_v6);
    let v6 = "2001:db8:1::/48";
    world.announce(rib::Source::Static, v6, local());
    world.settle();
    assert!(world.heard_of(8, PREFIX).is_some() && world.heard_of(8, v6).is_some());
    assert!(world.heard_of(6, PREFIX).is_some());
    assert_eq!(
        world.identifiers(6, v6).into_keys().collect::<Vec<_>>(),
        [1]
    );
    let external = known(&[(1, 64512), (2, 64512)]);
    assert_eq!(world.identifiers(7, PREFIX), external);
    let told = world.rib.explain(PREFIX.parse().unwrap()).unwrap();
    let told: Vec<u32> = told.advertised_to.iter().map(|peer| peer.0).collect();
    assert_eq!(told, [2, 3, 6, 7, 8, 9]);
}

#[test]
fn what_may_not_be_told_does_not_take_a_place() {
    let mut world = three(best(2));
    let mut kept = attributes(1, &[65001]);
    kept.communities = vec![Community::NO_ADVERTISE];
    world.announce(from(1), PREFIX, kept);
    world.settle();
    let others = known(&[(2, 65002), (3, 65003)]);
    assert_eq!(world.identifiers(9, PREFIX), others);
}

#[test]
fn a_slow_neighbour_hears_of_all_that_went_meanwhile() {
    let mut world = three(PathsSent::All);
    world.step(Input::Congested(PeerId(9)));
    world.withdraw(from(1), PREFIX);
    world.announce(from(3), PREFIX, attributes(3, &[65003]));
    world.settle();
    assert_eq!(world.identifiers(9, PREFIX).len(), 3);
    world.step(Input::Drained(PeerId(9)));
    world.settle();
    let now = known(&[(2, 65002), (3, 65003)]);
    assert_eq!(world.identifiers(9, PREFIX), now);
    let (import, export) = (Policy::accept_all(), Policy::reject_all());
    world.step(Input::Policy(PeerId(9), import, export));
    world.settle();
    assert!(world.heard(9).is_empty());
}

#[test]
fn a_refresh_brings_every_path_again() {
    let mut world = three(PathsSent::All);
    world.step(Input::Refresh(PeerId(9), Family::IPV4_UNICAST));
    world.settle();
    let neighbour = &world.neighbours[&PeerId(9)];
    assert_eq!((neighbour.needless, neighbour.heard.len()), (3, 3));
}

#[test]
fn stale_paths_keep_their_identifiers_when_they_are_announced_again() {
    let mut world = three(PathsSent::All);
    world.step(Input::PeerLost(PeerId(1)));
    world.settle();
    let before = world.identifiers(9, PREFIX);
    world.up(peer(1, Relation::External));
    world.announce(from(1), PREFIX, attributes(1, &[65001, 65200]));
    world.step(Input::SweepStale(PeerId(1), Family::IPV4_UNICAST));
    world.settle();
    assert_eq!(world.identifiers(9, PREFIX), before);
}
