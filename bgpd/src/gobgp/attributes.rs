// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Path attributes: one struct here, a list of messages there.

use std::net::{IpAddr, Ipv4Addr};

use bgp_proto::{
    Aggregator, AsPath, Asn, ClusterId, Community, Family, LargeCommunity, NextHop, Origin,
    PathAttributes, Prefix, RouterId, SegmentKind, UnknownAttribute,
};
use bgpd_api::v4::{self, as_segment::Type, attribute::Attr};

use super::{communities, family_message, rare};

/// A prefix as NLRI.
pub(super) fn nlri(prefix: Prefix) -> v4::Nlri {
    v4::Nlri {
        nlri: Some(v4::nlri::Nlri::Prefix(v4::IpAddressPrefix {
            prefix_len: prefix.length().into(),
            prefix: prefix.addr().to_string(),
        })),
    }
}

/// The attributes of a path, by type code; `MP_REACH_NLRI` is last, where GoBGP has it. A path of our own has its next
/// hop last in any case, and an `AS_PATH` only if there is something in it.
pub(super) fn to_messages(
    attributes: &PathAttributes,
    prefix: Prefix,
    is_own: bool,
) -> Vec<v4::Attribute> {
    let mut all = Vec::with_capacity(8);
    all.push((
        1,
        Attr::Origin(v4::OriginAttribute {
            origin: attributes.origin as u32,
        }),
    ));
    if !(is_own && attributes.as_path.is_empty()) {
        all.push((
            2,
            Attr::AsPath(v4::AsPathAttribute {
                segments: segments(&attributes.as_path),
            }),
        ));
    }
    let (order, attr) = next_hop(attributes.next_hop, prefix);
    all.push((if is_own { u16::MAX } else { order }, attr));
    if let Some(med) = attributes.med {
        all.push((4, Attr::MultiExitDisc(v4::MultiExitDiscAttribute { med })));
    }
    if let Some(local_pref) = attributes.local_pref {
        all.push((5, Attr::LocalPref(v4::LocalPrefAttribute { local_pref })));
    }
    if attributes.atomic_aggregate {
        all.push((6, Attr::AtomicAggregate(v4::AtomicAggregateAttribute {})));
    }
    if let Some(aggregator) = attributes.aggregator {
        all.push((
            7,
            Attr::Aggregator(v4::AggregatorAttribute {
                asn: aggregator.asn.0,
                address: aggregator.address.to_string(),
            }),
        ));
    }
    if !attributes.communities.is_empty() {
        let communities = attributes
            .communities
            .iter()
            .map(|community| community.0)
            .collect();
        all.push((
            8,
            Attr::Communities(v4::CommunitiesAttribute { communities }),
        ));
    }
    push_rare(attributes, &mut all);
    all.sort_by_key(|(order, _)| *order);
    let message = |(_, attr)| v4::Attribute { attr: Some(attr) };
    all.into_iter().map(message).collect()
}

/// What most paths do not have.
fn push_rare(attributes: &PathAttributes, all: &mut Vec<(u16, Attr)>) {
    if let Some(id) = attributes.originator_id {
        all.push((
            9,
            Attr::OriginatorId(v4::OriginatorIdAttribute { id: id.to_string() }),
        ));
    }
    if !attributes.cluster_list.is_empty() {
        let ids = attributes
            .cluster_list
            .iter()
            .map(ToString::to_string)
            .collect();
        all.push((10, Attr::ClusterList(v4::ClusterListAttribute { ids })));
    }
    if !attributes.extended_communities.is_empty() {
        let communities = attributes.extended_communities.iter();
        all.push((
            16,
            Attr::ExtendedCommunities(v4::ExtendedCommunitiesAttribute {
                communities: communities.map(|it| communities::to_message(*it)).collect(),
            }),
        ));
    }
    if let Some(metric) = attributes.aigp {
        let metric = v4::aigp_attribute::tlv::Tlv::IgpMetric(v4::AigpTlvigpMetric { metric });
        all.push((
            26,
            Attr::Aigp(v4::AigpAttribute {
                tlvs: vec![v4::aigp_attribute::Tlv { tlv: Some(metric) }],
            }),
        ));
    }
    if !attributes.large_communities.is_empty() {
        let message = |it: &LargeCommunity| v4::LargeCommunity {
            global_admin: it.global,
            local_data1: it.local_1,
            local_data2: it.local_2,
        };
        all.push((
            32,
            Attr::LargeCommunities(v4::LargeCommunitiesAttribute {
                communities: attributes.large_communities.iter().map(message).collect(),
            }),
        ));
    }
    if let Some(asn) = attributes.only_to_customer {
        all.push((
            ONLY_TO_CUSTOMER.into(),
            Attr::Unknown(v4::UnknownAttribute {
                flags: OPTIONAL_TRANSITIVE,
                r#type: ONLY_TO_CUSTOMER.into(),
                value: asn.0.to_be_bytes().to_vec(),
            }),
        ));
    }
    for unknown in &attributes.unknown {
        let octets = || {
            Attr::Unknown(v4::UnknownAttribute {
                flags: unknown.flags.into(),
                r#type: unknown.code.into(),
                value: unknown.value.to_vec(),
            })
        };
        let attr = rare::decode(unknown.code, &unknown.value).unwrap_or_else(octets);
        all.push((unknown.code.into(), attr));
    }
}

/// RFC 9234 §5; GoBGP has no message for it.
const ONLY_TO_CUSTOMER: u8 = 35;
const OPTIONAL_TRANSITIVE: u32 = 0xc0;

/// `NEXT_HOP` of IPv4 by way of IPv4; else `MP_REACH_NLRI` with the path's own prefix.
fn next_hop(next_hop: NextHop, prefix: Prefix) -> (u16, Attr) {
    let next_hops = match next_hop {
        NextHop::V4(address) if prefix.family() == Family::IPV4_UNICAST => {
            let next_hop = address.to_string();
            return (3, Attr::NextHop(v4::NextHopAttribute { next_hop }));
        }
        NextHop::V6LinkLocal { global, link_local } => {
            vec![global.to_string(), link_local.to_string()]
        }
        NextHop::V4(_) | NextHop::V6(_) => vec![next_hop.addr().to_string()],
    };
    let reach = v4::MpReachNlriAttribute {
        family: Some(family_message(prefix.family())),
        next_hops,
        nlris: vec![nlri(prefix)],
    };
    (u16::MAX, Attr::MpReach(reach))
}

fn segments(path: &AsPath) -> Vec<v4::AsSegment> {
    let segment = |(kind, asns): (SegmentKind, &[Asn])| {
        let kind = match kind {
            SegmentKind::Set => Type::AsSet,
            SegmentKind::Sequence => Type::AsSequence,
            SegmentKind::ConfedSequence => Type::AsConfedSequence,
            SegmentKind::ConfedSet => Type::AsConfedSet,
        };
        v4::AsSegment {
            r#type: kind.into(),
            numbers: asns.iter().map(|asn| asn.0).collect(),
        }
    };
    path.segments().map(segment).collect()
}

/// What a list of attributes says, before it is a path.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) origin: Option<Origin>,
    pub(super) next_hop: Option<NextHop>,
    /// In `MP_REACH_NLRI`.
    pub(super) prefixes: Vec<v4::Nlri>,
    rest: Option<PathAttributes>,
}

impl Draft {
    /// Reads attributes; the error says what is wrong with which.
    pub(super) fn read(messages: Vec<v4::Attribute>) -> Result<Self, String> {
        let mut draft = Self::default();
        let mut seen = [false; 256];
        for message in messages {
            let attr = message.attr.ok_or("a path attribute is empty")?;
            let code = code(&attr)?;
            if std::mem::replace(&mut seen[usize::from(code)], true) {
                return Err(format!("duplicated path attribute type: {code}"));
            }
            draft.take(code, attr)?;
        }
        Ok(draft)
    }

    /// The attributes, if all are there that have to be.
    pub(super) fn finish(self) -> Result<PathAttributes, String> {
        let origin = self.origin.ok_or("origin not found")?;
        let next_hop = self.next_hop.ok_or("nexthop not found")?;
        let rest = self.rest.unwrap_or_else(nothing);
        Ok(PathAttributes {
            origin,
            next_hop,
            ..rest
        })
    }

    fn take(&mut self, code: u8, attr: Attr) -> Result<(), String> {
        let rest = self.rest.get_or_insert_with(nothing);
        match attr {
            Attr::Origin(it) => self.origin = Some(origin(it.origin)?),
            Attr::AsPath(it) => rest.as_path = as_path(it.segments)?,
            Attr::NextHop(it) => self.next_hop = Some(address(&it.next_hop)?.into()),
            Attr::MultiExitDisc(it) => rest.med = Some(it.med),
            Attr::LocalPref(it) => rest.local_pref = Some(it.local_pref),
            Attr::AtomicAggregate(_) => rest.atomic_aggregate = true,
            Attr::Aggregator(it) => {
                let (asn, address) = (Asn(it.asn), ipv4(&it.address)?);
                rest.aggregator = Some(Aggregator { asn, address });
            }
            Attr::Communities(it) => {
                rest.communities = it.communities.into_iter().map(Community).collect();
            }
            Attr::OriginatorId(it) => {
                let id = RouterId::new(ipv4(&it.id)?).ok_or("an ORIGINATOR_ID is not 0.0.0.0")?;
                rest.originator_id = Some(id);
            }
            Attr::ClusterList(it) => {
                let ids = it.ids.iter().map(|id| Ok(ClusterId(ipv4(id)?.into())));
                rest.cluster_list = ids.collect::<Result<_, String>>()?;
            }
            Attr::MpReach(it) => {
                if it.nlris.is_empty() {
                    return Err("invalid mp reach attribute: it holds no NLRI".to_owned());
                }
                self.next_hop = next_hops(&it.next_hops)?.or(self.next_hop);
                self.prefixes = it.nlris;
            }
            Attr::ExtendedCommunities(it) => {
                let all = it.communities.into_iter().map(communities::from_message);
                rest.extended_communities = all.collect::<Result<_, _>>()?;
            }
            Attr::LargeCommunities(it) => {
                let large = |it: v4::LargeCommunity| LargeCommunity {
                    global: it.global_admin,
                    local_1: it.local_data1,
                    local_2: it.local_data2,
                };
                rest.large_communities = it.communities.into_iter().map(large).collect();
            }
            Attr::Aigp(it) => rest.aigp = aigp(it)?,
            Attr::Unknown(it) => {
                let flags = u8::try_from(it.flags)
                    .map_err(|_| format!("flags are one octet, not {}", it.flags))?;
                if flags & 0xc0 != 0xc0 {
                    return Err(format!(
                        "attribute {code} with flags {flags:#x}: only optional transitive ones are passed on"
                    ));
                }
                if code == ONLY_TO_CUSTOMER {
                    let octets = it
                        .value
                        .as_slice()
                        .try_into()
                        .map_err(|_| "Only to Customer is an AS of four octets")?;
                    rest.only_to_customer = Some(Asn(u32::from_be_bytes(octets)));
                    return Ok(());
                }
                let value = it.value.into();
                rest.unknown.push(UnknownAttribute { flags, code, value });
            }
            other => {
                let value = rare::encode(&other)
                    .ok_or_else(|| format!("path attribute {code} can not be given decoded"))??;
                rest.unknown.push(UnknownAttribute {
                    flags: 0xc0,
                    code,
                    value: value.into(),
                });
            }
        }
        Ok(())
    }
}

fn nothing() -> PathAttributes {
    PathAttributes::new(
        Origin::Incomplete,
        AsPath::empty(),
        NextHop::V4(Ipv4Addr::UNSPECIFIED),
    )
}

/// The type code (IANA); of an unknown one as it says, unless we do know it.
fn code(attr: &Attr) -> Result<u8, String> {
    Ok(match attr {
        Attr::Origin(_) => 1,
        Attr::AsPath(_) => 2,
        Attr::NextHop(_) => 3,
        Attr::MultiExitDisc(_) => 4,
        Attr::LocalPref(_) => 5,
        Attr::AtomicAggregate(_) => 6,
        Attr::Aggregator(_) => 7,
        Attr::Communities(_) => 8,
        Attr::OriginatorId(_) => 9,
        Attr::ClusterList(_) => 10,
        Attr::MpReach(_) => 14,
        Attr::MpUnreach(_) => 15,
        Attr::ExtendedCommunities(_) => 16,
        Attr::As4Path(_) => 17,
        Attr::As4Aggregator(_) => 18,
        Attr::PmsiTunnel(_) => 22,
        Attr::TunnelEncap(_) => 23,
        Attr::Ip6ExtendedCommunities(_) => 25,
        Attr::Aigp(_) => 26,
        Attr::Ls(_) => 29,
        Attr::LargeCommunities(_) => 32,
        Attr::PrefixSid(_) => 40,
        Attr::Unknown(it) => match u8::try_from(it.r#type) {
            Ok(ONLY_TO_CUSTOMER) => ONLY_TO_CUSTOMER,
            Ok(code) if bgp_proto::attribute_name(code).is_none() => code,
            _ => {
                return Err(format!(
                    "attribute {} is not unknown: give it decoded",
                    it.r#type
                ));
            }
        },
    })
}

fn origin(number: u32) -> Result<Origin, String> {
    match number {
        0 => Ok(Origin::Igp),
        1 => Ok(Origin::Egp),
        2 => Ok(Origin::Incomplete),
        _ => Err(format!(
            "origin is 0 (IGP), 1 (EGP) or 2 (incomplete), not {number}"
        )),
    }
}

fn as_path(segments: Vec<v4::AsSegment>) -> Result<AsPath, String> {
    let mut path = AsPath::empty();
    for segment in segments {
        let kind = match Type::try_from(segment.r#type) {
            Ok(Type::AsSet) => SegmentKind::Set,
            Ok(Type::AsSequence) => SegmentKind::Sequence,
            Ok(Type::AsConfedSequence) => SegmentKind::ConfedSequence,
            Ok(Type::AsConfedSet) => SegmentKind::ConfedSet,
            Ok(Type::Unspecified) | Err(_) => {
                return Err(format!("{} is no kind of AS_PATH segment", segment.r#type));
            }
        };
        let asns: Vec<Asn> = segment.numbers.into_iter().map(Asn).collect();
        if !(1..=255).contains(&asns.len()) {
            return Err(format!(
                "an AS_PATH segment holds 1 to 255 AS numbers, not {}",
                asns.len()
            ));
        }
        path.push_segment(kind, &asns);
    }
    Ok(path)
}

fn next_hops(texts: &[String]) -> Result<Option<NextHop>, String> {
    Ok(match texts {
        [] => None,
        [one] => Some(address(one)?.into()),
        [global, link_local] => match (address(global)?, address(link_local)?) {
            (IpAddr::V6(global), IpAddr::V6(link_local)) => {
                Some(NextHop::V6LinkLocal { global, link_local })
            }
            _ => return Err("two next hops are a global and a link-local IPv6 address".to_owned()),
        },
        more => return Err(format!("{} next hops are too many", more.len())),
    })
}

fn aigp(it: v4::AigpAttribute) -> Result<Option<u64>, String> {
    use v4::aigp_attribute::tlv::Tlv;
    let mut metric = None;
    for tlv in it.tlvs {
        match tlv.tlv {
            Some(Tlv::IgpMetric(it)) => metric = Some(it.metric),
            Some(Tlv::Unknown(_)) | None => {
                return Err("AIGP holds a metric and nothing else".to_owned());
            }
        }
    }
    Ok(metric)
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address"))
}

fn ipv4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no IPv4 address"))
}
