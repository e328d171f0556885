// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A RIB with its neighbours: they decode what they are sent and keep the table that follows from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use bgp_proto::{
    AsPath, Asn, Family, Framer, Instant, MessageKind, Negotiated, NegotiatedFamily, NextHop,
    Origin, PathAttributes, PeerKind, Prefix, RouterId, Update, Verdict,
};
use bytes::BytesMut;
use rib::{
    Disposition, FibRoute, Input, NextHopMode, Output, PathsSent, PeerId, PeerInfo, Policy,
    Relation, RibConfig, RouteBatch, RouteQuery, Shards, Source, Table,
};

/// Our AS in all tests.
pub(crate) const LOCAL_AS: Asn = Asn(64512);

/// Our address towards all neighbours.
pub(crate) const LOCAL_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

/// Our IPv6 address towards all neighbours.
pub(crate) const LOCAL_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfe);

/// A neighbour's routes, as it has understood them, by prefix and path identifier.
pub(crate) type Heard = BTreeMap<(Prefix, u32), PathAttributes>;

/// A neighbour.
#[derive(Debug)]
pub(crate) struct Neighbour {
    session: Negotiated,
    pub(crate) heard: Heard,
    pub(crate) fed: BTreeSet<Family>,
    /// It does not read: being sent anything is a fault.
    pub(crate) is_congested: bool,
    pub(crate) messages: usize,
    /// Announcements and withdrawals that told it nothing new.
    pub(crate) needless: usize,
}

/// The RIB and all around it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rib: Shards,
    output: Output,
    pub(crate) neighbours: BTreeMap<PeerId, Neighbour>,
    pub(crate) forwarding: BTreeMap<Prefix, FibRoute>,
    pub(crate) tracked: BTreeSet<IpAddr>,
    pub(crate) too_large: u64,
    now: u64,
}

pub(crate) fn config() -> RibConfig {
    RibConfig::new(LOCAL_AS, RouterId::new(LOCAL_V4).unwrap())
}

impl World {
    pub(crate) fn new(config: RibConfig, shards: usize) -> Self {
        Self {
            rib: Shards::new(config, shards),
            output: Output::default(),
            neighbours: BTreeMap::new(),
            forwarding: BTreeMap::new(),
            tracked: BTreeSet::new(),
            too_large: 0,
            now: 0,
        }
    }

    pub(crate) fn plain() -> Self {
        Self::new(config(), 1)
    }

    /// Feeds the RIB, and keeps the neighbours' sessions in step.
    pub(crate) fn step(&mut self, input: Input) {
        match &input {
            Input::PeerUp(info) => {
                let neighbour = Neighbour {
                    session: their_side(&info.negotiated),
                    heard: Heard::new(),
                    fed: BTreeSet::new(),
                    is_congested: false,
                    messages: 0,
                    needless: 0,
                };
                self.neighbours.insert(info.id, neighbour);
            }
            Input::PeerDown(id) | Input::PeerLost(id) => {
                self.neighbours.remove(id);
            }
            Input::Congested(id) => self.set_congested(*id, true),
            Input::Drained(id) => self.set_congested(*id, false),
            _ => {}
        }
        self.now += 1;
        self.rib.step(input, Instant::from_nanos(self.now));
    }

    fn set_congested(&mut self, id: PeerId, is_congested: bool) {
        if let Some(neighbour) = self.neighbours.get_mut(&id) {
            neighbour.is_congested = is_congested;
        }
    }

    /// Drains once; what was said reaches the neighbours and the forwarding table.
    pub(crate) fn drain(&mut self) {
        self.rib.drain(&mut self.output);
        let mut output = std::mem::take(&mut self.output);
        for change in output.install.drain(..) {
            let route = change.best.expect("what is installed has a route");
            let old = self.forwarding.insert(change.prefix, route.clone());
            assert_ne!(old, Some(route), "{} is installed twice", change.prefix);
        }
        for transmit in output.transmit.drain(..) {
            assert!(!transmit.recipients.is_empty(), "a message for nobody");
            for id in transmit.recipients.iter() {
                let neighbour = self.neighbours.get_mut(&id);
                neighbour
                    .expect("a message for one who is not there")
                    .hear(&transmit.messages, transmit.count);
            }
        }
        for change in output.remove.drain(..) {
            assert_eq!(change.best, None, "{}", change.prefix);
            let old = self.forwarding.remove(&change.prefix);
            assert!(
                old.is_some(),
                "{} is removed and was not there",
                change.prefix
            );
        }
        for (id, family) in output.fed.drain(..) {
            if let Some(neighbour) = self.neighbours.get_mut(&id) {
                neighbour.fed.insert(family);
            }
        }
        for address in output.track.drain(..) {
            assert!(self.tracked.insert(address), "{address} is tracked twice");
        }
        for address in output.untrack.drain(..) {
            assert!(self.tracked.remove(&address), "{address} was not tracked");
        }
        self.too_large += output.too_large;
        output.clear();
        self.output = output;
    }

    /// Drains until there is nothing left to do.
    pub(crate) fn settle(&mut self) {
        self.drain();
        for _ in 0..1000 {
            if !self.rib.has_work() {
                return;
            }
            self.drain();
        }
        panic!("the RIB always has something to do");
    }

    pub(crate) fn announce(&mut self, source: Source, prefix: &str, attributes: PathAttributes) {
        self.announce_path(source, prefix, 0, attributes);
    }

    pub(crate) fn announce_path(
        &mut self,
        source: Source,
        prefix: &str,
        id: u32,
        attributes: PathAttributes,
    ) {
        let nlri = (prefix.parse().unwrap(), id);
        self.step(Input::Routes(announcement(source, nlri, attributes)));
    }

    pub(crate) fn withdraw(&mut self, source: Source, prefix: &str) {
        self.withdraw_path(source, prefix, 0);
    }

    pub(crate) fn withdraw_path(&mut self, source: Source, prefix: &str, id: u32) {
        let mut batch = RouteBatch::new(source);
        batch.withdraw(prefix.parse().unwrap(), id);
        self.step(Input::Routes(batch));
    }

    pub(crate) fn up(&mut self, info: PeerInfo) {
        self.step(Input::PeerUp(Box::new(info)));
    }

    /// What a neighbour has heard.
    pub(crate) fn heard(&self, peer: u32) -> &Heard {
        &self.neighbours[&PeerId(peer)].heard
    }

    /// What the RIB says a neighbour has heard; asked for in small pages.
    pub(crate) fn adj_out(&self, peer: PeerId) -> Heard {
        let mut heard = Heard::new();
        let mut query = RouteQuery {
            table: Table::AdjOut(peer),
            family: None,
            prefix: None,
            best_only: false,
            after: None,
            limit: 2,
        };
        loop {
            let page = self.rib.routes(&query);
            let views = page.routes.into_iter();
            heard.extend(views.map(|view| {
                let mut attributes = view.attributes.unpack();
                // Set where it is written (RFC 4271 §9).
                attributes
                    .unknown
                    .iter_mut()
                    .for_each(|it| it.flags |= 0x20);
                ((view.prefix, view.path_id), attributes)
            }));
            query.after = page.next;
            if page.next.is_none() {
                return heard;
            }
        }
    }

    /// What a neighbour has heard of one prefix.
    pub(crate) fn heard_of(&self, peer: u32, prefix: &str) -> Option<&PathAttributes> {
        self.heard(peer).get(&(prefix.parse().unwrap(), 0))
    }

    /// Path identifiers with which a neighbour has heard of one prefix, and where the paths begin: the first AS.
    pub(crate) fn identifiers(&self, peer: u32, prefix: &str) -> BTreeMap<u32, Option<Asn>> {
        let prefix: Prefix = prefix.parse().unwrap();
        let heard = self.heard(peer).range((prefix, 0)..=(prefix, u32::MAX));
        heard
            .map(|((_, id), attributes)| (*id, attributes.as_path.neighbor_as()))
            .collect()
    }
}

impl Neighbour {
    fn hear(&mut self, messages: &bytes::Bytes, count: u32) {
        assert!(!self.is_congested, "sent to a neighbour that does not read");
        let mut framer = Framer::default();
        framer.set_max_message(self.session.max_message);
        let mut buffer = BytesMut::from(&messages[..]);
        for _ in 0..count {
            let frame = framer.next(&mut buffer).unwrap().expect("a whole message");
            self.hear_one(&frame);
        }
        assert!(buffer.is_empty(), "more messages than were said");
    }

    fn hear_one(&mut self, frame: &bgp_proto::Frame) {
        self.messages += 1;
        assert_eq!(frame.kind, MessageKind::Update);
        let update = Update::decode(frame.body(), &self.session).expect("a valid UPDATE");
        assert_eq!(update.verdict(), Verdict::Accept, "{:?}", update.faults());
        assert_eq!(update.end_of_rib(), None, "End-of-RIB is the driver's");
        for (id, prefix) in update.withdrawn().flat_map(|block| block.prefixes()) {
            if self.heard.remove(&(prefix, id)).is_none() {
                self.needless += 1;
            }
        }
        for (attributes, block) in update.announced() {
            for (id, prefix) in block.prefixes() {
                if self.heard.insert((prefix, id), attributes.clone()).as_ref() == Some(attributes)
                {
                    self.needless += 1;
                }
            }
        }
    }
}

/// The session as the neighbour sees it.
fn their_side(ours: &Negotiated) -> Negotiated {
    let mut theirs = ours.clone();
    for family in &mut theirs.families {
        std::mem::swap(&mut family.add_path_receive, &mut family.add_path_send);
    }
    theirs
}

/// A batch of one route.
pub(crate) fn announcement(
    source: Source,
    (prefix, path_id): (Prefix, u32),
    attributes: PathAttributes,
) -> RouteBatch {
    let mut batch = RouteBatch::new(source);
    let disposition = match source {
        Source::Bgp(_) => Disposition::Via(attributes.next_hop),
        _ => Disposition::Blackhole,
    };
    let path = batch.push_path(attributes, disposition);
    batch.announce(prefix, path_id, path);
    batch
}

/// Address of a neighbour.
pub(crate) fn address(peer: u32) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, u8::try_from(peer).unwrap())
}

/// IPv6 address of a neighbour.
pub(crate) fn address_v6(peer: u32) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::try_from(peer).unwrap())
}

pub(crate) fn session(relation: Relation) -> Negotiated {
    let family = |family| NegotiatedFamily {
        family,
        add_path_receive: false,
        add_path_send: false,
        extended_next_hop: false,
    };
    Negotiated {
        four_octet_as: true,
        families: vec![family(Family::IPV4_UNICAST), family(Family::IPV6_UNICAST)],
        kind: if relation == Relation::External {
            PeerKind::External
        } else {
            PeerKind::Internal
        },
        ..Negotiated::default()
    }
}

/// A neighbour with everything usual.
pub(crate) fn peer(number: u32, relation: Relation) -> PeerInfo {
    PeerInfo {
        id: PeerId(number),
        address: address(number).into(),
        relation,
        peer_as: match relation {
            Relation::External | Relation::Member => Asn(65000 + number),
            Relation::Internal | Relation::Client => LOCAL_AS,
        },
        local_as: LOCAL_AS,
        router_id: RouterId::new(address(number)).unwrap(),
        local_v4: Some(LOCAL_V4),
        local_v6: Some(LOCAL_V6),
        local_link_local: None,
        negotiated: session(relation),
        next_hop: NextHopMode::Auto,
        import: Policy::accept_all(),
        export: Policy::accept_all(),
        allow_own_as: 0,
        terms: rib::Terms::default(),
        shared_subnets: Vec::new(),
        weight: 0,
        paths_sent: Vec::new(),
    }
}

/// A neighbour that takes several paths of a prefix.
pub(crate) fn several(number: u32, relation: Relation, paths: PathsSent) -> PeerInfo {
    let mut info = peer(number, relation);
    for family in &mut info.negotiated.families {
        family.add_path_send = true;
        info.paths_sent.push((family.family, paths));
    }
    info
}

/// Attributes of a route from a neighbour of ours.
pub(crate) fn attributes(peer: u32, as_path: &[u32]) -> PathAttributes {
    let path = AsPath::from_sequence(as_path.iter().copied().map(Asn));
    PathAttributes::new(Origin::Igp, path, NextHop::V4(address(peer)))
}

/// Attributes of a route of our own.
pub(crate) fn local() -> PathAttributes {
    PathAttributes::new(
        Origin::Igp,
        AsPath::empty(),
        NextHop::V4(Ipv4Addr::UNSPECIFIED),
    )
}

pub(crate) fn from(peer: u32) -> Source {
    Source::Bgp(PeerId(peer))
}
