// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a watcher is told.

use bgpd_api::v1::{self, watch_response::Event};

use super::{BadMessage, Protobuf, peer_name, prefix};
use crate::control::{FibRoute, Route, SessionState, WatchEvent};

impl Protobuf for WatchEvent {
    type Message = v1::WatchResponse;

    fn to_protobuf(&self) -> v1::WatchResponse {
        let event = match self {
            Self::Peer {
                address,
                from,
                to,
                reason,
            } => Event::Peer(v1::PeerChange {
                address: address.to_string(),
                from: from.to_protobuf().into(),
                to: to.to_protobuf().into(),
                reason: reason.clone(),
            }),
            Self::Best { prefix, route } => Event::Best(v1::BestChange {
                prefix: prefix.to_string(),
                route: route.as_ref().map(|route| route.to_protobuf()),
            }),
            Self::Fib { prefix, route } => Event::Fib(v1::FibChange {
                prefix: prefix.to_string(),
                route: route.as_ref().map(FibRoute::to_protobuf),
            }),
            Self::Lagged(lost) => Event::Lagged(v1::Lagged { lost: *lost }),
        };
        v1::WatchResponse { event: Some(event) }
    }

    fn from_protobuf(message: v1::WatchResponse) -> Result<Self, BadMessage> {
        match message.event.ok_or_else(|| BadMessage::missing("event"))? {
            Event::Peer(change) => Ok(Self::Peer {
                address: peer_name("peer.address", &change.address)?,
                from: SessionState::from_number("peer.from", change.from)?,
                to: SessionState::from_number("peer.to", change.to)?,
                reason: change.reason,
            }),
            Event::Best(change) => Ok(Self::Best {
                prefix: prefix("best.prefix", &change.prefix)?,
                route: change
                    .route
                    .map(Route::from_protobuf)
                    .transpose()?
                    .map(Box::new),
            }),
            Event::Fib(change) => Ok(Self::Fib {
                prefix: prefix("fib.prefix", &change.prefix)?,
                route: change.route.map(FibRoute::from_protobuf).transpose()?,
            }),
            Event::Lagged(lagged) => Ok(Self::Lagged(lagged.lost)),
        }
    }
}
