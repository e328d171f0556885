// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Clients of a route reflector: all connect at once, and when all are up, all announce their blocks.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::{
    Case, Expected, Figure, Index, Ledger, Neighbor, Relation, Setup, Size, Stage, Table,
    contestant::ASN,
};

/// Clients only.
pub(crate) fn setup(case: &Case, size: Size) -> Setup {
    let neighbor = |number: u32| Neighbor {
        address: Ipv4Addr::from(0x0a01_0001 + number).into(),
        asn: ASN,
        relation: Relation::Client,
    };
    Setup {
        family: case.family,
        neighbors: (0..size.receivers).map(neighbor).collect(),
        kernel: false,
        policy: None,
        shards: size.shards,
    }
}

/// The blocks of one client.
pub(crate) fn blocks(stage: &Stage, who: usize) -> Table {
    let each = stage.size.routes / stage.size.receivers;
    Table::blocks(who as u32 * each, each)
}

/// Adds all clients, each of which is to learn the blocks of all others. Says what all blocks are together.
pub(crate) fn clients(stage: &mut Stage) -> Expected {
    let table = Table::blocks(0, stage.size.routes);
    let index = Index::new(table.prefixes().map(|prefix| (prefix, None)));
    let all = Expected::of(table.prefixes());
    for who in 0..stage.size.receivers as usize {
        let own = blocks(stage, who);
        let expected = all.without(Expected::of(own.prefixes()));
        let ledger = Ledger::new(&index, expected).without_own(own.prefixes());
        let voice = stage.voice(who);
        stage.load.add(voice, Some(ledger));
    }
    all
}

/// Everybody connects, and then announces.
pub(crate) fn begin(stage: &mut Stage) -> Result<()> {
    let count = stage.size.receivers as usize;
    let begun = stage.mark()?;
    (0..count).for_each(|who| stage.load.connect(who));
    stage.all_established(count, begun)?;
    announce(stage, 0..count);
    stage.complete(count)
}

/// Some announce their blocks.
pub(crate) fn announce(stage: &mut Stage, who: impl Iterator<Item = usize>) {
    for who in who {
        let stream = blocks(stage, who).stream(&stage.voice(who), 0, 1);
        stage.load.send(who, stream);
    }
}

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    clients(stage);
    let count = stage.size.receivers as usize;
    let begun = stage.mark()?;
    (0..count).for_each(|who| stage.load.connect(who));
    stage.all_established(count, begun)?;
    let begun = std::time::Instant::now();
    announce(stage, 0..count);
    stage.complete(count)?;
    stage.note_time(Figure::Time, begun);
    stage.measure().map(drop)
}
