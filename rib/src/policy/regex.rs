// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Regular expressions over the texts of AS paths and communities.
//!
//! Each becomes a deterministic automaton when the policy is made: it is shared without a lock, reads a text as it is
//! written, octet by octet, needs no memory of its own and no more time than the text is long.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{
    fmt::{self, Write},
    hash::{Hash, Hasher},
};

use regex_automata::{
    Anchored,
    dfa::{Automaton, StartKind, dense},
    nfa::thompson,
    util::{primitives::StateID, start, syntax},
};

/// Largest automaton, and most memory to make it.
const LARGEST: usize = 4 << 20;

/// A text that is no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// Not a regular expression, or nothing that this set can have.
    #[error("not a pattern: {0}")]
    Syntax(String),
    /// It would take too much memory: a repetition of repetitions.
    #[error("the regular expression is too complex")]
    TooComplex,
}

/// A regular expression: POSIX's extended ones, in which `_` is where a number begins or ends.
#[derive(Clone)]
pub(crate) struct Regex(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    automaton: dense::DFA<Vec<u32>>,
    start: StateID,
}

impl Regex {
    pub(crate) fn new(text: &str) -> Result<Self, PatternError> {
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let compiler = thompson::Config::new()
            .utf8(false)
            .shrink(false)
            .nfa_size_limit(Some(LARGEST))
            .which_captures(thompson::WhichCaptures::None);
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(LARGEST))
            .determinize_size_limit(Some(LARGEST));
        let parsed = syntax::parse_with(&with_boundaries(text), &syntax).map_err(|error| {
            // Before it comes a drawing of the expression; the last line says what is wrong.
            let said = alloc::format!("{error}");
            let last = said.lines().last().unwrap_or_default();
            PatternError::Syntax(last.trim_start_matches("error: ").into())
        })?;
        let nfa = thompson::Compiler::new()
            .configure(compiler)
            .build_from_hir(&parsed)
            .map_err(|error| match error.size_limit() {
                Some(_) => PatternError::TooComplex,
                None => PatternError::Syntax(alloc::format!("{error}")),
            })?;
        let automaton = dense::Builder::new()
            .configure(config)
            .build_from_nfa(&nfa)
            .map_err(|_| PatternError::TooComplex)?;
        let start = automaton
            .start_state(&start::Config::new().anchored(Anchored::No))
            .map_err(|_| PatternError::TooComplex)?;
        Ok(Self(Arc::new(Compiled {
            text: text.into(),
            automaton,
            start,
        })))
    }

    /// Whether it is found in what is written.
    pub(crate) fn is_match(&self, write: impl FnOnce(&mut dyn Write) -> fmt::Result) -> bool {
        let Compiled {
            automaton, start, ..
        } = &*self.0;
        let mut search = Search {
            automaton,
            state: *start,
        };
        // An error means that the rest of the text does not matter any more.
        if write(&mut search).is_ok() {
            search.state = automaton.next_eoi_state(search.state);
        }
        automaton.is_match_state(search.state)
    }
}

struct Search<'a> {
    automaton: &'a dense::DFA<Vec<u32>>,
    state: StateID,
}

impl Write for Search<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for octet in text.bytes() {
            self.state = self.automaton.next_state(self.state, octet);
            if self.automaton.is_special_state(self.state)
                && (self.automaton.is_match_state(self.state)
                    || self.automaton.is_dead_state(self.state))
            {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// `_` outside of brackets stands for the beginning, the end, or what separates numbers.
fn with_boundaries(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_brackets = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                out.push('\\');
                out.extend(characters.next());
            }
            '_' if !in_brackets => out.push_str(r"(?:^|[,{}()\[\] ]|$)"),
            _ => {
                in_brackets = match character {
                    '[' => true,
                    ']' => false,
                    _ => in_brackets,
                };
                out.push(character);
            }
        }
    }
    out
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Regex").field(&self.0.text).finish()
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Regex {}

impl Hash for Regex {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::{format, string::ToString as _, vec};

    use proptest::prelude::*;

    use super::*;

    /// An expression over digits and spaces.
    #[derive(Clone, Debug)]
    enum Node {
        Begin,
        End,
        /// `_`
        Boundary,
        Digit(char),
        Space,
        /// `.`
        Any,
        All(Vec<Node>),
        Either(Box<Node>, Box<Node>),
        Repeated(Box<Node>, char),
    }

    impl Node {
        fn text(&self) -> String {
            match self {
                Self::Begin => "^".to_string(),
                Self::End => "$".to_string(),
                Self::Boundary => "_".to_string(),
                Self::Digit(digit) => digit.to_string(),
                Self::Space => " ".to_string(),
                Self::Any => ".".to_string(),
                Self::All(inner) => inner.iter().map(Self::text).collect(),
                Self::Either(one, other) => format!("({}|{})", one.text(), other.text()),
                Self::Repeated(inner, sign) => format!("({}){sign}", inner.text()),
            }
        }

        /// Where a match that begins here can end.
        fn ends(&self, text: &[u8], from: usize) -> Vec<usize> {
            let here = |holds: bool| if holds { vec![from] } else { Vec::new() };
            let one = |holds: fn(u8) -> bool| match text.get(from) {
                Some(octet) if holds(*octet) => vec![from + 1],
                _ => Vec::new(),
            };
            match self {
                Self::Begin => here(from == 0),
                Self::End => here(from == text.len()),
                Self::Boundary => {
                    let mut ends = here(from == 0 || from == text.len());
                    ends.extend(one(|octet| b",{}()[] ".contains(&octet)));
                    ends
                }
                Self::Digit(digit) => match text.get(from) {
                    Some(octet) if char::from(*octet) == *digit => vec![from + 1],
                    _ => Vec::new(),
                },
                Self::Space => one(|octet| octet == b' '),
                Self::Any => one(|_| true),
                Self::All(inner) => inner.iter().fold(vec![from], |ends, node| {
                    ends.into_iter()
                        .flat_map(|at| node.ends(text, at))
                        .collect()
                }),
                Self::Either(left, right) => {
                    let mut ends = left.ends(text, from);
                    ends.extend(right.ends(text, from));
                    ends
                }
                Self::Repeated(inner, sign) => {
                    let mut ends = inner.ends(text, from);
                    if *sign != '?' {
                        let mut next = 0;
                        while let Some(at) = ends.get(next).copied() {
                            let further = inner.ends(text, at);
                            let new = further.into_iter().filter(|end| !ends.contains(end));
                            let mut new: Vec<usize> = new.collect();
                            new.sort_unstable();
                            new.dedup();
                            ends.extend(new);
                            next += 1;
                        }
                    }
                    if *sign != '+' {
                        ends.push(from);
                    }
                    ends
                }
            }
        }
    }

    fn nodes() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            1 => Just(Node::Begin),
            1 => Just(Node::End),
            3 => Just(Node::Boundary),
            4 => prop::sample::select(vec!['1', '2']).prop_map(Node::Digit),
            2 => Just(Node::Space),
            2 => Just(Node::Any),
        ];
        leaf.prop_recursive(4, 16, 4, |inner| {
            let sign = prop::sample::select(vec!['*', '+', '?']);
            prop_oneof![
                3 => prop::collection::vec(inner.clone(), 1..4).prop_map(Node::All),
                1 => (inner.clone(), inner.clone())
                    .prop_map(|(one, other)| Node::Either(Box::new(one), Box::new(other))),
                1 => (inner, sign).prop_map(|(inner, sign)| Node::Repeated(Box::new(inner), sign)),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_automaton_finds_what_trying_everything_finds(
            node in nodes(),
            texts in prop::collection::vec("[12 ]{0,8}", 1..8),
            cut in 0_usize..8,
        ) {
            let regex = Regex::new(&node.text()).unwrap();
            for text in texts {
                let begins = 0..=text.len();
                let expected = begins.into_iter().any(|from| !node.ends(text.as_bytes(), from).is_empty());
                // In which pieces the text is written does not matter.
                let (front, back) = text.split_at(cut.min(text.len()));
                let found = regex.is_match(|out| {
                    out.write_str(front)?;
                    out.write_str(back)
                });
                prop_assert_eq!(found, expected, "{} in {:?}", node.text(), text);
            }
        }

        #[test]
        fn no_text_breaks_the_making(text in "[0-9a-z_^$.*+?()|{}\\[\\] ,:\\\\-]{0,24}") {
            if let Ok(regex) = Regex::new(&text) {
                regex.is_match(|out| out.write_str("65001 65002 {65003,65004}"));
            }
        }
    }
}
