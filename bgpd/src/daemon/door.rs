// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The running daemon as its clients see it: answers questions from the peers' tasks, the shards and the kernel task.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bgp_fsm::StopReason;
use bgp_proto::Family;
use fib_netlink::{Fib, Reachability};
use rib::{Disposition, PeerId, RouteBatch, Source, TableSize};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{
    bfd::{Bfd, GOODBYE},
    clock::Clock,
    events::Events,
    fib_task::{fib_route, send_dealt, way},
    log,
    peer_task::{Command, PeerHandle},
    shard::{Gone, Shard},
};
use crate::{
    api::{Control, Subscription},
    config::{Book, Config, Edit, LogLevel, Neighbor, PeerName, Policies, Settings},
    control::{
        BfdStatus, ControlError, Explanation, FibRoute, FibSummary, Interest, NewRoute,
        NextHopStatus, PeerOrder, PeerStatus, Plan, PlanRequest, PrefixMatch, Route, RouteQuery,
        Status, Table, WatchEvent, WatchFilter,
    },
    peer::{Peer, PeerEvent},
};

mod peers;
mod plan;
mod routes;

pub(super) use routes::{route, route_source};

/// A neighbour that runs.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) id: PeerId,
    pub(super) handle: PeerHandle,
    pub(super) neighbor: Arc<crate::config::Neighbor>,
    pub(super) dynamic: bool,
    pub(super) panics: Option<Panics>,
}

/// What has become of a neighbour's earlier tasks.
#[derive(Clone, Debug)]
pub(super) struct Panics {
    pub(super) count: u64,
    /// Of the last one.
    pub(super) text: Arc<str>,
    pub(super) at: bgp_proto::Instant,
}

/// What the supervisor lets others see.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) config: Arc<Config>,
    pub(super) peers: BTreeMap<PeerName, Running>,
    pub(super) listening: Vec<SocketAddr>,
    pub(super) converging: bool,
}

impl Board {
    /// The neighbour with a number.
    pub(super) fn find(&self, id: PeerId) -> Option<Running> {
        let mut running = self.peers.values();
        running.find(|running| running.id == id).cloned()
    }

    /// Neighbours by number, for display.
    pub(super) fn names(&self) -> HashMap<PeerId, PeerName> {
        self.peers
            .iter()
            .map(|(name, running)| (running.id, *name))
            .collect()
    }
}

/// A request only the supervisor can answer.
pub(super) enum Request {
    /// Read the configuration again.
    Reload(oneshot::Sender<Result<Vec<String>, String>>),
    /// Change it over the API.
    Edit(
        Box<Edit>,
        oneshot::Sender<Result<Vec<String>, ControlError>>,
    ),
    /// The peer groups.
    Groups(oneshot::Sender<Vec<Settings>>),
    /// Everything about policies, and a neighbour.
    Book(Option<String>, oneshot::Sender<Book>),
}

/// The door. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) clock: Clock,
    pub(super) board: Arc<RwLock<Board>>,
    pub(super) shards: Vec<Shard>,
    pub(super) events: Events,
    pub(super) fib: Option<Fib>,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) bfd: Bfd,
    /// Where the configuration is.
    pub(super) path: Arc<Path>,
    /// One plan at a time is made.
    pub(super) planning: Arc<tokio::sync::Mutex<()>>,
}

impl Door {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Board> {
        self.board.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Board> {
        self.board.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Vec<(PeerName, Running)> {
        self.read()
            .peers
            .iter()
            .map(|(address, running)| (*address, running.clone()))
            .collect()
    }

    fn find(&self, address: PeerName) -> Result<Running, ControlError> {
        let found = self.read().peers.get(&address).cloned();
        found.ok_or_else(|| {
            ControlError::NotFound(format!(
                "no neighbour {address}; `bgpctl neighbor` lists them"
            ))
        })
    }

    fn kernel(&self) -> Result<&Fib, ControlError> {
        self.fib.as_ref().ok_or_else(|| {
            ControlError::NotPossible(
                "[fib] is not configured: bgpd leaves the kernel's tables alone".to_owned(),
            )
        })
    }

    async fn request<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, ControlError> {
        let (answer, receiver) = oneshot::channel();
        let sent = self.requests.send(request(answer)).await;
        sent.map_err(|_| ControlError::ShuttingDown)?;
        receiver.await.map_err(|_| ControlError::ShuttingDown)
    }

    async fn fib_summary(&self) -> Option<FibSummary> {
        let totals = self.fib.as_ref()?.totals().await;
        Some(FibSummary {
            installed: totals.installed,
            pending: totals.pending,
            failed: totals.failed,
        })
    }
}

impl From<Gone> for ControlError {
    fn from(_: Gone) -> Self {
        Self::ShuttingDown
    }
}

impl Control for Door {
    async fn status(&self) -> Result<Status, ControlError> {
        let (mut prefixes, mut paths) = (0, 0);
        for shard in &self.shards {
            let totals = shard.ask(rib::Rib::totals).await?;
            prefixes += totals.prefixes;
            paths += totals.paths;
        }
        let established = self
            .peers(None)
            .await?
            .iter()
            .filter(|peer| peer.state == crate::control::SessionState::Established)
            .count();
        let fib = self.fib_summary().await;
        let board = self.read();
        let global = &board.config.global;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            local_as: global.asn,
            router_id: global.router_id(),
            cluster_id: global.cluster_id().addr(),
            uptime: self.clock.now().saturating_since(bgp_proto::Instant::ZERO),
            listening: board.listening.clone(),
            shards: self.shards.len(),
            converging: board.converging,
            peers: board.peers.len(),
            established,
            prefixes,
            paths,
            fib,
            memory: memory(),
            warnings: board
                .config
                .warnings
                .iter()
                .map(ToString::to_string)
                .collect(),
            log: log::level(),
        })
    }

    async fn peers(&self, address: Option<PeerName>) -> Result<Vec<PeerStatus>, ControlError> {
        let wanted = match address {
            Some(address) => vec![(address, self.find(address)?)],
            None => self.running(),
        };
        let mut all = Vec::with_capacity(wanted.len());
        for (_, running) in wanted {
            all.extend(self.peer_status(&running).await?);
        }
        Ok(all)
    }

    async fn order(&self, peer: Option<PeerName>, order: PeerOrder) -> Result<(), ControlError> {
        let wanted = match peer {
            Some(address) => vec![self.find(address)?],
            None => self
                .running()
                .into_iter()
                .map(|(_, running)| running)
                .collect(),
        };
        let (mut disabled, mut silent) = (Vec::new(), Vec::new());
        for mut running in wanted {
            if order == PeerOrder::Enable {
                // Whom nobody watches does not hear that nobody does.
                let watched = self.bfd.watch(running.id, &running.neighbor);
                running.handle.tell(Command::Bfd(watched)).await;
            }
            if order == PeerOrder::RefreshIn
                && let Some(why) = running.handle.ask(why_not_asked).await.flatten()
            {
                silent.push(format!("{} {why}", running.neighbor.name));
                continue;
            }
            // Down on purpose, and stays so.
            if matches!(order, PeerOrder::Reset(_) | PeerOrder::Shutdown(_))
                && running.handle.ask(|peer, _| peer.is_shut_down()).await == Some(true)
            {
                continue;
            }
            let events = match &order {
                PeerOrder::Disable(text) => vec![PeerEvent::Stop(
                    StopReason::AdministrativeShutdown(text.clone()),
                )],
                PeerOrder::Enable => vec![PeerEvent::Start],
                PeerOrder::Reset(text) => {
                    vec![
                        PeerEvent::Stop(StopReason::AdministrativeReset(text.clone())),
                        PeerEvent::Start,
                    ]
                }
                PeerOrder::Shutdown(text) => {
                    vec![
                        PeerEvent::Stop(StopReason::AdministrativeShutdown(text.clone())),
                        PeerEvent::Start,
                    ]
                }
                PeerOrder::RefreshIn => vec![PeerEvent::RefreshIn],
                PeerOrder::RefreshOut => vec![PeerEvent::RefreshOut],
                PeerOrder::GracefulShutdown(is_leaving) => {
                    let mut neighbor = running.neighbor.as_ref().clone();
                    neighbor.terms.graceful_shutdown = *is_leaving;
                    let terms = Box::new(neighbor.terms.clone());
                    running.neighbor = Arc::new(neighbor);
                    let name = running.neighbor.name;
                    self.write().peers.insert(name, running.clone());
                    vec![PeerEvent::Terms(terms)]
                }
            };
            for event in events {
                running.handle.tell(Command::Event(event)).await;
            }
            if matches!(order, PeerOrder::Disable(_)) {
                disabled.push(running);
            }
        }
        if !disabled.is_empty() {
            sleep(GOODBYE).await;
        }
        for running in disabled {
            // Unless it is wanted again meanwhile.
            let is_shut = running.handle.ask(|peer, _| peer.is_shut_down()).await;
            if is_shut == Some(true) {
                self.bfd.unwatch(running.id);
            }
        }
        if !silent.is_empty() {
            return Err(ControlError::NotPossible(silent.join("; ")));
        }
        Ok(())
    }

    async fn routes(&self, query: RouteQuery) -> Result<mpsc::Receiver<Vec<Route>>, ControlError> {
        self.list_routes(&query)
    }

    async fn table_size(&self, table: Table, family: Family) -> Result<TableSize, ControlError> {
        self.size_of(table, family).await
    }

    async fn explain(
        &self,
        prefix: bgp_proto::Prefix,
        how: PrefixMatch,
    ) -> Result<Explanation, ControlError> {
        self.explain_prefix(prefix, how).await
    }

    async fn bfd(&self, address: Option<IpAddr>) -> Result<Vec<BfdStatus>, ControlError> {
        let mut sessions = self.bfd.show().await;
        if let Some(address) = address {
            sessions.retain(|session| session.remote == address);
            if sessions.is_empty() {
                return Err(ControlError::NotFound(format!(
                    "no BFD session with {address}; `bgpctl bfd` lists them"
                )));
            }
        }
        Ok(sessions)
    }

    async fn fib(&self) -> Result<Vec<FibRoute>, ControlError> {
        Ok(self
            .kernel()?
            .routes()
            .await
            .iter()
            .map(fib_route)
            .collect())
    }

    async fn policies(&self) -> Result<Policies, ControlError> {
        Ok(self.read().config.policies.clone())
    }

    async fn next_hops(&self) -> Result<Vec<NextHopStatus>, ControlError> {
        let mut prefixes: BTreeMap<IpAddr, u64> = BTreeMap::new();
        for shard in &self.shards {
            for (address, users) in shard.ask(rib::Rib::next_hops).await? {
                *prefixes.entry(address).or_default() += users;
            }
        }
        let ways: HashMap<IpAddr, Reachability> =
            self.kernel()?.next_hops().await.into_iter().collect();
        let next_hop = |(address, prefixes)| NextHopStatus {
            address,
            way: ways.get(&address).and_then(way),
            prefixes,
        };
        Ok(prefixes.into_iter().map(next_hop).collect())
    }

    async fn watch(&self, filter: WatchFilter) -> Result<mpsc::Receiver<WatchEvent>, ControlError> {
        Ok(self.events.watch(filter))
    }

    async fn follow(&self, interest: Interest) -> Result<Subscription, ControlError> {
        Ok(self.events.follow(interest))
    }

    async fn add_routes(&self, routes: Vec<NewRoute>) -> Result<(), ControlError> {
        let mut batch = RouteBatch::new(Source::Api);
        for route in routes {
            let next_hop = route.attributes.next_hop;
            let disposition = if route.blackhole {
                Disposition::Blackhole
            } else {
                Disposition::Via(next_hop)
            };
            let path = batch.push_path(route.attributes, disposition);
            batch.announce(route.prefix, route.path_id, path);
        }
        Ok(send_dealt(&self.shards, batch).await?)
    }

    async fn delete_routes(
        &self,
        routes: Vec<(bgp_proto::Prefix, u32)>,
    ) -> Result<u64, ControlError> {
        let mut there = 0;
        let mut batch = RouteBatch::new(Source::Api);
        for (prefix, path_id) in routes {
            for shard in &self.shards {
                let found = shard
                    .ask(move |rib| rib.has_path(prefix, Source::Api, path_id))
                    .await?;
                there += u64::from(found);
            }
            batch.withdraw(prefix, path_id);
        }
        send_dealt(&self.shards, batch).await?;
        Ok(there)
    }

    async fn set_log_level(&self, level: LogLevel) -> Result<(), ControlError> {
        if log::order(level) {
            return Ok(());
        }
        let text = "the program that bgpd runs in has a log of its own";
        Err(ControlError::NotPossible(text.to_owned()))
    }

    async fn reload(&self) -> Result<Vec<String>, ControlError> {
        self.request(Request::Reload)
            .await?
            .map_err(ControlError::Invalid)
    }

    async fn plan(&self, request: PlanRequest) -> Result<Plan, ControlError> {
        self.make_plan(request).await
    }

    async fn edit(&self, edit: Edit) -> Result<Vec<String>, ControlError> {
        let edit = Box::new(edit);
        self.request(|answer| Request::Edit(edit, answer)).await?
    }

    async fn neighbors(
        &self,
        name: Option<PeerName>,
    ) -> Result<Vec<(PeerStatus, Arc<Neighbor>)>, ControlError> {
        let wanted = match name {
            Some(name) => vec![self.find(name)?],
            None => self.running().into_iter().map(|(_, peer)| peer).collect(),
        };
        let mut all = Vec::with_capacity(wanted.len());
        for running in wanted {
            let status = self.peer_status(&running).await?;
            all.extend(status.map(|status| (status, running.neighbor)));
        }
        Ok(all)
    }

    async fn peer_groups(&self) -> Result<Vec<Settings>, ControlError> {
        self.request(Request::Groups).await
    }

    async fn book(&self, neighbor: Option<PeerName>) -> Result<Book, ControlError> {
        let neighbor = neighbor.map(|name| name.to_string());
        self.request(|answer| Request::Book(neighbor, answer)).await
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.read().config)
    }
}

/// What the daemon has of the host's memory.
fn memory() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}

/// Why a neighbour with a session can't be asked for its routes.
fn why_not_asked(peer: &Peer, _queued: usize) -> Option<&'static str> {
    let is_up = peer.negotiated().is_some();
    (is_up && !peer.can_be_asked()).then_some(
        "can not be asked for its routes: it has no route refresh (RFC 2918); `reset` brings them",
    )
}
