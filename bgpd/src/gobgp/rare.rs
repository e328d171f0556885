// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attributes that bgpd passes on without a look, decoded for GoBGP's clients and encoded for them: PMSI tunnel
//! (RFC 6514 §5), tunnel encapsulation (RFC 9012 §2), IPv6 extended communities (RFC 5701) and prefix SID (RFC 9252).

mod segments;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use bgpd_api::v4::{
    self,
    attribute::Attr,
    ip6_extended_communities_attribute::{Community, community::Extcom},
    prefix_sid, s_rv6_sub_sub_tlv, s_rv6_sub_tlv,
    tunnel_encap_tlv::{Tlv as SubTlv, tlv::Tlv as Sub},
};

const PMSI_TUNNEL: u8 = 22;
const TUNNEL_ENCAPSULATION: u8 = 23;
const IPV6_EXTENDED: u8 = 25;
const PREFIX_SID: u8 = 40;

/// The message of an attribute, if there is one that holds it.
pub(super) fn decode(code: u8, value: &[u8]) -> Option<Attr> {
    let mut rest = value;
    Some(match code {
        PMSI_TUNNEL => Attr::PmsiTunnel(pmsi(rest)?),
        TUNNEL_ENCAPSULATION => Attr::TunnelEncap(tunnels(rest)?),
        IPV6_EXTENDED => Attr::Ip6ExtendedCommunities(ipv6_communities(rest)?),
        PREFIX_SID => Attr::PrefixSid(v4::PrefixSid {
            tlvs: all(&mut rest, prefix_sid)?,
        }),
        _ => return None,
    })
}

/// The value of an attribute; the error says what has no place in it. `None`: it is none of these.
pub(super) fn encode(attr: &Attr) -> Option<Result<Vec<u8>, String>> {
    Some(match attr {
        Attr::PmsiTunnel(it) => pmsi_octets(it),
        Attr::TunnelEncap(it) => tunnel_octets(it),
        Attr::Ip6ExtendedCommunities(it) => ipv6_community_octets(it),
        Attr::PrefixSid(it) => prefix_sid_octets(it),
        _ => return None,
    })
}

/// Takes so many octets off the front.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (front, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*front)
}

fn number16(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(|octets| u16::from_be_bytes(octets).into())
}

/// A value behind its length.
fn sized<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (front, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(front)
}

/// Items to the end.
fn all<'a, T>(rest: &mut &'a [u8], item: impl Fn(&mut &'a [u8]) -> Option<T>) -> Option<Vec<T>> {
    let mut out = Vec::new();
    while !rest.is_empty() {
        out.push(item(rest)?);
    }
    Some(out)
}

fn pmsi(mut value: &[u8]) -> Option<v4::PmsiTunnelAttribute> {
    let [flags, kind, high, middle, low] = take(&mut value)?;
    Some(v4::PmsiTunnelAttribute {
        flags: flags.into(),
        r#type: kind.into(),
        label: u32::from_be_bytes([0, high, middle, low]),
        id: value.to_vec(),
    })
}

fn pmsi_octets(it: &v4::PmsiTunnelAttribute) -> Result<Vec<u8>, String> {
    let [0, high, middle, low] = it.label.to_be_bytes() else {
        return Err(format!("label {} has no place in 24 bits", it.label));
    };
    let mut out = vec![octet(it.flags)?, octet(it.r#type)?, high, middle, low];
    out.extend(&it.id);
    Ok(out)
}

fn tunnels(mut value: &[u8]) -> Option<v4::TunnelEncapAttribute> {
    let tunnel = |rest: &mut &[u8]| {
        let kind = number16(rest)?;
        let length = number16(rest)?;
        let mut inner = sized(rest, length as usize)?;
        Some(v4::TunnelEncapTlv {
            r#type: kind,
            tlvs: all(&mut inner, sub_tlv)?,
        })
    };
    Some(v4::TunnelEncapAttribute {
        tlvs: all(&mut value, tunnel)?,
    })
}

/// Its length takes two octets if the type is in the upper half (RFC 9012 §2).
fn sub_tlv(rest: &mut &[u8]) -> Option<SubTlv> {
    let [kind] = take(rest)?;
    let length = if kind < 128 {
        usize::from(u8::from_be_bytes(take(rest)?))
    } else {
        number16(rest)? as usize
    };
    let value = sized(rest, length)?;
    let unknown = || {
        Sub::Unknown(v4::TunnelEncapSubTlvUnknown {
            r#type: kind.into(),
            value: value.to_vec(),
        })
    };
    Some(SubTlv {
        tlv: Some(sub(kind, value).unwrap_or_else(unknown)),
    })
}

fn sub(kind: u8, mut value: &[u8]) -> Option<Sub> {
    let rest = &mut value;
    let sub = match kind {
        1 => {
            let key = u32::from_be_bytes(take(rest)?);
            let cookie = std::mem::take(rest).to_vec();
            Sub::Encapsulation(v4::TunnelEncapSubTlvEncapsulation { key, cookie })
        }
        2 => Sub::Protocol(v4::TunnelEncapSubTlvProtocol {
            protocol: number16(rest)?,
        }),
        4 => match take(rest)? {
            [3, 0x0b, 0, 0, a, b, c, d] => Sub::Color(v4::TunnelEncapSubTlvColor {
                color: u32::from_be_bytes([a, b, c, d]),
            }),
            _ => return None,
        },
        6 => {
            let [_, _, _, _, _, family] = take(rest)?;
            let address = match family {
                1 => IpAddr::from(take::<4>(rest)?).to_string(),
                2 => IpAddr::from(take::<16>(rest)?).to_string(),
                _ => return None,
            };
            Sub::EgressEndpoint(v4::TunnelEncapSubTlvEgressEndpoint { address })
        }
        8 => Sub::UdpDestPort(v4::TunnelEncapSubTlvudpDestPort {
            port: number16(rest)?,
        }),
        _ => return segments::decode(kind, rest),
    };
    rest.is_empty().then_some(sub)
}

fn tunnel_octets(it: &v4::TunnelEncapAttribute) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for tunnel in &it.tlvs {
        let mut inner = Vec::new();
        for tlv in &tunnel.tlvs {
            let (kind, value) = sub_octets(tlv.tlv.as_ref().ok_or("a sub-TLV is empty")?)?;
            inner.push(kind);
            if kind < 128 {
                let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                inner.push(octet(length)?);
            } else {
                inner.extend(length(&value)?);
            }
            inner.extend(value);
        }
        out.extend(two_octets(tunnel.r#type)?);
        out.extend(length(&inner)?);
        out.extend(inner);
    }
    Ok(out)
}

fn sub_octets(sub: &Sub) -> Result<(u8, Vec<u8>), String> {
    Ok(match sub {
        Sub::Encapsulation(it) => (1, [&it.key.to_be_bytes(), it.cookie.as_slice()].concat()),
        Sub::Protocol(it) => (2, two_octets(it.protocol)?.to_vec()),
        Sub::Color(it) => (4, [[3, 0x0b, 0, 0], it.color.to_be_bytes()].concat()),
        Sub::EgressEndpoint(it) => {
            let address: IpAddr = it
                .address
                .parse()
                .map_err(|_| format!("`{}` is no address", it.address))?;
            let value = match address {
                IpAddr::V4(address) => [&[0, 0, 0, 0, 0, 1][..], &address.octets()].concat(),
                IpAddr::V6(address) => [&[0, 0, 0, 0, 0, 2][..], &address.octets()].concat(),
            };
            (6, value)
        }
        Sub::UdpDestPort(it) => (8, two_octets(it.port)?.to_vec()),
        Sub::Unknown(it) => (octet(it.r#type)?, it.value.clone()),
        policy => return segments::encode(policy).ok_or("an unknown sub-TLV of a tunnel")?,
    })
}

fn ipv6_communities(mut value: &[u8]) -> Option<v4::Ip6ExtendedCommunitiesAttribute> {
    let community = |rest: &mut &[u8]| {
        let [kind, sub_type] = take(rest)?;
        let address = Ipv6Addr::from(take::<16>(rest)?).to_string();
        let local_admin = number16(rest)?;
        let extcom = match kind {
            0x00 | NOT_TRANSITIVE => Extcom::Ipv6AddressSpecific(v4::IPv6AddressSpecificExtended {
                is_transitive: kind != NOT_TRANSITIVE,
                sub_type: sub_type.into(),
                address,
                local_admin,
            }),
            _ => return None,
        };
        Some(Community {
            extcom: Some(extcom),
        })
    };
    Some(v4::Ip6ExtendedCommunitiesAttribute {
        communities: all(&mut value, community)?,
    })
}

const NOT_TRANSITIVE: u8 = 0x40;

fn ipv6_community_octets(it: &v4::Ip6ExtendedCommunitiesAttribute) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for community in &it.communities {
        let Some(Extcom::Ipv6AddressSpecific(it)) = &community.extcom else {
            return Err("of IPv6 extended communities, only those of an address are made".into());
        };
        let address: Ipv6Addr = it
            .address
            .parse()
            .map_err(|_| format!("`{}` is no IPv6 address", it.address))?;
        out.push(if it.is_transitive { 0 } else { NOT_TRANSITIVE });
        out.push(octet(it.sub_type)?);
        out.extend(address.octets());
        out.extend(two_octets(it.local_admin)?);
    }
    Ok(out)
}

const L3_SERVICE: u8 = 5;
const L2_SERVICE: u8 = 6;
const SID_INFORMATION: u8 = 1;
const SID_STRUCTURE: u8 = 1;

fn prefix_sid(rest: &mut &[u8]) -> Option<prefix_sid::Tlv> {
    let [kind] = take(rest)?;
    let length = number16(rest)?;
    let mut inner = sized(rest, length as usize)?;
    let [_reserved] = take(&mut inner)?;
    let mut sub_tlvs: BTreeMap<u32, v4::SRv6SubTlVs> = BTreeMap::new();
    while !inner.is_empty() {
        let [SID_INFORMATION] = take(&mut inner)? else {
            return None;
        };
        let length = number16(&mut inner)?;
        let information = sid_information(sized(&mut inner, length as usize)?)?;
        let of_kind = sub_tlvs.entry(SID_INFORMATION.into()).or_default();
        of_kind.tlvs.push(v4::SRv6SubTlv {
            tlv: Some(s_rv6_sub_tlv::Tlv::Information(information)),
        });
    }
    let sub_tlvs = sub_tlvs.into_iter().collect();
    let tlv = match kind {
        L3_SERVICE => prefix_sid::tlv::Tlv::L3Service(v4::SRv6L3ServiceTlv { sub_tlvs }),
        L2_SERVICE => prefix_sid::tlv::Tlv::L2Service(v4::SRv6L2ServiceTlv { sub_tlvs }),
        _ => return None,
    };
    Some(prefix_sid::Tlv { tlv: Some(tlv) })
}

/// RFC 9252 §3.1 and §3.2.1.
fn sid_information(mut value: &[u8]) -> Option<v4::SRv6InformationSubTlv> {
    let rest = &mut value;
    let [_reserved] = take(rest)?;
    let sid = take::<16>(rest)?;
    let [flags, high, low, _reserved] = take(rest)?;
    let structures = all(rest, |rest| {
        let [
            SID_STRUCTURE,
            0,
            6,
            block,
            node,
            function,
            argument,
            moved,
            offset,
        ] = take(rest)?
        else {
            return None;
        };
        let structure = v4::SRv6StructureSubSubTlv {
            locator_block_length: block.into(),
            locator_node_length: node.into(),
            function_length: function.into(),
            argument_length: argument.into(),
            transposition_length: moved.into(),
            transposition_offset: offset.into(),
        };
        Some(v4::SRv6SubSubTlv {
            tlv: Some(s_rv6_sub_sub_tlv::Tlv::Structure(structure)),
        })
    })?;
    let kinds = (!structures.is_empty()).then(|| {
        (
            SID_STRUCTURE.into(),
            v4::SRv6SubSubTlVs { tlvs: structures },
        )
    });
    Some(v4::SRv6InformationSubTlv {
        sid: sid.to_vec(),
        flags: Some(v4::SRv6SidFlags {
            flag_1: flags & 0x80 != 0,
        }),
        endpoint_behavior: u16::from_be_bytes([high, low]).into(),
        sub_sub_tlvs: kinds.into_iter().collect(),
    })
}

fn prefix_sid_octets(it: &v4::PrefixSid) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for tlv in &it.tlvs {
        let (kind, sub_tlvs) = match tlv.tlv.as_ref().ok_or("a TLV of a prefix SID is empty")? {
            prefix_sid::tlv::Tlv::L3Service(it) => (L3_SERVICE, &it.sub_tlvs),
            prefix_sid::tlv::Tlv::L2Service(it) => (L2_SERVICE, &it.sub_tlvs),
        };
        let mut inner = vec![0];
        for sub in sub_tlvs.values().flat_map(|all| &all.tlvs) {
            let Some(s_rv6_sub_tlv::Tlv::Information(it)) = &sub.tlv else {
                return Err("a sub-TLV of a prefix SID is empty".to_owned());
            };
            let value = sid_information_octets(it)?;
            inner.push(SID_INFORMATION);
            inner.extend(length(&value)?);
            inner.extend(value);
        }
        out.push(kind);
        out.extend(length(&inner)?);
        out.extend(inner);
    }
    Ok(out)
}

fn sid_information_octets(it: &v4::SRv6InformationSubTlv) -> Result<Vec<u8>, String> {
    let sid = <[u8; 16]>::try_from(it.sid.as_slice())
        .map_err(|_| format!("a SID has 16 octets, not {}", it.sid.len()))?;
    let flag = it.flags.is_some_and(|flags| flags.flag_1);
    let mut out = vec![0];
    out.extend(sid);
    out.push(u8::from(flag) << 7);
    out.extend(two_octets(it.endpoint_behavior)?);
    out.push(0);
    for sub in it.sub_sub_tlvs.values().flat_map(|all| &all.tlvs) {
        let Some(s_rv6_sub_sub_tlv::Tlv::Structure(it)) = sub.tlv else {
            return Err("a sub-sub-TLV of a prefix SID is empty".to_owned());
        };
        out.extend([SID_STRUCTURE, 0, 6]);
        for part in [
            it.locator_block_length,
            it.locator_node_length,
            it.function_length,
            it.argument_length,
            it.transposition_length,
            it.transposition_offset,
        ] {
            out.push(octet(part)?);
        }
    }
    Ok(out)
}

fn octet(number: u32) -> Result<u8, String> {
    u8::try_from(number).map_err(|_| format!("{number} has no place in one octet"))
}

fn two_octets(number: u32) -> Result<[u8; 2], String> {
    let number = u16::try_from(number);
    let number = number.map_err(|_| "a number has no place in two octets".to_owned())?;
    Ok(number.to_be_bytes())
}

fn length(value: &[u8]) -> Result<[u8; 2], String> {
    two_octets(u32::try_from(value.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [(u8, &str); 6] = [
        (PMSI_TUNNEL, "0006000640c0000201"),
        (TUNNEL_ENCAPSULATION, "0008000a0408030b000000000064"),
        (
            TUNNEL_ENCAPSULATION,
            "0001001f 010600000007aabb 02020800 0802 12b5 060a 000000000001 0a090909 8100 00",
        ),
        (IPV6_EXTENDED, "000220010db80000000000000000000000010064"),
        (IPV6_EXTENDED, ""),
        (
            PREFIX_SID,
            "050022 00 01001e 00 20010db8000000000000000000000001 00 0012 00 010006281810001040",
        ),
    ];

    fn octets(text: &str) -> Vec<u8> {
        let digits: Vec<char> = text.chars().filter(|sign| *sign != ' ').collect();
        let pairs = digits.chunks(2);
        let octet = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
        pairs.map(|pair| octet(pair).unwrap()).collect()
    }

    #[test]
    fn what_is_decoded_comes_back_as_it_was() {
        for (code, text) in VALUES {
            let value = octets(text);
            let attr = decode(code, &value).unwrap_or_else(|| panic!("{code} {text}"));
            assert_eq!(encode(&attr), Some(Ok(value)), "{attr:?}");
        }
    }

    #[test]
    fn what_is_cut_short_is_not_decoded() {
        for (code, text) in VALUES {
            let value = octets(text);
            for length in 0..value.len() {
                if let Some(attr) = decode(code, &value[..length]) {
                    assert_eq!(encode(&attr).unwrap().unwrap(), value[..length], "{attr:?}");
                }
            }
        }
    }
}
