// SPDX-License-Identifier: Apache-2.0 OR MIT
//! UDP for BFD (RFC 5881 §4, RFC 5883 §5): sockets that all packets come to, and one for each session that it sends from.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd},
    time::{Duration, SystemTime},
};

use bfd::{Hops, MULTIHOP_PORT, Path, SINGLE_HOP_PORT, TTL};
use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt},
        time::TimeSpec,
    },
};
use socket2::{Domain, Protocol, Socket, Type};

/// Room for packets that arrive while we do not read: a second of some hundred sessions.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Precedence "internetwork control".
const TOS: u32 = 0xc0;

/// Source ports (RFC 5881 §4).
const PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// A socket that packets come to.
#[derive(Debug)]
pub(super) struct Receiver {
    socket: Socket,
    multihop: bool,
    control: Vec<u8>,
}

/// A packet, as the kernel had it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) octets: usize,
    pub(super) path: Path,
    pub(super) ttl: u8,
    /// When it arrived.
    pub(super) at: SystemTime,
}

impl Receiver {
    /// All four: both ports, both families. Without IPv6 in the kernel, those of IPv4.
    ///
    /// # Errors
    /// The kernel's, above all a port that is taken.
    pub(super) fn open_all() -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for multihop in [false, true] {
            all.push(Self::open(Ipv4Addr::UNSPECIFIED.into(), multihop)?);
            match Self::open(Ipv6Addr::UNSPECIFIED.into(), multihop) {
                Ok(receiver) => all.push(receiver),
                Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn open(any: IpAddr, multihop: bool) -> io::Result<Self> {
        let port = if multihop {
            MULTIHOP_PORT
        } else {
            SINGLE_HOP_PORT
        };
        let address = SocketAddr::new(any, port);
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM.nonblocking(),
            Some(Protocol::UDP),
        )?;
        if any.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
        } else {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        }
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.bind(&address.into())?;
        Ok(Self {
            socket,
            multihop,
            control: cmsg_space!(libc::in6_pktinfo, libc::c_int, TimeSpec),
        })
    }

    /// The next packet, if one is there. One without an address or a TTL is as good as none.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        loop {
            let mut slices = [IoSliceMut::new(buffer)];
            let message = match recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut slices,
                Some(&mut self.control),
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let octets = message.bytes;
            let source = message.address.as_ref().and_then(ip);
            let (mut destination, mut ttl, mut at) = (None, None, None);
            for control in message.cmsgs()? {
                match control {
                    ControlMessageOwned::Ipv4PacketInfo(info) => {
                        let address = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
                        let index = u32::try_from(info.ipi_ifindex).unwrap_or_default();
                        destination = Some((address.into(), index));
                    }
                    ControlMessageOwned::Ipv6PacketInfo(info) => {
                        let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                        destination = Some((address.into(), info.ipi6_ifindex));
                    }
                    ControlMessageOwned::Ipv4Ttl(value)
                    | ControlMessageOwned::Ipv6HopLimit(value) => {
                        ttl = u8::try_from(value).ok();
                    }
                    ControlMessageOwned::ScmTimestampns(time) => at = system_time(time),
                    _ => {}
                }
            }
            if let (Some(remote), Some((local, index)), Some(ttl)) = (source, destination, ttl) {
                let hops = if self.multihop {
                    Hops::Multi
                } else {
                    Hops::Single(index)
                };
                return Ok(Some(Received {
                    octets,
                    path: Path {
                        local,
                        remote,
                        hops,
                    },
                    ttl,
                    at: at.unwrap_or_else(SystemTime::now),
                }));
            }
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

fn system_time(time: TimeSpec) -> Option<SystemTime> {
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanos = u32::try_from(time.tv_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

/// A socket that a session sends from: its source port stays the same and is nobody else's.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Socket,
    to: socket2::SockAddr,
}

impl Sender {
    /// `first` is where the search for a free port begins.
    ///
    /// # Errors
    /// The kernel's: an address or an interface that is not there, no free port.
    pub(super) fn open(path: &Path, interface: Option<&str>, first: u16) -> io::Result<Self> {
        let scope = match path.hops {
            Hops::Single(index) => index,
            Hops::Multi => 0,
        };
        let port = match path.hops {
            Hops::Single(_) => SINGLE_HOP_PORT,
            Hops::Multi => MULTIHOP_PORT,
        };
        let to = with_scope(path.remote, port, scope);
        let socket = Socket::new(
            Domain::for_address(to),
            Type::DGRAM.nonblocking(),
            Some(Protocol::UDP),
        )?;
        if let Some(interface) = interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if to.is_ipv4() {
            socket.set_ttl_v4(TTL.into())?;
            socket.set_tos_v4(TOS)?;
        } else {
            socket.set_unicast_hops_v6(TTL.into())?;
            socket.set_tclass_v6(TOS)?;
        }
        let count = PORTS.end() - PORTS.start();
        let ports = (0..=count).map(|step| PORTS.start() + first.wrapping_add(step) % (count + 1));
        for port in ports {
            match socket.bind(&with_scope(path.local, port, scope).into()) {
                Ok(()) => {
                    return Ok(Self {
                        socket,
                        to: to.into(),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// Sends. A packet that can not go is a lost packet: that is what BFD is for.
    pub(super) fn send(&self, octets: &[u8]) {
        let _ = self.socket.send_to(octets, &self.to);
    }
}

fn with_scope(address: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            SocketAddrV6::new(address, port, 0, scope).into()
        }
        address => SocketAddr::new(address, port),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use nix::poll::{PollFd, PollFlags, poll};

    use super::*;

    /// The only test that has the ports; no other process of a test run does.
    #[test]
    fn packets_come_with_addresses_interface_ttl_and_time() {
        let mut receivers = match Receiver::open_all() {
            Ok(receivers) => receivers,
            // Somebody else on this machine speaks BFD.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return,
            Err(error) => panic!("{error}"),
        };
        for local in ["127.0.0.1", "::1"] {
            let local: IpAddr = local.parse().unwrap();
            for path in [
                Path::single_hop(local, local, 1),
                Path::multihop(local, local),
            ] {
                let before = SystemTime::now();
                let Ok(sender) = Sender::open(&path, None, 65_530) else {
                    assert!(local.is_ipv6(), "no IPv6 here");
                    continue;
                };
                sender.send(b"hello");
                let port = sender
                    .socket
                    .local_addr()
                    .unwrap()
                    .as_socket()
                    .unwrap()
                    .port();
                assert!(PORTS.contains(&port));
                let receiver = receivers
                    .iter_mut()
                    .find(|receiver| {
                        let own = receiver.socket.local_addr().unwrap();
                        receiver.multihop == (path.hops == Hops::Multi)
                            && own.is_ipv4() == local.is_ipv4()
                    })
                    .unwrap();
                let mut fds = [PollFd::new(receiver.as_fd(), PollFlags::POLLIN)];
                assert_eq!(poll(&mut fds, 1000_u16), Ok(1));
                let mut buffer = [0; 64];
                let packet = receiver.receive(&mut buffer).unwrap().unwrap();
                assert_eq!(&buffer[..packet.octets], b"hello");
                assert_eq!((packet.path, packet.ttl), (path, 255));
                assert!(packet.at >= before && packet.at <= SystemTime::now());
                assert!(receiver.receive(&mut buffer).unwrap().is_none());
            }
        }
    }

    #[test]
    fn two_sessions_have_two_ports() {
        let local = "127.0.0.1".parse().unwrap();
        let path = Path::multihop(local, local);
        let open = || Sender::open(&path, None, 16_383).unwrap();
        let (one, other) = (open(), open());
        let port = |sender: &Sender| {
            sender
                .socket
                .local_addr()
                .unwrap()
                .as_socket()
                .unwrap()
                .port()
        };
        assert_ne!(port(&one), port(&other));
    }

    #[test]
    fn an_address_that_is_not_ours_is_an_error() {
        let path = Path::multihop("192.0.2.77".parse().unwrap(), "127.0.0.1".parse().unwrap());
        let error = Sender::open(&path, None, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
