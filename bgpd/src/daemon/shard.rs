// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The threads that own the RIB: one `Rib` each, fed by a bounded queue, drained once per turn.

use std::{
    collections::{HashMap, HashSet},
    io, process,
    sync::Arc,
    thread,
};

use bgp_proto::{Family, Prefix};
use rib::{Input, Output, PeerId, PeerInfo, Rib, RibConfig, RouteBatch};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::{
    bundle::bundles,
    clock::Clock,
    outbox::{Flow, Item, Outbox},
};

/// Inputs that wait for a shard. A peer whose routes find the queue full is not read until there is room.
const QUEUE: usize = 32;

/// Inputs taken in one turn, before what changed is sent.
const TURN: usize = 64;

/// Routes after which a turn takes no more inputs: what comes of them waits in memory until it is sent.
const TURN_ROUTES: usize = 8192;

/// Messages that a turn's end writes to idle connections itself. More go through the peers' tasks, on all cores, and so do
/// all as soon as another order waits: then the tasks can write what comes of it in the same call.
const WRITES: usize = 128;

/// A question is a function of the table, run in the shard's thread between two turns.
type Question = Box<dyn FnOnce(&Rib) + Send>;

/// What a shard is given.
pub(super) enum Order {
    /// For the table.
    Input(Input),
    /// A session is up; what it is to be sent goes into this outbox.
    PeerUp(Box<PeerInfo>, Arc<Outbox>),
    /// Somebody asks.
    Ask(Question),
    /// Somebody waits until what was ordered before has been drained.
    Drained(oneshot::Sender<()>),
}

impl Order {
    fn routes(&self) -> usize {
        match self {
            Self::Input(Input::Routes(batch)) => batch.len(),
            _ => 0,
        }
    }
}

/// What a shard tells the rest of the daemon, apart from what goes to the peers. Must not wait.
pub(super) trait Sink: Send + 'static {
    /// Somebody wants to know what the forwarding table is to have.
    fn wants_forwarding(&self) -> bool {
        true
    }

    /// Somebody wants to know which best paths change.
    fn wants_best(&self) -> bool {
        false
    }

    /// Somebody wants to know what neighbours send.
    fn wants_paths(&self) -> bool {
        false
    }

    /// These paths of a neighbour may have changed, by prefix and path identifier.
    fn paths(&mut self, _rib: &Rib, _from: PeerId, _paths: &[(Prefix, u32)]) {}

    /// A neighbour has sent all of a table.
    fn end_of_rib(&mut self, _rib: &Rib, _from: PeerId, _family: Family) {}

    /// After each turn: kernel routes, events, next hops to track, limits. May take from `output`.
    fn turn(&mut self, rib: &Rib, output: &mut Output);
}

/// The way into one shard.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    queue: mpsc::Sender<Order>,
}

impl Shard {
    /// Starts a thread. It ends when the last [`Shard`] of it is dropped.
    ///
    /// # Errors
    /// The kernel gives no thread.
    pub(super) fn start(
        number: usize,
        config: RibConfig,
        clock: Clock,
        sink: impl Sink,
    ) -> io::Result<Self> {
        let (queue, orders) = mpsc::channel(QUEUE);
        let worker = Worker {
            rib: Rib::new(config),
            clock,
            number,
            outboxes: HashMap::new(),
            congested: HashSet::new(),
            waiting: Vec::new(),
            sink,
        };
        thread::Builder::new()
            .name(format!("rib-{number}"))
            .spawn(move || {
                let _whole = Whole;
                worker.run(orders);
            })?;
        Ok(Self { queue })
    }

    /// Hands in an order, waiting for room.
    ///
    /// # Errors
    /// The shard is gone: the daemon ends.
    pub(super) async fn order(&self, order: Order) -> Result<(), Gone> {
        self.queue.send(order).await.map_err(|_| Gone)
    }

    /// Waits for room for one order. `None`: the shard is gone.
    pub(super) async fn room(&self) -> Option<mpsc::OwnedPermit<Order>> {
        self.queue.clone().reserve_owned().await.ok()
    }

    /// Asks the table.
    ///
    /// # Errors
    /// The shard is gone: the daemon ends.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Rib) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (answer, receiver) = oneshot::channel();
        // Who asked may have left; then nobody wants the answer.
        let question = Box::new(move |rib: &Rib| drop(answer.send(question(rib))));
        self.order(Order::Ask(question)).await?;
        receiver.await.map_err(|_| Gone)
    }

    /// Waits until the kernel's side has been told what follows from all that was ordered before.
    ///
    /// # Errors
    /// The shard is gone: the daemon ends.
    pub(super) async fn drained(&self) -> Result<(), Gone> {
        let (answer, receiver) = oneshot::channel();
        self.order(Order::Drained(answer)).await?;
        receiver.await.map_err(|_| Gone)
    }
}

/// The shard's thread has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("bgpd is shutting down")]
pub(super) struct Gone;

/// A panic in a shard ends the process: without one of its parts the table is wrong, and nothing would mend it. After a
/// restart it is whole, and until then kernel and neighbours keep the routes as after any crash.
struct Whole;

impl Drop for Whole {
    fn drop(&mut self) {
        if thread::panicking() {
            error!("a part of the table is lost, bgpd ends");
            process::abort();
        }
    }
}

struct Worker<S> {
    rib: Rib,
    clock: Clock,
    number: usize,
    outboxes: HashMap<PeerId, Arc<Outbox>>,
    congested: HashSet<PeerId>,
    /// Those who wait for the end of the turn.
    waiting: Vec<oneshot::Sender<()>>,
    sink: S,
}

impl<S: Sink> Worker<S> {
    fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut output = Output::default();
        while let Some(first) = orders.blocking_recv() {
            let routes = first.routes();
            self.take(first);
            self.turn(&mut orders, routes);
            self.drain(&mut output, &orders);
            // A large table is fed in pieces, so that what arrives meanwhile waits for a piece and not for the table.
            while self.rib.has_work() {
                self.turn(&mut orders, 0);
                self.drain(&mut output, &orders);
            }
        }
    }

    /// Takes what waits, as far as a turn goes.
    fn turn(&mut self, orders: &mut mpsc::Receiver<Order>, mut routes: usize) {
        for _ in 0..TURN {
            if routes >= TURN_ROUTES {
                break;
            }
            let Ok(order) = orders.try_recv() else { break };
            routes += order.routes();
            self.take(order);
        }
    }

    fn take(&mut self, order: Order) {
        let now = self.clock.now();
        match order {
            Order::Input(mut input) => {
                match &input {
                    Input::PeerDown(id) | Input::PeerLost(id) => {
                        self.outboxes.remove(id);
                        self.congested.remove(id);
                    }
                    Input::Drained(id) => {
                        self.congested.remove(id);
                    }
                    _ => {}
                }
                let from = match &input {
                    Input::Routes(batch) => batch.source().peer(),
                    Input::SweepStale(id, _) | Input::LongLivedStale(id, _) => Some(*id),
                    _ => None,
                };
                let reserved = match &mut input {
                    Input::Routes(batch) => self.make_fit(batch),
                    _ => Vec::new(),
                };
                let told = if self.sink.wants_paths() {
                    told(&self.rib, &input)
                } else {
                    None
                };
                let end = match &input {
                    Input::EndOfRib(id, family) => Some((*id, *family)),
                    _ => None,
                };
                self.counting(from, &reserved, |rib| rib.step(input, now));
                if let Some((id, paths)) = told {
                    self.sink.paths(&self.rib, id, &paths);
                }
                if let Some((id, family)) = end {
                    self.sink.end_of_rib(&self.rib, id, family);
                }
            }
            Order::PeerUp(info, outbox) => {
                let id = info.id;
                self.congested.remove(&id);
                self.outboxes.insert(id, outbox);
                self.rib.step(Input::PeerUp(info), now);
                // What is kept as stale counts from the beginning.
                self.report(id, &[], &[]);
            }
            Order::Ask(question) => question(&self.rib),
            Order::Drained(answer) => self.waiting.push(answer),
        }
    }

    /// Leaves out of a batch what is beyond the limit; says for how many routes of each family places were taken.
    fn make_fit(&self, batch: &mut RouteBatch) -> Vec<(Family, i64)> {
        let source = batch.source();
        let outbox = source.peer().and_then(|id| self.outboxes.get(&id));
        let Some(outbox) = outbox.filter(|outbox| outbox.drops()) else {
            return Vec::new();
        };
        let mut reserved = Vec::new();
        for limited in outbox.limited() {
            let mut places = 0;
            let dropped = batch.retain_announcements(|prefix, path_id| {
                if prefix.family() != limited.family || self.rib.has_path(prefix, source, path_id) {
                    return true;
                }
                let fits = limited.reserve();
                places += i64::from(fits);
                fits
            });
            reserved.push((limited.family, places));
            if dropped > 0 {
                outbox.push(Item::Dropped {
                    family: limited.family,
                    routes: dropped as u64,
                });
            }
        }
        reserved
    }

    /// Does something to the table and reports what it did to the number of prefixes of a peer.
    fn counting(
        &mut self,
        peer: Option<PeerId>,
        reserved: &[(Family, i64)],
        change: impl FnOnce(&mut Rib),
    ) {
        let limited = peer.and_then(|id| Some((id, self.outboxes.get(&id)?.limited())));
        let Some((id, families)) = limited.filter(|(_, families)| !families.is_empty()) else {
            return change(&mut self.rib);
        };
        let before: Vec<(Family, u64)> = families
            .iter()
            .map(|limited| (limited.family, self.rib.received(id, limited.family)))
            .collect();
        change(&mut self.rib);
        self.report(id, &before, reserved);
    }

    fn report(&self, id: PeerId, before: &[(Family, u64)], reserved: &[(Family, i64)]) {
        let Some(outbox) = self.outboxes.get(&id) else {
            return;
        };
        for limited in outbox.limited() {
            let family = limited.family;
            let count = self.rib.received(id, family);
            let was = of(before, family);
            limited.settle(
                i64::try_from(count).unwrap_or(i64::MAX) - i64::try_from(was).unwrap_or(i64::MAX),
                of(reserved, family),
            );
            if count != was {
                outbox.push(Item::Prefixes {
                    shard: self.number,
                    family,
                    count,
                });
            }
        }
    }

    fn drain(&mut self, output: &mut Output, orders: &mpsc::Receiver<Order>) {
        output.without_forwarding = !self.sink.wants_forwarding();
        output.with_best = self.sink.wants_best();
        output.with_departed = self.sink.wants_paths();
        self.rib.drain(output);
        for (id, paths) in output.departed.drain(..) {
            self.sink.paths(&self.rib, id, &paths);
        }
        let mut late = Vec::new();
        let mut writes = if self.rib.has_work() { 0 } else { WRITES };
        for bundle in bundles(&output.transmit) {
            bundle.for_each(|id, messages, count| {
                let Some(outbox) = self.outboxes.get(&id) else {
                    return;
                };
                let flow = if writes > 0 && orders.is_empty() {
                    writes -= 1;
                    outbox.write(messages, count)
                } else {
                    outbox.push(Item::Messages(messages, count))
                };
                if flow == Flow::Congested && self.congested.insert(id) {
                    late.push(id);
                }
            });
        }
        output.transmit.clear();
        for (id, family) in output.fed.drain(..) {
            if let Some(outbox) = self.outboxes.get(&id) {
                outbox.push(Item::Fed(family));
            }
        }
        self.sink.turn(&self.rib, output);
        if !self.rib.has_work() {
            for answer in self.waiting.drain(..) {
                // Who waited may have left.
                let _ = answer.send(());
            }
        }
        let now = self.clock.now();
        for id in late {
            if let Some(outbox) = self.outboxes.get(&id) {
                outbox.mark_congested();
            }
            self.rib.step(Input::Congested(id), now);
        }
    }
}

/// Whose paths an input is about, and which.
fn told(rib: &Rib, input: &Input) -> Option<(PeerId, Vec<(Prefix, u32)>)> {
    match input {
        Input::Routes(batch) => Some((batch.source().peer()?, batch.keys().collect())),
        Input::SweepStale(id, _)
        | Input::LongLivedStale(id, _)
        | Input::Policy(id, ..)
        | Input::Terms(id, _) => Some((*id, rib.keys_of(*id))),
        _ => None,
    }
}

fn of<T: Copy + Default>(counts: &[(Family, T)], family: Family) -> T {
    let known = counts.iter().find(|(known, _)| *known == family);
    known.map_or(T::default(), |(_, count)| *count)
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        os::unix::process::ExitStatusExt as _,
        process::{Command, Stdio},
        time::Duration,
    };

    use bgp_proto::{Asn, RouterId};

    use super::*;

    struct Broken;

    impl Sink for Broken {
        fn turn(&mut self, _: &Rib, _: &mut Output) {
            panic!("as it was ordered");
        }
    }

    /// Takes its time, and counts what it was told to install.
    struct Slow(Arc<std::sync::atomic::AtomicUsize>);

    impl Sink for Slow {
        fn turn(&mut self, _: &Rib, output: &mut Output) {
            thread::sleep(Duration::from_millis(20));
            let installed = output.install.drain(..).count();
            self.0
                .fetch_add(installed, std::sync::atomic::Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_the_drain_finds_everything_told() {
        let told = Arc::default();
        let id = RouterId::new(Ipv4Addr::LOCALHOST).unwrap();
        let config = RibConfig::new(Asn(64512), id);
        let shard = Shard::start(0, config, Clock::new(), Slow(Arc::clone(&told))).unwrap();
        for number in 1..=10 {
            let mut batch = rib::RouteBatch::new(rib::Source::Static);
            let next_hop = bgp_proto::NextHop::V4(Ipv4Addr::UNSPECIFIED);
            let attributes = bgp_proto::PathAttributes::new(
                bgp_proto::Origin::Igp,
                bgp_proto::AsPath::empty(),
                next_hop,
            );
            let path = batch.push_path(attributes, rib::Disposition::Blackhole);
            batch.announce(format!("10.{number}.0.0/16").parse().unwrap(), 0, path);
            assert!(
                shard
                    .order(Order::Input(Input::Routes(batch)))
                    .await
                    .is_ok()
            );
            shard.drained().await.unwrap();
            assert_eq!(told.load(std::sync::atomic::Ordering::SeqCst), number);
        }
    }

    /// The test starts itself again, as the daemon whose shard panics.
    #[test]
    fn a_shard_that_panics_ends_the_process() {
        const DAEMON: &str = "BGPD_TEST_SHARD_PANICS";
        if std::env::var_os(DAEMON).is_some() {
            let id = RouterId::new(Ipv4Addr::LOCALHOST).unwrap();
            let config = RibConfig::new(Asn(64512), id);
            let shard = Shard::start(0, config, Clock::new(), Broken).unwrap();
            let order = Order::Ask(Box::new(|_| ()));
            assert!(shard.queue.blocking_send(order).is_ok());
            thread::sleep(Duration::from_secs(10));
            return;
        }
        let name = "daemon::shard::tests::a_shard_that_panics_ends_the_process";
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(DAEMON, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(libc::SIGABRT));
    }
}
