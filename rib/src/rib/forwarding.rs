// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the forwarding table is told.

use bgp_proto::Prefix;
use smallvec::SmallVec;

use super::{Around, Before};
use crate::{
    FibChange, FibPath, FibRoute, Output, Policy,
    decision::Places,
    path::{Entry, Path},
};

/// Says what the forwarding table is to do about an entry.
pub(super) fn forward(
    prefix: Prefix,
    entry: &Entry,
    before: Option<&Before>,
    around: Around<'_>,
    out: &mut Output,
) {
    let best = fib_route(prefix, entry, around);
    if best.as_ref() != before.and_then(|before| before.fib.as_ref()) {
        let list = if best.is_some() {
            &mut out.install
        } else {
            &mut out.remove
        };
        list.push(FibChange { prefix, best });
    }
}

/// What the forwarding table should have of an entry.
pub(super) fn fib_route(prefix: Prefix, entry: &Entry, around: Around<'_>) -> Option<FibRoute> {
    let best = entry.best()?;
    let level = if around.max_paths(best) > 1 && entry.paths.len() > 1 {
        entry.level(&around)
    } else {
        Places::new()
    };
    let others = level.iter().skip(1);
    let others: SmallVec<[&Path; 4]> = others.filter_map(|place| entry.paths.get(*place)).collect();
    fib_route_by(prefix, best, &others, around)
}

/// The same by its best path and those that are as good.
pub(super) fn fib_route_by(
    prefix: Prefix,
    best: &Path,
    others: &[&Path],
    around: Around<'_>,
) -> Option<FibRoute> {
    if !best.source().is_installed() {
        return None;
    }
    let mut paths: SmallVec<[FibPath; 1]> = SmallVec::new();
    paths.push(fib_path(prefix, best, around)?);
    let most = around.max_paths(best);
    for path in others
        .iter()
        .filter_map(|path| fib_path(prefix, path, around))
    {
        // The same way twice is one way.
        let is_new = paths
            .iter()
            .all(|other| other.disposition != path.disposition);
        if is_new && paths.len() < most {
            paths.push(path);
        }
    }
    Some(FibRoute {
        source: best.source(),
        paths,
    })
}

/// A path as kernel export leaves it. `None`: it does not pass.
fn fib_path(prefix: Prefix, path: &Path, around: Around<'_>) -> Option<FibPath> {
    let mut kernel = path.imported().and_then(|imported| imported.kernel.clone());
    if around.config.kernel_export != Policy::accept_all() {
        kernel = around.kernel_export(prefix, path, &mut ()).ok()?;
    }
    Some(FibPath {
        disposition: path.disposition(),
        source: path.source(),
        attributes: path.attributes.clone(),
        kernel,
    })
}
