// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AS numbers and identifiers.

use core::{
    fmt,
    net::Ipv4Addr,
    num::{NonZeroU32, ParseIntError},
    str::FromStr,
};

/// An autonomous system number of four octets (RFC 6793).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct Asn(pub u32);

impl Asn {
    /// Stands for a number that does not fit into two octets (RFC 6793 §9).
    pub const TRANS: Self = Self(23456);

    /// For private use (RFC 6996): means nothing to other ASes.
    pub fn is_private(self) -> bool {
        matches!(self.0, 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
    }

    /// As a session with a two-octet peer carries it: [`Asn::TRANS`] if it does not fit.
    pub fn to_two_octets(self) -> u16 {
        u16::try_from(self.0).unwrap_or(23456)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Asn {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A BGP identifier: any four octets but zero (RFC 6286).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RouterId(NonZeroU32);

impl RouterId {
    /// `None` for 0.0.0.0.
    pub fn new(address: Ipv4Addr) -> Option<Self> {
        NonZeroU32::new(address.into()).map(Self)
    }

    /// Written as an address.
    pub fn addr(self) -> Ipv4Addr {
        self.0.get().into()
    }

    /// As a number, for comparison.
    pub fn as_u32(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr().fmt(f)
    }
}

/// A route reflector's cluster (RFC 4456 §7).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClusterId(pub u32);

impl ClusterId {
    /// Written as an address.
    pub fn addr(self) -> Ipv4Addr {
        self.0.into()
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr().fmt(f)
    }
}
