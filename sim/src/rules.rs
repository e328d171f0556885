// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What one speaker has agreed on with another: written as policies for the speaker, and in plain words for the oracle.
//!
//! Nothing here makes a route better on its way, so that every world still has one stable state.

use std::{net::Ipv4Addr, sync::Arc};

use bgp_proto::{Asn, Community, NextHop, PathAttributes, Prefix};
use rib::{
    Policy, Verdict,
    policy::{
        Action, AsPathEdit, AsSource, CommunityPattern, CommunitySet, Condition, Edit, MatchOption,
        NextHopAction, Number, PrefixSet, RouteType, Statement,
    },
};

use crate::{
    Random,
    as_path::{Parts, before},
    world::address,
};

/// What routes are marked with: 64512:99.
const MARK: Community = Community(0xfc00_0063);

/// An AS that no speaker is in.
const ELSEWHERE: Asn = Asn(65534);

/// An address that no speaker has.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// What lies between two speakers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Border {
    /// They are in one AS.
    Nothing,
    /// They are in two members of a confederation.
    Members,
    /// They are in two ASes.
    Ases,
}

/// Rules of a speaker for one neighbour.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// What is not taken from it.
    refused: Option<Prefix>,
    /// What is taken from it is marked.
    marks: bool,
    /// How often another AS is in front of what is taken.
    detour: u8,
    /// So much less `LOCAL_PREF` has what is taken, if it is not from another AS.
    lowers: u32,
    /// Where packets go for what is taken.
    hop_in: Option<Hop>,
    /// What is marked it is not told.
    hides: bool,
    /// How often our AS is in front once more, if it is in another one.
    prepends: u8,
    /// What another AS is told as `MED`.
    med: Option<u32>,
    /// Where it is to send packets.
    hop_out: Option<Hop>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hop {
    Own,
    Peer,
    Unchanged,
    Nowhere,
}

impl Rules {
    /// Some of the rules, about one of these prefixes.
    pub fn random(random: &mut Random, prefixes: &[Prefix]) -> Self {
        let few = |random: &mut Random| u8::try_from(random.below(3)).unwrap_or_default();
        Self {
            refused: random.once_in(2).then(|| *random.pick(prefixes)),
            marks: random.once_in(3),
            detour: few(random),
            lowers: few(random).into(),
            hop_in: (random.once_in(3)).then(|| *random.pick(&[Hop::Own, Hop::Peer, Hop::Nowhere])),
            hides: random.once_in(3),
            prepends: few(random),
            med: random.once_in(3).then(|| few(random).into()),
            hop_out: random.once_in(3).then(|| {
                let hops = [
                    Hop::Own,
                    Hop::Unchanged,
                    Hop::Unchanged,
                    Hop::Nowhere,
                    Hop::Peer,
                ];
                *random.pick(&hops)
            }),
        }
    }

    /// Without what makes one AS like a longer way better, and for another AS the other one: where ASes are neighbours in a
    /// circle, both could have what they want only one at a time.
    #[must_use]
    pub fn by_length(self) -> Self {
        Self { lowers: 0, ..self }
    }

    pub(crate) fn import(&self, border: Border) -> Policy {
        let mut body = Vec::new();
        if let Some(prefix) = self.refused {
            let set = Arc::new(PrefixSet::exact([prefix]));
            body.push(Statement::when(
                Condition::Prefix(set),
                vec![Statement::Reject],
            ));
        }
        if self.marks {
            let mark = Edit::Add([MARK].into());
            body.push(Statement::Act(Action::Communities(mark)));
        }
        body.extend(prepend(AsSource::Asn(ELSEWHERE), self.detour));
        if border != Border::Ases && self.lowers > 0 {
            let less = Number::Difference(
                Box::new(Number::LocalPref),
                Box::new(Number::Constant(self.lowers)),
            );
            body.push(Statement::Act(Action::LocalPref(less)));
        }
        body.extend(self.hop_in.map(go));
        Policy::new(body, Verdict::Accept).expect("not deep")
    }

    pub(crate) fn export(&self, border: Border) -> Policy {
        let mut body = Vec::new();
        if self.hides {
            let marked = Arc::new(CommunitySet::new([CommunityPattern::exact(MARK)]));
            let marked = Condition::Communities(MatchOption::Any, marked);
            // Our own are never marked.
            let learned = Condition::RouteType(RouteType::Local).negated();
            let both = Condition::All(vec![learned, marked]);
            body.push(Statement::when(both, vec![Statement::Reject]));
        }
        if border != Border::Nothing {
            body.extend(prepend(AsSource::Own, self.prepends));
        }
        if let Some(med) = self.med.filter(|_| border == Border::Ases) {
            let med = Action::Med(Some(Number::Constant(med)));
            body.push(Statement::Act(med));
        }
        body.extend(self.hop_out.map(go));
        Policy::new(body, Verdict::Accept).expect("not deep")
    }

    /// What is left of a route that comes in from one speaker to another.
    pub(crate) fn taken(
        &self,
        border: Border,
        [from, to]: [usize; 2],
        prefix: Prefix,
        mut route: PathAttributes,
    ) -> Option<PathAttributes> {
        if self.refused == Some(prefix) {
            return None;
        }
        if self.marks && !route.communities.contains(&MARK) {
            route.communities.push(MARK);
        }
        let mut parts = Parts::of(&route.as_path);
        before(ELSEWHERE, self.detour.into(), &mut parts.outside);
        route.as_path = parts.path();
        if border != Border::Ases && self.lowers > 0 {
            route.local_pref = Some(route.local_pref.unwrap_or(100) - self.lowers);
        }
        match self.hop_in {
            Some(Hop::Own) => route.next_hop = NextHop::V4(address(to)),
            Some(Hop::Peer) => route.next_hop = NextHop::V4(address(from)),
            Some(Hop::Nowhere) => route.next_hop = NextHop::V4(NOWHERE),
            Some(Hop::Unchanged) | None => {}
        }
        Some(route)
    }

    /// Whether a route goes out.
    pub(crate) fn tells(&self, route: &PathAttributes) -> bool {
        !(self.hides && route.communities.contains(&MARK))
    }

    /// How often our AS is in front of what goes to another one.
    pub(crate) fn times(&self) -> usize {
        usize::from(self.prepends)
    }

    /// The `MED` that another AS is told, if that is agreed.
    pub(crate) fn med(&self) -> Option<u32> {
        self.med
    }

    /// Where packets are to go that would go to the first, for a route that was stored with the second.
    pub(crate) fn hop(&self, plain: NextHop, stored: NextHop, [from, to]: [usize; 2]) -> NextHop {
        match self.hop_out {
            Some(Hop::Own) => NextHop::V4(address(from)),
            Some(Hop::Peer) => NextHop::V4(address(to)),
            Some(Hop::Nowhere) => NextHop::V4(NOWHERE),
            // What is nowhere yet can't stay there.
            Some(Hop::Unchanged) if stored != NextHop::V4(Ipv4Addr::UNSPECIFIED) => stored,
            Some(Hop::Unchanged) | None => plain,
        }
    }
}

fn prepend(asn: AsSource, times: u8) -> Option<Statement> {
    let edit = AsPathEdit::Prepend(asn, times);
    (times > 0).then_some(Statement::Act(Action::AsPath(edit)))
}

fn go(hop: Hop) -> Statement {
    Statement::Act(Action::NextHop(match hop {
        Hop::Own => NextHopAction::Own,
        Hop::Peer => NextHopAction::Peer,
        Hop::Unchanged => NextHopAction::Unchanged,
        Hop::Nowhere => NextHopAction::Address(NOWHERE.into()),
    }))
}
