// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The order of conditions: looking changes nothing, so that what is asked of the prefix can come last. What is asked of
//! attributes is asked once for all routes that share them, and often says that the prefix does not matter.

use alloc::{boxed::Box, vec::Vec};

use super::{Condition, Number, Statement};

/// The same, with conditions in order.
pub(super) fn ordered(body: Vec<Statement>) -> Vec<Statement> {
    body.into_iter().map(statement).collect()
}

fn statement(statement: Statement) -> Statement {
    match statement {
        Statement::If {
            condition: asked,
            then,
            otherwise,
        } => Statement::If {
            condition: condition(asked),
            then: ordered(then),
            otherwise: ordered(otherwise),
        },
        Statement::Named { name, body } => Statement::Named {
            name,
            body: ordered(body),
        },
        other => other,
    }
}

fn condition(asked: Condition) -> Condition {
    let list = |inner: Vec<Condition>| {
        let mut inner: Vec<Condition> = inner.into_iter().map(condition).collect();
        inner.sort_by_key(asks_prefix);
        inner
    };
    match asked {
        Condition::All(inner) => Condition::All(list(inner)),
        Condition::Any(inner) => Condition::Any(list(inner)),
        Condition::Not(inner) => Condition::Not(Box::new(condition(*inner))),
        other => other,
    }
}

/// Whether the answer may be another one for another prefix with the same attributes.
fn asks_prefix(condition: &Condition) -> bool {
    match condition {
        Condition::All(inner) | Condition::Any(inner) => inner.iter().any(asks_prefix),
        Condition::Not(inner) => asks_prefix(inner),
        Condition::Prefix(_) | Condition::Family(_) | Condition::Rpki(_) => true,
        Condition::Compare(one, _, other) => is_of_prefix(one) || is_of_prefix(other),
        _ => false,
    }
}

/// Whether a number may be another one for another prefix.
pub(super) fn is_of_prefix(number: &Number) -> bool {
    match number {
        Number::PrefixLength => true,
        Number::Sum(one, other) | Number::Difference(one, other) => {
            is_of_prefix(one) || is_of_prefix(other)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use alloc::{sync::Arc, vec};

    use bgp_proto::Origin;

    use super::*;
    use crate::policy::PrefixSet;

    #[test]
    fn what_is_asked_of_the_prefix_comes_last() {
        let origin = || Condition::Origin(Origin::Igp);
        let prefix = || Condition::Prefix(Arc::new(PrefixSet::default()));
        let given = Condition::All(vec![
            Condition::Any(vec![prefix(), origin()]),
            prefix(),
            origin().negated(),
        ]);
        let expected = Condition::All(vec![
            origin().negated(),
            Condition::Any(vec![origin(), prefix()]),
            prefix(),
        ]);
        let when = |condition| {
            vec![Statement::named(
                "x",
                vec![Statement::when(condition, vec![])],
            )]
        };
        assert_eq!(ordered(when(given)), when(expected));
    }
}
