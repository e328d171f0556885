// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the queue of prefixes to operations, and back from the kernel's answers.

use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::{Late, Reconciler};
use crate::plan::{Decision, Operation, Verb, decide};
use crate::slots::At;
use crate::table::Mark;
use crate::trouble::{Cause, Refusal, errno};

/// A resync waits no longer than this for routes that are to be written.
const PATIENCE: Duration = Duration::from_secs(1);

impl Reconciler {
    /// When it wants to be called again ([`tick`](Self::tick), [`batch`](Self::batch), [`wants_resync`](Self::wants_resync))
    /// though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let write = self.write_not_before.filter(|_| !self.queue.is_empty());
        let resync = self.resync_at.map(|at| at.max(self.resync_not_before));
        [
            write,
            resync,
            self.scan_at,
            self.sweep_at,
            self.troubles.next(),
            self.objects.next_wake(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Lets time pass: retries that are due, the deferred sweep.
    pub fn tick(&mut self, now: Instant) {
        if self.sweep_at.is_some_and(|at| at <= now) {
            self.converged();
        }
        while let Some(prefix) = self.troubles.pop_due(now) {
            self.enqueue_prefix(&prefix);
        }
        self.troubles.prune(now);
        self.wake_objects(now);
    }

    /// Whether [`batch`](Self::batch) has something to do now.
    pub fn is_ready(&self, now: Instant) -> bool {
        self.has_routes_ready(now) || !self.object_batch().is_empty()
    }

    fn has_routes_ready(&self, now: Instant) -> bool {
        !self.queue.is_empty() && self.write_not_before.is_none_or(|at| at <= now)
    }

    /// Whether everything shall be read anew, now.
    pub fn wants_resync(&self, now: Instant) -> bool {
        let due = |at: Instant| at.max(self.resync_not_before) <= now;
        // What is known to be wrong is put right first: to read a large table takes its time.
        let hurry = |at: &Instant| !self.has_routes_ready(now) || *at + PATIENCE <= now;
        self.resync_at.filter(hurry).is_some_and(due) || self.scan_at.is_some_and(due)
    }

    /// Whether all that is desired was written or found, or is known to be in trouble.
    pub fn is_settled(&self) -> bool {
        self.queue.is_empty()
            && self.changes.prefixes.is_empty()
            && self.under_way == 0
            && self.resync_at.is_none()
            && self.object_batch().is_empty()
    }

    /// Whether nothing is left to write, not even later.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.under_way == 0
            && self.troubles.next().is_none()
            && self.object_batch().is_empty()
    }

    /// The next operations, at least one if there is any and about `limit` at most. Each wants its answer
    /// ([`answer`](Self::answer)), in order; until then nothing more is done about its prefix, but there may be other batches.
    pub fn batch(&mut self, limit: usize, now: Instant) -> Vec<Operation> {
        let mut out = Vec::new();
        if !self.has_routes_ready(now) {
            return out;
        }
        self.write_not_before = None;
        while out.len() < limit {
            let Some(at) = self.queue.pop_front() else {
                break;
            };
            self.consider(at, now, &mut out);
        }
        self.under_way += out.len();
        if self.queue.is_empty() && self.under_way == 0 {
            self.retired.clear();
        }
        out
    }

    fn consider(&mut self, at: At, now: Instant, out: &mut Vec<Operation>) {
        let slot = self.table.slot_mut(at);
        slot.marks.put(Mark::Queued, false);
        if slot.under_way > 0 {
            slot.marks.put(Mark::Again, true);
        } else if let Some(operations) = self.look_at(at) {
            self.emit(at, operations, now, out);
        }
    }

    /// Compares what is desired at a place with what is there. Returns what is to be done, if that is anything.
    fn look_at(&mut self, at: At) -> Option<Vec<Operation>> {
        let prefix = self.table.prefix(at);
        let goal = self.goal(at);
        let slot = self.table.slot_mut(at);
        slot.marks.put(Mark::Satisfied, false);
        let wanted = slot.wanted.is_some();
        if !wanted && !slot.marks.has(Mark::Touched) && !self.swept {
            return None;
        }
        let held = self.table.held(at);
        let mut decision = decide(prefix, goal.as_ref(), held, &self.own);
        for old in &self.retired {
            decision = match decision {
                Decision::Settled => decide(prefix, None, held, old),
                Decision::Blocked { .. } => {
                    supersede(prefix, goal.as_ref(), held, &self.own, old, decision)
                }
                write @ Decision::Write(_) => write,
            };
        }
        match decision {
            Decision::Settled if goal.is_some() => {
                let marks = &mut self.table.slot_mut(at).marks;
                marks.put(Mark::Satisfied, true);
                marks.put(Mark::Stolen, false);
                self.troubles.clear(&prefix);
                self.note_good(prefix);
            }
            Decision::Settled if wanted => self.note_trouble(prefix), // waits for an interface
            Decision::Settled => {
                self.note_good(prefix);
                self.table.tidy(at);
            }
            Decision::Blocked { .. } => {
                self.troubles.clear(&prefix);
                self.note_trouble(prefix);
            }
            Decision::Write(operations) => return Some(operations),
        }
        None
    }

    /// Passes operations on, unless it is too early for a prefix in trouble.
    fn emit(
        &mut self,
        at: At,
        mut operations: Vec<Operation>,
        now: Instant,
        out: &mut Vec<Operation>,
    ) {
        let prefix = self.table.prefix(at);
        let trouble = self.troubles.get(&prefix);
        if trouble.is_some_and(|trouble| trouble.next_try > now) {
            return;
        }
        let stolen = self.table.slot(at).marks.has(Mark::Stolen);
        let makes = operations
            .iter()
            .any(|operation| operation.verb != Verb::Delete);
        if stolen && makes && !self.troubles.may_restore(prefix, now) {
            self.note_trouble(prefix);
            return;
        }
        operations.truncate(usize::from(u8::MAX));
        let count = u8::try_from(operations.len()).unwrap_or(u8::MAX);
        self.table.slot_mut(at).under_way = count;
        out.extend(operations);
    }

    /// The kernel's answer to the next operation that is without one.
    pub fn answer(&mut self, operation: &Operation, answer: Result<(), Refusal>, now: Instant) {
        let Some(at) = self.table.find(&operation.route.prefix) else {
            return;
        };
        let is_done = self.take_answer(at, operation, answer, now);
        if self.landed(at, now) && is_done && self.look_at(at).is_some() {
            self.enqueue(at);
        }
    }

    /// Returns whether the operation has had its effect, or needs none.
    fn take_answer(
        &mut self,
        at: At,
        operation: &Operation,
        answer: Result<(), Refusal>,
        now: Instant,
    ) -> bool {
        let names_object = operation.route.held.way.object.is_some();
        match (operation.verb, answer) {
            (Verb::Delete, Err(refusal)) if is_missing(&refusal) => self.table.done(at, operation),
            // With the object went the routes that named it.
            (Verb::Delete, Err(refusal)) if refusal.errno == errno::EINVAL && names_object => {
                self.table.done(at, operation);
                self.want_resync(now);
            }
            (Verb::Replace, Err(refusal)) if is_missing(&refusal) => {
                self.table.missing(at, &operation.route);
                self.want_resync(now);
            }
            (verb, Err(refusal)) => {
                if verb == Verb::Add && refusal.errno == errno::EEXIST || names_object {
                    self.want_resync(now); // there is something that we do not know of, or is not any more
                }
                self.refused(operation.route.prefix, refusal, now);
                return false;
            }
            (verb, Ok(())) => {
                self.table.done(at, operation);
                if verb != Verb::Delete {
                    self.table.slot_mut(at).marks.put(Mark::Written, true);
                }
            }
        }
        true
    }

    /// An operation is under way no more. What was heard of its prefix meanwhile may have come before it or after it: only the
    /// kernel knows. Returns whether nothing is under way at its place now.
    fn landed(&mut self, at: At, now: Instant) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        let slot = self.table.slot_mut(at);
        slot.under_way = slot.under_way.saturating_sub(1);
        if slot.under_way > 0 {
            return false;
        }
        if slot.marks.replace(Mark::Again, false) {
            // A refusal was of something else than what is desired now.
            self.troubles.clear(&self.table.prefix(at));
            self.enqueue(at);
        }
        if !self.late.is_empty() {
            let prefix = self.table.prefix(at);
            let concerned = |late: &mut Late| late.route.prefix == prefix;
            for late in self.late.extract_if(.., concerned).collect::<Vec<_>>() {
                self.follow_late(late, now);
                self.want_resync(now);
            }
        }
        true
    }

    /// Nobody knows what became of a batch. It is tried again after a look at the kernel.
    pub fn unanswered(&mut self, operations: &[Operation], refusal: &Refusal, now: Instant) {
        for operation in operations {
            self.refused(operation.route.prefix, refusal.clone(), now);
            if let Some(at) = self.table.find(&operation.route.prefix) {
                // If it is there after all, that was us.
                self.table.slot_mut(at).marks.put(Mark::Written, true);
                self.landed(at, now);
            }
        }
        self.want_resync(now);
    }

    fn refused(&mut self, prefix: IpNetwork, mut refusal: Refusal, now: Instant) {
        if refusal.errno == errno::EPERM {
            refusal.words.push_str(" (needs CAP_NET_ADMIN)");
        }
        if self.troubles.refused(prefix, refusal, now) {
            self.note_trouble(prefix);
        }
    }

    pub(super) fn is_contested(&self, prefix: &IpNetwork) -> bool {
        let trouble = self.troubles.get(prefix);
        trouble.is_some_and(|trouble| matches!(trouble.cause, Cause::Contested))
    }
}

fn is_missing(refusal: &Refusal) -> bool {
    refusal.errno == errno::ESRCH || refusal.errno == errno::ENOENT
}

/// A route that was ours under the previous configuration is in the way: that one may be replaced.
fn supersede(
    prefix: IpNetwork,
    goal: Option<&crate::plan::Goal>,
    held: &[crate::kernel::Held],
    own: &crate::plan::Ownership,
    old: &crate::plan::Ownership,
    blocked: Decision,
) -> Decision {
    let Some(goal) = goal else { return blocked };
    let mut place = held
        .iter()
        .filter(|held| held.table == goal.table && held.metric == goal.metric);
    if !place.all(|held| old.owns(&prefix, held)) {
        return blocked;
    }
    match decide(prefix, Some(goal), &[], own) {
        Decision::Write(mut operations) => {
            for operation in &mut operations {
                operation.verb = Verb::Replace;
            }
            Decision::Write(operations)
        }
        other => other,
    }
}
