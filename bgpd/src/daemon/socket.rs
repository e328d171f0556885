// SPDX-License-Identifier: Apache-2.0 OR MIT
//! TCP for BGP: listening and connecting sockets with what a peer's configuration asks of them.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd as _,
    time::Duration,
};

use ipnetwork::IpNetwork;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{link, sys};
use crate::config::PeerName;

/// Connections that may wait to be accepted: a whole cluster may connect at the same instant.
const BACKLOG: i32 = 4096;

/// TCP gives up on unacknowledged data after this; the hold timer is what normally ends a dead session.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Precedence "internetwork control" (RFC 4271 appendix E asks for it).
const TOS_INTERNETWORK_CONTROL: u32 = 0xc0;

/// How far away the peer is allowed to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Distance {
    /// On a connected subnet: packets are sent with TTL 1.
    Connected,
    /// Up to this many hops away.
    Hops(u8),
    /// GTSM (RFC 5082): packets are sent with TTL 255, and must arrive with at least this.
    MinimumTtl(u8),
}

/// What a connection to a peer needs.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// What it is called.
    pub(super) name: PeerName,
    /// The peer.
    pub(super) remote: SocketAddr,
    /// Our address; unspecified lets the kernel choose.
    pub(super) local: Option<IpAddr>,
    /// TTL rules.
    pub(super) distance: Distance,
    /// TCP MD5 key.
    pub(super) md5: Option<Vec<u8>>,
    /// Only over this device.
    pub(super) device: Option<String>,
    /// Only if it is on a link of ours.
    pub(super) on_link: bool,
}

/// Opens a listening socket. IPv6 sockets take no IPv4.
///
/// # Errors
/// The kernel's (`EACCES` for port 179 without `CAP_NET_BIND_SERVICE`, `EADDRINUSE`).
pub(super) fn listen(address: SocketAddr, device: Option<&str>) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The SYN-ACK has to pass a peer's GTSM check; the accepted socket gets the TTL of its peer.
    set_ttl(&socket, address.ip(), 255)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Sets or, with `None`, takes away the MD5 key for a peer or a range of peers on a listening socket.
///
/// # Errors
/// The kernel's.
pub(super) fn set_listener_key(
    listener: &TcpListener,
    peers: IpNetwork,
    key: Option<&[u8]>,
) -> io::Result<()> {
    sys::set_md5_key(listener.as_fd(), peers, key)
}

/// Connects to a peer. The future is cancelled by dropping it.
///
/// # Errors
/// The kernel's: refused, unreachable, timed out, local address not available.
pub(super) async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    if endpoint.remote.ip().is_unspecified() {
        // It would be ourselves.
        let words = "no router advertisement has been heard on the interface";
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, words));
    }
    if let Some(obstacle) = link::obstacle(endpoint) {
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, obstacle));
    }
    let socket = Socket::new(
        Domain::for_address(endpoint.remote),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if let Some(device) = &endpoint.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(local) = endpoint.local {
        socket.bind(&scoped(SocketAddr::new(local, 0), endpoint.name)?.into())?;
    }
    if let Some(key) = &endpoint.md5 {
        sys::set_md5_key(socket.as_fd(), endpoint.remote.ip().into(), Some(key))?;
    }
    prepare(&socket, endpoint.remote.ip(), endpoint.distance)?;
    let stream = TcpSocket::from_std_stream(socket.into())
        .connect(scoped(endpoint.remote, endpoint.name)?)
        .await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Gives an accepted connection what its peer's configuration asks for.
///
/// # Errors
/// The kernel's.
pub(super) fn adopt(stream: &TcpStream, peer: IpAddr, distance: Distance) -> io::Result<()> {
    stream.set_nodelay(true)?;
    prepare(&SockRef::from(stream), peer, distance)
}

fn prepare(socket: &Socket, peer: IpAddr, distance: Distance) -> io::Result<()> {
    match peer {
        IpAddr::V4(_) => socket.set_tos_v4(TOS_INTERNETWORK_CONTROL)?,
        IpAddr::V6(_) => socket.set_tclass_v6(TOS_INTERNETWORK_CONTROL)?,
    }
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE_IDLE))?;
    match distance {
        Distance::Connected => set_ttl(socket, peer, 1),
        Distance::Hops(hops) => set_ttl(socket, peer, hops),
        Distance::MinimumTtl(minimum) => {
            set_ttl(socket, peer, 255)?;
            sys::set_minimum_ttl(socket.as_fd(), peer, minimum)
        }
    }
}

fn set_ttl(socket: &Socket, address: IpAddr, ttl: u8) -> io::Result<()> {
    match address {
        IpAddr::V4(_) => socket.set_ttl_v4(ttl.into()),
        IpAddr::V6(_) => socket.set_unicast_hops_v6(ttl.into()),
    }
}

/// A link-local address with the index of its interface. It is looked up each time: an interface may be made anew.
fn scoped(address: SocketAddr, name: PeerName) -> io::Result<SocketAddr> {
    match (address, name.interface()) {
        (SocketAddr::V6(mut address), Some(interface)) if address.ip().is_unicast_link_local() => {
            address.set_scope_id(if_nametoindex(interface.as_str())?);
            Ok(SocketAddr::V6(address))
        }
        _ => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(remote: SocketAddr) -> Endpoint {
        Endpoint {
            name: remote.ip().into(),
            remote,
            local: None,
            distance: Distance::Hops(64),
            md5: None,
            device: None,
            on_link: false,
        }
    }

    #[tokio::test]
    async fn a_connection_is_made_and_adopted_with_gtsm() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
        let target = Endpoint {
            distance: Distance::MinimumTtl(255),
            ..endpoint(listener.local_addr().unwrap())
        };
        let (out, accepted) = tokio::join!(connect(&target), listener.accept());
        let (stream, from) = accepted.unwrap();
        adopt(&stream, from.ip(), Distance::MinimumTtl(255)).unwrap();
        assert_eq!(SockRef::from(&out.unwrap()).ttl_v4().unwrap(), 255);
    }

    #[tokio::test]
    async fn an_ipv6_listener_takes_no_ipv4() {
        let listener = listen("[::]:0".parse().unwrap(), None).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = connect(&endpoint(SocketAddr::from(([127, 0, 0, 1], port))))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_link_local_address_gets_the_index_of_its_interface() {
        let address = "[fe80::1]:179".parse().unwrap();
        let index = if_nametoindex("lo").unwrap();
        let SocketAddr::V6(on_lo) = scoped(address, "fe80::1%lo".parse().unwrap()).unwrap() else {
            panic!("it was IPv6")
        };
        assert_eq!(on_lo.scope_id(), index);
        let gone = "fe80::1%nowhere".parse().unwrap();
        assert!(scoped(address, gone).is_err());
        let global = "[2001:db8::1]:179".parse().unwrap();
        assert_eq!(scoped(global, gone).unwrap(), global);
    }

    #[tokio::test]
    async fn a_local_address_that_is_not_ours_is_an_error() {
        let target = Endpoint {
            local: Some("192.0.2.77".parse().unwrap()),
            ..endpoint("127.0.0.1:9".parse().unwrap())
        };
        assert_eq!(
            connect(&target).await.unwrap_err().kind(),
            io::ErrorKind::AddrNotAvailable
        );
    }
}
