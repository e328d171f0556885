// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many sessions, and nothing to say.

use std::time::Duration;

use anyhow::Result;

use super::reflect;
use crate::{Figure, Stage};

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    reflect::clients(stage);
    let count = stage.size.receivers;
    let begun = stage.mark()?;
    (0..count as usize).for_each(|who| stage.load.connect(who));
    stage.all_established(count as usize, begun)?;
    stage.settle()?;
    stage.mark()?;
    let seconds = stage.size.rounds;
    stage.load.rest(Duration::from_secs(seconds.into()))?;
    let usage = stage.measure()?;
    let each = usage.resident.saturating_sub(stage.bare) as f64 / 1e3;
    stage.note(Figure::Each, each / f64::from(count));
    Ok(())
}
