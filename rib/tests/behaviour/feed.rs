// SPDX-License-Identifier: Apache-2.0 OR MIT
//! New, slow and refreshing neighbours; what is sent and what is not.

use bgp_proto::{Community, Family, Prefix};
use rib::{Disposition, Input, PeerId, PeerInfo, Policy, Relation, RouteBatch};

use crate::world::{World, attributes, from, peer};

/// More prefixes than one drain feeds.
const MANY: u32 = 20_000;

fn many(world: &mut World) {
    world.step(Input::Routes(many_routes()));
}

fn many_routes() -> RouteBatch {
    let mut batch = RouteBatch::new(from(1));
    let sent = attributes(1, &[65001]);
    let path = batch.push_path(sent.clone(), Disposition::Via(sent.next_hop));
    for number in 0..MANY {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number * 256);
        batch.announce(Prefix::truncating(address.into(), 24).unwrap(), 0, path);
    }
    batch
}

fn two() -> World {
    let mut world = World::plain();
    world.up(peer(1, Relation::External));
    world.up(peer(2, Relation::External));
    world.settle();
    world
}

#[test]
fn a_table_is_fed_in_pieces_and_reported_once() {
    let mut world = two();
    many(&mut world);
    world.settle();
    world.up(peer(3, Relation::External));
    world.drain();
    let first = world.heard(3).len();
    assert!(
        first > 0 && first < MANY as usize,
        "{first} prefixes in one drain"
    );
    let fed = &world.neighbours[&PeerId(3)].fed;
    assert!(!fed.contains(&Family::IPV4_UNICAST));
    world.settle();
    assert_eq!(world.heard(3).len(), MANY as usize);
    assert_eq!(world.neighbours[&PeerId(3)].fed.len(), 2);
    assert_eq!(world.neighbours[&PeerId(3)].needless, 0);
    assert_eq!(
        world.neighbours[&PeerId(2)].needless,
        0,
        "others are not fed again"
    );
}

#[test]
fn what_changes_during_a_feed_is_not_lost() {
    let mut world = two();
    many(&mut world);
    world.settle();
    world.up(peer(3, Relation::External));
    world.drain();
    world.withdraw(from(1), "10.0.0.0/24");
    world.withdraw(from(1), "10.78.31.0/24");
    world.announce(from(1), "10.0.1.0/24", attributes(1, &[65001, 65001]));
    world.step(Input::Congested(PeerId(3)));
    world.drain();
    world.announce(from(1), "10.0.2.0/24", attributes(1, &[65001, 65001]));
    world.step(Input::Drained(PeerId(3)));
    world.settle();
    assert_eq!(world.heard(3), world.heard(2));
    assert_eq!(world.heard(3).len(), MANY as usize - 2);
}

#[test]
fn what_is_taken_back_before_the_drain_is_never_told() {
    let mut world = two();
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001]));
    world.settle();
    let before = world.neighbours[&PeerId(2)].messages;
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001, 65007]));
    world.withdraw(from(1), "10.1.0.0/16");
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001]));
    world.announce(from(1), "10.2.0.0/16", attributes(1, &[65001]));
    world.withdraw(from(1), "10.2.0.0/16");
    world.settle();
    assert_eq!(world.neighbours[&PeerId(2)].messages, before);
    assert_eq!(world.forwarding.len(), 1);
}

#[test]
fn a_slow_neighbour_is_told_the_last_state_only() {
    let mut world = two();
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001]));
    world.settle();
    world.step(Input::Congested(PeerId(2)));
    for number in 0..50 {
        world.announce(
            from(1),
            "10.1.0.0/16",
            attributes(1, &[65001, 65100 + number]),
        );
        world.announce(
            from(1),
            "10.2.0.0/16",
            attributes(1, &[65001, 65100 + number]),
        );
        world.settle();
    }
    let before = world.neighbours[&PeerId(2)].messages;
    world.step(Input::Drained(PeerId(2)));
    world.settle();
    assert_eq!(world.neighbours[&PeerId(2)].messages, before + 1);
    assert_eq!(world.heard(2).len(), 2);
}

#[test]
fn a_change_in_the_drain_in_which_it_reads_again_is_the_last_word() {
    let mut world = two();
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001, 65008]));
    world.announce(from(1), "10.2.0.0/16", attributes(1, &[65001]));
    world.settle();
    world.step(Input::Congested(PeerId(2)));
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001, 65009]));
    world.announce(from(1), "10.2.0.0/16", attributes(1, &[65001, 65009]));
    world.settle();
    world.step(Input::Drained(PeerId(2)));
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001, 65008]));
    world.withdraw(from(1), "10.2.0.0/16");
    world.settle();
    assert_eq!(world.heard(2).len(), 1);
    let heard = world.heard_of(2, "10.1.0.0/16").unwrap();
    assert_eq!(heard.as_path.to_string(), "64512 65001 65008");
}

#[test]
fn a_refresh_feeds_one_neighbour_one_family() {
    let mut world = two();
    world.up(peer(3, Relation::External));
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001]));
    world.settle();
    let messages = |world: &World, id| world.neighbours[&PeerId(id)].messages;
    let before = (messages(&world, 2), messages(&world, 3));
    world.step(Input::Refresh(PeerId(2), Family::IPV4_UNICAST));
    world.settle();
    assert_eq!(
        (messages(&world, 2), messages(&world, 3)),
        (before.0 + 1, before.1)
    );
    world.step(Input::Refresh(PeerId(2), Family::IPV6_UNICAST));
    world.settle();
    assert_eq!(messages(&world, 2), before.0 + 1);
}

#[test]
fn an_export_policy_that_changes_costs_only_the_difference() {
    let mut world = two();
    world.up(peer(3, Relation::External));
    many(&mut world);
    world.announce(rib::Source::Kernel, "172.16.0.0/24", crate::world::local());
    world.settle();
    let before = world.neighbours[&PeerId(2)].messages;
    let redistributing = Policy::accept_all().redistributing();
    world.step(Input::Policy(
        PeerId(2),
        Policy::accept_all(),
        redistributing,
    ));
    world.settle();
    assert_eq!(world.neighbours[&PeerId(2)].messages, before + 1);
    assert_eq!(world.heard(2).len(), MANY as usize + 1);
    world.step(Input::Policy(
        PeerId(2),
        Policy::accept_all(),
        Policy::reject_all(),
    ));
    world.settle();
    assert!(world.heard(2).is_empty());
    assert_eq!(world.heard(3).len(), MANY as usize, "others keep it");
    assert!(
        world
            .neighbours
            .values()
            .all(|neighbour| neighbour.needless == 0)
    );
}

#[test]
fn best_path_moves_from_one_member_to_another() {
    let mut world = World::plain();
    for number in 1..=3 {
        world.up(peer(number, Relation::Client));
    }
    world.settle();
    let mut better = attributes(2, &[]);
    better.local_pref = Some(200);
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[]));
    world.settle();
    assert_eq!(
        (
            world.heard(1).len(),
            world.heard(2).len(),
            world.heard(3).len()
        ),
        (0, 1, 1)
    );
    world.announce(from(2), "10.1.0.0/16", better);
    world.settle();
    assert_eq!(
        (
            world.heard(1).len(),
            world.heard(2).len(),
            world.heard(3).len()
        ),
        (1, 0, 1)
    );
    world.withdraw(from(2), "10.1.0.0/16");
    world.settle();
    assert_eq!(
        (
            world.heard(1).len(),
            world.heard(2).len(),
            world.heard(3).len()
        ),
        (0, 1, 1)
    );
}

#[test]
fn attributes_that_fit_no_message_are_withdrawn_where_they_do_not_fit() {
    let mut world = two();
    let roomy = |number| {
        let mut roomy = peer(number, Relation::External);
        roomy.negotiated.max_message = 65_535;
        roomy
    };
    world.up(roomy(3));
    let mut sent = attributes(1, &[65001]);
    world.announce(from(1), "10.1.0.0/16", sent.clone());
    world.settle();
    sent.communities = (0..1010).map(Community).collect();
    world.announce(from(1), "10.1.0.0/16", sent);
    world.settle();
    assert_eq!(world.heard_of(2, "10.1.0.0/16"), None);
    assert_eq!(
        world.heard_of(3, "10.1.0.0/16").unwrap().communities.len(),
        1010
    );
    assert_eq!(world.too_large, 1);
}

#[test]
fn prefixes_with_the_same_attributes_share_messages() {
    let mut world = two();
    world.up(peer(3, Relation::External));
    world.settle();
    many(&mut world);
    world.settle();
    // Four octets a prefix in messages of 4096.
    assert!(
        world.neighbours[&PeerId(2)].messages < 25,
        "{}",
        world.neighbours[&PeerId(2)].messages
    );
}

#[test]
fn routes_of_a_session_that_is_over_are_ignored() {
    let mut world = two();
    world.step(Input::PeerDown(PeerId(1)));
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001]));
    world.announce(from(77), "10.1.0.0/16", attributes(77, &[65001]));
    world.step(Input::Refresh(PeerId(1), Family::IPV4_UNICAST));
    world.step(Input::Drained(PeerId(1)));
    world.step(Input::Congested(PeerId(1)));
    world.settle();
    assert!(world.heard(2).is_empty());
}

#[test]
fn a_neighbour_without_policy_is_told_nothing_and_believed_nothing() {
    let mut world = two();
    let closed = PeerInfo {
        import: Policy::reject_all(),
        export: Policy::reject_all(),
        ..peer(3, Relation::External)
    };
    world.up(closed);
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001]));
    world.announce(from(3), "10.3.0.0/16", attributes(3, &[65003]));
    world.settle();
    assert!(world.heard(3).is_empty());
    assert!(world.heard_of(2, "10.3.0.0/16").is_none());
}

#[test]
fn a_neighbour_goes_in_pieces_and_news_of_others_does_not_wait_for_all_of_them() {
    let mut world = two();
    world.up(peer(3, Relation::External));
    many(&mut world);
    world.announce(from(3), "10.0.1.0/24", attributes(3, &[65003, 65003]));
    world.settle();
    world.step(Input::PeerDown(PeerId(1)));
    world.announce(from(3), "172.16.0.0/16", attributes(3, &[65003]));
    world.drain();
    assert!(world.heard_of(2, "172.16.0.0/16").is_some());
    let left = world.heard(2).len();
    assert!(left > 2 && left < MANY as usize, "{left} prefixes are left");
    world.settle();
    assert_eq!(world.heard(2).len(), 2);
    let other = "10.0.1.0/24".parse().unwrap();
    assert_eq!(world.forwarding[&other].source, from(3));
    assert_eq!(world.neighbours[&PeerId(2)].needless, 0);
    assert_eq!(world.forwarding.len(), 2);
}

#[test]
fn a_neighbour_that_is_back_before_it_is_gone_has_only_what_it_says_anew() {
    let mut world = two();
    many(&mut world);
    world.settle();
    world.step(Input::PeerDown(PeerId(1)));
    world.step(Input::PeerDown(PeerId(1)));
    // Said before it was gone.
    world.announce(from(1), "172.16.0.0/16", attributes(1, &[65001]));
    world.drain();
    world.up(peer(1, Relation::External));
    world.announce(from(1), "10.0.1.0/24", attributes(1, &[65001]));
    world.settle();
    assert_eq!(world.heard(2).len(), 1);
    assert!(world.heard_of(2, "10.0.1.0/24").is_some());
    assert!(world.heard(1).is_empty());
    assert_eq!(world.neighbours[&PeerId(2)].needless, 0);
}

#[test]
fn who_wants_to_know_what_went_with_its_neighbour_is_told_all_of_it_once() {
    let mut rib = rib::Rib::new(crate::world::config());
    let now = bgp_proto::Instant::ZERO;
    let up =
        |rib: &mut rib::Rib| rib.step(Input::PeerUp(Box::new(peer(1, Relation::External))), now);
    up(&mut rib);
    rib.step(Input::Routes(many_routes()), now);
    let mut output = rib::Output {
        with_departed: true,
        ..rib::Output::default()
    };
    let mut departed = std::collections::BTreeSet::new();
    let mut pieces = 0;
    let mut collect = |rib: &mut rib::Rib| {
        output.clear();
        rib.drain(&mut output);
        for (id, paths) in output.departed.drain(..) {
            assert_eq!(id, PeerId(1));
            pieces += 1;
            for path in paths {
                assert!(departed.insert(path), "{path:?} went twice");
            }
        }
        departed.len()
    };
    while rib.has_work() {
        assert_eq!(collect(&mut rib), 0);
    }
    rib.step(Input::PeerDown(PeerId(1)), now);
    let first = collect(&mut rib);
    assert!(first > 0 && first < MANY as usize, "{first} in one drain");
    assert!(rib.has_work());
    // It is back: the rest goes at once.
    up(&mut rib);
    assert_eq!(collect(&mut rib), MANY as usize);
    assert_eq!(pieces, 2);
    assert_eq!(rib.totals().paths, 0);
}
