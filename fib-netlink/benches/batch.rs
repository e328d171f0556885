// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What it costs to decide, and how fast routes get into the kernel. The second needs root: it writes into a network
//! namespace of its own, and is left out without.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fib_netlink::{
    Change, Fib, FibConfig, Goal, Held, Hop, KernelHop, Ownership, Reconciler, Route, Target, Way,
    plan,
};
use ipnetwork::{IpNetwork, Ipv4Network};
use nix::sched::{CloneFlags, unshare};

const MANY: u32 = 100_000;

fn prefix(n: u32) -> IpNetwork {
    Ipv4Network::new((0x0b00_0000 + n).into(), 32)
        .unwrap()
        .into()
}

fn changes(gateway: [u8; 4]) -> Vec<Change> {
    let target = Target::Via(vec![Hop::via(gateway.into())]);
    (0..MANY)
        .map(|n| Change::Install(Route::new(prefix(n), target.clone())))
        .collect()
}

fn deciding(criterion: &mut Criterion) {
    let hop = KernelHop {
        gateway: Some([10, 0, 0, 2].into()),
        ifindex: 2,
        weight: 1,
        onlink: false,
    };
    let way = Arc::new(Way::unicast(vec![hop], None));
    let desired: BTreeMap<_, _> = (0..MANY)
        .map(|n| {
            (
                prefix(n),
                Goal {
                    table: 254,
                    metric: 0,
                    way: way.clone(),
                },
            )
        })
        .collect();
    let own = Ownership {
        tables: [254].into(),
        protocol: 12,
        metrics: BTreeSet::from([0]),
    };
    let held = Held {
        table: 254,
        metric: 0,
        protocol: 12,
        way,
    };
    let same: BTreeMap<_, _> = (0..MANY).map(|n| (prefix(n), vec![held.clone()])).collect();
    let mut group = criterion.benchmark_group("deciding");
    group
        .throughput(Throughput::Elements(MANY.into()))
        .sample_size(20);
    group.bench_function("plan, nothing there", |bench| {
        bench.iter(|| plan(black_box(&desired), &BTreeMap::new(), &own));
    });
    group.bench_function("plan, everything there", |bench| {
        bench.iter(|| plan(black_box(&desired), black_box(&same), &own));
    });
    group.bench_function("reconciler, apply and answer", |bench| {
        bench.iter_batched(
            || {
                (
                    changes([10, 0, 0, 2]),
                    Reconciler::new(FibConfig::default(), Instant::now()),
                )
            },
            |(changes, mut reconciler)| {
                let now = Instant::now();
                reconciler.end_resync(now, now);
                reconciler.apply(changes);
                loop {
                    let operations = reconciler.batch(256, now);
                    if operations.is_empty() {
                        return reconciler;
                    }
                    for operation in &operations {
                        reconciler.answer(operation, Ok(()), now);
                    }
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// What a desired route that the kernel has takes up, with a million of them.
fn memory(_: &mut Criterion) {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<usize>().ok());
        kib.unwrap_or_default() * 1024
    };
    let (before, now, count) = (resident(), Instant::now(), 10 * MANY);
    let mut reconciler = Reconciler::new(FibConfig::default(), now);
    reconciler.end_resync(now, now);
    for n in 0..count {
        let target = Target::Via(vec![Hop::via([10, 0, 0, 2 + (n % 100) as u8].into())]);
        reconciler.apply(vec![Change::Install(Route::new(prefix(n), target))]);
        for operation in reconciler.batch(256, now) {
            reconciler.answer(&operation, Ok(()), now);
        }
    }
    while let [operation, ..] = reconciler.batch(1, now).as_slice() {
        reconciler.answer(operation, Ok(()), now);
    }
    let each = (resident().saturating_sub(before)) / count as usize;
    eprintln!("memory: {each} octets a route, {count} routes");
    drop(reconciler);
}

/// Moves this thread into a new namespace with one cable.
fn enter_namespace() -> bool {
    let ip = |arguments: &str| {
        let done = std::process::Command::new("ip")
            .args(arguments.split(' '))
            .status();
        done.is_ok_and(|status| status.success())
    };
    unshare(CloneFlags::CLONE_NEWNET).is_ok()
        && ip("link add e0 type veth peer name e1")
        && ip("addr add 10.0.0.1/16 dev e0")
        && ip("link set e1 up")
        && ip("link set e0 up")
}

fn writing(criterion: &mut Criterion) {
    if !enter_namespace() {
        eprintln!("no network namespace to write into: left out");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (fib, mut events) = runtime.block_on(async { Fib::start(FibConfig::default()).unwrap() });
    runtime.block_on(fib.settled());
    let mut group = criterion.benchmark_group("kernel");
    group
        .throughput(Throughput::Elements(MANY.into()))
        .sample_size(10)
        .measurement_time(Duration::from_secs(8));
    let mut timed = |name: &str, before: Vec<Change>, measured: Vec<Change>| {
        group.bench_function(name, |bench| {
            bench.iter_custom(|count| {
                let mut spent = Duration::ZERO;
                for _ in 0..count {
                    let measured = measured.clone();
                    runtime.block_on(async {
                        fib.apply(before.clone()).await;
                        fib.settled().await;
                        let begun = Instant::now();
                        fib.apply(measured).await;
                        fib.settled().await;
                        spent += begun.elapsed();
                        while events.try_recv().is_ok() {}
                    });
                }
                spent
            });
        });
    };
    let none: Vec<_> = (0..MANY).map(|n| Change::Remove(prefix(n))).collect();
    timed("install", none.clone(), changes([10, 0, 0, 2]));
    timed("replace", changes([10, 0, 0, 2]), changes([10, 0, 0, 3]));
    timed("remove", changes([10, 0, 0, 2]), none);
    group.finish();
}

criterion_group!(benches, memory, deciding, writing);
criterion_main!(benches);
