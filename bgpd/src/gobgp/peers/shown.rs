// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours and groups as GoBGP's API has them. Every message that its client looks into is always there.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bgp_proto::{Asn, Family};
use bgpd_api::v4;
use prost_types::Timestamp;
use rib::PathsSent;

use super::super::{capabilities, family_message};
use crate::{
    config::{
        self, FamilyConfig, LocalAddress, Neighbor, PeerPolicy, PolicyOrigin, Setting, Settings,
    },
    control::{FamilyStatus, MessageCounts, PeerStatus, SessionState},
};

/// A neighbour as it is configured and as it is. `advertised`: how many routes it is told is asked for.
pub(in super::super) fn peer(
    status: &PeerStatus,
    neighbor: &Neighbor,
    advertised: bool,
) -> v4::Peer {
    let families = neighbor.families.iter();
    let families = families.map(|configured| {
        let now = status.families.iter();
        let now = now.clone().find(|now| now.family == configured.family);
        afi_safi(configured, now, advertised)
    });
    v4::Peer {
        apply_policy: Some(apply_policy(neighbor)),
        conf: Some(conf(neighbor)),
        ebgp_multihop: Some(v4::EbgpMultihop {
            enabled: neighbor.multihop.is_some(),
            multihop_ttl: neighbor.multihop.unwrap_or(0).into(),
        }),
        route_reflector: Some(v4::RouteReflector {
            route_reflector_client: neighbor.route_reflector_client,
            ..v4::RouteReflector::default()
        }),
        state: Some(state(status, neighbor)),
        timers: Some(timers(status, neighbor)),
        transport: Some(transport(status, neighbor)),
        route_server: Some(v4::RouteServer {
            route_server_client: neighbor.terms.route_server_client,
            secondary_route: false,
        }),
        graceful_restart: Some(graceful_restart(neighbor)),
        afi_safis: families.collect(),
        ttl_security: Some(v4::TtlSecurity {
            enabled: neighbor.ttl_security.is_some(),
            ttl_min: neighbor.ttl_security.unwrap_or(0).into(),
        }),
        bfd: Some(bfd(neighbor)),
    }
}

fn conf(neighbor: &Neighbor) -> v4::PeerConf {
    let interface = neighbor.name.interface();
    let is_unnumbered = matches!(neighbor.name, config::PeerName::Interface(_));
    v4::PeerConf {
        description: neighbor.description.clone().unwrap_or_default(),
        local_asn: neighbor.local_as.0,
        neighbor_address: if is_unnumbered {
            String::new()
        } else {
            neighbor.name.to_string()
        },
        neighbor_interface: interface
            .filter(|_| is_unnumbered)
            .map(|interface| interface.to_string())
            .unwrap_or_default(),
        peer_asn: neighbor.peer_as.0,
        peer_group: neighbor.group.clone().unwrap_or_default(),
        r#type: peer_type(neighbor.peer_as, neighbor.local_as),
        remove_private: remove_private(neighbor),
        allow_own_asn: neighbor.allow_own_as.into(),
        replace_peer_asn: neighbor.terms.replace_peer_as,
        admin_down: neighbor.admin_down,
        // Passwords are not told: a client that sends back what was listed leaves it as it is.
        ..v4::PeerConf::default()
    }
}

fn peer_type(peer_as: Asn, local_as: Asn) -> i32 {
    let kind = if peer_as == local_as {
        v4::PeerType::Internal
    } else {
        v4::PeerType::External
    };
    kind.into()
}

fn remove_private(neighbor: &Neighbor) -> i32 {
    let kind = match neighbor.terms.private_as {
        None => v4::RemovePrivate::Unspecified,
        Some(rib::PrivateAs::Remove) => v4::RemovePrivate::All,
        Some(rib::PrivateAs::Replace) => v4::RemovePrivate::Replace,
    };
    kind.into()
}

fn state(status: &PeerStatus, neighbor: &Neighbor) -> v4::PeerState {
    let is_full = status.last_error.as_ref().and_then(|error| error.code) == Some((6, 1));
    let admin = if !status.admin_down {
        v4::peer_state::AdminState::Up
    } else if is_full {
        v4::peer_state::AdminState::PfxCt
    } else {
        v4::peer_state::AdminState::Down
    };
    let address = neighbor.address;
    v4::PeerState {
        local_asn: status.local_as.0,
        messages: Some(v4::Messages {
            received: Some(messages(&status.received, status.treated_as_withdraw)),
            sent: Some(messages(&status.sent, 0)),
        }),
        neighbor_address: if neighbor.is_awaited() {
            String::new()
        } else {
            address.to_string()
        },
        peer_asn: status.peer_as.0,
        peer_group: neighbor.group.clone().unwrap_or_default(),
        r#type: peer_type(status.peer_as, status.local_as),
        queues: Some(v4::Queues::default()),
        session_state: session_state(status.state).into(),
        admin_state: admin.into(),
        out_q: u32::try_from(status.queued).unwrap_or(u32::MAX),
        flops: u32::try_from(flops(status)).unwrap_or(u32::MAX),
        router_id: status
            .router_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        remote_cap: status
            .remote_capabilities
            .iter()
            .map(capabilities::to_message)
            .collect(),
        local_cap: status
            .local_capabilities
            .iter()
            .map(capabilities::to_message)
            .collect(),
        disconnect_message: status
            .last_error
            .as_ref()
            .filter(|_| status.state != SessionState::Established)
            .map(|error| error.text.clone())
            .unwrap_or_default(),
        bfd_state: Some(v4::BfdPeerState {
            bfd_async: Some(v4::BfdAsyncCounters::default()),
            ..v4::BfdPeerState::default()
        }),
        ..v4::PeerState::default()
    }
}

pub(in super::super) fn session_state(state: SessionState) -> v4::peer_state::SessionState {
    match state {
        SessionState::Idle => v4::peer_state::SessionState::Idle,
        SessionState::Connect => v4::peer_state::SessionState::Connect,
        SessionState::Active => v4::peer_state::SessionState::Active,
        SessionState::OpenSent => v4::peer_state::SessionState::Opensent,
        SessionState::OpenConfirm => v4::peer_state::SessionState::Openconfirm,
        SessionState::Established => v4::peer_state::SessionState::Established,
    }
}

/// How often the session has gone down.
fn flops(status: &PeerStatus) -> u64 {
    let is_up = status.state == SessionState::Established;
    status.established_count.saturating_sub(u64::from(is_up))
}

fn messages(counts: &MessageCounts, withdrawn: u64) -> v4::Message {
    let MessageCounts {
        open,
        update,
        notification,
        keepalive,
        route_refresh,
        bytes: _,
    } = *counts;
    v4::Message {
        notification,
        update,
        open,
        keepalive,
        refresh: route_refresh,
        discarded: 0,
        total: notification + update + open + keepalive + route_refresh,
        withdraw_update: withdrawn,
        withdraw_prefix: 0,
    }
}

fn timers(status: &PeerStatus, neighbor: &Neighbor) -> v4::Timers {
    let is_up = status.state == SessionState::Established;
    let hold = neighbor.hold_time;
    let keepalive = neighbor.keepalive.unwrap_or(hold / 3);
    let since = status.since.map(ago);
    v4::Timers {
        config: Some(v4::TimersConfig {
            connect_retry: neighbor.connect_retry.into(),
            hold_time: hold.into(),
            keepalive_interval: keepalive.into(),
            minimum_advertisement_interval: 0,
            idle_hold_time_after_reset: neighbor.idle_hold.into(),
        }),
        state: Some(v4::TimersState {
            keepalive_interval: if is_up { status.keepalive.into() } else { 0 },
            negotiated_hold_time: if is_up { status.hold_time.into() } else { 0 },
            // The client counts from the second while it is down, if it was ever up.
            uptime: since,
            downtime: since.filter(|_| !is_up),
            ..v4::TimersState::default()
        }),
    }
}

/// A time in the past.
fn ago(age: Duration) -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let then = now.unwrap_or_default().saturating_sub(age);
    Timestamp {
        seconds: i64::try_from(then.as_secs()).unwrap_or(i64::MAX),
        nanos: 0,
    }
}

/// Our end of its session.
pub(in crate::gobgp) fn transport(status: &PeerStatus, neighbor: &Neighbor) -> v4::Transport {
    let configured = match &neighbor.local_address {
        Some(LocalAddress::Address(address)) => Some(*address),
        Some(LocalAddress::Interface(_)) | None => None,
    };
    // Until there is a connection, GoBGP tells where it would listen.
    let any = if neighbor.address.is_ipv6() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    } else {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    };
    let local = status.local_address.or(configured).unwrap_or(any);
    v4::Transport {
        local_address: local.to_string(),
        passive_mode: neighbor.passive,
        // Only one that is not the usual.
        remote_port: match neighbor.remote_port {
            BGP_PORT => 0,
            port => port.into(),
        },
        bind_interface: neighbor.bind_interface.clone().unwrap_or_default(),
        ..v4::Transport::default()
    }
}

const BGP_PORT: u16 = 179;

fn graceful_restart(neighbor: &Neighbor) -> v4::GracefulRestart {
    let restart = neighbor.graceful_restart;
    let longest = |family: &FamilyConfig| family.long_lived.is_some();
    v4::GracefulRestart {
        enabled: restart.enabled,
        restart_time: if restart.enabled {
            restart.restart_time.into()
        } else {
            0
        },
        longlived_enabled: restart.enabled && neighbor.families.iter().any(longest),
        ..v4::GracefulRestart::default()
    }
}

fn apply_policy(neighbor: &Neighbor) -> v4::ApplyPolicy {
    let import = assignment(&neighbor.import, v4::PolicyDirection::Import);
    let export = assignment(&neighbor.export, v4::PolicyDirection::Export);
    v4::ApplyPolicy {
        export_policy: Some(export),
        import_policy: Some(import),
    }
}

fn assignment(policy: &PeerPolicy, direction: v4::PolicyDirection) -> v4::PolicyAssignment {
    let default = match (policy.origin, policy.accept) {
        (PolicyOrigin::Explicit, true) => v4::RouteAction::Accept,
        (PolicyOrigin::Explicit, false) => v4::RouteAction::Reject,
        _ => v4::RouteAction::Unspecified,
    };
    let names = policy.policies.iter();
    let policies = names.map(|name| v4::Policy {
        name: name.clone(),
        ..v4::Policy::default()
    });
    v4::PolicyAssignment {
        direction: direction.into(),
        policies: policies.collect(),
        default_action: default.into(),
        ..v4::PolicyAssignment::default()
    }
}

fn afi_safi(
    configured: &FamilyConfig,
    now: Option<&FamilyStatus>,
    advertised: bool,
) -> v4::AfiSafi {
    let of = family_message(configured.family);
    let send_max = match configured.add_path_send {
        Some(PathsSent::Best(most) | PathsSent::Ecmp(most)) => u32::from(most.get()),
        Some(_) => u32::from(u8::MAX),
        None => 0,
    };
    let paths = v4::AddPathsConfig {
        receive: configured.add_path_receive,
        send_max,
    };
    let agreed = now.map(|now| now.add_path).unwrap_or_default();
    let mut shown = empty_family(of);
    shown.state = Some(v4::AfiSafiState {
        family: Some(of),
        enabled: true,
        received: now.map_or(0, |now| now.received),
        accepted: now.map_or(0, |now| now.accepted),
        advertised: now.filter(|_| advertised).map_or(0, |now| now.advertised),
    });
    shown.mp_graceful_restart = Some(v4::MpGracefulRestart {
        config: Some(v4::MpGracefulRestartConfig::default()),
        state: Some(v4::MpGracefulRestartState {
            end_of_rib_received: now.is_some_and(|now| now.end_of_rib),
            ..v4::MpGracefulRestartState::default()
        }),
    });
    shown.prefix_limits = configured.max_prefixes.map(|most| v4::PrefixLimit {
        family: Some(of),
        max_prefixes: most,
        shutdown_threshold_pct: configured.threshold.unwrap_or(0).into(),
    });
    shown.long_lived_graceful_restart = Some(v4::LongLivedGracefulRestart {
        config: Some(v4::LongLivedGracefulRestartConfig {
            enabled: configured.long_lived.is_some(),
            restart_time: configured.long_lived.unwrap_or(0),
        }),
        state: None,
    });
    shown.add_paths = Some(v4::AddPaths {
        config: Some(paths),
        state: (agreed.receive || agreed.send).then_some(v4::AddPathsState {
            receive: agreed.receive,
            send_max: if agreed.send { send_max } else { 0 },
        }),
    });
    shown
}

/// A family with all that belongs to one, and nothing in it.
fn empty_family(of: v4::Family) -> v4::AfiSafi {
    let nothing = |direction: v4::PolicyDirection| v4::PolicyAssignment {
        direction: direction.into(),
        ..v4::PolicyAssignment::default()
    };
    v4::AfiSafi {
        mp_graceful_restart: Some(v4::MpGracefulRestart {
            config: Some(v4::MpGracefulRestartConfig::default()),
            state: Some(v4::MpGracefulRestartState::default()),
        }),
        config: Some(v4::AfiSafiConfig {
            family: Some(of),
            enabled: true,
        }),
        state: Some(v4::AfiSafiState {
            family: Some(of),
            ..v4::AfiSafiState::default()
        }),
        apply_policy: Some(v4::ApplyPolicy {
            export_policy: Some(nothing(v4::PolicyDirection::Export)),
            import_policy: Some(nothing(v4::PolicyDirection::Import)),
        }),
        route_selection_options: Some(v4::RouteSelectionOptions {
            config: Some(v4::RouteSelectionOptionsConfig::default()),
            state: None,
        }),
        use_multiple_paths: Some(v4::UseMultiplePaths {
            config: Some(v4::UseMultiplePathsConfig::default()),
            state: None,
            ebgp: Some(v4::Ebgp {
                config: Some(v4::EbgpConfig::default()),
                state: None,
            }),
            ibgp: Some(v4::Ibgp {
                config: Some(v4::IbgpConfig::default()),
                state: None,
            }),
        }),
        prefix_limits: None,
        route_target_membership: Some(v4::RouteTargetMembership {
            config: Some(v4::RouteTargetMembershipConfig::default()),
            state: None,
        }),
        long_lived_graceful_restart: Some(v4::LongLivedGracefulRestart {
            config: Some(v4::LongLivedGracefulRestartConfig::default()),
            state: None,
        }),
        add_paths: Some(v4::AddPaths {
            config: Some(v4::AddPathsConfig::default()),
            state: None,
        }),
    }
}

fn bfd(neighbor: &Neighbor) -> v4::BfdPeerConfig {
    let bfd = &neighbor.bfd;
    let microseconds = |milliseconds: u32| milliseconds.saturating_mul(1000);
    v4::BfdPeerConfig {
        enabled: bfd.enabled,
        port: 3784,
        desired_minimum_tx_interval: microseconds(bfd.min_transmit),
        required_minimum_receive: microseconds(bfd.min_receive),
        detection_multiplier: bfd.multiplier.into(),
    }
}

/// A group, as it was said, and with whose defaults.
pub(in super::super) fn group(said: &Settings, defaults: config::Defaults) -> v4::PeerGroup {
    let restarts = match said.get("graceful-restart.enabled") {
        Some(Setting::Flag(restarts)) => *restarts,
        _ => defaults == config::Defaults::Bgpd,
    };
    let text = |key: &str| said.text(key).unwrap_or_default().to_owned();
    let number = |key: &str| {
        let number = said.number(key).unwrap_or(0);
        u32::try_from(number).unwrap_or(0)
    };
    let seconds = |key: &str| u64::from(number(key));
    let remove_private = match said.text("remove-private-as") {
        Some("all") => v4::RemovePrivate::All,
        Some("replace") => v4::RemovePrivate::Replace,
        _ => v4::RemovePrivate::Unspecified,
    };
    let conf = v4::PeerGroupConf {
        description: text("description"),
        local_asn: number("local-as"),
        peer_asn: number("peer-as"),
        peer_group_name: text("peer-group-name"),
        remove_private: remove_private.into(),
        allow_own_asn: number("as-path-options.allow-own-as"),
        replace_peer_asn: said.flag("as-path-options.replace-peer-as"),
        ..v4::PeerGroupConf::default()
    };
    let families = said.tables("afi-safis").iter();
    let families = families.filter_map(|table| {
        let read: Family = table.text("afi-safi-name")?.parse().ok()?;
        Some(empty_family(family_message(read)))
    });
    v4::PeerGroup {
        apply_policy: Some(v4::ApplyPolicy {
            export_policy: Some(assigned(said, "export", v4::PolicyDirection::Export)),
            import_policy: Some(assigned(said, "import", v4::PolicyDirection::Import)),
        }),
        ebgp_multihop: Some(v4::EbgpMultihop {
            enabled: said.flag("ebgp-multihop.enabled"),
            multihop_ttl: number("ebgp-multihop.multihop-ttl"),
        }),
        route_reflector: Some(v4::RouteReflector {
            route_reflector_client: said.flag("route-reflector.route-reflector-client"),
            route_reflector_cluster_id: text("route-reflector.route-reflector-cluster-id"),
        }),
        info: Some(v4::PeerGroupState {
            description: conf.description.clone(),
            local_asn: conf.local_asn,
            peer_asn: conf.peer_asn,
            peer_group_name: conf.peer_group_name.clone(),
            remove_private: conf.remove_private,
            ..v4::PeerGroupState::default()
        }),
        conf: Some(conf),
        timers: Some(v4::Timers {
            config: Some(v4::TimersConfig {
                connect_retry: seconds("timers.connect-retry"),
                hold_time: seconds("timers.hold-time"),
                keepalive_interval: seconds("timers.keepalive-interval"),
                minimum_advertisement_interval: 0,
                idle_hold_time_after_reset: seconds("timers.idle-hold-time-after-reset"),
            }),
            state: Some(v4::TimersState::default()),
        }),
        transport: Some(v4::Transport {
            local_address: text("transport.local-address"),
            passive_mode: said.flag("transport.passive-mode"),
            remote_port: number("transport.remote-port"),
            bind_interface: text("transport.bind-interface"),
            ..v4::Transport::default()
        }),
        route_server: Some(v4::RouteServer {
            route_server_client: said.flag("route-server.route-server-client"),
            secondary_route: false,
        }),
        graceful_restart: Some(v4::GracefulRestart {
            enabled: restarts,
            restart_time: number("graceful-restart.restart-time"),
            ..v4::GracefulRestart::default()
        }),
        afi_safis: families.collect(),
        ttl_security: Some(v4::TtlSecurity {
            enabled: said.flag("ttl-security.enabled"),
            ttl_min: number("ttl-security.ttl-min"),
        }),
        bfd: Some(v4::BfdPeerConfig {
            enabled: said.flag("bfd.enabled"),
            ..v4::BfdPeerConfig::default()
        }),
    }
}

fn assigned(said: &Settings, way: &str, direction: v4::PolicyDirection) -> v4::PolicyAssignment {
    let names = match said.get(&format!("apply-policy.{way}-policy-list")) {
        Some(Setting::List(names)) => names.as_slice(),
        _ => &[],
    };
    let policies = names.iter().filter_map(|name| match name {
        Setting::Text(name) => Some(v4::Policy {
            name: name.clone(),
            ..v4::Policy::default()
        }),
        _ => None,
    });
    let default = match said.text(&format!("apply-policy.default-{way}-policy")) {
        Some("accept-route") => v4::RouteAction::Accept,
        Some("reject-route") => v4::RouteAction::Reject,
        _ => v4::RouteAction::Unspecified,
    };
    v4::PolicyAssignment {
        direction: direction.into(),
        policies: policies.collect(),
        default_action: default.into(),
        ..v4::PolicyAssignment::default()
    }
}
