// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a connection and a session end: what the peer is told, and how long the machine rests (RFC 4271 §6, §8.2.2).

use core::time::Duration;

use super::{
    BLINK, BREATH, Code, Connection, ConnectionId, DownReason, Instant, LastError, Message,
    Notification, OPEN, Phase, ROUTE_REFRESH, Restart, Session, UPDATE,
};
use crate::{Action, State};

/// Error code of UPDATE errors.
const UPDATE_ERROR: u8 = 3;

/// Error code of ROUTE-REFRESH errors (RFC 7313 §5).
const REFRESH_ERROR: u8 = 7;

impl Session {
    pub(super) fn fault(&mut self, id: ConnectionId, notification: Notification, now: Instant) {
        let phase = self.connection(id).map(|connection| connection.phase);
        match phase {
            None => {}
            // A second OPEN is no OPEN error, however it looks (RFC 6608 §3).
            Some(Phase::Established) if notification.code.0 == Code::OPEN_UNSPECIFIC.0 => {
                self.unexpected(id, OPEN, now);
            }
            // UPDATEs and refreshes are only understood in Established.
            Some(phase) if phase < Phase::Established && notification.code.0 == UPDATE_ERROR => {
                self.unexpected(id, UPDATE, now);
            }
            Some(phase) if phase < Phase::Established && notification.code.0 == REFRESH_ERROR => {
                self.unexpected(id, ROUTE_REFRESH, now);
            }
            Some(_) => self.refuse(id, notification, now),
        }
    }

    /// The peer ends it. If it does not want our AS, and we have another one, the next OPEN says that.
    pub(super) fn notified(&mut self, id: ConnectionId, notification: Notification, now: Instant) {
        let refused = notification.code == Code::OPEN_BAD_PEER_AS
            && self.connection(id).is_some_and(|connection| {
                let ours = connection.sent.as_ref().map(|open| open.asn);
                // Not of a connection that was refused together with one before.
                connection.phase < Phase::Established && ours == Some(self.config.local_as)
            });
        if let Some(other) = self.config.other_as.filter(|_| refused) {
            self.config.other_as = Some(self.config.local_as);
            self.config.local_as = other;
        }
        self.fail(id, DownReason::Received(notification), now);
    }

    /// "Any other event": a message that does not fit the state (RFC 6608 §3).
    pub(super) fn unexpected(&mut self, id: ConnectionId, kind: u8, now: Instant) {
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
    pub(super) fn refuse(&mut self, id: ConnectionId, notification: Notification, now: Instant) {
        self.send(id, Message::Notification(notification.clone()));
        self.fail(id, DownReason::Sent(notification), now);
    }

    /// Ends a connection because of an error.
    pub(super) fn fail(&mut self, id: ConnectionId, reason: DownReason, now: Instant) {
        let Some(connection) = self.take(id) else {
            return;
        };
        self.close(id);
        if self.connections.is_empty() {
            // Event 24 too counts as an error: there is no other version to come back with, so the peer is damped.
            self.failed(reason, now);
        } else {
            self.lost_one_of_two(&connection, reason, now);
        }
    }

    /// The other connection takes over, or goes on.
    pub(super) fn lost_one_of_two(&mut self, lost: &Connection, reason: DownReason, now: Instant) {
        // That one of two connections goes is no error, unless it carried the session.
        let ordinary = reason.code() == Some(Code::CEASE_COLLISION);
        if lost.phase == Phase::Established || !ordinary {
            self.note(reason.clone(), now);
        }
        if lost.phase == Phase::Established {
            self.session_down(reason, now);
        }
        self.release_withheld(now);
    }

    /// The last connection is gone with an error: rest in Idle, longer each time. A peer that restarts, and breaks a
    /// session for the first time, finds us listening when it comes back (RFC 4724).
    pub(super) fn failed(&mut self, reason: DownReason, now: Instant) {
        let restarts = reason == DownReason::ConnectionLost && self.established_since.is_some();
        self.note(reason.clone(), now);
        self.session_down(reason, now);
        self.errors = self.errors.saturating_add(1);
        if restarts && self.errors == 1 {
            return self.rest(Restart::Listening, BLINK, now);
        }
        let doublings = self.errors.saturating_sub(1).min(16);
        let rest = self
            .config
            .idle_hold
            .saturating_mul(1 << doublings)
            .min(self.config.idle_hold_max);
        self.rest(Restart::Damped, rest.max(BREATH), now);
    }

    pub(super) fn rest(&mut self, restart: Restart, time: Duration, now: Instant) {
        self.restart = restart;
        self.abort_connect();
        self.connect_retry.stop();
        let time = self.jitter.apply(time);
        self.idle_hold.start(now, time);
        self.enter(State::Idle);
    }

    pub(super) fn idle(&mut self, reason: DownReason, now: Instant) {
        self.note(reason.clone(), now);
        self.session_down(reason, now);
        self.abort_connect();
        self.connect_retry.stop();
        self.enter(State::Idle);
    }

    /// The session is over; if it was stable, earlier errors are forgotten.
    pub(super) fn session_down(&mut self, reason: DownReason, now: Instant) {
        if let Some(since) = self.established_since.take() {
            self.ended_at = Some(now);
            if now.saturating_since(since) >= self.config.idle_hold_max {
                self.errors = 0;
            }
            self.actions.push_back(Action::Down { reason });
        }
    }

    pub(super) fn note(&mut self, reason: DownReason, now: Instant) {
        let error = LastError { reason, at: now };
        if error.reason.code().is_some() {
            self.last_notification = Some(error.clone());
        }
        self.last_error = Some(error);
    }
}
