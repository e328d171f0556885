// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The demo in several modes: every claim that it prints is checked by itself.

use anyhow::Result;
use lab::cluster::{Encap, Family, Foreign, Mode, Options, run};

const USUAL: Options = Options {
    mode: Mode::RouteReflector,
    encap: Encap::CrossSubnet,
    family: Family::Dual,
    foreign: None,
    keep: false,
    has_ipip: false,
};

#[test]
#[ignore = "needs netns"]
fn a_cluster_with_a_reflector_and_tunnels_across_subnets() -> Result<()> {
    run(USUAL)
}

#[test]
#[ignore = "needs netns"]
fn a_full_mesh_in_vxlan() -> Result<()> {
    run(Options {
        mode: Mode::FullMesh,
        encap: Encap::Vxlan,
        ..USUAL
    })
}

#[test]
#[ignore = "needs netns"]
fn a_full_mesh_with_a_bird_node() -> Result<()> {
    run(Options {
        mode: Mode::FullMesh,
        encap: Encap::Never,
        family: Family::V4,
        foreign: Some(Foreign::Bird),
        ..USUAL
    })
}

#[test]
#[ignore = "needs netns"]
fn a_reflector_with_a_bird_node() -> Result<()> {
    run(Options {
        encap: Encap::Never,
        family: Family::V4,
        foreign: Some(Foreign::Bird),
        ..USUAL
    })
}

#[test]
#[ignore = "needs netns"]
fn a_reflector_with_an_frr_node() -> Result<()> {
    run(Options {
        encap: Encap::Never,
        family: Family::V4,
        foreign: Some(Foreign::Frr),
        ..USUAL
    })
}

#[test]
#[ignore = "needs netns"]
fn gobgp_is_the_reflector() -> Result<()> {
    run(Options {
        encap: Encap::Never,
        family: Family::V4,
        foreign: Some(Foreign::GoBgp),
        ..USUAL
    })
}

#[test]
fn what_can_not_be_is_said_at_once() {
    let wrong = Options {
        foreign: Some(Foreign::Bird),
        ..USUAL
    };
    let error = run(wrong).unwrap_err().to_string();
    assert!(error.contains("--encap never"), "{error}");
}
