// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unnumbered neighbours: whoever is at the other end of an interface becomes one, and is none when the interface goes.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use bgp_fsm::{State, StopReason};
use tracing::{error, info};

use super::Supervisor;
use crate::{
    config::{Interface, Neighbor, PeerName},
    daemon::{
        host::this_host,
        peer_task::Command,
        unnumbered::{self, Sight},
    },
    peer::PeerEvent,
};

impl Supervisor {
    /// Begins to look for an unnumbered neighbour.
    pub(super) fn watch(&mut self, neighbor: &Neighbor) {
        if let PeerName::Interface(interface) = neighbor.name {
            let notices = self.notice_sender.clone();
            self.watches.entry(interface).or_insert_with(|| {
                tokio::spawn(unnumbered::watch(interface, notices)).abort_handle()
            });
        }
    }

    pub(super) fn look_away(&mut self, name: PeerName) {
        if let PeerName::Interface(interface) = name
            && let Some(watch) = self.watches.remove(&interface)
        {
            watch.abort();
        }
    }

    pub(super) async fn sighted(&mut self, interface: Interface, sight: Sight) {
        let name = PeerName::Interface(interface);
        let found = self.door.read().peers.get(&name).cloned();
        let Some(running) = found else { return };
        let seen = match sight {
            Sight::Router(address) => address,
            Sight::Down => Ipv6Addr::UNSPECIFIED,
        };
        if running.neighbor.address == IpAddr::from(seen) {
            return;
        }
        let state = running.handle.ask(|peer, _| {
            let session = peer.session();
            (session.state(), session.is_stopped())
        });
        let Some((state, is_stopped)) = state.await else {
            return;
        };
        if sight != Sight::Down && state == State::Established {
            // Another router on the link, or a second address of this one: there is one neighbour at a time.
            return;
        }
        info!(%interface, address = %seen, "neighbour of an interface");
        let was_awaited = self.awaited.contains(&running.id);
        self.take_down(name, StopReason::ConfigurationChange).await;
        // Our own addresses there may be others than at the start.
        match this_host() {
            Ok(host) => self.host = host,
            Err(error) => error!(%error, "can not read the interfaces of this host"),
        }
        let neighbor = Neighbor {
            address: seen.into(),
            ..Neighbor::clone(&running.neighbor)
        };
        match self.start_peer(&neighbor, false) {
            Ok(new) => {
                if was_awaited {
                    self.awaited.insert(new.id);
                }
                if let Some(known) = self.door.write().peers.get_mut(&name) {
                    known.neighbor = Arc::new(neighbor);
                    known.panics = running.panics;
                }
                if !is_stopped {
                    let start = Command::Event(PeerEvent::Start);
                    tokio::spawn(async move { new.handle.tell(start).await });
                }
            }
            Err(error) => {
                error!(%interface, error = %format!("{error:#}"), "neighbour not started");
            }
        }
    }
}
