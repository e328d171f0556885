// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets of paths in orders of arrival, from a seed. Each prefix is a case of its own.

use std::collections::BTreeMap;

use bgp_proto::{AsPath, Asn, ClusterId, NextHop, Origin, PathAttributes, Prefix, RouterId};

use crate::speaker::Who;

pub(crate) const OUR_AS: u32 = 64512;

/// Three of other ASes, two of which of the same one, and three of ours. Identifiers and addresses are not in one order.
pub(crate) const NEIGHBORS: [Who; 6] = [
    neighbor(11, 65001, 25),
    neighbor(12, 65001, 23),
    neighbor(13, 65002, 21),
    neighbor(14, OUR_AS, 26),
    neighbor(15, OUR_AS, 22),
    neighbor(16, OUR_AS, 24),
];

const fn neighbor(number: u8, asn: u32, id: u8) -> Who {
    Who {
        number,
        asn,
        router_id: [10, 9, 9, id],
    }
}

/// Cases of a run.
const CASES: u32 = 500;
/// Rounds in which each of up to six neighbours says its part, and rounds in which some change their minds.
pub(crate) const ROUNDS: usize = 9;
const CHANGES: usize = 3;

/// What a neighbour says: of which prefix what, `None` is a withdrawal.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    pub(crate) neighbor: usize,
    pub(crate) prefix: Prefix,
    pub(crate) path: Option<PathAttributes>,
}

/// Rounds of sayings. In one round nobody speaks of a prefix that another one speaks of.
pub(crate) fn script(seed: u64) -> Vec<Vec<Saying>> {
    let mut random = Random(seed);
    let mut rounds = vec![Vec::new(); ROUNDS];
    for case in 0..CASES {
        let prefix = case_prefix(case);
        let mut order = [0, 1, 2, 3, 4, 5];
        for place in (1..order.len()).rev() {
            order.swap(place, random.below(place + 1));
        }
        let count = 2 + random.below(5);
        let of_case = Taste::of(&mut random);
        let mut last = [const { None }; 6];
        for (number, round) in rounds.iter_mut().enumerate() {
            let is_change = number >= ROUNDS - CHANGES;
            let neighbor = match order[..count].get(number) {
                _ if is_change => order[random.below(count)],
                Some(neighbor) => *neighbor,
                None => continue,
            };
            let path =
                (!is_change || random.below(3) > 0).then(|| path(&mut random, neighbor, of_case));
            // Who says the same again says nothing, but in GoBGP its route is young again.
            if path != last[neighbor] {
                last[neighbor].clone_from(&path);
                round.push(Saying {
                    neighbor,
                    prefix,
                    path,
                });
            }
        }
    }
    rounds
}

/// The same, but a neighbour that changes its mind leaves the first AS of a path as it was.
pub(crate) fn with_steady_neighbor_as(mut script: Vec<Vec<Saying>>) -> Vec<Vec<Saying>> {
    let mut first = BTreeMap::new();
    for saying in script.iter_mut().flatten() {
        let Some(path) = &mut saying.path else {
            continue;
        };
        let asns: Vec<Asn> = path
            .as_path
            .segments()
            .flat_map(|(_, asns)| asns.to_vec())
            .collect();
        let first = first
            .entry((saying.prefix, saying.neighbor))
            .or_insert(asns[0]);
        path.as_path =
            AsPath::from_sequence(std::iter::once(*first).chain(asns[1..].iter().copied()));
    }
    script
}

/// The same, but what comes from inside of the AS is not reached through the neighbour's own address.
pub(crate) fn with_distant_next_hops(mut script: Vec<Vec<Saying>>) -> Vec<Vec<Saying>> {
    for saying in script.iter_mut().flatten() {
        let who = NEIGHBORS[saying.neighbor];
        if let Some(path) = saying.path.as_mut().filter(|_| who.asn == OUR_AS) {
            path.next_hop = NextHop::V4([10, 9, 0, who.number].into());
        }
    }
    script
}

/// The prefix of a case.
fn case_prefix(case: u32) -> Prefix {
    let address = std::net::Ipv4Addr::from(0x0a40_0000 + case * 256);
    format!("{address}/24").parse().expect("a prefix")
}

/// The prefix by which one sees that what a neighbour said in a round has arrived.
pub(crate) fn marker(round: usize, neighbor: usize) -> Prefix {
    let text = format!("10.255.{round}.{neighbor}/32");
    text.parse().expect("a prefix")
}

/// A path that says nothing special.
pub(crate) fn plain(neighbor: usize) -> PathAttributes {
    let who = NEIGHBORS[neighbor];
    let external = (who.asn != OUR_AS).then_some(Asn(who.asn));
    let mut path = PathAttributes::new(
        Origin::Igp,
        AsPath::from_sequence(external),
        NextHop::V4(who.address()),
    );
    path.local_pref = external.is_none().then_some(100);
    path
}

/// In what the paths of a case differ: were it everything, the first steps would decide them all.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is independent")]
struct Taste {
    preference: bool,
    length: bool,
    origin: bool,
    med: bool,
}

impl Taste {
    fn of(random: &mut Random) -> Self {
        Self {
            preference: random.below(6) == 0,
            length: random.below(4) == 0,
            origin: random.below(4) == 0,
            med: random.below(4) > 0,
        }
    }
}

fn path(random: &mut Random, neighbor: usize, taste: Taste) -> PathAttributes {
    let who = NEIGHBORS[neighbor];
    let mut path = plain(neighbor);
    let is_external = who.asn != OUR_AS;
    let first = if is_external {
        who.asn
    } else {
        [65001, 65001, 65002, 65003][random.below(4)]
    };
    let length = if taste.length { random.below(3) } else { 1 };
    let behind = (0..length).map(|_| [65101, 65102][random.below(2)]);
    path.as_path = AsPath::from_sequence(std::iter::once(first).chain(behind).map(Asn));
    if taste.origin {
        path.origin = [Origin::Igp, Origin::Egp, Origin::Incomplete][random.below(3)];
    }
    if taste.med {
        path.med = [None, Some(0), Some(10), Some(20)][random.below(4)];
    }
    if is_external {
        return path;
    }
    if taste.preference {
        path.local_pref = Some([90, 100, 110][random.below(3)]);
    }
    if random.below(2) == 0 {
        let id = [10, 9, 9, [20, 22, 27][random.below(3)]];
        path.originator_id = RouterId::new(id.into());
        path.cluster_list = vec![ClusterId(7); 1 + random.below(3)];
    }
    path
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^= value >> 31;
        usize::try_from(value % bound as u64).expect("below a usize")
    }
}
