// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which paths of a prefix neighbours are told that take several (RFC 7911).

use core::num::NonZeroU8;

use crate::{
    decision::{self, Context},
    path::{Entry, Path},
};

/// Which paths of a prefix a neighbour is told that takes several. Paths that are not for it do not count; its own do, since all
/// of an update group are told the same.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PathsSent {
    /// Every one that can be used.
    All,
    /// The best one, the best one of the others, and so on.
    Best(NonZeroU8),
    /// The best one and those that are as good, at most so many.
    Ecmp(NonZeroU8),
}

impl Default for PathsSent {
    /// The best one.
    fn default() -> Self {
        Self::Best(NonZeroU8::MIN)
    }
}

impl PathsSent {
    /// Calls `tell` with the paths, each of which may turn out not to be for this neighbour, until it has taken enough.
    pub(crate) fn choose(
        self,
        entry: &Entry,
        context: &impl Context,
        mut tell: impl FnMut(&Path) -> bool,
    ) {
        let mut taken = 0;
        let mut enough = |path: &Path, limit: NonZeroU8| {
            taken += u8::from(tell(path));
            taken >= limit.get()
        };
        match self {
            Self::All => {
                for path in entry.paths.iter().filter(|path| context.is_usable(path)) {
                    tell(path);
                }
            }
            Self::Ecmp(limit) => {
                let level = entry.level(context);
                let mut level = level.iter().filter_map(|place| entry.paths.get(*place));
                level.any(|path| enough(path, limit));
            }
            Self::Best(limit) => {
                let mut left = entry.paths.clone();
                let mut best = entry.best_place();
                while let Some(place) = best.take().filter(|place| *place < left.len()) {
                    if enough(&left.remove(place), limit) {
                        return;
                    }
                    decision::elect(&mut left, &mut best, context);
                }
            }
        }
    }
}
