// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl neighbor add`, `update` and `del`: changes of the running configuration, over GoBGP's API as every client
//! of it makes them.

use std::net::IpAddr;

use bgp_proto::Family;
use bgpd_api::v4;
use clap::{Args, Subcommand};

use super::{Client, Failure, Printer, json};
use crate::config::PeerName;

#[derive(Debug, Subcommand)]
pub(super) enum NeighborChange {
    /// Add a neighbor; it lasts until bgpd stops
    Add {
        /// Its address, or the interface behind which it is
        neighbor: PeerName,
        #[command(flatten)]
        keys: Box<NeighborKeys>,
    },
    /// Change a neighbor: what is not said stays; its session is set up anew only if it has to be
    Update {
        /// Which
        neighbor: PeerName,
        #[command(flatten)]
        keys: Box<NeighborKeys>,
    },
    /// Remove a neighbor
    #[command(visible_alias = "delete")]
    Del {
        /// Which
        neighbor: PeerName,
    },
}

/// Keys of the configuration file that are changed most often.
#[derive(Args, Debug)]
pub(super) struct NeighborKeys {
    /// Its AS (`peer-as`)
    #[arg(long = "as", value_name = "NUMBER", visible_alias = "peer-as")]
    peer_as: Option<u32>,
    /// Our AS towards it (`local-as`)
    #[arg(long, value_name = "NUMBER")]
    local_as: Option<u32>,
    /// The peer group that says the rest (`peer-group`)
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// What it is (`description`)
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// TCP MD5 (`auth-password`)
    #[arg(long, value_name = "TEXT")]
    password: Option<String>,
    /// We wait for its connection (`transport.passive-mode`)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    passive: Option<bool>,
    /// Our address (`transport.local-address`); 0.0.0.0 or :: to let the kernel choose
    #[arg(long, value_name = "ADDRESS")]
    local_address: Option<IpAddr>,
    /// Its port (`transport.remote-port`)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// So many hops away at most (`ebgp-multihop.multihop-ttl`)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..))]
    multihop: Option<u8>,
    /// Without a word from it for so long, it is gone (`timers.hold-time`)
    #[arg(long, value_name = "SECONDS")]
    hold_time: Option<u16>,
    /// All families that are spoken: ipv4-unicast, ipv6-unicast (`afi-safis`)
    #[arg(long, value_name = "FAMILY", value_delimiter = ',', value_parser = family)]
    family: Vec<Family>,
    /// It is a client of a route reflector (`route-reflector.route-reflector-client`)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    reflector_client: Option<bool>,
    /// It is a client of a route server (`route-server.route-server-client`)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    server_client: Option<bool>,
    /// Policies for what it sends (`apply-policy.import-policy-list`)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    import: Vec<String>,
    /// Policies for what it is sent (`apply-policy.export-policy-list`)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    export: Vec<String>,
    /// What becomes of routes that no import policy decides about (`apply-policy.default-import-policy`)
    #[arg(long, value_name = "ACTION")]
    default_import: Option<Action>,
    /// The same of export policies (`apply-policy.default-export-policy`)
    #[arg(long, value_name = "ACTION")]
    default_export: Option<Action>,
    /// It stays down (`admin-down`)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    admin_down: Option<bool>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Action {
    /// They pass
    Accept,
    /// They do not
    Reject,
}

impl From<Action> for v4::RouteAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Accept => Self::Accept,
            Action::Reject => Self::Reject,
        }
    }
}

fn family(text: &str) -> Result<Family, String> {
    [Family::IPV4_UNICAST, Family::IPV6_UNICAST]
        .into_iter()
        .find(|family| family.to_string() == text)
        .ok_or_else(|| format!("`{text}` is not ipv4-unicast or ipv6-unicast"))
}

impl NeighborChange {
    /// Whether it makes sense, as far as can be told without a daemon.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let Self::Update { keys, .. } = self else {
            return Ok(());
        };
        let mut peer = v4::Peer::default();
        keys.say(&mut peer);
        if peer == v4::Peer::default() {
            return Err(Failure::Usage(
                "what is to change? `bgpctl neighbor update --help` shows what can".to_owned(),
            ));
        }
        Ok(())
    }
}

impl NeighborKeys {
    /// Says in the message what was said on the command line, and leaves the rest.
    fn say(&self, peer: &mut v4::Peer) {
        let conf = peer.conf.get_or_insert_default();
        set(&mut conf.peer_asn, self.peer_as);
        set(&mut conf.local_asn, self.local_as);
        set(&mut conf.peer_group, self.group.clone());
        set(&mut conf.description, self.description.clone());
        set(&mut conf.auth_password, self.password.clone());
        set(&mut conf.admin_down, self.admin_down);
        if *conf == v4::PeerConf::default() {
            peer.conf = None;
        }
        if self.passive.is_some() || self.local_address.is_some() || self.port.is_some() {
            let transport = peer.transport.get_or_insert_default();
            set(&mut transport.passive_mode, self.passive);
            let address = self.local_address.map(|address| address.to_string());
            set(&mut transport.local_address, address);
            set(&mut transport.remote_port, self.port.map(u32::from));
        }
        if let Some(hops) = self.multihop {
            let multihop = peer.ebgp_multihop.get_or_insert_default();
            (multihop.enabled, multihop.multihop_ttl) = (true, hops.into());
        }
        if let Some(seconds) = self.hold_time {
            let timers = peer.timers.get_or_insert_default();
            let timers = timers.config.get_or_insert_default();
            // A third of it, as it is by default.
            (timers.hold_time, timers.keepalive_interval) =
                (seconds.into(), u64::from(seconds) / 3);
        }
        if let Some(is_client) = self.reflector_client {
            let reflector = peer.route_reflector.get_or_insert_default();
            reflector.route_reflector_client = is_client;
        }
        if let Some(is_client) = self.server_client {
            let server = peer.route_server.get_or_insert_default();
            server.route_server_client = is_client;
        }
        self.say_families(peer);
        self.say_policies(peer);
    }

    /// Those that are there already keep what else is said of them.
    fn say_families(&self, peer: &mut v4::Peer) {
        if self.family.is_empty() {
            return;
        }
        let before = std::mem::take(&mut peer.afi_safis);
        let named = self.family.iter().map(|family| v4::Family {
            afi: i32::from(family.afi.0),
            safi: i32::from(family.safi.0),
        });
        let said = named.map(|family| {
            let is_it = |known: &&v4::AfiSafi| {
                let config = known.config.as_ref();
                config.is_some_and(|config| config.family == Some(family))
            };
            before.iter().find(is_it).cloned().unwrap_or(v4::AfiSafi {
                config: Some(v4::AfiSafiConfig {
                    family: Some(family),
                    enabled: true,
                }),
                ..v4::AfiSafi::default()
            })
        });
        peer.afi_safis = said.collect();
    }

    fn say_policies(&self, peer: &mut v4::Peer) {
        let directions = [
            (&self.import, self.default_import),
            (&self.export, self.default_export),
        ];
        for (number, (names, default)) in directions.into_iter().enumerate() {
            if names.is_empty() && default.is_none() {
                continue;
            }
            let apply = peer.apply_policy.get_or_insert_default();
            let assignment = match number {
                0 => apply.import_policy.get_or_insert_default(),
                _ => apply.export_policy.get_or_insert_default(),
            };
            if !names.is_empty() {
                let policy = |name: &String| v4::Policy {
                    name: name.clone(),
                    ..v4::Policy::default()
                };
                assignment.policies = names.iter().map(policy).collect();
            }
            if let Some(action) = default {
                assignment.default_action = v4::RouteAction::from(action).into();
            }
        }
    }
}

fn set<T>(field: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *field = said;
    }
}

pub(super) async fn command(
    change: &NeighborChange,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    match change {
        NeighborChange::Add { neighbor, keys } => {
            let mut peer = v4::Peer::default();
            keys.say(&mut peer);
            let conf = peer.conf.get_or_insert_default();
            match neighbor {
                PeerName::Interface(interface) => {
                    conf.neighbor_interface = interface.to_string();
                }
                _ => conf.neighbor_address = neighbor.to_string(),
            }
            client.add_neighbor(peer).await?;
        }
        NeighborChange::Update { neighbor, keys } => {
            let mut peer = client.neighbor(*neighbor).await?;
            keys.say(&mut peer);
            client.update_neighbor(peer).await?;
        }
        NeighborChange::Del { neighbor } => client.delete_neighbor(*neighbor).await?,
    }
    if print.json {
        return json::document(print.out, &json::Done {});
    }
    Ok(())
}
