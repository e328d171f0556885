// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a route costs on its way through the RIB: apply (store and decide), drain (tell groups, encode), feed (a late
//! neighbour). One shard; a quarter as many attribute sets as prefixes, as in the public table. Throughput is in routes.

use std::{hint::black_box, sync::Arc};

use benches::{attributes, client as peer, drained, fed, prefix, reflector as table};
use bgp_proto::Instant;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rib::{
    Disposition, Input, PeerId, Policy, Rib, RouteBatch, Source, Verdict,
    policy::{Action, Condition, Number, PrefixSet, Statement},
};

criterion_group!(benches, apply, drain, feed, down, policy);
criterion_main!(benches);

const PREFIXES: u32 = 100_000;
/// Routes of one batch, as a peer's task hands them in.
const BATCH: u32 = 4096;

fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(PREFIXES.into()));
    group.bench_function("new routes of one peer", |bencher| {
        bencher.iter_batched(
            || (table(1), batches(1, 0)),
            |(rib, batches)| fed(rib, batches),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("the same prefixes of a tenth peer", |bencher| {
        let prepare = || {
            let rib = (1..10).fold(table(10), |rib, peer| fed(rib, batches(peer, 0)));
            (rib, batches(10, 0))
        };
        bencher.iter_batched(
            prepare,
            |(rib, batches)| fed(rib, batches),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("other attributes for known routes", |bencher| {
        let prepare = || (fed(table(1), batches(1, 0)), batches(1, 1));
        bencher.iter_batched(
            prepare,
            |(rib, batches)| fed(rib, batches),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn drain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("drain");
    group.throughput(Throughput::Elements(PREFIXES.into()));
    for members in [1, 100] {
        group.bench_function(format!("to a group of {members}"), |bencher| {
            let prepare = || fed(table(1 + members), batches(1, 0));
            bencher.iter_batched(prepare, drained, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn feed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("feed");
    group.throughput(Throughput::Elements(PREFIXES.into()));
    group.bench_function("to a neighbour that comes late", |bencher| {
        let prepare = || {
            let mut rib = drained(fed(table(2), batches(1, 0)));
            rib.step(Input::PeerUp(Box::new(peer(3))), Instant::ZERO);
            rib
        };
        bencher.iter_batched(prepare, drained, BatchSize::PerIteration);
    });
    group.finish();
}

/// A hundred neighbours with ten prefixes each beside a large table, and all of them go.
fn down(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("down");
    group.throughput(Throughput::Elements(100));
    group.bench_function("a neighbour of few prefixes", |bencher| {
        let prepare = || {
            let clients = (2..102).map(|peer| {
                let mut batch = RouteBatch::new(Source::Bgp(PeerId(peer)));
                let attributes = attributes(peer, 0, 0);
                let hop = Disposition::Via(attributes.next_hop);
                let path = batch.push_path(attributes, hop);
                for number in 0..10 {
                    batch.announce(prefix(peer * 900 + number), 0, path);
                }
                batch
            });
            let all = batches(1, 0).into_iter().chain(clients);
            drained(fed(table(102), all.collect()))
        };
        let down = |mut rib: Rib| {
            for peer in 2..102 {
                rib.step(Input::PeerDown(PeerId(peer)), Instant::ZERO);
            }
            rib
        };
        bencher.iter_batched(prepare, down, BatchSize::PerIteration);
    });
    group.finish();
}

/// The same under policies, and what they ask by itself.
fn policy(criterion: &mut Criterion) {
    let set = Arc::new(PrefixSet::new(
        (0..10_000).map(|number| (prefix(number * 10), 24..=28)),
    ));
    let mut group = criterion.benchmark_group("policy");
    group.throughput(Throughput::Elements(PREFIXES.into()));
    group.bench_function("a prefix in a set of 10 000", |bencher| {
        let found = || (0..PREFIXES).filter(|number| set.contains(prefix(*number)));
        bencher.iter(|| black_box(found().count()));
    });
    let inside = Condition::Prefix(Arc::clone(&set));
    let prefer = Statement::Act(Action::LocalPref(Number::Constant(200)));
    let statement = Statement::when(inside, vec![prefer, Statement::Accept]);
    let import = Policy::new(vec![statement], Verdict::Accept).expect("not deep");
    group.bench_function("new routes, those in the set are changed", |bencher| {
        let prepare = || {
            let mut rib = table(1);
            let order = Input::Policy(PeerId(1), import.clone(), Policy::accept_all());
            rib.step(order, Instant::ZERO);
            (rib, batches(1, 0))
        };
        bencher.iter_batched(
            prepare,
            |(rib, batches)| fed(rib, batches),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// All prefixes of a peer, four with each attribute set.
fn batches(number: u32, round: u32) -> Vec<RouteBatch> {
    benches::batches(number, round, PREFIXES, BATCH)
}
