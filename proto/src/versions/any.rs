// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What version 3 packs into an `Any` and version 4 into a `oneof`.
//!
//! A client of version 3.10 drops a whole list when it meets one message that it does not know. What it can't know
//! travels as the `Unknown…` of its kind.

use prost::Message;
use prost_types::Any;

use super::{BadAny, rare};
use crate::{
    v3,
    v4::{self, attribute::Attr, extended_community::Extcom, nlri::Nlri},
};

const PREFIX: &str = "type.googleapis.com/apipb.";

/// `message` under its name in package `apipb`.
pub(super) fn pack(name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("{PREFIX}{name}"),
        value: message.encode_to_vec(),
    }
}

pub(super) fn unpack<M: Message + Default>(any: &Any) -> Result<M, BadAny> {
    M::decode(any.value.as_slice()).map_err(|error| BadAny::Garbled {
        url: any.type_url.clone(),
        error,
    })
}

/// The message's name: as Go's resolver, we look at what follows the last slash only.
pub(super) fn name(any: &Any) -> Option<&str> {
    let full = any.type_url.rsplit('/').next()?;
    full.strip_prefix("apipb.")
}

/// Packs those variants that are the same message in both versions, and unpacks them again.
macro_rules! packed {
    ($pack:ident, $unpack:ident, $oneof:ident { $($name:literal => $variant:ident,)* }) => {
        fn $pack(value: &$oneof) -> Option<Any> {
            match value {
                $($oneof::$variant(message) => Some(pack($name, message)),)*
                _ => None,
            }
        }

        fn $unpack(any: &Any) -> Result<Option<$oneof>, BadAny> {
            Ok(match name(any) {
                $(Some($name) => Some($oneof::$variant(unpack(any)?)),)*
                _ => None,
            })
        }
    };
}

packed!(pack_attribute, unpack_attribute, Attr {
    "OriginAttribute" => Origin,
    "AsPathAttribute" => AsPath,
    "NextHopAttribute" => NextHop,
    "MultiExitDiscAttribute" => MultiExitDisc,
    "LocalPrefAttribute" => LocalPref,
    "AtomicAggregateAttribute" => AtomicAggregate,
    "AggregatorAttribute" => Aggregator,
    "CommunitiesAttribute" => Communities,
    "OriginatorIdAttribute" => OriginatorId,
    "ClusterListAttribute" => ClusterList,
    "As4PathAttribute" => As4Path,
    "As4AggregatorAttribute" => As4Aggregator,
    "PmsiTunnelAttribute" => PmsiTunnel,
    "LargeCommunitiesAttribute" => LargeCommunities,
    "UnknownAttribute" => Unknown,
});

packed!(pack_community, unpack_community, Extcom {
    "TwoOctetAsSpecificExtended" => TwoOctetAsSpecific,
    "IPv4AddressSpecificExtended" => Ipv4AddressSpecific,
    "FourOctetAsSpecificExtended" => FourOctetAsSpecific,
    "ValidationExtended" => Validation,
    "LinkBandwidthExtended" => LinkBandwidth,
    "ColorExtended" => Color,
    "EncapExtended" => Encap,
    "DefaultGatewayExtended" => DefaultGateway,
    "OpaqueExtended" => Opaque,
    "ESILabelExtended" => EsiLabel,
    "ESImportRouteTarget" => EsImport,
    "MacMobilityExtended" => MacMobility,
    "RouterMacExtended" => RouterMac,
    "TrafficRateExtended" => TrafficRate,
    "TrafficActionExtended" => TrafficAction,
    "RedirectTwoOctetAsSpecificExtended" => RedirectTwoOctetAsSpecific,
    "RedirectIPv4AddressSpecificExtended" => RedirectIpv4AddressSpecific,
    "RedirectFourOctetAsSpecificExtended" => RedirectFourOctetAsSpecific,
    "TrafficRemarkExtended" => TrafficRemark,
    "UnknownExtended" => Unknown,
});

packed!(pack_nlri, unpack_nlri, Nlri {
    "IPAddressPrefix" => Prefix,
    "LabeledIPAddressPrefix" => LabeledPrefix,
    "EncapsulationNLRI" => Encapsulation,
    "SRPolicyNLRI" => SrPolicy,
});

/// NLRI for an older client; `None` for families whose NLRI is not the same message in both versions.
pub fn nlri_to_any(nlri: v4::Nlri) -> Option<Any> {
    pack_nlri(&nlri.nlri?)
}

/// NLRI of an older client.
///
/// # Errors
///
/// If it is missing, garbled, or of a family that we do not convert.
pub fn nlri_from_any(any: &Any) -> Result<v4::Nlri, BadAny> {
    if any.type_url.is_empty() {
        return Err(BadAny::Missing("NLRI"));
    }
    let nlri = unpack_nlri(any)?.ok_or_else(|| unknown(any, "NLRI"))?;
    Ok(v4::Nlri { nlri: Some(nlri) })
}

/// A path attribute for an older client; `None` for those that it can't read (the caller sends them as
/// `UnknownAttribute` to begin with).
pub fn attribute_to_any(attribute: v4::Attribute) -> Option<Any> {
    Some(match attribute.attr? {
        Attr::MpReach(new) => pack(
            "MpReachNLRIAttribute",
            &v3::MpReachNlriAttribute {
                family: new.family,
                next_hops: new.next_hops,
                nlris: new.nlris.into_iter().filter_map(nlri_to_any).collect(),
            },
        ),
        Attr::MpUnreach(new) => pack(
            "MpUnreachNLRIAttribute",
            &v3::MpUnreachNlriAttribute {
                family: new.family,
                nlris: new.nlris.into_iter().filter_map(nlri_to_any).collect(),
            },
        ),
        Attr::ExtendedCommunities(new) => {
            let all = new.communities.into_iter().filter_map(|new| new.extcom);
            pack(
                "ExtendedCommunitiesAttribute",
                &v3::ExtendedCommunitiesAttribute {
                    communities: all.filter_map(|new| pack_community(&new)).collect(),
                },
            )
        }
        Attr::Aigp(new) => pack(
            "AigpAttribute",
            &v3::AigpAttribute {
                tlvs: new
                    .tlvs
                    .into_iter()
                    .filter_map(|new| aigp_to_any(&new))
                    .collect(),
            },
        ),
        other => return pack_attribute(&other).or_else(|| rare::to_any(&other)),
    })
}

/// A path attribute of an older client.
///
/// # Errors
///
/// If it is garbled, or not converted.
pub fn attribute_from_any(any: &Any) -> Result<v4::Attribute, BadAny> {
    let attr = match name(any) {
        Some("MpReachNLRIAttribute") => {
            let old: v3::MpReachNlriAttribute = unpack(any)?;
            Attr::MpReach(v4::MpReachNlriAttribute {
                family: old.family,
                next_hops: old.next_hops,
                nlris: each(&old.nlris, nlri_from_any)?,
            })
        }
        Some("MpUnreachNLRIAttribute") => {
            let old: v3::MpUnreachNlriAttribute = unpack(any)?;
            Attr::MpUnreach(v4::MpUnreachNlriAttribute {
                family: old.family,
                nlris: each(&old.nlris, nlri_from_any)?,
            })
        }
        Some("ExtendedCommunitiesAttribute") => {
            let old: v3::ExtendedCommunitiesAttribute = unpack(any)?;
            let communities = each(&old.communities, community_from_any)?;
            Attr::ExtendedCommunities(v4::ExtendedCommunitiesAttribute { communities })
        }
        Some("AigpAttribute") => {
            let old: v3::AigpAttribute = unpack(any)?;
            let tlvs = each(&old.tlvs, aigp_from_any)?;
            Attr::Aigp(v4::AigpAttribute { tlvs })
        }
        _ => match unpack_attribute(any)? {
            Some(attr) => attr,
            None => rare::from_any(any)?.ok_or_else(|| unknown(any, "path attribute"))?,
        },
    };
    Ok(v4::Attribute { attr: Some(attr) })
}

fn community_from_any(any: &Any) -> Result<v4::ExtendedCommunity, BadAny> {
    let extcom = unpack_community(any)?.ok_or_else(|| unknown(any, "extended community"))?;
    Ok(v4::ExtendedCommunity {
        extcom: Some(extcom),
    })
}

fn aigp_to_any(tlv: &v4::aigp_attribute::Tlv) -> Option<Any> {
    use v4::aigp_attribute::tlv::Tlv;
    Some(match tlv.tlv.as_ref()? {
        Tlv::IgpMetric(metric) => pack("AigpTLVIGPMetric", metric),
        Tlv::Unknown(tlv) => pack("AigpTLVUnknown", tlv),
    })
}

fn aigp_from_any(any: &Any) -> Result<v4::aigp_attribute::Tlv, BadAny> {
    use v4::aigp_attribute::tlv::Tlv;
    let tlv = match name(any) {
        Some("AigpTLVIGPMetric") => Tlv::IgpMetric(unpack(any)?),
        Some("AigpTLVUnknown") => Tlv::Unknown(unpack(any)?),
        _ => return Err(unknown(any, "TLV of AIGP")),
    };
    Ok(v4::aigp_attribute::Tlv { tlv: Some(tlv) })
}

pub(super) fn unknown(any: &Any, wanted: &'static str) -> BadAny {
    if any.type_url.is_empty() {
        return BadAny::Missing(wanted);
    }
    BadAny::Unknown {
        url: any.type_url.clone(),
        wanted,
    }
}

pub(super) fn each<T>(
    all: &[Any],
    from: impl Fn(&Any) -> Result<T, BadAny>,
) -> Result<Vec<T>, BadAny> {
    all.iter().map(from).collect()
}
