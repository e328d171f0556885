// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies: what passes, and what is changed on the way.
//!
//! A [`Policy`] is a tree of [`Statement`]s that is made once and shared. Configuration languages are read into it; nothing
//! here knows one. It runs at three places: when a route comes in, when it is told to a neighbour, and when it goes into the
//! kernel. Routes that no statement decides about end with the policy's default.
//!
//! ```
//! use rib::policy::{Action, Condition, Number, PrefixSet, Statement};
//! use rib::{Policy, Verdict};
//!
//! let ours = PrefixSet::new([("10.0.0.0/8".parse().unwrap(), 16..=24)]);
//! let policy = Policy::new(
//!     vec![Statement::named(
//!         "ours",
//!         vec![Statement::when(
//!             Condition::Prefix(ours.into()),
//!             vec![Statement::Act(Action::LocalPref(Number::Constant(200))), Statement::Accept],
//!         )],
//!     )],
//!     Verdict::Reject,
//! )
//! .unwrap();
//! assert_ne!(policy, Policy::reject_all());
//! ```

use alloc::{sync::Arc, vec::Vec};
use core::hash::{BuildHasher as _, Hash, Hasher};

use foldhash::fast::FixedState;

use crate::Source;

mod as_path;
mod community;
mod evaluate;
mod memo;
mod neighbor;
mod order;
mod prefix_set;
mod regex;
mod statement;
mod trace;

pub(crate) use evaluate::{Draft, Facts, Watch};
pub(crate) use memo::{Memo, Questions};
pub(crate) use neighbor::SeenNeighbor;

pub use as_path::{AsPathPattern, AsPathSet, AsRange};
pub use community::{CommunityKind, CommunityPattern, CommunitySet};
pub use prefix_set::{AddressSet, PrefixSet};
pub use regex::PatternError;
pub use statement::{
    Action, AsPathEdit, AsSource, Comparison, Condition, Edit, KernelAttributes, MatchOption,
    NextHopAction, Number, Protocol, RouteType, RpkiState, Statement, Tunnel,
};
pub use trace::{PolicyChange, PolicyHit, PolicyPoint, PolicyTrace};

/// Statements and conditions inside of each other.
const DEEPEST: usize = 64;

/// What becomes of a route.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// It passes.
    Accept,
    /// It does not.
    Reject,
}

/// Statements that can't be a policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// They are nested too deeply.
    #[error("statements and conditions are nested more than {DEEPEST} deep")]
    TooDeep,
}

/// Which routes pass, and what is changed of them. Immutable, cheap to clone; equal by content.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Policy {
    program: Option<Program>,
    default: Verdict,
    /// Interfaces' prefixes and the kernel's routes pass on export.
    redistribute: bool,
}

impl Policy {
    /// All routes; on export those of BGP, static and API routes, not what was learned from the kernel.
    pub const fn accept_all() -> Self {
        Self {
            program: None,
            default: Verdict::Accept,
            redistribute: false,
        }
    }

    /// None: what RFC 8212 asks of an external session without policy.
    pub const fn reject_all() -> Self {
        Self {
            program: None,
            default: Verdict::Reject,
            redistribute: false,
        }
    }

    /// Statements, and what becomes of routes that none of them accepts or rejects.
    ///
    /// # Errors
    /// They are nested too deeply.
    pub fn new(body: Vec<Statement>, default: Verdict) -> Result<Self, PolicyError> {
        if !body.iter().all(|statement| is_shallow(statement, DEEPEST)) {
            return Err(PolicyError::TooDeep);
        }
        Ok(Self {
            program: (!body.is_empty()).then(|| Program::new(order::ordered(body))),
            default,
            redistribute: false,
        })
    }

    /// The same, and on export what was learned from the kernel too.
    #[must_use]
    pub fn redistributing(self) -> Self {
        Self {
            redistribute: true,
            ..self
        }
    }

    /// Whether a route of this source may pass; if there are statements, they decide.
    pub(crate) fn exports(&self, source: Source) -> bool {
        (self.has_statements() || self.default == Verdict::Accept)
            && (self.redistribute || !matches!(source, Source::Direct | Source::Kernel))
    }

    /// It does not do the same with all routes.
    pub(crate) fn has_statements(&self) -> bool {
        self.program.is_some()
    }

    fn body(&self) -> &[Statement] {
        self.program.as_ref().map_or(&[], |program| &program.0.1)
    }
}

/// Shared statements, compared by pointer, by hash and only then by content.
#[derive(Clone, Debug)]
struct Program(Arc<(u64, Vec<Statement>)>);

impl Program {
    fn new(body: Vec<Statement>) -> Self {
        Self(Arc::new((FixedState::default().hash_one(&body), body)))
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Program {}

impl Hash for Program {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.0.hash(state);
    }
}

fn is_shallow(statement: &Statement, deepest: usize) -> bool {
    let Some(left) = deepest.checked_sub(1) else {
        return false;
    };
    match statement {
        Statement::If {
            condition,
            then,
            otherwise,
        } => {
            is_shallow_condition(condition, left)
                && (then.iter().chain(otherwise)).all(|inner| is_shallow(inner, left))
        }
        Statement::Named { body, .. } => body.iter().all(|inner| is_shallow(inner, left)),
        Statement::Act(action) => match action {
            Action::Med(Some(number)) | Action::LocalPref(number) | Action::Preference(number) => {
                is_shallow_number(number, left)
            }
            _ => true,
        },
        Statement::Accept | Statement::Reject | Statement::Next => true,
    }
}

fn is_shallow_condition(condition: &Condition, deepest: usize) -> bool {
    let Some(left) = deepest.checked_sub(1) else {
        return false;
    };
    match condition {
        Condition::All(inner) | Condition::Any(inner) => {
            (inner.iter()).all(|condition| is_shallow_condition(condition, left))
        }
        Condition::Not(inner) => is_shallow_condition(inner, left),
        Condition::Compare(one, _, other) => {
            is_shallow_number(one, left) && is_shallow_number(other, left)
        }
        _ => true,
    }
}

fn is_shallow_number(number: &Number, deepest: usize) -> bool {
    let Some(left) = deepest.checked_sub(1) else {
        return false;
    };
    match number {
        Number::Sum(one, other) | Number::Difference(one, other) => {
            is_shallow_number(one, left) && is_shallow_number(other, left)
        }
        _ => true,
    }
}
