// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Starts the parts of the daemon, keeps the list of neighbours, carries out reloads, ends everything in order.

use std::{
    collections::{BTreeMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::{Arc, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use bgp_fsm::StopReason;
use fib_netlink::Fib;
use ipnetwork::IpNetwork;
use rib::{PeerId, RouteBatch, Source};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, error, info, info_span, warn};

use super::{
    bfd::Bfd,
    clock::Clock,
    door::{Board, Door, Request, Running},
    events::Events,
    fib_task::{Coalescer, FibOrder, FibTask, NextHops, send_dealt},
    host::this_host,
    link,
    listener::{Doors, Listener, Stranger},
    peer_task::{Command, Notice, PeerHandle, PeerTask, Surroundings},
    settings::{self, Circumstances, PeerPlan},
    shard::Shard,
    sink::ShardSink,
};
use crate::{
    api,
    config::{self, Config, DynamicNeighbor, Host, Interface, Layers, Neighbor, OnStop, PeerName},
    kernel::Kernel,
    peer::{Peer, PeerEvent},
};

mod edits;
#[cfg(test)]
mod gobgp_api;
mod panics;
mod reload;
mod sights;
#[cfg(test)]
mod tests;

/// Requests and notices that wait for the supervisor.
const QUEUE: usize = 256;

/// On SIGTERM every neighbour is told; whoever does not take it in this time is left.
const DRAIN: Duration = Duration::from_secs(2);

/// What the daemon starts with.
#[derive(Debug)]
pub struct Options {
    /// The configuration as it was read, for reloads and changes over the API.
    pub layers: Layers,
    /// What it means.
    pub config: Config,
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting: a port that is taken, a missing privilege, an interface that is not there. Nothing is
/// left half started.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut supervisor = Supervisor::start(options).await?;
    super::ready::say();
    match super::sys::give_back_program() {
        Ok(octets) => debug!(
            octets,
            "pages of the program that only the start needed are given back"
        ),
        Err(error) => debug!(%error, "pages of the program are kept"),
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => supervisor.reload_on_hangup().await,
            Some(request) = supervisor.requests.recv() => supervisor.answer(request).await,
            Some(notice) = supervisor.notices.recv() => supervisor.notice(notice).await,
            Some(stranger) = supervisor.strangers.recv() => supervisor.admit(stranger),
            () = deferral(supervisor.deferral) => supervisor.converged("the deferral time is over").await,
        }
    }
    supervisor.stop().await;
    Ok(())
}

async fn deferral(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

struct Supervisor {
    /// As written; `door.board` has it as it is for this host.
    layers: Layers,
    host: Host,
    host_seen: Instant,
    door: Door,
    doors: Doors,
    listeners: Vec<Listener>,
    /// Ends the listeners.
    listening: CancellationToken,
    stranger_sender: mpsc::Sender<Stranger>,
    fib: Option<FibParts>,
    next_peer: u32,
    /// Static neighbours that have not yet sent all of their table since the start.
    awaited: HashSet<PeerId>,
    deferral: Option<Instant>,
    stop: CancellationToken,
    servers: Vec<JoinHandle<()>>,
    /// How the API does TLS.
    tls: Option<api::ServerTls>,
    requests: mpsc::Receiver<Request>,
    notices: mpsc::Receiver<Notice>,
    strangers: mpsc::Receiver<Stranger>,
    /// Tasks that look for unnumbered neighbours.
    watches: BTreeMap<Interface, AbortHandle>,
    notice_sender: mpsc::Sender<Notice>,
}

/// What an operator wants of a neighbour's session, whatever the configuration says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wish {
    /// That it comes up.
    Up,
    /// That it stays down: it was taken down.
    Down,
}

struct FibParts {
    orders: mpsc::Sender<FibOrder>,
    task: JoinHandle<()>,
}

impl Supervisor {
    async fn start(options: Options) -> anyhow::Result<Self> {
        let Options { layers, config } = options;
        let host = this_host().context("can not read the interfaces of this host")?;
        let config = Arc::new(config.for_host(&host)?);
        let clock = Clock::new();
        let events = Events::default();
        let stop = CancellationToken::new();
        let (request_sender, requests) = mpsc::channel(QUEUE);
        let (notice_sender, notices) = mpsc::channel(QUEUE);
        let (stranger_sender, strangers) = mpsc::channel(QUEUE);
        let kernel = config
            .fib
            .as_ref()
            .map(|fib| Fib::start(fib.to_fib_config(&config.pools)))
            .transpose();
        let kernel = kernel
            .context("[fib] is configured, and the kernel's routing table can not be written")?;
        let board = Board {
            config: Arc::clone(&config),
            peers: BTreeMap::new(),
            listening: Vec::new(),
            converging: kernel.is_some(),
        };
        let board = Arc::new(RwLock::new(board));
        let changes = kernel.is_some().then(Coalescer::default);
        let shards = start_shards(&config, clock, &events, changes.as_ref(), &board)?;
        let door = Door {
            clock,
            board,
            shards,
            events,
            fib: kernel.as_ref().map(|(fib, _)| fib.clone()),
            requests: request_sender,
            bfd: Bfd::new(clock),
            path: layers.path().into(),
            planning: Arc::default(),
        };
        let mut supervisor = Self {
            layers,
            host,
            host_seen: Instant::now(),
            door,
            doors: Doors::default(),
            listeners: Vec::new(),
            listening: stop.child_token(),
            stranger_sender,
            fib: None,
            next_peer: 0,
            awaited: HashSet::new(),
            deferral: None,
            stop,
            servers: Vec::new(),
            tls: None,
            requests,
            notices,
            strangers,
            watches: BTreeMap::new(),
            notice_sender,
        };
        if config.global.is_given() {
            supervisor.listen(&config)?;
        }
        supervisor.serve_api(&config).await?;
        if let (Some((fib, events)), Some(changes)) = (kernel, changes) {
            supervisor.start_kernel(fib, events, changes, &config).await;
        }
        if config.global.is_given() {
            supervisor.open_for_neighbors(&config).await?;
        } else {
            info!("no [global]: waiting until the API says who we are");
        }
        Ok(supervisor)
    }

    async fn open_for_neighbors(&mut self, config: &Config) -> anyhow::Result<()> {
        self.announce_statics(&config.static_routes, &[]).await;
        self.open_ranges(&[], &config.dynamic_neighbors)?;
        for neighbor in &config.neighbors {
            self.add_peer(neighbor)?;
        }
        self.begin_deferral(config).await;
        info!(asn = %config.global.asn, router_id = %config.global.router_id(), peers = config.neighbors.len(), "bgpd started");
        Ok(())
    }

    fn listen(&mut self, config: &Config) -> anyhow::Result<()> {
        let Some(port) = config.global.listen_port else {
            return Ok(());
        };
        for address in &config.global.listen_addresses {
            let address = SocketAddr::new(*address, port);
            let device = config.global.bind_device.as_deref();
            let listener = Listener::start(
                address,
                device,
                self.doors.clone(),
                self.stranger_sender.clone(),
                self.listening.clone(),
            )
            .with_context(|| cannot_listen(address))?;
            self.listeners.push(listener);
        }
        self.door.write().listening = self
            .listeners
            .iter()
            .filter_map(|listener| listener.address().ok())
            .collect();
        Ok(())
    }

    async fn serve_api(&mut self, config: &Config) -> anyhow::Result<()> {
        let listeners = api::Listeners::open(&config.api).await?;
        self.tls = listeners.tls();
        let server = api::serve_on(self.door.clone(), listeners, self.stop.clone());
        self.servers.push(tokio::spawn(async move {
            if let Err(error) = server.await {
                error!(%error, "the management API has ended");
            }
        }));
        Ok(())
    }

    async fn start_kernel(
        &mut self,
        fib: Fib,
        events: mpsc::Receiver<fib_netlink::FibEvent>,
        changes: Coalescer,
        config: &Config,
    ) {
        let (orders, receiver) = mpsc::channel(QUEUE);
        let links = fib.links().await;
        let sources = config.fib.as_ref().map(|fib| fib.sources);
        let mut kernel = Kernel::new(config.pools.clone(), sources.unwrap_or_default());
        kernel.links_changed(&links);
        let task = FibTask {
            fib,
            events,
            orders: receiver,
            changes,
            kernel,
            shards: self.door.shards.clone(),
            announce: self.door.events.clone(),
            next_hops: NextHops::default(),
        };
        // Ends after the peers, so that it has its own token.
        let task = tokio::spawn(task.run());
        self.fib = Some(FibParts { orders, task });
    }

    /// Static routes that are new, and those that are gone.
    async fn announce_statics(
        &self,
        added: &[config::StaticRoute],
        removed: &[config::StaticRoute],
    ) {
        let mut batch = RouteBatch::new(Source::Static);
        settings::static_routes(&mut batch, added, removed);
        if send_dealt(&self.door.shards, batch).await.is_err() {
            error!("a shard has ended");
        }
    }

    /// Lets dynamic neighbours in. TCP MD5 keys of ranges that are gone go.
    fn open_ranges(&self, old: &[DynamicNeighbor], new: &[DynamicNeighbor]) -> anyhow::Result<()> {
        self.doors
            .set_ranges(new.iter().map(|dynamic| dynamic.prefix).collect());
        for listener in &self.listeners {
            for dynamic in old
                .iter()
                .filter(|dynamic| dynamic.template.auth_password.is_some())
            {
                if let Err(error) = listener.set_key(dynamic.prefix, None) {
                    warn!(range = %dynamic.prefix, %error, "TCP MD5 key not removed");
                }
            }
            for dynamic in new {
                if let Some(key) = &dynamic.template.auth_password {
                    listener
                        .set_key(dynamic.prefix, Some(key.as_bytes()))
                        .with_context(|| format!("TCP MD5 key of {}", dynamic.prefix))?;
                }
            }
        }
        Ok(())
    }

    fn add_peer(&mut self, neighbor: &Neighbor) -> anyhow::Result<()> {
        self.add_peer_as(neighbor, Wish::Up)
    }

    fn add_peer_as(&mut self, neighbor: &Neighbor, wish: Wish) -> anyhow::Result<()> {
        let running = self.start_peer(neighbor, false)?;
        self.watch(neighbor);
        if !neighbor.admin_down && wish == Wish::Up {
            if !neighbor.passive {
                self.awaited.insert(running.id);
            }
            running.handle.begin();
        }
        Ok(())
    }

    fn start_peer(&mut self, neighbor: &Neighbor, dynamic: bool) -> anyhow::Result<Running> {
        let id = PeerId(self.next_peer);
        self.next_peer += 1;
        let config = Arc::clone(&self.door.read().config);
        let restarting = self.door.read().converging;
        let around = Circumstances {
            config: &config,
            host: &self.host,
            shards: self.door.shards.len(),
            restarting,
            dynamic,
        };
        let PeerPlan { settings, endpoint } = settings::plan(id, neighbor, &around);
        for listener in &self.listeners {
            let has_own_key = !dynamic && !neighbor.is_awaited();
            if let Some(key) = endpoint.md5.as_ref().filter(|_| has_own_key) {
                let peer = IpNetwork::from(neighbor.address);
                listener
                    .set_key(peer, Some(key))
                    .with_context(|| format!("TCP MD5 key of {}", neighbor.address))?;
            }
        }
        let around = Surroundings {
            clock: self.door.clock,
            shards: self.door.shards.clone(),
            events: self.door.events.clone(),
            notices: self.notice_sender.clone(),
            bfd: (!neighbor.admin_down)
                .then(|| self.door.bfd.watch(id, neighbor))
                .flatten(),
        };
        let remote_as = neighbor.remote_as();
        let asn = remote_as.trim_start_matches("AS ");
        let span = info_span!("peer", addr = %neighbor.name, %asn);
        span.in_scope(|| settings::say_policies(neighbor));
        let (task, handle) = PeerTask::new(Peer::new(settings), endpoint, dynamic, around);
        let guarded = panics::guarded(id, task.run(), self.notice_sender.clone());
        tokio::spawn(guarded.instrument(span));
        let running = Running {
            id,
            handle: handle.clone(),
            neighbor: Arc::new(neighbor.clone()),
            dynamic,
            panics: None,
        };
        self.door
            .write()
            .peers
            .insert(neighbor.name, running.clone());
        self.doors.open(neighbor, handle);
        Ok(running)
    }

    async fn remove_peer(&mut self, name: PeerName, reason: StopReason) {
        self.look_away(name);
        self.take_down(name, reason).await;
    }

    async fn take_down(&mut self, name: PeerName, reason: StopReason) {
        let Some(running) = self.door.write().peers.remove(&name) else {
            return;
        };
        self.doors.close(&running.neighbor);
        self.awaited.remove(&running.id);
        running.handle.finish(reason).await;
        self.door.bfd.unwatch_later(running.id);
        let address = running.neighbor.address;
        let has_key = running.neighbor.auth_password.is_some();
        if has_key && !running.dynamic && !self.has_key_of(address) {
            for listener in &self.listeners {
                if let Err(error) = listener.set_key(address.into(), None) {
                    warn!(%name, %error, "TCP MD5 key not removed");
                }
            }
        }
    }

    /// Whether a neighbour has a key for this address: a link-local one may be on another interface, too.
    fn has_key_of(&self, address: IpAddr) -> bool {
        let board = self.door.read();
        let mut there = board.peers.values().map(|running| &running.neighbor);
        there.any(|neighbor| neighbor.address == address && neighbor.auth_password.is_some())
    }

    /// A connection from a range of dynamic neighbours.
    fn admit(&mut self, stranger: Stranger) {
        let config = Arc::clone(&self.door.read().config);
        let Some(dynamic) = config
            .dynamic_neighbors
            .iter()
            .find(|dynamic| dynamic.prefix == stranger.range)
        else {
            return;
        };
        // Two connections at once: the second finds the peer that the first has made.
        if let Some(running) = self.door.read().peers.get(&stranger.name) {
            running.handle.accepted(stranger.stream);
            return;
        }
        let there = self
            .door
            .read()
            .peers
            .values()
            .filter(|running| running.dynamic && dynamic.prefix.contains(running.neighbor.address))
            .count();
        if dynamic.limit.is_some_and(|limit| there >= limit) {
            warn!(name = %stranger.name, range = %stranger.range, limit = dynamic.limit, "too many dynamic neighbours, refused");
            return;
        }
        let neighbor = dynamic.neighbor(stranger.name);
        if let Some(obstacle) = link::obstacle(&settings::endpoint(&neighbor)) {
            info!(name = %stranger.name, %obstacle, "connection refused");
            return;
        }
        match self.start_peer(&neighbor, true) {
            Ok(running) => {
                tokio::spawn(async move {
                    running.handle.tell(Command::Event(PeerEvent::Start)).await;
                    running
                        .handle
                        .tell(Command::Accepted(stranger.stream))
                        .await;
                });
            }
            Err(error) => {
                warn!(name = %stranger.name, error = %format!("{error:#}"), "dynamic neighbour not accepted");
            }
        }
    }

    async fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Converged(id) => {
                self.awaited.remove(&id);
                if self.awaited.is_empty() {
                    self.converged("every neighbour has sent its table").await;
                }
            }
            Notice::Sight(interface, sight) => self.sighted(interface, sight).await,
            Notice::Panicked(id, text) => self.panicked(id, text).await,
            Notice::DynamicGone(id) => {
                let found = self.door.read().find(id);
                if let Some(running) = found {
                    self.door.bfd.unwatch(id);
                    self.doors.close(&running.neighbor);
                    self.door.write().peers.remove(&running.neighbor.name);
                }
            }
        }
    }

    async fn begin_deferral(&mut self, config: &Config) {
        let Some(fib) = &config.fib else { return };
        self.deferral = Some(Instant::now() + fib.deferral);
        if self.awaited.is_empty() {
            self.converged("there is no neighbour to wait for").await;
        }
    }

    /// What a previous run left in the kernel and nobody has announced again goes now.
    async fn converged(&mut self, why: &str) {
        self.deferral = None;
        if !std::mem::replace(&mut self.door.write().converging, false) {
            return;
        }
        if let Some(fib) = &self.fib {
            info!(why, "converged: stale kernel routes are removed");
            // A kernel task that has ended has nothing to sweep.
            let _ = fib.orders.send(FibOrder::Converged).await;
        }
    }

    async fn answer(&mut self, request: Request) {
        match request {
            Request::Reload(answer) => {
                let result = self.reload().await;
                // Who asked may have left.
                let _ = answer.send(result);
            }
            Request::Edit(edit, answer) => {
                let result = self.edit(*edit).await;
                // Here, too.
                let _ = answer.send(result);
            }
            Request::Groups(answer) => {
                // And here.
                let _ = answer.send(self.layers.groups());
            }
            Request::Book(neighbor, answer) => {
                // And here.
                let _ = answer.send(self.layers.book(neighbor.as_deref()));
            }
        }
    }

    async fn stop(mut self) {
        info!("shutting down");
        // Nobody reads them any more; a task must not wait for that.
        self.notices.close();
        let config = Arc::clone(&self.door.read().config);
        if config.fib.as_ref().is_some_and(|fib| fib.persist) {
            // Before the sessions end: the kernel keeps what they brought.
            self.stop_kernel().await;
        }
        if config.global.on_stop == OnStop::Notify {
            self.say_goodbye().await;
            // After the sessions: a neighbour that takes it for a failure, and keeps routes over failures of BFD, was told
            // that these are to go. A silent stop says nothing here either: neighbours that keep our routes have seen the
            // connections end before they miss a packet (RFC 5882 §4.3.2), and AdminDown would end that in BIRD and FRR.
            self.door.bfd.stop().await;
        }
        self.stop_kernel().await;
        self.stop.cancel();
        for server in self.servers.drain(..) {
            let _ = tokio::time::timeout(DRAIN, server).await;
        }
        info!("stopped");
    }

    /// Tells every neighbour, and lets what is still to be sent go out before.
    async fn say_goodbye(&self) {
        let peers: Vec<PeerHandle> = self
            .door
            .read()
            .peers
            .values()
            .map(|running| running.handle.clone())
            .collect();
        let tell = futures_util::future::join_all(
            peers
                .iter()
                .map(|handle| handle.finish(StopReason::AdministrativeShutdown(String::new()))),
        );
        if tokio::time::timeout(DRAIN, tell).await.is_err() {
            warn!("not every neighbour took the NOTIFICATION in time");
        }
    }

    async fn stop_kernel(&mut self) {
        if let Some(fib) = self.fib.take() {
            drop(fib.orders);
            let _ = tokio::time::timeout(DRAIN, fib.task).await;
        }
    }
}

fn start_shards(
    config: &Config,
    clock: Clock,
    events: &Events,
    changes: Option<&Coalescer>,
    board: &Arc<RwLock<Board>>,
) -> anyhow::Result<Vec<Shard>> {
    // The other half reads and writes.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let count = config.global.shards.unwrap_or(cores / 2).max(1);
    (0..count)
        .map(|number| {
            let sink = ShardSink {
                shards: count,
                number,
                events: events.clone(),
                clock,
                kernel: changes.cloned(),
                board: Arc::clone(board),
            };
            let rib = settings::rib_config(config);
            Shard::start(number, rib, clock, sink).context("can not start a thread for the RIB")
        })
        .collect()
}

fn cannot_listen(address: SocketAddr) -> String {
    let hint = if address.port() < 1024 {
        "ports below 1024 need root or CAP_NET_BIND_SERVICE; `global.port` takes another one, or -1 for none"
    } else {
        "is another BGP daemon running?"
    };
    format!("can not listen on {address}: {hint}")
}
