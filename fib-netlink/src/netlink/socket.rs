// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Netlink sockets on tokio. The rtnetlink crate's own connection is not used: its queues have no bound, and it does not
//! tell when a dump was interrupted.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, SocketAddr, TokioSocket};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{SockFilter, SockRef};
use tokio::time::timeout;

use super::decode::{Message, Notice, messages, refusal};
use super::encode;
use crate::Refusal;
use crate::trouble::errno;

/// A socket to the kernel's routing, in the network namespace in which it was opened.
pub(crate) struct Channel {
    socket: TokioSocket,
    buffer: Vec<u8>,
    sequence: u32,
    /// The port by which the kernel knows the socket.
    pub(crate) port: u32,
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
const DATAGRAM: usize = 64 << 10;
/// The kernel answers within the system call; later means never.
const ANSWER: Duration = Duration::from_secs(5);

impl Channel {
    pub(crate) fn open(receive_buffer: usize, groups: &[u32]) -> io::Result<Self> {
        let mut tokio_socket = TokioSocket::new(NETLINK_ROUTE)?;
        let socket = tokio_socket.socket_mut();
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
        Ok(Self {
            socket: tokio_socket,
            buffer: Vec::with_capacity(DATAGRAM),
            sequence: 0,
            port,
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

    /// Fails with `PermissionDenied` if the kernel would refuse our writes.
    pub(crate) fn probe(&mut self) -> io::Result<()> {
        let request = encode::probe(self.next_sequence());
        self.socket.socket_ref().send(&request, 0)?;
        while let Read::Datagram = self.try_read()? {
            let refused = messages(&self.buffer, None).any(|message| {
                matches!(message.notice, Notice::Answer(Err(refusal)) if refusal.errno == errno::EPERM)
            });
            if refused {
                let text = "the kernel refuses changes of its routes: needs CAP_NET_ADMIN";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
            }
        }
        Ok(())
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

    /// Writes operations in one go and gives the kernel's answer to each.
    ///
    /// # Errors
    /// When it is not known what became of them.
    pub(crate) async fn write<T>(
        &mut self,
        operations: &[T],
        encode: impl Fn(&mut Vec<u8>, &T, u32, bool) -> bool,
        mut answered: impl FnMut(&T, Result<(), Refusal>),
    ) -> io::Result<()> {
        let mut request = Vec::with_capacity(operations.len() * 72);
        let first = self.sequence.wrapping_add(1);
        let mut results: Vec<Result<(), Refusal>> = Vec::with_capacity(operations.len());
        for (at, operation) in operations.iter().enumerate() {
            let last = at + 1 == operations.len();
            let sequence = self.next_sequence();
            let makes_sense = encode(&mut request, operation, sequence, last);
            results.push(if makes_sense {
                Ok(())
            } else {
                Err(refusal(EAFNOSUPPORT, None))
            });
        }
        if results.last().is_some_and(Result::is_err) {
            // The one that asks for the acknowledgement is missing: something harmless asks in its place.
            request.extend(encode::probe(self.sequence));
        }
        self.send(&request).await?;
        while !self.collect(first, &mut results).await? {}
        for (operation, result) in operations.iter().zip(results) {
            answered(operation, result);
        }
        Ok(())
    }

    /// Reads answers. Returns whether that of the last request was among them.
    async fn collect(
        &mut self,
        first: u32,
        results: &mut [Result<(), Refusal>],
    ) -> io::Result<bool> {
        if let Read::Lost = self.read_answer().await? {
            return Err(io::Error::other("the kernel dropped answers"));
        }
        let mut complete = false;
        for message in messages(&self.buffer, None) {
            let Notice::Answer(answer) = message.notice else {
                continue;
            };
            let at = message.sequence.wrapping_sub(first) as usize;
            complete |= at + 1 == results.len();
            if let Some(result) = results.get_mut(at).filter(|result| result.is_ok()) {
                *result = answer;
            }
        }
        Ok(complete)
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

/// `ENOBUFS`: the receive buffer overflowed; `ENOMEM`: the kernel could not even queue it.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(12 | 105))
}

// linux/filter.h, linux/bpf_common.h; offset of the port in struct nlmsghdr
const BPF_LD_W_ABS: u16 = 0x20;
const BPF_JMP_JEQ: u16 = 0x15;
const BPF_RET: u16 = 0x06;
const NLMSG_PID_AT: u32 = 12;
const EAFNOSUPPORT: i32 = 97;
// linux/rtnetlink.h, enum rtnetlink_groups: link, IPv4 address and route, IPv6 address and route, next-hop objects
const GROUP_NEXTHOP: u32 = 32;
const GROUPS: [u32; 6] = [1, 5, 7, 9, 11, GROUP_NEXTHOP];
