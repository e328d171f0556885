// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Status and neighbours, as JSON.

use std::net::IpAddr;

use bgp_proto::Capability;
use rib::PathsSent;
use serde::Serialize;

use super::hex;
use crate::{
    api::convert::capability_text,
    config::PeerName,
    control::{
        AddPathStatus, FamilyStatus, LastError, MessageCounts, PeerStatus, SessionState, Status,
    },
};

#[derive(Serialize)]
pub(in crate::cli) struct StatusView<'a> {
    version: &'a str,
    #[serde(rename = "as")]
    local_as: u32,
    router_id: std::net::Ipv4Addr,
    cluster_id: std::net::Ipv4Addr,
    uptime_seconds: u64,
    listening: &'a [std::net::SocketAddr],
    shards: usize,
    converging: bool,
    neighbors: usize,
    established: usize,
    prefixes: u64,
    paths: u64,
    fib: Option<FibSummaryView>,
    memory: Option<u64>,
    log: &'a str,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct FibSummaryView {
    installed: u64,
    pending: u64,
    failed: u64,
}

impl<'a> From<&'a Status> for StatusView<'a> {
    fn from(status: &'a Status) -> Self {
        let fib = |fib: crate::control::FibSummary| FibSummaryView {
            installed: fib.installed,
            pending: fib.pending,
            failed: fib.failed,
        };
        Self {
            version: &status.version,
            local_as: status.local_as.0,
            router_id: status.router_id.addr(),
            cluster_id: status.cluster_id,
            uptime_seconds: status.uptime.as_secs(),
            listening: &status.listening,
            shards: status.shards,
            converging: status.converging,
            neighbors: status.peers,
            established: status.established,
            prefixes: status.prefixes,
            paths: status.paths,
            fib: status.fib.map(fib),
            memory: status.memory,
            log: &status.log,
            warnings: &status.warnings,
        }
    }
}

#[derive(Serialize)]
pub(in crate::cli) struct NeighborView<'a> {
    address: PeerName,
    #[serde(rename = "as")]
    peer_as: u32,
    local_as: u32,
    description: &'a str,
    relation: &'a str,
    dynamic: bool,
    admin_down: bool,
    state: &'static str,
    since_seconds: Option<u64>,
    established_count: u64,
    router_id: Option<std::net::Ipv4Addr>,
    local_address: Option<IpAddr>,
    hold_time: u16,
    keepalive: u16,
    local_capabilities: Vec<CapabilityView>,
    remote_capabilities: Vec<CapabilityView>,
    messages_received: CountsView,
    messages_sent: CountsView,
    treated_as_withdraw: u64,
    beyond_limit: u64,
    queued_octets: u64,
    panics: u64,
    last_error: Option<ErrorView<'a>>,
    families: Vec<FamilyView>,
    import_policy: &'a str,
    export_policy: &'a str,
    md5: bool,
    terms: &'a [String],
    obstacle: Option<&'a str>,
}

impl<'a> From<&'a PeerStatus> for NeighborView<'a> {
    fn from(peer: &'a PeerStatus) -> Self {
        Self {
            address: peer.address,
            peer_as: peer.peer_as.0,
            local_as: peer.local_as.0,
            description: &peer.description,
            relation: peer.relation,
            dynamic: peer.dynamic,
            admin_down: peer.admin_down,
            state: state(peer.state),
            since_seconds: peer.since.map(|since| since.as_secs()),
            established_count: peer.established_count,
            router_id: peer.router_id.map(bgp_proto::RouterId::addr),
            local_address: peer.local_address,
            hold_time: peer.hold_time,
            keepalive: peer.keepalive,
            local_capabilities: peer
                .local_capabilities
                .iter()
                .map(CapabilityView::from)
                .collect(),
            remote_capabilities: peer
                .remote_capabilities
                .iter()
                .map(CapabilityView::from)
                .collect(),
            messages_received: peer.received.into(),
            messages_sent: peer.sent.into(),
            treated_as_withdraw: peer.treated_as_withdraw,
            beyond_limit: peer.beyond_limit,
            queued_octets: peer.queued,
            panics: peer.panics,
            last_error: peer.last_error.as_ref().map(ErrorView::from),
            families: peer.families.iter().map(FamilyView::from).collect(),
            import_policy: &peer.import_policy,
            export_policy: &peer.export_policy,
            md5: peer.md5,
            terms: &peer.terms,
            obstacle: peer.obstacle.as_deref(),
        }
    }
}

/// The names of RFC 4271 §8.2.2.
pub(in crate::cli) fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Idle => "Idle",
        SessionState::Connect => "Connect",
        SessionState::Active => "Active",
        SessionState::OpenSent => "OpenSent",
        SessionState::OpenConfirm => "OpenConfirm",
        SessionState::Established => "Established",
    }
}

#[derive(Serialize)]
struct CapabilityView {
    code: u32,
    text: String,
    /// Of one that is not known.
    value: Option<String>,
}

impl From<&Capability> for CapabilityView {
    fn from(capability: &Capability) -> Self {
        let value = match capability {
            Capability::Unknown { value, .. } => Some(hex(value)),
            _ => None,
        };
        Self {
            code: capability.code().into(),
            text: capability_text(capability),
            value,
        }
    }
}

#[derive(Serialize)]
struct CountsView {
    open: u64,
    update: u64,
    notification: u64,
    keepalive: u64,
    route_refresh: u64,
    bytes: u64,
}

impl From<MessageCounts> for CountsView {
    fn from(counts: MessageCounts) -> Self {
        let MessageCounts {
            open,
            update,
            notification,
            keepalive,
            route_refresh,
            bytes,
        } = counts;
        Self {
            open,
            update,
            notification,
            keepalive,
            route_refresh,
            bytes,
        }
    }
}

#[derive(Serialize)]
struct ErrorView<'a> {
    text: &'a str,
    code: Option<u8>,
    subcode: Option<u8>,
    age_seconds: u64,
}

impl<'a> From<&'a LastError> for ErrorView<'a> {
    fn from(error: &'a LastError) -> Self {
        let (code, subcode) = error.code.unzip();
        Self {
            text: &error.text,
            code,
            subcode,
            age_seconds: error.age.as_secs(),
        }
    }
}

#[derive(Serialize)]
struct FamilyView {
    family: String,
    negotiated: bool,
    received: u64,
    accepted: u64,
    advertised: u64,
    end_of_rib: bool,
    add_path: AddPathView,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<StaleView>,
}

#[derive(Serialize)]
struct StaleView {
    long_lived: bool,
    seconds_left: u64,
}

#[derive(Serialize)]
struct AddPathView {
    receive: bool,
    send: bool,
    /// Which paths are sent: `all`, `best` or `ecmp`.
    paths: Option<&'static str>,
    send_max: Option<u8>,
}

impl From<AddPathStatus> for AddPathView {
    fn from(status: AddPathStatus) -> Self {
        let (paths, send_max) = match status.paths {
            None => (None, None),
            Some(PathsSent::All) => (Some("all"), None),
            Some(PathsSent::Best(max)) => (Some("best"), Some(max.get())),
            Some(PathsSent::Ecmp(max)) => (Some("ecmp"), Some(max.get())),
        };
        Self {
            receive: status.receive,
            send: status.send,
            paths,
            send_max,
        }
    }
}

impl From<&FamilyStatus> for FamilyView {
    fn from(status: &FamilyStatus) -> Self {
        Self {
            family: status.family.to_string(),
            negotiated: status.negotiated,
            received: status.received,
            accepted: status.accepted,
            advertised: status.advertised,
            end_of_rib: status.end_of_rib,
            add_path: status.add_path.into(),
            stale: status.stale.map(|stale| StaleView {
                long_lived: stale.long_lived,
                seconds_left: stale.seconds_left,
            }),
        }
    }
}
