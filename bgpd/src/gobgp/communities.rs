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

/// As the message that older clients know, or as `UnknownExtended`.
pub(super) fn to_message(community: ExtendedCommunity) -> v4::ExtendedCommunity {
    let [kind, sub_type, o1, o2, o3, o4, o5, o6] = community.0;
    let is_transitive = kind & NOT_TRANSITIVE == 0;
    let (front, wide) = (
        u16::from_be_bytes([o1, o2]),
        u32::from_be_bytes([o3, o4, o5, o6]),
    );
    let (long, short) = (
        u32::from_be_bytes([o1, o2, o3, o4]),
        u16::from_be_bytes([o5, o6]),
    );
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
            Extcom::Validation(v4::ValidationExtended { state: o6.into() })
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
        _ => Extcom::Unknown(v4::UnknownExtended {
            r#type: kind.into(),
            value: community.0[1..].to_vec(),
        }),
    };
    v4::ExtendedCommunity {
        extcom: Some(extcom),
    }
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
        _ => return Err("an extended community is of a kind that bgpd does not make".to_owned()),
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
            0x00, 0x01, 0x02, 0x03, 0x06, 0x40, 0x41, 0x42, 0x43, 0x80, 0xff,
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
}
