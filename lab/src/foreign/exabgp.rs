// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ExaBGP: it announces what its configuration says and writes down what it hears.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{Netns, Process, bgpd::PATIENCE, until};

/// A running ExaBGP.
#[derive(Debug)]
pub struct ExaBgp {
    process: Process,
    heard: PathBuf,
}

impl ExaBgp {
    /// Starts it with the lines of one `neighbor` block; the process that writes down what is heard is added.
    ///
    /// # Errors
    /// It can not be started.
    pub fn start(netns: &Netns, neighbor: &str, block: &str) -> Result<Self> {
        let heard = netns.file("exabgp.heard");
        std::fs::write(&heard, "")?;
        // The shell stays and holds its output open: a process that closes it counts as dead.
        let script = netns.write(
            "exabgp.sh",
            &format!("#!/bin/sh\ncat >> {}\n", heard.display()),
        )?;
        crate::process::run_words("chmod", ["755", &script.to_string_lossy()])?;
        let config = format!(
            "process listen {{ run {}; encoder json; }}\nneighbor {neighbor} {{\n{block}\n  api {{ processes [ listen ]; \
             neighbor-changes; receive {{ parsed; update; }} }}\n}}\n",
            script.display()
        );
        let file = netns.write("exabgp.conf", &config)?;
        let mut command = netns.command("exabgp");
        command
            .arg(file)
            .env("exabgp.daemon.user", "root")
            .env("exabgp.api.cli", "false")
            .env("exabgp.log.destination", "stdout");
        let process = netns.start(&mut command, "exabgp")?;
        Ok(Self { process, heard })
    }

    /// Everything it has heard, a JSON document a line.
    pub fn heard(&self) -> String {
        std::fs::read_to_string(&self.heard).unwrap_or_default()
    }

    /// Waits until it has heard of a prefix.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_route(&self, prefix: &str) -> Result<()> {
        until(&format!("ExaBGP has heard of {prefix}"), PATIENCE, || {
            if self.heard().contains(prefix) {
                Ok(())
            } else {
                bail!("{}\n{}", self.heard(), self.process.log())
            }
        })
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
