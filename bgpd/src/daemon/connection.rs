// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The TCP connections of one peer: usually one, during a collision two. Reads and writes without a task each.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::{AsFd as _, AsRawFd as _},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bgp_fsm::ConnectionId;
use bytes::{Buf as _, Bytes, BytesMut};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, recv},
};
use tokio::net::TcpStream;

/// Octets read from one connection before its routes are handed on.
const READ_CHUNK: usize = 256 << 10;

/// Octets asked for in one call: few while there is little, so that a quiet session holds nothing.
const READ_LEAST: usize = 2 << 10;
const READ_MOST: usize = 64 << 10;

/// Buffers given to the kernel in one write.
const WRITE_BATCH: usize = 64;

/// Room for so many messages is kept when all are written.
const WRITTEN: usize = 16;

/// The other side writes no more (or, always told, the connection broke).
const READ_END: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// One TCP connection with what has been read and what is to be written.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) local: SocketAddr,
    stream: Arc<TcpStream>,
    /// Read and not yet understood: at most a message and a chunk.
    pub(super) received: BytesMut,
    /// How much is read next.
    ask: usize,
    outgoing: VecDeque<Bytes>,
    /// Octets in it.
    waiting: usize,
    closing: bool,
}

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Happened {
    /// There is more in `received`.
    Read,
    /// The kernel took some octets of what waits.
    Wrote,
    /// What waited is written, and the connection was to be closed then.
    Flushed,
    /// The other side closed it, or it broke.
    Closed(Option<io::Error>),
}

impl Connection {
    pub(super) fn new(id: ConnectionId, stream: TcpStream) -> io::Result<Self> {
        let local = stream.local_addr()?;
        Ok(Self {
            id,
            local,
            stream: Arc::new(stream),
            received: BytesMut::new(),
            ask: READ_LEAST,
            outgoing: VecDeque::new(),
            waiting: 0,
            closing: false,
        })
    }

    /// Queues a message of the session itself, or one from the outbox.
    pub(super) fn send(&mut self, message: Bytes) {
        if !self.closing {
            self.waiting += message.len();
            self.outgoing.push_back(message);
        }
    }

    /// Writes what waits and then closes; nothing is read any more.
    pub(super) fn close_when_flushed(&mut self) {
        self.closing = true;
    }

    /// What has been read is understood as far as it goes: a buffer that is empty is given back.
    pub(super) fn understood(&mut self) {
        if self.received.is_empty() {
            self.received = BytesMut::new();
        }
    }

    /// What the other side, which has closed the connection, had still to say, and in the end that. `None` while it has
    /// not. Asks the kernel: the runtime may not have heard of it yet.
    pub(super) fn last_words(&mut self) -> Option<Happened> {
        if self.closing || !self.has_ended() {
            return None;
        }
        let mut octets = vec![0; READ_MOST];
        let flags = MsgFlags::MSG_DONTWAIT;
        Some(match recv(self.stream.as_raw_fd(), &mut octets, flags) {
            Ok(0) => Happened::Closed(None),
            Ok(count) => {
                self.received.extend_from_slice(&octets[..count]);
                Happened::Read
            }
            Err(error) => Happened::Closed(Some(error.into())),
        })
    }

    fn has_ended(&self) -> bool {
        let mut asked = [PollFd::new(self.stream.as_fd(), READ_END)];
        // What exactly is the matter, reading will tell.
        poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// To be lent while nothing waits.
    pub(super) fn stream(&self) -> &Arc<TcpStream> {
        &self.stream
    }

    /// Octets handed over and not yet taken by the kernel.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn poll(&mut self, may_read: bool, context: &mut Context<'_>) -> Poll<Happened> {
        match self.poll_write(context) {
            Poll::Ready(Ok(())) => return Poll::Ready(Happened::Wrote),
            Poll::Ready(Err(error)) => return Poll::Ready(Happened::Closed(Some(error))),
            Poll::Pending if self.closing && self.outgoing.is_empty() => {
                return Poll::Ready(Happened::Flushed);
            }
            Poll::Pending => {}
        }
        if self.closing || !may_read {
            return Poll::Pending;
        }
        match ready!(self.poll_read(context)) {
            Ok(0) => Poll::Ready(Happened::Closed(None)),
            Ok(_) => Poll::Ready(Happened::Read),
            Err(error) => Poll::Ready(Happened::Closed(Some(error))),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            ready!(self.stream.poll_write_ready(context))?;
            let slices: Vec<IoSlice<'_>> = self
                .outgoing
                .iter()
                .take(WRITE_BATCH)
                .map(|bytes| IoSlice::new(bytes))
                .collect();
            match self.stream.try_write_vectored(&slices) {
                Ok(count) => {
                    self.written(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Pending
    }

    fn written(&mut self, mut count: usize) {
        self.waiting -= count;
        while let Some(front) = self.outgoing.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.outgoing.pop_front();
        }
        self.outgoing.shrink_to(WRITTEN);
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut total = 0;
        loop {
            if total >= READ_CHUNK {
                return Poll::Ready(Ok(total));
            }
            match self.stream.poll_read_ready(context) {
                Poll::Pending if total > 0 => return Poll::Ready(Ok(total)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ready) => ready?,
            }
            self.received.reserve(self.ask);
            match self.stream.try_read_buf(&mut self.received) {
                // What arrived before the end is handed on first; the end is seen again.
                Ok(0) => return Poll::Ready(Ok(total)),
                Ok(count) => {
                    total += count;
                    self.ask = if count >= self.ask {
                        (self.ask * 4).min(READ_MOST)
                    } else {
                        READ_LEAST.max(self.ask / 2)
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if total == 0 => return Poll::Ready(Err(error)),
                Err(_) => return Poll::Ready(Ok(total)),
            }
        }
    }
}

/// Waits until something happens on one of the connections. Cancel safe.
pub(super) async fn next(
    connections: &mut [Connection],
    may_read: bool,
) -> (ConnectionId, Happened) {
    poll_fn(|context| {
        for connection in connections.iter_mut() {
            if let Poll::Ready(happened) = connection.poll(may_read, context) {
                return Poll::Ready((connection.id, happened));
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) = tokio::join!(
            TcpStream::connect(listener.local_addr().unwrap()),
            listener.accept()
        );
        (
            Connection::new(ConnectionId(1), ours.unwrap()).unwrap(),
            theirs.unwrap().0,
        )
    }

    #[tokio::test]
    async fn what_waits_is_written_before_the_connection_closes() {
        let (mut connection, mut other) = pair().await;
        connection.send(Bytes::from_static(b"notification"));
        connection.close_when_flushed();
        while !matches!(
            next(std::slice::from_mut(&mut connection), true).await.1,
            Happened::Flushed
        ) {}
        drop(connection);
        let mut all = Vec::new();
        other.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"notification");
    }

    #[tokio::test]
    async fn what_arrived_before_the_end_is_seen_before_the_end() {
        let (mut connection, mut other) = pair().await;
        other.write_all(b"last words").await.unwrap();
        drop(other);
        let slice = std::slice::from_mut(&mut connection);
        assert!(matches!(next(slice, true).await.1, Happened::Read));
        assert!(matches!(next(slice, true).await.1, Happened::Closed(None)));
        assert_eq!(&connection.received[..], b"last words");
    }

    #[tokio::test]
    async fn an_end_is_known_before_the_runtime_looks() {
        let (mut connection, mut other) = pair().await;
        other.write_all(b"last words").await.unwrap();
        assert!(connection.last_words().is_none());
        drop(other);
        // Nobody awaits anything from here on: the runtime hears nothing.
        let mut heard = Vec::new();
        for _ in 0..1000 {
            heard.extend(connection.last_words());
            if heard.len() == 2 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(matches!(
            heard[..],
            [Happened::Read, Happened::Closed(None)]
        ));
        assert_eq!(&connection.received[..], b"last words");
    }

    #[tokio::test]
    async fn a_quiet_connection_holds_no_memory() {
        let (mut connection, mut other) = pair().await;
        let stream = vec![7; 1 << 20];
        let sent = async {
            other.write_all(&stream).await.unwrap();
            other
        };
        let read = async {
            let mut count = 0;
            while count < 1 << 20 {
                let slice = std::slice::from_mut(&mut connection);
                assert!(matches!(next(slice, true).await.1, Happened::Read));
                count += connection.received.len();
                connection.received.advance(connection.received.len());
                connection.understood();
            }
        };
        let (mut other, ()) = tokio::join!(sent, read);
        for _ in 0..1000 {
            connection.send(Bytes::from_static(b"message"));
        }
        let mut all = [0; 7000];
        let written = async {
            while connection.waiting() > 0 {
                let slice = std::slice::from_mut(&mut connection);
                assert!(matches!(next(slice, true).await.1, Happened::Wrote));
            }
        };
        let (read, ()) = tokio::join!(other.read_exact(&mut all), written);
        read.unwrap();
        assert_eq!(connection.received.capacity(), 0);
        assert!(connection.outgoing.capacity() <= 2 * WRITTEN);
    }

    #[tokio::test]
    async fn nothing_is_read_while_reading_is_stopped() {
        let (mut connection, mut other) = pair().await;
        other.write_all(b"x").await.unwrap();
        let wait = std::time::Duration::from_millis(50);
        assert!(
            tokio::time::timeout(wait, next(std::slice::from_mut(&mut connection), false))
                .await
                .is_err()
        );
        assert!(matches!(
            next(std::slice::from_mut(&mut connection), true).await.1,
            Happened::Read
        ));
    }
}
