// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What clients of GoBGP take for granted, each point by a test: `docs/api.md` has the table.

use std::{collections::BTreeSet, time::Duration};

use bgpd_api::{
    v3::{self, gobgp_api_client::GobgpApiClient},
    v4::{self, go_bgp_service_client::GoBgpServiceClient},
};
use tonic::{Code, transport::Channel};

use crate::{
    fake::{Fake, Served},
    gobgp::{UNICAST, all, clients, global, old_path, refused, with_prefix},
    mutated::call,
};

const UNICAST_6: Option<v4::Family> = Some(v4::Family { afi: 2, safi: 1 });

/// The largest message of GoBGP and its clients.
const LARGEST: usize = 256 << 20;

#[tokio::test]
async fn bites_01_both_services_are_on_one_port_and_what_is_unknown_is_said_to_be_so() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let of_old = old.get_bgp(v4::GetBgpRequest {}).await.expect("answered");
    let of_new = new.get_bgp(v4::GetBgpRequest {}).await.expect("answered");
    let (old, new) = (of_old.into_inner().global, of_new.into_inner().global);
    let (old, new) = (old.expect("is there"), new.expect("is there"));
    assert_eq!((old.asn, &old.router_id), (64512, &"10.0.0.1".to_owned()));
    assert_eq!((old.asn, old.router_id), (new.asn, new.router_id));

    let channel = channel(&served).await;
    for path in ["/apipb.GoBgpService/GetBgp", "/api.GoBgpService/GetNothing"] {
        let answer = call(&channel, path, Vec::new()).await;
        assert_eq!(
            answer.map_err(|status| status.code()),
            Err(Code::Unimplemented)
        );
    }
}

#[tokio::test]
async fn bites_02_the_same_number_is_another_table_lookup_and_direction_in_the_other_version() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    // Number, what version 3 has by it, what version 4 has.
    for (number, in_old, in_new) in [(0, 4, None), (1, 0, Some(4))] {
        let ask = v3::GetTableRequest {
            table_type: number,
            family: UNICAST,
            ..Default::default()
        };
        let found = old
            .get_table(ask)
            .await
            .map_or(0, |reply| reply.into_inner().num_destination);
        assert_eq!(found, in_old, "version 3, table {number}");
        let ask = v4::GetTableRequest {
            table_type: number,
            family: UNICAST,
            ..Default::default()
        };
        let found = new.get_table(ask).await.ok();
        let found = found.map(|reply| reply.into_inner().num_destination);
        assert_eq!(found, in_new, "version 4, table {number}");
    }
    // 2 is SHORTER in version 3 and LONGER in version 4.
    let lookup = |prefix: &str| v4::TableLookupPrefix {
        prefix: prefix.to_owned(),
        r#type: 2,
        ..Default::default()
    };
    let shorter = v3::ListPathRequest {
        family: UNICAST,
        prefixes: vec![v3::TableLookupPrefix {
            prefix: "10.244.0.7/32".to_owned(),
            r#type: 2,
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(all(old.list_path(shorter).await).await.len(), 2);
    let longer = v4::ListPathRequest {
        prefixes: vec![lookup("10.244.0.0/16")],
        ..global()
    };
    assert_eq!(all(new.list_path(longer).await).await.len(), 4);
    // 1 is OUT in version 3 and IN in version 4; 0 is IN in version 3 and refused in version 4.
    let reset = |direction| v3::ResetPeerRequest {
        address: "192.0.2.1".to_owned(),
        soft: true,
        direction,
        ..Default::default()
    };
    old.reset_peer(reset(1)).await.expect("out");
    old.reset_peer(reset(0)).await.expect("in");
    let reset = |direction| v4::ResetPeerRequest {
        address: "192.0.2.1".to_owned(),
        soft: true,
        direction,
        ..Default::default()
    };
    new.reset_peer(reset(1)).await.expect("in");
    let answer = new.reset_peer(reset(0)).await;
    refused(answer, Code::InvalidArgument, "unspecified direction");
    let orders = served.fake.orders.lock().expect("unpoisoned").clone();
    assert_eq!(
        orders,
        [
            "RefreshOut 192.0.2.1",
            "RefreshIn 192.0.2.1",
            "RefreshIn 192.0.2.1"
        ]
    );
}

#[tokio::test]
async fn check_e_05_version_3_names_no_message_that_gobgp_3_10_can_not_read() {
    const KNOWN: &str = "IPAddressPrefix OriginAttribute AsPathAttribute NextHopAttribute \
        MultiExitDiscAttribute LocalPrefAttribute AtomicAggregateAttribute AggregatorAttribute \
        CommunitiesAttribute OriginatorIdAttribute ClusterListAttribute MpReachNLRIAttribute \
        ExtendedCommunitiesAttribute AigpAttribute LargeCommunitiesAttribute UnknownAttribute \
        MultiProtocolCapability RouteRefreshCapability ExtendedNexthopCapability \
        GracefulRestartCapability FourOctetASNCapability AddPathCapability \
        EnhancedRouteRefreshCapability LongLivedGracefulRestartCapability \
        RouteRefreshCiscoCapability FqdnCapability UnknownCapability";
    let served = Fake::default().serve().await;
    let (mut old, _) = clients(&served).await;
    let mut seen = BTreeSet::new();
    for family in [UNICAST, UNICAST_6] {
        let request = v3::ListPathRequest {
            family,
            ..Default::default()
        };
        for reply in all(old.list_path(request).await).await {
            for path in reply.destination.expect("is there").paths {
                seen.extend(path.nlri.map(|any| any.type_url));
                seen.extend(path.pattrs.into_iter().map(|any| any.type_url));
            }
        }
    }
    for reply in all(old.list_peer(v4::ListPeerRequest::default()).await).await {
        let state = reply.peer.and_then(|peer| peer.state).expect("state");
        let all = state.local_cap.into_iter().chain(state.remote_cap);
        seen.extend(all.map(|any| any.type_url));
    }
    let known: BTreeSet<_> = KNOWN.split_whitespace().collect();
    for url in &seen {
        let name = url.strip_prefix("type.googleapis.com/apipb.");
        assert!(name.is_some_and(|name| known.contains(name)), "{url}");
    }
    assert!(seen.len() > 10, "{seen:?}");
}

#[tokio::test]
async fn bites_07_09_each_destination_is_one_message_and_its_prefix_can_be_parsed() {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    for (family, is_v4) in [(UNICAST, true), (UNICAST_6, false)] {
        let request = v4::ListPathRequest { family, ..global() };
        let mut seen = BTreeSet::new();
        for reply in all(new.list_path(request).await).await {
            let destination = reply.destination.expect("never left out");
            let prefix: bgp_proto::Prefix = destination.prefix.parse().expect("a prefix");
            assert_eq!(prefix.addr().is_ipv4(), is_v4);
            assert_eq!(prefix.to_string(), destination.prefix);
            assert!(!destination.paths.is_empty());
            assert!(seen.insert(prefix), "{prefix} twice");
        }
        assert!(!seen.is_empty());
    }
}

#[tokio::test]
async fn bites_08_a_path_always_has_its_family_prefix_age_and_attributes() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("after it")
        .as_secs();
    let now = i64::try_from(now).expect("small");
    let tables = [
        (v4::TableType::Global, ""),
        (v4::TableType::AdjIn, "192.0.2.1"),
        (v4::TableType::AdjOut, "192.0.2.2"),
    ];
    let mut seen = 0;
    for (table, name) in tables {
        for family in [UNICAST, UNICAST_6] {
            let request = v4::ListPathRequest {
                table_type: table.into(),
                name: name.to_owned(),
                family,
                ..Default::default()
            };
            for reply in all(new.list_path(request).await).await {
                for path in reply.destination.expect("is there").paths {
                    assert_eq!(path.family, family);
                    assert!(path.nlri.is_some() && !path.pattrs.is_empty(), "{path:?}");
                    let age = path.age.expect("is there").seconds;
                    // A time, not a duration.
                    assert!((now - 1_000_000..=now + 60).contains(&age), "{age}, {now}");
                    seen += 1;
                }
            }
            let request = v3::ListPathRequest {
                table_type: i32::from(table) - 1,
                name: name.to_owned(),
                family,
                ..Default::default()
            };
            for reply in all(old.list_path(request).await).await {
                for path in reply.destination.expect("is there").paths {
                    assert_eq!(path.family, family);
                    assert!(path.nlri.is_some() && path.age.is_some() && !path.pattrs.is_empty());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[tokio::test]
async fn bites_11_what_arrived_of_a_stream_counts_though_its_client_has_left() {
    let served = Fake::default().serve().await;
    let channel = channel(&served).await;
    let request = |address: &str| v3::AddPathStreamRequest {
        paths: vec![old_path(address, 16)],
        ..Default::default()
    };
    let requests = ["10.1.0.0", "10.2.0.0", "10.3.0.0"].map(request);
    // As `gobgp mrt inject` does: never says that it has done, never reads what it is answered, and goes.
    let endless =
        futures_util::StreamExt::chain(tokio_stream::iter(requests), tokio_stream::pending());
    let mut client = GobgpApiClient::new(channel);
    let call = tokio::spawn(async move { client.add_path_stream(endless).await.map(drop) });
    let added = || {
        let orders = served.fake.orders.lock().expect("unpoisoned").clone();
        let words = orders.iter().filter_map(|order| order.split(" id").next());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let all = ["add 10.1.0.0/16", "add 10.2.0.0/16", "add 10.3.0.0/16"];
    until(|| added() == all).await;
    call.abort();
    assert!(call.await.is_err(), "it never ended by itself");
    let (mut old, _) = clients(&served).await;
    old.get_bgp(v4::GetBgpRequest {}).await.expect("unharmed");
    assert_eq!(added(), all, "nothing is taken back");
}

#[tokio::test]
async fn bites_12_a_request_may_be_larger_than_the_four_megabytes_of_other_servers() {
    let served = Fake::default().serve().await;
    let channel = channel(&served).await;
    let paths = (0..80_000_u32).map(|number| {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + (number << 8));
        v4::Path::try_from(old_path(&address.to_string(), 24)).expect("converted")
    });
    let request = v4::AddPathStreamRequest {
        table_type: v4::TableType::Global.into(),
        paths: paths.collect(),
        ..Default::default()
    };
    let size = bgpd_api::Message::encoded_len(&request);
    assert!(size > 4 << 20, "{size}");
    let mut new = GoBgpServiceClient::new(channel).max_encoding_message_size(LARGEST);
    new.add_path_stream(tokio_stream::once(request))
        .await
        .expect("taken");
    let added = served.fake.orders.lock().expect("unpoisoned").len();
    assert_eq!(added, 80_000);
}

#[tokio::test]
async fn check_e_07_a_neighbour_is_found_by_address_or_interface_and_all_of_them_by_a_word() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let found = async |new: &mut GoBgpServiceClient<Channel>, address: &str| {
        let address = address.to_owned();
        let request = v4::ListPeerRequest {
            address,
            ..Default::default()
        };
        all(new.list_peer(request).await).await.len()
    };
    assert_eq!(found(&mut new, "192.0.2.1").await, 1);
    for nobody in ["eth7", "fe80::1%eth7", "nonsense at all"] {
        assert_eq!(found(&mut new, nobody).await, 0, "{nobody}");
    }
    assert!(found(&mut new, "").await > 1);
    for everybody in ["", "all"] {
        let address = everybody.to_owned();
        let request = v3::ResetPeerRequest {
            address,
            soft: true,
            direction: 1,
            ..Default::default()
        };
        old.reset_peer(request).await.expect("everybody");
    }
    let orders = served.fake.orders.lock().expect("unpoisoned").clone();
    assert_eq!(orders, ["RefreshOut all", "RefreshOut all"]);
}

#[tokio::test]
async fn check_e_09_paths_are_deleted_by_name_by_themselves_by_family_or_all() {
    let served = Fake {
        own: true,
        ..Fake::default()
    }
    .serve()
    .await;
    let (mut old, mut new) = clients(&served).await;
    let path = v3::Path {
        pattrs: Vec::new(),
        ..old_path("10.244.7.0", 26)
    };
    let request = v3::DeletePathRequest {
        path: Some(path),
        ..Default::default()
    };
    old.delete_path(request.clone()).await.expect("by itself");
    let absent = v3::DeletePathRequest {
        path: Some(old_path("10.99.0.0", 16)),
        ..Default::default()
    };
    old.delete_path(absent)
        .await
        .expect("what is not there is no error");
    let taken = || {
        let mut orders = served.fake.orders.lock().expect("unpoisoned");
        std::mem::take(&mut *orders)
    };
    assert_eq!(
        taken(),
        ["delete 10.244.7.0/26 id 7", "delete 10.99.0.0/16 id 7"]
    );
    let family = |family| v4::DeletePathRequest {
        table_type: v4::TableType::Global.into(),
        family,
        ..Default::default()
    };
    new.delete_path(family(UNICAST)).await.expect("by family");
    let of_family = taken();
    new.delete_path(family(UNICAST_6)).await.expect("by family");
    let of_other = taken();
    new.delete_path(family(None)).await.expect("all");
    let mut both = of_family.clone();
    both.extend(of_other);
    assert_eq!(taken(), both, "all is what both families have");
    assert!(!of_family.is_empty() && of_family.iter().all(|order| order.contains('.')));
    refused(
        new.delete_path(v4::DeletePathRequest {
            uuid: vec![1; 16],
            ..Default::default()
        })
        .await,
        Code::NotFound,
        "can't find a specified path",
    );
}

#[tokio::test]
async fn check_e_06_replies_are_not_compressed() {
    let served = Fake::default().serve().await;
    let mut request = tonic::Request::new(with_prefix(
        "10.244.0.0/16",
        v4::table_lookup_prefix::Type::Longer,
    ));
    let offered = "gzip,zstd,identity".parse().expect("ASCII");
    request
        .metadata_mut()
        .insert("grpc-accept-encoding", offered);
    let (_, mut new) = clients(&served).await;
    let reply = new.list_path(request).await.expect("a list");
    assert_eq!(reply.metadata().get("grpc-encoding"), None);
}

#[tokio::test]
async fn a_client_that_stops_reading_a_million_routes_has_a_few_pages_of_them_made_and_holds_up_nobody()
 {
    let served = Fake {
        many: Some(1_000_000),
        ..Fake::default()
    }
    .serve()
    .await;
    let (_, mut new) = clients(&served).await;
    let pages = || served.fake.pages.load(std::sync::atomic::Ordering::Relaxed);
    let mut listing = new.list_path(global()).await.expect("a list").into_inner();
    assert!(listing.message().await.expect("no error").is_some());
    // It goes on until what lies between is full: HTTP/2's windows, and a few pages.
    let mut before = 0;
    while pages() != before {
        before = pages();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before < 100, "{before} pages of 3907 are made for nobody");
    for _ in 0..20 {
        let answer = new.get_bgp(v4::GetBgpRequest {});
        let answer = tokio::time::timeout(Duration::from_secs(10), answer).await;
        answer.expect("in time").expect("answered");
    }
    drop(listing);
    let left = tokio::time::timeout(Duration::from_secs(10), served.fake.abandoned.notified());
    left.await
        .expect("the table is let go when the client is gone");
}

async fn channel(served: &Served) -> Channel {
    let address = format!("http://{}", served.address);
    let endpoint = Channel::from_shared(address).expect("an address");
    endpoint.connect().await.expect("connected")
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let bound = Duration::from_secs(20);
    tokio::time::timeout(bound, wait).await.expect("in time");
}
