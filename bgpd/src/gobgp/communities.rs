// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Extended communities, of eight octets here and a message for each kind there.

use std::net::Ipv4Addr;

use bgp_proto::ExtendedCommunity;
use bgpd_api::v4::{self, extended_community::Extcom};

/// Kinds (RFC 4360, RFC 5668, RFC 7153); bit 6 says that a community does not leave the AS.
const TWO_OCTET_AS: u8 = 0x00;
const IPV4_ADDRESS: u8 = 0x01;
const FOUR_OCTET_AS: u8 = 0x02;
const OPAQUE: u8 = 0x03;
const NOT_TRANSITIVE: u8 = 0x40;

/// Subtypes.
const LINK_BANDWIDTH: u8 = 0x04;
const VALIDATION: u8 = 0x00;
const COLOR: u8 = 0x0b;
const ENCAPSULATION: u8 = 0x0c;
const DEFAULT_GATEWAY: u8 = 0x0d;

/// The six octets of a value, as two and four or as four and two.
struct Value {
    front: u16,
    wide: u32,
    long: u32,
    short: u16,
}

impl Value {
    fn of(community: ExtendedCommunity) -> Self {
        let [_, _, o1, o2, o3, o4, o5, o6] = community.0;
        Self {
            front: u16::from_be_bytes([o1, o2]),
            wide: u32::from_be_bytes([o3, o4, o5, o6]),
            long: u32::from_be_bytes([o1, o2, o3, o4]),
            short: u16::from_be_bytes([o5, o6]),
        }
    }
}

/// As the message that older clients know, or as `UnknownExtended`.
pub(super) fn to_message(community: ExtendedCommunity) -> v4::ExtendedCommunity {
    let [kind, sub_type, .., last] = community.0;
    let is_transitive = kind & NOT_TRANSITIVE == 0;
    let Value {
        front,
        wide,
        long,
        short,
    } = Value::of(community);
    let extcom = match (kind & !NOT_TRANSITIVE, sub_type) {
        (TWO_OCTET_AS, LINK_BANDWIDTH) => Extcom::LinkBandwidth(v4::LinkBandwidthExtended {
            asn: front.into(),
            bandwidth: f32::from_bits(wide),
        }),
        (TWO_OCTET_AS, _) => Extcom::TwoOctetAsSpecific(v4::TwoOctetAsSpecificExtended {
            is_transitive,
            sub_type: sub_type.into(),
            asn: front.into(),
            local_admin: wide,
        }),
        (IPV4_ADDRESS, _) => Extcom::Ipv4AddressSpecific(v4::IPv4AddressSpecificExtended {
            is_transitive,
            sub_type: sub_type.into(),
            address: Ipv4Addr::from(long).to_string(),
            local_admin: short.into(),
        }),
        (FOUR_OCTET_AS, _) => Extcom::FourOctetAsSpecific(v4::FourOctetAsSpecificExtended {
            is_transitive,
            sub_type: sub_type.into(),
            asn: long,
            local_admin: short.into(),
        }),
        (OPAQUE, VALIDATION) if !is_transitive => {
            Extcom::Validation(v4::ValidationExtended { state: last.into() })
        }
        (OPAQUE, COLOR) if is_transitive => Extcom::Color(v4::ColorExtended { color: wide }),
        (OPAQUE, ENCAPSULATION) if is_transitive => Extcom::Encap(v4::EncapExtended {
            tunnel_type: short.into(),
        }),
        (OPAQUE, DEFAULT_GATEWAY) if is_transitive => {
            Extcom::DefaultGateway(v4::DefaultGatewayExtended {})
        }
        (OPAQUE, _) => Extcom::Opaque(v4::OpaqueExtended {
            is_transitive,
            value: community.0[1..].to_vec(),
        }),
        _ => of_other_families(community).unwrap_or_else(|| {
            Extcom::Unknown(v4::UnknownExtended {
                r#type: kind.into(),
                value: community.0[1..].to_vec(),
            })
        }),
    };
    v4::ExtendedCommunity {
        extcom: Some(extcom),
    }
}

/// Communities of EVPN (RFC 7432 §7) and of flow specifications (RFC 8955 §7), if the message holds all of it.
fn of_other_families(community: ExtendedCommunity) -> Option<Extcom> {
    let [kind, sub_type, o1, o2, o3, o4, o5, o6] = community.0;
    let Value {
        front,
        wide,
        long,
        short,
    } = Value::of(community);
    let mac = || format!("{o1:02x}:{o2:02x}:{o3:02x}:{o4:02x}:{o5:02x}:{o6:02x}");
    let extcom = match (kind, sub_type) {
        (EVPN, 0) => Extcom::MacMobility(v4::MacMobilityExtended {
            is_sticky: o1 == 1,
            sequence_num: wide,
        }),
        (EVPN, 1) => Extcom::EsiLabel(v4::EsiLabelExtended {
            is_single_active: o1 == 1,
            label: u32::from_be_bytes([0, o4, o5, o6]),
        }),
        (EVPN, 2) => Extcom::EsImport(v4::EsImportRouteTarget { es_import: mac() }),
        (EVPN, 3) => Extcom::RouterMac(v4::RouterMacExtended { mac: mac() }),
        (FLOW, 6) => Extcom::TrafficRate(v4::TrafficRateExtended {
            asn: front.into(),
            rate: f32::from_bits(wide),
        }),
        (FLOW, 7) => Extcom::TrafficAction(v4::TrafficActionExtended {
            terminal: o6 & 1 != 0,
            sample: o6 & 2 != 0,
        }),
        (FLOW, 8) => Extcom::RedirectTwoOctetAsSpecific(v4::RedirectTwoOctetAsSpecificExtended {
            asn: front.into(),
            local_admin: wide,
        }),
        (FLOW, 9) => Extcom::TrafficRemark(v4::TrafficRemarkExtended { dscp: o6.into() }),
        (FLOW_IPV4, 8) => {
            Extcom::RedirectIpv4AddressSpecific(v4::RedirectIPv4AddressSpecificExtended {
                address: Ipv4Addr::from(long).to_string(),
                local_admin: short.into(),
            })
        }
        (FLOW_FOUR_OCTET_AS, 8) => {
            Extcom::RedirectFourOctetAsSpecific(v4::RedirectFourOctetAsSpecificExtended {
                asn: long,
                local_admin: short.into(),
            })
        }
        _ => return None,
    };
    let back = octets_of_other_families(&extcom)?.ok()?;
    (back == community.0).then_some(extcom)
}

const EVPN: u8 = 0x06;
const FLOW: u8 = 0x80;
const FLOW_IPV4: u8 = 0x81;
const FLOW_FOUR_OCTET_AS: u8 = 0x82;

/// The way back; `None`: it is none of these.
fn octets_of_other_families(extcom: &Extcom) -> Option<Result<[u8; 8], String>> {
    Some(match extcom {
        Extcom::MacMobility(it) => {
            let [a, b, c, d] = it.sequence_num.to_be_bytes();
            Ok([EVPN, 0, u8::from(it.is_sticky), 0, a, b, c, d])
        }
        Extcom::EsiLabel(it) => match it.label.to_be_bytes() {
            [0, a, b, c] => Ok([EVPN, 1, u8::from(it.is_single_active), 0, 0, a, b, c]),
            _ => Err(format!("label {} has no place in 24 bits", it.label)),
        },
        Extcom::EsImport(it) => mac_octets(2, &it.es_import),
        Extcom::RouterMac(it) => mac_octets(3, &it.mac),
        Extcom::TrafficRate(it) => two_octets(FLOW, 6, it.asn, it.rate.to_bits()),
        Extcom::TrafficAction(it) => {
            let flags = u8::from(it.sample) << 1 | u8::from(it.terminal);
            Ok([FLOW, 7, 0, 0, 0, 0, 0, flags])
        }
        Extcom::RedirectTwoOctetAsSpecific(it) => two_octets(FLOW, 8, it.asn, it.local_admin),
        Extcom::TrafficRemark(it) => {
            octet("dscp", it.dscp).map(|dscp| [FLOW, 9, 0, 0, 0, 0, 0, dscp])
        }
        Extcom::RedirectIpv4AddressSpecific(it) => match it.address.parse::<Ipv4Addr>() {
            Ok(address) => four_octets(FLOW_IPV4, 8, address.octets(), it.local_admin),
            Err(_) => Err(format!("`{}` is no IPv4 address", it.address)),
        },
        Extcom::RedirectFourOctetAsSpecific(it) => {
            four_octets(FLOW_FOUR_OCTET_AS, 8, it.asn.to_be_bytes(), it.local_admin)
        }
        _ => return None,
    })
}

fn mac_octets(sub_type: u8, text: &str) -> Result<[u8; 8], String> {
    let bad = || format!("`{text}` is no MAC address");
    let octets = text.split(':').map(|part| u8::from_str_radix(part, 16));
    let octets: Vec<u8> = octets.collect::<Result<_, _>>().map_err(|_| bad())?;
    let address: [u8; 6] = octets.try_into().map_err(|_| bad())?;
    let mut all = [EVPN, sub_type, 0, 0, 0, 0, 0, 0];
    all[2..].copy_from_slice(&address);
    Ok(all)
}

/// The way back; the error says what is wrong.
pub(super) fn from_message(message: v4::ExtendedCommunity) -> Result<ExtendedCommunity, String> {
    let octets = match message.extcom.ok_or("an extended community is empty")? {
        Extcom::TwoOctetAsSpecific(it) => two_octets(
            kind(TWO_OCTET_AS, it.is_transitive),
            octet("sub_type", it.sub_type)?,
            it.asn,
            it.local_admin,
        )?,
        Extcom::LinkBandwidth(it) => two_octets(
            kind(TWO_OCTET_AS, false),
            LINK_BANDWIDTH,
            it.asn,
            it.bandwidth.to_bits(),
        )?,
        Extcom::Ipv4AddressSpecific(it) => {
            let address: Ipv4Addr = it
                .address
                .parse()
                .map_err(|_| format!("`{}` is no IPv4 address", it.address))?;
            let kind = kind(IPV4_ADDRESS, it.is_transitive);
            four_octets(
                kind,
                octet("sub_type", it.sub_type)?,
                address.octets(),
                it.local_admin,
            )?
        }
        Extcom::FourOctetAsSpecific(it) => {
            let kind = kind(FOUR_OCTET_AS, it.is_transitive);
            four_octets(
                kind,
                octet("sub_type", it.sub_type)?,
                it.asn.to_be_bytes(),
                it.local_admin,
            )?
        }
        Extcom::Validation(it) => [
            kind(OPAQUE, false),
            VALIDATION,
            0,
            0,
            0,
            0,
            0,
            octet("state", it.state)?,
        ],
        Extcom::Color(it) => {
            let [a, b, c, d] = it.color.to_be_bytes();
            [OPAQUE, COLOR, 0, 0, a, b, c, d]
        }
        Extcom::Encap(it) => {
            let kind = u16::try_from(it.tunnel_type)
                .map_err(|_| "a tunnel type is a number of two octets")?;
            let [a, b] = kind.to_be_bytes();
            [OPAQUE, ENCAPSULATION, 0, 0, 0, 0, a, b]
        }
        Extcom::DefaultGateway(_) => [OPAQUE, DEFAULT_GATEWAY, 0, 0, 0, 0, 0, 0],
        Extcom::Opaque(it) => whole(kind(OPAQUE, it.is_transitive), &it.value)?,
        Extcom::Unknown(it) => whole(octet("type", it.r#type)?, &it.value)?,
        other => octets_of_other_families(&other)
            .ok_or("an extended community is of a kind that bgpd does not make")??,
    };
    Ok(ExtendedCommunity(octets))
}

fn kind(kind: u8, is_transitive: bool) -> u8 {
    if is_transitive {
        kind
    } else {
        kind | NOT_TRANSITIVE
    }
}

fn two_octets(kind: u8, sub_type: u8, asn: u32, local: u32) -> Result<[u8; 8], String> {
    let asn = u16::try_from(asn).map_err(|_| format!("AS {asn} has no place in two octets"))?;
    let ([o1, o2], [o3, o4, o5, o6]) = (asn.to_be_bytes(), local.to_be_bytes());
    Ok([kind, sub_type, o1, o2, o3, o4, o5, o6])
}

fn four_octets(kind: u8, sub_type: u8, front: [u8; 4], local: u32) -> Result<[u8; 8], String> {
    let local = u16::try_from(local).map_err(|_| format!("{local} has no place in two octets"))?;
    let ([o1, o2, o3, o4], [o5, o6]) = (front, local.to_be_bytes());
    Ok([kind, sub_type, o1, o2, o3, o4, o5, o6])
}

fn whole(kind: u8, value: &[u8]) -> Result<[u8; 8], String> {
    let [o1, o2, o3, o4, o5, o6, o7] = value.try_into().map_err(|_| {
        format!(
            "an extended community has 7 octets behind its type, not {}",
            value.len()
        )
    })?;
    Ok([kind, o1, o2, o3, o4, o5, o6, o7])
}

fn octet(field: &str, number: u32) -> Result<u8, String> {
    u8::try_from(number).map_err(|_| format!("{field} is one octet, not {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_community_comes_back_as_it_was() {
        let interesting = [
            0x00, 0x01, 0x02, 0x03, 0x06, 0x40, 0x41, 0x42, 0x43, 0x80, 0x81, 0x82, 0xff,
        ];
        for kind in interesting {
            for sub_type in 0..=u8::MAX {
                let octets = match (kind, sub_type) {
                    // What GoBGP's message of these kinds does not hold is not there either.
                    (OPAQUE, DEFAULT_GATEWAY) => [kind, sub_type, 0, 0, 0, 0, 0, 0],
                    (0x43, VALIDATION) => [kind, sub_type, 0, 0, 0, 0, 0, 2],
                    (OPAQUE, ENCAPSULATION) => [kind, sub_type, 0, 0, 0, 0, 0, 8],
                    (OPAQUE, COLOR) => [kind, sub_type, 0, 0, 1, 2, 3, 4],
                    // A bandwidth is never transitive there.
                    (TWO_OCTET_AS, LINK_BANDWIDTH) => continue,
                    _ => [kind, sub_type, 1, 2, 3, 4, 5, 6],
                };
                let community = ExtendedCommunity(octets);
                assert_eq!(
                    from_message(to_message(community)),
                    Ok(community),
                    "{octets:x?}"
                );
            }
        }
    }

    #[test]
    fn communities_of_other_families_are_told_in_words() {
        let cases = [
            [0x06, 0, 1, 0, 0, 0, 0, 7],
            [0x06, 1, 0, 0, 0, 0, 0xa0, 0],
            [0x06, 2, 0, 0x11, 0x22, 0x33, 0x44, 0x55],
            [0x06, 3, 0, 0x11, 0x22, 0x33, 0x44, 0x55],
            [0x80, 6, 0xfc, 2, 0x47, 0xc3, 0x50, 0],
            [0x80, 7, 0, 0, 0, 0, 0, 3],
            [0x80, 8, 0xfc, 2, 0, 0, 0, 9],
            [0x80, 9, 0, 0, 0, 0, 0, 16],
            [0x81, 8, 10, 9, 9, 9, 0, 9],
            [0x82, 8, 0xfa, 0x56, 0xea, 3, 0, 9],
        ];
        for octets in cases {
            let message = to_message(ExtendedCommunity(octets));
            assert!(!matches!(message.extcom, Some(Extcom::Unknown(_))));
            assert_eq!(from_message(message), Ok(ExtendedCommunity(octets)));
        }
    }
}
