// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the fake daemon knows.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU8,
    sync::Arc,
    time::Duration,
};

use bgp_proto::{
    AsPath, Asn, Capability, Community, Family, LargeCommunity, Origin, PathAttributes, Prefix,
    RouterId,
};
use bgpd::control::{
    AddPathStatus, BfdStatus, Effect, Example, FamilyStatus, FibRoute, FibState, Forecast,
    LastError, MessageCounts, NextHopStatus, PeerForecast, PeerStatus, Plan, PlannedChange, Route,
    RouteSource, SessionState, Tally, Way,
};

/// An address, or a neighbour that is called by it.
pub(crate) fn ip<T: From<IpAddr>>(text: &str) -> T {
    let address: IpAddr = text.parse().expect("an address");
    address.into()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

pub(crate) fn id(text: &str) -> RouterId {
    RouterId::new(text.parse().expect("an address")).expect("not zero")
}

/// A Loc-RIB route of which there may be any number.
pub(crate) fn numbered(number: usize) -> Route {
    let network =
        Ipv4Addr::from(0x0A00_0000 + u32::try_from(number % (1 << 16)).expect("small") * 256);
    Route {
        prefix: prefix(&format!("{network}/24")),
        ..routes().swap_remove(0)
    }
}

fn path(asns: &[u32], next_hop: &str) -> PathAttributes {
    let as_path = AsPath::from_sequence(asns.iter().copied().map(Asn));
    PathAttributes::new(Origin::Igp, as_path, ip(next_hop))
}

fn route(network: &str, source: RouteSource, attributes: PathAttributes, target: &str) -> Route {
    Route {
        prefix: prefix(network),
        path_id: 0,
        source,
        attributes: Arc::new(attributes),
        target: target.to_owned(),
        best: true,
        multipath: false,
        unusable: None,
        stale: false,
        lost_at: None,
        age: Duration::from_secs(62),
    }
}

pub(crate) fn routes() -> Vec<Route> {
    let (one, two) = (
        RouteSource::Bgp(ip("192.0.2.1")),
        RouteSource::Bgp(ip("192.0.2.2")),
    );
    let rich = PathAttributes {
        med: Some(50),
        local_pref: Some(200),
        communities: vec![Community(0xfc00_0064), Community::NO_EXPORT],
        large_communities: vec![LargeCommunity {
            global: 64512,
            local_1: 1,
            local_2: 2,
        }],
        originator_id: Some(id("10.0.0.7")),
        ..path(&[65001], "192.0.2.1")
    };
    let loser = Route {
        best: false,
        stale: false,
        lost_at: Some("4: shortest AS path".to_owned()),
        path_id: 7,
        ..route(
            "10.244.1.0/26",
            two,
            path(&[65002, 65010, 65020], "192.0.2.2"),
            "via 192.0.2.2",
        )
    };
    let unusable = Route {
        best: false,
        unusable: Some("next hop unreachable".to_owned()),
        ..route(
            "10.244.1.0/26",
            two,
            path(&[65002], "203.0.113.9"),
            "via 203.0.113.9",
        )
    };
    let equal = Route {
        best: false,
        multipath: true,
        ..route(
            "10.244.2.0/26",
            two,
            path(&[65002], "192.0.2.2"),
            "via 192.0.2.2",
        )
    };
    let long_ago = Route {
        age: Duration::from_secs(200_000),
        ..route(
            "10.244.0.0/26",
            RouteSource::Static,
            path(&[], "0.0.0.0"),
            "blackhole",
        )
    };
    vec![
        long_ago,
        route("10.244.1.0/26", one, rich, "via 192.0.2.1"),
        loser,
        unusable,
        route(
            "10.244.2.0/26",
            one,
            path(&[65001], "192.0.2.1"),
            "via 192.0.2.1",
        ),
        equal,
        route(
            "10.244.0.7/32",
            RouteSource::Kernel,
            path(&[], "0.0.0.0"),
            "dev cali12345",
        ),
        route(
            "2001:db8:244::/64",
            RouteSource::Bgp(ip("2001:db8::2")),
            path(&[65001], "2001:db8::2"),
            "via 2001:db8::2",
        ),
    ]
}

pub(crate) fn next_hops() -> Vec<NextHopStatus> {
    let next_hop = |address: &str, gateway: Option<&str>, cost| NextHopStatus {
        address: ip(address),
        way: Some(Way {
            gateway: gateway.map(ip),
            interface: "eth0".to_owned(),
            cost,
        }),
        prefixes: 12,
    };
    vec![
        next_hop("192.0.2.1", None, 0),
        next_hop("198.51.100.7", Some("192.0.2.254"), 20),
        NextHopStatus {
            way: None,
            prefixes: 1,
            ..next_hop("2001:db8::7", None, 0)
        },
    ]
}

pub(crate) fn bfd() -> Vec<BfdStatus> {
    let hundred = bfd::Interval::from_millis(100);
    let settings = bfd::Settings {
        desired_min_tx: hundred,
        required_min_rx: hundred,
        ..bfd::Settings::default()
    };
    let up = BfdStatus {
        local: Some(ip("192.0.2.10")),
        interface: Some("eth0".to_owned()),
        state: bfd::State::Up,
        since: Duration::from_secs(4000),
        remote_state: bfd::State::Up,
        remote_independent: true,
        authentication: Some(bfd::Method::MeticulousKeyedSha1),
        discriminator: bfd::Discriminator::new(7),
        remote_discriminator: bfd::Discriminator::new(9),
        settings,
        remote_intervals: Some((
            settings.multiplier,
            hundred,
            bfd::Interval::from_micros(33_333),
        )),
        transmit_interval: Some(Duration::from_millis(100)),
        detection_time: Some(Duration::from_millis(300)),
        counters: bfd::Counters {
            received: 40_000,
            sent: 41_000,
            ups: 2,
            downs: 1,
        },
        ..BfdStatus::new(ip("192.0.2.1"))
    };
    let failed = BfdStatus {
        local: Some(ip("192.0.2.10")),
        multihop: true,
        diagnostic: bfd::Diagnostic::DETECTION_TIME_EXPIRED,
        since: Duration::from_secs(3),
        discriminator: bfd::Discriminator::new(8),
        transmit_interval: Some(Duration::from_secs(1)),
        counters: bfd::Counters {
            downs: 1,
            ..up.counters
        },
        ..BfdStatus::new(ip("198.51.100.2"))
    };
    let told = BfdStatus {
        interface: Some("eth1".to_owned()),
        diagnostic: bfd::Diagnostic::NEIGHBOR_SIGNALED_DOWN,
        remote_state: bfd::State::AdminDown,
        remote_diagnostic: bfd::Diagnostic::ADMINISTRATIVELY_DOWN,
        remote_discriminator: bfd::Discriminator::new(10),
        ..BfdStatus::new(ip("203.0.113.3"))
    };
    let nowhere = BfdStatus {
        problem: Some("203.0.113.9 is in no subnet of ours".to_owned()),
        ..BfdStatus::new(ip("203.0.113.9"))
    };
    vec![up, failed, told, nowhere]
}

pub(crate) fn fib() -> Vec<FibRoute> {
    let route = |network: &str, target: &str, state: FibState| FibRoute {
        prefix: prefix(network),
        target: target.to_owned(),
        metric: 32,
        state,
    };
    let error = "Network is unreachable (ENETUNREACH): Nexthop has invalid gateway".to_owned();
    let foreign = "via 192.0.2.254 dev eth0 proto static metric 32".to_owned();
    vec![
        FibRoute {
            metric: 0,
            ..route("10.244.0.0/26", "blackhole", FibState::Adopted)
        },
        route(
            "10.244.1.0/26",
            "via 192.0.2.1 dev tunl0 onlink",
            FibState::Installed,
        ),
        route("10.244.2.0/26", "via 192.0.2.2 dev eth0", FibState::Pending),
        route(
            "10.244.3.0/26",
            "via 203.0.113.9",
            FibState::Failed { error, attempts: 3 },
        ),
        route(
            "10.244.4.0/26",
            "via 192.0.2.4 dev eth0",
            FibState::Blocked(foreign),
        ),
        route(
            "10.244.5.0/26",
            "via 192.0.2.5 dev tunl0 onlink",
            FibState::WaitingForInterface("tunl0".to_owned()),
        ),
    ]
}

fn families(received: u64, accepted: u64, advertised: u64) -> Vec<FamilyStatus> {
    let status = |family, end_of_rib| FamilyStatus {
        family,
        negotiated: true,
        received,
        accepted,
        advertised,
        end_of_rib,
        add_path: AddPathStatus {
            receive: end_of_rib,
            send: end_of_rib,
            paths: end_of_rib.then_some(rib::PathsSent::Best(NonZeroU8::MAX)),
        },
        stale: None,
    };
    vec![
        status(Family::IPV4_UNICAST, true),
        status(Family::IPV6_UNICAST, false),
    ]
}

pub(crate) fn peers() -> Vec<PeerStatus> {
    let counts = MessageCounts {
        open: 1,
        update: 12,
        notification: 0,
        keepalive: 31,
        route_refresh: 1,
        bytes: 4711,
    };
    let established = PeerStatus {
        address: ip("192.0.2.1"),
        peer_as: Asn(64512),
        local_as: Asn(64512),
        description: "node one".to_owned(),
        relation: "client",
        dynamic: false,
        admin_down: false,
        state: SessionState::Established,
        since: Some(Duration::from_secs(3723)),
        established_count: 2,
        router_id: Some(id("10.0.0.2")),
        local_address: Some(ip("192.0.2.254")),
        hold_time: 90,
        keepalive: 30,
        remote_capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::FourOctetAs(Asn(64512)),
        ],
        local_capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::Multiprotocol(Family::IPV6_UNICAST),
            Capability::RouteRefresh,
            Capability::FourOctetAs(Asn(64512)),
        ],
        received: counts,
        sent: MessageCounts {
            update: 3,
            ..counts
        },
        treated_as_withdraw: 2,
        queued: 128,
        panics: 0,
        beyond_limit: 0,
        last_error: None,
        families: families(3, 2, 5),
        import_policy: "from-racks, then reject".to_owned(),
        import_policies: vec!["from-racks".to_owned()],
        export_policies: Vec::new(),
        export_policy: "accept: bgp, static, api".to_owned(),
        md5: true,
        terms: vec!["our AS allowed 2 times".to_owned()],
        obstacle: None,
    };
    let text = "received NOTIFICATION Cease/Administrative Shutdown (6/2): maintenance".to_owned();
    let down = PeerStatus {
        address: ip("192.0.2.2"),
        peer_as: Asn(4_200_000_001),
        description: String::new(),
        relation: "external",
        state: SessionState::Active,
        since: Some(Duration::from_secs(62)),
        established_count: 1,
        router_id: None,
        local_address: None,
        remote_capabilities: Vec::new(),
        last_error: Some(LastError {
            text,
            code: Some((6, 2)),
            age: Duration::from_secs(62),
        }),
        families: families(0, 0, 0),
        treated_as_withdraw: 0,
        queued: 0,
        panics: 1,
        beyond_limit: 7,
        md5: false,
        terms: Vec::new(),
        ..established.clone()
    };
    let leaky = PeerStatus {
        address: ip("192.0.2.3"),
        peer_as: Asn(65003),
        since: None,
        established_count: 0,
        state: SessionState::Idle,
        admin_down: true,
        last_error: None,
        import_policy: "reject: eBGP without a policy, RFC 8212".to_owned(),
        import_policies: Vec::new(),
        export_policy: "reject: eBGP without a policy, RFC 8212".to_owned(),
        ..down.clone()
    };
    let far = far(&leaky);
    vec![established, down, leaky, far]
}

/// One that has to be on a link of ours, and is not.
fn far(other: &PeerStatus) -> PeerStatus {
    let obstacle =
        "198.51.100.4 is on no link of ours (it is behind 192.0.2.1): is an interface down?";
    PeerStatus {
        address: ip("198.51.100.4"),
        state: SessionState::Active,
        admin_down: false,
        obstacle: Some(obstacle.to_owned()),
        ..other.clone()
    }
}

/// Two policies and the sets they ask.
pub(crate) fn policies() -> bgpd::config::Policies {
    let text = r#"
[global]
as = 64512
[[defined-sets.prefix-sets]]
prefix-set-name = "pods"
prefix-list = [
  { ip-prefix = "10.244.0.0/16", masklength-range = "24..26" },
  { ip-prefix = "10.96.0.0/12" },
]
[[defined-sets.prefix-sets]]
prefix-set-name = "none"
[defined-sets.bgp-defined-sets]
community-sets = [{ community-set-name = "drain", community-list = ["64512:666", "^65001:.*$"] }]
[[policy-definitions]]
name = "from-racks"
[[policy-definitions.statements]]
name = "pods"
conditions.match-prefix-set = { prefix-set = "pods" }
conditions.bgp-conditions.match-community-set = { community-set = "drain", match-set-options = "invert" }
actions.bgp-actions.set-local-pref = 200
actions.route-disposition = "accept-route"
[[policy-definitions]]
name = "unused"
"#;
    let config = bgpd::config::parse(text, "example.toml");
    config.expect("an example").policies
}

/// What a configuration would change.
pub(crate) fn plan() -> Plan {
    let change = |text: &str, effect, peer: Option<&str>, keys: &[&str]| PlannedChange {
        text: text.to_owned(),
        effect,
        peer: peer.map(ip),
        keys: keys.iter().map(ToString::to_string).collect(),
    };
    let tally = |count, examples: &[(&str, &str)]| Tally {
        count,
        examples: examples
            .iter()
            .map(|(network, text)| Example {
                prefix: prefix(network),
                text: (*text).to_owned(),
            })
            .collect(),
    };
    let import = Forecast {
        added: Tally::default(),
        removed: tally(12, &[("10.244.1.0/26", "rejected by import policy")]),
        changed: tally(
            1,
            &[("10.244.2.0/26", "LOCAL_PREF 100 -> 200, MED none -> 5")],
        ),
    };
    let kernel = Forecast {
        added: tally(1, &[("10.244.7.0/26", "blackhole table 254 metric 32")]),
        removed: tally(
            12,
            &[("10.244.1.0/26", "via 192.0.2.1 table 254 metric 32")],
        ),
        changed: Tally::default(),
    };
    Plan {
        changes: vec![
            change(
                "neighbour 192.0.2.1 updated (import-policy)",
                Effect::Live,
                Some("192.0.2.1"),
                &["import-policy"],
            ),
            change(
                "neighbour 192.0.2.2 restarted (hold-time)",
                Effect::SessionRestarts,
                Some("192.0.2.2"),
                &["hold-time"],
            ),
            change(
                "neighbour 192.0.2.9 added (AS 65009)",
                Effect::SessionStarts,
                Some("192.0.2.9"),
                &[],
            ),
            change(
                "static route 10.244.7.0/26 blackhole added",
                Effect::Live,
                None,
                &[],
            ),
            change(
                "global.shards changed: takes effect when bgpd is restarted",
                Effect::NeedsRestart,
                None,
                &["global.shards"],
            ),
        ],
        peers: vec![PeerForecast {
            peer: ip("192.0.2.1"),
            import,
            export: Forecast {
                added: tally(1, &[("10.244.7.0/26", "our own")]),
                ..Forecast::default()
            },
        }],
        best: Forecast {
            removed: tally(12, &[("10.244.1.0/26", "from 192.0.2.1")]),
            ..Forecast::default()
        },
        kernel,
        prefixes: 1234,
        is_partial: true,
        notes: vec!["what 192.0.2.9 sends is known when its session is up".to_owned()],
        warnings: vec!["new.toml:9:1: `description` is empty".to_owned()],
    }
}
