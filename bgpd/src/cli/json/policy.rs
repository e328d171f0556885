// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What policies did to a route, as JSON.

use serde::Serialize;

use crate::{
    config::PeerName,
    control::{PolicyPoint, PolicyTrace, Verdict},
};

#[derive(Serialize)]
pub(super) struct TraceView<'a> {
    point: &'static str,
    neighbors: &'a [PeerName],
    verdict: &'static str,
    is_default: bool,
    rules: Vec<RuleView<'a>>,
}

#[derive(Serialize)]
struct RuleView<'a> {
    names: &'a [String],
    changes: Vec<ChangeView<'a>>,
    verdict: Option<&'static str>,
}

#[derive(Serialize)]
struct ChangeView<'a> {
    what: &'a str,
    from: &'a str,
    to: &'a str,
}

impl<'a> From<&'a PolicyTrace> for TraceView<'a> {
    fn from(trace: &'a PolicyTrace) -> Self {
        let rules = trace.hits.iter().map(|hit| RuleView {
            names: &hit.names,
            changes: (hit.changes.iter())
                .map(|change| ChangeView {
                    what: &change.what,
                    from: &change.from,
                    to: &change.to,
                })
                .collect(),
            verdict: hit.verdict.map(verdict),
        });
        Self {
            point: point(trace.point),
            neighbors: &trace.peers,
            verdict: verdict(trace.verdict),
            is_default: trace.is_default,
            rules: rules.collect(),
        }
    }
}

fn point(point: PolicyPoint) -> &'static str {
    match point {
        PolicyPoint::Import => "import",
        PolicyPoint::Export => "export",
        PolicyPoint::Kernel => "kernel",
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::Reject => "reject",
    }
}
