// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From configuration to the settings of the pure parts.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bgp_fsm::{Mode, PeerAs, SessionConfig};
use bgp_proto::{
    AddPath, AddPathDirection, AsPath, Asn, Capability, Family, GracefulRestart, HoldTime,
    LongLivedFamily, NextHop, Origin, PathAttributes, RestartFamily,
};
use ipnetwork::IpNetwork;
use rib::{
    Disposition, NextHopMode, PathsSent, PeerId, Policy, ProposedPeer, Relation, RibConfig,
    RouteBatch,
};
use tracing::warn;

use super::{
    fib_task::prefix,
    socket::{Distance, Endpoint},
};
use crate::{
    config::{
        self, AnyAs, Config, Host, Interface, LocalAddress, Neighbor, PolicyOrigin, StaticRoute,
        StaticTarget, is_link_local,
    },
    peer::{PeerSettings, PrefixLimit},
};

/// How a neighbour's task is set up.
pub(super) struct PeerPlan {
    pub(super) settings: PeerSettings,
    pub(super) endpoint: Endpoint,
}

/// What a neighbour is planned with, besides its own configuration.
pub(super) struct Circumstances<'a> {
    pub(super) config: &'a Config,
    pub(super) host: &'a Host,
    pub(super) shards: usize,
    /// The daemon has just started and kept its kernel routes: the OPEN says so (RFC 4724 §4.1).
    pub(super) restarting: bool,
    pub(super) dynamic: bool,
}

/// Settings of a neighbour.
pub(super) fn plan(id: PeerId, neighbor: &Neighbor, around: &Circumstances<'_>) -> PeerPlan {
    let (import, export) = policies(neighbor);
    let on_link = around
        .host
        .addresses
        .iter()
        .filter(|(_, network)| network.contains(neighbor.address))
        // Those are of every link, and of none in particular.
        .filter(|(_, network)| !is_link_local(network.ip()));
    let settings = PeerSettings {
        id,
        address: neighbor.address,
        session: session(id, neighbor, around),
        route_reflector_client: neighbor.route_reflector_client,
        next_hop: next_hop(neighbor),
        is_gateway: neighbor.gateway == config::Gateway::Direct,
        import,
        export,
        limits: limits(neighbor),
        allow_own_as: neighbor.allow_own_as,
        weight: neighbor.weight,
        terms: neighbor.terms.clone(),
        members: members(around.config),
        shared_subnets: on_link
            .filter_map(|(_, network)| prefix(*network))
            .collect(),
        paths_sent: paths_sent(neighbor),
        siblings: siblings(around.host, neighbor.name.interface()),
        shards: around.shards,
    };
    PeerPlan {
        settings,
        endpoint: endpoint(neighbor),
    }
}

fn next_hop(neighbor: &Neighbor) -> NextHopMode {
    match neighbor.next_hop {
        config::NextHopMode::Auto => NextHopMode::Auto,
        config::NextHopMode::ToSelf => NextHopMode::ToSelf,
        config::NextHopMode::Unchanged => NextHopMode::Unchanged,
    }
}

/// What a neighbour would be to the tables.
pub(super) fn proposed(neighbor: &Neighbor) -> ProposedPeer {
    let (import, export) = policies(neighbor);
    let relation = match (neighbor.peer_as, neighbor.route_reflector_client) {
        // Known when it has said who it is.
        (Asn(0), _) => None,
        (_, true) if neighbor.is_internal() => Some(Relation::Client),
        _ if neighbor.is_internal() => Some(Relation::Internal),
        _ if neighbor.is_member => Some(Relation::Member),
        _ => Some(Relation::External),
    };
    ProposedPeer {
        import,
        export,
        relation,
        next_hop: next_hop(neighbor),
        allow_own_as: neighbor.allow_own_as,
        weight: neighbor.weight,
        terms: neighbor.terms.clone(),
        paths_sent: paths_sent(neighbor),
    }
}

/// How long the neighbour's OPEN waits for BFD, if it does.
pub(super) fn strict_bfd(neighbor: &Neighbor) -> Option<Duration> {
    let bfd = &neighbor.bfd;
    (bfd.enabled && bfd.strict).then(|| Duration::from_secs(bfd.strict_hold_time.into()))
}

/// Which paths the neighbour is told in families that it may take several in.
pub(super) fn paths_sent(neighbor: &Neighbor) -> Vec<(Family, PathsSent)> {
    let families = neighbor.families.iter();
    families
        .filter_map(|entry| Some((entry.family, entry.add_path_send?)))
        .collect()
}

fn members(config: &Config) -> Vec<Asn> {
    let confederation = config.global.confederation.as_ref();
    confederation.map_or_else(Vec::new, |confederation| confederation.members.clone())
}

fn limits(neighbor: &Neighbor) -> Vec<PrefixLimit> {
    let limit = |entry: &config::FamilyConfig| {
        Some(PrefixLimit {
            family: entry.family,
            max: entry.max_prefixes?,
            action: entry.limit_action,
            warn_percent: entry.threshold,
            restart: entry
                .restart
                .map(|seconds| Duration::from_secs(seconds.into())),
        })
    };
    neighbor.families.iter().filter_map(limit).collect()
}

fn session(id: PeerId, neighbor: &Neighbor, around: &Circumstances<'_>) -> SessionConfig {
    let router_id = around.config.global.router_id();
    let peer_as = match neighbor.peer_as {
        Asn(0) if neighbor.any_as == AnyAs::External => PeerAs::External,
        Asn(0) => PeerAs::Any,
        asn => PeerAs::Exact(asn),
    };
    SessionConfig {
        hold_time: HoldTime::from_wire(neighbor.hold_time).unwrap_or(HoldTime::OFF),
        keepalive: neighbor
            .keepalive
            .map(|seconds| Duration::from_secs(seconds.into())),
        connect_retry: Duration::from_secs(neighbor.connect_retry.into()),
        idle_hold: Duration::from_secs(neighbor.idle_hold.into()),
        mode: if neighbor.passive || around.dynamic {
            Mode::Passive
        } else {
            Mode::Active
        },
        capabilities: capabilities(neighbor, around),
        strict_role: neighbor.strict_role,
        strict_bfd: strict_bfd(neighbor),
        other_as: neighbor.other_as,
        seed: u64::from(router_id.as_u32()) << 32 | u64::from(id.0),
        ..SessionConfig::new(neighbor.local_as, peer_as, router_id)
    }
}

fn capabilities(neighbor: &Neighbor, around: &Circumstances<'_>) -> Vec<Capability> {
    let families: Vec<Family> = neighbor.families.iter().map(|entry| entry.family).collect();
    let mut capabilities: Vec<Capability> = families
        .iter()
        .copied()
        .map(Capability::Multiprotocol)
        .collect();
    capabilities.push(Capability::RouteRefresh);
    capabilities.push(Capability::EnhancedRouteRefresh);
    capabilities.push(Capability::ExtendedMessage);
    capabilities.extend(neighbor.terms.role.map(Capability::Role));
    let extended = |entry: &config::FamilyConfig| {
        let usual = neighbor.address.is_ipv6();
        entry.family == Family::IPV4_UNICAST && entry.extended_next_hop.unwrap_or(usual)
    };
    if neighbor.families.iter().any(extended) {
        let entry = bgp_proto::ExtendedNextHop {
            nlri: Family::IPV4_UNICAST,
            next_hop: bgp_proto::Afi::IPV6,
        };
        capabilities.push(Capability::ExtendedNextHop(vec![entry]));
    }
    if neighbor.graceful_restart.enabled {
        // Without [fib] we forward nothing, so nothing is lost while we are away.
        let preserved = around.config.fib.as_ref().is_none_or(|fib| fib.persist);
        let restarting = neighbor
            .families
            .iter()
            .filter(|entry| entry.graceful_restart);
        let restarting = restarting.map(|entry| entry.family);
        let entry = |family| RestartFamily {
            family,
            forwarding_preserved: preserved,
        };
        capabilities.push(Capability::GracefulRestart(GracefulRestart {
            restarting: around.restarting,
            notification: false,
            restart_time: neighbor.graceful_restart.restart_time,
            families: restarting.map(entry).collect(),
        }));
    }
    let entries = neighbor.families.iter().filter_map(|entry| {
        Some(LongLivedFamily {
            family: entry.family,
            forwarding_preserved: around.config.fib.as_ref().is_none_or(|fib| fib.persist),
            stale_time: entry.long_lived?,
        })
    });
    let long_lived: Vec<LongLivedFamily> = entries.collect();
    if neighbor.graceful_restart.enabled && !long_lived.is_empty() {
        capabilities.push(Capability::LongLivedGracefulRestart(long_lived));
    }
    let direction =
        |entry: &config::FamilyConfig| match (entry.add_path_receive, entry.add_path_send) {
            (true, Some(_)) => Some(AddPathDirection::Both),
            (true, None) => Some(AddPathDirection::Receive),
            (false, Some(_)) => Some(AddPathDirection::Send),
            (false, None) => None,
        };
    let entries = neighbor.families.iter().filter_map(|entry| {
        let family = entry.family;
        direction(entry).map(|direction| AddPath { family, direction })
    });
    let add_path: Vec<AddPath> = entries.collect();
    if !add_path.is_empty() {
        capabilities.push(Capability::AddPath(add_path));
    }
    capabilities.push(Capability::Fqdn {
        host: around.host.name.clone(),
        domain: String::new(),
    });
    capabilities.push(Capability::SoftwareVersion(
        concat!("bgpd/", env!("CARGO_PKG_VERSION")).to_owned(),
    ));
    capabilities
}

/// For each address of ours, the other addresses of its interface: next hops of the other family. The same link-local
/// address may be on several interfaces.
fn siblings(host: &Host, interface: Option<Interface>) -> Vec<(IpAddr, IpAddr)> {
    let there = |entry: &&(String, IpNetwork)| match interface {
        Some(interface) => entry.0 == interface.as_str(),
        None => true,
    };
    let pairs = host
        .addresses
        .iter()
        .filter(there)
        .flat_map(|(name, network)| {
            let same = host
                .addresses
                .iter()
                .filter(move |(other, sibling)| other == name && sibling.ip() != network.ip());
            same.map(|(_, sibling)| (network.ip(), sibling.ip()))
        });
    pairs.collect()
}

/// How a neighbour is reached.
pub(super) fn endpoint(neighbor: &Neighbor) -> Endpoint {
    let local = match &neighbor.local_address {
        Some(LocalAddress::Address(address)) => Some(*address),
        Some(LocalAddress::Interface(_)) | None => None,
    };
    let is_any = neighbor.peer_as == Asn(0) && neighbor.any_as == AnyAs::Every;
    let distance = match (neighbor.ttl_security, neighbor.multihop) {
        (Some(minimum), _) => Distance::MinimumTtl(minimum),
        (None, Some(hops)) => Distance::Hops(hops),
        (None, None) if neighbor.is_internal() || is_any => Distance::Hops(64),
        (None, None) => Distance::Connected,
    };
    Endpoint {
        name: neighbor.name,
        remote: SocketAddr::new(neighbor.address, neighbor.remote_port),
        local,
        distance,
        md5: neighbor
            .auth_password
            .as_ref()
            .map(|secret| secret.as_bytes().to_vec()),
        device: neighbor.bind_interface.clone(),
        on_link: neighbor.connected_check
            && !is_link_local(neighbor.address)
            && !neighbor.is_internal()
            && matches!(distance, Distance::Connected | Distance::MinimumTtl(255)),
    }
}

/// Import and export policy of a neighbour. What is learned from the kernel is learned to be announced: `[fib]` says by
/// interface what that is, and by default it is nothing.
pub(super) fn policies(neighbor: &Neighbor) -> (Policy, Policy) {
    (
        neighbor.import.program.clone(),
        neighbor.export.program.clone().redistributing(),
    )
}

/// What of the table goes to the kernel.
pub(super) fn kernel_policy(config: &Config) -> Policy {
    let fib = config.fib.as_ref();
    fib.map_or_else(Policy::accept_all, |fib| fib.export.program.clone())
}

/// Says in the log what RFC 8212 does to an external neighbour without policy.
pub(super) fn say_policies(neighbor: &Neighbor) {
    for (direction, policy) in [("import", &neighbor.import), ("export", &neighbor.export)] {
        if policy.origin == PolicyOrigin::Rfc8212 {
            warn!(
                direction,
                "no policy for an external neighbour: nothing passes (RFC 8212); \
                 apply-policy.default-{direction}-policy = \"accept-route\" opens it"
            );
        }
    }
}

/// What a shard's table is set up with.
pub(super) fn rib_config(config: &Config) -> RibConfig {
    let global = &config.global;
    RibConfig {
        cluster_id: global.cluster_id(),
        confederation: global.confederation.as_ref().map(|all| all.identifier),
        next_hop_tracking: config.fib.is_some(),
        selection: global.selection,
        kernel_export: kernel_policy(config),
        ..RibConfig::new(global.asn, global.router_id())
    }
}

/// Puts static routes into a batch.
pub(super) fn static_routes(
    batch: &mut RouteBatch,
    added: &[StaticRoute],
    removed: &[StaticRoute],
) {
    for route in removed {
        if let Some(prefix) = prefix(route.prefix) {
            batch.withdraw(prefix, 0);
        }
    }
    for route in added {
        let Some(prefix) = prefix(route.prefix) else {
            continue;
        };
        let ourselves = match prefix {
            bgp_proto::Prefix::V4(_) => NextHop::V4(std::net::Ipv4Addr::UNSPECIFIED),
            bgp_proto::Prefix::V6(_) => NextHop::V6(std::net::Ipv6Addr::UNSPECIFIED),
        };
        let disposition = match route.target {
            StaticTarget::Blackhole => Disposition::Blackhole,
            StaticTarget::Unreachable => Disposition::Unreachable,
            StaticTarget::Prohibit => Disposition::Prohibit,
            StaticTarget::Throw => Disposition::Throw,
            StaticTarget::Via(gateway) => Disposition::Via(gateway.into()),
        };
        let path = batch.push_path(
            PathAttributes::new(Origin::Igp, AsPath::empty(), ourselves),
            disposition,
        );
        batch.announce(prefix, 0, path);
    }
}
