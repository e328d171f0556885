// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that writes. The kernel does what it is asked within the system call, so that whoever calls it does nothing
//! else: while the thread is in the kernel with one batch, the next ones are thought of.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use socket2::SockRef;
use tokio::sync::mpsc;

use super::decode::{Notice, messages, refusal};
use super::encode;
use super::nexthop;
use super::socket::{ANSWER, DATAGRAM, configure, is_shortage};
use crate::trouble::errno;
use crate::{ObjectOperation, Operation, Refusal};

/// Batches under way at once: one in the kernel, one that waits for it, one answered.
pub(crate) const UNDER_WAY: usize = 3;

/// The way to the thread. It ends when this is dropped.
pub(crate) struct Writer {
    batches: SyncSender<Request>,
    answers: mpsc::Receiver<Answer>,
    /// What was asked for, in order.
    under_way: VecDeque<Batch>,
    /// Buffers that nobody needs at the moment.
    spare: Vec<Vec<u8>>,
    sequence: u32,
    /// The port by which the kernel knows the socket.
    pub(crate) port: u32,
}

/// Operations that are written in one go.
pub(crate) enum Batch {
    Routes(Vec<Operation>),
    Objects(Vec<ObjectOperation>),
}

/// Operations for the kernel, the last of which asks for an acknowledgement.
struct Request {
    octets: Vec<u8>,
    first: u32,
    count: u32,
    /// Operations that were not written, because they make no sense.
    senseless: Vec<usize>,
}

struct Answer {
    octets: Vec<u8>,
    /// What was refused, by place.
    refused: io::Result<Vec<(usize, Refusal)>>,
}

/// Operations and what came of them: what was refused, by place; an error if nobody knows.
pub(crate) type Written = (Batch, io::Result<Vec<(usize, Refusal)>>);

impl Writer {
    /// Opens the socket in the network namespace of this thread, and starts the other one.
    pub(crate) fn start(receive_buffer: usize) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        let port = configure(&mut socket, receive_buffer, &[])?;
        SockRef::from(&socket).set_read_timeout(Some(ANSWER))?;
        let mut pen = Pen {
            socket,
            buffer: Vec::with_capacity(DATAGRAM),
        };
        pen.probe()?;
        let (batches, requests) = sync_channel(UNDER_WAY);
        let (answered, answers) = mpsc::channel(UNDER_WAY);
        thread::Builder::new()
            .name("fib-writer".to_owned())
            .spawn(move || pen.run(&requests, &answered))?;
        Ok(Self {
            batches,
            answers,
            under_way: VecDeque::new(),
            spare: Vec::new(),
            sequence: 0,
            port,
        })
    }

    /// There is room for one more batch.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way.len() < UNDER_WAY
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Hands a batch over. There has to be room.
    pub(crate) fn write(&mut self, batch: Batch) {
        let request = match &batch {
            Batch::Routes(operations) => self.request(operations, encode::operation),
            Batch::Objects(operations) => self.request(operations, nexthop::operation),
        };
        self.under_way.push_back(batch);
        // A thread that is gone answers nothing, and that is seen there.
        let _ = self.batches.try_send(request);
    }

    fn request<T>(
        &mut self,
        operations: &[T],
        encode: impl Fn(&mut Vec<u8>, &T, u32, bool) -> bool,
    ) -> Request {
        let mut octets = self.spare.pop().unwrap_or_default();
        octets.clear();
        let first = self.sequence.wrapping_add(1);
        let mut senseless = Vec::new();
        for (at, operation) in operations.iter().enumerate() {
            let last = at + 1 == operations.len();
            self.sequence = self.sequence.wrapping_add(1);
            if !encode(&mut octets, operation, self.sequence, last) {
                senseless.push(at);
                if last {
                    // Something harmless asks for the acknowledgement in its place.
                    octets.extend(super::encode::probe(self.sequence));
                }
            }
        }
        Request {
            octets,
            first,
            count: u32::try_from(operations.len()).unwrap_or(u32::MAX),
            senseless,
        }
    }

    /// The oldest batch, when it has been answered. There has to be one. Nothing is lost if nobody waits to the end.
    pub(crate) async fn written(&mut self) -> Written {
        let answer = self.answers.recv().await;
        self.took(answer)
    }

    /// The same, if it has been answered already.
    pub(crate) fn try_written(&mut self) -> Option<Written> {
        match self.answers.try_recv() {
            Ok(answer) => Some(self.took(Some(answer))),
            Err(mpsc::error::TryRecvError::Disconnected) if !self.is_idle() => {
                Some(self.took(None))
            }
            Err(_) => None,
        }
    }

    fn took(&mut self, answer: Option<Answer>) -> Written {
        let batch = self.under_way.pop_front();
        let batch = batch.unwrap_or(Batch::Routes(Vec::new()));
        match answer {
            Some(answer) => {
                self.spare.push(answer.octets);
                (batch, answer.refused)
            }
            None => (batch, Err(io::Error::other("the writer has ended"))),
        }
    }
}

/// What the thread has.
struct Pen {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Pen {
    fn run(&mut self, requests: &Receiver<Request>, answers: &mpsc::Sender<Answer>) {
        while let Ok(request) = requests.recv() {
            let refused = self.write(&request);
            let octets = request.octets;
            if answers.blocking_send(Answer { octets, refused }).is_err() {
                return;
            }
        }
    }

    /// Fails with `PermissionDenied` if the kernel would refuse our writes.
    fn probe(&mut self) -> io::Result<()> {
        self.send(&encode::probe(0))?;
        let mut answers = Vec::new();
        while !self.collect(0, 1, &mut answers)? {}
        let refused = answers
            .iter()
            .any(|(_, refusal): &(_, Refusal)| refusal.errno == errno::EPERM);
        if refused {
            let text = "the kernel refuses changes of its routes: needs CAP_NET_ADMIN";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(())
    }

    fn write(&mut self, request: &Request) -> io::Result<Vec<(usize, Refusal)>> {
        self.send(&request.octets)?;
        let mut refused = Vec::new();
        while !self.collect(request.first, request.count, &mut refused)? {}
        // The stand-in of a senseless one may have been refused, too.
        refused.retain(|(at, _)| !request.senseless.contains(at));
        let senseless = request.senseless.iter();
        refused.extend(senseless.map(|at| (*at, refusal(EAFNOSUPPORT, None))));
        refused.sort_by_key(|(at, _)| *at);
        Ok(refused)
    }

    fn send(&self, request: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(request, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads answers. Returns whether that of the last request was among them.
    fn collect(
        &mut self,
        first: u32,
        count: u32,
        refused: &mut Vec<(usize, Refusal)>,
    ) -> io::Result<bool> {
        self.buffer.clear();
        match self.socket.recv(&mut self.buffer, 0) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) if is_shortage(&error) => {
                return Err(io::Error::other("the kernel dropped answers"));
            }
            Err(error) => return Err(error),
        }
        let mut complete = false;
        for message in messages(&self.buffer, None) {
            let Notice::Answer(answer) = message.notice else {
                continue;
            };
            let at = message.sequence.wrapping_sub(first);
            complete |= at.wrapping_add(1) == count;
            if let Err(refusal) = answer
                && at < count
            {
                refused.push((at as usize, refusal));
            }
        }
        Ok(complete)
    }
}

const EAFNOSUPPORT: i32 = 97;
