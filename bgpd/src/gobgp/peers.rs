// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours: what they are told to do, and how they are.
//!
//! GoBGP's clients take for granted that a `Peer` has all its parts; [`shown`] leaves none out.

pub(super) mod shown;

use std::sync::Arc;

use bgpd_api::v4;
use tonic::{Code, Status};

use super::{
    Gobgp,
    stream::{Replies, list},
    wrong,
};
use crate::{
    api::Control,
    config::{Neighbor, PeerName},
    control::{ControlError, PeerOrder, PeerStatus},
};

impl<C: Control> Gobgp<C> {
    pub(super) async fn list_peer(
        &self,
        request: v4::ListPeerRequest,
    ) -> Result<Replies<v4::ListPeerResponse>, Status> {
        let peers = self.peers(&request.address).await?;
        let reply = |(status, neighbor): &(PeerStatus, Arc<Neighbor>)| v4::ListPeerResponse {
            peer: Some(shown::peer(status, neighbor, request.enable_advertised)),
        };
        Ok(list(&self.shutdown, peers.iter().map(reply).collect()))
    }

    pub(super) async fn reset_peer(&self, request: v4::ResetPeerRequest) -> Result<(), Status> {
        use v4::reset_peer_request::Direction;
        let v4::ResetPeerRequest {
            address,
            communication,
            soft,
            direction,
        } = request;
        let orders = match (soft, Direction::try_from(direction)) {
            (false, _) => vec![PeerOrder::Reset(reason(communication)?)],
            (true, Ok(Direction::In)) => vec![PeerOrder::RefreshIn],
            (true, Ok(Direction::Out)) => vec![PeerOrder::RefreshOut],
            (true, Ok(Direction::Both)) => vec![PeerOrder::RefreshIn, PeerOrder::RefreshOut],
            (true, Ok(Direction::Unspecified)) => return Err(wrong("unspecified direction")),
            (true, Err(_)) => return Err(wrong(format!("unknown direction {direction}"))),
        };
        for order in orders {
            let is_wish = order == PeerOrder::RefreshIn;
            match self.order(&address, true, order).await {
                // One that can not be asked: what it has sent is kept, and policy works on that at once.
                Err(status) if is_wish && status.code() == Code::FailedPrecondition => {}
                done => done?,
            }
        }
        Ok(())
    }

    /// Down, and up again by itself.
    pub(super) async fn shutdown_peer(
        &self,
        request: v4::ShutdownPeerRequest,
    ) -> Result<(), Status> {
        let order = PeerOrder::Shutdown(reason(request.communication)?);
        self.order(&request.address, false, order).await
    }

    pub(super) async fn enable_peer(&self, request: v4::EnablePeerRequest) -> Result<(), Status> {
        self.order(&request.address, false, PeerOrder::Enable).await
    }

    pub(super) async fn disable_peer(&self, request: v4::DisablePeerRequest) -> Result<(), Status> {
        let order = PeerOrder::Disable(reason(request.communication)?);
        self.order(&request.address, false, order).await
    }

    /// All neighbours, or the one with that address or interface; nobody if there is none.
    pub(super) async fn peers(
        &self,
        name: &str,
    ) -> Result<Vec<(PeerStatus, Arc<Neighbor>)>, Status> {
        let wanted = match name {
            "" => None,
            name => match name.parse::<PeerName>() {
                Ok(peer) => Some(peer),
                Err(_) => return Ok(Vec::new()),
            },
        };
        match self.control.neighbors(wanted).await {
            Err(ControlError::NotFound(_)) => Ok(Vec::new()),
            answer => Ok(answer?),
        }
    }

    async fn order(&self, name: &str, or_all: bool, order: PeerOrder) -> Result<(), Status> {
        self.started()?;
        let unknown = || Status::not_found(format!("neighbor that has {name} doesn't exist"));
        let peer = match name {
            "" | "all" if or_all => None,
            name => Some(name.parse::<PeerName>().map_err(|_| unknown())?),
        };
        match self.control.order(peer, order).await {
            Err(ControlError::NotFound(_)) => Err(unknown()),
            answer => Ok(answer?),
        }
    }
}

/// RFC 9003 §2.
const LONGEST_REASON: usize = 255;

fn reason(text: String) -> Result<String, Status> {
    if text.len() > LONGEST_REASON {
        let length = text.len();
        return Err(wrong(format!(
            "communication is {length} octets long, a NOTIFICATION carries {LONGEST_REASON} (RFC 9003)"
        )));
    }
    Ok(text)
}
