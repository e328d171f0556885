// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The paths of one prefix.

use alloc::vec::Vec;
use core::{
    fmt,
    ops::{Deref, DerefMut},
    slice,
};

use bgp_proto::Instant;
use triomphe::Arc;

use crate::{
    Attributes, Disposition, KernelAttributes, PeerId, Source,
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

/// One path. There may be millions: what most of them have alike is not in it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "RFC 7911 calls it so")]
pub(crate) struct Path {
    pub(crate) attributes: Attributes,
    pub(crate) rare: Option<Arc<Rare>>,
    pub(crate) since: Instant,
    pub(crate) peer: PeerId,
    pub(crate) path_id: u32,
    /// The path identifier that it is sent with to neighbours that take several paths.
    pub(crate) sent_id: u32,
    /// The operator's, from the neighbour it came from.
    pub(crate) weight: u16,
    /// Refused on import: stays in the Adj-RIB-In.
    pub(crate) refused: Option<Unusable>,
    pub(crate) kind: Kind,
}

/// Where a path comes from; which neighbour, if it is one, is said beside it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Bgp,
    /// Kept over a restart of the neighbour (RFC 4724).
    Stale,
    /// The same two, where the next hop is taken to be reachable until somebody has looked.
    Assumed,
    AssumedStale,
    Static,
    Direct,
    Kernel,
    Api,
}

impl Kind {
    /// With the neighbour, or any number.
    pub(crate) fn of(source: Source) -> (Self, PeerId) {
        let kind = match source {
            Source::Bgp(_) => Self::Bgp,
            Source::Static => Self::Static,
            Source::Direct => Self::Direct,
            Source::Kernel => Self::Kernel,
            Source::Api => Self::Api,
        };
        (kind, source.peer().unwrap_or(PeerId(0)))
    }
}

/// What only some paths have. Those of one batch with the same attributes share it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Rare {
    /// Where packets go.
    pub(crate) disposition: Disposition,
    /// What import changed, if it did.
    pub(crate) imported: Option<Imported>,
}

impl Rare {
    /// `None` if there is nothing to say that the attributes do not say.
    pub(crate) fn of(
        attributes: &Attributes,
        disposition: Disposition,
        imported: Option<Imported>,
    ) -> Option<Arc<Self>> {
        let is_plain = imported.is_none() && disposition == Disposition::Via(attributes.next_hop());
        (!is_plain).then(|| {
            Arc::new(Self {
                disposition,
                imported,
            })
        })
    }
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
    /// Where it comes from.
    pub(crate) fn source(&self) -> Source {
        match self.kind {
            Kind::Bgp | Kind::Stale | Kind::Assumed | Kind::AssumedStale => Source::Bgp(self.peer),
            Kind::Static => Source::Static,
            Kind::Direct => Source::Direct,
            Kind::Kernel => Source::Kernel,
            Kind::Api => Source::Api,
        }
    }

    /// Kept over a restart of the neighbour (RFC 4724).
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.kind, Kind::Stale | Kind::AssumedStale)
    }

    /// Its neighbour restarts.
    pub(crate) fn make_stale(&mut self) {
        self.kind = match self.kind {
            Kind::Bgp => Kind::Stale,
            Kind::Assumed => Kind::AssumedStale,
            kind => kind,
        };
    }

    /// Its next hop is taken to be reachable as long as nobody knows.
    pub(crate) fn is_assumed(&self) -> bool {
        matches!(self.kind, Kind::Assumed | Kind::AssumedStale)
    }

    pub(crate) fn assume(&mut self) {
        self.kind = match self.kind {
            Kind::Bgp => Kind::Assumed,
            Kind::Stale => Kind::AssumedStale,
            kind => kind,
        };
    }

    /// Where packets go.
    pub(crate) fn disposition(&self) -> Disposition {
        let rare = self.rare.as_ref();
        rare.map_or_else(
            || Disposition::Via(self.attributes.next_hop()),
            |rare| rare.disposition,
        )
    }

    /// What import changed, if it did.
    pub(crate) fn imported(&self) -> Option<&Imported> {
        self.rare.as_ref()?.imported.as_ref()
    }

    /// The attributes that it came with.
    pub(crate) fn received(&self) -> &Attributes {
        let imported = self.imported();
        imported.map_or(&self.attributes, |imported| &imported.received)
    }

    /// Where packets were to go when it came.
    pub(crate) fn arrived_as(&self) -> Disposition {
        let imported = self.imported();
        imported.map_or_else(|| self.disposition(), |imported| imported.disposition)
    }

    /// Nothing of it that matters is different.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.attributes == other.attributes
            && self.rare == other.rare
            && self.refused == other.refused
            && self.weight == other.weight
    }
}

/// The paths of a prefix. Nearly always it is one, which needs no list.
#[derive(Clone, Debug, Default)]
pub(crate) enum Paths {
    #[default]
    None,
    One(Path),
    Several(Vec<Path>),
}

impl Paths {
    fn take(&mut self) -> Vec<Path> {
        match core::mem::take(self) {
            Self::None => Vec::new(),
            Self::One(path) => {
                let mut list = Vec::with_capacity(2);
                list.push(path);
                list
            }
            Self::Several(list) => list,
        }
    }

    pub(crate) fn insert(&mut self, place: usize, path: Path) {
        *self = if self.is_empty() {
            Self::One(path)
        } else {
            let mut list = self.take();
            if list.len() == list.capacity() {
                // There may be millions of lists: they keep little room for what may never come.
                list.reserve_exact(2 + list.len() / 8);
            }
            list.insert(place, path);
            Self::Several(list)
        };
    }

    pub(crate) fn push(&mut self, path: Path) {
        self.insert(self.len(), path);
    }

    pub(crate) fn remove(&mut self, place: usize) -> Path {
        let mut list = self.take();
        let path = list.remove(place);
        *self = match list.len() {
            1 => list.pop().map_or(Self::None, Self::One),
            0 => Self::None,
            _ => Self::Several(list),
        };
        path
    }
}

impl Deref for Paths {
    type Target = [Path];

    fn deref(&self) -> &[Path] {
        match self {
            Self::None => &[],
            Self::One(path) => slice::from_ref(path),
            Self::Several(list) => list,
        }
    }
}

impl DerefMut for Paths {
    fn deref_mut(&mut self) -> &mut [Path] {
        match self {
            Self::None => &mut [],
            Self::One(path) => slice::from_mut(path),
            Self::Several(list) => list,
        }
    }
}

/// All paths of a prefix and the one that is best.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) paths: Paths,
    /// One more than the place of the best path, or 0, and [`DIRTY`].
    state: u32,
    /// The identifier that a path was given last.
    pub(crate) last_id: u32,
}

/// What was best of an entry is remembered already; without paths it stays until the next drain.
const DIRTY: u32 = 1 << 31;

impl Entry {
    pub(crate) fn best(&self) -> Option<&Path> {
        self.paths.get(self.best_place()?)
    }

    /// Where the best path is among them.
    pub(crate) fn best_place(&self) -> Option<usize> {
        ((self.state & !DIRTY) as usize).checked_sub(1)
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.state & DIRTY != 0
    }

    /// Says whether it was not yet.
    pub(crate) fn make_dirty(&mut self) -> bool {
        let was = self.is_dirty();
        self.state |= DIRTY;
        !was
    }

    pub(crate) fn make_clean(&mut self) {
        self.state &= !DIRTY;
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

    fn choosing<T>(&mut self, choose: impl FnOnce(&mut Paths, &mut Option<usize>) -> T) -> T {
        let mut best = self.best_place();
        let result = choose(&mut self.paths, &mut best);
        let place = best.and_then(|place| u32::try_from(place + 1).ok());
        self.state = self.state & DIRTY | place.unwrap_or(0);
        result
    }

    /// Places of the best path and of those that are as good, the best first.
    pub(crate) fn level(&self, context: &impl Context) -> Places {
        self.best_place().map_or_else(Places::new, |best| {
            decision::level(&self.paths, best, context)
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
            .position(|path| path.source() == source && path.path_id == path_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_one_path_is_less_than_a_cache_line() {
        assert_eq!((size_of::<Path>(), size_of::<Entry>()), (40, 48));
    }
}
