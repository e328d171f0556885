// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask cluster`: the demo. What it does is in `lab::cluster`.

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use lab::cluster::{self, Options};

use crate::{cargo, packages};

/// What kind of cluster.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Arguments {
    /// Who peers with whom
    #[arg(long, value_enum, default_value = "route-reflector")]
    mode: Mode,
    /// How packets travel between nodes [default: cross-subnet; never with --peer]
    #[arg(long, value_enum)]
    encap: Option<Encap>,
    /// Another daemon: bird and frr run on node2, gobgp takes the reflector's place
    #[arg(long, value_enum)]
    peer: Option<Foreign>,
    /// Leave the cluster up with all its nodes, and say how to enter it
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    FullMesh,
    RouteReflector,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encap {
    Never,
    Vxlan,
    CrossSubnet,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Foreign {
    Bird,
    Gobgp,
    Frr,
}

/// Builds, installs what is missing, and runs it.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the demo makes network namespaces and needs root: sudo -E env PATH=$PATH cargo xtask cluster"
    );
    let foreign = match arguments.peer {
        None => &[][..],
        Some(Foreign::Bird) => &["bird2"],
        Some(Foreign::Gobgp) => &["gobgpd"],
        Some(Foreign::Frr) => &["frr"],
    };
    packages::ensure(&[&["iproute2", "procps", "bird2"], foreign].concat())?;
    cargo(&["build", "--package", "bgpd"])?;
    cluster::run(arguments.options())
}

impl Arguments {
    fn options(self) -> Options {
        let usual = if self.peer.is_some() {
            Encap::Never
        } else {
            Encap::CrossSubnet
        };
        Options {
            mode: match self.mode {
                Mode::FullMesh => cluster::Mode::FullMesh,
                Mode::RouteReflector => cluster::Mode::RouteReflector,
            },
            encap: match self.encap.unwrap_or(usual) {
                Encap::Never => cluster::Encap::Never,
                Encap::Vxlan => cluster::Encap::Vxlan,
                Encap::CrossSubnet => cluster::Encap::CrossSubnet,
            },
            foreign: self.peer.map(|peer| match peer {
                Foreign::Bird => cluster::Foreign::Bird,
                Foreign::Gobgp => cluster::Foreign::GoBgp,
                Foreign::Frr => cluster::Foreign::Frr,
            }),
            keep: self.keep,
        }
    }
}
