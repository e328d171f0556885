// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `WatchEvent` in both versions of GoBGP's API.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bgp_proto::Family;
use bgpd::{
    api::Followers,
    config::PeerName,
    control::{
        Change, Changes, NEWS_PER_FOLLOWER, News, RouteSource, Sender, SessionState, Watched,
    },
};
use bgpd_api::{
    v3,
    v4::{
        self,
        watch_event_request::{
            Peer, Table,
            table::{Filter, filter::Type},
        },
        watch_event_response::{Event, PeerEvent, peer_event},
    },
};
use tonic::{Code, Streaming};

use crate::{
    data::{id, ip, prefix, routes},
    fake::{Fake, Served},
    gobgp::{all, clients, refused},
};

#[tokio::test]
async fn nothing_to_watch_and_filters_that_do_not_exist_are_refused() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let nothing = "no events to watch";
    let answer = new.watch_event(v4::WatchEventRequest::default()).await;
    refused(answer, Code::InvalidArgument, nothing);
    let answer = old.watch_event(v3::WatchEventRequest::default()).await;
    refused(answer, Code::InvalidArgument, nothing);
    for (number, text) in [(0, "unspecified filter type"), (7, "unknown filter type 7")] {
        let filter = Filter {
            r#type: number,
            ..Filter::default()
        };
        let answer = new.watch_event(request([filter])).await;
        refused(answer, Code::InvalidArgument, text);
    }
    let filter = from(Type::Adjin, "?/?");
    let answer = new.watch_event(request([filter])).await;
    let text = "`?/?` is no address of a neighbor";
    refused(answer, Code::InvalidArgument, text);
}

#[tokio::test]
async fn bites_05_peer_events_have_all_their_parts_and_come_in_order() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let listed = new.list_peer(v4::ListPeerRequest::default()).await;
    let peers = all(listed).await.len();
    let ask = v4::WatchEventRequest {
        peer: Some(Peer {}),
        ..v4::WatchEventRequest::default()
    };
    let mut new = new.watch_event(ask).await.expect("watched").into_inner();
    let ask = v3::WatchEventRequest {
        peer: Some(Peer {}),
        ..v3::WatchEventRequest::default()
    };
    let mut old = old.watch_event(ask).await.expect("watched").into_inner();
    two_watch(&served).await;
    let name = ip("192.0.2.1");
    let to = SessionState::Established;
    publish(&served, &News::Peer { name, to });
    let mut kinds = Vec::new();
    while kinds.last() != Some(&peer_event::Type::State) {
        let Event::Peer(PeerEvent { r#type, peer }) = next(&mut new).await else {
            panic!("a peer event");
        };
        let reply = old.message().await.expect("no error").expect("not the end");
        let Some(v3::watch_event_response::Event::Peer(before)) = reply.event else {
            panic!("a peer event");
        };
        assert_eq!(before.r#type, r#type, "both versions number them alike");
        let peer = peer.expect("a peer");
        let (conf, state) = (peer.conf.expect("conf"), peer.state.expect("state"));
        assert!(peer.transport.is_some());
        let old_peer = before.peer.expect("a peer");
        assert!(old_peer.conf.is_some() && old_peer.state.is_some());
        assert!(old_peer.transport.is_some());
        let kind = peer_event::Type::try_from(r#type).expect("known");
        if kind == peer_event::Type::State {
            let expected = ("192.0.2.1".to_owned(), 6);
            assert_eq!((conf.neighbor_address, state.session_state), expected);
        }
        kinds.push(kind);
    }
    let mut expected = vec![peer_event::Type::Init; peers];
    expected.extend([peer_event::Type::EndOfInit, peer_event::Type::State]);
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn the_present_table_is_one_message_with_all_families_unless_the_client_wants_it_in_parts() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let ask = request([with_init(Type::Best)]);
    let mut stream = new
        .watch_event(ask.clone())
        .await
        .expect("watched")
        .into_inner();
    let whole = paths(next(&mut stream).await);
    let families: Vec<_> = whole.iter().filter_map(|path| path.family).collect();
    assert!(families.iter().any(|family| family.afi == 1));
    assert!(families.iter().any(|family| family.afi == 2));
    for path in &whole {
        assert!(path.nlri.is_some() && path.age.is_some() && !path.pattrs.is_empty());
        assert!(!path.best && !path.is_withdraw, "as GoBGP tells it");
    }
    let parts = v4::WatchEventRequest {
        batch_size: 2,
        ..ask
    };
    let mut stream = new.watch_event(parts).await.expect("watched").into_inner();
    let mut together = Vec::new();
    while together.len() < whole.len() {
        let part = paths(next(&mut stream).await);
        assert!((1..=2).contains(&part.len()), "{}", part.len());
        together.extend(part);
    }
    let nlri = |paths: &[v4::Path]| {
        paths
            .iter()
            .map(|path| path.nlri.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(nlri(&together), nlri(&whole));

    // Version 3 numbers BEST as 0.
    let ask = old_request(v3::watch_event_request::table::Filter {
        r#type: 0,
        init: true,
        ..Default::default()
    });
    let mut stream = old.watch_event(ask).await.expect("watched").into_inner();
    assert_eq!(old_paths(&mut stream).await.len(), whole.len());
}

#[tokio::test]
async fn each_filter_tells_its_own_table_and_only_of_the_neighbours_it_names() {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    let watch = async |new: &mut v4::go_bgp_service_client::GoBgpServiceClient<_>,
                       filters: Vec<Filter>| {
        let mut stream = new
            .watch_event(request(filters))
            .await
            .expect("watched")
            .into_inner();
        served.fake.watched.notified().await;
        let pieces = [
            change(Watched::Best, "10.1.0.0/16", "192.0.2.1", true),
            change(Watched::Received, "10.2.0.0/16", "192.0.2.1", true),
            change(Watched::Received, "10.3.0.0/16", "192.0.2.2", true),
            change(Watched::Accepted, "10.4.0.0/16", "192.0.2.1", true),
            change(Watched::Accepted, "10.5.0.0/16", "192.0.2.2", false),
        ];
        publish(&served, &changes(pieces.to_vec()));
        let told = paths(next(&mut stream).await);
        told.iter()
            .map(|path| (second(path), path.is_withdraw))
            .collect::<Vec<_>>()
    };
    let of = |kind| vec![from(kind, "")];
    assert_eq!(watch(&mut new, of(Type::Best)).await, [(1, false)]);
    assert_eq!(
        watch(&mut new, of(Type::Adjin)).await,
        [(2, false), (3, false)]
    );
    assert_eq!(
        watch(&mut new, of(Type::PostPolicy)).await,
        [(4, false), (5, true)]
    );
    let both = vec![
        from(Type::Adjin, "192.0.2.2"),
        from(Type::PostPolicy, "192.0.2.1"),
    ];
    assert_eq!(watch(&mut new, both).await, [(3, false), (4, false)]);
    let group = Filter {
        peer_group: "racks".to_owned(),
        ..from(Type::Adjin, "")
    };
    assert_eq!(
        watch(&mut new, vec![group]).await,
        [(3, false)],
        "192.0.2.2 is in it"
    );
    let stranger = vec![
        from(Type::Adjin, "192.0.2.77"),
        from(Type::Best, "192.0.2.77"),
    ];
    assert_eq!(
        watch(&mut new, stranger).await,
        [(1, false)],
        "best paths are of nobody"
    );
}

#[tokio::test]
async fn check_e_07_a_filter_compares_addresses_and_not_how_they_are_written() {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    let ask = request([from(Type::Adjin, "2001:DB8:0:0::0002")]);
    let mut stream = new.watch_event(ask).await.expect("watched").into_inner();
    served.fake.watched.notified().await;
    let pieces = [
        change(Watched::Received, "10.1.0.0/16", "192.0.2.1", true),
        change(Watched::Received, "10.2.0.0/16", "2001:db8::2", true),
    ];
    publish(&served, &changes(pieces.to_vec()));
    let told = paths(next(&mut stream).await);
    assert_eq!(told.iter().map(second).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn what_a_neighbour_takes_back_is_told_without_attributes_but_with_its_sender() {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    let ask = request([from(Type::Adjin, "")]);
    let mut stream = new.watch_event(ask).await.expect("watched").into_inner();
    served.fake.watched.notified().await;
    let gone = change(Watched::Received, "10.2.0.0/16", "192.0.2.1", false);
    publish(&served, &changes(vec![gone]));
    let told = paths(next(&mut stream).await);
    let [path] = told.as_slice() else {
        panic!("one path: {told:?}");
    };
    assert!(path.is_withdraw && path.pattrs.is_empty());
    assert!(path.nlri.is_some() && path.family.is_some() && path.age.is_some());
    assert_eq!(
        (path.neighbor_ip.as_str(), path.source_asn),
        ("192.0.2.1", 65001)
    );
    assert_eq!(path.source_id, "10.0.0.1");
}

#[tokio::test]
async fn the_end_of_a_table_is_told_as_a_path_of_nowhere_or_in_version_3_as_no_path() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let ask = request([from(Type::Eor, "192.0.2.1")]);
    let mut new = new.watch_event(ask).await.expect("watched").into_inner();
    let ask = old_request(v3::watch_event_request::table::Filter {
        r#type: 1,
        ..Default::default()
    });
    let mut old = old.watch_event(ask).await.expect("watched").into_inner();
    two_watch(&served).await;
    for who in ["192.0.2.2", "192.0.2.1"] {
        let end = News::EndOfRib(Arc::new(sender(who)), Family::IPV6_UNICAST);
        publish(&served, &end);
    }
    let told = paths(next(&mut new).await);
    let [path] = told.as_slice() else {
        panic!("one path: {told:?}");
    };
    assert_eq!(path.nlri, None);
    assert_eq!(path.family, Some(v4::Family { afi: 2, safi: 1 }));
    assert_eq!(path.neighbor_ip, "192.0.2.1", "not that of the other");
    assert!(path.age.is_some());
    assert_eq!(old_paths(&mut old).await, [], "and of either");
    assert_eq!(old_paths(&mut old).await, []);
}

#[tokio::test]
async fn what_is_more_than_a_message_may_have_is_told_in_parts() {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    let ask = v4::WatchEventRequest {
        batch_size: 2,
        ..request([from(Type::Best, "")])
    };
    let mut stream = new.watch_event(ask).await.expect("watched").into_inner();
    served.fake.watched.notified().await;
    let pieces = (1..=5).map(|number| {
        let network = format!("10.{number}.0.0/16");
        change(Watched::Best, &network, "192.0.2.1", true)
    });
    publish(&served, &changes(pieces.collect()));
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(paths(next(&mut stream).await).len());
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn bites_12_the_present_table_may_be_a_message_of_more_than_four_megabytes() {
    let served = Fake {
        many: Some(65_000),
        ..Fake::default()
    }
    .serve()
    .await;
    let (_, new) = clients(&served).await;
    let mut new = new.max_decoding_message_size(256 << 20);
    let ask = request([with_init(Type::Best)]);
    let mut stream = new.watch_event(ask).await.expect("watched").into_inner();
    let reply = stream
        .message()
        .await
        .expect("no error")
        .expect("not the end");
    let size = bgpd_api::Message::encoded_len(&reply);
    assert!(size > 4 << 20, "{size}");
    assert_eq!(paths(reply.event.expect("an event")).len(), 65_000);
}

#[tokio::test]
async fn check_e_11_one_who_reads_nothing_holds_a_bounded_queue_and_is_told_and_the_others_lose_nothing()
 {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    let ask = |kind| request([from(kind, "")]);
    let best = new.watch_event(ask(Type::Best)).await;
    let received = new.watch_event(ask(Type::Adjin)).await;
    let (mut slow, mut quick) = (
        best.expect("watched").into_inner(),
        received.expect("watched").into_inner(),
    );
    two_watch(&served).await;
    let mut pieces: Vec<_> = (0..1000)
        .map(|number| {
            let network = format!("10.{}.{}.0/24", number / 256, number % 256);
            change(Watched::Best, &network, "192.0.2.1", false)
        })
        .collect();
    // The same piece each time: the queue is to be full before the client's time is over.
    let other = change(Watched::Received, "10.9.0.0/16", "192.0.2.1", false);
    pieces.push(other);
    let piece = changes(pieces);
    let mut told = 0;
    // What fits into the queue, and then what HTTP/2 and the stream's own queue hold.
    while served.fake.followers.lock().expect("unpoisoned").len() == 2 {
        publish(&served, &piece);
        told += 1000;
        assert_eq!(paths(next(&mut quick).await).len(), 1);
        assert!(told < 2 * NEWS_PER_FOLLOWER, "nobody was let go");
    }
    let mut seen = 0;
    let status = loop {
        match slow.message().await {
            Ok(Some(reply)) => seen += paths(reply.event.expect("an event")).len(),
            Ok(None) => panic!("it ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("ask again"), "{status}");
    assert_eq!(seen, told - 1000, "all that was there in time");
}

fn request(filters: impl IntoIterator<Item = Filter>) -> v4::WatchEventRequest {
    let table = Some(Table {
        filters: filters.into_iter().collect(),
    });
    v4::WatchEventRequest {
        table,
        ..v4::WatchEventRequest::default()
    }
}

fn old_request(filter: v3::watch_event_request::table::Filter) -> v3::WatchEventRequest {
    let table = v3::watch_event_request::Table {
        filters: vec![filter],
    };
    v3::WatchEventRequest {
        table: Some(table),
        ..v3::WatchEventRequest::default()
    }
}

fn from(kind: Type, peer_address: &str) -> Filter {
    Filter {
        r#type: kind.into(),
        peer_address: peer_address.to_owned(),
        ..Filter::default()
    }
}

fn with_init(kind: Type) -> Filter {
    Filter {
        init: true,
        ..from(kind, "")
    }
}

fn sender(address: &str) -> Sender {
    Sender {
        name: ip(address),
        asn: bgp_proto::Asn(65001),
        router_id: Some(id("10.0.0.1")),
        is_external: true,
        group: (address == "192.0.2.2").then(|| "racks".to_owned()),
    }
}

fn change(table: Watched, network: &str, from: &str, is_there: bool) -> Change {
    let from: PeerName = ip(from);
    let route = routes().swap_remove(1);
    Change {
        table,
        prefix: prefix(network),
        path_id: 0,
        source: Some(RouteSource::Bgp(from)),
        path: is_there.then_some((route.attributes, Duration::ZERO)),
        is_unreachable: false,
    }
}

fn changes(pieces: Vec<Change>) -> News {
    let mut changes = Changes::new(pieces, SystemTime::now());
    changes.senders = ["192.0.2.1", "192.0.2.2", "2001:db8::2"]
        .map(sender)
        .to_vec();
    News::Changes(Arc::new(changes))
}

fn publish(served: &Served, news: &News) {
    let mut followers = served.fake.followers.lock().expect("unpoisoned");
    followers.publish(news);
}

/// The server has begun to follow for both.
async fn two_watch(served: &Served) {
    let count = || Followers::len(&served.fake.followers.lock().expect("unpoisoned"));
    let wait = async {
        while count() < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let bound = Duration::from_secs(20);
    tokio::time::timeout(bound, wait).await.expect("in time");
}

async fn next(stream: &mut Streaming<v4::WatchEventResponse>) -> Event {
    let reply = tokio::time::timeout(Duration::from_secs(20), stream.message());
    let reply = reply.await.expect("in time").expect("no error");
    reply.expect("not the end").event.expect("an event")
}

fn paths(event: Event) -> Vec<v4::Path> {
    match event {
        Event::Table(table) => table.paths,
        Event::Peer(peer) => panic!("{peer:?}"),
    }
}

async fn old_paths(stream: &mut Streaming<v3::WatchEventResponse>) -> Vec<v3::Path> {
    let reply = tokio::time::timeout(Duration::from_secs(20), stream.message());
    let reply = reply.await.expect("in time").expect("no error");
    match reply.expect("not the end").event {
        Some(v3::watch_event_response::Event::Table(table)) => table.paths,
        other => panic!("{other:?}"),
    }
}

/// The second octet of a path's prefix.
fn second(path: &v4::Path) -> u8 {
    let Some(v4::nlri::Nlri::Prefix(prefix)) =
        path.nlri.as_ref().and_then(|nlri| nlri.nlri.as_ref())
    else {
        panic!("a prefix: {path:?}");
    };
    let octets = prefix.prefix.split('.').nth(1);
    octets
        .and_then(|octet| octet.parse().ok())
        .expect("an octet")
}
