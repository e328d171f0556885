// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies at all places, changed at any time, against an interpreter that starts from what was received each time.
//!
//! Random ones come from `policy_model` and from a fuzzer (`fuzz/src/targets/policy.rs`).

use std::{collections::BTreeMap, net::IpAddr};

use bgp_proto::{AsPath, Asn, Community, NextHop, PathAttributes, Prefix};
use rib::{
    Disposition, Input, KernelAttributes, PeerId, Policy, Relation, RouteBatch, Verdict,
    policy::{
        Action, AsPathEdit, AsSource, Comparison, Condition, Edit, NextHopAction, Number,
        RouteType, RpkiState, Statement,
    },
};

use crate::world::{LOCAL_AS, LOCAL_V4, World, address, attributes, from, peer};

/// Neighbour 1 announces, these are told.
pub(crate) const TOLD: [(u32, Relation); 3] = [
    (2, Relation::Internal),
    (3, Relation::External),
    (4, Relation::External),
];

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Prefixes with one set of attributes.
    Announce(usize, Vec<usize>),
    Withdraw(usize),
    Import(Body),
    Export(usize, Body),
    Kernel(Body),
    Settle,
}

/// Statements and the default.
pub(crate) type Body = (Vec<Statement>, bool);

pub(crate) const PREFIXES: [&str; 8] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.1.0/24",
    "10.1.1.128/25",
    "10.2.0.0/16",
    "172.16.0.0/12",
    "172.16.5.0/24",
    "192.168.0.0/16",
];

pub(crate) fn prefix(number: usize) -> Prefix {
    PREFIXES[number].parse().unwrap()
}

pub(crate) fn received(number: usize) -> PathAttributes {
    let paths: [&[u32]; 3] = [&[65001], &[65001, 65007], &[65001, 65008, 65009]];
    let mut set = attributes(1, paths[number % 3]);
    if number >= 3 {
        set.communities = vec![Community(7), Community(8 << 16 | 1)];
        set.med = Some(50);
    }
    set
}

pub(crate) fn compiled((body, accept): &Body) -> Policy {
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

pub(crate) fn run(ops: Vec<Op>, shards: usize) {
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
