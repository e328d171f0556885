// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which kernel route a best path becomes: native, or through a tunnel, as its pool says.
//!
//! Pure. It refuses to know whether the kernel took the route: that is `fib_netlink`'s.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::IpAddr,
    sync::Arc,
};

use bgp_proto::{NextHop, Prefix};
use fib_netlink::{Change, Hop, Route, Target};
use ipnetwork::IpNetwork;
use rib::{
    Disposition, FibChange, FibPath, FibRoute, Source,
    policy::{KernelAttributes, Tunnel},
};

use crate::config::{Encapsulation, EncapsulationMode, Pool, Sources};

mod weights;

/// Turns best paths into kernel routes, and does it again for those that a change of our subnets concerns.
#[derive(Debug, Default)]
pub struct Kernel {
    pools: Vec<Pool>,
    sources: Sources,
    /// Connected subnets: what is reached without a router (cross-subnet pools).
    subnets: BTreeSet<IpNetwork>,
    /// Names of interfaces by index, for routes out of a device.
    interfaces: BTreeMap<u32, String>,
    /// The best paths that the kernel should know.
    best: BTreeMap<Prefix, Arc<Best>>,
    /// What prefixes have in common: with a full table it is kept once for hundreds of thousands of them.
    known: Known,
    /// Those of them whose routes go by our subnets or interfaces.
    local: BTreeSet<Prefix>,
}

impl Kernel {
    /// Nothing wanted yet.
    pub fn new(pools: Vec<Pool>, sources: Sources) -> Self {
        Self {
            pools,
            sources,
            ..Self::default()
        }
    }

    /// Best paths changed.
    pub fn best_changed(&mut self, changes: impl IntoIterator<Item = FibChange>) -> Vec<Change> {
        let mut wanted = Vec::new();
        for change in changes {
            if let Some(best) = change.best {
                let best = self.known.share(Best::of(&best));
                wanted.push(self.change(change.prefix, &best));
                if self.is_local(change.prefix, &best) {
                    self.local.insert(change.prefix);
                } else {
                    self.local.remove(&change.prefix);
                }
                self.best.insert(change.prefix, best);
            } else {
                self.local.remove(&change.prefix);
                if self.best.remove(&change.prefix).is_some() {
                    wanted.push(Change::Remove(network(change.prefix)));
                }
            }
        }
        wanted
    }

    /// Interfaces or their addresses changed: returns the routes that are written another way now.
    pub fn links_changed(&mut self, links: &[fib_netlink::Link]) -> Vec<Change> {
        let subnets = links
            .iter()
            .filter(|link| link.up && !self.is_tunnel(&link.name))
            .flat_map(|link| &link.addresses)
            .filter_map(|address| IpNetwork::new(address.network(), address.prefix()).ok())
            .collect();
        let interfaces = links
            .iter()
            .map(|link| (link.index, link.name.clone()))
            .collect();
        if (&subnets, &interfaces) == (&self.subnets, &self.interfaces) {
            return Vec::new();
        }
        self.subnets = subnets;
        self.interfaces = interfaces;
        let local = self.local.iter();
        local
            .filter_map(|prefix| Some(self.change(*prefix, self.best.get(prefix)?)))
            .collect()
    }

    /// The pools changed by a reload: returns all routes, as they are written now.
    pub fn pools_changed(&mut self, pools: Vec<Pool>) -> Vec<Change> {
        self.pools = pools;
        let local = self.best.iter();
        let local = local.filter(|(prefix, best)| self.is_local(**prefix, best));
        self.local = local.map(|(prefix, _)| *prefix).collect();
        self.all()
    }

    /// The source addresses changed by a reload: returns all routes, as they are written now.
    pub fn sources_changed(&mut self, sources: Sources) -> Vec<Change> {
        self.sources = sources;
        self.all()
    }

    /// Every route as it is written now. Those that are as before cost nothing in `fib_netlink`.
    fn all(&self) -> Vec<Change> {
        self.best
            .iter()
            .map(|(prefix, best)| self.change(*prefix, best))
            .collect()
    }

    /// How a best path is written, whether or not the kernel is to know it.
    pub fn written(&self, prefix: Prefix, route: &FibRoute) -> Option<Route> {
        match self.change(prefix, &Best::of(route)) {
            Change::Install(route) => Some(route),
            Change::Remove(_) => None,
        }
    }

    /// Whether our subnets or interfaces have a say in how a route is written.
    fn is_local(&self, prefix: Prefix, best: &Best) -> bool {
        let crosses = |pool: &Pool| pool.mode == EncapsulationMode::CrossSubnet;
        best.ways.iter().any(|way| match way.disposition {
            Disposition::Via(NextHop::V6LinkLocal { .. })
            | Disposition::Device(_)
            | Disposition::Link { .. } => true,
            Disposition::Via(_) => match &way.kernel.tunnel {
                Some(tunnel) => *tunnel == Tunnel::CrossSubnet,
                None => self.pool(prefix).is_some_and(crosses),
            },
            Disposition::Blackhole
            | Disposition::Unreachable
            | Disposition::Prohibit
            | Disposition::Throw => false,
        })
    }

    fn is_tunnel(&self, interface: &str) -> bool {
        self.pools.iter().any(|pool| {
            pool.encapsulation != Encapsulation::None && pool.tunnel_device == interface
        })
    }

    fn change(&self, prefix: Prefix, best: &Best) -> Change {
        let pool = best.is_bgp.then(|| self.pool(prefix)).flatten();
        let Some(target) = self.target(best, pool) else {
            return Change::Remove(network(prefix));
        };
        let policy = best.ways.first().map(|way| &way.kernel);
        let is_forwarded = matches!(target, Target::Via(_));
        let source = policy
            .and_then(|policy| policy.source)
            .or_else(|| pool?.source)
            .or(match prefix {
                Prefix::V4(_) => self.sources.v4.map(IpAddr::V4),
                Prefix::V6(_) => self.sources.v6.map(IpAddr::V6),
            })
            // Policies do not know families.
            .filter(|source| is_forwarded && source.is_ipv4() == prefix.addr().is_ipv4());
        Change::Install(Route {
            table: policy
                .and_then(|policy| policy.table)
                .or_else(|| pool?.table),
            metric: policy
                .and_then(|policy| policy.metric)
                .or_else(|| pool?.metric),
            source,
            ..Route::new(network(prefix), target)
        })
    }

    fn target(&self, best: &Best, pool: Option<&Pool>) -> Option<Target> {
        let mut hops = Vec::new();
        for way in &best.ways {
            let weight = way.weight;
            match way.disposition {
                Disposition::Blackhole => return Some(Target::Blackhole),
                Disposition::Unreachable => return Some(Target::Unreachable),
                Disposition::Prohibit => return Some(Target::Prohibit),
                Disposition::Throw => return Some(Target::Throw),
                Disposition::Device(index) => {
                    hops.push(Hop::device(self.interfaces.get(&index)?).weighing(weight));
                }
                Disposition::Link { gateway, interface } => {
                    let interface = self.interfaces.get(&interface)?;
                    hops.push(Hop::via(gateway.into()).over(interface).weighing(weight));
                }
                Disposition::Via(next_hop) => {
                    let tunnel = way.kernel.tunnel.as_ref();
                    hops.push(self.hop(next_hop, pool, tunnel).weighing(weight));
                }
            }
        }
        hops.sort();
        hops.dedup();
        // A next hop that is unspecified means ourselves: there is nowhere to send packets.
        hops.retain(|hop| !hop.gateway.is_some_and(|gateway| gateway.is_unspecified()));
        (!hops.is_empty()).then_some(Target::Via(hops))
    }

    /// Where policy says nothing of a tunnel, the pool does.
    fn hop(&self, next_hop: NextHop, pool: Option<&Pool>, tunnel: Option<&Tunnel>) -> Hop {
        let gateway = next_hop.addr();
        let usual = pool.filter(|pool| pool.encapsulation != Encapsulation::None);
        let usual = usual.map(|pool| (pool.tunnel_device.as_str(), pool.mode));
        let chosen = match tunnel {
            None => usual,
            Some(Tunnel::Never) => None,
            Some(Tunnel::Always) => usual.map(|(device, _)| (device, EncapsulationMode::Always)),
            Some(Tunnel::CrossSubnet) => {
                usual.map(|(device, _)| (device, EncapsulationMode::CrossSubnet))
            }
            Some(Tunnel::Device(device)) => Some((&**device, EncapsulationMode::Always)),
        };
        match chosen {
            Some((device, mode)) if self.is_encapsulated(mode, gateway) => {
                Hop::via(gateway).over(device).onlink()
            }
            _ => match next_hop {
                NextHop::V6LinkLocal { link_local, .. } if !self.is_connected(gateway) => {
                    Hop::via(IpAddr::V6(link_local))
                }
                _ => Hop::via(gateway),
            },
        }
    }

    /// The most specific pool that holds the prefix.
    fn pool(&self, prefix: Prefix) -> Option<&Pool> {
        let network = network(prefix);
        let inside = |pool: &&Pool| {
            pool.cidr.prefix() <= network.prefix() && pool.cidr.contains(network.network())
        };
        self.pools
            .iter()
            .filter(inside)
            .max_by_key(|pool| pool.cidr.prefix())
    }

    fn is_encapsulated(&self, mode: EncapsulationMode, next_hop: IpAddr) -> bool {
        match mode {
            EncapsulationMode::Never => false,
            EncapsulationMode::Always => true,
            EncapsulationMode::CrossSubnet => !self.is_connected(next_hop),
        }
    }

    fn is_connected(&self, address: IpAddr) -> bool {
        self.subnets.iter().any(|subnet| subnet.contains(address))
    }
}

/// What the kernel has to know of the best paths of a prefix: not their attributes.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Best {
    is_bgp: bool,
    ways: Vec<Way>,
}

#[derive(Debug, Eq, Hash, PartialEq)]
struct Way {
    disposition: Disposition,
    kernel: KernelAttributes,
    weight: u8,
}

impl Best {
    fn of(route: &FibRoute) -> Self {
        let weights = weights::weights(&route.paths);
        let way = |(path, weight): (&FibPath, u8)| Way {
            disposition: path.disposition,
            kernel: path.kernel().clone(),
            weight,
        };
        Self {
            is_bgp: matches!(route.source, Source::Bgp(_)),
            ways: route.paths.iter().zip(weights).map(way).collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Known {
    all: HashSet<Arc<Best>>,
    prune_at: usize,
}

impl Known {
    fn share(&mut self, best: Best) -> Arc<Best> {
        if let Some(known) = self.all.get(&best) {
            return Arc::clone(known);
        }
        if self.all.len() >= self.prune_at {
            self.all.retain(|best| Arc::strong_count(best) > 1);
            self.prune_at = (2 * self.all.len()).max(FEW);
        }
        let best = Arc::new(best);
        self.all.insert(Arc::clone(&best));
        best
    }
}

/// Below this many nobody looks for unused ones.
const FEW: usize = 1024;

/// The prefix in the terms of `fib_netlink` and of the configuration.
pub fn network(prefix: Prefix) -> IpNetwork {
    let whole = IpNetwork::from(prefix.addr());
    // Never refused: a `Prefix` is not longer than its address.
    IpNetwork::new(prefix.addr(), prefix.length()).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use bgp_proto::{AsPath, Asn, Instant, Origin, PathAttributes, RouterId};
    use rib::{Input, Output, Rib, RibConfig, RouteBatch};

    use super::*;

    /// What the RIB makes of static routes.
    fn best(routes: &[(&str, Disposition)]) -> Vec<FibChange> {
        let id = RouterId::new([192, 0, 2, 1].into()).unwrap();
        let mut rib = Rib::new(RibConfig::new(Asn(64512), id));
        let mut batch = RouteBatch::new(Source::Static);
        for (prefix, disposition) in routes {
            let next_hop = NextHop::V4([0; 4].into());
            let attributes = PathAttributes::new(Origin::Igp, AsPath::empty(), next_hop);
            let path = batch.push_path(attributes, *disposition);
            batch.announce(prefix.parse().unwrap(), 0, path);
        }
        rib.step(Input::Routes(batch), Instant::ZERO);
        let mut output = Output::default();
        while rib.has_work() {
            rib.drain(&mut output);
        }
        output.install
    }

    #[test]
    fn links_that_change_concern_the_routes_that_go_by_them_only() {
        let gateway = "fe80::1".parse().unwrap();
        let changes = best(&[
            (
                "10.1.0.0/16",
                Disposition::Via(NextHop::V4([10, 0, 0, 1].into())),
            ),
            ("10.2.0.0/16", Disposition::Blackhole),
            ("10.3.0.0/16", Disposition::Device(2)),
            (
                "fd00::/16",
                Disposition::Link {
                    gateway,
                    interface: 2,
                },
            ),
        ]);
        assert_eq!(changes.len(), 4);
        let mut kernel = Kernel::new(Vec::new(), Sources::default());
        assert_eq!(kernel.best_changed(changes).len(), 4);
        let link = fib_netlink::Link {
            index: 2,
            name: "e2".to_owned(),
            up: true,
            addresses: vec!["10.0.0.9/24".parse().unwrap()],
        };
        let written = kernel.links_changed(&[link]);
        let device = Target::Via(vec![Hop::device("e2")]);
        let via = Target::Via(vec![Hop::via(gateway.into()).over("e2")]);
        let expected = [("10.3.0.0/16", device), ("fd00::/16", via)]
            .map(|(prefix, target)| Change::Install(Route::new(prefix.parse().unwrap(), target)));
        assert_eq!(written, expected);
    }
}
