// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Strict BFD (RFC 5882 §4.1): no session over a path that is not known to work.
//!
//! Our OPEN goes out and the peer's is taken, but its confirmation waits until BFD says that the path is up. Connections
//! collide meanwhile as they always do.

use alloc::vec::Vec;
use core::time::Duration;

use super::{ConnectionId, Instant, Phase, Session, open::hold_time};

impl Session {
    /// Strict mode, or none. Counts for what is not yet confirmed.
    pub fn set_strict_bfd(&mut self, wait: Option<Duration>, now: Instant) {
        self.config.strict_bfd = wait;
        if wait.is_none() {
            self.release_bfd(now);
            self.settle();
        }
    }

    pub(super) fn bfd(&mut self, up: bool, now: Instant) {
        self.bfd_up = up;
        if up {
            self.release_bfd(now);
        }
    }

    /// Whether the confirmation of this connection has to wait. A peer that confirmed its side gives up after its hold
    /// time, so that there is no sense in waiting longer.
    pub(super) fn wait_for_bfd(&mut self, id: ConnectionId, now: Instant) -> bool {
        let Some(wait) = self.config.strict_bfd.filter(|_| !self.bfd_up) else {
            return false;
        };
        if let Some(connection) = self.connection_mut(id) {
            let hold = hold_time(connection).unwrap_or(wait);
            connection.awaits_bfd.start(now, wait.min(hold));
        }
        true
    }

    fn release_bfd(&mut self, now: Instant) {
        let waiting = self.connections.iter_mut().filter(|connection| {
            connection.phase == Phase::OpenConfirm && connection.awaits_bfd.is_running()
        });
        let ids: Vec<ConnectionId> = waiting
            .map(|connection| {
                connection.awaits_bfd.stop();
                connection.id
            })
            .collect();
        for id in ids {
            self.send_confirmation(id, now);
        }
    }
}
