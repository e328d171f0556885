// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client of GoBGP's API says of a neighbour or a group, in the words of the configuration file: they are the same.

use bgp_proto::{Afi, Family, Safi};
use bgpd_api::v4;

use crate::config::{Setting, Settings};

/// How much of a message counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Manner {
    /// It describes something new: a value that is zero, false or empty is not said.
    New,
    /// It was listed and changed: all of it is said.
    Listed,
}

/// Collects what is said.
struct Said {
    manner: Manner,
    settings: Settings,
}

impl Said {
    fn text(&mut self, key: &str, text: &str) {
        if self.manner == Manner::Listed || !text.is_empty() {
            self.settings.say(key, text);
        }
    }

    /// For a key that has no value that stands for none.
    fn text_if_any(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.settings.say(key, text);
        }
    }

    fn number(&mut self, key: &str, number: impl Into<i64>) {
        let number = number.into();
        if self.manner == Manner::Listed || number != 0 {
            self.settings.say(key, number);
        }
    }

    fn number_if_any(&mut self, key: &str, number: impl Into<i64>) {
        let number = number.into();
        if number != 0 {
            self.settings.say(key, number);
        }
    }

    fn flag(&mut self, key: &str, flag: bool) {
        if self.manner == Manner::Listed || flag {
            self.settings.say(key, flag);
        }
    }

    /// Seconds; more than there can be is refused where they are read.
    fn seconds(&mut self, key: &str, seconds: u64) {
        self.number_if_any(key, i64::try_from(seconds).unwrap_or(i64::MAX));
    }
}

/// What neighbours and groups have in common.
struct Common<'p> {
    apply_policy: Option<&'p v4::ApplyPolicy>,
    ebgp_multihop: Option<&'p v4::EbgpMultihop>,
    route_reflector: Option<&'p v4::RouteReflector>,
    timers: Option<&'p v4::Timers>,
    transport: Option<&'p v4::Transport>,
    route_server: Option<&'p v4::RouteServer>,
    graceful_restart: Option<&'p v4::GracefulRestart>,
    afi_safis: &'p [v4::AfiSafi],
    ttl_security: Option<&'p v4::TtlSecurity>,
}

/// A neighbour.
pub(super) fn peer(peer: &v4::Peer, manner: Manner) -> Settings {
    let mut said = Said {
        manner,
        settings: Settings::default(),
    };
    let usual = v4::PeerConf::default();
    let conf = peer.conf.as_ref().unwrap_or(&usual);
    // An interface says where the neighbour is looked for; the address that a client found there is in `state`.
    if conf.neighbor_interface.is_empty() {
        said.text_if_any("neighbor-address", &conf.neighbor_address);
    } else {
        said.text_if_any("neighbor-interface", &conf.neighbor_interface);
    }
    said.number_if_any("peer-as", conf.peer_asn);
    said.number_if_any("local-as", conf.local_asn);
    said.text("peer-group", &conf.peer_group);
    said.text("description", &conf.description);
    said.text("auth-password", &conf.auth_password);
    said.text_if_any("vrf", &conf.vrf);
    said.flag("admin-down", conf.admin_down);
    said.number("as-path-options.allow-own-as", conf.allow_own_asn);
    said.flag("as-path-options.replace-peer-as", conf.replace_peer_asn);
    remove_private(&mut said, conf.remove_private);
    common(
        &mut said,
        &Common {
            apply_policy: peer.apply_policy.as_ref(),
            ebgp_multihop: peer.ebgp_multihop.as_ref(),
            route_reflector: peer.route_reflector.as_ref(),
            timers: peer.timers.as_ref(),
            transport: peer.transport.as_ref(),
            route_server: peer.route_server.as_ref(),
            graceful_restart: peer.graceful_restart.as_ref(),
            afi_safis: &peer.afi_safis,
            ttl_security: peer.ttl_security.as_ref(),
        },
    );
    bfd(&mut said, peer.bfd.as_ref());
    said.settings
}

/// A group.
pub(super) fn group(group: &v4::PeerGroup, manner: Manner) -> Settings {
    let mut said = Said {
        manner,
        settings: Settings::default(),
    };
    let usual = v4::PeerGroupConf::default();
    let conf = group.conf.as_ref().unwrap_or(&usual);
    said.text_if_any("peer-group-name", &conf.peer_group_name);
    said.number_if_any("peer-as", conf.peer_asn);
    said.number_if_any("local-as", conf.local_asn);
    said.text("description", &conf.description);
    said.text("auth-password", &conf.auth_password);
    said.number("as-path-options.allow-own-as", conf.allow_own_asn);
    said.flag("as-path-options.replace-peer-as", conf.replace_peer_asn);
    remove_private(&mut said, conf.remove_private);
    common(
        &mut said,
        &Common {
            apply_policy: group.apply_policy.as_ref(),
            ebgp_multihop: group.ebgp_multihop.as_ref(),
            route_reflector: group.route_reflector.as_ref(),
            timers: group.timers.as_ref(),
            transport: group.transport.as_ref(),
            route_server: group.route_server.as_ref(),
            graceful_restart: group.graceful_restart.as_ref(),
            afi_safis: &group.afi_safis,
            ttl_security: group.ttl_security.as_ref(),
        },
    );
    bfd(&mut said, group.bfd.as_ref());
    said.settings
}

fn remove_private(said: &mut Said, number: i32) {
    match v4::RemovePrivate::try_from(number) {
        Ok(v4::RemovePrivate::All) => said.settings.say("remove-private-as", "all"),
        Ok(v4::RemovePrivate::Replace) => said.settings.say("remove-private-as", "replace"),
        _ if said.manner == Manner::Listed => said.settings.say("remove-private-as", "none"),
        _ => {}
    }
}

fn common(said: &mut Said, of: &Common<'_>) {
    if let Some(policy) = of.apply_policy {
        apply_policy(said, policy);
    }
    if let Some(multihop) = of.ebgp_multihop {
        said.flag("ebgp-multihop.enabled", multihop.enabled);
        said.number_if_any("ebgp-multihop.multihop-ttl", multihop.multihop_ttl);
    }
    if let Some(reflector) = of.route_reflector {
        let is_client = reflector.route_reflector_client;
        said.flag("route-reflector.route-reflector-client", is_client);
        let cluster = &reflector.route_reflector_cluster_id;
        if is_client {
            said.text_if_any("route-reflector.route-reflector-cluster-id", cluster);
        }
    }
    if let Some(server) = of.route_server {
        let is_client = server.route_server_client;
        said.flag("route-server.route-server-client", is_client);
    }
    if let Some(timers) = of.timers.and_then(|timers| timers.config.as_ref()) {
        said.seconds("timers.connect-retry", timers.connect_retry);
        said.seconds("timers.hold-time", timers.hold_time);
        // A third of the hold time is what is listed if nothing is configured.
        if said.manner == Manner::Listed && timers.keepalive_interval == timers.hold_time / 3 {
            said.settings.say("timers.keepalive-interval", 0_u8);
        } else {
            said.seconds("timers.keepalive-interval", timers.keepalive_interval);
        }
        let idle = timers.idle_hold_time_after_reset;
        said.seconds("timers.idle-hold-time-after-reset", idle);
    }
    if let Some(transport) = of.transport {
        transported(said, transport);
    }
    if let Some(restart) = of.graceful_restart {
        said.flag("graceful-restart.enabled", restart.enabled);
        if restart.enabled {
            said.number_if_any("graceful-restart.restart-time", restart.restart_time);
        }
    }
    if let Some(security) = of.ttl_security {
        said.flag("ttl-security.enabled", security.enabled);
        said.number_if_any("ttl-security.ttl-min", security.ttl_min);
    }
    if !of.afi_safis.is_empty() {
        let families = of
            .afi_safis
            .iter()
            .map(|family| afi_safi(family, said.manner));
        let families = families.collect();
        said.settings.say("afi-safis", Setting::Tables(families));
    }
}

/// What is listed has the session's address, when it is up: whether that is one to be configured is not seen here.
fn transported(said: &mut Said, transport: &v4::Transport) {
    said.flag("transport.passive-mode", transport.passive_mode);
    said.text_if_any("transport.bind-interface", &transport.bind_interface);
    if said.manner == Manner::New {
        said.text_if_any("transport.local-address", &transport.local_address);
    }
    said.number_if_any("transport.remote-port", transport.remote_port);
    said.number_if_any("transport.local-port", transport.local_port);
}

fn apply_policy(said: &mut Said, policy: &v4::ApplyPolicy) {
    let directions = [
        ("import", &policy.import_policy),
        ("export", &policy.export_policy),
    ];
    for (direction, assignment) in directions {
        let Some(assignment) = assignment else {
            continue;
        };
        let names = assignment.policies.iter();
        let names: Vec<Setting> = names.map(|policy| policy.name.as_str().into()).collect();
        if said.manner == Manner::Listed || !names.is_empty() {
            let key = format!("apply-policy.{direction}-policy-list");
            said.settings.say(key, Setting::List(names));
        }
        let default = match v4::RouteAction::try_from(assignment.default_action) {
            Ok(v4::RouteAction::Accept) => "accept-route",
            Ok(v4::RouteAction::Reject) => "reject-route",
            _ => continue,
        };
        let key = format!("apply-policy.default-{direction}-policy");
        said.settings.say(key, default);
    }
}

/// A family in a list is on: older clients do not say so.
fn afi_safi(family: &v4::AfiSafi, manner: Manner) -> Settings {
    let mut said = Said {
        manner,
        settings: Settings::default(),
    };
    let config = family.config.as_ref();
    let which = config.and_then(|config| config.family.as_ref());
    said.settings.say("afi-safi-name", name(which));
    if let Some(limit) = &family.prefix_limits {
        said.number_if_any("prefix-limit.max-prefixes", limit.max_prefixes);
        let percent = limit.shutdown_threshold_pct;
        said.number_if_any("prefix-limit.shutdown-threshold-pct", percent);
    }
    if let Some(paths) = family.add_paths.as_ref().and_then(|paths| paths.config) {
        said.flag("add-paths.receive", paths.receive);
        // So many are listed where all are sent.
        if manner == Manner::New || paths.send_max != u32::from(u8::MAX) {
            said.number("add-paths.send-max", paths.send_max);
        }
    }
    let long = family.long_lived_graceful_restart.as_ref();
    if let Some(long) = long.and_then(|long| long.config) {
        said.flag("long-lived-graceful-restart.enabled", long.enabled);
        let time = long.restart_time;
        said.number_if_any("long-lived-graceful-restart.restart-time", time);
    }
    if let Some(policy) = &family.apply_policy
        && manner == Manner::New
    {
        apply_policy(&mut said, policy);
    }
    said.settings
}

/// A family's name in the configuration; numbers for one that has none.
fn name(family: Option<&v4::Family>) -> String {
    let family = family.copied().unwrap_or_default();
    let number = |number: i32| u16::try_from(number).unwrap_or_default();
    let safi = u8::try_from(family.safi).unwrap_or_default();
    let read = Family {
        afi: Afi(number(family.afi)),
        safi: Safi(safi),
    };
    read.to_string()
}

fn bfd(said: &mut Said, bfd: Option<&v4::BfdPeerConfig>) {
    let Some(bfd) = bfd else { return };
    said.flag("bfd.enabled", bfd.enabled);
    if bfd.enabled {
        let milliseconds = |microseconds: u32| microseconds / 1000;
        let transmit = milliseconds(bfd.desired_minimum_tx_interval);
        said.number_if_any("bfd.desired-minimum-tx-interval", transmit);
        let receive = milliseconds(bfd.required_minimum_receive);
        said.number_if_any("bfd.required-minimum-receive", receive);
        let multiplier = bfd.detection_multiplier;
        said.number_if_any("bfd.detection-multiplier", multiplier);
    }
}
