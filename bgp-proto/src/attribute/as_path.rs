// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `AS_PATH` and `AS4_PATH` on the wire, and how the two become one (RFC 6793 §4.2).

use alloc::vec::Vec;

use super::{Context, Draft, append};
use crate::{
    AsPath, Asn, Negotiated, PathAttributes, PeerKind, Reason, SegmentKind, reader::Reader,
};

pub(super) fn decode(
    value: &[u8],
    draft: &mut Draft<'_>,
    session: &Negotiated,
) -> Result<(), Reason> {
    let path = segments(value, session.four_octet_as)?;
    if session.kind == PeerKind::External
        && path.segments().any(|(kind, _)| kind.is_confederation())
    {
        return Err(Reason::Value); // RFC 5065 §5
    }
    let is_set = |kind| matches!(kind, SegmentKind::Set | SegmentKind::ConfedSet);
    if session.refuse_as_sets && path.segments().any(|(kind, _)| is_set(kind)) {
        return Err(Reason::AsSet);
    }
    draft.as_path = Some(path);
    Ok(())
}

pub(super) fn encode(attributes: &PathAttributes, context: Context, out: &mut Vec<u8>) -> bool {
    for (kind, asns) in attributes.as_path.segments() {
        out.extend_from_slice(&[kind as u8, u8::try_from(asns.len()).unwrap_or(u8::MAX)]);
        if context.four_octet_as {
            append(out, asns, |asn| asn.0.to_be_bytes());
        } else {
            append(out, asns, |asn| asn.to_two_octets().to_be_bytes());
        }
    }
    true
}

pub(super) fn decode_as4(
    value: &[u8],
    draft: &mut Draft<'_>,
    session: &Negotiated,
) -> Result<(), Reason> {
    if session.four_octet_as {
        return Err(Reason::NotFromSuchAPeer); // RFC 6793 §4.1
    }
    if value.is_empty() {
        return Err(Reason::Length); // RFC 6793 §6
    }
    let mut path = AsPath::empty();
    // Confederation segments do not belong there and are dropped (RFC 6793 §6).
    for (kind, asns) in segments(value, true)?
        .segments()
        .filter(|(kind, _)| !kind.is_confederation())
    {
        path.push_segment(kind, asns);
    }
    draft.as4_path = Some(path);
    Ok(())
}

/// Present when `AS_PATH` alone would lose a number (RFC 6793 §4.2.2). Those of confederation segments are lost (§3).
pub(super) fn encode_as4(attributes: &PathAttributes, context: Context, out: &mut Vec<u8>) -> bool {
    let carried = || {
        let all = attributes.as_path.segments();
        all.filter(|(kind, _)| !kind.is_confederation())
    };
    let is_lost = |asn: &Asn| asn.0 > u32::from(u16::MAX);
    if context.four_octet_as || !carried().any(|(_, asns)| asns.iter().any(is_lost)) {
        return false;
    }
    for (kind, asns) in carried() {
        out.extend_from_slice(&[kind as u8, u8::try_from(asns.len()).unwrap_or(u8::MAX)]);
        append(out, asns, |asn| asn.0.to_be_bytes());
    }
    true
}

/// RFC 7606 §7.2: a segment of no AS, of an unknown kind, or longer than the attribute is an error; so is AS 0 (RFC 7607).
fn segments(value: &[u8], four_octet_as: bool) -> Result<AsPath, Reason> {
    let width = if four_octet_as { 4 } else { 2 };
    let mut reader = Reader(value);
    // A segment has two octets of its own and at least one AS.
    let mut path = AsPath::with_capacity(value.len() / width);
    while !reader.is_empty() {
        let kind = SegmentKind::from_wire(reader.u8()?).ok_or(Reason::Value)?;
        let count = reader.u8()?;
        let octets = reader.take(usize::from(count) * width)?;
        if count == 0 {
            return Err(Reason::Length);
        }
        if four_octet_as {
            let asns = octets.as_chunks().0.iter();
            path.extend_segment(kind, count, asns.map(|asn| Asn(u32::from_be_bytes(*asn))));
        } else {
            let asns = octets.as_chunks().0.iter();
            path.extend_segment(
                kind,
                count,
                asns.map(|asn| Asn(u16::from_be_bytes(*asn).into())),
            );
        }
    }
    if path.asns().any(|asn| asn == Asn(0)) {
        return Err(Reason::Value);
    }
    Ok(path)
}

/// Puts the AS4 attributes in place of what a two-octet speaker could not say (RFC 6793 §4.2.3).
pub(super) fn merge(draft: &mut Draft<'_>) {
    let (as4_path, as4_aggregator) = (draft.as4_path.take(), draft.as4_aggregator.take());
    // A speaker of four octets that aggregated behind the old one has left both attributes of the old one stale.
    if let (Some(aggregator), Some(_)) = (draft.aggregator, as4_aggregator) {
        if aggregator.asn != Asn::TRANS {
            return;
        }
        draft.aggregator = as4_aggregator;
    }
    if let (Some(path), Some(as4)) = (&draft.as_path, as4_path)
        && let Some(merged) = merged(path, &as4)
    {
        draft.as_path = Some(merged);
    }
}

/// The head of `path` that `as4` does not have, and `as4`. `None` if `path` is the shorter one.
fn merged(path: &AsPath, as4: &AsPath) -> Option<AsPath> {
    let mut surplus = usize::try_from(path.hop_count().checked_sub(as4.hop_count())?).ok()?;
    let mut head = AsPath::empty();
    for (kind, asns) in path.segments() {
        match kind {
            // Confederation segments at the front are kept, they count nothing.
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => head.push_segment(kind, asns),
            _ if surplus == 0 => break,
            SegmentKind::Set => {
                head.push_segment(kind, asns);
                surplus -= 1;
            }
            SegmentKind::Sequence => {
                let kept = surplus.min(asns.len());
                head.push_segment(kind, asns.get(..kept).unwrap_or_default());
                surplus -= kept;
            }
        }
    }
    Some(joined(head, as4))
}

/// Two paths as one; sequences that meet become one segment if it holds them.
fn joined(mut head: AsPath, tail: &AsPath) -> AsPath {
    let meets = matches!(head.segments().last(), Some((SegmentKind::Sequence, _)));
    if let (true, Some((SegmentKind::Sequence, first))) = (meets, tail.segments().next()) {
        let mut segments: Vec<(SegmentKind, Vec<Asn>)> = head
            .segments()
            .map(|(kind, asns)| (kind, asns.to_vec()))
            .collect();
        if let Some((_, last)) = segments.last_mut()
            && last.len() + first.len() <= 255
        {
            last.extend_from_slice(first);
            let mut path = AsPath::empty();
            for (kind, asns) in &segments {
                path.push_segment(*kind, asns);
            }
            for (kind, asns) in tail.segments().skip(1) {
                path.push_segment(kind, asns);
            }
            return path;
        }
    }
    for (kind, asns) in tail.segments() {
        head.push_segment(kind, asns);
    }
    head
}
