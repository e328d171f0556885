// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OpenBGPD: its `bgpd` and `bgpctl` have our names, so that they are called by their whole path.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use crate::{Ended, Netns, Process, bgpd::PATIENCE, process::run_words, until};

/// Where its processes lock themselves in; Debian's service file makes it.
const CHROOT: &str = "/run/openbgpd";

/// A running OpenBGPD.
#[derive(Debug)]
pub struct OpenBgp {
    process: Process,
    socket: PathBuf,
}

impl OpenBgp {
    /// Starts it with a configuration; the control socket is added.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start(netns: &Netns, config: &str) -> Result<Self> {
        let socket = netns.file("openbgpd.sock");
        let file = netns.write(
            "openbgpd.conf",
            &format!("socket \"{}\"\n{config}\n", socket.display()),
        )?;
        run_words("chmod", ["600", &file.to_string_lossy()])?;
        std::fs::create_dir_all(CHROOT)?;
        let mut command = netns.command("/usr/sbin/bgpd");
        let process = netns.start(command.arg("-d").arg("-f").arg(file), "openbgpd")?;
        let mut open = Self { process, socket };
        until("OpenBGPD answers", PATIENCE, || {
            if !open.process.is_running() {
                return Err(Ended(format!("OpenBGPD has ended:\n{}", open.process.log())).into());
            }
            open.ctl("show summary").map(drop)
        })?;
        Ok(open)
    }

    /// A command for OpenBGPD's `bgpctl`.
    ///
    /// # Errors
    /// What it says.
    pub fn ctl(&self, command: &str) -> Result<String> {
        let socket = self.socket.to_string_lossy();
        run_words(
            "/usr/sbin/bgpctl",
            ["-s", &socket]
                .into_iter()
                .chain(command.split_whitespace()),
        )
    }

    /// Waits until OpenBGPD has a route.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_route(&self, prefix: &str) -> Result<String> {
        until(&format!("OpenBGPD has {prefix}"), PATIENCE, || {
            let text = self.ctl(&format!("show rib {prefix}"))?;
            if text.contains(prefix) {
                Ok(text)
            } else {
                bail!("{text}")
            }
        })
    }

    /// Waits until OpenBGPD has no route of a prefix.
    ///
    /// # Errors
    /// It stays.
    pub fn wait_no_route(&self, prefix: &str) -> Result<()> {
        until(&format!("OpenBGPD has lost {prefix}"), PATIENCE, || {
            let table = self.ctl("show rib")?;
            ensure!(!table.contains(prefix), "{table}");
            Ok(())
        })
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
