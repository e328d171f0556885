// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What programs read: stable names, described in `docs/bgpctl.md`. Fields are only ever added.

use std::{fmt::Write as _, io::Write, net::IpAddr, time::Duration};

use bgp_proto::{AsPath, Capability, PathAttributes, SegmentKind};
use serde::Serialize;

use super::Failure;
use crate::{
    api::convert::capability_text,
    control::{
        Explanation, FamilyStatus, FibRoute, FibState, LastError, MessageCounts, PeerStatus, Route,
        RouteSource, SessionState, Status, WatchEvent,
    },
};

/// Prints one document.
pub(super) fn document(
    out: &mut (dyn Write + Send),
    value: &impl Serialize,
) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    Ok(writeln!(out)?)
}

/// Prints one object on a line of its own, at once.
pub(super) fn line(out: &mut (dyn Write + Send), value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// An array of any length, printed as its elements come: one on each line.
#[derive(Debug, Default)]
pub(super) struct Array {
    any: bool,
}

impl Array {
    pub(super) fn push(
        &mut self,
        out: &mut (dyn Write + Send),
        value: &impl Serialize,
    ) -> Result<(), Failure> {
        let before = if std::mem::replace(&mut self.any, true) {
            ",\n"
        } else {
            "[\n"
        };
        write!(out, "{before}")?;
        Ok(serde_json::to_writer(&mut *out, value)?)
    }

    pub(super) fn finish(self, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
        Ok(writeln!(out, "{}", if self.any { "\n]" } else { "[]" })?)
    }
}

#[derive(Serialize)]
pub(super) struct Reload<'a> {
    pub changes: &'a [String],
}

#[derive(Serialize)]
pub(super) struct Deleted {
    pub deleted: u64,
}

#[derive(Serialize)]
pub(super) struct Done {}

#[derive(Serialize)]
pub(super) struct StatusView<'a> {
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
            warnings: &status.warnings,
        }
    }
}

#[derive(Serialize)]
pub(super) struct NeighborView<'a> {
    address: IpAddr,
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
    queued_octets: u64,
    last_error: Option<ErrorView<'a>>,
    families: Vec<FamilyView>,
    import_policy: &'a str,
    export_policy: &'a str,
    md5: bool,
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
            queued_octets: peer.queued,
            last_error: peer.last_error.as_ref().map(ErrorView::from),
            families: peer.families.iter().map(FamilyView::from).collect(),
            import_policy: &peer.import_policy,
            export_policy: &peer.export_policy,
            md5: peer.md5,
        }
    }
}

/// The names of RFC 4271 §8.2.2.
pub(super) fn state(state: SessionState) -> &'static str {
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

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string can't fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
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
        }
    }
}

#[derive(Serialize)]
pub(super) struct RouteView<'a> {
    prefix: String,
    path_id: u32,
    source: &'static str,
    neighbor: Option<IpAddr>,
    best: bool,
    multipath: bool,
    unusable: Option<&'a str>,
    lost_at: Option<&'a str>,
    target: &'a str,
    age_seconds: u64,
    #[serde(flatten)]
    attributes: AttributesView,
}

impl<'a> From<&'a Route> for RouteView<'a> {
    fn from(route: &'a Route) -> Self {
        let (source, neighbor) = source(route.source);
        Self {
            prefix: route.prefix.to_string(),
            path_id: route.path_id,
            source,
            neighbor,
            best: route.best,
            multipath: route.multipath,
            unusable: route.unusable.as_deref(),
            lost_at: route.lost_at.as_deref(),
            target: &route.target,
            age_seconds: route.age.as_secs(),
            attributes: AttributesView::from(&*route.attributes),
        }
    }
}

/// The word for a source, and the neighbour if it is one.
pub(super) fn source(source: RouteSource) -> (&'static str, Option<IpAddr>) {
    match source {
        RouteSource::Bgp(address) => ("bgp", Some(address)),
        RouteSource::Static => ("static", None),
        RouteSource::Direct => ("direct", None),
        RouteSource::Kernel => ("kernel", None),
        RouteSource::Api => ("api", None),
    }
}

#[derive(Serialize)]
struct AttributesView {
    origin: String,
    as_path: String,
    as_path_segments: Vec<SegmentView>,
    next_hop: IpAddr,
    next_hop_link_local: Option<std::net::Ipv6Addr>,
    med: Option<u32>,
    local_pref: Option<u32>,
    atomic_aggregate: bool,
    aggregator: Option<AggregatorView>,
    communities: Vec<String>,
    extended_communities: Vec<String>,
    large_communities: Vec<String>,
    originator_id: Option<std::net::Ipv4Addr>,
    cluster_list: Vec<String>,
    aigp: Option<u64>,
    only_to_customer: Option<u32>,
    unknown: Vec<UnknownView>,
}

#[derive(Serialize)]
struct SegmentView {
    kind: &'static str,
    asns: Vec<u32>,
}

#[derive(Serialize)]
struct AggregatorView {
    #[serde(rename = "as")]
    asn: u32,
    address: std::net::Ipv4Addr,
}

#[derive(Serialize)]
struct UnknownView {
    flags: u32,
    code: u32,
    value: String,
}

impl From<&PathAttributes> for AttributesView {
    fn from(attributes: &PathAttributes) -> Self {
        let next_hop_link_local = match attributes.next_hop {
            bgp_proto::NextHop::V6LinkLocal { link_local, .. } => Some(link_local),
            bgp_proto::NextHop::V4(_) | bgp_proto::NextHop::V6(_) => None,
        };
        let unknown = |attribute: &bgp_proto::UnknownAttribute| UnknownView {
            flags: attribute.flags.into(),
            code: attribute.code.into(),
            value: hex(&attribute.value),
        };
        let aggregator = |aggregator: bgp_proto::Aggregator| AggregatorView {
            asn: aggregator.asn.0,
            address: aggregator.address,
        };
        Self {
            origin: attributes.origin.to_string(),
            as_path: attributes.as_path.to_string(),
            as_path_segments: segments(&attributes.as_path),
            next_hop: attributes.next_hop.addr(),
            next_hop_link_local,
            med: attributes.med,
            local_pref: attributes.local_pref,
            atomic_aggregate: attributes.atomic_aggregate,
            aggregator: attributes.aggregator.map(aggregator),
            communities: attributes
                .communities
                .iter()
                .map(ToString::to_string)
                .collect(),
            extended_communities: attributes
                .extended_communities
                .iter()
                .map(ToString::to_string)
                .collect(),
            large_communities: attributes
                .large_communities
                .iter()
                .map(ToString::to_string)
                .collect(),
            originator_id: attributes.originator_id.map(bgp_proto::RouterId::addr),
            cluster_list: attributes
                .cluster_list
                .iter()
                .map(ToString::to_string)
                .collect(),
            aigp: attributes.aigp,
            only_to_customer: attributes.only_to_customer.map(|asn| asn.0),
            unknown: attributes.unknown.iter().map(unknown).collect(),
        }
    }
}

fn segments(path: &AsPath) -> Vec<SegmentView> {
    let name = |kind| match kind {
        SegmentKind::Set => "set",
        SegmentKind::Sequence => "sequence",
        SegmentKind::ConfedSequence => "confed-sequence",
        SegmentKind::ConfedSet => "confed-set",
    };
    path.segments()
        .map(|(kind, asns)| SegmentView {
            kind: name(kind),
            asns: asns.iter().map(|asn| asn.0).collect(),
        })
        .collect()
}

#[derive(Serialize)]
pub(super) struct ExplanationView<'a> {
    prefix: String,
    decided_by: Option<&'a str>,
    routes: Vec<RouteView<'a>>,
    kernel: Option<FibView<'a>>,
    advertised_to: &'a [IpAddr],
}

impl<'a> From<&'a Explanation> for ExplanationView<'a> {
    fn from(explanation: &'a Explanation) -> Self {
        Self {
            prefix: explanation.prefix.to_string(),
            decided_by: explanation.decided_by.as_deref(),
            routes: explanation.routes.iter().map(RouteView::from).collect(),
            kernel: explanation.kernel.as_ref().map(FibView::from),
            advertised_to: &explanation.advertised_to,
        }
    }
}

#[derive(Serialize)]
pub(super) struct FibView<'a> {
    prefix: String,
    target: &'a str,
    metric: u32,
    state: &'static str,
    detail: Option<&'a str>,
    attempts: Option<u32>,
}

impl<'a> From<&'a FibRoute> for FibView<'a> {
    fn from(route: &'a FibRoute) -> Self {
        let (state, detail) = fib_state(&route.state);
        let attempts = match route.state {
            FibState::Failed { attempts, .. } => Some(attempts),
            _ => None,
        };
        Self {
            prefix: route.prefix.to_string(),
            target: &route.target,
            metric: route.metric,
            state,
            detail,
            attempts,
        }
    }
}

/// The word for a state, and what is said about it.
pub(super) fn fib_state(state: &FibState) -> (&'static str, Option<&str>) {
    match state {
        FibState::Pending => ("pending", None),
        FibState::Installed => ("installed", None),
        FibState::Adopted => ("adopted", None),
        FibState::Failed { error, .. } => ("failed", Some(error)),
        FibState::Blocked(route) => ("blocked", Some(route)),
        FibState::WaitingForInterface(name) => ("waiting-for-interface", Some(name)),
    }
}

#[derive(Serialize)]
pub(super) struct EventView<'a> {
    /// Seconds since 1970 at the client.
    time: f64,
    #[serde(flatten)]
    event: WatchView<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum WatchView<'a> {
    Neighbor {
        address: IpAddr,
        from: &'static str,
        to: &'static str,
        reason: Option<&'a str>,
    },
    Best {
        prefix: String,
        route: Option<Box<RouteView<'a>>>,
    },
    Fib {
        prefix: String,
        route: Option<FibView<'a>>,
    },
    Lagged {
        lost: u64,
    },
}

impl<'a> EventView<'a> {
    pub(super) fn new(since_epoch: Duration, event: &'a WatchEvent) -> Self {
        let event = match event {
            WatchEvent::Peer {
                address,
                from,
                to,
                reason,
            } => WatchView::Neighbor {
                address: *address,
                from: state(*from),
                to: state(*to),
                reason: reason.as_deref(),
            },
            WatchEvent::Best { prefix, route } => WatchView::Best {
                prefix: prefix.to_string(),
                route: route.as_deref().map(|route| Box::new(route.into())),
            },
            WatchEvent::Fib { prefix, route } => WatchView::Fib {
                prefix: prefix.to_string(),
                route: route.as_ref().map(FibView::from),
            },
            WatchEvent::Lagged(lost) => WatchView::Lagged { lost: *lost },
        };
        Self {
            time: since_epoch.as_secs_f64(),
            event,
        }
    }
}
