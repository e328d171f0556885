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
    for number in 0..stage.size.rounds as usize {
        flap(stage, number, &mut times)?;
    }
    note(stage, times, Figure::Median, Figure::Slow);
    stage.measure()?;
    let blocks = Expected::of(reflect::blocks(stage, 0).prefixes());
    others(stage, 0, |expected| expected.without(blocks));
    let begun = Instant::now();
    stage.load.cut(0);
    stage.complete(count - 1)?;
    stage.note(Figure::Dead, milliseconds(begun));
    Ok(())
}

/// A block of one of the clients goes and comes back.
pub(crate) fn flap(stage: &mut Stage, number: usize, times: &mut Vec<f64>) -> Result<()> {
    let who = number % stage.size.receivers as usize;
    let mut table = reflect::blocks(stage, who);
    table.groups[0].prefixes.truncate(1);
    let block = Expected::of(table.prefixes());
    others(stage, who, |expected| expected.without(block));
    times.push(known(stage, who, table.withdrawal())?);
    others(stage, who, |expected| expected.with(block));
    let stream = table.stream(&stage.voice(who), 0, 1);
    times.push(known(stage, who, stream)?);
    Ok(())
}

/// Notes by when half of the changes, and all but one in a hundred, were known everywhere.
pub(crate) fn note(stage: &mut Stage, mut times: Vec<f64>, median: Figure, slow: Figure) {
    times.sort_by(f64::total_cmp);
    stage.note(median, times[times.len() / 2]);
    stage.note(slow, times[times.len() * 99 / 100]);
}

/// Changes what everybody else is to have.
fn others(stage: &mut Stage, who: usize, change: impl Fn(Expected) -> Expected) {
    for other in (0..stage.size.receivers as usize).filter(|other| *other != who) {
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
    stage.complete(stage.size.receivers as usize)?;
    Ok(milliseconds(begun))
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}
