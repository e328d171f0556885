// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Desired state against what the kernel says it has. Sans-IO: it is fed commands, notifications and dumps, and asked for
//! operations, events and the time of its next wish.
//!
//! Refuses to remember what it did: a route counts as installed because the kernel said so (an acknowledgement, a
//! notification or a dump), and everything else follows from comparing.

mod reports;
mod writing;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use crate::kernel::{KernelRoute, network, stored_metric};
use crate::learn::Learned;
use crate::links::{AddressUpdate, LinkUpdate, Links};
use crate::plan::{Goal, Ownership};
use crate::table::{MAIN, Marks, Outcome, Table};
use crate::track::Tracker;
use crate::trouble::Troubles;
use crate::wants::{Resolved, Want, WantId, Wants, resolve};
use crate::{Change, FibConfig, Route};

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
    queue: VecDeque<IpNetwork>,
    /// Prefixes the kernel had news of since the last [`settle`](Self::settle).
    changed: Vec<IpNetwork>,
    wants_moved: bool,
    links_changed: bool,
    /// Routes that go away around this time went with a link, not by theft.
    links_lost_at: Option<Instant>,
    /// What is stale may be deleted.
    swept: bool,
    sweep_at: Option<Instant>,
    resync_at: Option<Instant>,
    resync_not_before: Instant,
    scan_at: Option<Instant>,
    write_not_before: Option<Instant>,
    troubled: HashSet<IpNetwork>,
    status_news: BTreeSet<IpNetwork>,
    link_news: bool,
    resynced: bool,
}

/// After news from the kernel, wait this long for the rest of the burst before writing.
const BURST: Duration = Duration::from_millis(5);
/// After a reason to resync, wait this long for more of them.
const RESYNC: Duration = Duration::from_millis(20);
/// After a resync that failed, wait this long.
const RESYNC_FAILED: Duration = Duration::from_millis(500);
/// Losses this soon after a change of a link are not thefts.
const LINK_LOSS: Duration = Duration::from_secs(1);

impl Reconciler {
    /// A reconciler that knows nothing of the kernel yet, and therefore wants a resync.
    pub fn new(config: FibConfig, now: Instant) -> Self {
        let own = ownership(&config);
        Self {
            table: Table::new(config.protocol),
            tracker: Tracker::new(config.resolve_via_default),
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
            changed: Vec::new(),
            wants_moved: false,
            links_changed: false,
            links_lost_at: None,
            swept: false,
            write_not_before: None,
            troubled: HashSet::new(),
            status_news: BTreeSet::new(),
            link_news: false,
            resynced: false,
        }
    }

    // ---- what the caller desires ----

    /// Changes what is desired.
    pub fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Install(route) => self.install(route),
                Change::Remove(prefix) => self.withdraw(network(prefix)),
            }
        }
    }

    fn install(&mut self, route: Route) {
        let prefix = network(route.prefix);
        if let Some(metric) = route.metric {
            self.own.metrics.insert(metric);
        }
        let want = Want {
            target: route.target,
            metric: route.metric,
            source: route.source,
        };
        let (table, links, tracker) = (&self.table, &self.links, &mut self.tracker);
        let id = self.wants.acquire(want, |want| {
            want.gateways()
                .for_each(|gateway| tracker.need(gateway, table, links));
            resolve(want, links, tracker)
        });
        let slot = self.table.slot_or_new(prefix);
        let before = slot.wanted.replace(id);
        slot.marks.touched = true;
        if before == Some(id) {
            self.wants.release(id);
            return;
        }
        slot.marks.satisfied = false;
        slot.marks.stolen = false;
        self.release(before);
        self.troubles.clear(&prefix);
        self.enqueue(prefix);
    }

    fn withdraw(&mut self, prefix: IpNetwork) {
        let slot = self.table.slot_or_new(prefix);
        let before = slot.wanted.take();
        slot.marks = Marks {
            touched: true,
            queued: slot.marks.queued,
            ..Marks::default()
        };
        self.release(before);
        self.troubles.clear(&prefix);
        self.troubled.remove(&prefix);
        self.enqueue(prefix);
    }

    fn release(&mut self, want: Option<WantId>) {
        if let Some(want) = want.and_then(|id| self.wants.release(id)) {
            want.gateways()
                .for_each(|gateway| self.tracker.unneed(gateway));
        }
    }

    /// What a previous run left and nobody desired may be deleted from now on.
    pub fn converged(&mut self) {
        if !std::mem::replace(&mut self.swept, true) {
            self.sweep_at = None;
            self.enqueue_where(|_, marks, wanted| !wanted && !marks.queued);
        }
    }

    /// Nothing of ours shall be left.
    pub fn remove_all(&mut self) {
        let wanted = self.table.iter().filter(|(_, slot)| slot.wanted.is_some());
        for prefix in wanted.map(|(prefix, _)| *prefix).collect::<Vec<_>>() {
            self.withdraw(prefix);
        }
        self.converged();
    }

    /// Starts to watch addresses.
    pub fn track(&mut self, addresses: Vec<IpAddr>) {
        for address in addresses {
            self.tracker.ask(address, &self.table, &self.links);
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
        let same_place = own.table == self.own.table && own.protocol == self.own.protocol;
        if same_place {
            own.metrics.extend(&self.own.metrics);
        } else {
            own.metrics.extend(self.wanted_metrics());
            self.retired.push(self.own.clone());
        }
        self.own = own;
        self.tracker.via_default = config.resolve_via_default;
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
        self.changed
            .extend(self.table.iter().map(|(prefix, _)| *prefix));
        self.links_changed = true;
        self.resync_at = Some(now);
        self.settle(now);
        self.enqueue_where(|_, _, _| true);
    }

    fn wanted_metrics(&self) -> BTreeSet<u32> {
        let wants = self
            .table
            .iter()
            .filter_map(|(_, slot)| self.wants.want(slot.wanted?));
        wants.filter_map(|want| want.metric).collect()
    }

    /// The configuration in force.
    pub fn config(&self) -> &FibConfig {
        &self.config
    }

    // ---- what the kernel says ----

    /// A link appeared or changed.
    pub fn link(&mut self, link: LinkUpdate, now: Instant) {
        let (index, enabled, running) = (link.index, link.enabled, link.running);
        let name = link.name.clone();
        let before = self.links.update(link);
        if before
            .as_ref()
            .is_some_and(|old| old.enabled == enabled && old.running == running && old.name == name)
        {
            return;
        }
        let went_down = before.as_ref().is_some_and(|old| old.enabled && !enabled);
        if before.is_some_and(|old| old.name != name) {
            self.changed
                .extend(self.table.iter().map(|(prefix, _)| *prefix));
        }
        self.links_changed = true;
        if went_down {
            self.routes_lost(index, now);
        }
    }

    /// A link went.
    pub fn link_gone(&mut self, index: u32, now: Instant) {
        if self.links.remove(index) {
            self.links_changed = true;
            self.routes_lost(index, now);
        }
    }

    /// The kernel drops the routes over a link that went, some of them without a word.
    fn routes_lost(&mut self, index: u32, now: Instant) {
        self.links_lost_at = Some(now);
        if self.table.uses_device(index) {
            self.want_resync(now);
        }
    }

    /// An address appeared.
    pub fn address(&mut self, address: AddressUpdate) {
        self.links_changed |= self.links.add_address(address);
    }

    /// An address went. Routes that had it as their source go without a word.
    pub fn address_gone(&mut self, address: &AddressUpdate, now: Instant) {
        if self.links.remove_address(address) {
            self.links_changed = true;
            self.links_lost_at = Some(now);
            if address.global {
                self.want_resync(now);
            }
        }
    }

    /// A route appeared, perhaps in the place of another.
    pub fn route(&mut self, route: KernelRoute, replaces: bool, now: Instant) {
        if self.is_relevant(route.held.table) {
            let prefix = route.prefix;
            let outcome = self.table.appeared(route, replaces);
            self.follow(prefix, outcome, now);
        }
    }

    /// A route went.
    pub fn route_gone(&mut self, route: &KernelRoute, now: Instant) {
        if self.is_relevant(route.held.table) {
            let outcome = self.table.vanished(route);
            self.follow(route.prefix, outcome, now);
        }
    }

    fn follow(&mut self, prefix: IpNetwork, outcome: Outcome, now: Instant) {
        if outcome != Outcome::Same {
            self.changed.push(prefix);
        }
        if outcome == Outcome::Unsure {
            self.want_resync(now);
        }
    }

    /// Notifications were lost, or things changed of which the kernel gives no account: everything is to be read anew.
    pub fn want_resync(&mut self, now: Instant) {
        self.resync_at.get_or_insert(now + RESYNC);
    }

    /// The tables to read.
    pub fn tables(&self) -> BTreeSet<u32> {
        let retired = self.retired.iter().map(|own| own.table);
        retired.chain([MAIN, self.own.table]).collect()
    }

    fn is_relevant(&self, table: u32) -> bool {
        table == MAIN
            || table == self.own.table
            || self.retired.iter().any(|own| own.table == table)
    }

    /// A resync begins: all links, addresses and routes follow.
    pub fn begin_resync(&mut self) {
        self.table.begin_dump();
    }

    /// All links there are, and all their addresses.
    pub fn resync_links(
        &mut self,
        links: Vec<LinkUpdate>,
        addresses: Vec<AddressUpdate>,
        now: Instant,
    ) {
        let there: HashSet<u32> = links.iter().map(|link| link.index).collect();
        for index in self.links.indices() {
            if !there.contains(&index) {
                self.link_gone(index, now);
            }
        }
        for link in links {
            self.link(link, now);
        }
        for index in self.links.indices() {
            let known = self.links.addresses(index).to_vec();
            for gone in known.iter().filter(|known| !addresses.contains(known)) {
                self.address_gone(gone, now);
            }
        }
        for address in addresses {
            self.address(address);
        }
    }

    /// A route of the resync.
    pub fn resync_route(&mut self, route: KernelRoute) {
        if self.is_relevant(route.held.table) {
            let prefix = route.prefix;
            if self.table.dumped(route) {
                self.changed.push(prefix);
            }
        }
    }

    /// The resync, begun at that time, is over. The next one is not before twice the time that this one took.
    pub fn end_resync(&mut self, begun: Instant, now: Instant) {
        let gone = self.table.end_dump();
        self.changed.extend(gone);
        self.resync_at = None;
        self.resync_not_before = now + 2 * now.saturating_duration_since(begun);
        self.scan_at = self.config.scan_interval.map(|interval| now + interval);
        self.resynced = true;
        self.settle(now);
    }

    /// A resync failed half-way; it is wanted again, later.
    pub fn abandon_resync(&mut self, now: Instant) {
        self.resync_at = Some(now);
        self.resync_not_before = now + RESYNC_FAILED;
    }

    /// A burst of notifications is over: draws the conclusions.
    pub fn settle(&mut self, now: Instant) {
        let changed = std::mem::take(&mut self.changed);
        let was_idle = self.queue.is_empty();
        for prefix in &changed {
            self.wants_moved |= self
                .tracker
                .prefix_changed(prefix, &self.table, &self.links);
            self.note_theft(*prefix, now);
            self.learn_prefix(*prefix);
            self.enqueue(*prefix);
        }
        if std::mem::take(&mut self.links_changed) {
            self.tracker.all_changed(&self.table, &self.links);
            self.learned.direct(&self.links);
            self.link_news = true;
            self.wants_moved = true;
            self.troubles.retry_refused(now);
        }
        if std::mem::take(&mut self.wants_moved) {
            if let Some(moved) = self.wants.resolve_all(&self.links, &self.tracker) {
                self.enqueue_moved(&moved);
            }
        }
        if was_idle && !changed.is_empty() {
            self.write_not_before = Some(now + BURST);
        }
    }

    fn learn_prefix(&mut self, prefix: IpNetwork) {
        let held = self.table.slot(&prefix).map_or(&[][..], |slot| slot.held());
        let own = &self.own;
        let foreign = held
            .iter()
            .filter(|held| held.table == own.table && held.protocol != own.protocol);
        self.learned.kernel(prefix, foreign, &self.links);
    }

    fn note_theft(&mut self, prefix: IpNetwork, now: Instant) {
        let Some(goal) = self.goal(&prefix) else {
            return;
        };
        let with_link = self
            .links_lost_at
            .is_some_and(|at| now.saturating_duration_since(at) < LINK_LOSS);
        let own = &self.own;
        let Some(slot) = self.table.slot_mut(&prefix) else {
            return;
        };
        let there = slot.held().iter().any(|held| {
            own.owns(&prefix, held) && held.metric == goal.metric && held.way.satisfies(&goal.way)
        });
        if slot.marks.satisfied && !there {
            slot.marks.satisfied = false;
            slot.marks.stolen |= !with_link;
        }
    }

    /// What shall be in the kernel for a prefix; nothing if no device leads there.
    fn goal(&self, prefix: &IpNetwork) -> Option<Goal> {
        let id = self.table.slot(prefix)?.wanted?;
        let metric = self.wants.want(id)?.metric.unwrap_or(self.config.metric);
        match self.wants.resolved(id)? {
            Resolved::Ready(way) => Some(Goal {
                metric: stored_metric(prefix, metric),
                way: way.clone(),
            }),
            Resolved::Waiting => None,
        }
    }

    fn enqueue(&mut self, prefix: IpNetwork) {
        if let Some(slot) = self.table.slot_mut(&prefix) {
            if !std::mem::replace(&mut slot.marks.queued, true) {
                self.queue.push_back(prefix);
            }
        }
    }

    fn enqueue_where(&mut self, which: impl Fn(&IpNetwork, Marks, bool) -> bool) {
        let all = self.table.iter();
        let chosen = all.filter(|(prefix, slot)| which(prefix, slot.marks, slot.wanted.is_some()));
        for prefix in chosen.map(|(prefix, _)| *prefix).collect::<Vec<_>>() {
            self.enqueue(prefix);
        }
    }

    fn enqueue_moved(&mut self, moved: &[bool]) {
        let all = self.table.iter();
        let chosen = all.filter(|(_, slot)| slot.wanted.is_some_and(|id| id.is_marked(moved)));
        for prefix in chosen.map(|(prefix, _)| *prefix).collect::<Vec<_>>() {
            self.troubles.clear(&prefix);
            self.enqueue(prefix);
        }
    }
}

fn ownership(config: &FibConfig) -> Ownership {
    Ownership {
        table: config.table,
        protocol: config.protocol,
        metrics: BTreeSet::from([config.metric]),
    }
}
