// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many instructions the hot path takes. `cargo xtask instructions` runs it and compares with `instructions.toml`.
#![allow(missing_docs, reason = "the macros make public items of their own")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "what is measured takes what the setup made"
)]

use std::{hint::black_box, sync::Arc, time::Instant};

use benches::{attributes, batches, drained, fed, prefix, reflector};
use bgp_proto::{Family, Negotiated, PathAttributes, Prefix, Update, UpdateWriter, frame::HEADER};
use bytes::Bytes;
use fib_netlink::{Change, FibConfig, Hop, Reconciler, Route, Target};
use iai_callgrind::{library_benchmark, library_benchmark_group, main};
use rib::{
    Input, PeerId, Policy, Rib, RouteBatch, Verdict,
    policy::{Action, Condition, Number, PrefixSet, Statement},
};

/// Prefixes of each bench.
const PREFIXES: u32 = 10_000;
/// Routes of one batch, as a peer's task hands them in.
const BATCH: u32 = 1024;

fn session() -> Negotiated {
    benches::client(1).negotiated
}

/// What is announced, with so many prefixes to a set.
fn sets(each: u32) -> Vec<(PathAttributes, Vec<Prefix>)> {
    let one = |first: u32| {
        let prefixes = (first..first + each).map(prefix).collect();
        (attributes(1, first, 0), prefixes)
    };
    (0..PREFIXES).step_by(each as usize).map(one).collect()
}

fn messages(each: u32) -> Vec<Bytes> {
    packed(&sets(each))
}

fn packed(sets: &[(PathAttributes, Vec<Prefix>)]) -> Vec<Bytes> {
    let session = session();
    let writer = UpdateWriter::new(&session);
    let mut messages = Vec::new();
    for (attributes, prefixes) in sets {
        let routes = prefixes.iter().map(|prefix| (0, *prefix));
        writer
            .announce(attributes, Family::IPV4_UNICAST, routes, |message| {
                messages.push(message);
            })
            .expect("the attributes fit");
    }
    messages
}

#[library_benchmark]
#[bench::four(args = (4), setup = messages)]
#[bench::full(args = (1000), setup = messages)]
fn decode(messages: Vec<Bytes>) -> u32 {
    let session = session();
    let mut sum = 0_u32;
    for message in &messages {
        let update = Update::decode(&message[HEADER..], &session).expect("what we write is right");
        for (attributes, block) in update.announced() {
            black_box(attributes);
            for (id, prefix) in block.ipv4() {
                sum ^= id ^ u32::from(prefix.addr());
            }
        }
    }
    sum
}

#[library_benchmark]
#[bench::four(args = (4), setup = sets)]
#[bench::full(args = (1000), setup = sets)]
fn pack(sets: Vec<(PathAttributes, Vec<Prefix>)>) -> Vec<Bytes> {
    packed(&sets)
}

/// A table with what the clients before have announced, and what the next one will.
fn after(clients: u32) -> (Rib, Vec<RouteBatch>) {
    let rib = (1..=clients).fold(reflector(clients + 1), |rib, client| {
        fed(rib, batches(client, 0, PREFIXES, BATCH))
    });
    (drained(rib), batches(clients + 1, 0, PREFIXES, BATCH))
}

/// Each route is known, and has other attributes now.
fn known() -> (Rib, Vec<RouteBatch>) {
    let rib = fed(reflector(1), batches(1, 0, PREFIXES, BATCH));
    (rib, batches(1, 1, PREFIXES, BATCH))
}

/// Each set of attributes is there already, made by another client's routes.
fn repeated() -> (Rib, Vec<RouteBatch>) {
    let rib = fed(reflector(1), batches(1, 0, PREFIXES, BATCH));
    (rib, batches(1, 0, PREFIXES, BATCH))
}

/// Half of the routes are in the policy's set, and get another preference.
fn with_policy() -> (Rib, Vec<RouteBatch>) {
    let set = PrefixSet::new((0..PREFIXES / 2).map(|number| (prefix(number * 2), 24..=28)));
    let prefer = Statement::Act(Action::LocalPref(Number::Constant(200)));
    let inside = Condition::Prefix(Arc::new(set));
    let statement = Statement::when(inside, vec![prefer, Statement::Accept]);
    let import = Policy::new(vec![statement], Verdict::Accept).expect("not deep");
    let mut rib = reflector(1);
    let order = Input::Policy(PeerId(1), import, Policy::accept_all());
    rib.step(order, bgp_proto::Instant::ZERO);
    (rib, batches(1, 0, PREFIXES, BATCH))
}

#[library_benchmark]
#[bench::new(args = (0), setup = after)]
fn apply((rib, batches): (Rib, Vec<RouteBatch>)) -> Rib {
    fed(rib, batches)
}

#[library_benchmark]
#[bench::known_sets(repeated())]
#[bench::other_sets(known())]
fn intern((rib, batches): (Rib, Vec<RouteBatch>)) -> Rib {
    fed(rib, batches)
}

#[library_benchmark]
#[bench::second(args = (1), setup = after)]
#[bench::tenth(args = (9), setup = after)]
fn decide((rib, batches): (Rib, Vec<RouteBatch>)) -> Rib {
    fed(rib, batches)
}

#[library_benchmark]
#[bench::import(with_policy())]
fn policy((rib, batches): (Rib, Vec<RouteBatch>)) -> Rib {
    fed(rib, batches)
}

/// A table that has something to say to so many.
fn ready(others: u32) -> Rib {
    fed(reflector(1 + others), batches(1, 0, PREFIXES, BATCH))
}

/// A table to which a neighbour comes late.
fn late() -> Rib {
    let mut rib = drained(ready(1));
    let info = Box::new(benches::client(3));
    rib.step(Input::PeerUp(info), bgp_proto::Instant::ZERO);
    rib
}

#[library_benchmark]
#[bench::one(args = (1), setup = ready)]
#[bench::hundred(args = (100), setup = ready)]
#[bench::newcomer(late())]
fn export(rib: Rib) -> Rib {
    drained(rib)
}

fn desired() -> (Reconciler, Vec<Change>) {
    let target = Target::Via(vec![Hop::via([10, 0, 0, 2].into())]);
    let change = |number: u32| {
        let address = std::net::Ipv4Addr::from(0x1000_0000 + number * 256);
        let prefix = ipnetwork::Ipv4Network::new(address, 24).expect("a length of IPv4");
        Change::Install(Route::new(prefix.into(), target.clone()))
    };
    let now = Instant::now();
    let mut reconciler = Reconciler::new(FibConfig::default(), now);
    reconciler.end_resync(now, now);
    (reconciler, (0..PREFIXES).map(change).collect())
}

#[library_benchmark]
#[bench::install(desired())]
fn fib((mut reconciler, changes): (Reconciler, Vec<Change>)) -> Reconciler {
    let now = Instant::now();
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
}

library_benchmark_group!(name = proto; benchmarks = decode, pack);
library_benchmark_group!(name = table; benchmarks = apply, intern, decide, policy, export);
library_benchmark_group!(name = kernel; benchmarks = fib);
main!(library_benchmark_groups = proto, table, kernel);
