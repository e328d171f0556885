// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NLRI and attributes as the octets of an UPDATE, for clients that have their own codec.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp_proto::{
    Family, Negotiated, NegotiatedFamily, PathAttributes, PeerKind, Prefix, Update, UpdateWriter,
    frame,
};

/// Length in bits and as many octets as it takes (RFC 4271 §4.3).
pub(super) fn nlri(prefix: Prefix) -> Vec<u8> {
    let octets = match prefix.addr() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut out = vec![prefix.length()];
    out.extend(
        octets
            .into_iter()
            .take(usize::from(prefix.length()).div_ceil(8)),
    );
    out
}

/// Each attribute with its header.
pub(super) fn attributes(attributes: &PathAttributes, prefix: Prefix) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let writer = UpdateWriter::new(&session());
    // Attributes that no message has room for have not come from one either.
    let _ = writer.announce(attributes, prefix.family(), [(0, prefix)], |message| {
        let body = message.get(frame::HEADER..).unwrap_or_default();
        let [_, _, high, low, rest @ ..] = body else {
            return;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        all = split(rest.get(..length).unwrap_or_default());
    });
    all
}

/// Cuts attributes apart.
fn split(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let [flags, _, rest @ ..] = octets {
        let length = match (flags & EXTENDED_LENGTH != 0, rest) {
            (true, [high, low, ..]) => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            (false, [length, ..]) => 3 + usize::from(*length),
            _ => break,
        };
        let Some((attribute, rest)) = octets.split_at_checked(length) else {
            break;
        };
        all.push(attribute.to_vec());
        octets = rest;
    }
    all
}

const EXTENDED_LENGTH: u8 = 0x10;

/// A prefix of these octets and nothing else.
pub(super) fn prefix(family: Family, octets: &[u8]) -> Result<Prefix, String> {
    let bad = || format!("nlri_binary is no prefix of {family}");
    let [length, rest @ ..] = octets else {
        return Err(bad());
    };
    if rest.len() != usize::from(*length).div_ceil(8) {
        return Err(bad());
    }
    let mut whole = [0; 16];
    whole
        .get_mut(..rest.len())
        .ok_or_else(bad)?
        .copy_from_slice(rest);
    let [a, b, c, d, ..] = whole;
    let address = match family {
        Family::IPV4_UNICAST => IpAddr::V4(Ipv4Addr::from([a, b, c, d])),
        _ => IpAddr::V6(Ipv6Addr::from(whole)),
    };
    Prefix::truncating(address, *length).ok_or_else(bad)
}

/// Attributes of these octets, read as those of an UPDATE for the prefix.
pub(super) fn read(prefix: Prefix, attributes: &[Vec<u8>]) -> Result<PathAttributes, String> {
    let has_reach = attributes
        .iter()
        .any(|octets| octets.get(1) == Some(&MP_REACH));
    let all = attributes.concat();
    let length = u16::try_from(all.len())
        .map_err(|_| "pattrs_binary is longer than any message".to_owned())?;
    let mut body = vec![0, 0];
    body.extend_from_slice(&length.to_be_bytes());
    body.extend_from_slice(&all);
    if !has_reach {
        body.extend_from_slice(&nlri(prefix));
    }
    let bad = |why: &str| format!("pattrs_binary: {why}");
    let update = Update::decode(&body, &session()).map_err(|error| bad(&error.to_string()))?;
    if let Some(fault) = update.faults().first() {
        return Err(bad(&fault.to_string()));
    }
    let mut announced = update.into_announced();
    match (announced.next(), announced.next()) {
        (Some((attributes, block)), None) if block.prefixes().map(|(_, it)| it).eq([prefix]) => {
            Ok(attributes)
        }
        _ => Err(bad(&format!("they do not announce {prefix}"))),
    }
}

const MP_REACH: u8 = 14;

/// Octets are as on a session where everything has been agreed on.
fn session() -> Negotiated {
    let family = |family| NegotiatedFamily {
        family,
        add_path_receive: false,
        add_path_send: false,
        extended_next_hop: true,
    };
    Negotiated {
        four_octet_as: true,
        max_message: frame::MAX_EXTENDED,
        families: vec![family(Family::IPV4_UNICAST), family(Family::IPV6_UNICAST)],
        kind: PeerKind::Internal,
        aigp: true,
        ..Negotiated::default()
    }
}

#[cfg(test)]
mod tests {
    use bgp_proto::{AsPath, Asn, Community, NextHop, Origin};

    use super::*;

    #[test]
    fn a_path_comes_back_as_it_was() {
        let cases = [
            ("10.1.0.0/17", "192.0.2.1"),
            ("10.1.0.0/17", "2001:db8::1"),
            ("2001:db8:1::/48", "2001:db8::1"),
            ("0.0.0.0/0", "192.0.2.1"),
        ];
        for (prefix, next_hop) in cases {
            let prefix: Prefix = prefix.parse().unwrap();
            let next_hop: IpAddr = next_hop.parse().unwrap();
            let path = AsPath::from_sequence([Asn(64512), Asn(4_200_000_000)]);
            let mut original = PathAttributes::new(Origin::Egp, path, NextHop::from(next_hop));
            original.local_pref = Some(7);
            original.communities = vec![Community(1); 100];
            let octets = attributes(&original, prefix);
            assert!(octets.len() >= 5, "one for each: {octets:?}");
            assert_eq!(read(prefix, &octets), Ok(original));
            assert_eq!(self::prefix(prefix.family(), &nlri(prefix)), Ok(prefix));
        }
    }

    #[test]
    fn garbage_is_refused_with_words() {
        let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
        assert!(read(prefix, &[vec![0x40, 1, 1, 9]]).is_err());
        assert!(read(prefix, &[vec![0x40, 1, 200]]).is_err());
        assert!(read(prefix, &[]).is_err());
        assert!(read(prefix, &[vec![0; 70_000]]).is_err());
        for octets in [&[][..], &[33, 1, 2, 3, 4, 5], &[8], &[8, 1, 2], &[200; 30]] {
            assert!(
                self::prefix(Family::IPV4_UNICAST, octets).is_err(),
                "{octets:?}"
            );
        }
    }
}
