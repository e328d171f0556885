// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A whole BGP speaker without a runtime: neighbours, RIB and local routes behind four verbs.
//!
//! Feed it ([`Speaker::step`], [`Speaker::read`]), ask its [`deadline`](Speaker::deadline), [`drain`](Speaker::drain)
//! what it wants done. The embedding program owns sockets and clock. Everything runs in the caller's thread; the
//! daemon arranges the same parts in tasks and threads instead.

use std::collections::BTreeMap;

use bgp_fsm::{ConnectionId, StopReason};
use bgp_proto::{Family, Instant};
use bytes::{Bytes, BytesMut};
use rib::{FibChange, Input, Output, PeerId, RibConfig, RouteBatch, Shards};

use crate::peer::{Peer, PeerEvent, PeerOrder, PeerSettings};

/// What the embedding program has to do.
#[derive(Debug)]
pub enum SpeakerOrder {
    /// Dial this peer; answer with [`PeerEvent::Connected`] or [`PeerEvent::ConnectFailed`].
    Connect(PeerId),
    /// Stop dialling.
    AbortConnect(PeerId),
    /// Send these octets on this connection.
    Send(PeerId, ConnectionId, Bytes),
    /// Close the connection when all is sent.
    Close(PeerId, ConnectionId),
    /// The best path of a prefix for the forwarding table changed.
    Forward(FibChange),
    /// A session changed its state, for logs.
    Changed {
        /// Whose.
        peer: PeerId,
        /// From.
        from: bgp_fsm::State,
        /// To.
        to: bgp_fsm::State,
        /// Why, when it ended.
        reason: Option<String>,
    },
    /// An UPDATE of this peer was malformed and cost its routes only (RFC 7606).
    Faulty(PeerId, String),
    /// The peer comes near its limit of prefixes: the family, how many there are, the limit.
    NearLimit(PeerId, Family, u64, u32),
}

/// Neighbours and their RIB.
#[derive(Debug)]
pub struct Speaker {
    peers: BTreeMap<PeerId, Neighbour>,
    rib: Shards,
    output: Output,
    orders: Vec<SpeakerOrder>,
}

#[derive(Debug)]
struct Neighbour {
    peer: Peer,
    established: Option<ConnectionId>,
}

impl Speaker {
    /// A speaker with no neighbours. One shard is right for most embedding programs: all shards run in one thread here.
    pub fn new(config: RibConfig, shards: usize) -> Self {
        Self {
            peers: BTreeMap::new(),
            rib: Shards::new(config, shards),
            output: Output::default(),
            orders: Vec::new(),
        }
    }

    /// Adds a neighbour and lets it come up.
    pub fn add_peer(&mut self, settings: PeerSettings, now: Instant) {
        let id = settings.id;
        self.peers.insert(
            id,
            Neighbour {
                peer: Peer::new(settings),
                established: None,
            },
        );
        self.step(id, PeerEvent::Start, now);
    }

    /// Takes a neighbour down and forgets it. What it is still to be sent comes out of the next drain.
    pub fn remove_peer(&mut self, id: PeerId, now: Instant) {
        self.step(id, PeerEvent::Stop(StopReason::Deconfigured), now);
        self.peers.remove(&id);
    }

    /// Feeds an event of one neighbour; one of a neighbour that is not there is ignored.
    pub fn step(&mut self, id: PeerId, event: PeerEvent, now: Instant) {
        if let Some(neighbour) = self.peers.get_mut(&id) {
            neighbour.peer.step(event, now);
            self.carry_out(id, now);
        }
    }

    /// Takes in what arrived on a connection; what is not a whole message yet stays in `buffer`.
    pub fn read(
        &mut self,
        id: PeerId,
        connection: ConnectionId,
        buffer: &mut BytesMut,
        now: Instant,
    ) {
        if let Some(neighbour) = self.peers.get_mut(&id) {
            neighbour.peer.read(connection, buffer, now);
            self.carry_out(id, now);
        }
    }

    /// Announces or withdraws local routes.
    pub fn routes(&mut self, batch: RouteBatch, now: Instant) {
        self.rib.step(Input::Routes(batch), now);
    }

    /// Tells the RIB something else: reachability of next hops.
    pub fn tell_rib(&mut self, input: Input, now: Instant) {
        self.rib.step(input, now);
    }

    /// When [`Self::tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.peers
            .values()
            .filter_map(|neighbour| neighbour.peer.deadline())
            .min()
    }

    /// Lets the timers that are due expire.
    pub fn tick(&mut self, now: Instant) {
        let due = |neighbour: &Neighbour| {
            neighbour
                .peer
                .deadline()
                .is_some_and(|deadline| deadline <= now)
        };
        let ids: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, neighbour)| due(neighbour))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.step(id, PeerEvent::Tick, now);
        }
    }

    /// What is to be done, in order. Call it after feeding, until it is empty.
    pub fn drain(&mut self, now: Instant) -> Vec<SpeakerOrder> {
        self.rib.drain(&mut self.output);
        let mut output = std::mem::take(&mut self.output);
        self.orders
            .extend(output.install.drain(..).map(SpeakerOrder::Forward));
        for transmit in output.transmit.drain(..) {
            for id in transmit.recipients.iter() {
                if let Some(neighbour) = self.peers.get_mut(&id)
                    && let Some(connection) = neighbour.established
                {
                    let messages = transmit.messages.clone();
                    neighbour.peer.sent_updates(transmit.count, messages.len());
                    self.orders
                        .push(SpeakerOrder::Send(id, connection, messages));
                }
            }
        }
        self.orders
            .extend(output.remove.drain(..).map(SpeakerOrder::Forward));
        self.report_prefixes(now);
        for (id, family) in std::mem::take(&mut output.fed) {
            self.step(id, PeerEvent::Fed(family), now);
        }
        self.output = output;
        std::mem::take(&mut self.orders)
    }

    /// A neighbour, for display.
    pub fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(&id).map(|neighbour| &neighbour.peer)
    }

    /// The RIB, for questions.
    pub fn rib(&self) -> &Shards {
        &self.rib
    }

    /// Tells neighbours that have a limit how many prefixes they have announced.
    fn report_prefixes(&mut self, now: Instant) {
        let limited = self
            .peers
            .values()
            .filter(|neighbour| neighbour.established.is_some());
        let counts: Vec<(PeerId, Family, u64)> = limited
            .flat_map(|neighbour| {
                neighbour
                    .peer
                    .settings()
                    .limits
                    .iter()
                    .map(|limit| (neighbour.peer.settings().id, limit.family))
            })
            .map(|(id, family)| (id, family, self.rib.received(id, family)))
            .collect();
        for (id, family, count) in counts {
            self.step(
                id,
                PeerEvent::Prefixes {
                    shard: 0,
                    family,
                    count,
                },
                now,
            );
        }
    }

    fn carry_out(&mut self, id: PeerId, now: Instant) {
        let Some(neighbour) = self.peers.get_mut(&id) else {
            return;
        };
        for order in neighbour.peer.drain() {
            let order = match order {
                PeerOrder::Connect => SpeakerOrder::Connect(id),
                PeerOrder::AbortConnect => SpeakerOrder::AbortConnect(id),
                PeerOrder::Send(connection, octets) => SpeakerOrder::Send(id, connection, octets),
                PeerOrder::Close(connection) => SpeakerOrder::Close(id, connection),
                PeerOrder::Changed { from, to, reason } => SpeakerOrder::Changed {
                    peer: id,
                    from,
                    to,
                    reason,
                },
                PeerOrder::Faulty(words) | PeerOrder::OutOfTurn(words) => {
                    SpeakerOrder::Faulty(id, words)
                }
                PeerOrder::NearLimit(family, count, limit)
                | PeerOrder::OverLimit(family, count, limit) => {
                    SpeakerOrder::NearLimit(id, family, count, limit)
                }
                PeerOrder::Up(connection) => {
                    neighbour.established = Some(connection);
                    continue;
                }
                PeerOrder::Down => {
                    neighbour.established = None;
                    continue;
                }
                PeerOrder::Rib(input) => {
                    self.rib.step(input, now);
                    continue;
                }
            };
            self.orders.push(order);
        }
    }
}
