// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The decision process (RFC 4271 §9.1.2.2, RFC 4456 §9): which path is best, which are as good, and which step decided.
//!
//! A pair of paths is compared step by step in the order of a [`Profile`]. Where MEDs compare only some of the pairs this
//! order is not one of all paths; how a best one comes about then is the profile's, too.

mod election;
mod profile;

use core::{cmp::Ordering, net::IpAddr};

use smallvec::SmallVec;

use crate::path::Path;

pub(crate) use election::{Places, arrive, elect, leave};
pub use profile::{DecisionStep, Profile, Selection};
use profile::{Election, Ties};

/// The code of the attribute.
const AS_PATH: u8 = 2;

/// What the decision needs to know that is not in the path.
pub(crate) trait Context {
    fn selection(&self) -> &Selection;
    /// Not refused, and its next hop can be reached.
    fn is_usable(&self, path: &Path) -> bool;
    fn preference(&self, path: &Path) -> u16;
    /// From another AS.
    fn is_external(&self, path: &Path) -> bool;
    fn cost(&self, path: &Path) -> u32;
    /// Identifier of the neighbour; 0 for what is not from one.
    fn identifier(&self, path: &Path) -> u32;
    fn address(&self, path: &Path) -> Option<IpAddr>;
}

/// A path in a comparison.
#[derive(Clone, Copy, Debug)]
struct Contender<'a> {
    path: &'a Path,
    /// It is the best one so far.
    is_incumbent: bool,
}

/// The comparison of two paths by a profile.
struct Comparison<'a, C> {
    context: &'a C,
    selection: Selection,
}

impl<'a, C: Context> Comparison<'a, C> {
    fn new(context: &'a C) -> Self {
        Self {
            context,
            selection: *context.selection(),
        }
    }

    /// The steps before MED, and those behind it.
    fn around_med(&self) -> (&'static [DecisionStep], &'static [DecisionStep]) {
        let steps = self.selection.profile.steps();
        let med = self.selection.profile.number(DecisionStep::Med);
        let (before, from) = steps.split_at_checked(med).unwrap_or((steps, &[]));
        (before, from.split_first().map_or(&[], |(_, after)| after))
    }

    /// The steps that say whether paths are equally good, and those that only make the choice unique.
    fn around_ties(&self) -> (&'static [DecisionStep], &'static [DecisionStep]) {
        let steps = self.selection.profile.steps();
        let first = steps.iter().position(|step| step.breaks_ties());
        steps
            .split_at_checked(first.unwrap_or(steps.len()))
            .unwrap_or((steps, &[]))
    }

    /// Which of two is better by these steps: `Less` is better. And which step says so.
    fn by(
        &self,
        steps: &[DecisionStep],
        one: Contender<'_>,
        other: Contender<'_>,
    ) -> (Ordering, Option<DecisionStep>) {
        for step in steps {
            let order = self.step(*step, one, other);
            if order.is_ne() {
                return (order, Some(*step));
            }
        }
        (Ordering::Equal, None)
    }

    fn all(&self, one: Contender<'_>, other: Contender<'_>) -> Ordering {
        self.by(self.selection.profile.steps(), one, other).0
    }

    fn step(&self, step: DecisionStep, one: Contender<'_>, other: Contender<'_>) -> Ordering {
        let (a, b, context) = (one.path, other.path, self.context);
        let (left, right) = (a.attributes.hot(), b.attributes.hot());
        match step {
            DecisionStep::Usable => context.is_usable(b).cmp(&context.is_usable(a)),
            DecisionStep::LongLivedStale => {
                left.is_long_lived_stale().cmp(&right.is_long_lived_stale())
            }
            DecisionStep::Source => context.preference(b).cmp(&context.preference(a)),
            DecisionStep::Weight => b.weight.cmp(&a.weight),
            DecisionStep::LocalPref => right.local_pref.cmp(&left.local_pref),
            DecisionStep::Local => {
                let is_learned = |path: &Path| path.source().peer().is_some();
                is_learned(a).cmp(&is_learned(b))
            }
            DecisionStep::AsPathLength if self.selection.ignore_as_path_length => Ordering::Equal,
            DecisionStep::AsPathLength => left.hops.cmp(&right.hops),
            DecisionStep::Origin => left.origin.cmp(&right.origin),
            DecisionStep::Med if self.compares_med(a, b) => self.med(a).cmp(&self.med(b)),
            DecisionStep::Med => Ordering::Equal,
            DecisionStep::External => context.is_external(b).cmp(&context.is_external(a)),
            DecisionStep::InteriorCost if self.selection.ignore_next_hop_igp_metric => {
                Ordering::Equal
            }
            DecisionStep::InteriorCost => context.cost(a).cmp(&context.cost(b)),
            DecisionStep::Oldest => self.age(one, other),
            DecisionStep::Identifier => self.identifier(a).cmp(&self.identifier(b)),
            DecisionStep::NeighborIdentifier if self.prefers_older(a, b) => Ordering::Equal,
            DecisionStep::NeighborIdentifier => context.identifier(a).cmp(&context.identifier(b)),
            DecisionStep::ClusterList => left.clusters.cmp(&right.clusters),
            DecisionStep::PeerAddress => context.address(a).cmp(&context.address(b)),
            DecisionStep::PathId => a.path_id.cmp(&b.path_id),
        }
    }

    fn compares_med(&self, a: &Path, b: &Path) -> bool {
        self.selection.always_compare_med
            || a.attributes.hot().neighbor == b.attributes.hot().neighbor
    }

    fn med(&self, path: &Path) -> u32 {
        let missing = if self.selection.med_missing_as_worst {
            u32::MAX
        } else {
            0
        };
        path.attributes.hot().med().unwrap_or(missing)
    }

    fn identifier(&self, path: &Path) -> u32 {
        let originator = path.attributes.hot().originator_id;
        originator.map_or_else(
            || self.context.identifier(path),
            bgp_proto::RouterId::as_u32,
        )
    }

    /// The order of arrival is asked before identifiers are (RFC 5004).
    fn prefers_older(&self, a: &Path, b: &Path) -> bool {
        !self.selection.external_compare_router_id
            && self.context.is_external(a)
            && self.context.is_external(b)
    }

    fn age(&self, one: Contender<'_>, other: Contender<'_>) -> Ordering {
        if !self.prefers_older(one.path, other.path) {
            return Ordering::Equal;
        }
        let incumbent = other.is_incumbent.cmp(&one.is_incumbent);
        match self.selection.profile {
            Profile::GoBgp => one.path.since.cmp(&other.path.since),
            Profile::Frr => incumbent,
            // RFC 5004 §3: not between two paths of one router.
            Profile::Rfc | Profile::Bird => {
                let same = self.identifier(one.path) == self.identifier(other.path);
                if same { Ordering::Equal } else { incumbent }
            }
        }
    }

    /// Another path of the same neighbour AS, as good before MED, has a lower MED: out, whatever comes behind.
    fn is_beaten_by_med(&self, path: &Path, all: &[Path]) -> bool {
        let (before, _) = self.around_med();
        all.iter().any(|other| {
            self.compares_med(path, other)
                && self.med(other) < self.med(path)
                && self.by(before, plain(other), plain(path)).0.is_eq()
        })
    }

    /// As good as the best path.
    fn is_level(&self, best: &Path, path: &Path, all: &[Path]) -> bool {
        let (steps, _) = self.around_ties();
        if self.by(steps, plain(best), plain(path)).0.is_ne() || !self.may_share(best, path) {
            return false;
        }
        match self.selection.profile.ties() {
            Ties::LevelWithBest => true,
            Ties::Survivors => {
                !self.selection.deterministic_med || !self.is_beaten_by_med(path, all)
            }
            Ties::SameMed => self.med(best) == self.med(path),
        }
    }

    /// Traffic may be shared between two paths, as far as their ASes are concerned.
    fn may_share(&self, best: &Path, path: &Path) -> bool {
        if self.selection.multipath_relax {
            true
        } else if self.context.is_external(best) {
            best.attributes.hot().neighbor == path.attributes.hot().neighbor
        } else {
            best.attributes.packed().value(AS_PATH) == path.attributes.packed().value(AS_PATH)
        }
    }
}

/// Their places, from the one that would win to the last; the best is where it is wanted, whatever pairs say.
pub(crate) fn ranking(paths: &[Path], best: Option<usize>, context: &impl Context) -> Places {
    let comparison = Comparison::new(context);
    let loses = |one: usize, other: usize| match (paths.get(one), paths.get(other)) {
        _ if best == Some(one) => false,
        _ if best == Some(other) => true,
        (Some(one), Some(other)) => comparison.all(plain(one), plain(other)).is_gt(),
        _ => false,
    };
    // By insertion: where MEDs compare only some of the pairs, this is no order that a sort may be given.
    let mut places = Places::new();
    for place in 0..paths.len() {
        let before = places.iter().rposition(|known| !loses(*known, place));
        places.insert(before.map_or(0, |known| known + 1), place);
    }
    places
}

fn plain(path: &Path) -> Contender<'_> {
    Contender {
        path,
        is_incumbent: false,
    }
}

/// The best path and those that are as good, in the order in which they would win.
pub(crate) fn level(paths: &[Path], best: usize, context: &impl Context) -> Places {
    let mut level = Places::new();
    level.push(best);
    let Some(winner) = paths.get(best).filter(|_| paths.len() > 1) else {
        return level;
    };
    let comparison = Comparison::new(context);
    let (_, ties) = comparison.around_ties();
    let mut others: SmallVec<[(usize, &Path); 4]> = paths
        .iter()
        .enumerate()
        .filter(|(place, path)| *place != best && comparison.is_level(winner, path, paths))
        .collect();
    others.sort_by(|(_, one), (_, other)| comparison.by(ties, plain(one), plain(other)).0);
    level.extend(others.into_iter().map(|(place, _)| place));
    level
}

/// The step at which each path lost; `None` for the best.
pub(crate) fn reasons(
    paths: &[Path],
    best: Option<usize>,
    context: &impl Context,
) -> SmallVec<[Option<DecisionStep>; 4]> {
    let comparison = Comparison::new(context);
    let winner = best.and_then(|best| paths.get(best));
    let reason = |(place, path): (usize, &Path)| {
        if !context.is_usable(path) {
            return Some(DecisionStep::Usable);
        }
        let winner = winner.filter(|_| best != Some(place))?;
        let (before, _) = comparison.around_med();
        if let (_, Some(step)) = comparison.by(before, plain(winner), plain(path)) {
            return Some(step);
        }
        let selection = &comparison.selection;
        if selection.election() == Election::Elimination && comparison.is_beaten_by_med(path, paths)
        {
            return Some(DecisionStep::Med);
        }
        let incumbent = Contender {
            path: winner,
            is_incumbent: true,
        };
        let (_, step) = comparison.by(selection.profile.steps(), incumbent, plain(path));
        Some(step.unwrap_or(DecisionStep::PathId))
    };
    paths.iter().enumerate().map(reason).collect()
}
