// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What waits to be sent to one session: a queue of shared buffers between the RIB's threads and the peer's task.
//!
//! The RIB never waits for a peer. When more than [`HIGH_WATER`] octets wait, the RIB is told that the peer is
//! congested and puts nothing more in; when the peer has read down to [`LOW_WATER`] the RIB feeds it again from its
//! current state. What waits is thereby bounded by `HIGH_WATER` plus what one turn of the RIB produces.
//!
//! While the peer's task has nothing to write it lends its connection: the RIB then writes news itself, if it has
//! little to do, and nobody has to be woken for it.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use bgp_proto::Family;
use bytes::{Buf as _, Bytes};
use tokio::{net::TcpStream, sync::Notify};

/// Octets waiting above which a peer is congested.
pub(super) const HIGH_WATER: usize = 4 << 20;

/// Octets waiting below which a congested peer takes part again.
pub(super) const LOW_WATER: usize = 256 << 10;

/// Room for so many items is kept when all are taken.
const KEPT: usize = 32;

/// One thing for the peer's task to do.
#[derive(Debug)]
pub(super) enum Item {
    /// Send these messages, and how many they are.
    Messages(Bytes, u32),
    /// This shard has sent its initial table of this family.
    Fed(Family),
    /// The peer is allowed so many prefixes, and this shard has so many of it.
    Prefixes {
        /// The shard.
        shard: usize,
        /// The family.
        family: Family,
        /// How many.
        count: u64,
    },
    /// Routes beyond the limit were not taken.
    Dropped {
        /// Of this family.
        family: Family,
        /// How many.
        routes: u64,
    },
}

/// A family with a limit of prefixes.
#[derive(Debug)]
pub(super) struct Limited {
    pub(super) family: Family,
    /// How many more the shards may take, if they are not to take more than that. Less than none if stale ones fill it.
    pub(super) room: Option<AtomicI64>,
}

impl Limited {
    /// Takes a place for one more, if there is room.
    pub(super) fn reserve(&self) -> bool {
        let Some(room) = &self.room else { return true };
        let one_less = |room: i64| (room > 0).then(|| room - 1);
        room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    }

    /// So many more (or, negative, fewer) are there, of which places were taken for some.
    pub(super) fn settle(&self, more: i64, reserved: i64) {
        if let Some(room) = &self.room {
            room.fetch_add(reserved - more, Ordering::Relaxed);
        }
    }
}

/// The queue of one session. Every session gets a new one, so nothing of an old session can reach a new one.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The peer may have announced only so many prefixes of these.
    limited: Vec<Limited>,
    waiting: Mutex<Waiting>,
    ready: Notify,
    congested: AtomicBool,
}

/// Items and their octets change together: the RIB puts in while the peer's task takes out.
#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    octets: usize,
    closed: bool,
    /// The connection, while its task has nothing to write.
    lent: Option<Arc<TcpStream>>,
    /// What was written to it meanwhile.
    written: Written,
    /// The first item is the rest of what was written in part: nothing may come before it.
    is_cut: bool,
}

/// What the RIB has written itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Written {
    pub(super) messages: u32,
    pub(super) octets: usize,
}

/// Whether a peer keeps up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flow {
    /// It does.
    Open,
    /// More than [`HIGH_WATER`] octets wait.
    Congested,
}

impl Outbox {
    /// An empty one of a peer that has a limit of prefixes for these families: the shards report how many they have.
    pub(super) fn new(limited: Vec<Limited>) -> Self {
        Self {
            limited,
            ..Self::default()
        }
    }

    /// The families with a limit.
    pub(super) fn limited(&self) -> &[Limited] {
        &self.limited
    }

    /// Some of them are not to be exceeded.
    pub(super) fn drops(&self) -> bool {
        self.limited.iter().any(|limited| limited.room.is_some())
    }

    /// Adds an item; says whether the peer keeps up.
    pub(super) fn push(&self, item: Item) -> Flow {
        let flow = self.lock().add(item);
        self.ready.notify_one();
        flow
    }

    /// Writes messages at once, if the connection is lent and takes them; what it does not take is added.
    pub(super) fn write(&self, mut messages: Bytes, count: u32) -> Flow {
        let mut queue = self.lock();
        // What waits goes first.
        let may_be = queue.items.is_empty();
        let Some(stream) = queue.lent.take_if(|_| may_be) else {
            drop(queue);
            return self.push(Item::Messages(messages, count));
        };
        // The task that waits for the connection will be told what is wrong with it.
        let taken = stream.try_write(&messages).unwrap_or_default();
        queue.written.octets += taken;
        if taken == messages.len() {
            queue.written.messages += count;
            queue.lent = Some(stream);
            return Flow::Open;
        }
        messages.advance(taken);
        queue.is_cut = taken > 0;
        // Under the same lock: what another shard writes comes after it.
        let flow = queue.add(Item::Messages(messages, count));
        drop(queue);
        self.ready.notify_one();
        flow
    }

    /// Lends the connection, unless something waits: then it says no.
    pub(super) fn lend(&self, stream: &Arc<TcpStream>) -> bool {
        let mut queue = self.lock();
        let may_be = !queue.closed && queue.items.is_empty();
        if may_be {
            queue.lent = Some(Arc::clone(stream));
        }
        may_be
    }

    /// Takes it back: from now on only the task writes. What was written in part has to be finished first: here is the rest.
    #[must_use]
    pub(super) fn take_back(&self) -> Option<Item> {
        let mut queue = self.lock();
        queue.lent = None;
        if queue.is_cut { queue.take() } else { None }
    }

    /// What was written since it was asked last.
    pub(super) fn written(&self) -> Written {
        mem::take(&mut self.lock().written)
    }

    /// Takes the next item, if there is one, and with it the connection back.
    pub(super) fn pop(&self) -> Option<Item> {
        self.lock().take()
    }

    /// Octets that wait.
    pub(super) fn octets(&self) -> usize {
        self.lock().octets
    }

    /// Waits until something was pushed. May wake without need.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// A shard has taken the peer out of its stream.
    pub(super) fn mark_congested(&self) {
        self.congested.store(true, Ordering::Release);
        self.ready.notify_one();
    }

    /// True once after the peer has caught up: the shards have to be told.
    pub(super) fn has_caught_up(&self) -> bool {
        self.octets() <= LOW_WATER && self.congested.swap(false, Ordering::AcqRel)
    }

    /// The session is over: drops what waits and takes nothing more.
    pub(super) fn close(&self) {
        *self.lock() = Waiting {
            closed: true,
            ..Waiting::default()
        };
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, item: Item) -> Flow {
        if self.closed {
            return Flow::Open;
        }
        self.octets += item.octets();
        self.items.push_back(item);
        if self.octets > HIGH_WATER {
            Flow::Congested
        } else {
            Flow::Open
        }
    }

    fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.lent = None;
        self.is_cut = false;
        self.octets -= item.octets();
        if self.items.is_empty() && self.items.capacity() > KEPT {
            self.items = VecDeque::new();
        }
        Some(item)
    }
}

impl Item {
    fn octets(&self) -> usize {
        match self {
            Self::Messages(octets, _) => octets.len(),
            Self::Fed(_) | Self::Prefixes { .. } | Self::Dropped { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_read_becomes_congested_and_recovers() {
        let outbox = Outbox::default();
        let message = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..4 {
            assert_eq!(outbox.push(Item::Messages(message.clone(), 1)), Flow::Open);
        }
        assert_eq!(outbox.push(Item::Messages(message, 1)), Flow::Congested);
        outbox.mark_congested();
        assert!(!outbox.has_caught_up());
        while outbox.octets() > LOW_WATER {
            outbox.pop().expect("octets wait");
        }
        assert!(outbox.has_caught_up());
        assert!(!outbox.has_caught_up());
        assert_eq!(outbox.push(Item::Fed(Family::IPV4_UNICAST)), Flow::Open);
    }

    /// A lent connection and its other end.
    async fn lent(outbox: &Outbox) -> (Arc<TcpStream>, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let ours = Arc::new(ours.unwrap());
        ours.writable().await.unwrap();
        assert!(outbox.lend(&ours));
        (ours, theirs.unwrap().0)
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_and_all_arrives_in_order() {
        let outbox = Outbox::default();
        let (ours, theirs) = lent(&outbox).await;
        let mut said = Vec::new();
        let mut number = 0_u32;
        while outbox.octets() == 0 {
            let message = Bytes::from(number.to_be_bytes().repeat(4096));
            said.extend_from_slice(&message);
            outbox.write(message, 1);
            number += 1;
        }
        // The connection is full; from here on everything waits, and it can not be lent.
        let last = Bytes::from_static(b"last");
        said.extend_from_slice(&last);
        outbox.write(last, 1);
        assert!(!outbox.lend(&ours));
        let (mut rest, mut waiting) = (Vec::new(), 0);
        while let Some(Item::Messages(messages, count)) = outbox.pop() {
            rest.extend_from_slice(&messages);
            waiting += count;
        }
        let written = outbox.written();
        assert_eq!(written.octets + rest.len(), said.len());
        // The one that was cut counts when its end is sent.
        assert_eq!((written.messages, waiting), (number - 1, 2));
        assert_eq!(outbox.written(), Written::default());
        let mut heard = vec![0; written.octets];
        let mut theirs = theirs;
        tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut heard)
            .await
            .unwrap();
        heard.extend_from_slice(&rest);
        assert!(heard == said);
    }

    #[tokio::test]
    async fn what_was_cut_is_finished_before_the_task_says_anything() {
        let outbox = Outbox::default();
        let (_ours, _theirs) = lent(&outbox).await;
        // No buffer takes this much.
        let message = Bytes::from(vec![7; 64 << 20]);
        outbox.write(message.clone(), 1);
        outbox.write(message.clone(), 1);
        let written = outbox.written().octets;
        let Some(Item::Messages(rest, 1)) = outbox.take_back() else {
            panic!("nothing was cut");
        };
        assert_eq!(written + rest.len(), message.len());
        // What came after it is whole, and may wait.
        assert!(outbox.take_back().is_none());
        assert_eq!(outbox.octets(), message.len());
    }

    #[tokio::test]
    async fn nothing_is_written_while_something_waits_or_nothing_is_lent() {
        let message = Bytes::from_static(b"message");
        let outbox = Outbox::default();
        let (ours, theirs) = lent(&outbox).await;
        outbox.push(Item::Fed(Family::IPV4_UNICAST));
        outbox.write(message.clone(), 1);
        assert!(matches!(outbox.pop(), Some(Item::Fed(_))));
        assert!(matches!(outbox.pop(), Some(Item::Messages(..))));
        // Taken, and so taken back.
        outbox.write(message.clone(), 1);
        assert!(matches!(outbox.pop(), Some(Item::Messages(..))));
        assert!(outbox.lend(&ours));
        assert!(outbox.take_back().is_none());
        outbox.write(message.clone(), 1);
        assert!(outbox.pop().is_some());
        assert!(outbox.lend(&ours));
        outbox.close();
        outbox.write(message, 1);
        assert!(!outbox.lend(&ours));
        assert_eq!(outbox.written(), Written::default());
        drop(ours);
        // Nobody holds it any more, and nothing was ever written.
        let mut heard = Vec::new();
        let mut theirs = theirs;
        tokio::io::AsyncReadExt::read_to_end(&mut theirs, &mut heard)
            .await
            .unwrap();
        assert!(heard.is_empty());
    }

    #[test]
    fn an_outbox_that_is_empty_again_holds_no_memory() {
        let outbox = Outbox::default();
        for _ in 0..1000 {
            outbox.push(Item::Messages(Bytes::from_static(b"message"), 1));
        }
        while outbox.pop().is_some() {}
        assert!(outbox.lock().items.capacity() <= KEPT);
    }

    #[test]
    fn there_is_room_for_as_many_as_may_be() {
        let limited = Limited {
            family: Family::IPV4_UNICAST,
            room: Some(AtomicI64::new(2)),
        };
        assert!(limited.reserve() && limited.reserve());
        assert!(!limited.reserve());
        // One of them was there already.
        limited.settle(1, 2);
        assert!(limited.reserve() && !limited.reserve());
        limited.settle(-1, 0);
        assert!(limited.reserve() && !limited.reserve());
    }

    #[test]
    fn a_closed_outbox_keeps_nothing() {
        let outbox = Outbox::default();
        outbox.push(Item::Messages(Bytes::from_static(b"x"), 1));
        outbox.close();
        outbox.push(Item::Messages(Bytes::from_static(b"y"), 1));
        assert!(outbox.pop().is_none());
        assert_eq!(outbox.octets(), 0);
    }
    #[test]
    fn what_is_taken_out_at_once_was_counted_before() {
        const MESSAGES: usize = 100_000;
        let outbox = Outbox::default();
        let taken = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..MESSAGES {
                    outbox.push(Item::Messages(Bytes::from_static(b"message"), 1));
                    while taken.load(Ordering::Acquire) == number {
                        std::hint::spin_loop();
                    }
                }
            });
            while taken.load(Ordering::Acquire) < MESSAGES {
                if outbox.pop().is_some() {
                    let octets = outbox.octets();
                    taken.fetch_add(1, Ordering::Release);
                    assert_eq!(octets, 0);
                }
            }
        });
    }
}
