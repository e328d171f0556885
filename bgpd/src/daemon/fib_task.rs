// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Between the RIB and the kernel: best paths go down as routes, what the kernel knows comes up as RIB input.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bgp_proto::{AsPath, NextHop, Origin, PathAttributes, Prefix};
use fib_netlink::{Fib, FibEvent, LearnedChange, LearnedOrigin, Reachability, RouteState};
use rib::{Disposition, FibChange, Input, NextHopState, RouteBatch, Source};
use tokio::sync::{Notify, mpsc};
use tracing::{info, warn};

use super::{
    events::Events,
    shard::{Gone, Order, Shard},
};
use crate::{
    config::{Pool, Sources},
    control::{self, WatchEvent},
    kernel::{BestChange, Kernel, Known},
};

/// Best-path changes on their way to the kernel, the latest per prefix: bounded by the table, and no shard ever waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Coalescer(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    changes: Mutex<Changes>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Changes {
    best: Vec<BestChange>,
    known: Known,
    /// With more of them all but the latest of each prefix are left out.
    compact_at: usize,
    track: Tracked,
}

/// What becomes of next hops, by shard.
type Tracked = HashMap<(usize, IpAddr), Tracking>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tracking {
    Wanted,
    Unwanted,
}

impl Coalescer {
    /// Called by a shard, with its number, after each turn.
    pub(super) fn push(&self, shard: usize, output: &mut rib::Output) {
        let changes = [&mut output.install, &mut output.remove];
        if changes.iter().all(|list| list.is_empty())
            && output.track.is_empty()
            && output.untrack.is_empty()
        {
            return;
        }
        let mut guard = self
            .0
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waiting = &mut *guard;
        for list in changes {
            let short = list.drain(..).map(|change| waiting.known.shorten(&change));
            waiting.best.extend(short);
        }
        if waiting.best.len() > waiting.compact_at.max(FEW) {
            keep_latest(&mut waiting.best);
            waiting.compact_at = 2 * waiting.best.len();
        }
        waiting.track.extend(
            output
                .untrack
                .drain(..)
                .map(|address| ((shard, address), Tracking::Unwanted)),
        );
        waiting.track.extend(
            output
                .track
                .drain(..)
                .map(|address| ((shard, address), Tracking::Wanted)),
        );
        drop(guard);
        self.0.ready.notify_one();
    }

    fn take(&self) -> (Vec<BestChange>, Tracked) {
        let mut waiting = self
            .0
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.compact_at = 0;
        let best = std::mem::take(&mut waiting.best);
        (best, std::mem::take(&mut waiting.track))
    }

    /// Best paths that were asked for.
    fn shorten(&self, changes: &[FibChange]) -> Vec<BestChange> {
        let mut waiting = self
            .0
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = &mut waiting.known;
        changes.iter().map(|change| known.shorten(change)).collect()
    }
}

/// Leaves the latest change of each prefix, by prefix.
fn keep_latest(changes: &mut Vec<BestChange>) {
    changes.sort_by_key(|change| change.prefix);
    changes.dedup_by(|later, earlier| {
        let is_same = later.prefix == earlier.prefix;
        if is_same {
            std::mem::swap(later, earlier);
        }
        is_same
    });
}

/// So many changes may wait before anybody looks for those that are out of date.
const FEW: usize = 1 << 15;

/// Changes handed down at once, so that the kernel has something to do while the next ones are made.
const PIECE: usize = 2048;

/// What the kernel task is told by the supervisor.
#[derive(Debug)]
pub(super) enum FibOrder {
    /// The RIB has converged: what is stale in the kernel may go.
    Converged,
    /// A reload changed the pools.
    Pools(Vec<Pool>),
    /// A reload changed the source addresses.
    Sources(Sources),
}

/// Routes through routes through routes: so far they are followed before what is stale is removed.
const ROUNDS: usize = 16;

/// The kernel task.
pub(super) struct FibTask {
    pub(super) fib: Fib,
    pub(super) events: mpsc::Receiver<FibEvent>,
    pub(super) orders: mpsc::Receiver<FibOrder>,
    pub(super) changes: Coalescer,
    pub(super) kernel: Kernel,
    pub(super) shards: Vec<Shard>,
    pub(super) announce: Events,
    pub(super) next_hops: NextHops,
}

/// Which shards want to know about which next hop, and what is known.
#[derive(Debug, Default)]
pub(super) struct NextHops {
    wanted: HashMap<IpAddr, HashSet<usize>>,
    known: HashMap<IpAddr, NextHopState>,
    /// Whether packets get through each interface.
    up: BTreeMap<u32, bool>,
}

impl NextHops {
    /// Takes in the state of all interfaces. Returns what has changed, interfaces that are gone among it.
    fn interfaces(&mut self, links: &[fib_netlink::Link]) -> Vec<(u32, bool)> {
        let now: BTreeMap<u32, bool> = links.iter().map(|link| (link.index, link.up)).collect();
        let gone = self.up.keys().filter(|index| !now.contains_key(index));
        let gone = gone.map(|index| (*index, false));
        let known = |(index, up): &(u32, bool)| self.up.get(index).unwrap_or(&true) == up;
        let mut changes: Vec<_> = now.iter().map(|(index, up)| (*index, *up)).collect();
        changes.retain(|change| !known(change));
        changes.extend(gone);
        self.up = now;
        changes
    }
}

impl FibTask {
    /// Runs until nobody can give it orders any more; then the routes stay or go as configured.
    pub(super) async fn run(mut self) {
        loop {
            let waiting = Arc::clone(&self.changes.0);
            let result = tokio::select! {
                () = waiting.ready.notified() => { self.push_down().await; Ok(()) }
                order = self.orders.recv() => match order {
                    Some(order) => { self.obey(order).await; Ok(()) }
                    None => break,
                },
                event = self.events.recv() => match event {
                    Some(event) => self.pass_up(event).await,
                    None => break,
                },
            };
            if result.is_err() {
                break;
            }
        }
        self.push_down().await;
        self.fib.shutdown().await;
    }

    /// Hands down what the RIB wants. Says whether that included next hops.
    async fn push_down(&mut self) -> bool {
        let (mut best, tracked) = self.changes.take();
        let has_next_hops = !tracked.is_empty();
        keep_latest(&mut best);
        self.hand_down(best).await;
        self.track(tracked).await;
        has_next_hops
    }

    async fn hand_down(&mut self, best: Vec<BestChange>) {
        let mut best = best.into_iter().peekable();
        while best.peek().is_some() {
            let piece = self.kernel.best_changed(best.by_ref().take(PIECE));
            self.fib.apply(piece).await;
        }
    }

    /// All routes are written as it is usual now. Those that are as before cost nothing in `fib_netlink`.
    async fn hand_down_all(&mut self) {
        for shard in self.shards.clone() {
            let mut after = None;
            loop {
                let question = move |rib: &rib::Rib| rib.forwarding(after, PIECE);
                let Ok((best, last)) = shard.ask(question).await else {
                    return;
                };
                let best = self.changes.shorten(&best);
                self.hand_down(best).await;
                after = last;
                if last.is_none() {
                    break;
                }
            }
        }
        // What has changed meanwhile waits, and is the latest.
        self.push_down().await;
    }

    async fn track(&mut self, changes: Tracked) {
        let (mut begin, mut end) = (Vec::new(), Vec::new());
        for ((shard, address), tracking) in changes {
            let shards = self.next_hops.wanted.entry(address).or_default();
            match tracking {
                Tracking::Wanted => {
                    shards.insert(shard);
                    match self.next_hops.known.get(&address) {
                        // Another shard asked before: the kernel task won't say it again.
                        Some(state) => {
                            let input = Input::NextHops(vec![(address, *state)]);
                            if self.shards[shard].order(Order::Input(input)).await.is_err() {
                                return;
                            }
                        }
                        None => begin.push(address),
                    }
                }
                Tracking::Unwanted => {
                    shards.remove(&shard);
                    if shards.is_empty() {
                        self.next_hops.wanted.remove(&address);
                        self.next_hops.known.remove(&address);
                        end.push(address);
                    }
                }
            }
        }
        if !end.is_empty() {
            self.fib.untrack(end).await;
        }
        if !begin.is_empty() {
            self.fib.track(begin).await;
        }
    }

    async fn obey(&mut self, order: FibOrder) {
        match order {
            FibOrder::Converged => self.converged().await,
            FibOrder::Pools(pools) => {
                self.kernel.pools_changed(pools);
                self.hand_down_all().await;
            }
            FibOrder::Sources(sources) => {
                self.kernel.sources_changed(sources);
                self.hand_down_all().await;
            }
        }
    }

    /// Everything that the RIB will want is wanted before the rest is removed: its routes wait for what is known of their next
    /// hops, and that may depend on other routes of it.
    async fn converged(&mut self) {
        for _ in 0..ROUNDS {
            for shard in &self.shards {
                if shard.drained().await.is_err() {
                    return;
                }
            }
            let asked = self.push_down().await;
            let mut news = self.fib.next_hops().await;
            news.retain(|(address, way)| self.next_hops.known.get(address) != Some(&state(way)));
            if news.is_empty() && !asked {
                break;
            }
            if self.next_hops(&news).await.is_err() {
                return;
            }
        }
        self.fib.converged().await;
    }

    async fn pass_up(&mut self, event: FibEvent) -> Result<(), Gone> {
        match event {
            FibEvent::Learned(changes) => self.learned(changes).await,
            FibEvent::NextHops(changes) => self.next_hops(&changes).await,
            FibEvent::Links(links) => {
                let interfaces = self.next_hops.interfaces(&links);
                // The kernel first: what leads elsewhere already can be decided in peace.
                self.fib.apply(self.kernel.links_changed(&links)).await;
                if interfaces.is_empty() {
                    return Ok(());
                }
                for shard in &self.shards {
                    let input = Input::Interfaces(interfaces.clone());
                    shard.order(Order::Input(input)).await?;
                }
                Ok(())
            }
            FibEvent::Status(states) => {
                for state in &states {
                    self.report(state);
                }
                Ok(())
            }
            FibEvent::Resynced => {
                info!("kernel table compared in full");
                Ok(())
            }
        }
    }

    fn report(&self, state: &RouteState) {
        let route = fib_route(state);
        match &state.status {
            status if status.is_installed() => {
                info!(prefix = %state.route.prefix, "kernel route is in place again");
            }
            status => {
                warn!(prefix = %state.route.prefix, target = %route.target, %status, "kernel route is not in place");
            }
        }
        self.announce.announce(&WatchEvent::Fib {
            prefix: route.prefix,
            route: Some(route),
        });
    }

    async fn learned(&mut self, changes: Vec<LearnedChange>) -> Result<(), Gone> {
        let mut kernel = RouteBatch::new(Source::Kernel);
        let mut direct = RouteBatch::new(Source::Direct);
        for change in changes {
            let batch = match change.origin {
                LearnedOrigin::Kernel => &mut kernel,
                LearnedOrigin::Direct => &mut direct,
            };
            let Some(prefix) = prefix(change.prefix) else {
                continue;
            };
            match &change.route {
                Some(route) => {
                    let (next_hop, disposition) = learned_target(prefix, route);
                    let path = batch.push_path(
                        PathAttributes::new(Origin::Incomplete, AsPath::empty(), next_hop),
                        disposition,
                    );
                    batch.announce(prefix, 0, path);
                }
                None => batch.withdraw(prefix, 0),
            }
        }
        for batch in [kernel, direct] {
            send_dealt(&self.shards, batch).await?;
        }
        Ok(())
    }

    async fn next_hops(&mut self, changes: &[(IpAddr, Reachability)]) -> Result<(), Gone> {
        let states: Vec<(IpAddr, NextHopState)> = changes
            .iter()
            .map(|(address, reachability)| (*address, state(reachability)))
            .filter(|(address, _)| self.next_hops.wanted.contains_key(address))
            .collect();
        self.next_hops.known.extend(states.iter().copied());
        for shard in &self.shards {
            shard
                .order(Order::Input(Input::NextHops(states.clone())))
                .await?;
        }
        Ok(())
    }
}

/// What the RIB wants to know of the way to a next hop.
fn state(reachability: &Reachability) -> NextHopState {
    match reachability {
        Reachability::Reachable { metric, .. } => NextHopState::Reachable { metric: *metric },
        Reachability::Unreachable => NextHopState::Unreachable,
    }
}

/// Deals a batch by prefix and hands each shard its part.
pub(super) async fn send_dealt(shards: &[Shard], batch: RouteBatch) -> Result<(), Gone> {
    if batch.is_empty() {
        return Ok(());
    }
    for (shard, part) in shards.iter().zip(batch.deal(shards.len())) {
        if !part.is_empty() {
            shard.order(Order::Input(Input::Routes(part))).await?;
        }
    }
    Ok(())
}

fn learned_target(prefix: Prefix, route: &fib_netlink::LearnedRoute) -> (NextHop, Disposition) {
    let unspecified = match prefix {
        Prefix::V4(_) => NextHop::V4(std::net::Ipv4Addr::UNSPECIFIED),
        Prefix::V6(_) => NextHop::V6(std::net::Ipv6Addr::UNSPECIFIED),
    };
    match route.hops.first() {
        Some(hop) => match hop.gateway {
            Some(IpAddr::V4(gateway)) => {
                (NextHop::V4(gateway), Disposition::Via(NextHop::V4(gateway)))
            }
            Some(IpAddr::V6(gateway)) => {
                (NextHop::V6(gateway), Disposition::Via(NextHop::V6(gateway)))
            }
            None => (unspecified, Disposition::Device(hop.ifindex)),
        },
        None => (unspecified, Disposition::Blackhole),
    }
}

/// A prefix of `fib_netlink` in BGP's terms; host bits are dropped.
pub(super) fn prefix(network: ipnetwork::IpNetwork) -> Option<Prefix> {
    match network {
        ipnetwork::IpNetwork::V4(network) => {
            bgp_proto::Ipv4Prefix::truncating(network.ip(), network.prefix()).map(Prefix::V4)
        }
        ipnetwork::IpNetwork::V6(network) => {
            bgp_proto::Ipv6Prefix::truncating(network.ip(), network.prefix()).map(Prefix::V6)
        }
    }
}

/// As `ip route` prints it, after the prefix.
pub(super) fn target(route: &fib_netlink::Route) -> String {
    let mut text = route.target.to_string();
    if let Some(source) = route.source {
        text.push_str(" src ");
        text.push_str(&source.to_string());
    }
    if let Some(table) = route.table {
        text.push_str(" table ");
        text.push_str(&table.to_string());
    }
    text
}

/// A kernel route as clients are told of it.
pub(super) fn fib_route(state: &RouteState) -> control::FibRoute {
    use fib_netlink::Status;
    control::FibRoute {
        prefix: prefix(state.route.prefix).expect("fib_netlink has valid prefixes"),
        target: match state.object {
            Some(id) => format!("nhid {id} {}", target(&state.route)),
            None => target(&state.route),
        },
        metric: state.route.metric.unwrap_or_default(),
        state: match &state.status {
            Status::Pending => control::FibState::Pending,
            Status::Installed => control::FibState::Installed,
            Status::Adopted => control::FibState::Adopted,
            Status::Failed {
                error, attempts, ..
            } => control::FibState::Failed {
                error: error.clone(),
                attempts: *attempts,
            },
            Status::Blocked { protocol } => control::FibState::Blocked(format!(
                "a route of another program (protocol {protocol})"
            )),
            Status::Contested { next_try } => control::FibState::Blocked(format!(
                "a program that takes it away again and again (restored in {} s)",
                next_try.as_secs()
            )),
            Status::WaitingForInterface => {
                control::FibState::WaitingForInterface(state.route.target.to_string())
            }
        },
    }
}

/// The way to a next hop as clients are told of it; `None` if there is none.
pub(super) fn way(reachability: &Reachability) -> Option<control::Way> {
    match reachability {
        Reachability::Unreachable => None,
        Reachability::Reachable {
            metric,
            interface,
            gateway,
            ..
        } => Some(control::Way {
            gateway: *gateway,
            interface: interface.clone(),
            cost: *metric,
        }),
    }
}
