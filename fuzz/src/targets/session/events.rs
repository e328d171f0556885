// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A session machine alone, fed with events.

use std::time::Duration;

use bgp_fsm::{
    Action, ConnectionId, Direction, Event, Mode, PeerAs, Session, SessionConfig, StopReason,
};
use bgp_proto::{Code, Instant, Notification};

use super::{
    promises::Promises,
    script::{LOCAL, REMOTE, Script},
};

pub(super) fn run(script: &mut Script<'_>) {
    let mut driver = Driver {
        session: Session::new(config(script)),
        promises: Promises::new(),
        now: Instant::ZERO,
        up: None,
    };
    driver.step(Event::Start);
    while let Some(line) = script.line() {
        driver.line(line, script);
    }
    driver.step(Event::Stop(StopReason::Deconfigured));
    assert!(driver.promises.is_at_rest() && driver.up.is_none());
    assert_eq!(driver.session.deadline(), None);
}

fn config(script: &mut Script<'_>) -> SessionConfig {
    let bits = script.octet();
    let bit = |number: u8| bits & (1 << number) != 0;
    let peer_as = if bit(0) {
        PeerAs::Any
    } else {
        PeerAs::Exact(REMOTE)
    };
    SessionConfig {
        hold_time: script.hold_time(),
        connect_retry: script.time(),
        idle_hold: script.time(),
        delay_open: bit(1).then(|| script.time()),
        send_hold: bit(2).then(|| script.time()),
        keepalive: bit(3).then(|| script.time()),
        mode: if bit(4) { Mode::Passive } else { Mode::Active },
        two_octet_as: bit(5),
        capabilities: script.capabilities(),
        seed: bits.into(),
        ..SessionConfig::new(LOCAL, peer_as, script.router_id())
    }
}

struct Driver {
    session: Session,
    promises: Promises,
    now: Instant,
    up: Option<ConnectionId>,
}

impl Driver {
    fn line(&mut self, line: u8, script: &mut Script<'_>) {
        let connection = self.promises.recent(line >> 6);
        let event = match line & 0x0f {
            0 => Event::Start,
            1 => Event::Stop(StopReason::AdministrativeShutdown("script".to_owned())),
            number @ (2 | 3) => return self.connected(number == 2),
            4 if self.promises.connect_failed() => Event::ConnectFailed,
            5 => {
                self.promises.lost(connection);
                Event::Closed { connection }
            }
            6 => Event::Update { connection },
            7 => Event::RouteRefresh { connection },
            8 => Event::Notification {
                connection,
                notification: Notification::new(Code(script.octet(), script.octet())),
            },
            9 => Event::Fault {
                connection,
                notification: Notification::new(Code(script.octet(), script.octet())),
            },
            10 => Event::Progress { connection },
            11 => {
                self.now = self.now + script.time();
                Event::Tick
            }
            12 | 13 => Event::Keepalive { connection },
            14 => Event::Open {
                connection,
                open: script.open(),
            },
            _ => match self.session.deadline() {
                Some(deadline) => {
                    self.now = self.now.max(deadline);
                    Event::Tick
                }
                None => return,
            },
        };
        self.step(event);
    }

    fn connected(&mut self, outgoing: bool) {
        let direction = if outgoing {
            Direction::Outgoing
        } else {
            Direction::Incoming
        };
        if let Some(connection) = self.promises.connected(outgoing) {
            self.step(Event::Connected {
                connection,
                direction,
            });
        }
    }

    fn step(&mut self, event: Event) {
        let ticked = event == Event::Tick;
        self.session.step(event, self.now);
        for action in self.session.drain() {
            match action {
                Action::Connect => self.promises.connect(),
                Action::AbortConnect => self.promises.abort_connect(),
                Action::Send { connection, .. } => self.promises.send(connection),
                Action::Close { connection } => self.promises.close(connection),
                Action::Changed { from, to } => self.promises.changed(from, to),
                Action::Up { connection, .. } => {
                    self.promises.send(connection);
                    assert_eq!(self.up.replace(connection), None, "up twice");
                }
                Action::Down { .. } => assert!(self.up.take().is_some(), "down twice"),
            }
        }
        assert_eq!(
            self.up.is_some(),
            self.session.established_since().is_some()
        );
        self.promises.check(&self.session, self.now, ticked);
        if let Some(deadline) = self.session.deadline() {
            let far = self.now + Duration::from_secs(2 * 65_535);
            assert!(deadline <= far, "the deadline is never reached");
        }
    }
}
