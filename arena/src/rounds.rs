// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All runs of a case, in rounds: in each of them every daemon runs once, on a machine that has come to rest, and who was first
//! is last in the next one.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{Case, Contestant, Entrant, Kind, Machine, Outcome, Results, Size, case::Axis};

/// Who has needed so much for a case is not run again: it would not say more.
const LONG: Duration = Duration::from_secs(40);

/// Nothing small takes longer.
const QUICK: Duration = Duration::from_secs(20);

/// Who runs, and how often.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// Ours and the others.
    pub contestants: Vec<Contestant>,
    /// How often.
    pub runs: u32,
    /// Sizes that only show that it works.
    pub is_quick: bool,
    /// So many routes instead.
    pub routes: Option<u32>,
}

/// A daemon at a size.
struct Entry {
    contestant: Contestant,
    size: Size,
    has_failed: bool,
}

impl Rounds {
    /// How long a case takes with BIRD, about.
    pub fn estimate(&self, case: &Case) -> Duration {
        let rounds = if u64::from(case.seconds) > LONG.as_secs() {
            1
        } else {
            self.runs
        };
        Duration::from_secs((case.seconds * rounds).into())
    }

    /// Runs it. After each round what there is so far is handed out.
    pub fn run(
        &self,
        case: &Case,
        machine: &mut Machine,
        mut so_far: impl FnMut(&Results, &Machine),
    ) -> Results {
        let axis = case.series.map(|series| series.axis);
        let mut entries = self.entries(case);
        let mut results = Results {
            axis,
            of: entries
                .iter()
                .map(|entry| (entry.entrant(axis), Vec::new()))
                .collect(),
        };
        let mut used: BTreeMap<Kind, Duration> = BTreeMap::new();
        for round in 0..self.runs as usize {
            let is_over = |entry: &Entry| {
                let used = used.get(&entry.contestant.kind);
                entry.has_failed || used.is_some_and(|used| *used > LONG)
            };
            let over: Vec<bool> = entries.iter().map(is_over).collect();
            let count = entries.len();
            for turn in 0..count {
                let place = if round % 2 == 0 {
                    turn
                } else {
                    count - 1 - turn
                };
                let entry = &mut entries[place];
                if !over[place] {
                    machine.rest();
                    let begun = Instant::now();
                    let outcome = self.once(case, entry);
                    *used.entry(entry.contestant.kind).or_default() += begun.elapsed();
                    entry.has_failed = outcome.fault.is_some();
                    let name = results.name(entry.entrant(axis));
                    eprintln!("{} {name} {}: {outcome:?}", case.name, round + 1);
                    results.of[place].1.push(outcome);
                }
            }
            so_far(&results, machine);
        }
        results
    }

    fn entries(&self, case: &Case) -> Vec<Entry> {
        let able = |contestant: &&Contestant| !case.without.contains(&contestant.kind);
        let mut all = Vec::new();
        let limits = case.limits.iter().filter_map(|kind| {
            let (kind, program) = (*kind, kind.program().ok()?);
            Some(Contestant { kind, program })
        });
        let able = self.contestants.iter().filter(able).cloned();
        for contestant in able.chain(limits) {
            for mut size in case.sizes(self.is_quick) {
                if case.series.is_none() {
                    size.routes = self.routes.unwrap_or(size.routes);
                }
                all.push(Entry {
                    contestant: contestant.clone(),
                    size,
                    has_failed: false,
                });
            }
        }
        all
    }

    fn once(&self, case: &Case, entry: &Entry) -> Outcome {
        let limit = if self.is_quick { QUICK } else { case.limit };
        let outcome = crate::run(case, entry.size, limit, &entry.contestant);
        outcome.unwrap_or_else(|error| Outcome {
            fault: Some(format!("{error:#}")),
            ..Outcome::default()
        })
    }
}

impl Entry {
    fn entrant(&self, axis: Option<Axis>) -> Entrant {
        Entrant {
            kind: self.contestant.kind,
            at: axis.map(|axis| axis.of(self.size)),
        }
    }
}
