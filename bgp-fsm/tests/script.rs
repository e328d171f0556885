// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Any events in any order: the machine keeps its promises to the driver.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use bgp_fsm::{
    Action, ConnectionId, Direction, Event, Mode, PeerAs, Session, SessionConfig, State, StopReason,
};
use bgp_proto::{
    Asn, Capability, Code, GracefulRestart, HoldTime, Instant, Message, Notification, Open,
    RouterId,
};
use proptest::prelude::*;

/// One line of a script. Connections are chosen among the few that there are, known or not.
#[derive(Clone, Debug)]
enum Line {
    Start,
    Stop,
    Connected(Direction),
    ConnectFailed,
    Message(u32, Kind),
    Wait(u64),
    /// The driver sleeps until the deadline.
    Tick,
}

#[derive(Clone, Debug)]
enum Kind {
    Open(Open),
    Keepalive,
    Update,
    RouteRefresh,
    Notification(Code),
    Fault(Code),
    Progress,
    Closed,
}

/// A driver that checks what it is told.
struct Driver {
    session: Session,
    now: Instant,
    next: u32,
    open: BTreeSet<ConnectionId>,
    up: Option<ConnectionId>,
    dialling: bool,
    state: State,
}

impl Driver {
    fn new(config: SessionConfig) -> Self {
        Self {
            session: Session::new(config),
            now: Instant::ZERO,
            next: 0,
            open: BTreeSet::new(),
            up: None,
            dialling: false,
            state: State::Idle,
        }
    }

    fn run(&mut self, line: &Line) {
        let event = match line {
            Line::Start => Event::Start,
            Line::Stop => Event::Stop(StopReason::AdministrativeReset("script".to_owned())),
            Line::Connected(Direction::Outgoing) | Line::ConnectFailed if !self.dialling => return,
            Line::Connected(direction) => {
                self.next += 1;
                let connection = ConnectionId(self.next);
                self.open.insert(connection);
                if *direction == Direction::Outgoing {
                    self.dialling = false;
                }
                Event::Connected {
                    connection,
                    direction: *direction,
                }
            }
            Line::ConnectFailed => {
                self.dialling = false;
                Event::ConnectFailed
            }
            Line::Message(back, kind) => {
                self.message(ConnectionId(self.next.saturating_sub(*back)), kind)
            }
            Line::Wait(millis) => {
                self.now = self.now + Duration::from_millis(*millis);
                Event::Tick
            }
            Line::Tick => match self.session.deadline() {
                Some(at) => {
                    self.now = self.now.max(at);
                    Event::Tick
                }
                None => return,
            },
        };
        self.step(event);
    }

    fn message(&mut self, connection: ConnectionId, kind: &Kind) -> Event {
        match kind.clone() {
            Kind::Open(open) => Event::Open { connection, open },
            Kind::Keepalive => Event::Keepalive { connection },
            Kind::Update => Event::Update { connection },
            Kind::RouteRefresh => Event::RouteRefresh { connection },
            Kind::Notification(code) => Event::Notification {
                connection,
                notification: Notification::new(code),
            },
            Kind::Fault(code) => Event::Fault {
                connection,
                notification: Notification::new(code),
            },
            Kind::Progress => Event::Progress { connection },
            Kind::Closed => {
                self.open.remove(&connection);
                Event::Closed { connection }
            }
        }
    }

    fn step(&mut self, event: Event) {
        let ticked = event == Event::Tick;
        self.session.step(event, self.now);
        let actions: Vec<Action> = self.session.drain().collect();
        for action in &actions {
            self.obey(action);
        }
        self.check(ticked);
    }

    fn obey(&mut self, action: &Action) {
        match action {
            Action::Connect => assert!(!std::mem::replace(&mut self.dialling, true), "dials twice"),
            Action::AbortConnect => assert!(std::mem::take(&mut self.dialling), "does not dial"),
            Action::Send {
                connection,
                message,
            } => {
                assert!(
                    self.open.contains(connection),
                    "{message:?} on a closed connection"
                );
            }
            Action::Close { connection } => assert!(self.open.remove(connection), "closes twice"),
            Action::Up { connection, .. } => {
                assert!(self.open.contains(connection));
                assert_eq!(self.up.replace(*connection), None, "up twice");
                assert_eq!(self.state, State::Established);
            }
            Action::Down { .. } => assert!(self.up.take().is_some(), "down twice"),
            Action::Changed { from, to } => {
                assert_eq!(self.state, *from);
                assert_ne!(from, to);
                self.state = *to;
            }
        }
    }

    fn check(&self, ticked: bool) {
        let session = &self.session;
        assert_eq!(session.state(), self.state);
        assert_eq!(self.state == State::Established, self.up.is_some());
        assert_eq!(session.established_since().is_some(), self.up.is_some());
        assert!(self.open.len() <= 2, "{:?}", self.open);
        if let Some(up) = self.up {
            assert!(self.open.contains(&up), "up without a connection");
        }
        if self.state == State::Idle {
            assert!(
                self.open.is_empty() && !self.dialling,
                "Idle with {:?}",
                self.open
            );
            assert_eq!(session.is_stopped(), session.deadline().is_none());
        }
        // Without a timer it would stay there for ever. With a hold time of zero that is what both sides agreed on.
        if matches!(self.state, State::Connect | State::Active | State::OpenSent) {
            assert!(
                session.deadline().is_some() || self.dialling,
                "stuck in {}",
                self.state
            );
        }
        if ticked && let Some(at) = session.deadline() {
            assert!(at > self.now, "the deadline does not move");
        }
    }
}

fn router_id() -> impl Strategy<Value = RouterId> {
    (1_u8..4).prop_map(|last| RouterId::new(Ipv4Addr::new(10, 0, 0, last)).unwrap())
}

fn an_open() -> impl Strategy<Value = Open> {
    let hold = prop_oneof![Just(0_u16), Just(3), Just(90), Just(65_535)];
    let asn = prop_oneof![4 => Just(64512_u32), 4 => Just(64513), 1 => any::<u32>()];
    (asn, hold, router_id(), any::<bool>()).prop_map(|(asn, hold, router_id, graceful)| Open {
        asn: Asn(asn),
        hold_time: HoldTime::from_wire(hold).unwrap(),
        router_id,
        capabilities: graceful
            .then(|| Capability::GracefulRestart(GracefulRestart::default()))
            .into_iter()
            .collect(),
    })
}

fn a_kind() -> impl Strategy<Value = Kind> {
    let code = prop_oneof![
        (0_u8..10, 0_u8..12).prop_map(|(major, minor)| Code(major, minor)),
        Just(Code::UPDATE_ORIGIN),
        Just(Code::REFRESH_LENGTH),
    ];
    prop_oneof![
        8 => an_open().prop_map(Kind::Open),
        10 => Just(Kind::Keepalive),
        2 => Just(Kind::Update),
        1 => Just(Kind::RouteRefresh),
        1 => code.clone().prop_map(Kind::Notification),
        1 => code.prop_map(Kind::Fault),
        2 => Just(Kind::Progress),
        2 => Just(Kind::Closed),
    ]
}

fn a_line() -> impl Strategy<Value = Line> {
    prop_oneof![
        2 => Just(Line::Start),
        1 => Just(Line::Stop),
        4 => Just(Line::Connected(Direction::Outgoing)),
        4 => Just(Line::Connected(Direction::Incoming)),
        1 => Just(Line::ConnectFailed),
        20 => (0_u32..3, a_kind()).prop_map(|(back, kind)| Line::Message(back, kind)),
        2 => (0_u64..100_000).prop_map(Line::Wait),
        6 => Just(Line::Tick),
    ]
}

fn a_config() -> impl Strategy<Value = SessionConfig> {
    let delay = prop_oneof![3 => Just(None), 1 => (0_u64..20).prop_map(Some)];
    let seconds = || prop_oneof![Just(0_u64), Just(5), Just(120)];
    let bits = (any::<bool>(), any::<bool>(), any::<bool>());
    (router_id(), delay, seconds(), seconds(), bits, any::<u64>()).prop_map(
        |(router_id, delay, retry, rest, (passive, anybody, graceful), seed)| SessionConfig {
            connect_retry: Duration::from_secs(retry),
            idle_hold: Duration::from_secs(rest),
            delay_open: delay.map(Duration::from_secs),
            mode: if passive { Mode::Passive } else { Mode::Active },
            capabilities: graceful
                .then(|| Capability::GracefulRestart(GracefulRestart::default()))
                .into_iter()
                .collect(),
            seed,
            ..SessionConfig::new(
                Asn(64512),
                if anybody {
                    PeerAs::Any
                } else {
                    PeerAs::Exact(Asn(64513))
                },
                router_id,
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script_keeps_the_promises(config in a_config(), script in prop::collection::vec(a_line(), 1..120)) {
        let mut driver = Driver::new(config);
        driver.run(&Line::Start);
        for line in &script {
            driver.run(line);
        }
        // In the end nothing is left.
        driver.run(&Line::Stop);
        prop_assert!(driver.open.is_empty() && driver.up.is_none() && !driver.dialling);
        prop_assert!(driver.session.deadline().is_none());
    }

    #[test]
    fn silence_closes_every_connection_without_a_session(config in a_config(), script in prop::collection::vec(a_line(), 1..40)) {
        let mut driver = Driver::new(config);
        driver.run(&Line::Start);
        for line in &script {
            driver.run(line);
        }
        let zero = driver.session.deadline().is_none() && driver.state > State::OpenSent;
        let before: BTreeSet<ConnectionId> = driver.open.clone();
        for _ in 0..200 {
            driver.run(&Line::Tick);
        }
        let hour = driver.now.as_nanos() / 3_600_000_000_000;
        prop_assume!(!zero && hour < 18);
        let left: Vec<_> = driver.open.intersection(&before).collect();
        prop_assert!(left.len() <= 1, "{left:?} are open still");
    }

    #[test]
    fn the_same_script_gives_the_same_actions(config in a_config(), script in prop::collection::vec(a_line(), 1..60)) {
        let trace = || {
            let mut driver = Driver::new(config.clone());
            driver.run(&Line::Start);
            script.iter().map(|line| { driver.run(line); (driver.state, driver.session.deadline()) }).collect::<Vec<_>>()
        };
        prop_assert_eq!(trace(), trace());
    }
}

/// A message is what a fault tells; nothing else is sent on its own account.
#[test]
fn a_script_by_hand() {
    let id = RouterId::new(Ipv4Addr::new(10, 0, 0, 1)).unwrap();
    let mut session = Session::new(SessionConfig::new(Asn(64512), PeerAs::Any, id));
    session.step(Event::Start, Instant::ZERO);
    let connection = ConnectionId(0);
    session.step(
        Event::Connected {
            connection,
            direction: Direction::Outgoing,
        },
        Instant::ZERO,
    );
    let sent = session.drain().filter(|action| {
        matches!(
            action,
            Action::Send {
                message: Message::Open(_),
                ..
            }
        )
    });
    assert_eq!(sent.count(), 1);
}
