// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread: packets and time in, packets and news out. It waits for nothing but packets, time and orders, and writes
//! no log, since a log may be a pipe that nobody reads.
//!
//! It may get the processor late. So that this never looks like the silence of a neighbour, all packets are read before
//! a deadline counts, and each counts from when the kernel had it.

use std::{
    collections::BTreeMap,
    io,
    os::fd::AsFd as _,
    sync::{Arc, mpsc},
    time::{Duration, SystemTime},
};

use bfd::{Datagram, Discriminator, Event, Hops, Key, Output, Speaker, State};
use bgp_proto::Instant;
use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::{eventfd::EventFd, time::TimeSpec},
};
use rib::PeerId;
use tokio::sync::watch;

use super::{
    Health, Order, Wish,
    place::{Place, place},
    socket::{Receiver, Sender},
};
use crate::{
    control::BfdStatus,
    daemon::{clock::Clock, host::this_host},
};

/// How often a path that is not up is looked for anew: interfaces and addresses come and go.
const RETRY: Duration = Duration::from_secs(1);

/// Packets read before time counts again: a flood must not keep us from sending.
const BURST: usize = 1024;

/// Who wants a path watched.
struct Watcher {
    wish: Wish,
    news: watch::Sender<Health>,
    /// Its session, and where that is.
    session: Option<(Discriminator, Place)>,
}

/// All of it.
pub(super) struct Engine {
    clock: Clock,
    orders: mpsc::Receiver<Order>,
    wake: Arc<EventFd>,
    speaker: Speaker,
    receivers: Vec<Receiver>,
    senders: BTreeMap<Discriminator, Sender>,
    watchers: BTreeMap<PeerId, Watcher>,
    /// No packet that is still to be read arrived before this.
    read_until: Instant,
    /// When paths are looked for again.
    retry_at: Option<Instant>,
}

impl Engine {
    pub(super) fn new(clock: Clock, orders: mpsc::Receiver<Order>, wake: Arc<EventFd>) -> Self {
        Self {
            clock,
            orders,
            wake,
            speaker: Speaker::new(seed()),
            receivers: Vec::new(),
            senders: BTreeMap::new(),
            watchers: BTreeMap::new(),
            read_until: Instant::ZERO,
            retry_at: None,
        }
    }

    /// Runs until nobody can give orders any more.
    pub(super) fn run(mut self) {
        loop {
            self.wait();
            if self.take_orders().is_err() {
                return;
            }
            let now = self.clock.now();
            self.read(now);
            self.speaker.tick(now);
            self.carry_out();
            if self.retry_at.is_some_and(|at| at <= now) {
                self.find_paths();
                self.carry_out();
            }
        }
    }

    fn wait(&self) {
        let deadline = self
            .speaker
            .deadline()
            .into_iter()
            .chain(self.retry_at)
            .min();
        let time =
            deadline.map(|at| TimeSpec::from_duration(at.saturating_since(self.clock.now())));
        let wake = std::iter::once(self.wake.as_fd());
        let fds = self.receivers.iter().map(Receiver::as_fd).chain(wake);
        let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // Interrupted, or out of memory for a moment: the loop looks at everything anyway.
        let _ = ppoll(&mut fds, time, None);
        // What was written only says that there are orders.
        let _ = self.wake.read();
    }

    fn take_orders(&mut self) -> Result<(), mpsc::TryRecvError> {
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.take(order),
                Err(mpsc::TryRecvError::Empty) => return Ok(()),
                Err(error @ mpsc::TryRecvError::Disconnected) => return Err(error),
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Watch(id, wish, news) => self.watch(id, wish, news),
            Order::Unwatch(id) => {
                if let Some(watcher) = self.watchers.remove(&id) {
                    self.leave(&watcher);
                }
            }
            // Who asked may have left.
            Order::Show(answer) => drop(answer.send(self.show())),
            Order::Stop(done) => {
                let watchers = std::mem::take(&mut self.watchers);
                for watcher in watchers.values() {
                    self.leave(watcher);
                }
                self.carry_out();
                // Who asked may have left.
                let _ = done.send(());
            }
        }
    }

    fn watch(&mut self, id: PeerId, wish: Wish, news: watch::Sender<Health>) {
        let old = self.watchers.remove(&id);
        let session = match old {
            // The same path: the session goes on, with other settings perhaps.
            Some(old) if old.wish.target == wish.target => {
                // Whoever watches from now on has not seen it fail.
                let health = old.news.borrow().clone();
                news.send_replace(Health {
                    failures: 0,
                    ..health
                });
                old.session
            }
            Some(old) => {
                self.leave(&old);
                None
            }
            None => None,
        };
        if let Some((session, _)) = &session {
            self.speaker.authenticate(*session, wish.key.clone());
            let settings = Event::Settings(wish.settings);
            self.speaker.step(*session, settings, self.clock.now());
        }
        self.watchers.insert(
            id,
            Watcher {
                wish,
                news,
                session,
            },
        );
        self.find_paths();
    }

    /// Ends the session of a watcher that is no longer among them, unless another one has it too.
    fn leave(&mut self, watcher: &Watcher) {
        let Some((session, _)) = watcher.session.as_ref() else {
            return;
        };
        let is_its = |other: &Watcher| other.session.as_ref().is_some_and(|(id, _)| id == session);
        if !self.watchers.values().any(is_its) {
            self.speaker.remove(*session, self.clock.now());
        }
    }

    /// For everyone who has no session, or one that is not up: where the neighbour is now.
    fn find_paths(&mut self) {
        let up = |speaker: &Speaker, watcher: &Watcher| {
            let session = watcher
                .session
                .as_ref()
                .and_then(|(id, _)| speaker.session(*id));
            session.is_some_and(|session| session.state() == State::Up)
        };
        let lost: Vec<PeerId> = self
            .watchers
            .iter()
            .filter(|(_, watcher)| !up(&self.speaker, watcher))
            .map(|(id, _)| *id)
            .collect();
        self.retry_at = (!lost.is_empty()).then(|| self.clock.now() + RETRY);
        if lost.is_empty() {
            return;
        }
        let host = this_host().map_err(|error| format!("interfaces can not be read: {error}"));
        for id in lost {
            let Some(mut watcher) = self.watchers.remove(&id) else {
                continue;
            };
            let found = host
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|host| place(&watcher.wish.target, host))
                .and_then(|place| self.settle_at(&mut watcher, place));
            let problem = found.err();
            watcher.news.send_if_modified(|health| {
                let is_new = health.problem != problem;
                health.problem = problem;
                is_new
            });
            self.watchers.insert(id, watcher);
        }
    }

    /// Gives a watcher, that is out of the list, its session at a place.
    fn settle_at(&mut self, watcher: &mut Watcher, place: Place) -> Result<(), String> {
        if watcher
            .session
            .as_ref()
            .is_some_and(|(_, known)| *known == place)
        {
            return Ok(());
        }
        if self.receivers.is_empty() {
            self.receivers = Receiver::open_all().map_err(|error| {
                let hint = match error.kind() {
                    io::ErrorKind::AddrInUse => ": is another BFD daemon running?",
                    _ => "",
                };
                format!("UDP ports 3784 and 4784 can not be opened: {error}{hint}")
            })?;
        }
        let first = u16::try_from(self.clock.now().as_nanos() & 0x3fff).unwrap_or_default();
        let sender = Sender::open(&place.path, place.interface.as_deref(), first)
            .map_err(|error| format!("no socket from {}: {error}", place.path.local))?;
        self.leave(watcher);
        let id = self
            .speaker
            .add(place.path, watcher.wish.settings, self.clock.now());
        self.speaker.authenticate(id, watcher.wish.key.clone());
        self.senders.insert(id, sender);
        // Somebody may have it already: a neighbour that is set up anew.
        if let Some(session) = self.speaker.session(id) {
            let (state, diagnostic) = (session.state(), session.diagnostic());
            watcher.news.send_if_modified(|health| {
                let is_new = health.state != state;
                (health.state, health.diagnostic) = (state, diagnostic);
                is_new
            });
        }
        watcher.session = Some((id, place));
        Ok(())
    }

    fn read(&mut self, now: Instant) {
        let real = SystemTime::now();
        let mut buffer = [0; 512];
        'receivers: for receiver in &mut self.receivers {
            for _ in 0..BURST {
                let Ok(Some(received)) = receiver.receive(&mut buffer) else {
                    continue 'receivers;
                };
                let age = real.duration_since(received.at).unwrap_or_default();
                let at = Instant::from_nanos(
                    now.as_nanos()
                        .saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)),
                );
                let datagram = Datagram {
                    octets: buffer.get(..received.octets).unwrap_or_default(),
                    path: received.path,
                    ttl: received.ttl,
                };
                // A packet that is nobody's is not told about: anybody can send it. A wall clock that is set does not
                // make packets older than the last time that we looked.
                let _ = self.speaker.receive(&datagram, at.max(self.read_until));
            }
        }
        self.read_until = now;
    }

    fn carry_out(&mut self) {
        let outputs: Vec<Output> = self.speaker.drain().collect();
        for output in outputs {
            match output {
                Output::Send { id, packet } => {
                    if let Some(sender) = self.senders.get(&id) {
                        sender.send(&self.speaker.encode(id, &packet));
                    }
                }
                Output::Changed {
                    id,
                    from,
                    to,
                    diagnostic,
                    remote_admin_down,
                    remote_independent,
                } => {
                    let failed = from == State::Up && to == State::Down && !remote_admin_down;
                    self.tell(id, |health| {
                        health.state = to;
                        health.diagnostic = diagnostic;
                        health.remote_admin_down = remote_admin_down;
                        if failed {
                            health.failures += 1;
                            health.independent = remote_independent;
                        }
                    });
                    if to != State::Up {
                        self.retry_at.get_or_insert(self.clock.now() + RETRY);
                    }
                }
                Output::Gone(id) => drop(self.senders.remove(&id)),
            }
        }
    }

    fn tell(&self, session: Discriminator, change: impl Fn(&mut Health)) {
        let watchers = self.watchers.values().filter(|watcher| {
            let its = watcher.session.as_ref();
            its.is_some_and(|(id, _)| *id == session)
        });
        for watcher in watchers {
            watcher.news.send_modify(&change);
        }
    }

    fn show(&self) -> Vec<BfdStatus> {
        let now = self.clock.now();
        let mut all: Vec<BfdStatus> = self
            .watchers
            .values()
            .map(|watcher| self.status(watcher, now))
            .collect();
        all.sort_by_key(|status| status.remote);
        all
    }

    fn status(&self, watcher: &Watcher, now: Instant) -> BfdStatus {
        let mut status = BfdStatus {
            remote: watcher.wish.target.remote,
            local: watcher.wish.target.local,
            interface: watcher.wish.target.interface.clone(),
            problem: watcher.news.borrow().problem.clone(),
            settings: watcher.wish.settings,
            authentication: watcher.wish.key.as_ref().map(Key::method),
            ..BfdStatus::new(watcher.wish.target.remote)
        };
        let Some((id, place)) = &watcher.session else {
            return status;
        };
        let Some(session) = self.speaker.session(*id) else {
            return status;
        };
        status.local = Some(place.path.local);
        status.interface.clone_from(&place.interface);
        status.multihop = place.path.hops == Hops::Multi;
        status.state = session.state();
        status.diagnostic = session.diagnostic();
        status.since = now.saturating_since(session.since());
        status.discriminator = Some(*id);
        status.remote_state = session.remote_state();
        status.remote_diagnostic = session.remote_diagnostic();
        status.remote_discriminator = session.remote_discriminator();
        status.remote_intervals = session.remote_intervals();
        status.remote_independent = session.remote_is_independent();
        status.transmit_interval = session.transmit_interval();
        status.detection_time = session.detection_time();
        status.counters = session.counters();
        status
    }
}

/// Discriminators that nobody guesses, and that are others after a restart.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}
