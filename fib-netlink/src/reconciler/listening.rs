// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel says, and what follows from it.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::{Heard, Late, Reconciler, view};
use crate::kernel::KernelRoute;
use crate::links::{AddressUpdate, LinkUpdate};
use crate::slots::At;
use crate::table::{MAIN, Mark, Outcome};
use crate::track::View;

/// After news from the kernel, wait this long for the rest of the burst before writing.
const BURST: Duration = Duration::from_millis(5);
/// After a reason to resync, wait this long for more of them.
const RESYNC: Duration = Duration::from_millis(20);
/// After a resync that failed, wait this long.
const RESYNC_FAILED: Duration = Duration::from_secs(1);
/// Losses this soon after a change of a link are not thefts.
const LINK_LOSS: Duration = Duration::from_secs(1);
/// Notifications that wait for operations to be answered; with more of them everything is read anew.
const LATE: usize = 4096;

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
        if !running && self.objects.device_down(index) {
            self.want_resync(now);
        }
        if let Some(old) = before.filter(|old| old.name != name) {
            self.changes.devices.insert(old.name);
            // What is learned goes by the name.
            if self.table.uses_device(index) {
                self.changes.prefixes.extend(self.table.prefixes());
            }
        }
        self.changes.devices.insert(name);
        self.changes.links = true;
        if went_down {
            self.routes_lost(index, now);
        }
    }

    /// A link went.
    pub fn link_gone(&mut self, index: u32, now: Instant) {
        if let Some(name) = self.links.remove(index) {
            self.changes.devices.insert(name);
            self.changes.links = true;
            self.routes_lost(index, now);
        }
    }

    /// The kernel drops the routes over a link that went, some of them without a word.
    fn routes_lost(&mut self, index: u32, now: Instant) {
        self.links_lost_at = Some(now);
        if self.objects.device_down(index) || self.table.uses_device(index) {
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
        let what = if replaces {
            Heard::Replaced
        } else {
            Heard::Appeared
        };
        self.heard(route, what, now);
    }

    /// A route went.
    pub fn route_gone(&mut self, route: &KernelRoute, now: Instant) {
        self.heard(route.clone(), Heard::Gone, now);
    }

    fn heard(&mut self, route: KernelRoute, what: Heard, now: Instant) {
        if !self.is_relevant(route.held.table) {
            return;
        }
        let late = Late { route, what };
        let at = self.table.find(&late.route.prefix);
        if self.under_way == 0 || at.is_none_or(|at| self.table.slot(at).under_way == 0) {
            self.follow_late(late, now);
        } else if self.late.len() < LATE {
            self.late.push(late);
        } else {
            self.want_resync(now);
        }
    }

    pub(super) fn follow_late(&mut self, late: Late, now: Instant) {
        let prefix = late.route.prefix;
        let outcome = match late.what {
            Heard::Gone => self.table.vanished(&late.route),
            what => self.table.appeared(late.route, what == Heard::Replaced),
        };
        self.follow(prefix, outcome, now);
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
        self.review_all();
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
            self.tracker.prefix_changed(prefix, view);
            let Some(at) = self.table.find(prefix) else {
                continue;
            };
            self.note_theft(at, now);
            self.learn_prefix(*prefix, at);
            self.enqueue(at);
        }
        if std::mem::take(&mut self.changes.links) {
            self.tracker.all_changed(view!(self));
            self.learned.direct(&self.links);
            self.news.links = true;
            self.troubles.retry_refused(now);
        }
        self.resolve();
        if was_idle && !changed.is_empty() {
            self.write_not_before = Some(now + BURST);
        }
    }

    fn learn_prefix(&mut self, prefix: IpNetwork, at: At) {
        let held = self.table.held(at);
        let (own, table) = (&self.own, self.config.table);
        let foreign = held
            .iter()
            .filter(|held| held.table == table && held.protocol != own.protocol);
        self.learned.kernel(prefix, foreign, &self.links);
    }

    fn note_theft(&mut self, at: At, now: Instant) {
        let Some(goal) = self.goal(at) else {
            return;
        };
        let with_link = self
            .links_lost_at
            .is_some_and(|at| now.saturating_duration_since(at) < LINK_LOSS);
        let own = &self.own;
        let prefix = self.table.prefix(at);
        let there = self.table.held(at).iter().any(|held| {
            own.owns(&prefix, held)
                && held.table == goal.table
                && held.metric == goal.metric
                && held.way.satisfies(&goal.way)
        });
        let marks = &mut self.table.slot_mut(at).marks;
        if marks.has(Mark::Satisfied) && !there {
            marks.put(Mark::Satisfied, false);
            if !with_link {
                marks.put(Mark::Stolen, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::{Change, FibConfig, Held, Hop, KernelHop, Route, Target, Way};

    const OTHERS: u32 = 20_000;

    fn link(index: u32, enabled: bool) -> LinkUpdate {
        LinkUpdate {
            index,
            name: format!("e{index}"),
            enabled,
            running: enabled,
        }
    }

    fn install(reconciler: &mut Reconciler, prefix: &str, hop: Hop) {
        let route = Route::new(prefix.parse().unwrap(), Target::Via(vec![hop]));
        reconciler.apply(vec![Change::Install(route)]);
    }

    /// Two links with a connected network each; many routes by the first, seven by the second.
    fn world(now: Instant) -> Reconciler {
        let mut reconciler = Reconciler::new(FibConfig::default(), now);
        reconciler.begin_resync();
        reconciler.resync_links(vec![link(2, true), link(3, true)], vec![], now);
        reconciler.end_resync(now, now);
        for index in [2, 3] {
            let hop = KernelHop {
                gateway: None,
                ifindex: index,
                weight: 1,
                onlink: false,
            };
            let held = Held {
                table: MAIN,
                metric: 0,
                protocol: crate::track::PROTOCOL_KERNEL,
                way: Arc::new(Way::unicast(vec![hop], None)),
            };
            let prefix = format!("10.0.{index}.0/24").parse().unwrap();
            reconciler.route(KernelRoute { prefix, held }, false, now);
        }
        reconciler.settle(now);
        for n in 0..OTHERS {
            let prefix = format!("11.0.{}.{}/32", n >> 8, n & 255);
            install(&mut reconciler, &prefix, Hop::via([10, 0, 2, 1].into()));
        }
        for n in 0..7 {
            let hop = match n {
                0..4 => Hop::via([10, 0, 3, 1].into()),
                _ => Hop::device("e3"),
            };
            install(&mut reconciler, &format!("12.0.0.{n}/32"), hop);
        }
        write(&mut reconciler, now + BURST);
        reconciler
    }

    fn write(reconciler: &mut Reconciler, now: Instant) -> usize {
        let mut written = 0;
        loop {
            let operations = reconciler.batch(256, now);
            if operations.is_empty() {
                return written;
            }
            written += operations.len();
            for operation in &operations {
                reconciler.answer(operation, Ok(()), now);
            }
        }
    }

    fn looked_at(reconciler: &Reconciler) -> usize {
        reconciler.table.slots.looked_at.swap(0, Ordering::Relaxed)
    }

    #[test]
    fn a_link_that_changes_costs_a_look_at_the_routes_over_it_only() {
        let now = Instant::now();
        let mut reconciler = world(now);
        let later = now + Duration::from_secs(1);
        looked_at(&reconciler);
        reconciler.link(link(3, false), later);
        reconciler.settle(later);
        assert_eq!(reconciler.queue.len(), 7);
        let looks = looked_at(&reconciler);
        assert!(
            (7..200).contains(&looks),
            "{looks} looks, {OTHERS} other routes"
        );

        write(&mut reconciler, later);
        looked_at(&reconciler);
        reconciler.link(link(3, true), later);
        reconciler.settle(later);
        assert_eq!(reconciler.queue.len(), 7);
        // The gateway's routes stayed as they were: nobody knew a device for them meanwhile.
        assert_eq!(write(&mut reconciler, later + BURST), 3);
        let looks = looked_at(&reconciler);
        assert!(
            (7..300).contains(&looks),
            "{looks} looks, {OTHERS} other routes"
        );
    }

    #[test]
    fn a_next_hop_that_moves_costs_a_look_at_the_routes_by_it_only() {
        let now = Instant::now();
        let mut reconciler = world(now);
        looked_at(&reconciler);
        let hop = KernelHop {
            gateway: Some([10, 0, 2, 9].into()),
            ifindex: 2,
            weight: 1,
            onlink: false,
        };
        let held = Held {
            table: MAIN,
            metric: 0,
            protocol: 188,
            way: Arc::new(Way::unicast(vec![hop], None)),
        };
        let prefix = "10.0.3.1/32".parse().unwrap();
        reconciler.route(KernelRoute { prefix, held }, false, now);
        reconciler.settle(now);
        assert_eq!(write(&mut reconciler, now + 2 * BURST), 4);
        let looks = looked_at(&reconciler);
        assert!(
            (4..200).contains(&looks),
            "{looks} looks, {OTHERS} other routes"
        );
    }
}
