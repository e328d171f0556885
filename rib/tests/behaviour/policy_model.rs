// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random policies at all places, changed at random, against an interpreter that starts from what was received each time.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use bgp_proto::{AsPath, Asn, Community, LargeCommunity, NextHop, Origin, PathAttributes, Prefix};
use proptest::{collection::vec, prelude::*};
use rib::{
    Disposition, Input, KernelAttributes, PeerId, Policy, Relation, RouteBatch, Verdict,
    policy::{
        Action, AddressSet, AsPathEdit, AsPathSet, AsSource, CommunitySet, Comparison, Condition,
        Edit, MatchOption, NextHopAction, Number, PrefixSet, RouteType, RpkiState, Statement,
    },
};

use crate::world::{LOCAL_AS, LOCAL_V4, World, address, attributes, from, peer};

/// Neighbour 1 announces, these are told.
const TOLD: [(u32, Relation); 3] = [
    (2, Relation::Internal),
    (3, Relation::External),
    (4, Relation::External),
];

#[derive(Clone, Debug)]
enum Op {
    /// Prefixes with one set of attributes.
    Announce(usize, Vec<usize>),
    Withdraw(usize),
    Import(Body),
    Export(usize, Body),
    Kernel(Body),
    Settle,
}

/// Statements and the default.
type Body = (Vec<Statement>, bool);

const PREFIXES: [&str; 8] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.1.0/24",
    "10.1.1.128/25",
    "10.2.0.0/16",
    "172.16.0.0/12",
    "172.16.5.0/24",
    "192.168.0.0/16",
];

fn prefix(number: usize) -> Prefix {
    PREFIXES[number].parse().unwrap()
}

fn received(number: usize) -> PathAttributes {
    let paths: [&[u32]; 3] = [&[65001], &[65001, 65007], &[65001, 65008, 65009]];
    let mut set = attributes(1, paths[number % 3]);
    if number >= 3 {
        set.communities = vec![Community(7), Community(8 << 16 | 1)];
        set.med = Some(50);
    }
    set
}

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

fn bodies() -> impl Strategy<Value = Body> {
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

fn compiled((body, accept): &Body) -> Policy {
    let default = if *accept {
        Verdict::Accept
    } else {
        Verdict::Reject
    };
    Policy::new(body.clone(), default).unwrap()
}

/// A route on its way through a policy.
#[derive(Clone, Debug)]
struct Way {
    prefix: Prefix,
    attributes: PathAttributes,
    preference: u32,
    kernel: KernelAttributes,
    neighbor: IpAddr,
    stored_hop: NextHop,
}

enum End {
    Next,
    Is(bool),
}

impl Way {
    /// Whether it passes.
    fn goes(&mut self, (body, default): &Body) -> bool {
        match self.walk(body) {
            Some(End::Is(accepted)) => accepted,
            _ => *default,
        }
    }

    fn walk(&mut self, body: &[Statement]) -> Option<End> {
        for statement in body {
            let end = match statement {
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    let way = if self.is(condition) { then } else { otherwise };
                    self.walk(way)
                }
                Statement::Act(action) => {
                    self.act(action);
                    None
                }
                Statement::Accept => Some(End::Is(true)),
                Statement::Reject => Some(End::Is(false)),
                Statement::Next => Some(End::Next),
                Statement::Named { body, .. } => match self.walk(body) {
                    Some(End::Next) => None,
                    end => end,
                },
            };
            if end.is_some() {
                return end;
            }
        }
        None
    }

    fn is(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(inner) => !inner.iter().any(|inner| !self.is(inner)),
            Condition::Any(inner) => inner.iter().any(|inner| self.is(inner)),
            Condition::Not(inner) => !self.is(inner),
            Condition::Prefix(set) => set.contains(self.prefix),
            Condition::Neighbor(set) => set.contains(self.neighbor),
            Condition::NextHop(set) => set.contains(self.stored_hop.addr()),
            Condition::AsPath(option, set) => set.matches(&self.attributes.as_path, *option),
            Condition::Communities(option, set) => {
                set.matches(&self.attributes.communities, *option)
            }
            Condition::Compare(one, comparison, other) => {
                let (Some(one), Some(other)) = (self.number(one), self.number(other)) else {
                    return false;
                };
                match comparison {
                    Comparison::Equal => one == other,
                    Comparison::AtLeast => one >= other,
                    Comparison::AtMost => one <= other,
                }
            }
            Condition::Origin(origin) => self.attributes.origin == *origin,
            Condition::Rpki(state) => *state == RpkiState::NotFound,
            Condition::RouteType(kind) => *kind == RouteType::External,
            other => unreachable!("{other:?} is not generated"),
        }
    }

    fn number(&self, number: &Number) -> Option<u64> {
        let zero = |number: &Number| self.number(number).unwrap_or(0);
        Some(match number {
            Number::Constant(value) => (*value).into(),
            Number::AsPathLength => self.attributes.as_path.hop_count().into(),
            Number::Communities => self.attributes.communities.len() as u64,
            Number::LocalPref => self.attributes.local_pref.unwrap_or(100).into(),
            Number::Med => self.attributes.med?.into(),
            Number::Preference => self.preference.into(),
            Number::PrefixLength => self.prefix.length().into(),
            Number::Sum(one, other) => (zero(one) + zero(other)).min(u32::MAX.into()),
            Number::Difference(one, other) => zero(one).saturating_sub(zero(other)),
            other => unreachable!("{other:?} is not generated"),
        })
    }

    fn value(&self, number: &Number) -> Option<u32> {
        self.number(number)
            .map(|value| u32::try_from(value).unwrap())
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Communities(edit) => {
                let list = &mut self.attributes.communities;
                match edit {
                    Edit::Add(new) => {
                        let new: Vec<_> = new
                            .iter()
                            .filter(|new| !list.contains(new))
                            .copied()
                            .collect();
                        list.extend(new);
                    }
                    Edit::Replace(new) => *list = new.to_vec(),
                    Edit::Remove(set) => list.retain(|community| !set.contains(*community)),
                    Edit::Keep(set) => list.retain(|community| set.contains(*community)),
                }
            }
            Action::LargeCommunities(Edit::Add(new)) => {
                for community in new.iter() {
                    if !self.attributes.large_communities.contains(community) {
                        self.attributes.large_communities.push(*community);
                    }
                }
            }
            Action::Med(wanted) => {
                self.attributes.med = wanted.as_ref().and_then(|number| self.value(number));
            }
            Action::LocalPref(wanted) => {
                self.attributes.local_pref = self.value(wanted).or(self.attributes.local_pref);
            }
            Action::Origin(origin) => self.attributes.origin = *origin,
            Action::NextHop(wanted) => {
                self.attributes.next_hop = match wanted {
                    NextHopAction::Address(address) => (*address).into(),
                    NextHopAction::Own => NextHop::V4(LOCAL_V4),
                    NextHopAction::Peer => self.neighbor.into(),
                    NextHopAction::Unchanged => self.stored_hop,
                };
            }
            Action::AsPath(edit) => self.edit(edit),
            Action::Preference(wanted) => {
                if let Some(value) = self.value(wanted) {
                    self.preference = value.min(u16::MAX.into());
                }
            }
            Action::Metric(metric) => self.kernel.metric = Some(*metric),
            Action::PreferredSource(address) => self.kernel.source = Some(*address),
            other => unreachable!("{other:?} is not generated"),
        }
    }

    fn edit(&mut self, edit: &AsPathEdit) {
        let mut asns: Vec<Asn> = self.attributes.as_path.asns().collect();
        let first = asns.first().copied();
        let chosen = |source: &AsSource| match source {
            AsSource::Asn(asn) => Some(*asn),
            AsSource::First => first,
            AsSource::Own => Some(LOCAL_AS),
        };
        match edit {
            AsPathEdit::Prepend(source, times) => {
                if let Some(asn) = chosen(source) {
                    asns.splice(0..0, vec![asn; usize::from(*times)]);
                }
            }
            AsPathEdit::Replace(range, source) => {
                let new = chosen(source).unwrap();
                for asn in asns.iter_mut().filter(|asn| range.contains(**asn)) {
                    *asn = new;
                }
            }
            AsPathEdit::Remove(range) => asns.retain(|asn| !range.contains(*asn)),
        }
        self.attributes.as_path = AsPath::from_sequence(asns);
    }
}

/// What is known without the RIB.
#[derive(Debug)]
struct Model {
    table: BTreeMap<usize, usize>,
    import: Body,
    exports: Vec<Body>,
    kernel: Body,
}

impl Model {
    /// A route behind import.
    fn imported(&self, at: usize) -> Option<Way> {
        let attributes = received(*self.table.get(&at)?);
        let mut way = Way {
            prefix: prefix(at),
            stored_hop: attributes.next_hop,
            attributes,
            preference: 100,
            kernel: KernelAttributes::default(),
            neighbor: address(1).into(),
        };
        if !way.goes(&self.import) {
            return None;
        }
        way.stored_hop = way.attributes.next_hop;
        Some(way)
    }

    fn heard(&self, at: usize, which: usize) -> Option<PathAttributes> {
        let mut way = self.imported(at)?;
        let (number, relation) = TOLD[which];
        way.neighbor = address(number).into();
        let set = &mut way.attributes;
        set.local_pref = set.local_pref.or(Some(100));
        if relation == Relation::External {
            set.as_path = set.as_path.prepended(LOCAL_AS, 1);
            set.med = None;
            set.next_hop = NextHop::V4(LOCAL_V4);
        }
        if !way.goes(&self.exports[which]) {
            return None;
        }
        if relation == Relation::External {
            way.attributes.local_pref = None;
        }
        Some(way.attributes)
    }

    fn forwarded(&self, at: usize) -> Option<(Disposition, KernelAttributes)> {
        let mut way = self.imported(at)?;
        let disposition = Disposition::Via(way.attributes.next_hop);
        way.goes(&self.kernel).then_some((disposition, way.kernel))
    }
}

fn run(ops: Vec<Op>, shards: usize) {
    let mut world = World::new(crate::world::config(), shards);
    let accept: Body = (Vec::new(), true);
    let mut model = Model {
        table: BTreeMap::new(),
        import: accept.clone(),
        exports: vec![accept.clone(); TOLD.len()],
        kernel: accept,
    };
    world.up(peer(1, Relation::External));
    for (number, relation) in TOLD {
        world.up(peer(number, relation));
    }
    for op in ops.into_iter().chain([Op::Settle]) {
        match op {
            Op::Announce(set, prefixes) => {
                let mut batch = RouteBatch::new(from(1));
                let hop = Disposition::Via(received(set).next_hop);
                let path = batch.push_path(received(set), hop);
                for at in prefixes {
                    batch.announce(prefix(at), 0, path);
                    model.table.insert(at, set);
                }
                world.step(Input::Routes(batch));
            }
            Op::Withdraw(at) => {
                world.withdraw(from(1), PREFIXES[at]);
                model.table.remove(&at);
            }
            Op::Import(body) => {
                model.import = body;
                let import = compiled(&model.import);
                world.step(Input::Policy(PeerId(1), import, Policy::accept_all()));
            }
            Op::Export(which, body) => {
                model.exports[which] = body;
                let export = compiled(&model.exports[which]);
                let id = PeerId(TOLD[which].0);
                world.step(Input::Policy(id, Policy::accept_all(), export));
            }
            Op::Kernel(body) => {
                model.kernel = body;
                world.step(Input::KernelPolicy(compiled(&model.kernel)));
            }
            Op::Settle => {
                world.settle();
                compare(&world, &model);
            }
        }
    }
}

fn compare(world: &World, model: &Model) {
    for (at, text) in PREFIXES.iter().enumerate() {
        for (which, (number, _)) in TOLD.iter().enumerate() {
            let heard = world.heard_of(*number, text).cloned();
            assert_eq!(heard, model.heard(at, which), "{text} to {number}");
        }
        let installed = world.forwarding.get(&prefix(at));
        let installed = installed.map(|route| {
            let path = &route.paths[0];
            (path.disposition, path.kernel().clone())
        });
        assert_eq!(installed, model.forwarded(at), "{text} in the kernel");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn policies_do_what_the_interpreter_does(ops in vec(ops(), 1..25), shards in 1_usize..3) {
        run(ops, shards);
    }
}
