// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FRR's bgpd, alone: without zebra it keeps routes to itself unless told to install none.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{Netns, Process, bgpd::PATIENCE, process::run_words, until};

/// A running FRR bgpd.
#[derive(Debug)]
pub struct Frr {
    process: Process,
    folder: PathBuf,
}

impl Frr {
    /// Starts it with a configuration (of bgpd; `bgp no-rib` is set).
    ///
    /// # Errors
    /// It does not answer.
    pub fn start(netns: &Netns, config: &str) -> Result<Self> {
        let folder = netns.file("frr");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("bgpd.conf");
        std::fs::write(
            &file,
            format!("hostname {}\nlog stdout\n{config}\n", netns.short()),
        )?;
        run_words("chown", ["-R", "frr:frr", &folder.to_string_lossy()])?;
        run_words("chmod", ["755", &folder.to_string_lossy()])?;
        let mut command = netns.command("/usr/lib/frr/bgpd");
        command
            .arg("--no_zebra")
            .arg("--no_kernel")
            .arg("-f")
            .arg(&file)
            .arg("-i")
            .arg(folder.join("bgpd.pid"));
        command
            .arg("--vty_socket")
            .arg(&folder)
            .arg("-P")
            .arg("0")
            .arg("-z")
            .arg(folder.join("zserv.api"));
        let process = netns.start(&mut command, "frr")?;
        let mut frr = Self { process, folder };
        until("FRR answers", PATIENCE, || {
            if !frr.process.is_running() {
                bail!("FRR has ended:\n{}", frr.process.log());
            }
            frr.ctl("show version").map(drop)
        })?;
        Ok(frr)
    }

    /// A command for `vtysh`.
    ///
    /// # Errors
    /// FRR does not answer.
    pub fn ctl(&self, command: &str) -> Result<String> {
        run_words(
            "vtysh",
            [
                "--vty_socket",
                &self.folder.to_string_lossy(),
                "-d",
                "bgpd",
                "-c",
                command,
            ],
        )
    }

    /// Waits until FRR has a best route.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_route(&self, prefix: &str) -> Result<String> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        until(&format!("FRR has {prefix}"), PATIENCE, || {
            let text = self.ctl(&format!("show bgp {family} unicast {prefix}"))?;
            if text.contains("best") {
                Ok(text)
            } else {
                bail!("{text}")
            }
        })
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
