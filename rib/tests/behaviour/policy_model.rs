// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random policies for the interpreter.

use std::{net::IpAddr, sync::Arc};

use bgp_proto::{Asn, Community, LargeCommunity, Origin, Prefix};
use proptest::{collection::vec, prelude::*};
use rib::policy::{
    Action, AddressSet, AsPathEdit, AsPathSet, AsSource, CommunitySet, Comparison, Condition, Edit,
    MatchOption, NextHopAction, Number, PrefixSet, RouteType, RpkiState, Statement,
};

use crate::{
    interpreter::{Body, Op, PREFIXES, TOLD, prefix, run},
    world::address,
};

fn conditions() -> impl Strategy<Value = Condition> {
    let option = || {
        prop::sample::select(vec![
            MatchOption::Any,
            MatchOption::All,
            MatchOption::Invert,
        ])
    };
    let prefix_set = vec((0..PREFIXES.len(), 0_u8..=32, 0_u8..=32), 0..3).prop_map(|entries| {
        let entries = entries.into_iter();
        let entries = entries.map(|(at, one, other)| (prefix(at), one.min(other)..=one.max(other)));
        Condition::Prefix(Arc::new(PrefixSet::new(entries)))
    });
    let hosts = |number: u32| {
        let host = Prefix::truncating(address(number).into(), 32).unwrap();
        Arc::new(AddressSet::new([host]))
    };
    let communities = (
        option(),
        vec(prop::sample::select(vec!["0:7", "^8:.*$", "9:*"]), 0..3),
    );
    let communities = communities.prop_map(|(option, texts)| {
        let set = CommunitySet::new(texts.iter().map(|text| text.parse().unwrap()));
        Condition::Communities(option, Arc::new(set))
    });
    let as_path = (
        option(),
        vec(
            prop::sample::select(vec!["_65007_", "^65001 65008", "^65001_"]),
            0..3,
        ),
    );
    let as_path = as_path.prop_map(|(option, texts)| {
        let set = AsPathSet::new(texts.iter().map(|text| text.parse().unwrap()));
        Condition::AsPath(option, Arc::new(set))
    });
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::AtLeast,
        Comparison::AtMost,
    ]);
    let compare = (numbers(), comparison, numbers())
        .prop_map(|(one, comparison, other)| Condition::Compare(one, comparison, other));
    let leaf = prop_oneof![
        4 => prefix_set,
        1 => (1_u32..5).prop_map(move |number| Condition::Neighbor(hosts(number))),
        1 => (1_u32..5).prop_map(move |number| Condition::NextHop(hosts(number))),
        2 => communities,
        2 => as_path,
        6 => compare,
        1 => Just(Condition::Origin(Origin::Igp)),
        1 => Just(Condition::Rpki(RpkiState::NotFound)),
        1 => Just(Condition::RouteType(RouteType::External)),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Condition::All),
            vec(inner.clone(), 0..3).prop_map(Condition::Any),
            inner.prop_map(Condition::negated),
        ]
    })
}

fn numbers() -> impl Strategy<Value = Number> {
    let leaf = prop_oneof![
        3 => prop::sample::select(vec![0_u32, 1, 2, 16, 24, 100]).prop_map(Number::Constant),
        1 => Just(Number::AsPathLength),
        1 => Just(Number::Communities),
        1 => Just(Number::LocalPref),
        1 => Just(Number::Med),
        1 => Just(Number::Preference),
        4 => Just(Number::PrefixLength),
    ];
    leaf.prop_recursive(1, 3, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| one.plus(other)),
            (inner.clone(), inner).prop_map(|(one, other)| one.minus(other)),
        ]
    })
}

fn actions() -> impl Strategy<Value = Action> {
    let set = Arc::new(CommunitySet::new(["^8:.*$".parse().unwrap()]));
    let edits = vec![
        Edit::Add([Community(7), Community(9 << 16)].into()),
        Edit::Replace([Community(8 << 16 | 2)].into()),
        Edit::Remove(Arc::clone(&set)),
        Edit::Keep(set),
    ];
    let large = LargeCommunity {
        global: 1,
        local_1: 2,
        local_2: 3,
    };
    let elsewhere: IpAddr = [192, 0, 2, 77].into();
    let hops = vec![
        NextHopAction::Address(elsewhere),
        NextHopAction::Own,
        NextHopAction::Peer,
        NextHopAction::Unchanged,
    ];
    let paths = vec![
        AsPathEdit::Prepend(AsSource::First, 2),
        AsPathEdit::Prepend(AsSource::Asn(Asn(65007)), 1),
        AsPathEdit::Replace("65007-65008".parse().unwrap(), AsSource::Own),
        AsPathEdit::Remove(Asn(65009).into()),
    ];
    prop_oneof![
        prop::sample::select(edits).prop_map(Action::Communities),
        Just(Action::LargeCommunities(Edit::Add([large].into()))),
        prop::option::of(numbers()).prop_map(Action::Med),
        numbers().prop_map(Action::LocalPref),
        Just(Action::Origin(Origin::Incomplete)),
        prop::sample::select(hops).prop_map(Action::NextHop),
        prop::sample::select(paths).prop_map(Action::AsPath),
        numbers().prop_map(Action::Preference),
        (0_u32..3).prop_map(Action::Metric),
        Just(Action::PreferredSource(elsewhere)),
    ]
}

pub(crate) fn bodies() -> impl Strategy<Value = Body> {
    let leaf = prop_oneof![
        6 => actions().prop_map(Statement::Act),
        1 => Just(Statement::Accept),
        1 => Just(Statement::Reject),
        1 => Just(Statement::Next),
    ];
    let statement = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            3 => (conditions(), vec(inner.clone(), 0..3), vec(inner.clone(), 0..2)).prop_map(
                |(condition, then, otherwise)| Statement::If { condition, then, otherwise }
            ),
            1 => vec(inner, 0..4).prop_map(|body| Statement::named("name", body)),
        ]
    });
    (vec(statement, 0..4), prop::bool::weighted(0.8))
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_usize..6, vec(0..PREFIXES.len(), 1..6)).prop_map(|(set, prefixes)| Op::Announce(set, prefixes)),
        1 => (0..PREFIXES.len()).prop_map(Op::Withdraw),
        2 => bodies().prop_map(Op::Import),
        2 => (0..TOLD.len(), bodies()).prop_map(|(which, body)| Op::Export(which, body)),
        1 => bodies().prop_map(Op::Kernel),
        2 => Just(Op::Settle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn policies_do_what_the_interpreter_does(ops in vec(ops(), 1..25), shards in 1_usize..3) {
        run(ops, shards);
    }
}
