// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What programs read: stable names, described in `docs/bgpctl.md`. Fields are only ever added.

mod bfd;
mod diff;
mod peers;
mod plan;
mod policy;
mod routes;
mod top;

use std::{fmt::Write as _, io::Write, time::Duration};

use serde::Serialize;

pub(super) use self::{
    bfd::{BfdView, method as bfd_method},
    diff::DifferenceView,
    peers::{NeighborView, StatusView, state},
    plan::PlanView,
    routes::{ExplanationView, FibView, RouteView, source},
    top::TopView,
};
use super::Failure;
use crate::{config::PeerName, control::WatchEvent};

/// Prints one document.
pub(super) fn document(
    out: &mut (dyn Write + Send),
    value: &impl Serialize,
) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    Ok(writeln!(out)?)
}

/// Prints one object on a line of its own, at once.
pub(super) fn line(out: &mut (dyn Write + Send), value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// An array of any length, printed as its elements come: one on each line.
#[derive(Debug, Default)]
pub(super) struct Array {
    any: bool,
}

impl Array {
    pub(super) fn push(
        &mut self,
        out: &mut (dyn Write + Send),
        value: &impl Serialize,
    ) -> Result<(), Failure> {
        let before = if std::mem::replace(&mut self.any, true) {
            ",\n"
        } else {
            "[\n"
        };
        write!(out, "{before}")?;
        Ok(serde_json::to_writer(&mut *out, value)?)
    }

    pub(super) fn finish(self, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
        Ok(writeln!(out, "{}", if self.any { "\n]" } else { "[]" })?)
    }
}

#[derive(Serialize)]
pub(super) struct Reload<'a> {
    pub changes: &'a [String],
}

#[derive(Serialize)]
pub(super) struct Deleted {
    pub deleted: u64,
}

#[derive(Serialize)]
pub(super) struct Done {}

#[derive(Serialize)]
pub(super) struct EventView<'a> {
    /// Seconds since 1970 at the client.
    time: f64,
    #[serde(flatten)]
    event: WatchView<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum WatchView<'a> {
    Neighbor {
        address: PeerName,
        from: &'static str,
        to: &'static str,
        reason: Option<&'a str>,
    },
    Best {
        prefix: String,
        route: Option<Box<RouteView<'a>>>,
    },
    Fib {
        prefix: String,
        route: Option<FibView<'a>>,
    },
    Lagged {
        lost: u64,
    },
}

impl<'a> EventView<'a> {
    pub(super) fn new(since_epoch: Duration, event: &'a WatchEvent) -> Self {
        let event = match event {
            WatchEvent::Peer {
                address,
                from,
                to,
                reason,
            } => WatchView::Neighbor {
                address: *address,
                from: state(*from),
                to: state(*to),
                reason: reason.as_deref(),
            },
            WatchEvent::Best { prefix, route } => WatchView::Best {
                prefix: prefix.to_string(),
                route: route.as_deref().map(|route| Box::new(route.into())),
            },
            WatchEvent::Fib { prefix, route } => WatchView::Fib {
                prefix: prefix.to_string(),
                route: route.as_ref().map(FibView::from),
            },
            WatchEvent::Lagged(lost) => WatchView::Lagged { lost: *lost },
        };
        Self {
            time: since_epoch.as_secs_f64(),
            event,
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string can't fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
