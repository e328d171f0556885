// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Next-hop objects: written once, changed in one step, taken over, brought back and removed.

use std::time::{Duration, Instant};

use fib_netlink::{Change, Fib, FibConfig, Hop, Status};

use crate::world::{
    cable, in_namespace, ip, prefix, routes, routes6, start, status, to, via, within,
};

const SHARED: u32 = 8;

fn config() -> FibConfig {
    FibConfig {
        nexthop_objects: Some(SHARED as usize),
        ..FibConfig::default()
    }
}

fn both() -> Vec<Hop> {
    let hop = |gateway: &str| Hop::via(gateway.parse().unwrap());
    vec![hop("10.0.0.2"), hop("10.0.1.2").weighing(3)]
}

fn both6() -> Vec<Hop> {
    let hop = |gateway: &str| Hop::via(gateway.parse().unwrap());
    vec![hop("fd00:0::2"), hop("fd00:1::2")]
}

fn name(n: u32) -> String {
    format!("11.0.{}.{}/32", n >> 8, n & 255)
}

async fn share(fib: &Fib, count: u32) {
    let v4 = (0..count).map(|n| to(&name(n), both()));
    let v6 = (0..count).map(|n| to(&format!("fd11::{n:x}/128"), both6()));
    fib.apply(v4.chain(v6).collect()).await;
    fib.settled().await;
}

/// `ip nexthop show`, without trailing space.
fn objects() -> Vec<String> {
    let text = ip("nexthop show");
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The groups only.
fn groups() -> Vec<String> {
    objects()
        .into_iter()
        .filter(|line| line.contains("group"))
        .collect()
}

#[test]
#[ignore = "needs netns"]
fn routes_that_share_their_hops_name_one_object_and_leave_a_hop_with_it() {
    in_namespace(async || {
        let (fib, mut events) = start(config()).await;
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        share(&fib, SHARED - 1).await;
        assert_eq!(objects(), [""; 0], "too few routes");
        share(&fib, SHARED).await;
        fib.apply(vec![via("12.0.0.0/8", "10.0.0.2")]).await;
        fib.settled().await;
        assert_eq!(
            objects(),
            [
                "id 4271000001 group 4271000002/4271000003,3 proto bird",
                "id 4271000002 via 10.0.0.2 dev e0 scope link proto bird",
                "id 4271000003 via 10.0.1.2 dev e1 scope link proto bird",
                "id 4271000004 group 4271000005/4271000006 proto bird",
                "id 4271000005 via fd00::2 dev e0 scope link proto bird",
                "id 4271000006 via fd00:1::2 dev e1 scope link proto bird",
            ]
        );
        assert_eq!(
            ip("route show proto bird")
                .matches("nhid 4271000001 ")
                .count(),
            SHARED as usize
        );
        assert_eq!(
            ip("-6 route show proto bird")
                .matches("nhid 4271000004 ")
                .count(),
            SHARED as usize
        );
        assert_eq!(
            routes("12.0.0.0/8"),
            ["12.0.0.0/8 via 10.0.0.2 dev e0 proto bird"]
        );
        let state = fib.route(prefix(&name(1))).await.unwrap();
        assert_eq!(
            (state.object, state.status),
            (Some(4_271_000_001), Status::Installed)
        );

        ip("link set e1 down");
        let one = [
            "id 4271000001 group 4271000002 proto bird",
            "id 4271000004 group 4271000005 proto bird",
        ];
        within(Duration::from_secs(2), "groups without the hop", || {
            groups() == one
        })
        .await;
        fib.settled().await;
        assert_eq!(
            ip("route show proto bird")
                .matches("nhid 4271000001 ")
                .count(),
            SHARED as usize
        );
        assert!(!ip("route show proto bird").contains("10.0.1.2"));
        assert_eq!(
            ip("-6 route show proto bird")
                .matches("nhid 4271000004 ")
                .count(),
            SHARED as usize
        );

        ip("link set e1 up");
        ip("addr add fd00:1::1/64 dev e1 nodad");
        within(Duration::from_secs(2), "both hops again", || {
            groups().iter().all(|group| group.contains('/')) && groups().len() == 2
        })
        .await;
        fib.settled().await;
        assert_eq!(
            ip("route show proto bird").matches("via 10.0.1.2").count(),
            SHARED as usize
        );

        let v4 = (0..SHARED).map(|n| Change::Remove(prefix(&name(n))));
        let v6 = (0..SHARED).map(|n| Change::Remove(prefix(&format!("fd11::{n:x}/128"))));
        fib.apply(v4.chain(v6).collect()).await;
        fib.converged().await;
        fib.settled().await;
        assert_eq!(objects(), [""; 0], "nobody needs them");
        assert_eq!(routes("12.0.0.0/8").len(), 1);
    });
}

#[test]
#[ignore = "needs netns"]
fn objects_are_taken_over_at_a_restart_and_those_of_others_left_alone() {
    in_namespace(async || {
        ip("nexthop add id 7 via 10.0.0.9 dev e0");
        ip("nexthop add id 4271000001 via 10.0.0.9 dev e0 proto static");
        ip("route add 13.0.0.0/8 nhid 7");
        let foreign = objects();
        let (fib, _events) = start(config()).await;
        share(&fib, SHARED).await;
        let before = (objects(), routes("proto bird"), routes6("proto bird"));
        assert_eq!(before.0.len(), 8);
        fib.shutdown().await;

        let (fib, _events) = start(config()).await;
        share(&fib, SHARED).await;
        assert_eq!(status(&fib, &name(3)).await, Status::Adopted);
        fib.converged().await;
        fib.settled().await;
        let after = (objects(), routes("proto bird"), routes6("proto bird"));
        assert_eq!(after, before);
        fib.shutdown().await;

        // One that has objects switched off writes the routes without, and leaves none of its own behind.
        let (fib, _events) = start(FibConfig::default()).await;
        share(&fib, SHARED).await;
        fib.converged().await;
        fib.settled().await;
        assert_eq!(objects(), foreign);
        assert!(!ip("route show proto bird").contains("nhid"));
        assert_eq!(
            ip("route show proto bird").matches("via 10.0.1.2").count(),
            SHARED as usize
        );

        // And back, while it runs.
        fib.reconfigure(FibConfig {
            persist: false,
            ..config()
        })
        .await;
        fib.settled().await;
        assert_eq!(
            ip("route show proto bird").matches("nhid").count(),
            SHARED as usize
        );
        fib.shutdown().await;
        assert_eq!(objects(), foreign);
        assert_eq!(routes("13.0.0.0/8").len(), 1);
    });
}

#[test]
#[ignore = "needs netns"]
fn routes_come_back_when_another_program_deletes_or_changes_their_object() {
    in_namespace(async || {
        let (fib, mut events) = start(config()).await;
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        share(&fib, SHARED).await;
        let before = (objects(), routes("proto bird"), routes6("proto bird"));
        let all_back = || (objects(), routes("proto bird"), routes6("proto bird")) == before;
        // The kernel deletes the routes with the group, and the group with its last member.
        for theft in [
            "nexthop del id 4271000001",
            "nexthop del id 4271000004",
            "nexthop del id 4271000002",
            "nexthop replace id 4271000001 group 4271000003",
        ] {
            ip(theft);
            within(Duration::from_secs(3), theft, all_back).await;
        }
        ip("nexthop flush proto 12");
        within(Duration::from_secs(3), "after the flush", all_back).await;

        // Who does it again and again gets routes without objects.
        let begun = Instant::now();
        while ip("route show proto bird").contains("nhid")
            && begun.elapsed() < Duration::from_secs(5)
        {
            let _ = std::process::Command::new("ip")
                .args(["nexthop", "del", "id", "4271000001"])
                .stderr(std::process::Stdio::null())
                .status();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let plain = || {
            let text = ip("route show proto bird");
            !text.contains("nhid") && text.matches("via 10.0.1.2").count() == SHARED as usize
        };
        within(Duration::from_secs(90), "routes without objects", plain).await;
    });
}

#[test]
#[ignore = "needs netns"]
fn a_device_that_is_gone_and_made_anew_gets_its_objects_again() {
    in_namespace(async || {
        cable("2");
        let (fib, mut events) = start(config()).await;
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        let hops = vec![Hop::via("10.0.2.2".parse().unwrap()).over("e2")];
        fib.apply((0..SHARED).map(|n| to(&name(n), hops.clone())).collect())
            .await;
        fib.settled().await;
        assert_eq!(groups().len(), 1);
        ip("link del e2");
        within(Duration::from_secs(2), "nothing", || objects().is_empty()).await;
        cable("2");
        let there = || ip("route show proto bird").matches("nhid").count() == SHARED as usize;
        within(Duration::from_secs(3), "all by an object", there).await;
    });
}

#[test]
#[ignore = "needs netns"]
fn tunnels_and_gateways_of_the_other_family_can_be_objects() {
    in_namespace(async || {
        ip("link add tun9 type veth peer name tun9p");
        ip("link set tun9p up");
        ip("link set tun9 up");
        let (fib, _events) = start(config()).await;
        let tunnel = vec![Hop::via("192.0.2.7".parse().unwrap()).over("tun9").onlink()];
        let other = vec![Hop::via("fd00::2".parse().unwrap())];
        let routes = (0..SHARED).flat_map(|n| {
            [
                to(&name(n), tunnel.clone()),
                to(&name(n + 256), other.clone()),
            ]
        });
        fib.apply(routes.collect()).await;
        fib.settled().await;
        let text = ip("route show proto bird");
        let tunnelled = text.matches("via 192.0.2.7 dev tun9 onlink").count();
        let across = text.matches("via inet6 fd00::2 dev e0").count();
        assert_eq!(
            (tunnelled, across),
            (SHARED as usize, SHARED as usize),
            "{text}"
        );
        assert_eq!(text.matches("nhid 42710000").count(), 2 * SHARED as usize);
        assert_eq!(objects().len(), 4);
    });
}

/// How long 10 000 routes need to leave a hop to which nothing leads any more (its link is up: the kernel does nothing).
async fn leaving(config: FibConfig) -> Duration {
    let (fib, mut events) = start(config).await;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    let all = (0..10_000).map(|n| to(&name(n), both()));
    fib.apply(all.collect()).await;
    fib.settled().await;
    let by_it = || ip("route show proto bird").matches("via 10.0.1.2").count();
    assert_eq!(by_it(), 10_000);
    ip("route del 10.0.1.0/24");
    let left = || match groups()[..] {
        [] => by_it() == 0,
        [ref group] => !group.contains('/'), // asked of the group only: to list the routes takes longer than to move them
        _ => false,
    };
    let took = within(Duration::from_secs(2), "no route by it", left).await;
    assert_eq!(by_it(), 0);
    assert_eq!(
        ip("route show proto bird").matches("via 10.0.0.2").count(),
        10_000
    );
    fib.shutdown().await;
    took
}

#[test]
#[ignore = "needs netns"]
fn ten_thousand_routes_leave_a_hop_with_one_operation() {
    in_namespace(async || {
        let persist = false;
        let plain = leaving(FibConfig {
            persist,
            ..FibConfig::default()
        })
        .await;
        ip("route add 10.0.1.0/24 dev e1 proto kernel scope link src 10.0.1.1");
        let shared = leaving(FibConfig {
            persist,
            ..config()
        })
        .await;
        eprintln!("10 000 routes left a hop: {plain:?}, with an object {shared:?}");
    });
}
