// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask purity`: the pure crates have no operating system to lean on, and `bgpd` embeds without a runtime.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo;

/// What the pure crates may be made of. Whatever else turns up needs a look, and a place here.
const ALLOWED: &[&str] = &[
    "bfd",
    "bgp-fsm",
    "bgp-proto",
    "bytes",
    "foldhash",
    "hashbrown",
    "memchr",
    "nom",
    "purity",
    "regex-automata",
    "regex-syntax",
    "rib",
    "sha1_smol",
    "smallvec",
    "thiserror",
    "triomphe",
];

/// What an embedding program must not be made to take along.
const RUNTIMES: &[&str] = &[
    "tokio", "mio", "tonic", "hyper", "libc", "socket2", "nix", "tracing",
];

/// Checks it all.
///
/// # Errors
/// Which crate is not pure, and why.
pub(crate) fn run() -> Result<()> {
    cargo(&["build", "--quiet", "-p", "purity", "--features", "alone"])
        .context("bgp-proto, bgp-fsm, bfd and rib must build without std")?;
    let leaking = [
        "build",
        "--quiet",
        "-p",
        "purity",
        "--features",
        "alone,leak",
    ];
    let output = Command::new(env!("CARGO")).args(leaking).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && text.contains("panic_impl"),
        "std was brought in on purpose and the build did not notice: the check is worth nothing"
    );
    for name in below(&["-p", "purity"])? {
        ensure!(
            ALLOWED.contains(&name.as_str()),
            "the pure crates now depend on {name}"
        );
    }
    for name in below(&["-p", "bgpd", "--no-default-features"])? {
        if RUNTIMES.contains(&name.as_str()) {
            bail!(
                "bgpd without default features depends on {name}: `cargo tree -p bgpd --no-default-features -i {name}`"
            );
        }
    }
    println!(
        "bgp-proto, bgp-fsm, bfd and rib build without std; bgpd without default features has no runtime"
    );
    Ok(())
}

/// Names of what a package links, without what only runs in the compiler.
fn below(package: &[&str]) -> Result<Vec<String>> {
    let arguments = [
        "tree",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(package)
        .output()?;
    ensure!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}
