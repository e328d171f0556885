// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which kernel route a best path becomes: native, or through a tunnel, as its pool says.
//!
//! Pure. It refuses to know whether the kernel took the route: that is `fib_netlink`'s.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use bgp_proto::{NextHop, Prefix};
use fib_netlink::{Change, Hop, Route, Target, Want};
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
    /// The best paths whose routes go by our subnets or interfaces. Of the others only the RIB knows.
    local: BTreeMap<Prefix, Arc<Best>>,
    /// How what many of them have in common is written, by where it lies, the pool and the family.
    written: HashMap<(usize, Option<usize>, bool), Written>,
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
    pub fn best_changed(&mut self, changes: impl IntoIterator<Item = BestChange>) -> Vec<Change> {
        let wanted = changes.into_iter().map(|BestChange { prefix, best }| {
            let Some(best) = best else {
                self.local.remove(&prefix);
                return Change::Remove(network(prefix));
            };
            let written = self.remembered(prefix, &best);
            let wanted = change_of(prefix, written.want.clone());
            if written.is_local {
                self.local.insert(prefix, best);
            } else if !self.local.is_empty() {
                self.local.remove(&prefix);
            }
            wanted
        });
        wanted.collect()
    }

    /// How a best path is written; that is thought of once for all prefixes of a pool.
    fn remembered(&mut self, prefix: Prefix, best: &Arc<Best>) -> &Written {
        let pool = if self.pools.is_empty() {
            None
        } else {
            self.pool_number(prefix)
        };
        let key = (
            Arc::as_ptr(best).addr(),
            pool,
            matches!(prefix, Prefix::V6(_)),
        );
        if self.written.len() >= MANY && !self.written.contains_key(&key) {
            self.written.clear();
        }
        if !self.written.contains_key(&key) {
            let written = Written {
                want: self.want(prefix, best).map(Arc::new),
                is_local: self.is_local(prefix, best),
                _best: Arc::clone(best),
            };
            self.written.insert(key, written);
        }
        &self.written[&key]
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
        self.written.clear();
        let local = self.local.iter();
        let written = local.map(|(prefix, best)| {
            let want = self.want(*prefix, best);
            change_of(*prefix, want.map(Arc::new))
        });
        written.collect()
    }

    /// The pools changed by a reload: all best paths are to be said again ([`best_changed`](Self::best_changed)).
    pub fn pools_changed(&mut self, pools: Vec<Pool>) {
        self.pools = pools;
        self.written.clear();
    }

    /// The source addresses changed by a reload: all best paths are to be said again.
    pub fn sources_changed(&mut self, sources: Sources) {
        self.sources = sources;
        self.written.clear();
    }

    /// How a best path is written, whether or not the kernel is to know it.
    pub fn written(&self, prefix: Prefix, route: &FibRoute) -> Option<Route> {
        let want = self.want(prefix, &Best::of(route))?;
        Some(Route {
            table: want.table,
            metric: want.metric,
            source: want.source,
            ..Route::new(network(prefix), want.target)
        })
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

    fn want(&self, prefix: Prefix, best: &Best) -> Option<Want> {
        let pool = best.is_bgp.then(|| self.pool(prefix)).flatten();
        let target = self.target(best, pool)?;
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
        Some(Want {
            table: policy
                .and_then(|policy| policy.table)
                .or_else(|| pool?.table),
            metric: policy
                .and_then(|policy| policy.metric)
                .or_else(|| pool?.metric),
            source,
            target,
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
        self.pools.get(self.pool_number(prefix)?)
    }

    fn pool_number(&self, prefix: Prefix) -> Option<usize> {
        let network = network(prefix);
        let inside = |pool: &Pool| {
            pool.cidr.prefix() <= network.prefix() && pool.cidr.contains(network.network())
        };
        let pools = self.pools.iter().enumerate();
        let inside = pools.filter(|(_, pool)| inside(pool));
        let longest = inside.max_by_key(|(_, pool)| pool.cidr.prefix())?;
        Some(longest.0)
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

/// The best path of a prefix changed, as far as the kernel has to know. There may be as many as there are prefixes.
#[derive(Clone, Debug)]
pub struct BestChange {
    /// Which prefix.
    pub prefix: Prefix,
    best: Option<Arc<Best>>,
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
    /// Whether this is what [`of`](Self::of) would make of a route; says no where that is not plain to see.
    fn is_of(&self, route: &FibRoute) -> bool {
        let ([way], [path]) = (self.ways.as_slice(), route.paths.as_slice()) else {
            return false;
        };
        self.is_bgp == matches!(route.source, Source::Bgp(_))
            && way.weight == 1
            && way.disposition == path.disposition
            && way.kernel == *path.kernel()
    }

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

/// How a best path is written.
#[derive(Debug)]
struct Written {
    want: Option<Arc<Want>>,
    is_local: bool,
    /// Nothing else comes to lie where it does.
    _best: Arc<Best>,
}

/// What prefixes have in common: with a full table it is the same for hundreds of thousands of them.
#[derive(Debug, Default)]
pub struct Known {
    all: HashSet<Arc<Best>>,
    /// Those that were asked for lately, by the last octet of the next hop.
    recent: [Option<Arc<Best>>; RECENT],
    prune_at: usize,
}

const RECENT: usize = 32;

impl Known {
    /// A change without what the kernel has no need of.
    pub fn shorten(&mut self, change: &FibChange) -> BestChange {
        BestChange {
            prefix: change.prefix,
            best: change.best.as_ref().map(|route| self.share(route)),
        }
    }

    fn share(&mut self, route: &FibRoute) -> Arc<Best> {
        let place = match route.paths.first().map(|path| path.disposition) {
            Some(Disposition::Via(NextHop::V4(address))) => usize::from(address.octets()[3]),
            Some(Disposition::Via(hop)) => match hop.addr() {
                IpAddr::V4(address) => usize::from(address.octets()[3]),
                IpAddr::V6(address) => usize::from(address.octets()[15]),
            },
            _ => 0,
        } % RECENT;
        if let Some(recent) = &self.recent[place]
            && recent.is_of(route)
        {
            return Arc::clone(recent);
        }
        let best = self.share_new(Best::of(route));
        self.recent[place] = Some(Arc::clone(&best));
        best
    }

    fn share_new(&mut self, best: Best) -> Arc<Best> {
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

/// With more of them how best paths are written is thought of anew.
const MANY: usize = 1 << 16;

fn change_of(prefix: Prefix, want: Option<Arc<Want>>) -> Change {
    match want {
        Some(want) => Change::Share(network(prefix), want),
        None => Change::Remove(network(prefix)),
    }
}

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
        let mut known = Known::default();
        let changes = changes.iter().map(|change| known.shorten(change));
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
        let expected = [("10.3.0.0/16", device), ("fd00::/16", via)].map(|(prefix, target)| {
            let (prefix, want) = Route::new(prefix.parse().unwrap(), target).into_parts();
            Change::Share(prefix, Arc::new(want))
        });
        assert_eq!(written, expected);
    }
}
