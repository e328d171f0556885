// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The session machine of one peer (RFC 4271 §8.2.2), its timers, and what it shows of itself.

use alloc::{collections::VecDeque, vec::Vec};
use core::{fmt, time::Duration};

use bgp_proto::{Capability, Code, Instant, Message, Negotiated, Notification, Open};

use crate::{
    Action, ConnectionId, DownReason, Event, Mode, SessionConfig, State, StopReason,
    connection::{Connection, Phase},
    timer::{Jitter, Timer},
};

mod bfd;
mod collision;
mod connecting;
mod ending;
mod established;
mod open;
mod timers;

/// Least time in Idle after an error, and least time between attempts to connect, so that nothing spins.
const BREATH: Duration = Duration::from_millis(100);

/// Time in Idle before we listen, after an attempt to connect failed: the peer may be about to dial, and would be refused.
const BLINK: Duration = Duration::from_millis(1);

/// The last thing that went wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastError {
    reason: DownReason,
    at: Instant,
}

impl LastError {
    /// What it was.
    pub fn reason(&self) -> &DownReason {
        &self.reason
    }

    /// When it was.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// NOTIFICATION code and subcode, if there was one.
    pub fn code(&self) -> Option<(u8, u8)> {
        self.reason.code().map(|code| (code.0, code.1))
    }
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// How Idle is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Restart {
    /// Only by [`Event::Start`].
    Manual,
    /// When the idle-hold timer expires: as configured (events 6 and 7).
    Damped,
    /// When the idle-hold timer expires: listening first (event 5), since dialling has just failed.
    Listening,
}

/// The session machine. Feed it events, drain its actions, feed it again.
#[derive(Clone, Debug)]
pub struct Session {
    config: SessionConfig,
    state: State,
    restart: Restart,
    dialling: bool,
    connections: Vec<Connection>,
    /// BFD says that the path works.
    bfd_up: bool,
    connect_retry: Timer,
    idle_hold: Timer,
    /// `ConnectRetryCounter`: errors since a stable session.
    errors: u32,
    jitter: Jitter,
    actions: VecDeque<Action>,
    established_since: Option<Instant>,
    ended_at: Option<Instant>,
    established_count: u64,
    last_error: Option<LastError>,
    last_notification: Option<LastError>,
}

impl Session {
    /// A machine in Idle that waits for [`Event::Start`].
    pub fn new(config: SessionConfig) -> Self {
        Self {
            jitter: Jitter::new(config.seed),
            config,
            state: State::Idle,
            restart: Restart::Manual,
            dialling: false,
            connections: Vec::new(),
            bfd_up: false,
            connect_retry: Timer::default(),
            idle_hold: Timer::default(),
            errors: 0,
            actions: VecDeque::new(),
            established_since: None,
            ended_at: None,
            established_count: 0,
            last_error: None,
            last_notification: None,
        }
    }

    /// Feeds one event.
    #[rustfmt::skip] // One line for each arm.
    pub fn step(&mut self, event: Event, now: Instant) {
        use {Event as E, State as S};
        match (self.state, event) {
            (S::Idle, E::Start) => self.start(now),
            (_, E::Stop(reason)) => self.stop(&reason, now),
            (_, E::Bfd { up }) => self.bfd(up, now),
            (S::Idle, E::Tick) => self.idle_hold_expiry(now),
            (S::Idle, E::Connected { connection: id, direction }) => self.called_in_idle(id, direction, now),
            // RFC 4271 §8.2.2: in Idle all else is ignored, and outside of it that we are to start.
            (S::Idle, _) | (_, E::Start) => {}
            (_, E::Connected { connection: id, direction }) => self.connected(id, direction, now),
            (_, E::ConnectFailed) => self.connect_failed(now),
            (_, E::Closed { connection: id }) => self.closed(id, now),
            (_, E::Open { connection: id, open }) => self.open_received(id, open, now),
            (_, E::Keepalive { connection: id }) => self.keepalive_received(id, now),
            (_, E::Update { connection: id }) => self.update_received(id, UPDATE, now),
            (_, E::RouteRefresh { connection: id }) => self.update_received(id, ROUTE_REFRESH, now),
            (_, E::Notification { connection: id, notification }) => self.notified(id, notification, now),
            (_, E::Fault { connection: id, notification }) => self.fault(id, notification, now),
            (_, E::Progress { connection: id }) => self.progress(id, now),
            (_, E::Tick) => self.expire(now),
        }
        self.settle();
    }

    /// The next time at which [`Event::Tick`] does something.
    pub fn deadline(&self) -> Option<Instant> {
        let own = [self.connect_retry.deadline(), self.idle_hold.deadline()];
        own.into_iter()
            .flatten()
            .chain(self.connections.iter().filter_map(Connection::deadline))
            .min()
    }

    /// What is to be done, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Action> + '_ {
        self.actions.drain(..)
    }

    /// The state: that of the connection that is furthest.
    pub fn state(&self) -> State {
        self.state
    }

    /// Down until somebody starts it.
    pub fn is_stopped(&self) -> bool {
        self.state == State::Idle && self.restart == Restart::Manual
    }

    /// Since when the session is Established, if it is.
    pub fn established_since(&self) -> Option<Instant> {
        self.established_since
    }

    /// When it last ceased to be Established, if it ever was.
    pub fn ended_at(&self) -> Option<Instant> {
        self.ended_at
    }

    /// How often it was.
    pub fn established_count(&self) -> u64 {
        self.established_count
    }

    /// What went wrong last.
    pub fn last_error(&self) -> Option<&LastError> {
        self.last_error.as_ref()
    }

    /// The last NOTIFICATION that ended something, sent or received. Later failures to connect do not hide it.
    pub fn last_notification(&self) -> Option<&LastError> {
        self.last_notification.as_ref()
    }

    /// Its configuration, with the AS that is ours now, if there are two.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// Changes what the next OPEN says: the Restart State bit of graceful restart goes when the restart is over.
    pub fn set_capabilities(&mut self, capabilities: Vec<Capability>) {
        self.config.capabilities = capabilities;
    }

    fn start(&mut self, now: Instant) {
        self.errors = 0;
        self.begin(self.config.mode, now);
    }

    /// Events 1, 3, 4, 5: to Connect or to Active.
    fn begin(&mut self, mode: Mode, now: Instant) {
        self.restart = Restart::Damped;
        self.idle_hold.stop();
        self.restart_connect_retry(now);
        match mode {
            Mode::Active => {
                self.dial();
                self.enter(State::Connect);
            }
            Mode::Passive => self.enter(State::Active),
        }
    }

    fn stop(&mut self, reason: &StopReason, now: Instant) {
        self.errors = 0;
        self.restart = Restart::Manual;
        self.idle_hold.stop();
        let notification = reason.notification();
        for connection in core::mem::take(&mut self.connections) {
            if connection.phase > Phase::Waiting {
                self.send(connection.id, Message::Notification(notification.clone()));
            }
            self.close(connection.id);
        }
        if self.state != State::Idle {
            self.idle(DownReason::Sent(notification), now);
        }
    }

    /// Makes the state that of the furthest connection, if one has sent its OPEN.
    fn settle(&mut self) {
        let furthest = self
            .connections
            .iter()
            .map(|connection| connection.phase)
            .max();
        let next = match furthest {
            Some(Phase::OpenSent) => State::OpenSent,
            Some(Phase::OpenConfirm) => State::OpenConfirm,
            Some(Phase::Established) => State::Established,
            // DelayOpen still runs on what is left.
            Some(Phase::Waiting) if self.state > State::Active => State::Active,
            Some(Phase::Waiting) | None => return,
        };
        self.connect_retry.stop();
        self.enter(next);
    }

    /// What happens on entering a state.
    fn enter(&mut self, to: State) {
        let from = core::mem::replace(&mut self.state, to);
        if to >= State::OpenConfirm {
            self.abort_connect();
        }
        if from != to {
            self.actions.push_back(Action::Changed { from, to });
        }
    }

    fn send(&mut self, connection: ConnectionId, message: Message) {
        self.actions.push_back(Action::Send {
            connection,
            message,
        });
    }

    fn close(&mut self, connection: ConnectionId) {
        self.actions.push_back(Action::Close { connection });
    }

    fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections
            .iter()
            .find(|connection| connection.id == id)
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections
            .iter_mut()
            .find(|connection| connection.id == id)
    }

    fn take(&mut self, id: ConnectionId) -> Option<Connection> {
        let place = self
            .connections
            .iter()
            .position(|connection| connection.id == id)?;
        Some(self.connections.swap_remove(place))
    }
}

/// Message types, as the data of a state machine error has them (RFC 6608 §3).
const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const KEEPALIVE: u8 = 4;
const ROUTE_REFRESH: u8 = 5;
