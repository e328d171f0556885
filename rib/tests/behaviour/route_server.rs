// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A route server (RFC 7947): what clients say is passed on as they say it, and no path hides another.

use bgp_proto::{Asn, Community, NextHop, PathAttributes};
use proptest::prelude::*;
use rib::{PeerInfo, Relation, Source, Terms};

use crate::world::{LOCAL_V4, World, address, attributes, from, local, peer};

const PREFIX: &str = "10.1.0.0/16";

fn client(number: u32) -> PeerInfo {
    PeerInfo {
        terms: Terms {
            route_server_client: true,
            ..Terms::default()
        },
        ..peer(number, Relation::External)
    }
}

fn with_clients(numbers: impl IntoIterator<Item = u32>) -> World {
    let mut world = World::plain();
    for number in numbers {
        world.up(client(number));
    }
    world
}

#[test]
fn clients_are_told_what_others_say_as_they_say_it() {
    let mut world = with_clients([1, 2]);
    world.up(peer(3, Relation::External));
    let sent = PathAttributes {
        med: Some(7),
        communities: vec![Community(1)],
        ..attributes(1, &[65001, 7018])
    };
    world.announce(from(1), PREFIX, sent.clone());
    world.settle();
    assert_eq!(world.heard_of(2, PREFIX), Some(&sent));
    // One that is no client hears us speak.
    let heard = world.heard_of(3, PREFIX).unwrap();
    assert_eq!(heard.as_path.to_string(), "64512 65001 7018");
    assert_eq!((heard.med, heard.next_hop), (None, NextHop::V4(LOCAL_V4)));
    // What is ours comes from us.
    world.announce(Source::Static, "10.2.0.0/16", local());
    world.settle();
    let heard = world.heard_of(2, "10.2.0.0/16").unwrap();
    assert_eq!(heard.next_hop, NextHop::V4(LOCAL_V4));
}

#[test]
fn the_best_path_of_one_client_does_not_hide_that_of_another() {
    let mut world = with_clients([1, 2, 3]);
    let heard = |world: &mut World| {
        world.settle();
        [1, 2, 3].map(|number| {
            let hop = world.heard_of(number, PREFIX)?.next_hop.addr();
            [1, 2, 3].into_iter().find(|from| hop == address(*from))
        })
    };
    world.announce(from(1), PREFIX, attributes(1, &[65001]));
    world.announce(from(2), PREFIX, attributes(2, &[65002, 7018]));
    assert_eq!(heard(&mut world), [Some(2), Some(1), Some(1)]);
    // The best one is for nobody.
    let mut kept = attributes(1, &[65001]);
    kept.communities = vec![Community::NO_EXPORT];
    world.announce(from(1), PREFIX, kept);
    assert_eq!(heard(&mut world), [Some(2), None, Some(2)]);
    world.withdraw(from(2), PREFIX);
    assert_eq!(heard(&mut world), [None, None, None]);
    world.withdraw(from(1), PREFIX);
    world.announce(from(3), PREFIX, attributes(3, &[65003]));
    assert_eq!(heard(&mut world), [Some(3), Some(3), None]);
}

/// What client `number` says of prefix `which`; `None`: that it is not there any more.
type Word = (u32, usize, Option<(usize, u32, bool)>);

fn words() -> impl Strategy<Value = Vec<Word>> {
    let said = (1_usize..3, 0_u32..3, proptest::bool::weighted(0.2));
    proptest::collection::vec(
        (1_u32..5, 0_usize..3, proptest::option::weighted(0.7, said)),
        1..40,
    )
}

fn prefix(which: usize) -> String {
    format!("10.{which}.0.0/16")
}

fn say(world: &mut World, (number, which, said): Word) {
    let Some((length, med, is_kept)) = said else {
        return world.withdraw(from(number), &prefix(which));
    };
    let path: Vec<u32> = std::iter::repeat_n(65000 + number, length).collect();
    let mut attributes = attributes(number, &path);
    attributes.med = Some(med);
    if is_kept {
        attributes.communities = vec![Community::NO_ADVERTISE];
    }
    world.announce(from(number), &prefix(which), attributes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What a client hears is what it would hear had it, and all that is not for it, never been said.
    #[test]
    fn each_client_hears_the_best_of_what_is_not_its_own(words in words(), settles in proptest::collection::vec(any::<bool>(), 40)) {
        let mut world = with_clients(1..5);
        let mut last = std::collections::BTreeMap::new();
        for (word, settle) in words.iter().zip(settles) {
            say(&mut world, *word);
            last.insert((word.0, word.1), *word);
            if settle {
                world.settle();
            }
        }
        world.settle();
        for number in 1..5 {
            let mut alone = with_clients(1..5);
            for word in last.values() {
                let is_for_it = !word.2.is_some_and(|(_, _, is_kept)| is_kept);
                if word.0 != number && is_for_it {
                    say(&mut alone, *word);
                }
            }
            alone.settle();
            prop_assert_eq!(world.heard(number), alone.heard(number), "client {}", number);
        }
        let mut own = world.heard(1).values();
        prop_assert!(own.all(|heard| heard.as_path.neighbor_as() != Some(Asn(65001))));
    }
}
