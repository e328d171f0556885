// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random worlds under random faults: when they are quiet again, every Loc-RIB is what the oracle says.

use std::{net::Ipv4Addr, time::Duration};

use bgp_proto::{AsPath, Asn, Ipv4Prefix, NextHop, Origin, PathAttributes, Prefix};
use bgpd_sim::{Fault, LinkKind, Random, World, oracle};

/// Long enough for a hold timer to expire, back-off to end and tables to be sent.
const QUIET: Duration = Duration::from_secs(900);

/// Seeds of each kind of world.
const SEEDS: u64 = 50;

#[test]
fn three_nodes_and_a_reflector_agree_with_the_oracle_after_resets_and_partitions() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed, 1 + (seed % 2) as usize * 7);
        let reflector = world.add_speaker(Asn(64512));
        let links = (0..3).map(|_| {
            let node = world.add_speaker(Asn(64512));
            world.connect(reflector, node, LinkKind::Reflector)
        });
        let links = links.collect();
        exercise(&mut world, links, seed);
    }
}

#[test]
fn a_full_mesh_with_an_external_peer_agrees_with_the_oracle_after_resets_and_partitions() {
    for seed in 1000..1000 + SEEDS {
        let mut world = World::new(seed, 1);
        let nodes: Vec<usize> = (0..3).map(|_| world.add_speaker(Asn(64512))).collect();
        let tor = world.add_speaker(Asn(65001));
        let pairs = [
            (nodes[0], nodes[1]),
            (nodes[1], nodes[2]),
            (nodes[0], nodes[2]),
            (nodes[0], tor),
            (nodes[1], tor),
        ];
        let links = pairs
            .map(|(first, second)| world.connect(first, second, LinkKind::Plain))
            .to_vec();
        exercise(&mut world, links, seed);
    }
}

fn exercise(world: &mut World, links: Vec<usize>, seed: u64) {
    let mut random = Random::new(seed);
    let speakers = links.iter().max().map_or(0, |_| world.speakers());
    for _ in 0..60 {
        match random.below(10) {
            0 => world.fault(
                links[random.below(links.len() as u64) as usize],
                Fault::Reset,
            ),
            1 => world.fault(links[random.below(links.len() as u64) as usize], Fault::Cut),
            2 => world.fault(
                links[random.below(links.len() as u64) as usize],
                Fault::Mend,
            ),
            3 | 4 => world.withdraw(random.below(speakers) as usize, prefix(&mut random)),
            _ => {
                let route = attributes(&mut random);
                world.announce(random.below(speakers) as usize, prefix(&mut random), route);
            }
        }
        world.run_for(Duration::from_millis(random.below(8_000)));
    }
    for link in &links {
        world.fault(*link, Fault::Mend);
    }
    world.run_for(QUIET);
    for link in &links {
        assert!(
            world.is_established(*link),
            "seed {seed}: link {link} did not come up again"
        );
    }
    assert_eq!(
        oracle::actual(world),
        oracle::expected(world),
        "seed {seed}"
    );
}

fn prefix(random: &mut Random) -> Prefix {
    let third = u8::try_from(random.below(6)).unwrap();
    Ipv4Prefix::new(Ipv4Addr::new(10, 244, third, 0), 24)
        .unwrap()
        .into()
}

fn attributes(random: &mut Random) -> PathAttributes {
    let origin = [Origin::Igp, Origin::Egp, Origin::Incomplete][random.below(3) as usize];
    let mut attributes =
        PathAttributes::new(origin, AsPath::empty(), NextHop::V4(Ipv4Addr::UNSPECIFIED));
    attributes.local_pref = random
        .once_in(3)
        .then(|| 100 + u32::try_from(random.below(3)).unwrap());
    attributes.med = random
        .once_in(3)
        .then(|| u32::try_from(random.below(3)).unwrap());
    attributes
}
