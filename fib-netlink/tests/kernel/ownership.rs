// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is ours and what is not: foreign routes stay, ours outlive us, stale ones go when it is time.

use std::time::Duration;

use fib_netlink::{Change, Fib, FibConfig, FibEvent, Hop, Route, Status, Target};

use crate::world::{
    event, in_namespace, ip, prefix, routes, routes6, start, status, to, via, within,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
#[ignore = "needs netns"]
fn a_foreign_route_is_never_replaced_and_ours_follows_when_it_goes() {
    in_namespace(async || {
        ip("route add 10.9.0.0/16 via 10.0.1.9");
        ip("-6 route add fd09::/32 via fd00:1::9");
        let (fib, mut events) = start(FibConfig::default()).await;
        fib.apply(vec![
            via("10.9.0.0/16", "10.0.0.2"),
            via("fd09::/32", "fd00::2"),
        ])
        .await;
        fib.settled().await;
        assert_eq!(
            status(&fib, "10.9.0.0/16").await,
            Status::Blocked { protocol: 3 }
        );
        assert_eq!(
            status(&fib, "fd09::/32").await,
            Status::Blocked { protocol: 3 }
        );
        let told = event(&mut events, "blocked", |event| match event {
            FibEvent::Status(states) => Some(states.len()),
            _ => None,
        });
        assert_eq!(told.await, 2);
        // Desiring something else changes nothing about that.
        fib.apply(vec![via("10.9.0.0/16", "10.0.0.3")]).await;
        fib.settled().await;
        assert_eq!(routes("10.9.0.0/16"), ["10.9.0.0/16 via 10.0.1.9 dev e1"]);
        assert_eq!(
            routes6("fd09::/32"),
            ["fd09::/32 via fd00:1::9 dev e1 metric 1024"]
        );

        ip("route del 10.9.0.0/16");
        ip("-6 route del fd09::/32");
        within(SECOND, "both are ours", || {
            routes("proto bird") == ["10.9.0.0/16 via 10.0.0.3 dev e0"]
                && routes6("proto bird") == ["fd09::/32 via fd00::2 dev e0 metric 1024"]
        })
        .await;
        fib.settled().await;
        let good = event(&mut events, "good again", |event| match event {
            FibEvent::Status(states) => states
                .iter()
                .any(|s| s.status == Status::Installed)
                .then_some(()),
            _ => None,
        });
        good.await;
    });
}

#[test]
#[ignore = "needs netns"]
fn a_foreign_route_with_another_metric_stands_beside_ours() {
    in_namespace(async || {
        ip("route add 10.9.0.0/16 via 10.0.1.9 metric 20");
        let (fib, _events) = start(FibConfig {
            metric: 10,
            ..FibConfig::default()
        })
        .await;
        fib.apply(vec![via("10.9.0.0/16", "10.0.0.2")]).await;
        fib.settled().await;
        assert_eq!(routes("10.9.0.0/16").len(), 2);
        fib.apply(vec![Change::Remove(prefix("10.9.0.0/16"))]).await;
        fib.settled().await;
        assert_eq!(
            routes("10.9.0.0/16"),
            ["10.9.0.0/16 via 10.0.1.9 dev e1 metric 20"]
        );
    });
}

#[test]
#[ignore = "needs netns"]
fn a_route_is_in_the_table_that_it_asks_for_and_what_is_stale_there_is_swept() {
    in_namespace(async || {
        let config = FibConfig {
            tables: [100].into(),
            metrics: [7].into(),
            sweep_after: None,
            ..FibConfig::default()
        };
        let in_table = |table, metric, gateway: &str| {
            let target = Target::Via(vec![Hop::via(gateway.parse().unwrap())]);
            Change::Install(Route {
                table,
                metric,
                ..Route::new(prefix("10.9.0.0/16"), target)
            })
        };
        ip("route add 10.7.0.0/16 via 10.0.1.9 proto bird table 100 metric 7");
        ip("route add 10.8.0.0/16 via 10.0.1.9 proto static table 100");
        let table = |number| routes(&format!("table {number}"));
        let (fib, _events) = start(config).await;
        fib.apply(vec![in_table(Some(100), None, "10.0.0.2")]).await;
        fib.settled().await;
        assert_eq!(status(&fib, "10.9.0.0/16").await, Status::Installed);
        assert_eq!(table(100).len(), 3);
        fib.converged().await;
        fib.settled().await;
        let foreign = "10.8.0.0/16 via 10.0.1.9 dev e1 proto static";
        let ours = |metric| format!("10.9.0.0/16 via 10.0.0.2 dev e0 proto bird{metric}");
        assert_eq!(table(100), [foreign.to_owned(), ours("")]);
        // A table that nobody has named before; somebody else's route is there already.
        ip("route add 10.9.0.0/16 via 10.0.1.9 proto static table 200");
        fib.apply(vec![in_table(Some(200), None, "10.0.0.2")]).await;
        fib.settled().await;
        assert_eq!(
            status(&fib, "10.9.0.0/16").await,
            Status::Blocked { protocol: 4 }
        );
        assert_eq!(table(100), [foreign]);
        fib.apply(vec![in_table(Some(200), Some(7), "10.0.0.2")])
            .await;
        fib.settled().await;
        assert_eq!(table(200).len(), 2);
        assert!(table(200).contains(&ours(" metric 7")), "{:?}", table(200));
        fib.apply(vec![in_table(None, None, "10.0.0.2")]).await;
        fib.settled().await;
        assert_eq!(table(200).len(), 1);
        assert_eq!(routes("10.9.0.0/16"), [ours("")]);
    });
}

#[test]
#[ignore = "needs netns"]
fn routes_of_a_previous_run_are_adopted_untouched_and_the_stale_swept_when_told() {
    in_namespace(async || {
        let config = FibConfig {
            sweep_after: None,
            ..FibConfig::default()
        };
        let same = || vec![via("10.1.0.0/16", "10.0.0.2"), via("fd01::/32", "fd00::2")];
        let (fib, _events) = start(config.clone()).await;
        fib.apply(same()).await;
        fib.apply(vec![
            via("10.2.0.0/16", "10.0.0.2"),
            via("10.3.0.0/16", "10.0.0.2"),
        ])
        .await;
        fib.settled().await;
        drop(fib);
        ip("route add 10.4.0.0/16 via 10.0.0.2 proto static");

        let mut monitor = std::process::Command::new("/usr/sbin/ip");
        let monitor = monitor
            .args(["monitor", "route"])
            .stdout(std::process::Stdio::piped());
        let mut monitor = monitor.spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await; // it listens
        let (fib, _events) = start(config.clone()).await;
        fib.apply(same()).await;
        fib.apply(vec![via("10.2.0.0/16", "10.0.1.2")]).await;
        fib.settled().await;
        assert_eq!(status(&fib, "10.1.0.0/16").await, Status::Adopted);
        assert_eq!(status(&fib, "fd01::/32").await, Status::Adopted);
        assert_eq!(status(&fib, "10.2.0.0/16").await, Status::Installed);
        assert_eq!(
            routes("proto bird").len(),
            3,
            "10.3.0.0/16 waits for convergence"
        );
        fib.converged().await;
        fib.settled().await;
        assert_eq!(
            routes("proto bird"),
            [
                "10.1.0.0/16 via 10.0.0.2 dev e0",
                "10.2.0.0/16 via 10.0.1.2 dev e1"
            ]
        );
        assert_eq!(routes("proto static").len(), 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
        monitor.kill().unwrap();
        let heard = String::from_utf8(monitor.wait_with_output().unwrap().stdout).unwrap();
        assert!(
            !heard.contains("10.1.0.0") && !heard.contains("fd01::"),
            "not even rewritten: {heard}"
        );
        assert!(heard.contains("10.2.0.0/16 via 10.0.1.2"));
        assert!(
            !heard.contains("Deleted 10.2.0.0"),
            "replaced in one step: {heard}"
        );

        // And from now on a route under our name that nobody desired does not stay.
        ip("route add 10.5.0.0/16 via 10.0.0.2 proto bird");
        within(SECOND, "removed", || {
            !routes("proto bird").join("").contains("10.5.0.0")
        })
        .await;
    });
}

#[test]
#[ignore = "needs netns"]
fn stale_routes_go_by_themselves_at_the_deadline() {
    in_namespace(async || {
        ip("route add 10.3.0.0/16 via 10.0.0.2 proto bird");
        let config = FibConfig {
            sweep_after: Some(Duration::from_millis(300)),
            ..FibConfig::default()
        };
        let (_fib, _events) = start(config).await;
        assert_eq!(routes("proto bird").len(), 1);
        let took = within(SECOND, "swept", || routes("proto bird").is_empty()).await;
        assert!(took > Duration::from_millis(100));
    });
}

#[test]
#[ignore = "needs netns"]
fn adopted_groups_blackholes_and_tunnels_are_recognised() {
    in_namespace(async || {
        let hop = |gateway: &str, n: u8| Hop::via(gateway.parse().unwrap()).weighing(n);
        let all = || {
            vec![
                to("10.1.0.0/16", vec![hop("10.0.1.2", 2), hop("10.0.0.2", 1)]),
                to("fd01::/32", vec![hop("fd00:1::2", 1), hop("fd00::2", 1)]),
                to("fd02::/32", vec![hop("fd77::2", 1).over("e1").onlink()]),
                to(
                    "10.2.0.0/16",
                    vec![hop("172.16.0.1", 1).over("e0").onlink()],
                ),
                to("10.3.0.0/16", vec![hop("fe80::1", 1).over("e0")]),
                to("10.4.0.0/16", vec![Hop::device("e1")]),
                Change::Install(fib_netlink::Route::new(
                    prefix("10.5.0.0/16"),
                    fib_netlink::Target::Blackhole,
                )),
                Change::Install(fib_netlink::Route::new(
                    prefix("fd05::/32"),
                    fib_netlink::Target::Unreachable,
                )),
            ]
        };
        let (fib, _events) = start(FibConfig::default()).await;
        fib.apply(all()).await;
        fib.settled().await;
        drop(fib);
        let (fib, _events) = start(FibConfig::default()).await;
        fib.apply(all()).await;
        fib.settled().await;
        for state in fib.routes().await {
            assert_eq!(state.status, Status::Adopted, "{state:?}");
        }
    });
}

#[test]
#[ignore = "needs netns"]
fn without_the_right_to_write_the_start_says_so() {
    if !alone("without_the_right_to_write_the_start_says_so") {
        return;
    }
    in_namespace(async || {
        nix::unistd::seteuid(NOBODY).unwrap();
        let error = Fib::start(FibConfig::default()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
    });
}

#[test]
#[ignore = "needs netns"]
fn rights_lost_at_run_time_are_reported_and_their_return_is_noticed() {
    if !alone("rights_lost_at_run_time_are_reported_and_their_return_is_noticed") {
        return;
    }
    in_namespace(async || {
        let (fib, _events) = start(FibConfig::default()).await;
        fib.apply(vec![via("10.8.0.0/16", "10.0.0.2")]).await;
        fib.settled().await;
        nix::unistd::seteuid(NOBODY).unwrap();
        fib.apply(vec![
            via("10.9.0.0/16", "10.0.0.2"),
            Change::Remove(prefix("10.8.0.0/16")),
        ])
        .await;
        fib.settled().await;
        let Status::Failed { error, .. } = status(&fib, "10.9.0.0/16").await else {
            panic!("it failed")
        };
        assert_eq!(
            error,
            "Operation not permitted (EPERM) (needs CAP_NET_ADMIN)"
        );
        nix::unistd::seteuid(nix::unistd::Uid::from_raw(0)).unwrap();
        within(3 * SECOND, "written", || {
            routes("proto bird") == ["10.9.0.0/16 via 10.0.0.2 dev e0"]
        })
        .await;
    });
}

const NOBODY: nix::unistd::Uid = nix::unistd::Uid::from_raw(65534);

/// Rights belong to the whole process: the test starts itself again in one of its own. True there.
fn alone(test: &str) -> bool {
    const MARK: &str = "FIB_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("ownership::{test}"),
            "--include-ignored",
        ])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}

#[test]
#[ignore = "needs netns"]
fn no_route_is_missed_however_busy_the_table_is_at_the_start() {
    in_namespace(async || {
        let all = || {
            (0..3000u32)
                .map(|n| via(&format!("11.0.{}.{}/32", n / 256, n % 256), "10.0.0.2"))
                .collect()
        };
        let (fib, _events) = start(FibConfig::default()).await;
        fib.apply(all()).await;
        fib.settled().await;
        drop(fib);
        let churn: Vec<String> = (0..200_000u32)
            .map(|n| {
                let verb = if n % 2 == 0 { "add" } else { "del" };
                let (third, fourth) = ((n / 2) / 256 % 256, (n / 2) % 256);
                format!("route {verb} 11.1.{third}.{fourth}/32 via 10.0.1.2")
            })
            .collect();
        let batch = std::env::temp_dir().join(format!("fib-churn-{}", std::process::id()));
        std::fs::write(&batch, churn.join("\n")).unwrap();
        let mut churning = std::process::Command::new("/usr/sbin/ip")
            .arg("-batch")
            .arg(&batch)
            .spawn()
            .unwrap();
        let mut starts = 0;
        while starts < 100 && churning.try_wait().unwrap().is_none() {
            let (fib, _events) = start(FibConfig::default()).await;
            fib.apply(all()).await;
            fib.settled().await;
            let not_adopted = fib
                .routes()
                .await
                .into_iter()
                .find(|state| state.status != Status::Adopted);
            assert_eq!(not_adopted, None, "start {starts}");
            starts += 1;
        }
        churning.kill().ok();
        churning.wait().unwrap();
        std::fs::remove_file(&batch).unwrap();
        eprintln!("{starts} starts");
        assert!(starts > 10);
    });
}
