// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes of every kind get into the kernel, change there and leave it.

use fib_netlink::{Change, FibConfig, Hop, Route, Status, Target};

use crate::world::{in_namespace, ip, prefix, routes, routes6, start, status, to, via};

#[test]
#[ignore = "needs netns"]
fn routes_of_both_families_are_installed_replaced_and_removed() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        fib.apply(vec![
            via("10.9.0.0/16", "10.0.0.2"),
            via("fd09::/32", "fd00::2"),
        ])
        .await;
        fib.settled().await;
        assert_eq!(routes("proto bird"), ["10.9.0.0/16 via 10.0.0.2 dev e0"]);
        assert_eq!(
            routes6("proto bird"),
            ["fd09::/32 via fd00::2 dev e0 metric 1024"]
        );
        assert_eq!(status(&fib, "10.9.0.0/16").await, Status::Installed);

        fib.apply(vec![
            via("10.9.0.0/16", "10.0.1.2"),
            via("fd09::/32", "fd00:1::2"),
        ])
        .await;
        fib.settled().await;
        assert_eq!(routes("proto bird"), ["10.9.0.0/16 via 10.0.1.2 dev e1"]);
        assert_eq!(
            routes6("proto bird"),
            ["fd09::/32 via fd00:1::2 dev e1 metric 1024"]
        );

        fib.apply(vec![
            Change::Remove(prefix("10.9.0.0/16")),
            Change::Remove(prefix("fd09::/32")),
        ])
        .await;
        fib.settled().await;
        assert_eq!(routes("proto bird"), [""; 0]);
        assert_eq!(routes6("proto bird"), [""; 0]);
        assert_eq!(fib.routes().await, []);
    });
}

#[test]
#[ignore = "needs netns"]
fn several_hops_share_the_traffic_by_weight() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let hop = |gateway: &str, weight| Hop::via(gateway.parse().unwrap()).weighing(weight);
        fib.apply(vec![
            to("10.9.0.0/16", vec![hop("10.0.0.2", 1), hop("10.0.1.2", 3)]),
            to("fd09::/32", vec![hop("fd00::2", 2), hop("fd00:1::2", 1)]),
        ])
        .await;
        fib.settled().await;
        let v4 =
            "10.9.0.0/16 nexthop via 10.0.0.2 dev e0 weight 1 nexthop via 10.0.1.2 dev e1 weight 3";
        assert_eq!(routes("proto bird"), [v4]);
        let v6 = "fd09::/32 metric 1024 nexthop via fd00::2 dev e0 weight 2 nexthop via fd00:1::2 dev e1 weight 1";
        assert_eq!(routes6("proto bird"), [v6]);

        // Back to one hop, to none, and to two again: each in one step, with nothing left behind.
        for (target, shown) in [
            (
                Target::Via(vec![hop("fd00::2", 1)]),
                "fd09::/32 via fd00::2 dev e0 metric 1024",
            ),
            (Target::Blackhole, "blackhole fd09::/32 dev lo metric 1024"),
            (
                Target::Via(vec![hop("fd00::2", 2), hop("fd00:1::2", 1)]),
                v6,
            ),
        ] {
            fib.apply(vec![Change::Install(Route::new(
                prefix("fd09::/32"),
                target,
            ))])
            .await;
            fib.settled().await;
            assert_eq!(routes6("proto bird"), [shown]);
        }
        fib.apply(vec![
            Change::Remove(prefix("fd09::/32")),
            Change::Remove(prefix("10.9.0.0/16")),
        ])
        .await;
        fib.settled().await;
        assert_eq!(routes6("proto bird"), [""; 0]);
        assert_eq!(routes("proto bird"), [""; 0]);
    });
}

#[test]
#[ignore = "needs netns"]
fn a_tunnel_is_used_onlink() {
    in_namespace(async || {
        ip("link add tunl0 type veth peer name other");
        ip("link set other up");
        ip("link set tunl0 up");
        let (fib, _events) = start(FibConfig::default()).await;
        let hop = |gateway: &str| Hop::via(gateway.parse().unwrap()).over("tunl0").onlink();
        fib.apply(vec![
            to("10.244.1.0/26", vec![hop("172.18.0.3")]),
            to("fd09::/64", vec![hop("fd77::3")]),
        ])
        .await;
        fib.settled().await;
        assert_eq!(
            routes("proto bird"),
            ["10.244.1.0/26 via 172.18.0.3 dev tunl0 onlink"]
        );
        assert_eq!(
            routes6("proto bird"),
            ["fd09::/64 via fd77::3 dev tunl0 metric 1024 onlink"]
        );
        assert_eq!(status(&fib, "10.244.1.0/26").await, Status::Installed);
    });
}

#[test]
#[ignore = "needs netns"]
fn packets_can_be_refused_in_three_ways_and_sent_to_the_next_table() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let route = |text: &str, target| Change::Install(Route::new(prefix(text), target));
        fib.apply(vec![
            route("10.1.0.0/16", Target::Blackhole),
            route("10.2.0.0/16", Target::Unreachable),
            route("10.3.0.0/16", Target::Prohibit),
            route("10.4.0.0/16", Target::Throw),
            route("fd01::/32", Target::Blackhole),
            route("fd02::/32", Target::Throw),
        ])
        .await;
        fib.settled().await;
        let v4 = [
            "blackhole 10.1.0.0/16",
            "unreachable 10.2.0.0/16",
            "prohibit 10.3.0.0/16",
            "throw 10.4.0.0/16",
        ];
        assert_eq!(routes("proto bird"), v4);
        assert_eq!(
            routes6("proto bird"),
            [
                "blackhole fd01::/32 dev lo metric 1024",
                "throw fd02::/32 dev lo metric 1024"
            ]
        );
        fib.apply(vec![via("10.1.0.0/16", "10.0.0.2")]).await;
        fib.settled().await;
        assert!(routes("proto bird").contains(&"10.1.0.0/16 via 10.0.0.2 dev e0".to_owned()));
    });
}

#[test]
#[ignore = "needs netns"]
fn an_ipv4_destination_may_have_an_ipv6_gateway() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let link_local = Hop::via("fe80::2".parse().unwrap()).over("e1");
        fib.apply(vec![
            via("10.9.0.0/16", "fd00::2"),
            to("10.8.0.0/16", vec![link_local.clone()]),
        ])
        .await;
        fib.settled().await;
        assert_eq!(
            routes("proto bird"),
            [
                "10.8.0.0/16 via inet6 fe80::2 dev e1",
                "10.9.0.0/16 via inet6 fd00::2 dev e0"
            ]
        );
        let two = vec![link_local, Hop::via("10.0.0.2".parse().unwrap())];
        fib.apply(vec![to("10.8.0.0/16", two)]).await;
        fib.settled().await;
        let shown = "10.8.0.0/16 nexthop via 10.0.0.2 dev e0 weight 1 nexthop via inet6 fe80::2 dev e1 weight 1";
        assert_eq!(routes("proto bird")[0], shown);
    });
}

#[test]
#[ignore = "needs netns"]
fn table_metric_protocol_and_source_are_as_configured() {
    in_namespace(async || {
        let config = FibConfig {
            table: 1000,
            protocol: 186,
            metric: 50,
            ..FibConfig::default()
        };
        let (fib, _events) = start(config.clone()).await;
        let mut own = Route::new(prefix("10.8.0.0/16"), Target::Via(vec![Hop::device("e1")]));
        own.metric = Some(7);
        own.source = Some("10.0.0.1".parse().unwrap());
        fib.apply(vec![
            via("10.9.0.0/16", "10.0.0.2"),
            Change::Install(own.clone()),
        ])
        .await;
        fib.settled().await;
        let own_line = "10.8.0.0/16 dev e1 proto bgp scope link src 10.0.0.1 metric 7";
        assert_eq!(
            routes("table 1000"),
            [
                own_line,
                "10.9.0.0/16 via 10.0.0.2 dev e0 proto bgp metric 50"
            ]
        );
        assert_eq!(routes("proto bgp"), [""; 0]);

        // Another metric: the new route is there before the old one goes.
        own.metric = Some(8);
        fib.apply(vec![Change::Install(own)]).await;
        fib.settled().await;
        assert_eq!(
            routes("table 1000")[0],
            own_line.replace("metric 7", "metric 8")
        );

        fib.reconfigure(FibConfig {
            table: 254,
            protocol: 12,
            metric: 0,
            ..config
        })
        .await;
        fib.settled().await;
        assert_eq!(routes("table 1000"), [""; 0]);
        assert_eq!(routes("proto bird").len(), 2);
    });
}

#[test]
#[ignore = "needs netns"]
fn a_gateway_behind_another_router_is_resolved_through_foreign_routes() {
    in_namespace(async || {
        ip("route add 192.168.7.0/24 via 10.0.0.9");
        let (fib, _events) = start(FibConfig::default()).await;
        fib.apply(vec![via("10.9.0.0/16", "192.168.7.1")]).await;
        fib.settled().await;
        assert_eq!(routes("proto bird"), ["10.9.0.0/16 via 10.0.0.9 dev e0"]);
        ip("route replace 192.168.7.0/24 via 10.0.1.9");
        crate::world::within(std::time::Duration::from_secs(1), "it follows", || {
            routes("proto bird") == ["10.9.0.0/16 via 10.0.1.9 dev e1"]
        })
        .await;
    });
}

#[test]
#[ignore = "needs netns"]
fn shutdown_removes_our_routes_unless_they_shall_persist() {
    in_namespace(async || {
        ip("route add 10.7.0.0/16 via 10.0.0.9");
        let (fib, _events) = start(FibConfig {
            persist: false,
            ..FibConfig::default()
        })
        .await;
        fib.apply(
            (0..2000u32)
                .map(|n| via(&format!("11.{}.{}.0/24", n / 256, n % 256), "10.0.0.2"))
                .collect(),
        )
        .await;
        fib.settled().await;
        assert_eq!(routes("proto bird").len(), 2000);
        fib.shutdown().await;
        assert_eq!(routes("proto bird").len(), 0);
        assert_eq!(routes("10.7.0.0/16").len(), 1);

        let (fib, mut events) = start(FibConfig::default()).await;
        fib.apply(vec![via("10.9.0.0/16", "10.0.0.2")]).await;
        fib.settled().await;
        fib.shutdown().await;
        assert_eq!(routes("proto bird").len(), 1);
        while events.recv().await.is_some() {}
    });
}
