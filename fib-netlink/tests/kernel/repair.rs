// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What others take away comes back.

use std::time::{Duration, Instant};

use fib_netlink::{Change, FibConfig, FibEvent, Hop, Status};

use crate::world::{
    cable, event, in_namespace, ip, prefix, routes, routes6, start, status, to, via, within,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
#[ignore = "needs netns"]
fn a_stolen_route_is_back_within_a_second() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let two =
            |a: &str, b: &str| vec![Hop::via(a.parse().unwrap()), Hop::via(b.parse().unwrap())];
        fib.apply(vec![
            via("10.9.0.0/16", "10.0.0.2"),
            via("fd09::/32", "fd00::2"),
            to("10.8.0.0/16", two("10.0.0.2", "10.0.1.2")),
            to("fd08::/32", two("fd00::2", "fd00:1::2")),
        ])
        .await;
        fib.settled().await;
        let before = (routes("proto bird"), routes6("proto bird"));
        ip("route del 10.9.0.0/16");
        ip("route change 10.8.0.0/16 via 10.0.1.77 proto bird");
        ip("-6 route del fd09::/32");
        ip("-6 route del fd08::/32 via fd00::2");
        let took = within(SECOND, "all are back", || {
            (routes("proto bird"), routes6("proto bird")) == before
        })
        .await;
        eprintln!("stolen routes were back after {took:?}");
        assert_eq!(status(&fib, "10.9.0.0/16").await, Status::Installed);
    });
}

#[test]
#[ignore = "needs netns"]
fn a_route_that_is_replaced_by_another_program_is_reported_and_not_fought_for() {
    in_namespace(async || {
        let (fib, mut events) = start(FibConfig::default()).await;
        fib.apply(vec![via("10.9.0.0/16", "10.0.0.2")]).await;
        fib.settled().await;
        ip("route replace 10.9.0.0/16 via 10.0.1.9 proto static");
        let blocked = event(&mut events, "blocked", |event| match event {
            FibEvent::Status(states) => states.first().cloned(),
            _ => None,
        })
        .await;
        assert_eq!(blocked.status, Status::Blocked { protocol: 4 });
        assert_eq!(
            routes("10.9.0.0/16"),
            ["10.9.0.0/16 via 10.0.1.9 dev e1 proto static"]
        );
        ip("route del 10.9.0.0/16 proto static");
        within(SECOND, "ours", || routes("proto bird").len() == 1).await;
    });
}

#[test]
#[ignore = "needs netns"]
fn a_thief_who_does_not_give_up_gets_five_routes_a_minute() {
    in_namespace(async || {
        let (fib, mut events) = start(FibConfig::default()).await;
        fib.apply(vec![
            via("10.9.0.0/16", "10.0.0.2"),
            via("10.8.0.0/16", "10.0.0.2"),
        ])
        .await;
        fib.settled().await;
        for _ in 0..5 {
            ip("route del 10.9.0.0/16");
            within(SECOND, "restored", || routes("proto bird").len() == 2).await;
            fib.settled().await;
        }
        ip("route del 10.9.0.0/16");
        let contested = event(&mut events, "alarm", |event| match event {
            FibEvent::Status(states) => states
                .iter()
                .find(|s| matches!(s.status, Status::Contested { .. }))
                .cloned(),
            _ => None,
        });
        assert_eq!(contested.await.route.prefix, prefix("10.9.0.0/16"));
        assert_eq!(
            routes("proto bird"),
            ["10.8.0.0/16 via 10.0.0.2 dev e0"],
            "the other is left in peace"
        );
        // Whoever desires something new is obeyed at once.
        fib.apply(vec![via("10.9.0.0/16", "10.0.0.3")]).await;
        fib.settled().await;
        assert_eq!(routes("proto bird").len(), 2);
    });
}

#[test]
#[ignore = "needs netns"]
fn twenty_thousand_flushed_routes_are_back_within_five_seconds() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let many = |n: u32| via(&format!("11.{}.{}.0/24", n / 256, n % 256), "10.0.0.2");
        fib.apply((0..20_000).map(many).collect()).await;
        fib.settled().await;
        assert_eq!(routes("proto bird").len(), 20_000);
        ip("route flush proto bird");
        let took = within(5 * SECOND, "all are back", || {
            ip("route show proto bird").lines().count() == 20_000
        })
        .await;
        eprintln!("20 000 flushed routes were back after {took:?}");
    });
}

#[test]
#[ignore = "needs netns"]
fn routes_are_back_when_a_link_that_went_down_comes_up() {
    in_namespace(async || {
        let (fib, mut events) = start(FibConfig::default()).await;
        let two = vec![
            Hop::via("10.0.0.2".parse().unwrap()),
            Hop::via("10.0.1.2".parse().unwrap()),
        ];
        let two6 = vec![
            Hop::via("fd00::2".parse().unwrap()),
            Hop::via("fd00:1::2".parse().unwrap()),
        ];
        let over = |gateway: &str| vec![Hop::via(gateway.parse().unwrap()).over("e0")];
        fib.apply(vec![
            to("10.7.0.0/16", over("10.0.0.2")),
            to("fd07::/32", over("fe80::2")),
            via("10.9.0.0/16", "10.0.0.2"),
            to("10.8.0.0/16", two),
            to("fd08::/32", two6),
        ])
        .await;
        fib.settled().await;
        let before = (routes("proto bird"), routes6("proto bird"));
        ip("link set e0 down");
        within(SECOND, "what is left leads out of the other link", || {
            let left = routes("proto bird");
            left == ["10.8.0.0/16 via 10.0.1.2 dev e1"]
                && routes6("proto bird") == ["fd08::/32 via fd00:1::2 dev e1 metric 1024"]
        })
        .await;
        fib.settled().await;
        assert_eq!(
            status(&fib, "10.7.0.0/16").await,
            Status::WaitingForInterface
        );
        event(&mut events, "waiting", |event| match event {
            FibEvent::Status(states) => states
                .iter()
                .any(|state| state.status == Status::WaitingForInterface)
                .then_some(()),
            _ => None,
        })
        .await;
        ip("link set e0 up");
        ip("addr add fd00::1/64 dev e0 nodad"); // the kernel forgot it
        let took = within(2 * SECOND, "all are back", || {
            (routes("proto bird"), routes6("proto bird")) == before
        })
        .await;
        eprintln!("routes were back {took:?} after the link");

        for _ in 0..10 {
            ip("link set e0 down");
            ip("link set e0 up");
            ip("addr add fd00::1/64 dev e0 nodad");
        }
        within(2 * SECOND, "all are back", || {
            (routes("proto bird"), routes6("proto bird")) == before
        })
        .await;
        fib.settled().await;
        for state in fib.routes().await {
            assert!(state.status.is_installed(), "{state:?}");
        }
    });
}

#[test]
#[ignore = "needs netns"]
fn routes_follow_an_interface_that_is_made_anew() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let over = vec![Hop::via("172.16.0.1".parse().unwrap()).over("e0").onlink()];
        fib.apply(vec![
            to("10.9.0.0/16", over),
            via("10.8.0.0/16", "10.0.0.2"),
        ])
        .await;
        fib.settled().await;
        let old = fib
            .links()
            .await
            .into_iter()
            .find(|link| link.name == "e0")
            .unwrap()
            .index;
        ip("link del e0");
        within(SECOND, "gone", || routes("proto bird").is_empty()).await;
        cable("0");
        within(2 * SECOND, "back", || routes("proto bird").len() == 2).await;
        let new = fib
            .links()
            .await
            .into_iter()
            .find(|link| link.name == "e0")
            .unwrap();
        assert_ne!(old, new.index);
        assert!(new.up);
        assert!(new.addresses.contains(&prefix("10.0.0.1/24")));
    });
}

#[test]
#[ignore = "needs netns"]
fn a_refused_route_is_reported_in_the_kernels_words_and_tried_again() {
    in_namespace(async || {
        let (fib, mut events) = start(FibConfig::default()).await;
        fib.apply(vec![
            via("10.9.0.0/16", "192.168.9.9"),
            via("10.8.0.0/16", "10.0.0.2"),
        ])
        .await;
        fib.settled().await;
        let Status::Failed {
            error,
            attempts,
            next_try,
        } = status(&fib, "10.9.0.0/16").await
        else {
            panic!("refused: {:?}", fib.routes().await);
        };
        assert_eq!(
            error,
            "Nexthop has invalid gateway (Network is unreachable, ENETUNREACH)"
        );
        assert_eq!(attempts, 1);
        assert!(next_try <= SECOND);
        assert_eq!(status(&fib, "10.8.0.0/16").await, Status::Installed);
        event(&mut events, "failed", |event| match event {
            FibEvent::Status(states) => states
                .iter()
                .any(|s| s.status.to_string().contains("invalid gateway"))
                .then_some(()),
            _ => None,
        })
        .await;
        let begun = Instant::now();
        while !matches!(
            status(&fib, "10.9.0.0/16").await,
            Status::Failed { attempts: 2.., .. }
        ) {
            assert!(begun.elapsed() < 3 * SECOND, "tried again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ip("addr add 192.168.9.1/24 dev e1");
        within(SECOND, "installed", || routes("proto bird").len() == 2).await;
    });
}

#[test]
#[ignore = "needs netns"]
fn lost_notifications_cost_a_resync_and_nothing_else() {
    in_namespace(async || {
        let config = FibConfig {
            receive_buffer: 4096,
            ..FibConfig::default()
        };
        let (fib, mut events) = start(config).await;
        fib.apply(
            (0..500u32)
                .map(|n| via(&format!("11.0.{}.{}/32", n / 256, n % 256), "10.0.0.2"))
                .collect(),
        )
        .await;
        fib.settled().await;
        while events.try_recv().is_ok() {}
        // The reconciler shares this thread: it hears nothing while this goes on.
        ip("route flush proto bird");
        for n in 0..100 {
            ip(&format!("route add 10.20.{n}.0/24 via 10.0.1.2"));
        }
        event(&mut events, "resync", |event| {
            matches!(event, FibEvent::Resynced).then_some(())
        })
        .await;
        within(5 * SECOND, "all are back", || {
            routes("proto bird").len() == 500
        })
        .await;
        assert_eq!(routes("proto boot").len(), 100);
        fib.apply(vec![Change::Remove(prefix("11.0.0.0/32"))]).await;
        fib.settled().await;
        assert_eq!(routes("proto bird").len(), 499);
    });
}

#[test]
#[ignore = "needs netns"]
fn a_route_waits_for_its_interface_and_follows_its_name() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let hop = Hop::via("172.16.0.1".parse().unwrap()).over("wan").onlink();
        fib.apply(vec![to("10.9.0.0/16", vec![hop])]).await;
        fib.settled().await;
        assert_eq!(
            status(&fib, "10.9.0.0/16").await,
            Status::WaitingForInterface
        );
        for old in ["e0", "e1"] {
            ip(&format!("link set {old} down"));
            ip(&format!("link set {old} name wan"));
            ip("link set wan up");
            within(SECOND, "it follows", || {
                routes("proto bird") == ["10.9.0.0/16 via 172.16.0.1 dev wan onlink"]
            })
            .await;
            ip("link set wan down");
            ip(&format!("link set wan name {old}"));
            within(SECOND, "it left", || routes("proto bird").is_empty()).await;
        }
    });
}

#[test]
#[ignore = "needs netns"]
fn a_group_is_written_with_the_devices_that_are_there() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let over = |gateway: &str, device: &str| Hop::via(gateway.parse().unwrap()).over(device);
        fib.apply(vec![to(
            "10.9.0.0/16",
            vec![over("10.0.0.2", "e0"), over("10.0.2.2", "e2")],
        )])
        .await;
        fib.settled().await;
        assert_eq!(routes("proto bird"), ["10.9.0.0/16 via 10.0.0.2 dev e0"]);
        cable("2");
        let both =
            "10.9.0.0/16 nexthop via 10.0.0.2 dev e0 weight 1 nexthop via 10.0.2.2 dev e2 weight 1";
        within(SECOND, "both", || routes("proto bird") == [both]).await;
        ip("link del e2");
        within(SECOND, "one", || {
            routes("proto bird") == ["10.9.0.0/16 via 10.0.0.2 dev e0"]
        })
        .await;
    });
}
