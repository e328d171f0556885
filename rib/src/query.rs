// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Questions about routes, and their answers.

use alloc::vec::Vec;

use bgp_proto::{Family, Instant, Prefix};

use crate::{
    Attributes, DecisionStep, Disposition, PeerId, PolicyTrace, Profile, Silence, Source, Unusable,
};

/// Which table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Table {
    /// All paths, the best marked.
    LocRib,
    /// What a neighbour has sent.
    AdjIn(PeerId),
    /// What a neighbour has been sent.
    AdjOut(PeerId),
}

/// Which prefixes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PrefixFilter {
    /// This one.
    Exact(Prefix),
    /// This one and those inside.
    Longer(Prefix),
    /// This one and those around it.
    Shorter(Prefix),
}

impl PrefixFilter {
    pub(crate) fn matches(self, prefix: Prefix) -> bool {
        match self {
            Self::Exact(wanted) => prefix == wanted,
            Self::Longer(wanted) => wanted.covers(prefix),
            Self::Shorter(wanted) => prefix.covers(wanted),
        }
    }
}

/// A question about routes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteQuery {
    /// Which table.
    pub table: Table,
    /// Which family; `None` is both.
    pub family: Option<Family>,
    /// Which prefixes; `None` is all.
    pub prefix: Option<PrefixFilter>,
    /// Only best paths.
    pub best_only: bool,
    /// Only prefixes behind this one: the next page.
    pub after: Option<Prefix>,
    /// Prefixes looked at stop with the one that fills this many routes.
    pub limit: usize,
}

/// One path of one prefix.
#[derive(Clone, Debug)]
pub struct RouteView {
    /// Destination.
    pub prefix: Prefix,
    /// Path identifier.
    pub path_id: u32,
    /// Where it comes from.
    pub source: Source,
    /// Its attributes; of an Adj-RIB-Out as they were sent.
    pub attributes: Attributes,
    /// Where packets go.
    pub disposition: Disposition,
    /// Chosen.
    pub best: bool,
    /// In use: the best, or as good.
    pub multipath: bool,
    /// Why it can't be chosen.
    pub unusable: Option<Unusable>,
    /// Kept over a restart of its neighbour.
    pub stale: bool,
    /// Since it is in this form.
    pub since: Instant,
}

/// Routes, sorted by prefix.
#[derive(Clone, Debug, Default)]
pub struct RoutePage {
    /// Them.
    pub routes: Vec<RouteView>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<Prefix>,
}

/// One prefix with the reasons.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Which.
    pub prefix: Prefix,
    /// Whose order of steps it was.
    pub profile: Profile,
    /// The best path first; the others with the step at which they lost.
    pub routes: Vec<(RouteView, Option<DecisionStep>)>,
    /// Neighbours that have been told of it.
    pub advertised_to: Vec<PeerId>,
    /// Neighbours with a session that have not, and why.
    pub not_told: Vec<(PeerId, Silence)>,
    /// What policies with statements did: on import for each path, then for the best one.
    pub policies: Vec<PolicyTrace>,
}

/// How large a table is, or a part of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TableSize {
    /// Prefixes.
    pub prefixes: u64,
    /// Paths.
    pub paths: u64,
    /// Paths that import has not refused.
    pub accepted: u64,
}

impl core::ops::AddAssign for TableSize {
    fn add_assign(&mut self, other: Self) {
        self.prefixes += other.prefixes;
        self.paths += other.paths;
        self.accepted += other.accepted;
    }
}

/// Size of the table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Prefixes.
    pub prefixes: u64,
    /// Paths.
    pub paths: u64,
}
