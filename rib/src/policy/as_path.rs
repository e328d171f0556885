// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets of patterns for the `AS_PATH`.

use alloc::{boxed::Box, vec::Vec};
use core::str::FromStr;

use bgp_proto::{AsPath, Asn, SegmentKind};

use super::{
    MatchOption,
    regex::{PatternError, Regex},
};

/// AS numbers from one to another, both in it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AsRange {
    /// The least.
    pub first: Asn,
    /// The greatest.
    pub last: Asn,
}

impl AsRange {
    /// All AS numbers.
    pub const ALL: Self = Self {
        first: Asn(0),
        last: Asn(u32::MAX),
    };

    /// Whether it is in the range.
    pub fn contains(self, asn: Asn) -> bool {
        self.first <= asn && asn <= self.last
    }
}

impl From<Asn> for AsRange {
    fn from(asn: Asn) -> Self {
        Self {
            first: asn,
            last: asn,
        }
    }
}

impl FromStr for AsRange {
    type Err = PatternError;

    /// `65001` or `65001-65010`.
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
            let number = text.parse().ok().filter(|_| digits).map(Asn);
            number.ok_or_else(|| PatternError::Syntax(alloc::format!("`{text}` is no AS number")))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = Self {
            first: number(first)?,
            last: number(last)?,
        };
        if range.first > range.last {
            let why = alloc::format!("the range `{text}` is empty");
            return Err(PatternError::Syntax(why));
        }
        Ok(range)
    }
}

/// What an `AS_PATH` looks like.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct AsPathPattern(Pattern);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Pattern {
    /// Learned from it: `^65001_`.
    Neighbor(AsRange),
    /// Originated by it: `_65001$`.
    Origin(AsRange),
    /// It is in the path: `_65001_`.
    Contains(AsRange),
    /// It is the path: `^65001$`.
    Only(AsRange),
    /// The path as a text, as in `65001 65002 {65003,65004}`, with what happened in a confederation in `()` and `[]`.
    Regex(Regex),
}

impl AsPathPattern {
    /// Learned from one of these.
    pub fn neighbor(range: impl Into<AsRange>) -> Self {
        Self(Pattern::Neighbor(range.into()))
    }

    /// Originated by one of these.
    pub fn origin(range: impl Into<AsRange>) -> Self {
        Self(Pattern::Origin(range.into()))
    }

    /// One of these is in the path.
    pub fn containing(range: impl Into<AsRange>) -> Self {
        Self(Pattern::Contains(range.into()))
    }

    /// One of these, once, is the path.
    pub fn only(range: impl Into<AsRange>) -> Self {
        Self(Pattern::Only(range.into()))
    }

    fn matches(&self, path: &AsPath) -> bool {
        match &self.0 {
            Pattern::Neighbor(range) => path.neighbor_as().is_some_and(|asn| range.contains(asn)),
            Pattern::Origin(range) => path.origin_as().is_some_and(|asn| range.contains(asn)),
            Pattern::Contains(range) => path.asns().any(|asn| range.contains(asn)),
            Pattern::Only(range) => only(path).is_some_and(|asn| range.contains(asn)),
            Pattern::Regex(regex) => regex.is_match(|text| write!(text, "{path}")),
        }
    }
}

/// The AS of a path that is one AS.
fn only(path: &AsPath) -> Option<Asn> {
    let mut outside = path.segments().filter(|(kind, _)| !kind.is_confederation());
    match (outside.next(), outside.next()) {
        (Some((SegmentKind::Sequence, [asn])), None) => Some(*asn),
        _ => None,
    }
}

impl FromStr for AsPathPattern {
    type Err = PatternError;

    /// `^65001_` (learned from), `_65001$` (originated by), `_65001_` (contains), `^65001$` (is), each also with a range as in
    /// `_65001-65010_`; everything else is a regular expression over the path as a text, in which `_` is where a number begins
    /// or ends.
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let between = |before: char, behind: char| {
            let inside = text.strip_prefix(before)?.strip_suffix(behind)?;
            inside.parse::<AsRange>().ok()
        };
        let known = [
            (
                between('^', '_'),
                Pattern::Neighbor as fn(AsRange) -> Pattern,
            ),
            (between('_', '$'), Pattern::Origin),
            (between('_', '_'), Pattern::Contains),
            (between('^', '$'), Pattern::Only),
        ];
        for (range, pattern) in known {
            if let Some(range) = range {
                return Ok(Self(pattern(range)));
            }
        }
        Regex::new(text).map(|regex| Self(Pattern::Regex(regex)))
    }
}

/// Patterns for the `AS_PATH`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct AsPathSet {
    patterns: Box<[AsPathPattern]>,
    neighbors: Ranges,
    origins: Ranges,
    contained: Ranges,
    only: Ranges,
    regexes: Box<[Regex]>,
}

impl AsPathSet {
    /// These patterns.
    pub fn new(patterns: impl IntoIterator<Item = AsPathPattern>) -> Self {
        let patterns: Box<[AsPathPattern]> = patterns.into_iter().collect();
        let ranges = |wanted: fn(&Pattern) -> Option<AsRange>| {
            Ranges::new(patterns.iter().filter_map(|pattern| wanted(&pattern.0)))
        };
        macro_rules! of {
            ($kind:ident) => {
                ranges(|pattern| match pattern {
                    Pattern::$kind(range) => Some(*range),
                    _ => None,
                })
            };
        }
        let regexes = patterns.iter().filter_map(|pattern| match &pattern.0 {
            Pattern::Regex(regex) => Some(regex.clone()),
            _ => None,
        });
        Self {
            neighbors: of!(Neighbor),
            origins: of!(Origin),
            contained: of!(Contains),
            only: of!(Only),
            regexes: regexes.collect(),
            patterns,
        }
    }

    /// Whether the path matches any of the patterns, all, or none.
    pub fn matches(&self, path: &AsPath, option: MatchOption) -> bool {
        match option {
            MatchOption::Any => self.any(path),
            MatchOption::All => self.patterns.iter().all(|pattern| pattern.matches(path)),
            MatchOption::Invert => !self.any(path),
        }
    }

    fn any(&self, path: &AsPath) -> bool {
        self.neighbors.has(path.neighbor_as())
            || self.origins.has(path.origin_as())
            || self.only.has(only(path))
            || (!self.contained.0.is_empty()
                && path.asns().any(|asn| self.contained.has(Some(asn))))
            || (self.regexes.iter()).any(|regex| regex.is_match(|text| write!(text, "{path}")))
    }
}

/// AS numbers, sorted and apart.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Ranges(Box<[AsRange]>);

impl Ranges {
    fn new(ranges: impl Iterator<Item = AsRange>) -> Self {
        let mut sorted: Vec<AsRange> = ranges.collect();
        sorted.sort_unstable();
        let mut apart: Vec<AsRange> = Vec::new();
        for range in sorted {
            match apart.last_mut() {
                Some(last) if range.first <= last.last => last.last = last.last.max(range.last),
                _ => apart.push(range),
            }
        }
        Self(apart.into())
    }

    fn has(&self, asn: Option<Asn>) -> bool {
        let Some(asn) = asn else {
            return false;
        };
        let behind = self.0.partition_point(|range| range.first <= asn);
        let range = behind.checked_sub(1).and_then(|at| self.0.get(at));
        range.is_some_and(|range| range.contains(asn))
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    fn path(asns: &[u32]) -> AsPath {
        AsPath::from_sequence(asns.iter().copied().map(Asn))
    }

    fn set(patterns: &[&str]) -> AsPathSet {
        AsPathSet::new(patterns.iter().map(|text| text.parse().unwrap()))
    }

    #[test]
    fn each_form_of_a_pattern_matches_what_it_says() {
        type Paths = &'static [&'static [u32]];
        let rows: [(&str, Paths, Paths); 10] = [
            (
                "^65001_",
                &[&[65001], &[65001, 2]],
                &[&[2, 65001], &[650_010, 2], &[]],
            ),
            (
                "_65001$",
                &[&[65001], &[2, 65001]],
                &[&[65001, 2], &[2, 165_001]],
            ),
            (
                "_65001_",
                &[&[65001], &[1, 65001, 2]],
                &[&[6500, 1], &[650_011]],
            ),
            ("^65001$", &[&[65001]], &[&[65001, 65001], &[2, 65001]]),
            ("^65001-65003_", &[&[65002, 1]], &[&[65004, 65002]]),
            ("_65001-65003$", &[&[1, 65003]], &[&[65003, 1]]),
            ("^$", &[&[]], &[&[1]]),
            (
                "^65001( 65002)+$",
                &[&[65001, 65002, 65002]],
                &[&[65001], &[65001, 65002, 1]],
            ),
            ("_6500[12]_", &[&[1, 65002, 3]], &[&[1, 65003], &[165_001]]),
            (r"^[[:digit:]]{5} \d+$", &[&[65001, 7]], &[&[6500, 7]]),
        ];
        for (pattern, matching, others) in rows {
            for (paths, expected) in [(matching, true), (others, false)] {
                for asns in paths {
                    let found = set(&[pattern]).matches(&path(asns), MatchOption::Any);
                    assert_eq!(found, expected, "{pattern} {asns:?}");
                }
            }
        }
    }

    #[test]
    fn options_are_any_all_and_none() {
        let both = set(&["_1_", "_2_"]);
        let rows = [
            (vec![1], [true, false, false]),
            (vec![2, 1], [true, true, false]),
            (vec![3], [false, false, true]),
        ];
        for (asns, expected) in rows {
            let options = [MatchOption::Any, MatchOption::All, MatchOption::Invert];
            let found = options.map(|option| both.matches(&path(&asns), option));
            assert_eq!(found, expected, "{asns:?}");
        }
    }

    #[test]
    fn sets_and_confederations_have_their_brackets() {
        let mut mixed = AsPath::empty();
        mixed.push_segment(SegmentKind::ConfedSequence, &[Asn(64512)]);
        mixed.push_segment(SegmentKind::Sequence, &[Asn(1)]);
        mixed.push_segment(SegmentKind::Set, &[Asn(3), Asn(4)]);
        for pattern in [r"^\(64512\) 1", "^1_", "_3_", r"_\{3,4\}$", "_4_$"] {
            assert!(
                set(&[pattern]).matches(&mixed, MatchOption::Any),
                "{pattern}"
            );
        }
        assert!(!set(&["_4$"]).matches(&mixed, MatchOption::Any));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["(", "[1", "*1", "_(1"] {
            let refused = text.parse::<AsPathPattern>();
            assert!(matches!(refused, Err(PatternError::Syntax(_))), "{text}");
        }
        let bomb = "(((([0-9]{1,50} ){1,50}){1,50}){1,50}){1,50}";
        assert_eq!(bomb.parse::<AsPathPattern>(), Err(PatternError::TooComplex));
        let states = "1[0-9]{24}$".parse::<AsPathPattern>();
        assert_eq!(states, Err(PatternError::TooComplex));
        assert!("7-5".parse::<AsRange>().is_err() && "".parse::<AsRange>().is_err());
    }
}
