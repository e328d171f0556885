// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attributes that hold an `Any` for each of their parts in version 3: tunnel encapsulation, IPv6 extended communities
//! and prefix SID.

use std::collections::HashMap;

use prost_types::Any;

use super::{
    BadAny,
    any::{each, name, pack, unknown, unpack},
};
use crate::{
    v3,
    v4::{
        self,
        attribute::Attr,
        ip6_extended_communities_attribute::{Community, community::Extcom},
        prefix_sid, s_rv6_sub_sub_tlv, s_rv6_sub_tlv,
        tunnel_encap_sub_tlvsr_binding_sid::Bsid,
        tunnel_encap_sub_tlvsr_segment_list::{Segment as Place, segment::Segment},
        tunnel_encap_tlv::{Tlv as SubTlv, tlv::Tlv as Sub},
    },
};

pub(super) fn to_any(attr: &Attr) -> Option<Any> {
    Some(match attr {
        Attr::TunnelEncap(new) => {
            let tlvs = new.tlvs.iter().map(|tunnel| v3::TunnelEncapTlv {
                r#type: tunnel.r#type,
                tlvs: tunnel.tlvs.iter().filter_map(sub_to_any).collect(),
            });
            let old = v3::TunnelEncapAttribute {
                tlvs: tlvs.collect(),
            };
            pack("TunnelEncapAttribute", &old)
        }
        Attr::Ip6ExtendedCommunities(new) => {
            let communities = new.communities.iter();
            let communities = communities.filter_map(|new| match new.extcom.as_ref()? {
                Extcom::Ipv6AddressSpecific(it) => Some(pack("IPv6AddressSpecificExtended", it)),
                Extcom::RedirectIpv6AddressSpecific(it) => {
                    Some(pack("RedirectIPv6AddressSpecificExtended", it))
                }
            });
            let old = v3::Ip6ExtendedCommunitiesAttribute {
                communities: communities.collect(),
            };
            pack("IP6ExtendedCommunitiesAttribute", &old)
        }
        Attr::PrefixSid(new) => {
            let tlvs = new.tlvs.iter().filter_map(|new| match new.tlv.as_ref()? {
                prefix_sid::tlv::Tlv::L3Service(new) => {
                    let sub_tlvs = older(&new.sub_tlvs);
                    Some(pack("SRv6L3ServiceTLV", &v3::SRv6L3ServiceTlv { sub_tlvs }))
                }
                prefix_sid::tlv::Tlv::L2Service(new) => {
                    let sub_tlvs = older(&new.sub_tlvs);
                    Some(pack("SRv6L2ServiceTLV", &v3::SRv6L2ServiceTlv { sub_tlvs }))
                }
            });
            let old = v3::PrefixSid {
                tlvs: tlvs.collect(),
            };
            pack("PrefixSID", &old)
        }
        _ => return None,
    })
}

pub(super) fn from_any(any: &Any) -> Result<Option<Attr>, BadAny> {
    Ok(Some(match name(any) {
        Some("TunnelEncapAttribute") => {
            let old: v3::TunnelEncapAttribute = unpack(any)?;
            let tlvs = old.tlvs.iter().map(|tunnel| {
                Ok(v4::TunnelEncapTlv {
                    r#type: tunnel.r#type,
                    tlvs: each(&tunnel.tlvs, sub_from_any)?,
                })
            });
            Attr::TunnelEncap(v4::TunnelEncapAttribute {
                tlvs: tlvs.collect::<Result<_, BadAny>>()?,
            })
        }
        Some("IP6ExtendedCommunitiesAttribute") => {
            let old: v3::Ip6ExtendedCommunitiesAttribute = unpack(any)?;
            let communities = each(&old.communities, |any| {
                let extcom = match name(any) {
                    Some("IPv6AddressSpecificExtended") => {
                        Extcom::Ipv6AddressSpecific(unpack(any)?)
                    }
                    Some("RedirectIPv6AddressSpecificExtended") => {
                        Extcom::RedirectIpv6AddressSpecific(unpack(any)?)
                    }
                    _ => return Err(unknown(any, "IPv6 extended community")),
                };
                Ok(Community {
                    extcom: Some(extcom),
                })
            })?;
            Attr::Ip6ExtendedCommunities(v4::Ip6ExtendedCommunitiesAttribute { communities })
        }
        Some("PrefixSID") => {
            let old: v3::PrefixSid = unpack(any)?;
            let tlvs = each(&old.tlvs, |any| {
                let tlv = match name(any) {
                    Some("SRv6L3ServiceTLV") => {
                        let old: v3::SRv6L3ServiceTlv = unpack(any)?;
                        let sub_tlvs = newer(&old.sub_tlvs)?;
                        prefix_sid::tlv::Tlv::L3Service(v4::SRv6L3ServiceTlv { sub_tlvs })
                    }
                    Some("SRv6L2ServiceTLV") => {
                        let old: v3::SRv6L2ServiceTlv = unpack(any)?;
                        let sub_tlvs = newer(&old.sub_tlvs)?;
                        prefix_sid::tlv::Tlv::L2Service(v4::SRv6L2ServiceTlv { sub_tlvs })
                    }
                    _ => return Err(unknown(any, "TLV of a prefix SID")),
                };
                Ok(prefix_sid::Tlv { tlv: Some(tlv) })
            })?;
            Attr::PrefixSid(v4::PrefixSid { tlvs })
        }
        _ => return Ok(None),
    }))
}

fn sub_to_any(new: &SubTlv) -> Option<Any> {
    Some(match new.tlv.as_ref()? {
        Sub::Unknown(it) => pack("TunnelEncapSubTLVUnknown", it),
        Sub::Encapsulation(it) => pack("TunnelEncapSubTLVEncapsulation", it),
        Sub::Protocol(it) => pack("TunnelEncapSubTLVProtocol", it),
        Sub::Color(it) => pack("TunnelEncapSubTLVColor", it),
        Sub::EgressEndpoint(it) => pack("TunnelEncapSubTLVEgressEndpoint", it),
        Sub::UdpDestPort(it) => pack("TunnelEncapSubTLVUDPDestPort", it),
        Sub::SrPreference(it) => pack("TunnelEncapSubTLVSRPreference", it),
        Sub::SrPriority(it) => pack("TunnelEncapSubTLVSRPriority", it),
        Sub::SrCandidatePathName(it) => pack("TunnelEncapSubTLVSRCandidatePathName", it),
        Sub::SrEnlp(it) => pack("TunnelEncapSubTLVSRENLP", it),
        Sub::SrBindingSid(it) => {
            let bsid = match it.bsid.as_ref()? {
                Bsid::SrBindingSid(it) => pack("SRBindingSID", it),
                Bsid::Srv6BindingSid(it) => pack("SRv6BindingSID", it),
            };
            let old = v3::TunnelEncapSubTlvsrBindingSid { bsid: Some(bsid) };
            pack("TunnelEncapSubTLVSRBindingSID", &old)
        }
        Sub::SrSegmentList(it) => {
            let segments = it.segments.iter().filter_map(|place| {
                Some(match place.segment.as_ref()? {
                    Segment::A(it) => pack("SegmentTypeA", it),
                    Segment::B(it) => pack("SegmentTypeB", it),
                })
            });
            let old = v3::TunnelEncapSubTlvsrSegmentList {
                weight: it.weight,
                segments: segments.collect(),
            };
            pack("TunnelEncapSubTLVSRSegmentList", &old)
        }
    })
}

fn sub_from_any(any: &Any) -> Result<SubTlv, BadAny> {
    let sub = match name(any) {
        Some("TunnelEncapSubTLVUnknown") => Sub::Unknown(unpack(any)?),
        Some("TunnelEncapSubTLVEncapsulation") => Sub::Encapsulation(unpack(any)?),
        Some("TunnelEncapSubTLVProtocol") => Sub::Protocol(unpack(any)?),
        Some("TunnelEncapSubTLVColor") => Sub::Color(unpack(any)?),
        Some("TunnelEncapSubTLVEgressEndpoint") => Sub::EgressEndpoint(unpack(any)?),
        Some("TunnelEncapSubTLVUDPDestPort") => Sub::UdpDestPort(unpack(any)?),
        Some("TunnelEncapSubTLVSRPreference") => Sub::SrPreference(unpack(any)?),
        Some("TunnelEncapSubTLVSRPriority") => Sub::SrPriority(unpack(any)?),
        Some("TunnelEncapSubTLVSRCandidatePathName") => Sub::SrCandidatePathName(unpack(any)?),
        Some("TunnelEncapSubTLVSRENLP") => Sub::SrEnlp(unpack(any)?),
        Some("TunnelEncapSubTLVSRBindingSID") => {
            let old: v3::TunnelEncapSubTlvsrBindingSid = unpack(any)?;
            let bsid = old.bsid.map(|any| match name(&any) {
                Some("SRBindingSID") => Ok(Bsid::SrBindingSid(unpack(&any)?)),
                Some("SRv6BindingSID") => Ok(Bsid::Srv6BindingSid(unpack(&any)?)),
                _ => Err(unknown(&any, "binding SID")),
            });
            let bsid = bsid.transpose()?;
            Sub::SrBindingSid(v4::TunnelEncapSubTlvsrBindingSid { bsid })
        }
        Some("TunnelEncapSubTLVSRSegmentList") => {
            let old: v3::TunnelEncapSubTlvsrSegmentList = unpack(any)?;
            let segments = each(&old.segments, |any| {
                let segment = match name(any) {
                    Some("SegmentTypeA") => Segment::A(unpack(any)?),
                    Some("SegmentTypeB") => Segment::B(unpack(any)?),
                    _ => return Err(unknown(any, "segment")),
                };
                Ok(Place {
                    segment: Some(segment),
                })
            })?;
            Sub::SrSegmentList(v4::TunnelEncapSubTlvsrSegmentList {
                weight: old.weight,
                segments,
            })
        }
        _ => return Err(unknown(any, "sub-TLV of a tunnel")),
    };
    Ok(SubTlv { tlv: Some(sub) })
}

fn older(new: &HashMap<u32, v4::SRv6SubTlVs>) -> HashMap<u32, v3::SRv6Tlv> {
    let kind = |(kind, all): (&u32, &v4::SRv6SubTlVs)| {
        let tlv = all.tlvs.iter().filter_map(|new| match new.tlv.as_ref()? {
            s_rv6_sub_tlv::Tlv::Information(new) => Some(pack(
                "SRv6InformationSubTLV",
                &v3::SRv6InformationSubTlv {
                    sid: new.sid.clone(),
                    flags: new.flags,
                    endpoint_behavior: new.endpoint_behavior,
                    sub_sub_tlvs: new.sub_sub_tlvs.iter().map(structures_to_any).collect(),
                },
            )),
        });
        (*kind, v3::SRv6Tlv { tlv: tlv.collect() })
    };
    new.iter().map(kind).collect()
}

fn structures_to_any((kind, all): (&u32, &v4::SRv6SubSubTlVs)) -> (u32, v3::SRv6Tlv) {
    let tlv = all.tlvs.iter().filter_map(|new| match new.tlv.as_ref()? {
        s_rv6_sub_sub_tlv::Tlv::Structure(it) => Some(pack("SRv6StructureSubSubTLV", it)),
    });
    (*kind, v3::SRv6Tlv { tlv: tlv.collect() })
}

fn newer(old: &HashMap<u32, v3::SRv6Tlv>) -> Result<HashMap<u32, v4::SRv6SubTlVs>, BadAny> {
    let kind = |(kind, all): (&u32, &v3::SRv6Tlv)| {
        let tlvs = each(&all.tlv, information_from_any)?;
        Ok((*kind, v4::SRv6SubTlVs { tlvs }))
    };
    old.iter().map(kind).collect()
}

fn information_from_any(any: &Any) -> Result<v4::SRv6SubTlv, BadAny> {
    if name(any) != Some("SRv6InformationSubTLV") {
        return Err(unknown(any, "sub-TLV of a prefix SID"));
    }
    let old: v3::SRv6InformationSubTlv = unpack(any)?;
    let structure = |any: &Any| match name(any) {
        Some("SRv6StructureSubSubTLV") => Ok(v4::SRv6SubSubTlv {
            tlv: Some(s_rv6_sub_sub_tlv::Tlv::Structure(unpack(any)?)),
        }),
        _ => Err(unknown(any, "sub-sub-TLV of a prefix SID")),
    };
    let kind = |(kind, all): (&u32, &v3::SRv6Tlv)| {
        let tlvs = each(&all.tlv, structure)?;
        Ok((*kind, v4::SRv6SubSubTlVs { tlvs }))
    };
    let sub_sub_tlvs = old.sub_sub_tlvs.iter().map(kind);
    let information = v4::SRv6InformationSubTlv {
        sid: old.sid.clone(),
        flags: old.flags,
        endpoint_behavior: old.endpoint_behavior,
        sub_sub_tlvs: sub_sub_tlvs.collect::<Result<_, BadAny>>()?,
    };
    Ok(v4::SRv6SubTlv {
        tlv: Some(s_rv6_sub_tlv::Tlv::Information(information)),
    })
}
