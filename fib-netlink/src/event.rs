// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel has to say.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::RouteState;

/// News from the kernel. Changes of the same thing that nobody has read yet are merged, so a slow reader costs memory in
/// proportion to the things that changed, never to the number of changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FibEvent {
    /// Routes and connected prefixes that appeared, changed or went, as [`Learn`](crate::Learn) asks for.
    Learned(Vec<LearnedChange>),
    /// Tracked addresses whose reachability is known now or is another than before.
    NextHops(Vec<(IpAddr, Reachability)>),
    /// All interfaces, after a change of one.
    Links(Vec<Link>),
    /// Routes that are in trouble, or no longer so. Routes that were installed without trouble are not mentioned.
    Status(Vec<RouteState>),
    /// Everything was compared with the kernel anew, and what was missed is being mended. The first one says that the
    /// kernel's state at the start is known.
    Resynced,
}

/// Where a learned route comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LearnedOrigin {
    /// A route that another program wrote.
    Kernel,
    /// The connected prefix of an interface address.
    Direct,
}

/// A route learned from the kernel, or the end of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LearnedChange {
    /// The destination. With `origin` it is the key: of several kernel routes to it the one with the lowest metric is shown.
    pub prefix: IpNetwork,
    /// Where it comes from.
    pub origin: LearnedOrigin,
    /// The route, or `None` when it is gone.
    pub route: Option<LearnedRoute>,
}

/// What is known of a learned route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LearnedRoute {
    /// The kernel's protocol number: 2 kernel, 3 boot, 4 static, …
    pub protocol: u8,
    /// The kernel's metric.
    pub metric: u32,
    /// The ways out; none for blackhole, unreachable and prohibit routes.
    pub hops: Vec<LearnedHop>,
}

/// One way out of a learned route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LearnedHop {
    /// The next router, if there is one.
    pub gateway: Option<IpAddr>,
    /// Index of the device.
    pub ifindex: u32,
    /// Name of the device.
    pub interface: String,
}

/// Whether packets would get to an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reachability {
    /// Yes, by this way (the first hop if there are several).
    Reachable {
        /// Metric of the route; 0 for a connected address.
        metric: u32,
        /// The address is on a connected link (or is our own).
        connected: bool,
        /// Name of the device.
        interface: String,
        /// The next router on the way; `None` if the address is on the link.
        gateway: Option<IpAddr>,
    },
    /// No route, a route that rejects, or a link that is down.
    Unreachable,
}

/// A network interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// The kernel's index; a device that is made anew has another one.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Administratively up, and with a carrier as far as the kernel knows.
    pub up: bool,
    /// Its addresses, with the lengths of their connected prefixes.
    pub addresses: Vec<IpNetwork>,
}

impl fmt::Display for Reachability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("unreachable"),
            Self::Reachable {
                interface,
                gateway: None,
                ..
            } => write!(f, "on link {interface}"),
            Self::Reachable {
                interface,
                gateway: Some(gateway),
                metric,
                ..
            } => write!(f, "via {gateway} dev {interface} metric {metric}"),
        }
    }
}

impl fmt::Display for LearnedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            LearnedOrigin::Kernel => "kernel",
            LearnedOrigin::Direct => "direct",
        };
        write!(f, "{origin} {}", self.prefix)?;
        let Some(route) = &self.route else {
            return f.write_str(" gone");
        };
        for hop in &route.hops {
            if let Some(gateway) = hop.gateway {
                write!(f, " via {gateway}")?;
            }
            write!(f, " dev {}", hop.interface)?;
        }
        write!(f, " proto {} metric {}", route.protocol, route.metric)
    }
}
