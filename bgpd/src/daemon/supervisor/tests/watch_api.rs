// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests: `WatchEvent` in front of a real shard.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use bgp_proto::{AsPath, Asn, Family, Negotiated, NegotiatedFamily, NextHop, Origin};
use bgp_proto::{PathAttributes, PeerKind, RouterId};
use bgpd_api::v4::{
    self,
    go_bgp_service_server::GoBgpService,
    watch_event_request::{
        Table,
        table::{Filter, filter::Type},
    },
    watch_event_response::Event,
};
use futures_util::{Stream, StreamExt as _};
use rib::{
    Disposition, Input, NextHopMode, PeerId, PeerInfo, Policy, Relation, RouteBatch, Source,
};
use tonic::{Request, Status};

use super::super::gobgp_api::{API, Api, GLOBAL, with};
use crate::daemon::{
    door::Door,
    shard::{Order, Shard},
    sink::ShardSink,
};

const FILE: &str = r#"
[[peer-groups]]
peer-group-name = "edge"
peer-as = 64513
[[neighbors]]
neighbor-address = "192.0.2.1"
peer-group = "edge"
transport.passive-mode = true
"#;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn info(id: PeerId) -> PeerInfo {
    let family = NegotiatedFamily {
        family: Family::IPV4_UNICAST,
        add_path_receive: false,
        add_path_send: false,
        extended_next_hop: false,
    };
    PeerInfo {
        id,
        address: ADDRESS.into(),
        relation: Relation::External,
        peer_as: Asn(64513),
        local_as: Asn(64512),
        router_id: RouterId::new(Ipv4Addr::new(10, 0, 0, 7)).unwrap(),
        local_v4: None,
        local_v6: None,
        local_link_local: None,
        negotiated: Negotiated {
            four_octet_as: true,
            families: vec![family],
            kind: PeerKind::External,
            ..Negotiated::default()
        },
        next_hop: NextHopMode::Auto,
        import: Policy::accept_all(),
        export: Policy::accept_all(),
        allow_own_as: 0,
        terms: rib::Terms::default(),
        shared_subnets: Vec::new(),
        weight: 0,
        paths_sent: Vec::new(),
    }
}

fn announcement(id: PeerId, as_path: &[u32]) -> Input {
    let mut batch = RouteBatch::new(Source::Bgp(id));
    let path = AsPath::from_sequence(as_path.iter().copied().map(Asn));
    let next_hop = NextHop::V4(ADDRESS);
    let attributes = PathAttributes::new(Origin::Igp, path, next_hop);
    let path = batch.push_path(attributes, Disposition::Via(next_hop));
    batch.announce("10.1.0.0/16".parse().unwrap(), 0, path);
    Input::Routes(batch)
}

/// One who watches one table.
struct Watcher<S>(S);

async fn watch(
    api: &Api,
    kind: Type,
) -> Watcher<impl Stream<Item = Result<v4::WatchEventResponse, Status>> + Unpin + use<>> {
    let filter = Filter {
        r#type: kind.into(),
        peer_group: "edge".to_owned(),
        ..Filter::default()
    };
    let request = v4::WatchEventRequest {
        table: Some(Table {
            filters: vec![filter],
        }),
        ..v4::WatchEventRequest::default()
    };
    let watching = GoBgpService::watch_event(api, Request::new(request)).await;
    Watcher(watching.unwrap().into_inner())
}

impl<S: Stream<Item = Result<v4::WatchEventResponse, Status>> + Unpin> Watcher<S> {
    /// The one path of the next event: is it there, and how long is its AS path?
    async fn told(&mut self) -> (bool, usize) {
        let reply = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await;
        let Some(Event::Table(table)) = reply.unwrap().unwrap().unwrap().event else {
            panic!("a table event");
        };
        let [path] = table.paths.as_slice() else {
            panic!("one path: {table:?}");
        };
        if path.nlri.is_some() && !path.is_withdraw {
            assert_eq!(
                (path.source_asn, path.neighbor_ip.as_str()),
                (64513, "192.0.2.1")
            );
            assert_eq!(
                (path.source_id.as_str(), path.is_from_external),
                ("10.0.0.7", true)
            );
        }
        let asns = path
            .pattrs
            .iter()
            .filter_map(|attribute| match &attribute.attr {
                Some(v4::attribute::Attr::AsPath(path)) => Some(path),
                _ => None,
            });
        let asns = asns.flat_map(|path| &path.segments);
        (
            !path.is_withdraw,
            asns.map(|segment| segment.numbers.len()).sum(),
        )
    }
}

fn shard(door: &Door) -> Shard {
    let sink = ShardSink {
        number: 0,
        shards: 1,
        events: door.events.clone(),
        clock: door.clock,
        kernel: None,
        board: Arc::clone(&door.board),
    };
    let id = RouterId::new(Ipv4Addr::new(10, 0, 0, 1)).unwrap();
    let config = rib::RibConfig::new(Asn(64512), id);
    Shard::start(0, config, door.clock, sink).unwrap()
}

#[tokio::test]
async fn what_becomes_of_a_route_is_told_to_who_watches_its_table() {
    with(&[API, GLOBAL, FILE], async |api, door| {
        let id = door.read().peers.values().next().unwrap().id;
        let shard = shard(&door);
        let order = async |input| shard.order(Order::Input(input)).await.unwrap();
        let mut received = watch(&api, Type::Adjin).await;
        let mut accepted = watch(&api, Type::PostPolicy).await;
        let mut best = watch(&api, Type::Best).await;
        let mut ends = watch(&api, Type::Eor).await;
        order(Input::PeerUp(Box::new(info(id)))).await;

        order(announcement(id, &[64513])).await;
        assert_eq!(received.told().await, (true, 1));
        assert_eq!(accepted.told().await, (true, 1));
        assert_eq!(best.told().await, (true, 1));

        // Other attributes.
        order(announcement(id, &[64513, 64514])).await;
        assert_eq!(received.told().await, (true, 2));
        assert_eq!(accepted.told().await, (true, 2));
        assert_eq!(best.told().await, (true, 2));

        // Our own AS: it is received, and goes no further.
        order(announcement(id, &[64513, 64512, 1])).await;
        assert_eq!(received.told().await, (true, 3));
        assert_eq!(accepted.told().await, (false, 0));
        assert_eq!(best.told().await, (false, 0));

        order(Input::EndOfRib(id, Family::IPV4_UNICAST)).await;
        assert_eq!(ends.told().await, (true, 0));

        order(Input::PeerDown(id)).await;
        assert_eq!(received.told().await, (false, 0));
    })
    .await;
}

#[tokio::test]
async fn a_changed_policy_is_told_after_policy_and_not_before_it() {
    with(&[API, GLOBAL, FILE], async |api, door| {
        let id = door.read().peers.values().next().unwrap().id;
        let shard = shard(&door);
        let order = async |input| shard.order(Order::Input(input)).await.unwrap();
        order(Input::PeerUp(Box::new(info(id)))).await;
        order(announcement(id, &[64513])).await;
        shard.drained().await.unwrap();
        let mut accepted = watch(&api, Type::PostPolicy).await;
        let (none, all) = (Policy::reject_all(), Policy::accept_all());
        order(Input::Policy(id, none, all.clone())).await;
        assert_eq!(accepted.told().await, (false, 0));
        order(Input::Policy(id, all.clone(), all)).await;
        assert_eq!(accepted.told().await, (true, 1));
    })
    .await;
}
