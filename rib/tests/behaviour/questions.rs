// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Questions: pages, filters and counts.

use bgp_proto::{Family, Prefix};
use rib::{PeerId, Policy, PrefixFilter, Relation, RouteQuery, Table};

use crate::world::{World, attributes, config, from, peer};

const PREFIXES: [&str; 6] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.2.0.0/16",
    "192.0.2.0/24",
];

fn world(shards: usize) -> World {
    let mut world = World::new(config(), shards);
    world.up(peer(1, Relation::External));
    world.up(peer(2, Relation::External));
    for prefix in PREFIXES {
        world.announce(from(1), prefix, attributes(1, &[65001]));
        world.announce(from(2), prefix, attributes(2, &[65002, 65009]));
    }
    world.settle();
    world
}

fn query(table: Table, prefix: Option<PrefixFilter>) -> RouteQuery {
    RouteQuery {
        table,
        family: None,
        prefix,
        best_only: false,
        after: None,
        limit: usize::MAX,
    }
}

fn all(world: &World, query: &RouteQuery) -> Vec<(String, u32)> {
    let mut query = query.clone();
    let mut all = Vec::new();
    loop {
        let page = world.rib.routes(&query);
        assert!(page.next.is_some() || page.routes.len() <= 12);
        all.extend(
            page.routes
                .iter()
                .map(|view| (view.prefix.to_string(), view.source.peer().unwrap().0)),
        );
        match page.next {
            Some(next) => query.after = Some(next),
            None => return all,
        }
    }
}

fn prefixes(world: &World, filter: PrefixFilter) -> Vec<String> {
    let best = RouteQuery {
        best_only: true,
        ..query(Table::LocRib, Some(filter))
    };
    all(world, &best)
        .into_iter()
        .map(|(prefix, _)| prefix)
        .collect()
}

#[test]
fn pages_of_any_size_in_any_number_of_shards_are_the_whole_table_once() {
    for table in [
        Table::LocRib,
        Table::AdjIn(PeerId(1)),
        Table::AdjOut(PeerId(2)),
    ] {
        let whole = all(&world(1), &query(table, None));
        assert!(whole.is_sorted_by_key(|(prefix, _)| prefix.parse::<Prefix>().unwrap()));
        assert_eq!(
            whole.len(),
            if table == Table::LocRib { 12 } else { 6 },
            "{table:?}"
        );
        for shards in [1, 3, 8] {
            for limit in 1..8 {
                let paged = RouteQuery {
                    limit,
                    ..query(table, None)
                };
                let mut found = all(&world(shards), &paged);
                found.sort_by_key(|(prefix, peer)| (prefix.parse::<Prefix>().unwrap(), *peer));
                assert_eq!(found, whole, "{table:?}, {shards} shards, pages of {limit}");
            }
        }
    }
}

#[test]
fn paths_of_a_prefix_are_listed_as_they_would_follow_each_other() {
    let mut world = World::new(config(), 1);
    for (number, path) in [(1, &[65001, 7, 8][..]), (2, &[65002, 7]), (3, &[65003])] {
        world.up(peer(number, Relation::External));
        world.announce(from(number), PREFIXES[1], attributes(number, path));
    }
    world.settle();
    let listed = all(&world, &query(Table::LocRib, None));
    let sources: Vec<u32> = listed.into_iter().map(|(_, source)| source).collect();
    assert_eq!(sources, [3, 2, 1]);
}

#[test]
fn filters_find_the_prefix_what_is_inside_and_what_is_around() {
    for shards in [1, 8] {
        let world = world(shards);
        let block: Prefix = "10.1.0.0/16".parse().unwrap();
        assert_eq!(
            prefixes(&world, PrefixFilter::Exact(block)),
            ["10.1.0.0/16"]
        );
        assert_eq!(
            prefixes(&world, PrefixFilter::Longer(block)),
            ["10.1.0.0/16", "10.1.2.0/24"]
        );
        let around = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"];
        assert_eq!(prefixes(&world, PrefixFilter::Shorter(block)), around);
        assert_eq!(
            prefixes(&world, PrefixFilter::Longer("0.0.0.0/0".parse().unwrap())).len(),
            6
        );
        assert!(prefixes(&world, PrefixFilter::Longer("::/0".parse().unwrap())).is_empty());
    }
}

#[test]
fn counts_are_what_was_received_accepted_and_told() {
    let mut world = World::plain();
    world.up(peer(1, Relation::External));
    let mut closed = peer(2, Relation::External);
    closed.import = Policy::reject_all();
    world.up(closed);
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001]));
    world.announce(from(1), "10.1.0.0/16", attributes(1, &[65001, 65009]));
    world.announce(from(1), "10.3.0.0/16", attributes(1, &[65001, 64512]));
    world.announce(from(2), "10.2.0.0/16", attributes(2, &[65002]));
    world.settle();
    let counts = |world: &World, id| {
        let counts = world.rib.counts(PeerId(id));
        let (_, counts) = counts
            .iter()
            .find(|(family, _)| *family == Family::IPV4_UNICAST)
            .unwrap();
        (counts.received, counts.accepted, counts.advertised)
    };
    assert_eq!(counts(&world, 1), (2, 1, 0));
    assert_eq!(counts(&world, 2), (1, 0, 1));
    world.step(rib::Input::Policy(
        PeerId(2),
        Policy::accept_all(),
        Policy::accept_all(),
    ));
    world.withdraw(from(1), "10.3.0.0/16");
    world.settle();
    assert_eq!(counts(&world, 1), (1, 1, 1));
    assert_eq!(counts(&world, 2), (1, 1, 1));
}
