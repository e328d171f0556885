// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The whole reconciler against the model, with thieves, foreign routes and lost notifications.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use fib_netlink::{
    Change, FibConfig, FibEvent, Held, Hop, KernelRoute, LinkUpdate, Operation, Reconciler,
    Refusal, Route, Status, Target, Totals, Verb, stored_metric,
};
use ipnetwork::IpNetwork;
use proptest::prelude::*;

use crate::model::{Kernel, OURS, TABLE, THEIRS, Told, any_kernel, any_prefix, prefixes, way};

/// A reconciler, its kernel, and a clock.
struct World {
    reconciler: Reconciler,
    kernel: Kernel,
    now: Instant,
    deaf: bool,
    writes: usize,
    /// Operations that the kernel has not looked at yet.
    asked: VecDeque<Operation>,
    /// Its answers that were not heard yet.
    unheard: VecDeque<(Operation, Result<(), Refusal>)>,
}

impl World {
    fn new(kernel: Kernel, config: FibConfig) -> Self {
        let now = Instant::now();
        let reconciler = Reconciler::new(config, now);
        let mut world = Self {
            reconciler,
            kernel,
            now,
            deaf: false,
            writes: 0,
            asked: VecDeque::new(),
            unheard: VecDeque::new(),
        };
        world.resync();
        world
    }

    fn resync(&mut self) {
        let link = |index| LinkUpdate {
            index,
            name: format!("e{index}"),
            enabled: true,
            running: true,
        };
        self.reconciler.begin_resync();
        self.reconciler
            .resync_links(vec![link(2), link(3)], vec![], self.now);
        for route in self.kernel.all().collect::<Vec<_>>() {
            self.reconciler.resync_route(route);
        }
        self.reconciler.end_resync(self.now, self.now);
    }

    /// Somebody else writes.
    fn other(&mut self, operation: &Operation) {
        let Ok(told) = self.kernel.write(operation) else {
            return;
        };
        if self.deaf {
            return;
        }
        match told {
            Told::Appeared { route, replaces } => self.reconciler.route(route, replaces, self.now),
            Told::Vanished(route) => self.reconciler.route_gone(&route, self.now),
        }
        self.reconciler.settle(self.now);
    }

    /// Writes a batch, whatever is under way.
    fn write(&mut self) {
        self.asked.extend(self.reconciler.batch(4, self.now));
    }

    /// The kernel does so much of what it was asked for.
    fn execute(&mut self, count: usize) {
        for operation in self.asked.drain(..count.min(self.asked.len())) {
            self.writes += 1;
            let answer = self.kernel.write(&operation).map(drop);
            self.unheard.push_back((operation, answer));
        }
    }

    /// So many answers are heard.
    fn hear(&mut self, count: usize) {
        for (operation, answer) in self.unheard.drain(..count.min(self.unheard.len())) {
            self.reconciler.answer(&operation, answer, self.now);
        }
        self.reconciler.settle(self.now);
    }

    /// Lets time pass, doing what the reconciler asks for.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for turn in 0.. {
            assert!(turn < 10_000, "it never comes to rest");
            self.reconciler.tick(self.now);
            self.execute(usize::MAX);
            self.hear(usize::MAX);
            if self.reconciler.wants_resync(self.now) {
                self.resync();
            }
            let operations = self.reconciler.batch(4, self.now);
            for operation in &operations {
                self.writes += 1;
                let answer = self.kernel.write(operation).map(drop);
                self.reconciler.answer(operation, answer, self.now);
            }
            if operations.is_empty() && !self.reconciler.is_ready(self.now) {
                match self.reconciler.deadline() {
                    Some(at) if at <= until => self.now = self.now.max(at),
                    _ => break,
                }
            }
        }
        self.now = until;
    }

    /// What is counted is what there is.
    fn count(&self) -> Totals {
        let mut totals = Totals::default();
        for state in self.reconciler.states(self.now) {
            match state.status {
                Status::Installed | Status::Adopted => totals.installed += 1,
                Status::Pending | Status::WaitingForInterface => totals.pending += 1,
                _ => totals.failed += 1,
            }
        }
        assert_eq!(self.reconciler.totals(self.now), totals);
        totals
    }

    fn status(&self, prefix: &str) -> Status {
        self.reconciler
            .state(prefix.parse().unwrap(), self.now)
            .unwrap()
            .status
    }
}

/// The target whose way is `way(n)` on the links of the world.
fn target(n: u8) -> Target {
    let hop = |last: u8, device: &str| Hop::via([10, 0, 0, last].into()).over(device);
    match n {
        0 => Target::Blackhole,
        1 => Target::Via(vec![hop(1, "e2"), hop(2, "e3")]),
        n => Target::Via(vec![hop(n, "e2")]),
    }
}

fn route(prefix: IpNetwork, protocol: u8, n: u8) -> KernelRoute {
    let metric = stored_metric(&prefix, 0);
    KernelRoute {
        prefix,
        held: Held {
            table: TABLE,
            metric,
            protocol,
            way: way(n),
        },
    }
}

#[derive(Clone, Debug)]
enum Step {
    Install(IpNetwork, u8),
    Remove(IpNetwork),
    Foreign(Verb, IpNetwork, u8),
    Steal(IpNetwork),
    Deaf(Vec<(IpNetwork, u8)>),
    Pass(u64),
    Write,
    Execute(usize),
    Hear(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let verb = prop_oneof![Just(Verb::Add), Just(Verb::Replace), Just(Verb::Delete)];
    prop_oneof![
        3 => (any_prefix(), 0..4u8).prop_map(|(prefix, n)| Step::Install(prefix, n)),
        1 => any_prefix().prop_map(Step::Remove),
        2 => (verb, any_prefix(), 0..4u8).prop_map(|(verb, prefix, n)| Step::Foreign(verb, prefix, n)),
        1 => any_prefix().prop_map(Step::Steal),
        1 => proptest::collection::vec((any_prefix(), 0..4u8), 1..4).prop_map(Step::Deaf),
        2 => (0..500u64).prop_map(Step::Pass),
        2 => Just(Step::Write),
        1 => (1..6usize).prop_map(Step::Execute),
        1 => (1..6usize).prop_map(Step::Hear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_kernel_ends_up_as_desired(
        kernel in any_kernel(),
        steps in proptest::collection::vec(any_step(), 0..40),
        swept in any::<bool>(),
    ) {
        let config = FibConfig { sweep_after: None, scan_interval: None, ..FibConfig::default() };
        let mut world = World::new(kernel, config);
        let mut desired: BTreeMap<IpNetwork, u8> = BTreeMap::new();
        if swept {
            world.reconciler.converged();
        }
        for step in steps {
            match step {
                Step::Install(prefix, n) => {
                    desired.insert(prefix, n);
                    world.reconciler.apply(vec![Change::Install(Route::new(prefix, target(n)))]);
                }
                Step::Remove(prefix) => {
                    desired.remove(&prefix);
                    world.reconciler.apply(vec![Change::Remove(prefix)]);
                }
                Step::Foreign(verb, prefix, n) => {
                    world.other(&Operation { verb, route: route(prefix, THEIRS, n) });
                }
                Step::Steal(prefix) => {
                    let held = world.kernel.routes.get(&prefix).cloned().unwrap_or_default();
                    if let Some(held) = held.into_iter().next() {
                        world.other(&Operation { verb: Verb::Delete, route: KernelRoute { prefix, held } });
                    }
                }
                Step::Deaf(routes) => {
                    world.deaf = true;
                    for (prefix, n) in routes {
                        world.other(&Operation { verb: Verb::Replace, route: route(prefix, THEIRS, n) });
                        world.other(&Operation { verb: Verb::Delete, route: route(prefix, OURS, n) });
                    }
                    world.deaf = false;
                    world.reconciler.want_resync(world.now);
                }
                Step::Write => world.write(),
                Step::Execute(count) => world.execute(count),
                Step::Hear(count) => world.hear(count),
                Step::Pass(time) => world.pass(Duration::from_millis(time)),
            }
            world.count();
        }
        world.reconciler.converged();
        world.pass(Duration::from_secs(300)); // long enough for the longest pause
        let foreign = world.kernel.of(THEIRS);
        let in_the_way = |prefix: &IpNetwork| foreign.iter().any(|at| {
            at.prefix == *prefix && at.held.metric == stored_metric(prefix, 0)
        });
        let is_extra = |at: &KernelRoute| at.held.metric == stored_metric(&at.prefix, 0);
        let ours: Vec<_> = world.kernel.of(OURS).into_iter().filter(is_extra).collect();
        for prefix in prefixes() {
            let there = ours.iter().find(|at| at.prefix == prefix);
            match desired.get(&prefix) {
                Some(n) if !in_the_way(&prefix) => {
                    prop_assert!(there.is_some_and(|at| at.held.way.satisfies(&way(*n))), "{prefix}: {there:?}");
                    prop_assert!(world.status(&prefix.to_string()).is_installed());
                }
                Some(_) => {
                    prop_assert_eq!(world.status(&prefix.to_string()), Status::Blocked { protocol: THEIRS });
                    prop_assert!(there.is_none());
                }
                None => prop_assert!(there.is_none(), "{prefix}: {there:?}"),
            }
        }
        let before = world.writes;
        world.resync();
        world.pass(Duration::from_secs(1));
        prop_assert_eq!(world.writes, before, "nothing is written twice");
    }
}

#[test]
fn a_fight_is_given_up_after_five_rounds_and_taken_up_once_a_minute() {
    let prefix: IpNetwork = "10.1.0.0/16".parse().unwrap();
    let mut world = World::new(Kernel::default(), FibConfig::default());
    world
        .reconciler
        .apply(vec![Change::Install(Route::new(prefix, target(2)))]);
    world.pass(Duration::from_secs(10));
    let mut restored = 0;
    for _ in 0..600 {
        world.other(&Operation {
            verb: Verb::Delete,
            route: route(prefix, OURS, 2),
        });
        world.pass(Duration::from_secs(1));
        restored += usize::from(!world.kernel.of(OURS).is_empty());
        if restored == 6 {
            assert!(matches!(
                world.status("10.1.0.0/16"),
                Status::Installed | Status::Contested { .. }
            ));
        }
    }
    assert!(
        (10..=15).contains(&restored),
        "{restored} times in ten minutes"
    );
    world.pass(Duration::from_secs(61));
    assert_eq!(world.status("10.1.0.0/16"), Status::Installed);
}

#[test]
fn refused_routes_are_tried_at_growing_intervals() {
    let mut world = World::new(
        Kernel::default(),
        FibConfig {
            scan_interval: None,
            ..FibConfig::default()
        },
    );
    let prefix: IpNetwork = "10.1.0.0/16".parse().unwrap();
    world
        .reconciler
        .apply(vec![Change::Install(Route::new(prefix, target(2)))]);
    let mut times = Vec::new();
    let begun = world.now;
    while world.now < begun + Duration::from_secs(200) {
        world.reconciler.tick(world.now);
        for operation in world.reconciler.batch(10, world.now) {
            times.push((world.now - begun).as_secs());
            let refusal = fib_netlink::Refusal {
                errno: 101,
                words: "no way".to_owned(),
            };
            world.reconciler.answer(&operation, Err(refusal), world.now);
        }
        world.now += Duration::from_millis(100);
    }
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    let Status::Failed {
        error, attempts, ..
    } = world.status("10.1.0.0/16")
    else {
        panic!("it failed")
    };
    assert_eq!((error.as_str(), attempts), ("no way", 9));
    let told = std::iter::from_fn(|| world.reconciler.event(world.now));
    let told: Vec<_> = told
        .filter(|event| matches!(event, FibEvent::Status(_)))
        .collect();
    assert_eq!(told.len(), 1, "said once, not at each attempt");
}

#[test]
fn a_full_table_keeps_what_it_has_and_takes_the_rest_when_there_is_room() {
    const ROOM: usize = 4;
    let mut world = World::new(Kernel::default(), FibConfig::default());
    world.kernel.room6 = Some(ROOM);
    let destination = |n: usize| format!("fd00:{n}::/32").parse().unwrap();
    let install = |n: usize, way| Change::Install(Route::new(destination(n), target(way)));
    let mut changes: Vec<Change> = (0..10).map(|n| install(n, 2)).collect();
    changes.push(Change::Install(Route::new(
        "10.1.0.0/16".parse().unwrap(),
        target(2),
    )));
    world.reconciler.apply(changes);
    world.pass(Duration::from_secs(300));
    let installed = |world: &World| -> Vec<IpNetwork> {
        world
            .kernel
            .of(OURS)
            .iter()
            .map(|route| route.prefix)
            .collect()
    };
    let before = installed(&world);
    assert_eq!(before.len(), ROOM + 1, "IPv4 is not concerned");
    let waits = |world: &World| {
        let failed = |n: &usize| {
            let state = world.reconciler.state(destination(*n), world.now);
            state.is_some_and(|state| state.status.to_string().contains("errno 12"))
        };
        (0..10).filter(failed).count()
    };
    assert_eq!(world.count().failed, 10 - ROOM as u64);
    assert_eq!(waits(&world), 10 - ROOM);

    let writes = world.writes;
    world.pass(Duration::from_secs(600));
    assert_eq!(installed(&world), before);
    assert!(
        world.writes - writes <= 6 * 11,
        "once a minute: {}",
        world.writes - writes
    );

    let kept = before
        .iter()
        .find(|prefix| prefix.is_ipv6())
        .copied()
        .unwrap();
    world.reconciler.apply(vec![Change::Remove(kept)]);
    world.pass(Duration::from_secs(61));
    assert_eq!(
        installed(&world).len(),
        ROOM + 1,
        "another one takes its place"
    );
    assert_eq!(waits(&world), 10 - ROOM - 1);

    world.kernel.room6 = None;
    world.pass(Duration::from_secs(61));
    assert_eq!(
        world.count(),
        Totals {
            installed: 10,
            ..Totals::default()
        }
    );
}
