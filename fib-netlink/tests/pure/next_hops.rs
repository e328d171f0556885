// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The way to next hops: through routes of others and through desired ones, never in a circle.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use fib_netlink::{
    Change, FibConfig, FibEvent, Held, Hop, KernelHop, KernelRoute, LinkUpdate, Reachability,
    Reconciler, Route, Target, Way,
};
use proptest::prelude::*;

const OSPF: u8 = 188;

struct World {
    reconciler: Reconciler,
    now: Instant,
}

impl World {
    /// Two links, `e2` with 10.0.2.0/24 and `e3` with 10.0.3.0/24, and addresses to watch.
    fn watching(addresses: &[&str]) -> Self {
        let now = Instant::now();
        let mut world = Self {
            reconciler: Reconciler::new(FibConfig::default(), now),
            now,
        };
        let link = |index| LinkUpdate {
            index,
            name: format!("e{index}"),
            enabled: true,
            running: true,
        };
        world.reconciler.begin_resync();
        world
            .reconciler
            .resync_links(vec![link(2), link(3)], vec![], now);
        world.reconciler.end_resync(now, now);
        world.foreign("10.0.2.0/24", None, 2, 0);
        world.foreign("10.0.3.0/24", None, 3, 0);
        let addresses = addresses.iter().map(|text| address(text)).collect();
        world.reconciler.track(addresses);
        world.news();
        world
    }

    fn foreign(&mut self, prefix: &str, gateway: Option<&str>, ifindex: u32, metric: u32) {
        let route = foreign(prefix, gateway, ifindex, metric);
        self.reconciler.route(route, false, self.now);
        self.reconciler.settle(self.now);
    }

    fn foreign_gone(&mut self, prefix: &str, gateway: Option<&str>, ifindex: u32, metric: u32) {
        let route = foreign(prefix, gateway, ifindex, metric);
        self.reconciler.route_gone(&route, self.now);
        self.reconciler.settle(self.now);
    }

    fn install(&mut self, prefix: &str, target: Target) {
        let route = Route::new(prefix.parse().unwrap(), target);
        self.reconciler.apply(vec![Change::Install(route)]);
    }

    fn remove(&mut self, prefix: &str) {
        self.reconciler
            .apply(vec![Change::Remove(prefix.parse().unwrap())]);
    }

    /// Next hops that are known another way now, as `ip route` would print them.
    fn news(&mut self) -> BTreeMap<String, String> {
        let mut news = BTreeMap::new();
        while let Some(event) = self.reconciler.event(self.now) {
            if let FibEvent::NextHops(changes) = event {
                let shown = |(address, state): (IpAddr, Reachability)| {
                    (address.to_string(), state.to_string())
                };
                news.extend(changes.into_iter().map(shown));
            }
        }
        news
    }

    /// The way by which a desired route would be written.
    fn written(&mut self, prefix: &str) -> Vec<(Option<IpAddr>, u32)> {
        let prefix = prefix.parse().unwrap();
        let mut found = Vec::new();
        self.now += std::time::Duration::from_secs(1);
        loop {
            let operations = self.reconciler.batch(100, self.now);
            if operations.is_empty() {
                return found;
            }
            for operation in operations {
                if operation.route.prefix == prefix {
                    let hops = &operation.route.held.way.hops;
                    found = hops.iter().map(|hop| (hop.gateway, hop.ifindex)).collect();
                }
                self.reconciler.answer(&operation, Ok(()), self.now);
            }
        }
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn via(gateway: &str) -> Target {
    Target::Via(vec![Hop::via(address(gateway))])
}

fn foreign(prefix: &str, gateway: Option<&str>, ifindex: u32, metric: u32) -> KernelRoute {
    let hop = KernelHop {
        gateway: gateway.map(address),
        ifindex,
        weight: 1,
        onlink: false,
    };
    KernelRoute {
        prefix: prefix.parse().unwrap(),
        held: Held {
            table: 254,
            metric,
            protocol: if gateway.is_some() { OSPF } else { 2 },
            way: Arc::new(Way::unicast(vec![hop], None)),
        },
    }
}

fn only(address: &str, way: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(address.to_owned(), way.to_owned())])
}

#[test]
fn a_desired_route_is_a_way_to_a_next_hop_while_it_is_desired() {
    let mut world = World::watching(&["192.0.2.1"]);
    world.install("192.0.2.0/24", via("10.0.2.9"));
    assert_eq!(
        world.news(),
        only("192.0.2.1", "via 10.0.2.9 dev e2 metric 0")
    );
    world.install("198.51.100.0/24", via("192.0.2.1"));
    assert_eq!(
        world.written("198.51.100.0/24"),
        [(Some(address("10.0.2.9")), 2)],
        "the kernel wants a gateway that is on the link"
    );
    world.install("192.0.2.0/24", via("10.0.3.9"));
    assert_eq!(
        world.news(),
        only("192.0.2.1", "via 10.0.3.9 dev e3 metric 0")
    );
    assert_eq!(
        world.written("198.51.100.0/24"),
        [(Some(address("10.0.3.9")), 3)]
    );
    world.remove("192.0.2.0/24");
    assert_eq!(world.news(), only("192.0.2.1", "unreachable"));
}

#[test]
fn a_chain_of_routes_is_followed_to_its_end() {
    let mut world = World::watching(&["203.0.113.1"]);
    world.install("203.0.113.0/24", via("198.51.100.1"));
    world.install("198.51.100.0/24", via("192.0.2.1"));
    world.install("192.0.2.0/24", via("172.16.0.1"));
    assert_eq!(world.news(), BTreeMap::new(), "it ends nowhere yet");
    world.foreign("172.16.0.0/16", Some("10.0.3.1"), 3, 40);
    assert_eq!(
        world.news(),
        only("203.0.113.1", "via 10.0.3.1 dev e3 metric 40")
    );
    world.foreign("172.16.0.0/24", Some("10.0.2.1"), 2, 7);
    assert_eq!(
        world.news(),
        only("203.0.113.1", "via 10.0.2.1 dev e2 metric 7"),
        "cost and gateway are those of the last step"
    );
    world.foreign_gone("172.16.0.0/24", Some("10.0.2.1"), 2, 7);
    world.foreign_gone("172.16.0.0/16", Some("10.0.3.1"), 3, 40);
    assert_eq!(world.news(), only("203.0.113.1", "unreachable"));
}

#[test]
fn a_route_is_no_way_to_its_own_next_hop() {
    let mut world = World::watching(&["192.0.2.1"]);
    world.install("192.0.2.0/24", via("192.0.2.1"));
    assert_eq!(world.news(), BTreeMap::new());
    world.foreign("192.0.0.0/16", Some("10.0.2.1"), 2, 5);
    let shorter = only("192.0.2.1", "via 10.0.2.1 dev e2 metric 5");
    assert_eq!(world.news(), shorter, "the next shorter match counts");
    assert_eq!(
        world.written("192.0.2.0/24"),
        [(Some(address("10.0.2.1")), 2)]
    );
    world.foreign_gone("192.0.0.0/16", Some("10.0.2.1"), 2, 5);
    assert_eq!(
        world.news(),
        only("192.0.2.1", "unreachable"),
        "it does not keep itself alive"
    );
}

#[test]
fn two_routes_that_need_each_other_lead_nowhere() {
    let mut world = World::watching(&["192.0.2.1", "198.51.100.1"]);
    world.install("192.0.2.0/24", via("198.51.100.1"));
    world.install("198.51.100.0/24", via("192.0.2.1"));
    assert_eq!(world.news(), BTreeMap::new());
    world.foreign("192.0.2.1/32", Some("10.0.2.1"), 2, 5);
    assert_eq!(
        world.news(),
        BTreeMap::from([
            ("192.0.2.1".into(), "via 10.0.2.1 dev e2 metric 5".into()),
            ("198.51.100.1".into(), "via 10.0.2.1 dev e2 metric 5".into()),
        ])
    );
}

#[test]
fn a_tunnel_is_a_way_and_a_blackhole_is_none() {
    let mut world = World::watching(&["192.0.2.1"]);
    let tunnel = Hop::via(address("172.16.0.1")).over("e3").onlink();
    world.install("192.0.2.0/24", Target::Via(vec![tunnel]));
    assert_eq!(
        world.news(),
        only("192.0.2.1", "via 172.16.0.1 dev e3 metric 0")
    );
    world.install("192.0.2.0/28", Target::Blackhole);
    assert_eq!(world.news(), only("192.0.2.1", "unreachable"));
}

proptest! {
    /// Whatever the order in which routes come and go, the ways at the end are those of a reconciler that saw only the end.
    #[test]
    fn ways_follow_from_what_there_is_not_from_how_it_came(
        steps in proptest::collection::vec((0..5usize, 0..6usize, any::<bool>()), 1..40)
    ) {
        let addresses = ["192.0.2.1", "198.51.100.1", "203.0.113.1"];
        let prefixes = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "192.0.2.1/32", "198.51.0.0/16"];
        let gateways = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "10.0.2.1", "10.0.3.1", "192.0.2.77"];
        let mut world = World::watching(&addresses);
        let mut last = BTreeMap::new();
        let mut known: BTreeMap<String, String> =
            addresses.iter().map(|text| ((*text).to_owned(), "unreachable".to_owned())).collect();
        for (prefix, gateway, wanted) in steps {
            if wanted {
                world.install(prefixes[prefix], via(gateways[gateway]));
                last.insert(prefix, gateway);
            } else {
                world.remove(prefixes[prefix]);
                last.remove(&prefix);
            }
            known.extend(world.news());
        }
        let mut fresh = World::watching(&addresses);
        for (prefix, gateway) in last {
            fresh.install(prefixes[prefix], via(gateways[gateway]));
        }
        let mut expected: BTreeMap<String, String> =
            addresses.iter().map(|text| ((*text).to_owned(), "unreachable".to_owned())).collect();
        expected.extend(fresh.news());
        prop_assert_eq!(known, expected);
    }
}
