// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random worlds under random faults and with policies that change: when they are quiet again, every Loc-RIB is what the oracle says.

use std::{net::Ipv4Addr, num::NonZeroU8, time::Duration};

use bgp_proto::{AsPath, Asn, Ipv4Prefix, NextHop, Origin, PathAttributes, Prefix};
use bgpd_sim::{Fault, LinkKind, Random, Rules, World, oracle};
use rib::PathsSent;

/// Long enough for a hold timer to expire, back-off to end and tables to be sent.
const QUIET: Duration = Duration::from_secs(900);

/// Seeds of each kind of world.
const SEEDS: u64 = 50;

/// A world of a seed and a number of shards, and its links.
type Scene = fn(u64, usize) -> (World, Vec<usize>);

/// What becomes of random rules in worlds that do not bear all.
type Limit = fn(Rules) -> Rules;

fn reflector(seed: u64, shards: usize) -> (World, Vec<usize>) {
    let mut world = World::new(seed, shards);
    let reflector = world.add_speaker(Asn(64512));
    let links = (0..3).map(|_| {
        let node = world.add_speaker(Asn(64512));
        world.connect(reflector, node, LinkKind::Reflector)
    });
    let links = links.collect();
    (world, links)
}

fn mesh(seed: u64, shards: usize) -> (World, Vec<usize>) {
    let mut world = World::new(seed, shards);
    let nodes: Vec<usize> = (0..3).map(|_| world.add_speaker(Asn(64512))).collect();
    let tor = world.add_speaker(Asn(65001));
    let pairs = [
        (nodes[0], nodes[1]),
        (nodes[1], nodes[2]),
        (nodes[0], nodes[2]),
        (nodes[0], tor),
        (nodes[1], tor),
    ];
    let links = pairs.map(|(first, second)| world.connect(first, second, LinkKind::Plain));
    (world, links.to_vec())
}

fn several(seed: u64, shards: usize) -> (World, Vec<usize>) {
    let mut world = World::new(seed, shards);
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
    (world, links.to_vec())
}

fn confederation(seed: u64, shards: usize) -> (World, Vec<usize>) {
    let mut world = World::new(seed, shards);
    let identifier = Some(Asn(100));
    let members = [64512, 64513, 64513, 64514].map(|asn| world.add_member(Asn(asn), identifier));
    let tor = world.add_speaker(Asn(65001));
    let pairs = [
        (members[0], members[1]),
        (members[1], members[2]),
        (members[2], members[3]),
        (members[0], tor),
        (members[3], tor),
    ];
    let links = pairs.map(|(first, second)| world.connect(first, second, LinkKind::Plain));
    (world, links.to_vec())
}

fn route_server(seed: u64, shards: usize) -> (World, Vec<usize>) {
    let mut world = World::new(seed, shards);
    let server = world.add_speaker(Asn(64512));
    let clients = [65001, 65002, 65003].map(|asn| world.add_speaker(Asn(asn)));
    let mut links: Vec<usize> = clients
        .iter()
        .map(|client| world.connect(server, *client, LinkKind::RouteServer))
        .collect();
    // Two of them are neighbours besides.
    links.push(world.connect(clients[0], clients[1], LinkKind::Plain));
    (world, links)
}

/// Two members of a confederation, one of them with a reflector; two other ASes, and a route server between them and us. Who
/// sends all paths is by the seed.
fn everything(seed: u64, shards: usize) -> (World, Vec<usize>) {
    let mut world = World::new(seed, shards);
    let mut random = Random::new(seed);
    let mut member = |asn| world.add_member(Asn(asn), Some(Asn(100)));
    let [one, two, reflector] = [64512; 3].map(&mut member);
    let [edge, far] = [64513; 2].map(&mut member);
    let [tor, other, server] = [65001, 65002, 65100].map(|asn| world.add_speaker(Asn(asn)));
    let mut either = |first, second, kind| {
        let kind = *random.pick(&[kind, LinkKind::Several]);
        world.connect(first, second, kind)
    };
    let mut links = vec![
        either(reflector, one, LinkKind::Reflector),
        either(reflector, two, LinkKind::Reflector),
        either(reflector, edge, LinkKind::Plain),
        either(edge, far, LinkKind::Plain),
        either(one, tor, LinkKind::Plain),
        either(far, tor, LinkKind::Plain),
    ];
    for client in [two, tor, other] {
        links.push(world.connect(server, client, LinkKind::RouteServer));
    }
    (world, links)
}

/// One to eight shards.
fn shards(seed: u64) -> usize {
    [1, 3, 8][usize::try_from(seed % 3).unwrap()]
}

/// Random worlds of a kind from this seed on, which say how a neighbour is preferred to another one if they may.
fn worlds(scene: Scene, seeds: u64, agree: Limit) -> Run {
    let mut all = Run::default();
    for seed in seeds..seeds + SEEDS {
        let (mut world, links) = scene(seed, shards(seed));
        all.add(&exercise(&mut world, &links, seed, agree));
    }
    all.assert_eventful();
    all
}

fn as_they_are(rules: Rules) -> Rules {
    rules
}

#[test]
fn three_nodes_and_a_reflector_agree_with_the_oracle_after_resets_and_partitions() {
    worlds(reflector, 0, as_they_are);
}

#[test]
fn a_full_mesh_with_an_external_peer_agrees_with_the_oracle_after_resets_and_partitions() {
    worlds(mesh, 1000, as_they_are);
}

#[test]
fn nodes_that_take_several_paths_and_one_that_does_not_agree_with_the_oracle_about_every_path() {
    let all = worlds(several, 2000, as_they_are);
    assert!(all.paths > 3 * all.routes / 2, "{all:?}");
}

#[test]
fn a_confederation_agrees_with_the_oracle_after_resets_and_partitions() {
    worlds(confederation, 4000, as_they_are);
}

#[test]
fn a_route_server_agrees_with_the_oracle_after_resets_and_partitions() {
    worlds(route_server, 5000, Rules::by_length);
}

#[test]
fn everything_at_once_agrees_with_the_oracle_after_resets_and_partitions() {
    worlds(everything, 6000, Rules::by_length);
}

/// The same things happen to speakers with one shard and with several; then everything that is left of it happens to others that
/// have no past, in another order.
#[test]
fn neither_the_number_of_shards_nor_the_past_makes_a_difference() {
    let scenes: [(Scene, Limit); 4] = [
        (several, as_they_are),
        (confederation, as_they_are),
        (route_server, Rules::by_length),
        (everything, Rules::by_length),
    ];
    let mut paths = 0;
    for (kind, (scene, agree)) in (7000..).step_by(100).zip(scenes) {
        for seed in kind..kind + 10 {
            let [one, several] = [1, 5].map(|shards| {
                let (mut world, links) = scene(seed, shards);
                exercise(&mut world, &links, seed, agree);
                world
            });
            let (mut fresh, _) = scene(seed, 2);
            fresh.imitate(&one, &mut Random::new(!seed));
            fresh.run_for(QUIET);
            let expected = oracle::actual_paths(&one);
            assert_same(&oracle::actual_paths(&several), &expected, seed);
            assert_same(&oracle::actual_paths(&fresh), &expected, seed);
            paths += expected.iter().map(Vec::len).sum::<usize>();
        }
    }
    assert!(paths > 1000, "{paths} paths");
}

/// What a run went through, so that one can see that it was not nothing.
#[derive(Debug, Default)]
struct Run {
    /// Routes in the Loc-RIBs in the end, of all speakers.
    routes: usize,
    /// Paths that could be used.
    paths: usize,
    /// Sessions that came up after the first one of their link.
    again: u64,
}

impl Run {
    fn add(&mut self, other: &Self) {
        self.routes += other.routes;
        self.paths += other.paths;
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

/// Routes come and go, connections break, policies and what else is agreed on change. In the end it is as it has to be.
fn exercise(world: &mut World, links: &[usize], seed: u64, agree: Limit) -> Run {
    let mut random = Random::new(seed);
    let speakers: Vec<usize> = (0..world.speakers()).collect();
    for _ in 0..60 {
        let mut ends = world.ends(*random.pick(links));
        if random.once_in(2) {
            ends.reverse();
        }
        let [here, there] = ends;
        match random.below(15) {
            10..=12 => {
                let rules = Rules::random(&mut random, &prefixes());
                world.agree(here, there, agree(rules));
            }
            13 => world.tell(here, there, several_paths(&mut random)),
            14 => world.refresh(here, there),
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
    let paths = oracle::actual_paths(world);
    assert_same(&paths, &oracle::expected_paths(world), seed);
    let tables = oracle::actual(world);
    assert_eq!(tables, oracle::expected(world), "seed {seed}");
    let sessions = links.iter().map(|link| world.established_count(*link));
    Run {
        routes: tables.iter().map(std::collections::BTreeMap::len).sum(),
        paths: paths.iter().map(Vec::len).sum(),
        again: sessions.map(|count| count.saturating_sub(2)).sum(),
    }
}

/// The paths of each speaker; of others the difference is told.
fn assert_same(found: &[Vec<String>], expected: &[Vec<String>], seed: u64) {
    for (speaker, (found, expected)) in found.iter().zip(expected).enumerate() {
        let without = |all: &[String], others: &[String]| -> Vec<String> {
            let alone = all.iter().filter(|path| !others.contains(path));
            alone.cloned().collect()
        };
        let (more, less) = (without(found, expected), without(expected, found));
        assert!(
            found == expected,
            "seed {seed}: speaker {speaker} has {more:#?}, which it should not, and has not {less:#?}"
        );
    }
}

fn several_paths(random: &mut Random) -> PathsSent {
    let few = NonZeroU8::new(1 + u8::try_from(random.below(3)).unwrap()).unwrap();
    *random.pick(&[PathsSent::All, PathsSent::Best(few), PathsSent::Ecmp(few)])
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
