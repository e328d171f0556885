// SPDX-License-Identifier: Apache-2.0 OR MIT
//! This host, as the configuration wants to know it: its name and the addresses of its interfaces.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::config::Host;

/// Reads the interfaces and the host name. Works without privileges.
///
/// # Errors
/// The kernel's.
pub(super) fn this_host() -> std::io::Result<Host> {
    let mut addresses = Vec::new();
    for interface in nix::ifaddrs::getifaddrs()? {
        let (Some(address), Some(mask)) = (
            interface.address.and_then(ip),
            interface.netmask.and_then(ip),
        ) else {
            continue;
        };
        if let Ok(network) = IpNetwork::with_netmask(address, mask) {
            addresses.push((interface.interface_name, network));
        }
    }
    let name = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    Ok(Host { name, addresses })
}

fn ip(address: nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| {
        address
            .as_sockaddr_in6()
            .map(|address| IpAddr::V6(address.ip()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_loopback_address() {
        let host = this_host().unwrap();
        assert!(
            host.addresses
                .iter()
                .any(|(name, network)| name == "lo" && network.ip().is_loopback())
        );
    }
}
