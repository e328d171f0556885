// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A whole speaker between a neighbour that says whatever the script wants and one that understands only what is right.

use std::{collections::BTreeSet, net::Ipv4Addr};

use bgp_fsm::{ConnectionId, Direction, Mode, PeerAs, SessionConfig, State, StopReason};
use bgp_proto::{
    Asn, Capability, Family, Framer, HoldTime, Instant, Message, MessageKind, Negotiated,
    Notification, Open, Prefix, RouterId, Update, Verdict,
};
use bgpd::{
    peer::{PeerEvent, PeerSettings, PrefixLimit},
    speaker::{Speaker, SpeakerOrder},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use rib::{PeerId, RibConfig};

use super::{
    promises::Promises,
    script::{LOCAL, REMOTE, Script},
};

/// The neighbour of the script.
const WILD: PeerId = PeerId(1);
/// The neighbour that listens.
const TAME: PeerId = PeerId(2);
/// Its only connection.
const WIRE: ConnectionId = ConnectionId(1);

pub(super) fn run(script: &mut Script<'_>) {
    let mut driver = Driver::new(script);
    while let Some(line) = script.line() {
        driver.line(line, script);
    }
    driver.step(PeerEvent::Stop(StopReason::Deconfigured));
    assert!(driver.promises.is_at_rest());
    assert_eq!(
        driver.speaker.peer(TAME).map(|peer| peer.session().state()),
        Some(State::Established)
    );
    assert!(driver.tame.routes.is_empty(), "routes outlive their source");
}

struct Driver {
    speaker: Speaker,
    promises: Promises,
    buffers: Vec<(ConnectionId, BytesMut)>,
    tame: Tame,
    now: Instant,
}

impl Driver {
    /// The tame session is up, the wild one has started.
    fn new(script: &mut Script<'_>) -> Self {
        let bits = script.octet();
        let bit = |number: u8| bits & (1 << number) != 0;
        let us = router_id(200);
        let mut driver = Self {
            speaker: Speaker::new(RibConfig::new(LOCAL, us), 1),
            promises: Promises::new(),
            buffers: Vec::new(),
            tame: Tame::new(if bit(0) { LOCAL } else { Asn(64514) }, bit(1)),
            now: Instant::ZERO,
        };
        let mut tame = settings(TAME, SessionConfig::new(LOCAL, PeerAs::Any, us));
        tame.session.hold_time = HoldTime::OFF;
        tame.session.mode = Mode::Passive;
        tame.session.capabilities = Script::new(&[0x17]).capabilities();
        tame.route_reflector_client = bit(2);
        driver.speaker.add_peer(tame, driver.now);
        driver.settle();
        driver.greet();
        let peer_as = if bit(3) {
            PeerAs::Any
        } else {
            PeerAs::Exact(REMOTE)
        };
        let mut wild = settings(WILD, SessionConfig::new(LOCAL, peer_as, us));
        wild.session.mode = if bit(4) { Mode::Passive } else { Mode::Active };
        wild.session.delay_open = bit(5).then(|| script.time());
        wild.session.capabilities = script.capabilities();
        wild.route_reflector_client = bit(6);
        if bit(7) {
            wild.limits.push(PrefixLimit {
                family: Family::IPV4_UNICAST,
                max: 3,
                action: bgpd::config::LimitAction::Restart,
                warn_percent: Some(60),
                restart: Some(script.time()),
            });
        }
        driver.speaker.add_peer(wild, driver.now);
        driver.settle();
        driver
    }

    fn greet(&mut self) {
        let event = PeerEvent::Connected {
            connection: WIRE,
            direction: Direction::Incoming,
            local: Ipv4Addr::new(192, 0, 2, 200).into(),
            interface: None,
        };
        self.speaker.step(TAME, event, self.now);
        let hello = [Message::Open(self.tame.open.clone()), Message::Keepalive];
        let mut buffer: BytesMut = hello.iter().flat_map(Message::encode).collect();
        self.speaker.read(TAME, WIRE, &mut buffer, self.now);
        self.settle();
    }

    fn line(&mut self, line: u8, script: &mut Script<'_>) {
        let connection = self.promises.recent(line >> 6);
        match line & 0x0f {
            0 => self.step(PeerEvent::Start),
            1 => self.step(PeerEvent::Stop(StopReason::OutOfResources)),
            number @ (2 | 3) => self.connected(number == 2),
            4 if self.promises.connect_failed() => self.step(PeerEvent::ConnectFailed),
            5 => {
                self.promises.lost(connection);
                self.step(PeerEvent::Closed(connection));
            }
            6 => self.read(connection, script.octets()),
            7 => {
                let message = framed(script.octet(), script.octets());
                self.read(connection, &message);
            }
            8 | 9 => self.read(connection, &framed(2, script.octets())),
            10 => self.step(PeerEvent::Progress(connection)),
            11 => {
                self.now = self.now + script.time();
                self.tick();
            }
            12 | 13 => self.read(connection, &Message::Keepalive.encode()),
            14 => self.read(connection, &Message::Open(script.open()).encode()),
            _ if script.flag() => self.step(PeerEvent::RefreshOut),
            _ => {
                if let Some(deadline) = self.speaker.deadline() {
                    self.now = self.now.max(deadline);
                    self.tick();
                }
            }
        }
    }

    fn connected(&mut self, outgoing: bool) {
        let direction = if outgoing {
            Direction::Outgoing
        } else {
            Direction::Incoming
        };
        if let Some(connection) = self.promises.connected(outgoing) {
            self.buffers.push((connection, BytesMut::new()));
            let local = Ipv4Addr::new(10, 0, 0, 200).into();
            self.step(PeerEvent::Connected {
                connection,
                direction,
                local,
                interface: None,
            });
        }
    }

    fn read(&mut self, connection: ConnectionId, octets: &[u8]) {
        let known = self.buffers.iter_mut().find(|(id, _)| *id == connection);
        if let Some((_, buffer)) = known {
            buffer.extend_from_slice(octets);
            self.speaker.read(WILD, connection, buffer, self.now);
            self.settle();
            self.check(false);
        }
    }

    fn step(&mut self, event: PeerEvent) {
        self.speaker.step(WILD, event, self.now);
        self.settle();
        self.check(false);
    }

    fn tick(&mut self) {
        self.speaker.tick(self.now);
        self.settle();
        self.check(true);
    }

    fn check(&self, ticked: bool) {
        let peer = self.speaker.peer(WILD).expect("it was added");
        self.promises.check(peer.session(), self.now, ticked);
    }

    fn settle(&mut self) {
        loop {
            let orders = self.speaker.drain(self.now);
            if orders.is_empty() {
                return;
            }
            for order in orders {
                self.obey(order);
            }
        }
    }

    fn obey(&mut self, order: SpeakerOrder) {
        match order {
            SpeakerOrder::Send(TAME, _, octets) => self.tame.read(&octets),
            SpeakerOrder::Connect(WILD) => self.promises.connect(),
            SpeakerOrder::AbortConnect(WILD) => self.promises.abort_connect(),
            SpeakerOrder::Send(_, connection, octets) => {
                self.promises.send(connection);
                assert!(octets.len() >= 19);
            }
            SpeakerOrder::Close(WILD, connection) => self.promises.close(connection),
            SpeakerOrder::Changed {
                peer: WILD,
                from,
                to,
                ..
            } => self.promises.changed(from, to),
            SpeakerOrder::Faulty(_, fault) => {
                assert!(!fault.contains(char::is_control), "{fault:?}");
            }
            SpeakerOrder::Connect(_) | SpeakerOrder::AbortConnect(_) | SpeakerOrder::Close(..) => {
                panic!("the tame neighbour is disturbed: {order:?}")
            }
            _ => {}
        }
    }
}

/// The neighbour that listens, and what it has heard.
struct Tame {
    open: Open,
    framer: Framer,
    session: Negotiated,
    routes: BTreeSet<(Prefix, u32)>,
}

impl Tame {
    fn new(asn: Asn, four_octets: bool) -> Self {
        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        let mut capabilities = families.map(Capability::Multiprotocol).to_vec();
        capabilities.push(Capability::ExtendedMessage);
        if four_octets {
            capabilities.push(Capability::FourOctetAs(asn));
        }
        let open = Open {
            asn,
            hold_time: HoldTime::OFF,
            router_id: router_id(201),
            capabilities,
        };
        Self {
            open,
            framer: Framer::default(),
            session: Negotiated::default(),
            routes: BTreeSet::new(),
        }
    }

    fn read(&mut self, octets: &Bytes) {
        let mut buffer = BytesMut::from(&octets[..]);
        while let Some(frame) = self.framer.next(&mut buffer).expect("frames are right") {
            match frame.kind {
                MessageKind::Open => {
                    let theirs = Open::decode(frame.body()).expect("an OPEN is right");
                    self.session = Negotiated::from_opens(&self.open, &theirs);
                    self.framer.set_max_message(self.session.max_message);
                }
                MessageKind::Update => self.update(frame.body()),
                MessageKind::Keepalive => {}
                MessageKind::Notification => panic!("{}", Notification::decode(frame.body())),
                MessageKind::RouteRefresh => panic!("nobody asked for a refresh"),
            }
        }
        assert!(buffer.is_empty(), "part of a message");
    }

    fn update(&mut self, body: &[u8]) {
        let update = Update::decode(body, &self.session).expect("an UPDATE is right");
        assert_eq!(
            (update.verdict(), update.faults()),
            (Verdict::Accept, &[][..])
        );
        for block in update.withdrawn() {
            for (path, prefix) in block.prefixes() {
                assert!(
                    self.routes.remove(&(prefix, path)),
                    "{prefix} was never announced"
                );
            }
        }
        for (_, block) in update.announced() {
            self.routes
                .extend(block.prefixes().map(|(path, prefix)| (prefix, path)));
        }
    }
}

fn settings(id: PeerId, session: SessionConfig) -> PeerSettings {
    let address = Ipv4Addr::new(10, 0, 0, 1).into();
    PeerSettings::new(id, address, session)
}

fn router_id(last: u8) -> RouterId {
    RouterId::new([10, 0, 0, last].into()).expect("not zero")
}

/// A message around a body, whatever both are.
fn framed(kind: u8, body: &[u8]) -> Bytes {
    let length = u16::try_from(19 + body.len()).unwrap_or(u16::MAX);
    let mut message = BytesMut::from(&[0xff; 16][..]);
    message.put_u16(length);
    message.put_u8(kind);
    message.put_slice(body);
    message.freeze()
}
