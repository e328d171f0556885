// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attributes whose value is a number, an address, or a list of them.

use alloc::vec::Vec;

use super::{Context, Draft, append, internal_only, list, whole};
use crate::{
    Aggregator, Asn, ClusterId, Community, ExtendedCommunity, LargeCommunity, Negotiated, NextHop,
    Origin, PathAttributes, Reason, RouterId,
    reader::{Reader, Short},
};

pub(super) fn decode_origin(
    value: &[u8],
    draft: &mut Draft<'_>,
    _: &Negotiated,
) -> Result<(), Reason> {
    draft.origin = Some(match whole(value, Reader::u8)? {
        0 => Origin::Igp,
        1 => Origin::Egp,
        2 => Origin::Incomplete,
        _ => return Err(Reason::Value),
    });
    Ok(())
}

pub(super) fn encode_origin(attributes: &PathAttributes, _: Context, out: &mut Vec<u8>) -> bool {
    out.push(attributes.origin as u8);
    true
}

pub(super) fn decode_next_hop(
    value: &[u8],
    draft: &mut Draft<'_>,
    _: &Negotiated,
) -> Result<(), Reason> {
    draft.next_hop = Some(whole(value, Reader::ipv4)?);
    Ok(())
}

pub(super) fn encode_next_hop(
    attributes: &PathAttributes,
    context: Context,
    out: &mut Vec<u8>,
) -> bool {
    match attributes.next_hop {
        NextHop::V4(address) if context.classic => {
            out.extend_from_slice(&address.octets());
            true
        }
        _ => false,
    }
}

pub(super) fn decode_med(
    value: &[u8],
    draft: &mut Draft<'_>,
    _: &Negotiated,
) -> Result<(), Reason> {
    draft.med = Some(whole(value, Reader::u32)?);
    Ok(())
}

pub(super) fn encode_med(attributes: &PathAttributes, _: Context, out: &mut Vec<u8>) -> bool {
    number(attributes.med, out)
}

pub(super) fn decode_local_pref(
    value: &[u8],
    draft: &mut Draft<'_>,
    session: &Negotiated,
) -> Result<(), Reason> {
    internal_only(session)?;
    draft.local_pref = Some(whole(value, Reader::u32)?);
    Ok(())
}

pub(super) fn encode_local_pref(
    attributes: &PathAttributes,
    _: Context,
    out: &mut Vec<u8>,
) -> bool {
    number(attributes.local_pref, out)
}

pub(super) fn decode_atomic(
    value: &[u8],
    draft: &mut Draft<'_>,
    _: &Negotiated,
) -> Result<(), Reason> {
    if !value.is_empty() {
        return Err(Reason::Length);
    }
    draft.atomic_aggregate = true;
    Ok(())
}

pub(super) fn encode_atomic(attributes: &PathAttributes, _: Context, _: &mut Vec<u8>) -> bool {
    attributes.atomic_aggregate
}

fn aggregator4(reader: &mut Reader<'_>) -> Result<Aggregator, Short> {
    Ok(Aggregator {
        asn: Asn(reader.u32()?),
        address: reader.ipv4()?,
    })
}

fn aggregator2(reader: &mut Reader<'_>) -> Result<Aggregator, Short> {
    Ok(Aggregator {
        asn: Asn(reader.u16()?.into()),
        address: reader.ipv4()?,
    })
}

pub(super) fn decode_aggregator(
    value: &[u8],
    draft: &mut Draft<'_>,
    session: &Negotiated,
) -> Result<(), Reason> {
    let aggregator = if session.four_octet_as {
        whole(value, aggregator4)?
    } else {
        whole(value, aggregator2)?
    };
    if aggregator.asn.0 == 0 {
        return Err(Reason::Value); // RFC 7607 §2
    }
    draft.aggregator = Some(aggregator);
    Ok(())
}

pub(super) fn encode_aggregator(
    attributes: &PathAttributes,
    context: Context,
    out: &mut Vec<u8>,
) -> bool {
    let Some(aggregator) = attributes.aggregator else {
        return false;
    };
    if context.four_octet_as {
        out.extend_from_slice(&aggregator.asn.0.to_be_bytes());
    } else {
        out.extend_from_slice(&aggregator.asn.to_two_octets().to_be_bytes());
    }
    out.extend_from_slice(&aggregator.address.octets());
    true
}

pub(super) fn decode_as4_aggregator(
    value: &[u8],
    draft: &mut Draft<'_>,
    session: &Negotiated,
) -> Result<(), Reason> {
    if session.four_octet_as {
        return Err(Reason::NotFromSuchAPeer); // RFC 6793 §4.1
    }
    let aggregator = whole(value, aggregator4)?;
    if aggregator.asn.0 == 0 {
        return Err(Reason::Value); // RFC 7607 §2
    }
    draft.as4_aggregator = Some(aggregator);
    Ok(())
}

pub(super) fn encode_as4_aggregator(
    attributes: &PathAttributes,
    context: Context,
    out: &mut Vec<u8>,
) -> bool {
    match attributes.aggregator {
        Some(aggregator) if !context.four_octet_as && aggregator.asn.0 > u32::from(u16::MAX) => {
            out.extend_from_slice(&aggregator.asn.0.to_be_bytes());
            out.extend_from_slice(&aggregator.address.octets());
            true
        }
        _ => false,
    }
}

pub(super) fn decode_communities(
    value: &[u8],
    draft: &mut Draft<'_>,
    _: &Negotiated,
) -> Result<(), Reason> {
    draft.communities = list(value, |octets| Community(u32::from_be_bytes(octets)))?;
    Ok(())
}

pub(super) fn encode_communities(
    attributes: &PathAttributes,
    _: Context,
    out: &mut Vec<u8>,
) -> bool {
    append(out, &attributes.communities, |community| {
        community.0.to_be_bytes()
    });
    !attributes.communities.is_empty()
}

pub(super) fn decode_originator(
    value: &[u8],
    draft: &mut Draft<'_>,
    session: &Negotiated,
) -> Result<(), Reason> {
    internal_only(session)?;
    draft.originator_id = Some(RouterId::new(whole(value, Reader::ipv4)?).ok_or(Reason::Value)?);
    Ok(())
}

pub(super) fn encode_originator(
    attributes: &PathAttributes,
    _: Context,
    out: &mut Vec<u8>,
) -> bool {
    number(attributes.originator_id.map(RouterId::as_u32), out)
}

pub(super) fn decode_cluster_list(
    value: &[u8],
    draft: &mut Draft<'_>,
    session: &Negotiated,
) -> Result<(), Reason> {
    internal_only(session)?;
    draft.cluster_list = list(value, |octets| ClusterId(u32::from_be_bytes(octets)))?;
    Ok(())
}

pub(super) fn encode_cluster_list(
    attributes: &PathAttributes,
    _: Context,
    out: &mut Vec<u8>,
) -> bool {
    append(out, &attributes.cluster_list, |cluster| {
        cluster.0.to_be_bytes()
    });
    !attributes.cluster_list.is_empty()
}

pub(super) fn decode_extended(
    value: &[u8],
    draft: &mut Draft<'_>,
    _: &Negotiated,
) -> Result<(), Reason> {
    draft.extended = list(value, ExtendedCommunity)?;
    Ok(())
}

pub(super) fn encode_extended(attributes: &PathAttributes, _: Context, out: &mut Vec<u8>) -> bool {
    append(out, &attributes.extended_communities, |community| {
        community.0
    });
    !attributes.extended_communities.is_empty()
}

pub(super) fn decode_large(
    value: &[u8],
    draft: &mut Draft<'_>,
    _: &Negotiated,
) -> Result<(), Reason> {
    draft.large = list(value, |[a, b, c, d, e, f, g, h, i, j, k, l]: [u8; 12]| {
        LargeCommunity {
            global: u32::from_be_bytes([a, b, c, d]),
            local_1: u32::from_be_bytes([e, f, g, h]),
            local_2: u32::from_be_bytes([i, j, k, l]),
        }
    })?;
    Ok(())
}

pub(super) fn encode_large(attributes: &PathAttributes, _: Context, out: &mut Vec<u8>) -> bool {
    for community in &attributes.large_communities {
        for part in [community.global, community.local_1, community.local_2] {
            out.extend_from_slice(&part.to_be_bytes());
        }
    }
    !attributes.large_communities.is_empty()
}

/// TLVs; the first of type 1 counts and has eleven octets (RFC 7311 §3). Others are not kept. Where the session has no
/// AIGP it is quietly ignored (§3.4).
pub(super) fn decode_aigp(
    value: &[u8],
    draft: &mut Draft<'_>,
    session: &Negotiated,
) -> Result<(), Reason> {
    if !session.aigp {
        return Ok(());
    }
    let mut reader = Reader(value);
    while !reader.is_empty() {
        let (kind, length) = (reader.u8()?, reader.u16()?);
        let content = reader.take(usize::from(length).checked_sub(3).ok_or(Reason::Length)?)?;
        if kind == 1 {
            let metric = whole(content, Reader::u64)?;
            draft.aigp = draft.aigp.or(Some(metric));
        }
    }
    Ok(())
}

pub(super) fn encode_aigp(
    attributes: &PathAttributes,
    context: Context,
    out: &mut Vec<u8>,
) -> bool {
    let Some(metric) = attributes.aigp.filter(|_| context.aigp) else {
        return false;
    };
    out.extend_from_slice(&[1, 0, 11]);
    out.extend_from_slice(&metric.to_be_bytes());
    true
}

pub(super) fn decode_otc(
    value: &[u8],
    draft: &mut Draft<'_>,
    _: &Negotiated,
) -> Result<(), Reason> {
    draft.only_to_customer = Some(Asn(whole(value, Reader::u32)?));
    Ok(())
}

pub(super) fn encode_otc(attributes: &PathAttributes, _: Context, out: &mut Vec<u8>) -> bool {
    number(attributes.only_to_customer.map(|asn| asn.0), out)
}

fn number(value: Option<u32>, out: &mut Vec<u8>) -> bool {
    if let Some(value) = value {
        out.extend_from_slice(&value.to_be_bytes());
    }
    value.is_some()
}
