// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `MP_REACH_NLRI` and `MP_UNREACH_NLRI` (RFC 4760), next hops by RFC 2545 and RFC 8950.

use alloc::vec::Vec;

use super::{Context, Draft, EXTENDED_LENGTH, MP_REACH, OPTIONAL_LOCAL, Reach};
use crate::{
    Afi, Family, Negotiated, NextHop, PathAttributes, Reason, Safi,
    reader::{Reader, Short},
};

pub(super) fn decode_reach<'a>(
    value: &'a [u8],
    draft: &mut Draft<'a>,
    session: &Negotiated,
) -> Result<(), Reason> {
    let mut reader = Reader(value);
    let family = family(&mut reader)?;
    let next_hop = reader.part8()?;
    let _reserved = reader.u8()?;
    let Some(entry) = session.family(family).filter(|_| family.is_supported()) else {
        draft.reach = Some(Reach {
            family,
            next_hop: None,
            nlri: &[],
        });
        return Err(Reason::FamilyNotNegotiated);
    };
    let next_hop = decode_next_hop(next_hop, family)?;
    draft.reach = Some(Reach {
        family,
        next_hop: Some(next_hop),
        nlri: reader.0,
    });
    match next_hop {
        NextHop::V6(_) | NextHop::V6LinkLocal { .. }
            if family.afi == Afi::IPV4 && !entry.extended_next_hop =>
        {
            Err(Reason::NextHopNotNegotiated)
        }
        _ => Ok(()),
    }
}

pub(super) fn decode_unreach<'a>(
    value: &'a [u8],
    draft: &mut Draft<'a>,
    session: &Negotiated,
) -> Result<(), Reason> {
    let mut reader = Reader(value);
    let family = family(&mut reader)?;
    if !session.has_family(family) || !family.is_supported() {
        return Err(Reason::FamilyNotNegotiated);
    }
    draft.unreach = Some((family, reader.0));
    Ok(())
}

/// Both are written by the update writer, in front of the others.
pub(super) fn nothing(_: &PathAttributes, _: Context, _: &mut Vec<u8>) -> bool {
    false
}

fn family(reader: &mut Reader<'_>) -> Result<Family, Short> {
    Ok(Family {
        afi: Afi(reader.u16()?),
        safi: Safi(reader.u8()?),
    })
}

fn decode_next_hop(octets: &[u8], family: Family) -> Result<NextHop, Reason> {
    let mut reader = Reader(octets);
    let next_hop = match octets.len() {
        4 if family == Family::IPV4_UNICAST => NextHop::V4(reader.ipv4()?),
        16 => NextHop::V6(reader.ipv6()?),
        32 => {
            let (global, link_local) = (reader.ipv6()?, reader.ipv6()?);
            match (global.is_unspecified(), link_local.is_unicast_link_local()) {
                // Some speakers leave the global one empty where there is none.
                (true, true) => NextHop::V6(link_local),
                (_, true) => NextHop::V6LinkLocal { global, link_local },
                (_, false) => NextHop::V6(global),
            }
        }
        _ => return Err(Reason::Length),
    };
    Ok(next_hop)
}

/// Appends the head of an `MP_REACH_NLRI` with room for its length; returns where the length goes.
pub(crate) fn encode_reach_head(out: &mut Vec<u8>, family: Family, next_hop: NextHop) -> usize {
    out.extend_from_slice(&[OPTIONAL_LOCAL | EXTENDED_LENGTH, MP_REACH]);
    let place = out.len();
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&family.afi.0.to_be_bytes());
    out.push(family.safi.0);
    push_next_hop(out, next_hop);
    out.push(0);
    place
}

/// Appends the octets of a next hop, with how many they are in front (RFC 4760 §3).
pub(super) fn push_next_hop(out: &mut Vec<u8>, next_hop: NextHop) {
    match next_hop {
        NextHop::V4(address) => {
            out.push(4);
            out.extend_from_slice(&address.octets());
        }
        NextHop::V6(address) => {
            out.push(16);
            out.extend_from_slice(&address.octets());
        }
        NextHop::V6LinkLocal { global, link_local } => {
            out.push(32);
            out.extend_from_slice(&global.octets());
            out.extend_from_slice(&link_local.octets());
        }
    }
}
