// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a configuration would change.

use std::time::Duration;

use bgpd_api::v1;

use super::{BadMessage, Protobuf, list, peer_name, prefix};
use crate::control::{
    Effect, Example, Forecast, MAX_EXAMPLES, MAX_PLANNED_FILE, MAX_PLANNING, PeerForecast, Plan,
    PlanRequest, PlannedChange, Tally,
};

/// What is taken when nothing is said.
const EXAMPLES: u32 = 5;
const TIME_LIMIT: Duration = Duration::from_secs(15);

impl Protobuf for PlanRequest {
    type Message = v1::PlanRequest;

    fn to_protobuf(&self) -> v1::PlanRequest {
        v1::PlanRequest {
            file: self.file.clone(),
            text: self.text.clone(),
            examples: Some(u32::try_from(self.examples).unwrap_or(u32::MAX)),
            time_limit: self.time_limit.try_into().ok(),
        }
    }

    fn from_protobuf(message: v1::PlanRequest) -> Result<Self, BadMessage> {
        if message.text.len() > MAX_PLANNED_FILE {
            let problem = format!("is larger than {} MiB", MAX_PLANNED_FILE >> 20);
            return Err(BadMessage::new("text", problem));
        }
        let examples = message.examples.unwrap_or(EXAMPLES);
        let examples = usize::try_from(examples)
            .ok()
            .filter(|examples| *examples <= MAX_EXAMPLES)
            .ok_or_else(|| BadMessage::new("examples", format!("at most {MAX_EXAMPLES}")))?;
        let time_limit = message
            .time_limit
            .map_or(Ok(TIME_LIMIT), Duration::try_from);
        let time_limit = time_limit
            .ok()
            .filter(|limit| *limit <= MAX_PLANNING)
            .ok_or_else(|| BadMessage::new("time_limit", format!("at most {MAX_PLANNING:?}")))?;
        Ok(Self {
            file: message.file,
            text: message.text,
            examples,
            time_limit,
        })
    }
}

impl Protobuf for Plan {
    type Message = v1::PlanResponse;

    fn to_protobuf(&self) -> v1::PlanResponse {
        let peers = self.peers.iter().map(|peer| v1::PeerForecast {
            address: peer.peer.to_string(),
            import: Some(peer.import.to_protobuf()),
            export: Some(peer.export.to_protobuf()),
        });
        v1::PlanResponse {
            changes: self
                .changes
                .iter()
                .map(PlannedChange::to_protobuf)
                .collect(),
            peers: peers.collect(),
            best: Some(self.best.to_protobuf()),
            kernel: Some(self.kernel.to_protobuf()),
            prefixes: self.prefixes,
            partial: self.is_partial,
            notes: self.notes.clone(),
            warnings: self.warnings.clone(),
        }
    }

    fn from_protobuf(message: v1::PlanResponse) -> Result<Self, BadMessage> {
        let forecast = |message: Option<v1::RouteForecast>| {
            Forecast::from_protobuf(message.unwrap_or_default())
        };
        let peer = |message: v1::PeerForecast| {
            Ok(PeerForecast {
                peer: peer_name("address", &message.address)?,
                import: forecast(message.import)?,
                export: forecast(message.export)?,
            })
        };
        Ok(Self {
            changes: list("changes", message.changes, PlannedChange::from_protobuf)?,
            peers: list("peers", message.peers, peer)?,
            best: forecast(message.best)?,
            kernel: forecast(message.kernel)?,
            prefixes: message.prefixes,
            is_partial: message.partial,
            notes: message.notes,
            warnings: message.warnings,
        })
    }
}

impl Protobuf for PlannedChange {
    type Message = v1::PlannedChange;

    fn to_protobuf(&self) -> v1::PlannedChange {
        let effect = match self.effect {
            Effect::Live => v1::PlannedEffect::Live,
            Effect::RoutesAgain => v1::PlannedEffect::RoutesAgain,
            Effect::SessionStarts => v1::PlannedEffect::SessionStarts,
            Effect::SessionEnds => v1::PlannedEffect::SessionEnds,
            Effect::SessionRestarts => v1::PlannedEffect::SessionRestarts,
            Effect::NeedsRestart => v1::PlannedEffect::NeedsRestart,
        };
        v1::PlannedChange {
            text: self.text.clone(),
            effect: effect.into(),
            address: self.peer.map(|peer| peer.to_string()),
            keys: self.keys.clone(),
        }
    }

    fn from_protobuf(message: v1::PlannedChange) -> Result<Self, BadMessage> {
        use v1::PlannedEffect as E;
        let effect = match E::try_from(message.effect) {
            Ok(E::Live) => Effect::Live,
            Ok(E::RoutesAgain) => Effect::RoutesAgain,
            Ok(E::SessionStarts) => Effect::SessionStarts,
            Ok(E::SessionEnds) => Effect::SessionEnds,
            Ok(E::SessionRestarts) => Effect::SessionRestarts,
            Ok(E::NeedsRestart) => Effect::NeedsRestart,
            Ok(E::Unspecified) | Err(_) => {
                let problem = format!("{} is not known here", message.effect);
                return Err(BadMessage::new("effect", problem));
            }
        };
        let peer = message.address.map(|text| peer_name("address", &text));
        Ok(Self {
            text: message.text,
            effect,
            peer: peer.transpose()?,
            keys: message.keys,
        })
    }
}

impl Protobuf for Forecast {
    type Message = v1::RouteForecast;

    fn to_protobuf(&self) -> v1::RouteForecast {
        let tally = |tally: &Tally| {
            let example = |example: &Example| v1::RouteExample {
                prefix: example.prefix.to_string(),
                text: example.text.clone(),
            };
            Some(v1::RouteTally {
                count: tally.count,
                examples: tally.examples.iter().map(example).collect(),
            })
        };
        v1::RouteForecast {
            added: tally(&self.added),
            removed: tally(&self.removed),
            changed: tally(&self.changed),
        }
    }

    fn from_protobuf(message: v1::RouteForecast) -> Result<Self, BadMessage> {
        let example = |message: v1::RouteExample| {
            Ok(Example {
                prefix: prefix("prefix", &message.prefix)?,
                text: message.text,
            })
        };
        let tally = |message: Option<v1::RouteTally>| {
            let message = message.unwrap_or_default();
            Ok::<_, BadMessage>(Tally {
                count: message.count,
                examples: list("examples", message.examples, example)?,
            })
        };
        Ok(Self {
            added: tally(message.added)?,
            removed: tally(message.removed)?,
            changed: tally(message.changed)?,
        })
    }
}
