// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What neighbours and groups have in common: everything about a session but who is at the other end.

use super::{
    super::{
        defaults::Defaults,
        neighbor::{Gateway, GracefulRestart, LocalAddress, Neighbor, NextHopMode},
    },
    Maybe, Notes, Scope, bfd,
    neighbors::Context,
    policies, policy, terms,
};

/// Fills in what the scope says. `of` has the address and the AS numbers.
pub(super) fn fill<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    context: &Context<'_, 't>,
    of: Neighbor,
) -> Neighbor {
    let mut peer = of;
    let next_hops = [
        ("auto", NextHopMode::Auto),
        ("self", NextHopMode::ToSelf),
        ("unchanged", NextHopMode::Unchanged),
    ];
    let description = notes.text(scope.get("description"));
    peer.description = description
        .filter(|text| !text.is_empty())
        .map(str::to_owned);
    let (given, file) = password(scope, "");
    peer.auth_password = notes.secret(given, file, context.passwords);
    let gobgp = notes.defaults == Defaults::GoBgp;
    // GoBGP passes no next hop on to another AS, unless it is its route server, and asks no routing table before it connects.
    let is_ours = peer.is_internal() || context.global.is_member(peer.peer_as);
    let is_client = notes
        .boolean(scope.get("route-server.route-server-client"))
        .unwrap_or(false);
    let usual = if gobgp && !is_ours && !is_client {
        NextHopMode::ToSelf
    } else {
        NextHopMode::Auto
    };
    peer.next_hop = notes
        .choice(scope.get("next-hop"), &next_hops)
        .unwrap_or(usual);
    let gateways = [
        ("recursive", Gateway::Recursive),
        ("direct", Gateway::Direct),
    ];
    peer.gateway = notes
        .choice(scope.get("gateway"), &gateways)
        .unwrap_or_default();
    peer.passive = notes
        .boolean(scope.get("transport.passive-mode"))
        .unwrap_or(false);
    peer.remote_port = notes
        .number(scope.get("transport.remote-port"), 1..=65535)
        .unwrap_or(peer.remote_port);
    peer.bind_interface = notes.name(scope.get("transport.bind-interface"));
    peer.local_address = local_address(notes, scope, &peer);
    peer.route_reflector_client = reflector_client(notes, scope, &peer);
    peer.weight = notes.number(scope.get("weight"), 0..=65535).unwrap_or(0);
    peer.allow_own_as = notes
        .number(scope.get("as-path-options.allow-own-as"), 0..=10)
        .unwrap_or(0);
    peer.is_member = context.global.is_member(peer.peer_as);
    peer.terms = terms::read(notes, scope, context, &peer);
    peer.other_as = terms::other_as(notes, scope, context, &peer);
    peer.strict_role = terms::strict_role(notes, scope, &peer);
    timers(notes, scope, &mut peer);
    hops(notes, scope, &mut peer);
    peer.graceful_restart = graceful_restart(notes, scope, peer.hold_time);
    peer.bfd = bfd::bfd(
        notes,
        |key| scope.get(&format!("bfd.{key}")),
        password(scope, "bfd."),
        context.passwords,
    );
    families(notes, scope, &mut peer);
    let internal = peer.is_internal() || peer.is_member;
    let who = (internal, peer.terms.route_server_client);
    let around = (context.root, context.global, context.library);
    let mut policy = |direction| policies::attached(notes, scope, around, direction, who);
    peer.import = policy(policies::Direction::Import);
    peer.export = policy(policies::Direction::Export);
    peer
}

/// The neighbour's own password, in whichever form, comes before its group's.
fn password<'t>(scope: &Scope<'_, 't>, below: &str) -> bfd::Password<'t> {
    let of = |node: &super::Node<'t>| {
        let get = |key| node.get(&format!("{below}{key}"));
        (get("auth-password"), get("auth-password-file"))
    };
    match (of(scope.own), scope.group) {
        ((None, None), Some(group)) => of(group),
        (own, _) => own,
    }
}

fn local_address<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    peer: &Neighbor,
) -> Option<LocalAddress> {
    let value = scope.get("transport.local-address");
    let read = |notes: &mut Notes<'t>| {
        let address = notes.address(value)?;
        if address.is_unspecified() {
            return None;
        }
        if address.is_ipv4() != peer.address.is_ipv4() {
            let message = format!(
                "{address} and the neighbour's {} are of different families",
                peer.address
            );
            notes.error(value?.span(), message);
        }
        Some(LocalAddress::Address(address))
    };
    notes.address_or_interface(value, LocalAddress::Interface, read)
}

fn reflector_client<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>, peer: &Neighbor) -> bool {
    const KEY: &str = "route-reflector.route-reflector-client";
    let client = notes.boolean(scope.get(KEY)).unwrap_or(false);
    // AS 0 stands for one that is wrong: that has been said.
    if client && !peer.is_internal() && peer.local_as.0 != 0 {
        let message = format!(
            "AS {} is not ours: a client is an iBGP neighbour",
            peer.peer_as
        );
        notes.error(scope.span(KEY), message);
    }
    client
}

fn timers<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>, peer: &mut Neighbor) {
    peer.hold_time = hold_time(notes, scope.get("timers.hold-time")).unwrap_or(peer.hold_time);
    peer.keepalive = notes
        .u16(scope.get("timers.keepalive-interval"))
        .filter(|seconds| *seconds > 0);
    if let Some(keepalive) = peer.keepalive
        && peer.hold_time != 0
        && keepalive >= peer.hold_time
    {
        let message = format!(
            "a keepalive every {keepalive} s is too late for a hold time of {} s",
            peer.hold_time
        );
        notes.error_with(
            scope.span("timers.keepalive-interval"),
            message,
            "a third of the hold time is usual",
        );
    }
    let usual = match notes.defaults {
        Defaults::Bgpd => peer.connect_retry,
        Defaults::GoBgp => 120,
    };
    peer.connect_retry = notes
        .number(scope.get("timers.connect-retry"), 1..=65535)
        .unwrap_or(usual);
    peer.idle_hold = notes
        .u16(scope.get("timers.idle-hold-time-after-reset"))
        .unwrap_or(peer.idle_hold);
}

/// RFC 4271 §4.2.
pub(super) fn hold_time<'t>(notes: &mut Notes<'t>, value: Maybe<'t>) -> Option<u16> {
    let hold = notes.u16(value)?;
    if hold == 1 || hold == 2 {
        let message = format!("a hold time of {hold} s is forbidden (RFC 4271)");
        notes.error_with(value?.span(), message, "it is 0, for none, or at least 3");
    }
    Some(hold)
}

/// How far away the neighbour may be.
fn hops<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>, peer: &mut Neighbor) {
    let multihop = notes
        .boolean(scope.get("ebgp-multihop.enabled"))
        .unwrap_or(false);
    let ttl = notes
        .number(scope.get("ebgp-multihop.multihop-ttl"), 0..=255)
        .filter(|ttl| *ttl > 0);
    let security = notes
        .boolean(scope.get("ttl-security.enabled"))
        .unwrap_or(false);
    let least = notes
        .number(scope.get("ttl-security.ttl-min"), 0..=255)
        .filter(|ttl| *ttl > 0);
    if multihop && security {
        let message = "`ttl-security` and `ebgp-multihop` exclude each other";
        let help = "`ttl-min = 253` lets a neighbour be three hops away";
        notes.error_with(scope.span("ttl-security.enabled"), message, help);
    }
    let unchecked = notes.boolean(scope.get("ebgp-multihop.disable-connected-check"));
    peer.connected_check = !unchecked.unwrap_or(notes.defaults == Defaults::GoBgp);
    peer.multihop = multihop.then(|| ttl.unwrap_or(255));
    peer.ttl_security = security.then(|| least.unwrap_or(255));
}

fn graceful_restart<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    hold_time: u16,
) -> GracefulRestart {
    let usual = match notes.defaults {
        Defaults::Bgpd => GracefulRestart::default(),
        Defaults::GoBgp => GracefulRestart {
            enabled: false,
            restart_time: hold_time.min(4095),
        },
    };
    // RFC 4724: twelve bits.
    let time = notes.number(scope.get("graceful-restart.restart-time"), 0..=4095);
    GracefulRestart {
        enabled: notes
            .boolean(scope.get("graceful-restart.enabled"))
            .unwrap_or(usual.enabled),
        restart_time: time.unwrap_or(usual.restart_time),
    }
}

fn families<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>, peer: &mut Neighbor) {
    if let Some(families) = policy::families(notes, scope) {
        peer.families = families;
        return;
    }
    policy::only(notes, scope, &mut peer.families);
}
