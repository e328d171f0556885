// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes into the kernel and out of it again. The kernel itself is asked how many it has.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::spread;
use crate::{Case, Figure, Setup, Size, Stage};

/// Between questions to the kernel.
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) fn setup(case: &Case, size: Size) -> Setup {
    Setup {
        kernel: true,
        ..spread::setup(case, size)
    }
}

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    let (table, _) = spread::table(stage);
    let sender = stage.voice(0);
    let (stream, withdrawal) = (table.stream(&sender, 0, 1), table.withdrawal());
    stage.load.add(sender, None);
    let begun = stage.mark()?;
    stage.load.connect(0);
    stage.established(1)?;
    stage.note_time(Figure::Established, begun);
    stage.settle()?;
    let before = stage.kernel_prefixes()?;
    let all = before + u64::from(stage.size.routes);
    let begun = stage.mark()?;
    stage.load.send(0, stream);
    until(stage, |there| there >= all)?;
    stage.note_time(Figure::Time, begun);
    stage.measure()?;
    let begun = Instant::now();
    stage.load.send(0, withdrawal);
    until(stage, |there| there <= before)?;
    stage.note_time(Figure::Gone, begun);
    Ok(())
}

fn until(stage: &mut Stage, done: impl Fn(u64) -> bool) -> Result<()> {
    loop {
        let there = stage.kernel_prefixes()?;
        if done(there) {
            return Ok(());
        }
        stage.in_time(|| format!("{there} prefixes are in the kernel"))?;
        stage.load.rest(PAUSE)?;
    }
}
