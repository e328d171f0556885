// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The watchers, as the daemon's tasks and threads share them.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;

use crate::{
    api::Watchers,
    control::{WatchEvent, WatchFilter},
};

/// Where events are announced. Cheap to clone; nobody who announces ever waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Events(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    watchers: Mutex<Watchers>,
    routes: AtomicBool,
}

const ROUTES: WatchFilter = WatchFilter {
    peers: false,
    routes: true,
    fib: false,
};

impl Events {
    /// A new watcher.
    pub(super) fn watch(&self, filter: WatchFilter) -> mpsc::Receiver<WatchEvent> {
        let mut watchers = self
            .0
            .watchers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let receiver = watchers.add(filter);
        self.0
            .routes
            .store(watchers.want(ROUTES), Ordering::Relaxed);
        receiver
    }

    /// Whether anybody watches routes: if not, the shards make no events.
    pub(super) fn routes_are_watched(&self) -> bool {
        self.0.routes.load(Ordering::Relaxed)
    }

    /// Tells all who asked for this kind.
    pub(super) fn announce(&self, event: &WatchEvent) {
        let mut watchers = self
            .0
            .watchers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        watchers.publish(event);
        self.0
            .routes
            .store(watchers.want(ROUTES), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_watched_until_the_watcher_leaves() {
        let events = Events::default();
        let receiver = events.watch(ROUTES);
        assert!(events.routes_are_watched());
        drop(receiver);
        events.announce(&WatchEvent::Best {
            prefix: "10.0.0.0/8".parse().unwrap(),
            route: None,
        });
        assert!(!events.routes_are_watched());
    }
}
