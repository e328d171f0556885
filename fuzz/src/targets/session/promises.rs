// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a driver may rely on, checked.

use std::collections::BTreeSet;

use bgp_fsm::{ConnectionId, Session, State};
use bgp_proto::Instant;

/// The driver's view of a session machine.
#[derive(Debug)]
pub(super) struct Promises {
    open: BTreeSet<ConnectionId>,
    last: u32,
    dialling: bool,
    state: State,
}

impl Promises {
    pub(super) fn new() -> Self {
        Self {
            open: BTreeSet::new(),
            last: 0,
            dialling: false,
            state: State::Idle,
        }
    }

    /// A new connection; `None` for one that we dialled and nobody ordered.
    pub(super) fn connected(&mut self, outgoing: bool) -> Option<ConnectionId> {
        if outgoing && !std::mem::take(&mut self.dialling) {
            return None;
        }
        self.last += 1;
        let id = ConnectionId(self.last);
        self.open.insert(id);
        Some(id)
    }

    /// Whether dialling, which has failed now, was ordered.
    pub(super) fn connect_failed(&mut self) -> bool {
        std::mem::take(&mut self.dialling)
    }

    /// One of the last connections, open or not.
    pub(super) fn recent(&self, back: u8) -> ConnectionId {
        ConnectionId(self.last.saturating_sub(u32::from(back % 4)))
    }

    /// The neighbour closed it.
    pub(super) fn lost(&mut self, id: ConnectionId) {
        self.open.remove(&id);
    }

    pub(super) fn connect(&mut self) {
        let dialled = std::mem::replace(&mut self.dialling, true);
        assert!(!dialled, "dials twice at once");
    }

    pub(super) fn abort_connect(&mut self) {
        let dialled = std::mem::take(&mut self.dialling);
        assert!(dialled, "nothing is dialled");
    }

    pub(super) fn send(&self, id: ConnectionId) {
        assert!(self.open.contains(&id), "sends on {id:?}");
    }

    pub(super) fn close(&mut self, id: ConnectionId) {
        assert!(self.open.remove(&id), "closes {id:?}");
    }

    pub(super) fn changed(&mut self, from: State, to: State) {
        assert_eq!(self.state, from);
        assert_ne!(from, to);
        self.state = to;
    }

    /// After all actions are carried out. `ticked`: what was due has just been done.
    pub(super) fn check(&self, session: &Session, now: Instant, ticked: bool) {
        assert_eq!(session.state(), self.state);
        let up = session.established_since().is_some();
        assert_eq!(self.state == State::Established, up);
        assert!(self.open.len() <= 2, "{:?}", self.open);
        if self.state >= State::OpenSent {
            assert!(!self.open.is_empty(), "no connection in {}", self.state);
        }
        if self.state == State::Idle {
            assert!(self.is_at_rest(), "{self:?}");
            assert_eq!(session.is_stopped(), session.deadline().is_none());
        }
        let waits = matches!(self.state, State::Connect | State::Active | State::OpenSent);
        assert!(
            !waits || session.deadline().is_some(),
            "waits for ever in {}",
            self.state
        );
        if ticked {
            assert!(
                session.deadline().is_none_or(|at| at > now),
                "the deadline does not move"
            );
        }
    }

    /// No connection, and none is being made.
    pub(super) fn is_at_rest(&self) -> bool {
        self.open.is_empty() && !self.dialling
    }
}
