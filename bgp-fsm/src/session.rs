// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The session machine of one peer (RFC 4271 §8.2.2), its timers, and what it shows of itself.

use alloc::{collections::VecDeque, vec::Vec};
use core::{fmt, time::Duration};

use bgp_proto::{Capability, Code, Instant, Message, Negotiated, Notification, Open};

use crate::{
    Action, ConnectionId, Direction, DownReason, Event, Mode, SessionConfig, State, StopReason,
    connection::{Connection, Phase},
    timer::{Jitter, Timer},
};

mod collision;
mod established;
mod open;

/// Least time in Idle after a failed attempt to connect, so that nothing spins.
const BREATH: Duration = Duration::from_millis(100);

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
    connect_retry: Timer,
    idle_hold: Timer,
    /// ConnectRetryCounter: errors since a stable session.
    errors: u32,
    jitter: Jitter,
    actions: VecDeque<Action>,
    established_since: Option<Instant>,
    established_count: u64,
    last_error: Option<LastError>,
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
            connect_retry: Timer::default(),
            idle_hold: Timer::default(),
            errors: 0,
            actions: VecDeque::new(),
            established_since: None,
            established_count: 0,
            last_error: None,
        }
    }

    /// Feeds one event.
    pub fn step(&mut self, event: Event, now: Instant) {
        use {Event as E, State as S};
        match (self.state, event) {
            (S::Idle, E::Start) => self.start(now),
            (_, E::Start) => {}
            (_, E::Stop(reason)) => self.stop(&reason, now),
            (S::Idle, E::Tick) => self.idle_hold_expiry(now),
            (S::Idle, E::Connected { connection, .. }) => {
                self.actions.push_back(Action::Close { connection })
            }
            // RFC 4271 §8.2.2: in Idle all else is ignored.
            (S::Idle, _) => {}
            (
                _,
                E::Connected {
                    connection,
                    direction,
                },
            ) => self.connected(connection, direction, now),
            (_, E::ConnectFailed) => self.connect_failed(now),
            (_, E::Closed { connection }) => self.closed(connection, now),
            (_, E::Open { connection, open }) => self.open_received(connection, open, now),
            (_, E::Keepalive { connection }) => self.keepalive_received(connection, now),
            (_, E::Update { connection }) => self.update_received(connection, UPDATE, now),
            (_, E::RouteRefresh { connection }) => {
                self.update_received(connection, ROUTE_REFRESH, now)
            }
            (
                _,
                E::Notification {
                    connection,
                    notification,
                },
            ) => self.fail(connection, DownReason::Received(notification), now),
            (
                _,
                E::Fault {
                    connection,
                    notification,
                },
            ) => self.fault(connection, notification, now),
            (_, E::Progress { connection }) => self.progress(connection, now),
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

    /// How often it was.
    pub fn established_count(&self) -> u64 {
        self.established_count
    }

    /// What went wrong last.
    pub fn last_error(&self) -> Option<&LastError> {
        self.last_error.as_ref()
    }

    /// Its configuration.
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
            self.actions.push_back(Action::Close {
                connection: connection.id,
            });
        }
        if self.state != State::Idle {
            self.idle(DownReason::Sent(notification), now);
        }
    }

    fn idle_hold_expiry(&mut self, now: Instant) {
        if self.idle_hold.expire(now) {
            match self.restart {
                Restart::Manual => {}
                Restart::Damped => self.begin(self.config.mode, now),
                Restart::Listening => self.begin(Mode::Passive, now),
            }
        }
    }

    fn connected(&mut self, id: ConnectionId, direction: Direction, now: Instant) {
        if direction == Direction::Outgoing {
            let wanted = core::mem::take(&mut self.dialling);
            // A connection of ours that comes late is of no use to anybody: the peer may not even have seen it.
            let late = self
                .connections
                .iter()
                .any(|known| known.phase >= Phase::OpenConfirm);
            if !wanted || late {
                self.actions.push_back(Action::Close { connection: id });
                return;
            }
        }
        let mut connection = Connection::new(id, direction);
        match self.config.delay_open {
            Some(delay) if self.state < State::OpenSent => {
                self.connect_retry.stop();
                connection.delay_open.start(now, delay);
                self.connections.push(connection);
            }
            _ => {
                self.connections.push(connection);
                self.send_open(id, now);
            }
        }
    }

    fn connect_failed(&mut self, now: Instant) {
        let wanted = core::mem::take(&mut self.dialling);
        if !wanted || !self.connections.is_empty() {
            // Another connection goes on.
            return;
        }
        match self.state {
            State::Connect => {
                self.note(DownReason::ConnectFailed, now);
                self.rest(Restart::Listening, BREATH, now);
            }
            State::Active => self.failed(DownReason::ConnectFailed, now),
            _ => {}
        }
    }

    fn closed(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.take(id) else {
            return;
        };
        if !self.connections.is_empty() {
            self.lost_one_of_two(&connection, DownReason::ConnectionLost, now);
            return;
        }
        match connection.phase {
            // Event 18 while DelayOpen runs: to Active from Connect, an error from Active.
            Phase::Waiting if self.state == State::Connect => {
                self.restart_connect_retry(now);
                self.enter(State::Active);
            }
            Phase::OpenSent => {
                self.note(DownReason::ConnectionLost, now);
                self.restart_connect_retry(now);
                self.enter(State::Active);
            }
            Phase::Waiting | Phase::OpenConfirm | Phase::Established => {
                self.failed(DownReason::ConnectionLost, now)
            }
        }
    }

    fn fault(&mut self, id: ConnectionId, notification: Notification, now: Instant) {
        let phase = self.connection(id).map(|connection| connection.phase);
        match phase {
            None => {}
            // A second OPEN is no OPEN error, however it looks (RFC 6608 §3).
            Some(Phase::Established) if notification.code.0 == Code::OPEN_UNSPECIFIC.0 => {
                self.unexpected(id, OPEN, now)
            }
            // UPDATEs and refreshes are only understood in Established.
            Some(phase) if phase < Phase::Established && notification.code.0 == UPDATE_ERROR => {
                self.unexpected(id, UPDATE, now)
            }
            Some(_) => self.refuse(id, notification, now),
        }
    }

    /// "Any other event": a message that does not fit the state (RFC 6608 §3).
    fn unexpected(&mut self, id: ConnectionId, kind: u8, now: Instant) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let code = match connection.phase {
            // Before our OPEN there is nothing to answer.
            Phase::Waiting => return self.fail(id, DownReason::ConnectionLost, now),
            Phase::OpenSent => Code::FSM_OPEN_SENT,
            Phase::OpenConfirm => Code::FSM_OPEN_CONFIRM,
            Phase::Established => Code::FSM_ESTABLISHED,
        };
        self.refuse(id, Notification::with_data(code, &[kind]), now);
    }

    /// Sends a NOTIFICATION and ends the connection.
    fn refuse(&mut self, id: ConnectionId, notification: Notification, now: Instant) {
        self.send(id, Message::Notification(notification.clone()));
        self.fail(id, DownReason::Sent(notification), now);
    }

    /// Ends a connection because of an error.
    fn fail(&mut self, id: ConnectionId, reason: DownReason, now: Instant) {
        let Some(connection) = self.take(id) else {
            return;
        };
        self.actions.push_back(Action::Close { connection: id });
        if self.connections.is_empty() {
            // A peer that can not do our version or capabilities is told in OpenSent (event 24): no damping then.
            self.failed(reason, now);
        } else {
            self.lost_one_of_two(&connection, reason, now);
        }
    }

    /// The other connection takes over, or goes on.
    fn lost_one_of_two(&mut self, lost: &Connection, reason: DownReason, now: Instant) {
        self.note(reason.clone(), now);
        if lost.phase == Phase::Established {
            self.session_down(reason);
        }
        self.release_withheld(now);
    }

    /// The last connection is gone with an error: rest in Idle, longer each time.
    fn failed(&mut self, reason: DownReason, now: Instant) {
        self.errors = self.errors.saturating_add(1);
        let doublings = self.errors.saturating_sub(1).min(16);
        let rest = self
            .config
            .idle_hold
            .saturating_mul(1 << doublings)
            .min(self.config.idle_hold_max);
        self.note(reason.clone(), now);
        self.session_down(reason);
        self.rest(Restart::Damped, rest, now);
    }

    fn rest(&mut self, restart: Restart, time: Duration, now: Instant) {
        self.restart = restart;
        self.abort_connect();
        self.connect_retry.stop();
        let time = self.jitter.apply(time);
        self.idle_hold.start(now, time);
        self.enter(State::Idle);
    }

    fn idle(&mut self, reason: DownReason, now: Instant) {
        self.note(reason.clone(), now);
        self.session_down(reason);
        self.abort_connect();
        self.connect_retry.stop();
        self.enter(State::Idle);
    }

    fn session_down(&mut self, reason: DownReason) {
        if self.established_since.take().is_some() {
            self.actions.push_back(Action::Down { reason });
        }
    }

    fn note(&mut self, reason: DownReason, now: Instant) {
        if let Some(since) = self.established_since
            && now.saturating_since(since) >= self.config.idle_hold_max
        {
            self.errors = 1;
        }
        self.last_error = Some(LastError { reason, at: now });
    }

    fn expire(&mut self, now: Instant) {
        if self.connect_retry.expire(now) {
            self.connect_retry_expired(now);
        }
        let ids: Vec<ConnectionId> = self
            .connections
            .iter()
            .map(|connection| connection.id)
            .collect();
        for id in ids {
            self.expire_connection(id, now);
        }
    }

    fn connect_retry_expired(&mut self, now: Instant) {
        match self.state {
            State::Connect => {
                self.abort_connect();
                for connection in core::mem::take(&mut self.connections) {
                    self.actions.push_back(Action::Close {
                        connection: connection.id,
                    });
                }
                self.restart_connect_retry(now);
                self.dial();
            }
            State::Active => {
                self.restart_connect_retry(now);
                if self.config.mode == Mode::Active {
                    self.dial();
                    self.enter(State::Connect);
                }
            }
            _ => {}
        }
    }

    fn expire_connection(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if connection.hold.expire(now) {
            let phase = connection.phase;
            if phase == Phase::Waiting {
                self.fail(id, DownReason::ConnectionLost, now);
            } else {
                self.refuse(id, Notification::new(Code::HOLD_TIMER_EXPIRED), now);
            }
            return;
        }
        if connection.send_hold.expire(now) {
            // The NOTIFICATION goes out if there is room after all (RFC 9687 §4.3).
            self.refuse(id, Notification::new(Code::SEND_HOLD_TIMER_EXPIRED), now);
            return;
        }
        if connection.delay_open.expire(now) {
            self.send_open(id, now);
        } else if connection.keepalive.expire(now) {
            self.send_keepalive(id, now);
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

    fn dial(&mut self) {
        self.dialling = true;
        self.actions.push_back(Action::Connect);
    }

    fn abort_connect(&mut self) {
        if core::mem::take(&mut self.dialling) {
            self.actions.push_back(Action::AbortConnect);
        }
    }

    fn restart_connect_retry(&mut self, now: Instant) {
        let time = self.jitter.apply(self.config.connect_retry);
        self.connect_retry.start(now, time);
    }

    fn send(&mut self, connection: ConnectionId, message: Message) {
        self.actions.push_back(Action::Send {
            connection,
            message,
        });
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

/// Error code of UPDATE errors.
const UPDATE_ERROR: u8 = 3;
