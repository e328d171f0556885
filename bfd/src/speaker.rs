// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All sessions of a system: which session a packet belongs to (RFC 5880 §6.3, RFC 5881 §3 and §5, RFC 5883 §3), and whose
//! turn it is.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::{net::IpAddr, time::Duration};

use bgp_proto::Instant;
use thiserror::Error;

use crate::{
    Action, Diagnostic, Discriminator, Event, Key, Packet, PacketError, Session, Settings, State,
    TTL, authentication::Seal, jitter::Jitter,
};

/// A session that is removed says `AdminDown` this long, so that the neighbour hears it though a packet is lost.
const FAREWELL: Duration = Duration::from_secs(3);

/// How far away the neighbour is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Hops {
    /// On the link of this interface (RFC 5881).
    Single(u32),
    /// Behind routers (RFC 5883).
    Multi,
}

/// What a session watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Path {
    /// Our address.
    pub local: IpAddr,
    /// The neighbour's.
    pub remote: IpAddr,
    /// How far.
    pub hops: Hops,
}

impl Path {
    /// A neighbour on the link of an interface.
    pub const fn single_hop(local: IpAddr, remote: IpAddr, interface: u32) -> Self {
        Self {
            local,
            remote,
            hops: Hops::Single(interface),
        }
    }

    /// A neighbour behind routers.
    pub const fn multihop(local: IpAddr, remote: IpAddr) -> Self {
        Self {
            local,
            remote,
            hops: Hops::Multi,
        }
    }

    /// There is one session for each of these: on a link, whatever our address is.
    fn key(&self) -> Where {
        let local = (self.hops == Hops::Multi).then_some(self.local);
        (self.remote, self.hops, local)
    }
}

type Where = (IpAddr, Hops, Option<IpAddr>);

/// What arrived.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The payload.
    pub octets: &'a [u8],
    /// Where from, where to, on which port and interface.
    pub path: Path,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// Why a datagram is discarded.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Discard {
    /// It is no control packet that could be ours.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// RFC 5881 §5: it comes from further away than the link.
    #[error("TTL {0} instead of 255: it comes from further away than the link")]
    Ttl(u8),
    /// It names a session that we do not have.
    #[error("there is no session {0}")]
    Discriminator(Discriminator),
    /// Nobody there is a neighbour.
    #[error("no session with {0}")]
    Stranger(IpAddr),
    /// It names a session of another interface or port.
    #[error("session {0} is not on this interface and port")]
    Elsewhere(Discriminator),
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Output {
    /// Send this, on the path of the session.
    Send {
        /// Which session.
        id: Discriminator,
        /// What.
        packet: Packet,
    },
    /// A session changed.
    Changed {
        /// Which session.
        id: Discriminator,
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
    /// A session that was removed has said so: its sockets can go.
    Gone(Discriminator),
}

#[derive(Debug)]
struct Member {
    session: Session,
    path: Path,
    seal: Option<Seal>,
    /// Its place in `due`.
    due: Option<Instant>,
    /// Removed; forgotten then.
    farewell: Option<Instant>,
}

/// The sessions of a system.
#[derive(Debug)]
pub struct Speaker {
    members: BTreeMap<Discriminator, Member>,
    by_path: BTreeMap<Where, Discriminator>,
    due: BTreeSet<(Instant, Discriminator)>,
    outputs: VecDeque<Output>,
    numbers: Jitter,
}

impl Speaker {
    /// Without sessions. Discriminators and jitter come from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            members: BTreeMap::new(),
            by_path: BTreeMap::new(),
            due: BTreeSet::new(),
            outputs: VecDeque::new(),
            numbers: Jitter::new(seed),
        }
    }

    /// Adds a session. If there is one on this path already, or still, it goes on with these settings.
    pub fn add(&mut self, path: Path, settings: Settings, now: Instant) -> Discriminator {
        if let Some(id) = self.by_path.get(&path.key()).copied() {
            if let Some(member) = self.members.get_mut(&id) {
                member.farewell = None;
            }
            self.step(id, Event::Settings(settings), now);
            self.step(id, Event::Start, now);
            return id;
        }
        let id = self.unused();
        let session = Session::new(id, settings, self.numbers.next(), now);
        let member = Member {
            session,
            path,
            seal: None,
            due: None,
            farewell: None,
        };
        self.by_path.insert(path.key(), id);
        self.members.insert(id, member);
        self.settle(id);
        id
    }

    /// Removes a session, after the neighbour was told that it is no failure. [`Output::Gone`] is the end of it.
    pub fn remove(&mut self, id: Discriminator, now: Instant) {
        self.step(id, Event::Stop, now);
        if let Some(member) = self.members.get_mut(&id) {
            member.farewell.get_or_insert(now + FAREWELL);
            self.settle(id);
        }
    }

    /// Feeds a session.
    pub fn step(&mut self, id: Discriminator, event: Event, now: Instant) {
        if let Some(member) = self.members.get_mut(&id) {
            member.session.step(event, now);
            self.settle(id);
        }
    }

    /// Feeds a datagram to its session, with the time at which it arrived.
    ///
    /// # Errors
    /// Why it is discarded.
    pub fn receive(&mut self, datagram: &Datagram<'_>, at: Instant) -> Result<(), Discard> {
        let path = &datagram.path;
        if path.hops != Hops::Multi && datagram.ttl != TTL {
            return Err(Discard::Ttl(datagram.ttl));
        }
        let (packet, authenticated) = Packet::read(datagram.octets)?;
        // RFC 5880 §6.3: a session that is named is it, whatever address the packet comes from.
        let id = if let Some(id) = packet.your_discriminator {
            let member = self.members.get(&id);
            let known = member.ok_or(Discard::Discriminator(id))?.path;
            let same_family = known.remote.is_ipv4() == path.remote.is_ipv4();
            if known.hops != path.hops || !same_family {
                return Err(Discard::Elsewhere(id));
            }
            id
        } else {
            let found = self.by_path.get(&path.key()).copied();
            found.ok_or(Discard::Stranger(path.remote))?
        };
        let Some(member) = self.members.get_mut(&id) else {
            return Err(Discard::Discriminator(id));
        };
        let multiplier = member.session.settings().multiplier;
        match (&mut member.seal, authenticated) {
            (None, false) => {}
            (Some(seal), true) => seal.check(datagram.octets, multiplier, at)?,
            (None, true) | (Some(_), false) => return Err(PacketError::Authentication.into()),
        }
        member.session.step(Event::Packet(packet), at);
        if let (Some(seal), Some(time)) = (&mut member.seal, member.session.detection_time()) {
            seal.counts_for(time, at);
        }
        self.settle(id);
        Ok(())
    }

    /// With this key the session's packets are sealed from now on, and have to be; with `None`, they are not.
    pub fn authenticate(&mut self, id: Discriminator, key: Option<Key>) {
        // A number that is not known from before we were started.
        let first = self.numbers.next();
        if let Some(member) = self.members.get_mut(&id) {
            let same = match (&member.seal, &key) {
                (Some(seal), Some(key)) => seal.has(key),
                (seal, key) => seal.is_none() && key.is_none(),
            };
            if !same {
                let [.., a, b, c, d] = first.to_be_bytes();
                member.seal = key.map(|key| Seal::new(key, u32::from_be_bytes([a, b, c, d])));
            }
        }
    }

    /// The octets of a packet that [`Output::Send`] says is to be sent. Each time they have another sequence number, if
    /// the session is authenticated.
    pub fn encode(&mut self, id: Discriminator, packet: &Packet) -> Vec<u8> {
        let seal = self
            .members
            .get_mut(&id)
            .and_then(|member| member.seal.as_mut());
        seal.map_or_else(|| packet.encode().to_vec(), |seal| seal.apply(packet))
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        let due: Vec<Discriminator> = self
            .due
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            let farewell = self.members.get(&id).and_then(|member| member.farewell);
            if farewell.is_some_and(|at| at <= now) {
                self.forget(id);
            } else {
                self.step(id, Event::Tick, now);
            }
        }
    }

    /// When [`Self::tick`] does something.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What is to be done.
    pub fn drain(&mut self) -> alloc::collections::vec_deque::Drain<'_, Output> {
        self.outputs.drain(..)
    }

    /// A session, by our name for it.
    pub fn session(&self, id: Discriminator) -> Option<&Session> {
        self.members.get(&id).map(|member| &member.session)
    }

    /// What a session watches.
    pub fn path(&self, id: Discriminator) -> Option<Path> {
        self.members.get(&id).map(|member| member.path)
    }

    fn unused(&mut self) -> Discriminator {
        loop {
            let [.., a, b, c, d] = self.numbers.next().to_be_bytes();
            let number = Discriminator::new(u32::from_be_bytes([a, b, c, d]));
            if let Some(id) = number.filter(|id| !self.members.contains_key(id)) {
                return id;
            }
        }
    }

    fn forget(&mut self, id: Discriminator) {
        if let Some(member) = self.members.remove(&id) {
            self.by_path.remove(&member.path.key());
            if let Some(at) = member.due {
                self.due.remove(&(at, id));
            }
            self.outputs.push_back(Output::Gone(id));
        }
    }

    /// A session was fed: its actions and its deadline are taken over.
    fn settle(&mut self, id: Discriminator) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let outputs = member.session.drain().map(|action| match action {
            Action::Send(packet) => Output::Send { id, packet },
            Action::Changed {
                from,
                to,
                diagnostic,
                remote_admin_down,
                remote_independent,
            } => Output::Changed {
                id,
                from,
                to,
                diagnostic,
                remote_admin_down,
                remote_independent,
            },
        });
        self.outputs.extend(outputs);
        let deadline = member
            .session
            .deadline()
            .into_iter()
            .chain(member.farewell)
            .min();
        if let Some(old) = core::mem::replace(&mut member.due, deadline) {
            self.due.remove(&(old, id));
        }
        if let Some(new) = deadline {
            self.due.insert((new, id));
        }
    }
}
