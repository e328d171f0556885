// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NLRI: prefixes on the wire (RFC 4271 §4.3, RFC 4760 §5), with path identifiers (RFC 7911 §3).
//!
//! This is the per-route loop: a hand-written cursor (docs/performance.md has it beside nom).

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::{Family, Ipv4Prefix, Ipv6Prefix, Prefix};

/// NLRI that was checked once: walking it can not fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NlriBlock<'a> {
    /// Their family; IPv4 or IPv6 unicast.
    pub family: Family,
    add_path: bool,
    octets: &'a [u8],
}

/// Why NLRI can not be read. What is behind the fault is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NlriError;

impl<'a> NlriBlock<'a> {
    /// Checks every length.
    pub(crate) fn check(
        family: Family,
        add_path: bool,
        octets: &'a [u8],
    ) -> Result<Self, NlriError> {
        let max = if family == Family::IPV4_UNICAST {
            Ipv4Prefix::MAX_LENGTH
        } else {
            Ipv6Prefix::MAX_LENGTH
        };
        let mut rest = octets;
        while !rest.is_empty() {
            let (_, length, _, after) = split(rest, add_path).ok_or(NlriError)?;
            if length > max {
                return Err(NlriError);
            }
            rest = after;
        }
        Ok(Self {
            family,
            add_path,
            octets,
        })
    }

    /// No prefix at all.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The IPv4 prefixes with their path identifiers (0 without add-path); nothing for another family.
    pub fn ipv4(&self) -> impl Iterator<Item = (u32, Ipv4Prefix)> + use<'a> {
        let octets = if self.family == Family::IPV4_UNICAST {
            self.octets
        } else {
            &[]
        };
        Walk {
            rest: octets,
            add_path: self.add_path,
        }
        .filter_map(|(id, length, from)| {
            let address = Ipv4Addr::from(address::<4>(from, length));
            Some((id, Ipv4Prefix::truncating(address, length)?))
        })
    }

    /// The IPv6 prefixes with their path identifiers; nothing for another family.
    pub fn ipv6(&self) -> impl Iterator<Item = (u32, Ipv6Prefix)> + use<'a> {
        let octets = if self.family == Family::IPV6_UNICAST {
            self.octets
        } else {
            &[]
        };
        Walk {
            rest: octets,
            add_path: self.add_path,
        }
        .filter_map(|(id, length, from)| {
            let address = Ipv6Addr::from(address::<16>(from, length));
            Some((id, Ipv6Prefix::truncating(address, length)?))
        })
    }

    /// All prefixes with their path identifiers.
    pub fn prefixes(&self) -> impl Iterator<Item = (u32, Prefix)> + use<'a> {
        let v4 = self.ipv4().map(|(id, prefix)| (id, Prefix::V4(prefix)));
        v4.chain(self.ipv6().map(|(id, prefix)| (id, Prefix::V6(prefix))))
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    add_path: bool,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (u32, u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (id, length, from, rest) = split(self.rest, self.add_path)?;
        self.rest = rest;
        Some((id, length, from))
    }
}

/// The address whose first octets are in front of `from`. What follows them may be the next prefix: it is behind the
/// length, and a prefix has no bits there. A whole address is read at once wherever there are octets enough, because a
/// copy of so many octets as the length says costs more than all the rest.
#[inline]
fn address<const N: usize>(from: &[u8], length: u8) -> [u8; N] {
    if let Some(whole) = from.first_chunk() {
        return *whole;
    }
    let mut address = [0; N];
    let octets = from.iter().take(usize::from(length.div_ceil(8)));
    address
        .iter_mut()
        .zip(octets)
        .for_each(|(to, octet)| *to = *octet);
    address
}

/// Splits off one prefix: path identifier, length, what begins with its octets, what is behind them.
#[inline]
fn split(octets: &[u8], add_path: bool) -> Option<(u32, u8, &[u8], &[u8])> {
    let (id, octets) = if add_path {
        let (id, rest) = octets.split_first_chunk()?;
        (u32::from_be_bytes(*id), rest)
    } else {
        (0, octets)
    };
    let (length, rest) = octets.split_first()?;
    let behind = rest.get(usize::from(length.div_ceil(8))..)?;
    Some((id, *length, rest, behind))
}

/// Appends one prefix.
pub(crate) fn encode(out: &mut Vec<u8>, add_path: bool, id: u32, prefix: Prefix) {
    if add_path {
        out.extend_from_slice(&id.to_be_bytes());
    }
    let length = prefix.length();
    out.push(length);
    let octets = usize::from(length.div_ceil(8));
    match prefix {
        Prefix::V4(prefix) => out.extend(prefix.addr().octets().iter().take(octets)),
        Prefix::V6(prefix) => out.extend(prefix.addr().octets().iter().take(octets)),
    }
}
