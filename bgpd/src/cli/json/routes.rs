// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes of the RIB and of the kernel, as JSON.

use std::net::IpAddr;

use bgp_proto::{AsPath, PathAttributes, SegmentKind};
use serde::Serialize;

use super::hex;
use super::policy::TraceView;
use crate::config::PeerName;
use crate::control::{Explanation, FibRoute, FibState, Route, RouteSource};

#[derive(Serialize)]
pub(in crate::cli) struct RouteView<'a> {
    prefix: String,
    path_id: u32,
    source: &'static str,
    neighbor: Option<PeerName>,
    best: bool,
    multipath: bool,
    unusable: Option<&'a str>,
    stale: bool,
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
            stale: route.stale,
            lost_at: route.lost_at.as_deref(),
            target: &route.target,
            age_seconds: route.age.as_secs(),
            attributes: AttributesView::from(&*route.attributes),
        }
    }
}

/// The word for a source, and the neighbour if it is one.
pub(in crate::cli) fn source(source: RouteSource) -> (&'static str, Option<PeerName>) {
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
struct SilentView<'a> {
    address: &'a PeerName,
    reason: &'a str,
}

#[derive(Serialize)]
pub(in crate::cli) struct ExplanationView<'a> {
    prefix: String,
    decided_by: Option<&'a str>,
    profile: &'a str,
    routes: Vec<RouteView<'a>>,
    kernel: Option<FibView<'a>>,
    advertised_to: &'a [PeerName],
    not_advertised_to: Vec<SilentView<'a>>,
    no_kernel: Option<&'a str>,
    policies: Vec<TraceView<'a>>,
}

impl<'a> From<&'a Explanation> for ExplanationView<'a> {
    fn from(explanation: &'a Explanation) -> Self {
        Self {
            prefix: explanation.prefix.to_string(),
            decided_by: explanation.decided_by.as_deref(),
            profile: &explanation.profile,
            routes: explanation.routes.iter().map(RouteView::from).collect(),
            kernel: explanation.kernel.as_ref().map(FibView::from),
            advertised_to: &explanation.advertised_to,
            not_advertised_to: explanation
                .not_advertised_to
                .iter()
                .map(|(address, reason)| SilentView { address, reason })
                .collect(),
            no_kernel: explanation.no_kernel.as_deref(),
            policies: explanation.policies.iter().map(TraceView::from).collect(),
        }
    }
}

#[derive(Serialize)]
pub(in crate::cli) struct FibView<'a> {
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
fn fib_state(state: &FibState) -> (&'static str, Option<&str>) {
    match state {
        FibState::Pending => ("pending", None),
        FibState::Installed => ("installed", None),
        FibState::Adopted => ("adopted", None),
        FibState::Failed { error, .. } => ("failed", Some(error)),
        FibState::Blocked(route) => ("blocked", Some(route)),
        FibState::WaitingForInterface(name) => ("waiting-for-interface", Some(name)),
    }
}
