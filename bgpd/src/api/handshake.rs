// SPDX-License-Identifier: Apache-2.0 OR MIT
//! TCP connections that become TLS connections, with the certificates that hold when they begin.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpIncoming};
use tracing::debug;

use super::ServerTls;

/// A client that does not finish its handshake holds a socket for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// And one that is refused so long to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// Handshakes at the same time; more wait in the kernel.
const HANDSHAKES: usize = 256;

/// Connections after their handshakes.
pub(super) fn secured(
    incoming: TcpIncoming,
    tls: ServerTls,
) -> impl Stream<Item = io::Result<Connection>> {
    let shake = move |accepted: io::Result<TcpStream>| {
        let acceptor = tls.acceptor();
        async move {
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) => return Some(Err(error)),
            };
            let accepted = acceptor.accept(stream).into_fallible();
            match timeout(PATIENCE, accepted).await {
                Ok(Ok(stream)) => Some(Ok(Connection(stream))),
                Ok(Err((error, stream))) => {
                    debug!(%error, "no TLS with a client of the API");
                    refuse(stream).await;
                    None
                }
                Err(_) => {
                    debug!("a client of the API has not finished its handshake in {PATIENCE:?}");
                    None
                }
            }
        }
    };
    let shaken = incoming.map(shake).buffer_unordered(HANDSHAKES);
    shaken.filter_map(std::future::ready)
}

/// Waits until the client has read what was said to it: were the socket closed with something unread in it, the
/// kernel would take that back.
async fn refuse(mut stream: TcpStream) {
    let mut rest = [0; 1024];
    let read = async {
        stream.shutdown().await?;
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    // Whoever does not want to know why need not.
    let _ = timeout(FAREWELL, read).await;
}

/// Through its handshake.
pub(super) struct Connection(TlsStream<TcpStream>);

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
