// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel says, and what follows from it.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::{Reconciler, view};
use crate::kernel::KernelRoute;
use crate::links::{AddressUpdate, LinkUpdate};
use crate::table::{MAIN, Outcome};
use crate::track::View;

/// After news from the kernel, wait this long for the rest of the burst before writing.
const BURST: Duration = Duration::from_millis(5);
/// After a reason to resync, wait this long for more of them.
const RESYNC: Duration = Duration::from_millis(20);
/// After a resync that failed, wait this long.
const RESYNC_FAILED: Duration = Duration::from_secs(1);
/// Losses this soon after a change of a link are not thefts.
const LINK_LOSS: Duration = Duration::from_secs(1);

impl Reconciler {
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
            self.changes
                .prefixes
                .extend(self.table.iter().map(|(prefix, _)| *prefix));
        }
        self.changes.links = true;
        if went_down {
            self.routes_lost(index, now);
        }
    }

    /// A link went.
    pub fn link_gone(&mut self, index: u32, now: Instant) {
        if self.links.remove(index) {
            self.changes.links = true;
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
        self.changes.links |= self.links.add_address(address);
    }

    /// An address went. Routes that had it as their source go without a word.
    pub fn address_gone(&mut self, address: &AddressUpdate, now: Instant) {
        if self.links.remove_address(address) {
            self.changes.links = true;
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
            self.changes.prefixes.push(prefix);
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
        let retired = self.retired.iter().flat_map(|own| &own.tables);
        let all = retired.chain(&self.own.tables).chain([&MAIN]);
        all.copied().collect()
    }

    fn is_relevant(&self, table: u32) -> bool {
        table == MAIN
            || self.own.tables.contains(&table)
            || self.retired.iter().any(|own| own.tables.contains(&table))
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
                self.changes.prefixes.push(prefix);
            }
        }
    }

    /// The resync, begun at that time, is over. The next one is not before twice the time that this one took.
    pub fn end_resync(&mut self, begun: Instant, now: Instant) {
        let gone = self.table.end_dump();
        self.changes.prefixes.extend(gone);
        self.resync_at = None;
        self.resync_not_before = now + 2 * now.saturating_duration_since(begun);
        self.scan_at = self.config.scan_interval.map(|interval| now + interval);
        self.news.resynced = true;
        self.settle(now);
    }

    /// A resync failed half-way; it is wanted again, later.
    pub fn abandon_resync(&mut self, now: Instant) {
        self.resync_at = Some(now);
        self.resync_not_before = now + RESYNC_FAILED;
    }

    /// A burst of notifications is over: draws the conclusions.
    pub fn settle(&mut self, now: Instant) {
        let changed = std::mem::take(&mut self.changes.prefixes);
        let was_idle = self.queue.is_empty();
        for prefix in &changed {
            let view = view!(self);
            self.changes.wants |= self.tracker.prefix_changed(prefix, view);
            self.note_theft(*prefix, now);
            self.learn_prefix(*prefix);
            self.enqueue(*prefix);
        }
        if std::mem::take(&mut self.changes.links) {
            self.tracker.all_changed(view!(self));
            self.learned.direct(&self.links);
            self.news.links = true;
            self.changes.wants = true;
            self.troubles.retry_refused(now);
        }
        self.resolve();
        if was_idle && !changed.is_empty() {
            self.write_not_before = Some(now + BURST);
        }
    }

    fn learn_prefix(&mut self, prefix: IpNetwork) {
        let held = self.table.slot(&prefix).map_or(&[][..], |slot| slot.held());
        let (own, table) = (&self.own, self.config.table);
        let foreign = held
            .iter()
            .filter(|held| held.table == table && held.protocol != own.protocol);
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
            own.owns(&prefix, held)
                && held.table == goal.table
                && held.metric == goal.metric
                && held.way.satisfies(&goal.way)
        });
        if slot.marks.satisfied && !there {
            slot.marks.satisfied = false;
            slot.marks.stolen |= !with_link;
        }
    }
}
