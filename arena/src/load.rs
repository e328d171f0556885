// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All neighbours of the daemon under test, in one thread: non-blocking sockets, ready-made streams, and a [`Ledger`] each
//! that receives. Messages that many of them get are read once ([`Memo`]).

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bgp_proto::{Asn, Capability, Family, HoldTime, Message, MessageKind, Open, RouterId, frame};
use bytes::Bytes;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    ledger::Ledger,
    memo::{Last, Memo},
    table::end_of_rib,
};

/// Octets that are read at once.
const CHUNK: usize = 512 << 10;

/// Between attempts to connect.
const RETRY: Duration = Duration::from_secs(1);

/// So many receivers are likely to get the same messages.
const MANY: usize = 8;

/// Proposed by us; a daemon that is busy is not to lose sessions by it.
const HOLD: u16 = 240;

/// Between KEEPALIVEs of ours: enough for a hold time of 90 seconds.
const KEEPALIVE: Duration = Duration::from_secs(25);

/// Who a neighbour is.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: u32,
    /// That is the daemon's, too.
    pub internal: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Not connected, and not to be.
    Off,
    /// To be connected when the time has come.
    Waits(Instant),
    Connecting,
    /// Our OPEN is sent.
    Opening,
    Established,
}

/// One neighbour.
#[derive(Debug)]
struct Speaker {
    voice: Voice,
    state: State,
    socket: Option<Socket>,
    /// What is read and not yet a whole message.
    rest: Vec<u8>,
    unsent: VecDeque<Bytes>,
    wants_to_write: bool,
    ledger: Option<Ledger>,
    last: Last,
    is_complete: bool,
}

/// All neighbours.
#[derive(Debug)]
pub struct Load {
    epoll: Epoll,
    daemon: SocketAddr,
    family: Family,
    speakers: Vec<Speaker>,
    buffer: Box<[u8]>,
    memo: Memo,
    receivers: usize,
    /// So many may connect at the same time.
    portion: usize,
    established: usize,
    complete: usize,
    next_keepalive: Instant,
    /// UPDATEs and other messages received.
    pub messages: u64,
    /// Octets received.
    pub octets: u64,
    /// Connections that ended without our doing.
    pub lost: u64,
    /// Why the last one did.
    pub last_words: Option<String>,
}

impl Load {
    /// Nobody yet. They speak with the daemon at this address, about this family. The thread must be in the right namespace.
    ///
    /// # Errors
    /// The kernel has no descriptors left.
    pub fn new(daemon: SocketAddr, family: Family) -> Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            daemon,
            family,
            speakers: Vec::new(),
            buffer: vec![0; CHUNK].into(),
            memo: Memo::default(),
            receivers: 0,
            portion: usize::MAX,
            established: 0,
            complete: 0,
            next_keepalive: Instant::now() + KEEPALIVE,
            messages: 0,
            octets: 0,
            lost: 0,
            last_words: None,
        })
    }

    /// One more neighbour; it does nothing yet. With a ledger it is a receiver.
    pub fn add(&mut self, voice: Voice, ledger: Option<Ledger>) -> usize {
        self.receivers += usize::from(ledger.is_some());
        self.speakers.push(Speaker {
            voice,
            state: State::Off,
            socket: None,
            rest: Vec::new(),
            unsent: VecDeque::new(),
            wants_to_write: false,
            ledger,
            last: Last::default(),
            is_complete: false,
        });
        self.speakers.len() - 1
    }

    /// It connects, again and again until it is told otherwise.
    pub fn connect(&mut self, who: usize) {
        self.speakers[who].state = State::Waits(Instant::now());
        self.dial(who);
    }

    /// It closes its connection without a word.
    pub fn cut(&mut self, who: usize) {
        self.hang_up(who);
        self.speakers[who].state = State::Off;
    }

    /// All that it has to say is written.
    pub fn has_sent(&self, who: usize) -> bool {
        self.speakers[who].unsent.is_empty()
    }

    /// Who is not Established connects anew, but only so many at the same time.
    pub fn in_portions(&mut self, portion: usize) {
        self.portion = portion;
        for who in 0..self.speakers.len() {
            let is_late = matches!(
                self.speakers[who].state,
                State::Waits(_) | State::Connecting | State::Opening
            );
            if is_late {
                self.hang_up(who);
                self.speakers[who].state = State::Waits(Instant::now());
            }
        }
    }

    /// How many sessions are Established.
    pub fn established(&self) -> usize {
        self.established
    }

    /// How many receivers have exactly what they are to have.
    pub fn complete(&self) -> usize {
        self.complete
    }

    /// What a receiver has.
    pub fn ledger(&self, who: usize) -> Option<&Ledger> {
        self.speakers[who].ledger.as_ref()
    }

    /// Changes what a receiver is to have.
    pub fn expect(&mut self, who: usize, change: impl FnOnce(&mut Ledger)) {
        let speaker = &mut self.speakers[who];
        if let Some(ledger) = &mut speaker.ledger {
            change(ledger);
            self.complete -= usize::from(speaker.is_complete);
            speaker.is_complete = ledger.is_complete();
            self.complete += usize::from(speaker.is_complete);
        }
    }

    /// Sends what is encoded already.
    pub fn send(&mut self, who: usize, stream: Bytes) {
        self.speakers[who].unsent.push_back(stream);
        self.flush(who);
    }

    /// Runs until something has become true, and says whether it has by then.
    ///
    /// # Errors
    /// The system's.
    pub fn until(&mut self, end: Instant, mut done: impl FnMut(&Self) -> bool) -> Result<bool> {
        while !done(self) {
            let now = Instant::now();
            if now >= end {
                return Ok(false);
            }
            self.step((end - now).min(Duration::from_millis(50)))?;
        }
        Ok(true)
    }

    /// Runs for a time.
    ///
    /// # Errors
    /// The system's.
    pub fn rest(&mut self, time: Duration) -> Result<()> {
        self.until(Instant::now() + time, |_| false).map(drop)
    }

    /// Waits for sockets, and does what they are ready for.
    fn step(&mut self, wait: Duration) -> Result<()> {
        let mut events = [EpollEvent::empty(); 256];
        // Rounded up, so that a short wait is not none.
        let wait = u16::try_from(wait.as_millis() + 1).unwrap_or(u16::MAX);
        let count = match self.epoll.wait(&mut events, EpollTimeout::from(wait)) {
            Err(nix::Error::EINTR) => 0,
            other => other?,
        };
        for event in &events[..count] {
            let who = event.data() as usize;
            if event.events().contains(EpollFlags::EPOLLOUT) {
                self.writable(who);
            }
            if event
                .events()
                .intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR)
            {
                self.readable(who);
            }
        }
        let now = Instant::now();
        if self.established < self.speakers.len() {
            self.dial_those_who_wait(now);
        }
        if now >= self.next_keepalive {
            self.next_keepalive = now + KEEPALIVE;
            for who in 0..self.speakers.len() {
                if self.speakers[who].state == State::Established {
                    self.send(who, Message::Keepalive.encode());
                }
            }
        }
        Ok(())
    }

    fn dial_those_who_wait(&mut self, now: Instant) {
        let is_on_the_way =
            |speaker: &&Speaker| matches!(speaker.state, State::Connecting | State::Opening);
        let mut busy = self.speakers.iter().filter(is_on_the_way).count();
        for who in 0..self.speakers.len() {
            let is_due = matches!(self.speakers[who].state, State::Waits(when) if when <= now);
            if is_due && busy < self.portion {
                self.dial(who);
                busy += 1;
            }
        }
    }

    fn dial(&mut self, who: usize) {
        if let Err(error) = self.try_dial(who) {
            self.last_words = Some(format!("{error:#}"));
            self.again(who);
        }
    }

    fn try_dial(&mut self, who: usize) -> Result<()> {
        let speaker = &mut self.speakers[who];
        let socket = Socket::new(
            Domain::for_address(self.daemon),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::new(speaker.voice.address, 0).into())?;
        match socket.connect(&self.daemon.into()) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => {
                return Err(error).context("connecting");
            }
            _ => {}
        }
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT, who as u64);
        self.epoll.add(socket.as_fd(), event)?;
        speaker.socket = Some(socket);
        speaker.wants_to_write = true;
        speaker.state = State::Connecting;
        Ok(())
    }

    fn writable(&mut self, who: usize) {
        if self.speakers[who].state == State::Connecting {
            let socket = self.speakers[who].socket.as_ref();
            match socket.map(Socket::take_error) {
                Some(Ok(None)) => self.open(who),
                _ => return self.broken(who, "connection refused"),
            }
        }
        self.flush(who);
    }

    fn open(&mut self, who: usize) {
        let voice = self.speakers[who].voice;
        let identifier = match voice.address {
            IpAddr::V4(address) => u32::from(address),
            IpAddr::V6(_) => 0x0a00_0100 + who as u32,
        };
        let open = Open {
            asn: Asn(voice.asn),
            hold_time: HoldTime::from_wire(HOLD).unwrap_or(HoldTime::OFF),
            router_id: RouterId::new(identifier.into()).expect("no address is zero"),
            capabilities: vec![
                Capability::Multiprotocol(self.family),
                Capability::RouteRefresh,
                Capability::FourOctetAs(Asn(voice.asn)),
            ],
        };
        self.speakers[who].state = State::Opening;
        self.send(who, open.encode());
    }

    fn flush(&mut self, who: usize) {
        let speaker = &mut self.speakers[who];
        let Some(socket) = &mut speaker.socket else {
            return;
        };
        if speaker.state == State::Connecting {
            return;
        }
        let mut is_full = false;
        while let Some(front) = speaker.unsent.front_mut() {
            match socket.write(front) {
                Ok(count) if count == front.len() => drop(speaker.unsent.pop_front()),
                Ok(count) => drop(front.split_to(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    is_full = true;
                    break;
                }
                Err(error) => {
                    let words = format!("writing: {error}");
                    return self.broken(who, &words);
                }
            }
        }
        if is_full != speaker.wants_to_write {
            speaker.wants_to_write = is_full;
            let flags = if is_full {
                EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT
            } else {
                EpollFlags::EPOLLIN
            };
            let mut event = EpollEvent::new(flags, who as u64);
            if self.epoll.modify(socket.as_fd(), &mut event).is_err() {
                self.broken(who, "the socket is gone");
            }
        }
    }

    fn readable(&mut self, who: usize) {
        let speaker = &mut self.speakers[who];
        let Some(socket) = &mut speaker.socket else {
            return;
        };
        let kept = speaker.rest.len();
        self.buffer[..kept].copy_from_slice(&speaker.rest);
        let count = match socket.read(&mut self.buffer[kept..]) {
            Ok(0) => return self.broken(who, "closed"),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                let words = format!("reading: {error}");
                return self.broken(who, &words);
            }
        };
        self.octets += count as u64;
        let mut begin = 0;
        let end = kept + count;
        while let Some(head) = self.buffer[begin..end].get(..frame::HEADER) {
            let length = usize::from(u16::from_be_bytes([head[16], head[17]]));
            let kind = head[18];
            if length < frame::HEADER {
                return self.broken(who, "a message shorter than its header");
            }
            if begin + length > end {
                break;
            }
            self.messages += 1;
            let (from, to) = (begin + frame::HEADER, begin + length);
            begin += length;
            if kind == MessageKind::Update as u8 {
                let speaker = &mut self.speakers[who];
                let body = &self.buffer[from..to];
                match &mut speaker.ledger {
                    Some(ledger) if self.receivers >= MANY => {
                        self.memo.tell_one(ledger, &mut speaker.last, body);
                    }
                    Some(ledger) => self.memo.tell(ledger, body),
                    None => {}
                }
            } else if !self.message(who, kind, from, to) {
                return;
            }
        }
        let speaker = &mut self.speakers[who];
        speaker.rest.clear();
        speaker.rest.extend_from_slice(&self.buffer[begin..end]);
        if let Some(ledger) = &speaker.ledger {
            let is_complete = ledger.is_complete();
            self.complete =
                self.complete + usize::from(is_complete) - usize::from(speaker.is_complete);
            speaker.is_complete = is_complete;
        }
    }

    /// Any message but UPDATE. False: the connection is over.
    fn message(&mut self, who: usize, kind: u8, from: usize, to: usize) -> bool {
        let state = self.speakers[who].state;
        if kind == MessageKind::Open as u8 && state == State::Opening {
            self.send(who, Message::Keepalive.encode());
        } else if kind == MessageKind::Keepalive as u8 && state == State::Opening {
            self.speakers[who].state = State::Established;
            self.established += 1;
            if self.speakers[who].ledger.is_some() {
                self.send(who, end_of_rib(self.family));
            }
        } else if kind == MessageKind::Notification as u8 {
            let words = format!("NOTIFICATION {:?}", &self.buffer[from..to.min(from + 2)]);
            self.broken(who, &words);
            return false;
        }
        true
    }

    /// A connection ended without our doing; another one is made later.
    fn broken(&mut self, who: usize, why: &str) {
        self.lost += 1;
        self.last_words = Some(format!("{}: {why}", self.speakers[who].voice.address));
        self.hang_up(who);
        self.again(who);
    }

    fn again(&mut self, who: usize) {
        self.speakers[who].state = State::Waits(Instant::now() + RETRY);
    }

    fn hang_up(&mut self, who: usize) {
        let speaker = &mut self.speakers[who];
        if speaker.state == State::Established {
            self.established -= 1;
        }
        // Closing takes it out of the epoll set.
        speaker.socket = None;
        speaker.rest.clear();
        speaker.unsent.clear();
        self.complete -= usize::from(speaker.is_complete);
        speaker.is_complete = false;
        if let Some(ledger) = &mut speaker.ledger {
            ledger.clear();
        }
    }
}
