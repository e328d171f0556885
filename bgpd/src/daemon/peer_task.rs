// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The task of one neighbour: it owns the [`Peer`] and its sockets, and carries octets and orders between them.
//!
//! There is no decision about BGP here: what is learned becomes a [`PeerEvent`], what is done was a [`PeerOrder`].

use std::{
    collections::VecDeque,
    future::{Future, pending},
    io, mem,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::AtomicI64},
};

use bgp_fsm::{ConnectionId, Direction, State, StopReason};
use rib::{Input, PeerId};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Instant, Sleep, sleep_until},
};
use tracing::{debug, info, warn};

use super::{
    bfd::{BfdView, Watched},
    clock::Clock,
    connection::{self, Connection, Happened},
    events::Events,
    link,
    outbox::{Item, Limited, Outbox, Written},
    shard::{Order, Shard},
    socket::{self, Endpoint},
    unnumbered::Sight,
};
use crate::{
    config::{Interface, LimitAction},
    control::{SessionState, WatchEvent},
    peer::{Peer, PeerEvent, PeerOrder},
};

/// Commands that wait for a peer's task.
const COMMANDS: usize = 16;

/// Octets handed from the outbox to a connection before the kernel has taken them, and a piece.
const WRITE_AHEAD: usize = 64 << 10;

/// A question is a function of the peer and the number of octets that wait for it.
type Question = Box<dyn FnOnce(&Peer, usize) + Send>;

/// What a peer's task is told.
pub(super) enum Command {
    /// The listener accepted a connection from it.
    Accepted(TcpStream),
    /// An operator, or a reload.
    Event(PeerEvent),
    /// BFD watches the path from now on, or no longer.
    Bfd(Option<Watched>),
    /// Somebody asks.
    Ask(Question),
    /// End the session, tell the RIB, and end the task.
    Finish(StopReason, oneshot::Sender<()>),
}

/// What a peer's task tells the supervisor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Notice {
    /// The session is Established and the peer has sent all of its table.
    Converged(PeerId),
    /// The connection of a dynamic neighbour ended: it is to be forgotten.
    DynamicGone(PeerId),
    /// The task has panicked, with these words.
    Panicked(PeerId, String),
    /// What is at the other end of an interface.
    Sight(Interface, Sight),
}

/// The way to a peer's task.
#[derive(Clone, Debug)]
pub(super) struct PeerHandle(mpsc::Sender<Command>);

impl PeerHandle {
    /// Tells the task something; a task that has ended hears nothing.
    pub(super) async fn tell(&self, command: Command) {
        // A task that has ended is being removed by the supervisor.
        let _ = self.0.send(command).await;
    }

    /// Starts the session of a task that has just been made: the order comes before all others.
    pub(super) fn begin(&self) {
        // There is room, nobody else knows the task yet.
        let _ = self.0.try_send(Command::Event(PeerEvent::Start));
    }

    /// Hands over an accepted connection, or closes it if the task is too busy to take one.
    pub(super) fn accepted(&self, stream: TcpStream) {
        if let Err(error) = self.0.try_send(Command::Accepted(stream)) {
            debug!(%error, "connection refused");
        }
    }

    /// Asks the peer.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Peer, usize) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, receiver) = oneshot::channel();
        self.tell(Command::Ask(Box::new(move |peer, queued| {
            drop(answer.send(question(peer, queued)));
        })))
        .await;
        receiver.await.ok()
    }

    /// Ends session and task, and waits until the peer was told and the RIB knows.
    pub(super) async fn finish(&self, reason: StopReason) {
        let (done, finished) = oneshot::channel();
        self.tell(Command::Finish(reason, done)).await;
        let _ = finished.await;
    }
}

/// What a peer's task works with.
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) shards: Vec<Shard>,
    pub(super) events: Events,
    pub(super) notices: mpsc::Sender<Notice>,
    pub(super) bfd: Option<Watched>,
}

type Dialling = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// The task's state.
pub(super) struct PeerTask {
    peer: Peer,
    endpoint: Endpoint,
    dynamic: bool,
    around: Surroundings,
    commands: mpsc::Receiver<Command>,
    connections: Vec<Connection>,
    last_connection: u32,
    dialling: Option<Dialling>,
    established: Option<(ConnectionId, Arc<Outbox>)>,
    /// The session's connection is: only the RIB writes to it.
    is_lent: bool,
    /// Orders for shards whose queues are full. While there are any, nothing is read from the peer.
    pending: VecDeque<(usize, Order)>,
    told_converged: bool,
    bfd: BfdView,
    alarm: Option<Pin<Box<Sleep>>>,
    end: End,
}

/// Whether the task ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    NotYet,
    /// When nothing of the neighbour is kept any more: a dynamic one whose connection ended and that has not come back.
    WhenForgotten,
    Now,
}

impl PeerTask {
    pub(super) fn new(
        peer: Peer,
        endpoint: Endpoint,
        dynamic: bool,
        around: Surroundings,
    ) -> (Box<Self>, PeerHandle) {
        let bfd = BfdView::new(around.bfd.clone());
        let (sender, commands) = mpsc::channel(COMMANDS);
        let task = Self {
            peer,
            endpoint,
            dynamic,
            around,
            commands,
            connections: Vec::new(),
            last_connection: 0,
            dialling: None,
            established: None,
            is_lent: false,
            pending: VecDeque::new(),
            told_converged: false,
            bfd,
            alarm: None,
            end: End::NotYet,
        };
        (Box::new(task), PeerHandle(sender))
    }

    /// Runs until told to finish. In a box: what is moved from future to future takes its room in each of them.
    pub(super) async fn run(mut self: Box<Self>) {
        let finished = loop {
            self.carry_out();
            self.pump();
            self.lend();
            if self.end == End::WhenForgotten && self.peer.may_be_forgotten() {
                // The RIB may still know it, without routes.
                self.event(PeerEvent::Stop(StopReason::Deconfigured));
                self.end = End::Now;
            }
            if self.end == End::Now {
                self.carry_out();
                break None;
            }
            let may_read = self.pending.is_empty();
            let waits_for = self
                .pending
                .front()
                .and_then(|(shard, _)| self.around.shards.get(*shard))
                .cloned();
            let deadline = self.peer.deadline();
            let deadline = deadline.map(|deadline| self.around.clock.wake(deadline));
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Finish(reason, done)) => {
                        self.event(PeerEvent::Stop(reason));
                        break Some(done);
                    }
                    Some(command) => self.command(command),
                    None => break None,
                },
                (id, happened) = connection::next(&mut self.connections, may_read), if !self.connections.is_empty() => {
                    self.happened(id, happened);
                }
                news = self.bfd.next() => self.event(PeerEvent::Bfd(news)),
                result = dialled(&mut self.dialling) => self.dialled(result),
                () = outbox_ready(self.established.as_ref()) => {}
                () = ring(&mut self.alarm, deadline) => {
                    self.progress();
                    self.event(PeerEvent::Tick);
                }
                room = room_in(waits_for.as_ref()), if waits_for.is_some() => self.hand_in(room),
            }
        };
        self.finish().await;
        if let Some(done) = finished {
            // The supervisor may have stopped waiting.
            let _ = done.send(());
        }
    }

    fn event(&mut self, event: PeerEvent) {
        self.peer.step(event, self.around.clock.now());
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Accepted(stream) => {
                if let Some(obstacle) = link::obstacle(&self.endpoint) {
                    info!(%obstacle, "connection refused");
                    return;
                }
                self.hear_last_words();
                match socket::adopt(&stream, self.endpoint.remote.ip(), self.endpoint.distance) {
                    Ok(()) => self.connected(stream, Direction::Incoming),
                    Err(error) => warn!(%error, "socket options refused, connection closed"),
                }
            }
            Command::Event(event) => self.event(event),
            Command::Bfd(watched) => {
                self.bfd = BfdView::new(watched);
                // The watch starts with what is known.
                if !self.bfd.is_on() {
                    self.event(PeerEvent::Bfd(BfdView::UNKNOWN));
                }
            }
            Command::Ask(question) => {
                self.progress();
                let queued = self
                    .established
                    .as_ref()
                    .map_or(0, |(_, outbox)| outbox.octets());
                question(&self.peer, queued);
            }
            Command::Finish(..) => unreachable!("taken by the loop"),
        }
    }

    /// A neighbour that is back has closed its old connection before it made the new one. Heard in that order, even if
    /// we come to look at both at the same time, the old session is over and does not stand against the new one.
    fn hear_last_words(&mut self) {
        let ids: Vec<ConnectionId> = self.connections.iter().map(|known| known.id).collect();
        for id in ids {
            while let Some(happened) = self
                .connections
                .iter_mut()
                .find(|known| known.id == id)
                .and_then(Connection::last_words)
            {
                self.happened(id, happened);
            }
        }
    }

    fn connected(&mut self, stream: TcpStream, direction: Direction) {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        match Connection::new(id, stream) {
            Ok(connection) => {
                let local = connection.local.ip();
                let interface = match connection.local {
                    SocketAddr::V6(local) => Some(local.scope_id()).filter(|index| *index > 0),
                    SocketAddr::V4(_) => None,
                };
                // Hardly ever are there two.
                self.connections.reserve_exact(1);
                self.connections.push(connection);
                self.event(PeerEvent::Connected {
                    connection: id,
                    direction,
                    local,
                    interface,
                });
            }
            Err(error) => {
                debug!(%error, "connection was gone at once");
                if direction == Direction::Outgoing {
                    self.event(PeerEvent::ConnectFailed);
                }
            }
        }
    }

    fn dialled(&mut self, result: io::Result<TcpStream>) {
        self.dialling = None;
        match result {
            Ok(stream) => self.connected(stream, Direction::Outgoing),
            Err(error) => {
                debug!(%error, "connection attempt failed");
                self.event(PeerEvent::ConnectFailed);
            }
        }
    }

    fn happened(&mut self, id: ConnectionId, happened: Happened) {
        match happened {
            Happened::Read => {
                let now = self.around.clock.now();
                if let Some(connection) = self
                    .connections
                    .iter_mut()
                    .find(|connection| connection.id == id)
                {
                    self.peer.read(id, &mut connection.received, now);
                    connection.understood();
                }
            }
            Happened::Wrote => self.event(PeerEvent::Progress(id)),
            Happened::Flushed => self.forget(id),
            Happened::Closed(error) => {
                if let Some(error) = error {
                    debug!(%error, "connection broke");
                }
                self.forget(id);
                self.event(PeerEvent::Closed(id));
            }
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        self.connections.retain(|connection| connection.id != id);
    }

    /// Does what the peer's machine wants.
    fn carry_out(&mut self) {
        let orders: Vec<PeerOrder> = self.peer.drain().collect();
        for order in orders {
            match order {
                PeerOrder::Connect => {
                    let endpoint = self.endpoint.clone();
                    self.dialling = Some(Box::pin(async move { socket::connect(&endpoint).await }));
                }
                PeerOrder::AbortConnect => self.dialling = None,
                PeerOrder::Send(id, message) => {
                    self.take_back();
                    if let Some(connection) = self
                        .connections
                        .iter_mut()
                        .find(|connection| connection.id == id)
                    {
                        connection.send(message);
                    }
                }
                PeerOrder::Close(id) => {
                    if let Some(connection) = self
                        .connections
                        .iter_mut()
                        .find(|connection| connection.id == id)
                    {
                        connection.close_when_flushed();
                    }
                }
                PeerOrder::Up(id) => self.up(id),
                PeerOrder::Down => self.down(),
                PeerOrder::Rib(input) => self.tell_rib(input),
                PeerOrder::Changed { from, to, reason } => self.changed(from, to, reason),
                PeerOrder::Faulty(fault) => {
                    warn!(%fault, "malformed UPDATE, the session stays up (RFC 7606)");
                }
                PeerOrder::OutOfTurn(what) => warn!(%what, "ROUTE-REFRESH ignored (RFC 7313)"),
                PeerOrder::OverLimit(family, count, limit) => {
                    warn!(%family, count, limit, "over the limit of prefixes");
                }
                PeerOrder::NearLimit(family, count, limit) => {
                    warn!(%family, count, limit, "near the limit of prefixes");
                }
            }
        }
        // Not before the shards have it all.
        if !self.told_converged && self.pending.is_empty() && self.peer.is_converged() {
            self.told_converged = self
                .around
                .notices
                .try_send(Notice::Converged(self.peer.settings().id))
                .is_ok();
        }
    }

    fn up(&mut self, id: ConnectionId) {
        let limits = &self.peer.settings().limits;
        let limited = limits.iter().map(|limit| Limited {
            family: limit.family,
            room: (limit.action == LimitAction::Drop).then(|| AtomicI64::new(limit.max.into())),
        });
        self.established = Some((id, Arc::new(Outbox::new(limited.collect()))));
        self.is_lent = false;
    }

    fn down(&mut self) {
        self.told_converged = false;
        self.take_back();
        if let Some((_, outbox)) = self.established.take() {
            let written = outbox.written();
            self.peer.sent_updates(written.messages, written.octets);
            outbox.close();
        }
    }

    /// What the RIB has written itself left the queue, too.
    fn progress(&mut self) {
        let Some((id, outbox)) = &self.established else {
            return;
        };
        let written = outbox.written();
        if written != Written::default() {
            let id = *id;
            self.peer.sent_updates(written.messages, written.octets);
            self.event(PeerEvent::Progress(id));
        }
    }

    /// The RIB may write to the connection as long as nothing waits for it here.
    fn lend(&mut self) {
        let Some((id, outbox)) = &self.established else {
            return;
        };
        let connection = self.connections.iter().find(|known| known.id == *id);
        if let Some(idle) = connection.filter(|known| known.waiting() == 0)
            && !self.is_lent
        {
            self.is_lent = outbox.lend(idle.stream());
        }
    }

    /// Before anything is written here: the RIB writes no more, and what it has written in part is finished.
    fn take_back(&mut self) {
        let Some((id, outbox)) = &self.established else {
            return;
        };
        if !mem::take(&mut self.is_lent) {
            return;
        }
        let connection = self.connections.iter_mut().find(|known| known.id == *id);
        if let (Some(Item::Messages(rest, count)), Some(connection)) =
            (outbox.take_back(), connection)
        {
            self.peer.sent_updates(count, rest.len());
            connection.send(rest);
        }
    }

    fn tell_rib(&mut self, input: Input) {
        let count = self.around.shards.len();
        match input {
            Input::Routes(batch) => {
                let parts = batch
                    .deal(count)
                    .into_iter()
                    .enumerate()
                    .filter(|(_, part)| !part.is_empty());
                self.pending
                    .extend(parts.map(|(shard, part)| (shard, Order::Input(Input::Routes(part)))));
            }
            Input::PeerUp(info) => {
                let Some((_, outbox)) = &self.established else {
                    return;
                };
                for shard in 0..count {
                    self.pending
                        .push_back((shard, Order::PeerUp(info.clone(), Arc::clone(outbox))));
                }
            }
            other => self
                .pending
                .extend((0..count).map(|shard| (shard, Order::Input(other.clone())))),
        }
    }

    fn changed(&mut self, from: State, to: State, reason: Option<String>) {
        let (was, is) = (session_state(from), session_state(to));
        if to == State::Established {
            let up = self.peer.negotiated();
            info!(from = %from, to = %to, hold_time = up.map(|up| up.hold_time.seconds()), "session established");
        } else if from == State::Established {
            warn!(from = %from, to = %to, reason = reason.as_deref().unwrap_or("unknown"), "session ended");
        } else {
            debug!(from = %from, to = %to, reason = reason.as_deref(), "session changed");
        }
        let address = self.endpoint.name;
        self.around.events.announce(&WatchEvent::Peer {
            address,
            from: was,
            to: is,
            reason,
        });
        match to {
            _ if self.end == End::Now => {}
            State::Idle if self.dynamic => self.end = End::WhenForgotten,
            State::Idle | State::Connect | State::Active => {}
            State::OpenSent | State::OpenConfirm | State::Established => self.end = End::NotYet,
        }
    }

    /// Moves what the RIB has for the peer to its connection.
    fn pump(&mut self) {
        let mut counted = Vec::new();
        let mut wanted = Vec::new();
        let Some((id, outbox)) = &self.established else {
            return;
        };
        let Some(connection) = self
            .connections
            .iter_mut()
            .find(|connection| connection.id == *id)
        else {
            return;
        };
        while connection.waiting() < WRITE_AHEAD {
            let item = outbox.pop();
            self.is_lent &= item.is_none();
            match item {
                Some(Item::Messages(messages, count)) => {
                    self.peer.sent_updates(count, messages.len());
                    connection.send(messages);
                }
                Some(Item::Fed(family)) => {
                    self.peer
                        .step(PeerEvent::Fed(family), self.around.clock.now());
                    for order in self.peer.drain() {
                        match order {
                            // What ends the table goes where the table went.
                            PeerOrder::Send(_, message) => connection.send(message),
                            PeerOrder::Rib(input) => wanted.push(input),
                            _ => {}
                        }
                    }
                }
                Some(Item::Prefixes {
                    shard,
                    family,
                    count,
                }) => counted.push(PeerEvent::Prefixes {
                    shard,
                    family,
                    count,
                }),
                Some(Item::Dropped { family, routes }) => {
                    counted.push(PeerEvent::Dropped { family, routes });
                }
                None => break,
            }
        }
        if outbox.has_caught_up() {
            wanted.push(Input::Drained(self.peer.settings().id));
        }
        for input in wanted {
            self.tell_rib(input);
        }
        if !counted.is_empty() {
            for event in counted {
                self.event(event);
            }
            self.carry_out();
        }
    }

    fn hand_in(&mut self, room: Option<mpsc::OwnedPermit<Order>>) {
        match (room, self.pending.pop_front()) {
            (Some(room), Some((_, order))) => drop(room.send(order)),
            // The shard is gone: the daemon ends.
            _ => self.end = End::Now,
        }
    }

    /// The last things: what is queued is written, the RIB is told, within a second.
    async fn finish(mut self: Box<Self>) {
        self.carry_out();
        self.down();
        self.dialling = None;
        let last_words = async {
            while !self.connections.is_empty() {
                let (id, happened) = connection::next(&mut self.connections, false).await;
                if matches!(happened, Happened::Flushed | Happened::Closed(_)) {
                    self.connections.retain(|connection| connection.id != id);
                }
            }
        };
        // A peer that reads nothing does not hold us up.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), last_words).await;
        for (shard, order) in self.pending.drain(..) {
            if let Some(shard) = self.around.shards.get(shard)
                && shard.order(order).await.is_err()
            {
                break;
            }
        }
        if self.dynamic {
            // The supervisor may be ending too.
            let _ = self
                .around
                .notices
                .send(Notice::DynamicGone(self.peer.settings().id))
                .await;
        }
    }
}

async fn dialled(dialling: &mut Option<Dialling>) -> io::Result<TcpStream> {
    match dialling {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// Waits for a deadline. A timer that is set for an earlier one is left alone until it rings: deadlines move away with
/// every message that arrives.
async fn ring(alarm: &mut Option<Pin<Box<Sleep>>>, deadline: Option<Instant>) {
    let Some(deadline) = deadline else {
        return pending().await;
    };
    let sleep = alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if sleep.deadline() > deadline {
        sleep.as_mut().reset(deadline);
    }
    sleep.as_mut().await;
    while sleep.deadline() < deadline {
        sleep.as_mut().reset(deadline);
        sleep.as_mut().await;
    }
}

async fn outbox_ready(established: Option<&(ConnectionId, Arc<Outbox>)>) {
    match established {
        Some((_, outbox)) => outbox.ready().await,
        None => pending().await,
    }
}

async fn room_in(shard: Option<&Shard>) -> Option<mpsc::OwnedPermit<Order>> {
    match shard {
        Some(shard) => shard.room().await,
        None => pending().await,
    }
}

/// A session state in the words of the API.
pub(super) fn session_state(state: State) -> SessionState {
    match state {
        State::Idle => SessionState::Idle,
        State::Connect => SessionState::Connect,
        State::Active => SessionState::Active,
        State::OpenSent => SessionState::OpenSent,
        State::OpenConfirm => SessionState::OpenConfirm,
        State::Established => SessionState::Established,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_deadline_that_moves_is_met() {
        let begun = Instant::now();
        let after = |milliseconds| Some(begun + Duration::from_millis(milliseconds));
        let mut alarm = None;
        for deadline in [30, 9_000, 30_000] {
            // The first timer rings meanwhile, and is for nobody.
            let wait = Duration::from_millis(deadline.min(50) - 20);
            let rang = tokio::time::timeout(wait, ring(&mut alarm, after(deadline))).await;
            assert!(rang.is_err(), "{deadline}");
        }
        ring(&mut alarm, after(150)).await;
        assert!((150..5_000).contains(&begun.elapsed().as_millis()));
        // One that has passed rings at once, and one to come not before it.
        ring(&mut alarm, after(100)).await;
        ring(&mut alarm, after(200)).await;
        assert!((200..5_000).contains(&begun.elapsed().as_millis()));
    }
}
