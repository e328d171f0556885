// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask dependencies`: under which licences what we build upon is ours to use, where it comes from, and what is
//! there twice. Vulnerabilities are not looked up: that needs a list from outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use spdx::{Expression, ParseMode};

/// What is needed to use it is to name it.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Crates of which there is more than one version, because others have not moved on yet.
const TWICE: &[&str] = &[
    "base64",
    "foldhash",
    "getrandom",
    "hashbrown",
    "itertools",
    "nom",
    "syn",
    "unicode-width",
    "windows-sys",
];

/// Checks every package of the lock file.
///
/// # Errors
/// All that is wrong, a line each.
pub(crate) fn run() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let (name, version) = (text("name"), text("version"));
        versions.entry(name).or_default().insert(version);
        if let Err(problem) = is_allowed(text("license")) {
            faults.push(format!("{name} {version}: {problem}"));
        }
        if let Some(source) = package["source"].as_str().filter(|from| *from != REGISTRY) {
            faults.push(format!("{name} {version}: comes from {source}"));
        }
    }
    let twice = versions.iter().filter(|(_, all)| all.len() > 1);
    let twice: BTreeSet<&str> = twice.map(|(name, _)| *name).collect();
    let known: BTreeSet<&str> = TWICE.iter().copied().collect();
    for name in twice.difference(&known) {
        faults.push(format!(
            "{name}: in several versions ({:?})",
            versions[name]
        ));
    }
    for name in known.difference(&twice) {
        faults.push(format!(
            "{name}: in one version only, no longer an exception"
        ));
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    println!("{} packages may be used", packages.len());
    Ok(())
}

fn is_allowed(licence: &str) -> Result<()> {
    let expression = Expression::parse_mode(licence, ParseMode::LAX)
        .with_context(|| format!("licence `{licence}`"))?;
    let allowed = expression.evaluate(|part| {
        let name = part.license.id().map(|id| id.name);
        name.is_some_and(|name| LICENCES.contains(&name))
    });
    ensure!(allowed, "licence `{licence}` is not in the list");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn one_of_several_licences_has_to_be_allowed_and_all_of_what_is_joined() {
        for good in ["MIT", "MIT/Apache-2.0", "LGPL-2.1-or-later OR MIT"] {
            assert!(is_allowed(good).is_ok(), "{good}");
        }
        for bad in ["GPL-2.0-only", "MIT AND GPL-3.0-only", "", "My own"] {
            assert!(is_allowed(bad).is_err(), "{bad}");
        }
    }
}
