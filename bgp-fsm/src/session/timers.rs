// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happens when time passes (RFC 4271 §8.1.3, RFC 9687).

use alloc::vec::Vec;

use super::{Code, ConnectionId, DownReason, Instant, Mode, Notification, Phase, Restart, Session};

impl Session {
    pub(super) fn idle_hold_expiry(&mut self, now: Instant) {
        if self.idle_hold.expire(now) {
            match self.restart {
                Restart::Manual => {}
                Restart::Damped => self.begin(self.config.mode, now),
                Restart::Listening => self.begin(Mode::Passive, now),
            }
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
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

    fn expire_connection(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if connection.awaits_bfd.expire(now) {
            self.refuse(id, Notification::new(Code::CEASE_BFD_DOWN), now);
            return;
        }
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
        if connection.withheld.expire(now) {
            self.confirm(id, now);
        } else if connection.delay_open.expire(now) {
            self.send_open(id, now);
        } else if connection.keepalive.expire(now) {
            self.send_keepalive(id, now);
        }
    }
}
