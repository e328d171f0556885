// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask cluster`: the demo. What it does is in `lab::cluster`.

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use lab::cluster::{self, Options};

use crate::{cargo, packages, vm};

/// What kind of cluster.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Arguments {
    /// Who peers with whom
    #[arg(long, value_enum, default_value = "route-reflector")]
    mode: Mode,
    /// How packets travel between nodes [default: cross-subnet; never with --peer]
    #[arg(long, value_enum)]
    encap: Option<Encap>,
    /// Which addresses pods have [default: dual; v4 with --peer or --vm]
    #[arg(long, value_enum)]
    family: Option<Family>,
    /// Another daemon: bird and frr run on node2, gobgp takes the reflector's place
    #[arg(long, value_enum)]
    peer: Option<Foreign>,
    /// Leave the cluster up with all its nodes, and say how to enter it
    #[arg(long)]
    keep: bool,
    /// In a virtual machine with a Debian kernel, where `tunl0` is real (no root, no hardware virtualisation)
    #[arg(long, conflicts_with_all = ["keep", "peer"])]
    vm: bool,
    /// We are in that machine
    #[arg(long, hide = true)]
    inside: bool,
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
    Ipip,
    CrossSubnet,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Family {
    V4,
    Dual,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Foreign {
    Bird,
    Gobgp,
    Frr,
}

/// Builds, installs what is missing, and runs it.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    if arguments.inside {
        return cluster::run(arguments.options());
    }
    if arguments.vm {
        return in_a_machine(arguments);
    }
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
    packages::ensure(&[&["iproute2", "procps", "bird2", "make"], foreign].concat())?;
    cargo(&["build", "--package", "bgpd"])?;
    cluster::run(arguments.options())
}

/// Always and `CrossSubnet` with a real `tunl0`, in a virtual machine each.
pub(crate) fn test_in_machines() -> Result<()> {
    for (mode, encap) in [
        (Mode::FullMesh, Encap::Ipip),
        (Mode::RouteReflector, Encap::CrossSubnet),
    ] {
        in_a_machine(Arguments {
            mode,
            encap: Some(encap),
            family: None,
            peer: None,
            keep: false,
            vm: true,
            inside: false,
        })?;
    }
    Ok(())
}

/// The same in a virtual machine.
fn in_a_machine(arguments: Arguments) -> Result<()> {
    packages::ensure(vm::PACKAGES)?;
    cargo(&["build", "--package", "bgpd"])?;
    let mode = name(&arguments.mode)?;
    let encap = name(&arguments.encap.unwrap_or(Encap::CrossSubnet))?;
    let family = name(&arguments.family.unwrap_or(Family::V4))?;
    vm::run(&[
        "cluster", "--inside", "--mode", &mode, "--encap", &encap, "--family", &family,
    ])
}

/// A value as it is written on the command line.
fn name(value: &impl ValueEnum) -> Result<String> {
    let value = value.to_possible_value().context("no value is hidden")?;
    Ok(value.get_name().to_owned())
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
                Encap::Ipip => cluster::Encap::Ipip,
                Encap::CrossSubnet => cluster::Encap::CrossSubnet,
            },
            family: match self.family {
                None if self.peer.is_some() => cluster::Family::V4,
                Some(Family::V4) => cluster::Family::V4,
                None | Some(Family::Dual) => cluster::Family::Dual,
            },
            foreign: self.peer.map(|peer| match peer {
                Foreign::Bird => cluster::Foreign::Bird,
                Foreign::Gobgp => cluster::Foreign::GoBgp,
                Foreign::Frr => cluster::Foreign::Frr,
            }),
            keep: self.keep,
            has_ipip: self.inside,
        }
    }
}
