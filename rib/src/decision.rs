// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The decision process: one elimination after the other (RFC 4271 §9.1.2.2, RFC 4456 §9), and which step decided.

use core::{fmt, net::IpAddr};

use bgp_proto::Asn;
use smallvec::SmallVec;

use crate::path::Path;

/// A step, in the order of the default profile.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DecisionStep {
    /// Whether it can be used at all (RFC 4271 §9.1.2.1).
    Usable,
    /// Preference of the source.
    Source,
    /// Highest `LOCAL_PREF` (RFC 4271 §9.1.1).
    LocalPref,
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
    /// Lowest identifier, or `ORIGINATOR_ID` (f; RFC 4456 §9).
    Identifier,
    /// Shortest `CLUSTER_LIST` (RFC 4456 §9).
    ClusterList,
    /// Lowest address of the neighbour (g).
    PeerAddress,
    /// Lowest path identifier: several paths of one neighbour.
    PathId,
}

/// The default profile.
pub(crate) static RFC: &[DecisionStep] = &[
    DecisionStep::Usable,
    DecisionStep::Source,
    DecisionStep::LocalPref,
    DecisionStep::AsPathLength,
    DecisionStep::Origin,
    DecisionStep::Med,
    DecisionStep::External,
    DecisionStep::InteriorCost,
    DecisionStep::Identifier,
    DecisionStep::ClusterList,
    DecisionStep::PeerAddress,
    DecisionStep::PathId,
];

impl fmt::Display for DecisionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Usable => "not usable",
            Self::Source => "preference of the source",
            Self::LocalPref => "highest LOCAL_PREF",
            Self::AsPathLength => "shortest AS_PATH",
            Self::Origin => "lowest ORIGIN",
            Self::Med => "lowest MED",
            Self::External => "external over internal",
            Self::InteriorCost => "lowest interior cost",
            Self::Identifier => "lowest router identifier",
            Self::ClusterList => "shortest CLUSTER_LIST",
            Self::PeerAddress => "lowest peer address",
            Self::PathId => "lowest path identifier",
        };
        let number = RFC.iter().position(|step| step == self).unwrap_or_default();
        write!(f, "{number}: {name}")
    }
}

/// What the decision needs to know that is not in the path.
pub(crate) trait Context {
    /// Refused, or its next hop can not be reached.
    fn is_usable(&self, path: &Path) -> bool;
    fn preference(&self, path: &Path) -> u16;
    /// From another AS.
    fn is_external(&self, path: &Path) -> bool;
    fn cost(&self, path: &Path) -> u32;
    /// Identifier of the neighbour; 0 for what is not from one.
    fn identifier(&self, path: &Path) -> u32;
    fn address(&self, path: &Path) -> Option<IpAddr>;
    fn always_compare_med(&self) -> bool;
}

/// Places of the paths that are left, and the step at which each of the others was lost.
pub(crate) struct Outcome {
    pub(crate) best: Option<usize>,
    /// Those that were still level with the best when only ties were left to break, the best first.
    pub(crate) level: SmallVec<[usize; 4]>,
    pub(crate) lost: SmallVec<[(usize, DecisionStep); 4]>,
}

/// Runs the process over the paths of one prefix.
pub(crate) fn decide(paths: &[Path], context: &impl Context) -> Outcome {
    let mut left: SmallVec<[usize; 4]> = (0..paths.len()).collect();
    let mut outcome = Outcome {
        best: None,
        level: SmallVec::new(),
        lost: SmallVec::new(),
    };
    for step in RFC {
        if *step == DecisionStep::Identifier {
            outcome.level = left.clone();
        }
        if left.len() > 1 || *step == DecisionStep::Usable {
            eliminate(*step, paths, context, &mut left, &mut outcome.lost);
        }
    }
    outcome.best = left.first().copied();
    if let Some(best) = outcome.best {
        // The best leads; the others in the order in which they would win.
        let tie = |place: &usize| paths.get(*place).map(|path| tie(path, context));
        outcome.level.sort_by_key(tie);
        outcome.level.retain(|place| *place != best);
        outcome.level.insert(0, best);
    } else {
        outcome.level.clear();
    }
    outcome
}

/// What the steps from [`DecisionStep::Identifier`] on look at.
fn tie(path: &Path, context: &impl Context) -> (u32, usize, Option<IpAddr>, u32) {
    (
        identifier(path, context),
        path.attributes.cluster_list.len(),
        context.address(path),
        path.path_id,
    )
}

fn identifier(path: &Path, context: &impl Context) -> u32 {
    let originator = path
        .attributes
        .originator_id
        .map(bgp_proto::RouterId::as_u32);
    originator.unwrap_or_else(|| context.identifier(path))
}

type Left = SmallVec<[usize; 4]>;
type Lost = SmallVec<[(usize, DecisionStep); 4]>;

fn eliminate(
    step: DecisionStep,
    paths: &[Path],
    context: &impl Context,
    left: &mut Left,
    lost: &mut Lost,
) {
    let mut keep = |key: &dyn Fn(&Path) -> u64| {
        let value = |place: &usize| paths.get(*place).map_or(u64::MAX, key);
        if let Some(lowest) = left.iter().map(value).min() {
            lost.extend(
                left.iter()
                    .filter(|place| value(place) != lowest)
                    .map(|place| (*place, step)),
            );
            left.retain(|place| value(place) == lowest);
        }
    };
    match step {
        DecisionStep::Usable => {
            let usable = |place: &usize| {
                paths
                    .get(*place)
                    .is_some_and(|path| context.is_usable(path))
            };
            lost.extend(
                left.iter()
                    .filter(|place| !usable(place))
                    .map(|place| (*place, step)),
            );
            left.retain(|place| usable(place));
        }
        DecisionStep::Source => keep(&|path| u64::from(u16::MAX - context.preference(path))),
        DecisionStep::LocalPref => keep(&|path| u64::from(u32::MAX - path.attributes.0.local_pref)),
        DecisionStep::AsPathLength => keep(&|path| path.attributes.0.hops.into()),
        DecisionStep::Origin => keep(&|path| path.attributes.origin as u64),
        DecisionStep::Med => med(paths, context, left, lost),
        DecisionStep::External => keep(&|path| u64::from(!context.is_external(path))),
        DecisionStep::InteriorCost => keep(&|path| context.cost(path).into()),
        DecisionStep::Identifier => keep(&|path| identifier(path, context).into()),
        DecisionStep::ClusterList => keep(&|path| path.attributes.cluster_list.len() as u64),
        DecisionStep::PeerAddress => by_address(paths, context, left, lost),
        DecisionStep::PathId => keep(&|path| path.path_id.into()),
    }
}

/// A path is lost if another one of the same neighbour AS has a lower MED: whatever the order, the same are left.
fn med(paths: &[Path], context: &impl Context, left: &mut Left, lost: &mut Lost) {
    let key = |place: usize| {
        let set = paths.get(place).map(|path| &path.attributes.0);
        let neighbor = if context.always_compare_med() {
            Asn(0)
        } else {
            set.map_or(Asn(0), |set| set.neighbor)
        };
        (neighbor, set.map_or(0, |set| set.med))
    };
    let all: Left = left.clone();
    let beaten = |place: usize| {
        let (neighbor, med) = key(place);
        all.iter()
            .any(|other| key(*other).0 == neighbor && key(*other).1 < med)
    };
    lost.extend(
        left.iter()
            .filter(|place| beaten(**place))
            .map(|place| (*place, DecisionStep::Med)),
    );
    left.retain(|place| !beaten(*place));
}

fn by_address(paths: &[Path], context: &impl Context, left: &mut Left, lost: &mut Lost) {
    let address = |place: &usize| paths.get(*place).and_then(|path| context.address(path));
    if let Some(lowest) = left.iter().map(address).min() {
        lost.extend(
            left.iter()
                .filter(|place| address(place) != lowest)
                .map(|place| (*place, DecisionStep::PeerAddress)),
        );
        left.retain(|place| address(place) == lowest);
    }
}
