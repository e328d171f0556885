// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One slot per prefix: what is desired there and what the kernel said it holds there.
//!
//! The kernel's half is kept by its notifications and corrected by dumps. It is a mirror: nothing here decides anything.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ipnetwork::IpNetwork;
use smallvec::SmallVec;

use crate::kernel::{Held, KernelRoute, Kind, Way, truncated};
use crate::plan::{Operation, Verb};
use crate::slots::Slots;
use crate::wants::WantId;

/// The kernel's main table: the one by which it, and we, look up next hops.
pub(crate) const MAIN: u32 = 254;

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) slots: Slots,
    ways: Ways,
    /// How many routes of other programs, and desired ones, there are by prefix length, per family: a lookup visits only
    /// lengths that exist.
    lengths: [Lengths; 2],
    /// How many hops of held routes lead out of a device.
    devices: HashMap<u32, usize>,
    /// How many held routes name a next-hop object of ours.
    objects: HashMap<u32, usize>,
    /// Our protocol: routes that carry it are no way to a next hop.
    protocol: u8,
    generation: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) wanted: Option<WantId>,
    held: SmallVec<[Held; 1]>,
    generation: u32,
    pub(crate) marks: Marks,
}

/// What the reconciler remembers of a slot.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent marks of one octet each"
)]
pub(crate) struct Marks {
    /// It waits in the queue.
    pub(crate) queued: bool,
    /// The kernel had what is desired when we last looked.
    pub(crate) satisfied: bool,
    /// We wrote the route, it was not found.
    pub(crate) written: bool,
    /// Somebody desired something here in this run: nothing of ours is stale here.
    pub(crate) touched: bool,
    /// The route was there and went without our doing.
    pub(crate) stolen: bool,
    /// Operations that the kernel has not answered yet.
    pub(crate) under_way: u8,
    /// Something changed meanwhile.
    pub(crate) again: bool,
}

#[derive(Debug)]
struct Lengths([u32; 129]);

impl Default for Lengths {
    fn default() -> Self {
        Self([0; 129])
    }
}

/// Ways that routes share.
#[derive(Debug, Default)]
struct Ways {
    known: HashSet<Arc<Way>, RandomState>,
    prune_at: usize,
}

impl Ways {
    fn share(&mut self, way: &Arc<Way>) -> Arc<Way> {
        if let Some(known) = self.known.get(way) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.prune_at {
            self.known.retain(|way| Arc::strong_count(way) > 1);
            self.prune_at = (2 * self.known.len()).max(WAYS);
        }
        self.known.insert(Arc::clone(way));
        Arc::clone(way)
    }
}

/// Below this many ways nobody looks for unused ones.
const WAYS: usize = 1024;

impl Table {
    pub(crate) fn new(protocol: u8) -> Self {
        Self {
            protocol,
            ..Self::default()
        }
    }

    /// Another protocol is ours now; what counts as a way to a next hop is counted anew.
    pub(crate) fn set_protocol(&mut self, protocol: u8) {
        self.protocol = protocol;
        self.lengths = [Lengths::default(), Lengths::default()];
        let all = self
            .slots
            .iter()
            .flat_map(|(prefix, slot)| slot.held.iter().map(move |held| (prefix, held)));
        let mut lengths = [Lengths::default(), Lengths::default()];
        let desired = self.slots.iter().filter(|(_, slot)| slot.wanted.is_some());
        let foreign = all.filter(|(_, held)| self.is_candidate(held));
        for prefix in foreign
            .map(|(prefix, _)| prefix)
            .chain(desired.map(|(prefix, _)| prefix))
        {
            lengths[usize::from(prefix.is_ipv6())].0[usize::from(prefix.prefix())] += 1;
        }
        self.lengths = lengths;
    }

    pub(crate) fn slot(&self, prefix: &IpNetwork) -> Option<&Slot> {
        self.slots.get(prefix)
    }

    pub(crate) fn slot_mut(&mut self, prefix: &IpNetwork) -> Option<&mut Slot> {
        self.slots.get_mut(prefix)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpNetwork, &Slot)> {
        self.slots.iter()
    }

    /// Forgets a slot that holds nothing.
    pub(crate) fn tidy(&mut self, prefix: &IpNetwork) {
        if self
            .slots
            .get(prefix)
            .is_some_and(|slot| slot.wanted.is_none() && slot.held.is_empty() && !slot.marks.queued)
        {
            self.slots.remove(prefix);
        }
    }

    /// Whether held routes lead out of a device, or might.
    pub(crate) fn uses_device(&self, index: u32) -> bool {
        self.devices.contains_key(&index) || self.devices.contains_key(&0)
    }

    /// Whether held routes name a next-hop object.
    pub(crate) fn uses_object(&self, id: u32) -> bool {
        self.objects.contains_key(&id)
    }

    /// A route that appeared. Returns whether anything changed, and whether the mirror may be wrong now.
    pub(crate) fn appeared(&mut self, mut route: KernelRoute, replaces: bool) -> Outcome {
        route.held.way = self.ways.share(&route.held.way);
        let prefix = route.prefix;
        let new = route.held;
        let held = self.held(&prefix);
        if held.contains(&new) {
            return Outcome::Same;
        }
        let same_place = |at: &Held| at.table == new.table && at.metric == new.metric;
        let rivals = held.iter().filter(|at| same_place(at)).count();
        // IPv6 shows all hops of a group in each notification of it; only routes of another nature stand beside it.
        let takes_place = match (&prefix, rivals) {
            (_, 0) => false,
            (IpNetwork::V6(_), _) => {
                let group =
                    |at: &&Held| same_place(at) && at.way.has_gateway() == new.way.has_gateway();
                replaces || held.iter().any(|at| group(&at))
            }
            (IpNetwork::V4(_), _) => replaces,
        };
        if takes_place {
            let at = held.iter().position(same_place).unwrap_or_default();
            self.put(prefix, at, Some(new));
        } else {
            self.push(prefix, new);
        }
        if takes_place && rivals > 1 {
            Outcome::Unsure
        } else {
            Outcome::Changed
        }
    }

    /// A route that went.
    pub(crate) fn vanished(&mut self, route: &KernelRoute) -> Outcome {
        let gone = &route.held;
        let held = self.held(&route.prefix);
        let alike = |at: &Held| {
            at.table == gone.table && at.metric == gone.metric && at.protocol == gone.protocol
        };
        let exact = held
            .iter()
            .position(|at| alike(at) && at.way.satisfies(&gone.way));
        if let Some(at) = exact {
            self.put(route.prefix, at, None);
            return Outcome::Changed;
        }
        let Some(at) = held.iter().position(alike) else {
            return Outcome::Same;
        };
        let rest = held.get(at).and_then(|known| known.without_hops(&gone.way));
        match rest {
            Some(rest) if route.prefix.is_ipv6() => self.put(route.prefix, at, Some(rest)),
            _ => self.put(route.prefix, at, None),
        }
        Outcome::Unsure
    }

    /// The kernel did what an operation asked for.
    pub(crate) fn done(&mut self, operation: &Operation) {
        let prefix = operation.route.prefix;
        let new = operation.route.held.clone();
        let held = self.held(&prefix);
        match operation.verb {
            Verb::Delete => {
                if let Some(at) = held.iter().position(|at| *at == new) {
                    self.put(prefix, at, None);
                }
            }
            Verb::Add | Verb::Replace => {
                let same_place = |at: &Held| at.table == new.table && at.metric == new.metric;
                match held.iter().position(same_place) {
                    Some(at) if operation.verb == Verb::Replace => self.put(prefix, at, Some(new)),
                    _ => self.push(prefix, new),
                }
            }
        }
    }

    /// The kernel knows no such route.
    pub(crate) fn missing(&mut self, route: &KernelRoute) {
        let place = |at: &Held| {
            at.table == route.held.table
                && at.metric == route.held.metric
                && at.protocol == route.held.protocol
        };
        if let Some(at) = self.held(&route.prefix).iter().position(place) {
            self.put(route.prefix, at, None);
        }
    }

    /// From here on `dumped` says all that there is.
    pub(crate) fn begin_dump(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// A route of a dump. Returns whether the slot may have changed.
    pub(crate) fn dumped(&mut self, route: KernelRoute) -> bool {
        let (prefix, mut new) = (route.prefix, route.held);
        new.way = self.ways.share(&new.way);
        let generation = self.generation;
        let slot = self.slots.entry(prefix);
        if std::mem::replace(&mut slot.generation, generation) == generation {
            self.push(prefix, new);
            return true;
        }
        if slot.held.as_slice() == [new.clone()] {
            return false;
        }
        self.clear(&prefix);
        self.push(prefix, new);
        true
    }

    /// The dump is over: what it did not mention is not there. Returns the prefixes this is news for.
    pub(crate) fn end_dump(&mut self) -> Vec<IpNetwork> {
        let generation = self.generation;
        let stale = |slot: &Slot| slot.generation != generation && !slot.held.is_empty();
        let gone: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| stale(slot))
            .map(|(prefix, _)| *prefix)
            .collect();
        for prefix in &gone {
            self.clear(prefix);
        }
        gone
    }

    /// What there is of prefixes that hold an address, the longest first; only lengths that can lead somewhere are visited.
    pub(crate) fn matches(&self, address: IpAddr) -> impl Iterator<Item = (u8, &Slot)> {
        let lengths = &self.lengths[usize::from(address.is_ipv6())];
        let top: u8 = if address.is_ipv6() { 128 } else { 32 };
        let exists = |length: &u8| lengths.0.get(usize::from(*length)).is_some_and(|n| *n > 0);
        (0..=top)
            .rev()
            .filter(exists)
            .filter_map(move |length| Some((length, self.slots.get(&truncated(address, length))?)))
    }

    /// Changes what is desired for a prefix. Returns what was.
    pub(crate) fn desire(
        &mut self,
        prefix: IpNetwork,
        wanted: Option<WantId>,
    ) -> (Option<WantId>, &mut Slot) {
        let before = self.slots.desire(prefix, wanted);
        let length =
            &mut self.lengths[usize::from(prefix.is_ipv6())].0[usize::from(prefix.prefix())];
        match (before, wanted) {
            (None, Some(_)) => *length += 1,
            (Some(_), None) => *length = length.saturating_sub(1),
            _ => {}
        }
        (before, self.slots.entry(prefix))
    }

    /// The prefixes for which this is desired.
    pub(crate) fn that_want(&self, id: WantId) -> impl Iterator<Item = IpNetwork> {
        self.slots.that_want(id)
    }

    /// Whether a route of another program can be the way to a next hop.
    pub(crate) fn is_candidate(&self, held: &Held) -> bool {
        held.table == MAIN && held.protocol != self.protocol && held.way.kind != Kind::Other
    }

    fn held(&self, prefix: &IpNetwork) -> &[Held] {
        self.slots
            .get(prefix)
            .map_or(&[], |slot| slot.held.as_slice())
    }

    fn clear(&mut self, prefix: &IpNetwork) {
        while !self.held(prefix).is_empty() {
            self.put(*prefix, 0, None);
        }
    }

    fn push(&mut self, prefix: IpNetwork, new: Held) {
        self.count(&prefix, &new, true);
        self.slots.entry(prefix).held.push(new);
    }

    /// Puts a route in the place of another, or nothing.
    fn put(&mut self, prefix: IpNetwork, at: usize, new: Option<Held>) {
        let Some(slot) = self
            .slots
            .get_mut(&prefix)
            .filter(|slot| at < slot.held.len())
        else {
            return;
        };
        let old = match new {
            Some(ref new) => std::mem::replace(&mut slot.held[at], new.clone()),
            None => slot.held.remove(at),
        };
        self.count(&prefix, &old, false);
        if let Some(new) = new {
            self.count(&prefix, &new, true);
        }
    }

    fn count(&mut self, prefix: &IpNetwork, held: &Held, added: bool) {
        if self.is_candidate(held) {
            let lengths = &mut self.lengths[usize::from(prefix.is_ipv6())];
            let length = &mut lengths.0[usize::from(prefix.prefix())];
            *length = if added {
                *length + 1
            } else {
                length.saturating_sub(1)
            };
        }
        for hop in &held.way.hops {
            count(&mut self.devices, hop.ifindex, added);
        }
        if let Some(id) = held.way.object {
            count(&mut self.objects, id, added);
        }
    }
}

/// One use more or less.
fn count(uses: &mut HashMap<u32, usize>, of: u32, added: bool) {
    let known = uses.entry(of).or_default();
    *known = if added {
        *known + 1
    } else {
        known.saturating_sub(1)
    };
    if *known == 0 {
        uses.remove(&of);
    }
}

/// What a notification did to the mirror.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Nothing.
    Same,
    /// It follows.
    Changed,
    /// It follows as well as it can; only a dump tells for sure.
    Unsure,
}

impl Slot {
    pub(crate) fn held(&self) -> &[Held] {
        &self.held
    }
}

impl Way {
    fn has_gateway(&self) -> bool {
        self.object.is_some() || self.hops.iter().any(|hop| hop.gateway.is_some())
    }
}

impl Held {
    /// The route when some hops of it are gone; `None` if none is left.
    fn without_hops(&self, gone: &Way) -> Option<Self> {
        let left: Vec<_> = self
            .way
            .hops
            .iter()
            .filter(|hop| !gone.hops.iter().any(|gone| hop.is_like(gone)))
            .cloned()
            .collect();
        (!left.is_empty() && left.len() < self.way.hops.len()).then(|| Self {
            way: Arc::new(Way::unicast(left, self.way.source)),
            ..self.clone()
        })
    }
}
