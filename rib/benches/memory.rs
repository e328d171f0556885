// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Octets and allocations for each route of a table like the public one: one eBGP neighbour sends it (or ten do, each with
//! attributes of its own), another one is told. Counted by the allocator, so the figures are the same on every machine and
//! under any load.
//!
//! ```text
//! cargo bench -p rib --bench memory -- 1000000 full
//! cargo bench -p rib --bench memory -- 200000 full six ten policy
//! ```

use std::{
    alloc::{GlobalAlloc, Layout, System},
    net::{Ipv4Addr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use bgp_proto::{
    AsPath, Asn, Community, Family, Instant, Ipv4Prefix, Ipv6Prefix, NextHop, Origin,
    PathAttributes, Prefix, RouterId,
};
use rib::{
    Disposition, Input, Output, PeerId, PeerInfo, Policy, Relation, Rib, RibConfig, RouteBatch,
    Source, Verdict,
    policy::{Action, AsPathSet, Condition, Edit, MatchOption, PrefixSet, Statement},
};

/// The system's allocator, and what was asked of it.
struct Counting;

static OCTETS: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);
static PIECES: AtomicI64 = AtomicI64::new(0);

fn count(octets: usize, pieces: i64) {
    let octets = i64::try_from(octets).unwrap_or(i64::MAX) * pieces;
    let now = OCTETS.fetch_add(octets, Relaxed) + octets;
    PIECES.fetch_add(pieces, Relaxed);
    PEAK.fetch_max(now, Relaxed);
}

#[expect(unsafe_code, reason = "an allocator can not be written without")]
// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promises are those that `System` wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Routes of one batch.
const BATCH: u32 = 1024;

fn main() {
    let wanted = std::env::args().find_map(|text| text.parse().ok());
    let routes: u32 = wanted.unwrap_or(200_000);
    let named = |name: &str| std::env::args().any(|text| text == name);
    let all = !["full", "six", "ten", "policy"].into_iter().any(named);
    println!("{routes} prefixes, four with the same attributes; for each prefix:");
    for (name, senders, is_v6, policy) in [
        ("full", 1, false, None),
        ("six", 1, true, None),
        ("ten", 10, false, None),
        ("policy", 10, false, Some(statements(routes))),
    ] {
        if all || named(name) {
            println!("{name}");
            let load = Load {
                routes,
                senders,
                is_v6,
            };
            run(&load, &policy.unwrap_or(Policy::accept_all()));
        }
    }
}

/// What is sent.
struct Load {
    routes: u32,
    senders: u32,
    is_v6: bool,
}

fn run(load: &Load, policy: &Policy) {
    let router_id = RouterId::new(Ipv4Addr::new(10, 0, 0, 1)).expect("not zero");
    let mut rib = Rib::new(RibConfig::new(Asn(64512), router_id));
    let peer = |number| {
        let mut info = peer(number);
        (info.import, info.export) = (policy.clone(), policy.clone());
        if load.is_v6 {
            for family in &mut info.negotiated.families {
                family.family = Family::IPV6_UNICAST;
            }
        }
        info
    };
    for number in 1..=load.senders + 1 {
        rib.step(Input::PeerUp(Box::new(peer(number))), Instant::ZERO);
    }
    drained(&mut rib);
    let start = (OCTETS.load(Relaxed), PIECES.load(Relaxed));
    for sender in 1..=load.senders {
        for first in (0..load.routes).step_by(BATCH as usize) {
            rib.step(Input::Routes(load.batch(sender, first)), Instant::ZERO);
        }
    }
    say("stored and decided", load.routes, start);
    drained(&mut rib);
    say("told to one group", load.routes, start);
    rib.step(
        Input::PeerUp(Box::new(peer(load.senders + 2))),
        Instant::ZERO,
    );
    let mut more = peer(load.senders + 3);
    more.relation = Relation::Client;
    rib.step(Input::PeerUp(Box::new(more)), Instant::ZERO);
    drained(&mut rib);
    say("told to two groups", load.routes, start);
}

fn drained(rib: &mut Rib) {
    let mut output = Output::default();
    while rib.has_work() {
        rib.drain(&mut output);
        output.clear();
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn say(what: &str, routes: u32, (start, pieces): (i64, i64)) {
    let each = |number: i64| number as f64 / f64::from(routes);
    let (now, peak) = (OCTETS.load(Relaxed), PEAK.swap(0, Relaxed));
    println!(
        "{what:20} {:6.1} octets, {:5.2} pieces, {:6.1} octets at the peak",
        each(now - start),
        each(PIECES.load(Relaxed) - pieces),
        each(peak - start),
    );
}

fn peer(number: u32) -> PeerInfo {
    PeerInfo {
        relation: Relation::External,
        peer_as: Asn(65000 + number),
        local_v6: Some(Ipv6Addr::LOCALHOST),
        ..benches::client(number)
    }
}

impl Load {
    fn batch(&self, sender: u32, first: u32) -> RouteBatch {
        let mut batch = RouteBatch::new(Source::Bgp(PeerId(sender)));
        let end = self.routes.min(first + BATCH);
        for four in (first..end).step_by(4) {
            let mut attributes = attributes(sender, self.senders, four / 4);
            if self.is_v6 {
                attributes.next_hop =
                    NextHop::V6(Ipv6Addr::from(0xfd00 << 112 | u128::from(sender)));
            }
            let hop = Disposition::Via(attributes.next_hop);
            let path = batch.push_path(attributes, hop);
            for number in four..end.min(four + 4) {
                batch.announce(self.prefix(number), 0, path);
            }
        }
        batch
    }

    /// Scattered over the address space, as routes come in no order.
    fn prefix(&self, number: u32) -> Prefix {
        let address = number.wrapping_mul(0x9e37_79b1) & 0x00ff_ffff;
        if self.is_v6 {
            let high = 0x2001_0000_0000_0000 | u64::from(address) << 16;
            let prefix = Ipv6Prefix::new(Ipv6Addr::from(u128::from(high) << 64), 48);
            prefix.expect("no host bits").into()
        } else {
            let prefix = Ipv4Prefix::new(Ipv4Addr::from(address << 8), 24);
            prefix.expect("no host bits").into()
        }
    }
}

/// Two to seven ASes and none to nine communities. Of several senders each has the shortest path of some.
fn attributes(sender: u32, senders: u32, set: u32) -> PathAttributes {
    let path = (0..set % 6).map(|hop| 100_000 + set / 7 + hop);
    let more = if set % senders == sender - 1 { 0 } else { 2 };
    let path = [65000 + sender]
        .into_iter()
        .chain((0..more).map(|hop| 30_000 + hop))
        .chain(path);
    let path = path.chain([200_000 + set]);
    let mut attributes = PathAttributes::new(
        Origin::Igp,
        AsPath::from_sequence(path.map(Asn)),
        NextHop::V4(Ipv4Addr::new(10, 1, 0, u8::try_from(sender).expect("few"))),
    );
    let communities = 0..set % 10;
    attributes.communities = communities
        .map(|number| Community(65001 << 16 | (set + number) & 0xffff))
        .collect();
    attributes
}

/// Twenty statements, each with one of four sets of prefixes and an AS, that add a community.
fn statements(routes: u32) -> Policy {
    let load = Load {
        routes,
        senders: 1,
        is_v6: false,
    };
    let set = |number: u32| {
        let some = (number..routes).step_by(4).take(10_000);
        Arc::new(PrefixSet::new(
            some.map(|number| (load.prefix(number), 24..=24)),
        ))
    };
    let sets: Vec<_> = (0..4).map(set).collect();
    let statement = |number: u32| {
        let text = format!("_{}_", 100_000 + number * 100);
        let path = AsPathSet::new([text.parse().expect("a pattern")]);
        let community = Community(65000 << 16 | number);
        Statement::when(
            Condition::All(vec![
                Condition::Prefix(Arc::clone(&sets[number as usize % sets.len()])),
                Condition::AsPath(MatchOption::Any, Arc::new(path)),
            ]),
            vec![Statement::Act(Action::Communities(Edit::Add(
                [community].into(),
            )))],
        )
    };
    Policy::new((0..20).map(statement).collect(), Verdict::Accept).expect("not deep")
}
