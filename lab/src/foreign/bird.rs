// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BIRD 2.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{Ended, Netns, Process, bgpd::PATIENCE, process::run_words, until};

/// A running BIRD.
#[derive(Debug)]
pub struct Bird {
    process: Process,
    socket: PathBuf,
}

impl Bird {
    /// Starts it with a configuration.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start(netns: &Netns, config: &str) -> Result<Self> {
        Self::launch(netns, config, &[])
    }

    /// The same after it was killed: it says that packets have gone on meanwhile (graceful restart).
    ///
    /// # Errors
    /// It does not answer.
    pub fn start_again(netns: &Netns, config: &str) -> Result<Self> {
        Self::launch(netns, config, &["-R"])
    }

    fn launch(netns: &Netns, config: &str, how: &[&str]) -> Result<Self> {
        let file = netns.write("bird.conf", config)?;
        let socket = netns.file("bird.ctl");
        let mut command = netns.command("bird");
        command.args(how).arg("-f").arg("-c").arg(file);
        command.arg("-s").arg(&socket);
        command.arg("-P").arg(netns.file("bird.pid"));
        let process = netns.start(&mut command, "bird")?;
        let mut bird = Self { process, socket };
        until("BIRD answers", PATIENCE, || {
            if !bird.process.is_running() {
                return Err(Ended(format!("BIRD has ended:\n{}", bird.process.log())).into());
            }
            bird.ctl("show status").map(drop)
        })?;
        Ok(bird)
    }

    /// A command for `birdc`.
    ///
    /// # Errors
    /// BIRD does not answer.
    pub fn ctl(&self, command: &str) -> Result<String> {
        let socket = self.socket.to_string_lossy();
        run_words(
            "birdc",
            ["-s", &socket]
                .into_iter()
                .chain(command.split_whitespace()),
        )
    }

    /// Waits until BIRD has a route.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_route(&self, prefix: &str) -> Result<String> {
        until(&format!("BIRD has {prefix}"), PATIENCE, || {
            let text = self.ctl(&format!("show route for {prefix} all"))?;
            if text.contains(prefix) {
                Ok(text)
            } else {
                bail!("{text}")
            }
        })
    }

    /// Waits until BIRD has no such route.
    ///
    /// # Errors
    /// It stays.
    pub fn wait_no_route(&self, prefix: &str) -> Result<()> {
        until(&format!("BIRD has lost {prefix}"), PATIENCE, || {
            let text = self
                .ctl(&format!("show route {prefix}"))
                .unwrap_or_default();
            if text.contains(prefix) && !text.contains("not found") {
                bail!("{text}")
            }
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
