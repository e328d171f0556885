// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes as the kernel knows them: devices by index, metrics as stored.

use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

/// A route in a kernel table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KernelRoute {
    /// The destination, host bits zero.
    pub prefix: IpNetwork,
    /// The rest.
    pub held: Held,
}

/// A route without its destination: what the kernel holds for a prefix.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Held {
    /// The table it is in.
    pub table: u32,
    /// Its metric as the kernel stores it (see [`stored_metric`]).
    pub metric: u32,
    /// Who wrote it.
    pub protocol: u8,
    /// Where it leads. Shared: many routes lead the same way.
    pub way: Arc<Way>,
}

/// Where a route leads.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Way {
    /// What happens to packets.
    pub kind: Kind,
    /// The ways out, sorted; empty unless `kind` is unicast.
    pub hops: Vec<KernelHop>,
    /// Preferred source address.
    pub source: Option<IpAddr>,
    /// The next-hop object of ours that says it all: there are no hops beside it.
    pub object: Option<u32>,
    /// It carries things we never write (encapsulation, next-hop objects of others).
    pub exotic: bool,
}

/// What the kernel does with packets of a route.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Forwards them.
    Unicast,
    /// Drops them in silence.
    Blackhole,
    /// Answers that the host is unreachable.
    Unreachable,
    /// Answers that communication is prohibited.
    Prohibit,
    /// Looks on in the next table.
    Throw,
    /// Something that we never write.
    Other,
}

/// One way out.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KernelHop {
    /// The next router.
    pub gateway: Option<IpAddr>,
    /// Index of the device; 0 if that was left to the kernel.
    pub ifindex: u32,
    /// Share of the traffic, from 1.
    pub weight: u8,
    /// The gateway counts as being on the link.
    pub onlink: bool,
}

impl Way {
    /// Packets go out over these hops.
    pub fn unicast(mut hops: Vec<KernelHop>, source: Option<IpAddr>) -> Self {
        hops.sort_unstable();
        if let [only] = hops.as_mut_slice() {
            only.weight = 1; // nothing to share with
        }
        Self {
            kind: Kind::Unicast,
            hops,
            source,
            object: None,
            exotic: false,
        }
    }

    /// Packets go nowhere.
    pub fn reject(kind: Kind) -> Self {
        Self {
            kind,
            hops: Vec::new(),
            source: None,
            object: None,
            exotic: false,
        }
    }

    /// Whatever a next-hop object of ours leads to.
    pub fn object(id: u32, source: Option<IpAddr>) -> Self {
        Self {
            object: Some(id),
            ..Self::unicast(Vec::new(), source)
        }
    }

    /// Whether a route that leads this way is as good as one that leads `wanted`. A device that was left to the kernel is
    /// whatever the kernel chose.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        let same_hop = |(a, b): (&KernelHop, &KernelHop)| {
            a.is_like(b) && a.weight == b.weight && a.onlink == b.onlink
        };
        self.kind == wanted.kind
            && self.exotic == wanted.exotic
            && self.object == wanted.object
            && self.source == wanted.source
            && self.hops.len() == wanted.hops.len()
            && self.hops.iter().zip(&wanted.hops).all(same_hop)
    }
}

impl KernelHop {
    /// Same gateway and device, as far as both are known.
    pub fn is_like(&self, other: &Self) -> bool {
        let device = self.ifindex == other.ifindex || self.ifindex == 0 || other.ifindex == 0;
        self.gateway == other.gateway && device
    }
}

/// The metric the kernel stores: an IPv6 route without one gets 1024 (`IP6_RT_PRIO_USER`).
pub fn stored_metric(prefix: &IpNetwork, metric: u32) -> u32 {
    match (prefix, metric) {
        (IpNetwork::V6(_), 0) => 1024,
        (_, metric) => metric,
    }
}

/// The prefix with its host bits cleared.
pub(crate) fn network(prefix: IpNetwork) -> IpNetwork {
    truncated(prefix.ip(), prefix.prefix())
}

/// The network of that length around an address; lengths beyond the family's count as host routes.
pub(crate) fn truncated(address: IpAddr, length: u8) -> IpNetwork {
    let full = IpNetwork::from(address);
    let length = length.min(full.prefix());
    IpNetwork::new(address, length)
        .and_then(|around| IpNetwork::new(around.network(), length))
        .unwrap_or(full)
}
