// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The session machine (RFC 5880 §6): states, the intervals that both sides agree on, and when a neighbour is silent.
//!
//! It knows no address and no socket. Echo and our own demand mode are left out; a neighbour's demand mode is obeyed.

use alloc::collections::VecDeque;
use core::{num::NonZeroU8, time::Duration};

use bgp_proto::Instant;

use crate::{Diagnostic, Discriminator, Flags, Interval, Packet, State, jitter::Jitter};

/// Nothing is sent more often than this unless the session is up (RFC 5880 §6.8.3).
const SLOW: Interval = Interval::from_millis(1000);

/// What an operator chose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// We would like to send this often. At least a microsecond.
    pub desired_min_tx: Interval,
    /// We can take packets this often.
    pub required_min_rx: Interval,
    /// So many packets missing are a failure, to the neighbour.
    pub multiplier: NonZeroU8,
    /// Say nothing before the neighbour does (RFC 5880 §6.1).
    pub passive: bool,
}

impl Default for Settings {
    /// 3 × 300 ms, active.
    fn default() -> Self {
        Self {
            desired_min_tx: Interval::from_millis(300),
            required_min_rx: Interval::from_millis(300),
            multiplier: NonZeroU8::MIN.saturating_add(2),
            passive: false,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// The operator's hold is over.
    Start,
    /// The operator holds the session down.
    Stop,
    /// A packet of this session.
    Packet(Packet),
    /// New settings. The session stays up: the neighbour is told by a poll sequence.
    Settings(Settings),
    /// A deadline has passed.
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Send this.
    Send(Packet),
    /// The state changed.
    Changed {
        /// From.
        from: State,
        /// To.
        to: State,
        /// Why.
        diagnostic: Diagnostic,
        /// The neighbour's operator holds it down: that is no failure of the path (RFC 5882 §3.2).
        remote_admin_down: bool,
        /// The neighbour's BFD goes on when its control plane does not: a failure is one of the path (RFC 5882 §4.3).
        remote_independent: bool,
    },
}

/// What a session counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Packets received and not discarded.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Times it came up.
    pub ups: u64,
    /// Times it failed when it was up.
    pub downs: u64,
}

/// What we have heard of the neighbour; forgotten after a detection time of silence (RFC 5880 §6.8.1).
#[derive(Clone, Copy, Debug)]
struct Remote {
    discriminator: Discriminator,
    state: State,
    diagnostic: Diagnostic,
    flags: Flags,
    multiplier: NonZeroU8,
    desired_min_tx: Interval,
    required_min_rx: Interval,
    heard: Instant,
}

/// Intervals of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Intervals {
    desired_min_tx: Interval,
    required_min_rx: Interval,
}

/// A poll sequence (RFC 5880 §6.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Poll {
    Off,
    On,
    /// What is polled for has changed since: the next answer may be to an older question.
    Again,
}

/// One session. Feed it events, drain its actions, feed it again.
#[derive(Clone, Debug)]
pub struct Session {
    discriminator: Discriminator,
    settings: Settings,
    state: State,
    diagnostic: Diagnostic,
    remote: Option<Remote>,
    /// What our packets say.
    announced: Intervals,
    /// What we do; differs while the neighbour may not know the new values (RFC 5880 §6.8.3).
    in_use: Intervals,
    poll: Poll,
    last_sent: Option<Instant>,
    /// The interval by which `next` was found.
    pace: Option<Duration>,
    next: Option<Instant>,
    jitter: Jitter,
    since: Instant,
    counters: Counters,
    actions: VecDeque<Action>,
}

impl Session {
    /// A session in Down, that sends its first packet unless it is passive.
    pub fn new(discriminator: Discriminator, settings: Settings, seed: u64, now: Instant) -> Self {
        let intervals = wanted(&settings, State::Down);
        let mut session = Self {
            discriminator,
            settings,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            remote: None,
            announced: intervals,
            in_use: intervals,
            poll: Poll::Off,
            last_sent: None,
            pace: None,
            next: None,
            jitter: Jitter::new(seed),
            since: now,
            counters: Counters::default(),
            actions: VecDeque::new(),
        };
        session.reschedule(now);
        session.expire(now);
        session
    }

    /// Feeds one event. For a packet `now` is when it arrived.
    pub fn step(&mut self, event: Event, now: Instant) {
        match event {
            Event::Start if self.state == State::AdminDown => {
                self.enter(State::Down, Diagnostic::NONE, now);
            }
            Event::Stop if self.state != State::AdminDown => {
                self.enter(State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN, now);
            }
            Event::Start | Event::Stop => {}
            Event::Packet(packet) => self.received(&packet, now),
            Event::Settings(settings) => {
                self.settings = settings;
                self.announce();
            }
            Event::Tick => self.expire(now),
        }
        self.reschedule(now);
    }

    /// The next time at which [`Event::Tick`] does something.
    pub fn deadline(&self) -> Option<Instant> {
        let silence = self.silent_at();
        self.next.into_iter().chain(silence).min()
    }

    /// What is to be done.
    pub fn drain(&mut self) -> alloc::collections::vec_deque::Drain<'_, Action> {
        self.actions.drain(..)
    }

    /// Our name for it.
    pub fn discriminator(&self) -> Discriminator {
        self.discriminator
    }

    /// As the operator chose.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Our state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Why we are in this state.
    pub fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    /// The neighbour's name for it, while the neighbour is heard.
    pub fn remote_discriminator(&self) -> Option<Discriminator> {
        self.remote.map(|remote| remote.discriminator)
    }

    /// The neighbour's state, Down while it is not heard.
    pub fn remote_state(&self) -> State {
        self.remote.map_or(State::Down, |remote| remote.state)
    }

    /// What the neighbour says of its last change.
    pub fn remote_diagnostic(&self) -> Diagnostic {
        self.remote
            .map_or(Diagnostic::NONE, |remote| remote.diagnostic)
    }

    /// The neighbour's multiplier and its two intervals: how often it would like to send, and can take packets.
    pub fn remote_intervals(&self) -> Option<(NonZeroU8, Interval, Interval)> {
        self.remote.map(|remote| {
            (
                remote.multiplier,
                remote.desired_min_tx,
                remote.required_min_rx,
            )
        })
    }

    /// The neighbour's BFD goes on when its control plane does not (RFC 5882 §4.3).
    pub fn remote_is_independent(&self) -> bool {
        self.remote
            .is_some_and(|remote| remote.flags.contains(Flags::CONTROL_PLANE_INDEPENDENT))
    }

    /// How often we send, before jitter; `None`: we do not.
    pub fn transmit_interval(&self) -> Option<Duration> {
        let slowest = match self.remote {
            None if self.settings.passive => return None,
            None => Interval::NEVER,
            Some(remote) if remote.required_min_rx == Interval::NEVER => return None,
            Some(remote) if self.obeys_demand(&remote) => return None,
            Some(remote) => remote.required_min_rx,
        };
        Some(self.in_use.desired_min_tx.max(slowest).as_duration())
    }

    /// So long a silence is a failure (RFC 5880 §6.8.4), while the neighbour is heard.
    pub fn detection_time(&self) -> Option<Duration> {
        let remote = self.remote?;
        let interval = self.in_use.required_min_rx.max(remote.desired_min_tx);
        Some(interval.as_duration() * u32::from(remote.multiplier.get()))
    }

    /// Counters since it was made.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// RFC 5880 §6.6: a neighbour in demand mode is left in peace while the session is up at both ends.
    fn obeys_demand(&self, remote: &Remote) -> bool {
        remote.flags.contains(Flags::DEMAND)
            && (self.state, remote.state) == (State::Up, State::Up)
            && self.poll == Poll::Off
    }

    fn silent_at(&self) -> Option<Instant> {
        let time = self.detection_time()?;
        self.remote.map(|remote| remote.heard + time)
    }

    /// RFC 5880 §6.8.6, from where the session is found.
    fn received(&mut self, packet: &Packet, now: Instant) {
        self.counters.received += 1;
        self.remote = Some(Remote {
            discriminator: packet.my_discriminator,
            state: packet.state,
            diagnostic: packet.diagnostic,
            flags: packet.flags,
            multiplier: packet.multiplier,
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: packet.required_min_rx,
            heard: now,
        });
        if packet.flags.contains(Flags::FINAL) {
            self.answered();
        }
        if self.state == State::AdminDown {
            return;
        }
        self.follow(packet.state, now);
        if packet.flags.contains(Flags::POLL) {
            self.send(Flags::FINAL);
        }
    }

    /// What the neighbour's state does to ours (RFC 5880 §6.2).
    fn follow(&mut self, theirs: State, now: Instant) {
        use State as S;
        match (self.state, theirs) {
            (S::AdminDown, _)
            | (S::Down, S::AdminDown | S::Up)
            | (S::Init, S::Down)
            | (S::Up, S::Init | S::Up) => {}
            (S::Init | S::Up, S::AdminDown) | (S::Up, S::Down) => {
                self.enter(S::Down, Diagnostic::NEIGHBOR_SIGNALED_DOWN, now);
            }
            (S::Down, S::Down) => self.enter(S::Init, Diagnostic::NONE, now),
            (S::Down, S::Init) | (S::Init, S::Init | S::Up) => {
                self.enter(S::Up, Diagnostic::NONE, now);
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.silent_at().is_some_and(|at| at <= now) {
            if self.state > State::Down {
                // Tells the neighbour, which may hear us: so that it is named a last time.
                self.enter(State::Down, Diagnostic::DETECTION_TIME_EXPIRED, now);
            }
            self.remote = None;
            self.reschedule(now);
        }
        if self.next.is_some_and(|at| at <= now) {
            self.transmit(now);
        }
    }

    fn enter(&mut self, to: State, diagnostic: Diagnostic, now: Instant) {
        let from = core::mem::replace(&mut self.state, to);
        self.diagnostic = diagnostic;
        self.since = now;
        self.counters.ups += u64::from(to == State::Up);
        self.counters.downs += u64::from(from == State::Up);
        self.announce();
        // RFC 5880 §6.8.7: what differs from the last packet is said at once.
        if self.transmit_interval().is_some() {
            self.transmit(now);
        }
        self.actions.push_back(Action::Changed {
            from,
            to,
            diagnostic,
            remote_admin_down: self.remote_state() == State::AdminDown,
            remote_independent: self.remote_is_independent(),
        });
    }

    /// Settings or state changed: says what we want now, and keeps to what the neighbour knows until it has answered.
    fn announce(&mut self) {
        let new = wanted(&self.settings, self.state);
        if self.announced == new {
            return;
        }
        self.announced = new;
        self.in_use = if self.state == State::Up {
            Intervals {
                desired_min_tx: self.in_use.desired_min_tx.min(new.desired_min_tx),
                required_min_rx: self.in_use.required_min_rx.max(new.required_min_rx),
            }
        } else {
            new
        };
        self.poll = match self.poll {
            Poll::Off => Poll::On,
            Poll::On | Poll::Again => Poll::Again,
        };
    }

    /// The neighbour answered.
    fn answered(&mut self) {
        self.poll = match self.poll {
            Poll::Again => Poll::On,
            Poll::On | Poll::Off => Poll::Off,
        };
        if self.poll == Poll::Off {
            self.in_use = self.announced;
        }
    }

    /// When the next packet goes. A new pace counts from the last one.
    fn reschedule(&mut self, now: Instant) {
        let pace = self.transmit_interval();
        if pace == self.pace {
            return;
        }
        self.pace = pace;
        self.next = pace.map(|pace| match self.last_sent {
            Some(last) => last + self.jitter.apply(pace, self.settings.multiplier.get()),
            None => now,
        });
    }

    /// A periodic packet.
    fn transmit(&mut self, now: Instant) {
        let poll = self.poll != Poll::Off;
        self.send(if poll { Flags::POLL } else { Flags::NONE });
        self.last_sent = Some(now);
        self.pace = None;
        self.reschedule(now);
    }

    fn send(&mut self, flags: Flags) {
        self.counters.sent += 1;
        self.actions.push_back(Action::Send(Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            flags,
            multiplier: self.settings.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote_discriminator(),
            desired_min_tx: self.announced.desired_min_tx,
            required_min_rx: self.announced.required_min_rx,
            required_min_echo_rx: Interval::NEVER,
        }));
    }
}

fn wanted(settings: &Settings, state: State) -> Intervals {
    let desired = settings.desired_min_tx.max(Interval::from_micros(1));
    Intervals {
        desired_min_tx: if state == State::Up {
            desired
        } else {
            desired.max(SLOW)
        },
        required_min_rx: settings.required_min_rx,
    }
}
