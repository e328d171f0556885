// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FRR's bgpd, alone: without zebra it keeps routes to itself unless told to install none.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{Ended, Netns, Process, bgpd::PATIENCE, process::run_words, until};

/// A running FRR bgpd.
#[derive(Debug)]
pub struct Frr {
    process: Process,
    folder: PathBuf,
    /// Zebra and what else it needs; they end with it.
    _helpers: Vec<Process>,
}

impl Frr {
    /// Starts it with a configuration (of bgpd; `bgp no-rib` is set).
    ///
    /// # Errors
    /// It does not answer.
    pub fn start(netns: &Netns, config: &str) -> Result<Self> {
        Self::launch(netns, config, &["--no_zebra", "--no_kernel"], Vec::new())
    }

    fn launch(netns: &Netns, config: &str, how: &[&str], helpers: Vec<Process>) -> Result<Self> {
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
            .args(how)
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
        let mut frr = Self {
            process,
            folder,
            _helpers: helpers,
        };
        until("FRR answers", PATIENCE, || {
            if !frr.process.is_running() {
                return Err(Ended(format!("FRR has ended:\n{}", frr.process.log())).into());
            }
            frr.ctl("show version").map(drop)
        })?;
        Ok(frr)
    }

    /// Starts it with zebra, which puts its routes into the kernel.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start_with_zebra(netns: &Netns, config: &str) -> Result<Self> {
        let (kernel, own): (Vec<&str>, Vec<&str>) =
            config.lines().partition(|line| line.starts_with("ip "));
        let kernel = kernel.join("\n");
        let helpers = vec![
            launch_helper(netns, "zebra", &kernel)?,
            launch_helper(netns, "staticd", &kernel)?,
        ];
        Self::launch(netns, &own.join("\n"), &[], helpers)
    }

    /// Starts it with zebra and bfdd, which has a configuration of its own.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start_with_bfd(netns: &Netns, config: &str, bfd: &str) -> Result<Self> {
        let helpers = vec![
            launch_helper(netns, "zebra", "")?,
            launch_helper(netns, "bfdd", bfd)?,
        ];
        Self::launch(netns, config, &[], helpers)
    }

    /// A command for `vtysh`.
    ///
    /// # Errors
    /// FRR does not answer.
    pub fn ctl(&self, command: &str) -> Result<String> {
        self.vtysh("bgpd", &[command])
    }

    /// Commands for bfdd, one after the other.
    ///
    /// # Errors
    /// FRR does not answer.
    pub fn bfd(&self, commands: &[&str]) -> Result<String> {
        self.vtysh("bfdd", commands)
    }

    fn vtysh(&self, program: &str, commands: &[&str]) -> Result<String> {
        let folder = self.folder.to_string_lossy();
        let words = ["--vty_socket", &folder, "-d", program];
        let commands = commands.iter().flat_map(|command| ["-c", command]);
        run_words("vtysh", words.into_iter().chain(commands))
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

    /// The paths that FRR has of a prefix.
    ///
    /// # Errors
    /// FRR does not answer.
    pub fn paths(&self, prefix: &str) -> Result<Vec<Value>> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let text = self.ctl(&format!("show bgp {family} unicast {prefix} json"))?;
        let table: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        Ok(table["paths"].as_array().cloned().unwrap_or_default())
    }

    /// The only path that FRR has of a prefix.
    ///
    /// # Errors
    /// There is none, or more.
    pub fn path(&self, prefix: &str) -> Result<Value> {
        let [path] = <[Value; 1]>::try_from(self.paths(prefix)?)
            .map_err(|paths| anyhow::anyhow!("{} paths of {prefix}: {paths:?}", paths.len()))?;
        Ok(path)
    }

    /// Waits until FRR has no route of a prefix.
    ///
    /// # Errors
    /// It stays.
    pub fn wait_no_route(&self, prefix: &str) -> Result<()> {
        until(&format!("FRR has lost {prefix}"), PATIENCE, || {
            let paths = self.paths(prefix)?;
            ensure!(paths.is_empty(), "{paths:?}");
            Ok(())
        })
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Starts one of FRR's other programs, and waits until it is there.
fn launch_helper(netns: &Netns, program: &str, config: &str) -> Result<Process> {
    let folder = netns.file("frr");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{program}.conf"));
    std::fs::write(&file, format!("hostname {}\n{config}\n", netns.short()))?;
    run_words("chown", ["-R", "frr:frr", &folder.to_string_lossy()])?;
    let mut command = netns.command(format!("/usr/lib/frr/{program}"));
    command.args(["-P", "0"]).arg("-f").arg(&file);
    command.arg("-i").arg(folder.join(format!("{program}.pid")));
    command.arg("--vty_socket").arg(&folder);
    command.arg("-z").arg(folder.join("zserv.api"));
    if program == "bfdd" {
        command.arg("--bfdctl").arg(folder.join("bfdd.sock"));
    }
    let process = netns.start(&mut command, program)?;
    let socket = folder.join(format!("{program}.vty"));
    until(program, PATIENCE, || {
        ensure!(socket.exists(), "no {}", socket.display());
        Ok(())
    })?;
    Ok(process)
}
