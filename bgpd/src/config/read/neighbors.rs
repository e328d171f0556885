// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `[[neighbors]]`, `[[peer-groups]]` and `[[dynamic-neighbors]]`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use bgp_proto::{Asn, Family};

use super::{
    super::{
        defaults::Defaults,
        model::Global,
        name::{Interface, PeerName, is_link_local},
        neighbor::{AnyAs, DynamicNeighbor, FamilyConfig, Neighbor},
    },
    Maybe, Node, Notes, Passwords, Scope,
    kubernetes::overlap,
    policies::Library,
    session,
};

/// What neighbours depend on.
#[derive(Clone, Copy)]
pub(super) struct Context<'c, 't> {
    pub(super) global: &'c Global,
    pub(super) root: &'c Node<'t>,
    pub(super) groups: &'c BTreeMap<&'t str, &'c Node<'t>>,
    pub(super) library: &'c Library<'t>,
    pub(super) passwords: Passwords<'c>,
}

impl<'c, 't> Context<'c, 't> {
    /// The group a key names.
    fn group(&self, notes: &mut Notes<'t>, value: Maybe<'t>) -> Option<&'c Node<'t>> {
        let name = notes.text(value)?;
        if name.is_empty() {
            return None;
        }
        let group = self.groups.get(name).copied();
        if group.is_none() {
            let message = format!("there is no peer group \"{}\"", name.escape_debug());
            let near = self.groups.keys().max_by(|a, b| {
                let likeness = |key: &str| strsim::jaro_winkler(name, key);
                likeness(a).total_cmp(&likeness(b))
            });
            let help = match near {
                Some(near) => format!("did you mean \"{}\"?", near.escape_debug()),
                None => "groups are defined by `[[peer-groups]]`".to_owned(),
            };
            notes.error_with(value?.span(), message, help);
        }
        group
    }
}

impl<'t> Notes<'t> {
    /// The group that a neighbour or a range is in.
    fn name_of_group(&mut self, node: &Node<'t>) -> Option<String> {
        let name = self.text(node.get("peer-group"))?;
        (!name.is_empty()).then(|| name.to_owned())
    }
}

/// Groups by their names.
pub(super) fn groups<'c, 't>(
    notes: &mut Notes<'t>,
    root: &'c Node<'t>,
) -> BTreeMap<&'t str, &'c Node<'t>> {
    let mut groups = BTreeMap::new();
    for node in root.list("peer-groups") {
        let name = notes.text(node.get("peer-group-name"));
        let Some(name) = notes.required(node, "peer-group-name", name) else {
            continue;
        };
        if groups.insert(name, node).is_some() {
            notes.error(
                node.span.clone(),
                format!("there is another peer group \"{}\"", name.escape_debug()),
            );
        }
    }
    groups
}

/// Errors in groups that nobody is in are errors, too.
pub(super) fn unused_groups<'t>(notes: &mut Notes<'t>, context: &Context<'_, 't>) {
    let key = |list: &str, node: &Node<'t>| {
        debug_assert_eq!(list, node.path);
        node.get("peer-group")
            .and_then(|value| value.get_ref().as_str())
    };
    let mut used = BTreeSet::new();
    for list in ["neighbors", "dynamic-neighbors"] {
        used.extend(
            context
                .root
                .list(list)
                .iter()
                .filter_map(|node| key(list, node)),
        );
    }
    for (name, node) in context.groups {
        if used.contains(name) {
            continue;
        }
        let scope = Scope {
            own: node,
            group: None,
            group_first: &[],
        };
        let (remote, local) = numbers(notes, &scope, context, true);
        let address = stand_in(&scope);
        session::fill(
            notes,
            &scope,
            context,
            Neighbor::new(address, remote.unwrap_or(Asn(0)), local),
        );
    }
}

pub(super) fn read<'t>(notes: &mut Notes<'t>, context: &Context<'_, 't>) -> Vec<Neighbor> {
    let mut neighbors: Vec<Neighbor> = Vec::new();
    let mut known = BTreeSet::new();
    for node in context.root.list("neighbors") {
        let group = context.group(notes, node.get("peer-group"));
        let scope = Scope {
            own: node,
            group,
            group_first: group_first(notes, node, group),
        };
        let name = name(notes, node);
        let (peer_as, local_as) = numbers(
            notes,
            &scope,
            context,
            node.get("peer-group").is_some() && group.is_none(),
        );
        if let Some(name) = name.filter(|name| !known.insert(*name)) {
            let message = format!("there is another neighbour {name}");
            notes.error(scope.span("neighbor-address"), message);
        }
        // Without an address, everything else is still looked at.
        let address = name.and_then(PeerName::address);
        let address = address.unwrap_or_else(|| match name {
            Some(_) => Ipv6Addr::UNSPECIFIED.into(),
            None => stand_in(&scope),
        });
        let mut peer = Neighbor::new(address, peer_as.unwrap_or(Asn(0)), local_as);
        peer.name = name.unwrap_or(address.into());
        peer.any_as = any_as(notes, &scope);
        if matches!(peer.name, PeerName::Interface(_)) {
            let both = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
            peer.families = both.map(FamilyConfig::new).to_vec();
        }
        let mut peer = session::fill(notes, &scope, context, peer);
        peer.group = notes.name_of_group(node);
        let of_same_address = neighbors.iter().find(|other| {
            other.address == peer.address && !peer.is_awaited() && is_link_local(peer.address)
        });
        if of_same_address.is_some_and(|other| other.auth_password != peer.auth_password) {
            let message = format!("another neighbour has the address {address} and another key");
            let help = "Linux knows one TCP MD5 key for an address, whatever the interface";
            notes.error_with(scope.span("neighbor-address"), message, help);
        }
        peer.admin_down = notes.boolean(node.get("admin-down")).unwrap_or(false);
        neighbors.push(peer);
    }
    neighbors
}

/// Keys of GoBGP's groups that are stronger than those of their members.
fn group_first<'t>(
    notes: &mut Notes<'t>,
    own: &Node<'t>,
    group: Option<&Node<'t>>,
) -> &'static [&'static str] {
    const KEYS: &[&str] = &[
        "peer-as",
        "graceful-restart.enabled",
        "graceful-restart.restart-time",
        "graceful-restart.helper-only",
        "graceful-restart.long-lived-enabled",
    ];
    let (Defaults::GoBgp, Some(group)) = (notes.defaults, group) else {
        return &[];
    };
    for key in KEYS {
        if let (Some(ours), Some(theirs)) = (own.get(key), group.get(key))
            && ours.get_ref() != theirs.get_ref()
        {
            let message = format!("has no effect: as in GoBGP, the `{key}` of its group counts");
            notes.warning(ours.span(), message);
        }
    }
    KEYS
}

/// An address of the family that the local address, if there is one, wants.
fn stand_in(scope: &Scope<'_, '_>) -> IpAddr {
    let local = scope.get("transport.local-address");
    let text = local.and_then(|value| value.get_ref().as_str());
    text.and_then(|text| text.parse().ok())
        .unwrap_or(IpAddr::from(Ipv4Addr::UNSPECIFIED))
}

/// Who it is: an address, with its interface if it is link-local.
fn name<'t>(notes: &mut Notes<'t>, node: &Node<'t>) -> Option<PeerName> {
    let value = node.get("neighbor-address");
    let interface = node.get("neighbor-interface");
    if let (Some(_), Some(interface)) = (value, interface) {
        let message = "`neighbor-address` and `neighbor-interface` exclude each other";
        let help = "a link-local neighbour is written as \"fe80::1%eth0\"";
        notes.error_with(interface.span(), message, help);
    }
    if value.is_none() && interface.is_some() {
        let name = notes.name(interface)?;
        let known = Interface::new(&name);
        if known.is_none() {
            let message = format!(
                "\"{}\" is not the name of an interface",
                name.escape_debug()
            );
            notes.error(interface?.span(), message);
        }
        return known.map(PeerName::Interface);
    }
    if value.is_none() {
        notes.error(node.span.clone(), "`neighbors.neighbor-address` is missing");
    }
    let name: PeerName = notes.parsed(value, "an IP address")?;
    let wrong = match name {
        PeerName::Interface(_) => format!("\"{name}\" is not an IP address"),
        PeerName::Address(address) if is_link_local(address) => {
            format!("{address} is on every link: which one? It is written as \"{address}%eth0\"")
        }
        PeerName::Address(address) | PeerName::Scoped(address, _) => {
            return is_a_host(notes, value, address).then_some(name);
        }
    };
    notes.error(value?.span(), wrong);
    None
}

fn is_a_host<'t>(notes: &mut Notes<'t>, value: Maybe<'t>, address: IpAddr) -> bool {
    let host = !address.is_unspecified()
        && !address.is_multicast()
        && address != IpAddr::from(Ipv4Addr::BROADCAST);
    if let (false, Some(value)) = (host, value) {
        notes.error(
            value.span(),
            format!("{address} is not the address of a neighbour"),
        );
    }
    host
}

/// The neighbour's AS, if one is asked for, and ours. `forgiven`: the group that may have the first is unknown, which has
/// been said.
fn numbers<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    context: &Context<'_, 't>,
    forgiven: bool,
) -> (Option<Asn>, Asn) {
    let value = scope.get("peer-as");
    let given = match notes.word(value) {
        None => notes.asn(value),
        Some("internal") => Some(context.global.asn),
        Some(_) => Some(Asn(0)),
    };
    let usual = context
        .global
        .as_towards(given.unwrap_or(context.global.asn));
    let local = notes.asn(scope.get("local-as")).unwrap_or(usual);
    // Whoever is at the other end of a cable is trusted to say who it is.
    if value.is_none() && !forgiven && !is_unnumbered(scope) {
        let help = "here, or in the neighbour's peer group";
        notes.error_with(scope.own.span.clone(), "`peer-as` is missing", help);
    }
    let remote = match value.map(|there| (there, notes.word(value))) {
        None if is_unnumbered(scope) => None,
        Some((_, Some("external" | "any"))) => None,
        Some((_, Some("internal"))) => Some(local),
        Some((value, Some(other))) => {
            let message = format!("\"{}\" is no AS", other.escape_debug());
            let help = "it is a number, \"external\", \"internal\" or \"any\"";
            notes.error_with(value.span(), message, help);
            Some(local)
        }
        // If it is wrong, nothing that only iBGP can do shall be wrong as well.
        _ => Some(given.unwrap_or(local)),
    };
    (remote, local)
}

fn is_unnumbered(scope: &Scope<'_, '_>) -> bool {
    scope.own.path == "neighbors" && scope.own.get("neighbor-interface").is_some()
}

fn any_as<'t>(notes: &Notes<'t>, scope: &Scope<'_, 't>) -> AnyAs {
    match notes.word(scope.get("peer-as")) {
        Some("external") => AnyAs::External,
        _ => AnyAs::Every,
    }
}

pub(super) fn dynamic<'t>(
    notes: &mut Notes<'t>,
    context: &Context<'_, 't>,
) -> Vec<DynamicNeighbor> {
    let mut ranges: Vec<DynamicNeighbor> = Vec::new();
    for node in context.root.list("dynamic-neighbors") {
        let limit = notes.number(node.get("limit"), 1..=1_000_000);
        let group = context.group(notes, node.get("peer-group"));
        for key in ["prefix", "peer-group"] {
            if node.get(key).is_none() {
                notes.error(
                    node.span.clone(),
                    format!("`dynamic-neighbors.{key}` is missing"),
                );
            }
        }
        let prefix = notes.prefix(node.get("prefix"));
        let (Some(prefix), Some(group)) = (prefix, group) else {
            continue;
        };
        if let Some(other) = ranges.iter().find(|other| overlap(other.prefix, prefix)) {
            let message = format!("{prefix} overlaps the dynamic neighbours {}", other.prefix);
            notes.error(
                node.get("prefix")
                    .map_or(node.span.clone(), super::Value::span),
                message,
            );
        }
        let scope = Scope {
            own: group,
            group: None,
            group_first: &[],
        };
        let (peer_as, local_as) = numbers(notes, &scope, context, false);
        let mut peer = Neighbor::new(prefix.ip(), peer_as.unwrap_or(Asn(0)), local_as);
        peer.any_as = any_as(notes, &scope);
        let template = Neighbor {
            passive: true,
            group: notes.name_of_group(node),
            ..session::fill(notes, &scope, context, peer)
        };
        ranges.push(DynamicNeighbor {
            prefix,
            limit,
            template,
        });
    }
    ranges
}
