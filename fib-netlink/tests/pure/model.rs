// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A kernel of a few lines, with the rules of the real one that matter: a place is prefix, table and metric.

use std::collections::BTreeMap;
use std::sync::Arc;

use fib_netlink::{
    Held, KernelHop, KernelRoute, Kind, Operation, Refusal, Verb, Way, stored_metric,
};
use ipnetwork::IpNetwork;
use proptest::prelude::*;

pub(crate) const OURS: u8 = 12;
pub(crate) const THEIRS: u8 = 3;
pub(crate) const TABLE: u32 = 254;

#[derive(Clone, Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) routes: BTreeMap<IpNetwork, Vec<Held>>,
    /// Most IPv6 routes, as `net.ipv6.route.max_size` had it before Linux 6.3.
    pub(crate) room6: Option<usize>,
}

/// What a write changed, as the kernel would notify it.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Appeared { route: KernelRoute, replaces: bool },
    Vanished(KernelRoute),
}

impl Kernel {
    pub(crate) fn write(&mut self, operation: &Operation) -> Result<Told, Refusal> {
        let KernelRoute { prefix, held: new } = operation.route.clone();
        let is_full = self.room6.is_some_and(|room| self.count6() >= room);
        let held = self.routes.entry(prefix).or_default();
        let place = held
            .iter()
            .position(|at| at.table == new.table && at.metric == new.metric);
        let route = operation.route.clone();
        match (operation.verb, place) {
            (Verb::Add, None) if prefix.is_ipv6() && is_full => Err(refusal(12)),
            (Verb::Add, None) => {
                held.push(new);
                Ok(Told::Appeared {
                    route,
                    replaces: false,
                })
            }
            (Verb::Add, Some(_)) => Err(refusal(17)),
            (Verb::Replace, None) => Err(refusal(2)),
            (Verb::Replace, Some(at)) => {
                held[at] = new;
                Ok(Told::Appeared {
                    route,
                    replaces: true,
                })
            }
            (Verb::Delete, _) => match held.iter().position(|at| *at == new) {
                Some(at) => {
                    held.remove(at);
                    Ok(Told::Vanished(route))
                }
                None => Err(refusal(3)),
            },
        }
    }

    fn count6(&self) -> usize {
        self.all().filter(|route| route.prefix.is_ipv6()).count()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = KernelRoute> {
        let each = |(prefix, held): (&IpNetwork, &Vec<Held>)| {
            let prefix = *prefix;
            held.clone()
                .into_iter()
                .map(move |held| KernelRoute { prefix, held })
        };
        self.routes.iter().flat_map(each)
    }

    pub(crate) fn of(&self, protocol: u8) -> Vec<KernelRoute> {
        self.all()
            .filter(|route| route.held.protocol == protocol)
            .collect()
    }
}

fn refusal(errno: i32) -> Refusal {
    Refusal {
        errno,
        words: format!("errno {errno}"),
    }
}

/// One of a few ways, so that equal ones meet.
pub(crate) fn way(n: u8) -> Arc<Way> {
    let hop = |last: u8, ifindex| KernelHop {
        gateway: Some([10, 0, 0, last].into()),
        ifindex,
        weight: 1,
        onlink: false,
    };
    Arc::new(match n {
        0 => Way::reject(Kind::Blackhole),
        1 => Way::unicast(vec![hop(1, 2), hop(2, 3)], None),
        n => Way::unicast(vec![hop(n, 2)], None),
    })
}

pub(crate) fn prefixes() -> Vec<IpNetwork> {
    [
        "0.0.0.0/0",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "10.1.2.3/32",
        "::/0",
        "fd00::/16",
        "fd01::/32",
    ]
    .map(|text| text.parse().unwrap())
    .to_vec()
}

pub(crate) fn any_prefix() -> impl Strategy<Value = IpNetwork> {
    proptest::sample::select(prefixes())
}

/// A kernel with at most one route in a place, some ours, some not.
pub(crate) fn any_kernel() -> impl Strategy<Value = Kernel> {
    let route = (
        any_prefix(),
        prop_oneof![Just(0), Just(50)],
        prop_oneof![Just(OURS), Just(THEIRS)],
        0..4u8,
    );
    proptest::collection::vec(route, 0..12).prop_map(|routes| {
        let mut kernel = Kernel::default();
        for (prefix, metric, protocol, n) in routes {
            let metric = stored_metric(&prefix, metric);
            let held = Held {
                table: TABLE,
                metric,
                protocol,
                way: way(n),
            };
            let route = KernelRoute { prefix, held };
            let _ = kernel.write(&Operation {
                verb: Verb::Add,
                route,
            });
        }
        kernel
    })
}
