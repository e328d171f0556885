// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which targets get a next-hop object, and what follows when an object changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::{Reconciler, Resolved};
use crate::kernel::{KernelHop, Kind, Way};
use crate::objects::{Object, ObjectOperation};
use crate::wants::WantId;
use crate::{Hop, Refusal};

impl Reconciler {
    /// A want has a route more.
    pub(super) fn user_came(&mut self, id: WantId) {
        let Some(many) = self.config.nexthop_objects else {
            return;
        };
        // The first may find an object of a previous run.
        let users = self.wants.users(id);
        if (users == 1 || users >= many) && self.wants.object(id).is_none() {
            self.review(id);
        }
    }

    /// Something that a want needs is another way now, and it may come to something else by that (`moved`). If its routes
    /// name an object, and still do, the object is all that changes in the kernel.
    pub(super) fn want_moved(&mut self, id: WantId, moved: bool) {
        let had = self.wants.object(id).is_some();
        self.review(id);
        if !moved {
            return;
        }
        if had && self.wants.object(id).is_some() {
            for at in self.table.that_want(id).collect::<Vec<_>>() {
                self.way_changed(&self.table.prefix(at));
            }
        } else {
            self.enqueue_users(id);
        }
    }

    /// Decides anew whether the routes of a want name an object, and what it leads to.
    fn review(&mut self, id: WantId) {
        let had = self.wants.object(id).cloned();
        let now = self.object_for(id, had.is_some());
        if had.is_some()
            && now.is_none()
            && let Some(want) = self.wants.want(id)
        {
            self.objects.release(want.hops());
        }
        if had != now {
            self.wants.set_object(id, now);
            self.enqueue_users(id);
        }
    }

    pub(super) fn review_all(&mut self) {
        for id in self.wants.ids() {
            self.review(id);
        }
    }

    fn review_targets(&mut self, targets: &[Vec<Hop>]) {
        let concerned = |id: &WantId| {
            let want = self.wants.want(*id);
            want.is_some_and(|want| targets.iter().any(|target| target == want.hops()))
        };
        if targets.is_empty() {
            return;
        }
        for id in self
            .wants
            .ids()
            .into_iter()
            .filter(concerned)
            .collect::<Vec<_>>()
        {
            self.review(id);
        }
    }

    fn object_for(&mut self, id: WantId, has: bool) -> Option<Arc<Way>> {
        let many = self.config.nexthop_objects?;
        let want = self.wants.want(id)?;
        let Resolved::Ready(way) = self.wants.resolved(id)? else {
            return None;
        };
        if way.kind != Kind::Unicast {
            return None;
        }
        // The kernel has no objects over a device without carrier.
        let live = |hop: &&KernelHop| self.links.is_running(hop.ifindex);
        let hops: Vec<KernelHop> = way.hops.iter().filter(live).cloned().collect();
        let pays =
            has || self.wants.users(id) >= many || self.objects.can_adopt(want.hops(), &hops);
        if hops.is_empty() || !pays {
            return None;
        }
        let object = self.objects.group(want.hops(), &hops, has)?;
        Some(Arc::new(Way::object(object, want.source)))
    }

    /// What is to be done about next-hop objects, before any route. Each wants its answer
    /// ([`object_answer`](Self::object_answer)) before the next call.
    pub fn object_batch(&self) -> Vec<ObjectOperation> {
        let is_used = |id| self.table.uses_object(id);
        self.objects.operations(self.swept, is_used)
    }

    /// The kernel's answer to an operation.
    pub fn object_answer(
        &mut self,
        operation: &ObjectOperation,
        answer: &Result<(), Refusal>,
        now: Instant,
    ) {
        match answer {
            Ok(()) => self.objects.done(operation),
            Err(refusal) => {
                let targets = self.objects.refused(operation, refusal, now);
                self.review_targets(&targets);
                self.want_resync(now);
            }
        }
    }

    /// A next-hop object appeared or changed.
    pub fn object(&mut self, id: u32, object: Object, now: Instant) {
        let targets = self.objects.appeared(id, object, now);
        self.review_targets(&targets);
    }

    /// A next-hop object went, and routes with it of which the kernel says nothing.
    pub fn object_gone(&mut self, id: u32, now: Instant) {
        let targets = self.objects.vanished(id, now);
        self.review_targets(&targets);
        self.want_resync(now);
    }

    /// All next-hop objects there are.
    pub fn resync_objects(&mut self, objects: BTreeMap<u32, Object>) {
        self.objects.resync(objects);
    }

    /// Targets that had to do without objects long enough get them again.
    pub(super) fn wake_objects(&mut self, now: Instant) {
        let targets = self.objects.wake(now);
        self.review_targets(&targets);
    }

    /// The next-hop object that a desired route names.
    pub(super) fn object_of(&self, id: WantId) -> Option<u32> {
        self.wants.object(id)?.object
    }
}
