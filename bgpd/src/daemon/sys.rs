// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What no crate wraps: TCP MD5 signatures (RFC 2385), the minimum TTL of GTSM (RFC 5082), threads that do not wait for
//! others, pages of the program that nobody needs.
//!
//! The only unsafe code of this crate. It refuses to know why a key or a TTL is wanted.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

mod pages;

use std::{
    io, mem,
    net::IpAddr,
    os::fd::{AsRawFd, BorrowedFd},
};

use ipnetwork::IpNetwork;
use socket2::SockAddr;

pub(super) use self::pages::give_back_program;

/// Linux takes keys of up to 80 octets (`TCP_MD5SIG_MAXKEYLEN`).
pub(super) const MAX_MD5_KEY: usize = 80;

const TCP_MD5SIG_EXT: libc::c_int = 32;
const TCP_MD5SIG_FLAG_PREFIX: u8 = 1;
const IP_MINTTL: libc::c_int = 21;
const IPV6_MINHOPCOUNT: libc::c_int = 73;
const ICMPV6_FILTER: libc::c_int = 1;

/// `struct tcp_md5sig` of `linux/tcp.h`.
#[repr(C)]
struct TcpMd5Sig {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    interface: libc::c_int,
    key: [u8; MAX_MD5_KEY],
}

/// Signs and demands signatures on segments to and from all addresses in `peers`, on this socket and on what it
/// accepts. `None` takes the key away. On a listening socket it must be there before the peer's SYN.
///
/// # Errors
/// The kernel's, and `InvalidInput` for a key longer than [`MAX_MD5_KEY`]. Taking away a key that is not there is no
/// error.
pub(super) fn set_md5_key(
    socket: BorrowedFd<'_>,
    peers: IpNetwork,
    key: Option<&[u8]>,
) -> io::Result<()> {
    let key = key.unwrap_or_default();
    if key.len() > MAX_MD5_KEY {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a TCP MD5 key has at most {MAX_MD5_KEY} octets"),
        ));
    }
    // SAFETY: all-zero octets are a valid value of this plain C struct.
    let mut option: TcpMd5Sig = unsafe { mem::zeroed() };
    let address = SockAddr::from(std::net::SocketAddr::new(peers.network(), 0));
    // SAFETY: both are `sockaddr_storage`; `SockAddr` keeps `len()` octets of it initialised.
    option.address = unsafe { *address.as_ptr().cast::<libc::sockaddr_storage>() };
    option.flags = TCP_MD5SIG_FLAG_PREFIX;
    option.prefix_length = peers.prefix();
    option.key_length = u16::try_from(key.len()).unwrap_or_default();
    for (to, from) in option.key.iter_mut().zip(key) {
        *to = *from;
    }
    match set(socket, libc::IPPROTO_TCP, TCP_MD5SIG_EXT, &option) {
        Err(error) if key.is_empty() && error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

/// Drops segments that arrive with a TTL or hop limit below `minimum` (RFC 5082).
///
/// # Errors
/// The kernel's.
pub(super) fn set_minimum_ttl(socket: BorrowedFd<'_>, peer: IpAddr, minimum: u8) -> io::Result<()> {
    let value = libc::c_int::from(minimum);
    match peer {
        IpAddr::V4(_) => set(socket, libc::IPPROTO_IP, IP_MINTTL, &value),
        IpAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT, &value),
    }
}

/// How a thread comes before others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Urgency {
    /// `SCHED_RR`: before everything that is not real-time.
    RealTime,
    /// With this niceness, among all the others.
    Nice(i32),
}

/// Lets the calling thread come before others, as far as the process may.
pub(super) fn make_thread_urgent() -> Urgency {
    // SAFETY: all-zero octets are a valid value of this plain C struct.
    let mut priority: libc::sched_param = unsafe { mem::zeroed() };
    priority.sched_priority = 10;
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: zero is the calling thread, the pointer is to a live struct.
    if unsafe { libc::sched_setscheduler(0, policy, &raw const priority) } == 0 {
        return Urgency::RealTime;
    }
    // The lowest that is allowed: none of them harms.
    let nice = (-20..0).find(|nice| {
        // SAFETY: no pointers; on Linux zero is the calling thread.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, *nice) == 0 }
    });
    // SAFETY: no pointers.
    Urgency::Nice(nice.unwrap_or_else(|| unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }))
}

/// Lets only `ICMPv6` messages of these types through to a raw socket (RFC 3542 §3.2).
///
/// # Errors
/// The kernel's.
pub(super) fn only_icmp6(socket: BorrowedFd<'_>, types: &[u8]) -> io::Result<()> {
    // A bit that is set blocks.
    let mut filter = [u32::MAX; 8];
    for kind in types {
        filter[usize::from(kind >> 5)] &= !(1 << (kind & 31));
    }
    set(socket, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &filter)
}

fn set<T>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(mem::size_of::<T>()).expect("option structs are small");
    // SAFETY: the descriptor is open for the borrow's life, the pointer and length describe a live `T`.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{SocketAddr, TcpListener},
        os::fd::AsFd as _,
        time::Duration,
    };

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn connect(listener: &TcpListener, key: &[u8]) -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        set_md5_key(socket.as_fd(), "127.0.0.1/32".parse().unwrap(), Some(key))?;
        socket.connect_timeout(&listener.local_addr()?.into(), Duration::from_millis(300))?;
        Ok(socket)
    }

    #[test]
    fn md5_lets_the_right_key_in_and_no_other() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        set_md5_key(
            listener.as_fd(),
            "127.0.0.0/8".parse().unwrap(),
            Some(b"secret"),
        )
        .unwrap();
        let mut client = connect(&listener, b"secret").expect("the right key connects");
        client.write_all(b"x").unwrap();
        let mut octet = [0];
        listener.accept().unwrap().0.read_exact(&mut octet).unwrap();
        assert_eq!(
            connect(&listener, b"wrong").unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
    }

    #[test]
    fn md5_key_can_be_taken_away_twice() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let all = "10.0.0.0/8".parse().unwrap();
        set_md5_key(listener.as_fd(), all, Some(b"secret")).unwrap();
        set_md5_key(listener.as_fd(), all, None).unwrap();
        set_md5_key(listener.as_fd(), all, None).unwrap();
    }

    #[test]
    fn md5_key_that_is_too_long_is_refused() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let error = set_md5_key(
            listener.as_fd(),
            "10.0.0.0/8".parse().unwrap(),
            Some(&[b'x'; 81]),
        )
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn minimum_ttl_drops_what_comes_from_further_away() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        set_minimum_ttl(listener.as_fd(), listener.local_addr().unwrap().ip(), 255).unwrap();
        let near = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        near.set_ttl_v4(255).unwrap();
        near.connect_timeout(
            &listener.local_addr().unwrap().into(),
            Duration::from_millis(300),
        )
        .unwrap();
        let far = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        far.set_ttl_v4(254).unwrap();
        assert!(
            far.connect_timeout(
                &listener.local_addr().unwrap().into(),
                Duration::from_millis(300)
            )
            .is_err()
        );
    }

    #[test]
    fn a_thread_is_made_urgent_and_no_other() {
        let policy = || {
            // SAFETY: no pointers; zero is the calling thread.
            unsafe { libc::sched_getscheduler(0) & !libc::SCHED_RESET_ON_FORK }
        };
        let (urgency, inside) = std::thread::spawn(move || (make_thread_urgent(), policy()))
            .join()
            .unwrap();
        match urgency {
            Urgency::RealTime => assert_eq!(inside, libc::SCHED_RR),
            Urgency::Nice(nice) => assert!((-20..=19).contains(&nice) && inside != libc::SCHED_RR),
        }
        assert_ne!(policy(), libc::SCHED_RR);
    }

    #[test]
    fn minimum_hop_limit_is_accepted_for_ipv6() {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        set_minimum_ttl(socket.as_fd(), "::1".parse().unwrap(), 255).unwrap();
    }
}
