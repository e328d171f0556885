// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a session is told about itself and its peer.

use alloc::vec::Vec;
use core::time::Duration;

use bgp_proto::{Asn, Capability, HoldTime, RouterId};

/// Which AS the peer has to be in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerAs {
    /// This one.
    Exact(Asn),
    /// Any: a dynamic neighbour says it in its OPEN.
    Any,
    /// Any but ours.
    External,
}

/// Who dials.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// We do, and take what comes in.
    Active,
    /// Only the peer does (RFC 4271 §8.1.1, `PassiveTcpEstablishment`).
    Passive,
}

/// Configuration of one session machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionConfig {
    /// Our AS towards this peer.
    pub local_as: Asn,
    /// Another one: whichever of both the peer does not refuse is used, beginning with [`Self::local_as`].
    pub other_as: Option<Asn>,
    /// The peer's.
    pub peer_as: PeerAs,
    /// Our identifier.
    pub router_id: RouterId,
    /// The hold time we propose.
    pub hold_time: HoldTime,
    /// Time between keepalives; `None` is a third of the negotiated hold time.
    pub keepalive: Option<Duration>,
    /// Time for one attempt to connect, and between attempts.
    pub connect_retry: Duration,
    /// Rest in Idle after the first error; doubles with each.
    pub idle_hold: Duration,
    /// Longest rest. A session that stays up this long clears the count.
    pub idle_hold_max: Duration,
    /// How long an OPEN is waited for (RFC 4271 §8.2.2 suggests four minutes).
    pub open_hold: Duration,
    /// Wait for the peer's OPEN this long before sending ours (RFC 4271 §8.1.1, `DelayOpen`).
    pub delay_open: Option<Duration>,
    /// Who dials.
    pub mode: Mode,
    /// How long the peer may read nothing (RFC 9687); `None`: the greater of eight minutes and twice the hold time. Never
    /// shorter than the hold time.
    pub send_hold: Option<Duration>,
    /// Strict BFD: an OPEN is confirmed only while [`Event::Bfd`](crate::Event::Bfd) says that the path is up, and waited
    /// for this long. `None`: BFD is no condition.
    pub strict_bfd: Option<Duration>,
    /// Sent in OPEN, besides the four-octet AS capability, which is always there unless [`Self::two_octet_as`].
    pub capabilities: Vec<Capability>,
    /// With a role among [`Self::capabilities`]: the peer has to have one, too (RFC 9234 §4.2).
    pub strict_role: bool,
    /// Be a speaker without RFC 6793: for tests of such peers.
    pub two_octet_as: bool,
    /// Where jitter comes from: the same seed gives the same timers.
    pub seed: u64,
}

impl SessionConfig {
    /// The usual values: 90 s hold time, 5 s between attempts, 1 s to 60 s rest after errors.
    pub fn new(local_as: Asn, peer_as: PeerAs, router_id: RouterId) -> Self {
        Self {
            local_as,
            other_as: None,
            peer_as,
            router_id,
            hold_time: HoldTime::from_wire(90).unwrap_or(HoldTime::OFF),
            keepalive: None,
            connect_retry: Duration::from_secs(5),
            idle_hold: Duration::from_secs(1),
            idle_hold_max: Duration::from_secs(60),
            open_hold: Duration::from_secs(240),
            delay_open: None,
            mode: Mode::Active,
            send_hold: None,
            strict_bfd: None,
            capabilities: Vec::new(),
            strict_role: false,
            two_octet_as: false,
            seed: 0,
        }
    }
}
