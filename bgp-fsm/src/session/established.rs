// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keepalives, the hold timers, and the step to Established.

use super::{ConnectionId, Duration, Instant, KEEPALIVE, Phase, Session, open::hold_time};
use crate::Action;

/// Least send hold time (RFC 9687 §4.4).
const SEND_HOLD: Duration = Duration::from_secs(8 * 60);

impl Session {
    pub(super) fn keepalive_received(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        match connection.phase {
            Phase::OpenSent if connection.agreed.is_some() => connection.confirmed_early = true,
            Phase::Waiting | Phase::OpenSent => self.unexpected(id, KEEPALIVE, now),
            Phase::OpenConfirm if connection.awaits_bfd.is_running() => {
                connection.confirmed_early = true;
                self.restart_hold(id, now);
            }
            Phase::OpenConfirm => self.establish(id, now),
            Phase::Established => self.restart_hold(id, now),
        }
    }

    /// UPDATE and ROUTE-REFRESH.
    pub(super) fn update_received(&mut self, id: ConnectionId, kind: u8, now: Instant) {
        match self.connection(id).map(|connection| connection.phase) {
            None => {}
            Some(Phase::Established) => self.restart_hold(id, now),
            Some(_) => self.unexpected(id, kind, now),
        }
    }

    pub(super) fn establish(&mut self, id: ConnectionId, now: Instant) {
        self.restart_hold(id, now);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let Some((remote, negotiated)) = connection.agreed.clone() else {
            return;
        };
        connection.phase = Phase::Established;
        self.established_since = Some(now);
        self.established_count += 1;
        self.restart_send_hold(id, now);
        self.settle();
        self.actions.push_back(Action::Up {
            connection: id,
            negotiated,
            remote,
        });
    }

    fn restart_hold(&mut self, id: ConnectionId, now: Instant) {
        if let Some(connection) = self.connection_mut(id)
            && let Some(hold) = hold_time(connection)
        {
            connection.hold.start(now, hold);
        }
    }

    pub(super) fn progress(&mut self, id: ConnectionId, now: Instant) {
        if self
            .connection(id)
            .is_some_and(|connection| connection.phase == Phase::Established)
        {
            self.restart_send_hold(id, now);
        }
    }

    /// RFC 9687 §4: with a hold time of zero there is none, and it is never shorter than the hold time.
    fn restart_send_hold(&mut self, id: ConnectionId, now: Instant) {
        let configured = self.config.send_hold;
        if let Some(connection) = self.connection_mut(id)
            && let Some(hold) = hold_time(connection)
        {
            let time = configured
                .unwrap_or_else(|| SEND_HOLD.max(hold * 2))
                .max(hold);
            connection.send_hold.start(now, time);
        }
    }
}
