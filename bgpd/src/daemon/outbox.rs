// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What waits to be sent to one session: a queue of shared buffers between the RIB's threads and the peer's task.
//!
//! The RIB never waits for a peer. When more than [`HIGH_WATER`] octets wait, the RIB is told that the peer is
//! congested and puts nothing more in; when the peer has read down to [`LOW_WATER`] the RIB feeds it again from its
//! current state. What waits is thereby bounded by `HIGH_WATER` plus what one turn of the RIB produces.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use bgp_proto::Family;
use bytes::Bytes;
use tokio::sync::Notify;

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
        let waiting = {
            let mut queue = self.lock();
            if queue.closed {
                return Flow::Open;
            }
            queue.octets += item.octets();
            queue.items.push_back(item);
            queue.octets
        };
        self.ready.notify_one();
        if waiting > HIGH_WATER {
            Flow::Congested
        } else {
            Flow::Open
        }
    }

    /// Takes the next item, if there is one.
    pub(super) fn pop(&self) -> Option<Item> {
        let mut queue = self.lock();
        let item = queue.items.pop_front()?;
        queue.octets -= item.octets();
        if queue.items.is_empty() && queue.items.capacity() > KEPT {
            queue.items = VecDeque::new();
        }
        Some(item)
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
