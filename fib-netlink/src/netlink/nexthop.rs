// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Next-hop objects ⇄ octets (`linux/nexthop.h`), for which the packet library has no message.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
};

use super::decode::{attributes, ip, number};
use crate::objects::{Nature, Object, ObjectOperation, ObjectVerb, Place};

/// Appends an operation, numbered; the kernel acknowledges it if it is the last of its buffer.
pub(crate) fn operation(
    out: &mut Vec<u8>,
    operation: &ObjectOperation,
    sequence: u32,
    last: bool,
) -> bool {
    let ack = if last { NLM_F_ACK } else { 0 };
    let (kind, flags, object) = match &operation.verb {
        ObjectVerb::Add(object) => (RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL, Some(object)),
        ObjectVerb::Replace(object) => (RTM_NEWNEXTHOP, NLM_F_REPLACE, Some(object)),
        ObjectVerb::Delete => (RTM_DELNEXTHOP, 0, None),
    };
    let mut message = Message::new(kind, NLM_F_REQUEST | flags | ack, sequence);
    message.header(object);
    message.attribute(NHA_ID, &operation.id.to_ne_bytes());
    match object.map(|object| &object.nature) {
        Some(Nature::Hop(place)) => {
            match place.gateway {
                IpAddr::V4(gateway) => message.attribute(NHA_GATEWAY, &gateway.octets()),
                IpAddr::V6(gateway) => message.attribute(NHA_GATEWAY, &gateway.octets()),
            }
            message.attribute(NHA_OIF, &place.ifindex.to_ne_bytes());
        }
        Some(Nature::Group(members)) => {
            let entry = |(id, weight): &(u32, u8)| {
                let [a, b, c, d] = id.to_ne_bytes();
                [a, b, c, d, weight.saturating_sub(1), 0, 0, 0]
            };
            let entries: Vec<u8> = members.iter().flat_map(entry).collect();
            message.attribute(NHA_GROUP, &entries);
        }
        Some(Nature::Other) => return false,
        None => {}
    }
    out.extend(message.finish());
    true
}

/// Asks for all objects.
pub(crate) fn dump(sequence: u32) -> Vec<u8> {
    let mut message = Message::new(RTM_GETNEXTHOP, NLM_F_REQUEST | NLM_F_DUMP, sequence);
    message.header(None);
    message.finish()
}

/// An object as the kernel tells of it.
pub(super) fn object(payload: &[u8]) -> Option<(u32, Object)> {
    let [_, _, protocol, _, f0, f1, f2, f3, ..] = *payload else {
        return None;
    };
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let (mut id, mut gateway, mut device, mut group, mut other) = (None, None, None, None, false);
    for (kind, value) in attributes(payload, HEADER) {
        match kind {
            NHA_ID => id = number(value),
            NHA_GATEWAY => gateway = ip(value),
            NHA_OIF => device = number(value),
            NHA_GROUP => group = Some(members(value)),
            NHA_GROUP_TYPE => other |= value != [0, 0],
            NHA_BLACKHOLE | NHA_ENCAP | NHA_FDB | NHA_RES_GROUP => other = true,
            _ => {}
        }
    }
    let nature = match (group, gateway, device) {
        _ if other => Nature::Other,
        (Some(members), _, _) => Nature::Group(members),
        (None, Some(gateway), Some(ifindex)) => Nature::Hop(Place {
            gateway,
            ifindex,
            onlink: flags & u32::from(RTNH_F_ONLINK) != 0,
        }),
        _ => Nature::Other,
    };
    Some((id?, Object { protocol, nature }))
}

/// The `struct nexthop_grp` of a group, sorted.
fn members(value: &[u8]) -> Vec<(u32, u8)> {
    let entries = value.chunks_exact(8);
    let mut members: Vec<(u32, u8)> = entries
        .filter_map(|entry| Some((number(entry)?, entry.get(4)?.saturating_add(1))))
        .collect();
    members.sort_unstable();
    members
}

/// A message in the making.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, sequence: u32) -> Self {
        let mut octets = vec![0; 4];
        octets.extend(kind.to_ne_bytes());
        octets.extend(flags.to_ne_bytes());
        octets.extend(sequence.to_ne_bytes());
        octets.extend([0; 4]);
        Self(octets)
    }

    /// `struct nhmsg`.
    fn header(&mut self, object: Option<&Object>) {
        let (family, flags) = match object.map(|object| &object.nature) {
            Some(Nature::Hop(place)) => (
                if place.gateway.is_ipv4() {
                    AF_INET
                } else {
                    AF_INET6
                },
                if place.onlink { RTNH_F_ONLINK } else { 0 },
            ),
            _ => (0, 0),
        };
        let protocol = object.map_or(0, |object| object.protocol);
        self.0.extend([family, 0, protocol, 0]);
        self.0.extend(u32::from(flags).to_ne_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or_default();
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

// linux/rtnetlink.h, linux/nexthop.h
pub(super) const RTM_NEWNEXTHOP: u16 = 104;
pub(super) const RTM_DELNEXTHOP: u16 = 105;
const RTM_GETNEXTHOP: u16 = 106;
const HEADER: usize = 8;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_GROUP_TYPE: u16 = 3;
const NHA_BLACKHOLE: u16 = 4;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
const NHA_ENCAP: u16 = 8;
const NHA_FDB: u16 = 11;
const NHA_RES_GROUP: u16 = 12;
const RTNH_F_ONLINK: u8 = 4;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::decode::{Notice, notices};

    fn any_nature() -> impl Strategy<Value = Nature> {
        let gateway = prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from),
        ];
        let place =
            (gateway, any::<u32>(), any::<bool>()).prop_map(|(gateway, ifindex, onlink)| {
                Nature::Hop(Place {
                    gateway,
                    ifindex,
                    onlink,
                })
            });
        let members = proptest::collection::btree_map(any::<u32>(), 1..=255u8, 1..9);
        prop_oneof![
            place,
            members.prop_map(|members| Nature::Group(members.into_iter().collect()))
        ]
    }

    proptest! {
        #[test]
        fn an_object_that_is_written_reads_the_same(
            nature in any_nature(), protocol in any::<u8>(), id in any::<u32>()
        ) {
            let object = Object { protocol, nature };
            let mut octets = Vec::new();
            let add = ObjectOperation { id, verb: ObjectVerb::Add(object.clone()) };
            prop_assert!(operation(&mut octets, &add, 1, true));
            let delete = ObjectOperation { id, verb: ObjectVerb::Delete };
            prop_assert!(operation(&mut octets, &delete, 2, true));
            let expected = vec![Notice::NextHop(id, object), Notice::NextHopGone(id)];
            prop_assert_eq!(notices(&octets), expected);
        }
    }
}
