// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The watchers, as the daemon's tasks and threads share them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use bgp_proto::Family;
use rib::PeerId;
use tokio::sync::mpsc;

use crate::{
    api::{Followers, Subscription, Watchers},
    control::{Interest, News, WatchEvent, WatchFilter},
};

/// Where events are announced. Cheap to clone; nobody who announces ever waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Events(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    watchers: Mutex<Watchers>,
    followers: Mutex<Followers>,
    /// How often each shard has seen the end of a neighbour's table.
    ends: Mutex<HashMap<(PeerId, Family), Vec<u64>>>,
    /// What the shards have to tell, so that they need no lock to know: [`BEST_WATCHED`] and so on.
    wanted: AtomicU8,
}

const BEST_WATCHED: u8 = 1;
const BEST_FOLLOWED: u8 = 2;
const RECEIVED: u8 = 4;
const ACCEPTED: u8 = 8;

const ROUTES: WatchFilter = WatchFilter {
    peers: false,
    routes: true,
    fib: false,
};

impl Events {
    /// A new watcher.
    pub(super) fn watch(&self, filter: WatchFilter) -> mpsc::Receiver<WatchEvent> {
        let mut watchers = lock(&self.0.watchers);
        let receiver = watchers.add(filter);
        self.note_watched(&watchers);
        receiver
    }

    /// A new follower.
    pub(super) fn follow(&self, interest: Interest) -> Subscription {
        let mut followers = lock(&self.0.followers);
        let subscription = followers.add(interest);
        self.note_followed(&followers);
        subscription
    }

    /// What the shards have to tell.
    pub(super) fn wanted(&self) -> WantedNews {
        WantedNews(self.0.wanted.load(Ordering::Relaxed))
    }

    /// Tells all who asked for this kind.
    pub(super) fn announce(&self, event: &WatchEvent) {
        if let WatchEvent::Peer { address, to, .. } = event {
            let (name, to) = (*address, *to);
            self.publish(&News::Peer { name, to });
        }
        self.announce_all([event.clone()]);
    }

    /// The same, for several.
    pub(super) fn announce_all(&self, events: impl IntoIterator<Item = WatchEvent>) {
        let mut watchers = lock(&self.0.watchers);
        for event in events {
            watchers.publish(&event);
        }
        self.note_watched(&watchers);
    }

    /// Tells all who follow.
    pub(super) fn publish(&self, news: &News) {
        let mut followers = lock(&self.0.followers);
        followers.publish(news);
        self.note_followed(&followers);
    }

    /// One of so many shards has taken all that a neighbour sent. True when all have.
    pub(super) fn has_all(&self, end: (PeerId, Family), shard: usize, shards: usize) -> bool {
        let mut ends = lock(&self.0.ends);
        let seen = ends.entry(end).or_insert_with(|| vec![0; shards]);
        let least = |seen: &[u64]| seen.iter().min().copied();
        let before = least(seen);
        if let Some(count) = seen.get_mut(shard) {
            *count += 1;
        }
        least(seen) > before
    }

    fn note_watched(&self, watchers: &Watchers) {
        self.note(
            BEST_WATCHED,
            if watchers.want(ROUTES) {
                BEST_WATCHED
            } else {
                0
            },
        );
    }

    fn note_followed(&self, followers: &Followers) {
        let interest = followers.interest();
        let bits = [
            (interest.best, BEST_FOLLOWED),
            (interest.received, RECEIVED),
            (interest.accepted, ACCEPTED),
        ];
        let wanted = bits.iter().filter(|(wanted, _)| *wanted);
        let wanted = wanted.fold(0, |all, (_, bit)| all | bit);
        self.note(BEST_FOLLOWED | RECEIVED | ACCEPTED, wanted);
    }

    /// Both kinds of listeners have bits of their own, each changed under their lock.
    fn note(&self, mask: u8, bits: u8) {
        let wanted = &self.0.wanted;
        let new = |old: u8| Some(old & !mask | bits);
        let _ = wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, new);
    }
}

/// What somebody wants to know of tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct WantedNews(u8);

impl WantedNews {
    /// Best paths, in whatever form.
    pub(super) fn best(self) -> bool {
        self.0 & (BEST_WATCHED | BEST_FOLLOWED) != 0
    }

    /// Best paths, one event each.
    pub(super) fn best_watched(self) -> bool {
        self.0 & BEST_WATCHED != 0
    }

    /// Best paths as news.
    pub(super) fn best_followed(self) -> bool {
        self.0 & BEST_FOLLOWED != 0
    }

    /// What neighbours send.
    pub(super) fn received(self) -> bool {
        self.0 & RECEIVED != 0
    }

    /// What import policy makes of it.
    pub(super) fn accepted(self) -> bool {
        self.0 & ACCEPTED != 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_watched_until_the_watcher_leaves() {
        let events = Events::default();
        let receiver = events.watch(ROUTES);
        assert!(events.wanted().best());
        drop(receiver);
        events.announce(&WatchEvent::Best {
            prefix: "10.0.0.0/8".parse().unwrap(),
            route: None,
        });
        assert!(!events.wanted().best());
    }

    #[test]
    fn a_table_has_ended_when_the_last_shard_has_seen_it() {
        let events = Events::default();
        let end = (PeerId(1), Family::IPV4_UNICAST);
        assert!(!events.has_all(end, 0, 2));
        // A session later, before the other shard has seen the first.
        assert!(!events.has_all(end, 0, 2));
        assert!(events.has_all(end, 1, 2));
        assert!(events.has_all(end, 1, 2));
        assert!(events.has_all((PeerId(2), Family::IPV4_UNICAST), 0, 1));
    }
}
