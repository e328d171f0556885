// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Accepts connections and hands each to the peer it belongs to. Connections of strangers are closed at once.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ipnetwork::IpNetwork;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{peer_task::PeerHandle, socket};

/// After the process has run out of descriptors, so long until the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who may connect.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors(Arc<Mutex<Guests>>);

#[derive(Debug, Default)]
struct Guests {
    peers: HashMap<IpAddr, PeerHandle>,
    ranges: Vec<IpNetwork>,
}

/// A connection from a range of dynamic neighbours for which there is no peer yet.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) address: IpAddr,
    pub(super) range: IpNetwork,
    pub(super) stream: TcpStream,
}

impl Doors {
    /// Connections from this address go to this peer.
    pub(super) fn open(&self, address: IpAddr, peer: PeerHandle) {
        self.lock().peers.insert(address, peer);
    }

    /// Connections from this address are refused.
    pub(super) fn close(&self, address: IpAddr) {
        self.lock().peers.remove(&address);
    }

    /// Dynamic neighbours come from these.
    pub(super) fn set_ranges(&self, ranges: Vec<IpNetwork>) {
        self.lock().ranges = ranges;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Guests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, stream: TcpStream, from: SocketAddr, strangers: &mpsc::Sender<Stranger>) {
        let address = from.ip();
        let guests = self.lock();
        if let Some(peer) = guests.peers.get(&address) {
            peer.accepted(stream);
        } else if let Some(range) = longest(&guests.ranges, address) {
            if strangers
                .try_send(Stranger {
                    address,
                    range,
                    stream,
                })
                .is_err()
            {
                debug!(%address, "too many new dynamic neighbours at once, connection refused");
            }
        } else {
            debug!(%address, "connection from an address that is no neighbour, refused");
        }
    }
}

fn longest(ranges: &[IpNetwork], address: IpAddr) -> Option<IpNetwork> {
    ranges
        .iter()
        .copied()
        .filter(|range| range.contains(address))
        .max_by_key(IpNetwork::prefix)
}

/// A listening address.
#[derive(Clone, Debug)]
pub(super) struct Listener(Arc<TcpListener>);

impl Listener {
    /// Opens it and starts the task that accepts.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn start(
        address: SocketAddr,
        device: Option<&str>,
        doors: Doors,
        strangers: mpsc::Sender<Stranger>,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let listener = Arc::new(socket::listen(address, device)?);
        let accepting = Arc::clone(&listener);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = accept_all(&accepting, &doors, &strangers) => {}
            }
        });
        Ok(Self(listener))
    }

    /// Where it listens.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The MD5 key for one peer or a range; must be there before the SYN.
    ///
    /// # Errors
    /// The kernel's. Peers of the other family are no error.
    pub(super) fn set_key(&self, peers: IpNetwork, key: Option<&[u8]>) -> io::Result<()> {
        if self.address()?.is_ipv4() == peers.is_ipv4() {
            socket::set_listener_key(&self.0, peers, key)
        } else {
            Ok(())
        }
    }
}

async fn accept_all(listener: &TcpListener, doors: &Doors, strangers: &mpsc::Sender<Stranger>) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => doors.admit(stream, from, strangers),
            Err(error) => {
                warn!(%error, "can not accept connections for now");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
