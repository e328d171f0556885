// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The decision process: the same in every order of arrival, and a reason for everything.

use bgp_proto::{AsPath, Asn, ClusterId, NextHop, Origin, PathAttributes, RouterId};
use proptest::prelude::*;
use rib::{
    DecisionStep, Input, NextHopState, PeerId, Profile, Relation, RibConfig, Selection, Unusable,
};

use crate::world::{World, address, attributes, config, from, peer};

const PREFIX: &str = "10.1.0.0/16";

/// Four neighbours; what each of them says, if anything.
type Said = Vec<(u32, PathAttributes)>;

fn relation(number: u32) -> Relation {
    if number < 3 {
        Relation::External
    } else {
        Relation::Client
    }
}

fn several(selection: Selection) -> Selection {
    Selection {
        max_paths: 4,
        max_internal_paths: 4,
        ..selection
    }
}

fn tell(order: &[usize], said: &Said, config: RibConfig) -> World {
    let mut world = World::new(config, 1);
    for number in 1..=5 {
        world.up(peer(number, relation(number)));
    }
    world.settle();
    for place in order {
        let (number, attributes) = &said[*place];
        world.announce(from(*number), PREFIX, attributes.clone());
        // Some orders are seen in one drain, some in several.
        if order[0].is_multiple_of(2) {
            world.settle();
        }
    }
    world.settle();
    world
}

/// Who won, and where the others lost.
fn verdict(world: &World) -> Vec<(u32, Option<DecisionStep>)> {
    let explanation = world.rib.explain(PREFIX.parse().unwrap()).unwrap();
    let mut verdict: Vec<_> = explanation
        .routes
        .iter()
        .map(|(view, step)| (view.source.peer().unwrap().0, *step))
        .collect();
    assert!(explanation.routes[0].0.best, "the best path leads");
    assert_eq!(verdict[0].1, None, "the best path did not lose");
    assert!(
        verdict[1..].iter().all(|(_, step)| step.is_some()),
        "the others did"
    );
    verdict[1..].sort_unstable();
    verdict
}

fn path() -> impl Strategy<Value = PathAttributes> {
    (
        prop::collection::vec(65_001_u32..65_003, 1..3),
        prop_oneof![3 => Just(Origin::Igp), 1 => Just(Origin::Incomplete)],
        prop::option::of(0_u32..3),
        prop_oneof![4 => Just(None), 1 => Just(Some(200_u32))],
        prop::option::weighted(0.4, 1_u8..3),
        0_usize..3,
    )
        .prop_map(|(path, origin, med, local_pref, originator, clusters)| {
            let path = AsPath::from_sequence(path.into_iter().map(Asn));
            let mut out = PathAttributes::new(origin, path, NextHop::V4(address(9)));
            out.med = med;
            out.local_pref = local_pref;
            out.originator_id = originator.and_then(|id| RouterId::new([198, 51, 100, id].into()));
            out.cluster_list = vec![ClusterId(1); clusters];
            out
        })
}

fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(vec![
        Profile::Rfc,
        Profile::Bird,
        Profile::GoBgp,
        Profile::Frr,
    ])
}

fn external_ones_without_internal_attributes(paths: Vec<PathAttributes>) -> Said {
    let told = (1..).zip(paths).map(|(number, mut path)| {
        if relation(number) == Relation::External {
            (path.local_pref, path.originator_id) = (None, None);
            path.cluster_list.clear();
        }
        (number, path)
    });
    told.collect()
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let insert = |order: &Vec<usize>, place: usize| {
        let mut order = order.clone();
        order.insert(place, count - 1);
        order
    };
    shorter
        .iter()
        .flat_map(|order| (0..count).map(move |place| insert(order, place)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_never_matters(paths in prop::collection::vec(path(), 2..5)) {
        let said = external_ones_without_internal_attributes(paths);
        let orders = permutations(said.len());
        let first = tell(&orders[0], &said, RibConfig { selection: several(Selection::default()), ..config() });
        for order in &orders[1..] {
            let other = tell(order, &said, RibConfig { selection: several(Selection::default()), ..config() });
            prop_assert_eq!(verdict(&first), verdict(&other));
            prop_assert_eq!(&first.forwarding, &other.forwarding);
            prop_assert_eq!(first.heard(5), other.heard(5));
        }
    }

    #[test]
    fn no_profile_depends_on_the_order_of_arrival_unless_it_is_to(
        paths in prop::collection::vec(path(), 2..5),
        profile in profile(),
        (always, worst, short, relax) in any::<(bool, bool, bool, bool)>(),
    ) {
        let selection = Selection {
            deterministic_med: true,
            external_compare_router_id: true,
            always_compare_med: always,
            med_missing_as_worst: worst,
            ignore_as_path_length: short,
            multipath_relax: relax,
            ..Selection::of(profile)
        };
        prop_assert!(selection.is_independent_of_arrival());
        let said = external_ones_without_internal_attributes(paths);
        let config = || RibConfig { selection: several(selection), ..config() };
        let orders = permutations(said.len());
        let first = tell(&orders[0], &said, config());
        for order in &orders[1..] {
            let mut other = tell(order, &said, config());
            prop_assert_eq!(verdict(&first), verdict(&other));
            prop_assert_eq!(&first.forwarding, &other.forwarding);
            // Nor does it matter what else was there for a while.
            other.announce(from(4), PREFIX, attributes(9, &[65001]));
            match said.iter().find(|(number, _)| *number == 4) {
                Some((_, path)) => other.announce(from(4), PREFIX, path.clone()),
                None => other.withdraw(from(4), PREFIX),
            }
            other.settle();
            prop_assert_eq!(verdict(&first), verdict(&other));
        }
    }

    #[test]
    fn a_changed_selection_is_as_if_it_had_been_so_from_the_start(
        paths in prop::collection::vec(path(), 2..5),
        profile in profile(),
        (before, most) in (1_usize..4, 1_usize..4),
    ) {
        let in_use = |most: usize, selection: Selection| Selection {
            max_paths: most,
            max_internal_paths: 4 - most,
            ..selection
        };
        let selection = in_use(most, Selection {
            deterministic_med: true,
            external_compare_router_id: true,
            ..Selection::of(profile)
        });
        let said = external_ones_without_internal_attributes(paths);
        let order: Vec<usize> = (0..said.len()).collect();
        let usual = in_use(before, Selection::default());
        let mut changed = tell(&order, &said, RibConfig { selection: usual, ..config() });
        changed.step(Input::Selection(selection));
        changed.settle();
        let there = tell(&order, &said, RibConfig { selection, ..config() });
        prop_assert_eq!(verdict(&changed), verdict(&there));
        prop_assert_eq!(&changed.forwarding, &there.forwarding);
    }

    #[test]
    fn what_was_withdrawn_leaves_no_trace(paths in prop::collection::vec(path(), 4)) {
        let said: Said = (1..).zip(paths).collect();
        let short: Said = said[1..].to_vec();
        let mut world = tell(&[0, 1, 2, 3], &said, config());
        world.withdraw(from(1), PREFIX);
        world.settle();
        prop_assert_eq!(verdict(&world), verdict(&tell(&[0, 1, 2], &short, config())));
    }
}

/// The second of two paths loses to the first at the step, and only there.
fn loses_at(step: DecisionStep, first: (u32, PathAttributes), second: (u32, PathAttributes)) {
    let winner = first.0;
    let loser = second.0;
    let paths = vec![first, second];
    for order in [[0, 1], [1, 0]] {
        let world = tell(&order, &paths, config());
        assert_eq!(
            verdict(&world),
            [(winner, None), (loser, Some(step))],
            "{step}"
        );
    }
}

#[test]
fn each_step_decides() {
    let plain = |number: u32| (number, attributes(9, &[65001]));
    let with = |number: u32, change: &dyn Fn(&mut PathAttributes)| {
        let (number, mut path) = plain(number);
        change(&mut path);
        (number, path)
    };
    let prefer = with(4, &|path| path.local_pref = Some(200));
    loses_at(DecisionStep::LocalPref, prefer, plain(1));
    loses_at(
        DecisionStep::AsPathLength,
        plain(4),
        (1, attributes(9, &[65001, 65002])),
    );
    loses_at(
        DecisionStep::Origin,
        plain(2),
        with(1, &|path| path.origin = Origin::Egp),
    );
    loses_at(
        DecisionStep::Med,
        plain(2),
        with(1, &|path| path.med = Some(1)),
    );
    loses_at(DecisionStep::External, plain(2), plain(3));
    loses_at(DecisionStep::Identifier, plain(1), plain(2));
    let originator = |id| RouterId::new([198, 51, 100, id].into());
    let low = with(4, &|path| path.originator_id = originator(1));
    loses_at(
        DecisionStep::Identifier,
        low.clone(),
        with(3, &|path| path.originator_id = originator(2)),
    );
    let far = with(3, &|path| {
        path.originator_id = originator(1);
        path.cluster_list = vec![ClusterId(1)];
    });
    loses_at(DecisionStep::ClusterList, low.clone(), far);
    let same = with(3, &|path| path.originator_id = originator(1));
    loses_at(DecisionStep::PeerAddress, same, low);
}

#[test]
fn med_is_compared_within_a_neighbour_as_only() {
    // Pairwise comparison goes round in circles here: 1 beats 2 by MED, 2 beats 4 as external, 4 would beat 1 if ...
    let med = |number: u32, asn: u32, med: u32| {
        let mut path = attributes(9, &[asn]);
        path.med = Some(med);
        (number, path)
    };
    let said = vec![med(1, 65001, 20), med(2, 65002, 5), med(4, 65001, 10)];
    for order in permutations(3) {
        let world = tell(&order, &said, config());
        let expected = [
            (2, None),
            (1, Some(DecisionStep::Med)),
            (4, Some(DecisionStep::External)),
        ];
        assert_eq!(verdict(&world), expected);
    }
}

#[test]
fn an_external_path_in_use_stays_if_identifiers_do_not_count() {
    let said = vec![
        (2, attributes(9, &[65001])),
        (1, attributes(9, &[65001])),
        (4, attributes(9, &[65001])),
    ];
    for profile in [Profile::Rfc, Profile::Bird, Profile::GoBgp, Profile::Frr] {
        let selection = Selection {
            external_compare_router_id: false,
            ..Selection::of(profile)
        };
        let config = || RibConfig {
            selection,
            ..config()
        };
        let won = |order: &[usize]| verdict(&tell(order, &said, config()))[0].0;
        assert_eq!(won(&[0, 1, 2]), 2, "{profile}: the first of two external");
        assert_eq!(won(&[1, 2, 0]), 1, "{profile}");
        assert_eq!(won(&[2, 0, 1]), 2, "{profile}: external over internal");
    }
}

#[test]
fn without_deterministic_med_the_order_of_arrival_is_the_daemons() {
    // 1 and 4 are of one neighbour AS; 4 has the lower MED, 1 is external; 2 is between them.
    let path = |number: u32, asn: u32, med: u32| {
        let mut path = attributes(9, &[asn]);
        path.med = Some(med);
        (number, path)
    };
    let said = vec![path(1, 65001, 20), path(2, 65002, 5), path(4, 65001, 10)];
    let won = |profile, order: &[usize]| {
        let selection = Selection {
            external_compare_router_id: true,
            ..Selection::of(profile)
        };
        let config = RibConfig {
            selection,
            ..config()
        };
        verdict(&tell(order, &said, config))[0].0
    };
    // BIRD: the newcomer meets the best only. 1 beats 2, then 4 beats 1 and never meets 2.
    assert_eq!(won(Profile::Bird, &[1, 0, 2]), 4);
    assert_eq!(won(Profile::Bird, &[0, 2, 1]), 2);
    // FRR: from the newest to the oldest. 4 beats 1, then 2 beats 4.
    assert_eq!(won(Profile::Frr, &[1, 0, 2]), 2);
    assert_eq!(won(Profile::Frr, &[0, 1, 2]), 1);
    // GoBGP: each moves up until it loses.
    assert_eq!(won(Profile::GoBgp, &[0, 1, 2]), 1);
    assert_eq!(won(Profile::GoBgp, &[0, 2, 1]), 4);
}

#[test]
fn knobs_add_and_take_steps() {
    let with = |number: u32, path: &[u32], med: Option<u32>| {
        let mut path = attributes(9, path);
        path.med = med;
        (number, path)
    };
    let won = |said: &Said, selection: Selection| {
        let config = RibConfig {
            selection,
            ..config()
        };
        verdict(&tell(&[0, 1], said, config))[0].0
    };
    let usual = Selection::default();
    let other_as = vec![with(1, &[65001], Some(20)), with(2, &[65002], Some(10))];
    assert_eq!(won(&other_as, usual), 1);
    let always = Selection {
        always_compare_med: true,
        ..usual
    };
    assert_eq!(won(&other_as, always), 2);
    let missing = vec![with(1, &[65001], Some(20)), with(2, &[65001], None)];
    assert_eq!(won(&missing, usual), 2);
    let worst = Selection {
        med_missing_as_worst: true,
        ..usual
    };
    assert_eq!(won(&missing, worst), 1);
    let long = vec![with(1, &[65001, 65003], None), with(2, &[65001], None)];
    assert_eq!(won(&long, usual), 2);
    let any_length = Selection {
        ignore_as_path_length: true,
        ..usual
    };
    assert_eq!(won(&long, any_length), 1);
}

#[test]
fn weight_wins_over_everything_and_can_change() {
    let mut better = attributes(9, &[65001]);
    better.local_pref = Some(200);
    let said = vec![(3, better), (1, attributes(9, &[65001, 65002]))];
    let mut world = tell(&[0, 1], &said, config());
    assert_eq!(verdict(&world)[0].0, 3);
    world.step(Input::Weight(PeerId(1), 10));
    world.settle();
    assert_eq!(
        verdict(&world),
        [(1, None), (3, Some(DecisionStep::Weight))]
    );
    world.step(Input::Weight(PeerId(1), 0));
    world.settle();
    assert_eq!(verdict(&world)[0].0, 3);
}

#[test]
fn the_nearer_next_hop_wins_and_an_unreachable_one_never_does() {
    let tracking = RibConfig {
        next_hop_tracking: true,
        ..config()
    };
    let said = vec![
        (3, attributes(103, &[65001])),
        (4, attributes(104, &[65001])),
    ];
    let mut world = tell(&[0, 1], &said, tracking);
    assert!(
        world.forwarding.is_empty(),
        "nothing is known of the next hops"
    );
    let state = |metric: Option<u32>| {
        metric.map_or(NextHopState::Unreachable, |metric| {
            NextHopState::Reachable { metric }
        })
    };
    let hops = |third, fourth| {
        Input::NextHops(vec![
            (address(103).into(), state(third)),
            (address(104).into(), state(fourth)),
        ])
    };
    world.step(hops(Some(20), Some(10)));
    world.settle();
    assert_eq!(
        verdict(&world),
        [(4, None), (3, Some(DecisionStep::InteriorCost))]
    );
    world.step(hops(Some(20), None));
    world.settle();
    assert_eq!(
        verdict(&world),
        [(3, None), (4, Some(DecisionStep::Usable))]
    );
    let explanation = world.rib.explain(PREFIX.parse().unwrap()).unwrap();
    assert_eq!(
        explanation.routes[1].0.unusable,
        Some(Unusable::NextHopUnreachable)
    );
    assert_eq!(
        explanation.advertised_to,
        [PeerId(1), PeerId(2), PeerId(4), PeerId(5)]
    );
}
