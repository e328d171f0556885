// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The routes that are sent: as the public table has them in prefix lengths, in how many routes share their attributes, and in
//! how long those are. The same in every run.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use bgp_proto::{
    AsPath, Asn, Community, Family, LargeCommunity, Negotiated, NegotiatedFamily, NextHop, Origin,
    PathAttributes, Prefix, UpdateWriter,
};
use bytes::Bytes;

use crate::{load::Voice, random::Random};

/// How many of a thousand IPv4 prefixes have which length.
const LENGTHS_4: &[(u8, u32)] = &[
    (24, 595),
    (23, 98),
    (22, 112),
    (21, 52),
    (20, 45),
    (19, 27),
    (18, 15),
    (17, 10),
    (16, 28),
    (15, 5),
    (14, 5),
    (13, 3),
    (12, 3),
    (11, 2),
];

/// The same for IPv6.
const LENGTHS_6: &[(u8, u32)] = &[
    (48, 475),
    (44, 85),
    (46, 35),
    (47, 30),
    (45, 15),
    (42, 25),
    (40, 120),
    (36, 50),
    (33, 25),
    (32, 120),
    (29, 20),
];

/// So many routes share their attributes, and how often in a hundred.
const ALIKE: &[(u32, u32)] = &[
    (1, 54),
    (2, 16),
    (3, 8),
    (4, 6),
    (6, 5),
    (10, 5),
    (20, 3),
    (40, 2),
    (70, 1),
];

/// Routes with the same attributes.
#[derive(Clone, Debug)]
pub struct Group {
    /// The AS path behind the neighbour that sends it.
    pub path: Vec<u32>,
    /// MED.
    pub med: Option<u32>,
    /// Communities.
    pub communities: Vec<u32>,
    /// Large communities.
    pub large: Vec<[u32; 3]>,
    /// The routes.
    pub prefixes: Vec<Prefix>,
    /// A number from which follows who of several senders has the shortest path.
    pub lot: u32,
}

/// Routes of one family.
#[derive(Clone, Debug)]
pub struct Table {
    /// Their family.
    pub family: Family,
    /// Those with the same attributes, together.
    pub groups: Vec<Group>,
}

impl Table {
    /// So many routes, like the public table's.
    pub fn public(family: Family, routes: u32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut known = HashSet::with_capacity(routes as usize);
        let mut groups = Vec::new();
        let weights: Vec<u32> = ALIKE.iter().map(|(_, weight)| *weight).collect();
        let mut left = routes;
        while left > 0 {
            let count = ALIKE[random.weighted(&weights)].0.min(left);
            left -= count;
            let mut group = attributes(&mut random);
            // Prefixes of an origin are near each other.
            let near = home(&mut random);
            while group.prefixes.len() < count as usize {
                let prefix = if family == Family::IPV4_UNICAST {
                    prefix_4(&mut random, near as u32)
                } else {
                    prefix_6(&mut random, near)
                };
                if let Some(prefix) = prefix.filter(|prefix| known.insert(*prefix)) {
                    group.prefixes.push(prefix);
                }
            }
            groups.push(group);
        }
        Self { family, groups }
    }

    /// `count` blocks of 64 addresses, as a node of a cluster has them, from the `first` one on.
    ///
    /// # Panics
    /// More than there are in a /8.
    pub fn blocks(first: u32, count: u32) -> Self {
        let block = |number: u32| {
            let address = Ipv4Addr::from(0x1400_0000 + number * 64);
            Prefix::truncating(address.into(), 26).expect("26 is a length")
        };
        let group = Group {
            path: Vec::new(),
            med: None,
            communities: Vec::new(),
            large: Vec::new(),
            prefixes: (first..first + count).map(block).collect(),
            lot: 0,
        };
        Self {
            family: Family::IPV4_UNICAST,
            groups: vec![group],
        }
    }

    /// All prefixes.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.groups
            .iter()
            .flat_map(|group| group.prefixes.iter().copied())
    }

    /// What one of `senders` says to announce it all, End-of-RIB at its end. Which of several has the shortest path of a group is
    /// drawn by lot.
    ///
    /// # Panics
    /// Attributes that fill a message: there are none here.
    pub fn stream(&self, voice: &Voice, number: u32, senders: u32) -> Bytes {
        let writer = writer(self.family);
        let mut out = Vec::new();
        for (place, group) in self.groups.iter().enumerate() {
            let mut random = Random::new((u64::from(number) << 32) | place as u64);
            let attributes = said(group, voice, number, senders, &mut random);
            writer
                .announce(
                    &attributes,
                    self.family,
                    group.prefixes.iter().map(|prefix| (0, *prefix)),
                    |message| out.extend_from_slice(&message),
                )
                .expect("there is room");
        }
        out.extend_from_slice(&writer.end_of_rib(self.family));
        out.into()
    }

    /// What withdraws it all.
    pub fn withdrawal(&self) -> Bytes {
        let mut out = Vec::new();
        let all = self.prefixes().map(|prefix| (0, prefix));
        writer(self.family).withdraw(self.family, all, |message| {
            out.extend_from_slice(&message);
        });
        out.into()
    }
}

impl Group {
    /// Who of several senders has the shortest path.
    pub fn winner(&self, senders: u32) -> u32 {
        self.lot % senders
    }
}

/// Sessions here have four-octet AS numbers and nothing else that changes what is written.
fn writer(family: Family) -> UpdateWriter {
    let session = Negotiated {
        four_octet_as: true,
        families: vec![NegotiatedFamily {
            family,
            add_path_receive: false,
            add_path_send: false,
            extended_next_hop: false,
        }],
        ..Negotiated::default()
    };
    UpdateWriter::new(&session)
}

/// The end of a table of this family.
pub(crate) fn end_of_rib(family: Family) -> Bytes {
    writer(family).end_of_rib(family)
}

fn attributes(random: &mut Random) -> Group {
    let asn = |random: &mut Random| match random.below(4) {
        0 => 131_072 + random.below(270_000),
        _ => 1_000 + random.below(22_000),
    };
    let hops = 1 + random.weighted(&[4, 16, 30, 26, 14, 6, 3, 1]);
    let communities = random.weighted(&[25, 10, 12, 12, 10, 8, 8, 5, 5, 5]);
    let large = random.weighted(&[85, 5, 5, 5]);
    Group {
        path: (0..hops).map(|_| asn(random)).collect(),
        med: (random.below(5) == 0).then(|| random.below(1000)),
        communities: (0..communities)
            .map(|_| ((1_000 + random.below(60_000)) << 16) | random.below(65_000))
            .collect(),
        large: (0..large)
            .map(|_| [asn(random), random.below(1000), random.below(1000)])
            .collect(),
        prefixes: Vec::new(),
        lot: random.number() as u32,
    }
}

/// The attributes of a group as one of several senders says them.
fn said(
    group: &Group,
    voice: &Voice,
    number: u32,
    senders: u32,
    random: &mut Random,
) -> PathAttributes {
    let mut path = Vec::with_capacity(group.path.len() + 4);
    if !voice.internal {
        path.push(Asn(voice.asn));
    }
    if group.winner(senders) != number {
        let more = 1 + random.below(3);
        path.extend((0..more).map(|_| Asn(24_000 + random.below(30_000))));
    }
    path.extend(group.path.iter().copied().map(Asn));
    let next_hop = match voice.address {
        IpAddr::V4(address) => NextHop::V4(address),
        IpAddr::V6(address) => NextHop::V6(address),
    };
    let mut said = PathAttributes::new(Origin::Igp, AsPath::from_sequence(path), next_hop);
    said.med = group.med;
    said.local_pref = voice.internal.then_some(100);
    said.communities = group.communities.iter().copied().map(Community).collect();
    if senders > 1 {
        said.communities
            .push(Community((64_600 << 16) | random.below(50)));
    }
    said.large_communities = group
        .large
        .iter()
        .map(|[global, local_1, local_2]| LargeCommunity {
            global: *global,
            local_1: *local_1,
            local_2: *local_2,
        })
        .collect();
    said
}

fn length(random: &mut Random, lengths: &[(u8, u32)]) -> u8 {
    let weights: Vec<u32> = lengths.iter().map(|(_, weight)| *weight).collect();
    lengths[random.weighted(&weights)].0
}

/// Unicast addresses that are not used otherwise here.
fn home(random: &mut Random) -> u64 {
    let first = 24 + random.below(198);
    let first = if first >= 127 { first + 1 } else { first };
    (u64::from(first) << 24) | u64::from(random.below(1 << 24)) | (random.number() << 32)
}

fn prefix_4(random: &mut Random, near: u32) -> Option<Prefix> {
    let length = length(random, LENGTHS_4);
    let mut address = (near & 0xfffc_0000) | random.below(1 << 18);
    if random.below(8) == 0 {
        // A table of four million does not fit into what is near.
        address ^= random.below(1 << 24);
    }
    Prefix::truncating(Ipv4Addr::from(address).into(), length)
}

fn prefix_6(random: &mut Random, near: u64) -> Option<Prefix> {
    let length = length(random, LENGTHS_6);
    // 2000::/3, within a /28 of the others.
    let high = 0x2000_0000_0000_0000 | (near >> 3 & 0x1fff_fff0_0000_0000);
    let address = u128::from(high | random.number() & 0x0000_000f_ffff_0000) << 64;
    Prefix::truncating(Ipv6Addr::from(address).into(), length)
}
