// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who a neighbour is: an address, one with an interface, or an interface alone.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Serialize, Serializer};

/// What a neighbour is called in files, orders and answers. Small and `Copy`, as an address is.
///
/// ```
/// use bgpd::config::PeerName;
/// let name: PeerName = "fe80::1%eth0".parse()?;
/// assert_eq!(name.interface().unwrap().as_str(), "eth0");
/// assert_eq!(name.to_string(), "fe80::1%eth0");
/// # Ok::<(), bgpd::config::BadName>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PeerName {
    /// Its address.
    Address(IpAddr),
    /// A link-local address, which says nothing without its interface.
    Scoped(IpAddr, Interface),
    /// Whoever is at the other end of an interface (unnumbered).
    Interface(Interface),
}

/// The name of an interface: what Linux takes as one.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Interface {
    octets: [u8; Self::MAX],
    length: u8,
}

/// Not the name of a neighbour.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "\"{0}\" is no neighbour: an address, a link-local one with its interface (fe80::1%eth0), or an interface"
)]
pub struct BadName(String);

impl PeerName {
    /// Its address, if that is known without asking the network.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) | Self::Scoped(address, _) => Some(address),
            Self::Interface(_) => None,
        }
    }

    /// The interface that belongs to the name.
    pub fn interface(self) -> Option<Interface> {
        match self {
            Self::Address(_) => None,
            Self::Scoped(_, interface) | Self::Interface(interface) => Some(interface),
        }
    }
}

impl From<IpAddr> for PeerName {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Scoped(address, interface) => f.pad(&format!("{address}%{interface}")),
            Self::Interface(interface) => f.pad(interface.as_str()),
        }
    }
}

impl FromStr for PeerName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName(text.to_owned());
        if let Some((address, interface)) = text.split_once('%') {
            let address: IpAddr = address.parse().map_err(|_| bad())?;
            let interface = Interface::new(interface).ok_or_else(bad)?;
            return is_link_local(address)
                .then_some(Self::Scoped(address, interface))
                .ok_or_else(bad);
        }
        match text.parse() {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) => Interface::new(text).map(Self::Interface).ok_or_else(bad),
        }
    }
}

impl Serialize for PeerName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether an address needs an interface beside it.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

impl Interface {
    /// `IFNAMSIZ` without the zero at the end.
    const MAX: usize = 15;

    /// `None` for what Linux refuses as a name, and for what looks like something else.
    pub fn new(name: &str) -> Option<Self> {
        let odd = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'/' | b':' | b'%');
        if name.is_empty() || name.len() > Self::MAX || name.bytes().any(odd) {
            return None;
        }
        // All digits and dots is an address that somebody has mistyped.
        if matches!(name, "." | "..") || name.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        let mut octets = [0; Self::MAX];
        octets
            .iter_mut()
            .zip(name.bytes())
            .for_each(|(to, from)| *to = from);
        let length = u8::try_from(name.len()).ok()?;
        Some(Self { octets, length })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        let octets = self.octets.get(..self.length.into()).unwrap_or_default();
        // Only ASCII is let in.
        std::str::from_utf8(octets).unwrap_or_default()
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printed_as_they_are_written() {
        for text in [
            "192.0.2.1",
            "2001:db8::1",
            "fe80::1%eth0",
            "eth0",
            "bond0.4094",
            "lxc-12_ab@3",
        ] {
            let name: PeerName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        // Without an interface it can be read; who needs one says so.
        assert_eq!(
            "fe80::1".parse(),
            Ok(PeerName::Address("fe80::1".parse().unwrap()))
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "192.0.2.1%eth0",
            "2001:db8::1%eth0",
            "fe80::1%",
            "%eth0",
            "192.0.2.300",
            "2001:db8::x",
            "a/b",
            "..",
            "sixteen-letters-",
            "two words",
        ] {
            assert!(text.parse::<PeerName>().is_err(), "{text}");
        }
    }
}
