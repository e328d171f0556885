// SPDX-License-Identifier: Apache-2.0 OR MIT
//! In which order paths are compared, as data: RFC 4271's, and those of BIRD, `GoBGP` and FRR.

use core::fmt;

use DecisionStep as Step;

/// A step of the decision process.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DecisionStep {
    /// Whether it can be used at all (RFC 4271 §9.1.2.1).
    Usable,
    /// Not kept long after the neighbour that it came from has gone (RFC 9494 §4.3).
    LongLivedStale,
    /// Preference of the source.
    Source,
    /// Highest weight, which is the operator's and never leaves the router (FRR).
    Weight,
    /// Highest `LOCAL_PREF` (RFC 4271 §9.1.1).
    LocalPref,
    /// Our own routes over learned ones (FRR, `GoBGP`).
    Local,
    /// Shortest `AS_PATH` (a).
    AsPathLength,
    /// Lowest ORIGIN (b).
    Origin,
    /// Lowest `MULTI_EXIT_DISC` of those from one neighbour AS (c).
    Med,
    /// External over internal (d).
    External,
    /// Lowest interior cost (e).
    InteriorCost,
    /// Of external paths the one that is in use, or the oldest (RFC 5004).
    Oldest,
    /// Lowest identifier, or `ORIGINATOR_ID` (f; RFC 4456 §9).
    Identifier,
    /// Lowest identifier of the neighbour itself (`GoBGP`).
    NeighborIdentifier,
    /// Shortest `CLUSTER_LIST` (RFC 4456 §9).
    ClusterList,
    /// Lowest address of the neighbour (g).
    PeerAddress,
    /// Lowest path identifier: several paths of one neighbour.
    PathId,
}

impl DecisionStep {
    /// It only makes the choice unique: paths that come so far together are equally good.
    pub(super) fn breaks_ties(self) -> bool {
        matches!(
            self,
            Step::Oldest
                | Step::Identifier
                | Step::NeighborIdentifier
                | Step::ClusterList
                | Step::PeerAddress
                | Step::PathId
        )
    }
}

impl fmt::Display for DecisionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Usable => "not usable",
            Step::LongLivedStale => "not long-lived stale",
            Step::Source => "preference of the source",
            Step::Weight => "highest weight",
            Step::LocalPref => "highest LOCAL_PREF",
            Step::Local => "our own route",
            Step::AsPathLength => "shortest AS_PATH",
            Step::Origin => "lowest ORIGIN",
            Step::Med => "lowest MED",
            Step::External => "external over internal",
            Step::InteriorCost => "lowest interior cost",
            Step::Oldest => "oldest external path",
            Step::Identifier => "lowest router identifier",
            Step::NeighborIdentifier => "lowest router identifier of the neighbour",
            Step::ClusterList => "shortest CLUSTER_LIST",
            Step::PeerAddress => "lowest peer address",
            Step::PathId => "lowest path identifier",
        })
    }
}

/// Whose order.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Profile {
    /// RFC 4271 §9.1.2.2 with RFC 4456 §9: the order of arrival never matters.
    #[default]
    Rfc,
    /// BIRD 2.
    Bird,
    /// `GoBGP` 3.
    GoBgp,
    /// FRR 8.
    Frr,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Profile {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rfc => "rfc",
            Self::Bird => "bird",
            Self::GoBgp => "gobgp",
            Self::Frr => "frr",
        }
    }

    /// Its steps, first to last.
    pub fn steps(self) -> &'static [DecisionStep] {
        match self {
            Self::Rfc => RFC,
            Self::Bird => BIRD,
            Self::GoBgp => GOBGP,
            Self::Frr => FRR,
        }
    }

    /// Where a step stands in it.
    pub fn number(self, step: DecisionStep) -> usize {
        let all = self.steps();
        all.iter().position(|one| *one == step).unwrap_or(all.len())
    }

    /// How a choice is made where MEDs compare some pairs of paths and others not, and nobody asks for
    /// [`Selection::deterministic_med`].
    pub(super) fn election(self) -> Election {
        match self {
            Self::Rfc | Self::Bird => Election::Challenge,
            Self::GoBgp => Election::Insertion,
            Self::Frr => Election::Walk,
        }
    }

    pub(super) fn ties(self) -> Ties {
        match self {
            Self::Rfc | Self::Bird => Ties::Survivors,
            Self::GoBgp => Ties::SameMed,
            Self::Frr => Ties::LevelWithBest,
        }
    }
}

/// In which pairs paths meet. All but the first depend on the order of arrival.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Election {
    /// All at once: whoever is beaten at a step is out.
    Elimination,
    /// A new path against the best one. When that goes, along the list, which has the best first and the new last.
    Challenge,
    /// Along the list from the newest to the oldest, the winner of each pair against the next.
    Walk,
    /// Each moves up a sorted list past those that it beats.
    Insertion,
}

/// Which paths are as good as the best one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ties {
    /// Those that were not beaten by any path before ties are broken.
    Survivors,
    /// Those that the best one does not beat before ties are broken.
    LevelWithBest,
    /// Those with the same MED too, whatever the neighbour AS, and whatever the interior cost.
    SameMed,
}

/// A profile and what was changed of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a knob of its own")]
pub struct Selection {
    /// Whose order.
    pub profile: Profile,
    /// Compare `MULTI_EXIT_DISC` between different neighbour ASes too.
    pub always_compare_med: bool,
    /// MEDs eliminate before anything else is compared, so that the order of arrival does not matter.
    pub deterministic_med: bool,
    /// A path without MED has the worst one, instead of 0.
    pub med_missing_as_worst: bool,
    /// Leave out the length of the AS path.
    pub ignore_as_path_length: bool,
    /// Compare identifiers of external paths too, instead of preferring the older one (RFC 5004).
    pub external_compare_router_id: bool,
    /// Leave out the interior cost.
    pub ignore_next_hop_igp_metric: bool,
    /// Equally good paths need not come from one neighbour AS (external) or have the same AS path (internal).
    pub multipath_relax: bool,
    /// Most paths of a prefix in use at once (ECMP).
    pub max_paths: usize,
    /// The same of prefixes whose best path is internal.
    pub max_internal_paths: usize,
}

impl Default for Selection {
    fn default() -> Self {
        Self::of(Profile::Rfc)
    }
}

impl Selection {
    /// Whether paths stay where they are in their list when others come and go, and only the best one is used.
    pub(crate) fn is_about_best(&self) -> bool {
        self.election() == Election::Elimination
            && self.max_paths <= 1
            && self.max_internal_paths <= 1
    }

    /// A profile with the defaults of its daemon.
    pub const fn of(profile: Profile) -> Self {
        Self {
            profile,
            always_compare_med: false,
            deterministic_med: matches!(profile, Profile::Rfc),
            med_missing_as_worst: false,
            ignore_as_path_length: false,
            external_compare_router_id: matches!(profile, Profile::Rfc | Profile::Bird),
            ignore_next_hop_igp_metric: false,
            multipath_relax: !matches!(profile, Profile::Frr),
            max_paths: 1,
            max_internal_paths: 1,
        }
    }

    pub(super) fn election(self) -> Election {
        let compares_all = self.always_compare_med
            && (self.external_compare_router_id || self.profile != Profile::Bird);
        if self.deterministic_med || compares_all {
            Election::Elimination
        } else {
            self.profile.election()
        }
    }

    /// Who wins never depends on who came first.
    pub fn is_independent_of_arrival(self) -> bool {
        self.election() == Election::Elimination && self.external_compare_router_id
    }
}

static RFC: &[DecisionStep] = &[
    Step::Usable,
    Step::LongLivedStale,
    Step::Source,
    Step::Weight,
    Step::LocalPref,
    Step::AsPathLength,
    Step::Origin,
    Step::Med,
    Step::External,
    Step::InteriorCost,
    Step::Oldest,
    Step::Identifier,
    Step::ClusterList,
    Step::PeerAddress,
    Step::PathId,
];

static BIRD: &[DecisionStep] = RFC;

static GOBGP: &[DecisionStep] = &[
    Step::Usable,
    Step::LongLivedStale,
    Step::Source,
    Step::Weight,
    Step::LocalPref,
    Step::Local,
    Step::AsPathLength,
    Step::Origin,
    Step::Med,
    Step::External,
    Step::Oldest,
    Step::NeighborIdentifier,
    Step::PeerAddress,
    Step::PathId,
];

static FRR: &[DecisionStep] = &[
    Step::Usable,
    Step::LongLivedStale,
    Step::Source,
    Step::Weight,
    Step::LocalPref,
    Step::Local,
    Step::AsPathLength,
    Step::Origin,
    Step::Med,
    Step::External,
    Step::InteriorCost,
    Step::Oldest,
    Step::Identifier,
    Step::ClusterList,
    Step::PeerAddress,
    Step::PathId,
];
