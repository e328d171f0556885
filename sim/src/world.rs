// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Speakers, the network between them, and the clock.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use bgp_fsm::{ConnectionId, Direction, Mode, PeerAs, SessionConfig, State};
use bgp_proto::{
    AddPath, AddPathDirection, Asn, Capability, ClusterId, Family, GracefulRestart, HoldTime,
    Instant, PathAttributes, Prefix, RestartFamily, RouterId,
};
use bgpd::{
    peer::{PeerEvent, PeerSettings},
    speaker::{Speaker, SpeakerOrder},
};
use bytes::BytesMut;
use rib::{Disposition, PathsSent, PeerId, RibConfig, RouteBatch, Source};

use crate::{
    Random,
    network::{Arrival, End, Fault, Network},
    rules::{Border, Rules},
};

/// Something that is to happen in a world.
type Order = Box<dyn FnOnce(&mut World)>;

/// How two speakers see each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinkKind {
    /// Plain: iBGP full mesh or eBGP, by their AS numbers.
    Plain,
    /// The first is the reflector of the second (RFC 4456).
    Reflector,
    /// So it is, and both send all paths of a prefix (RFC 7911).
    Several,
    /// The first is the route server of the second (RFC 7947).
    RouteServer,
}

/// One speaker and what it is known by.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) asn: Asn,
    /// What its confederation is to others (RFC 5065).
    pub(crate) confederation: Option<Asn>,
    pub(crate) router_id: RouterId,
    pub(crate) speaker: Speaker,
    buffers: BTreeMap<(PeerId, ConnectionId), BytesMut>,
    /// Local routes as announced.
    pub(crate) local: BTreeMap<Prefix, PathAttributes>,
}

impl Node {
    /// Of the same confederation, in another AS of it.
    pub(crate) fn is_member_beside(&self, other: &Self) -> bool {
        self.confederation.is_some()
            && self.confederation == other.confederation
            && self.asn != other.asn
    }

    /// The AS that it is to another speaker.
    pub(crate) fn seen_by(&self, other: &Self) -> Asn {
        match self.confederation {
            Some(identifier) if other.confederation != self.confederation => identifier,
            _ => self.asn,
        }
    }
}

/// The simulation.
#[derive(Debug)]
pub struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) kinds: Vec<LinkKind>,
    pub(crate) network: Network,
    /// Those of the first for the second, where there are any.
    pub(crate) rules: BTreeMap<(usize, usize), Rules>,
    /// Which paths the first tells the second, if it takes several and not all.
    pub(crate) paths: BTreeMap<(usize, usize), PathsSent>,
    shards: usize,
    seed: u64,
    now: Instant,
}

impl World {
    /// An empty world. `shards` is the number of RIB shards of each speaker.
    pub fn new(seed: u64, shards: usize) -> Self {
        Self {
            nodes: Vec::new(),
            kinds: Vec::new(),
            network: Network::new(seed),
            rules: BTreeMap::new(),
            paths: BTreeMap::new(),
            shards,
            seed,
            now: Instant::ZERO,
        }
    }

    /// Adds a speaker: its number is also the last octet of its address and identifier.
    ///
    /// # Panics
    /// With more speakers than there are such addresses.
    pub fn add_speaker(&mut self, asn: Asn) -> usize {
        self.add_member(asn, None)
    }

    /// The same, in a member AS of a confederation with this identifier.
    ///
    /// # Panics
    /// As [`Self::add_speaker`].
    pub fn add_member(&mut self, asn: Asn, confederation: Option<Asn>) -> usize {
        let number = self.nodes.len();
        let address = address(number);
        let router_id = RouterId::new(address).expect("not zero");
        let config = RibConfig {
            local_as: asn,
            router_id,
            cluster_id: ClusterId(router_id.as_u32()),
            confederation,
            next_hop_tracking: false,
            ..RibConfig::new(asn, router_id)
        };
        let speaker = Speaker::new(config, self.shards);
        self.nodes.push(Node {
            asn,
            confederation,
            router_id,
            speaker,
            buffers: BTreeMap::new(),
            local: BTreeMap::new(),
        });
        number
    }

    /// Connects two speakers; both dial. Returns the number of the link.
    pub fn connect(&mut self, first: usize, second: usize, kind: LinkKind) -> usize {
        let (to_second, to_first) = (peer_id(second), peer_id(first));
        let link = self.network.link([(first, to_second), (second, to_first)]);
        self.kinds.push(kind);
        let mut settings = self.settings(first, second, kind);
        settings.route_reflector_client = matches!(kind, LinkKind::Reflector | LinkKind::Several);
        settings.terms.route_server_client = kind == LinkKind::RouteServer;
        self.nodes[first].speaker.add_peer(settings, self.now);
        let settings = self.settings(second, first, kind);
        self.nodes[second].speaker.add_peer(settings, self.now);
        link
    }

    fn settings(&self, at: usize, of: usize, kind: LinkKind) -> PeerSettings {
        let (here, there) = (&self.nodes[at], &self.nodes[of]);
        let mut capabilities = vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::RouteRefresh,
        ];
        if self.seed.is_multiple_of(2) {
            capabilities.push(Capability::EnhancedRouteRefresh);
        }
        // Two worlds of three keep the routes of a broken session for a while (RFC 4724).
        if !self.seed.is_multiple_of(3) {
            capabilities.push(Capability::GracefulRestart(GracefulRestart {
                restart_time: 60,
                families: vec![RestartFamily {
                    family: Family::IPV4_UNICAST,
                    forwarding_preserved: true,
                }],
                ..GracefulRestart::default()
            }));
        }
        let mut paths_sent = Vec::new();
        if kind == LinkKind::Several {
            capabilities.push(Capability::AddPath(vec![AddPath {
                family: Family::IPV4_UNICAST,
                direction: AddPathDirection::Both,
            }]));
            paths_sent.push((Family::IPV4_UNICAST, PathsSent::All));
        }
        let session = SessionConfig {
            hold_time: HoldTime::from_wire(9).expect("valid"),
            mode: Mode::Active,
            capabilities,
            seed: self.seed ^ ((at as u64) << 32 | of as u64),
            ..SessionConfig::new(
                here.seen_by(there),
                PeerAs::Exact(there.seen_by(here)),
                here.router_id,
            )
        };
        let mut settings = PeerSettings {
            paths_sent,
            ..PeerSettings::new(peer_id(of), address(of).into(), session)
        };
        // Some keep nothing as they were told it, and ask for it when their rules change.
        settings.terms.imported_only = (self.seed + at as u64).is_multiple_of(3);
        if here.is_member_beside(there) {
            settings.members.push(there.asn);
        }
        settings
    }

    /// Announces a local route, or another form of it.
    pub fn announce(&mut self, speaker: usize, prefix: Prefix, attributes: PathAttributes) {
        let node = &mut self.nodes[speaker];
        let mut batch = RouteBatch::new(Source::Static);
        let path = batch.push_path(attributes.clone(), Disposition::Blackhole);
        batch.announce(prefix, 0, path);
        node.local.insert(prefix, attributes);
        node.speaker.routes(batch, self.now);
    }

    /// Withdraws a local route.
    pub fn withdraw(&mut self, speaker: usize, prefix: Prefix) {
        let node = &mut self.nodes[speaker];
        let mut batch = RouteBatch::new(Source::Static);
        batch.withdraw(prefix, 0);
        node.local.remove(&prefix);
        node.speaker.routes(batch, self.now);
    }

    /// Gives a speaker other rules for one neighbour. Their session stays.
    pub fn agree(&mut self, speaker: usize, neighbour: usize, rules: Rules) {
        let border = self.border(speaker, neighbour);
        let event = PeerEvent::Policy {
            import: rules.import(border),
            export: rules.export(border),
        };
        let peer = peer_id(neighbour);
        self.nodes[speaker].speaker.step(peer, event, self.now);
        self.rules.insert((speaker, neighbour), rules);
    }

    /// What lies between two speakers.
    pub(crate) fn border(&self, speaker: usize, neighbour: usize) -> Border {
        let (here, there) = (&self.nodes[speaker], &self.nodes[neighbour]);
        match () {
            () if here.is_member_beside(there) => Border::Members,
            () if here.asn != there.asn => Border::Ases,
            () => Border::Nothing,
        }
    }

    /// Which paths a speaker tells a neighbour from now on, if it takes several.
    pub fn tell(&mut self, speaker: usize, neighbour: usize, paths: PathsSent) {
        let event = PeerEvent::PathsSent(vec![(Family::IPV4_UNICAST, paths)]);
        self.nodes[speaker]
            .speaker
            .step(peer_id(neighbour), event, self.now);
        self.paths.insert((speaker, neighbour), paths);
    }

    /// A speaker asks a neighbour for its routes, and sends its own again.
    pub fn refresh(&mut self, speaker: usize, neighbour: usize) {
        for event in [PeerEvent::RefreshIn, PeerEvent::RefreshOut] {
            self.nodes[speaker]
                .speaker
                .step(peer_id(neighbour), event, self.now);
        }
    }

    /// Everything that was agreed on or announced in another world of the same speakers and links happens here, too, in a random
    /// order.
    pub fn imitate(&mut self, other: &Self, random: &mut Random) {
        let locals = other.nodes.iter().enumerate().flat_map(|(speaker, node)| {
            let local = node.local.iter();
            local.map(move |(prefix, attributes)| (speaker, *prefix, attributes.clone()))
        });
        let mut orders: Vec<Order> = Vec::new();
        for (speaker, prefix, attributes) in locals {
            orders.push(Box::new(move |world| {
                world.announce(speaker, prefix, attributes);
            }));
        }
        for ((speaker, neighbour), rules) in other.rules.clone() {
            orders.push(Box::new(move |world| {
                world.agree(speaker, neighbour, rules);
            }));
        }
        for ((speaker, neighbour), paths) in other.paths.clone() {
            orders.push(Box::new(move |world| world.tell(speaker, neighbour, paths)));
        }
        while !orders.is_empty() {
            let place = usize::try_from(random.below(orders.len() as u64)).unwrap_or_default();
            orders.swap_remove(place)(self);
            self.run_for(Duration::from_millis(random.below(500)));
        }
    }

    /// The two ends of a link.
    pub fn ends(&self, link: usize) -> [usize; 2] {
        self.network.links[link].ends.map(|(speaker, _)| speaker)
    }

    /// Does something to a link.
    pub fn fault(&mut self, link: usize, fault: Fault) {
        self.network.fault(link, fault, self.now);
    }

    /// Whether both ends of the link are Established.
    pub fn is_established(&self, link: usize) -> bool {
        self.network.links[link].ends.iter().all(|(speaker, peer)| {
            self.nodes[*speaker]
                .speaker
                .peer(*peer)
                .is_some_and(|peer| peer.session().state() == State::Established)
        })
    }

    /// How often sessions of both ends of a link were Established.
    pub fn established_count(&self, link: usize) -> u64 {
        let counts = self.network.links[link].ends.iter().map(|(speaker, peer)| {
            let peer = self.nodes[*speaker].speaker.peer(*peer);
            peer.map_or(0, |peer| peer.session().established_count())
        });
        counts.sum()
    }

    /// How many speakers there are.
    pub fn speakers(&self) -> usize {
        self.nodes.len()
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let timers = self
                .nodes
                .iter()
                .filter_map(|node| node.speaker.deadline())
                .min();
            let Some(next) = [timers, self.network.next_arrival()]
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(arrival) = self.network.arrive(self.now) {
                self.arrive(arrival);
                self.settle();
            }
            for node in &mut self.nodes {
                node.speaker.tick(self.now);
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.now;
        match arrival {
            Arrival::Connected { end, outgoing } => {
                let direction = if outgoing {
                    Direction::Outgoing
                } else {
                    Direction::Incoming
                };
                let local = address(end.speaker).into();
                let event = PeerEvent::Connected {
                    connection: end.connection,
                    direction,
                    local,
                    interface: None,
                };
                self.nodes[end.speaker].speaker.step(end.peer, event, now);
            }
            Arrival::Failed { speaker, peer } => {
                self.nodes[speaker]
                    .speaker
                    .step(peer, PeerEvent::ConnectFailed, now);
            }
            Arrival::Octets(end, octets) => {
                let node = &mut self.nodes[end.speaker];
                let buffer = node.buffers.entry((end.peer, end.connection)).or_default();
                buffer.extend_from_slice(&octets);
                node.speaker.read(end.peer, end.connection, buffer, now);
            }
            Arrival::Closed(end) => {
                self.network.forget(end);
                self.nodes[end.speaker]
                    .buffers
                    .remove(&(end.peer, end.connection));
                self.nodes[end.speaker].speaker.step(
                    end.peer,
                    PeerEvent::Closed(end.connection),
                    now,
                );
            }
        }
    }

    /// Carries out what the speakers want until they want nothing.
    fn settle(&mut self) {
        let now = self.now;
        for number in 0..self.nodes.len() {
            loop {
                let orders = self.nodes[number].speaker.drain(now);
                if orders.is_empty() {
                    break;
                }
                for order in orders {
                    self.obey(number, order);
                }
            }
        }
    }

    fn obey(&mut self, speaker: usize, order: SpeakerOrder) {
        let now = self.now;
        match order {
            SpeakerOrder::Connect(peer) => self.network.connect(speaker, peer, now),
            SpeakerOrder::Send(peer, connection, octets) => {
                self.network.transmit(
                    End {
                        speaker,
                        peer,
                        connection,
                    },
                    octets,
                    now,
                );
                self.nodes[speaker]
                    .speaker
                    .step(peer, PeerEvent::Progress(connection), now);
            }
            SpeakerOrder::Close(peer, connection) => self.network.close(
                End {
                    speaker,
                    peer,
                    connection,
                },
                now,
            ),
            SpeakerOrder::Faulty(peer, fault) => panic!(
                "seed {}: speaker {speaker} got a malformed UPDATE of {peer:?}: {fault}",
                self.seed
            ),
            SpeakerOrder::AbortConnect(_)
            | SpeakerOrder::Forward(_)
            | SpeakerOrder::NearLimit(..)
            | SpeakerOrder::Changed { .. } => {}
        }
    }
}

/// The address of a speaker.
pub(crate) fn address(speaker: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, u8::try_from(speaker + 1).expect("a small world"))
}

pub(crate) fn peer_id(speaker: usize) -> PeerId {
    PeerId(u32::try_from(speaker).expect("a small world"))
}
