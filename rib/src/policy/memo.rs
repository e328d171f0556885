// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a policy made of attributes, so that it is not asked again for every prefix.
//!
//! With the same attributes of the same source, what comes out depends on nothing but the answers to what the policy asks of
//! the prefix. So there is a tree of these questions for each set of attributes: a route walks down, asks only what is asked
//! on its way, and finds at the end what was made. A policy that asks nothing of prefixes has trees of one leaf.

use alloc::{sync::Arc, vec::Vec};
use core::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::{
    Condition,
    evaluate::{Facts, Watch, answer},
};

/// Outcomes by attributes.
#[derive(Debug)]
pub(crate) struct Memo<K, T> {
    roots: HashMap<K, usize, FixedState>,
    nodes: Vec<Node<T>>,
}

#[derive(Debug)]
enum Node<T> {
    /// Nobody has been here.
    Unknown,
    /// Next is what follows for `[no, yes]`.
    Ask(Condition, [usize; 2]),
    Outcome(T),
}

impl<K, T> Default for Memo<K, T> {
    fn default() -> Self {
        Self {
            roots: HashMap::default(),
            nodes: Vec::new(),
        }
    }
}

impl<K: Eq + Hash, T: Clone> Memo<K, T> {
    /// What is known for these attributes and this prefix, or what `make` makes of them.
    pub(crate) fn get(
        &mut self,
        key: K,
        facts: &Facts,
        make: impl FnOnce(&mut Questions) -> T,
    ) -> T {
        let mut place = *self.roots.entry(key).or_insert(self.nodes.len());
        if place == self.nodes.len() {
            self.nodes.push(Node::Unknown);
        }
        let mut asked = 0;
        while let Some(Node::Ask(condition, next)) = self.nodes.get(place) {
            let [no, yes] = *next;
            place = if answer(condition, facts) == Some(true) {
                yes
            } else {
                no
            };
            asked += 1;
        }
        if let Some(Node::Outcome(outcome)) = self.nodes.get(place) {
            return outcome.clone();
        }
        let mut questions = Questions::default();
        let outcome = make(&mut questions);
        if !questions.unrepeatable {
            for (condition, answer) in questions.asked.into_iter().skip(asked) {
                let no = self.nodes.len();
                self.nodes.extend([Node::Unknown, Node::Unknown]);
                self.set(place, Node::Ask(condition, [no, no + 1]));
                place = no + usize::from(answer);
            }
            self.set(place, Node::Outcome(outcome.clone()));
        }
        outcome
    }

    fn set(&mut self, place: usize, node: Node<T>) {
        if let Some(slot) = self.nodes.get_mut(place) {
            *slot = node;
        }
    }
}

/// Whether they are the same question. Sets are not looked into: statements that name the same one share it.
fn is_same(one: &Condition, other: &Condition) -> bool {
    match (one, other) {
        (Condition::Prefix(one), Condition::Prefix(other)) => Arc::ptr_eq(one, other),
        _ => one == other,
    }
}

/// What a policy asked of a route, each question once, and the answers.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    asked: SmallVec<[(Condition, bool); 4]>,
    unrepeatable: bool,
}

impl Watch for Questions {
    fn asked(&mut self, condition: &Condition, answer: bool) {
        let mut known = self.asked.iter();
        if !known.any(|(known, _)| is_same(known, condition)) {
            self.asked.push((condition.clone(), answer));
        }
    }

    fn unrepeatable(&mut self) {
        self.unrepeatable = true;
    }
}
