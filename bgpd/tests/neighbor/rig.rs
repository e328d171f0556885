// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A neighbour driven by hand: what it says, and what comes of it.

use std::{net::Ipv4Addr, time::Duration};

use bgp_fsm::{ConnectionId, Direction, Mode, PeerAs, SessionConfig};
use bgp_proto::{
    Asn, Capability, Family, Framer, GracefulRestart, HoldTime, Instant, Message, MessageKind,
    Negotiated, Notification, Open, RefreshSubtype, RestartFamily, RouteRefresh, RouterId, Update,
    UpdateWriter,
};
use bgpd::peer::{Peer, PeerEvent, PeerOrder, PeerSettings};
use bytes::{Bytes, BytesMut};
use rib::{Input, PeerId};

pub(crate) const BOTH: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
pub(crate) const RESTART_TIME: u16 = 30;

/// What comes of it: for the RIB, for the neighbour, for the log.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Told {
    Up,
    Down,
    Lost,
    Mark(Family),
    Sweep(Family),
    Again(Family),
    Said(Notification),
    /// Marks of enhanced route refresh, and End-of-RIB.
    Asks(Family),
    Begins(Family),
    Ends(Family),
    Ended(Family),
    Odd(String),
    Near(Family, u64, u32),
}

use Told::{Again, Asks, Begins, Down, Ended, Ends, Lost, Mark, Near, Odd, Said, Sweep, Up};

/// A neighbour, and what it says on one connection after the other.
pub(crate) struct Rig {
    pub(crate) peer: Peer,
    now: Instant,
    connection: ConnectionId,
}

impl Rig {
    pub(crate) fn new(helper: bool) -> Self {
        let us = RouterId::new(Ipv4Addr::new(192, 0, 2, 1)).unwrap();
        let mut session = SessionConfig::new(Asn(64512), PeerAs::Any, us);
        session.hold_time = HoldTime::OFF;
        session.mode = Mode::Passive;
        session.capabilities = BOTH.map(Capability::Multiprotocol).to_vec();
        if helper {
            session.capabilities.extend(restarting(&BOTH, true));
        }
        session
            .capabilities
            .extend([Capability::RouteRefresh, Capability::EnhancedRouteRefresh]);
        let address = Ipv4Addr::new(192, 0, 2, 2).into();
        Self::with(PeerSettings::new(PeerId(1), address, session))
    }

    pub(crate) fn with(settings: PeerSettings) -> Self {
        let mut rig = Self {
            peer: Peer::new(settings),
            now: Instant::ZERO,
            connection: ConnectionId(0),
        };
        rig.step(PeerEvent::Start);
        rig
    }

    /// `capabilities` without any family stand for both.
    pub(crate) fn come_up(&mut self, capabilities: &[Capability]) -> Vec<Told> {
        let mut capabilities = capabilities.to_vec();
        if !capabilities
            .iter()
            .any(|one| matches!(one, Capability::Multiprotocol(_)))
        {
            capabilities.extend(BOTH.map(Capability::Multiprotocol));
        }
        let open = Open {
            asn: Asn(64513),
            hold_time: HoldTime::OFF,
            router_id: RouterId::new(Ipv4Addr::new(192, 0, 2, 2)).unwrap(),
            capabilities,
        };
        // The rest after an error.
        self.pass(2);
        self.connection.0 += 1;
        let local = Ipv4Addr::new(192, 0, 2, 1).into();
        let mut told = self.step(PeerEvent::Connected {
            connection: self.connection,
            direction: Direction::Incoming,
            local,
            interface: None,
        });
        told.extend(self.hear(&Message::Open(open).encode()));
        told.extend(self.hear(&Message::Keepalive.encode()));
        told
    }

    pub(crate) fn break_off(&mut self) -> Vec<Told> {
        self.step(PeerEvent::Closed(self.connection))
    }

    pub(crate) fn end_of_rib(&mut self, family: Family) -> Vec<Told> {
        self.hear(&UpdateWriter::new(&Negotiated::default()).end_of_rib(family))
    }

    pub(crate) fn hear(&mut self, message: &Bytes) -> Vec<Told> {
        let mut buffer = BytesMut::from(&message[..]);
        self.peer.read(self.connection, &mut buffer, self.now);
        self.told()
    }

    pub(crate) fn step(&mut self, event: PeerEvent) -> Vec<Told> {
        self.peer.step(event, self.now);
        self.told()
    }

    /// Lets seconds pass; the clock stops at every deadline.
    pub(crate) fn pass(&mut self, seconds: u64) -> Vec<Told> {
        let end = self.now + Duration::from_secs(seconds);
        let mut told = Vec::new();
        while let Some(deadline) = self.peer.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            told.extend(self.step(PeerEvent::Tick));
        }
        self.now = end;
        told
    }

    fn told(&mut self) -> Vec<Told> {
        let told = |order| match order {
            PeerOrder::Rib(Input::PeerUp(_)) => Some(Up),
            PeerOrder::Rib(Input::PeerDown(_)) => Some(Down),
            PeerOrder::Rib(Input::PeerLost(_)) => Some(Lost),
            PeerOrder::Rib(Input::SweepStale(_, family)) => Some(Sweep(family)),
            PeerOrder::Rib(Input::MarkStale(_, family)) => Some(Mark(family)),
            PeerOrder::Rib(Input::Refresh(_, family)) => Some(Again(family)),
            PeerOrder::Send(_, octets) => said(&octets),
            PeerOrder::OutOfTurn(what) => Some(Odd(what)),
            PeerOrder::NearLimit(family, count, limit) => Some(Near(family, count, limit)),
            _ => None,
        };
        self.peer.drain().filter_map(told).collect()
    }
}

/// What a message says, unless it belongs to the session alone.
fn said(message: &[u8]) -> Option<Told> {
    let mut buffer = BytesMut::from(message);
    let frame = Framer::default().next(&mut buffer).unwrap()?;
    match frame.kind {
        MessageKind::Notification => Some(Said(Notification::decode(frame.body()))),
        MessageKind::RouteRefresh => {
            let RouteRefresh { family, subtype } = RouteRefresh::decode(frame.body()).unwrap();
            Some(match subtype {
                RefreshSubtype::BEGIN => Begins(family),
                RefreshSubtype::END => Ends(family),
                _ => Asks(family),
            })
        }
        MessageKind::Update => {
            let ours = Open {
                asn: Asn(64512),
                hold_time: HoldTime::OFF,
                router_id: RouterId::new(Ipv4Addr::new(192, 0, 2, 1)).unwrap(),
                capabilities: BOTH.map(Capability::Multiprotocol).to_vec(),
            };
            let negotiated = Negotiated::from_opens(&ours, &ours);
            let update = Update::decode(frame.body(), &negotiated).unwrap();
            update.end_of_rib().map(Ended)
        }
        MessageKind::Open | MessageKind::Keepalive => None,
    }
}

pub(crate) fn restarting(families: &[Family], preserved: bool) -> Vec<Capability> {
    let entry = |family: &Family| RestartFamily {
        family: *family,
        forwarding_preserved: preserved,
    };
    vec![Capability::GracefulRestart(GracefulRestart {
        restart_time: RESTART_TIME,
        families: families.iter().map(entry).collect(),
        ..GracefulRestart::default()
    })]
}
