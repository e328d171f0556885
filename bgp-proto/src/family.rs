// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Address families (RFC 4760).

use core::{fmt, str::FromStr};

/// Address family identifier, as IANA numbers them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Afi(pub u16);

impl Afi {
    /// IPv4.
    pub const IPV4: Self = Self(1);
    /// IPv6.
    pub const IPV6: Self = Self(2);
}

/// Subsequent address family identifier.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Safi(pub u8);

impl Safi {
    /// Unicast forwarding.
    pub const UNICAST: Self = Self(1);
}

/// What a set of routes is about: AFI and SAFI.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Family {
    /// Address family.
    pub afi: Afi,
    /// Subsequent address family.
    pub safi: Safi,
}

impl Family {
    /// IPv4 unicast, 1/1.
    pub const IPV4_UNICAST: Self = Self {
        afi: Afi::IPV4,
        safi: Safi::UNICAST,
    };
    /// IPv6 unicast, 2/1.
    pub const IPV6_UNICAST: Self = Self {
        afi: Afi::IPV6,
        safi: Safi::UNICAST,
    };

    /// One of the families whose routes this crate decodes.
    pub fn is_supported(self) -> bool {
        self == Self::IPV4_UNICAST || self == Self::IPV6_UNICAST
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV4_UNICAST => f.pad("ipv4-unicast"),
            Self::IPV6_UNICAST => f.pad("ipv6-unicast"),
            Self { afi, safi } => write!(f, "afi {} safi {}", afi.0, safi.0),
        }
    }
}

/// A text that names no address family.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an address family: it is `ipv4-unicast` or `ipv6-unicast`")]
pub struct UnknownFamily;

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ipv4-unicast" => Ok(Self::IPV4_UNICAST),
            "ipv6-unicast" => Ok(Self::IPV6_UNICAST),
            _ => Err(UnknownFamily),
        }
    }
}
