// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a new configuration changes.

use std::{collections::BTreeMap, fmt};

use rib::PathsSent;

use super::{
    model::{Api, ApiTls, Config, Fib, Log, Pool, StaticRoute, StaticTarget},
    name::PeerName,
    neighbor::{DynamicNeighbor, FamilyConfig, Neighbor},
    policy::PeerPolicy,
};

/// One thing to do so that the running speaker is as the new configuration says.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigChange {
    /// A neighbour is new.
    AddPeer(Box<Neighbor>),
    /// A neighbour is gone.
    RemovePeer(PeerName),
    /// A neighbour's session must be set up anew.
    RestartPeer {
        /// As it is now.
        neighbor: Box<Neighbor>,
        /// What is different.
        keys: Vec<&'static str>,
    },
    /// A neighbour changes while its session stays.
    UpdatePeer {
        /// As it is now.
        neighbor: Box<Neighbor>,
        /// What is different.
        keys: Vec<&'static str>,
    },
    /// A static route is new.
    AddStatic(StaticRoute),
    /// A static route is gone.
    RemoveStatic(StaticRoute),
    /// All pools, as they are now.
    PoolsChanged(Vec<Pool>),
    /// How the kernel is used, as it is now.
    FibChanged(Fib),
    /// What goes to the kernel, as it is now.
    KernelPolicyChanged(PeerPolicy),
    /// How the best path is chosen, as it is now.
    SelectionChanged(rib::Selection),
    /// All dynamic neighbours, as they are now.
    DynamicChanged(Vec<DynamicNeighbor>),
    /// What is logged, as it is now.
    LogChanged(Log),
    /// The files of the API's TLS, as they are now.
    ApiFilesChanged(ApiTls),
    /// A key that takes effect with the next start.
    NeedsRestart(&'static str),
}

impl fmt::Display for ConfigChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddPeer(peer) => {
                write!(f, "neighbour {} added ({})", peer.name, peer.remote_as())
            }
            Self::RemovePeer(name) => write!(f, "neighbour {name} removed"),
            Self::RestartPeer { neighbor, keys } => {
                write!(
                    f,
                    "neighbour {} restarted ({})",
                    neighbor.name,
                    keys.join(", ")
                )
            }
            Self::UpdatePeer { neighbor, keys } => {
                write!(
                    f,
                    "neighbour {} updated ({})",
                    neighbor.name,
                    keys.join(", ")
                )
            }
            Self::AddStatic(route) => write!(f, "static route {route} added"),
            Self::RemoveStatic(route) => write!(f, "static route {route} removed"),
            Self::PoolsChanged(pools) => write!(f, "pools changed (now {})", pools.len()),
            Self::SelectionChanged(selection) => {
                let rib::Selection {
                    profile,
                    max_paths: most,
                    max_internal_paths: internal,
                    ..
                } = selection;
                write!(
                    f,
                    "route selection changed (profile {profile}, at most {most} paths in use, {internal} internal)"
                )
            }
            Self::FibChanged(_) => f.write_str("kernel routing (fib) changed"),
            Self::KernelPolicyChanged(policy) => {
                write!(f, "policy of the kernel's routes changed (now {policy})")
            }
            Self::DynamicChanged(ranges) => {
                write!(f, "dynamic neighbours changed (now {})", ranges.len())
            }
            Self::LogChanged(log) => write!(f, "log changed (now {})", log.level.as_str()),
            Self::ApiFilesChanged(files) => {
                let file = files.certificate.display();
                write!(f, "files of the API's TLS changed (now {file})")
            }
            Self::NeedsRestart(key) => {
                write!(f, "{key} changed: takes effect when bgpd is restarted")
            }
        }
    }
}

impl fmt::Display for StaticRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.prefix)?;
        match self.target {
            StaticTarget::Blackhole => f.write_str("blackhole"),
            StaticTarget::Unreachable => f.write_str("unreachable"),
            StaticTarget::Prohibit => f.write_str("prohibit"),
            StaticTarget::Throw => f.write_str("throw"),
            StaticTarget::Via(router) => write!(f, "via {router}"),
        }
    }
}

/// What to do so that a speaker that runs `old` is as `new` says: nothing if they are equal but for warnings. What goes
/// comes before what comes. Both have been through [`Config::for_host`].
pub fn diff(old: &Config, new: &Config) -> Vec<ConfigChange> {
    let mut changes: Vec<ConfigChange> = restarts(old, new)
        .into_iter()
        .map(ConfigChange::NeedsRestart)
        .collect();
    if old.log != new.log {
        changes.push(ConfigChange::LogChanged(new.log));
    }
    if let (Some(old), Some(new)) = (&old.api.tls, &new.api.tls)
        && old != new
    {
        changes.push(ConfigChange::ApiFilesChanged(new.clone()));
    }
    let selection = new.global.selection;
    if old.global.selection != selection {
        changes.push(ConfigChange::SelectionChanged(selection));
    }
    if old.pools != new.pools {
        changes.push(ConfigChange::PoolsChanged(new.pools.clone()));
    }
    if let (Some(was), Some(is)) = (&old.fib, &new.fib) {
        let as_was = Fib {
            export: was.export.clone(),
            ..is.clone()
        };
        if *was != as_was {
            changes.push(ConfigChange::FibChanged(is.clone()));
        }
        if was.export != is.export {
            changes.push(ConfigChange::KernelPolicyChanged(is.export.clone()));
        }
    }
    let gone = old
        .static_routes
        .iter()
        .filter(|route| !new.static_routes.contains(route));
    changes.extend(gone.map(|route| ConfigChange::RemoveStatic(route.clone())));
    let added = new
        .static_routes
        .iter()
        .filter(|route| !old.static_routes.contains(route));
    changes.extend(added.map(|route| ConfigChange::AddStatic(route.clone())));
    if old.dynamic_neighbors != new.dynamic_neighbors {
        changes.push(ConfigChange::DynamicChanged(new.dynamic_neighbors.clone()));
    }
    peers(old, new, &mut changes);
    changes
}

fn peers(old: &Config, new: &Config, changes: &mut Vec<ConfigChange>) {
    let by_name = |config: &Config| -> BTreeMap<PeerName, Neighbor> {
        let peers = config.neighbors.iter();
        peers.map(|peer| (peer.name, peer.clone())).collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let gone = before.keys().filter(|name| !after.contains_key(name));
    changes.extend(gone.map(|name| ConfigChange::RemovePeer(*name)));
    for peer in &new.neighbors {
        changes.extend(neighbor_change(before.get(&peer.name), peer));
    }
}

/// What has to be done for one neighbour.
pub fn neighbor_change(old: Option<&Neighbor>, new: &Neighbor) -> Option<ConfigChange> {
    let neighbor = Box::new(new.clone());
    let Some(old) = old else {
        return Some(ConfigChange::AddPeer(neighbor));
    };
    let (restart, update) = (session_keys(old, new), other_keys(old, new));
    if !restart.is_empty() {
        let keys = [restart, update].concat();
        Some(ConfigChange::RestartPeer { neighbor, keys })
    } else if !update.is_empty() {
        let keys = update;
        Some(ConfigChange::UpdatePeer { neighbor, keys })
    } else {
        None
    }
}

/// Whether a neighbour's session has to be set up anew for it to be as `new` says.
pub fn needs_new_session(old: &Neighbor, new: &Neighbor) -> bool {
    !session_keys(old, new).is_empty()
}

/// Whether a neighbour has to send its routes again for them to be as `new` says: they were not kept as it sent them.
pub fn needs_routes_again(old: &Neighbor, new: &Neighbor) -> bool {
    let is_same = old.import == new.import && old.terms.imports_like(&new.terms);
    old.terms.imported_only && !(is_same && new.terms.imported_only)
}

/// The names of the parts that differ.
fn different<const N: usize>(parts: [(bool, &'static str); N]) -> Vec<&'static str> {
    parts
        .into_iter()
        .filter(|(same, _)| !same)
        .map(|(_, key)| key)
        .collect()
}

/// What both ends agree on when a session begins, and how it is reached.
fn session_keys(old: &Neighbor, new: &Neighbor) -> Vec<&'static str> {
    different([
        (
            (old.peer_as, old.any_as) == (new.peer_as, new.any_as),
            "peer-as",
        ),
        (
            (old.local_as, old.other_as) == (new.local_as, new.other_as),
            "local-as",
        ),
        (old.auth_password == new.auth_password, "auth-password"),
        (old.passive == new.passive, "passive-mode"),
        (old.admin_down == new.admin_down, "admin-down"),
        (old.local_address == new.local_address, "local-address"),
        (old.remote_port == new.remote_port, "remote-port"),
        (old.hold_time == new.hold_time, "hold-time"),
        (old.keepalive == new.keepalive, "keepalive-interval"),
        (old.connect_retry == new.connect_retry, "connect-retry"),
        (old.idle_hold == new.idle_hold, "idle-hold-time-after-reset"),
        (old.ttl_security == new.ttl_security, "ttl-security"),
        (old.multihop == new.multihop, "ebgp-multihop"),
        (
            old.connected_check == new.connected_check,
            "disable-connected-check",
        ),
        (old.bind_interface == new.bind_interface, "bind-interface"),
        (
            old.route_reflector_client == new.route_reflector_client,
            "route-reflector-client",
        ),
        (old.next_hop == new.next_hop, "next-hop"),
        (old.gateway == new.gateway, "gateway"),
        (agreed(old) == agreed(new), "afi-safis"),
        (old.allow_own_as == new.allow_own_as, "allow-own-as"),
        (old.terms.role == new.terms.role, "role"),
        (old.strict_role == new.strict_role, "strict-role"),
        (old.is_member == new.is_member, "member-as-list"),
        (
            old.graceful_restart == new.graceful_restart,
            "graceful-restart",
        ),
    ])
}

/// What may change while the session stays.
fn terms(neighbor: &Neighbor) -> rib::Terms {
    rib::Terms {
        role: None,
        ..neighbor.terms.clone()
    }
}

fn other_keys(old: &Neighbor, new: &Neighbor) -> Vec<&'static str> {
    different([
        (old.description == new.description, "description"),
        (old.group == new.group, "peer-group"),
        (old.weight == new.weight, "weight"),
        (terms(old) == terms(new), "terms"),
        (old.bfd == new.bfd, "bfd"),
        (
            old.families == new.families || agreed(old) != agreed(new),
            "add-paths.send",
        ),
        (old.import == new.import, "import-policy"),
        (old.export == new.export, "export-policy"),
    ])
}

/// Its families, as far as the session agrees on them: not which paths are sent if several are, nor how many.
fn agreed(neighbor: &Neighbor) -> Vec<FamilyConfig> {
    let families = neighbor.families.iter();
    let without_number = |family: &FamilyConfig| FamilyConfig {
        add_path_send: family.add_path_send.map(|_| PathsSent::All),
        ..*family
    };
    families.map(without_number).collect()
}

/// What can not change while we run.
pub(super) fn restarts(old: &Config, new: &Config) -> Vec<&'static str> {
    let (was, is) = (&old.global, &new.global);
    different([
        (was.asn == is.asn, "global.as"),
        (was.router_id == is.router_id, "global.router-id"),
        (was.cluster_id == is.cluster_id, "global.cluster-id"),
        (
            was.confederation == is.confederation,
            "global.confederation",
        ),
        (was.listen_port == is.listen_port, "global.port"),
        (
            was.listen_addresses == is.listen_addresses,
            "global.local-address-list",
        ),
        (was.bind_device == is.bind_device, "global.bind-to-device"),
        (was.shards == is.shards, "global.shards"),
        (is_same_api(&old.api, &new.api), "api"),
        (old.fib.is_some() == new.fib.is_some(), "fib"),
    ])
}

/// It listens at the same places, with TLS or without; certificates may come from other files.
fn is_same_api(old: &Api, new: &Api) -> bool {
    let files = old.tls.as_ref().and(new.tls.clone());
    let tls = files.or_else(|| old.tls.clone());
    Api { tls, ..old.clone() } == *new
}
