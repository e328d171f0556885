// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What policies cost: asking allocates nothing, however long a path is, and a route of a batch no more than without.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use bgp_proto::{AsPath, Asn, Community, Ipv4Prefix, Prefix};
use rib::{
    Disposition, Input, Policy, Relation, RouteBatch, Verdict,
    policy::{
        Action, AsPathSet, CommunitySet, Condition, MatchOption, Number, PrefixSet, Statement,
    },
};

use crate::world::{World, attributes, from, peer};

/// The system's allocator, with a count for each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator can not be written without")]
// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are those that `System` wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often something allocates.
fn allocations<T>(what: impl FnOnce() -> T) -> u64 {
    let before = COUNT.get();
    let result = what();
    let count = COUNT.get() - before;
    drop(result);
    count
}

fn as_paths() -> AsPathSet {
    let patterns = ["^65001_", "_65100-65200_", "^(1 )*2$", "_6500[0-9] .* 7_"];
    AsPathSet::new(patterns.iter().map(|text| text.parse().unwrap()))
}

fn communities() -> CommunitySet<Community> {
    let patterns = ["65000:1", "^65001:[0-9]*7$", "65002:*"];
    CommunitySet::new(patterns.iter().map(|text| text.parse().unwrap()))
}

fn prefixes(count: u32) -> impl Iterator<Item = Prefix> {
    let prefix = |number: u32| Ipv4Prefix::truncating(Ipv4Addr::from(number << 8), 24).unwrap();
    (0..count).map(move |number| prefix(number).into())
}

#[test]
fn asking_allocates_nothing() {
    let (as_paths, communities) = (as_paths(), communities());
    let set = PrefixSet::new(prefixes(10_000).map(|prefix| (prefix, 24..=32)));
    let asked: Vec<Prefix> = prefixes(100).collect();
    let path = AsPath::from_sequence((0..200).map(Asn));
    let list: Vec<Community> = (0..1000).map(Community).collect();
    let count = allocations(|| {
        let mut found = 0;
        for option in [MatchOption::Any, MatchOption::All, MatchOption::Invert] {
            found += u32::from(as_paths.matches(&path, option));
            found += u32::from(communities.matches(&list, option));
        }
        found + u32::try_from(asked.iter().filter(|prefix| set.contains(**prefix)).count()).unwrap()
    });
    assert_eq!(count, 0);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is the question"
)]
fn the_longest_path_is_looked_through_in_no_time() {
    let as_paths = as_paths();
    let path = AsPath::from_sequence((0..16_000).map(|number| Asn(4_200_000_000 + number)));
    let mut found = true;
    let begin = Instant::now();
    let count = allocations(|| found = as_paths.matches(&path, MatchOption::Any));
    let taken = begin.elapsed();
    assert_eq!((found, count), (false, 0));
    // A few milliseconds without optimisation, on an idle machine.
    assert!(taken < Duration::from_secs(1), "{taken:?}");
}

#[test]
fn routes_of_a_batch_cost_no_more_allocations_than_their_attributes() {
    let set = PrefixSet::exact(prefixes(10_000).step_by(3));
    let body = vec![
        Statement::when(
            Condition::AsPath(MatchOption::All, Arc::new(as_paths())),
            vec![Statement::Reject],
        ),
        Statement::when(
            Condition::Prefix(Arc::new(set)),
            vec![Statement::Act(Action::LocalPref(Number::Constant(200)))],
        ),
    ];
    let mut world = World::plain();
    let mut info = peer(1, Relation::External);
    info.import = Policy::new(body, Verdict::Accept).unwrap();
    world.up(info);
    let mut cost = |routes: u32| {
        let input = Input::Routes(batch(routes));
        allocations(|| world.step(input))
    };
    // Once, so that the table has them: what it needs for itself is not the question.
    cost(9000);
    let (few, many) = (cost(90), cost(9000));
    assert!(many <= few + 8, "{few} for 90 routes, {many} for 9000");
}

fn batch(routes: u32) -> RouteBatch {
    let mut batch = RouteBatch::new(from(1));
    let paths: Vec<_> = (1..4)
        .map(|number| {
            let set = attributes(1, &[65001, number]);
            let hop = Disposition::Via(set.next_hop);
            batch.push_path(set, hop)
        })
        .collect();
    for (number, prefix) in prefixes(routes).enumerate() {
        batch.announce(prefix, 0, paths[number % 3]);
    }
    batch
}
