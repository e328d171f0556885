// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Debian packages that a task needs: installed where that is possible, named where it is not.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// Installs those of the packages that are missing.
///
/// # Errors
/// Not root, or not Debian: with what to type.
pub(crate) fn ensure(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        println!("{} packages are installed", packages.len());
        return Ok(());
    }
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "missing packages; type: sudo apt-get install {}",
            missing.join(" ")
        );
    }
    println!("installing {}", missing.join(" "));
    update()?;
    let fixed = ["install", "--quiet=2", "--yes", "--no-install-recommends"];
    apt(&[&fixed, missing.as_slice()].concat())
}

/// Fetches the lists of packages.
///
/// # Errors
/// Not root, or no network.
pub(crate) fn update() -> Result<()> {
    apt(&["update", "--quiet=2"])
}

fn is_installed(package: &str) -> bool {
    let query = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output();
    query.is_ok_and(|output| output.stdout == b"installed")
}

fn apt(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("apt-get can not be started: packages are installed on Debian only")?;
    ensure!(status.success(), "`apt-get {}` failed", arguments.join(" "));
    Ok(())
}
