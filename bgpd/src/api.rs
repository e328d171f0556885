// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The management API: gRPC over TCP and a Unix socket, in front of whatever implements [`Control`].
//!
//! The server knows protobuf and connections, the daemon behind [`Control`] knows routes and sessions, and neither
//! sees the other's types: [`convert`] is the only place where both meet. Whatever a client does costs the daemon a
//! bounded amount of memory: lists travel in pages that are fetched as the client reads, and a watcher that does not
//! keep up loses events and is told so ([`Watchers`]).

mod access;
pub mod convert;
mod followers;
mod handshake;
mod listen;
mod service;
mod tls;
mod watchers;

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use bgp_proto::{Family, Prefix};
use rib::TableSize;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

pub(crate) use self::tls::client as client_tls;
pub use self::{
    followers::{Followers, Lost, Subscription},
    listen::{ListenError, Listeners},
    service::serve_on,
    tls::{ServerTls, TlsError, TlsFiles},
    watchers::Watchers,
};
use crate::{
    config::{Book, Config, Edit, LogLevel, Neighbor, PeerName, Policies, Settings},
    control::{
        BfdStatus, ControlError, Explanation, FibRoute, Interest, NewRoute, NextHopStatus,
        PeerOrder, PeerStatus, Plan, PlanRequest, PrefixMatch, Route, RouteQuery, Status, Table,
        WatchEvent, WatchFilter,
    },
};

/// Where the API is found on a host when nothing else is configured.
pub const DEFAULT_SOCKET: &str = "/run/bgpd/bgpd.sock";

/// Where it is found over TCP: the port of `gobgpd`.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);

/// The largest request that is read.
pub const MAX_REQUEST: usize = 16 << 20;

/// The largest reply that is sent, and that our own client reads. Pages stay far below it.
pub const MAX_REPLY: usize = 64 << 20;

/// The door into a running daemon.
///
/// A handle: cheap to clone, shared by all connections.
pub trait Control: Clone + Send + Sync + 'static {
    /// The daemon as a whole.
    fn status(&self) -> impl Future<Output = Result<Status, ControlError>> + Send;

    /// All neighbours sorted by address, or the one with this address.
    fn peers(
        &self,
        address: Option<PeerName>,
    ) -> impl Future<Output = Result<Vec<PeerStatus>, ControlError>> + Send;

    /// Does something to one session, or with `None` to all.
    fn order(
        &self,
        peer: Option<PeerName>,
        order: PeerOrder,
    ) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Pages of at most [`ROUTES_PER_PAGE`](crate::control::ROUTES_PER_PAGE) routes, sorted by prefix; the list is
    /// complete when the sender is dropped. A receiver that is dropped early means that nobody wants the rest.
    fn routes(
        &self,
        query: RouteQuery,
    ) -> impl Future<Output = Result<Receiver<Vec<Route>>, ControlError>> + Send;

    /// How many prefixes and paths of a family a table has.
    fn table_size(
        &self,
        table: Table,
        family: Family,
    ) -> impl Future<Output = Result<TableSize, ControlError>> + Send;

    /// One prefix, with the reasons.
    fn explain(
        &self,
        prefix: Prefix,
        matching: PrefixMatch,
    ) -> impl Future<Output = Result<Explanation, ControlError>> + Send;

    /// BFD sessions sorted by address, or that with this neighbour.
    fn bfd(
        &self,
        address: Option<IpAddr>,
    ) -> impl Future<Output = Result<Vec<BfdStatus>, ControlError>> + Send;

    /// Kernel routes, sorted by prefix.
    fn fib(&self) -> impl Future<Output = Result<Vec<FibRoute>, ControlError>> + Send;

    /// Policies and the sets they ask.
    fn policies(&self) -> impl Future<Output = Result<Policies, ControlError>> + Send;

    /// Next hops in use, sorted by address.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotPossible`] without `[fib]`: nobody tracks them.
    fn next_hops(&self) -> impl Future<Output = Result<Vec<NextHopStatus>, ControlError>> + Send;

    /// Events from now on, through a bounded queue; see [`Watchers`].
    fn watch(
        &self,
        filter: WatchFilter,
    ) -> impl Future<Output = Result<Receiver<WatchEvent>, ControlError>> + Send;

    /// News from now on, shared with all others who follow; see [`Followers`].
    fn follow(
        &self,
        interest: Interest,
    ) -> impl Future<Output = Result<Subscription, ControlError>> + Send;

    /// Adds routes of source `api`: all or none.
    fn add_routes(
        &self,
        routes: Vec<NewRoute>,
    ) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Takes routes of source `api` back, by prefix and path identifier; says how many of them were there.
    fn delete_routes(
        &self,
        routes: Vec<(Prefix, u32)>,
    ) -> impl Future<Output = Result<u64, ControlError>> + Send;

    /// From which level on is logged from now on, until the configuration says otherwise at a reload.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotPossible`] if it is not the daemon that logs, but a program that it is a part of.
    fn set_log_level(
        &self,
        level: LogLevel,
    ) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// Reads the configuration again; says what changed, a line each.
    fn reload(&self) -> impl Future<Output = Result<Vec<String>, ControlError>> + Send;

    /// What a configuration would change.
    ///
    /// # Errors
    ///
    /// [`ControlError::Invalid`]: what is wrong with it, with its places. [`ControlError::NotPossible`] while another one is
    /// planned with.
    fn plan(&self, request: PlanRequest)
    -> impl Future<Output = Result<Plan, ControlError>> + Send;

    /// Changes the running configuration, or nothing of it; says what changed, a line each.
    fn edit(&self, edit: Edit) -> impl Future<Output = Result<Vec<String>, ControlError>> + Send;

    /// As [`peers`](Self::peers), each with what it is configured to be.
    fn neighbors(
        &self,
        name: Option<PeerName>,
    ) -> impl Future<Output = Result<Vec<(PeerStatus, Arc<Neighbor>)>, ControlError>> + Send;

    /// Peer groups as they are said, sorted by name.
    fn peer_groups(&self) -> impl Future<Output = Result<Vec<Settings>, ControlError>> + Send;

    /// Sets, policies and what is assigned where as they are said, and what is said of one neighbour.
    fn book(
        &self,
        neighbor: Option<PeerName>,
    ) -> impl Future<Output = Result<Book, ControlError>> + Send;

    /// The running configuration, without the keys of groups.
    fn config(&self) -> Arc<Config>;
}

/// Serves the API until `shutdown`: [`Listeners::bind`], then [`serve_on`].
///
/// # Errors
///
/// If an address can't be listened on, or a listener breaks.
pub async fn serve<C: Control>(
    control: C,
    listen: Vec<SocketAddr>,
    unix: Option<PathBuf>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listeners = Listeners::bind(&listen, unix.as_deref()).await?;
    serve_on(control, listeners, shutdown).await
}
