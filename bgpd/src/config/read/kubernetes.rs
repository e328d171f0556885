// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `[[pools]]` and `[mesh]`.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::{
    super::{
        model::{Encapsulation, EncapsulationMode, Mesh, MeshMode, MeshNode, Pool},
        neighbor::Neighbor,
        policy::PeerPolicy,
    },
    Node, Notes, Passwords, routes,
};

/// Whether all of `inner` is in `outer`.
pub(super) fn contains(outer: IpNetwork, inner: IpNetwork) -> bool {
    outer.prefix() <= inner.prefix() && outer.contains(inner.network())
}

/// Whether they have an address in common.
pub(super) fn overlap(one: IpNetwork, two: IpNetwork) -> bool {
    contains(one, two) || contains(two, one)
}

pub(super) fn pools<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Vec<Pool> {
    let mut pools: Vec<Pool> = Vec::new();
    for node in root.list("pools") {
        let Some(pool) = pool(notes, node) else {
            continue;
        };
        if pools.iter().any(|other| other.cidr == pool.cidr) {
            notes.error(
                node.span.clone(),
                format!("there is another pool {}", pool.cidr),
            );
        }
        pools.push(pool);
    }
    pools
}

fn pool<'t>(notes: &mut Notes<'t>, node: &Node<'t>) -> Option<Pool> {
    let kinds = [
        ("none", Encapsulation::None),
        ("ipip", Encapsulation::Ipip),
        ("vxlan", Encapsulation::Vxlan),
    ];
    let modes = [
        ("always", EncapsulationMode::Always),
        ("never", EncapsulationMode::Never),
        ("cross-subnet", EncapsulationMode::CrossSubnet),
    ];
    let encapsulation = notes
        .choice(node.get("encapsulation"), &kinds)
        .unwrap_or(Encapsulation::None);
    let mode = notes
        .choice(node.get("mode"), &modes)
        .unwrap_or(EncapsulationMode::Always);
    let tunnel_device = notes.name(node.get("tunnel-device"));
    if node.get("cidr").is_none() {
        notes.error(node.span.clone(), "`pools.cidr` is missing");
    }
    let cidr = notes.prefix(node.get("cidr"))?;
    let bits = if cidr.is_ipv4() { 32 } else { 128 };
    let usual = if cidr.is_ipv4() { 26 } else { 122 };
    let block_size = notes.number(node.get("block-size"), cidr.prefix().into()..=bits);
    if let (Encapsulation::Ipip, false, Some(value)) =
        (encapsulation, cidr.is_ipv4(), node.get("encapsulation"))
    {
        notes.error(value.span(), "\"ipip\" tunnels carry IPv4 only");
    }
    let source: Option<IpAddr> = routes::source(notes, node.get("source"), "an IP address");
    if let (Some(source), Some(value)) = (source, node.get("source"))
        && source.is_ipv4() != cidr.is_ipv4()
    {
        notes.error(
            value.span(),
            format!("{cidr} and {source} are of different families"),
        );
    }
    Some(Pool {
        table: routes::kernel_table(notes, node.get("table")),
        metric: notes.number(node.get("metric"), 0..=u32::MAX.into()),
        source,
        cidr,
        encapsulation,
        mode,
        tunnel_device: tunnel_device.unwrap_or_else(|| encapsulation.usual_device().to_owned()),
        block_size: block_size.unwrap_or_else(|| cidr.prefix().max(usual)),
    })
}

pub(super) fn mesh<'t>(
    notes: &mut Notes<'t>,
    root: &Node<'t>,
    pools: &[Pool],
    passwords: Passwords<'_>,
) -> Option<Mesh> {
    let span = root.table("mesh")?;
    let asn = notes.asn(root.get("mesh.as"));
    let auth_password = notes.secret(
        root.get("mesh.auth-password"),
        root.get("mesh.auth-password-file"),
        passwords,
    );
    let hold_time = super::session::hold_time(notes, root.get("mesh.timers.hold-time"));
    let restart_time = notes.number(root.get("mesh.graceful-restart.restart-time"), 0..=4095);
    let bfd_key = |key: &str| root.get(&format!("mesh.bfd.{key}"));
    let bfd_password = (bfd_key("auth-password"), bfd_key("auth-password-file"));
    let bfd = super::bfd::bfd(notes, bfd_key, bfd_password, passwords);
    let modes = [
        ("full-mesh", MeshMode::FullMesh),
        ("route-reflector", MeshMode::RouteReflector),
    ];
    let mode = notes.choice(root.get("mesh.mode"), &modes);
    let mut members: Vec<MeshNode> = Vec::new();
    for table in root.list("mesh.nodes") {
        if let Some(node) = mesh_node(notes, table) {
            check_node(notes, table, &node, &members, pools);
            members.push(node);
        }
    }
    if root.list("mesh.nodes").is_empty() {
        notes.error(span, "`mesh.nodes` is missing");
    }
    let reflectors = members.iter().any(|node| node.route_reflector);
    match (mode, root.get("mesh.mode")) {
        (Some(MeshMode::RouteReflector), Some(value)) if !reflectors => notes.error_with(
            value.span(),
            "no node is a route reflector",
            "`route-reflector = true` makes one of a node",
        ),
        (Some(MeshMode::FullMesh), Some(value)) if reflectors => {
            notes.error(
                value.span(),
                "some nodes are route reflectors: there is no full mesh",
            );
        }
        _ => {}
    }
    let mode = if reflectors {
        MeshMode::RouteReflector
    } else {
        MeshMode::FullMesh
    };
    Some(Mesh {
        asn,
        mode,
        nodes: members,
        hold_time,
        restart_time,
        bfd,
        auth_password,
        import: PeerPolicy::standard(true),
        export: PeerPolicy::standard(true),
    })
}

fn mesh_node<'t>(notes: &mut Notes<'t>, node: &Node<'t>) -> Option<MeshNode> {
    let name = notes.name(node.get("name"));
    let address = notes.address(node.get("address"));
    for key in ["name", "address"] {
        if node.get(key).is_none() {
            notes.error(node.span.clone(), format!("`mesh.nodes.{key}` is missing"));
        }
    }
    let address6 = notes.address(node.get("address6"));
    if let (Some(given), Some(value)) = (address6, node.get("address6"))
        && (given.is_ipv4() || address.is_some_and(|address| address.is_ipv6()))
    {
        notes.error(
            value.span(),
            "`address6` is an IPv6 address besides an IPv4 one in `address`",
        );
    }
    let items = notes.items(node.get("blocks")).unwrap_or_default();
    let blocks = items
        .into_iter()
        .filter_map(|item| notes.prefix(Some(item)))
        .collect();
    let route_reflector = notes.boolean(node.get("route-reflector")).unwrap_or(false);
    Some(MeshNode {
        name: name?,
        address: address?,
        address6,
        blocks,
        route_reflector,
    })
}

/// What concerns other nodes and pools.
fn check_node<'t>(
    notes: &mut Notes<'t>,
    table: &Node<'t>,
    node: &MeshNode,
    before: &[MeshNode],
    pools: &[Pool],
) {
    let own = addresses(node);
    for other in before {
        if other.name == node.name {
            notes.error(
                table.span.clone(),
                format!("there is another node \"{}\"", node.name),
            );
        }
        if let Some(address) = addresses(other)
            .into_iter()
            .find(|address| own.contains(address))
        {
            notes.error(
                table.span.clone(),
                format!("node \"{}\" has {address} too", other.name),
            );
        }
    }
    let items = notes.items(table.get("blocks")).unwrap_or_default();
    for item in items {
        let read = item.get_ref().as_str().and_then(|text| text.parse().ok());
        let Some(block) = read.filter(|block| node.blocks.contains(block)) else {
            continue;
        };
        if !pools.is_empty() && !pools.iter().any(|pool| contains(pool.cidr, block)) {
            notes.error(item.span(), format!("{block} is outside of every pool"));
        }
        if !own
            .iter()
            .any(|address| address.is_ipv4() == block.is_ipv4())
        {
            let message =
                format!("{block} can not be announced: the node has no address of its family");
            notes.error_with(
                item.span(),
                message,
                "an `address6` makes sessions for IPv6",
            );
        }
        let holder = before
            .iter()
            .find(|other| other.blocks.iter().any(|taken| overlap(*taken, block)));
        if let Some(holder) = holder {
            notes.error(
                item.span(),
                format!("{block} overlaps a block of node \"{}\"", holder.name),
            );
        }
    }
}

/// A node is a neighbour by the mesh alone.
pub(super) fn mesh_or_neighbor<'t>(
    notes: &mut Notes<'t>,
    root: &Node<'t>,
    mesh: &Mesh,
    neighbors: &[Neighbor],
) {
    for (table, peer) in root.list("neighbors").iter().zip(neighbors) {
        let node = mesh
            .nodes
            .iter()
            .find(|node| addresses(node).contains(&peer.address));
        if let (Some(node), Some(value)) = (node, table.get("neighbor-address")) {
            notes.error(
                value.span(),
                format!("{} is node \"{}\" of the mesh", peer.address, node.name),
            );
        }
    }
}

fn addresses(node: &MeshNode) -> Vec<IpAddr> {
    std::iter::once(node.address).chain(node.address6).collect()
}
