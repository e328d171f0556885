// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is agreed with a neighbour: AS paths, roles, leaving.

use bgp_proto::{Asn, Role};
use rib::{PrivateAs, Terms};

use super::{
    super::{defaults::Defaults, neighbor::Neighbor},
    Notes, Scope,
    neighbors::Context,
};

pub(super) fn read<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    context: &Context<'_, 't>,
    peer: &Neighbor,
) -> Terms {
    let own = context.global.as_towards(peer.peer_as);
    let (no_prepend, replace) = local_as(notes, scope, own, peer);
    let imported_only = !kept(notes, scope, context);
    let usual = notes.defaults == Defaults::Bgpd;
    let mut flag = |key| notes.boolean(scope.get(key));
    Terms {
        also_own: (!replace).then_some(own),
        prepend_received: !no_prepend,
        replace_peer_as: flag("as-path-options.replace-peer-as").unwrap_or(false),
        imported_only,
        enforce_first_as: flag("as-path-options.enforce-first-as").unwrap_or(usual),
        graceful_shutdown: leaving(notes, scope, context),
        private_as: private_as(notes, scope),
        route_server_client: client(notes, scope, peer),
        role: role(notes, scope, peer),
    }
}

/// Of our AS, or of our confederation. AS 0 stands for one that is wrong: that has been said.
fn is_ours(peer: &Neighbor) -> bool {
    (peer.is_internal() || peer.is_member) && peer.local_as.0 != 0
}

fn client<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>, peer: &Neighbor) -> bool {
    const KEY: &str = "route-server.route-server-client";
    let client = notes.boolean(scope.get(KEY)).unwrap_or(false);
    if client && is_ours(peer) {
        let help = "see `route-reflector-client`";
        let message = "the neighbour is in our own AS: a client of a route server is in another";
        notes.error_with(scope.span(KEY), message, help);
    }
    client
}

fn leaving<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>, context: &Context<'_, 't>) -> bool {
    let own = notes.boolean(scope.get("graceful-shutdown"));
    let global = notes.boolean(context.root.get("global.graceful-shutdown"));
    own.or(global).unwrap_or(false)
}

/// Whether what it tells us is kept as it was.
fn kept<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>, context: &Context<'_, 't>) -> bool {
    let own = notes.boolean(scope.get("keep-received"));
    let global = notes.boolean(context.root.get("global.keep-received"));
    own.or(global).unwrap_or(true)
}

/// Ours, in the words of RFC 9234 §4.1. It is said to other ASes only.
fn role<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>, peer: &Neighbor) -> Option<Role> {
    let words = [
        ("provider", Role::PROVIDER),
        ("rs-server", Role::ROUTE_SERVER),
        ("rs-client", Role::ROUTE_SERVER_CLIENT),
        ("customer", Role::CUSTOMER),
        ("peer", Role::PEER),
    ];
    let role = notes.choice(scope.get("role"), &words)?;
    if is_ours(peer) {
        let help = "roles are those of eBGP (RFC 9234)";
        notes.error_with(scope.span("role"), "the neighbour is in our own AS", help);
    }
    Some(role)
}

pub(super) fn strict_role<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    peer: &Neighbor,
) -> bool {
    let strict = notes.boolean(scope.get("strict-role")).unwrap_or(false);
    if strict && peer.terms.role.is_none() {
        notes.warning(scope.span("strict-role"), "has no effect without `role`");
    }
    strict
}

/// `no-prepend` and `replace-as`: only with a `local-as` that is not ours.
fn local_as<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    own: Asn,
    peer: &Neighbor,
) -> (bool, bool) {
    let mut form = |key: &str| {
        let value = notes.boolean(scope.get(key)).unwrap_or(true);
        if !value && peer.local_as == own {
            let message = "has no effect without a `local-as` that is not `global.as`";
            notes.warning(scope.span(key), message);
        }
        value || peer.local_as == own
    };
    (
        form("local-as-options.no-prepend"),
        form("local-as-options.replace-as"),
    )
}

/// `dual-as`: our real AS, if the neighbour may know us by either.
pub(super) fn other_as<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    context: &Context<'_, 't>,
    peer: &Neighbor,
) -> Option<Asn> {
    const KEY: &str = "local-as-options.dual-as";
    let own = context.global.as_towards(peer.peer_as);
    if !notes.boolean(scope.get(KEY)).unwrap_or(false) {
        return None;
    }
    if peer.local_as == own {
        let message = "has no effect without a `local-as` that is not `global.as`";
        notes.warning(scope.span(KEY), message);
        return None;
    }
    if [Asn(0), own, peer.local_as].contains(&peer.peer_as) {
        let message = "with `dual-as` the neighbour is in an AS that is known and neither of ours";
        let help = "an internal session has one AS: leave `dual-as` out";
        notes.error_with(scope.span(KEY), message, help);
    }
    Some(own)
}

fn private_as<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>) -> Option<PrivateAs> {
    let words = [
        ("", None),
        ("none", None),
        ("all", Some(PrivateAs::Remove)),
        ("replace", Some(PrivateAs::Replace)),
    ];
    notes
        .choice(scope.get("remove-private-as"), &words)
        .flatten()
}
