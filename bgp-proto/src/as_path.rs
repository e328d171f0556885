// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `AS_PATH`: segments of AS numbers, flat in one allocation (RFC 4271 §4.3, RFC 5065 §3, RFC 6793).

use alloc::vec::Vec;
use core::fmt;

use crate::Asn;

/// What a segment is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SegmentKind {
    /// Unordered (RFC 4271): the result of aggregation.
    Set = 1,
    /// Ordered.
    Sequence = 2,
    /// Ordered, member ASes of a confederation (RFC 5065).
    ConfedSequence = 3,
    /// Unordered, member ASes of a confederation.
    ConfedSet = 4,
}

impl SegmentKind {
    /// From its code; `None` for one that is not registered.
    pub fn from_wire(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Set,
            2 => Self::Sequence,
            3 => Self::ConfedSequence,
            4 => Self::ConfedSet,
            _ => return None,
        })
    }

    /// One of the two kinds that must not leave a confederation.
    pub fn is_confederation(self) -> bool {
        matches!(self, Self::ConfedSequence | Self::ConfedSet)
    }
}

/// Most ASes in one segment: its count is one octet.
const SEGMENT: usize = 255;

/// The way through the ASes, nearest first.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct AsPath {
    /// Each segment is a head (`kind << 8 | count`) and its AS numbers.
    words: Vec<Asn>,
}

impl AsPath {
    /// No AS at all: a route of this AS.
    pub const fn empty() -> Self {
        Self { words: Vec::new() }
    }

    /// One sequence (more, if there are over 255).
    pub fn from_sequence(asns: impl IntoIterator<Item = Asn>) -> Self {
        let asns: Vec<Asn> = asns.into_iter().collect();
        let mut path = Self::empty();
        path.push_segment(SegmentKind::Sequence, &asns);
        path
    }

    /// Adds a segment at the far end; one of over 255 ASes is split, one of none is left out.
    pub fn push_segment(&mut self, kind: SegmentKind, asns: &[Asn]) {
        for part in asns.chunks(SEGMENT) {
            self.words.push(head(kind, part.len()));
            self.words.extend_from_slice(part);
        }
    }

    /// Empty, with room for so many AS numbers and segment heads.
    pub(crate) fn with_capacity(words: usize) -> Self {
        Self {
            words: Vec::with_capacity(words),
        }
    }

    /// Adds a segment of `count` ASes, which is not zero.
    pub(crate) fn extend_segment(
        &mut self,
        kind: SegmentKind,
        count: u8,
        asns: impl Iterator<Item = Asn>,
    ) {
        self.words.push(head(kind, count.into()));
        self.words.extend(asns);
    }

    /// The segments, nearest first.
    pub fn segments(&self) -> Segments<'_> {
        Segments { words: &self.words }
    }

    /// No segment.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Length for the decision process: a set counts one, confederation segments nothing (RFC 4271 §9.1.2.2, RFC 5065 §5.3).
    pub fn hop_count(&self) -> u32 {
        let count = |(kind, asns): (SegmentKind, &[Asn])| match kind {
            SegmentKind::Sequence => u32::try_from(asns.len()).unwrap_or(u32::MAX),
            SegmentKind::Set => 1,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        };
        self.segments().map(count).sum()
    }

    /// All AS numbers in all segments.
    pub fn asns(&self) -> impl Iterator<Item = Asn> + '_ {
        self.segments().flat_map(|(_, asns)| asns.iter().copied())
    }

    /// Whether the AS is in it.
    pub fn contains(&self, asn: Asn) -> bool {
        self.asns().any(|known| known == asn)
    }

    /// How often the AS is in it.
    pub fn count(&self, asn: Asn) -> usize {
        self.asns().filter(|known| *known == asn).count()
    }

    /// The same path behind `times` times this AS; a segment that is full is followed by a new one (RFC 4271 §5.1.2).
    /// Members of a confederation stay in front: it is they who are nearest (RFC 5065 §4.1).
    #[must_use]
    pub fn prepended(&self, asn: Asn, times: usize) -> Self {
        self.prepended_to(SegmentKind::Sequence, asn, times)
    }

    /// The same within a confederation: the member AS is in a segment of its own kind (RFC 5065 §4.1).
    #[must_use]
    pub fn prepended_member(&self, asn: Asn, times: usize) -> Self {
        self.prepended_to(SegmentKind::ConfedSequence, asn, times)
    }

    fn prepended_to(&self, kind: SegmentKind, asn: Asn, times: usize) -> Self {
        let mut front: Vec<Asn> = core::iter::repeat_n(asn, times).collect();
        let mut rest = self.segments();
        let mut path = Self::with_capacity(self.words.len() + times + 1);
        while !kind.is_confederation()
            && let Some((member, asns)) = rest.clone().next()
            && member.is_confederation()
        {
            path.push_segment(member, asns);
            rest.next();
        }
        if let Some((first_kind, first)) = rest.clone().next()
            && first_kind == kind
            && first.len() + times <= SEGMENT
        {
            front.extend_from_slice(first);
            rest.next();
        }
        path.push_segment(kind, &front);
        for (kind, asns) in rest {
            path.push_segment(kind, asns);
        }
        path
    }

    /// The member AS of our confederation that it was learned from, if it was: the first of a first segment of that kind.
    pub fn neighbor_member(&self) -> Option<Asn> {
        match self.segments().next() {
            Some((SegmentKind::ConfedSequence, asns)) => asns.first().copied(),
            _ => None,
        }
    }

    /// As another AS is told it: what happened inside of a confederation stays there (RFC 5065 §4.1).
    #[must_use]
    pub fn without_confederation(&self) -> Self {
        let mut path = Self::with_capacity(self.words.len());
        for (kind, asns) in self.segments().filter(|(kind, _)| !kind.is_confederation()) {
            path.push_segment(kind, asns);
        }
        path
    }

    /// The same path with each AS as `change` has it; one that becomes `None` is left out.
    #[must_use]
    pub fn rewritten(&self, mut change: impl FnMut(Asn) -> Option<Asn>) -> Self {
        let mut path = Self::with_capacity(self.words.len());
        for (kind, asns) in self.segments() {
            let asns: Vec<Asn> = asns.iter().filter_map(|asn| change(*asn)).collect();
            path.push_segment(kind, &asns);
        }
        path
    }

    /// The AS it was learned from: the first of the first sequence outside of confederation segments. A path that begins
    /// with a set has none.
    pub fn neighbor_as(&self) -> Option<Asn> {
        match self.segments().find(|(kind, _)| !kind.is_confederation()) {
            Some((SegmentKind::Sequence, asns)) => asns.first().copied(),
            _ => None,
        }
    }

    /// The AS that originated it: the last, if it is in a sequence.
    pub fn origin_as(&self) -> Option<Asn> {
        match self.segments().last() {
            Some((SegmentKind::Sequence, asns)) => asns.last().copied(),
            _ => None,
        }
    }
}

fn head(kind: SegmentKind, count: usize) -> Asn {
    Asn(u32::from(kind as u8) << 8 | u32::try_from(count).unwrap_or(0) & 0xff)
}

/// The segments of an [`AsPath`].
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    words: &'a [Asn],
}

impl<'a> Iterator for Segments<'a> {
    type Item = (SegmentKind, &'a [Asn]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.words.split_first()?;
        let kind = SegmentKind::from_wire(u8::try_from(head.0 >> 8).ok()?)?;
        let (asns, rest) = rest.split_at_checked((head.0 & 0xff) as usize)?;
        self.words = rest;
        Some((kind, asns))
    }
}

impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (kind, asns)) in self.segments().enumerate() {
            if number > 0 {
                f.write_str(" ")?;
            }
            let (open, separator, close) = match kind {
                SegmentKind::Sequence => ("", " ", ""),
                SegmentKind::Set => ("{", ",", "}"),
                SegmentKind::ConfedSequence => ("(", " ", ")"),
                SegmentKind::ConfedSet => ("[", ",", "]"),
            };
            f.write_str(open)?;
            for (place, asn) in asns.iter().enumerate() {
                if place > 0 {
                    f.write_str(separator)?;
                }
                asn.fmt(f)?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    fn path(asns: &[u32]) -> AsPath {
        AsPath::from_sequence(asns.iter().copied().map(Asn))
    }

    #[test]
    fn prepending_to_a_full_segment_begins_a_new_one() {
        let full = AsPath::from_sequence((0..255).map(Asn));
        let longer = full.prepended(Asn(7), 1);
        assert_eq!(
            longer
                .segments()
                .map(|(_, asns)| asns.len())
                .collect::<Vec<_>>(),
            [1, 255]
        );
        assert_eq!(longer.hop_count(), 256);
        assert_eq!(longer.neighbor_as(), Some(Asn(7)));
    }

    #[test]
    fn sets_count_one_and_confederations_nothing() {
        let mut mixed = AsPath::empty();
        mixed.push_segment(SegmentKind::ConfedSequence, &[Asn(65001), Asn(65002)]);
        mixed.push_segment(SegmentKind::Sequence, &[Asn(1), Asn(2)]);
        mixed.push_segment(SegmentKind::Set, &[Asn(3), Asn(4)]);
        assert_eq!(mixed.hop_count(), 3);
        assert_eq!(mixed.neighbor_as(), Some(Asn(1)));
        assert_eq!(mixed.origin_as(), None);
        assert_eq!(mixed.to_string(), "(65001 65002) 1 2 {3,4}");
        assert_eq!(mixed.without_confederation().to_string(), "1 2 {3,4}");
        assert_eq!(mixed.neighbor_member(), Some(Asn(65001)));
        let longer = mixed.prepended_member(Asn(65003), 1);
        assert_eq!(longer.to_string(), "(65003 65001 65002) 1 2 {3,4}");
        let inside = path(&[1]).prepended_member(Asn(65003), 2);
        assert_eq!(inside.to_string(), "(65003 65003) 1");
        let behind = inside.prepended(Asn(2), 2);
        assert_eq!(behind.to_string(), "(65003 65003) 2 2 1");
        assert_eq!(behind.segments().count(), 2);
        let alone = AsPath::empty().prepended_member(Asn(65003), 1);
        assert_eq!(alone.prepended(Asn(2), 1).to_string(), "(65003) 2");
        assert_eq!(path(&[1]).neighbor_member(), None);
    }

    #[test]
    fn an_as_is_changed_or_left_out_wherever_it_is() {
        let mut mixed = path(&[7, 64512, 7]);
        mixed.push_segment(SegmentKind::Set, &[Asn(64512)]);
        mixed.push_segment(SegmentKind::Sequence, &[Asn(9), Asn(64512)]);
        let without = mixed.rewritten(|asn| (asn != Asn(64512)).then_some(asn));
        assert_eq!(without.to_string(), "7 7 9");
        assert_eq!(without.segments().count(), 2, "an empty segment is none");
        let replaced = mixed.rewritten(|asn| Some(if asn.is_private() { Asn(1) } else { asn }));
        assert_eq!(replaced.to_string(), "7 1 7 {1} 9 1");
    }

    #[test]
    fn an_empty_path_has_no_neighbour_and_prints_nothing() {
        assert_eq!(AsPath::empty().neighbor_as(), None);
        assert_eq!(AsPath::empty().to_string(), "");
        assert_eq!(AsPath::empty().prepended(Asn(1), 2), path(&[1, 1]));
    }
}
