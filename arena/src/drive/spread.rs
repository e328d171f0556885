// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Senders announce a table, receivers wait until they have it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use bgp_proto::Family;

use crate::{
    Case, Expected, Figure, Index, Ledger, Neighbor, Policy, Relation, Setup, Size, Stage, Table,
};

/// AS of the first neighbour; the others follow.
const FIRST: u32 = 64_601;

/// Of the table.
pub(crate) const SEED: u64 = 1;

/// Senders first, then receivers, each with an AS of its own.
pub(crate) fn setup(case: &Case, size: Size) -> Setup {
    let neighbor = |number: u32| Neighbor {
        address: if case.family == Family::IPV4_UNICAST {
            IpAddr::V4(Ipv4Addr::from(0x0a00_0101 + number))
        } else {
            let number = u16::try_from(number).expect("few neighbours are on a link");
            IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 1, number + 1))
        },
        asn: FIRST + number,
        relation: Relation::External,
    };
    Setup {
        family: case.family,
        neighbors: (0..size.senders + size.receivers).map(neighbor).collect(),
        kernel: false,
        policy: None,
        shards: size.shards,
    }
}

/// The same, and every route goes through a policy.
pub(crate) fn with_policy(case: &Case, size: Size) -> Setup {
    let table = Table::public(case.family, size.routes, SEED);
    Setup {
        policy: Some(Policy::of(&table)),
        ..setup(case, size)
    }
}

/// The table that is sent, and where every prefix has its place.
pub(crate) fn table(stage: &Stage) -> (Table, std::sync::Arc<Index>) {
    let table = Table::public(stage.setup.family, stage.size.routes, SEED);
    let senders = stage.size.senders;
    let index = Index::new(table.groups.iter().flat_map(|group| {
        let best = FIRST + group.winner(senders);
        group
            .prefixes
            .iter()
            .map(move |prefix| (*prefix, Some(best)))
    }));
    (table, index)
}

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    let (table, index) = table(stage);
    let (senders, receivers) = (stage.size.senders, stage.size.receivers);
    let expected = Expected::of(table.prefixes());
    let mut streams = Vec::new();
    for number in 0..senders {
        let voice = stage.voice(number as usize);
        streams.push(table.stream(&voice, number, senders));
        stage.load.add(voice, None);
    }
    drop(table);
    for number in senders..senders + receivers {
        let voice = stage.voice(number as usize);
        stage.load.add(voice, Some(Ledger::new(&index, expected)));
    }
    let all = (senders + receivers) as usize;
    let begun = stage.mark()?;
    (0..all).for_each(|who| stage.load.connect(who));
    stage.all_established(all, begun)?;
    stage.settle()?;
    let begun = stage.mark()?;
    for (who, stream) in streams.into_iter().enumerate() {
        stage.load.send(who, stream);
    }
    stage.complete(receivers as usize)?;
    stage.note_time(Figure::Time, begun);
    stage.measure().map(drop)
}
