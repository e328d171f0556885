// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One slot per prefix: what is desired there and what the kernel said it holds there.
//!
//! The kernel's half is kept by its notifications and corrected by dumps. It is a mirror: nothing here decides anything.

use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::held::{HeldId, Helds, List, is_candidate};
use crate::kernel::{Held, KernelRoute, Way, truncated};
use crate::plan::{Operation, Verb};
use crate::slots::{At, Slots};
use crate::wants::WantId;

/// The kernel's main table: the one by which it, and we, look up next hops.
pub(crate) const MAIN: u32 = 254;

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) slots: Slots,
    helds: Helds,
    /// How many routes of other programs, and desired ones, there are by prefix length, per family: a lookup visits only
    /// lengths that exist.
    lengths: [Lengths; 2],
    /// Our protocol: routes that carry it are no way to a next hop.
    protocol: u8,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) wanted: Option<WantId>,
    held: HeldId,
    pub(crate) marks: Marks,
    /// Operations that the kernel has not answered yet.
    pub(crate) under_way: u8,
    /// Length of the prefix; none is so long as that of a slot that is nobody's.
    pub(crate) length: u8,
}

const NOBODY: u8 = u8::MAX;

impl Default for Slot {
    fn default() -> Self {
        Self {
            wanted: None,
            held: HeldId::NOTHING,
            marks: Marks::default(),
            under_way: 0,
            length: NOBODY,
        }
    }
}

impl Slot {
    /// For a prefix of that length.
    pub(crate) fn of(length: u8) -> Self {
        Self {
            length,
            ..Self::default()
        }
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.length != NOBODY
    }
}

/// What the reconciler remembers of a slot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Marks(u8);

/// One of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mark {
    /// It waits in the queue.
    Queued = 1,
    /// The kernel had what is desired when we last looked.
    Satisfied = 2,
    /// We wrote the route, it was not found.
    Written = 4,
    /// Somebody desired something here in this run: nothing of ours is stale here.
    Touched = 8,
    /// The route was there and went without our doing.
    Stolen = 16,
    /// Something changed while an operation was under way.
    Again = 32,
    /// The dump that is being read has mentioned it.
    Mentioned = 64,
}

impl Marks {
    pub(crate) fn has(self, mark: Mark) -> bool {
        self.0 & mark as u8 != 0
    }

    pub(crate) fn put(&mut self, mark: Mark, value: bool) {
        if value {
            self.0 |= mark as u8;
        } else {
            self.0 &= !(mark as u8);
        }
    }

    /// Puts a value, and says what was there.
    pub(crate) fn replace(&mut self, mark: Mark, value: bool) -> bool {
        let before = self.has(mark);
        self.put(mark, value);
        before
    }

    /// These and no others.
    pub(crate) fn keep(&mut self, marks: &[Mark]) {
        self.0 &= marks.iter().fold(0, |all, mark| all | *mark as u8);
    }
}

#[derive(Debug)]
struct Lengths([u32; 129]);

impl Default for Lengths {
    fn default() -> Self {
        Self([0; 129])
    }
}

impl Table {
    pub(crate) fn new(protocol: u8) -> Self {
        Self {
            helds: Helds::new(protocol),
            protocol,
            ..Self::default()
        }
    }

    /// Another protocol is ours now; what counts as a way to a next hop is counted anew.
    pub(crate) fn set_protocol(&mut self, protocol: u8) {
        self.protocol = protocol;
        self.helds.set_protocol(protocol);
        let mut lengths = [Lengths::default(), Lengths::default()];
        for (at, slot) in self.slots.iter() {
            let count = self.helds.candidates(slot.held) + u32::from(slot.wanted.is_some());
            lengths[usize::from(at.is_v6())].0[usize::from(slot.length)] += count;
        }
        self.lengths = lengths;
    }

    pub(crate) fn find(&self, prefix: &IpNetwork) -> Option<At> {
        self.slots.find(prefix)
    }

    pub(crate) fn slot(&self, at: At) -> &Slot {
        self.slots.at(at)
    }

    pub(crate) fn slot_mut(&mut self, at: At) -> &mut Slot {
        self.slots.at_mut(at)
    }

    pub(crate) fn prefix(&self, at: At) -> IpNetwork {
        self.slots.prefix(at)
    }

    /// What the kernel holds there.
    pub(crate) fn held(&self, at: At) -> &[Held] {
        self.held_by(self.slot(at))
    }

    pub(crate) fn held_by(&self, slot: &Slot) -> &[Held] {
        self.helds.get(slot.held)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (At, &Slot)> {
        self.slots.iter()
    }

    /// All prefixes that there is something of.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = IpNetwork> {
        self.iter().map(|(at, _)| self.prefix(at))
    }

    /// Forgets a slot that holds nothing.
    pub(crate) fn tidy(&mut self, at: At) {
        let slot = self.slot(at);
        if slot.wanted.is_none()
            && slot.held == HeldId::NOTHING
            && slot.under_way == 0
            && !slot.marks.has(Mark::Queued)
        {
            self.slots.remove(at);
        }
    }

    /// Whether held routes lead out of a device, or might.
    pub(crate) fn uses_device(&self, index: u32) -> bool {
        self.helds.use_device(index)
    }

    /// Whether held routes name a next-hop object.
    pub(crate) fn uses_object(&self, id: u32) -> bool {
        self.helds.use_object(id)
    }

    /// A route that appeared. Returns whether anything changed, and whether the mirror may be wrong now.
    pub(crate) fn appeared(&mut self, route: KernelRoute, replaces: bool) -> Outcome {
        let prefix = route.prefix;
        let new = route.held;
        let at = self.slots.entry(&prefix);
        let held = self.held(at);
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
            let index = held.iter().position(same_place).unwrap_or_default();
            self.put(at, index, Some(new));
        } else {
            self.push(at, new);
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
        let Some(at) = self.find(&route.prefix) else {
            return Outcome::Same;
        };
        let held = self.held(at);
        let alike = |at: &Held| {
            at.table == gone.table && at.metric == gone.metric && at.protocol == gone.protocol
        };
        let exact = held
            .iter()
            .position(|at| alike(at) && at.way.satisfies(&gone.way));
        if let Some(index) = exact {
            self.put(at, index, None);
            return Outcome::Changed;
        }
        let Some(index) = held.iter().position(alike) else {
            return Outcome::Same;
        };
        let rest = held
            .get(index)
            .and_then(|known| known.without_hops(&gone.way));
        match rest {
            Some(rest) if route.prefix.is_ipv6() => self.put(at, index, Some(rest)),
            _ => self.put(at, index, None),
        }
        Outcome::Unsure
    }

    /// The kernel did what an operation asked for.
    pub(crate) fn done(&mut self, at: At, operation: &Operation) {
        let new = &operation.route.held;
        let held = self.held(at);
        match operation.verb {
            Verb::Delete => {
                if let Some(index) = held.iter().position(|at| at == new) {
                    self.put(at, index, None);
                }
            }
            Verb::Add | Verb::Replace => {
                let same_place = |at: &Held| at.table == new.table && at.metric == new.metric;
                match held.iter().position(same_place) {
                    Some(index) if operation.verb == Verb::Replace => {
                        self.put(at, index, Some(new.clone()));
                    }
                    _ => self.push(at, new.clone()),
                }
            }
        }
    }

    /// The kernel knows no such route.
    pub(crate) fn missing(&mut self, at: At, route: &KernelRoute) {
        let place = |at: &Held| {
            at.table == route.held.table
                && at.metric == route.held.metric
                && at.protocol == route.held.protocol
        };
        if let Some(index) = self.held(at).iter().position(place) {
            self.put(at, index, None);
        }
    }

    /// From here on `dumped` says all that there is.
    pub(crate) fn begin_dump(&mut self) {
        let all: Vec<At> = self.slots.iter().map(|(at, _)| at).collect();
        for at in all {
            self.slot_mut(at).marks.put(Mark::Mentioned, false);
        }
    }

    /// A route of a dump. Returns whether the slot may have changed.
    pub(crate) fn dumped(&mut self, route: KernelRoute) -> bool {
        let at = self.slots.entry(&route.prefix);
        if self.slot_mut(at).marks.replace(Mark::Mentioned, true) {
            self.push(at, route.held);
            return true;
        }
        if self.held(at) == [route.held.clone()] {
            return false;
        }
        let id = self.helds.share_one(route.held);
        self.hold(at, id);
        true
    }

    /// The dump is over: what it did not mention is not there. Returns the prefixes this is news for.
    pub(crate) fn end_dump(&mut self) -> Vec<IpNetwork> {
        let stale = |slot: &Slot| !slot.marks.has(Mark::Mentioned) && slot.held != HeldId::NOTHING;
        let gone: Vec<At> = self
            .slots
            .iter()
            .filter(|(_, slot)| stale(slot))
            .map(|(at, _)| at)
            .collect();
        for at in &gone {
            self.hold(*at, HeldId::NOTHING);
        }
        gone.into_iter().map(|at| self.prefix(at)).collect()
    }

    /// What there is of prefixes that hold an address, the longest first; only lengths that can lead somewhere are visited.
    pub(crate) fn matches(&self, address: IpAddr) -> impl Iterator<Item = (u8, &Slot)> {
        let lengths = &self.lengths[usize::from(address.is_ipv6())];
        let top: u8 = if address.is_ipv6() { 128 } else { 32 };
        let exists = |length: &u8| lengths.0.get(usize::from(*length)).is_some_and(|n| *n > 0);
        (0..=top)
            .rev()
            .filter(exists)
            .filter_map(move |length| Some((length, self.find(&truncated(address, length))?)))
            .map(|(length, at)| (length, self.slot(at)))
    }

    /// Changes what is desired for a prefix. Returns what was.
    pub(crate) fn desire(
        &mut self,
        prefix: &IpNetwork,
        wanted: Option<WantId>,
    ) -> (Option<WantId>, At) {
        let at = self.slots.entry(prefix);
        let before = self.slots.desire(at, wanted);
        let length =
            &mut self.lengths[usize::from(prefix.is_ipv6())].0[usize::from(prefix.prefix())];
        match (before, wanted) {
            (None, Some(_)) => *length += 1,
            (Some(_), None) => *length = length.saturating_sub(1),
            _ => {}
        }
        (before, at)
    }

    /// The places where this is desired.
    pub(crate) fn that_want(&self, id: WantId) -> impl Iterator<Item = At> {
        self.slots.that_want(id)
    }

    /// Whether a route of another program can be the way to a next hop.
    pub(crate) fn is_candidate(&self, held: &Held) -> bool {
        is_candidate(held, self.protocol)
    }

    fn push(&mut self, at: At, new: Held) {
        if self.slot(at).held == HeldId::NOTHING {
            let id = self.helds.share_one(new);
            self.hold(at, id);
            return;
        }
        let mut list = List::from(self.held(at));
        list.push(new);
        let id = self.helds.share(list);
        self.hold(at, id);
    }

    /// Puts a route in the place of another, or nothing.
    fn put(&mut self, at: At, index: usize, new: Option<Held>) {
        let held = self.held(at);
        let id = match new {
            None if held.len() == 1 => HeldId::NOTHING,
            Some(new) if held.len() == 1 => self.helds.share_one(new),
            new => {
                let mut list = List::from(held);
                if index < list.len() {
                    list.remove(index);
                    if let Some(new) = new {
                        list.insert(index, new);
                    }
                }
                self.helds.share(list)
            }
        };
        self.hold(at, id);
    }

    /// From now on the kernel holds these.
    fn hold(&mut self, at: At, id: HeldId) {
        let old = std::mem::replace(&mut self.slot_mut(at).held, id);
        let (before, after) = (self.helds.candidates(old), self.helds.candidates(id));
        let length = usize::from(self.slot(at).length);
        let length = &mut self.lengths[usize::from(at.is_v6())].0[length];
        *length = (*length + after).saturating_sub(before);
        self.helds.release(old);
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
