// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one task: waits for commands, notifications and time, and carries messages between the reconciler and the kernel.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use netlink_packet_route::AddressFamily;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use super::decode::{Notice, refusal};
use super::encode::Dump;
use super::handle::Command;
use super::socket::{Channel, Read};
use super::writer::{Batch, Writer, Written};
use crate::{FibConfig, FibEvent, Object, Reconciler, Refusal};

pub(crate) struct Driver {
    reconciler: Reconciler,
    monitor: Channel,
    writer: Writer,
    lister: Channel,
    inbox: mpsc::Receiver<Command>,
    /// `None` when the reader is gone: news is thrown away then.
    events: Option<mpsc::Sender<FibEvent>>,
    /// Callers that wait for everything to be settled; each holds a place in the command queue's senders, no more.
    waiting: Vec<oneshot::Sender<()>>,
    /// The monitor was not read to the end.
    backlog: bool,
}

/// Messages in one write to the kernel.
const BATCH: usize = 512;
/// Batches of next-hop objects before other things get a turn.
const OBJECTS: usize = 16;
/// Datagrams read from the monitor before other things get a turn.
const DATAGRAMS: usize = 1 << 16;
/// Receive buffer of the sockets for answers and dumps.
const ANSWERS: usize = 8 << 20;
/// A dump that was interrupted is repeated this often; after that the notifications have to do, and a later resync.
const DUMPS: usize = 5;
/// Removing our routes at the end takes no longer.
const FAREWELL: Duration = Duration::from_secs(10);

impl Driver {
    /// Opens the sockets in the network namespace of this thread.
    pub(crate) fn open(
        config: FibConfig,
        inbox: mpsc::Receiver<Command>,
        events: mpsc::Sender<FibEvent>,
    ) -> io::Result<Self> {
        // The monitor first: what happens from here on is not missed.
        let monitor = Channel::monitor(config.receive_buffer)?;
        let writer = Writer::start(ANSWERS)?;
        if let Err(error) = monitor.ignore(writer.port) {
            debug!(%error, "hearing our own writes");
        }
        Ok(Self {
            monitor,
            writer,
            lister: Channel::open(ANSWERS, &[])?,
            reconciler: Reconciler::new(config, Instant::now()),
            inbox,
            events: Some(events),
            waiting: Vec::new(),
            backlog: true,
        })
    }

    /// Runs until the last handle is gone or one of them says shutdown.
    pub(crate) async fn run(mut self) {
        loop {
            self.reconciler.tick(Instant::now());
            self.listen();
            if self.reconciler.wants_resync(Instant::now()) {
                self.land().await;
                self.resync().await;
            }
            self.write().await;
            self.report();
            if self.reconciler.is_settled() {
                for waiting in self.waiting.drain(..) {
                    let _ = waiting.send(());
                }
            }
            let Some(command) = self.rest().await else {
                continue;
            };
            match command {
                Some(Command::Shutdown(answer)) => {
                    self.end().await;
                    let _ = answer.send(());
                    return;
                }
                Some(command) => self.obey(command),
                None => return,
            }
        }
    }

    /// Waits for something to do; a command (or the end of commands) is returned.
    async fn rest(&mut self) -> Option<Option<Command>> {
        let can_write = self.writer.has_room() && self.reconciler.is_ready(Instant::now());
        if self.backlog || can_write {
            tokio::task::yield_now().await;
            return match self.inbox.try_recv() {
                Ok(command) => Some(Some(command)),
                Err(mpsc::error::TryRecvError::Empty) => None,
                Err(mpsc::error::TryRecvError::Disconnected) => Some(None),
            };
        }
        let deadline = self.reconciler.deadline();
        let wake = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        let news = self.events.as_ref().filter(|_| self.reconciler.has_news());
        let room = async {
            match news {
                Some(events) => drop(events.reserve().await),
                None => std::future::pending().await,
            }
        };
        let read = tokio::select! {
            command = self.inbox.recv() => return Some(command),
            read = self.monitor.read() => read,
            written = self.writer.written(), if !self.writer.is_idle() => {
                self.answered(written);
                return None;
            }
            () = sleep_until(wake.into()) => return None,
            () = room => return None,
        };
        self.heard(read, Instant::now());
        None
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        let reconciler = &mut self.reconciler;
        match command {
            Command::Apply(changes) => reconciler.apply(changes),
            Command::Converged => reconciler.converged(),
            Command::Settled(answer) => self.waiting.push(answer),
            Command::Routes(answer) => drop(answer.send(reconciler.states(now))),
            Command::Totals(answer) => drop(answer.send(reconciler.totals(now))),
            Command::NextHops(answer) => drop(answer.send(reconciler.next_hops())),
            Command::Route(prefix, answer) => drop(answer.send(reconciler.state(prefix, now))),
            Command::Track(addresses) => reconciler.track(addresses),
            Command::Untrack(addresses) => reconciler.untrack(addresses),
            Command::Links(answer) => drop(answer.send(reconciler.links())),
            Command::Reconfigure(config) => reconciler.reconfigure(*config, now),
            Command::Shutdown(_) => {}
        }
    }

    /// Takes in what the kernel notified.
    fn listen(&mut self) {
        let now = Instant::now();
        self.backlog = true;
        for _ in 0..DATAGRAMS {
            let read = self.monitor.try_read();
            if self.heard(read, now) {
                self.backlog = false;
                break;
            }
        }
        self.reconciler.settle(Instant::now());
    }

    /// Takes in what a read of the monitor brought. Returns whether that was all for now.
    fn heard(&mut self, read: io::Result<Read>, now: Instant) -> bool {
        match read {
            Ok(Read::Datagram) => {
                // What we wrote ourselves was acknowledged already.
                for message in self.monitor.messages(Some(self.writer.port)) {
                    feed(&mut self.reconciler, message.notice, now);
                }
                return false;
            }
            Ok(Read::Nothing) => return true,
            Ok(Read::Lost) => {
                warn!("the kernel dropped notifications, reading everything anew");
                self.reconciler.want_resync(now);
                return false;
            }
            Err(error) => warn!(%error, "cannot read notifications"),
        }
        self.reconciler.want_resync(now);
        true
    }

    async fn resync(&mut self) {
        let begun = Instant::now();
        for attempt in 1..=DUMPS {
            match self.read_everything().await {
                Ok(false) => {
                    debug!(attempt, took = ?begun.elapsed(), "read everything from the kernel");
                    self.reconciler.end_resync(begun, Instant::now());
                    return;
                }
                Ok(true) => debug!(attempt, "a dump was interrupted by a change"),
                Err(error) if attempt < DUMPS => debug!(%error, attempt, "a dump failed"),
                Err(error) => {
                    warn!(%error, "cannot read the kernel's routes");
                    self.reconciler.abandon_resync(Instant::now());
                    return;
                }
            }
        }
        self.reconciler.end_resync(begun, Instant::now());
        self.reconciler.want_resync(Instant::now());
    }

    /// Returns whether the kernel says that something may be missing.
    async fn read_everything(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        let (mut links, mut addresses) = (Vec::new(), Vec::new());
        let mut interrupted = self
            .lister
            .dump(Dump::Links, |notice| links.extend(as_link(notice)))
            .await?;
        interrupted |= self
            .lister
            .dump(Dump::Addresses, |notice| {
                addresses.extend(as_address(notice));
            })
            .await?;
        let reconciler = &mut self.reconciler;
        let mut objects = BTreeMap::new();
        interrupted |= self
            .lister
            .dump(Dump::NextHops, |notice| objects.extend(as_object(notice)))
            .await
            .or_else(|error| {
                debug!(%error, "this kernel lists no next-hop objects");
                Ok::<_, io::Error>(false)
            })?;
        reconciler.resync_objects(objects);
        reconciler.begin_resync();
        if interrupted {
            // What is not mentioned may yet be there.
            for link in links {
                reconciler.link(link, now);
            }
            for address in addresses {
                reconciler.address(address);
            }
        } else {
            reconciler.resync_links(links, addresses, now);
        }
        for table in reconciler.tables() {
            for family in [AddressFamily::Inet, AddressFamily::Inet6] {
                let what = Dump::Routes { family, table };
                let each = |notice| {
                    if let Notice::Route { route, .. } = notice
                        && route.held.table == table
                    {
                        reconciler.resync_route(route);
                    }
                };
                interrupted |= self.lister.dump(what, each).await?;
            }
        }
        Ok(interrupted)
    }

    /// Takes in what has been answered, and hands the writer as much as it takes.
    async fn write(&mut self) {
        while let Some(written) = self.writer.try_written() {
            self.answered(written);
        }
        let now = Instant::now();
        self.write_objects().await;
        while self.writer.has_room() {
            let operations = self.reconciler.batch(BATCH, now);
            if operations.is_empty() {
                break;
            }
            self.writer.write(Batch::Routes(operations));
        }
    }

    /// Waits until all that the writer has was answered.
    async fn land(&mut self) {
        while !self.writer.is_idle() {
            let written = self.writer.written().await;
            self.answered(written);
        }
    }

    /// What came of a batch.
    fn answered(&mut self, (batch, refused): Written) {
        let now = Instant::now();
        let reconciler = &mut self.reconciler;
        match (batch, refused) {
            (Batch::Routes(operations), Ok(refused)) => {
                each(&operations, refused, |operation, answer| {
                    reconciler.answer(operation, answer, now);
                });
            }
            (Batch::Objects(operations), Ok(refused)) => {
                each(&operations, refused, |operation, answer| {
                    if let Err(refusal) = &answer {
                        debug!(
                            id = operation.id,
                            error = refusal.words,
                            "a next-hop object was refused"
                        );
                    }
                    reconciler.object_answer(operation, &answer, now);
                });
            }
            (Batch::Routes(operations), Err(error)) => {
                warn!(%error, routes = operations.len(), "cannot write routes");
                let mut refusal = refusal(error.raw_os_error().unwrap_or(11), None);
                refusal.words = error.to_string();
                reconciler.unanswered(&operations, &refusal, now);
            }
            (Batch::Objects(operations), Err(error)) => {
                warn!(%error, "cannot write next-hop objects");
                for operation in &operations {
                    let unknown = Err(refusal(error.raw_os_error().unwrap_or(11), None));
                    reconciler.object_answer(operation, &unknown, now);
                }
            }
        }
    }

    /// Writes what routes will name, and deletes what none names any more: nothing else is under way meanwhile.
    async fn write_objects(&mut self) {
        for _ in 0..OBJECTS {
            if self.reconciler.object_batch().is_empty() {
                return;
            }
            self.land().await;
            let mut operations = self.reconciler.object_batch();
            operations.truncate(BATCH);
            if operations.is_empty() {
                return;
            }
            self.writer.write(Batch::Objects(operations));
            self.land().await;
        }
    }

    /// Passes events on while there is room.
    fn report(&mut self) {
        if self.events.as_ref().is_some_and(mpsc::Sender::is_closed) {
            self.events = None;
        }
        while self.reconciler.has_news() {
            let place = self.events.as_ref().map(mpsc::Sender::try_reserve);
            if let Some(Err(_)) = place {
                return;
            }
            if let (Some(event), Some(Ok(place))) = (self.reconciler.event(Instant::now()), place) {
                place.send(event);
            }
        }
    }

    async fn end(&mut self) {
        self.land().await;
        if self.reconciler.config().persist {
            info!("leaving our routes in the kernel");
            return;
        }
        info!("removing our routes from the kernel");
        let until = Instant::now() + FAREWELL;
        self.reconciler.remove_all();
        while Instant::now() < until {
            let now = Instant::now();
            self.reconciler.tick(now);
            self.write().await;
            match self.reconciler.deadline() {
                _ if !self.writer.is_idle() => {
                    let written = self.writer.written().await;
                    self.answered(written);
                }
                _ if self.reconciler.is_ready(now) => {}
                Some(at) if !self.reconciler.is_idle() => sleep_until(at.min(until).into()).await,
                _ => return,
            }
        }
        warn!("some of our routes are left in the kernel");
    }
}

/// Tells of each operation what came of it.
fn each<T>(
    operations: &[T],
    refused: Vec<(usize, Refusal)>,
    mut answered: impl FnMut(&T, Result<(), Refusal>),
) {
    let mut refused = refused.into_iter().peekable();
    for (place, operation) in operations.iter().enumerate() {
        let mut answer = Ok(());
        while let Some((_, refusal)) = refused.next_if(|(at, _)| *at == place) {
            answer = answer.and(Err(refusal));
        }
        answered(operation, answer);
    }
}

fn feed(reconciler: &mut Reconciler, notice: Notice, now: Instant) {
    match notice {
        Notice::Link(link) => reconciler.link(link, now),
        Notice::LinkGone(index) => reconciler.link_gone(index, now),
        Notice::Address(address) => reconciler.address(address),
        Notice::AddressGone(address) => reconciler.address_gone(&address, now),
        Notice::Route { route, replaces } => reconciler.route(route, replaces, now),
        Notice::RouteGone(route) => reconciler.route_gone(&route, now),
        Notice::NextHop(id, object) => reconciler.object(id, object, now),
        Notice::NextHopGone(id) => reconciler.object_gone(id, now),
        Notice::Overrun => reconciler.want_resync(now),
        Notice::Answer(_) | Notice::Done(_) | Notice::Other => {}
    }
}

fn as_link(notice: Notice) -> Option<crate::LinkUpdate> {
    if let Notice::Link(link) = notice {
        Some(link)
    } else {
        None
    }
}

fn as_object(notice: Notice) -> Option<(u32, Object)> {
    if let Notice::NextHop(id, object) = notice {
        Some((id, object))
    } else {
        None
    }
}

fn as_address(notice: Notice) -> Option<crate::AddressUpdate> {
    if let Notice::Address(address) = notice {
        Some(address)
    } else {
        None
    }
}
