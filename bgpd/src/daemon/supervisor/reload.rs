// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A new configuration while the daemon runs: read whole, compared with the old one, and carried out as changes.
//!
//! A file with an error changes nothing. A change that fails is reported and does not keep the others from being made.

use std::{net::IpAddr, sync::Arc};

use bgp_fsm::StopReason;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{Supervisor, Wish};
use crate::{
    config::{self, Config, ConfigChange, DynamicNeighbor, Neighbor},
    daemon::{
        fib_task::FibOrder, host::this_host, log, peer_task::Command, settings, shard::Order,
    },
    peer::{Peer, PeerEvent},
};

impl Supervisor {
    /// SIGHUP.
    pub(super) async fn reload_on_hangup(&mut self) {
        match self.reload().await {
            Ok(changes) if changes.is_empty() => {
                info!("configuration read again: nothing has changed");
            }
            Ok(changes) => info!(?changes, "configuration read again"),
            Err(errors) => error!("configuration not changed:\n{errors}"),
        }
    }

    /// Returns what was changed, in words; or what is wrong with the file.
    pub(super) async fn reload(&mut self) -> Result<Vec<String>, String> {
        let before = self.layers.count();
        let (layers, config) = self.layers.reload().map_err(|errors| errors.to_string())?;
        self.look_at_host()
            .map_err(|error| format!("can not read the interfaces of this host: {error}"))?;
        let new = config
            .for_host(&self.host)
            .map_err(|errors| errors.to_string())?;
        for warning in &new.warnings {
            warn!("{warning}");
        }
        let is_given = self.door.read().config.global.is_given();
        if is_given && !new.global.is_given() {
            return Err(
                "`[global]` is gone: bgpd does not forget who it is while it runs".to_owned(),
            );
        }
        let kept = layers.count();
        self.layers = layers;
        let certificates = self.renew_certificates(&new);
        let mut said = if !is_given && new.global.is_given() {
            self.begin(new).await.map_err(|error| error.to_string())?
        } else {
            self.put_in_force(new).await
        };
        said.extend(certificates);
        if before > 0 {
            let others = if kept < before {
                "; the file has changed the others"
            } else {
                ""
            };
            said.push(format!(
                "changes over the API: {kept} of {before} kept{others}"
            ));
        }
        Ok(said)
    }

    /// Makes a configuration that of the running daemon. Says what was changed.
    pub(super) async fn put_in_force(&mut self, new: Config) -> Vec<String> {
        let old = Arc::clone(&self.door.read().config);
        let changes = config::diff(&old, &new);
        self.door.write().config = Arc::new(new);
        let mut said = Vec::new();
        for change in changes {
            let text = change.to_string() + self.consequence(&change).await;
            match self.carry_out(change, &old).await {
                Ok(()) => said.push(text),
                Err(error) => {
                    error!(change = text, error = %format!("{error:#}"), "change not made");
                    said.push(format!("{text}: FAILED: {error:#}"));
                }
            }
        }
        said
    }

    /// Reads the API's certificates again, in the same files or in others; says so if there is anything new.
    fn renew_certificates(&self, new: &Config) -> Option<String> {
        let (tls, files) = (self.tls.as_ref()?, new.api.tls.as_ref()?);
        match tls.renew(files) {
            Ok(true) => Some("certificates of the API read again".to_owned()),
            Ok(false) => None,
            Err(error) => {
                error!(%error, "certificates of the API not read again: those before stay");
                Some(format!(
                    "certificates of the API: FAILED: {error}; those before stay"
                ))
            }
        }
    }

    /// What it has for interfaces and addresses now.
    pub(super) fn look_at_host(&mut self) -> std::io::Result<()> {
        self.host = this_host()?;
        self.host_seen = Instant::now();
        Ok(())
    }

    /// What a change needs of a neighbour besides.
    pub(super) async fn consequence(&self, change: &ConfigChange) -> &'static str {
        let ConfigChange::UpdatePeer { neighbor, .. } = change else {
            return "";
        };
        let running = self.door.read().peers.get(&neighbor.name).cloned();
        let Some(running) =
            running.filter(|running| config::needs_routes_again(&running.neighbor, neighbor))
        else {
            return "";
        };
        let can_be_asked = |peer: &Peer, _| peer.negotiated().map(|_| peer.can_be_asked());
        match running.handle.ask(can_be_asked).await.flatten() {
            Some(true) => ": asked for its routes again",
            Some(false) => ": session restarted, it can not be asked for its routes",
            None => "",
        }
    }

    pub(super) async fn carry_out(
        &mut self,
        change: ConfigChange,
        old: &Config,
    ) -> anyhow::Result<()> {
        match change {
            ConfigChange::AddPeer(neighbor) => {
                // It may have come from a range before.
                self.remove_peer(neighbor.name, StopReason::ConfigurationChange)
                    .await;
                self.add_peer(&neighbor)?;
            }
            ConfigChange::RemovePeer(name) => {
                self.remove_peer(name, StopReason::Deconfigured).await;
            }
            ConfigChange::RestartPeer { neighbor, .. } => {
                let wish = self.wish(&neighbor).await;
                self.remove_peer(neighbor.name, StopReason::ConfigurationChange)
                    .await;
                self.add_peer_as(&neighbor, wish)?;
            }
            ConfigChange::UpdatePeer { neighbor, .. } => self.update_peer(&neighbor).await,
            ConfigChange::AddStatic(route) => self.announce_statics(&[route], &[]).await,
            ConfigChange::RemoveStatic(route) => self.announce_statics(&[], &[route]).await,
            ConfigChange::PoolsChanged(pools) => {
                if let Some(fib) = &self.fib {
                    // A kernel task that has ended needs no pools.
                    let _ = fib.orders.send(FibOrder::Pools(pools)).await;
                }
            }
            ConfigChange::FibChanged(new) => {
                if let Some(fib) = &self.door.fib {
                    fib.reconfigure(new.to_fib_config(&old.pools)).await;
                }
                if let Some(fib) = &self.fib {
                    // A kernel task that has ended writes no routes.
                    let _ = fib.orders.send(FibOrder::Sources(new.sources)).await;
                }
            }
            ConfigChange::SelectionChanged(selection) => {
                for shard in &self.door.shards {
                    let order = Order::Input(rib::Input::Selection(selection));
                    // A shard that is gone has ended the daemon.
                    let _ = shard.order(order).await;
                }
            }
            ConfigChange::KernelPolicyChanged(policy) => {
                for shard in &self.door.shards {
                    let input = rib::Input::KernelPolicy(policy.program.clone());
                    // The daemon does not outlive a shard.
                    let _ = shard.order(Order::Input(input)).await;
                }
            }
            ConfigChange::DynamicChanged(ranges) => {
                self.open_ranges(&old.dynamic_neighbors, &ranges)?;
                self.review_dynamic(&ranges).await;
            }
            ConfigChange::LogChanged(log) => {
                if log.format != old.log.format {
                    warn!("log.format takes effect when bgpd is restarted");
                }
                log::change(log);
            }
            // They have been read before.
            ConfigChange::ApiFilesChanged(_) => {}
            ConfigChange::NeedsRestart(_) => {
                warn!(%change, "takes effect when bgpd is restarted");
            }
        }
        Ok(())
    }

    /// A neighbour that an operator has taken down stays so, unless `admin-down` changes.
    async fn wish(&self, new: &Neighbor) -> Wish {
        let running = self.door.read().peers.get(&new.name).cloned();
        let Some(running) = running.filter(|old| old.neighbor.admin_down == new.admin_down) else {
            return Wish::Up;
        };
        let is_stopped = running.handle.ask(|peer, _| peer.is_shut_down()).await;
        if is_stopped == Some(true) {
            Wish::Down
        } else {
            Wish::Up
        }
    }

    /// Dynamic neighbours that the ranges no longer admit as they are go; they may connect again.
    async fn review_dynamic(&mut self, ranges: &[DynamicNeighbor]) {
        let range_of = |address: IpAddr| {
            let around = ranges.iter().filter(|range| range.prefix.contains(address));
            around.max_by_key(|range| range.prefix.prefix())
        };
        let (mut gone, mut updated) = (Vec::new(), Vec::new());
        {
            let board = self.door.read();
            for (name, running) in board.peers.iter().filter(|(_, running)| running.dynamic) {
                let Some(range) = range_of(running.neighbor.address) else {
                    gone.push((*name, StopReason::Deconfigured));
                    continue;
                };
                let neighbor = range.neighbor(*name);
                if config::needs_new_session(&running.neighbor, &neighbor) {
                    gone.push((*name, StopReason::ConfigurationChange));
                } else if neighbor != *running.neighbor {
                    updated.push(neighbor);
                }
            }
        }
        for (name, reason) in gone {
            self.remove_peer(name, reason).await;
        }
        for neighbor in updated {
            self.update_peer(&neighbor).await;
        }
    }

    async fn update_peer(&mut self, neighbor: &Neighbor) {
        let Some(mut running) = self.door.read().peers.get(&neighbor.name).cloned() else {
            return;
        };
        let (import, export) = settings::policies(neighbor);
        // Where an unnumbered one is is not in the file.
        let neighbor = &Neighbor {
            address: running.neighbor.address,
            ..neighbor.clone()
        };
        let handle = running.handle.clone();
        if running.neighbor.bfd != neighbor.bfd {
            let is_shut = handle.ask(|peer, _| peer.is_shut_down()).await;
            let watched = if is_shut == Some(true) {
                None
            } else {
                self.door.bfd.watch(running.id, neighbor)
            };
            let strict = settings::strict_bfd(neighbor);
            handle
                .tell(Command::Event(PeerEvent::StrictBfd(strict)))
                .await;
            handle.tell(Command::Bfd(watched)).await;
        }
        running.neighbor = Arc::new(neighbor.clone());
        self.door.write().peers.insert(neighbor.name, running);
        let terms = Box::new(neighbor.terms.clone());
        for event in [
            PeerEvent::Policy { import, export },
            PeerEvent::Weight(neighbor.weight),
            PeerEvent::Terms(terms),
            PeerEvent::PathsSent(settings::paths_sent(neighbor)),
        ] {
            handle.tell(Command::Event(event)).await;
        }
    }
}
