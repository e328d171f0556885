// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask arena`: builds the daemon and the load as users would, and runs the crate `arena`.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{cargo, packages};

/// All that the arena is told, as it is.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Scenarios and options; `--help` behind `--` shows them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Builds, and runs it; what a full run has measured goes into docs/performance.md.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let packages = [
        "bird2", "frr", "gobgpd", "openbgpd", "iproute2", "procps", "make",
    ];
    packages::ensure(&packages)?;
    cargo(&[
        "build",
        "--release",
        "--package",
        "bgpd",
        "--package",
        "arena",
    ])?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.context("xtask is in the workspace")?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let mut command = Command::new(target.join("release/arena"));
    command.args(&arguments.words);
    let only_tried = ["--quick", "--routes", "--list", "--write"];
    if !arguments
        .words
        .iter()
        .any(|word| only_tried.contains(&word.as_str()))
    {
        command.arg("--write").arg(root.join("docs/performance.md"));
    }
    let status = command.status().context("the arena can not be started")?;
    ensure!(status.success(), "the arena has failed");
    Ok(())
}
