// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a connection comes to be, and what becomes of the machine when one can not be made or breaks (RFC 4271 §8.2.2,
//! events 9 and 14 to 18).

use super::{
    BLINK, BREATH, Connection, ConnectionId, DownReason, Instant, Mode, Phase, Restart, Session,
};
use crate::{Action, Direction, State};

/// Most connections of one peer: one that each side dialled, or an old one and its successor.
const CONNECTIONS: usize = 2;

impl Session {
    pub(super) fn connected(&mut self, id: ConnectionId, direction: Direction, now: Instant) {
        if self.connection(id).is_some() {
            return;
        }
        if direction == Direction::Outgoing {
            let wanted = core::mem::take(&mut self.dialling);
            // A connection of ours that comes late is of no use to anybody: the peer may not even have seen it.
            let late = self
                .connections
                .iter()
                .any(|known| known.phase >= Phase::OpenConfirm);
            if !wanted || late {
                self.close(id);
                return;
            }
        }
        if !self.has_room(direction, now) {
            self.close(id);
            return;
        }
        let mut connection = Connection::new(id, direction);
        // Hardly ever are there two.
        self.connections.reserve_exact(1);
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

    /// In Idle connections are refused, unless we are about to listen: then the peer that dials already starts us (event 5),
    /// and need not come a second time.
    pub(super) fn called_in_idle(&mut self, id: ConnectionId, direction: Direction, now: Instant) {
        if self.restart == Restart::Listening && direction == Direction::Incoming {
            self.begin(Mode::Passive, now);
            self.connected(id, direction, now);
        } else {
            self.close(id);
        }
    }

    /// There are two connections at most. A peer that dials again has given up a connection of its own on which it never
    /// spoke.
    pub(super) fn has_room(&mut self, direction: Direction, now: Instant) -> bool {
        if self.connections.len() < CONNECTIONS {
            return true;
        }
        let silent = self
            .connections
            .iter()
            .find(|known| known.direction == Direction::Incoming && known.agreed.is_none())
            .map(|known| known.id);
        match silent {
            Some(silent) if direction == Direction::Incoming => {
                self.lose_collision(silent, now);
                true
            }
            _ => false,
        }
    }

    pub(super) fn connect_failed(&mut self, now: Instant) {
        let wanted = core::mem::take(&mut self.dialling);
        if !wanted || !self.connections.is_empty() {
            // Another connection goes on.
            return;
        }
        match self.state {
            State::Connect => {
                self.note(DownReason::ConnectFailed, now);
                self.rest(Restart::Listening, BLINK, now);
            }
            State::Active => self.failed(DownReason::ConnectFailed, now),
            _ => {}
        }
    }

    pub(super) fn closed(&mut self, id: ConnectionId, now: Instant) {
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
                self.failed(DownReason::ConnectionLost, now);
            }
        }
    }

    pub(super) fn connect_retry_expired(&mut self, now: Instant) {
        match self.state {
            State::Connect => {
                self.abort_connect();
                for connection in core::mem::take(&mut self.connections) {
                    self.close(connection.id);
                }
                self.restart_connect_retry(now);
                self.dial();
            }
            State::Active => {
                self.abort_connect();
                self.restart_connect_retry(now);
                if self.config.mode == Mode::Active {
                    self.dial();
                    self.enter(State::Connect);
                }
            }
            _ => {}
        }
    }

    pub(super) fn dial(&mut self) {
        self.dialling = true;
        self.actions.push_back(Action::Connect);
    }

    pub(super) fn abort_connect(&mut self) {
        if core::mem::take(&mut self.dialling) {
            self.actions.push_back(Action::AbortConnect);
        }
    }

    pub(super) fn restart_connect_retry(&mut self, now: Instant) {
        let time = self.jitter.apply(self.config.connect_retry.max(BREATH));
        self.connect_retry.start(now, time);
    }
}
