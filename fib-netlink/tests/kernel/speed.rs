// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many routes.

use std::time::{Duration, Instant};

use fib_netlink::{Change, FibConfig, Hop, Status};

use crate::world::{in_namespace, ip, prefix, start, status, to, via, within};

const MANY: u32 = 200_000;

#[test]
#[ignore = "needs netns"]
fn two_hundred_thousand_routes_are_written_adopted_and_removed() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let text = |n: u32| format!("11.{}.{}.{}/32", n >> 16, (n >> 8) & 255, n & 255);
        let all = || {
            (0..MANY)
                .map(|n| via(&text(n), "10.0.0.2"))
                .collect::<Vec<_>>()
        };
        let measure = |what: &'static str, begun: Instant| {
            let rate = f64::from(MANY) / begun.elapsed().as_secs_f64();
            eprintln!("{what}: {rate:.0} routes/s");
        };
        let changes = all();
        let begun = Instant::now();
        fib.apply(changes).await;
        fib.settled().await;
        measure("installed", begun);
        assert_eq!(ip("route show proto bird").lines().count(), MANY as usize);
        drop(fib);

        let begun = Instant::now();
        let (fib, _events) = start(FibConfig {
            persist: false,
            ..FibConfig::default()
        })
        .await;
        measure("read at start", begun);
        let begun = Instant::now();
        fib.apply(all()).await;
        fib.settled().await;
        measure("adopted", begun);
        assert_eq!(status(&fib, &text(7)).await, Status::Adopted);
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        eprintln!("memory of the process, in pages: {statm}");

        let begun = Instant::now();
        fib.apply((0..MANY).map(|n| via(&text(n), "10.0.1.2")).collect())
            .await;
        fib.settled().await;
        measure("replaced", begun);

        let begun = Instant::now();
        fib.apply(
            (0..MANY)
                .map(|n| Change::Remove(prefix(&text(n))))
                .collect(),
        )
        .await;
        fib.settled().await;
        measure("removed", begun);
        assert_eq!(ip("route show proto bird").lines().count(), 0);
    });
}

#[test]
#[ignore = "needs netns"]
fn ten_thousand_routes_leave_a_hop_that_fails_within_two_seconds() {
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        let both = || {
            let hop = |gateway: &str| Hop::via(gateway.parse().unwrap());
            vec![hop("10.0.0.2"), hop("10.0.1.2")]
        };
        let text = |n: u32| format!("11.0.{}.{}/32", n >> 8, n & 255);
        let all = (0..10_000).map(|n| to(&text(n), both()));
        fib.apply(all.collect()).await;
        fib.settled().await;
        let hops = || ip("route show proto bird").matches("via 10.0.1.2").count();
        assert_eq!(hops(), 10_000);
        let begun = Instant::now();
        ip("link set e1 down");
        within(Duration::from_secs(2), "no route by the link", || {
            let left = ip("route show proto bird");
            left.lines().count() == 10_000 && !left.contains("nexthop")
        })
        .await;
        eprintln!("10 000 routes left a hop: {:?}", begun.elapsed());
    });
}
