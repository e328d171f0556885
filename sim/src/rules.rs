// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What one speaker has agreed on with another: written as policies for the speaker, and in plain words for the oracle.
//!
//! Nothing here makes a route better on its way, so that every world still has one stable state.

use std::sync::Arc;

use bgp_proto::{Community, PathAttributes, Prefix};
use rib::{
    Policy, Verdict,
    policy::{
        Action, AsPathEdit, AsSource, CommunityPattern, CommunitySet, Condition, Edit, MatchOption,
        PrefixSet, RouteType, Statement,
    },
};

use crate::Random;

/// What routes are marked with: 64512:99.
const MARK: Community = Community(0xfc00_0063);

/// Rules of a speaker for one neighbour.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// What is not taken from it.
    refused: Option<Prefix>,
    /// What is taken from it is marked.
    marks: bool,
    /// What is marked it is not told.
    hides: bool,
    /// How often our AS is in front once more, if it is another AS.
    prepends: u8,
}

impl Rules {
    /// Some of the rules, about one of these prefixes.
    pub fn random(random: &mut Random, prefixes: &[Prefix]) -> Self {
        Self {
            refused: random.once_in(2).then(|| *random.pick(prefixes)),
            marks: random.once_in(3),
            hides: random.once_in(3),
            prepends: u8::try_from(random.below(3)).unwrap_or_default(),
        }
    }

    pub(crate) fn import(&self) -> Policy {
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
        Policy::new(body, Verdict::Accept).expect("not deep")
    }

    pub(crate) fn export(&self, is_external: bool) -> Policy {
        let mut body = Vec::new();
        if self.hides {
            let marked = Arc::new(CommunitySet::new([CommunityPattern::exact(MARK)]));
            let marked = Condition::Communities(MatchOption::Any, marked);
            // Our own are never marked.
            let learned = Condition::RouteType(RouteType::Local).negated();
            let both = Condition::All(vec![learned, marked]);
            body.push(Statement::when(both, vec![Statement::Reject]));
        }
        if is_external {
            let prepend = AsPathEdit::Prepend(AsSource::Own, self.prepends);
            body.push(Statement::Act(Action::AsPath(prepend)));
        }
        Policy::new(body, Verdict::Accept).expect("not deep")
    }

    /// What is left of a route that comes in.
    pub(crate) fn taken(
        &self,
        prefix: Prefix,
        mut route: PathAttributes,
    ) -> Option<PathAttributes> {
        if self.refused == Some(prefix) {
            return None;
        }
        if self.marks && !route.communities.contains(&MARK) {
            route.communities.push(MARK);
        }
        Some(route)
    }

    /// Whether a route goes out.
    pub(crate) fn tells(&self, route: &PathAttributes) -> bool {
        !(self.hides && route.communities.contains(&MARK))
    }

    /// How often our AS is in front of what goes to another AS.
    pub(crate) fn times(&self) -> usize {
        1 + usize::from(self.prepends)
    }
}
