// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask test`: everything that CI runs, in the order in which it fails soonest.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};

use crate::{
    cargo, cargo_with, cluster, dependencies, instructions, packages, purity, tidy, tools::Tool,
};

/// Debian packages that the tests run against or with.
const PACKAGES: &[&str] = &[
    "bird2",
    "frr",
    "gobgpd",
    "openbgpd",
    "exabgp",
    "nftables",
    "iproute2",
    "iputils-ping",
    "procps",
    "tcpdump",
    "make",
    "python3-grpcio",
    "protobuf-compiler",
    "libprotobuf-dev",
];

const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.143",
    probe: &["nextest", "--version"],
};

/// A stage: what it is called, and what it does.
type Stage = (&'static str, fn() -> Result<()>);

const STAGES: &[Stage] = &[
    ("packages", || packages::ensure(PACKAGES)),
    ("fmt", || cargo(&["fmt", "--all", "--check"])),
    ("tidy", tidy::run),
    ("dependencies", dependencies::run),
    ("purity", purity::run),
    ("clippy", || {
        cargo(&[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ])
    }),
    ("docs", || {
        let arguments = [
            "doc",
            "--quiet",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ];
        cargo_with(&arguments, &[("RUSTDOCFLAGS", "--deny warnings")])
    }),
    ("doctests", || {
        cargo(&["test", "--quiet", "--workspace", "--doc"])
    }),
    ("instructions", || {
        instructions::run(&instructions::Arguments::default())
    }),
    ("vm", cluster::test_in_machines),
    // The last, so that its summary is what one sees at the end.
    ("tests", tests),
];

/// Runs all stages; the first that fails ends it.
///
/// # Errors
/// The stage, and what was wrong.
pub(crate) fn run() -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the tests make network namespaces and need root: `sudo -E env PATH=$PATH cargo xtask test`"
    );
    for (name, stage) in STAGES {
        let begun = Instant::now();
        println!("── {name}");
        stage().with_context(|| format!("stage {name}"))?;
        if *name != "tests" {
            println!("   {name}: {:.1} s", begun.elapsed().as_secs_f32());
        }
    }
    Ok(())
}

fn tests() -> Result<()> {
    let nextest = NEXTEST.ensure()?;
    let path = std::env::var("PATH").unwrap_or_default();
    let folder = nextest.parent().unwrap_or(Path::new("")).display();
    // Tests that need root or namespaces are `ignored` for `cargo test`; here they run.
    cargo_with(
        &["nextest", "run", "--workspace", "--run-ignored", "all"],
        &[("PATH", &format!("{folder}:{path}"))],
    )
}
