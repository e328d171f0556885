// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The paths of one prefix.

use core::fmt;

use bgp_proto::Instant;
use smallvec::SmallVec;
use triomphe::Arc;

use crate::{
    Attributes, Disposition, KernelAttributes, Source,
    decision::{self, Context, Places},
};

/// Why a path can't be chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unusable {
    /// Import policy rejects it.
    Policy,
    /// Our own AS is in the `AS_PATH` (RFC 4271 §9.1.2).
    AsLoop,
    /// The neighbour's AS is not the first in the `AS_PATH` (RFC 4271 §6.3).
    FirstAs,
    /// It has passed a customer or a peer on its way to us: a leak (RFC 9234 §5).
    Leak,
    /// It is ours, reflected back (RFC 4456 §8).
    OriginatorLoop,
    /// It has passed our cluster before (RFC 4456 §8).
    ClusterLoop,
    /// The next hop is an address of ours (RFC 4271 §6.3).
    OwnNextHop,
    /// The next hop is not known to be reachable (RFC 4271 §9.1.2.1).
    NextHopUnreachable,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "rejected by import policy",
            Self::AsLoop => "our own AS is in the AS path",
            Self::FirstAs => "the AS path does not begin with the neighbour's AS",
            Self::Leak => "a route leak: it was for customers only (OTC)",
            Self::OriginatorLoop => "our own identifier is the ORIGINATOR_ID",
            Self::ClusterLoop => "our own cluster is in the CLUSTER_LIST",
            Self::OwnNextHop => "the next hop is our own address",
            Self::NextHopUnreachable => "next hop unreachable",
        })
    }
}

/// One path.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "RFC 7911 calls it so")]
pub(crate) struct Path {
    pub(crate) source: Source,
    pub(crate) path_id: u32,
    /// The path identifier that it is sent with to neighbours that take several paths.
    pub(crate) sent_id: u32,
    pub(crate) attributes: Attributes,
    pub(crate) disposition: Disposition,
    pub(crate) since: Instant,
    /// The operator's, from the neighbour it came from.
    pub(crate) weight: u16,
    /// Refused on import: stays in the Adj-RIB-In.
    pub(crate) refused: Option<Unusable>,
    /// What import changed, if it did.
    pub(crate) imported: Option<Arc<Imported>>,
    /// Kept over a restart of the neighbour (RFC 4724).
    pub(crate) stale: bool,
}

/// What import changed of a path, and how it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Imported {
    pub(crate) received: Attributes,
    pub(crate) disposition: Disposition,
    /// If it is not that of the source.
    pub(crate) preference: Option<u16>,
    pub(crate) kernel: Option<Arc<KernelAttributes>>,
}

impl Path {
    /// The attributes that it came with.
    pub(crate) fn received(&self) -> &Attributes {
        let imported = self.imported.as_ref();
        imported.map_or(&self.attributes, |imported| &imported.received)
    }

    /// Where packets were to go when it came.
    pub(crate) fn arrived_as(&self) -> Disposition {
        let imported = self.imported.as_ref();
        imported.map_or(self.disposition, |imported| imported.disposition)
    }

    /// Nothing of it that matters is different.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.attributes == other.attributes
            && self.disposition == other.disposition
            && self.refused == other.refused
            && self.imported == other.imported
            && self.weight == other.weight
    }
}

/// All paths of a prefix and the one that is best.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) paths: SmallVec<[Path; 1]>,
    /// Place of the best path.
    pub(crate) best: Option<u32>,
    /// What the forwarding table has of it is remembered already; an entry without paths stays until the next drain.
    pub(crate) is_dirty: bool,
    /// The identifier that a path was given last.
    last_id: u32,
}

impl Entry {
    pub(crate) fn best(&self) -> Option<&Path> {
        self.paths.get(self.best? as usize)
    }

    /// Chooses the best path anew.
    pub(crate) fn decide(&mut self, context: &impl Context) {
        self.choosing(|paths, best| decision::elect(paths, best, context));
    }

    /// Stores a path and chooses. Returns what was in its place.
    pub(crate) fn arrive(
        &mut self,
        place: Option<usize>,
        path: Path,
        context: &impl Context,
    ) -> Option<Path> {
        self.choosing(|paths, best| decision::arrive(paths, best, place, path, context))
    }

    /// Takes a path out and chooses.
    pub(crate) fn leave(&mut self, place: usize, context: &impl Context) -> Path {
        self.choosing(|paths, best| decision::leave(paths, best, place, context))
    }

    fn choosing<T>(
        &mut self,
        choose: impl FnOnce(&mut SmallVec<[Path; 1]>, &mut Option<usize>) -> T,
    ) -> T {
        let mut best = self.best.map(|place| place as usize);
        let result = choose(&mut self.paths, &mut best);
        self.best = best.and_then(|place| u32::try_from(place).ok());
        result
    }

    /// Places of the best path and of those that are as good, the best first.
    pub(crate) fn level(&self, context: &impl Context) -> Places {
        self.best.map_or_else(Places::new, |best| {
            decision::level(&self.paths, best as usize, context)
        })
    }

    /// The identifier that the path at this place, or else a new one, is sent with. Those that have become free come
    /// up again as late as possible (RFC 7911 §6).
    pub(crate) fn sent_id(&mut self, place: Option<usize>) -> u32 {
        if let Some(path) = place.and_then(|place| self.paths.get(place)) {
            return path.sent_id;
        }
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.paths.iter().all(|path| path.sent_id != self.last_id) {
                return self.last_id;
            }
        }
    }

    pub(crate) fn place(&self, source: Source, path_id: u32) -> Option<usize> {
        self.paths
            .iter()
            .position(|path| path.source == source && path.path_id == path_id)
    }
}
