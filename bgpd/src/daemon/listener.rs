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
use nix::net::if_::if_indextoname;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{peer_task::PeerHandle, socket};
use crate::config::{Interface, Neighbor, PeerName, is_link_local};

/// After the process has run out of descriptors, so long until the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who may connect.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors(Arc<Mutex<Guests>>);

#[derive(Debug, Default)]
struct Guests {
    peers: HashMap<Seat, PeerHandle>,
    ranges: Vec<IpNetwork>,
}

/// Where a neighbour's connections come from: a link-local address says nothing without its interface.
type Seat = (IpAddr, Option<Interface>);

fn seat(neighbor: &Neighbor) -> Seat {
    let address = neighbor.address;
    let interface = neighbor.name.interface();
    (address, interface.filter(|_| is_link_local(address)))
}

/// A connection from a range of dynamic neighbours for which there is no peer yet.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) name: PeerName,
    pub(super) range: IpNetwork,
    pub(super) stream: TcpStream,
}

impl Doors {
    /// Connections from this neighbour go to this peer.
    pub(super) fn open(&self, neighbor: &Neighbor, peer: PeerHandle) {
        self.lock().peers.insert(seat(neighbor), peer);
    }

    /// Connections from this neighbour are refused.
    pub(super) fn close(&self, neighbor: &Neighbor) {
        self.lock().peers.remove(&seat(neighbor));
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
        let interface = interface(from);
        let name = match interface {
            Some(interface) => PeerName::Scoped(address, interface),
            None => PeerName::Address(address),
        };
        let guests = self.lock();
        if let Some(peer) = guests.peers.get(&(address, interface)) {
            peer.accepted(stream);
        } else if let Some(range) = longest(&guests.ranges, address) {
            if strangers
                .try_send(Stranger {
                    name,
                    range,
                    stream,
                })
                .is_err()
            {
                debug!(%name, "too many new dynamic neighbours at once, connection refused");
            }
        } else {
            debug!(%name, "connection from an address that is no neighbour, refused");
        }
    }
}

/// The interface that a link-local address belongs to.
fn interface(from: SocketAddr) -> Option<Interface> {
    let SocketAddr::V6(from) = from else {
        return None;
    };
    if !from.ip().is_unicast_link_local() {
        return None;
    }
    // One that is gone is nobody's.
    let name = if_indextoname(from.scope_id()).ok()?;
    Interface::new(name.to_str().ok()?)
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
