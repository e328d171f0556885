// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All routes over GoBGP's API, to a client that does nothing with them.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::spread;
use crate::{Figure, Stage};

/// Between two looks at the client.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn version_3(stage: &mut Stage) -> Result<()> {
    run(stage, "3")
}

pub(crate) fn version_4(stage: &mut Stage) -> Result<()> {
    run(stage, "4")
}

fn run(stage: &mut Stage, version: &str) -> Result<()> {
    spread::run(stage)?;
    let before = stage.forget_peak()?;
    let begun = stage.mark()?;
    let listing = stage.list_by_api(version)?;
    while !listing.is_over() {
        stage.load.rest(PAUSE)?;
        stage.in_time(|| "it still lists routes".into())?;
    }
    let (ended, said) = listing.end_with_words()?;
    stage.note(Figure::Listing, (ended - begun).as_secs_f64());
    let after = stage.measure()?;
    let grown = after.peak.saturating_sub(before) as f64 / f64::from(1 << 20);
    stage.note(Figure::Grown, grown);
    let numbers: Vec<u32> = said
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let [routes, cpu, peak] = numbers[..] else {
        bail!("the client has said {said}");
    };
    stage.note(Figure::ClientCpu, f64::from(cpu) / 1e3);
    stage.note(Figure::ClientPeak, f64::from(peak) / f64::from(1 << 20));
    let all = stage.size.routes;
    ensure!(routes == all, "it has listed {routes} of {all} routes");
    Ok(())
}
