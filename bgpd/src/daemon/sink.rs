// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a shard's news go, apart from what is sent to the peers.

use std::sync::{Arc, PoisonError, RwLock};

use rib::{Output, Rib};

use super::{
    clock::Clock,
    door::{Board, route},
    events::Events,
    fib_task::Coalescer,
    shard::Sink,
};
use crate::control::WatchEvent;

/// One shard's sink.
pub(super) struct ShardSink {
    pub(super) number: usize,
    pub(super) events: Events,
    pub(super) clock: Clock,
    /// `None`: the kernel is left alone.
    pub(super) kernel: Option<Coalescer>,
    pub(super) board: Arc<RwLock<Board>>,
}

impl Sink for ShardSink {
    fn wants_forwarding(&self) -> bool {
        self.kernel.is_some() || self.events.routes_are_watched()
    }

    fn turn(&mut self, rib: &Rib, output: &mut Output) {
        if self.events.routes_are_watched() {
            let names = self
                .board
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .names();
            let now = self.clock.now();
            for change in output.install.iter().chain(&output.remove) {
                let best = rib
                    .best(change.prefix)
                    .map(|view| Box::new(route(&view, &names, now)));
                self.events.announce(&WatchEvent::Best {
                    prefix: change.prefix,
                    route: best,
                });
            }
        }
        match &self.kernel {
            Some(kernel) => kernel.push(self.number, output),
            None => output.clear(),
        }
    }
}
