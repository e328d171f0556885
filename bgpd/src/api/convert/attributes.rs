// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Path attributes, field by field.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp_proto::{
    Aggregator, AsPath, Asn, ClusterId, Community, ExtendedCommunity, LargeCommunity, NextHop,
    Origin, PathAttributes, SegmentKind, UnknownAttribute,
};
use bgpd_api::v1::{self, as_segment::Kind};

use super::{BadMessage, Protobuf, address, list, parsed, router_id, small};

impl Protobuf for PathAttributes {
    type Message = v1::PathAttributes;

    fn to_protobuf(&self) -> v1::PathAttributes {
        v1::PathAttributes {
            origin: origin_to(self.origin).into(),
            as_path: as_path_to(&self.as_path),
            next_hop: Some(self.next_hop.to_protobuf()),
            med: self.med,
            local_pref: self.local_pref,
            atomic_aggregate: self.atomic_aggregate,
            aggregator: self.aggregator.as_ref().map(Aggregator::to_protobuf),
            communities: self
                .communities
                .iter()
                .map(|community| community.0)
                .collect(),
            originator_id: self.originator_id.map(|id| id.addr().to_string()),
            cluster_list: self.cluster_list.iter().map(ToString::to_string).collect(),
            extended_communities: self
                .extended_communities
                .iter()
                .map(|c| u64::from_be_bytes(c.0))
                .collect(),
            large_communities: self
                .large_communities
                .iter()
                .map(LargeCommunity::to_protobuf)
                .collect(),
            aigp: self.aigp,
            only_to_customer: self.only_to_customer.map(|asn| asn.0),
            unknown: self
                .unknown
                .iter()
                .map(UnknownAttribute::to_protobuf)
                .collect(),
        }
    }

    fn from_protobuf(message: v1::PathAttributes) -> Result<Self, BadMessage> {
        let next_hop = message
            .next_hop
            .ok_or_else(|| BadMessage::missing("next_hop"))?;
        let next_hop =
            NextHop::from_protobuf(next_hop).map_err(|error| error.within("next_hop"))?;
        let originator_id = message
            .originator_id
            .map(|text| router_id("originator_id", &text))
            .transpose()?;
        let cluster_list = message.cluster_list.iter().map(|text| {
            let id: Ipv4Addr = parsed(
                "cluster_list",
                text,
                "a cluster identifier such as 192.0.2.1",
            )?;
            Ok(ClusterId(id.into()))
        });
        Ok(Self {
            med: message.med,
            local_pref: message.local_pref,
            atomic_aggregate: message.atomic_aggregate,
            aggregator: message
                .aggregator
                .map(Aggregator::from_protobuf)
                .transpose()?,
            communities: message.communities.into_iter().map(Community).collect(),
            originator_id,
            cluster_list: cluster_list.collect::<Result<_, _>>()?,
            extended_communities: message
                .extended_communities
                .into_iter()
                .map(|number| ExtendedCommunity(number.to_be_bytes()))
                .collect(),
            large_communities: list(
                "large_communities",
                message.large_communities,
                LargeCommunity::from_protobuf,
            )?,
            aigp: message.aigp,
            only_to_customer: message.only_to_customer.map(Asn),
            unknown: list("unknown", message.unknown, UnknownAttribute::from_protobuf)?,
            ..Self::new(
                origin_from(message.origin)?,
                as_path_from(message.as_path)?,
                next_hop,
            )
        })
    }
}

fn origin_to(origin: Origin) -> v1::Origin {
    match origin {
        Origin::Igp => v1::Origin::Igp,
        Origin::Egp => v1::Origin::Egp,
        Origin::Incomplete => v1::Origin::Incomplete,
    }
}

fn origin_from(number: i32) -> Result<Origin, BadMessage> {
    match v1::Origin::try_from(number) {
        Ok(v1::Origin::Unspecified | v1::Origin::Igp) => Ok(Origin::Igp),
        Ok(v1::Origin::Egp) => Ok(Origin::Egp),
        Ok(v1::Origin::Incomplete) => Ok(Origin::Incomplete),
        Err(_) => Err(BadMessage::new(
            "origin",
            format!("{number} is not IGP, EGP or INCOMPLETE"),
        )),
    }
}

fn as_path_to(path: &AsPath) -> Vec<v1::AsSegment> {
    let segment = |(kind, asns): (SegmentKind, &[Asn])| {
        let kind = match kind {
            SegmentKind::Set => Kind::Set,
            SegmentKind::Sequence => Kind::Sequence,
            SegmentKind::ConfedSequence => Kind::ConfedSequence,
            SegmentKind::ConfedSet => Kind::ConfedSet,
        };
        v1::AsSegment {
            kind: kind.into(),
            asns: asns.iter().map(|asn| asn.0).collect(),
        }
    };
    path.segments().map(segment).collect()
}

fn as_path_from(segments: Vec<v1::AsSegment>) -> Result<AsPath, BadMessage> {
    let segments = list("as_path", segments, |segment| {
        let kind = match Kind::try_from(segment.kind) {
            Ok(Kind::Set) => SegmentKind::Set,
            Ok(Kind::Sequence) => SegmentKind::Sequence,
            Ok(Kind::ConfedSequence) => SegmentKind::ConfedSequence,
            Ok(Kind::ConfedSet) => SegmentKind::ConfedSet,
            Ok(Kind::Unspecified) | Err(_) => {
                return Err(BadMessage::new(
                    "kind",
                    "is none of SEQUENCE, SET, CONFED_SEQUENCE, CONFED_SET",
                ));
            }
        };
        match segment.asns.len() {
            1..=255 => Ok((kind, segment.asns.into_iter().map(Asn).collect::<Vec<_>>())),
            count => Err(BadMessage::new(
                "asns",
                format!("a segment holds 1 to 255 AS numbers, not {count}"),
            )),
        }
    })?;
    let mut path = AsPath::empty();
    for (kind, asns) in segments {
        path.push_segment(kind, &asns);
    }
    Ok(path)
}

impl Protobuf for NextHop {
    type Message = v1::NextHop;

    fn to_protobuf(&self) -> v1::NextHop {
        let link_local = match self {
            Self::V6LinkLocal { link_local, .. } => Some(link_local.to_string()),
            Self::V4(_) | Self::V6(_) => None,
        };
        v1::NextHop {
            address: self.addr().to_string(),
            link_local,
        }
    }

    fn from_protobuf(message: v1::NextHop) -> Result<Self, BadMessage> {
        match (address("address", &message.address)?, message.link_local) {
            (IpAddr::V4(address), None) => Ok(Self::V4(address)),
            (IpAddr::V6(address), None) => Ok(Self::V6(address)),
            (IpAddr::V6(global), Some(text)) => {
                let link_local: Ipv6Addr = parsed("link_local", &text, "an IPv6 address")?;
                Ok(Self::V6LinkLocal { global, link_local })
            }
            (IpAddr::V4(_), Some(_)) => Err(BadMessage::new(
                "link_local",
                "goes with an IPv6 address only (RFC 2545)",
            )),
        }
    }
}

impl Protobuf for Aggregator {
    type Message = v1::Aggregator;

    fn to_protobuf(&self) -> v1::Aggregator {
        v1::Aggregator {
            asn: self.asn.0,
            address: self.address.to_string(),
        }
    }

    fn from_protobuf(message: v1::Aggregator) -> Result<Self, BadMessage> {
        let address = parsed("aggregator.address", &message.address, "an IPv4 address")?;
        Ok(Self {
            asn: Asn(message.asn),
            address,
        })
    }
}

impl Protobuf for LargeCommunity {
    type Message = v1::LargeCommunity;

    fn to_protobuf(&self) -> v1::LargeCommunity {
        v1::LargeCommunity {
            global: self.global,
            local_1: self.local_1,
            local_2: self.local_2,
        }
    }

    fn from_protobuf(message: v1::LargeCommunity) -> Result<Self, BadMessage> {
        let v1::LargeCommunity {
            global,
            local_1,
            local_2,
        } = message;
        Ok(Self {
            global,
            local_1,
            local_2,
        })
    }
}

impl Protobuf for UnknownAttribute {
    type Message = v1::UnknownAttribute;

    fn to_protobuf(&self) -> v1::UnknownAttribute {
        v1::UnknownAttribute {
            flags: self.flags.into(),
            code: self.code.into(),
            value: self.value.to_vec(),
        }
    }

    fn from_protobuf(message: v1::UnknownAttribute) -> Result<Self, BadMessage> {
        let (flags, code) = (small("flags", message.flags)?, small("code", message.code)?);
        Ok(Self {
            flags,
            code,
            value: message.value.into(),
        })
    }
}
