// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many routes are listed while others change: the changes are not to wait, and the daemon is not to hold the list.

use anyhow::{Result, ensure};
use bgp_proto::Community;

use super::{churn, reflect};
use crate::{Case, Figure, Setup, Size, Stage, Table};

/// Of the table.
const SEED: u64 = 1;

/// The clients, and behind them who sends what is listed.
pub(crate) fn setup(case: &Case, size: Size) -> Setup {
    let receivers = size.receivers + 1;
    reflect::setup(case, Size { receivers, ..size })
}

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    reflect::clients(stage);
    reflect::begin(stage)?;
    let count = stage.size.receivers as usize;
    let sender = stage.voice(count);
    let stream = listed(stage).stream(&sender, 0, 1);
    stage.load.add(sender, None);
    stage.load.connect(count);
    stage.established(count + 1)?;
    stage.load.send(count, stream);
    stage.sent(count)?;
    stage.settle()?;
    let mut times = Vec::new();
    for number in 0..stage.size.rounds as usize {
        churn::flap(stage, number, &mut times)?;
    }
    churn::note(stage, times, Figure::Median, Figure::Slow);
    let before = stage.forget_peak()?;
    let begun = stage.mark()?;
    let listing = stage.list()?;
    let mut times = Vec::new();
    for number in 0.. {
        churn::flap(stage, number, &mut times)?;
        if listing.is_over() {
            break;
        }
        stage.in_time(|| "it still lists routes".into())?;
    }
    let (ended, lines) = listing.end()?;
    stage.note(Figure::Listing, (ended - begun).as_secs_f64());
    churn::note(stage, times, Figure::MedianListing, Figure::SlowListing);
    let after = stage.measure()?;
    let grown = after.peak.saturating_sub(before) as f64 / f64::from(1 << 20);
    stage.note(Figure::Grown, grown);
    let routes = u64::from(stage.size.listed + stage.size.routes);
    ensure!(lines >= routes, "it has listed {lines} of {routes} routes");
    Ok(())
}

/// Routes that are told to nobody (RFC 1997).
fn listed(stage: &Stage) -> Table {
    let mut table = Table::public(stage.setup.family, stage.size.listed, SEED);
    for group in &mut table.groups {
        group.communities.push(Community::NO_ADVERTISE.0);
    }
    table
}
