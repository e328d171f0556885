// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Traffic: numbered UDP packets to an echo, and exactly which of them did not come back.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use crate::Netns;

/// The last packets may take this long to come back.
const LATE: Duration = Duration::from_millis(500);

/// Sends back what it gets, until it is dropped.
#[derive(Debug)]
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Listens on an address in the namespace.
    ///
    /// # Errors
    /// The address is not there.
    pub fn start(netns: &Netns, address: SocketAddr) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let (ready, bound) = std::sync::mpsc::channel();
        let thread = netns.enter(move || {
            let socket = UdpSocket::bind(address).and_then(|socket| {
                socket.set_read_timeout(Some(Duration::from_millis(100)))?;
                Ok(socket)
            });
            let socket = match socket {
                Ok(socket) => socket,
                Err(error) => return drop(ready.send(Err(error))),
            };
            // The caller waits for exactly this.
            let _ = ready.send(Ok(()));
            let mut octets = [0; 2048];
            while !seen.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut octets) {
                    // A way back that is missing for a moment is what is measured.
                    let _ = socket.send_to(&octets[..length], from);
                }
            }
        })?;
        bound.recv()??;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
    }
}

/// What became of the packets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Packets sent.
    pub sent: u32,
    /// Numbers of those that did not come back.
    pub lost: BTreeSet<u32>,
}

/// A flow of packets that runs until it is finished.
#[derive(Debug)]
pub struct Flow {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Report>>,
}

impl Flow {
    /// Sends packets from an address in the namespace to an echo, so many a second.
    ///
    /// # Errors
    /// The address is not there.
    pub fn start(netns: &Netns, from: SocketAddr, to: SocketAddr, per_second: u32) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = netns.enter(move || send(from, to, per_second, &seen))?;
        Ok(Self { stop, thread })
    }

    /// Stops sending, waits for what is under way, and says what was lost.
    ///
    /// # Errors
    /// The socket broke.
    pub fn finish(self) -> Result<Report> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the sender panicked"))?
    }

    /// Sends this many packets and says what was lost.
    ///
    /// # Errors
    /// The address is not there, or the socket broke.
    pub fn burst(netns: &Netns, from: SocketAddr, to: SocketAddr, count: u32) -> Result<Report> {
        let flow = Self::start(netns, from, to, 100)?;
        std::thread::sleep(Duration::from_millis(10) * count);
        flow.finish()
    }
}

fn send(from: SocketAddr, to: SocketAddr, per_second: u32, stop: &AtomicBool) -> Result<Report> {
    let socket = UdpSocket::bind(from)?;
    socket.set_nonblocking(true)?;
    let gap = Duration::from_secs(1) / per_second.max(1);
    let (mut sent, mut lost) = (0, BTreeSet::new());
    let mut due = Instant::now();
    let mut end = None;
    loop {
        let now = Instant::now();
        if stop.load(Ordering::Relaxed) {
            let stopped = *end.get_or_insert(now);
            if lost.is_empty() || now > stopped + LATE {
                return Ok(Report { sent, lost });
            }
        } else if now >= due {
            due += gap;
            lost.insert(sent);
            // A packet that can not even be sent is lost.
            let _ = socket.send_to(&sent.to_be_bytes(), to);
            sent += 1;
        }
        receive(&socket, &mut lost)?;
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn receive(socket: &UdpSocket, lost: &mut BTreeSet<u32>) -> Result<()> {
    let mut octets = [0; 64];
    loop {
        match socket.recv(&mut octets) {
            Ok(4) => {
                lost.remove(&u32::from_be_bytes([
                    octets[0], octets[1], octets[2], octets[3],
                ]));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // An ICMP error about an earlier packet: that one is lost already.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionRefused
                        | ErrorKind::HostUnreachable
                        | ErrorKind::NetworkUnreachable
                ) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
