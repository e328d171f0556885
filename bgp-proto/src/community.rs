// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Communities: standard (RFC 1997), extended (RFC 4360), large (RFC 8092).

use core::{fmt, str::FromStr};

/// A standard community.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Community(pub u32);

/// Registered names, as people write them.
static NAMES: &[(Community, &str)] = &[
    (Community::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
    (Community::ACCEPT_OWN, "accept-own"),
    (Community::LLGR_STALE, "llgr-stale"),
    (Community::NO_LLGR, "no-llgr"),
    (Community::BLACKHOLE, "blackhole"),
    (Community::NO_EXPORT, "no-export"),
    (Community::NO_ADVERTISE, "no-advertise"),
    (Community::NO_EXPORT_SUBCONFED, "no-export-subconfed"),
    (Community::NOPEER, "no-peer"),
];

impl Community {
    /// RFC 8326: about to go away, prefer others.
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xffff_0000);
    /// RFC 7611.
    pub const ACCEPT_OWN: Self = Self(0xffff_0001);
    /// RFC 9494: long-lived stale.
    pub const LLGR_STALE: Self = Self(0xffff_0006);
    /// RFC 9494: not to be kept long-lived.
    pub const NO_LLGR: Self = Self(0xffff_0007);
    /// RFC 7999: drop the traffic.
    pub const BLACKHOLE: Self = Self(0xffff_029a);
    /// RFC 1997: not outside of the AS (or confederation).
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    /// RFC 1997: to nobody.
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    /// RFC 1997: not outside of the member AS.
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);
    /// RFC 3765: not to peers.
    pub const NOPEER: Self = Self(0xffff_ff04);
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(community, _)| community == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff),
        }
    }
}

/// A text that is no community.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "not a community: it is written `65000:1`, large ones `65000:1:2`, or by a name such as `no-export`"
)]
pub struct CommunityError;

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((community, _)) = NAMES.iter().find(|(_, name)| *name == text) {
            return Ok(*community);
        }
        let (high, low) = text.split_once(':').ok_or(CommunityError)?;
        let high: u16 = high.parse().map_err(|_| CommunityError)?;
        let low: u16 = low.parse().map_err(|_| CommunityError)?;
        Ok(Self(u32::from(high) << 16 | u32::from(low)))
    }
}

/// An extended community, as its eight octets.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ExtendedCommunity(pub [u8; 8]);

impl ExtendedCommunity {
    /// Passed on between ASes (RFC 4360 §2).
    pub fn is_transitive(self) -> bool {
        self.0[0] & 0x40 == 0
    }

    /// The bandwidth of the link that a route came by, in octets a second (draft-ietf-idr-link-bandwidth), if it says so
    /// in the transitive or the other form. Not checked: it may be no number.
    pub fn link_bandwidth(self) -> Option<f32> {
        match self.0 {
            [0x00 | 0x40, 0x04, _, _, octets @ ..] => Some(f32::from_be_bytes(octets)),
            _ => None,
        }
    }
}

impl FromStr for ExtendedCommunity {
    type Err = CommunityError;

    /// `rt:` or `soo:` and `65000:1`, `192.0.2.1:1` or, for AS numbers of four octets, `4200000000:1`; or all octets as `0x…`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(digits) = text.strip_prefix("0x").filter(|digits| digits.len() == 16) {
            let octets = u64::from_str_radix(digits, 16).map_err(|_| CommunityError)?;
            return Ok(Self(octets.to_be_bytes()));
        }
        let mut parts = text.splitn(3, ':');
        let subtype = match parts.next() {
            Some("rt") => 2,
            Some("soo") => 3,
            _ => return Err(CommunityError),
        };
        let (Some(administrator), Some(number)) = (parts.next(), parts.next()) else {
            return Err(CommunityError);
        };
        let number: u32 = number.parse().map_err(|_| CommunityError)?;
        let short = u16::try_from(number).map(u16::to_be_bytes);
        let (kind, front, back) = if let Ok(asn) = administrator.parse::<u16>() {
            let ([first, second], [third, fourth, high, low]) =
                (asn.to_be_bytes(), number.to_be_bytes());
            (0, [first, second, third, fourth], [high, low])
        } else if let Ok(asn) = administrator.parse::<u32>() {
            (2, asn.to_be_bytes(), short.map_err(|_| CommunityError)?)
        } else {
            let address: core::net::Ipv4Addr = administrator.parse().map_err(|_| CommunityError)?;
            (1, address.octets(), short.map_err(|_| CommunityError)?)
        };
        let ([first, second, third, fourth], [high, low]) = (front, back);
        Ok(Self([
            kind, subtype, first, second, third, fourth, high, low,
        ]))
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, subtype, administrator @ .., high, low] = self.0;
        let [first, second, third, fourth] = administrator;
        let name = match subtype {
            2 => "rt",
            3 => "soo",
            _ => "",
        };
        let wide = u32::from_be_bytes(administrator);
        let short = u16::from_be_bytes([high, low]);
        match (kind & 0xbf, name) {
            (0, "rt" | "soo") => write!(
                f,
                "{name}:{}:{}",
                u16::from_be_bytes([first, second]),
                u32::from_be_bytes([third, fourth, high, low])
            ),
            (1, "rt" | "soo") => {
                write!(f, "{name}:{}:{short}", core::net::Ipv4Addr::from(wide))
            }
            (2, "rt" | "soo") => write!(f, "{name}:{wide}:{short}"),
            _ => write!(f, "0x{:016x}", u64::from_be_bytes(self.0)),
        }
    }
}

/// A large community.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LargeCommunity {
    /// Global administrator: an AS number.
    pub global: u32,
    /// First local part.
    pub local_1: u32,
    /// Second local part.
    pub local_2: u32,
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local_1, self.local_2)
    }
}

impl FromStr for LargeCommunity {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text
            .split(':')
            .map(|part| part.parse().map_err(|_| CommunityError));
        let mut next = || parts.next().unwrap_or(Err(CommunityError));
        let community = Self {
            global: next()?,
            local_1: next()?,
            local_2: next()?,
        };
        if parts.next().is_none() {
            Ok(community)
        } else {
            Err(CommunityError)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn extended_communities_are_read_as_they_are_printed() {
        for text in [
            "rt:65000:100000",
            "soo:192.0.2.1:7",
            "rt:4200000000:7",
            "0x4004fde80000000a",
        ] {
            let community: ExtendedCommunity = text.parse().unwrap();
            assert_eq!(community.to_string(), text);
        }
        for text in [
            "rt:65000",
            "xx:1:1",
            "rt:192.0.2.1:65536",
            "rt:4200000000:65536",
            "0x1",
        ] {
            assert_eq!(
                text.parse::<ExtendedCommunity>(),
                Err(CommunityError),
                "{text}"
            );
        }
    }
}
