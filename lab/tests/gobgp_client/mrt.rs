// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A table dump (RFC 6396 §4.3) with as many routes as one likes.

/// One peer and its routes: one of IPv6 for each hundred `routes`, then these of IPv4.
pub(crate) fn dump(routes: u32) -> Vec<u8> {
    let mut out = Vec::new();
    // The collector, no name of a view, one peer with its identifier, address and AS of four octets.
    let index = [
        &[10, 0, 0, 9, 0, 0, 0, 1, 2, 10, 0, 0, 4, 10, 0, 0, 4][..],
        &65004_u32.to_be_bytes(),
    ];
    record(&mut out, PEER_INDEX_TABLE, &index.concat());
    for number in 0..routes / 100 {
        let [_, _, a, b] = number.to_be_bytes();
        let network = [48, 0x20, 1, 0x0d, 0xb9, a, b];
        // MP_REACH_NLRI as a whole: `gobgp` 3.10 does not read the next hop alone, which is what §4.3.4 wants.
        let next_hop = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4];
        let reach = [&[0x80, 14, 28, 0, 2, 1, 16][..], &next_hop, &[0], &network].concat();
        let attributes = [&ORIGIN[..], &path(&[65004]), &reach].concat();
        record(
            &mut out,
            RIB_IPV6_UNICAST,
            &entry(number, &network, &attributes),
        );
    }
    for number in 0..routes {
        let [_, a, b, c] = number.to_be_bytes();
        let path = path(&[65004, 65100 + number % 7, 4_200_000_000 + number % 100]);
        let next_hop = [0x40, 3, 4, 10, 0, 0, 4];
        let attributes = [&ORIGIN[..], &path, &next_hop, &communities(number)].concat();
        let network = [24, 20 + a, b, c];
        record(
            &mut out,
            RIB_IPV4_UNICAST,
            &entry(number, &network, &attributes),
        );
    }
    out
}

const PEER_INDEX_TABLE: u16 = 1;
const RIB_IPV4_UNICAST: u16 = 2;
const RIB_IPV6_UNICAST: u16 = 4;
const TABLE_DUMP_V2: u16 = 13;
const ORIGIN: [u8; 4] = [0x40, 1, 1, 0];
const TIME: u32 = 1_790_000_000;

fn record(out: &mut Vec<u8>, kind: u16, body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend(TIME.to_be_bytes());
    out.extend(TABLE_DUMP_V2.to_be_bytes());
    out.extend(kind.to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend(body);
}

/// One path of one prefix, from the first peer.
fn entry(number: u32, network: &[u8], attributes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(attributes.len()).unwrap_or(u16::MAX);
    let (one, first) = ([0, 1], [0, 0]);
    let mut out = number.to_be_bytes().to_vec();
    out.extend(network);
    out.extend(one);
    out.extend(first);
    out.extend(TIME.to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend(attributes);
    out
}

fn path(asns: &[u32]) -> Vec<u8> {
    let count = u8::try_from(asns.len()).unwrap_or(u8::MAX);
    let mut out = vec![0x40, 2, 2 + 4 * count, 2, count];
    out.extend(asns.iter().flat_map(|asn| asn.to_be_bytes()));
    out
}

/// Every fifth has one, and a MED.
fn communities(number: u32) -> Vec<u8> {
    if !number.is_multiple_of(5) {
        return Vec::new();
    }
    let mut out = vec![0x80, 4, 4];
    out.extend(number.to_be_bytes());
    out.extend([0xc0, 8, 4]);
    out.extend(((65004 << 16) + number % 1000).to_be_bytes());
    out
}
