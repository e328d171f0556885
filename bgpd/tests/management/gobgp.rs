// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What programs written for GoBGP see, in both versions of its API.

use bgpd::config::LogLevel;
use bgpd_api::{
    Message as _,
    v3::{self, gobgp_api_client::GobgpApiClient},
    v4::{self, attribute::Attr, go_bgp_service_client::GoBgpServiceClient},
    versions::any::{attribute_from_any, attribute_to_any, nlri_from_any},
};
use tonic::{Code, Status, Streaming, transport::Channel};

use crate::fake::{Fake, Served};

#[tokio::test]
async fn both_versions_list_the_same_table() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let old = all(old
        .list_path(v3::ListPathRequest {
            family: UNICAST,
            ..Default::default()
        })
        .await)
    .await;
    let new = all(new.list_path(global()).await).await;

    let prefixes: Vec<_> = new
        .iter()
        .map(|it| destination(it).prefix.as_str())
        .collect();
    assert_eq!(
        prefixes,
        [
            "10.244.0.0/26",
            "10.244.1.0/26",
            "10.244.2.0/26",
            "10.244.0.7/32"
        ]
    );
    assert_eq!(old.len(), new.len());
    for (old, new) in old.iter().zip(&new) {
        let (old, new) = (
            old.destination.as_ref().expect("is there"),
            destination(new),
        );
        assert_eq!(
            (&old.prefix, old.paths.len()),
            (&new.prefix, new.paths.len())
        );
        for (old, new) in old.paths.iter().zip(&new.paths) {
            let nlri = nlri_from_any(old.nlri.as_ref().expect("is there")).expect("we know it");
            let attributes = old.pattrs.iter().map(attribute_from_any);
            assert_eq!(Some(nlri), new.nlri);
            assert_eq!(
                attributes.collect::<Result<Vec<_>, _>>().as_ref(),
                Ok(&new.pattrs)
            );
            assert_eq!(
                (old.best, &old.neighbor_ip, old.age.is_some()),
                (new.best, &new.neighbor_ip, true)
            );
        }
    }
}

#[tokio::test]
async fn a_path_says_where_it_comes_from_and_what_it_is_worth() {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    let new = all(new.list_path(global()).await).await;
    let rich = destination(&new[1]);
    assert_eq!(rich.paths.len(), 3, "{rich:?}");
    let best: Vec<_> = rich.paths.iter().map(|path| path.best).collect();
    assert_eq!(best, [true, false, false]);
    assert_eq!(rich.paths[0].neighbor_ip, "192.0.2.1");
    assert!(rich.paths[2].is_nexthop_invalid);
    let codes: Vec<_> = rich.paths[0]
        .pattrs
        .iter()
        .filter_map(|it| it.attr.as_ref())
        .map(name)
        .collect();
    assert_eq!(codes.first(), Some(&"origin"));
    assert!(
        codes.contains(&"as path") && codes.contains(&"next hop"),
        "{codes:?}"
    );

    let own = destination(&new[0]);
    assert_eq!(
        own.paths[0].neighbor_ip, "<nil>",
        "as GoBGP says of its own"
    );
    let codes: Vec<_> = own.paths[0]
        .pattrs
        .iter()
        .filter_map(|it| it.attr.as_ref())
        .map(name)
        .collect();
    assert_eq!(codes, ["origin", "next hop"]);
}

#[tokio::test]
async fn octets_are_given_when_they_are_asked_for() {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    let request = v4::ListPathRequest {
        enable_only_binary: true,
        ..global()
    };
    let new = all(new.list_path(request).await).await;
    let path = &destination(&new[0]).paths[0];
    assert_eq!(path.nlri_binary, [26, 10, 244, 0, 0]);
    assert_eq!(path.pattrs_binary[0], [0x40, 1, 1, 0]);
    assert!(path.nlri.is_none() && path.pattrs.is_empty());
}

#[tokio::test]
async fn prefixes_are_looked_up_exactly_by_longest_match_and_by_what_covers_them() {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    let cases = [
        ("10.244.1.0/26", v4::table_lookup_prefix::Type::Exact, 1),
        ("10.244.1.9", v4::table_lookup_prefix::Type::Exact, 1),
        ("10.244.0.0/16", v4::table_lookup_prefix::Type::Longer, 4),
        ("10.244.0.7/32", v4::table_lookup_prefix::Type::Shorter, 2),
        ("10.99.0.0/16", v4::table_lookup_prefix::Type::Exact, 0),
    ];
    for (prefix, kind, count) in cases {
        let request = with_prefix(prefix, kind);
        let found = all(new.list_path(request).await).await;
        assert_eq!(found.len(), count, "{prefix} {kind:?}");
    }
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_with_words() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let exact = v4::table_lookup_prefix::Type::Exact;
    let table = |table_type: v4::TableType, name: &str| v4::ListPathRequest {
        table_type: table_type.into(),
        name: name.into(),
        ..global()
    };
    let evpn = Some(v4::Family { afi: 25, safi: 70 });
    let cases = [
        (
            v4::ListPathRequest::default(),
            Code::InvalidArgument,
            "family is required",
        ),
        (
            v4::ListPathRequest {
                table_type: 0,
                ..global()
            },
            Code::InvalidArgument,
            "unspecified table type",
        ),
        (
            v4::ListPathRequest {
                table_type: 77,
                ..global()
            },
            Code::InvalidArgument,
            "unknown table type 77",
        ),
        (
            table(v4::TableType::Vrf, "red"),
            Code::NotFound,
            "vrf red not found",
        ),
        (
            table(v4::TableType::AdjIn, "192.0.2.77"),
            Code::NotFound,
            "neighbor that has 192.0.2.77 doesn't exist",
        ),
        (
            table(v4::TableType::AdjIn, "?/?"),
            Code::NotFound,
            "neighbor that has ?/? doesn't exist",
        ),
        (
            table(v4::TableType::Local, "192.0.2.1"),
            Code::FailedPrecondition,
            "neighbor 192.0.2.1 doesn't have local rib",
        ),
        (
            with_prefix("10.0.0.0/99", exact),
            Code::InvalidArgument,
            "`10.0.0.0/99` is no prefix of ipv4-unicast",
        ),
        (
            with_prefix("2001:db8::/32", exact),
            Code::InvalidArgument,
            "`2001:db8::/32` is no prefix of ipv4-unicast",
        ),
    ];
    for (request, code, text) in cases {
        refused(new.list_path(request).await, code, text);
    }
    let nothing = all(new
        .list_path(v4::ListPathRequest {
            family: evpn,
            ..global()
        })
        .await)
    .await;
    assert!(nothing.is_empty(), "a family without routes is no error");
    // But what a neighbour does not have is not counted.
    let size = |afi, safi| v4::GetTableRequest {
        table_type: v4::TableType::AdjIn.into(),
        family: Some(v4::Family { afi, safi }),
        name: "192.0.2.1".into(),
    };
    for (afi, safi, text) in [
        (2, 1, "ipv6-unicast unsupported"),
        (25, 70, "l2vpn-evpn unsupported"),
        (1, 99, "afi 1 safi 99 unsupported"),
    ] {
        let reply = new.get_table(size(afi, safi)).await;
        refused(reply, Code::FailedPrecondition, text);
    }
    assert!(new.get_table(size(1, 1)).await.is_ok());
    let why = old.list_vrf(v4::ListVrfRequest::default()).await;
    refused(why, Code::Unimplemented, "bgpd has no VRFs");
}

#[tokio::test]
async fn a_path_is_added_by_either_version_and_taken_back_by_its_name() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let reply = old.add_path(v3::AddPathRequest {
        path: Some(old_path("10.9.0.0", 16)),
        ..Default::default()
    });
    let uuid = reply.await.expect("added").into_inner().uuid;
    assert_eq!(uuid.len(), 16);
    let by_name = v4::DeletePathRequest {
        table_type: v4::TableType::Global.into(),
        uuid,
        ..Default::default()
    };
    new.delete_path(by_name.clone()).await.expect("was there");
    refused(
        new.delete_path(by_name).await,
        Code::NotFound,
        "can't find a specified path",
    );
    let orders = served.fake.orders.lock().expect("unpoisoned").clone();
    assert_eq!(
        orders,
        [
            "add 10.9.0.0/16 id 7 blackhole false incomplete [] via 192.0.2.9 med None local-pref Some(200) [] []",
            "delete 10.9.0.0/16 id 7",
        ]
    );
}

#[tokio::test]
async fn paths_of_a_stream_are_applied_as_they_come() {
    let served = Fake::default().serve().await;
    let (mut old, _) = clients(&served).await;
    let request = |paths| v3::AddPathStreamRequest {
        paths,
        ..Default::default()
    };
    let withdrawn = v3::Path {
        is_withdraw: true,
        ..old_path("10.1.0.0", 16)
    };
    let bad = v3::Path {
        pattrs: Vec::new(),
        ..old_path("10.3.0.0", 16)
    };
    let requests = [
        request(vec![old_path("10.1.0.0", 16), old_path("10.2.0.0", 16)]),
        request(vec![withdrawn]),
        request(vec![bad]),
        request(vec![old_path("10.4.0.0", 16)]),
    ];
    let reply = old.add_path_stream(tokio_stream::iter(requests)).await;
    refused(reply, Code::InvalidArgument, "origin not found");
    let orders = served.fake.orders.lock().expect("unpoisoned").clone();
    let words: Vec<_> = orders
        .iter()
        .map(|order| order.split(" id").next())
        .collect();
    assert_eq!(
        words,
        [
            Some("add 10.1.0.0/16"),
            Some("add 10.2.0.0/16"),
            Some("delete 10.1.0.0/16")
        ]
    );
}

#[tokio::test]
async fn paths_that_make_no_sense_are_refused_with_words() {
    let served = Fake::default().serve().await;
    let (_, mut new) = clients(&served).await;
    let good = v4::Path::try_from(old_path("10.9.0.0", 16)).expect("converted");
    let with = |attrs: Vec<Attr>| v4::Path {
        pattrs: attrs
            .into_iter()
            .map(|attr| v4::Attribute { attr: Some(attr) })
            .collect(),
        ..good.clone()
    };
    let origin = |origin| Attr::Origin(v4::OriginAttribute { origin });
    let cases = [
        (None, "path is required"),
        (
            Some(v4::Path {
                family: None,
                ..good.clone()
            }),
            "family is required",
        ),
        (
            Some(v4::Path {
                nlri: None,
                ..good.clone()
            }),
            "nlri not found",
        ),
        (
            Some(v4::Path {
                family: Some(v4::Family { afi: 2, safi: 1 }),
                ..good.clone()
            }),
            "`10.9.0.0/16` is no prefix of ipv6-unicast",
        ),
        (
            Some(v4::Path {
                family: Some(v4::Family { afi: 1, safi: 128 }),
                ..good.clone()
            }),
            "address family: l3vpn-ipv4-unicast not supported",
        ),
        (Some(with(vec![origin(0)])), "nexthop not found"),
        (
            Some(with(vec![origin(7)])),
            "origin is 0 (IGP), 1 (EGP) or 2 (incomplete), not 7",
        ),
        (
            Some(with(vec![origin(0), origin(0)])),
            "duplicated path attribute type: 1",
        ),
        (
            Some(with(vec![Attr::MpReach(
                v4::MpReachNlriAttribute::default(),
            )])),
            "invalid mp reach attribute: it holds no NLRI",
        ),
        (
            Some(v4::Path {
                pattrs: vec![v4::Attribute::default()],
                ..good.clone()
            }),
            "a path attribute is empty",
        ),
        (
            Some(v4::Path {
                nlri_binary: vec![200, 1],
                ..good.clone()
            }),
            "nlri_binary is no prefix of ipv4-unicast",
        ),
    ];
    for (path, text) in cases {
        let table_type = v4::TableType::Global.into();
        let request = v4::AddPathRequest {
            table_type,
            path,
            ..Default::default()
        };
        refused(new.add_path(request).await, Code::InvalidArgument, text);
    }
    assert!(served.fake.orders.lock().expect("unpoisoned").is_empty());
}

#[tokio::test]
async fn a_peer_is_listed_with_all_the_parts_that_clients_take_for_granted() {
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let old = all(old.list_peer(v4::ListPeerRequest::default()).await).await;
    assert_eq!(
        old.len(),
        all(new.list_peer(v4::ListPeerRequest::default()).await)
            .await
            .len()
    );
    for reply in old {
        let peer = reply.peer.expect("a peer");
        let (state, timers) = (peer.state.expect("state"), peer.timers.expect("timers"));
        let messages = state.messages.expect("messages");
        assert!(messages.sent.is_some() && messages.received.is_some() && state.queues.is_some());
        assert!(timers.config.is_some() && timers.state.is_some());
        assert!(peer.conf.is_some() && peer.transport.is_some());
        assert!(peer.route_reflector.is_some() && peer.route_server.is_some());
        assert!(peer.afi_safis.iter().all(|it| {
            it.state
                .as_ref()
                .is_some_and(|state| state.family.is_some())
        }));
        assert!(state.session_state > 0);
    }
    let one = v4::ListPeerRequest {
        address: "192.0.2.1".into(),
        ..Default::default()
    };
    assert_eq!(all(new.list_peer(one).await).await.len(), 1);
    let nobody = v4::ListPeerRequest {
        address: "192.0.2.77".into(),
        ..Default::default()
    };
    assert!(all(new.list_peer(nobody).await).await.is_empty());
}

#[tokio::test]
async fn the_log_level_is_set_by_the_numbers_of_each_version() {
    use v3::set_log_level_request::Level as Old;
    use v4::set_log_level_request::Level as New;
    let served = Fake::default().serve().await;
    let (mut old, mut new) = clients(&served).await;
    let all = [
        (Old::Panic, LogLevel::Error),
        (Old::Fatal, LogLevel::Error),
        (Old::Error, LogLevel::Error),
        (Old::Warn, LogLevel::Warn),
        (Old::Info, LogLevel::Info),
        (Old::Debug, LogLevel::Debug),
        (Old::Trace, LogLevel::Trace),
    ];
    for (level, ordered) in all {
        let level = level.into();
        let reply = old.set_log_level(v3::SetLogLevelRequest { level }).await;
        reply.expect("a level");
        assert_eq!(served.fake.log(), ordered);
    }
    for level in [7, -1] {
        let text = format!("unknown log level {level}");
        let reply = old.set_log_level(v3::SetLogLevelRequest { level }).await;
        refused(reply, Code::InvalidArgument, &text);
    }
    let all = [
        (New::Error, LogLevel::Error),
        (New::Warn, LogLevel::Warn),
        (New::Info, LogLevel::Info),
        (New::Debug, LogLevel::Debug),
    ];
    for (level, ordered) in all {
        let level = level.into();
        let reply = new.set_log_level(v4::SetLogLevelRequest { level }).await;
        reply.expect("a level");
        assert_eq!(served.fake.log(), ordered);
    }
    let wrong = [
        (New::Unspecified.into(), "unspecified log level"),
        (
            New::Panic.into(),
            "log level panic is none of error, warn, info, debug",
        ),
        (
            New::Fatal.into(),
            "log level fatal is none of error, warn, info, debug",
        ),
        (
            New::Trace.into(),
            "log level trace is none of error, warn, info, debug",
        ),
        (8, "unknown log level 8"),
    ];
    for (level, text) in wrong {
        let reply = new.set_log_level(v4::SetLogLevelRequest { level }).await;
        refused(reply, Code::InvalidArgument, text);
    }
    assert_eq!(served.fake.log(), LogLevel::Debug, "the last right one");
}

pub(crate) const UNICAST: Option<v4::Family> = Some(v4::Family { afi: 1, safi: 1 });

pub(crate) fn global() -> v4::ListPathRequest {
    v4::ListPathRequest {
        table_type: v4::TableType::Global.into(),
        family: UNICAST,
        ..Default::default()
    }
}

pub(crate) fn with_prefix(
    prefix: &str,
    kind: v4::table_lookup_prefix::Type,
) -> v4::ListPathRequest {
    v4::ListPathRequest {
        prefixes: vec![v4::TableLookupPrefix {
            prefix: prefix.into(),
            r#type: kind.into(),
            ..Default::default()
        }],
        ..global()
    }
}

/// As `gobgp global rib add` sends it.
pub(crate) fn old_path(address: &str, length: u32) -> v3::Path {
    let attrs = [
        Attr::Origin(v4::OriginAttribute { origin: 2 }),
        Attr::LocalPref(v4::LocalPrefAttribute { local_pref: 200 }),
        Attr::NextHop(v4::NextHopAttribute {
            next_hop: "192.0.2.9".into(),
        }),
    ];
    let nlri = v4::IpAddressPrefix {
        prefix_len: length,
        prefix: address.into(),
    };
    v3::Path {
        nlri: Some(prost_types::Any {
            type_url: "type.googleapis.com/apipb.IPAddressPrefix".into(),
            value: nlri.encode_to_vec(),
        }),
        pattrs: attrs
            .into_iter()
            .filter_map(|attr| attribute_to_any(v4::Attribute { attr: Some(attr) }))
            .collect(),
        family: UNICAST,
        identifier: 7,
        ..Default::default()
    }
}

fn destination(reply: &v4::ListPathResponse) -> &v4::Destination {
    reply.destination.as_ref().expect("a destination")
}

fn name(attr: &Attr) -> &'static str {
    match attr {
        Attr::Origin(_) => "origin",
        Attr::AsPath(_) => "as path",
        Attr::NextHop(_) => "next hop",
        _ => "another",
    }
}

pub(crate) async fn clients(
    served: &Served,
) -> (GobgpApiClient<Channel>, GoBgpServiceClient<Channel>) {
    let address = format!("http://{}", served.address);
    let channel = Channel::from_shared(address)
        .expect("an address")
        .connect()
        .await
        .expect("connected");
    (
        GobgpApiClient::new(channel.clone()),
        GoBgpServiceClient::new(channel),
    )
}

pub(crate) async fn all<T>(reply: Result<tonic::Response<Streaming<T>>, Status>) -> Vec<T> {
    let mut stream = reply.expect("a list").into_inner();
    let mut all = Vec::new();
    while let Some(one) = stream.message().await.expect("no error") {
        all.push(one);
    }
    all
}

pub(crate) fn refused<T: std::fmt::Debug>(reply: Result<T, Status>, code: Code, text: &str) {
    let status = reply.expect_err("refused");
    assert_eq!((status.code(), status.message()), (code, text));
}
