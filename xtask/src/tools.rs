// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that come from crates, built into the clone where they are not installed.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::cargo;

/// A program and the crate of the same name that it comes from.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// The version that is built.
    pub(crate) version: &'static str,
    /// Arguments with which one that is installed succeeds, whatever its version; without any it has to be the one built.
    pub(crate) probe: &'static [&'static str],
}

impl Tool {
    /// Where it is, after it was built if need be.
    ///
    /// # Errors
    /// It can not be built.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        if !self.probe.is_empty() {
            let found = Command::new(self.name).args(self.probe).output();
            if found.is_ok_and(|output| output.status.success()) {
                return Ok(PathBuf::from(self.name));
            }
        }
        let folder = format!("../target/tools/{}-{}", self.name, self.version);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let built = root.join("bin").join(self.name);
        if !built.exists() {
            println!("   {} is built into {}", self.name, root.display());
            let root = root.to_str().context("a path in UTF-8")?;
            let what = ["install", "--quiet", "--locked", self.name, "--version"];
            cargo(&[&what[..], &[self.version, "--root", root]].concat())?;
        }
        Ok(built)
    }
}
