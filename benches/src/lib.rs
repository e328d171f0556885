// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Loads for benchmarks: neighbours, and routes whose attributes repeat as those of the public table do. Every run makes
//! the same ones.

use std::net::Ipv4Addr;

use bgp_proto::{
    AsPath, Asn, Community, HoldTime, Instant, Ipv4Prefix, Negotiated, NextHop, Origin,
    PathAttributes, Prefix, RouterId,
};
use rib::{
    Disposition, Input, NextHopMode, Output, PeerId, PeerInfo, Policy, Relation, Rib, RibConfig,
    RouteBatch, Source, Terms,
};

/// Prefixes that have the same attributes, as in the public table on the average.
pub const SHARED: u32 = 4;

/// An iBGP client, reached at 10.1.0.0 + `number`. What came of its OPEN is the least there can be.
///
/// # Panics
/// With a number so high that the address is 0.0.0.0.
#[must_use]
pub fn client(number: u32) -> PeerInfo {
    let address = Ipv4Addr::from(0x0a01_0000 + number);
    PeerInfo {
        id: PeerId(number),
        address: address.into(),
        relation: Relation::Client,
        peer_as: Asn(64512),
        local_as: Asn(64512),
        router_id: RouterId::new(address).expect("not zero"),
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
        terms: Terms::default(),
        shared_subnets: Vec::new(),
        weight: 0,
        paths_sent: Vec::new(),
    }
}

/// A table with the clients 1 to `clients`, converged on nothing.
///
/// # Panics
/// Never: the router identifier is a constant.
#[must_use]
pub fn reflector(clients: u32) -> Rib {
    let router_id = RouterId::new(Ipv4Addr::new(10, 0, 0, 1)).expect("not zero");
    let mut rib = Rib::new(RibConfig {
        next_hop_tracking: false,
        ..RibConfig::new(Asn(64512), router_id)
    });
    for number in 1..=clients {
        rib.step(Input::PeerUp(Box::new(client(number))), Instant::ZERO);
    }
    drained(rib)
}

/// The table with the batches in it, nothing told yet.
#[must_use]
pub fn fed(mut rib: Rib, batches: Vec<RouteBatch>) -> Rib {
    for batch in batches {
        rib.step(Input::Routes(batch), Instant::ZERO);
    }
    rib
}

/// The table drained to the end; the messages go as with a driver.
#[must_use]
pub fn drained(mut rib: Rib) -> Rib {
    let mut output = Output::default();
    loop {
        rib.drain(&mut output);
        std::hint::black_box(&output.transmit);
        output.clear();
        if !rib.has_work() {
            return rib;
        }
    }
}

/// The prefixes 0 to `prefixes`, as a client announces them, in batches of `size`. Another `round` has other attributes.
#[must_use]
pub fn batches(client: u32, round: u32, prefixes: u32, size: u32) -> Vec<RouteBatch> {
    let batch = |first: u32| {
        let mut batch = RouteBatch::new(Source::Bgp(PeerId(client)));
        let end = prefixes.min(first + size);
        for set in (first..end).step_by(SHARED as usize) {
            let attributes = attributes(client, set, round);
            let way = Disposition::Via(attributes.next_hop);
            let path = batch.push_path(attributes, way);
            for number in set..end.min(set + SHARED) {
                batch.announce(prefix(number), 0, path);
            }
        }
        batch
    };
    (0..prefixes).step_by(size as usize).map(batch).collect()
}

/// The prefix of this number, a /24.
///
/// # Panics
/// With a number above 15 million.
#[must_use]
pub fn prefix(number: u32) -> Prefix {
    let address = Ipv4Addr::from(0x1000_0000 + number * 256);
    Ipv4Prefix::new(address, 24).expect("no host bits").into()
}

/// A path of five ASes and two communities, different for each client, set and round.
#[must_use]
pub fn attributes(client: u32, set: u32, round: u32) -> PathAttributes {
    let path = [65001, 65002 + client, 100_000 + set, 65003 + round, 65009];
    let mut attributes = PathAttributes::new(
        Origin::Igp,
        AsPath::from_sequence(path.map(Asn)),
        NextHop::V4(Ipv4Addr::from(0x0a01_0000 + client)),
    );
    attributes.local_pref = Some(100);
    attributes.communities = vec![Community(65001 << 16 | set), Community(65001 << 16 | 7)];
    attributes
}
