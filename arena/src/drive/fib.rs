// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes into the kernel, all of them to another next hop, and out of it again. A sample of them is looked at until all of it is
//! as it is to be; then the kernel is asked once for all.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use bgp_proto::Prefix;
use lab::Netns;

use super::spread;
use crate::{
    Case, Figure, Outcome, Setup, Size, Stage, Table, Voice, meter,
    netlink::{Routing, Sample, Verb},
};

/// Between looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Next hops, on the link; the first is the neighbour's.
const HOPS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 1, 1), Ipv4Addr::new(10, 0, 1, 200)];

pub(crate) fn setup(case: &Case, size: Size) -> Setup {
    Setup {
        kernel: true,
        ..spread::setup(case, size)
    }
}

pub(crate) fn run(stage: &mut Stage) -> Result<()> {
    let (table, _) = spread::table(stage);
    let sender = stage.voice(0);
    let all: Vec<Prefix> = table.prefixes().collect();
    let mut watch = Watch {
        sample: Sample::of(&all),
        routes: all.len(),
    };
    let stream = |hop: Ipv4Addr| {
        let voice = Voice {
            address: hop.into(),
            ..sender
        };
        table.stream(&voice, 0, 1)
    };
    let (installed, moved, withdrawn) = (stream(HOPS[0]), stream(HOPS[1]), table.withdrawal());
    drop(all);
    stage.load.add(sender, None);
    let begun = stage.mark()?;
    stage.load.connect(0);
    stage.established(1)?;
    stage.note_time(Figure::Established, begun);
    stage.settle()?;
    let begun = stage.mark()?;
    stage.load.send(0, installed);
    watch.until(stage, Some(HOPS[0]), (Figure::Time, begun))?;
    stage.measure()?;
    let begun = Instant::now();
    stage.load.send(0, moved);
    watch.until(stage, Some(HOPS[1]), (Figure::Moved, begun))?;
    stage.settle()?;
    let begun = Instant::now();
    stage.load.send(0, withdrawn);
    watch.until(stage, None, (Figure::Gone, begun))?;
    stage.note_peak()
}

/// The same routes written by a loop that does nothing else and is heard by nobody: what a daemon can reach at most.
pub(crate) fn bare(size: Size, host: &Netns) -> Result<Outcome> {
    let write = move || -> Result<Outcome> {
        let table = Table::public(bgp_proto::Family::IPV4_UNICAST, size.routes, spread::SEED);
        let mut all: Vec<Prefix> = table.prefixes().collect();
        all.sort_unstable();
        let mut routing = Routing::open()?;
        let mut outcome = Outcome::default();
        let before = meter::own();
        for (figure, verb, hop) in [
            (Figure::Time, Verb::Add, HOPS[0]),
            (Figure::Moved, Verb::Replace, HOPS[1]),
            (Figure::Gone, Verb::Delete, HOPS[1]),
        ] {
            let begun = Instant::now();
            routing.write(verb, &all, hop)?;
            outcome
                .figures
                .insert(figure, begun.elapsed().as_secs_f64());
            if verb == Verb::Add {
                let cpu = meter::own().saturating_sub(before);
                outcome.figures.insert(Figure::Cpu, cpu.as_secs_f64());
            }
            let left = if verb == Verb::Delete { 0 } else { all.len() };
            ensure!(routing.count(hop)? == left, "{verb:?} has not done all");
        }
        Ok(outcome)
    };
    let joined = host.enter(write)?.join();
    joined.map_err(|_| anyhow!("the writing loop panicked"))?
}

struct Watch {
    sample: Sample,
    routes: usize,
}

impl Watch {
    /// Waits until all routes lead to a gateway, or are gone, and notes how long that took.
    fn until(
        &mut self,
        stage: &mut Stage,
        to: Option<Ipv4Addr>,
        (figure, begun): (Figure, Instant),
    ) -> Result<()> {
        loop {
            let time = begun.elapsed();
            let routing = stage.routing()?;
            if self.sample.leads(routing, to)? {
                let (gateway, expected) = (to.unwrap_or(HOPS[1]), to.map_or(0, |_| self.routes));
                if routing.count(gateway)? == expected {
                    stage.note(figure, time.as_secs_f64());
                    return Ok(());
                }
            }
            stage.in_time(|| format!("not all routes lead to {to:?}"))?;
            stage.load.rest(PAUSE)?;
        }
    }
}
