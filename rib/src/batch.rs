// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes of one source on their way to the RIB: flat, attributes once.

use alloc::vec::Vec;
use core::hash::{BuildHasher as _, Hasher as _};

use bgp_proto::{PathAttributes, Prefix};
use foldhash::fast::FixedState;

use crate::{Disposition, Source};

/// A path of a batch, for [`RouteBatch::announce`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PathIndex(u32);

/// Withdrawn, in place of a path.
const WITHDRAWN: u32 = u32::MAX;

/// Which shard a prefix belongs to must never change while the program runs.
const SEED: u64 = 0x6267_7064;

/// Announcements and withdrawals of one source, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteBatch {
    pub(crate) source: Source,
    pub(crate) paths: Vec<(PathAttributes, Disposition)>,
    routes: Vec<(Prefix, u32, u32)>,
}

impl RouteBatch {
    /// An empty batch.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            paths: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// Whose routes they are.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Adds a path that routes can have.
    pub fn push_path(&mut self, attributes: PathAttributes, disposition: Disposition) -> PathIndex {
        self.paths.push((attributes, disposition));
        PathIndex(u32::try_from(self.paths.len() - 1).unwrap_or(WITHDRAWN - 1))
    }

    /// Announces a prefix with a path of this batch. The path identifier is 0 without add-path.
    pub fn announce(&mut self, prefix: Prefix, path_id: u32, path: PathIndex) {
        self.routes.push((prefix, path_id, path.0));
    }

    /// Withdraws a prefix.
    pub fn withdraw(&mut self, prefix: Prefix, path_id: u32) {
        self.routes.push((prefix, path_id, WITHDRAWN));
    }

    /// Leaves out the announcements that are not to be kept; says how many those were. Withdrawals stay.
    pub fn retain_announcements(&mut self, mut keep: impl FnMut(Prefix, u32) -> bool) -> usize {
        let before = self.routes.len();
        self.routes
            .retain(|(prefix, id, path)| *path == WITHDRAWN || keep(*prefix, *id));
        before - self.routes.len()
    }

    /// Prefixes and path identifiers of what is announced and withdrawn, in order.
    pub fn keys(&self) -> impl Iterator<Item = (Prefix, u32)> + '_ {
        self.routes.iter().map(|(prefix, id, _)| (*prefix, *id))
    }

    /// Announcements and withdrawals.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Prefix, path identifier, and the number of the path or nothing for a withdrawal.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (Prefix, u32, Option<usize>)> + '_ {
        self.routes.iter().map(|(prefix, id, path)| {
            (*prefix, *id, (*path != WITHDRAWN).then_some(*path as usize))
        })
    }

    /// One batch per shard, each with the prefixes that belong to it.
    #[must_use]
    pub fn deal(self, shards: usize) -> Vec<Self> {
        if shards <= 1 {
            return alloc::vec![self];
        }
        let mut dealt: Vec<Self> = (0..shards).map(|_| Self::new(self.source)).collect();
        // For each shard, where it has each path.
        let mut places = alloc::vec![alloc::vec![WITHDRAWN; self.paths.len()]; shards];
        for (prefix, id, path) in self.routes() {
            let shard = shard_of(prefix, shards);
            let (Some(part), Some(places)) = (dealt.get_mut(shard), places.get_mut(shard)) else {
                continue;
            };
            let place = path.and_then(|path| Some((places.get_mut(path)?, self.paths.get(path)?)));
            let number = place.map_or(WITHDRAWN, |(place, path)| {
                if *place == WITHDRAWN {
                    *place = part.push_path(path.0.clone(), path.1).0;
                }
                *place
            });
            part.routes.push((prefix, id, number));
        }
        dealt
    }
}

/// The shard of a prefix.
pub(crate) fn shard_of(prefix: Prefix, shards: usize) -> usize {
    let mut hasher = FixedState::with_seed(SEED).build_hasher();
    core::hash::Hash::hash(&prefix, &mut hasher);
    usize::try_from(hasher.finish() % (shards.max(1) as u64)).unwrap_or(0)
}
