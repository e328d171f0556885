// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel tells us: routes of others, connected prefixes, the way to next hops.

use std::collections::BTreeMap;
use std::net::IpAddr;

use fib_netlink::{
    FibConfig, FibEvent, Interfaces, Learn, LearnedChange, LearnedOrigin, Reachability,
};
use tokio::sync::mpsc;

use crate::world::{event, in_namespace, ip, prefix, start, via};

#[test]
#[ignore = "needs netns"]
fn routes_of_others_are_learned_by_interface_pattern() {
    in_namespace(async || {
        for pod in ["cali1", "cali2", "tap1"] {
            ip(&format!("link add {pod} type veth peer name {pod}p"));
            ip(&format!("link set {pod}p up"));
            ip(&format!("link set {pod} up"));
        }
        ip("route add 10.244.1.5/32 dev cali1 scope link");
        ip("route add 10.244.1.9/32 dev tap1 scope link");
        ip("route add blackhole 10.66.0.0/16");
        let learn = Learn {
            kernel: Some(Interfaces::new(["cali*"])),
            direct: None,
        };
        let (fib, mut events) = start_learning(learn);
        let first = learned(&mut events).await;
        assert_eq!(first.len(), 1, "{first:?}");
        let route = first[0].route.as_ref().unwrap();
        assert_eq!(
            (first[0].prefix, first[0].origin),
            (prefix("10.244.1.5/32"), LearnedOrigin::Kernel)
        );
        assert_eq!(
            (route.protocol, route.hops[0].interface.as_str()),
            (3, "cali1")
        );

        fib.apply(vec![via("10.9.0.0/16", "10.0.0.2")]).await; // ours: of no interest
        ip("route add 10.244.1.6/32 dev cali2 scope link proto 80");
        let more = learned(&mut events).await;
        assert_eq!(more[0].prefix, prefix("10.244.1.6/32"));
        assert_eq!(more[0].route.as_ref().unwrap().protocol, 80);

        ip("link del cali1");
        let gone = learned(&mut events).await;
        assert_eq!(
            (gone[0].prefix, &gone[0].route),
            (prefix("10.244.1.5/32"), &None)
        );
    });
}

#[test]
#[ignore = "needs netns"]
fn connected_prefixes_are_learned_while_their_link_is_up() {
    in_namespace(async || {
        ip("addr add 192.168.77.1/32 dev lo");
        let direct = Some(Interfaces::new(["-e1", "*"]));
        let (_fib, mut events) = start_learning(Learn {
            kernel: None,
            direct,
        });
        let first: BTreeMap<_, _> = learned(&mut events)
            .await
            .into_iter()
            .map(|c| (c.prefix, c))
            .collect();
        let prefixes: Vec<_> = first.keys().map(ToString::to_string).collect();
        assert_eq!(prefixes, ["10.0.0.0/24", "192.168.77.1/32", "fd00::/64"]);
        assert_eq!(first[&prefix("fd00::/64")].origin, LearnedOrigin::Direct);

        ip("addr add 10.5.0.1/16 dev e0");
        assert_eq!(learned(&mut events).await[0].prefix, prefix("10.5.0.0/16"));
        ip("addr del 10.5.0.1/16 dev e0");
        assert_eq!(learned(&mut events).await[0].route, None);
        ip("link set e0 down");
        let mut gone = learned(&mut events).await;
        if gone.len() == 1 {
            gone.extend(learned(&mut events).await);
        }
        assert!(gone.iter().all(|change| change.route.is_none()));
        assert_eq!(gone.len(), 2);
    });
}

#[test]
#[ignore = "needs netns"]
fn the_way_to_next_hops_is_told_when_it_changes_and_only_then() {
    in_namespace(async || {
        let (fib, mut events) = start(FibConfig::default()).await;
        let [near, behind, six, nowhere]: [IpAddr; 4] =
            ["10.0.0.2", "192.168.7.1", "fd00:1::2", "203.0.113.1"]
                .map(|text| text.parse().unwrap());
        fib.track(vec![near, behind, six, nowhere]).await;
        let first = next_hops(&mut events).await;
        assert_eq!(first[&near], direct("e0"));
        assert_eq!(first[&behind], Reachability::Unreachable);
        assert_eq!(first[&six], direct("e1"));
        assert_eq!(first[&nowhere], Reachability::Unreachable);

        ip("route add 192.168.0.0/16 via 10.0.0.9 metric 30");
        let by = |gateway: &str, interface: &str, metric| Reachability::Reachable {
            metric,
            connected: false,
            interface: interface.to_owned(),
            gateway: Some(gateway.parse().unwrap()),
        };
        assert_eq!(
            next_hops(&mut events).await,
            BTreeMap::from([(behind, by("10.0.0.9", "e0", 30))])
        );
        // A longer match wins, one of ours too, but not one that needs the address itself.
        fib.apply(vec![
            via("192.168.7.1/32", "192.168.7.1"),
            via("192.168.6.0/23", "10.0.1.7"),
        ])
        .await;
        assert_eq!(
            next_hops(&mut events).await,
            BTreeMap::from([(behind, by("10.0.1.7", "e1", 0))])
        );
        ip("route add 192.168.7.0/24 via 10.0.1.9");
        assert_eq!(
            next_hops(&mut events).await,
            BTreeMap::from([(behind, by("10.0.1.9", "e1", 0))])
        );

        // A link without carrier: its routes are still there, but nothing gets through.
        ip("link set e1p down");
        let down = next_hops_until(&mut events, 2).await;
        assert_eq!(
            down,
            BTreeMap::from([
                (behind, Reachability::Unreachable),
                (six, Reachability::Unreachable)
            ])
        );
        ip("link set e1p up");
        let up = next_hops_until(&mut events, 2).await;
        assert_eq!(
            up,
            BTreeMap::from([(behind, by("10.0.1.9", "e1", 0)), (six, direct("e1"))])
        );

        ip("addr del 10.0.0.1/24 dev e0");
        assert_eq!(
            next_hops(&mut events).await,
            BTreeMap::from([(near, Reachability::Unreachable)])
        );
        fib.untrack(vec![near, six]).await;
        ip("addr add 10.0.0.1/24 dev e0");
        ip("route add default via 10.0.0.77");
        assert_eq!(
            next_hops(&mut events).await,
            BTreeMap::from([(nowhere, by("10.0.0.77", "e0", 0))])
        );
        fib.reconfigure(FibConfig {
            resolve_via_default: false,
            ..FibConfig::default()
        })
        .await;
        assert_eq!(
            next_hops(&mut events).await,
            BTreeMap::from([(nowhere, Reachability::Unreachable)])
        );
    });
}

#[test]
#[ignore = "needs netns"]
fn a_next_hop_object_that_goes_takes_its_routes_from_our_view() {
    in_namespace(async || {
        ip("nexthop add id 7 via 10.0.1.9 dev e1");
        ip("route add 10.20.0.0/16 nhid 7");
        let (fib, mut events) = start(FibConfig::default()).await;
        let far: IpAddr = "10.20.0.1".parse().unwrap();
        fib.track(vec![far]).await;
        assert!(matches!(
            next_hops(&mut events).await[&far],
            Reachability::Reachable {
                connected: false,
                ..
            }
        ));
        ip("nexthop del id 7");
        assert_eq!(
            next_hops(&mut events).await[&far],
            Reachability::Unreachable
        );
    });
}

fn direct(interface: &str) -> Reachability {
    Reachability::Reachable {
        metric: 0,
        connected: true,
        interface: interface.to_owned(),
        gateway: None,
    }
}

fn start_learning(learn: Learn) -> (fib_netlink::Fib, mpsc::Receiver<FibEvent>) {
    fib_netlink::Fib::start(FibConfig {
        learn,
        ..FibConfig::default()
    })
    .unwrap()
}

async fn learned(events: &mut mpsc::Receiver<FibEvent>) -> Vec<LearnedChange> {
    event(events, "learned", |event| match event {
        FibEvent::Learned(changes) => Some(changes.clone()),
        _ => None,
    })
    .await
}

async fn next_hops(events: &mut mpsc::Receiver<FibEvent>) -> BTreeMap<IpAddr, Reachability> {
    event(events, "next hops", |event| match event {
        FibEvent::NextHops(changes) => Some(changes.iter().cloned().collect()),
        _ => None,
    })
    .await
}

async fn next_hops_until(
    events: &mut mpsc::Receiver<FibEvent>,
    count: usize,
) -> BTreeMap<IpAddr, Reachability> {
    let mut all = BTreeMap::new();
    while all.len() < count {
        all.extend(next_hops(events).await);
    }
    all
}
