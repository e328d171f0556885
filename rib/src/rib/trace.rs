// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the policies do to the paths of a prefix, found out by letting them run once more.

use alloc::vec::Vec;

use bgp_proto::Prefix;

use super::Rib;
use crate::{
    PathsSent, PolicyPoint, PolicyTrace, Unusable, Verdict,
    group::Group,
    path::{Entry, Path},
    policy::Draft,
};

impl Rib {
    /// What each policy with statements does: to every path on import, and to those that go on behind it.
    pub(super) fn traces(&self, prefix: Prefix, entry: &Entry) -> Vec<PolicyTrace> {
        let paths = entry.paths.iter();
        let mut traces: Vec<PolicyTrace> = paths
            .filter_map(|path| self.import_trace(prefix, path))
            .collect();
        if let Some(best) = entry.best() {
            traces.extend(self.kernel_trace(prefix, best));
            traces.extend(self.export_traces(prefix, entry, best));
        }
        traces
    }

    fn import_trace(&self, prefix: Prefix, path: &Path) -> Option<PolicyTrace> {
        let id = path.source().peer()?;
        let policy = &self.peers.get(&id)?.info.import;
        // What is refused for another reason, policy is not asked about; what is not kept, it can not be asked about.
        if !policy.has_statements()
            || self.imports_only(id)
            || path
                .refused
                .is_some_and(|reason| reason != Unusable::Policy)
        {
            return None;
        }
        let received = path.received();
        let facts = self
            .around()
            .import_facts(prefix, path.source(), received)?;
        let values = received.unpack();
        Some(PolicyTrace::of(
            PolicyPoint::Import,
            alloc::vec![id],
            |watch| policy.run(&facts, &mut Draft::new(&values), watch),
        ))
    }

    fn kernel_trace(&self, prefix: Prefix, best: &Path) -> Option<PolicyTrace> {
        if !self.config.kernel_export.has_statements() || !best.source().is_installed() {
            return None;
        }
        let run = |watch: &mut _| match self.around().kernel_export(prefix, best, watch) {
            Ok(_) => Verdict::Accept,
            Err(_) => Verdict::Reject,
        };
        Some(PolicyTrace::of(PolicyPoint::Kernel, Vec::new(), run))
    }

    /// For each group, what it does to the paths that are looked at for it, in order.
    fn export_traces(&self, prefix: Prefix, entry: &Entry, best: &Path) -> Vec<PolicyTrace> {
        let family = prefix.family();
        let around = self.around();
        let mut traces = Vec::new();
        for group in &self.groups {
            if !group.key.export.has_statements() || !group.key.has_family(family) {
                continue;
            }
            let mut look = |path: &Path| {
                let trace = self.export_trace(prefix, path, group);
                let passes = (trace.as_ref()).is_some_and(|trace| trace.verdict == Verdict::Accept);
                traces.extend(trace);
                passes
            };
            if let Some(paths) = group.key.paths_sent(family) {
                paths.choose(entry, &around, look);
            } else if !look(best) && group.key.chooses() {
                let is_best =
                    |path: &Path| (path.source(), path.path_id) == (best.source(), best.path_id);
                PathsSent::default().choose(entry, &around, |path| !is_best(path) && look(path));
            }
        }
        traces
    }

    /// `None`: policy is not asked about this path, or there is nobody to tell.
    fn export_trace(&self, prefix: Prefix, path: &Path, group: &Group) -> Option<PolicyTrace> {
        let around = self.around();
        let sender = around.sender(path.source());
        let reflection = around.telling(&group.key, path, sender).ok()?;
        let peers = group.peers().filter(|id| Some(*id) != path.source().peer());
        let peers: Vec<_> = peers.collect();
        if peers.is_empty() {
            return None;
        }
        let facts = around.export_facts(prefix, path, sender, &group.key);
        Some(PolicyTrace::of(PolicyPoint::Export, peers, |watch| {
            let sent = group.key.under_policy(path, &facts, reflection, watch);
            sent.map_or(Verdict::Reject, |_| Verdict::Accept)
        }))
    }
}
