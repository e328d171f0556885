// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Router advertisements (RFC 4861 §4.2) of an interface: ours say that a router is here, the neighbour's say which one.

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

use super::{
    advertisement::{
        ADVERTISEMENT, HOP_LIMIT, Heard, SOLICITATION, advertisement, parse, solicitation,
    },
    sys,
};
use crate::config::Interface;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

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
