// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One connection of a peer: how far its own exchange of OPENs is.

use bgp_proto::{Instant, Negotiated, Open};

use crate::{ConnectionId, Direction, timer::Timer};

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Phase {
    /// `DelayOpen` runs: our OPEN is not sent.
    Waiting,
    OpenSent,
    OpenConfirm,
    Established,
}

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) direction: Direction,
    pub(crate) phase: Phase,
    /// The OPEN that we sent.
    pub(crate) sent: Option<Open>,
    /// The peer's OPEN, and what it comes to.
    pub(crate) agreed: Option<(Open, Negotiated)>,
    /// The peer has confirmed while our confirmation was withheld (collision, strict BFD).
    pub(crate) confirmed_early: bool,
    /// How long its confirmation is withheld at most (collision).
    pub(crate) withheld: Timer,
    /// Runs while its confirmation waits for BFD (strict mode).
    pub(crate) awaits_bfd: Timer,
    pub(crate) hold: Timer,
    pub(crate) keepalive: Timer,
    pub(crate) delay_open: Timer,
    pub(crate) send_hold: Timer,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, direction: Direction) -> Self {
        Self {
            id,
            direction,
            phase: Phase::Waiting,
            sent: None,
            agreed: None,
            confirmed_early: false,
            withheld: Timer::default(),
            awaits_bfd: Timer::default(),
            hold: Timer::default(),
            keepalive: Timer::default(),
            delay_open: Timer::default(),
            send_hold: Timer::default(),
        }
    }

    /// Its OPENs are exchanged, and we have not confirmed (collision).
    pub(crate) fn is_withheld(&self) -> bool {
        self.phase == Phase::OpenSent && self.agreed.is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timers = [
            self.withheld,
            self.awaits_bfd,
            self.hold,
            self.keepalive,
            self.delay_open,
            self.send_hold,
        ];
        timers.into_iter().filter_map(Timer::deadline).min()
    }
}
