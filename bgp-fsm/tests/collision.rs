// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Both sides dial: exactly one session is left, the loser is told 6/7, and nothing flaps afterwards.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use bgp_fsm::{
    Action, ConnectionId, Direction, DownReason, Event, PeerAs, Session, SessionConfig, State,
};
use bgp_proto::{Asn, Code, Framer, Instant, Message, MessageKind, Notification, Open, RouterId};
use bytes::BytesMut;

/// Two machines and the connections between them, on virtual time.
struct Pair {
    sessions: [Session; 2],
    now: Instant,
    queue: BTreeMap<(Instant, u64), (usize, Event)>,
    number: u64,
    last: BTreeMap<(usize, ConnectionId), Instant>,
    random: u64,
    next_connection: u32,
    ups: [u32; 2],
    downs: Vec<(usize, DownReason)>,
    collisions: u32,
    open: BTreeMap<ConnectionId, [bool; 2]>,
}

impl Pair {
    fn new(seed: u64, ids: [u8; 2], asns: [u32; 2]) -> Self {
        let config = |here: usize, there: usize| {
            let id = RouterId::new(Ipv4Addr::new(10, 0, 0, ids[here])).unwrap();
            SessionConfig {
                seed: seed * 2 + here as u64,
                ..SessionConfig::new(Asn(asns[here]), PeerAs::Exact(Asn(asns[there])), id)
            }
        };
        Self {
            sessions: [Session::new(config(0, 1)), Session::new(config(1, 0))],
            now: Instant::ZERO,
            queue: BTreeMap::new(),
            number: 0,
            last: BTreeMap::new(),
            random: seed,
            next_connection: 0,
            ups: [0; 2],
            downs: Vec::new(),
            collisions: 0,
            open: BTreeMap::new(),
        }
    }

    fn delay(&mut self) -> Duration {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros(10 + (self.random >> 33) % 50_000)
    }

    fn later(&mut self, to: usize, connection: Option<ConnectionId>, event: Event) {
        let mut at = self.now + self.delay();
        if let Some(connection) = connection {
            // Octets of one connection stay in order.
            let last = self.last.entry((to, connection)).or_insert(at);
            at = at.max(*last);
            *last = at;
        }
        self.number += 1;
        self.queue.insert((at, self.number), (to, event));
    }

    fn step(&mut self, side: usize, event: Event) {
        self.sessions[side].step(event, self.now);
        let actions: Vec<Action> = self.sessions[side].drain().collect();
        for action in actions {
            self.obey(side, action);
        }
    }

    fn obey(&mut self, side: usize, action: Action) {
        let other = 1 - side;
        match action {
            Action::Connect => {
                self.next_connection += 1;
                let connection = ConnectionId(self.next_connection);
                self.open.insert(connection, [true, true]);
                self.later(
                    other,
                    Some(connection),
                    Event::Connected {
                        connection,
                        direction: Direction::Incoming,
                    },
                );
                self.later(
                    side,
                    Some(connection),
                    Event::Connected {
                        connection,
                        direction: Direction::Outgoing,
                    },
                );
            }
            Action::Send {
                connection,
                message,
            } => {
                if matches!(&message, Message::Notification(notification) if notification.code == Code::CEASE_COLLISION)
                {
                    self.collisions += 1;
                }
                let event = received(connection, &message);
                self.later(other, Some(connection), event);
                self.sessions[side].step(Event::Progress { connection }, self.now);
            }
            Action::Close { connection } => {
                self.open.get_mut(&connection).unwrap()[side] = false;
                self.later(other, Some(connection), Event::Closed { connection });
            }
            Action::Up { .. } => self.ups[side] += 1,
            Action::Down { reason } => self.downs.push((side, reason)),
            Action::AbortConnect | Action::Changed { .. } => {}
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = self.sessions.iter().filter_map(Session::deadline).min();
            let arrival = self.queue.keys().next().map(|(at, _)| *at);
            let Some(next) = [timers, arrival]
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self
                .queue
                .first_entry()
                .filter(|entry| entry.key().0 <= self.now)
            {
                let (to, event) = entry.remove();
                if self.delivers(to, &event) {
                    self.step(to, event);
                }
            }
            for side in 0..2 {
                self.step(side, Event::Tick);
            }
        }
        self.now = end;
    }

    /// A connection that this side has closed brings nothing more.
    fn delivers(&mut self, to: usize, event: &Event) -> bool {
        let (Event::Connected { connection, .. }
        | Event::Closed { connection }
        | Event::Open { connection, .. }
        | Event::Keepalive { connection }
        | Event::Notification { connection, .. }) = event
        else {
            return true;
        };
        self.open[connection][to]
    }
}

/// The message as the other side decodes it.
fn received(connection: ConnectionId, message: &Message) -> Event {
    let mut buffer = BytesMut::from(&message.encode()[..]);
    let frame = Framer::default().next(&mut buffer).unwrap().unwrap();
    match frame.kind {
        MessageKind::Open => Event::Open {
            connection,
            open: Open::decode(frame.body()).unwrap(),
        },
        MessageKind::Keepalive => Event::Keepalive { connection },
        MessageKind::Notification => Event::Notification {
            connection,
            notification: Notification::decode(frame.body()),
        },
        MessageKind::Update | MessageKind::RouteRefresh => unreachable!("not sent here"),
    }
}

fn exactly_one_session(ids: [u8; 2], asns: [u32; 2]) {
    let mut collisions = 0;
    for seed in 0..1000 {
        let mut pair = Pair::new(seed, ids, asns);
        let gap = pair.delay();
        pair.step(0, Event::Start);
        pair.run(gap);
        pair.step(1, Event::Start);
        pair.run(Duration::from_secs(600));
        for side in 0..2 {
            assert_eq!(
                pair.sessions[side].state(),
                State::Established,
                "seed {seed}"
            );
            assert_eq!(
                pair.ups[side], 1,
                "seed {seed}: a session went up more than once"
            );
        }
        assert_eq!(pair.downs, [], "seed {seed}: a session flapped");
        let left = pair
            .open
            .values()
            .filter(|ends| **ends == [true, true])
            .count();
        assert_eq!(left, 1, "seed {seed}: connections left");
        collisions += pair.collisions;
    }
    assert!(
        collisions > 100,
        "only {collisions} collisions in 1000 runs: the test tests nothing"
    );
}

#[test]
fn the_higher_identifier_keeps_the_connection_it_dialled() {
    exactly_one_session([1, 2], [64512, 64512]);
    exactly_one_session([9, 2], [64512, 64513]);
}

#[test]
fn equal_identifiers_are_decided_by_the_higher_as() {
    exactly_one_session([1, 1], [64512, 64513]);
}
