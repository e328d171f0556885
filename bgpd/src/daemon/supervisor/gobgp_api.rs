// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests: GoBGP's API in front of a real supervisor, without sockets.

use std::sync::Arc;

use bgpd_api::v4::{self, go_bgp_service_server::GoBgpService};
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

use super::Supervisor;
use crate::{
    api::Control as _,
    config::{Layers, LocalAddress, Neighbor},
    daemon::{Options, door::Door},
    gobgp::Gobgp,
};

pub(super) type Api = Gobgp<Door>;

/// Runs `test` while the supervisor of a file with these parts answers.
pub(super) async fn with<T>(file: &[&str], test: impl AsyncFnOnce(Api, Door) -> T) -> T {
    let file = file.concat();
    let layers = Layers::of_text(&file);
    let config = crate::config::parse(&file, "test.toml").unwrap();
    let mut supervisor = Supervisor::start(Options { layers, config }).await.unwrap();
    let door = supervisor.door.clone();
    let api = Gobgp::new(door.clone(), CancellationToken::new());
    let answers = async {
        while let Some(request) = supervisor.requests.recv().await {
            supervisor.answer(request).await;
        }
    };
    let done = tokio::select! {
        () = answers => panic!("the supervisor has ended"),
        done = Box::pin(test(api, door)) => done,
    };
    supervisor.stop().await;
    done
}

/// No socket: what the supervisor needs to run here.
pub(super) const API: &str = "[api]\nlisten = []\nunix = \"\"\n";

/// Who we are. More of the section may follow.
pub(super) const GLOBAL: &str = "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\nport = -1\n";

/// Everything that is said of a neighbour here has a word in GoBGP's API, or is to stay when it has none.
const FILE: &str = r#"
[[peer-groups]]
peer-group-name = "edge"
peer-as = 64513
[[peer-groups.afi-safis]]
afi-safi-name = "ipv4-unicast"
extended-nexthop = true
[[peer-groups.afi-safis]]
afi-safi-name = "ipv6-unicast"
add-paths = { receive = true, send-max = 3 }
prefix-limit = { max-prefixes = 100, shutdown-threshold-pct = 80, action = "warn" }
[[neighbors]]
neighbor-address = "192.0.2.1"
peer-group = "edge"
description = "all of it"
auth-password = "secret"
weight = 7
next-hop = "self"
remove-private-as = "replace"
role = "provider"
timers = { hold-time = 30, keepalive-interval = 9, connect-retry = 11, idle-hold-time-after-reset = 12 }
transport = { passive-mode = true, remote-port = 1179, local-address = "192.0.2.9" }
ebgp-multihop = { enabled = true, multihop-ttl = 3 }
as-path-options = { allow-own-as = 2, replace-peer-as = true }
apply-policy = { default-import-policy = "accept-route", default-export-policy = "reject-route" }
graceful-restart = { enabled = true, restart-time = 99 }
bfd = { enabled = true, desired-minimum-tx-interval = 500 }
[[neighbors]]
neighbor-address = "192.0.2.2"
peer-as = 64512
route-reflector.route-reflector-client = true
ttl-security = { enabled = true, ttl-min = 250 }
graceful-restart.enabled = false
"#;

async fn peers(api: &Api, address: &str) -> Vec<v4::Peer> {
    let request = v4::ListPeerRequest {
        address: address.to_owned(),
        enable_advertised: true,
    };
    let listed = GoBgpService::list_peer(api, Request::new(request)).await;
    let replies: Vec<_> = listed.unwrap().into_inner().collect().await;
    let peer = |reply: Result<v4::ListPeerResponse, Status>| reply.unwrap().peer.unwrap();
    replies.into_iter().map(peer).collect()
}

fn neighbor(door: &Door, name: &str) -> Arc<Neighbor> {
    Arc::clone(&door.read().peers[&name.parse().unwrap()].neighbor)
}

fn said(address: &str, peer_asn: u32, peer_group: &str) -> v4::Peer {
    v4::Peer {
        conf: Some(v4::PeerConf {
            neighbor_address: address.to_owned(),
            peer_asn,
            peer_group: peer_group.to_owned(),
            ..v4::PeerConf::default()
        }),
        ..v4::Peer::default()
    }
}

async fn add(api: &Api, peer: v4::Peer) -> Result<(), Status> {
    let request = v4::AddPeerRequest { peer: Some(peer) };
    let done = GoBgpService::add_peer(api, Request::new(request)).await;
    done.map(drop)
}

#[tokio::test]
async fn a_neighbor_that_is_sent_back_as_it_was_listed_is_as_it_was() {
    with(&[API, GLOBAL, FILE], async |api, door| {
        for name in ["192.0.2.1", "192.0.2.2"] {
            let before = neighbor(&door, name);
            let listed = peers(&api, name).await.remove(0);
            let request = v4::UpdatePeerRequest {
                peer: Some(listed),
                do_soft_reset_in: true,
            };
            GoBgpService::update_peer(&api, Request::new(request))
                .await
                .unwrap();
            assert_eq!(neighbor(&door, name), before);
            assert_eq!(
                door.config()
                    .neighbors
                    .iter()
                    .find(|peer| peer.name == before.name),
                Some(&*before)
            );
        }
        let mut listed = peers(&api, "192.0.2.1").await.remove(0);
        listed.conf.as_mut().unwrap().description = "other".to_owned();
        let request = v4::UpdatePeerRequest {
            peer: Some(listed),
            do_soft_reset_in: false,
        };
        GoBgpService::update_peer(&api, Request::new(request))
            .await
            .unwrap();
        let after = neighbor(&door, "192.0.2.1");
        assert_eq!(after.description.as_deref(), Some("other"));
        assert_eq!(after.weight, 7);
    })
    .await;
}

#[tokio::test]
async fn our_address_is_changed_by_one_that_is_not_the_listed_one() {
    with(&[API, GLOBAL, FILE], async |api, door| {
        let update = async |address: &str| {
            let mut listed = peers(&api, "192.0.2.1").await.remove(0);
            listed.transport.as_mut().unwrap().local_address = address.to_owned();
            let request = v4::UpdatePeerRequest {
                peer: Some(listed),
                do_soft_reset_in: false,
            };
            let done = GoBgpService::update_peer(&api, Request::new(request)).await;
            done.map(|_| neighbor(&door, "192.0.2.1").local_address.clone())
        };
        let is = |address: [u8; 4]| Some(LocalAddress::Address(address.into()));
        assert_eq!(update("").await.unwrap(), is([192, 0, 2, 9]), "not said");
        assert_eq!(update("192.0.2.8").await.unwrap(), is([192, 0, 2, 8]));
        let wrong = update("2001:db8::1").await.unwrap_err();
        assert_eq!(wrong.code(), Code::InvalidArgument, "{wrong}");
        assert_eq!(
            update("0.0.0.0").await.unwrap(),
            None,
            "the kernel's choice"
        );
        assert_eq!(update("0.0.0.0").await.unwrap(), None, "as it is listed");
    })
    .await;
}

#[tokio::test]
async fn a_listed_neighbor_has_every_part_that_clients_look_into() {
    with(&[API, GLOBAL, FILE], async |api, _| {
        let all = peers(&api, "").await;
        assert_eq!(all.len(), 2);
        for peer in all {
            let state = peer.state.unwrap();
            let messages = state.messages.unwrap();
            assert!(messages.sent.is_some() && messages.received.is_some());
            assert!(state.queues.is_some() && !state.local_cap.is_empty());
            let timers = peer.timers.unwrap();
            assert!(timers.config.is_some() && timers.state.is_some());
            assert!(peer.conf.is_some() && peer.apply_policy.is_some());
            assert!(peer.route_reflector.is_some() && peer.route_server.is_some());
            assert!(peer.transport.is_some() && peer.graceful_restart.is_some());
            assert!(peer.ebgp_multihop.is_some() && peer.ttl_security.is_some());
            assert!(!peer.afi_safis.is_empty());
            for family in peer.afi_safis {
                assert!(family.state.unwrap().family.is_some());
                assert!(family.config.unwrap().family.is_some());
                assert!(family.add_paths.is_some() && family.mp_graceful_restart.is_some());
            }
        }
        // Nobody is no error.
        assert!(peers(&api, "192.0.2.77").await.is_empty());
        assert!(peers(&api, "nobody at all").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn gobgps_words_and_a_code_say_what_is_wrong() {
    with(&[API, GLOBAL, FILE], async |api, _| {
        let exists = "can't overwrite the existing peer: 192.0.2.1";
        for (peer, code, text) in [
            (said("192.0.2.1", 1, ""), Code::AlreadyExists, exists),
            (
                said("192.0.2.7", 0, "egde"),
                Code::NotFound,
                "no such peer-group: egde",
            ),
            (
                said("192.0.2.7", 0, ""),
                Code::InvalidArgument,
                "`peer-as` is missing",
            ),
            (
                said("192.0.2", 1, ""),
                Code::InvalidArgument,
                "\"192.0.2\" is not an IP address",
            ),
            (
                said("", 1, ""),
                Code::InvalidArgument,
                "neighbor_address or",
            ),
            (
                v4::Peer::default(),
                Code::InvalidArgument,
                "neighbor_address or",
            ),
        ] {
            let status = add(&api, peer).await.unwrap_err();
            assert_eq!(status.code(), code, "{status}");
            assert!(status.message().contains(text), "{status}");
        }
        let request = v4::DeletePeerRequest {
            address: "192.0.2.7".to_owned(),
            interface: String::new(),
        };
        let status = GoBgpService::delete_peer(&api, Request::new(request))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(
            status.message(),
            "can't delete a peer configuration for 192.0.2.7"
        );
        let request = v4::DeletePeerGroupRequest {
            name: "edge".to_owned(),
        };
        let status = GoBgpService::delete_peer_group(&api, Request::new(request))
            .await
            .unwrap_err();
        let text = "failed to delete peer-group edge: neighbor 192.0.2.1 is in use";
        assert_eq!(
            (status.code(), status.message()),
            (Code::FailedPrecondition, text)
        );
        let request = v4::UpdatePeerRequest {
            peer: Some(said("192.0.2.7", 1, "")),
            do_soft_reset_in: false,
        };
        let status = GoBgpService::update_peer(&api, Request::new(request))
            .await
            .unwrap_err();
        assert_eq!(
            status.message(),
            "neighbor that has 192.0.2.7 doesn't exist"
        );
    })
    .await;
}

async fn start(api: &Api, router_id: &str) -> Result<(), Status> {
    let global = v4::Global {
        asn: 64512,
        router_id: router_id.to_owned(),
        listen_port: -1,
        ..v4::Global::default()
    };
    let request = v4::StartBgpRequest {
        global: Some(global),
    };
    let done = GoBgpService::start_bgp(api, Request::new(request)).await;
    done.map(drop)
}

async fn global(api: &Api) -> v4::Global {
    let reply = GoBgpService::get_bgp(api, Request::new(v4::GetBgpRequest {})).await;
    reply.unwrap().into_inner().global.unwrap()
}

#[tokio::test]
async fn a_daemon_is_started_furnished_and_stopped() {
    with(&[API], async |api, door| {
        assert_eq!(global(&api).await, v4::Global::default());
        let status = add(&api, said("192.0.2.1", 1, "")).await.unwrap_err();
        assert_eq!(status.message(), "bgp server hasn't started yet");

        let status = start(&api, "nobody").await.unwrap_err();
        assert_eq!(status.message(), "invalid router-id format: nobody");
        start(&api, "10.0.0.1").await.unwrap();
        assert_eq!(
            (global(&api).await.asn, global(&api).await.listen_port),
            (64512, -1)
        );

        let group = v4::PeerGroup {
            conf: Some(v4::PeerGroupConf {
                peer_group_name: "edge".to_owned(),
                peer_asn: 64513,
                ..v4::PeerGroupConf::default()
            }),
            ..v4::PeerGroup::default()
        };
        let request = v4::AddPeerGroupRequest {
            peer_group: Some(group.clone()),
        };
        GoBgpService::add_peer_group(&api, Request::new(request))
            .await
            .unwrap();
        add(&api, said("192.0.2.1", 0, "edge")).await.unwrap();
        // As in GoBGP, nothing is refused for want of a policy.
        assert!(neighbor(&door, "192.0.2.1").import.accept);
        assert_eq!(
            peers(&api, "").await[0].conf.as_ref().unwrap().peer_asn,
            64513
        );

        let range = v4::DynamicNeighbor {
            prefix: "198.51.100.0/24".to_owned(),
            peer_group: "edge".to_owned(),
        };
        let request = v4::AddDynamicNeighborRequest {
            dynamic_neighbor: Some(range.clone()),
        };
        GoBgpService::add_dynamic_neighbor(&api, Request::new(request))
            .await
            .unwrap();
        let request = v4::ListDynamicNeighborRequest::default();
        let listed = GoBgpService::list_dynamic_neighbor(&api, Request::new(request)).await;
        let listed: Vec<_> = listed.unwrap().into_inner().collect().await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].as_ref().unwrap().dynamic_neighbor, Some(range));

        let mut group = group;
        group.timers = Some(v4::Timers {
            config: Some(v4::TimersConfig {
                hold_time: 33,
                ..v4::TimersConfig::default()
            }),
            state: None,
        });
        let request = v4::UpdatePeerGroupRequest {
            peer_group: Some(group),
            do_soft_reset_in: false,
        };
        GoBgpService::update_peer_group(&api, Request::new(request))
            .await
            .unwrap();
        assert_eq!(neighbor(&door, "192.0.2.1").hold_time, 33);
        let request = v4::ListPeerGroupRequest::default();
        let listed = GoBgpService::list_peer_group(&api, Request::new(request)).await;
        let listed: Vec<_> = listed.unwrap().into_inner().collect().await;
        let shown = listed[0].as_ref().unwrap().peer_group.clone().unwrap();
        assert_eq!(shown.timers.unwrap().config.unwrap().hold_time, 33);
        assert_eq!(shown.conf.unwrap().peer_asn, 64513);

        let request = v4::StopBgpRequest::default();
        GoBgpService::stop_bgp(&api, Request::new(request))
            .await
            .unwrap();
        assert_eq!(global(&api).await, v4::Global::default());
        assert!(peers(&api, "").await.is_empty());
        start(&api, "10.0.0.1").await.unwrap();
        assert!(peers(&api, "").await.is_empty());
    })
    .await;
}
