// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a [`super::Peer`] is told, what it wants done, and what it counts.

use std::{net::IpAddr, time::Duration};

use bgp_fsm::{ConnectionId, Direction, State, StopReason};
use bgp_proto::{Family, MessageKind};
use bytes::Bytes;
use rib::{Input, PathsSent, Policy, Terms};

/// What the driver tells a [`super::Peer`]. Octets are given with [`super::Peer::read`].
#[derive(Debug)]
pub enum PeerEvent {
    /// Begin, by configuration or by an operator.
    Start,
    /// End, with the reason the neighbour is told.
    Stop(StopReason),
    /// A TCP connection is there.
    Connected {
        /// Chosen by the driver, unique within the peer.
        connection: ConnectionId,
        /// Who dialled.
        direction: Direction,
        /// Our address on it.
        local: IpAddr,
        /// The index of its interface, if that address is link-local.
        interface: Option<u32>,
    },
    /// The attempt that was ordered failed.
    ConnectFailed,
    /// The connection ended without our doing.
    Closed(ConnectionId),
    /// Octets of ours left the queue.
    Progress(ConnectionId),
    /// A shard has sent its initial table of this family.
    Fed(Family),
    /// Ask the neighbour to send its routes again (RFC 2918).
    RefreshIn,
    /// Send our routes again.
    RefreshOut,
    /// New policies: the routes are evaluated again, the session stays.
    Policy {
        /// Import.
        import: Policy,
        /// Export.
        export: Policy,
    },
    /// A new weight of the neighbour's routes; the session stays.
    Weight(u16),
    /// New terms: the session stays.
    Terms(Box<Terms>),
    /// Which paths it is told, in families that it takes several in.
    PathsSent(Vec<(Family, PathsSent)>),
    /// The RIB has so many prefixes of the neighbour.
    Prefixes {
        /// Which shard says so.
        shard: usize,
        /// Prefixes of this family.
        family: Family,
        /// How many.
        count: u64,
    },
    /// What BFD knows of the path.
    Bfd(BfdNews),
    /// BFD is a condition of a session, and waited for this long; or it is none.
    StrictBfd(Option<Duration>),
    /// Routes beyond the limit were not taken.
    Dropped {
        /// Of this family.
        family: Family,
        /// How many.
        routes: u64,
    },
    /// A deadline has passed.
    Tick,
}

/// What BFD knows of the path to a neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BfdNews {
    /// It works.
    pub up: bool,
    /// It worked and failed, if no operator took it down; it may work again.
    pub failed: bool,
    /// A failure is one of the path, not of the neighbour's control plane (the C bit, RFC 5882 §4.3).
    pub independent: bool,
}

/// What a [`super::Peer`] wants done, in this order.
#[derive(Debug)]
pub enum PeerOrder {
    /// Dial; answer with `Connected` or `ConnectFailed`.
    Connect,
    /// Stop dialling.
    AbortConnect,
    /// Send these octets on this connection.
    Send(ConnectionId, Bytes),
    /// Close it when all is sent; give no more of its octets.
    Close(ConnectionId),
    /// Tell the RIB. `PeerUp` goes to every shard, routes to the shards they belong to.
    Rib(Input),
    /// This connection carries the session: what the RIB sends goes there.
    Up(ConnectionId),
    /// The session is over: what the RIB still sends is dropped.
    Down,
    /// For logs and watchers.
    Changed {
        /// From.
        from: State,
        /// To.
        to: State,
        /// Why, when the session ended.
        reason: Option<String>,
    },
    /// An UPDATE had errors that cost its routes, or an attribute (RFC 7606). One a second is told, with the number of
    /// those before it that were not.
    Faulty(String),
    /// A mark of enhanced route refresh that makes no sense where it is; told like faults.
    OutOfTurn(String),
    /// The neighbour comes near its limit of prefixes: the family, how many there are, the limit.
    NearLimit(Family, u64, u32),
    /// It is beyond it, and the session goes on: the same.
    OverLimit(Family, u64, u32),
}

/// Messages of one direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs, reason = "the message names of RFC 4271 section 4.1")]
pub struct Counts {
    pub open: u64,
    pub update: u64,
    pub notification: u64,
    pub keepalive: u64,
    pub route_refresh: u64,
    pub bytes: u64,
}

impl Counts {
    pub(super) fn add(&mut self, kind: MessageKind, octets: usize) {
        let counter = match kind {
            MessageKind::Open => &mut self.open,
            MessageKind::Update => &mut self.update,
            MessageKind::Notification => &mut self.notification,
            MessageKind::Keepalive => &mut self.keepalive,
            MessageKind::RouteRefresh => &mut self.route_refresh,
        };
        *counter += 1;
        self.bytes += octets as u64;
    }
}

/// Counters of one neighbour since start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PeerCounts {
    /// Received messages.
    pub received: Counts,
    /// Sent messages.
    pub sent: Counts,
    /// UPDATEs whose routes were treated as withdrawn (RFC 7606 §2).
    pub treated_as_withdraw: u64,
    /// Routes that were not taken, since there were too many.
    pub beyond_limit: u64,
}
