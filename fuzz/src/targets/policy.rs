// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies at all places, made from octets and changed while routes come and go.

use std::{net::IpAddr, sync::Arc};

use bgp_proto::{Asn, Community, LargeCommunity, Origin, Prefix};
use rib::policy::{
    Action, AddressSet, AsPathEdit, AsPathSet, AsSource, CommunitySet, Comparison, Condition, Edit,
    MatchOption, NextHopAction, Number, PrefixSet, RouteType, RpkiState, Statement,
};

use crate::{
    interpreter::{Body, Op, PREFIXES, TOLD, prefix, run},
    world::address,
};

/// What each neighbour and the kernel have is what an interpreter makes of the policies as they are then.
pub fn policy(data: &[u8]) {
    let mut octets = Octets(data);
    let shards = 1 + octets.below(2);
    let mut ops = Vec::new();
    while !octets.0.is_empty() && ops.len() < 24 {
        ops.push(octets.op());
    }
    run(ops, shards);
}

/// Each choice is an octet; behind the last all are zero, which never asks for more.
struct Octets<'a>(&'a [u8]);

impl Octets<'_> {
    fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.octet()) % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn several<T>(&mut self, end: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(end);
        (0..count).map(|_| make(self)).collect()
    }

    fn op(&mut self) -> Op {
        match self.below(10) {
            0 => Op::Settle,
            1 => Op::Withdraw(self.below(PREFIXES.len())),
            2 | 3 => Op::Import(self.body()),
            4 | 5 => Op::Export(self.below(TOLD.len()), self.body()),
            6 => Op::Kernel(self.body()),
            _ => {
                let set = self.below(6);
                // A bit for each.
                let chosen = self.octet();
                let prefixes = (0..PREFIXES.len()).filter(|at| chosen >> at & 1 == 1);
                Op::Announce(set, prefixes.collect())
            }
        }
    }

    fn body(&mut self) -> Body {
        let accepts = self.below(5) > 0;
        (self.several(5, |octets| octets.statement(4)), accepts)
    }

    fn statement(&mut self, depth: usize) -> Statement {
        let kind = self.below(if depth == 0 { 7 } else { 12 });
        match kind {
            0 => Statement::Accept,
            1 => Statement::Reject,
            2 => Statement::Next,
            3..=6 => Statement::Act(self.action()),
            7..=10 => Statement::If {
                condition: self.condition(3),
                then: self.several(4, |octets| octets.statement(depth - 1)),
                otherwise: self.several(3, |octets| octets.statement(depth - 1)),
            },
            _ => Statement::named(
                "name",
                self.several(4, |octets| octets.statement(depth - 1)),
            ),
        }
    }

    fn condition(&mut self, depth: usize) -> Condition {
        let kind = self.below(if depth == 0 { 9 } else { 12 });
        match kind {
            0 => Condition::RouteType(RouteType::External),
            1 => Condition::Origin(Origin::Igp),
            2 => Condition::Rpki(RpkiState::NotFound),
            3 => Condition::Prefix(Arc::new(self.prefixes())),
            4 => Condition::Neighbor(self.hosts()),
            5 => Condition::NextHop(self.hosts()),
            6 => Condition::AsPath(self.option(), self.as_paths()),
            7 => Condition::Communities(self.option(), self.communities()),
            8 => {
                let comparisons = [Comparison::Equal, Comparison::AtLeast, Comparison::AtMost];
                let one = self.number(2);
                Condition::Compare(one, self.one(&comparisons), self.number(2))
            }
            9 => Condition::All(self.several(4, |octets| octets.condition(depth - 1))),
            10 => Condition::Any(self.several(4, |octets| octets.condition(depth - 1))),
            _ => self.condition(depth - 1).negated(),
        }
    }

    fn prefixes(&mut self) -> PrefixSet {
        let entries = self.several(5, |octets| {
            let at = octets.below(PREFIXES.len());
            let mut length = || u8::try_from(octets.below(33)).expect("at most 32");
            let (one, other) = (length(), length());
            (prefix(at), one.min(other)..=one.max(other))
        });
        PrefixSet::new(entries)
    }

    fn hosts(&mut self) -> Arc<AddressSet> {
        let hosts = self.several(3, |octets| {
            let host = address([1, 2, 3, 4][octets.below(4)]);
            let length = [32, 31, 24][octets.below(3)];
            Prefix::truncating(host.into(), length).expect("at most 32")
        });
        Arc::new(AddressSet::new(hosts))
    }

    fn option(&mut self) -> MatchOption {
        self.one(&[MatchOption::Any, MatchOption::All, MatchOption::Invert])
    }

    fn as_paths(&mut self) -> Arc<AsPathSet> {
        let texts = [
            "_65007_",
            "^65001 65008",
            "^65001_",
            "_65009$",
            "^65001$",
            "_65007-65008_",
            "6500[78] 65009",
        ];
        let set = self.several(4, |octets| octets.one(&texts));
        let set = set.iter().map(|text| text.parse().expect("a pattern"));
        Arc::new(AsPathSet::new(set))
    }

    fn communities(&mut self) -> Arc<CommunitySet<Community>> {
        let texts = ["0:7", "^8:.*$", "9:*", "8:1", "^[0-8]:[17]$"];
        let set = self.several(4, |octets| octets.one(&texts));
        let set = set.iter().map(|text| text.parse().expect("a pattern"));
        Arc::new(CommunitySet::new(set))
    }

    fn number(&mut self, depth: usize) -> Number {
        let kind = self.below(if depth == 0 { 8 } else { 10 });
        match kind {
            0 => Number::PrefixLength,
            1 => Number::AsPathLength,
            2 => Number::Communities,
            3 => Number::LocalPref,
            4 => Number::Med,
            5 => Number::Preference,
            6 => Number::Constant(self.octet().into()),
            7 => Number::Constant(u32::MAX - u32::from(self.octet())),
            8 => self.number(depth - 1).plus(self.number(depth - 1)),
            _ => self.number(depth - 1).minus(self.number(depth - 1)),
        }
    }

    fn action(&mut self) -> Action {
        let elsewhere: IpAddr = [192, 0, 2, 77].into();
        match self.below(10) {
            0 => Action::Origin(Origin::Incomplete),
            1 => Action::Communities(self.edit()),
            2 => {
                let large = |octets: &mut Self| LargeCommunity {
                    global: 1,
                    local_1: 2,
                    local_2: octets.octet().into(),
                };
                Action::LargeCommunities(Edit::Add(self.several(4, large).into()))
            }
            3 => Action::Med((self.below(3) > 0).then(|| self.number(2))),
            4 => Action::LocalPref(self.number(2)),
            5 => Action::NextHop(self.one(&[
                NextHopAction::Address(elsewhere),
                NextHopAction::Own,
                NextHopAction::Peer,
                NextHopAction::Unchanged,
            ])),
            6 => Action::AsPath(self.as_path_edit()),
            7 => Action::Preference(self.number(2)),
            8 => Action::Metric(self.octet().into()),
            _ => Action::PreferredSource(elsewhere),
        }
    }

    fn edit(&mut self) -> Edit<Community> {
        let kind = self.below(4);
        if kind >= 2 {
            let set = self.communities();
            return [Edit::Remove(Arc::clone(&set)), Edit::Keep(set)][kind - 2].clone();
        }
        // As policy adds a community to a route that it has made, in the order of the configuration, each once.
        let mut list = self.several(4, |octets| {
            octets.one(&[
                Community(7),
                Community(9 << 16),
                Community(8 << 16 | 2),
                Community(8 << 16 | 1),
            ])
        });
        list.sort_unstable();
        list.dedup();
        [Edit::Add(list.clone().into()), Edit::Replace(list.into())][kind].clone()
    }

    fn as_path_edit(&mut self) -> AsPathEdit {
        let kind = self.below(3);
        let source = match self.below(3) {
            0 => AsSource::First,
            1 => AsSource::Own,
            _ => AsSource::Asn(Asn(65007)),
        };
        let ranges = ["65007-65008", "65009", "65001", "0-4294967295"];
        let range = |octets: &mut Self| octets.one(&ranges).parse().expect("a range");
        match kind {
            0 => AsPathEdit::Prepend(source, self.octet() % 12),
            1 => AsPathEdit::Replace(range(self), source),
            _ => AsPathEdit::Remove(range(self)),
        }
    }
}
