// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attributes in as few octets as they need: for tables that hold very many of them.

use alloc::vec::Vec;

use super::{Context, Draft, EXTENDED_LENGTH, encode_with, find, mp::push_next_hop};
use crate::{
    HoldTime, Negotiated, NextHop, PathAttributes, PeerKind, UnknownAttribute, frame,
    reader::{Reader, Short},
};

/// Attributes as octets: the next hop behind its length, and then what goes between two speakers of our own AS. Equal
/// attributes have equal octets.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PackedAttributes<'a>(&'a [u8]);

const CONTEXT: Context = Context {
    four_octet_as: true,
    aigp: true,
    classic: false,
};

/// A session on which nothing is lost.
static SESSION: Negotiated = Negotiated {
    four_octet_as: true,
    max_message: frame::MAX_EXTENDED,
    families: Vec::new(),
    route_refresh: false,
    enhanced_route_refresh: false,
    long_lived_stale: false,
    kind: PeerKind::Internal,
    aigp: true,
    refuse_as_sets: false,
    hold_time: HoldTime::OFF,
};

impl PathAttributes {
    /// Appends the octets of [`PackedAttributes`].
    pub fn pack(&self, out: &mut Vec<u8>) {
        push_next_hop(out, self.next_hop);
        encode_with(self, CONTEXT, 0, out);
    }
}

impl<'a> PackedAttributes<'a> {
    /// What [`PathAttributes::pack`] has written, and nothing else.
    pub fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The next hop.
    pub fn next_hop(self) -> NextHop {
        self.split().0
    }

    /// The value of one attribute, by its code.
    pub fn value(self, code: u8) -> Option<&'a [u8]> {
        let mut all = self.walk();
        all.find_map(|(_, known, value)| (known == code).then_some(value))
    }

    /// All of them, as values.
    pub fn unpack(self) -> PathAttributes {
        let mut draft = Draft::default();
        for (flags, code, value) in self.walk() {
            match find(code) {
                // What a peer could not have said either is left out.
                Some(row) => drop((row.decode)(value, &mut draft, &SESSION)),
                None => draft.unknown.push(UnknownAttribute {
                    flags: flags & !EXTENDED_LENGTH,
                    code,
                    value: bytes::Bytes::copy_from_slice(value),
                }),
            }
        }
        draft.finish(self.next_hop())
    }

    /// Flags, code and value of each.
    fn walk(self) -> impl Iterator<Item = (u8, u8, &'a [u8])> {
        let mut reader = self.split().1;
        core::iter::from_fn(move || {
            let (flags, code) = (reader.u8().ok()?, reader.u8().ok()?);
            let value = if flags & EXTENDED_LENGTH == 0 {
                reader.part8()
            } else {
                reader.part16()
            };
            Some((flags, code, value.ok()?))
        })
    }

    fn split(self) -> (NextHop, Reader<'a>) {
        let mut reader = Reader(self.0);
        let mut read = || -> Result<NextHop, Short> {
            Ok(match reader.u8()? {
                4 => NextHop::V4(reader.ipv4()?),
                16 => NextHop::V6(reader.ipv6()?),
                _ => NextHop::V6LinkLocal {
                    global: reader.ipv6()?,
                    link_local: reader.ipv6()?,
                },
            })
        };
        let next_hop = read().unwrap_or(NextHop::V4(core::net::Ipv4Addr::UNSPECIFIED));
        (next_hop, reader)
    }
}
