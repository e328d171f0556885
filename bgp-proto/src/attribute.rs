// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table of path attributes: a row is the only place that knows an attribute exists.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;

use crate::{
    Aggregator, AsPath, Asn, Family, Negotiated, NextHop, Origin, PathAttributes, PeerKind, Reason,
    RouterId, UnknownAttribute, Verdict,
    reader::{Reader, Short},
};

mod as_path;
mod mp;
mod packed;
mod plain;

pub(crate) use mp::encode_reach_head;
pub use packed::PackedAttributes;

/// Optional bit of the flags octet.
pub(crate) const OPTIONAL: u8 = 0x80;
/// Transitive bit.
pub(crate) const TRANSITIVE: u8 = 0x40;
/// Partial bit.
pub(crate) const PARTIAL: u8 = 0x20;
/// Extended length bit.
pub(crate) const EXTENDED_LENGTH: u8 = 0x10;

/// Optional and transitive bits of a well-known attribute.
const WELL_KNOWN: u8 = TRANSITIVE;
/// Of an optional transitive one.
const OPTIONAL_TRANSITIVE: u8 = OPTIONAL | TRANSITIVE;
/// Of an optional non-transitive one.
const OPTIONAL_LOCAL: u8 = OPTIONAL;

/// What a malformed attribute costs (RFC 7606 §7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cost {
    Discard,
    Withdraw,
    Reset,
}

/// How attributes are written on a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) four_octet_as: bool,
    /// AIGP is believed by the peer.
    pub(crate) aigp: bool,
    /// `NEXT_HOP` is written; not when `MP_REACH_NLRI` has it.
    pub(crate) classic: bool,
}

type Decode = for<'a> fn(&'a [u8], &mut Draft<'a>, &Negotiated) -> Result<(), Reason>;
/// Appends the value; says whether the attribute is there at all.
type Encode = fn(&PathAttributes, Context, &mut Vec<u8>) -> bool;

/// One attribute.
pub(crate) struct Row {
    pub(crate) code: u8,
    pub(crate) name: &'static str,
    pub(crate) flags: u8,
    pub(crate) cost: Cost,
    pub(crate) decode: Decode,
    pub(crate) encode: Encode,
}

const fn row(
    code: u8,
    name: &'static str,
    flags: u8,
    cost: Cost,
    decode: Decode,
    encode: Encode,
) -> Row {
    Row {
        code,
        name,
        flags,
        cost,
        decode,
        encode,
    }
}

#[rustfmt::skip]
pub(crate) static ATTRIBUTES: &[Row] = &[
    //  code name                    flags                if malformed    (RFC 7606 §7 and the attribute's own)
    row(1,  "ORIGIN",               WELL_KNOWN,          Cost::Withdraw, plain::decode_origin,           plain::encode_origin),
    row(2,  "AS_PATH",              WELL_KNOWN,          Cost::Withdraw, as_path::decode,                as_path::encode),
    row(3,  "NEXT_HOP",             WELL_KNOWN,          Cost::Withdraw, plain::decode_next_hop,         plain::encode_next_hop),
    row(4,  "MULTI_EXIT_DISC",      OPTIONAL_LOCAL,      Cost::Withdraw, plain::decode_med,              plain::encode_med),
    row(5,  "LOCAL_PREF",           WELL_KNOWN,          Cost::Withdraw, plain::decode_local_pref,       plain::encode_local_pref),
    row(6,  "ATOMIC_AGGREGATE",     WELL_KNOWN,          Cost::Discard,  plain::decode_atomic,           plain::encode_atomic),
    row(7,  "AGGREGATOR",           OPTIONAL_TRANSITIVE, Cost::Discard,  plain::decode_aggregator,       plain::encode_aggregator),
    row(8,  "COMMUNITIES",          OPTIONAL_TRANSITIVE, Cost::Withdraw, plain::decode_communities,      plain::encode_communities),
    row(9,  "ORIGINATOR_ID",        OPTIONAL_LOCAL,      Cost::Withdraw, plain::decode_originator,       plain::encode_originator),
    row(10, "CLUSTER_LIST",         OPTIONAL_LOCAL,      Cost::Withdraw, plain::decode_cluster_list,     plain::encode_cluster_list),
    row(14, "MP_REACH_NLRI",        OPTIONAL_LOCAL,      Cost::Reset,    mp::decode_reach,               mp::nothing),
    row(15, "MP_UNREACH_NLRI",      OPTIONAL_LOCAL,      Cost::Reset,    mp::decode_unreach,             mp::nothing),
    row(16, "EXTENDED COMMUNITIES", OPTIONAL_TRANSITIVE, Cost::Withdraw, plain::decode_extended,         plain::encode_extended),
    row(17, "AS4_PATH",             OPTIONAL_TRANSITIVE, Cost::Discard,  as_path::decode_as4,            as_path::encode_as4),
    row(18, "AS4_AGGREGATOR",       OPTIONAL_TRANSITIVE, Cost::Discard,  plain::decode_as4_aggregator,   plain::encode_as4_aggregator),
    row(26, "AIGP",                 OPTIONAL_LOCAL,      Cost::Discard,  plain::decode_aigp,             plain::encode_aigp),
    row(32, "LARGE_COMMUNITY",      OPTIONAL_TRANSITIVE, Cost::Withdraw, plain::decode_large,            plain::encode_large),
    row(35, "ONLY_TO_CUSTOMER",     OPTIONAL_TRANSITIVE, Cost::Withdraw, plain::decode_otc,              plain::encode_otc),
];

/// Code of `MP_REACH_NLRI`.
pub(crate) const MP_REACH: u8 = 14;
/// Code of `MP_UNREACH_NLRI`.
pub(crate) const MP_UNREACH: u8 = 15;

/// The name of a path attribute, if this crate knows it.
///
/// ```
/// assert_eq!(bgp_proto::attribute_name(2), Some("AS_PATH"));
/// assert_eq!(bgp_proto::attribute_name(99), None);
/// ```
pub fn attribute_name(code: u8) -> Option<&'static str> {
    find(code).map(|row| row.name)
}

/// The row of a code.
pub(crate) fn find(code: u8) -> Option<&'static Row> {
    ATTRIBUTES.iter().find(|row| row.code == code)
}

/// Routes of `MP_REACH_NLRI`, or those of a family nobody negotiated (then without octets).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach<'a> {
    pub(crate) family: Family,
    pub(crate) next_hop: Option<NextHop>,
    pub(crate) nlri: &'a [u8],
}

/// What has been read of an UPDATE's attributes.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    pub(crate) origin: Option<Origin>,
    pub(crate) as_path: Option<AsPath>,
    pub(crate) as4_path: Option<AsPath>,
    pub(crate) next_hop: Option<Ipv4Addr>,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) atomic_aggregate: bool,
    pub(crate) aggregator: Option<Aggregator>,
    pub(crate) as4_aggregator: Option<Aggregator>,
    pub(crate) communities: Vec<crate::Community>,
    pub(crate) originator_id: Option<RouterId>,
    pub(crate) cluster_list: Vec<crate::ClusterId>,
    pub(crate) extended: Vec<crate::ExtendedCommunity>,
    pub(crate) large: Vec<crate::LargeCommunity>,
    pub(crate) aigp: Option<u64>,
    pub(crate) only_to_customer: Option<Asn>,
    pub(crate) unknown: Vec<UnknownAttribute>,
    pub(crate) reach: Option<Reach<'a>>,
    pub(crate) unreach: Option<(Family, &'a [u8])>,
}

impl Draft<'_> {
    /// The attributes for routes with this next hop. Mandatory ones that are missing have been reported by the caller.
    pub(crate) fn finish(&mut self, next_hop: NextHop) -> PathAttributes {
        as_path::merge(self);
        let mut attributes = PathAttributes::new(
            self.origin.unwrap_or(Origin::Incomplete),
            self.as_path.take().unwrap_or_default(),
            next_hop,
        );
        attributes.med = self.med;
        attributes.local_pref = self.local_pref;
        attributes.atomic_aggregate = self.atomic_aggregate;
        attributes.aggregator = self.aggregator;
        attributes.communities = core::mem::take(&mut self.communities);
        attributes.originator_id = self.originator_id;
        attributes.cluster_list = core::mem::take(&mut self.cluster_list);
        attributes.extended_communities = core::mem::take(&mut self.extended);
        attributes.large_communities = core::mem::take(&mut self.large);
        attributes.aigp = self.aigp;
        attributes.only_to_customer = self.only_to_customer;
        attributes.unknown = core::mem::take(&mut self.unknown);
        attributes.unknown.sort_by_key(|unknown| unknown.code);
        attributes
    }
}

/// Appends all attributes but `MP_REACH_NLRI` and `MP_UNREACH_NLRI`, ascending (RFC 4271 §5).
pub(crate) fn encode_all(attributes: &PathAttributes, context: Context, out: &mut Vec<u8>) {
    // Whoever put it there, it leaves as optional, transitive and partial.
    encode_with(attributes, context, OPTIONAL_TRANSITIVE | PARTIAL, out);
}

/// The same with these flags added to those of unknown attributes. One with the code of a known one is left out.
fn encode_with(attributes: &PathAttributes, context: Context, flags: u8, out: &mut Vec<u8>) {
    let is_unknown = |unknown: &&UnknownAttribute| find(unknown.code).is_none();
    let mut unknown = attributes.unknown.iter().filter(is_unknown).peekable();
    let encode_unknown = |unknown: &UnknownAttribute, out: &mut Vec<u8>| {
        encode_octets(out, unknown.flags | flags, unknown.code, &unknown.value);
    };
    for row in ATTRIBUTES {
        while let Some(first) = unknown.next_if(|unknown| unknown.code < row.code) {
            encode_unknown(first, out);
        }
        encode_one(out, row.flags, row.code, |out| {
            (row.encode)(attributes, context, out)
        });
    }
    for rest in unknown {
        encode_unknown(rest, out);
    }
}

/// Appends items of so many octets: all at once, as an iterator over octets would go one by one.
pub(crate) fn append<T, const N: usize>(
    out: &mut Vec<u8>,
    items: &[T],
    write: impl Fn(&T) -> [u8; N],
) {
    out.reserve(items.len() * N);
    for item in items {
        out.extend_from_slice(&write(item));
    }
}

/// Appends one attribute with this value.
fn encode_octets(out: &mut Vec<u8>, flags: u8, code: u8, value: &[u8]) {
    encode_one(out, flags, code, |out| {
        out.extend_from_slice(value);
        true
    });
}

/// Appends one attribute if `encode` says that it is there; over 255 octets it has an extended length.
fn encode_one(out: &mut Vec<u8>, flags: u8, code: u8, encode: impl FnOnce(&mut Vec<u8>) -> bool) {
    let start = out.len();
    out.extend_from_slice(&[flags & !EXTENDED_LENGTH, code, 0]);
    let value = out.len();
    if !encode(out) {
        return out.truncate(start);
    }
    let length = u16::try_from(out.len() - value).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    let is_long = high > 0;
    if let Some([flags, _, length]) = out.get_mut(start..value) {
        *flags |= if is_long { EXTENDED_LENGTH } else { 0 };
        *length = if is_long { high } else { low };
    }
    if is_long {
        out.insert(value, low);
    }
}

/// The address can be a router's.
pub(crate) fn is_router(address: Ipv4Addr) -> bool {
    // 0/8 is this network, 224/4 multicast, 240/4 reserved (RFC 6890).
    !matches!(address.octets().first(), Some(0 | 127 | 224..))
}

/// The address can be a router's.
pub(crate) fn is_router_v6(address: Ipv6Addr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback())
}

/// A value of exactly this length was expected.
impl From<Short> for Reason {
    fn from(_: Short) -> Self {
        Self::Length
    }
}

/// Reads a value that is one item and nothing behind it.
pub(crate) fn whole<'a, T>(
    value: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Short>,
) -> Result<T, Reason> {
    let mut reader = Reader(value);
    let item = read(&mut reader)?;
    if reader.is_empty() {
        Ok(item)
    } else {
        Err(Reason::Length)
    }
}

/// Reads a value that is one or more items of `N` octets (RFC 7606 §7.8, §7.10: a non-zero multiple).
pub(crate) fn list<T, const N: usize>(
    value: &[u8],
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Reason> {
    match value.as_chunks::<N>() {
        ([], _) => Err(Reason::Length),
        (items, []) => Ok(items.iter().map(|item| read(*item)).collect()),
        _ => Err(Reason::Length),
    }
}

/// An attribute without a row: an optional one is kept if it is transitive and dropped if it is not (RFC 4271 §5); a
/// well-known one that we do not know is the `Err`, and fatal.
pub(crate) fn unknown(
    flags: u8,
    code: u8,
    value: &[u8],
    draft: &mut Draft<'_>,
) -> Result<(), UnknownWellKnown> {
    match (flags & OPTIONAL != 0, flags & TRANSITIVE != 0) {
        (false, _) => Err(UnknownWellKnown),
        (true, true) => {
            let flags = flags & (OPTIONAL | TRANSITIVE | PARTIAL);
            draft.unknown.push(UnknownAttribute {
                flags,
                code,
                value: Bytes::copy_from_slice(value),
            });
            Ok(())
        }
        (true, false) => Ok(()),
    }
}

/// A well-known attribute that is not in the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct UnknownWellKnown;

/// The attribute as it was received, for NOTIFICATIONs (RFC 4271 §6.3).
pub(crate) fn as_received(flags: u8, code: u8, value: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(value.len() + 4);
    encode_octets(&mut out, flags, code, value);
    out.into()
}

/// What the cost of a row is among the verdicts; a reset is none of them.
pub(crate) fn verdict(cost: Cost, reason: Reason) -> Option<Verdict> {
    match (cost, reason) {
        (_, Reason::NotFromSuchAPeer) => Some(Verdict::Discard),
        (_, Reason::FamilyNotNegotiated) => Some(Verdict::Accept),
        // The routes could be read, so they can be withdrawn.
        (_, Reason::NextHopNotNegotiated) => Some(Verdict::Withdraw),
        (Cost::Reset, _) => None,
        // RFC 7606 §3 c: conflicting flags are treated as withdraw, also where a malformed value is only discarded.
        (_, Reason::Flags) | (Cost::Withdraw, _) => Some(Verdict::Withdraw),
        (Cost::Discard, _) => Some(Verdict::Discard),
    }
}

/// External sessions don't carry this attribute (RFC 7606 §7.5, §7.9, §7.10).
pub(crate) fn internal_only(session: &Negotiated) -> Result<(), Reason> {
    match session.kind {
        PeerKind::Internal => Ok(()),
        PeerKind::External => Err(Reason::NotFromSuchAPeer),
    }
}
