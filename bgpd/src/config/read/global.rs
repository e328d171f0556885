// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `[global]`.

use std::net::Ipv4Addr;

use bgp_proto::{Asn, ClusterId};
use rib::{Profile, Selection};

use super::{
    super::{
        defaults::Defaults,
        model::{Confederation, Global, OnStop, RouterIdSource},
    },
    Maybe, Node, Notes,
};

/// Paths in use if several are and no limit is given.
const SEVERAL_PATHS: usize = 16;

pub(super) fn read<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Global {
    Global {
        asn: asn(notes, root),
        router_id: router_id(notes, root),
        cluster_id: cluster_id(notes, root),
        listen_port: port(notes, root),
        listen_addresses: listen_addresses(notes, root),
        bind_device: notes.name(root.get("global.bind-to-device")),
        shards: notes.number(root.get("global.shards"), 1..=1024),
        selection: selection(notes, root),
        confederation: confederation(notes, root),
        ebgp_requires_policy: notes
            .boolean(root.get("global.ebgp-requires-policy"))
            .unwrap_or(notes.defaults == Defaults::Bgpd),
        on_stop: notes
            .choice(
                root.get("global.on-stop"),
                &[("notify", OnStop::Notify), ("silent", OnStop::Silent)],
            )
            .unwrap_or_default(),
        defaults: defaults(notes, root),
    }
}

/// Those of the whole file are known already; here, a wrong word is an error.
fn defaults<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Defaults {
    let known = [Defaults::Bgpd, Defaults::GoBgp].map(|known| (known.as_str(), known));
    notes.choice(root.get("global.defaults"), &known);
    notes.defaults
}

fn asn<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Asn {
    let value = root.get("global.as");
    if is_awaited(root) {
        let text = "`[global]` is missing: bgpd waits until it is told over the API who it is";
        notes.warning(0..0, text);
        return Asn(0);
    }
    if value.is_none() {
        let span = root.table("global").unwrap_or(0..0);
        notes.error_with(
            span,
            "`global.as` is missing",
            "give the number of your AS; 64512 to 65534 are for private use",
        );
    }
    // Stands in while other errors are looked for: nothing is compared with it.
    notes.asn(value).unwrap_or_default()
}

/// Nothing in the file needs to know who we are, and it does not say so.
fn is_awaited(root: &Node<'_>) -> bool {
    let lists = ["neighbors", "dynamic-neighbors", "static-routes"];
    let tables = ["global", "mesh"];
    lists.iter().all(|list| root.list(list).is_empty())
        && tables.iter().all(|table| root.table(table).is_none())
}

/// GoBGP's keys. The own AS may be in the list of members.
fn confederation<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Option<Confederation> {
    let value = root.get("global.confederation.enabled");
    let enabled = notes.boolean(value).unwrap_or(false);
    let identifier = notes.asn(root.get("global.confederation.identifier"));
    let list = notes.items(root.get("global.confederation.member-as-list"));
    let members = list.unwrap_or_default().into_iter();
    let members = members.filter_map(|item| notes.asn(Some(item))).collect();
    if enabled && root.get("global.confederation.identifier").is_none() {
        notes.error_with(
            value?.span(),
            "`global.confederation.identifier` is missing",
            "give the AS that the confederation is to others",
        );
    }
    enabled.then_some(Confederation {
        identifier: identifier?,
        members,
    })
}

fn router_id<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> RouterIdSource {
    let value = root.get("global.router-id");
    let address = |notes: &mut Notes<'t>| notes.router_id(value).map(RouterIdSource::Address);
    notes
        .address_or_interface(value, RouterIdSource::Interface, address)
        .unwrap_or(RouterIdSource::Automatic)
}

/// Written as an address or a number. GoBGP has it with each client; here it is the same for all.
fn cluster_id<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Option<ClusterId> {
    const KEY: &str = "route-reflector.route-reflector-cluster-id";
    let peers = root
        .list("neighbors")
        .iter()
        .chain(root.list("peer-groups"));
    let given =
        std::iter::once(root.get("global.cluster-id")).chain(peers.map(|peer| peer.get(KEY)));
    let mut found: Option<ClusterId> = None;
    for value in given.flatten() {
        let Some(id) = one_cluster_id(notes, Some(value)) else {
            continue;
        };
        match found {
            Some(other) if other != id => {
                let message = format!(
                    "cluster id {id} here and {other} elsewhere: there is one for all clients"
                );
                notes.error_with(value.span(), message, "give `global.cluster-id` only");
            }
            _ => found = Some(id),
        }
    }
    found
}

fn one_cluster_id<'t>(notes: &mut Notes<'t>, value: Maybe<'t>) -> Option<ClusterId> {
    if notes.defaults.integer(value?.get_ref()).is_some() {
        return notes.number(value, 0..=u32::MAX.into()).map(ClusterId);
    }
    let address: Ipv4Addr =
        notes.parsed(value, "a cluster id: it is written as an IPv4 address")?;
    Some(ClusterId(address.into()))
}

fn port<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Option<u16> {
    let Some(value) = root.get("global.port") else {
        return Some(179);
    };
    let port: i32 = notes.number(Some(value), -1..=65535)?;
    if port == 0 {
        notes.error_with(value.span(), "0 is no port", "-1 means not to listen");
    }
    u16::try_from(port).ok()
}

fn listen_addresses<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Vec<std::net::IpAddr> {
    let Some(items) = notes.items(root.get("global.local-address-list")) else {
        return Global::any_address();
    };
    let mut addresses = Vec::new();
    for item in items {
        let Some(address) = notes.address(Some(item)) else {
            continue;
        };
        if addresses.contains(&address) {
            notes.error(item.span(), format!("{address} is there twice"));
        }
        addresses.push(address);
    }
    addresses
}

/// The profile's, but for what is given.
fn selection<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Selection {
    let profiles = [Profile::Rfc, Profile::Bird, Profile::GoBgp, Profile::Frr];
    let names = profiles.map(|profile| (profile.name(), profile));
    let profile = notes.choice(root.get("global.route-selection-options.profile"), &names);
    let usual = match notes.defaults {
        Defaults::Bgpd => Profile::default(),
        Defaults::GoBgp => Profile::GoBgp,
    };
    let mut selection = Selection::of(profile.unwrap_or(usual));
    let knobs = [
        ("always-compare-med", &mut selection.always_compare_med),
        ("deterministic-med", &mut selection.deterministic_med),
        ("med-missing-as-worst", &mut selection.med_missing_as_worst),
        (
            "ignore-as-path-length",
            &mut selection.ignore_as_path_length,
        ),
        (
            "external-compare-router-id",
            &mut selection.external_compare_router_id,
        ),
        (
            "ignore-next-hop-igp-metric",
            &mut selection.ignore_next_hop_igp_metric,
        ),
    ];
    for (name, knob) in knobs {
        let key = format!("global.route-selection-options.{name}");
        if let Some(value) = notes.boolean(root.get(&key)) {
            *knob = value;
        }
    }
    let relax = root.get("global.use-multiple-paths.ebgp.allow-multiple-as");
    if let Some(value) = notes.boolean(relax) {
        selection.multipath_relax = value;
    }
    (selection.max_paths, selection.max_internal_paths) = max_paths(notes, root);
    selection
}

/// Most paths in use at once, of eBGP and of iBGP.
fn max_paths<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> (usize, usize) {
    let enabled = notes.boolean(root.get("global.use-multiple-paths.enabled"));
    let mut limit = |key| {
        let limit = notes.number::<usize>(root.get(key), 1..=256);
        limit.unwrap_or(SEVERAL_PATHS)
    };
    let external = limit("global.use-multiple-paths.ebgp.maximum-paths");
    let internal = limit("global.use-multiple-paths.ibgp.maximum-paths");
    match enabled {
        Some(true) => (external, internal),
        _ => (1, 1),
    }
}
