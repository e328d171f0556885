// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Octets and allocations for each route of a table like the public one: one eBGP neighbour sends it, another one is told.
//! Counted by the allocator, so the figures are the same on every machine and under any load.
//!
//! ```text
//! cargo bench -p rib --bench memory -- 1000000
//! ```

use std::{
    alloc::{GlobalAlloc, Layout, System},
    net::Ipv4Addr,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};

use bgp_proto::{
    AsPath, Asn, Community, HoldTime, Instant, Ipv4Prefix, Negotiated, NextHop, Origin,
    PathAttributes, Prefix, RouterId,
};
use rib::{
    Disposition, Input, NextHopMode, Output, PeerId, PeerInfo, Policy, Relation, Rib, RibConfig,
    RouteBatch, Source,
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
    let router_id = RouterId::new(Ipv4Addr::new(10, 0, 0, 1)).expect("not zero");
    let mut rib = Rib::new(RibConfig::new(Asn(64512), router_id));
    for number in 1..=2 {
        rib.step(Input::PeerUp(Box::new(peer(number))), Instant::ZERO);
    }
    let mut output = Output::default();
    rib.drain(&mut output);
    println!("{routes} routes, four with the same attributes; for each route:");
    let start = OCTETS.load(Relaxed);
    for first in (0..routes).step_by(BATCH as usize) {
        rib.step(Input::Routes(batch(first, routes)), Instant::ZERO);
    }
    say("stored and decided", routes, start);
    loop {
        rib.drain(&mut output);
        output.clear();
        if !rib.has_work() {
            break;
        }
    }
    drop(output);
    say("told to one group", routes, start);
    rib.step(Input::PeerUp(Box::new(peer(3))), Instant::ZERO);
    let mut more = peer(4);
    more.relation = Relation::Client;
    rib.step(Input::PeerUp(Box::new(more)), Instant::ZERO);
    let mut output = Output::default();
    while rib.has_work() {
        rib.drain(&mut output);
        output.clear();
    }
    drop(output);
    say("told to two groups", routes, start);
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn say(what: &str, routes: u32, start: i64) {
    let each = |number: i64| number as f64 / f64::from(routes);
    let (now, peak) = (OCTETS.load(Relaxed), PEAK.swap(0, Relaxed));
    println!(
        "{what:20} {:6.1} octets, {:5.2} pieces, {:6.1} octets at the peak",
        each(now - start),
        each(PIECES.load(Relaxed)),
        each(peak - start),
    );
}

fn peer(number: u32) -> PeerInfo {
    PeerInfo {
        id: PeerId(number),
        address: Ipv4Addr::from(0x0a01_0000 + number).into(),
        relation: Relation::External,
        peer_as: Asn(65000 + number),
        local_as: Asn(64512),
        router_id: RouterId::new(Ipv4Addr::from(0x0a01_0000 + number)).expect("not zero"),
        local_v4: Some(Ipv4Addr::new(10, 0, 0, 1)),
        local_v6: None,
        local_link_local: None,
        negotiated: Negotiated {
            four_octet_as: true,
            hold_time: HoldTime::OFF,
            ..Negotiated::default()
        },
        next_hop: NextHopMode::Auto,
        import: Policy::accept_all(),
        export: Policy::accept_all(),
        allow_own_as: 0,
        terms: rib::Terms::default(),
        shared_subnets: Vec::new(),
        weight: 0,
        paths_sent: Vec::new(),
    }
}

fn batch(first: u32, routes: u32) -> RouteBatch {
    let mut batch = RouteBatch::new(Source::Bgp(PeerId(1)));
    let end = routes.min(first + BATCH);
    for four in (first..end).step_by(4) {
        let attributes = attributes(four / 4);
        let hop = Disposition::Via(attributes.next_hop);
        let path = batch.push_path(attributes, hop);
        for number in four..end.min(four + 4) {
            batch.announce(prefix(number), 0, path);
        }
    }
    batch
}

/// Scattered over the address space, as routes come in no order.
fn prefix(number: u32) -> Prefix {
    let address = number.wrapping_mul(0x9e37_79b1) & 0x00ff_ffff;
    let prefix = Ipv4Prefix::new(Ipv4Addr::from(address << 8), 24).expect("no host bits");
    prefix.into()
}

/// Two to seven ASes and none to nine communities.
fn attributes(set: u32) -> PathAttributes {
    let path = (0..set % 6).map(|hop| 100_000 + set / 7 + hop);
    let path = [65001].into_iter().chain(path).chain([200_000 + set]);
    let mut attributes = PathAttributes::new(
        Origin::Igp,
        AsPath::from_sequence(path.map(Asn)),
        NextHop::V4(Ipv4Addr::new(10, 1, 0, 1)),
    );
    let communities = 0..set % 10;
    attributes.communities = communities
        .map(|number| Community(65001 << 16 | (set + number) & 0xffff))
        .collect();
    attributes
}
