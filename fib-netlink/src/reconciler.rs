// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Desired state against what the kernel says it has. Sans-IO: it is fed commands, notifications and dumps, and asked for
//! operations, events and the time of its next wish.
//!
//! Refuses to remember what it did: a route counts as installed because the kernel said so (an acknowledgement, a
//! notification or a dump), and everything else follows from comparing.

mod grouping;
mod listening;
mod reports;
mod writing;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnetwork::IpNetwork;

use crate::kernel::{KernelRoute, network, stored_metric};
use crate::learn::Learned;
use crate::links::Links;
use crate::objects::Objects;
use crate::plan::{Goal, Ownership};
use crate::slots::At;
use crate::table::{MAIN, Mark, Slot, Table};
use crate::track::{Tracker, View};
use crate::trouble::Troubles;
use crate::wants::{Need, Resolved, WantId, Wants, resolve};
use crate::{Change, FibConfig, Want};

/// What a way depends on, where other fields are borrowed beside it.
macro_rules! view {
    ($reconciler:expr) => {
        View {
            table: &$reconciler.table,
            wants: &$reconciler.wants,
            links: &$reconciler.links,
        }
    };
}
use view;

/// How far changes are followed along chains of routes at once.
const ROUNDS: usize = 8;

/// The reconciler without its sockets. [`Fib`](crate::Fib) drives one; so can a test, or another way to the kernel.
#[derive(Debug)]
pub struct Reconciler {
    config: FibConfig,
    own: Ownership,
    /// What was ours before a change of the configuration and has to go.
    retired: Vec<Ownership>,
    table: Table,
    wants: Wants,
    links: Links,
    tracker: Tracker,
    learned: Learned,
    troubles: Troubles,
    objects: Objects,
    queue: VecDeque<At>,
    /// Operations that the kernel has not answered yet.
    under_way: usize,
    /// What was heard of prefixes with operations under way.
    late: Vec<Late>,
    changes: Changes,
    news: News,
    /// Routes that go away around this time went with a link, not by theft.
    links_lost_at: Option<Instant>,
    /// What is stale may be deleted.
    swept: bool,
    sweep_at: Option<Instant>,
    resync_at: Option<Instant>,
    resync_not_before: Instant,
    scan_at: Option<Instant>,
    write_not_before: Option<Instant>,
}

/// What the kernel had to say since the last [`settle`](Reconciler::settle).
#[derive(Debug, Default)]
struct Changes {
    prefixes: Vec<IpNetwork>,
    links: bool,
    /// Devices that appeared, went or changed.
    devices: BTreeSet<String>,
}

/// A notification that came while an operation for its prefix was under way. Which of them the kernel did first is not
/// known then.
#[derive(Debug)]
struct Late {
    route: KernelRoute,
    what: Heard,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Heard {
    Appeared,
    Replaced,
    Gone,
}

/// What the caller was not told yet, beside what others keep.
#[derive(Debug, Default)]
struct News {
    links: bool,
    resynced: bool,
    status: BTreeSet<IpNetwork>,
    /// Routes of which the caller knows that they are in trouble.
    troubled: HashSet<IpNetwork>,
}

impl Reconciler {
    /// A reconciler that knows nothing of the kernel yet, and therefore wants a resync.
    pub fn new(config: FibConfig, now: Instant) -> Self {
        let own = ownership(&config);
        Self {
            table: Table::new(config.protocol),
            objects: Objects::new(config.protocol),
            tracker: Tracker::new(config.resolve_via_default, via_desired(&config)),
            learned: Learned::new(config.learn.clone()),
            sweep_at: config.sweep_after.map(|after| now + after),
            scan_at: config.scan_interval.map(|interval| now + interval),
            resync_at: Some(now),
            resync_not_before: now,
            own,
            config,
            retired: Vec::new(),
            wants: Wants::default(),
            links: Links::default(),
            troubles: Troubles::default(),
            queue: VecDeque::new(),
            under_way: 0,
            late: Vec::new(),
            changes: Changes::default(),
            news: News::default(),
            links_lost_at: None,
            swept: false,
            write_not_before: None,
        }
    }

    /// Changes what is desired.
    pub fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Install(route) => {
                    let (prefix, want) = route.into_parts();
                    self.install(network(prefix), Arc::new(want));
                }
                Change::Share(prefix, want) => self.install(network(prefix), want),
                Change::Remove(prefix) => self.withdraw(network(prefix)),
            }
        }
        self.resolve();
    }

    /// Looks again at targets whose next hops lead another way now, and at the next hops that routes to such targets lead to.
    fn resolve(&mut self) {
        // Each round is one step farther along a chain of routes; whoever needs more waits for the next change.
        for _ in 0..ROUNDS {
            let devices = std::mem::take(&mut self.changes.devices).into_iter();
            let gateways = self.tracker.take_moved().into_iter();
            let needs: BTreeSet<_> = devices
                .map(Need::Device)
                .chain(gateways.map(Need::Gateway))
                .collect();
            if needs.is_empty() {
                return;
            }
            let (links, tracker) = (&self.links, &self.tracker);
            for (id, moved) in self.wants.resolve_again(needs, links, tracker) {
                self.want_moved(id, moved);
            }
        }
    }

    /// The desired route of a prefix leads another way.
    fn way_changed(&mut self, prefix: &IpNetwork) {
        if self.tracker.via_desired.is_some() {
            let view = view!(self);
            self.tracker.prefix_changed(prefix, view);
        }
    }

    fn install(&mut self, prefix: IpNetwork, want: Arc<Want>) {
        let id = self
            .wants
            .again(&want)
            .unwrap_or_else(|| self.new_want(want));
        let (before, at) = self.table.desire(&prefix, Some(id));
        let slot = self.table.slot_mut(at);
        slot.marks.put(Mark::Touched, true);
        if before == Some(id) {
            self.wants.release(id);
            return;
        }
        slot.marks.put(Mark::Satisfied, false);
        slot.marks.put(Mark::Stolen, false);
        self.way_changed(&prefix);
        self.release(before);
        self.troubles.clear(&prefix);
        self.enqueue(at);
        self.user_came(id);
    }

    fn new_want(&mut self, want: Arc<Want>) -> WantId {
        if let Some(metric) = want.metric {
            self.own.metrics.insert(metric);
        }
        if want
            .table
            .is_some_and(|table| self.own.tables.insert(table))
        {
            self.resync_at.get_or_insert(self.resync_not_before); // what is there already?
        }
        let view = view!(self);
        for gateway in want.gateways() {
            self.tracker.need(gateway, view);
        }
        let resolved = resolve(&want, &self.links, &self.tracker);
        self.wants.insert(want, resolved)
    }

    fn withdraw(&mut self, prefix: IpNetwork) {
        let (before, at) = self.table.desire(&prefix, None);
        let marks = &mut self.table.slot_mut(at).marks;
        marks.keep(&[Mark::Queued, Mark::Again, Mark::Mentioned]);
        marks.put(Mark::Touched, true);
        self.way_changed(&prefix);
        self.release(before);
        self.troubles.clear(&prefix);
        self.news.troubled.remove(&prefix);
        self.enqueue(at);
    }

    fn release(&mut self, want: Option<WantId>) {
        if let Some((want, had_object)) = want.and_then(|id| self.wants.release(id)) {
            want.gateways()
                .for_each(|gateway| self.tracker.unneed(gateway));
            if had_object {
                self.objects.release(want.hops());
            }
        }
    }

    /// What a previous run left and nobody desired may be deleted from now on.
    pub fn converged(&mut self) {
        if !std::mem::replace(&mut self.swept, true) {
            self.sweep_at = None;
            self.enqueue_where(|slot| slot.wanted.is_none());
        }
    }

    /// Nothing of ours shall be left.
    pub fn remove_all(&mut self) {
        let wanted = self.table.iter().filter(|(_, slot)| slot.wanted.is_some());
        for prefix in wanted
            .map(|(at, _)| self.table.prefix(at))
            .collect::<Vec<_>>()
        {
            self.withdraw(prefix);
        }
        self.converged();
    }

    /// Starts to watch addresses.
    pub fn track(&mut self, addresses: Vec<IpAddr>) {
        for address in addresses {
            self.tracker.ask(address, view!(self));
        }
    }

    /// Stops watching addresses.
    pub fn untrack(&mut self, addresses: Vec<IpAddr>) {
        for address in addresses {
            self.tracker.forget(address);
        }
    }

    /// Takes on another configuration. What was ours under the old one stays until its successor is written.
    pub fn reconfigure(&mut self, config: FibConfig, now: Instant) {
        let mut own = ownership(&config);
        own.metrics.extend(if own.protocol == self.own.protocol {
            self.own.metrics.clone()
        } else {
            self.wanted_metrics()
        });
        own.tables.extend(self.wanted_tables());
        self.retired.push(self.own.clone());
        for old in &mut self.retired {
            if old.protocol == own.protocol {
                old.tables.retain(|table| !own.tables.contains(table));
            }
        }
        self.retired.retain(|old| !old.tables.is_empty());
        self.own = own;
        self.tracker.via_default = config.resolve_via_default;
        self.tracker.via_desired = via_desired(&config);
        self.scan_at = config.scan_interval.map(|interval| now + interval);
        if self.config.sweep_after != config.sweep_after && !self.swept {
            self.sweep_at = config.sweep_after.map(|after| now + after);
        }
        if self.config.learn != config.learn {
            self.learned.rules = config.learn.clone();
            self.learned.forget_kernel();
        }
        self.config = config;
        self.table.set_protocol(self.own.protocol);
        self.objects.set_protocol(self.own.protocol);
        self.review_all();
        self.changes.prefixes.extend(self.table.prefixes());
        self.changes.links = true;
        self.resync_at = Some(now);
        self.settle(now);
        self.enqueue_where(|_| true);
    }

    fn wanted_metrics(&self) -> BTreeSet<u32> {
        self.wants.iter().filter_map(|want| want.metric).collect()
    }

    fn wanted_tables(&self) -> BTreeSet<u32> {
        self.wants.iter().filter_map(|want| want.table).collect()
    }

    /// The configuration in force.
    pub fn config(&self) -> &FibConfig {
        &self.config
    }

    /// What shall be in the kernel at a place; nothing if no device leads there.
    fn goal(&self, at: At) -> Option<Goal> {
        let id = self.table.slot(at).wanted?;
        let want = self.wants.want(id)?;
        let metric = want.metric.unwrap_or(self.config.metric);
        let table = want.table.unwrap_or(self.config.table);
        match self.wants.resolved(id)? {
            Resolved::Ready(way) => Some(Goal {
                table,
                metric: stored_metric(&self.table.prefix(at), metric),
                way: self.wants.object(id).unwrap_or(way).clone(),
            }),
            Resolved::Waiting => None,
        }
    }

    fn enqueue(&mut self, at: At) {
        if !self.table.slot_mut(at).marks.replace(Mark::Queued, true) {
            self.queue.push_back(at);
        }
    }

    fn enqueue_prefix(&mut self, prefix: &IpNetwork) {
        if let Some(at) = self.table.find(prefix) {
            self.enqueue(at);
        }
    }

    fn enqueue_where(&mut self, which: impl Fn(&Slot) -> bool) {
        let chosen = self.table.iter().filter(|(_, slot)| which(slot));
        for at in chosen.map(|(at, _)| at).collect::<Vec<_>>() {
            self.enqueue(at);
        }
    }

    /// What is desired leads another way: looks at the routes that desire it, and at no other.
    fn enqueue_users(&mut self, id: WantId) {
        for at in self.table.that_want(id).collect::<Vec<_>>() {
            let prefix = self.table.prefix(at);
            self.troubles.clear(&prefix);
            self.enqueue(at);
            self.way_changed(&prefix);
        }
    }
}

/// The usual table and metric.
fn via_desired(config: &FibConfig) -> Option<(u32, u32)> {
    let has_main = config.table == MAIN || config.tables.contains(&MAIN);
    has_main.then_some((config.table, config.metric))
}

fn ownership(config: &FibConfig) -> Ownership {
    let with = |first: u32, more: &BTreeSet<u32>| more.iter().copied().chain([first]).collect();
    Ownership {
        tables: with(config.table, &config.tables),
        protocol: config.protocol,
        metrics: with(config.metric, &config.metrics),
    }
}
