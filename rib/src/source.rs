// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where routes come from and where their packets go.

use core::fmt;

use bgp_proto::NextHop;

/// A neighbour, by a number that the owner of the RIB chose.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PeerId(pub u32);

/// Where a route comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// Learned from a neighbour.
    Bgp(PeerId),
    /// Configured.
    Static,
    /// The connected prefix of an interface.
    Direct,
    /// Another program's route in the kernel.
    Kernel,
    /// Injected by a client of the management API.
    Api,
}

impl Source {
    /// The neighbour, if it is one.
    pub fn peer(self) -> Option<PeerId> {
        match self {
            Self::Bgp(id) => Some(id),
            Self::Static | Self::Direct | Self::Kernel | Self::Api => None,
        }
    }

    /// The kernel has to be told: its own routes and its connected prefixes it knows.
    pub(crate) fn is_installed(self) -> bool {
        matches!(self, Self::Bgp(_) | Self::Static | Self::Api)
    }
}

/// Where packets go.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Disposition {
    /// To the next router; an unspecified one is ourselves.
    Via(NextHop),
    /// Nowhere, silently.
    Blackhole,
    /// Nowhere, and the sender is told that the host can not be reached.
    Unreachable,
    /// Nowhere, and the sender is told that it must not.
    Prohibit,
    /// To wherever the next table of the kernel's rules says.
    Throw,
    /// Out of this interface, by its index.
    Device(u32),
    /// To the next router, whose address counts on one interface only. It is there as long as the session with whoever
    /// says so is, and packets get through the interface ([`crate::Input::Interfaces`]).
    Link {
        /// Link-local.
        gateway: core::net::Ipv6Addr,
        /// Its index.
        interface: u32,
    },
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Via(next_hop) if next_hop.is_unspecified() => f.write_str("local"),
            Self::Via(next_hop) => write!(f, "via {next_hop}"),
            Self::Blackhole => f.write_str("blackhole"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Prohibit => f.write_str("prohibit"),
            Self::Throw => f.write_str("throw"),
            Self::Device(index) => write!(f, "dev #{index}"),
            Self::Link { gateway, interface } => write!(f, "via {gateway} dev #{interface}"),
        }
    }
}

/// How much a source is trusted against another one; higher is better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "one number for each source")]
pub struct Preferences {
    pub direct: u16,
    pub static_: u16,
    pub api: u16,
    pub bgp: u16,
    pub kernel: u16,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            direct: 240,
            static_: 200,
            api: 180,
            bgp: 100,
            kernel: 10,
        }
    }
}

impl Preferences {
    pub(crate) fn of(&self, source: Source) -> u16 {
        match source {
            Source::Bgp(_) => self.bgp,
            Source::Static => self.static_,
            Source::Direct => self.direct,
            Source::Kernel => self.kernel,
            Source::Api => self.api,
        }
    }
}
