// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From comparisons of two to the best of all, with as few of them as the profile allows.
//!
//! Profiles that depend on the order of arrival keep the list of paths in the order that the daemon they are named after
//! keeps it in. For all others the order means nothing.

use core::cmp::Ordering;

use smallvec::SmallVec;

use super::{Comparison, Contender, Context, DecisionStep, plain, profile::Election};
use crate::path::{Path, Paths};

/// Places in a list of paths.
pub(crate) type Places = SmallVec<[usize; 4]>;

/// Stores a path, in the place of an older version of it if there is one, and chooses. Returns the older version.
pub(crate) fn arrive(
    paths: &mut Paths,
    best: &mut Option<usize>,
    place: Option<usize>,
    path: Path,
    context: &impl Context,
) -> Option<Path> {
    let comparison = Comparison::new(context);
    match comparison.selection.election() {
        Election::Elimination => return comparison.meet(paths, best, place, path),
        Election::Challenge => return comparison.challenge(paths, best, place, path),
        Election::Walk => {
            if let Some(slot) = place.and_then(|place| paths.get_mut(place)) {
                let old = core::mem::replace(slot, path);
                elect(paths, best, context);
                return Some(old);
            }
            paths.insert(0, path);
            *best = best.map(|place| place + 1);
        }
        Election::Insertion => {
            let old = place.filter(|place| *place < paths.len());
            let old = old.map(|place| paths.remove(place));
            paths.push(path);
            elect(paths, best, context);
            return old;
        }
    }
    elect(paths, best, context);
    None
}

/// Takes a path out and chooses.
pub(crate) fn leave(
    paths: &mut Paths,
    best: &mut Option<usize>,
    place: usize,
    context: &impl Context,
) -> Path {
    let path = paths.remove(place);
    let comparison = Comparison::new(context);
    match *best {
        Some(at) if at != place => {
            let at = if at > place { at - 1 } else { at };
            *best = Some(at);
            let is_same = match comparison.selection.election() {
                Election::Elimination => paths
                    .get(at)
                    .is_some_and(|best| paths.len() == 1 || comparison.spares_others(best, &path)),
                Election::Challenge => true,
                Election::Walk | Election::Insertion => false,
            };
            if is_same {
                return path;
            }
        }
        _ => *best = None,
    }
    elect(paths, best, context);
    path
}

/// Chooses the best of all; what was the best so far may count.
pub(crate) fn elect(paths: &mut Paths, best: &mut Option<usize>, context: &impl Context) {
    let comparison = Comparison::new(context);
    let incumbent = *best;
    *best = match &**paths {
        [] => None,
        [only] => context.is_usable(only).then_some(0),
        _ => match comparison.selection.election() {
            Election::Elimination => comparison.eliminate(paths, incumbent),
            Election::Challenge => comparison.along_the_list(paths),
            Election::Walk => comparison.walk(paths, incumbent),
            Election::Insertion => comparison.sort(paths),
        },
    };
}

impl<C: Context> Comparison<'_, C> {
    /// [`arrive`] where order does not matter: one comparison with the best path, unless MEDs of a third one may count.
    fn meet(
        &self,
        paths: &mut Paths,
        best: &mut Option<usize>,
        place: Option<usize>,
        path: Path,
    ) -> Option<Path> {
        let slot = place.and_then(|place| Some((place, paths.get_mut(place)?)));
        let (old, at) = if let Some((place, slot)) = slot {
            (Some(core::mem::replace(slot, path)), place)
        } else {
            paths.push(path);
            (None, paths.len() - 1)
        };
        let winner = best.filter(|best| *best != at);
        let pair = winner.and_then(|best| Some((paths.get(best)?, paths.get(at)?)));
        let wins = pair.and_then(|(winner, new)| {
            let is_pair = paths.len() == 2;
            let old = old.as_ref();
            old.is_none_or(|old| is_pair || self.spares_others(winner, old))
                .then(|| self.beats(winner, new, is_pair))?
        });
        match wins {
            Some(true) => *best = Some(at),
            Some(false) => {}
            None => elect(paths, best, self.context),
        }
        old
    }

    /// Whether a new path takes the best one's place; `None`: it depends on others.
    fn beats(&self, best: &Path, new: &Path, is_pair: bool) -> Option<bool> {
        let best_one = Contender {
            path: best,
            is_incumbent: true,
        };
        if !self.context.is_usable(new) {
            return Some(false);
        }
        if is_pair || self.selection.always_compare_med {
            return Some(self.all(plain(new), best_one).is_lt());
        }
        let (before, after) = self.around_med();
        let first = self.by(before, plain(new), best_one).0;
        if first.is_ne() {
            return Some(first.is_lt());
        }
        let compared = self.compares_med(best, new);
        match self.step(DecisionStep::Med, plain(new), best_one) {
            Ordering::Greater => return Some(false),
            // What the best one has beaten lost to a MED that may be gone with it.
            Ordering::Less => return None,
            Ordering::Equal => {}
        }
        match self.by(after, plain(new), best_one).0 {
            Ordering::Less if !compared => None,
            order => Some(order.is_lt()),
        }
    }

    /// No path lost to this one by its MED alone, so that it may go without a look at the others.
    fn spares_others(&self, best: &Path, path: &Path) -> bool {
        let (before, _) = self.around_med();
        self.selection.always_compare_med
            || !self.context.is_usable(path)
            || self.compares_med(best, path)
            || self.by(before, plain(best), plain(path)).0.is_ne()
    }

    fn eliminate(&self, paths: &[Path], incumbent: Option<usize>) -> Option<usize> {
        let (before, after) = self.around_med();
        let contender = |place: usize| {
            let is_incumbent = incumbent == Some(place);
            paths
                .get(place)
                .map(|path| Contender { path, is_incumbent })
        };
        let usable = |place: &usize| {
            paths
                .get(*place)
                .is_some_and(|path| self.context.is_usable(path))
        };
        let order = |steps, one: usize, other: usize| match (contender(one), contender(other)) {
            (Some(one), Some(other)) => self.by(steps, one, other).0,
            (one, other) => other.is_some().cmp(&one.is_some()),
        };
        let mut top = SmallVec::<[usize; 8]>::new();
        for place in (0..paths.len()).filter(usable) {
            match top
                .first()
                .map_or(Ordering::Equal, |first| order(before, place, *first))
            {
                Ordering::Less => {
                    top.clear();
                    top.push(place);
                }
                Ordering::Equal => top.push(place),
                Ordering::Greater => {}
            }
        }
        let level: SmallVec<[(usize, &Path); 8]> = top
            .iter()
            .filter_map(|place| Some((*place, paths.get(*place)?)))
            .collect();
        let left = level.iter().filter(|(_, path)| {
            let beats =
                |other: &Path| self.compares_med(path, other) && self.med(other) < self.med(path);
            !level.iter().any(|(_, other)| beats(other))
        });
        left.map(|(place, _)| *place).reduce(|best, place| {
            if order(after, place, best).is_lt() {
                place
            } else {
                best
            }
        })
    }

    /// [`arrive`] where a new path is compared with the best one only.
    fn challenge(
        &self,
        paths: &mut Paths,
        best: &mut Option<usize>,
        place: Option<usize>,
        path: Path,
    ) -> Option<Path> {
        let wins = best.and_then(|best| paths.get(best)).is_none_or(|best| {
            let incumbent = Contender {
                path: best,
                is_incumbent: true,
            };
            self.all(plain(&path), incumbent).is_lt()
        });
        let was_best = place.is_some() && place == *best;
        let old = place.filter(|place| *place < paths.len());
        let old = old.map(|place| paths.remove(place));
        let last = paths.len();
        let at = if wins { 0 } else { place.unwrap_or(last) };
        paths.insert(at.min(last), path);
        if wins {
            *best = self.usable_first(paths);
        } else if was_best {
            *best = self.along_the_list(paths);
        }
        old
    }

    /// The winner of the first two against the third, and so on. It moves to the front.
    fn along_the_list(&self, paths: &mut Paths) -> Option<usize> {
        let winner = (1..paths.len()).fold(0, |best, place| {
            let pair = paths.get(place).zip(paths.get(best));
            let wins = pair.is_some_and(|(path, best)| {
                let incumbent = Contender {
                    path: best,
                    is_incumbent: true,
                };
                self.all(plain(path), incumbent).is_lt()
            });
            if wins { place } else { best }
        });
        let path = paths.remove(winner);
        paths.insert(0, path);
        self.usable_first(paths)
    }

    fn walk(&self, paths: &[Path], incumbent: Option<usize>) -> Option<usize> {
        let contender = |place: usize| {
            let is_incumbent = incumbent == Some(place);
            let path = paths.get(place)?;
            self.context
                .is_usable(path)
                .then_some(Contender { path, is_incumbent })
        };
        let all = (0..paths.len()).filter_map(|place| Some((place, contender(place)?)));
        all.reduce(|best, next| {
            if self.all(next.1, best.1).is_lt() {
                next
            } else {
                best
            }
        })
        .map(|(place, _)| place)
    }

    fn sort(&self, paths: &mut Paths) -> Option<usize> {
        for end in 1..paths.len() {
            for place in (1..=end).rev() {
                let pair = paths.get(place).zip(paths.get(place - 1));
                if pair.is_some_and(|(path, above)| self.all(plain(path), plain(above)).is_lt()) {
                    paths.swap(place, place - 1);
                } else {
                    break;
                }
            }
        }
        self.usable_first(paths)
    }

    /// Unusable paths are behind all others: if the first one is, all are.
    fn usable_first(&self, paths: &[Path]) -> Option<usize> {
        let first = paths.first()?;
        self.context.is_usable(first).then_some(0)
    }
}
