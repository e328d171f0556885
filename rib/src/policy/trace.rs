// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a policy did to one route, told step by step.

use alloc::{
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::fmt::{Display, Write as _};

use super::{Draft, Facts, Verdict, Watch};
use crate::PeerId;

/// Where a policy is asked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PolicyPoint {
    /// What a neighbour announces comes in.
    Import,
    /// A neighbour is told.
    Export,
    /// The best path goes into the forwarding table.
    Kernel,
}

/// What a policy did to one path of a prefix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyTrace {
    /// Where.
    pub point: PolicyPoint,
    /// Whose policy: the neighbour it comes from, or those that are told the same; nobody for the kernel.
    pub peers: Vec<PeerId>,
    /// What became of it.
    pub verdict: Verdict,
    /// No statement decided.
    pub is_default: bool,
    /// What held, in order.
    pub hits: Vec<PolicyHit>,
}

/// Steps that were taken under one name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyHit {
    /// The names, the outermost first: of a policy and its statement.
    pub names: Vec<Arc<str>>,
    /// What was changed.
    pub changes: Vec<PolicyChange>,
    /// It decided.
    pub verdict: Option<Verdict>,
}

/// A change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyChange {
    /// Of what, in the words of the RFCs.
    pub what: &'static str,
    /// What it was; empty if there was none.
    pub from: String,
    /// What it is; empty if there is none.
    pub to: String,
}

impl PolicyTrace {
    /// What is written down while a policy runs.
    pub(crate) fn of(
        point: PolicyPoint,
        peers: Vec<PeerId>,
        run: impl FnOnce(&mut Recorder) -> Verdict,
    ) -> Self {
        let mut recorder = Recorder::default();
        let verdict = run(&mut recorder);
        Self {
            point,
            peers,
            verdict,
            is_default: recorder.hits.iter().all(|hit| hit.verdict.is_none()),
            hits: recorder.hits,
        }
    }
}

/// Writes down what a policy does.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    names: Vec<Arc<str>>,
    hits: Vec<PolicyHit>,
    before: Vec<(&'static str, String)>,
}

impl Recorder {
    /// What is noted under the current names.
    fn current(&mut self) -> Option<&mut PolicyHit> {
        if self.hits.last().is_none_or(|hit| hit.names != self.names) {
            self.hits.push(PolicyHit {
                names: self.names.clone(),
                ..PolicyHit::default()
            });
        }
        self.hits.last_mut()
    }
}

impl Watch for Recorder {
    fn entered(&mut self, name: &Arc<str>) {
        self.names.push(Arc::clone(name));
    }

    fn left(&mut self) {
        self.names.pop();
    }

    fn hit(&mut self) {
        self.current();
    }

    fn acts(&mut self, draft: &Draft<'_>, facts: &Facts) {
        self.before = fields(draft, facts);
    }

    fn acted(&mut self, draft: &Draft<'_>, facts: &Facts) {
        let before = core::mem::take(&mut self.before);
        let changes = before.into_iter().zip(fields(draft, facts));
        let changes = changes.filter(|(before, now)| before != now);
        let changes: Vec<PolicyChange> = changes
            .map(|((what, from), (_, to))| PolicyChange { what, from, to })
            .collect();
        if let Some(hit) = self.current() {
            hit.changes.extend(changes);
        }
    }

    fn decided(&mut self, verdict: Verdict) {
        if let Some(hit) = self.current() {
            hit.verdict = Some(verdict);
        }
    }
}

/// All that a policy can change, as texts, in a fixed order.
fn fields(draft: &Draft<'_>, facts: &Facts) -> Vec<(&'static str, String)> {
    fn text(value: Option<impl Display>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    fn list(values: &[impl Display]) -> String {
        let mut out = String::new();
        for (place, value) in values.iter().enumerate() {
            let space = if place > 0 { " " } else { "" };
            // A String takes everything.
            let _ = write!(out, "{space}{value}");
        }
        out
    }
    let attributes = draft.attributes.as_ref();
    let kernel = &draft.kernel;
    alloc::vec![
        ("ORIGIN", attributes.origin.to_string()),
        ("AS_PATH", attributes.as_path.to_string()),
        ("NEXT_HOP", attributes.next_hop.to_string()),
        ("MED", text(attributes.med)),
        ("LOCAL_PREF", text(attributes.local_pref)),
        ("COMMUNITIES", list(&attributes.communities)),
        (
            "EXTENDED_COMMUNITIES",
            list(&attributes.extended_communities)
        ),
        ("LARGE_COMMUNITIES", list(&attributes.large_communities)),
        (
            "preference",
            draft.preference.unwrap_or(facts.preference).to_string()
        ),
        ("metric", text(kernel.metric)),
        ("preferred source", text(kernel.source)),
        ("table", text(kernel.table)),
        ("tunnel", text(kernel.tunnel.as_ref())),
    ]
}
