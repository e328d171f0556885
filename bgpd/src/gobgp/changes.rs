// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes of neighbours, groups, ranges and the speaker itself: edits of the running configuration, in the words of the
//! configuration file. What is refused is refused with GoBGP's words where it has some.

mod said;

use std::{net::IpAddr, sync::Arc};

use bgpd_api::v4;
use tonic::Status;

use self::said::Manner;
use super::{
    Gobgp,
    peers::shown,
    stream::{Replies, list},
};
use crate::{
    api::Control,
    config::{Edit, Kind, PeerName, Setting, Settings},
    control::ControlError,
};

impl<C: Control> Gobgp<C> {
    /// `AddPeer`.
    pub(super) async fn add_peer(&self, request: v4::AddPeerRequest) -> Result<(), Status> {
        let peer = request
            .peer
            .ok_or_else(|| Status::invalid_argument("peer is required"))?;
        let conf = peer.conf.clone().unwrap_or_default();
        let name = named(&conf.neighbor_address, &conf.neighbor_interface);
        if name.is_empty() {
            let text = "neighbor_address or neighbor_interface is required";
            return Err(Status::invalid_argument(text));
        }
        if !conf.vrf.is_empty() {
            return Err(Status::not_found(format!("VRF not found: {}", conf.vrf)));
        }
        let edit = Edit::Add(Kind::Neighbor, said::peer(&peer, Manner::New));
        let exists = format!("can't overwrite the existing peer: {name}");
        let done = self.control.edit(edit).await;
        done.map_err(|error| {
            refused(
                error,
                || format!("no such peer-group: {}", conf.peer_group),
                &exists,
            )
        })?;
        Ok(())
    }

    /// `DeletePeer`.
    pub(super) async fn delete_peer(&self, request: v4::DeletePeerRequest) -> Result<(), Status> {
        let name = named(&request.address, &request.interface);
        let missing = || format!("can't delete a peer configuration for {name}");
        let Ok(known) = name.parse::<PeerName>() else {
            return Err(Status::not_found(missing()));
        };
        let edit = Edit::Remove(Kind::Neighbor, known.to_string());
        let done = self.control.edit(edit).await;
        done.map_err(|error| refused(error, missing, ""))?;
        Ok(())
    }

    /// `UpdatePeer`. The client sends what it was listed, changed: what the API has no word for stays as it is.
    pub(super) async fn update_peer(
        &self,
        request: v4::UpdatePeerRequest,
    ) -> Result<v4::UpdatePeerResponse, Status> {
        let peer = request
            .peer
            .ok_or_else(|| Status::invalid_argument("peer is required"))?;
        let conf = peer.conf.clone().unwrap_or_default();
        let name = named(&conf.neighbor_address, &conf.neighbor_interface).to_owned();
        let mut settings = said::peer(&peer, Manner::Listed);
        if conf.auth_password.is_empty() {
            // It is not listed.
            settings.unsay("auth-password");
        }
        if let Some(address) = self.changed_local_address(&name, &peer).await? {
            settings.say("transport.local-address", address);
        }
        let done = self
            .control
            .edit(Edit::Amend(Kind::Neighbor, settings))
            .await;
        let missing = || format!("neighbor that has {name} doesn't exist");
        done.map_err(|error| refused(error, missing, ""))?;
        // Received routes go through a new policy at once.
        Ok(v4::UpdatePeerResponse {
            needs_soft_reset_in: false,
        })
    }

    /// Our address is listed as the session has it, whatever is configured: it is said only if it is another one.
    async fn changed_local_address<'p>(
        &self,
        name: &str,
        peer: &'p v4::Peer,
    ) -> Result<Option<&'p str>, Status> {
        let transport = peer.transport.as_ref();
        let said = transport.map(|transport| transport.local_address.as_str());
        let Some(said) = said.filter(|address| !address.is_empty()) else {
            return Ok(None);
        };
        let known = self.peers(name).await?;
        let is_listed = |(status, neighbor): &(_, Arc<_>)| {
            let listed = shown::transport(status, neighbor).local_address;
            let parsed = |text: &str| text.parse::<IpAddr>().ok();
            listed == said || parsed(said).is_some_and(|said| parsed(&listed) == Some(said))
        };
        Ok((known.first().is_some_and(|known| !is_listed(known))).then_some(said))
    }

    /// `AddPeerGroup`.
    pub(super) async fn add_peer_group(
        &self,
        request: v4::AddPeerGroupRequest,
    ) -> Result<(), Status> {
        let group = group(request.peer_group)?;
        let name = name_of(&group);
        let exists = format!("can't overwrite the existing peer-group: {name}");
        let edit = Edit::Add(Kind::Group, said::group(&group, Manner::New));
        let done = self.control.edit(edit).await;
        done.map_err(|error| refused(error, String::new, &exists))?;
        Ok(())
    }

    /// `DeletePeerGroup`.
    pub(super) async fn delete_peer_group(
        &self,
        request: v4::DeletePeerGroupRequest,
    ) -> Result<(), Status> {
        let name = request.name;
        let done = self
            .control
            .edit(Edit::Remove(Kind::Group, name.clone()))
            .await;
        done.map_err(|error| match error {
            ControlError::NotPossible(text) => {
                let who = text.rsplit_once(": ").map_or("", |(_, who)| who);
                let who = who.trim_end_matches(" is in it");
                let text = format!("failed to delete peer-group {name}: neighbor {who} is in use");
                Status::failed_precondition(text)
            }
            other => {
                let missing = || format!("can't delete a peer-group {name} which does not exist");
                refused(other, missing, "")
            }
        })?;
        Ok(())
    }

    /// `UpdatePeerGroup`.
    pub(super) async fn update_peer_group(
        &self,
        request: v4::UpdatePeerGroupRequest,
    ) -> Result<v4::UpdatePeerGroupResponse, Status> {
        let group = group(request.peer_group)?;
        let name = name_of(&group);
        let mut settings = said::group(&group, Manner::Listed);
        let conf = group.conf.as_ref();
        if conf.is_none_or(|conf| conf.auth_password.is_empty()) {
            // Nor are those of groups.
            settings.unsay("auth-password");
        }
        let edit = Edit::Amend(Kind::Group, settings);
        let missing = || format!("peer-group {name} doesn't exist");
        let done = self.control.edit(edit).await;
        done.map_err(|error| refused(error, missing, ""))?;
        Ok(v4::UpdatePeerGroupResponse {
            needs_soft_reset_in: false,
        })
    }

    /// `ListPeerGroup`.
    pub(super) async fn list_peer_group(
        &self,
        request: v4::ListPeerGroupRequest,
    ) -> Result<Replies<v4::ListPeerGroupResponse>, Status> {
        let wanted = request.peer_group_name;
        let groups = self.control.peer_groups().await?;
        let defaults = self.control.config().global.defaults;
        let is_wanted = |group: &&Settings| {
            wanted.is_empty() || group.text("peer-group-name") == Some(wanted.as_str())
        };
        let shown = groups.iter().filter(is_wanted);
        let shown = shown.map(|group| v4::ListPeerGroupResponse {
            peer_group: Some(shown::group(group, defaults)),
        });
        Ok(list(&self.shutdown, shown.collect()))
    }

    /// `AddDynamicNeighbor`.
    pub(super) async fn add_dynamic_neighbor(
        &self,
        request: v4::AddDynamicNeighborRequest,
    ) -> Result<(), Status> {
        let range = request
            .dynamic_neighbor
            .ok_or_else(|| Status::invalid_argument("dynamic_neighbor is required"))?;
        if range.peer_group.is_empty() {
            let text = "dynamic neighbor requires the peer group config";
            return Err(Status::invalid_argument(text));
        }
        let settings = Settings::default()
            .with("prefix", range.prefix.as_str())
            .with("peer-group", range.peer_group.as_str());
        let done = self.control.edit(Edit::Add(Kind::Range, settings)).await;
        let exists = format!("there are dynamic neighbors {} already", range.prefix);
        done.map_err(|error| refused(error, String::new, &exists))?;
        Ok(())
    }

    /// `DeleteDynamicNeighbor`.
    pub(super) async fn delete_dynamic_neighbor(
        &self,
        request: v4::DeleteDynamicNeighborRequest,
    ) -> Result<(), Status> {
        let v4::DeleteDynamicNeighborRequest { prefix, peer_group } = request;
        let missing =
            || format!("there are no dynamic neighbors {prefix} of peer-group {peer_group}");
        let config = self.control.config();
        let mut ranges = config.dynamic_neighbors.iter();
        let found = ranges.find(|range| {
            let is_of_group = range.template.group.as_deref() == Some(peer_group.as_str());
            prefix.parse() == Ok(range.prefix) && (is_of_group || peer_group.is_empty())
        });
        let Some(range) = found else {
            return Err(Status::not_found(missing()));
        };
        let edit = Edit::Remove(Kind::Range, range.prefix.to_string());
        let done = self.control.edit(edit).await;
        done.map_err(|error| refused(error, missing, ""))?;
        Ok(())
    }

    /// `ListDynamicNeighbor`.
    #[expect(clippy::unused_async, reason = "every RPC is called alike")]
    pub(super) async fn list_dynamic_neighbor(
        &self,
        request: v4::ListDynamicNeighborRequest,
    ) -> Result<Replies<v4::ListDynamicNeighborResponse>, Status> {
        let config = self.control.config();
        let ranges = config.dynamic_neighbors.iter().map(|range| {
            let peer_group = range.template.group.clone().unwrap_or_default();
            v4::DynamicNeighbor {
                prefix: range.prefix.to_string(),
                peer_group,
            }
        });
        let wanted = &request.peer_group;
        let wanted = ranges.filter(|range| wanted.is_empty() || range.peer_group == *wanted);
        let shown = wanted.map(|range| v4::ListDynamicNeighborResponse {
            dynamic_neighbor: Some(range),
        });
        Ok(list(&self.shutdown, shown.collect()))
    }

    /// `StartBgp`, with GoBGP's defaults: external neighbours take and give routes without a policy, for one.
    pub(super) async fn start_bgp(&self, request: v4::StartBgpRequest) -> Result<(), Status> {
        let global = request
            .global
            .ok_or_else(|| Status::invalid_argument("global is required"))?;
        let id = &global.router_id;
        if id.parse::<std::net::Ipv4Addr>().is_err() {
            let text = format!("invalid router-id format: {id}");
            return Err(Status::invalid_argument(text));
        }
        let mut settings = Settings::default()
            .with("as", global.asn)
            .with("router-id", id.as_str())
            .with("defaults", "gobgp");
        if global.listen_port != 0 {
            settings.say("port", global.listen_port);
        }
        let texts = |list: &[String]| {
            let items = list.iter().map(|text| Setting::from(text.as_str()));
            Setting::List(items.collect())
        };
        if !global.listen_addresses.is_empty() {
            settings.say("local-address-list", texts(&global.listen_addresses));
        }
        if !global.bind_to_device.is_empty() {
            settings.say("bind-to-device", global.bind_to_device);
        }
        settings.say("use-multiple-paths.enabled", global.use_multiple_paths);
        if let Some(options) = global.route_selection_options {
            for (key, flag) in [
                ("always-compare-med", options.always_compare_med),
                ("ignore-as-path-length", options.ignore_as_path_length),
                (
                    "external-compare-router-id",
                    options.external_compare_router_id,
                ),
                (
                    "ignore-next-hop-igp-metric",
                    options.ignore_next_hop_igp_metric,
                ),
            ] {
                settings.say(format!("route-selection-options.{key}"), flag);
            }
        }
        if let Some(confederation) = global.confederation.filter(|all| all.enabled) {
            let members = confederation.member_as_list.iter();
            let members = members.map(|member| Setting::from(*member)).collect();
            settings.say("confederation.enabled", true);
            settings.say("confederation.identifier", confederation.identifier);
            settings.say("confederation.member-as-list", Setting::List(members));
        }
        self.control.edit(Edit::Begin(settings)).await?;
        Ok(())
    }

    /// `StopBgp`.
    pub(super) async fn stop_bgp(&self, _: v4::StopBgpRequest) -> Result<(), Status> {
        self.control.edit(Edit::End).await?;
        Ok(())
    }

    /// `GetBgp`: nothing is filled in before the start.
    #[expect(clippy::unused_async, reason = "every RPC is called alike")]
    pub(super) async fn get_bgp(&self, _: v4::GetBgpRequest) -> Result<v4::GetBgpResponse, Status> {
        let config = self.control.config();
        let global = &config.global;
        if !global.is_given() {
            return Ok(v4::GetBgpResponse {
                global: Some(v4::Global::default()),
            });
        }
        let addresses = global.listen_addresses.iter();
        let shown = v4::Global {
            asn: global.asn.0,
            router_id: global.router_id().to_string(),
            listen_port: global.listen_port.map_or(-1, i32::from),
            listen_addresses: addresses.map(ToString::to_string).collect(),
            use_multiple_paths: global.selection.max_paths > 1,
            bind_to_device: global.bind_device.clone().unwrap_or_default(),
            ..v4::Global::default()
        };
        Ok(v4::GetBgpResponse {
            global: Some(shown),
        })
    }
}

/// The address of one neighbour, in whichever field it is.
fn named<'r>(address: &'r str, interface: &'r str) -> &'r str {
    if address.is_empty() {
        interface
    } else {
        address
    }
}

/// An error with GoBGP's words for what is not there, and for what is there already.
fn refused(error: ControlError, missing: impl FnOnce() -> String, exists: &str) -> Status {
    match error {
        ControlError::NotFound(_) => Status::not_found(missing()),
        ControlError::Exists(_) => Status::already_exists(exists),
        ControlError::Invalid(text) => match text.split_once("there is no peer group ") {
            Some((_, rest)) => {
                let name = rest.split('"').nth(1).unwrap_or_default();
                Status::not_found(format!("no such peer-group: {name}"))
            }
            None => Status::invalid_argument(text),
        },
        other => other.into(),
    }
}

fn group(group: Option<v4::PeerGroup>) -> Result<v4::PeerGroup, Status> {
    let group = group.filter(|group| !name_of(group).is_empty());
    group.ok_or_else(|| Status::invalid_argument("peer_group and its peer_group_name are required"))
}

fn name_of(group: &v4::PeerGroup) -> String {
    let conf = group.conf.as_ref();
    conf.map(|conf| conf.peer_group_name.clone())
        .unwrap_or_default()
}
