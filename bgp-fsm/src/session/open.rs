// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The exchange of OPENs: what we send, what we accept, what it comes to (RFC 4271 §6.2, RFC 6286).

use alloc::vec::Vec;

use super::{
    Capability, Code, Connection, ConnectionId, DownReason, Duration, Instant, Message, Negotiated,
    Notification, OPEN, Open, Phase, Session,
};
use crate::PeerAs;
use bgp_proto::Role;

/// Why a peer's OPEN is not accepted.
fn objection(session: &Session, open: &Open) -> Option<Notification> {
    let config = &session.config;
    match config.peer_as {
        PeerAs::Exact(asn) if asn != open.asn => {
            return Some(Notification::new(Code::OPEN_BAD_PEER_AS));
        }
        PeerAs::External if open.asn == config.local_as => {
            return Some(Notification::new(Code::OPEN_BAD_PEER_AS));
        }
        PeerAs::Exact(_) | PeerAs::External | PeerAs::Any => {}
    }
    // Equal identifiers are an error inside of an AS only (RFC 6286 §2.2).
    if open.asn == config.local_as && open.router_id == config.router_id {
        return Some(Notification::new(Code::OPEN_BAD_IDENTIFIER));
    }
    role_mismatch(session, open).then(|| Notification::new(Code::OPEN_ROLE_MISMATCH))
}

/// Whether the roles of both sides are no pair, or the peer has several or, where that is not enough, none (RFC 9234 §4.2).
fn role_mismatch(session: &Session, open: &Open) -> bool {
    let config = &session.config;
    let Some(ours) = roles(&config.capabilities).next() else {
        return false;
    };
    let mut theirs = roles(&open.capabilities);
    let Some(first) = theirs.next() else {
        return config.strict_role;
    };
    ours.opposite() != Some(first) || theirs.any(|other| other != first)
}

fn roles(capabilities: &[Capability]) -> impl Iterator<Item = Role> + '_ {
    capabilities
        .iter()
        .filter_map(|capability| match capability {
            Capability::Role(role) => Some(*role),
            _ => None,
        })
}

impl Session {
    /// Our OPEN.
    pub fn local_open(&self) -> Open {
        let config = &self.config;
        let mut capabilities = config.capabilities.clone();
        capabilities.retain(|capability| !matches!(capability, Capability::FourOctetAs(_)));
        if !config.two_octet_as {
            capabilities.push(Capability::FourOctetAs(config.local_as));
        }
        Open {
            asn: config.local_as,
            hold_time: config.hold_time,
            router_id: config.router_id,
            capabilities,
        }
    }

    pub(super) fn send_open(&mut self, id: ConnectionId, now: Instant) {
        let open = self.local_open();
        let open_hold = self.config.open_hold;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.phase = Phase::OpenSent;
        connection.sent = Some(open.clone());
        connection.delay_open.stop();
        connection.hold.start(now, open_hold);
        self.connect_retry.stop();
        self.send(id, Message::Open(open));
    }

    pub(super) fn open_received(&mut self, id: ConnectionId, open: Open, now: Instant) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        match connection.phase {
            Phase::Waiting if connection.delay_open.is_running() => self.send_open(id, now),
            Phase::OpenSent if connection.agreed.is_none() => {}
            _ => return self.unexpected(id, OPEN, now),
        }
        if let Some(notification) = objection(self, &open) {
            return self.refuse(id, notification, now);
        }
        let Some(sent) = self.connection(id).and_then(|known| known.sent.as_ref()) else {
            return;
        };
        let negotiated = Negotiated::from_opens(sent, &open);
        if negotiated.families.is_empty() {
            // RFC 5492 §5: without a family in common there is nothing to talk about.
            let notification = missing_families(sent);
            return self.refuse(id, notification, now);
        }
        if let Some(connection) = self.connection_mut(id) {
            connection.agreed = Some((open, negotiated));
        }
        self.resolve_collision(id, now);
    }

    /// OPENs are exchanged: hold and keepalive timers run by what was agreed.
    pub(super) fn confirm(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.phase = Phase::OpenConfirm;
        connection.withheld.stop();
        connection.hold.stop();
        if let Some(hold) = hold_time(connection) {
            connection.hold.start(now, hold);
        }
        if !self.wait_for_bfd(id, now) {
            self.send_confirmation(id, now);
        }
    }

    /// The KEEPALIVE that confirms the peer's OPEN.
    pub(super) fn send_confirmation(&mut self, id: ConnectionId, now: Instant) {
        let confirmed = self
            .connection(id)
            .is_some_and(|connection| connection.confirmed_early);
        self.send_keepalive(id, now);
        if confirmed {
            self.establish(id, now);
        }
    }

    pub(super) fn send_keepalive(&mut self, id: ConnectionId, now: Instant) {
        let Some(hold) = self.connection(id).map(hold_time) else {
            return;
        };
        self.send(id, Message::Keepalive);
        if let Some(hold) = hold {
            let interval = self
                .config
                .keepalive
                .unwrap_or(hold / 3)
                .min(hold / 3)
                .max(Duration::from_secs(1));
            let interval = self.jitter.apply(interval);
            if let Some(connection) = self.connection_mut(id) {
                connection.keepalive.start(now, interval);
            }
        }
    }

    /// A connection that lost a collision: the peer is told 6/7 (RFC 4486), unless we have not said a word on it.
    pub(super) fn lose_collision(&mut self, id: ConnectionId, now: Instant) {
        let notification = Notification::new(Code::CEASE_COLLISION);
        if self
            .connection(id)
            .is_some_and(|lost| lost.phase > Phase::Waiting)
        {
            self.send(id, Message::Notification(notification.clone()));
        }
        self.fail(id, DownReason::Sent(notification), now);
    }
}

/// The families that we want and the peer does not have, as capabilities (RFC 5492 §5).
fn missing_families(local: &Open) -> Notification {
    let mut data = Vec::new();
    for capability in &local.capabilities {
        if let Capability::Multiprotocol(family) = capability {
            let [high, low] = family.afi.0.to_be_bytes();
            data.extend_from_slice(&[capability.code(), 4, high, low, 0, family.safi.0]);
        }
    }
    Notification::with_data(Code::OPEN_UNSUPPORTED_CAPABILITY, &data)
}

/// The negotiated hold time; `None`: no timers (RFC 4271 §4.2).
pub(super) fn hold_time(connection: &Connection) -> Option<Duration> {
    connection
        .agreed
        .as_ref()
        .and_then(|(_, negotiated)| negotiated.hold_time.duration())
}
