// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a program sees: errors, bounds, streams that end when they should.

use std::time::Duration;

use bgpd::{
    api::{Listeners, serve},
    cli::{Client, Failure, Target},
    control::{EVENTS_PER_WATCHER, RouteQuery, WatchEvent},
};
use bgpd_api::v1::{self, bgpd_client::BgpdClient};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};

use crate::{
    data::{ip, prefix},
    fake::{Fake, Served},
};

#[tokio::test]
async fn wrong_requests_are_refused_with_words_that_help() {
    let served = Fake::default().serve().await;
    let mut bgpd = client(&served).await;
    let one = v1::ListPeersRequest {
        address: Some("192.0.2".to_owned()),
    };
    refused(
        bgpd.list_peers(one).await,
        Code::InvalidArgument,
        "address: \"192.0.2\" is no neighbour: an address, a link-local one with its interface \
             (fe80::1%eth0), or an interface",
    );
    let one = v1::ListPeersRequest {
        address: Some("192.0.2.99".to_owned()),
    };
    refused(
        bgpd.list_peers(one).await,
        Code::NotFound,
        "there is no neighbor 192.0.2.99",
    );
    let nothing = v1::WatchRequest::default();
    refused(
        bgpd.watch(nothing).await,
        Code::InvalidArgument,
        "nothing to watch: set `peers`, `routes` or `fib`",
    );
    let table = v1::ListRoutesRequest {
        table: v1::Table::AdjOut.into(),
        ..v1::ListRoutesRequest::default()
    };
    refused(
        bgpd.list_routes(table).await,
        Code::InvalidArgument,
        "neighbor: ADJ_IN and ADJ_OUT need the address of a neighbour",
    );
    let good = v1::NewRoute {
        prefix: "10.0.0.0/8".to_owned(),
        ..v1::NewRoute::default()
    };
    let bad = v1::NewRoute {
        prefix: "10.0.0.1/8".to_owned(),
        ..v1::NewRoute::default()
    };
    refused(
        bgpd.add_routes(v1::AddRoutesRequest {
            routes: vec![good, bad],
        })
        .await,
        Code::InvalidArgument,
        "routes[1].prefix: `10.0.0.1/8` has host bits set; did you mean 10.0.0.0/8?",
    );
    assert!(
        served.fake.orders.lock().expect("unpoisoned").is_empty(),
        "all or none"
    );
    let order = v1::OrderPeerRequest {
        whom: Some(v1::order_peer_request::Whom::Address(
            "192.0.2.3".to_owned(),
        )),
        order: v1::PeerOrder::RefreshIn.into(),
        reason: String::new(),
    };
    refused(
        bgpd.order_peer(order).await,
        Code::FailedPrecondition,
        "192.0.2.3 is not Established",
    );
}

#[tokio::test]
async fn a_watcher_that_lags_is_told_and_holds_a_bounded_queue() {
    let served = Fake::default().serve().await;
    let mut bgpd = client(&served).await;
    let mut stream = bgpd
        .watch(v1::WatchRequest {
            fib: true,
            ..v1::WatchRequest::default()
        })
        .await
        .expect("watching");
    let events = stream.get_mut();
    assert_eq!(
        events.message().await.expect("alive"),
        Some(v1::WatchResponse { event: None }),
        "ready"
    );

    // Far more than the queue and the windows of HTTP/2 hold, in bursts that let the server run.
    let publish = || {
        let event = WatchEvent::Fib {
            prefix: prefix("2001:db8:ffff::/48"),
            route: None,
        };
        served
            .fake
            .watchers
            .lock()
            .expect("unpoisoned")
            .publish(&event);
    };
    let mut published = 40 * EVENTS_PER_WATCHER as u64;
    for number in 0..published {
        publish();
        if number % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }

    let (mut received, mut lost) = (0, 0);
    while received + lost < published {
        match events
            .message()
            .await
            .expect("alive")
            .expect("not over")
            .event
        {
            Some(v1::watch_response::Event::Lagged(lagged)) => {
                lost += lagged.lost;
                // What was lost after this marker is told before the next event.
                publish();
                published += 1;
            }
            Some(_) => received += 1,
            None => panic!("ready twice"),
        }
    }
    assert_eq!(
        received + lost,
        published,
        "each event has arrived or is counted as lost"
    );
    assert!(lost > 0);
}

#[tokio::test]
async fn a_list_that_nobody_reads_any_more_is_given_up() {
    let served = Fake {
        many: Some(usize::MAX),
        ..Fake::default()
    }
    .serve()
    .await;
    let mut bgpd = client(&served).await;
    let mut stream = bgpd
        .list_routes(v1::ListRoutesRequest::default())
        .await
        .expect("accepted")
        .into_inner();
    assert!(
        !stream
            .message()
            .await
            .expect("alive")
            .expect("a page")
            .routes
            .is_empty()
    );
    drop(stream);
    let abandoned = tokio::time::timeout(Duration::from_secs(10), served.fake.abandoned.notified());
    abandoned
        .await
        .expect("the daemon learns that the reader has gone");
}

#[tokio::test]
async fn shutdown_cuts_streams_with_an_error_and_removes_the_socket() {
    let served = Fake {
        many: Some(usize::MAX),
        ..Fake::default()
    }
    .serve()
    .await;
    let mut bgpd = client(&served).await;
    let mut stream = bgpd
        .list_routes(v1::ListRoutesRequest::default())
        .await
        .expect("accepted")
        .into_inner();
    assert!(stream.message().await.expect("alive").is_some());
    served.shutdown.cancel();
    let end = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("half a list looks like a whole one"),
            Err(status) => break status,
        }
    };
    assert_eq!(
        (end.code(), end.message()),
        (Code::Unavailable, "bgpd is shutting down")
    );
    drop((stream, bgpd));
    let gone = async {
        while served.socket.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("the socket file is removed");
}

#[tokio::test]
async fn health_and_reflection_answer() {
    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    };
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };

    let served = Fake::default().serve().await;
    let service = "bgpd.v1.Bgpd".to_owned();
    let health = HealthClient::new(channel(&served).await)
        .check(HealthCheckRequest {
            service: service.clone(),
        })
        .await;
    assert_eq!(
        health.expect("answers").into_inner().status(),
        ServingStatus::Serving
    );

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(channel(&served).await);
    let answer = reflection
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .expect("answers");
    let message = answer
        .into_inner()
        .message()
        .await
        .expect("alive")
        .expect("an answer")
        .message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = message else {
        panic!("{message:?}")
    };
    assert!(
        list.service.iter().any(|found| found.name == service),
        "{list:?}"
    );
}

#[tokio::test]
async fn a_second_daemon_on_the_socket_is_refused() {
    let served = Fake::default().serve().await;
    let second = serve(
        Fake::default(),
        Vec::new(),
        Some(served.socket.clone()),
        CancellationToken::new(),
    );
    let error = second.await.expect_err("taken").to_string();
    assert!(error.contains("another bgpd answers there"), "{error}");
    assert!(Listeners::bind(&[served.address], None).await.is_err());
}

#[tokio::test]
async fn the_client_library_speaks_in_control_types() {
    let served = Fake::default().serve().await;
    let targets = [
        Target::Unix("/nonexistent/bgpd.sock".into()),
        Target::Tcp(served.address.to_string()),
    ];
    let mut client = Client::connect(&targets).await.expect("the second answers");
    assert_eq!(
        client
            .peers(Some(ip("192.0.2.1")))
            .await
            .expect("there")
            .len(),
        1
    );
    assert!(matches!(
        client.peers(Some(ip("192.0.2.99"))).await,
        Err(Failure::NotFound(_))
    ));
    let mut found = Vec::new();
    let each = |mut page: Vec<_>| {
        found.append(&mut page);
        Ok(())
    };
    client
        .routes(&RouteQuery::default(), each)
        .await
        .expect("listed");
    assert_eq!(found, crate::data::routes());
}

fn refused<T>(answer: Result<T, tonic::Status>, code: Code, words: &str) {
    let status = answer.err().expect("refused");
    assert_eq!((status.code(), status.message()), (code, words));
}

async fn client(served: &Served) -> BgpdClient<Channel> {
    BgpdClient::new(channel(served).await)
}

async fn channel(served: &Served) -> Channel {
    let address = format!("http://{}", served.address);
    Channel::from_shared(address)
        .expect("an address")
        .connect()
        .await
        .expect("connected")
}
