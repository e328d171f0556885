// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client of the daemon may ask and what it is told: plain data, no protobuf, no tokio.
//!
//! Every front end (gRPC today; GoBGP's API and BIRD's control socket later) converts its own words to these and
//! back. The daemon answers them; it never sees a front end's types.

mod news;
mod plan;
mod policy;

use std::{net::IpAddr, sync::Arc, time::Duration};

pub use news::{
    CHANGES_PER_NEWS, Change, Changes, Interest, NEWS_PER_FOLLOWER, News, Sender, Watched,
};
pub use plan::{
    Effect, Example, Forecast, MAX_EXAMPLES, MAX_PLANNED_FILE, MAX_PLANNING, PeerForecast, Plan,
    PlanRequest, PlannedChange, Tally, differences, in_words,
};
pub use policy::{PolicyChange, PolicyHit, PolicyPoint, PolicyTrace, Verdict};

use crate::config::PeerName;
use bgp_proto::{Asn, Capability, Family, PathAttributes, Prefix, RouterId};

/// One page of routes: a few of them are held for a client at a time.
pub const ROUTES_PER_PAGE: usize = 256;

/// How many events wait for a client that watches; past that it is told that it lagged and has to ask again.
pub const EVENTS_PER_WATCHER: usize = 4096;

/// The daemon as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// `bgpd` version.
    pub version: String,
    /// Our AS.
    pub local_as: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Route reflector cluster identifier, as dotted quad.
    pub cluster_id: std::net::Ipv4Addr,
    /// Time since start.
    pub uptime: Duration,
    /// Where BGP connections are accepted; empty when `port = -1`.
    pub listening: Vec<std::net::SocketAddr>,
    /// RIB shards.
    pub shards: usize,
    /// True until the initial tables of the peers have arrived or the deferral time has passed: nothing stale has
    /// been removed from the kernel yet.
    pub converging: bool,
    /// Peers configured, and how many of them are Established.
    pub peers: usize,
    /// Established peers.
    pub established: usize,
    /// Prefixes in the Loc-RIB.
    pub prefixes: u64,
    /// Paths in all Adj-RIB-Ins and local sources.
    pub paths: u64,
    /// Memory of the daemon, in octets; `None` where that is not known.
    pub memory: Option<u64>,
    /// Routes the kernel should have and has; `None` when `[fib]` is not configured.
    pub fib: Option<FibSummary>,
    /// Warnings of the running configuration, each as one text with file and line.
    pub warnings: Vec<String>,
    /// From which level on is logged, and who said so: `info`, `debug (ordered over the API)`; empty without a log.
    pub log: String,
}

/// Kernel routes by state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FibSummary {
    /// In the kernel as wanted.
    pub installed: u64,
    /// Waiting to be written, or for an interface.
    pub pending: u64,
    /// Refused by the kernel, or another program's route is in the way.
    pub failed: u64,
}

/// RFC 4271 §8.2.2 session states.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "the names of RFC 4271 section 8.2.2")]
pub enum SessionState {
    Idle,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

/// Messages by kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs, reason = "the message names of RFC 4271 section 4.1")]
pub struct MessageCounts {
    pub open: u64,
    pub update: u64,
    pub notification: u64,
    pub keepalive: u64,
    pub route_refresh: u64,
    pub bytes: u64,
}

/// Why a session ended, or was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastError {
    /// `sent NOTIFICATION Hold Timer Expired (4/0)`, `connection refused`, …
    pub text: String,
    /// NOTIFICATION code and subcode, if one was sent or received.
    pub code: Option<(u8, u8)>,
    /// How long ago.
    pub age: Duration,
}

/// Routes of one family at one peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FamilyStatus {
    /// Address family.
    pub family: Family,
    /// Negotiated on the running session.
    pub negotiated: bool,
    /// Paths in the Adj-RIB-In.
    pub received: u64,
    /// Of these, accepted by import policy and usable in principle.
    pub accepted: u64,
    /// Paths in the Adj-RIB-Out.
    pub advertised: u64,
    /// End-of-RIB has been received (RFC 4724).
    pub end_of_rib: bool,
    /// Several paths of a prefix.
    pub add_path: AddPathStatus,
    /// Its session broke, and its routes are kept for a while.
    pub stale: Option<StaleStatus>,
}

/// How routes of a neighbour are kept whose session broke.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StaleStatus {
    /// As the last choice (RFC 9494), instead of as if nothing had happened (RFC 4724).
    pub long_lived: bool,
    /// Until then they are, in seconds.
    pub seconds_left: u64,
}

/// Several paths of a prefix in one family of one peer (RFC 7911).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AddPathStatus {
    /// Negotiated: it sends them.
    pub receive: bool,
    /// Negotiated: it is sent them.
    pub send: bool,
    /// Configured: which it is sent, if it takes several.
    pub paths: Option<rib::PathsSent>,
}

/// A configured or dynamic neighbour and its session.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerStatus {
    /// What the neighbour is called.
    pub address: PeerName,
    /// Its AS: configured, or learned for a dynamic neighbour.
    pub peer_as: Asn,
    /// The AS we show it.
    pub local_as: Asn,
    /// Free text of the configuration.
    pub description: String,
    /// `external`, `member`, `internal`, `client`.
    pub relation: &'static str,
    /// Accepted by a `[[dynamic-neighbors]]` prefix.
    pub dynamic: bool,
    /// Taken down by an operator.
    pub admin_down: bool,
    /// State of the session.
    pub state: SessionState,
    /// Time in Established, or since it last was; `None` if never.
    pub since: Option<Duration>,
    /// Times the session reached Established.
    pub established_count: u64,
    /// Identifier from its OPEN.
    pub router_id: Option<RouterId>,
    /// Our end of the TCP connection.
    pub local_address: Option<IpAddr>,
    /// Negotiated hold time in seconds, 0 for none; configured one when down.
    pub hold_time: u16,
    /// Keepalive interval in seconds, 0 for none.
    pub keepalive: u16,
    /// Capabilities from its OPEN.
    pub remote_capabilities: Vec<Capability>,
    /// Capabilities we offer.
    pub local_capabilities: Vec<Capability>,
    /// Messages received.
    pub received: MessageCounts,
    /// Messages sent.
    pub sent: MessageCounts,
    /// UPDATEs with an attribute error that cost their routes only (RFC 7606).
    pub treated_as_withdraw: u64,
    /// Routes that were not taken, since there were too many.
    pub beyond_limit: u64,
    /// Octets waiting to be sent.
    pub queued: u64,
    /// How often its task has panicked and was started again: each is an error of ours.
    pub panics: u64,
    /// Last error.
    pub last_error: Option<LastError>,
    /// Per family.
    pub families: Vec<FamilyStatus>,
    /// What import policy does, in words (`reject: eBGP without a policy, RFC 8212`).
    pub import_policy: String,
    /// Names of the policies that routes of it go through, in order.
    pub import_policies: Vec<String>,
    /// Names of the policies that routes to it go through, in order.
    pub export_policies: Vec<String>,
    /// What export policy does, in words.
    pub export_policy: String,
    /// TCP MD5 is on.
    pub md5: bool,
    /// What is agreed with it beyond the defaults, in words.
    pub terms: Vec<String>,
    /// Why no connection with it is tried or taken, in words.
    pub obstacle: Option<String>,
}

/// A BFD session of a neighbour.
#[derive(Clone, Debug, PartialEq)]
pub struct BfdStatus {
    /// The neighbour's address.
    pub remote: IpAddr,
    /// Ours.
    pub local: Option<IpAddr>,
    /// The interface of a single hop.
    pub interface: Option<String>,
    /// RFC 5883.
    pub multihop: bool,
    /// Our state.
    pub state: bfd::State,
    /// Why.
    pub diagnostic: bfd::Diagnostic,
    /// Time in this state.
    pub since: Duration,
    /// The neighbour's state, Down while it is not heard.
    pub remote_state: bfd::State,
    /// What the neighbour says of its last change.
    pub remote_diagnostic: bfd::Diagnostic,
    /// Its BFD goes on without its control plane (C bit).
    pub remote_independent: bool,
    /// Our name for the session.
    pub discriminator: Option<bfd::Discriminator>,
    /// The neighbour's.
    pub remote_discriminator: Option<bfd::Discriminator>,
    /// As configured.
    pub settings: bfd::Settings,
    /// How packets are authenticated.
    pub authentication: Option<bfd::Method>,
    /// The neighbour's multiplier, and how often it would like to send and can take packets.
    pub remote_intervals: Option<(std::num::NonZeroU8, bfd::Interval, bfd::Interval)>,
    /// How often we send, before jitter.
    pub transmit_interval: Option<Duration>,
    /// So long a silence is a failure.
    pub detection_time: Option<Duration>,
    /// What it has counted.
    pub counters: bfd::Counters,
    /// Why there is no session.
    pub problem: Option<String>,
}

impl BfdStatus {
    /// No session with a neighbour.
    pub fn new(remote: IpAddr) -> Self {
        Self {
            remote,
            local: None,
            interface: None,
            multihop: false,
            state: bfd::State::Down,
            diagnostic: bfd::Diagnostic::NONE,
            since: Duration::ZERO,
            remote_state: bfd::State::Down,
            remote_diagnostic: bfd::Diagnostic::NONE,
            remote_independent: false,
            discriminator: None,
            remote_discriminator: None,
            settings: bfd::Settings::default(),
            authentication: None,
            remote_intervals: None,
            transmit_interval: None,
            detection_time: None,
            counters: bfd::Counters::default(),
            problem: None,
        }
    }
}

/// Which table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Table {
    /// All paths of the Loc-RIB with the best marked.
    #[default]
    LocRib,
    /// What a peer has sent, before import policy.
    AdjIn(PeerName),
    /// What a peer has been sent.
    AdjOut(PeerName),
}

/// How a prefix of a query matches.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PrefixMatch {
    /// This prefix only.
    #[default]
    Exact,
    /// This and all inside it.
    Longer,
    /// The most specific route that covers it.
    Longest,
    /// This and all that cover it.
    Shorter,
}

/// A question about routes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RouteQuery {
    /// Which table.
    pub table: Table,
    /// Which family; `None` is all.
    pub family: Option<Family>,
    /// Only these prefixes.
    pub prefix: Option<(Prefix, PrefixMatch)>,
    /// Only best paths (Loc-RIB).
    pub best_only: bool,
}

/// Where a route comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "the sources of ARCHITECTURE.md")]
pub enum RouteSource {
    Bgp(PeerName),
    Static,
    Direct,
    Kernel,
    Api,
}

/// One path of one prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Destination.
    pub prefix: Prefix,
    /// RFC 7911 path identifier, 0 without add-path.
    pub path_id: u32,
    /// Where it comes from.
    pub source: RouteSource,
    /// Path attributes.
    pub attributes: Arc<PathAttributes>,
    /// `via 192.0.2.1`, `blackhole`, `dev eth0`: where packets go.
    pub target: String,
    /// Chosen by the decision process.
    pub best: bool,
    /// One of the equal paths in use (ECMP); the best itself included.
    pub multipath: bool,
    /// Why it can't be chosen: `next hop unreachable`, `rejected by import policy`, …; `None` if it can.
    pub unusable: Option<String>,
    /// Its neighbour is restarting, and it is kept meanwhile (RFC 4724).
    pub stale: bool,
    /// Step of the decision process at which it lost, as `4: lowest origin`; `None` for the best, or if unknown.
    pub lost_at: Option<String>,
    /// Since it is in this form.
    pub age: Duration,
}

/// One prefix, with the reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The prefix that was found.
    pub prefix: Prefix,
    /// All paths, the best first.
    pub routes: Vec<Route>,
    /// What decided for the best: `only path`, or the step against the runner-up.
    pub decided_by: Option<String>,
    /// The decision profile whose steps are meant.
    pub profile: String,
    /// The kernel route for it; `None` if none is wanted or `[fib]` is off.
    pub kernel: Option<FibRoute>,
    /// Peers to which it is advertised.
    pub advertised_to: Vec<PeerName>,
    /// Peers to which it is not, and why.
    pub not_advertised_to: Vec<(PeerName, String)>,
    /// Why there is no kernel route for it.
    pub no_kernel: Option<String>,
    /// What policies with statements did: on import for each path, then for the best one.
    pub policies: Vec<PolicyTrace>,
}

/// A kernel route that we want.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FibRoute {
    /// Destination.
    pub prefix: Prefix,
    /// As `ip route` prints it: `via 192.0.2.1 dev tunl0 onlink`, `blackhole`.
    pub target: String,
    /// Priority; 0 is the kernel's default.
    pub metric: u32,
    /// Installed, or not and why.
    pub state: FibState,
}

/// A next hop in use, and the way to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NextHopStatus {
    /// Its address.
    pub address: IpAddr,
    /// `None`: there is no way, and no path by it is used.
    pub way: Option<Way>,
    /// Prefixes with a path by way of it.
    pub prefixes: u64,
}

/// The way to an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    /// The router that packets are handed to; `None`: the address is on the link.
    pub gateway: Option<IpAddr>,
    /// The device they leave by.
    pub interface: String,
    /// Interior cost: the metric of the kernel route that leads there.
    pub cost: u32,
}

/// State of a kernel route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FibState {
    /// Waiting to be written.
    Pending,
    /// The kernel has it.
    Installed,
    /// Found from a previous run, kept.
    Adopted,
    /// Refused; the kernel's own words, how often tried.
    Failed {
        /// `Network is unreachable (ENETUNREACH): Nexthop has invalid gateway`.
        error: String,
        /// Times tried.
        attempts: u32,
    },
    /// Another program's route is in the way.
    Blocked(String),
    /// Its interface does not exist or is down.
    WaitingForInterface(String),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// A session changed its state.
    Peer {
        /// Whose.
        address: PeerName,
        /// From.
        from: SessionState,
        /// To.
        to: SessionState,
        /// Why, when it went down.
        reason: Option<String>,
    },
    /// The best path of a prefix changed; `None`: there is none any more.
    Best {
        /// Which prefix.
        prefix: Prefix,
        /// The new best.
        route: Option<Box<Route>>,
    },
    /// A kernel route changed its state; `None`: it is gone, as wanted.
    Fib {
        /// Which prefix.
        prefix: Prefix,
        /// The new state.
        route: Option<FibRoute>,
    },
    /// The watcher was too slow: this many events are lost, ask again for the state.
    Lagged(u64),
}

/// What to watch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WatchFilter {
    /// Session changes.
    pub peers: bool,
    /// Best path changes.
    pub routes: bool,
    /// Kernel route changes.
    pub fib: bool,
}

/// A route to add by the API: it is of source `api`.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRoute {
    /// Destination.
    pub prefix: Prefix,
    /// RFC 7911 path identifier among the API's own paths of that prefix.
    pub path_id: u32,
    /// Attributes; an unspecified next hop (`0.0.0.0`, `::`) means ourselves.
    pub attributes: PathAttributes,
    /// Drop packets for it here (a block of our own) instead of forwarding them to the next hop.
    pub blackhole: bool,
}

/// What to do to a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerOrder {
    /// Take it down and keep it down; the text is sent to the peer (RFC 9003).
    Disable(String),
    /// Let it come up again.
    Enable,
    /// Take it down once; the text is sent to the peer (RFC 9003).
    Reset(String),
    /// As [`Disable`](Self::Disable) to the peer, but it may come up again at once.
    Shutdown(String),
    /// Ask the peer to send its routes again (RFC 2918).
    RefreshIn,
    /// Send our routes again.
    RefreshOut,
    /// Both sides are to prefer other ways, or not any more (RFC 8326).
    GracefulShutdown(bool),
}

/// Why an order or a question failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// No such neighbour, prefix or table.
    #[error("{0}")]
    NotFound(String),
    /// There is one already.
    #[error("{0}")]
    Exists(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Right in principle, but not now.
    #[error("{0}")]
    NotPossible(String),
    /// The daemon is going down.
    #[error("bgpd is shutting down")]
    ShuttingDown,
}
