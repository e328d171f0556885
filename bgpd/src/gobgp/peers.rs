// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours: what they are told to do, and how they are.
//!
//! GoBGP's clients take for granted that a `Peer` has all its parts; [`message`] leaves none out.

use std::time::{Duration, SystemTime};

use bgpd_api::v4::{self, peer_state};
use prost_types::Timestamp;
use tonic::Status;

use super::{
    Gobgp, capabilities, family_message,
    paths::timestamp,
    stream::{Replies, list},
    wrong,
};
use crate::{
    api::Control,
    config::PeerName,
    control::{ControlError, FamilyStatus, MessageCounts, PeerOrder, PeerStatus, SessionState},
};

impl<C: Control> Gobgp<C> {
    pub(super) async fn list_peer(
        &self,
        request: v4::ListPeerRequest,
    ) -> Result<Replies<v4::ListPeerResponse>, Status> {
        let now = SystemTime::now();
        let peers = self.peers(&request.address).await?;
        let reply = |peer: &PeerStatus| v4::ListPeerResponse {
            peer: Some(message(peer, now, request.enable_advertised)),
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
            (false, _) => vec![PeerOrder::Reset(communication)],
            (true, Ok(Direction::In)) => vec![PeerOrder::RefreshIn],
            (true, Ok(Direction::Out)) => vec![PeerOrder::RefreshOut],
            (true, Ok(Direction::Both)) => vec![PeerOrder::RefreshIn, PeerOrder::RefreshOut],
            (true, Ok(Direction::Unspecified)) => return Err(wrong("unspecified direction")),
            (true, Err(_)) => return Err(wrong(format!("unknown direction {direction}"))),
        };
        for order in orders {
            self.order(&address, true, order).await?;
        }
        Ok(())
    }

    /// Down, and up again by itself.
    pub(super) async fn shutdown_peer(
        &self,
        request: v4::ShutdownPeerRequest,
    ) -> Result<(), Status> {
        let order = PeerOrder::Reset(request.communication);
        self.order(&request.address, false, order).await
    }

    pub(super) async fn enable_peer(&self, request: v4::EnablePeerRequest) -> Result<(), Status> {
        self.order(&request.address, false, PeerOrder::Enable).await
    }

    pub(super) async fn disable_peer(&self, request: v4::DisablePeerRequest) -> Result<(), Status> {
        let order = PeerOrder::Disable(request.communication);
        self.order(&request.address, false, order).await
    }

    /// All neighbours, or the one with that address or interface; nobody if there is none.
    pub(super) async fn peers(&self, name: &str) -> Result<Vec<PeerStatus>, Status> {
        let wanted = match name {
            "" => None,
            name => match name.parse::<PeerName>() {
                Ok(peer) => Some(peer),
                Err(_) => return Ok(Vec::new()),
            },
        };
        match self.control.peers(wanted).await {
            Err(ControlError::NotFound(_)) => Ok(Vec::new()),
            answer => Ok(answer?),
        }
    }

    async fn order(&self, name: &str, or_all: bool, order: PeerOrder) -> Result<(), Status> {
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

/// A neighbour with all its parts.
pub(super) fn message(peer: &PeerStatus, now: SystemTime, with_advertised: bool) -> v4::Peer {
    let address = peer
        .address
        .address()
        .map(|it| it.to_string())
        .unwrap_or_default();
    let interface = peer.address.interface().map(|it| it.as_str().to_owned());
    let kind = match peer.relation {
        "internal" | "client" => v4::PeerType::Internal,
        _ => v4::PeerType::External,
    };
    v4::Peer {
        apply_policy: Some(apply_policy()),
        conf: Some(v4::PeerConf {
            description: peer.description.clone(),
            local_asn: peer.local_as.0,
            neighbor_address: address.clone(),
            neighbor_interface: interface.unwrap_or_default(),
            peer_asn: peer.peer_as.0,
            r#type: kind.into(),
            ..v4::PeerConf::default()
        }),
        ebgp_multihop: Some(v4::EbgpMultihop::default()),
        route_reflector: Some(v4::RouteReflector {
            route_reflector_client: peer.relation == "client",
            ..v4::RouteReflector::default()
        }),
        state: Some(state(peer, address, kind)),
        timers: Some(timers(peer, now)),
        transport: Some(v4::Transport {
            local_address: peer
                .local_address
                .map(|it| it.to_string())
                .unwrap_or_default(),
            ..v4::Transport::default()
        }),
        route_server: Some(v4::RouteServer::default()),
        graceful_restart: Some(v4::GracefulRestart::default()),
        afi_safis: peer
            .families
            .iter()
            .map(|it| afi_safi(it, with_advertised))
            .collect(),
        ttl_security: Some(v4::TtlSecurity::default()),
        bfd: None,
    }
}

fn state(peer: &PeerStatus, neighbor_address: String, kind: v4::PeerType) -> v4::PeerState {
    let (sent, received) = (messages(peer.sent), messages(peer.received));
    let admin = if peer.admin_down {
        peer_state::AdminState::Down
    } else {
        peer_state::AdminState::Up
    };
    v4::PeerState {
        messages: Some(v4::Messages {
            received: Some(received),
            sent: Some(sent),
        }),
        neighbor_address,
        peer_asn: peer.peer_as.0,
        r#type: kind.into(),
        queues: Some(v4::Queues::default()),
        session_state: session_state(peer.state).into(),
        admin_state: admin.into(),
        flops: flops(peer),
        remote_cap: peer
            .remote_capabilities
            .iter()
            .map(capabilities::to_message)
            .collect(),
        local_cap: peer
            .local_capabilities
            .iter()
            .map(capabilities::to_message)
            .collect(),
        router_id: peer.router_id.map(|id| id.to_string()).unwrap_or_default(),
        ..v4::PeerState::default()
    }
}

/// Times it went down again.
fn flops(peer: &PeerStatus) -> u32 {
    let is_up = peer.state == SessionState::Established;
    let flops = peer.established_count.saturating_sub(u64::from(is_up));
    u32::try_from(flops).unwrap_or(u32::MAX)
}

pub(super) fn session_state(state: SessionState) -> peer_state::SessionState {
    match state {
        SessionState::Idle => peer_state::SessionState::Idle,
        SessionState::Connect => peer_state::SessionState::Connect,
        SessionState::Active => peer_state::SessionState::Active,
        SessionState::OpenSent => peer_state::SessionState::Opensent,
        SessionState::OpenConfirm => peer_state::SessionState::Openconfirm,
        SessionState::Established => peer_state::SessionState::Established,
    }
}

fn messages(counts: MessageCounts) -> v4::Message {
    let MessageCounts {
        open,
        update,
        notification,
        keepalive,
        route_refresh,
        bytes: _,
    } = counts;
    v4::Message {
        notification,
        update,
        open,
        keepalive,
        refresh: route_refresh,
        total: open + update + notification + keepalive + route_refresh,
        ..v4::Message::default()
    }
}

/// Of a neighbour that has been up, GoBGP's clients look for both times, whether it is up or not.
fn timers(peer: &PeerStatus, now: SystemTime) -> v4::Timers {
    let since: Option<Timestamp> = peer.since.map(|since: Duration| timestamp(now, since));
    let (hold_time, keepalive_interval) = (peer.hold_time.into(), peer.keepalive.into());
    let is_up = peer.state == SessionState::Established;
    v4::Timers {
        config: Some(v4::TimersConfig {
            hold_time,
            keepalive_interval,
            ..v4::TimersConfig::default()
        }),
        state: Some(v4::TimersState {
            keepalive_interval: if is_up { keepalive_interval } else { 0 },
            negotiated_hold_time: if is_up { hold_time } else { 0 },
            uptime: since,
            downtime: since.filter(|_| !is_up),
            ..v4::TimersState::default()
        }),
    }
}

fn afi_safi(status: &FamilyStatus, with_advertised: bool) -> v4::AfiSafi {
    let family = Some(family_message(status.family));
    v4::AfiSafi {
        mp_graceful_restart: Some(v4::MpGracefulRestart {
            config: Some(v4::MpGracefulRestartConfig::default()),
            state: Some(v4::MpGracefulRestartState::default()),
        }),
        config: Some(v4::AfiSafiConfig {
            family,
            enabled: true,
        }),
        state: Some(v4::AfiSafiState {
            family,
            enabled: true,
            received: status.received,
            accepted: status.accepted,
            advertised: if with_advertised {
                status.advertised
            } else {
                0
            },
        }),
        apply_policy: Some(apply_policy()),
        route_selection_options: Some(v4::RouteSelectionOptions {
            config: Some(v4::RouteSelectionOptionsConfig::default()),
            state: None,
        }),
        use_multiple_paths: Some(v4::UseMultiplePaths {
            config: Some(v4::UseMultiplePathsConfig::default()),
            ebgp: Some(v4::Ebgp {
                config: Some(v4::EbgpConfig::default()),
                state: None,
            }),
            ibgp: Some(v4::Ibgp {
                config: Some(v4::IbgpConfig::default()),
                state: None,
            }),
            state: None,
        }),
        prefix_limits: None,
        route_target_membership: Some(v4::RouteTargetMembership {
            config: Some(v4::RouteTargetMembershipConfig::default()),
            state: None,
        }),
        long_lived_graceful_restart: Some(v4::LongLivedGracefulRestart {
            config: Some(v4::LongLivedGracefulRestartConfig::default()),
            state: None,
        }),
        add_paths: Some(v4::AddPaths {
            config: Some(v4::AddPathsConfig {
                receive: status.add_path.receive,
                send_max: 0,
            }),
            state: None,
        }),
    }
}

fn apply_policy() -> v4::ApplyPolicy {
    let assignment = |direction: v4::PolicyDirection| v4::PolicyAssignment {
        direction: direction.into(),
        ..v4::PolicyAssignment::default()
    };
    v4::ApplyPolicy {
        export_policy: Some(assignment(v4::PolicyDirection::Export)),
        import_policy: Some(assignment(v4::PolicyDirection::Import)),
    }
}
