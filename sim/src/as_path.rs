// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AS paths as the oracle sees them: members of the confederation in front, other ASes behind. There is nothing else in a world.

use bgp_proto::{AsPath, Asn, SegmentKind};

/// A path in its two parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) members: Vec<Asn>,
    pub(crate) outside: Vec<Asn>,
}

impl Parts {
    pub(crate) fn of(path: &AsPath) -> Self {
        let mut parts = Self::default();
        for (kind, asns) in path.segments() {
            match kind {
                SegmentKind::ConfedSequence => parts.members.extend(asns),
                SegmentKind::Sequence => parts.outside.extend(asns),
                kind => panic!("nobody makes {kind:?} segments"),
            }
        }
        parts
    }

    pub(crate) fn path(&self) -> AsPath {
        let mut path = AsPath::empty();
        path.push_segment(SegmentKind::ConfedSequence, &self.members);
        path.push_segment(SegmentKind::Sequence, &self.outside);
        path
    }
}

/// So often an AS in front of others.
pub(crate) fn before(asn: Asn, times: usize, asns: &mut Vec<Asn>) {
    for _ in 0..times {
        asns.insert(0, asn);
    }
}
