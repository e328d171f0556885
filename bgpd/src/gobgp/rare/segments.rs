// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sub-TLVs of segment routing policies in a tunnel encapsulation (RFC 9830 §2.4).

use bgpd_api::v4::{
    self,
    tunnel_encap_sub_tlvsr_binding_sid::Bsid,
    tunnel_encap_sub_tlvsr_segment_list::{Segment as Place, segment::Segment},
    tunnel_encap_tlv::tlv::Tlv as Sub,
};

use super::{all, length, number16, octet, sized, take, two_octets};

/// Sub-TLVs.
const PREFERENCE: u8 = 12;
const BINDING_SID: u8 = 13;
const EXPLICIT_NULL: u8 = 14;
const PRIORITY: u8 = 15;
const SRV6_BINDING_SID: u8 = 20;
const SEGMENT_LIST: u8 = 128;
const CANDIDATE_PATH_NAME: u8 = 129;

/// In a segment list.
const TYPE_A: u8 = 1;
const WEIGHT: u8 = 9;
const TYPE_B: u8 = 13;

/// `None`: it stays octets, as what has a flag or a part that its message has no word for.
pub(super) fn decode(kind: u8, value: &[u8]) -> Option<Sub> {
    let mut rest = value;
    let sub = read(kind, &mut rest)?;
    let is_all = encode(&sub).is_some_and(|made| made == Ok((kind, value.to_vec())));
    is_all.then_some(sub)
}

fn read(kind: u8, rest: &mut &[u8]) -> Option<Sub> {
    Some(match kind {
        PREFERENCE => {
            let [flags, _] = take(rest)?;
            Sub::SrPreference(v4::TunnelEncapSubTlvsrPreference {
                flags: flags.into(),
                preference: u32::from_be_bytes(take(rest)?),
            })
        }
        BINDING_SID => {
            let [flags, _] = take(rest)?;
            let sid = v4::SrBindingSid {
                s_flag: flags & 0x80 != 0,
                i_flag: flags & 0x40 != 0,
                sid: rest.to_vec(),
            };
            binding(Bsid::SrBindingSid(sid))
        }
        EXPLICIT_NULL => {
            let [flags, _, enlp] = take(rest)?;
            Sub::SrEnlp(v4::TunnelEncapSubTlvsrenlp {
                flags: flags.into(),
                enlp: enlp.into(),
            })
        }
        PRIORITY => {
            let [priority, _] = take(rest)?;
            Sub::SrPriority(v4::TunnelEncapSubTlvsrPriority {
                priority: priority.into(),
            })
        }
        SRV6_BINDING_SID => {
            let [flags, _] = take(rest)?;
            let sid = v4::SRv6BindingSid {
                s_flag: flags & 0x80 != 0,
                i_flag: flags & 0x40 != 0,
                b_flag: flags & 0x20 != 0,
                sid: take::<16>(rest)?.to_vec(),
                endpoint_behavior_structure: behavior(rest),
            };
            binding(Bsid::Srv6BindingSid(sid))
        }
        SEGMENT_LIST => Sub::SrSegmentList(segment_list(rest)?),
        CANDIDATE_PATH_NAME => {
            let [_] = take(rest)?;
            Sub::SrCandidatePathName(v4::TunnelEncapSubTlvsrCandidatePathName {
                candidate_path_name: String::from_utf8(rest.to_vec()).ok()?,
            })
        }
        _ => return None,
    })
}

fn binding(bsid: Bsid) -> Sub {
    Sub::SrBindingSid(v4::TunnelEncapSubTlvsrBindingSid { bsid: Some(bsid) })
}

fn segment_list(rest: &mut &[u8]) -> Option<v4::TunnelEncapSubTlvsrSegmentList> {
    let [_] = take(rest)?;
    let mut list = v4::TunnelEncapSubTlvsrSegmentList::default();
    let parts = all(rest, |rest| {
        let [kind, length] = take(rest)?;
        Some((kind, sized(rest, length.into())?))
    })?;
    for (kind, mut value) in parts {
        let rest = &mut value;
        let [flags, _] = take(rest)?;
        let segment = match kind {
            WEIGHT => {
                list.weight = Some(v4::SrWeight {
                    flags: flags.into(),
                    weight: u32::from_be_bytes(take(rest)?),
                });
                continue;
            }
            TYPE_A => Segment::A(v4::SegmentTypeA {
                flags: Some(segment_flags(flags)),
                label: u32::from_be_bytes(take(rest)?),
            }),
            TYPE_B => Segment::B(v4::SegmentTypeB {
                flags: Some(segment_flags(flags)),
                sid: take::<16>(rest)?.to_vec(),
                endpoint_behavior_structure: behavior(rest),
            }),
            _ => return None,
        };
        list.segments.push(Place {
            segment: Some(segment),
        });
    }
    Some(list)
}

fn segment_flags(flags: u8) -> v4::SegmentFlags {
    v4::SegmentFlags {
        v_flag: flags & 0x80 != 0,
        a_flag: flags & 0x40 != 0,
        s_flag: flags & 0x20 != 0,
        b_flag: flags & 0x10 != 0,
    }
}

/// The behaviour behind a SID and how the SID is divided (RFC 9830 §2.4.4.2.4), if it is said.
fn behavior(rest: &mut &[u8]) -> Option<v4::SRv6EndPointBehavior> {
    let behavior = number16(rest)?;
    let [_, _, block, node, function, argument] = take(rest)?;
    Some(v4::SRv6EndPointBehavior {
        behavior: behavior.cast_signed(),
        block_len: block.into(),
        node_len: node.into(),
        func_len: function.into(),
        arg_len: argument.into(),
    })
}

/// Kind and value; `None` for what is of other tunnels.
pub(super) fn encode(sub: &Sub) -> Option<Result<(u8, Vec<u8>), String>> {
    Some(match sub {
        Sub::SrPreference(it) => octet(it.flags).map(|flags| {
            let value = [&[flags, 0], &it.preference.to_be_bytes()[..]].concat();
            (PREFERENCE, value)
        }),
        Sub::SrEnlp(it) => octet(it.flags).and_then(|flags| {
            let enlp = octet(it.enlp.cast_unsigned())?;
            Ok((EXPLICIT_NULL, vec![flags, 0, enlp]))
        }),
        Sub::SrPriority(it) => octet(it.priority).map(|it| (PRIORITY, vec![it, 0])),
        Sub::SrCandidatePathName(it) => {
            let value = [&[0], it.candidate_path_name.as_bytes()].concat();
            Ok((CANDIDATE_PATH_NAME, value))
        }
        Sub::SrBindingSid(it) => binding_octets(it.bsid.as_ref()),
        Sub::SrSegmentList(it) => segment_list_octets(it).map(|value| (SEGMENT_LIST, value)),
        _ => return None,
    })
}

fn binding_octets(bsid: Option<&Bsid>) -> Result<(u8, Vec<u8>), String> {
    match bsid.ok_or("a binding SID is empty")? {
        Bsid::SrBindingSid(it) => {
            let flags = u8::from(it.s_flag) << 7 | u8::from(it.i_flag) << 6;
            let sid = match *it.sid.as_slice() {
                // As GoBGP has it, a label is a number when it is given, and is in its place when it is told.
                [a, b, c, d] => {
                    let number = u32::from_be_bytes([a, b, c, d]);
                    let label = if number < 1 << 20 {
                        number << 12
                    } else {
                        number
                    };
                    label.to_be_bytes().to_vec()
                }
                _ if matches!(it.sid.len(), 0 | 16) => it.sid.clone(),
                _ => return Err(format!("a binding SID has not {} octets", it.sid.len())),
            };
            Ok((BINDING_SID, [vec![flags, 0], sid].concat()))
        }
        Bsid::Srv6BindingSid(it) => {
            let flags =
                u8::from(it.s_flag) << 7 | u8::from(it.i_flag) << 6 | u8::from(it.b_flag) << 5;
            let value = sid_octets(flags, &it.sid, it.endpoint_behavior_structure.as_ref())?;
            Ok((SRV6_BINDING_SID, value))
        }
    }
}

fn segment_list_octets(it: &v4::TunnelEncapSubTlvsrSegmentList) -> Result<Vec<u8>, String> {
    let mut out = vec![0];
    let mut push = |kind: u8, value: &[u8]| -> Result<(), String> {
        let [_, length] = length(value)?;
        out.extend([kind, length]);
        out.extend(value);
        Ok(())
    };
    if let Some(weight) = &it.weight {
        let flags = octet(weight.flags)?;
        let value = [&[flags, 0], &weight.weight.to_be_bytes()[..]].concat();
        push(WEIGHT, &value)?;
    }
    for place in &it.segments {
        match place.segment.as_ref().ok_or("a segment is empty")? {
            Segment::A(it) => {
                let flags = flags_octet(it.flags.as_ref());
                let value = [&[flags, 0], &it.label.to_be_bytes()[..]].concat();
                push(TYPE_A, &value)?;
            }
            Segment::B(it) => {
                let flags = flags_octet(it.flags.as_ref());
                let value = sid_octets(flags, &it.sid, it.endpoint_behavior_structure.as_ref())?;
                push(TYPE_B, &value)?;
            }
        }
    }
    Ok(out)
}

fn flags_octet(flags: Option<&v4::SegmentFlags>) -> u8 {
    flags.map_or(0, |it| {
        u8::from(it.v_flag) << 7
            | u8::from(it.a_flag) << 6
            | u8::from(it.s_flag) << 5
            | u8::from(it.b_flag) << 4
    })
}

/// A SID of IPv6 behind its flags.
fn sid_octets(
    flags: u8,
    sid: &[u8],
    behavior: Option<&v4::SRv6EndPointBehavior>,
) -> Result<Vec<u8>, String> {
    if sid.len() != 16 {
        return Err(format!("a SID has 16 octets, not {}", sid.len()));
    }
    let mut out = [&[flags, 0], sid].concat();
    if let Some(it) = behavior {
        out.extend(two_octets(it.behavior.cast_unsigned())?);
        out.extend([0, 0]);
        for part in [it.block_len, it.node_len, it.func_len, it.arg_len] {
            out.push(octet(part)?);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

    fn there_and_back(kind: u8, value: &[u8]) -> Sub {
        let sub = decode(kind, value).unwrap_or_else(|| panic!("{kind} {value:x?}"));
        assert_eq!(encode(&sub), Some(Ok((kind, value.to_vec()))), "{sub:?}");
        sub
    }

    #[test]
    fn what_is_decoded_comes_back_as_it_was() {
        let structure = [0, 18, 0, 0, 40, 24, 16, 0];
        let whole = [&[0xe0, 0], &SID[..], &structure].concat();
        let in_list = [&[TYPE_B, 26, 0x30, 0], &SID[..], &structure].concat();
        let list = [
            &[0, WEIGHT, 6, 0, 0, 0, 0, 0, 12][..],
            &[TYPE_A, 6, 0x80, 0, 1, 0, 0, 0xff],
        ];
        let list = [list.concat(), in_list].concat();
        let preference = there_and_back(PREFERENCE, &[0, 0, 0, 0, 0, 100]);
        assert!(matches!(preference, Sub::SrPreference(it) if it.preference == 100));
        there_and_back(BINDING_SID, &[0xc0, 0, 1, 0x90, 0, 0]);
        there_and_back(BINDING_SID, &[0, 0]);
        there_and_back(BINDING_SID, &[&[0x40, 0], &SID[..]].concat());
        there_and_back(EXPLICIT_NULL, &[0, 0, 3]);
        there_and_back(PRIORITY, &[7, 0]);
        there_and_back(SRV6_BINDING_SID, &whole);
        there_and_back(SRV6_BINDING_SID, &whole[..18]);
        there_and_back(CANDIDATE_PATH_NAME, b"\0blue");
        let Sub::SrSegmentList(list) = there_and_back(SEGMENT_LIST, &list) else {
            panic!("a segment list");
        };
        assert_eq!(list.weight.map(|it| it.weight), Some(12));
        assert_eq!(list.segments.len(), 2);
    }

    #[test]
    fn what_a_message_has_no_word_for_stays_octets() {
        let cases: [(u8, &[u8]); 7] = [
            (PREFERENCE, &[0, 1, 0, 0, 0, 100]),
            (PREFERENCE, &[0, 0, 0, 0, 100]),
            (BINDING_SID, &[0x20, 0, 1, 0x90, 0, 0]),
            // A label that could be taken for its number.
            (BINDING_SID, &[0, 0, 0, 1, 0x10, 0]),
            (PRIORITY, &[7, 0, 0]),
            (SEGMENT_LIST, &[0, 3, 2, 0, 0]),
            (CANDIDATE_PATH_NAME, b"\0\xff"),
        ];
        for (kind, value) in cases {
            assert_eq!(decode(kind, value), None, "{kind} {value:x?}");
        }
    }

    #[test]
    fn a_label_is_given_as_a_number() {
        let sid = |sid: &[u8]| {
            let sid = v4::SrBindingSid {
                sid: sid.to_vec(),
                ..v4::SrBindingSid::default()
            };
            encode(&binding(Bsid::SrBindingSid(sid))).unwrap()
        };
        let label = 24000_u32;
        let made = [vec![0, 0], (label << 12).to_be_bytes().to_vec()].concat();
        assert_eq!(sid(&label.to_be_bytes()), Ok((BINDING_SID, made)));
        assert!(sid(&[1, 2, 3]).is_err());
    }
}
