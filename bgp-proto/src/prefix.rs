// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IP prefixes: compact, and never with a bit set behind their length.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::{Afi, Family};

/// Why something is not a prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PrefixError {
    /// Longer than the address.
    #[error("the prefix length is greater than that of the address")]
    TooLong,
    /// Bits behind the length are set.
    #[error("bits behind the prefix length are set")]
    HostBits,
    /// Not `address/length`.
    #[error("not of the form address/length")]
    Syntax,
}

macro_rules! prefix {
    ($(#[$doc:meta])* $name:ident, $address:ty, $octets:literal, $word:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name {
            octets: [u8; $octets],
            length: u8,
        }

        impl $name {
            /// Bits of an address.
            pub const MAX_LENGTH: u8 = $octets * 8;

            /// A prefix.
            ///
            /// # Errors
            /// Too long, or with bits set behind its length.
            pub fn new(address: $address, length: u8) -> Result<Self, PrefixError> {
                let prefix = Self::truncating(address, length).ok_or(PrefixError::TooLong)?;
                if prefix.addr() == address { Ok(prefix) } else { Err(PrefixError::HostBits) }
            }

            /// The prefix of that length which holds the address; `None` if the length is greater than the address's.
            pub fn truncating(address: $address, length: u8) -> Option<Self> {
                if length > Self::MAX_LENGTH {
                    return None;
                }
                let bits = <$word>::from_be_bytes(address.octets()) & Self::mask(length);
                Some(Self { octets: bits.to_be_bytes(), length })
            }

            /// The first address.
            pub fn addr(self) -> $address {
                self.octets.into()
            }

            /// Number of bits that count.
            pub fn length(self) -> u8 {
                self.length
            }

            /// Whether the address is inside.
            pub fn contains(self, address: $address) -> bool {
                let bits = <$word>::from_be_bytes(address.octets()) & Self::mask(self.length);
                bits == <$word>::from_be_bytes(self.octets)
            }

            /// Whether the other prefix is this one or inside it.
            pub fn covers(self, other: Self) -> bool {
                self.length <= other.length && self.contains(other.addr())
            }

            fn mask(length: u8) -> $word {
                <$word>::MAX.checked_shl(u32::from(Self::MAX_LENGTH.saturating_sub(length))).unwrap_or(0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.addr(), self.length)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = PrefixError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let (address, length) = text.split_once('/').ok_or(PrefixError::Syntax)?;
                let address = address.parse().map_err(|_| PrefixError::Syntax)?;
                Self::new(address, length.parse().map_err(|_| PrefixError::Syntax)?)
            }
        }
    };
}

prefix!(
    /// An IPv4 prefix in five octets.
    Ipv4Prefix, Ipv4Addr, 4, u32
);
prefix!(
    /// An IPv6 prefix in seventeen octets.
    Ipv6Prefix, Ipv6Addr, 16, u128
);

/// A prefix of either family. IPv4 sorts first.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Prefix {
    /// IPv4.
    V4(Ipv4Prefix),
    /// IPv6.
    V6(Ipv6Prefix),
}

impl Prefix {
    /// The prefix of that length which holds the address; `None` if the length is greater than the address's.
    pub fn truncating(address: IpAddr, length: u8) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Ipv4Prefix::truncating(address, length).map(Self::V4),
            IpAddr::V6(address) => Ipv6Prefix::truncating(address, length).map(Self::V6),
        }
    }

    /// The one that sorts before all others of its family: the default route.
    pub fn first_of(family: Family) -> Self {
        if family.afi == Afi::IPV6 {
            Self::V6(Ipv6Prefix {
                octets: [0; 16],
                length: 0,
            })
        } else {
            Self::V4(Ipv4Prefix {
                octets: [0; 4],
                length: 0,
            })
        }
    }

    /// Its unicast family.
    pub fn family(self) -> Family {
        match self {
            Self::V4(_) => Family::IPV4_UNICAST,
            Self::V6(_) => Family::IPV6_UNICAST,
        }
    }

    /// The first address.
    pub fn addr(self) -> IpAddr {
        match self {
            Self::V4(prefix) => prefix.addr().into(),
            Self::V6(prefix) => prefix.addr().into(),
        }
    }

    /// Number of bits that count.
    pub fn length(self) -> u8 {
        match self {
            Self::V4(prefix) => prefix.length(),
            Self::V6(prefix) => prefix.length(),
        }
    }

    /// Whether the address is inside.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4(prefix), IpAddr::V4(address)) => prefix.contains(address),
            (Self::V6(prefix), IpAddr::V6(address)) => prefix.contains(address),
            _ => false,
        }
    }

    /// Whether the other prefix is this one or inside it.
    pub fn covers(self, other: Self) -> bool {
        self.length() <= other.length() && self.contains(other.addr())
    }
}

impl From<Ipv4Prefix> for Prefix {
    fn from(prefix: Ipv4Prefix) -> Self {
        Self::V4(prefix)
    }
}

impl From<Ipv6Prefix> for Prefix {
    fn from(prefix: Ipv6Prefix) -> Self {
        Self::V6(prefix)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(prefix) => prefix.fmt(f),
            Self::V6(prefix) => prefix.fmt(f),
        }
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') {
            text.parse().map(Self::V6)
        } else {
            text.parse().map(Self::V4)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn prefixes_are_small() {
        assert_eq!((size_of::<Ipv4Prefix>(), size_of::<Ipv6Prefix>()), (5, 17));
    }

    #[test]
    fn text_goes_there_and_back() {
        for text in [
            "0.0.0.0/0",
            "10.244.1.0/26",
            "192.0.2.1/32",
            "::/0",
            "2001:db8::/32",
            "::1/128",
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_prefix_is_an_error() {
        assert_eq!("10.0.0.1/8".parse::<Prefix>(), Err(PrefixError::HostBits));
        assert_eq!("10.0.0.0/33".parse::<Prefix>(), Err(PrefixError::TooLong));
        assert_eq!("10.0.0.0".parse::<Prefix>(), Err(PrefixError::Syntax));
    }

    #[test]
    fn a_prefix_covers_itself_and_what_is_inside() {
        let block: Prefix = "10.244.0.0/16".parse().unwrap();
        assert!(block.covers(block));
        assert!(block.covers("10.244.1.0/26".parse().unwrap()));
        assert!(!block.covers("10.0.0.0/8".parse().unwrap()));
        assert!(!block.covers("2001:db8::/32".parse().unwrap()));
    }
}
