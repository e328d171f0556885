// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random worlds under random faults and with policies that change: when they are quiet again, every Loc-RIB is what the oracle says.

use std::{net::Ipv4Addr, time::Duration};

use bgp_proto::{AsPath, Asn, Ipv4Prefix, NextHop, Origin, PathAttributes, Prefix};
use bgpd_sim::{Fault, LinkKind, Random, Rules, World, oracle};

/// Long enough for a hold timer to expire, back-off to end and tables to be sent.
const QUIET: Duration = Duration::from_secs(900);

/// Seeds of each kind of world.
const SEEDS: u64 = 50;

#[test]
fn three_nodes_and_a_reflector_agree_with_the_oracle_after_resets_and_partitions() {
    let mut all = Run::default();
    for seed in 0..SEEDS {
        let mut world = World::new(seed, if seed.is_multiple_of(2) { 1 } else { 8 });
        let reflector = world.add_speaker(Asn(64512));
        let links = (0..3).map(|_| {
            let node = world.add_speaker(Asn(64512));
            world.connect(reflector, node, LinkKind::Reflector)
        });
        let links: Vec<usize> = links.collect();
        all.add(&exercise(&mut world, &links, seed));
    }
    all.assert_eventful();
}

#[test]
fn a_full_mesh_with_an_external_peer_agrees_with_the_oracle_after_resets_and_partitions() {
    let mut all = Run::default();
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
        all.add(&exercise(&mut world, &links, seed));
    }
    all.assert_eventful();
}

#[test]
fn nodes_that_take_all_paths_and_one_that_does_not_agree_with_the_oracle_about_every_path() {
    let mut all = Run::default();
    let mut paths = 0;
    for seed in 2000..2000 + SEEDS {
        let mut world = World::new(seed, if seed.is_multiple_of(2) { 1 } else { 3 });
        let reflector = world.add_speaker(Asn(64512));
        let kinds = [
            LinkKind::Several,
            LinkKind::Several,
            LinkKind::Several,
            LinkKind::Reflector,
        ];
        let links = kinds.map(|kind| {
            let node = world.add_speaker(Asn(64512));
            world.connect(reflector, node, kind)
        });
        all.add(&exercise(&mut world, &links, seed));
        let found = oracle::actual_paths(&world);
        assert_eq!(found, oracle::expected_paths(&world), "seed {seed}");
        paths += found.iter().map(Vec::len).sum::<usize>();
    }
    all.assert_eventful();
    assert!(
        paths > 2 * all.routes,
        "{paths} paths of {} routes",
        all.routes
    );
}

#[test]
fn a_confederation_agrees_with_the_oracle_after_resets_and_partitions() {
    let mut all = Run::default();
    for seed in 4000..4000 + SEEDS {
        let mut world = World::new(seed, 1);
        let identifier = Some(Asn(100));
        let members =
            [64512, 64513, 64513, 64514].map(|asn| world.add_member(Asn(asn), identifier));
        let tor = world.add_speaker(Asn(65001));
        let pairs = [
            (members[0], members[1]),
            (members[1], members[2]),
            (members[2], members[3]),
            (members[0], tor),
            (members[3], tor),
        ];
        let links = pairs
            .map(|(first, second)| world.connect(first, second, LinkKind::Plain))
            .to_vec();
        all.add(&events(&mut world, &links, seed, 10));
    }
    all.assert_eventful();
}

#[test]
fn a_route_server_agrees_with_the_oracle_after_resets_and_partitions() {
    let mut all = Run::default();
    for seed in 5000..5000 + SEEDS {
        let mut world = World::new(seed, if seed.is_multiple_of(2) { 1 } else { 8 });
        let server = world.add_speaker(Asn(64512));
        let clients = [65001, 65002, 65003].map(|asn| world.add_speaker(Asn(asn)));
        let mut links: Vec<usize> = clients
            .iter()
            .map(|client| world.connect(server, *client, LinkKind::RouteServer))
            .collect();
        // Two of them are neighbours besides.
        links.push(world.connect(clients[0], clients[1], LinkKind::Plain));
        all.add(&events(&mut world, &links, seed, 10));
    }
    all.assert_eventful();
}

/// What a run went through, so that one can see that it was not nothing.
#[derive(Debug, Default)]
struct Run {
    /// Routes in the Loc-RIBs in the end, of all speakers.
    routes: usize,
    /// Sessions that came up after the first one of their link.
    again: u64,
}

impl Run {
    fn add(&mut self, other: &Self) {
        self.routes += other.routes;
        self.again += other.again;
    }

    /// After all seeds: on average several routes and several sessions lost in each.
    fn assert_eventful(&self) {
        println!("{self:?}");
        let seeds = usize::try_from(SEEDS).unwrap();
        assert!(
            self.routes > 4 * seeds && self.again > 4 * SEEDS,
            "{self:?}"
        );
    }
}

/// Everything happens, policies change too.
fn exercise(world: &mut World, links: &[usize], seed: u64) -> Run {
    events(world, links, seed, 12)
}

/// `kinds` of events; from the eleventh on they are policies.
fn events(world: &mut World, links: &[usize], seed: u64, kinds: u64) -> Run {
    let mut random = Random::new(seed);
    let speakers: Vec<usize> = (0..world.speakers()).collect();
    for _ in 0..60 {
        match random.below(kinds) {
            10 | 11 => {
                let mut ends = world.ends(*random.pick(links));
                if random.once_in(2) {
                    ends.reverse();
                }
                let rules = Rules::random(&mut random, &prefixes());
                world.agree(ends[0], ends[1], rules);
            }
            0 => world.fault(*random.pick(links), Fault::Reset),
            1 => world.fault(*random.pick(links), Fault::Cut),
            2 => world.fault(*random.pick(links), Fault::Mend),
            3 | 4 => world.withdraw(*random.pick(&speakers), prefix(&mut random)),
            _ => {
                let route = attributes(&mut random);
                world.announce(*random.pick(&speakers), prefix(&mut random), route);
            }
        }
        world.run_for(Duration::from_millis(random.below(8_000)));
    }
    for link in links {
        world.fault(*link, Fault::Mend);
    }
    world.run_for(QUIET);
    for link in links {
        assert!(
            world.is_established(*link),
            "seed {seed}: link {link} did not come up again"
        );
    }
    let tables = oracle::actual(world);
    assert_eq!(tables, oracle::expected(world), "seed {seed}");
    let sessions = links.iter().map(|link| world.established_count(*link));
    Run {
        routes: tables.iter().map(std::collections::BTreeMap::len).sum(),
        again: sessions.map(|count| count.saturating_sub(2)).sum(),
    }
}

fn prefixes() -> Vec<Prefix> {
    let block = |third| Ipv4Prefix::new(Ipv4Addr::new(10, 244, third, 0), 24).unwrap();
    (0..6).map(|third| block(third).into()).collect()
}

fn prefix(random: &mut Random) -> Prefix {
    *random.pick(&prefixes())
}

fn attributes(random: &mut Random) -> PathAttributes {
    let origin = *random.pick(&[Origin::Igp, Origin::Egp, Origin::Incomplete]);
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
