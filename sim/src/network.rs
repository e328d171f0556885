// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Simulated TCP: ordered octets with a delay, connections that can be reset, links that can be cut.

use std::{collections::BTreeMap, time::Duration};

use bgp_fsm::ConnectionId;
use bgp_proto::Instant;
use bytes::Bytes;
use rib::PeerId;

use crate::Random;

/// What can be done to a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Every connection over it breaks, and both ends see it.
    Reset,
    /// Nothing passes any more, and nobody is told.
    Cut,
    /// The link works again.
    Mend,
}

/// One end of a connection: a speaker, its name for the peer, and the connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct End {
    pub(crate) speaker: usize,
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
}

/// What arrives at a speaker.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Its attempt to connect has succeeded, or a peer's has.
    Connected { end: End, outgoing: bool },
    /// Its attempt has failed.
    Failed { speaker: usize, peer: PeerId },
    /// Octets.
    Octets(End, Bytes),
    /// The connection is over.
    Closed(End),
}

/// A link between two speakers.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) ends: [(usize, PeerId); 2],
    up: bool,
}

/// All links and connections, and what is under way.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) links: Vec<Link>,
    random: Random,
    /// The other end of each open connection.
    open: BTreeMap<End, End>,
    /// When the last thing under way to an end arrives: nothing overtakes it.
    latest: BTreeMap<End, Instant>,
    under_way: BTreeMap<(Instant, u64), Arrival>,
    /// What waits for a cut link to work again, as TCP sends it again.
    held: Vec<(End, Arrival)>,
    number: u64,
    last_connection: u32,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            links: Vec::new(),
            random: Random::new(seed),
            open: BTreeMap::new(),
            latest: BTreeMap::new(),
            under_way: BTreeMap::new(),
            held: Vec::new(),
            number: 0,
            last_connection: 0,
        }
    }

    pub(crate) fn link(&mut self, ends: [(usize, PeerId); 2]) -> usize {
        self.links.push(Link { ends, up: true });
        self.links.len() - 1
    }

    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// What has arrived by now, the earliest first.
    pub(crate) fn arrive(&mut self, now: Instant) -> Option<Arrival> {
        let first = self
            .under_way
            .first_entry()
            .filter(|entry| entry.key().0 <= now)?;
        let arrival = first.remove();
        match &arrival {
            // A connection that was closed meanwhile delivers nothing.
            Arrival::Octets(end, _) if !self.open.contains_key(end) => self.arrive(now),
            _ => Some(arrival),
        }
    }

    pub(crate) fn connect(&mut self, speaker: usize, peer: PeerId, now: Instant) {
        let link = self
            .links
            .iter()
            .find(|link| link.ends.contains(&(speaker, peer)));
        let Some(other) = link
            .filter(|link| link.up)
            .and_then(|link| link.ends.into_iter().find(|end| *end != (speaker, peer)))
        else {
            self.send(
                now + Duration::from_secs(1),
                Arrival::Failed { speaker, peer },
            );
            return;
        };
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        let here = End {
            speaker,
            peer,
            connection,
        };
        let there = End {
            speaker: other.0,
            peer: other.1,
            connection,
        };
        self.open.insert(here, there);
        self.open.insert(there, here);
        let at = now + self.delay();
        self.latest.insert(here, at);
        self.latest.insert(there, at);
        self.send(
            at,
            Arrival::Connected {
                end: there,
                outgoing: false,
            },
        );
        self.send(
            at,
            Arrival::Connected {
                end: here,
                outgoing: true,
            },
        );
    }

    pub(crate) fn transmit(&mut self, from: End, octets: Bytes, now: Instant) {
        if let Some(to) = self.open.get(&from).copied() {
            self.pass(to, Arrival::Octets(to, octets), now);
        }
    }

    pub(crate) fn close(&mut self, from: End, now: Instant) {
        if let Some(to) = self.open.remove(&from) {
            self.pass(to, Arrival::Closed(to), now);
        }
    }

    /// Behind what is on its way to this end already, as soon as the link works.
    fn pass(&mut self, to: End, arrival: Arrival, now: Instant) {
        if self.is_connected(to) {
            let at = self.in_order(to, now);
            self.send(at, arrival);
        } else {
            self.held.push((to, arrival));
        }
    }

    /// The end has seen that the connection is over.
    pub(crate) fn forget(&mut self, end: End) {
        self.open.remove(&end);
        self.latest.remove(&end);
    }

    pub(crate) fn fault(&mut self, link: usize, fault: Fault, now: Instant) {
        let Some(changed) = self.links.get_mut(link) else {
            return;
        };
        match fault {
            Fault::Mend => {
                changed.up = true;
                // What is for other links is held again.
                for (to, arrival) in std::mem::take(&mut self.held) {
                    if self.open.contains_key(&to) {
                        self.pass(to, arrival, now);
                    }
                }
            }
            Fault::Cut => changed.up = false,
            Fault::Reset => {
                let ends = changed.ends;
                let broken: Vec<End> = self
                    .open
                    .keys()
                    .copied()
                    .filter(|end| ends.contains(&(end.speaker, end.peer)))
                    .collect();
                for end in broken {
                    let at = self.in_order(end, now);
                    self.send(at, Arrival::Closed(end));
                }
            }
        }
    }

    fn is_connected(&self, end: End) -> bool {
        self.links
            .iter()
            .any(|link| link.up && link.ends.contains(&(end.speaker, end.peer)))
    }

    fn in_order(&mut self, to: End, now: Instant) -> Instant {
        let at = (now + self.delay()).max(self.latest.get(&to).copied().unwrap_or(now));
        self.latest.insert(to, at);
        at
    }

    fn delay(&mut self) -> Duration {
        Duration::from_micros(100 + self.random.below(20_000))
    }

    fn send(&mut self, at: Instant, arrival: Arrival) {
        self.number += 1;
        self.under_way.insert((at, self.number), arrival);
    }
}
