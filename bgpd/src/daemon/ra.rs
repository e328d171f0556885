// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Router advertisements (RFC 4861 §4.2) of an interface: ours say that a router is here, the neighbour's say which one.
//!
//! The codec is pure. What is read is whose address is at the other end; routes, prefixes and lifetimes are not our business.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv6Addr, SocketAddrV6},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
};

use nix::{
    cmsg_space,
    net::if_::if_nametoindex,
    sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg},
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};

use super::sys;
use crate::config::Interface;

const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;

/// Header of an advertisement, and of a solicitation.
const ADVERTISEMENT_OCTETS: usize = 16;
const SOLICITATION_OCTETS: usize = 8;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Nobody further away than the link can send it (RFC 4861 §6.1).
const HOP_LIMIT: u8 = 255;

/// A message that counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Heard {
    /// A router is there.
    Router(Ipv6Addr),
    /// Somebody wants to know whether one is here.
    Question,
}

/// Reads an `ICMPv6` message whose checksum the kernel has looked at. `None`: RFC 4861 §6.1 says that it does not count.
pub(super) fn parse(message: &[u8], source: Ipv6Addr, hop_limit: u8) -> Option<Heard> {
    let (&[kind, code], _) = message.split_first_chunk()?;
    if hop_limit != HOP_LIMIT || code != 0 {
        return None;
    }
    match kind {
        ADVERTISEMENT => {
            let well_formed = options(message.get(ADVERTISEMENT_OCTETS..)?);
            (well_formed && source.is_unicast_link_local()).then_some(Heard::Router(source))
        }
        SOLICITATION => options(message.get(SOLICITATION_OCTETS..)?).then_some(Heard::Question),
        _ => None,
    }
}

/// Whether they fill what is left: type, length in units of eight octets, which is never zero.
fn options(mut left: &[u8]) -> bool {
    while let Some(length) = left.get(1) {
        let octets = usize::from(*length) * 8;
        match left.get(octets..) {
            Some(rest) if octets > 0 => left = rest,
            _ => return false,
        }
    }
    left.is_empty()
}

/// An advertisement of a router that is not to be used as a default one: its lifetime is zero. The kernel adds the checksum.
fn advertisement() -> [u8; ADVERTISEMENT_OCTETS] {
    let mut message = [0; ADVERTISEMENT_OCTETS];
    message[0] = ADVERTISEMENT;
    message
}

fn solicitation() -> [u8; SOLICITATION_OCTETS] {
    let mut message = [0; SOLICITATION_OCTETS];
    message[0] = SOLICITATION;
    message
}

/// A raw socket on one interface.
#[derive(Debug)]
pub(super) struct RouterSocket {
    socket: UdpSocket,
    index: u32,
}

impl RouterSocket {
    /// Opens it; needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// The kernel's: no such interface, no privilege.
    pub(super) fn open(interface: Interface) -> io::Result<Self> {
        let index = if_nametoindex(interface.as_str())?;
        let kind = Type::RAW.nonblocking();
        let socket = Socket::new(Domain::IPV6, kind, Some(Protocol::ICMPV6))?;
        socket.bind_device(Some(interface.as_str().as_bytes()))?;
        sys::only_icmp6(socket.as_fd(), &[SOLICITATION, ADVERTISEMENT])?;
        socket.set_recv_hoplimit_v6(true)?;
        socket.set_multicast_hops_v6(HOP_LIMIT.into())?;
        socket.set_multicast_if_v6(index)?;
        socket.set_multicast_loop_v6(false)?;
        socket.join_multicast_v6(&ALL_NODES, index)?;
        socket.join_multicast_v6(&ALL_ROUTERS, index)?;
        Ok(Self {
            // For the runtime it is a socket of datagrams like any other.
            socket: UdpSocket::from_std(std::net::UdpSocket::from(OwnedFd::from(socket)))?,
            index,
        })
    }

    /// The index of its interface.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Says that a router is here.
    ///
    /// # Errors
    /// The kernel's: the interface is down, or has no link-local address.
    pub(super) fn advertise(&self) -> io::Result<()> {
        self.send(&advertisement(), ALL_NODES)
    }

    /// Asks whether one is there.
    ///
    /// # Errors
    /// As [`Self::advertise`].
    pub(super) fn solicit(&self) -> io::Result<()> {
        self.send(&solicitation(), ALL_ROUTERS)
    }

    fn send(&self, message: &[u8], to: Ipv6Addr) -> io::Result<()> {
        let to = SocketAddrV6::new(to, 0, 0, self.index);
        let socket = SockRef::from(&self.socket);
        socket.send_to(message, &to.into()).map(drop)
    }

    /// Waits for the next message that counts. Cancel safe.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) async fn hear(&self) -> io::Result<Heard> {
        loop {
            self.socket.readable().await?;
            let receive = || receive(self.socket.as_raw_fd());
            match self.socket.try_io(Interest::READABLE, receive) {
                Ok(Some(heard)) => return Ok(heard),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn receive(socket: RawFd) -> io::Result<Option<Heard>> {
    let mut buffer = [0; 1500];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let mut control = cmsg_space!(libc::c_int);
    let flags = MsgFlags::MSG_DONTWAIT;
    let (octets, source, hop_limit) = {
        let message = recvmsg::<SockaddrIn6>(socket, &mut slices, Some(&mut control), flags)?;
        let hop_limit = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv6HopLimit(limit) => u8::try_from(limit).ok(),
            _ => None,
        });
        (message.bytes, message.address, hop_limit)
    };
    let (Some(source), Some(hop_limit)) = (source, hop_limit) else {
        return Ok(None);
    };
    let message = buffer.get(..octets).unwrap_or_default();
    Ok(parse(message, source.ip(), hop_limit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

    /// With a source link-layer address, an MTU and a prefix, as radvd sends it.
    fn full() -> Vec<u8> {
        let mut message = advertisement().to_vec();
        message.extend([1, 1, 2, 0, 0, 0, 0, 1]);
        message.extend([5, 1, 0, 0, 0, 0, 5, 220]);
        message.extend([3, 4, 64, 0xc0]);
        message.extend([0; 28]);
        message
    }

    #[test]
    fn an_advertisement_says_whose_link_it_is() {
        for message in [advertisement().to_vec(), full()] {
            assert_eq!(parse(&message, ROUTER, 255), Some(Heard::Router(ROUTER)));
        }
        assert_eq!(parse(&solicitation(), ROUTER, 255), Some(Heard::Question));
        assert_eq!(
            parse(&solicitation(), Ipv6Addr::UNSPECIFIED, 255),
            Some(Heard::Question)
        );
    }

    #[test]
    fn what_rfc_4861_forbids_does_not_count() {
        let good = full();
        assert_eq!(parse(&good, ROUTER, 254), None);
        assert_eq!(parse(&good, "2001:db8::1".parse().unwrap(), 255), None);
        let changed = |place: usize, octet: u8| {
            let mut message = full();
            message[place] = octet;
            parse(&message, ROUTER, 255)
        };
        assert_eq!(changed(0, 135), None);
        assert_eq!(changed(1, 1), None);
        // An option without length, and one that is longer than the message.
        assert_eq!(changed(17, 0), None);
        assert_eq!(changed(17, 200), None);
        for end in (0..good.len()).filter(|end| ![16, 24, 32].contains(end)) {
            assert_eq!(parse(&good[..end], ROUTER, 255), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_heard_does_harm(message: Vec<u8>, hop_limit: u8) {
            let heard = parse(&message, ROUTER, hop_limit);
            prop_assert!(heard.is_none() || hop_limit == 255);
        }
    }
}
