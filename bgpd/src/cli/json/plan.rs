// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a configuration would change.

use serde::Serialize;

use crate::control::{Effect, Forecast, PeerForecast, Plan, PlannedChange, Tally};

#[derive(Serialize)]
pub(in crate::cli) struct PlanView<'a> {
    changes: Vec<ChangeView<'a>>,
    neighbors: Vec<NeighborView<'a>>,
    best: ForecastView<'a>,
    kernel: ForecastView<'a>,
    prefixes: u64,
    partial: bool,
    notes: &'a [String],
    warnings: &'a [String],
}

#[derive(Serialize)]
struct ChangeView<'a> {
    text: &'a str,
    effect: &'static str,
    address: Option<String>,
    keys: &'a [String],
}

#[derive(Serialize)]
struct NeighborView<'a> {
    address: String,
    import: ForecastView<'a>,
    export: ForecastView<'a>,
}

#[derive(Serialize)]
struct ForecastView<'a> {
    added: TallyView<'a>,
    removed: TallyView<'a>,
    changed: TallyView<'a>,
}

#[derive(Serialize)]
struct TallyView<'a> {
    count: u64,
    examples: Vec<ExampleView<'a>>,
}

#[derive(Serialize)]
struct ExampleView<'a> {
    prefix: String,
    text: &'a str,
}

impl<'a> From<&'a Plan> for PlanView<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            changes: plan.changes.iter().map(ChangeView::from).collect(),
            neighbors: plan.peers.iter().map(NeighborView::from).collect(),
            best: (&plan.best).into(),
            kernel: (&plan.kernel).into(),
            prefixes: plan.prefixes,
            partial: plan.is_partial,
            notes: &plan.notes,
            warnings: &plan.warnings,
        }
    }
}

impl<'a> From<&'a PlannedChange> for ChangeView<'a> {
    fn from(change: &'a PlannedChange) -> Self {
        Self {
            text: &change.text,
            effect: match change.effect {
                Effect::Live => "live",
                Effect::RoutesAgain => "routes-again",
                Effect::SessionStarts => "session-starts",
                Effect::SessionEnds => "session-ends",
                Effect::SessionRestarts => "session-restarts",
                Effect::NeedsRestart => "needs-restart",
            },
            address: change.peer.map(|peer| peer.to_string()),
            keys: &change.keys,
        }
    }
}

impl<'a> From<&'a PeerForecast> for NeighborView<'a> {
    fn from(peer: &'a PeerForecast) -> Self {
        Self {
            address: peer.peer.to_string(),
            import: (&peer.import).into(),
            export: (&peer.export).into(),
        }
    }
}

impl<'a> From<&'a Forecast> for ForecastView<'a> {
    fn from(forecast: &'a Forecast) -> Self {
        Self {
            added: (&forecast.added).into(),
            removed: (&forecast.removed).into(),
            changed: (&forecast.changed).into(),
        }
    }
}

impl<'a> From<&'a Tally> for TallyView<'a> {
    fn from(tally: &'a Tally) -> Self {
        let examples = tally.examples.iter().map(|example| ExampleView {
            prefix: example.prefix.to_string(),
            text: &example.text,
        });
        Self {
            count: tally.count,
            examples: examples.collect(),
        }
    }
}
