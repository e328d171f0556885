// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon as a whole, peers and groups.

use super::{capability::capability_to_any, newer, older};
use crate::{v3, v4};

message! {
    PeerConf {
        keep: [
            auth_password, description, local_asn, neighbor_address, peer_asn, peer_group, remove_private,
            route_flap_damping, send_community, neighbor_interface, vrf, allow_own_asn, replace_peer_asn, admin_down,
            send_software_version, allow_aspath_loop_local,
        ];
        shift: [r#type];
    }
    PeerGroupConf {
        keep: [
            auth_password, description, local_asn, peer_asn, peer_group_name, remove_private, route_flap_damping,
            send_community, send_software_version,
        ];
        shift: [r#type];
        new: [allow_own_asn, replace_peer_asn, allow_aspath_loop_local];
    }
    PeerGroupState {
        keep: [
            auth_password, description, local_asn, peer_asn, peer_group_name, remove_private, route_flap_damping,
            send_community, total_paths, total_prefixes,
        ];
        shift: [r#type];
    }
    AfiSafi {
        keep: [
            mp_graceful_restart, config, state, route_selection_options, use_multiple_paths, prefix_limits,
            route_target_membership, long_lived_graceful_restart, add_paths,
        ];
        convert: [apply_policy];
    }
    Peer {
        keep: [
            ebgp_multihop, route_reflector, timers, transport, route_server, graceful_restart, ttl_security,
        ];
        convert: [apply_policy, conf, state];
        each: [afi_safis];
        new: [bfd];
    }
    PeerGroup {
        keep: [
            ebgp_multihop, route_reflector, timers, transport, route_server, graceful_restart, ttl_security,
        ];
        convert: [apply_policy, conf, info];
        each: [afi_safis];
        new: [bfd];
    }
}

impl From<v4::PeerState> for v3::PeerState {
    fn from(new: v4::PeerState) -> Self {
        Self {
            auth_password: new.auth_password,
            description: new.description,
            // Servers of version 3 say it in `conf` only.
            local_asn: 0,
            messages: new.messages,
            neighbor_address: new.neighbor_address,
            peer_asn: new.peer_asn,
            peer_group: new.peer_group,
            r#type: older(new.r#type),
            queues: new.queues,
            remove_private: new.remove_private,
            route_flap_damping: new.route_flap_damping,
            send_community: new.send_community,
            session_state: new.session_state,
            admin_state: older(new.admin_state),
            out_q: new.out_q,
            flops: new.flops,
            remote_cap: new
                .remote_cap
                .into_iter()
                .filter_map(capability_to_any)
                .collect(),
            local_cap: new
                .local_cap
                .into_iter()
                .filter_map(capability_to_any)
                .collect(),
            router_id: new.router_id,
        }
    }
}

/// A client says a peer's state only when it repeats what it was told. Capabilities are left out: nothing is done with
/// them.
impl From<v3::PeerState> for v4::PeerState {
    fn from(old: v3::PeerState) -> Self {
        Self {
            auth_password: old.auth_password,
            description: old.description,
            local_asn: old.local_asn,
            messages: old.messages,
            neighbor_address: old.neighbor_address,
            peer_asn: old.peer_asn,
            peer_group: old.peer_group,
            r#type: newer(old.r#type),
            queues: old.queues,
            remove_private: old.remove_private,
            route_flap_damping: old.route_flap_damping,
            send_community: old.send_community,
            session_state: old.session_state,
            admin_state: newer(old.admin_state),
            out_q: old.out_q,
            flops: old.flops,
            router_id: old.router_id,
            ..Self::default()
        }
    }
}

/// The policies of a route server's client before import (`in_policy`) are no more in version 4.
impl From<v3::ApplyPolicy> for v4::ApplyPolicy {
    fn from(old: v3::ApplyPolicy) -> Self {
        Self {
            export_policy: old.export_policy.map(Into::into),
            import_policy: old.import_policy.map(Into::into),
        }
    }
}

impl From<v4::ApplyPolicy> for v3::ApplyPolicy {
    fn from(new: v4::ApplyPolicy) -> Self {
        Self {
            in_policy: None,
            export_policy: new.export_policy.map(Into::into),
            import_policy: new.import_policy.map(Into::into),
        }
    }
}

/// Policies come by requests of their own in version 4.
impl From<v3::Global> for v4::Global {
    fn from(old: v3::Global) -> Self {
        Self {
            asn: old.asn,
            router_id: old.router_id,
            listen_port: old.listen_port,
            listen_addresses: old.listen_addresses,
            families: old.families,
            use_multiple_paths: old.use_multiple_paths,
            route_selection_options: old.route_selection_options,
            default_route_distance: old.default_route_distance,
            confederation: old.confederation,
            graceful_restart: old.graceful_restart,
            bind_to_device: old.bind_to_device,
        }
    }
}

impl From<v4::Global> for v3::Global {
    fn from(new: v4::Global) -> Self {
        Self {
            asn: new.asn,
            router_id: new.router_id,
            listen_port: new.listen_port,
            listen_addresses: new.listen_addresses,
            families: new.families,
            use_multiple_paths: new.use_multiple_paths,
            route_selection_options: new.route_selection_options,
            default_route_distance: new.default_route_distance,
            confederation: new.confederation,
            graceful_restart: new.graceful_restart,
            apply_policy: None,
            bind_to_device: new.bind_to_device,
        }
    }
}
