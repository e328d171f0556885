// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Datagrams of the kernel → what they say.
//!
//! Only the attributes we need are looked at: one that is new or odd makes nobody blind for the rest of the message.
//! Whatever the octets are, nothing here panics.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnetwork::IpNetwork;
use netlink_packet_core::{NetlinkBuffer, NlaBuffer, NlasIterator};
use nix::errno::Errno;

use crate::kernel::{Held, KernelHop, KernelRoute, Kind, Way, truncated};
use crate::objects::{Object, is_ours};
use crate::{AddressUpdate, LinkUpdate, Refusal};

use super::nexthop::{self, RTM_DELNEXTHOP, RTM_NEWNEXTHOP};

/// What one message of the kernel says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// A link appeared or changed.
    Link(LinkUpdate),
    /// The link with this index went.
    LinkGone(u32),
    /// An address appeared or changed.
    Address(AddressUpdate),
    /// An address went.
    AddressGone(AddressUpdate),
    /// A route appeared.
    Route {
        /// The route.
        route: KernelRoute,
        /// It took the place of another one.
        replaces: bool,
    },
    /// A route went.
    RouteGone(KernelRoute),
    /// A next-hop object appeared or changed.
    NextHop(u32, Object),
    /// A next-hop object went, and routes with it of which the kernel says nothing.
    NextHopGone(u32),
    /// The answer to the request with the sequence number of the message.
    Answer(Result<(), Refusal>),
    /// A dump is complete.
    Done(Result<(), Refusal>),
    /// The kernel lost messages.
    Overrun,
    /// Something that does not concern us.
    Other,
}

/// A message with the parts of its header that matter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) sequence: u32,
    /// Port of the socket whose request caused it.
    pub(crate) port: u32,
    /// The dump it belongs to missed a change (`NLM_F_DUMP_INTR`).
    pub(crate) interrupted: bool,
    pub(crate) notice: Notice,
}

/// What a netlink datagram says, message by message. Messages that are cut or do not parse are left out.
pub fn notices(datagram: &[u8]) -> Vec<Notice> {
    messages(datagram, None)
        .map(|message| message.notice)
        .collect()
}

/// The messages of a datagram, without those that the socket on port `echo` caused.
pub(crate) fn messages(datagram: &[u8], echo: Option<u32>) -> impl Iterator<Item = Message> + '_ {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        loop {
            let buffer = NetlinkBuffer::new_checked(rest).ok()?;
            let length = buffer.length() as usize;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            if echo == Some(buffer.port_number()) {
                continue;
            }
            let notice = notice(buffer.message_type(), buffer.flags(), buffer.payload());
            return Some(Message {
                sequence: buffer.sequence_number(),
                port: buffer.port_number(),
                interrupted: buffer.flags() & NLM_F_DUMP_INTR != 0,
                notice: notice.unwrap_or(Notice::Other),
            });
        }
    })
}

fn notice(kind: u16, flags: u16, payload: &[u8]) -> Option<Notice> {
    Some(match kind {
        NLMSG_ERROR => Notice::Answer(answer(flags, payload)?),
        NLMSG_DONE => Notice::Done(answer(flags, payload).unwrap_or(Ok(()))),
        NLMSG_OVERRUN => Notice::Overrun,
        RTM_NEWLINK => Notice::Link(link(payload)?),
        RTM_DELLINK => Notice::LinkGone(link(payload)?.index),
        RTM_NEWADDR => Notice::Address(address(payload)?),
        RTM_DELADDR => Notice::AddressGone(address(payload)?),
        RTM_NEWROUTE => Notice::Route {
            route: route(payload)?,
            replaces: flags & NLM_F_REPLACE != 0,
        },
        RTM_DELROUTE => Notice::RouteGone(route(payload)?),
        RTM_NEWNEXTHOP => {
            let (id, object) = nexthop::object(payload)?;
            Notice::NextHop(id, object)
        }
        RTM_DELNEXTHOP => Notice::NextHopGone(nexthop::object(payload)?.0),
        _ => return None,
    })
}

/// The errno and the extended acknowledgement after it (`NLMSGERR_ATTR_MSG`).
fn answer(flags: u16, payload: &[u8]) -> Option<Result<(), Refusal>> {
    let (code, rest) = payload.split_first_chunk()?;
    let code = i32::from_ne_bytes(*code);
    if code == 0 {
        return Some(Ok(()));
    }
    let text = (flags & NLM_F_ACK_TLVS != 0).then(|| {
        // The request's header follows; its payload too unless the answer is capped.
        let length = rest
            .first_chunk()
            .map_or(0, |length| u32::from_ne_bytes(*length)) as usize;
        let request = if flags & NLM_F_CAPPED != 0 {
            HEADER
        } else {
            length.max(HEADER).next_multiple_of(4)
        };
        text(
            attributes(rest, request)
                .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)?
                .1,
        )
    });
    Some(Err(refusal(code.saturating_neg(), text.flatten())))
}

/// An errno and what the kernel said about it, as a person would want to read it.
pub(crate) fn refusal(errno: i32, text: Option<&str>) -> Refusal {
    let name = match Errno::from_raw(errno) {
        Errno::UnknownErrno => format!("error {errno}"),
        known => format!("{known:?}"),
    };
    let description = Errno::from_raw(errno).desc();
    let words = match text {
        Some(text) => format!("{text} ({description}, {name})"),
        None => format!("{description} ({name})"),
    };
    Refusal { errno, words }
}

fn text(value: &[u8]) -> Option<&str> {
    let end = value
        .iter()
        .position(|octet| *octet == 0)
        .unwrap_or(value.len());
    std::str::from_utf8(value.get(..end)?)
        .ok()
        .filter(|text| !text.is_empty())
}

fn link(payload: &[u8]) -> Option<LinkUpdate> {
    let [family, _, _, _, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *payload else {
        return None;
    };
    if family != 0 {
        return None; // a bridge speaks of its ports
    }
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let name = attributes(payload, 16).find(|(kind, _)| *kind == IFLA_IFNAME);
    Some(LinkUpdate {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        name: text(name?.1)?.to_owned(),
        enabled: flags & IFF_UP != 0,
        running: flags & IFF_RUNNING != 0,
    })
}

fn address(payload: &[u8]) -> Option<AddressUpdate> {
    let [_, length, _, scope, i0, i1, i2, i3, ..] = *payload else {
        return None;
    };
    let (mut prefix, mut local) = (None, None);
    for (kind, value) in attributes(payload, 8) {
        match kind {
            IFA_ADDRESS => prefix = ip(value),
            IFA_LOCAL => local = ip(value),
            _ => {}
        }
    }
    let far = prefix.or(local)?;
    Some(AddressUpdate {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        address: IpNetwork::new(local.unwrap_or(far), length).ok()?,
        connected: truncated(far, length),
        global: scope < RT_SCOPE_LINK,
    })
}

/// `None` for routes of no concern: cache entries, local and broadcast ones, such with source or type of service.
fn route(payload: &[u8]) -> Option<KernelRoute> {
    let [
        family,
        length,
        source_length,
        tos,
        table,
        protocol,
        _,
        kind,
        f0,
        f1,
        f2,
        f3,
        ..,
    ] = *payload
    else {
        return None;
    };
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let kind = match kind {
        RTN_UNICAST => Kind::Unicast,
        RTN_BLACKHOLE => Kind::Blackhole,
        RTN_UNREACHABLE => Kind::Unreachable,
        RTN_PROHIBIT => Kind::Prohibit,
        RTN_THROW => Kind::Throw,
        RTN_LOCAL..=RTN_MULTICAST => return None,
        _ => Kind::Other,
    };
    let unspecified: IpAddr = match family {
        AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    if source_length != 0 || tos != 0 || flags & RTM_F_CLONED != 0 {
        return None;
    }
    let parts = parts(payload, flags);
    let destination = parts.destination.unwrap_or(unspecified);
    let same_family = destination.is_ipv4() == unspecified.is_ipv4();
    let mut way = match kind {
        Kind::Unicast => match parts.object {
            // The hops are what the object led to when the kernel wrote this.
            Some(id) => Way::object(id, parts.source),
            None => Way::unicast(parts.hops, parts.source),
        },
        kind => Way {
            source: parts.source,
            ..Way::reject(kind)
        },
    };
    way.exotic = parts.exotic;
    same_family.then(|| KernelRoute {
        prefix: truncated(destination, length),
        held: Held {
            table: parts.table.unwrap_or(u32::from(table)),
            metric: parts.metric,
            protocol,
            way: Arc::new(way),
        },
    })
}

#[derive(Default)]
struct RouteParts {
    destination: Option<IpAddr>,
    source: Option<IpAddr>,
    table: Option<u32>,
    metric: u32,
    hops: Vec<KernelHop>,
    object: Option<u32>,
    exotic: bool,
}

fn parts(payload: &[u8], flags: u32) -> RouteParts {
    let mut parts = RouteParts::default();
    let (mut gateway, mut device) = (None, None);
    for (kind, value) in attributes(payload, 12) {
        match kind {
            RTA_DST => parts.destination = ip(value),
            RTA_OIF => device = number(value),
            RTA_GATEWAY => gateway = ip(value),
            RTA_VIA => gateway = via(value),
            RTA_PRIORITY => parts.metric = number(value).unwrap_or_default(),
            RTA_PREFSRC => parts.source = ip(value),
            RTA_TABLE => parts.table = number(value),
            RTA_MULTIPATH => parts.hops = hops(value),
            RTA_ENCAP => parts.exotic = true,
            RTA_NH_ID => match number(value) {
                Some(id) if is_ours(id) => parts.object = Some(id),
                _ => parts.exotic = true,
            },
            _ => {}
        }
    }
    if parts.hops.is_empty() && (gateway.is_some() || device.is_some()) {
        let onlink = flags & u32::from(RTNH_F_ONLINK) != 0;
        parts.hops.push(KernelHop {
            gateway,
            ifindex: device.unwrap_or(0),
            weight: 1,
            onlink,
        });
    }
    parts
}

/// The `rtnexthop` structures of `RTA_MULTIPATH`.
fn hops(mut value: &[u8]) -> Vec<KernelHop> {
    let mut hops = Vec::new();
    while let [l0, l1, flags, hop_count, i0, i1, i2, i3, ..] = *value {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(one) = value.get(..length).filter(|one| one.len() >= 8) else {
            break;
        };
        let gateway = attributes(one, 8).find_map(|(kind, value)| match kind {
            RTA_GATEWAY => ip(value),
            RTA_VIA => via(value),
            _ => None,
        });
        hops.push(KernelHop {
            gateway,
            ifindex: u32::from_ne_bytes([i0, i1, i2, i3]),
            weight: hop_count.saturating_add(1),
            onlink: flags & RTNH_F_ONLINK != 0,
        });
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

/// The attributes after a header, up to the first that is cut.
pub(super) fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let rest = payload.get(header..).unwrap_or_default();
    NlasIterator::new(rest).map_while(|attribute: Result<NlaBuffer<&[u8]>, _>| {
        let attribute = attribute.ok()?;
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        Some((kind, attribute.into_inner().get(4..length)?))
    })
}

pub(super) fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(IpAddr::from(*value.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*value.first_chunk::<16>()?)),
        _ => None,
    }
}

/// `struct rtvia`: a family, then an address.
fn via(value: &[u8]) -> Option<IpAddr> {
    ip(value.get(2..)?)
}

pub(super) fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*value.first_chunk()?))
}

// linux/netlink.h
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
// linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_F_CLONED: u32 = 0x200;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const RTN_MULTICAST: u8 = 5;
const RTN_BLACKHOLE: u8 = 6;
const RTN_UNREACHABLE: u8 = 7;
const RTN_PROHIBIT: u8 = 8;
const RTN_THROW: u8 = 9;
const RT_SCOPE_LINK: u8 = 253;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_ENCAP: u16 = 22;
const RTA_NH_ID: u16 = 30;
const RTNH_F_ONLINK: u8 = 4;
// linux/if.h, linux/if_link.h, linux/if_addr.h, linux/socket.h
const IFF_UP: u32 = 1;
const IFF_RUNNING: u32 = 0x40;
const IFLA_IFNAME: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + payload.len()).unwrap();
        let mut out = length.to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(flags.to_ne_bytes());
        out.extend(7u32.to_ne_bytes());
        out.extend(99u32.to_ne_bytes());
        out.extend(payload);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = u16::try_from(4 + value.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    #[test]
    fn the_kernels_own_words_are_kept() {
        let mut payload = (-101i32).to_ne_bytes().to_vec();
        payload.extend(framed(RTM_NEWROUTE, 0, &[]));
        payload.extend(attribute(
            NLMSGERR_ATTR_MSG,
            b"Nexthop has invalid gateway\0",
        ));
        let said = notices(&framed(
            NLMSG_ERROR,
            NLM_F_CAPPED | NLM_F_ACK_TLVS,
            &payload,
        ));
        let [Notice::Answer(Err(refusal))] = said.as_slice() else {
            panic!("{said:?}")
        };
        assert_eq!(refusal.errno, 101);
        assert_eq!(
            refusal.words,
            "Nexthop has invalid gateway (Network is unreachable, ENETUNREACH)"
        );
    }

    #[test]
    fn the_request_may_stand_between_errno_and_words() {
        let mut payload = (-22i32).to_ne_bytes().to_vec();
        payload.extend(framed(RTM_NEWROUTE, 0, &[1, 2, 3, 4, 5, 6, 7, 8]));
        payload.extend(attribute(NLMSGERR_ATTR_MSG, b"Bad\0"));
        let said = notices(&framed(NLMSG_ERROR, NLM_F_ACK_TLVS, &payload));
        let [Notice::Answer(Err(refusal))] = said.as_slice() else {
            panic!("{said:?}")
        };
        assert_eq!(refusal.words, "Bad (Invalid argument, EINVAL)");
    }

    #[test]
    fn our_own_echoes_are_skipped_and_others_are_not() {
        let gone = [vec![0; 8], attribute(1, &7u32.to_ne_bytes())].concat();
        let both = [
            framed(RTM_DELNEXTHOP, 0, &gone),
            framed(NLMSG_DONE, NLM_F_DUMP_INTR, &[]),
        ]
        .concat();
        assert_eq!(messages(&both, Some(99)).count(), 0);
        let others: Vec<_> = messages(&both, Some(98)).collect();
        assert_eq!(others[0].notice, Notice::NextHopGone(7));
        assert_eq!(
            (&others[1].notice, others[1].interrupted),
            (&Notice::Done(Ok(())), true)
        );
    }

    #[test]
    fn a_bridge_that_speaks_of_its_ports_is_not_heard() {
        let mut payload = vec![0; 16];
        payload[4] = 3;
        payload.extend(attribute(IFLA_IFNAME, b"e0\0"));
        let heard = notices(&framed(RTM_DELLINK, 0, &payload));
        assert_eq!(heard, [Notice::LinkGone(3)]);
        payload[0] = 7;
        assert_eq!(notices(&framed(RTM_DELLINK, 0, &payload)), [Notice::Other]);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(
            kind in prop_oneof![Just(2u16), Just(3), 16..26u16, Just(105)],
            flags in any::<u16>(),
            header in proptest::collection::vec(any::<u8>(), 0..24),
            attributes in proptest::collection::vec((0..31u16, proptest::collection::vec(any::<u8>(), 0..20)), 0..6),
            tail in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut payload = header;
            for (kind, value) in attributes {
                payload.extend(attribute(kind, &value));
            }
            let mut datagram = framed(kind, flags, &payload);
            datagram.extend(tail);
            notices(&datagram);
            datagram.truncate(datagram.len() / 2);
            notices(&datagram);
        }
    }
}
