// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a reload would change is asked, of a table in which everything would: no other daemon can be asked that.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::spread;
use crate::{Figure, Stage};

/// Between two looks at the client.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    spread::run(stage)?;
    let before = stage.forget_peak()?;
    let begun = stage.mark()?;
    let asking = stage.plan(POLICY)?;
    while !asking.is_over() {
        stage.load.rest(PAUSE)?;
        stage.in_time(|| "it still makes the plan".into())?;
    }
    let (ended, said) = asking.end_with_words()?;
    stage.note(Figure::Plan, (ended - begun).as_secs_f64());
    let after = stage.measure()?;
    let grown = after.peak.saturating_sub(before) as f64 / f64::from(1 << 20);
    stage.note(Figure::Grown, grown);
    let all = format!(": ~{}\n", stage.size.routes);
    ensure!(said.contains(&all), "not all routes would change: {said}");
    Ok(())
}

/// Every route that is received gets a MED.
const POLICY: &str = "
[[policy-definitions]]
name = \"all\"
[[policy-definitions.statements]]
name = \"all\"
[policy-definitions.statements.actions.bgp-actions]
set-med = \"4000000001\"
";
