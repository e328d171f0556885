// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A network namespace of its own for each test, gone with the thread that made it.

use std::future::Future;
use std::process::Command;
use std::time::{Duration, Instant};

use fib_netlink::{Change, Fib, FibConfig, FibEvent, Hop, Route, Status, Target};
use ipnetwork::IpNetwork;
use nix::sched::{CloneFlags, unshare};
use tokio::sync::mpsc;

/// Runs a test in a fresh namespace: two ends of a cable, `e0` (`10.0.0.1/24`, `fd00::1/64`) and `e1` (`10.0.1.1/24`,
/// `fd00:1::1/64`), the other ends `e0p` and `e1p` left without addresses.
pub(crate) fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("needs root: a network namespace");
            ip("link set lo up");
            for n in ["0", "1"] {
                cable(n);
            }
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(test());
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

pub(crate) fn cable(n: &str) {
    ip(&format!("link add e{n} type veth peer name e{n}p"));
    ip(&format!("addr add 10.0.{n}.1/24 dev e{n}"));
    ip(&format!("link set e{n}p up"));
    ip(&format!("link set e{n} up"));
    ip(&format!("addr add fd00:{n}::1/64 dev e{n} nodad"));
}

/// Runs `ip` in the namespace of this thread.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("/usr/sbin/ip")
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of `ip route show`, without what the kernel adds on its own account.
pub(crate) fn routes(selector: &str) -> Vec<String> {
    let text = ip(&format!("route show {selector}"));
    text.replace("\n\t", " ").lines().map(squeeze).collect()
}

pub(crate) fn routes6(selector: &str) -> Vec<String> {
    let text = ip(&format!("-6 route show {selector}"));
    text.replace("\n\t", " ").lines().map(squeeze).collect()
}

fn squeeze(line: &str) -> String {
    line.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(" pref medium", "")
}

pub(crate) fn prefix(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

pub(crate) fn via(destination: &str, gateway: &str) -> Change {
    let hop = Hop::via(gateway.parse().unwrap());
    Change::Install(Route::new(prefix(destination), Target::Via(vec![hop])))
}

pub(crate) fn to(destination: &str, hops: Vec<Hop>) -> Change {
    Change::Install(Route::new(prefix(destination), Target::Via(hops)))
}

/// Asks again until it is so; says what the routes were if it never is.
pub(crate) async fn within(
    limit: Duration,
    what: &str,
    mut is_so: impl FnMut() -> bool,
) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < limit,
            "not within {limit:?}: {what}\n{}{}",
            ip("route"),
            ip("-6 route")
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

/// Reads events until one satisfies.
pub(crate) async fn event<T>(
    events: &mut mpsc::Receiver<FibEvent>,
    what: &str,
    mut choose: impl FnMut(&FibEvent) -> Option<T>,
) -> T {
    let mut seen = Vec::new();
    let wait = async {
        loop {
            let event = events.recv().await.expect("the reconciler lives");
            if let Some(chosen) = choose(&event) {
                return chosen;
            }
            seen.push(event);
        }
    };
    let chosen = tokio::time::timeout(Duration::from_secs(5), wait).await;
    chosen.unwrap_or_else(|_| panic!("no such event: {what}; seen: {seen:#?}"))
}

pub(crate) async fn status(fib: &Fib, destination: &str) -> Status {
    fib.route(prefix(destination))
        .await
        .expect("it is desired")
        .status
}

/// Starts a reconciler and waits until it knows the kernel.
pub(crate) async fn start(config: FibConfig) -> (Fib, mpsc::Receiver<FibEvent>) {
    let (fib, mut events) = Fib::start(config).unwrap();
    event(&mut events, "resynced", |event| {
        matches!(event, FibEvent::Resynced).then_some(())
    })
    .await;
    (fib, events)
}
