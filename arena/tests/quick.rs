// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every case at a small size: it ends, every receiver has exactly what it is to have, and there are figures.

use std::time::Duration;

use arena::{CASES, Contestant, Figure, Kind};

/// Each takes a second or two.
const LIMIT: Duration = Duration::from_secs(60);

fn all_cases_with(kind: Kind) {
    let program = kind.program().unwrap();
    let contestant = Contestant { kind, program };
    for case in CASES.iter().filter(|case| !case.without.contains(&kind)) {
        for size in case.sizes(true) {
            let outcome = arena::run(case, size, LIMIT, &contestant).unwrap();
            let name = format!("{} of {size:?} with {}", case.name, kind.name());
            assert_eq!(outcome.fault, None, "{name}");
            for figure in [Figure::Cpu, Figure::Peak, Figure::Messages] {
                let value = outcome.figures.get(&figure).copied();
                // Nothing to say may take no time at all.
                let is_there = value.is_some_and(|value| value > 0.0 || case.name == "idle");
                assert!(is_there, "{name}: {outcome:?}");
            }
            let is_listed = outcome.figures.contains_key(&Figure::Listing);
            assert_eq!(is_listed, case.name.contains("list"), "{name}: {outcome:?}");
        }
    }
}

#[test]
#[ignore = "needs netns"]
fn every_case_works_with_bgpd() {
    all_cases_with(Kind::Bgpd);
}

#[test]
#[ignore = "needs netns"]
fn every_case_works_with_bird() {
    all_cases_with(Kind::Bird);
}
