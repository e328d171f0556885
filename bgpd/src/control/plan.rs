// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a configuration would change before it is read: which sessions, routes and kernel routes.

use std::time::Duration;

use bgp_proto::{PathAttributes, Prefix};

use super::PolicyChange;
use crate::config::PeerName;

/// The largest configuration that is planned with.
pub const MAX_PLANNED_FILE: usize = 4 << 20;

/// The most examples of each kind.
pub const MAX_EXAMPLES: usize = 1000;

/// As long as routes are looked at, at most.
pub const MAX_PLANNING: Duration = Duration::from_secs(25);

/// A configuration to plan with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlanRequest {
    /// Its name, for messages, and for its format.
    pub file: String,
    /// What is in it.
    pub text: String,
    /// How many examples of each kind.
    pub examples: usize,
    /// How long routes are looked at.
    pub time_limit: Duration,
}

/// What a configuration would change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// As a reload would say it, with what it means for sessions.
    pub changes: Vec<PlannedChange>,
    /// Routes of neighbours with differences, by neighbour.
    pub peers: Vec<PeerForecast>,
    /// Best paths.
    pub best: Forecast,
    /// Routes in the kernel: installed, removed, replaced.
    pub kernel: Forecast,
    /// Prefixes that were looked at.
    pub prefixes: u64,
    /// The time was over before all had been looked at: counts are those of the prefixes that were.
    pub is_partial: bool,
    /// What can't be known beforehand, and why.
    pub notes: Vec<String>,
    /// Warnings of the configuration.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Nothing would change.
    pub fn is_empty(&self) -> bool {
        let silent = self.peers.iter().all(PeerForecast::is_empty);
        self.changes.is_empty() && silent && self.best.is_empty() && self.kernel.is_empty()
    }
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedChange {
    /// As a reload says it.
    pub text: String,
    /// What it means.
    pub effect: Effect,
    /// Whose session it is about, if it is about one.
    pub peer: Option<PeerName>,
    /// Keys of the configuration that are different.
    pub keys: Vec<String>,
}

/// What a change means for sessions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// No session notices.
    Live,
    /// The neighbour is asked for its routes again.
    RoutesAgain,
    /// A session begins.
    SessionStarts,
    /// A session ends.
    SessionEnds,
    /// A session ends and begins anew.
    SessionRestarts,
    /// It has no effect before the daemon is restarted.
    NeedsRestart,
}

/// What would be different for one neighbour.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerForecast {
    /// Which.
    pub peer: PeerName,
    /// Routes from it that come in, fall out, or come in otherwise.
    pub import: Forecast,
    /// Routes that it is sent.
    pub export: Forecast,
}

impl PeerForecast {
    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.import.is_empty() && self.export.is_empty()
    }
}

/// Routes that come, go, or stay and are otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// That come.
    pub added: Tally,
    /// That go.
    pub removed: Tally,
    /// That stay.
    pub changed: Tally,
}

impl Forecast {
    /// None.
    pub fn is_empty(&self) -> bool {
        self.added.count + self.removed.count + self.changed.count == 0
    }
}

/// How many, and some of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

impl Tally {
    /// One more; described if there is room for it among the examples.
    pub fn add(&mut self, examples: usize, describe: impl FnOnce() -> Example) {
        self.count += 1;
        if self.examples.len() < examples {
            self.examples.push(describe());
        }
    }
}

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its destination.
    pub prefix: Prefix,
    /// What is different of it, in words.
    pub text: String,
}

/// In what two sets of attributes differ, in a fixed order. What one of them does not have is empty.
pub fn differences(before: &PathAttributes, after: &PathAttributes) -> Vec<PolicyChange> {
    let both = fields(before).into_iter().zip(fields(after));
    both.filter(|((_, from), (_, to))| from != to)
        .map(|((what, from), (_, to))| PolicyChange {
            what: what.to_owned(),
            from,
            to,
        })
        .collect()
}

fn fields(attributes: &PathAttributes) -> [(&'static str, String); 15] {
    fn text(value: Option<impl ToString>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    fn list(values: &[impl ToString]) -> String {
        let words: Vec<String> = values.iter().map(ToString::to_string).collect();
        words.join(" ")
    }
    let aggregator = attributes.aggregator.as_ref();
    let unknown: Vec<String> = attributes
        .unknown
        .iter()
        .map(|unknown| format!("{}:{:02x?}", unknown.code, unknown.value))
        .collect();
    [
        ("ORIGIN", attributes.origin.to_string()),
        ("AS_PATH", attributes.as_path.to_string()),
        ("NEXT_HOP", attributes.next_hop.to_string()),
        ("MED", text(attributes.med)),
        ("LOCAL_PREF", text(attributes.local_pref)),
        (
            "ATOMIC_AGGREGATE",
            text(attributes.atomic_aggregate.then_some("yes")),
        ),
        (
            "AGGREGATOR",
            text(aggregator.map(|by| format!("AS {} {}", by.asn, by.address))),
        ),
        ("COMMUNITIES", list(&attributes.communities)),
        (
            "EXTENDED_COMMUNITIES",
            list(&attributes.extended_communities),
        ),
        ("LARGE_COMMUNITIES", list(&attributes.large_communities)),
        (
            "ORIGINATOR_ID",
            text(attributes.originator_id.map(bgp_proto::RouterId::addr)),
        ),
        ("CLUSTER_LIST", list(&attributes.cluster_list)),
        ("AIGP", text(attributes.aigp)),
        ("OTC", text(attributes.only_to_customer)),
        ("unknown", unknown.join(" ")),
    ]
}

/// `LOCAL_PREF 100 -> 200, MED none -> 5`.
pub fn in_words(changes: &[PolicyChange]) -> String {
    let or_none = |text: &str| {
        if text.is_empty() {
            "none".to_owned()
        } else {
            text.to_owned()
        }
    };
    let words: Vec<String> = changes
        .iter()
        .map(|change| {
            let (from, to) = (or_none(&change.from), or_none(&change.to));
            format!("{} {from} -> {to}", change.what)
        })
        .collect();
    words.join(", ")
}
