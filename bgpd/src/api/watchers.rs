// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Those who watch: each with its own bounded queue, none of them able to hold up the daemon.

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::control::{EVENTS_PER_WATCHER, WatchEvent, WatchFilter};

/// Everyone who watches. The daemon keeps one and publishes to it.
///
/// A queue that runs full ends with [`WatchEvent::Lagged`]: its last slot is kept for that, so a watcher learns that
/// it lost something even if nothing happens afterwards. What it lost after that marker is told before the next event.
#[derive(Debug, Default)]
pub struct Watchers {
    watchers: Vec<Watcher>,
}

#[derive(Debug)]
struct Watcher {
    filter: WatchFilter,
    queue: Sender<WatchEvent>,
    /// Events lost since the last `Lagged` went into the queue.
    lost: u64,
}

impl Watchers {
    /// One more watcher; it leaves by dropping the receiver.
    pub fn add(&mut self, filter: WatchFilter) -> Receiver<WatchEvent> {
        self.watchers.retain(|watcher| !watcher.queue.is_closed());
        let (queue, receiver) = channel(EVENTS_PER_WATCHER);
        self.watchers.push(Watcher {
            filter,
            queue,
            lost: 0,
        });
        receiver
    }

    /// Whether anybody wants events that `filter` names. Events that cost something to make are made only then.
    pub fn want(&self, filter: WatchFilter) -> bool {
        self.watchers.iter().any(|watcher| {
            !watcher.queue.is_closed()
                && (watcher.filter.peers && filter.peers
                    || watcher.filter.routes && filter.routes
                    || watcher.filter.fib && filter.fib)
        })
    }

    /// Tells everyone who wants it. Never waits.
    pub fn publish(&mut self, event: &WatchEvent) {
        self.watchers.retain_mut(|watcher| {
            if watcher.wants(event) {
                watcher.offer(event);
            }
            !watcher.queue.is_closed()
        });
    }
}

impl Watcher {
    fn wants(&self, event: &WatchEvent) -> bool {
        match event {
            WatchEvent::Peer { .. } => self.filter.peers,
            WatchEvent::Best { .. } => self.filter.routes,
            WatchEvent::Fib { .. } => self.filter.fib,
            WatchEvent::Lagged(_) => true,
        }
    }

    fn offer(&mut self, event: &WatchEvent) {
        let needed = 1 + usize::from(self.lost > 0);
        match self.queue.capacity() {
            0 => self.lost += 1,
            // The last slots: say that from here on something is missing.
            free if free <= needed => {
                if self
                    .queue
                    .try_send(WatchEvent::Lagged(self.lost + 1))
                    .is_ok()
                {
                    self.lost = 0;
                }
            }
            _ => {
                if self.lost > 0 && self.queue.try_send(WatchEvent::Lagged(self.lost)).is_ok() {
                    self.lost = 0;
                }
                // A closed queue is the only failure left, and then nobody misses it.
                let _ = self.queue.try_send(event.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_that_does_not_read_holds_a_bounded_queue_and_learns_what_it_lost() {
        let mut watchers = Watchers::default();
        let mut slow = watchers.add(ALL);

        for number in 0..EVENTS_PER_WATCHER + 10 {
            watchers.publish(&event(number));
        }

        let mut seen = Vec::new();
        while let Ok(event) = slow.try_recv() {
            seen.push(event);
        }
        assert_eq!(seen.len(), EVENTS_PER_WATCHER);
        assert_eq!(
            seen.pop(),
            Some(WatchEvent::Lagged(1)),
            "the marker is the last in the queue"
        );
        watchers.publish(&event(0));
        assert_eq!(
            slow.try_recv().ok(),
            Some(WatchEvent::Lagged(10)),
            "what was lost after the marker"
        );
        assert_eq!(slow.try_recv().ok(), Some(event(0)));
    }

    #[test]
    fn one_who_keeps_up_loses_nothing_beside_one_who_lags() {
        let mut watchers = Watchers::default();
        let _slow = watchers.add(ALL);
        let mut quick = watchers.add(ALL);

        for number in 0..2 * EVENTS_PER_WATCHER {
            watchers.publish(&event(number));
            assert_eq!(quick.try_recv().ok(), Some(event(number)));
        }
    }

    #[test]
    fn only_what_was_asked_for_arrives_and_the_departed_are_forgotten() {
        let mut watchers = Watchers::default();
        let mut peers_only = watchers.add(WatchFilter {
            peers: true,
            ..WatchFilter::default()
        });
        watchers.publish(&event(1));
        assert!(peers_only.try_recv().is_err());
        assert!(!watchers.want(WatchFilter {
            fib: true,
            ..WatchFilter::default()
        }));
        assert!(watchers.want(ALL));

        drop(peers_only);
        watchers.publish(&event(2));
        assert!(watchers.watchers.is_empty());
    }

    const ALL: WatchFilter = WatchFilter {
        peers: true,
        routes: true,
        fib: true,
    };

    fn event(number: usize) -> WatchEvent {
        let prefix = std::net::Ipv4Addr::from(u32::try_from(number).unwrap_or(0) << 8);
        WatchEvent::Fib {
            prefix: format!("{prefix}/24").parse().expect("a prefix"),
            route: None,
        }
    }
}
