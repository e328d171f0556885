// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What goes into a session machine and what comes out.

use alloc::string::String;
use core::fmt;

use bgp_proto::{Code, Family, Message, Negotiated, Notification, Open};

/// A TCP connection, by a number that the driver chose; unique within the peer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u32);

/// Who dialled.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// We did.
    Outgoing,
    /// The peer did.
    Incoming,
}

/// RFC 4271 §8.2.2.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "the names of RFC 4271 section 8.2.2")]
pub enum State {
    Idle,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a session is ended by us (RFC 4486).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StopReason {
    /// An operator took it down; the text is for the peer's operator (RFC 9003).
    AdministrativeShutdown(String),
    /// An operator resets it; the text is for the peer's operator (RFC 9003).
    AdministrativeReset(String),
    /// The neighbour is no longer configured.
    Deconfigured,
    /// The configuration changed in a way that needs a new session.
    ConfigurationChange,
    /// We do not want to talk to it.
    Rejected,
    /// We can not afford it.
    OutOfResources,
    /// More prefixes than this limit.
    MaximumPrefixes(Family, u32),
}

impl StopReason {
    /// What the peer is told.
    pub fn notification(&self) -> Notification {
        match self {
            Self::AdministrativeShutdown(text) => {
                Notification::with_shutdown_text(Code::CEASE_ADMIN_SHUTDOWN, text)
            }
            Self::AdministrativeReset(text) => {
                Notification::with_shutdown_text(Code::CEASE_ADMIN_RESET, text)
            }
            Self::Deconfigured => Notification::new(Code::CEASE_DECONFIGURED),
            Self::ConfigurationChange => Notification::new(Code::CEASE_CONFIGURATION_CHANGE),
            Self::Rejected => Notification::new(Code::CEASE_REJECTED),
            Self::OutOfResources => Notification::new(Code::CEASE_OUT_OF_RESOURCES),
            Self::MaximumPrefixes(family, limit) => Notification::maximum_prefixes(*family, *limit),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// Begin (events 1, 3 to 5).
    Start,
    /// End and stay down (events 2 and 8).
    Stop(StopReason),
    /// A connection is there (events 14, 16, 17).
    Connected {
        /// Which.
        connection: ConnectionId,
        /// Who dialled.
        direction: Direction,
    },
    /// The attempt that [`Action::Connect`] ordered failed (event 18).
    ConnectFailed,
    /// The connection broke or the peer closed it (event 18).
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// OPEN (events 19, 20).
    Open {
        /// Where.
        connection: ConnectionId,
        /// What it says.
        open: Open,
    },
    /// KEEPALIVE (event 26).
    Keepalive {
        /// Where.
        connection: ConnectionId,
    },
    /// NOTIFICATION (events 24, 25).
    Notification {
        /// Where.
        connection: ConnectionId,
        /// What it says.
        notification: Notification,
    },
    /// UPDATE without an error that costs the session (event 27).
    Update {
        /// Where.
        connection: ConnectionId,
    },
    /// ROUTE-REFRESH (RFC 2918).
    RouteRefresh {
        /// Where.
        connection: ConnectionId,
    },
    /// Something arrived that can not be understood (events 21, 22, 28).
    Fault {
        /// Where.
        connection: ConnectionId,
        /// What the peer is to be told.
        notification: Notification,
    },
    /// Octets of ours left the queue of the connection (RFC 9687).
    Progress {
        /// Where.
        connection: ConnectionId,
    },
    /// What BFD knows of the path to the peer: counts in strict mode only. That an up path failed is the driver's to say,
    /// as a fault of the connection (Cease/10, RFC 9384).
    Bfd {
        /// It works.
        up: bool,
    },
    /// A deadline has passed (events 9 to 13, 29).
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Dial; the answer is [`Event::Connected`] or [`Event::ConnectFailed`].
    Connect,
    /// Stop dialling.
    AbortConnect,
    /// Send a message.
    Send {
        /// Where.
        connection: ConnectionId,
        /// What.
        message: Message,
    },
    /// Close the connection after what was sent is on its way. Nothing that arrives on it counts any more.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// The session is Established: routes may be exchanged.
    Up {
        /// On this connection.
        connection: ConnectionId,
        /// Under these terms.
        negotiated: Negotiated,
        /// With a peer that said this.
        remote: Open,
    },
    /// The session is over.
    Down {
        /// Why.
        reason: DownReason,
    },
    /// The state changed.
    Changed {
        /// From.
        from: State,
        /// To.
        to: State,
    },
}

/// Why a session or an attempt ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DownReason {
    /// The connection broke, or the peer closed it without a word.
    ConnectionLost,
    /// The attempt to connect failed.
    ConnectFailed,
    /// We ended it.
    Sent(Notification),
    /// The peer ended it.
    Received(Notification),
    /// The peer came back on a new connection (RFC 4724 §4.2).
    Restarted,
}

impl DownReason {
    /// Somebody wanted it: no graceful restart (RFC 4724 §4: a NOTIFICATION ends the session for good).
    pub fn is_orderly(&self) -> bool {
        matches!(self, Self::Sent(_) | Self::Received(_))
    }

    /// Code and subcode of the NOTIFICATION, if there was one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Sent(notification) | Self::Received(notification) => Some(notification.code),
            Self::ConnectionLost | Self::ConnectFailed | Self::Restarted => None,
        }
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionLost => f.write_str("the connection was lost"),
            Self::ConnectFailed => f.write_str("the connection could not be made"),
            Self::Sent(notification) => write!(f, "sent NOTIFICATION {notification}"),
            Self::Received(notification) => write!(f, "received NOTIFICATION {notification}"),
            Self::Restarted => f.write_str("the peer came back on a new connection"),
        }
    }
}
