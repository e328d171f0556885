// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One block at a time goes and comes back; each time the last client counts.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::reflect;
use crate::{Expected, Figure, Stage};

/// Between two changes.
const PAUSE: Duration = Duration::from_millis(3);

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    reflect::clients(stage);
    reflect::begin(stage)?;
    stage.settle()?;
    stage.mark()?;
    let count = stage.size.receivers as usize;
    let mut times = Vec::new();
    for flap in 0..stage.size.rounds as usize {
        let who = flap % count;
        let mut table = reflect::blocks(stage, who);
        table.groups[0].prefixes.truncate(1);
        let block = Expected::of(table.prefixes());
        others(stage, who, |expected| expected.without(block));
        times.push(known(stage, who, table.withdrawal())?);
        others(stage, who, |expected| expected.with(block));
        let stream = table.stream(&stage.voice(who), 0, 1);
        times.push(known(stage, who, stream)?);
    }
    times.sort_by(f64::total_cmp);
    stage.note(Figure::Median, times[times.len() / 2]);
    stage.note(Figure::Slow, times[times.len() * 99 / 100]);
    stage.measure()?;
    let blocks = Expected::of(reflect::blocks(stage, 0).prefixes());
    others(stage, 0, |expected| expected.without(blocks));
    let begun = Instant::now();
    stage.load.cut(0);
    stage.complete(count - 1)?;
    stage.note(Figure::Dead, milliseconds(begun));
    Ok(())
}

/// Changes what everybody else is to have.
fn others(stage: &mut Stage, who: usize, change: impl Fn(Expected) -> Expected) {
    for other in (0..stage.setup.neighbors.len()).filter(|other| *other != who) {
        stage
            .load
            .expect(other, |ledger| ledger.expected = change(ledger.expected));
    }
}

/// Says something, and waits until everybody knows.
fn known(stage: &mut Stage, who: usize, stream: bytes::Bytes) -> Result<f64> {
    stage.load.rest(PAUSE)?;
    let begun = Instant::now();
    stage.load.send(who, stream);
    stage.complete(stage.setup.neighbors.len())?;
    Ok(milliseconds(begun))
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}
