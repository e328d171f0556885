// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What to write so that the kernel's table becomes the desired one.
//!
//! Level triggered: it looks at what is desired and what is there, never at how it came to be so. Refuses to touch a route
//! that is not ours, whatever is desired.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::kernel::{Held, KernelRoute, Way, stored_metric};

/// Which routes are ours: those with one of our tables, our protocol and one of our metrics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ownership {
    /// Our tables.
    pub tables: BTreeSet<u32>,
    /// Our protocol number.
    pub protocol: u8,
    /// The metrics we write, as configured: 0 stands for none.
    pub metrics: BTreeSet<u32>,
}

impl Ownership {
    /// Whether a route to this prefix is ours.
    pub fn owns(&self, prefix: &IpNetwork, held: &Held) -> bool {
        let no_metric = held.metric == stored_metric(prefix, 0) && self.metrics.contains(&0);
        self.tables.contains(&held.table)
            && held.protocol == self.protocol
            && (no_metric || self.metrics.contains(&held.metric))
    }
}

/// A desired route with its devices looked up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Goal {
    /// The table.
    pub table: u32,
    /// The metric, as the kernel stores it.
    pub metric: u32,
    /// Where it shall lead.
    pub way: Arc<Way>,
}

/// One message to the kernel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operation {
    /// What to do.
    pub verb: Verb,
    /// The route to write, or to delete.
    pub route: KernelRoute,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Write a new route; the kernel refuses if there is one with this prefix and metric (`NLM_F_CREATE | NLM_F_EXCL`).
    Add,
    /// Put it in the place of ours with the same prefix and metric, in one step (`NLM_F_REPLACE`).
    Replace,
    /// Delete ours.
    Delete,
}

/// What one prefix needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Nothing: the kernel has what is desired.
    Settled,
    /// A route of another program has the same prefix and metric; ours is not there.
    Blocked {
        /// Protocol number of that route.
        protocol: u8,
    },
    /// These, and then a new decision: what makes comes before what breaks.
    Write(Vec<Operation>),
}

/// Decides for one prefix. `goal` is `None` if nothing of ours shall be there.
pub fn decide(prefix: IpNetwork, goal: Option<&Goal>, held: &[Held], own: &Ownership) -> Decision {
    let delete = |held: &Held| Operation {
        verb: Verb::Delete,
        route: KernelRoute {
            prefix,
            held: held.clone(),
        },
    };
    let mine = || held.iter().filter(|held| own.owns(&prefix, held));
    let Some(goal) = goal else {
        return Decision::of(mine().map(delete).collect());
    };
    let exact = |held: &&Held| held.table == goal.table && held.metric == goal.metric;
    let good = mine()
        .filter(exact)
        .find(|held| held.way.satisfies(&goal.way));
    if let Some(good) = good {
        let others = mine().filter(|held| !std::ptr::eq(*held, good));
        return Decision::of(others.map(delete).collect());
    }
    let foreign = held.iter().find(|held| {
        held.table == goal.table && held.metric == goal.metric && !own.owns(&prefix, held)
    });
    if let Some(foreign) = foreign {
        // Ours, if any, leads the wrong way, and cannot be replaced without risk to the foreign one.
        return match Decision::of(mine().map(delete).collect()) {
            Decision::Settled => Decision::Blocked {
                protocol: foreign.protocol,
            },
            deletions => deletions,
        };
    }
    let verb = if mine().any(|held| exact(&held)) {
        Verb::Replace
    } else {
        Verb::Add
    };
    let held = Held {
        table: goal.table,
        metric: goal.metric,
        protocol: own.protocol,
        way: Arc::clone(&goal.way),
    };
    Decision::Write(vec![Operation {
        verb,
        route: KernelRoute { prefix, held },
    }])
}

impl Decision {
    fn of(operations: Vec<Operation>) -> Self {
        if operations.is_empty() {
            Self::Settled
        } else {
            Self::Write(operations)
        }
    }
}

/// One round for a whole table: the operations that bring `actual` nearer to `desired`. Apply them and plan again until
/// nothing is left; two rounds are enough unless somebody else writes too.
pub fn plan(
    desired: &BTreeMap<IpNetwork, Goal>,
    actual: &BTreeMap<IpNetwork, Vec<Held>>,
    own: &Ownership,
) -> Vec<Operation> {
    let prefixes: BTreeSet<_> = desired.keys().chain(actual.keys()).collect();
    let mut operations = Vec::new();
    for prefix in prefixes {
        let held = actual.get(prefix).map_or(&[][..], Vec::as_slice);
        if let Decision::Write(more) = decide(*prefix, desired.get(prefix), held, own) {
            operations.extend(more);
        }
    }
    operations
}
