// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The handle that a program holds.

use std::io;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use tokio::sync::{mpsc, oneshot};

use super::driver::Driver;
use crate::{Change, FibConfig, FibEvent, Link, Reachability, RouteState, Totals};

/// Handle on a running reconciler; clones speak to the same one. When the last handle is dropped the reconciler ends and
/// leaves the kernel as it is.
#[derive(Clone, Debug)]
pub struct Fib {
    commands: mpsc::Sender<Command>,
}

/// What a handle asks of the reconciler's task.
#[derive(Debug)]
pub(crate) enum Command {
    Apply(Vec<Change>),
    Converged,
    Settled(oneshot::Sender<()>),
    Routes(oneshot::Sender<Vec<RouteState>>),
    Totals(oneshot::Sender<Totals>),
    NextHops(oneshot::Sender<Vec<(IpAddr, Reachability)>>),
    Route(IpNetwork, oneshot::Sender<Option<RouteState>>),
    Track(Vec<IpAddr>),
    Untrack(Vec<IpAddr>),
    Links(oneshot::Sender<Vec<Link>>),
    Reconfigure(Box<FibConfig>),
    Shutdown(oneshot::Sender<()>),
}

/// Commands waiting for the reconciler. Past it `apply` and the others wait: that is the back-pressure on the caller.
const COMMANDS: usize = 64;
/// Events waiting for the reader. Past it they are merged by what they are about.
const EVENTS: usize = 64;

impl Fib {
    /// Opens the sockets, in the network namespace of the calling thread and before it returns, and starts the
    /// reconciler's one task on the current tokio runtime.
    ///
    /// # Errors
    /// `PermissionDenied` without `CAP_NET_ADMIN` in the namespace; otherwise what the kernel said about the sockets.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(config: FibConfig) -> io::Result<(Self, mpsc::Receiver<FibEvent>)> {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (events, reader) = mpsc::channel(EVENTS);
        let driver = Driver::open(config, inbox, events)?;
        tokio::spawn(driver.run());
        Ok((Self { commands }, reader))
    }

    /// Changes what is desired. Returns when the changes are accepted, not when the kernel has them.
    pub async fn apply(&self, changes: Vec<Change>) {
        self.tell(Command::Apply(changes)).await;
    }

    /// Says that everything desired has been said: what a previous run left and nobody desired is deleted now.
    pub async fn converged(&self) {
        self.tell(Command::Converged).await;
    }

    /// Waits until every desired route was written, or found, or is known to be in trouble.
    pub async fn settled(&self) {
        self.ask(Command::Settled).await;
    }

    /// All desired routes, sorted by prefix.
    pub async fn routes(&self) -> Vec<RouteState> {
        self.ask(Command::Routes).await.unwrap_or_default()
    }

    /// How many desired routes are in which state; much cheaper than [`routes`](Self::routes).
    pub async fn totals(&self) -> Totals {
        self.ask(Command::Totals).await.unwrap_or_default()
    }

    /// The route desired for a prefix.
    pub async fn route(&self, prefix: IpNetwork) -> Option<RouteState> {
        self.ask(|answer| Command::Route(prefix, answer))
            .await
            .flatten()
    }

    /// Starts to watch the way to these addresses; each is reported once at least ([`FibEvent::NextHops`]).
    pub async fn track(&self, addresses: Vec<IpAddr>) {
        self.tell(Command::Track(addresses)).await;
    }

    /// The watched addresses and the way to them, in order.
    pub async fn next_hops(&self) -> Vec<(IpAddr, Reachability)> {
        self.ask(Command::NextHops).await.unwrap_or_default()
    }

    /// Stops watching the way to these addresses.
    pub async fn untrack(&self, addresses: Vec<IpAddr>) {
        self.tell(Command::Untrack(addresses)).await;
    }

    /// All network interfaces, sorted by index.
    pub async fn links(&self) -> Vec<Link> {
        self.ask(Command::Links).await.unwrap_or_default()
    }

    /// Takes on another configuration. Routes written under another table, protocol or metric are moved: the new one is
    /// written before the old one is deleted. The receive buffer stays as it is.
    pub async fn reconfigure(&self, config: FibConfig) {
        self.tell(Command::Reconfigure(Box::new(config))).await;
    }

    /// Ends the reconciler, for all handles. Our routes are removed first unless [`FibConfig::persist`] is set.
    pub async fn shutdown(self) {
        self.ask(Command::Shutdown).await;
    }

    /// A task that has ended takes no commands; the reader of the events sees that end.
    async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, reply) = oneshot::channel();
        self.commands.send(command(answer)).await.ok()?;
        reply.await.ok()
    }
}
