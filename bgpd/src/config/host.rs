// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A configuration file may be the same on many hosts: what it means on one of them.

use std::net::{IpAddr, Ipv4Addr};

use bgp_proto::{Asn, RouterId};
use ipnetwork::IpNetwork;

use super::{
    error::{ConfigError, ConfigErrors},
    model::{Config, Mesh, MeshMode, MeshNode, RouterIdSource, StaticRoute, StaticTarget},
    neighbor::{GracefulRestart, LocalAddress, Neighbor},
};

/// The host a configuration is for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its addresses with the interfaces that have them.
    pub addresses: Vec<(String, IpNetwork)>,
}

impl Host {
    fn has(&self, address: IpAddr) -> bool {
        self.addresses
            .iter()
            .any(|(_, network)| network.ip() == address)
    }

    /// The addresses of an interface.
    fn of(&self, interface: &str) -> impl Iterator<Item = IpAddr> {
        let named = move |entry: &&(String, IpNetwork)| entry.0 == interface;
        self.addresses
            .iter()
            .filter(named)
            .map(|(_, network)| network.ip())
    }

    /// The lowest IPv4 address others know us by.
    fn usual_router_id(&self) -> Option<RouterId> {
        lowest(self.addresses.iter().map(|(_, network)| network.ip()))
    }
}

fn lowest(addresses: impl Iterator<Item = IpAddr>) -> Option<RouterId> {
    let v4 = addresses.filter_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    let public = v4.filter(|address: &Ipv4Addr| !address.is_loopback() && !address.is_link_local());
    public
        .filter_map(RouterId::new)
        .min_by_key(|id| id.as_u32())
}

impl Config {
    /// What it means on a host: interfaces become addresses, the mesh becomes neighbours. The result is the same however
    /// often this is done.
    ///
    /// # Errors
    /// What it asks for and the host has not.
    pub fn for_host(&self, host: &Host) -> Result<Self, ConfigErrors> {
        let mut config = self.clone();
        let mut wrong = Vec::new();
        let mesh = config.mesh.take();
        let mut ourselves = None;
        if let Some(mesh) = &mesh {
            match mesh.find(host) {
                Some(node) => ourselves = Some(node),
                None => wrong.push(no_node(mesh, host)),
            }
        }
        match router_id(&config.global.router_id, host, ourselves) {
            // It is shown to nobody, and no host needs to have one.
            _ if !config.global.is_given() => {
                let nobody = RouterId::new(Ipv4Addr::LOCALHOST);
                config.global.router_id =
                    nobody.map_or(RouterIdSource::Automatic, RouterIdSource::Address);
            }
            Ok(id) => config.global.router_id = RouterIdSource::Address(id),
            Err(error) => wrong.push(error),
        }
        let templates = config
            .dynamic_neighbors
            .iter_mut()
            .map(|dynamic| &mut dynamic.template);
        for peer in config.neighbors.iter_mut().chain(templates) {
            wrong.extend(resolve(peer, host).err());
        }
        if let (Some(mesh), Some(node)) = (&mesh, ourselves) {
            let asn = mesh.asn.unwrap_or(config.global.asn);
            config.neighbors.extend(mesh.neighbors(node, asn));
            let blocks = node.blocks.iter().map(|block| blackhole(*block));
            let there: Vec<IpNetwork> = config
                .static_routes
                .iter()
                .map(|route| route.prefix)
                .collect();
            // A static route that is written down is stronger.
            config
                .static_routes
                .extend(blocks.filter(|route| !there.contains(&route.prefix)));
        }
        if wrong.is_empty() {
            Ok(config)
        } else {
            let of = |message| ConfigError::without_place("configuration", message);
            Err(ConfigErrors::new(wrong.into_iter().map(of).collect()))
        }
    }
}

fn blackhole(prefix: IpNetwork) -> StaticRoute {
    StaticRoute {
        prefix,
        target: StaticTarget::Blackhole,
    }
}

fn no_node(mesh: &Mesh, host: &Host) -> String {
    let names: Vec<&str> = mesh
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .take(8)
        .collect();
    format!(
        "this host, \"{}\", is not in the mesh: no node of `mesh.nodes` ({}{}) has its name or one of its addresses",
        host.name,
        names.join(", "),
        if mesh.nodes.len() > names.len() {
            ", …"
        } else {
            ""
        }
    )
}

fn router_id(
    source: &RouterIdSource,
    host: &Host,
    ourselves: Option<&MeshNode>,
) -> Result<RouterId, String> {
    match source {
        RouterIdSource::Address(id) => Ok(*id),
        RouterIdSource::Interface(name) => {
            let missing = || {
                format!("`global.router-id`: interface {name} has no IPv4 address that can be one")
            };
            lowest(host.of(name)).ok_or_else(missing)
        }
        RouterIdSource::Automatic => {
            let node = ourselves.and_then(|node| lowest(std::iter::once(node.address)));
            let missing = || {
                "`global.router-id` is missing, and this host has no IPv4 address that can be one"
                    .to_owned()
            };
            node.or_else(|| host.usual_router_id()).ok_or_else(missing)
        }
    }
}

/// The address of the interface that a neighbour's session is to come from.
fn resolve(peer: &mut Neighbor, host: &Host) -> Result<(), String> {
    let Some(LocalAddress::Interface(name)) = &peer.local_address else {
        return Ok(());
    };
    let link_local = |address: &IpAddr| match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let wanted = |address: &IpAddr| {
        address.is_ipv4() == peer.address.is_ipv4()
            && link_local(address) == link_local(&peer.address)
    };
    let Some(address) = host.of(name).find(wanted) else {
        let family = if peer.address.is_ipv4() {
            "IPv4"
        } else {
            "IPv6"
        };
        return Err(format!(
            "neighbour {}: interface {name} has no {family} address",
            peer.address
        ));
    };
    peer.local_address = Some(LocalAddress::Address(address));
    Ok(())
}

impl Mesh {
    /// The node that a host is: the one with one of its addresses, or else the one with its name.
    pub fn find(&self, host: &Host) -> Option<&MeshNode> {
        let addressed = |node: &&MeshNode| {
            host.has(node.address) || node.address6.is_some_and(|address| host.has(address))
        };
        let named = |node: &&MeshNode| node.name == host.name;
        let nodes = || self.nodes.iter();
        nodes().find(addressed).or_else(|| nodes().find(named))
    }

    /// A node's neighbours in the mesh.
    pub fn neighbors(&self, ourselves: &MeshNode, asn: Asn) -> Vec<Neighbor> {
        let others = self.nodes.iter().filter(|node| node.name != ourselves.name);
        let adjacent = |node: &&MeshNode| match self.mode {
            MeshMode::FullMesh => true,
            MeshMode::RouteReflector => node.route_reflector || ourselves.route_reflector,
        };
        others
            .filter(adjacent)
            .flat_map(|node| self.sessions(ourselves, node, asn))
            .collect()
    }

    /// One session for each family that both have an address of.
    fn sessions(&self, ourselves: &MeshNode, node: &MeshNode, asn: Asn) -> Vec<Neighbor> {
        let own = [Some(ourselves.address), ourselves.address6];
        let theirs = [Some(node.address), node.address6];
        let session = |address: IpAddr| {
            let local = own
                .into_iter()
                .flatten()
                .find(|own| own.is_ipv4() == address.is_ipv4())?;
            let usual = Neighbor::new(address, asn, asn);
            let restart = self
                .restart_time
                .unwrap_or(usual.graceful_restart.restart_time);
            Some(Neighbor {
                hold_time: self.hold_time.unwrap_or(usual.hold_time),
                graceful_restart: GracefulRestart {
                    enabled: restart > 0,
                    restart_time: restart,
                },
                bfd: self.bfd.clone(),
                description: Some(node.name.clone()),
                auth_password: self.auth_password.clone(),
                local_address: Some(LocalAddress::Address(local)),
                route_reflector_client: ourselves.route_reflector && !node.route_reflector,
                import: self.import.clone(),
                export: self.export.clone(),
                ..usual
            })
        };
        theirs.into_iter().flatten().filter_map(session).collect()
    }
}
