// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every key a file may have, GoBGP's and ours, and what becomes of it.
//!
//! Paths are without the optional tables `config`. `*` at the end of a path stands for everything below.

mod policies;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// It does what is documented.
    Implemented,
    /// A list of tables with keys of its own.
    List,
    /// It is taken and has no effect; said as a warning.
    Accepted(&'static str),
    /// It would change what routes are taken or given, and is not implemented: an error unless it is off.
    Refused(&'static str),
    /// As that, but GoBGP takes it and does nothing: so it is in a file of GoBGP's, with a warning.
    Foreign(&'static str),
}
use State::{Accepted, Foreign, Implemented, List, Refused};

/// What a path is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// A key.
    Key(State),
    /// A table with keys below it.
    Table,
}

const IN_POLICY: &str =
    "GoBGP's policies of route server clients: import-policy-list works for every neighbour";
const ABSENT: &str = "not implemented in this version";
const NONE: &str = "has no effect";
const WITH_PARENT: &str = "belongs to a feature that is not implemented in this version";
const PREFIX_LIMIT: &str = "GoBGP ignores it: write `prefix-limit` directly below the family";

type Entries = &'static [(&'static str, State)];

const GLOBAL: Entries = &[
    ("global.as", Implemented),
    ("global.router-id", Implemented),
    ("global.port", Implemented),
    ("global.local-address-list", Implemented),
    ("global.bind-to-device", Implemented),
    ("global.cluster-id", Implemented),
    ("global.shards", Implemented),
    ("global.defaults", Implemented),
    ("global.ebgp-requires-policy", Implemented),
    ("global.on-stop", Implemented),
    (
        "global.route-selection-options.always-compare-med",
        Implemented,
    ),
    ("global.route-selection-options.profile", Implemented),
    (
        "global.route-selection-options.deterministic-med",
        Implemented,
    ),
    (
        "global.route-selection-options.med-missing-as-worst",
        Implemented,
    ),
    (
        "global.route-selection-options.ignore-as-path-length",
        Implemented,
    ),
    (
        "global.route-selection-options.external-compare-router-id",
        Implemented,
    ),
    (
        "global.route-selection-options.ignore-next-hop-igp-metric",
        Implemented,
    ),
    (
        "global.route-selection-options.disable-best-path-selection",
        Refused(ABSENT),
    ),
    (
        "global.route-selection-options.advertise-inactive-routes",
        Accepted(NONE),
    ),
    ("global.route-selection-options.enable-aigp", Accepted(NONE)),
    ("global.default-route-distance.*", Accepted(NONE)),
    ("global.confederation.enabled", Implemented),
    ("global.confederation.identifier", Implemented),
    ("global.confederation.member-as-list", Implemented),
    ("global.graceful-shutdown", Implemented),
    ("global.keep-received", Implemented),
    ("global.use-multiple-paths.enabled", Implemented),
    ("global.use-multiple-paths.ebgp.maximum-paths", Implemented),
    ("global.use-multiple-paths.ibgp.maximum-paths", Implemented),
    (
        "global.use-multiple-paths.ebgp.allow-multiple-as",
        Implemented,
    ),
    (
        "global.graceful-restart.*",
        Accepted("has no effect: neighbours and their groups have their own"),
    ),
    (
        "global.afi-safis.*",
        Accepted("has no effect: the neighbours' families decide"),
    ),
    ("global.apply-policy.default-import-policy", Implemented),
    ("global.apply-policy.default-export-policy", Implemented),
    ("global.apply-policy.import-policy-list", Implemented),
    ("global.apply-policy.export-policy-list", Implemented),
    ("global.apply-policy.in-policy-list", Refused(IN_POLICY)),
    (
        "global.apply-policy.default-in-policy",
        Accepted("has no effect: there are no route servers"),
    ),
];

/// Of neighbours and of peer groups.
const NEIGHBORS: Entries = &[
    ("neighbors", List),
    ("neighbors.peer-as", Implemented),
    ("neighbors.local-as", Implemented),
    ("neighbors.local-as-options.no-prepend", Implemented),
    ("neighbors.local-as-options.replace-as", Implemented),
    ("neighbors.local-as-options.dual-as", Implemented),
    ("neighbors.auth-password", Implemented),
    ("neighbors.auth-password-file", Implemented),
    ("neighbors.description", Implemented),
    ("neighbors.next-hop", Implemented),
    ("neighbors.gateway", Implemented),
    (
        "neighbors.peer-type",
        Accepted("has no effect: `peer-as` and `local-as` decide"),
    ),
    ("neighbors.remove-private-as", Implemented),
    ("neighbors.role", Implemented),
    ("neighbors.strict-role", Implemented),
    ("neighbors.graceful-shutdown", Implemented),
    ("neighbors.keep-received", Implemented),
    ("neighbors.route-flap-damping", Accepted(NONE)),
    (
        "neighbors.send-community",
        Accepted("has no effect: communities are always sent"),
    ),
    ("neighbors.send-software-version", Accepted(NONE)),
    ("neighbors.timers.connect-retry", Implemented),
    ("neighbors.timers.hold-time", Implemented),
    ("neighbors.timers.keepalive-interval", Implemented),
    ("neighbors.timers.idle-hold-time-after-reset", Implemented),
    (
        "neighbors.timers.minimum-advertisement-interval",
        Accepted(NONE),
    ),
    ("neighbors.transport.local-address", Implemented),
    ("neighbors.transport.passive-mode", Implemented),
    ("neighbors.transport.remote-port", Implemented),
    ("neighbors.transport.bind-interface", Implemented),
    ("neighbors.transport.local-port", Refused(ABSENT)),
    (
        "neighbors.transport.ttl",
        Refused("not implemented in this version: see `ebgp-multihop`"),
    ),
    ("neighbors.transport.tcp-mss", Accepted(NONE)),
    ("neighbors.transport.ip-tos", Accepted(NONE)),
    ("neighbors.transport.mtu-discovery", Accepted(NONE)),
    ("neighbors.ebgp-multihop.enabled", Implemented),
    ("neighbors.ebgp-multihop.multihop-ttl", Implemented),
    (
        "neighbors.ebgp-multihop.disable-connected-check",
        Implemented,
    ),
    ("neighbors.ttl-security.enabled", Implemented),
    ("neighbors.ttl-security.ttl-min", Implemented),
    (
        "neighbors.route-reflector.route-reflector-client",
        Implemented,
    ),
    (
        "neighbors.route-reflector.route-reflector-cluster-id",
        Implemented,
    ),
    ("neighbors.route-server.route-server-client", Implemented),
    ("neighbors.route-server.*", Accepted(NONE)),
    ("neighbors.as-path-options.allow-own-as", Implemented),
    ("neighbors.weight", Implemented),
    ("neighbors.as-path-options.replace-peer-as", Implemented),
    ("neighbors.as-path-options.enforce-first-as", Implemented),
    (
        "neighbors.as-path-options.allow-as-path-loop-local",
        Accepted(
            "has no effect: a neighbour is told routes with its own AS in the path, and refuses them itself",
        ),
    ),
    ("neighbors.add-paths.receive", Implemented),
    ("neighbors.add-paths.send-max", Implemented),
    ("neighbors.add-paths.send", Implemented),
    (
        "neighbors.error-handling.treat-as-withdraw",
        Accepted("has no effect: RFC 7606 is always followed"),
    ),
    ("neighbors.logging-options.*", Accepted(NONE)),
    ("neighbors.graceful-restart.enabled", Implemented),
    ("neighbors.graceful-restart.restart-time", Implemented),
    ("neighbors.graceful-restart.helper-only", Implemented),
    ("neighbors.graceful-restart.long-lived-enabled", Implemented),
    (
        "neighbors.graceful-restart.deferral-time",
        Accepted("has no effect: see `fib.deferral`"),
    ),
    ("neighbors.graceful-restart.*", Accepted(NONE)),
    ("neighbors.apply-policy.default-import-policy", Implemented),
    ("neighbors.apply-policy.default-export-policy", Implemented),
    ("neighbors.apply-policy.import-policy-list", Implemented),
    ("neighbors.apply-policy.export-policy-list", Implemented),
    ("neighbors.apply-policy.in-policy-list", Refused(IN_POLICY)),
    (
        "neighbors.apply-policy.default-in-policy",
        Accepted("has no effect: there are no route servers"),
    ),
    (
        "neighbors.use-multiple-paths.*",
        Accepted("has no effect: see `global.use-multiple-paths`"),
    ),
    ("neighbors.bfd.enabled", Implemented),
    ("neighbors.bfd.desired-minimum-tx-interval", Implemented),
    ("neighbors.bfd.required-minimum-receive", Implemented),
    ("neighbors.bfd.detection-multiplier", Implemented),
    ("neighbors.bfd.multihop", Implemented),
    ("neighbors.bfd.passive", Implemented),
    ("neighbors.bfd.strict", Implemented),
    ("neighbors.bfd.auth-type", Implemented),
    ("neighbors.bfd.auth-key-id", Implemented),
    ("neighbors.bfd.auth-password", Implemented),
    ("neighbors.bfd.auth-password-file", Implemented),
    ("neighbors.bfd.strict-hold-time", Implemented),
];

const FAMILIES: Entries = &[
    ("neighbors.afi-safis", List),
    ("neighbors.afi-safis.afi-safi-name", Implemented),
    ("neighbors.afi-safis.enabled", Implemented),
    ("neighbors.afi-safis.prefix-limit.max-prefixes", Implemented),
    (
        "neighbors.afi-safis.prefix-limit.shutdown-threshold-pct",
        Implemented,
    ),
    (
        "neighbors.afi-safis.prefix-limit.restart-timer",
        Implemented,
    ),
    ("neighbors.afi-safis.prefix-limit.action", Implemented),
    ("neighbors.afi-safis.extended-nexthop", Implemented),
    ("neighbors.afi-safis.add-paths.receive", Implemented),
    ("neighbors.afi-safis.add-paths.send-max", Implemented),
    ("neighbors.afi-safis.add-paths.send", Implemented),
    (
        "neighbors.afi-safis.mp-graceful-restart.enabled",
        Implemented,
    ),
    ("neighbors.afi-safis.mp-graceful-restart.*", Accepted(NONE)),
    (
        "neighbors.afi-safis.long-lived-graceful-restart.enabled",
        Implemented,
    ),
    (
        "neighbors.afi-safis.long-lived-graceful-restart.restart-time",
        Implemented,
    ),
    (
        "neighbors.afi-safis.long-lived-graceful-restart.*",
        Accepted(NONE),
    ),
    (
        "neighbors.afi-safis.route-target-membership.*",
        Accepted(NONE),
    ),
    (
        "neighbors.afi-safis.apply-policy.import-policy-list",
        Implemented,
    ),
    (
        "neighbors.afi-safis.apply-policy.export-policy-list",
        Implemented,
    ),
    (
        "neighbors.afi-safis.apply-policy.default-import-policy",
        Implemented,
    ),
    (
        "neighbors.afi-safis.apply-policy.default-export-policy",
        Implemented,
    ),
    (
        "neighbors.afi-safis.apply-policy.in-policy-list",
        Refused(IN_POLICY),
    ),
    (
        "neighbors.afi-safis.apply-policy.default-in-policy",
        Accepted("has no effect: there are no route servers"),
    ),
    (
        "neighbors.afi-safis.route-selection-options.*",
        Accepted(NONE),
    ),
    (
        "neighbors.afi-safis.use-multiple-paths.*",
        Accepted("has no effect: see `global.use-multiple-paths`"),
    ),
    (
        "neighbors.afi-safis.ipv4-unicast.send-default-route",
        Accepted(NONE),
    ),
    (
        "neighbors.afi-safis.ipv6-unicast.send-default-route",
        Accepted(NONE),
    ),
    (
        "neighbors.afi-safis.ipv4-unicast.prefix-limit.*",
        Foreign(PREFIX_LIMIT),
    ),
    (
        "neighbors.afi-safis.ipv6-unicast.prefix-limit.*",
        Foreign(PREFIX_LIMIT),
    ),
];

/// Of neighbours only.
const NEIGHBORS_ONLY: Entries = &[
    ("neighbors.neighbor-address", Implemented),
    ("neighbors.neighbor-interface", Implemented),
    ("neighbors.peer-group", Implemented),
    ("neighbors.admin-down", Implemented),
    ("neighbors.vrf", Refused(ABSENT)),
];

const GROUPS: Entries = &[
    ("peer-groups", List),
    ("peer-groups.peer-group-name", Implemented),
    ("dynamic-neighbors", List),
    ("dynamic-neighbors.prefix", Implemented),
    ("dynamic-neighbors.peer-group", Implemented),
    ("dynamic-neighbors.limit", Implemented),
];

const OURS: Entries = &[
    ("fib.table", Implemented),
    ("fib.tables", Implemented),
    ("fib.source-v4", Implemented),
    ("fib.source-v6", Implemented),
    ("fib.protocol", Implemented),
    ("fib.metric", Implemented),
    ("fib.learn-kernel", Implemented),
    ("fib.learn-direct", Implemented),
    ("fib.persist", Implemented),
    ("fib.nexthop-objects", Implemented),
    ("fib.resolve-via-default", Implemented),
    ("fib.deferral", Implemented),
    ("fib.apply-policy.export-policy-list", Implemented),
    ("fib.apply-policy.default-export-policy", Implemented),
    ("static-routes", List),
    ("static-routes.prefix", Implemented),
    ("static-routes.blackhole", Implemented),
    ("static-routes.unreachable", Implemented),
    ("static-routes.prohibit", Implemented),
    ("static-routes.throw", Implemented),
    ("static-routes.via", Implemented),
    ("pools", List),
    ("pools.cidr", Implemented),
    ("pools.encapsulation", Implemented),
    ("pools.mode", Implemented),
    ("pools.tunnel-device", Implemented),
    ("pools.block-size", Implemented),
    ("pools.table", Implemented),
    ("pools.metric", Implemented),
    ("pools.source", Implemented),
    ("mesh.as", Implemented),
    ("mesh.mode", Implemented),
    ("mesh.timers.hold-time", Implemented),
    ("mesh.graceful-restart.restart-time", Implemented),
    ("mesh.bfd.enabled", Implemented),
    ("mesh.bfd.desired-minimum-tx-interval", Implemented),
    ("mesh.bfd.required-minimum-receive", Implemented),
    ("mesh.bfd.detection-multiplier", Implemented),
    ("mesh.bfd.multihop", Implemented),
    ("mesh.bfd.passive", Implemented),
    ("mesh.bfd.strict", Implemented),
    ("mesh.bfd.auth-type", Implemented),
    ("mesh.bfd.auth-key-id", Implemented),
    ("mesh.bfd.auth-password", Implemented),
    ("mesh.bfd.auth-password-file", Implemented),
    ("mesh.bfd.strict-hold-time", Implemented),
    ("mesh.auth-password", Implemented),
    ("mesh.auth-password-file", Implemented),
    ("mesh.nodes", List),
    ("mesh.nodes.name", Implemented),
    ("mesh.nodes.address", Implemented),
    ("mesh.nodes.address6", Implemented),
    ("mesh.nodes.blocks", Implemented),
    ("mesh.nodes.route-reflector", Implemented),
    ("api.listen", Implemented),
    ("api.unix", Implemented),
    ("api.read-only-listen", Implemented),
    ("api.read-only-unix", Implemented),
    ("api.tls-cert-file", Implemented),
    ("api.tls-key-file", Implemented),
    ("api.tls-client-ca-file", Implemented),
    ("log.level", Implemented),
    ("log.format", Implemented),
];

const ELSEWHERE: Entries = &[
    ("rpki-servers.*", Refused(ABSENT)),
    ("bmp-servers.*", Refused(ABSENT)),
    ("mrt-dump.*", Refused(ABSENT)),
    ("vrfs.*", Refused(ABSENT)),
    (
        "zebra.enabled",
        Refused("not implemented in this version: see `fib`"),
    ),
    ("zebra.*", Accepted(WITH_PARENT)),
    ("collector.*", Accepted(NONE)),
];

const ALL: [Entries; 8] = [
    GLOBAL,
    NEIGHBORS,
    NEIGHBORS_ONLY,
    FAMILIES,
    GROUPS,
    OURS,
    policies::POLICIES,
    ELSEWHERE,
];

/// Every key.
pub(super) fn entries() -> impl Iterator<Item = &'static (&'static str, State)> {
    ALL.iter().flat_map(|part| part.iter())
}

/// What a path is; `None` if nothing.
pub(super) fn find(path: &str) -> Option<Found> {
    if let Some(rest) = path.strip_prefix("peer-groups.") {
        let shared = format!("neighbors.{rest}");
        let only = NEIGHBORS_ONLY.iter().any(|(key, _)| *key == shared);
        if rest != "peer-group-name" {
            return if only { None } else { find(&shared) };
        }
    }
    let state = |wanted: &str| {
        let entry = entries().find(|(key, _)| *key == wanted);
        entry.map(|(_, state)| Found::Key(*state))
    };
    let below = |key: &str| {
        let rest = key
            .strip_prefix(path)
            .and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| rest != "*")
    };
    if let Some(found) = state(path) {
        return Some(found);
    }
    if entries().any(|(key, _)| below(key)) {
        return Some(Found::Table);
    }
    if let Some(found) = state(&format!("{path}.*")) {
        return Some(found);
    }
    // Below a key that stands for all that is below it.
    let ends = path.rmatch_indices('.').map(|(at, _)| &path[..at]);
    ends.into_iter()
        .find_map(|parent| state(&format!("{parent}.*")))
}

/// A known key that was probably meant: a neighbour in the same table, or one of the same name in another.
pub(super) fn nearest(path: &str) -> Option<String> {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let group = parent.starts_with("peer-groups");
    let table = if group {
        parent.replacen("peer-groups", "neighbors", 1)
    } else {
        parent.to_owned()
    };
    let child = |key: &'static str| {
        let rest = if table.is_empty() {
            key
        } else {
            key.strip_prefix(table.as_str())?.strip_prefix('.')?
        };
        rest.split('.').next().filter(|name| *name != "*")
    };
    let shared = |key: &str| !group || NEIGHBORS_ONLY.iter().all(|(only, _)| *only != key);
    let siblings = entries()
        .filter(|(key, _)| shared(key))
        .filter_map(|(key, _)| child(key));
    let near = siblings
        .map(|key| (strsim::jaro_winkler(name, key), key))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.8);
    if let Some((_, key)) = near {
        return Some(if parent.is_empty() {
            key.to_owned()
        } else {
            format!("{parent}.{key}")
        });
    }
    let same =
        |key: &&str| key.rsplit('.').next() == Some(name) || key.strip_suffix(".*") == Some(name);
    let tables = entries().map(|(key, _)| *key);
    let top = path.split('.').next().unwrap_or_default();
    let mut found: Vec<&str> = tables.filter(same).collect();
    found.sort_by_key(|key| (!key.starts_with(top), key.len()));
    found.first().map(|key| (*key).to_owned())
}
