// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A receiver comes when everybody else has everything.

use anyhow::Result;

use super::spread;
use crate::{Expected, Figure, Ledger, Stage};

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    let (table, index) = spread::table(stage);
    let expected = Expected::of(table.prefixes());
    let sender = stage.voice(0);
    let stream = table.stream(&sender, 0, 1);
    stage.load.add(sender, None);
    for number in 1..=2 {
        let voice = stage.voice(number);
        stage.load.add(voice, Some(Ledger::new(&index, expected)));
    }
    stage.mark()?;
    stage.load.connect(0);
    stage.load.connect(1);
    stage.established(2)?;
    stage.load.send(0, stream);
    stage.complete(1)?;
    stage.settle()?;
    let begun = stage.mark()?;
    stage.load.connect(2);
    stage.established(3)?;
    stage.note_time(Figure::Established, begun);
    stage.complete(2)?;
    stage.note_time(Figure::Time, begun);
    stage.measure().map(drop)
}
