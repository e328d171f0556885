// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a shard's news go, apart from what is sent to the peers.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use bgp_proto::{Family, Instant, PathAttributes, Prefix};
use rib::{Attributes, Output, PeerId, Rib, RouteView, Source};

use super::{
    clock::Clock,
    door::{Board, route, route_source},
    events::Events,
    fib_task::Coalescer,
    shard::Sink,
};
use crate::{
    config::PeerName,
    control::{CHANGES_PER_NEWS, Change, Changes, News, Sender, WatchEvent, Watched},
};

/// One shard's sink.
pub(super) struct ShardSink {
    pub(super) number: usize,
    pub(super) shards: usize,
    pub(super) events: Events,
    pub(super) clock: Clock,
    /// `None`: the kernel is left alone.
    pub(super) kernel: Option<Coalescer>,
    pub(super) board: Arc<RwLock<Board>>,
}

impl Sink for ShardSink {
    fn wants_forwarding(&self) -> bool {
        self.kernel.is_some()
    }

    fn wants_best(&self) -> bool {
        self.events.wanted().best()
    }

    fn wants_paths(&self) -> bool {
        let wanted = self.events.wanted();
        wanted.received() || wanted.accepted()
    }

    fn paths(&mut self, rib: &Rib, from: PeerId, paths: &[(Prefix, u32)]) {
        let wanted = self.events.wanted();
        let mut writer = Writer::new(self);
        for (prefix, path_id) in paths {
            let source = Source::Bgp(from);
            if wanted.received() {
                let view = rib.path_received(*prefix, source, *path_id);
                let path = (*prefix, *path_id, source);
                writer.tell(rib, Watched::Received, path, view.as_ref());
            }
            if wanted.accepted() {
                let view = rib.path(*prefix, source, *path_id);
                let view = view.filter(|view| {
                    view.unusable
                        .as_ref()
                        .is_none_or(|why| *why == rib::Unusable::NextHopUnreachable)
                });
                let path = (*prefix, *path_id, source);
                writer.tell(rib, Watched::Accepted, path, view.as_ref());
            }
        }
        writer.finish(rib);
    }

    fn end_of_rib(&mut self, rib: &Rib, from: PeerId, family: Family) {
        if self
            .events
            .has_all((from, family), self.number, self.shards)
            && let Some(sender) = self.sender(rib, from)
        {
            self.events
                .publish(&News::EndOfRib(Arc::new(sender), family));
        }
    }

    fn turn(&mut self, rib: &Rib, output: &mut Output) {
        if !output.best.is_empty() {
            let wanted = self.events.wanted();
            output.best.sort_unstable();
            if wanted.best_watched() {
                self.announce_best(rib, &output.best);
            }
            if wanted.best_followed() {
                let mut writer = Writer::new(self);
                for prefix in &output.best {
                    let best = rib.best(*prefix);
                    let source = best.as_ref().map_or(Source::Kernel, |best| best.source);
                    let path_id = best.as_ref().map_or(0, |best| best.path_id);
                    writer.tell(
                        rib,
                        Watched::Best,
                        (*prefix, path_id, source),
                        best.as_ref(),
                    );
                }
                writer.finish(rib);
            }
            output.best.clear();
        }
        match &self.kernel {
            Some(kernel) => kernel.push(self.number, output),
            None => output.clear(),
        }
    }
}

impl ShardSink {
    fn announce_best(&self, rib: &Rib, prefixes: &[Prefix]) {
        let board = self.board.read().unwrap_or_else(PoisonError::into_inner);
        let names = board.names();
        drop(board);
        let now = self.clock.now();
        self.events.announce_all(prefixes.iter().map(|prefix| {
            WatchEvent::Best {
                prefix: *prefix,
                route: rib
                    .best(*prefix)
                    .map(|view| Box::new(route(&view, &names, now))),
            }
        }));
    }

    /// What is known of a neighbour: of its session, or else of its configuration.
    fn sender(&self, rib: &Rib, id: PeerId) -> Option<Sender> {
        let board = self.board.read().unwrap_or_else(PoisonError::into_inner);
        let neighbor = board.find(id)?.neighbor;
        let info = rib.peer(id);
        Some(Sender {
            name: neighbor.name,
            asn: info.map_or(neighbor.peer_as, |info| info.peer_as),
            router_id: info.map(|info| info.router_id),
            is_external: info.is_some_and(|info| {
                matches!(
                    info.relation,
                    rib::Relation::External | rib::Relation::Member
                )
            }),
            group: neighbor.group.clone(),
        })
    }
}

/// Writes news, a piece at a time.
struct Writer<'a> {
    sink: &'a ShardSink,
    names: HashMap<PeerId, PeerName>,
    now: Instant,
    changes: Vec<Change>,
    from: Vec<PeerId>,
    /// Routes of a batch share their attributes, as one reads them too.
    last: Option<(Attributes, Arc<PathAttributes>)>,
}

impl<'a> Writer<'a> {
    fn new(sink: &'a ShardSink) -> Self {
        let board = sink.board.read().unwrap_or_else(PoisonError::into_inner);
        Self {
            sink,
            names: board.names(),
            now: sink.clock.now(),
            changes: Vec::new(),
            from: Vec::new(),
            last: None,
        }
    }

    fn tell(
        &mut self,
        rib: &Rib,
        table: Watched,
        (prefix, path_id, source): (Prefix, u32, Source),
        view: Option<&RouteView>,
    ) {
        let is_gone_best = table == Watched::Best && view.is_none();
        if let Source::Bgp(id) = source
            && !self.from.contains(&id)
        {
            self.from.push(id);
        }
        let path = view.map(|view| {
            let age = self.now.saturating_since(view.since);
            (self.attributes(&view.attributes), age)
        });
        self.changes.push(Change {
            table,
            prefix,
            path_id,
            source: (!is_gone_best).then(|| route_source(source, &self.names)),
            path,
            is_unreachable: table != Watched::Received
                && view.is_some_and(|view| view.unusable.is_some()),
        });
        if self.changes.len() == CHANGES_PER_NEWS {
            self.publish(rib);
        }
    }

    fn attributes(&mut self, packed: &Attributes) -> Arc<PathAttributes> {
        match &self.last {
            Some((last, unpacked)) if last == packed => Arc::clone(unpacked),
            _ => {
                let unpacked = Arc::new(packed.unpack());
                self.last = Some((packed.clone(), Arc::clone(&unpacked)));
                unpacked
            }
        }
    }

    fn publish(&mut self, rib: &Rib) {
        let from = std::mem::take(&mut self.from);
        let senders = from.iter().filter_map(|id| self.sink.sender(rib, *id));
        let changes = Changes {
            senders: senders.collect(),
            ..Changes::new(std::mem::take(&mut self.changes), SystemTime::now())
        };
        self.sink.events.publish(&News::Changes(Arc::new(changes)));
    }

    fn finish(mut self, rib: &Rib) {
        if !self.changes.is_empty() {
            self.publish(rib);
        }
    }
}
