// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes that outlive their neighbour by hours (RFC 9494): the last choice, told to those who know what that is.

use bgp_proto::{Community, Family, PathAttributes};
use rib::{Input, PeerId, PeerInfo, Relation};

use crate::world::{World, attributes, from, peer};

const PREFIX: &str = "10.1.0.0/16";

/// A neighbour that knows long-lived stale routes.
fn knowing(number: u32, relation: Relation) -> PeerInfo {
    let mut info = peer(number, relation);
    info.negotiated.long_lived_stale = true;
    info
}

fn with(community: Community) -> PathAttributes {
    PathAttributes {
        communities: [community].into_iter().collect(),
        ..attributes(1, &[65001])
    }
}

/// Neighbour 1 has gone for long. 3 and 4 are of our AS, 5 and 6 of others; 3 and 5 know what that means.
fn gone(sent: PathAttributes) -> World {
    let mut world = World::plain();
    world.up(peer(1, Relation::External));
    world.up(knowing(3, Relation::Internal));
    world.up(peer(4, Relation::Internal));
    world.up(knowing(5, Relation::External));
    world.up(peer(6, Relation::External));
    world.announce(from(1), PREFIX, sent);
    world.settle();
    for number in 3..=6 {
        assert!(world.heard_of(number, PREFIX).is_some(), "{number}");
    }
    world.step(Input::PeerLost(PeerId(1)));
    world.step(Input::LongLivedStale(PeerId(1), Family::IPV4_UNICAST));
    world.settle();
    world
}

fn communities(world: &World, number: u32) -> Option<Vec<Community>> {
    let heard = world.heard_of(number, PREFIX)?;
    Some(heard.communities.clone())
}

#[test]
fn who_knows_is_told_and_the_rest_of_our_as_is_told_in_other_words() {
    let world = gone(attributes(1, &[65001]));
    let marked = Some(vec![Community::LLGR_STALE]);
    assert_eq!(communities(&world, 3), marked);
    assert_eq!(world.heard_of(3, PREFIX).unwrap().local_pref, Some(100));
    let kept_inside = Some(vec![Community::LLGR_STALE, Community::NO_EXPORT]);
    assert_eq!(communities(&world, 4), kept_inside);
    assert_eq!(world.heard_of(4, PREFIX).unwrap().local_pref, Some(0));
    assert_eq!(communities(&world, 5), marked);
    assert_eq!(communities(&world, 6), None);
}

#[test]
fn any_other_path_is_better_and_the_neighbour_that_is_back_has_its_old_rank() {
    let mut world = gone(attributes(1, &[65001]));
    world.up(peer(2, Relation::External));
    world.announce(from(2), PREFIX, attributes(2, &[65002, 65002, 65002]));
    world.settle();
    let path = |world: &World| world.heard_of(3, PREFIX).unwrap().as_path.to_string();
    assert_eq!(path(&world), "65002 65002 65002");
    world.up(peer(1, Relation::External));
    world.settle();
    assert_eq!(path(&world), "65002 65002 65002", "back, and silent so far");
    world.announce(from(1), PREFIX, attributes(1, &[65001]));
    world.step(Input::SweepStale(PeerId(1), Family::IPV4_UNICAST));
    world.settle();
    assert_eq!(path(&world), "65001");
    assert_eq!(communities(&world, 3), Some(Vec::new()));
}

#[test]
fn what_is_marked_elsewhere_is_the_last_choice_here_too() {
    let mut world = World::plain();
    world.up(peer(1, Relation::External));
    world.up(peer(2, Relation::External));
    world.up(knowing(3, Relation::Internal));
    world.announce(from(1), PREFIX, with(Community::LLGR_STALE));
    world.announce(from(2), PREFIX, attributes(2, &[65002, 65002]));
    world.settle();
    let heard = world.heard_of(3, PREFIX).unwrap();
    assert_eq!(heard.as_path.to_string(), "65002 65002");
}

#[test]
fn what_is_not_to_be_kept_so_long_goes() {
    let world = gone(with(Community::NO_LLGR));
    for number in 3..=6 {
        assert_eq!(world.heard_of(number, PREFIX), None, "{number}");
    }
}

#[test]
fn families_are_kept_each_by_itself() {
    const SIX: &str = "2001:db8:1::/48";
    let mut world = World::plain();
    world.up(peer(1, Relation::External));
    world.up(peer(6, Relation::External));
    world.announce(from(1), PREFIX, attributes(1, &[65001]));
    world.announce(from(1), SIX, attributes(1, &[65001]));
    world.step(Input::PeerLost(PeerId(1)));
    world.step(Input::LongLivedStale(PeerId(1), Family::IPV6_UNICAST));
    world.settle();
    assert!(world.heard_of(6, PREFIX).is_some());
    assert!(world.heard_of(6, SIX).is_none(), "it would not know");
}
