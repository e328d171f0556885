// SPDX-License-Identifier: Apache-2.0 OR MIT
//! GoBGP.

use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::{Ended, Netns, Process, bgpd::PATIENCE, until};

/// A running `gobgpd`.
#[derive(Debug)]
pub struct GoBgp {
    netns: Netns,
    process: Process,
}

impl GoBgp {
    /// Starts it with a configuration.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start(netns: &Netns, config: &str) -> Result<Self> {
        Self::start_file(netns, "gobgpd.toml", config)
    }

    /// Starts it with a configuration in the language that the end of its name tells.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start_file(netns: &Netns, name: &str, config: &str) -> Result<Self> {
        let file = netns.write(name, config)?;
        let kind = name.rsplit('.').next().unwrap_or_default();
        let mut command = netns.command("gobgpd");
        command.arg("-f").arg(file).args(["-t", kind]);
        Self::launch(netns, command)
    }

    /// Starts it without a configuration: it waits to be told.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start_bare(netns: &Netns) -> Result<Self> {
        Self::launch(netns, netns.command("gobgpd"))
    }

    fn launch(netns: &Netns, mut command: Command) -> Result<Self> {
        command
            .arg("--api-hosts")
            .arg("127.0.0.1:50051")
            .arg("--pprof-disable");
        let process = netns.start(&mut command, "gobgpd")?;
        let mut gobgp = Self {
            netns: netns.clone(),
            process,
        };
        until("gobgpd answers", PATIENCE, || {
            if !gobgp.process.is_running() {
                return Err(Ended(format!("gobgpd has ended:\n{}", gobgp.process.log())).into());
            }
            gobgp.ctl("global").map(drop)
        })?;
        Ok(gobgp)
    }

    /// A command for `gobgp`.
    ///
    /// # Errors
    /// What it says.
    pub fn ctl(&self, command: &str) -> Result<String> {
        let words: Vec<&str> = ["gobgp"]
            .into_iter()
            .chain(command.split_whitespace())
            .collect();
        self.netns.exec(&words)
    }

    /// Waits until GoBGP has a route.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_route(&self, prefix: &str) -> Result<String> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        until(&format!("GoBGP has {prefix}"), PATIENCE, || {
            let text = self.ctl(&format!("global rib -a {family} {prefix}"))?;
            if text.contains("*>") {
                Ok(text)
            } else {
                bail!("{text}")
            }
        })
    }

    /// Waits until GoBGP has no route of a prefix.
    ///
    /// # Errors
    /// It stays.
    pub fn wait_no_route(&self, prefix: &str) -> Result<()> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        until(&format!("GoBGP has lost {prefix}"), PATIENCE, || {
            let table = self.ctl(&format!("global rib -a {family}"))?;
            ensure!(!table.contains(prefix), "{table}");
            Ok(())
        })
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
