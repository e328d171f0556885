// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Half of the clients drop, and when the others know, they come back together.

use std::time::Instant;

use anyhow::Result;

use super::reflect;
use crate::{Expected, Figure, Stage};

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    reflect::clients(stage);
    reflect::begin(stage)?;
    stage.settle()?;
    let count = stage.size.receivers as usize;
    let half = count / 2;
    let lost = (0..half).map(|who| Expected::of(reflect::blocks(stage, who).prefixes()));
    let lost: Vec<Expected> = lost.collect();
    let change = |stage: &mut Stage, change: fn(Expected, Expected) -> Expected| {
        for who in half..count {
            stage.load.expect(who, |ledger| {
                ledger.expected = lost.iter().copied().fold(ledger.expected, change);
            });
        }
    };
    let begun = stage.mark()?;
    change(stage, Expected::without);
    (0..half).for_each(|who| stage.load.cut(who));
    stage.complete(count - half)?;
    stage.note(Figure::Dead, begun.elapsed().as_secs_f64() * 1e3);
    change(stage, Expected::with);
    let begun = Instant::now();
    (0..half).for_each(|who| stage.load.connect(who));
    stage.established(count)?;
    stage.note_time(Figure::Established, begun);
    reflect::announce(stage, 0..half);
    stage.complete(count)?;
    stage.note_time(Figure::Time, begun);
    stage.measure().map(drop)
}
