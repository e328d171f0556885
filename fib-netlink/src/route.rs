// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a caller wants to see in the kernel's table, and how far it got.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnetwork::IpNetwork;

/// A route that shall be in the kernel's table.
///
/// There is at most one desired route per prefix; installing another one replaces it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Route {
    /// The destination. Host bits are ignored.
    pub prefix: IpNetwork,
    /// What happens to packets for it.
    pub target: Target,
    /// The kernel's table; `None` takes [`FibConfig::table`](crate::FibConfig::table).
    pub table: Option<u32>,
    /// The kernel's metric; `None` takes [`FibConfig::metric`](crate::FibConfig::metric).
    pub metric: Option<u32>,
    /// Preferred source address of packets that this host sends along the route (`src` of `ip route`).
    pub source: Option<IpAddr>,
}

impl Route {
    /// Its destination, and the rest.
    pub fn into_parts(self) -> (IpNetwork, Want) {
        let want = Want {
            target: self.target,
            table: self.table,
            metric: self.metric,
            source: self.source,
        };
        (self.prefix, want)
    }

    /// A route with the configured table and metric and no preferred source.
    pub fn new(prefix: IpNetwork, target: Target) -> Self {
        Self {
            prefix,
            target,
            table: None,
            metric: None,
            source: None,
        }
    }
}

/// A desired route without its destination: many prefixes share one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Want {
    /// What happens to packets.
    pub target: Target,
    /// The kernel's table; `None` takes [`FibConfig::table`](crate::FibConfig::table).
    pub table: Option<u32>,
    /// The kernel's metric; `None` takes [`FibConfig::metric`](crate::FibConfig::metric).
    pub metric: Option<u32>,
    /// Preferred source address of packets that this host sends along the route.
    pub source: Option<IpAddr>,
}

/// What happens to packets for a destination.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// They are forwarded over one of these hops, in proportion to their weights.
    Via(Vec<Hop>),
    /// They vanish.
    Blackhole,
    /// The sender is told that the host is unreachable.
    Unreachable,
    /// The sender is told that communication is prohibited.
    Prohibit,
    /// This table has nothing to say of them: the next one is asked (`ip rule`).
    Throw,
}

/// One way out of this host.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hop {
    /// The next router; `None` means the destination is on the link itself.
    /// An IPv6 gateway of an IPv4 destination is written as `via inet6` (`RTA_VIA`).
    pub gateway: Option<IpAddr>,
    /// The device, by name: the index is looked up each time the route is written, so the route follows a device that is
    /// deleted and made anew. `None`: the device (and for a gateway that is not on a connected link, the gateway to it)
    /// is found by longest match over the connected and foreign routes.
    pub interface: Option<String>,
    /// The kernel shall believe that the gateway is on the link although no address says so (tunnels).
    pub onlink: bool,
    /// Share of the traffic, 1 to 255; 0 counts as 1.
    pub weight: u8,
}

impl Hop {
    /// A hop via a router, over whatever device leads to it.
    pub fn via(gateway: IpAddr) -> Self {
        Self {
            gateway: Some(gateway),
            interface: None,
            onlink: false,
            weight: 1,
        }
    }

    /// A hop straight out of a device.
    pub fn device(interface: impl Into<String>) -> Self {
        Self {
            gateway: None,
            interface: Some(interface.into()),
            onlink: false,
            weight: 1,
        }
    }

    /// The same hop over a named device.
    #[must_use]
    pub fn over(mut self, interface: impl Into<String>) -> Self {
        self.interface = Some(interface.into());
        self
    }

    /// The same hop, its gateway believed to be on the link.
    #[must_use]
    pub fn onlink(mut self) -> Self {
        self.onlink = true;
        self
    }

    /// The same hop with another weight.
    #[must_use]
    pub fn weighing(mut self, weight: u8) -> Self {
        self.weight = weight;
        self
    }
}

/// A change of what is desired.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// This route shall exist, in place of any other one desired for its prefix.
    Install(Route),
    /// The same, of a route whose other parts are shared with others: nothing is allocated for it.
    Share(IpNetwork, Arc<Want>),
    /// Nothing of ours shall exist for this prefix.
    Remove(IpNetwork),
}

/// A desired route and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteState {
    /// The route as it was asked for.
    pub route: Route,
    /// How far it got.
    pub status: Status,
    /// The next-hop object (`nhid`) that it names, if its hops are shared so.
    pub object: Option<u32>,
}

/// Desired routes, counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// In the kernel as wanted.
    pub installed: u64,
    /// Still to be written, or waiting for an interface.
    pub pending: u64,
    /// Refused by the kernel, or in the way of another program.
    pub failed: u64,
}

/// How far a desired route got.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Status {
    /// Not yet written.
    Pending,
    /// The kernel has it, written by us.
    Installed,
    /// The kernel had it already when we started; not a bit was changed.
    Adopted,
    /// The kernel refused it.
    Failed {
        /// The kernel's own words: extended acknowledgement if it gave one, and the errno text.
        error: String,
        /// How many times it was tried in a row.
        attempts: u32,
        /// Time until it is tried again, unless an event makes that sooner.
        next_try: Duration,
    },
    /// A route of another program holds the same prefix and metric. It is never overwritten; ours follows when it goes.
    Blocked {
        /// Protocol number of the route in the way.
        protocol: u8,
    },
    /// Somebody takes the route away again and again; we restore it at a slower pace now.
    Contested {
        /// Time until it is restored again.
        next_try: Duration,
    },
    /// None of its devices exists and is up.
    WaitingForInterface,
}

impl Status {
    /// The kernel has the route.
    pub fn is_installed(&self) -> bool {
        matches!(self, Self::Installed | Self::Adopted)
    }
}

impl fmt::Display for RouteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.route.prefix, self.route.target, self.status
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Installed => f.write_str("installed"),
            Self::Adopted => f.write_str("installed (found at start)"),
            Self::Failed {
                error,
                attempts,
                next_try,
            } => {
                write!(
                    f,
                    "refused by the kernel: {error} (tried {attempts} times, again in {} s)",
                    next_try.as_secs()
                )
            }
            Self::Blocked { protocol } => {
                write!(f, "a foreign route (protocol {protocol}) is in the way")
            }
            Self::Contested { next_try } => {
                write!(
                    f,
                    "taken away repeatedly by another program, again in {} s",
                    next_try.as_secs()
                )
            }
            Self::WaitingForInterface => f.write_str("waiting for its interface"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Via(hops) => {
                for (at, hop) in hops.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{hop}")?;
                }
                Ok(())
            }
            Self::Blackhole => f.write_str("blackhole"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Prohibit => f.write_str("prohibit"),
            Self::Throw => f.write_str("throw"),
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        if let Some(gateway) = self.gateway {
            write!(f, "via {gateway}")?;
            space = " ";
        }
        if let Some(interface) = &self.interface {
            write!(f, "{space}dev {interface}")?;
        }
        if self.weight > 1 {
            write!(f, " weight {}", self.weight)?;
        }
        if self.onlink {
            f.write_str(" onlink")?;
        }
        Ok(())
    }
}
