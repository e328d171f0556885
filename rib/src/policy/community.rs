// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets of patterns for communities of each kind.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{
    fmt::{self, Debug, Write},
    ops::RangeInclusive,
    str::FromStr,
};

use bgp_proto::{Community, ExtendedCommunity, LargeCommunity};
use smallvec::SmallVec;

use super::{
    MatchOption,
    regex::{PatternError, Regex},
};

/// A community of some kind.
pub trait CommunityKind: Copy + Debug + Eq + Ord + FromStr {
    /// Its numbers in order of writing; none if it is not written so.
    fn parts(self) -> SmallVec<[u32; 3]>;

    /// Its text for regular expressions: numbers, never a name for all of it.
    ///
    /// # Errors
    /// Those of the writer.
    fn write(self, text: &mut dyn Write) -> fmt::Result;

    /// A regular expression of this kind as one over the text that [`CommunityKind::write`] gives.
    fn expression(text: &str) -> String {
        text.into()
    }
}

impl CommunityKind for Community {
    fn parts(self) -> SmallVec<[u32; 3]> {
        [self.0 >> 16, self.0 & 0xffff].as_slice().into()
    }

    fn write(self, text: &mut dyn Write) -> fmt::Result {
        write!(text, "{}:{}", self.0 >> 16, self.0 & 0xffff)
    }
}

impl CommunityKind for LargeCommunity {
    fn parts(self) -> SmallVec<[u32; 3]> {
        [self.global, self.local_1, self.local_2].into()
    }

    fn write(self, text: &mut dyn Write) -> fmt::Result {
        write!(text, "{self}")
    }
}

impl CommunityKind for ExtendedCommunity {
    fn parts(self) -> SmallVec<[u32; 3]> {
        SmallVec::new()
    }

    fn write(self, text: &mut dyn Write) -> fmt::Result {
        write!(text, "{self}")
    }

    /// The expression behind `rt:` or `soo:` is one over what stands behind it in the text.
    fn expression(text: &str) -> String {
        for kind in ["rt:", "soo:"] {
            if let Some(value) = text.strip_prefix(kind) {
                return match value.strip_prefix('^') {
                    Some(value) => alloc::format!("^{kind}(?:{value})"),
                    None => alloc::format!("^{kind}.*(?:{value})"),
                };
            }
        }
        text.into()
    }
}

/// What a community looks like.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CommunityPattern<T>(Pattern<T>);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Pattern<T> {
    Exact(T),
    /// Each number in its range.
    Parts(Box<[(u32, u32)]>),
    Regex(Regex),
}

impl<T: CommunityKind> CommunityPattern<T> {
    /// This one.
    pub fn exact(community: T) -> Self {
        Self(Pattern::Exact(community))
    }

    /// Each number in its range. Extended communities have no such numbers and do not match.
    pub fn parts(ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Self {
        let ranges = ranges
            .into_iter()
            .map(|range| (*range.start(), *range.end()));
        Self(Pattern::Parts(ranges.collect()))
    }

    fn matches(&self, community: T) -> bool {
        match &self.0 {
            Pattern::Exact(wanted) => *wanted == community,
            Pattern::Parts(ranges) => {
                let parts = community.parts();
                parts.len() == ranges.len()
                    && (parts.iter().zip(ranges))
                        .all(|(part, (first, last))| first <= part && part <= last)
            }
            Pattern::Regex(regex) => regex.is_match(|text| community.write(text)),
        }
    }
}

impl<T: CommunityKind> FromStr for CommunityPattern<T> {
    type Err = PatternError;

    /// A community as it is written (`65000:1`, `no-export`, `rt:65000:1`), one with `*` for some of its numbers (`65000:*`), or a
    /// regular expression over its text (`^65000:.*$`, `rt:^65000:.*$`).
    fn from_str(text: &str) -> Result<Self, PatternError> {
        if let Ok(community) = text.parse() {
            return Ok(Self::exact(community));
        }
        let part = |part: &str| match part {
            "*" => Some((0, u32::MAX)),
            number => number.parse().ok().map(|number| (number, number)),
        };
        let parts: Option<Box<[(u32, u32)]>> = text.split(':').map(part).collect();
        match parts {
            Some(parts) if text.contains('*') && parts.len() > 1 => Ok(Self(Pattern::Parts(parts))),
            _ => {
                // Text that no expression is made of was meant as a community.
                if !text.contains(['^', '$', '.', '*', '[', '(', '|', '+', '?', '_']) {
                    return Err(PatternError::Syntax(alloc::format!(
                        "`{text}` is neither a community nor a regular expression"
                    )));
                }
                Regex::new(&T::expression(text)).map(|regex| Self(Pattern::Regex(regex)))
            }
        }
    }
}

/// Patterns for communities of one kind.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CommunitySet<T> {
    /// In order of writing.
    patterns: Box<[CommunityPattern<T>]>,
    /// The exact ones, sorted.
    exact: Box<[T]>,
    /// The others.
    others: Box<[CommunityPattern<T>]>,
}

impl<T: CommunityKind> CommunitySet<T> {
    /// These patterns.
    pub fn new(patterns: impl IntoIterator<Item = CommunityPattern<T>>) -> Self {
        let patterns: Box<[CommunityPattern<T>]> = patterns.into_iter().collect();
        let exact = patterns.iter().filter_map(|pattern| match pattern.0 {
            Pattern::Exact(community) => Some(community),
            _ => None,
        });
        let mut exact: Vec<T> = exact.collect();
        exact.sort_unstable();
        exact.dedup();
        let is_other = |pattern: &&CommunityPattern<T>| !matches!(pattern.0, Pattern::Exact(_));
        Self {
            exact: exact.into(),
            others: patterns.iter().filter(is_other).cloned().collect(),
            patterns,
        }
    }

    /// Whether a community matches any pattern.
    pub fn contains(&self, community: T) -> bool {
        self.exact.binary_search(&community).is_ok()
            || (self.others.iter()).any(|pattern| pattern.matches(community))
    }

    /// Whether the list has a community for any of the patterns, for all, or for none.
    pub fn matches(&self, list: &[T], option: MatchOption) -> bool {
        let any = || list.iter().any(|community| self.contains(*community));
        match option {
            MatchOption::Any => any(),
            MatchOption::Invert => !any(),
            MatchOption::All => (self.patterns.iter())
                .all(|pattern| list.iter().any(|community| pattern.matches(*community))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<T: CommunityKind>(patterns: &[&str]) -> CommunitySet<T> {
        CommunitySet::new(patterns.iter().map(|text| text.parse().unwrap()))
    }

    fn finds<T: CommunityKind>(pattern: &str, community: &str) -> bool {
        let Ok(community) = community.parse() else {
            panic!("{community}");
        };
        set::<T>(&[pattern]).contains(community)
    }

    #[test]
    fn each_form_of_a_pattern_matches_what_it_says() {
        for (pattern, community, expected) in [
            ("65000:1", "65000:1", true),
            ("65000:1", "65000:11", false),
            ("65000:*", "65000:11", true),
            ("65000:*", "65001:11", false),
            ("*:7", "65001:7", true),
            ("no-export", "65535:65281", true),
            ("^65000:1.*$", "65000:12", true),
            ("^65000:1.*$", "65000:2", false),
            ("^65535:.*$", "no-export", true),
            ("_1:1$", "65001:1", false),
        ] {
            assert_eq!(
                finds::<Community>(pattern, community),
                expected,
                "{pattern} {community}"
            );
        }
        assert!(finds::<LargeCommunity>("1:*:3", "1:2:3"));
        assert!(!finds::<LargeCommunity>("1:*", "1:2:3"));
        assert!(finds::<LargeCommunity>("^1:2:[3-5]$", "1:2:4"));
        assert!(finds::<ExtendedCommunity>("rt:65000:1", "rt:65000:1"));
        assert!(!finds::<ExtendedCommunity>("rt:65000:1", "soo:65000:1"));
        assert!(finds::<ExtendedCommunity>("rt:^65000:.*$", "rt:65000:9"));
        assert!(!finds::<ExtendedCommunity>("rt:^65000:.*$", "rt:165000:9"));
        assert!(finds::<ExtendedCommunity>("rt:5000:.*$", "rt:165000:9"));
        assert!(!finds::<ExtendedCommunity>("soo:^65000:.*$", "rt:65000:9"));
    }

    #[test]
    fn every_pattern_needs_a_community_only_if_all_are_wanted() {
        let both = set::<Community>(&["1:1", "^2:.*$"]);
        let (one, other) = (Community(0x0001_0001), Community(0x0002_0009));
        assert!(both.matches(&[one], MatchOption::Any) && !both.matches(&[one], MatchOption::All));
        assert!(both.matches(&[other, one], MatchOption::All));
        assert!(both.matches(&[Community(7)], MatchOption::Invert));
        assert!(!both.matches(&[other], MatchOption::Invert));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["65000", "no-exprot", "65000:65536", "(1"] {
            assert!(
                text.parse::<CommunityPattern<Community>>().is_err(),
                "{text}"
            );
        }
    }
}
