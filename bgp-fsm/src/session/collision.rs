// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two connections at once (RFC 4271 §6.8, RFC 6286 §2.3): exactly one is left, and both sides choose the same.
//!
//! The connection dialled by the speaker with the higher identifier wins. On a connection that will lose we do not
//! confirm the OPEN while the other one is still on its way: the peer can not come to Established on it, so that no
//! session goes up only to go down again. If the winner breaks, or its OPEN does not come, the loser is confirmed after all.

use core::time::Duration;

use bgp_proto::{Capability, Instant, Open};

use super::{DownReason, Phase, Session, open::hold_time};
use crate::{ConnectionId, Direction};

/// Longest wait for the OPEN of the connection that would win; a third of the hold time if that is less, since the peer
/// waits for our confirmation meanwhile. A connection that the peer never looks at must not keep the other one down.
const WITHHOLD: Duration = Duration::from_secs(5);

/// A session has to be this old before a new connection means that the peer has restarted: until then it may be the
/// other half of a collision.
const SETTLED: Duration = Duration::from_secs(5);

impl Session {
    /// An OPEN was accepted on `id`: looks at the other connection, if there is one.
    pub(super) fn resolve_collision(&mut self, id: ConnectionId, now: Instant) {
        let other = self
            .connections
            .iter()
            .find(|connection| connection.id != id)
            .map(|other| (other.id, other.phase, other.is_withheld()));
        match other {
            None => self.confirm(id, now),
            Some((other, Phase::Established, _)) => self.against_established(id, other, now),
            // If neither wins, the peer has dialled both, and speaks on this one now.
            Some((other, _, withheld)) if withheld || self.wins(id) => {
                self.confirm(id, now);
                self.lose_collision(other, now);
            }
            // RFC 4271 §6.8: the new connection loses against one in OpenConfirm that is to stay.
            Some((_, Phase::OpenConfirm, _)) => self.lose_collision(id, now),
            // Its OPEN is on the way: see what becomes of it.
            Some((_, Phase::OpenSent | Phase::Waiting, _)) => self.withhold(id, now),
        }
    }

    fn withhold(&mut self, id: ConnectionId, now: Instant) {
        if let Some(connection) = self.connection_mut(id) {
            let time = hold_time(connection).map_or(WITHHOLD, |hold| WITHHOLD.min(hold / 3));
            connection.withheld.start(now, time);
        }
    }

    /// A peer with graceful restart that comes back has lost the old connection (RFC 4724 §4.2); without it the session
    /// that works is kept.
    fn against_established(&mut self, id: ConnectionId, other: ConnectionId, now: Instant) {
        let restarted = self.connection(other).is_some_and(|old| {
            let theirs = old.agreed.as_ref().map(|(open, _)| open);
            [old.sent.as_ref(), theirs]
                .into_iter()
                .all(|open| open.is_some_and(restarts))
        });
        let settled = self
            .established_since
            .is_some_and(|since| now.saturating_since(since) >= SETTLED);
        if !restarted || !settled {
            return self.lose_collision(id, now);
        }
        self.take(other);
        self.close(other);
        self.note(DownReason::Restarted, now);
        self.session_down(DownReason::Restarted, now);
        self.confirm(id, now);
    }

    /// The other connection is gone: what was withheld on this one is done now.
    pub(super) fn release_withheld(&mut self, now: Instant) {
        let withheld = self.connections.iter().find(|left| left.is_withheld());
        if let Some(id) = withheld.map(|left| left.id) {
            self.confirm(id, now);
        }
    }

    /// Whether this connection was dialled by the speaker with the higher identifier; if both are equal, with the higher
    /// AS.
    fn wins(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.connection(id) else {
            return false;
        };
        let Some((open, _)) = &connection.agreed else {
            return false;
        };
        let ours = (self.config.router_id.as_u32(), self.config.local_as);
        let theirs = (open.router_id.as_u32(), open.asn);
        (ours > theirs) == (connection.direction == Direction::Outgoing)
    }
}

fn restarts(open: &Open) -> bool {
    open.capabilities
        .iter()
        .any(|capability| matches!(capability, Capability::GracefulRestart(_)))
}
