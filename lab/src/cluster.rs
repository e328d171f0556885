// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The demo: a cluster of three nodes in two subnets, with pods, a route reflector outside and a ToR switch.
//!
//! ```text
//!   tor ── node1 ── node2          node3        rr
//!    └───────┴───────┘ 172.18.1.0/24  │ .2.0/24  │ .3.0/24
//!            └────────── router ──────┴──────────┘
//! ```
//!
//! Everything that is printed as a fact has been looked at; what is not so is an error.

mod config;
mod outer;
mod scenes;
mod story;
mod topology;
mod vrf;

use std::time::Instant;

use anyhow::{Result, ensure};

pub use story::Story;

/// Who peers with whom.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// Every node with every other.
    FullMesh,
    /// Every node with a reflector outside of the cluster.
    #[default]
    RouteReflector,
}

/// How packets travel between nodes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encap {
    /// As they are; the router knows the blocks.
    Never,
    /// In VXLAN.
    Vxlan,
    /// In IP-in-IP.
    Ipip,
    /// In IP-in-IP between subnets, as they are inside of one.
    CrossSubnet,
}

/// Which addresses pods have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv4 and IPv6. There is no IP-in-IP for IPv6: its packets travel as they are.
    #[default]
    Dual,
}

/// Another daemon in the place of one of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Foreign {
    /// BIRD, on node2.
    Bird,
    /// FRR, on node2.
    Frr,
    /// GoBGP, as the route reflector: it has no kernel routes of its own.
    GoBgp,
}

/// What kind of cluster.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Who peers with whom.
    pub mode: Mode,
    /// How packets travel.
    pub encap: Encap,
    /// Which addresses pods have.
    pub family: Family,
    /// Another daemon.
    pub foreign: Option<Foreign>,
    /// It stays when the show is over.
    pub keep: bool,
    /// The kernel has IP-in-IP (and VRFs); where it has not, a VXLAN device stands in for `tunl0`.
    pub has_ipip: bool,
}

/// Runs the demo and prints it.
///
/// # Errors
/// Something is not as it should be: with what was seen instead.
pub fn run(options: Options) -> Result<()> {
    options.check()?;
    let begun = Instant::now();
    let mut story = Story::new(begun);
    println!("{}", options.describe());
    let mut cluster = topology::Cluster::build(options)?;
    cluster.start()?;
    story.claim("three nodes, six pods, a router, a ToR switch: namespaces, cables, daemons");
    cluster.converges(&mut story)?;
    cluster.shows_routes()?;
    cluster.carries_traffic(&mut story)?;
    if options.is_dual() {
        cluster.carries_ipv6(&mut story)?;
    }
    if options.has_ipip {
        cluster.shows_the_outer_header(&mut story)?;
    }
    cluster.restarts_a_daemon(&mut story)?;
    if !options.keep {
        cluster.loses_a_node(&mut story)?;
    }
    if options.has_ipip {
        vrf::routes_of_a_vrf(&mut story)?;
    }
    story.end();
    if options.keep {
        print!("{}", cluster.how_to_enter());
        cluster.leave_running();
    }
    Ok(())
}

impl Options {
    fn is_dual(self) -> bool {
        self.family == Family::Dual
    }

    fn check(self) -> Result<()> {
        ensure!(
            self.foreign.is_none() || self.encap == Encap::Never,
            "the other daemons can not choose a tunnel by address pool: --peer goes with --encap never"
        );
        ensure!(
            self.foreign.is_none() || self.family == Family::V4,
            "the other daemons are shown with IPv4 only: --peer goes with --family v4"
        );
        ensure!(
            self.foreign != Some(Foreign::GoBgp) || self.mode == Mode::RouteReflector,
            "GoBGP takes the reflector's place: --peer gobgp goes with --mode route-reflector"
        );
        Ok(())
    }

    fn describe(self) -> String {
        let mode = match self.mode {
            Mode::FullMesh => "full mesh",
            Mode::RouteReflector => "route reflector",
        };
        let encap = match self.encap {
            Encap::Never => "no encapsulation",
            Encap::Vxlan => "VXLAN always",
            Encap::Ipip => "IP-in-IP always",
            Encap::CrossSubnet => "IP-in-IP across subnets",
        };
        let device = match self.encap {
            Encap::Never | Encap::Vxlan => "",
            Encap::Ipip | Encap::CrossSubnet if self.has_ipip => " (tunl0 is real)",
            Encap::Ipip | Encap::CrossSubnet => {
                " (tunl0 is a stand-in: packets in it travel in VXLAN)"
            }
        };
        let foreign = match self.foreign {
            None => "",
            Some(Foreign::Bird) => "; node2 runs BIRD",
            Some(Foreign::Frr) => "; node2 runs FRR",
            Some(Foreign::GoBgp) => "; the reflector is GoBGP",
        };
        let family = match self.family {
            Family::V4 => "",
            Family::Dual => "; IPv6 beside it, never encapsulated",
        };
        format!("a cluster: {mode}, {encap}{device}{family}{foreign}")
    }
}
