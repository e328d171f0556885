// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What policies did to a route.

use bgpd_api::v1;

use super::{BadMessage, Protobuf, list, peer_name};
use crate::{
    config::PeerName,
    control::{PolicyChange, PolicyHit, PolicyPoint, PolicyTrace, Verdict},
};

impl Protobuf for PolicyTrace {
    type Message = v1::PolicyTrace;

    fn to_protobuf(&self) -> v1::PolicyTrace {
        let point = match self.point {
            PolicyPoint::Import => v1::PolicyPoint::Import,
            PolicyPoint::Export => v1::PolicyPoint::Export,
            PolicyPoint::Kernel => v1::PolicyPoint::Kernel,
        };
        v1::PolicyTrace {
            point: point.into(),
            neighbors: self.peers.iter().map(ToString::to_string).collect(),
            verdict: verdict_to(self.verdict).into(),
            is_default: self.is_default,
            hits: self.hits.iter().map(PolicyHit::to_protobuf).collect(),
        }
    }

    fn from_protobuf(message: v1::PolicyTrace) -> Result<Self, BadMessage> {
        let unknown = || BadMessage::new("point", format!("{} is not known here", message.point));
        let point = match v1::PolicyPoint::try_from(message.point) {
            Ok(v1::PolicyPoint::Import) => PolicyPoint::Import,
            Ok(v1::PolicyPoint::Export) => PolicyPoint::Export,
            Ok(v1::PolicyPoint::Kernel) => PolicyPoint::Kernel,
            Ok(v1::PolicyPoint::Unspecified) | Err(_) => return Err(unknown()),
        };
        let peers = message.neighbors.iter();
        let peers = peers.map(|text| peer_name("neighbors", text));
        Ok(Self {
            point,
            peers: peers.collect::<Result<Vec<PeerName>, _>>()?,
            verdict: verdict_from(message.verdict)?,
            is_default: message.is_default,
            hits: list("hits", message.hits, PolicyHit::from_protobuf)?,
        })
    }
}

impl Protobuf for PolicyHit {
    type Message = v1::PolicyHit;

    fn to_protobuf(&self) -> v1::PolicyHit {
        let change = |change: &PolicyChange| v1::PolicyChange {
            what: change.what.clone(),
            from: change.from.clone(),
            to: change.to.clone(),
        };
        v1::PolicyHit {
            names: self.names.clone(),
            changes: self.changes.iter().map(change).collect(),
            verdict: self.verdict.map(|verdict| verdict_to(verdict).into()),
        }
    }

    fn from_protobuf(message: v1::PolicyHit) -> Result<Self, BadMessage> {
        let change = |change: v1::PolicyChange| PolicyChange {
            what: change.what,
            from: change.from,
            to: change.to,
        };
        Ok(Self {
            names: message.names,
            changes: message.changes.into_iter().map(change).collect(),
            verdict: message.verdict.map(verdict_from).transpose()?,
        })
    }
}

fn verdict_to(verdict: Verdict) -> v1::PolicyVerdict {
    match verdict {
        Verdict::Accept => v1::PolicyVerdict::Accept,
        Verdict::Reject => v1::PolicyVerdict::Reject,
    }
}

fn verdict_from(number: i32) -> Result<Verdict, BadMessage> {
    match v1::PolicyVerdict::try_from(number) {
        Ok(v1::PolicyVerdict::Accept) => Ok(Verdict::Accept),
        Ok(v1::PolicyVerdict::Reject) => Ok(Verdict::Reject),
        Ok(v1::PolicyVerdict::Unspecified) | Err(_) => Err(BadMessage::new(
            "verdict",
            format!("{number} is not known here"),
        )),
    }
}
