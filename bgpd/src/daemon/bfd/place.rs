// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a neighbour is: the interface and the addresses of its session.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use bfd::Path;
use nix::net::if_::if_nametoindex;

use super::{Reach, Target};
use crate::config::Host;

/// A path, and the name of its interface if it has one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) path: Path,
    pub(super) interface: Option<String>,
}

/// Finds it, as interfaces and routes are now.
///
/// # Errors
/// What is missing, for people.
pub(super) fn place(target: &Target, host: &Host) -> Result<Place, String> {
    let link = link(target, host);
    match (target.reach, link) {
        (Reach::Multihop, _) | (Reach::AsFound, None) => {
            let local = match target.local {
                Some(local) => local,
                None => routed(target.remote)?,
            };
            Ok(Place {
                path: Path::multihop(local, target.remote),
                interface: None,
            })
        }
        (Reach::SingleHop | Reach::AsFound, Some((interface, local))) => {
            let index = if_nametoindex(interface)
                .map_err(|error| format!("interface {interface}: {error}"))?;
            Ok(Place {
                path: Path::single_hop(local, target.remote, index),
                interface: Some(interface.to_owned()),
            })
        }
        (Reach::SingleHop, None) => Err(match &target.interface {
            Some(interface) => format!("interface {interface} has no address for it"),
            None => format!(
                "{} is in no subnet of ours: is `multihop` missing, or `bind-interface`?",
                target.remote
            ),
        }),
    }
}

/// The interface that the neighbour is on, and our address there: the one that is configured, or in the neighbour's
/// subnet, or any other of its kind.
fn link<'h>(target: &'h Target, host: &'h Host) -> Option<(&'h str, IpAddr)> {
    let remote = target.remote;
    let here = host.addresses.iter().filter(|(name, network)| {
        target
            .interface
            .as_ref()
            .is_none_or(|wanted| wanted == name)
            && network.is_ipv4() == remote.is_ipv4()
            && is_link_local(network.ip()) == is_link_local(remote)
    });
    let candidates: Vec<(&str, IpAddr, bool)> = here
        .map(|(name, network)| (name.as_str(), network.ip(), network.contains(remote)))
        .collect();
    // Every interface has the subnet of link-local addresses: without a name it is not found.
    let on_link = |(_, _, contains): &&(&str, IpAddr, bool)| {
        target.interface.is_some() || (*contains && !is_link_local(remote))
    };
    let found = || candidates.iter().filter(on_link);
    let configured = || found().find(|(_, local, _)| Some(*local) == target.local);
    let beside = || found().find(|(_, _, contains)| *contains);
    let (name, local, _) = configured().or_else(beside).or_else(|| found().next())?;
    Some((name, target.local.unwrap_or(*local)))
}

/// The address that packets there would have. Nothing is sent.
fn routed(remote: IpAddr) -> Result<IpAddr, String> {
    let any = if remote.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let probe = || {
        let socket = UdpSocket::bind(any)?;
        socket.connect(SocketAddr::new(remote, bfd::MULTIHOP_PORT))?;
        Ok(socket.local_addr()?.ip())
    };
    probe().map_err(|error: std::io::Error| format!("no route to {remote}: {error}"))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        let address = |name: &str, network: &str| (name.to_owned(), network.parse().unwrap());
        Host {
            name: "here".to_owned(),
            addresses: vec![
                address("lo", "127.0.0.1/8"),
                address("lo", "192.0.2.99/32"),
                address("lo", "192.0.2.1/24"),
                address("lo", "2001:db8::1/64"),
                address("lo", "fe80::1/64"),
            ],
        }
    }

    fn target(remote: &str, reach: Reach) -> Target {
        Target {
            remote: remote.parse().unwrap(),
            local: None,
            interface: None,
            reach,
        }
    }

    fn local(target: &Target) -> Result<IpAddr, String> {
        place(target, &host()).map(|place| place.path.local)
    }

    #[test]
    fn a_single_hop_is_on_the_interface_of_its_subnet() {
        let near = target("192.0.2.2", Reach::SingleHop);
        let found = place(&near, &host()).unwrap();
        assert_eq!(found.interface.as_deref(), Some("lo"));
        assert_eq!(local(&near), Ok("192.0.2.1".parse().unwrap()));
        assert_eq!(
            place(&target("192.0.2.2", Reach::AsFound), &host()),
            Ok(found)
        );
        let far = target("198.51.100.1", Reach::SingleHop);
        assert!(local(&far).unwrap_err().contains("multihop"));
    }

    #[test]
    fn a_link_local_neighbour_needs_its_interface() {
        let mut peer = target("fe80::2", Reach::SingleHop);
        assert!(local(&peer).is_err());
        peer.interface = Some("lo".to_owned());
        assert_eq!(local(&peer), Ok("fe80::1".parse().unwrap()));
    }

    #[test]
    fn what_is_configured_is_taken() {
        let mut peer = target("192.0.2.2", Reach::SingleHop);
        peer.local = Some("192.0.2.99".parse().unwrap());
        assert_eq!(local(&peer), Ok("192.0.2.99".parse().unwrap()));
        peer.reach = Reach::Multihop;
        assert_eq!(local(&peer), Ok("192.0.2.99".parse().unwrap()));
    }

    #[test]
    fn a_multihop_leaves_from_where_routes_lead() {
        let found = place(&target("127.0.0.1", Reach::Multihop), &host()).unwrap();
        let own = "127.0.0.1".parse().unwrap();
        assert_eq!(
            (found.path, found.interface),
            (Path::multihop(own, own), None)
        );
    }
}
