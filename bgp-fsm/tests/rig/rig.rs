// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A machine on a bench: driven by hand, on a clock that the test moves.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{net::Ipv4Addr, time::Duration};

use bgp_fsm::{
    Action, ConnectionId, Direction, DownReason, Event, PeerAs, Session, SessionConfig, State,
};
use bgp_proto::{
    Asn, Capability, Code, HoldTime, Instant, Message, Negotiated, Notification, Open, RouterId,
};

pub(crate) const LOCAL: Asn = Asn(64512);
pub(crate) const REMOTE: Asn = Asn(65001);
pub(crate) const FIRST: ConnectionId = ConnectionId(1);
pub(crate) const SECOND: ConnectionId = ConnectionId(2);
pub(crate) const THIRD: ConnectionId = ConnectionId(3);

pub(crate) fn id(last: u8) -> RouterId {
    RouterId::new(Ipv4Addr::new(192, 0, 2, last)).unwrap()
}

/// We are 192.0.2.2 in AS 64512 and want AS 65001.
pub(crate) fn config() -> SessionConfig {
    SessionConfig::new(LOCAL, PeerAs::Exact(REMOTE), id(2))
}

/// The OPEN of the peer: 192.0.2.`last` in AS 65001, hold time 90 s.
pub(crate) fn open(last: u8) -> Open {
    Open {
        asn: REMOTE,
        hold_time: HoldTime::from_wire(90).unwrap(),
        router_id: id(last),
        capabilities: vec![Capability::FourOctetAs(REMOTE)],
    }
}

pub(crate) struct Rig {
    pub(crate) session: Session,
    pub(crate) now: Instant,
}

impl Rig {
    pub(crate) fn new(config: SessionConfig) -> Self {
        let session = Session::new(config);
        let now = Instant::from_nanos(1_000_000_000);
        Self { session, now }
    }

    /// A machine in Established on [`FIRST`], which we dialled.
    pub(crate) fn established(config: SessionConfig, remote: Open) -> Self {
        let mut rig = Self::new(config);
        rig.reach_open_sent();
        rig.open(FIRST, remote);
        rig.keepalive(FIRST);
        assert_eq!(rig.state(), State::Established);
        rig
    }

    pub(crate) fn reach_open_sent(&mut self) {
        self.step(Event::Start);
        self.connected(FIRST, Direction::Outgoing);
    }

    pub(crate) fn step(&mut self, event: Event) -> Vec<Action> {
        self.session.step(event, self.now);
        self.session.drain().collect()
    }

    pub(crate) fn state(&self) -> State {
        self.session.state()
    }

    pub(crate) fn connected(
        &mut self,
        connection: ConnectionId,
        direction: Direction,
    ) -> Vec<Action> {
        self.step(Event::Connected {
            connection,
            direction,
        })
    }

    pub(crate) fn closed(&mut self, connection: ConnectionId) -> Vec<Action> {
        self.step(Event::Closed { connection })
    }

    pub(crate) fn open(&mut self, connection: ConnectionId, open: Open) -> Vec<Action> {
        self.step(Event::Open { connection, open })
    }

    pub(crate) fn keepalive(&mut self, connection: ConnectionId) -> Vec<Action> {
        self.step(Event::Keepalive { connection })
    }

    pub(crate) fn fault(
        &mut self,
        connection: ConnectionId,
        notification: Notification,
    ) -> Vec<Action> {
        self.step(Event::Fault {
            connection,
            notification,
        })
    }

    /// Moves the clock to the deadline and ticks.
    pub(crate) fn tick(&mut self) -> Vec<Action> {
        self.now = self.session.deadline().expect("a timer runs");
        self.step(Event::Tick)
    }

    /// Time until the next deadline.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.session
            .deadline()
            .map(|at| at.saturating_since(self.now))
    }

    /// Lets time pass, ticking whenever a deadline comes.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Action> {
        let end = self.now + time;
        let mut actions = Vec::new();
        while self.session.deadline().is_some_and(|at| at <= end) {
            actions.extend(self.tick());
        }
        self.now = end;
        actions
    }
}

/// NOTIFICATIONs among the actions.
pub(crate) fn notifications(actions: &[Action]) -> Vec<(ConnectionId, Notification)> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send {
            connection,
            message: Message::Notification(notification),
        } => Some((*connection, notification.clone())),
        _ => None,
    });
    sent.collect()
}

/// Their codes.
pub(crate) fn codes(actions: &[Action]) -> Vec<(ConnectionId, Code)> {
    let all = notifications(actions).into_iter();
    all.map(|(connection, notification)| (connection, notification.code))
        .collect()
}

pub(crate) fn keepalives(actions: &[Action]) -> usize {
    let is_keepalive = |action: &&Action| {
        matches!(
            action,
            Action::Send {
                message: Message::Keepalive,
                ..
            }
        )
    };
    actions.iter().filter(is_keepalive).count()
}

pub(crate) fn closes(actions: &[Action]) -> Vec<ConnectionId> {
    let closed = actions.iter().filter_map(|action| match action {
        Action::Close { connection } => Some(*connection),
        _ => None,
    });
    closed.collect()
}

pub(crate) fn sent_open(actions: &[Action]) -> Option<Open> {
    actions.iter().find_map(|action| match action {
        Action::Send {
            message: Message::Open(open),
            ..
        } => Some(open.clone()),
        _ => None,
    })
}

pub(crate) fn up(actions: &[Action]) -> Option<(ConnectionId, Negotiated)> {
    actions.iter().find_map(|action| match action {
        Action::Up {
            connection,
            negotiated,
            ..
        } => Some((*connection, negotiated.clone())),
        _ => None,
    })
}

pub(crate) fn down(actions: &[Action]) -> Option<DownReason> {
    actions.iter().find_map(|action| match action {
        Action::Down { reason } => Some(reason.clone()),
        _ => None,
    })
}
