// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Applying plans brings the kernel to what is desired, touches nothing foreign, and then there is nothing left to do.

use std::collections::{BTreeMap, BTreeSet};

use fib_netlink::{Goal, Held, Ownership, Verb, plan, stored_metric};
use ipnetwork::IpNetwork;
use proptest::prelude::*;

use crate::model::{Kernel, OURS, TABLE, THEIRS, any_kernel, any_prefix, way};

fn any_desired() -> impl Strategy<Value = BTreeMap<IpNetwork, Goal>> {
    proptest::collection::btree_map(any_prefix(), 0..4u8, 0..6).prop_map(|chosen| {
        let goal = |(prefix, n)| {
            (
                prefix,
                Goal {
                    table: TABLE,
                    metric: stored_metric(&prefix, 0),
                    way: way(n),
                },
            )
        };
        chosen.into_iter().map(goal).collect()
    })
}

fn own(metrics: &[u32]) -> Ownership {
    Ownership {
        tables: [TABLE].into(),
        protocol: OURS,
        metrics: metrics.iter().copied().collect(),
    }
}

/// Plans until nothing is left; every operation must be taken by the kernel.
fn carry_out(desired: &BTreeMap<IpNetwork, Goal>, kernel: &mut Kernel, own: &Ownership) -> usize {
    for round in 0..4 {
        let operations = plan(desired, &kernel.routes, own);
        if operations.is_empty() {
            return round;
        }
        for operation in &operations {
            kernel
                .write(operation)
                .expect("the kernel takes what was planned");
        }
    }
    panic!("plans without end");
}

proptest! {
    #[test]
    fn plans_reach_what_is_desired_and_leave_the_rest_alone(
        desired in any_desired(),
        mut kernel in any_kernel(),
        both in any::<bool>(),
    ) {
        let own = own(if both { &[0, 50] } else { &[0] });
        let is_ours = |prefix: &IpNetwork, held: &Held| own.owns(prefix, held);
        let foreign = |kernel: &Kernel| {
            kernel.all().filter(|route| !is_ours(&route.prefix, &route.held)).collect::<Vec<_>>()
        };
        let before = foreign(&kernel);
        let rounds = carry_out(&desired, &mut kernel, &own);
        prop_assert!(rounds <= 2);
        prop_assert_eq!(foreign(&kernel), before.clone());
        let blocked = |prefix: &IpNetwork, goal: &Goal| {
            before.iter().any(|route| route.prefix == *prefix && route.held.metric == goal.metric)
        };
        let expected: BTreeSet<IpNetwork> =
            desired.iter().filter(|(prefix, goal)| !blocked(prefix, goal)).map(|(prefix, _)| *prefix).collect();
        let ours: Vec<_> = kernel.all().filter(|route| is_ours(&route.prefix, &route.held)).collect();
        prop_assert_eq!(ours.len(), expected.len());
        for route in ours {
            prop_assert!(expected.contains(&route.prefix));
            let goal = &desired[&route.prefix];
            prop_assert!(route.held.metric == goal.metric && route.held.way.satisfies(&goal.way));
        }
    }

    #[test]
    fn what_is_there_already_is_not_written_again(desired in any_desired()) {
        let own = own(&[0]);
        let mut kernel = Kernel::default();
        carry_out(&desired, &mut kernel, &own);
        prop_assert_eq!(plan(&desired, &kernel.routes, &own), []);
        prop_assert_eq!(kernel.of(THEIRS), []);
    }

    #[test]
    fn another_way_is_made_before_the_old_one_is_broken(
        prefix in any_prefix(),
        (old, new) in (0..4u8, 0..4u8),
        metric in prop_oneof![Just(0u32), Just(50)],
    ) {
        let own = own(&[0, 50]);
        let mut kernel = Kernel::default();
        let goal = |metric, n| BTreeMap::from([(prefix, Goal { table: TABLE, metric: stored_metric(&prefix, metric), way: way(n) })]);
        carry_out(&goal(0, old), &mut kernel, &own);
        let desired = goal(metric, new);
        for _ in 0..2 {
            for operation in plan(&desired, &kernel.routes, &own) {
                kernel.write(&operation).unwrap();
                prop_assert!(!kernel.of(OURS).is_empty(), "a packet would have found no route");
                prop_assert!(metric != 0 || operation.verb == Verb::Replace);
            }
        }
    }
}
