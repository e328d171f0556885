// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FRR's bgpd, alone: without zebra it keeps routes to itself unless told to install none.

use std::path::PathBuf;

use anyhow::{Result, bail};

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
        let folder = netns.file("frr");
        std::fs::create_dir_all(&folder)?;
        let mut helpers = Vec::new();
        for program in ["zebra", "staticd"] {
            let file = folder.join(format!("{program}.conf"));
            let of_program = |line: &&str| line.starts_with("ip ");
            let lines: Vec<&str> = config.lines().filter(of_program).collect();
            std::fs::write(
                &file,
                format!("hostname {}\n{}\n", netns.short(), lines.join("\n")),
            )?;
            run_words("chown", ["-R", "frr:frr", &folder.to_string_lossy()])?;
            let mut command = netns.command(format!("/usr/lib/frr/{program}"));
            command.args(["-P", "0"]).arg("-f").arg(&file);
            command.arg("-i").arg(folder.join(format!("{program}.pid")));
            command.arg("--vty_socket").arg(&folder);
            command.arg("-z").arg(folder.join("zserv.api"));
            helpers.push(netns.start(&mut command, program)?);
            let socket = folder.join(format!("{program}.vty"));
            until("zebra is there", PATIENCE, || {
                anyhow::ensure!(socket.exists(), "no {}", socket.display());
                Ok(())
            })?;
        }
        let own = |line: &&str| !line.starts_with("ip ");
        let lines: Vec<&str> = config.lines().filter(own).collect();
        Self::launch(netns, &lines.join("\n"), &[], helpers)
    }

    /// Starts it with zebra and bfdd, which has a configuration of its own.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start_with_bfd(netns: &Netns, config: &str, bfd: &str) -> Result<Self> {
        let folder = netns.file("frr");
        std::fs::create_dir_all(&folder)?;
        let mut helpers = Vec::new();
        for (program, config) in [("zebra", ""), ("bfdd", bfd)] {
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
            helpers.push(netns.start(&mut command, program)?);
            let socket = folder.join(format!("{program}.vty"));
            until(program, PATIENCE, || {
                anyhow::ensure!(socket.exists(), "no {}", socket.display());
                Ok(())
            })?;
        }
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

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
