// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Netlink sockets on tokio. The rtnetlink crate's own connection is not used: its queues have no bound, and it does not
//! tell when a dump was interrupted.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, Socket, SocketAddr, TokioSocket};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{SockFilter, SockRef};
use tokio::time::timeout;

use super::decode::{Message, Notice, messages};
use super::encode;
use crate::trouble::errno;

/// A socket to the kernel's routing, in the network namespace in which it was opened.
pub(crate) struct Channel {
    socket: TokioSocket,
    buffer: Vec<u8>,
    sequence: u32,
}

/// What reading once came to.
pub(crate) enum Read {
    /// A datagram is in the buffer.
    Datagram,
    /// There is none now.
    Nothing,
    /// The kernel had to drop some.
    Lost,
}

/// Room for one datagram: the kernel fills up to 32 KiB when it dumps.
pub(super) const DATAGRAM: usize = 64 << 10;
/// The kernel answers within the system call; later means never.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

impl Channel {
    pub(crate) fn open(receive_buffer: usize, groups: &[u32]) -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        configure(socket.socket_mut(), receive_buffer, groups)?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(DATAGRAM),
            sequence: 0,
        })
    }

    /// Notifications of links, addresses, routes and next-hop objects.
    pub(crate) fn monitor(receive_buffer: usize) -> io::Result<Self> {
        Self::open(receive_buffer, &GROUPS)
    }

    /// Asks the kernel to keep from us what the socket on another port causes: what we write is acknowledged there, and
    /// would cost a system call a route here.
    pub(crate) fn ignore(&self, port: u32) -> io::Result<()> {
        let port = u32::from_be_bytes(port.to_ne_bytes()); // the filter reads in network order
        let filter = [
            SockFilter::new(BPF_LD_W_ABS, 0, 0, NLMSG_PID_AT),
            SockFilter::new(BPF_JMP_JEQ, 0, 1, port),
            SockFilter::new(BPF_RET, 0, 0, 0),
            SockFilter::new(BPF_RET, 0, 0, u32::MAX),
        ];
        SockRef::from(self.socket.socket_ref()).attach_filter(&filter)
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Reads a datagram if there is one.
    pub(crate) fn try_read(&mut self) -> io::Result<Read> {
        loop {
            self.buffer.clear();
            let received = self.socket.socket_ref().recv(&mut self.buffer, 0).map(drop);
            if let Some(read) = self.received(received) {
                return read;
            }
        }
    }

    /// Reads a datagram when there is one. Nothing is lost if nobody waits to the end.
    pub(crate) async fn read(&mut self) -> io::Result<Read> {
        loop {
            self.buffer.clear();
            let received =
                poll_fn(|context| self.socket.poll_recv(context, &mut self.buffer)).await;
            if let Some(read) = self.received(received) {
                return read;
            }
        }
    }

    /// What the result of a system call means; `None`: try again.
    fn received(&self, result: io::Result<()>) -> Option<io::Result<Read>> {
        match result {
            // A full buffer says that the datagram was longer.
            Ok(()) if self.buffer.len() == self.buffer.capacity() => Some(Ok(Read::Lost)),
            Ok(()) => Some(Ok(Read::Datagram)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(Ok(Read::Nothing)),
            Err(error) if is_shortage(&error) => Some(Ok(Read::Lost)),
            Err(error) => Some(Err(error)),
        }
    }

    /// Reads what the kernel answers, but does not wait for ever.
    async fn read_answer(&mut self) -> io::Result<Read> {
        match self.try_read()? {
            Read::Nothing => match timeout(ANSWER, self.read()).await {
                Ok(read) => read,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
            read => Ok(read),
        }
    }

    /// The messages of the datagram read last, without those that the socket on port `echo` caused.
    pub(crate) fn messages(&self, echo: Option<u32>) -> impl Iterator<Item = Message> + '_ {
        messages(&self.buffer, echo)
    }

    /// Lists things. Returns whether the kernel says that some may be missing.
    pub(crate) async fn dump(
        &mut self,
        what: encode::Dump,
        mut each: impl FnMut(Notice),
    ) -> io::Result<bool> {
        let sequence = self.next_sequence();
        self.send(&encode::dump(what, sequence)).await?;
        let (mut interrupted, mut lost) = (false, false);
        loop {
            // What was lost is lost, but the kernel takes no other request before the end of this one was read.
            if let Read::Lost = self.read_answer().await? {
                lost = true;
                continue;
            }
            for message in
                messages(&self.buffer, None).filter(|message| message.sequence == sequence)
            {
                interrupted |= message.interrupted;
                match message.notice {
                    Notice::Answer(Ok(())) => {}
                    Notice::Done(_) if lost => {
                        return Err(io::Error::other("the kernel dropped a part of a dump"));
                    }
                    // A table without routes need not exist.
                    Notice::Answer(Err(refusal)) | Notice::Done(Err(refusal))
                        if refusal.errno != errno::ENOENT =>
                    {
                        return Err(io::Error::other(refusal.words));
                    }
                    Notice::Answer(Err(_)) | Notice::Done(_) => return Ok(interrupted),
                    notice => each(notice),
                }
            }
        }
    }

    async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        loop {
            match timeout(
                ANSWER,
                poll_fn(|context| self.socket.poll_send(context, request)),
            )
            .await
            {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}

/// Sets a new socket up, and says by which port the kernel knows it.
pub(super) fn configure(
    socket: &mut Socket,
    receive_buffer: usize,
    groups: &[u32],
) -> io::Result<u32> {
    let port = socket.bind_auto()?.port_number();
    socket.set_cap_ack(true)?;
    socket.set_ext_ack(true)?;
    socket.set_netlink_get_strict_chk(true)?;
    // Beyond the system's limit with the right to do so, up to it without.
    setsockopt(socket, sockopt::RcvBufForce, &receive_buffer)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &receive_buffer))?;
    socket.connect(&SocketAddr::new(0, 0))?;
    for group in groups {
        match socket.add_membership(*group) {
            Err(error) if *group == GROUP_NEXTHOP => {
                tracing::debug!(%error, "this kernel knows no next-hop objects");
            }
            result => result?,
        }
    }
    Ok(port)
}

/// `ENOBUFS`: the receive buffer overflowed; `ENOMEM`: the kernel could not even queue it.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(12 | 105))
}

// linux/filter.h, linux/bpf_common.h; offset of the port in struct nlmsghdr
const BPF_LD_W_ABS: u16 = 0x20;
const BPF_JMP_JEQ: u16 = 0x15;
const BPF_RET: u16 = 0x06;
const NLMSG_PID_AT: u32 = 12;
// linux/rtnetlink.h, enum rtnetlink_groups: link, IPv4 address and route, IPv6 address and route, next-hop objects
const GROUP_NEXTHOP: u32 = 32;
const GROUPS: [u32; 6] = [1, 5, 7, 9, 11, GROUP_NEXTHOP];
