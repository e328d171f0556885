// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Streams of replies to clients that may read slowly, or not at all.

use std::{pin::Pin, time::Duration};

use bgpd_api::Message;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::control::ControlError;

pub(super) type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How long a client may read nothing before its stream is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Batches of replies that wait for the client. When they are there, one more is made and then nothing.
const BATCHES: usize = 1;

/// Octets of a page of replies: one that has so many is full.
pub(super) const PAGE: usize = 64 << 10;

/// Where the replies of one stream are put. Dropped, it ends the stream with OK.
pub(super) struct Outlet<T> {
    batches: mpsc::Sender<Vec<T>>,
    end: oneshot::Sender<Status>,
    patience: Duration,
}

/// The client is gone, or does not read: nobody wants the rest.
pub(super) struct Unwanted;

impl<T> Outlet<T> {
    /// Waits for the client, but not for ever.
    pub(super) async fn send(self, batch: Vec<T>) -> Result<Self, Unwanted> {
        match timeout(self.patience, self.batches.send(batch)).await {
            Ok(Ok(())) => Ok(self),
            Ok(Err(_)) => Err(Unwanted),
            Err(_) => {
                let seconds = self.patience.as_secs();
                self.fail(Status::aborted(format!(
                    "nothing was read for {seconds} seconds"
                )));
                Err(Unwanted)
            }
        }
    }

    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Ends the stream with an error, behind what is in the queue.
    pub(super) fn fail(self, status: Status) {
        // Who has left does not want to know.
        drop(self.end.send(status));
    }
}

/// An outlet, and the stream of what is put into it: it ends with UNAVAILABLE when the daemon goes down, so that nobody
/// takes half a list for a whole one.
pub(super) fn outlet<T: Send + 'static>(shutdown: &CancellationToken) -> (Outlet<T>, Replies<T>) {
    let (batches, queue) = mpsc::channel(BATCHES);
    let (end, ended) = oneshot::channel::<Status>();
    let replies = ReceiverStream::new(queue)
        .flat_map(stream::iter)
        .map(Ok)
        .chain(stream::once(ended).filter_map(async |end| end.ok().map(Err)));
    let outlet = Outlet {
        batches,
        end,
        patience: PATIENCE,
    };
    (outlet, cut(shutdown, replies))
}

/// Encoded replies that go to the client together. Messages take a multiple of the memory that their octets do, so that
/// nothing but octets waits for anybody.
#[derive(Default)]
pub(super) struct Page {
    replies: Vec<Bytes>,
    octets: usize,
    buffer: BytesMut,
}

impl Page {
    pub(super) fn push(&mut self, reply: &impl Message) {
        let length = reply.encoded_len();
        if self.buffer.capacity() < length {
            self.buffer.reserve(length.max(PAGE));
        }
        // There is room.
        let _ = reply.encode(&mut self.buffer);
        self.replies.push(self.buffer.split().freeze());
        self.octets += length;
    }

    /// Time to send it.
    pub(super) fn is_full(&self) -> bool {
        self.octets >= PAGE
    }

    /// What is in it, which is then empty.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.octets = 0;
        std::mem::take(&mut self.replies)
    }
}

/// Replies that are all there.
pub(super) fn list<T: Send + 'static>(shutdown: &CancellationToken, all: Vec<T>) -> Replies<T> {
    cut(shutdown, stream::iter(all).map(Ok))
}

fn cut<T: Send + 'static>(
    shutdown: &CancellationToken,
    replies: impl Stream<Item = Result<T, Status>> + Send + 'static,
) -> Replies<T> {
    let is_down = shutdown.clone();
    let cut = stream::once(async move { is_down.is_cancelled() })
        .filter_map(async |cut| cut.then(|| Err(ControlError::ShuttingDown.into())));
    let replies = replies.take_until(shutdown.clone().cancelled_owned());
    Box::pin(replies.chain(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patience_is_what_the_documentation_says() {
        let (outlet, _replies) = outlet::<u32>(&CancellationToken::new());
        let stated = format!("reads nothing for {} seconds", outlet.patience.as_secs());
        let text = include_str!("../../../docs/api.md");
        assert_eq!(text.matches(&stated).count(), 2, "lists and watchers");
        assert_eq!(text.matches("reads nothing for ").count(), 2);
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up_and_learns_why_if_it_reads_again() {
        let (outlet, replies) = outlet::<u32>(&CancellationToken::new());
        let mut outlet = outlet.with_patience(Duration::from_millis(20));
        for number in 0..BATCHES {
            let sent = outlet.send(vec![u32::try_from(number).unwrap()]).await;
            outlet = sent.unwrap_or_else(|_| panic!("there is room"));
        }
        assert!(outlet.send(vec![99]).await.is_err(), "nobody reads");
        let seen: Vec<_> = replies
            .map(|reply| reply.map_err(|status| status.code()))
            .collect()
            .await;
        assert_eq!(seen, [Ok(0), Err(tonic::Code::Aborted)]);
    }

    #[tokio::test]
    async fn a_list_that_is_cut_short_by_the_daemons_end_does_not_end_well() {
        let shutdown = CancellationToken::new();
        let (_outlet, replies) = outlet::<u32>(&shutdown);
        shutdown.cancel();
        let seen: Vec<_> = replies
            .map(|reply| reply.map_err(|status| status.code()))
            .collect()
            .await;
        assert_eq!(seen, [Err(tonic::Code::Unavailable)]);
    }

    #[tokio::test]
    async fn an_empty_list_ends_well() {
        let (outlet, replies) = outlet::<u32>(&CancellationToken::new());
        drop(outlet);
        assert_eq!(replies.count().await, 0);
    }
}
