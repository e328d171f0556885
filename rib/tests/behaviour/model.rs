// SPDX-License-Identifier: Apache-2.0 OR MIT
//! After any sequence of inputs all neighbours have heard what a computation from scratch says they must, the
//! forwarding table too, and eight shards say the same as one.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU8,
};

use bgp_proto::{
    AsPath, Asn, ClusterId, Community, ExtendedCommunity, Family, NextHop, Origin, PathAttributes,
    Prefix, RouterId, UnknownAttribute,
};
use bytes::Bytes;
use proptest::prelude::*;
use rib::{
    Disposition, FibRoute, Input, NextHopMode, NextHopState, PathsSent, PeerId, PeerInfo, Policy,
    Relation, RibConfig, RouteBatch, Selection, Source,
};

use crate::{
    oracle::Oracle,
    world::{LOCAL_AS, LOCAL_V4, World, address, address_v6, config, peer},
};

/// Two neighbours of each kind.
const PEERS: u32 = 6;

fn relation(number: u32) -> Relation {
    match number % 3 {
        0 => Relation::External,
        1 => Relation::Internal,
        _ => Relation::Client,
    }
}

#[derive(Clone, Debug)]
struct Look {
    origin: Origin,
    as_path: Vec<u32>,
    med: Option<u32>,
    local_pref: Option<u32>,
    community: Option<Community>,
    reflected: Option<(u8, u8)>,
    hop: u8,
    extras: bool,
}

#[derive(Clone, Debug)]
enum Op {
    Up(u32, Session),
    Down(u32),
    Lost(u32),
    Mark(u32),
    Sweep(u32),
    Announce(u32, Vec<u8>, u32, Look),
    Withdraw(u32, Vec<u8>, u32),
    Local(u8, u8, bool),
    Refresh(u32),
    Congested(u32),
    Drained(u32),
    Hop(u8, Option<u32>),
    Policy(u32, u8, u8),
    Paths(u32, PathsSent),
    Drain,
}

#[derive(Clone, Debug)]
struct Session {
    four_octet_as: bool,
    ipv6: bool,
    next_hop: u8,
    shared: bool,
    allow_own_as: u8,
    export: u8,
    /// Families that it takes several paths in, and which.
    several: (bool, bool, PathsSent),
}

/// Half of all announcements are alike, so that ties have to be broken and paths shared.
fn look() -> impl Strategy<Value = Look> {
    let plain = |hop| Look {
        origin: Origin::Igp,
        as_path: Vec::new(),
        med: None,
        local_pref: None,
        community: None,
        reflected: None,
        hop,
        extras: false,
    };
    prop_oneof![(0_u8..2).prop_map(plain), any_look()]
}

fn any_look() -> impl Strategy<Value = Look> {
    let community = prop_oneof![
        8 => Just(None),
        1 => Just(Some(Community::NO_EXPORT)),
        1 => Just(Some(Community::NO_ADVERTISE)),
        1 => Just(Some(Community::NO_EXPORT_SUBCONFED)),
        1 => Just(Some(Community::GRACEFUL_SHUTDOWN)),
        1 => Just(Some(Community(65_000 << 16 | 1))),
    ];
    let asn =
        prop_oneof![10 => 65_001_u32..65_004, 1 => Just(LOCAL_AS.0), 2 => Just(4_200_000_000_u32)];
    (
        prop_oneof![Just(Origin::Igp), Just(Origin::Incomplete)],
        prop::collection::vec(asn, 0..3),
        prop::option::of(0_u32..3),
        prop::option::of(prop_oneof![Just(100_u32), Just(200)]),
        community,
        prop::option::weighted(0.3, (1_u8..8, 0_u8..3)),
        0_u8..4,
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(origin, as_path, med, local_pref, community, reflected, hop, extras)| Look {
                origin,
                as_path,
                med,
                local_pref,
                community,
                reflected,
                hop,
                extras,
            },
        )
}

fn session() -> impl Strategy<Value = Session> {
    (
        prop::bool::weighted(0.7),
        any::<bool>(),
        prop_oneof![4 => Just(0_u8), 1 => Just(1), 1 => Just(2)],
        any::<bool>(),
        0_u8..2,
        prop_oneof![6 => Just(0_u8), 1 => Just(1), 1 => Just(2)],
        (any::<bool>(), any::<bool>(), paths_sent()),
    )
        .prop_map(
            |(four_octet_as, ipv6, next_hop, shared, allow_own_as, export, several)| Session {
                four_octet_as,
                ipv6,
                next_hop,
                shared,
                allow_own_as,
                export,
                several,
            },
        )
}

fn paths_sent() -> impl Strategy<Value = PathsSent> {
    let limit = || (1_u8..4).prop_map(|limit| NonZeroU8::new(limit).unwrap());
    prop_oneof![
        Just(PathsSent::All),
        limit().prop_map(PathsSent::Best),
        limit().prop_map(PathsSent::Ecmp),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let peer = 1..=PEERS;
    let prefixes = prop::collection::vec(0_u8..12, 1..5);
    let id = prop_oneof![2 => Just(0_u32), 1 => 1_u32..3];
    prop_oneof![
        6 => (peer.clone(), session()).prop_map(|(peer, session)| Op::Up(peer, session)),
        2 => peer.clone().prop_map(Op::Down),
        1 => peer.clone().prop_map(Op::Lost),
        2 => peer.clone().prop_map(Op::Mark),
        2 => peer.clone().prop_map(Op::Sweep),
        16 => (peer.clone(), prefixes.clone(), id.clone(), look())
            .prop_map(|(peer, list, id, look)| Op::Announce(peer, list, id, look)),
        6 => (peer.clone(), prefixes, id).prop_map(|(peer, list, id)| Op::Withdraw(peer, list, id)),
        3 => (0_u8..4, 0_u8..12, any::<bool>()).prop_map(|(source, prefix, gone)| Op::Local(source, prefix, gone)),
        2 => peer.clone().prop_map(Op::Refresh),
        3 => peer.clone().prop_map(Op::Congested),
        3 => peer.clone().prop_map(Op::Drained),
        8 => (0_u8..8, prop::option::weighted(0.8, 0_u32..2)).prop_map(|(hop, metric)| Op::Hop(hop, metric)),
        2 => (peer.clone(), paths_sent()).prop_map(|(peer, paths)| Op::Paths(peer, paths)),
        3 => (peer, 0_u8..2, 0_u8..3).prop_map(|(peer, import, export)| Op::Policy(peer, import, export)),
        8 => Just(Op::Drain),
    ]
}

fn policy(number: u8) -> Policy {
    match number {
        0 => Policy::accept_all(),
        1 => Policy::reject_all(),
        _ => Policy::accept_all().redistributing(),
    }
}

fn prefix(number: u8) -> Prefix {
    if number < 8 {
        let address = Ipv4Addr::new(10, number, 0, 0);
        Prefix::truncating(address.into(), 16 + number).unwrap()
    } else {
        let text = format!("2001:db8:{number:x}::/48");
        text.parse().unwrap()
    }
}

/// One of eight next hops: four of each family, the first of them neighbours.
fn hop(number: u8, ipv6: bool) -> NextHop {
    let number = u32::from(number % 4) + 1;
    if ipv6 {
        NextHop::V6(address_v6(number + 100))
    } else {
        NextHop::V4(address(number + 100))
    }
}

/// The routes with these numbers as a neighbour of this kind would announce them.
fn attributes(number: u32, look: &Look, ipv6: bool) -> PathAttributes {
    let is_external = relation(number) == Relation::External;
    let mut path: Vec<Asn> = look.as_path.iter().copied().map(Asn).collect();
    if is_external {
        path.insert(0, Asn(65_000 + number));
    }
    let mut out = PathAttributes::new(
        look.origin,
        AsPath::from_sequence(path),
        hop(look.hop, ipv6),
    );
    out.med = look.med;
    out.communities = look.community.into_iter().collect();
    if !is_external {
        out.local_pref = look.local_pref.or(Some(100));
        if let Some((originator, clusters)) = look.reflected {
            let id = if originator == 7 {
                LOCAL_V4
            } else {
                Ipv4Addr::new(198, 51, 100, originator)
            };
            out.originator_id = RouterId::new(id);
            out.cluster_list = (0..clusters)
                .map(|cluster| ClusterId(u32::from(cluster) + 1))
                .collect();
        }
    }
    if look.extras {
        out.extended_communities = vec![
            ExtendedCommunity([0, 2, 0, 1, 0, 0, 0, 1]),
            ExtendedCommunity([0x40, 4, 0, 1, 0, 0, 0, 1]),
        ];
        out.unknown = vec![UnknownAttribute {
            flags: 0xc0,
            code: 99,
            value: Bytes::from_static(b"unknown"),
        }];
    }
    out
}

fn info(number: u32, session: &Session) -> PeerInfo {
    let mut info = peer(number, relation(number));
    info.negotiated.four_octet_as = session.four_octet_as;
    info.negotiated
        .families
        .truncate(if session.ipv6 { 2 } else { 1 });
    info.next_hop = match session.next_hop {
        0 => NextHopMode::Auto,
        1 => NextHopMode::ToSelf,
        _ => NextHopMode::Unchanged,
    };
    if session.shared {
        info.shared_subnets = vec!["192.0.2.0/24".parse().unwrap()];
    }
    info.allow_own_as = session.allow_own_as;
    info.export = policy(session.export);
    let (v4, v6, paths) = session.several;
    let families = &mut info.negotiated.families;
    for (family, several) in families.iter_mut().zip([v4, v6]) {
        family.add_path_send = several;
        info.paths_sent.push((family.family, paths));
    }
    info
}

/// Worlds that are told the same, and what is right.
struct Run {
    worlds: Vec<World>,
    oracle: Oracle,
    congested: BTreeSet<PeerId>,
}

impl Run {
    fn new(config: &RibConfig) -> Self {
        Self {
            worlds: [1, 3, 8]
                .map(|shards| World::new(config.clone(), shards))
                .into(),
            oracle: Oracle::new(config),
            congested: BTreeSet::new(),
        }
    }

    fn tell(&mut self, input: &Input) {
        self.oracle.step(input);
        for world in &mut self.worlds {
            world.step(input.clone());
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Up(number, session) if !self.oracle.is_up(PeerId(*number)) => {
                self.congested.remove(&PeerId(*number));
                self.tell(&Input::PeerUp(Box::new(info(*number, session))));
            }
            Op::Local(source, number, gone) => self.local(*source, prefix(*number), *gone),
            Op::Hop(number, metric) => self.hop(*number, *metric),
            Op::Drain => self.drain(),
            Op::Up(number, _)
            | Op::Down(number)
            | Op::Lost(number)
            | Op::Mark(number)
            | Op::Sweep(number)
            | Op::Announce(number, ..)
            | Op::Withdraw(number, ..)
            | Op::Paths(number, _)
            | Op::Refresh(number)
            | Op::Congested(number)
            | Op::Drained(number)
            | Op::Policy(number, ..) => self.of_peer(PeerId(*number), op),
        }
    }

    fn of_peer(&mut self, id: PeerId, op: &Op) {
        let (is_known, is_up) = (self.oracle.is_known(id), self.oracle.is_up(id));
        match op {
            Op::Down(_) if is_known => self.tell(&Input::PeerDown(id)),
            Op::Lost(_) if is_up => self.tell(&Input::PeerLost(id)),
            Op::Mark(_) if is_up => self.tell(&Input::MarkStale(id, Family::IPV4_UNICAST)),
            Op::Sweep(_) if is_up => {
                self.tell(&Input::SweepStale(id, Family::IPV4_UNICAST));
                self.tell(&Input::SweepStale(id, Family::IPV6_UNICAST));
            }
            Op::Announce(number, list, path_id, look) if is_up => {
                self.announce(*number, list, *path_id, look);
            }
            Op::Withdraw(_, list, path_id) if is_up => {
                let mut batch = RouteBatch::new(Source::Bgp(id));
                for number in list {
                    batch.withdraw(prefix(*number), *path_id);
                    self.oracle
                        .withdraw(Source::Bgp(id), (prefix(*number), *path_id));
                }
                self.tell(&Input::Routes(batch));
            }
            Op::Refresh(_) if is_up => self.tell(&Input::Refresh(id, Family::IPV4_UNICAST)),
            Op::Congested(_) if is_up && self.congested.insert(id) => {
                self.tell(&Input::Congested(id));
            }
            Op::Drained(_) if is_up && self.congested.remove(&id) => self.tell(&Input::Drained(id)),
            Op::Policy(_, import, export) if is_up => {
                self.tell(&Input::Policy(id, policy(*import), policy(*export)));
            }
            Op::Paths(_, paths) if is_up => {
                let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
                let paths = families.map(|family| (family, *paths)).to_vec();
                self.tell(&Input::PathsSent(id, paths));
            }
            _ => {}
        }
    }

    fn announce(&mut self, number: u32, list: &[u8], path_id: u32, look: &Look) {
        let source = Source::Bgp(PeerId(number));
        let mut batch = RouteBatch::new(source);
        let (v4, v6) = (
            attributes(number, look, false),
            attributes(number, look, true),
        );
        let paths = [
            batch.push_path(v4.clone(), Disposition::Via(v4.next_hop)),
            batch.push_path(v6.clone(), Disposition::Via(v6.next_hop)),
        ];
        for number in list {
            let prefix = prefix(*number);
            let ipv6 = prefix.family() == Family::IPV6_UNICAST;
            batch.announce(prefix, path_id, paths[usize::from(ipv6)]);
            let attributes = if ipv6 { v6.clone() } else { v4.clone() };
            self.oracle.announce(source, (prefix, path_id), attributes);
        }
        self.tell(&Input::Routes(batch));
    }

    fn local(&mut self, source: u8, prefix: Prefix, gone: bool) {
        let source = match source {
            0 => Source::Static,
            1 => Source::Direct,
            2 => Source::Kernel,
            _ => Source::Api,
        };
        let mut batch = RouteBatch::new(source);
        if gone {
            batch.withdraw(prefix, 0);
            self.oracle.withdraw(source, (prefix, 0));
        } else {
            let unspecified = match prefix {
                Prefix::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                Prefix::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
            };
            let mut attributes =
                PathAttributes::new(Origin::Igp, AsPath::empty(), unspecified.into());
            attributes.med = (source == Source::Static).then_some(7);
            let path = batch.push_path(attributes.clone(), Disposition::Blackhole);
            batch.announce(prefix, 0, path);
            self.oracle.announce(source, (prefix, 0), attributes);
        }
        self.tell(&Input::Routes(batch));
    }

    /// The driver speaks only of what it was asked to track.
    fn hop(&mut self, number: u8, metric: Option<u32>) {
        let address = hop(number, number >= 4).addr();
        self.drain();
        let wanted = self.oracle.next_hops();
        if wanted.contains(&address) {
            let state = match metric {
                Some(metric) => NextHopState::Reachable { metric },
                None => NextHopState::Unreachable,
            };
            self.tell(&Input::NextHops(vec![(address, state)]));
        }
    }

    fn drain(&mut self) {
        for world in &mut self.worlds {
            world.settle();
        }
        self.oracle.drained();
        self.check();
    }

    fn check(&mut self) {
        for (number, world) in self.worlds.iter().enumerate() {
            for (id, neighbour) in &world.neighbours {
                if neighbour.is_congested {
                    continue;
                }
                let mut heard: BTreeMap<_, (bool, Vec<_>)> = BTreeMap::new();
                for ((prefix, path_id), attributes) in &neighbour.heard {
                    let (has_ids, list) = heard.entry(*prefix).or_default();
                    *has_ids |= *path_id != 0;
                    list.push(attributes.clone());
                }
                let mut expected = self.oracle.heard(*id);
                for (_, list) in heard.values_mut().chain(expected.values_mut()) {
                    list.sort_by_cached_key(|attributes| format!("{attributes:?}"));
                }
                let prefixes: BTreeSet<_> = heard.keys().chain(expected.keys()).collect();
                for prefix in prefixes {
                    let (heard, expected) = (heard.get(prefix), expected.get(prefix));
                    assert_eq!(heard, expected, "{prefix} at {id:?} in world {number}");
                }
                let views = world.adj_out(*id);
                assert_eq!(views, neighbour.heard, "as asked, {id:?}, world {number}");
                let told = world.rib.counts(*id);
                let told: u64 = told.iter().map(|(_, counts)| counts.advertised).sum();
                assert_eq!(told, views.len() as u64, "{id:?} in world {number}");
                let families = if neighbour.fed.is_empty() {
                    "none"
                } else {
                    "some"
                };
                assert_eq!(families, "some", "{id:?} was never fed in world {number}");
            }
            let forwarding: Vec<_> = world
                .forwarding
                .iter()
                .map(|(prefix, route)| (*prefix, used(route)))
                .collect();
            let expected: Vec<_> = self.oracle.forwarding().into_iter().collect();
            assert_eq!(forwarding, expected, "forwarding table of world {number}");
        }
        if self.oracle.is_tracking {
            let wanted = self.oracle.next_hops();
            for world in &self.worlds {
                assert_eq!(world.tracked.iter().copied().collect::<Vec<_>>(), wanted);
            }
        }
    }

    fn end(&mut self) {
        self.drain();
        for id in std::mem::take(&mut self.congested) {
            if self.oracle.is_up(id) {
                self.tell(&Input::Drained(id));
            }
        }
        self.drain();
        for number in 1..=PEERS {
            let id = PeerId(number);
            if self.oracle.is_known(id) {
                let (import, _) = self.oracle.policies(id);
                self.tell(&Input::Policy(id, import, Policy::accept_all()));
            }
        }
        self.drain();
        for number in 1..=PEERS {
            self.tell(&Input::PeerDown(PeerId(number)));
        }
        self.drain();
        for world in &self.worlds {
            assert!(
                world.tracked.is_empty(),
                "still tracked: {:?}",
                world.tracked
            );
        }
    }
}

fn used(route: &FibRoute) -> Vec<(Source, PathAttributes)> {
    let path = |path: &rib::FibPath| (path.source, path.attributes.unpack());
    route.paths.iter().map(path).collect()
}

fn run(ops: &[Op], tracking: bool, max_paths: (usize, usize)) {
    let config = RibConfig {
        next_hop_tracking: tracking,
        selection: Selection {
            max_paths: max_paths.0,
            max_internal_paths: max_paths.1,
            ..Selection::default()
        },
        ..config()
    };
    let mut run = Run::new(&config);
    for op in ops {
        run.apply(op);
    }
    run.end();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn incremental_is_what_a_computation_from_scratch_says(ops in prop::collection::vec(op(), 1..60), max_paths in (1_usize..4, 1_usize..4)) {
        run(&ops, false, max_paths);
    }

    #[test]
    fn and_so_it_is_with_next_hops_tracked(ops in prop::collection::vec(op(), 1..60), max_paths in (1_usize..4, 1_usize..4)) {
        run(&ops, true, max_paths);
    }
}
