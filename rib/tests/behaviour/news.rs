// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What those who watch are told, and tables that are counted in pieces.

use bgp_proto::{Family, Instant, Prefix};
use rib::{Input, Output, PeerId, Policy, Relation, Rib, RibConfig, RouteBatch, Source, TableSize};

use crate::world::{announcement, attributes, config, from, peer};

/// Two neighbours that have announced the same.
fn rib(config: RibConfig, prefixes: &[&str]) -> Rib {
    let mut rib = Rib::new(config);
    for number in [1, 2] {
        rib.step(
            Input::PeerUp(Box::new(peer(number, Relation::External))),
            NOW,
        );
        for prefix in prefixes {
            let path: &[u32] = if number == 1 {
                &[65001]
            } else {
                &[65002, 65009]
            };
            announce(&mut rib, number, prefix, path);
        }
    }
    let mut out = Output::default();
    rib.drain(&mut out);
    while rib.has_work() {
        rib.drain(&mut out);
    }
    rib
}

fn announce(rib: &mut Rib, number: u32, prefix: &str, path: &[u32]) {
    let key = (prefix.parse().unwrap(), 0);
    let batch = announcement(from(number), key, attributes(number, path));
    rib.step(Input::Routes(batch), NOW);
}

fn withdraw(rib: &mut Rib, number: u32, text: &str) {
    let mut batch = RouteBatch::new(from(number));
    batch.withdraw(prefix(text), 0);
    rib.step(Input::Routes(batch), NOW);
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

const NOW: Instant = Instant::ZERO;

#[test]
fn who_wants_best_paths_is_told_of_those_too_that_the_kernel_is_not_to_have() {
    const PREFIX: &str = "10.1.0.0/16";
    let config = RibConfig {
        kernel_export: Policy::reject_all(),
        ..config()
    };
    let mut rib = rib(config, &[PREFIX, "10.2.0.0/16"]);
    let mut out = Output {
        with_best: true,
        ..Output::default()
    };
    let mut told = |rib: &mut Rib| {
        out.clear();
        rib.drain(&mut out);
        assert_eq!(out.install.len() + out.remove.len(), 0);
        out.best.clone()
    };
    let (nothing, this) = (Vec::new(), vec![prefix(PREFIX)]);
    // As it is; other attributes; the same again; one that does not win.
    announce(&mut rib, 1, PREFIX, &[65001]);
    assert_eq!(told(&mut rib), nothing);
    announce(&mut rib, 1, PREFIX, &[65001, 65001]);
    assert_eq!(told(&mut rib), this);
    announce(&mut rib, 1, PREFIX, &[65001, 65001]);
    assert_eq!(told(&mut rib), nothing);
    announce(&mut rib, 2, PREFIX, &[65002, 65009, 65009]);
    assert_eq!(told(&mut rib), nothing);
    // The other takes over, and is gone.
    withdraw(&mut rib, 1, PREFIX);
    assert_eq!(told(&mut rib), this);
    withdraw(&mut rib, 2, PREFIX);
    assert_eq!(told(&mut rib), this);
}

#[test]
fn a_table_is_counted_in_pieces_of_any_size_and_without_what_import_refuses() {
    let mut rib = rib(
        config(),
        &["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24"],
    );
    announce(&mut rib, 1, "198.51.100.0/24", &[65001]);
    // Our own AS is in it.
    let own = config().local_as.0;
    announce(&mut rib, 1, "203.0.113.0/24", &[65001, own]);
    for limit in [1, 2, 5, 1000] {
        let (mut size, mut after) = (TableSize::default(), None);
        loop {
            let (part, next) = rib.size(Family::IPV4_UNICAST, after, limit);
            size += part;
            after = next;
            if after.is_none() {
                break;
            }
        }
        let expected = TableSize {
            prefixes: 5,
            paths: 9,
            accepted: 9,
        };
        assert_eq!(size, expected, "{limit} at a time");
    }
    let (none, _) = rib.size(Family::IPV6_UNICAST, None, 1000);
    assert_eq!(none, TableSize::default());
}

#[test]
fn one_path_is_found_by_whose_it_is() {
    const PREFIX: &str = "10.1.0.0/16";
    let rib = rib(config(), &[PREFIX, "10.2.0.0/16"]);
    let keys = rib.keys_of(PeerId(1));
    assert_eq!(keys, [(prefix(PREFIX), 0), (prefix("10.2.0.0/16"), 0)]);
    let source = Source::Bgp(PeerId(2));
    let path = rib.path(prefix(PREFIX), source, 0).unwrap();
    assert_eq!((path.source, path.best), (source, false));
    let received = rib.path_received(prefix(PREFIX), source, 0).unwrap();
    assert_eq!(received.source, source);
    assert!(rib.path(prefix(PREFIX), source, 7).is_none());
    assert_eq!(rib.peer(PeerId(2)).unwrap().id, PeerId(2));
    assert!(rib.peer(PeerId(9)).is_none());
}
