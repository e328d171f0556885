// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Our own daemon in a namespace, asked with `bgpctl`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{Ended, Netns, Process, process::run_words, until};

/// Time for a session to come up, or a route to arrive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon.
#[derive(Debug)]
pub struct Bgpd {
    netns: Netns,
    config: PathBuf,
    /// Keys of its `[api]`.
    api: String,
    /// What it is started with besides.
    arguments: Vec<String>,
    socket: PathBuf,
    process: Process,
}

/// A binary of this workspace: beside the running program, or in the target folder of the build.
///
/// # Errors
/// It has not been built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here
        .ancestors()
        .skip(1)
        .take(3)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| {
        format!("{name} is not built: `cargo build -p bgpd -p examples --bins` makes it")
    })
}

impl Bgpd {
    /// Writes the configuration (the `[api]` table is added) and starts the daemon.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(netns: &Netns, config: &str) -> Result<Self> {
        Self::start_with(netns, config, UNIX_ONLY, &[])
    }

    /// The same with an API that listens on TCP, too.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_with_api(netns: &Netns, config: &str, listen: &str) -> Result<Self> {
        Self::start_with(netns, config, &format!("listen = [\"{listen}\"]\n"), &[])
    }

    /// The same with these keys of `[api]`, and these arguments.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_with(netns: &Netns, config: &str, api: &str, arguments: &[&str]) -> Result<Self> {
        let socket = netns.file("bgpd.sock");
        let config = netns.write("bgpd.toml", &with_api(config, api, &socket))?;
        let arguments = arguments.iter().copied().map(str::to_owned);
        Self::launch(netns, config, api, arguments.collect(), socket)
    }

    /// Starts the daemon as gobgpd is started, with a configuration that is left as it is; the end of its name tells
    /// its language. `gobgp` in the namespace finds it.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start_like_gobgp(netns: &Netns, name: &str, config: &str) -> Result<Self> {
        let socket = netns.file("bgpd.sock");
        let config = netns.write(name, config)?;
        let kind = name.rsplit('.').next().unwrap_or_default();
        let api = format!("unix://{},127.0.0.1:50051", socket.display());
        let arguments = ["-t", kind, "--api-hosts", &api].map(str::to_owned);
        Self::launch(netns, config, UNIX_ONLY, arguments.to_vec(), socket)
    }

    fn launch(
        netns: &Netns,
        config: PathBuf,
        api: &str,
        arguments: Vec<String>,
        socket: PathBuf,
    ) -> Result<Self> {
        let process = launch(netns, &config, &arguments)?;
        let mut daemon = Self {
            netns: netns.clone(),
            config,
            api: api.to_owned(),
            arguments,
            socket,
            process,
        };
        daemon.wait_for_api()?;
        Ok(daemon)
    }

    /// Another configuration, with the same `[api]`, for the next reload.
    ///
    /// # Errors
    /// The disk is full.
    pub fn write_config(&self, config: &str) -> Result<()> {
        let text = with_api(config, &self.api, &self.socket);
        Ok(std::fs::write(&self.config, text)?)
    }

    fn wait_for_api(&mut self) -> Result<()> {
        until("bgpd answers", PATIENCE, || {
            if !self.process.is_running() {
                return Err(Ended(format!("bgpd has ended:\n{}", self.process.log())).into());
            }
            self.ctl(&["status"]).map(drop)
        })
    }

    /// `bgpctl` with these arguments.
    ///
    /// # Errors
    /// What it says.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let program = binary("bgpctl")?;
        let target = self.target();
        let program = program.to_str().context("a path in UTF-8")?;
        run_words(
            program,
            ["--target", target.as_str()]
                .into_iter()
                .chain(arguments.iter().copied()),
        )
    }

    /// A route of our own: `10.9.0.0/16 --blackhole --med 5`.
    ///
    /// # Errors
    /// What `bgpctl` says.
    pub fn add_route(&self, words: &str) -> Result<()> {
        let words = ["route", "add"].into_iter().chain(words.split(' '));
        self.ctl(&words.collect::<Vec<_>>()).map(drop)
    }

    /// Where its API is: `unix:/PATH`.
    pub fn target(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// How one calls `bgpctl` for it by hand.
    pub fn ctl_command(&self) -> String {
        let program = binary("bgpctl").unwrap_or_else(|_| "bgpctl".into());
        format!("{} --target {}", program.display(), self.target())
    }

    /// `bgpctl --json` with these arguments.
    ///
    /// # Errors
    /// What it says.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let mut all = vec!["--json"];
        all.extend_from_slice(arguments);
        Ok(serde_json::from_str(&self.ctl(&all)?)?)
    }

    /// State of a neighbour's session, in lower case.
    ///
    /// # Errors
    /// There is no such neighbour.
    pub fn state(&self, neighbor: &str) -> Result<String> {
        let text = self.json(&["neighbor", neighbor])?;
        let state = find(&text, "state")
            .and_then(Value::as_str)
            .context("a neighbour has a state")?;
        Ok(state.to_lowercase())
    }

    /// Waits until a session is Established.
    ///
    /// # Errors
    /// It does not come up; with the end of the log.
    pub fn wait_established(&self, neighbor: &str) -> Result<()> {
        let result = until(
            &format!("{neighbor} is Established"),
            PATIENCE,
            || match self.state(neighbor)? {
                state if state == "established" => Ok(()),
                state => bail!("{neighbor} is {state}"),
            },
        );
        result.with_context(|| {
            format!(
                "log of bgpd in {}:\n{}",
                self.netns.short(),
                tail(&self.process.log())
            )
        })
    }

    /// Waits until the best route of a prefix is there.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_route(&self, prefix: &str) -> Result<()> {
        until(
            &format!("{prefix} in {}", self.netns.short()),
            PATIENCE,
            || {
                let table = self.ctl(&["route", prefix])?;
                if table.contains("*>") {
                    Ok(())
                } else {
                    bail!("{table}")
                }
            },
        )
    }

    /// Waits until there is no route for a prefix.
    ///
    /// # Errors
    /// It stays.
    pub fn wait_no_route(&self, prefix: &str) -> Result<()> {
        until(
            &format!("{prefix} gone from {}", self.netns.short()),
            PATIENCE,
            || match self.ctl(&["route", prefix]) {
                Ok(table) if table.contains("*>") => bail!("{table}"),
                Ok(_) | Err(_) => Ok(()),
            },
        )
    }

    /// The best route of a prefix, when it is there.
    ///
    /// # Errors
    /// It does not come.
    pub fn route(&self, prefix: &str) -> Result<Value> {
        self.wait_route(prefix)?;
        let mut routes = self.json(&["route", prefix])?;
        Ok(routes[0].take())
    }

    /// Waits until the best route of a prefix has these values; others it may have as it likes.
    ///
    /// # Errors
    /// It has not to the end.
    pub fn wait_best(&self, prefix: &str, wanted: &Value) -> Result<()> {
        until(&format!("{prefix} with {wanted}"), PATIENCE, || {
            let route = &self.json(&["route", prefix])?[0];
            let wanted = wanted.as_object().context("an object")?;
            let differs = wanted.iter().find(|(key, value)| route[*key] != **value);
            match differs {
                None => Ok(()),
                Some((key, _)) => bail!("{key} in {route}"),
            }
        })
    }

    /// Another configuration, read at once.
    ///
    /// # Errors
    /// It is refused.
    pub fn reload(&self, config: &str) -> Result<String> {
        self.write_config(config)?;
        self.ctl(&["reload"])
    }

    /// A number that is said of a neighbour: `established_count`, `messages_sent/update`.
    ///
    /// # Errors
    /// There is no such neighbour or number.
    pub fn number(&self, neighbor: &str, path: &str) -> Result<u64> {
        let all = self.json(&["neighbor", neighbor])?;
        let number = all.pointer(&format!("/{path}")).and_then(Value::as_u64);
        number.with_context(|| format!("no {path} in {all}"))
    }

    /// Waits until a neighbour has sent all it has in the first family.
    ///
    /// # Errors
    /// Its End-of-RIB does not come.
    pub fn wait_end_of_rib(&self, neighbor: &str) -> Result<()> {
        until(&format!("End-of-RIB of {neighbor}"), PATIENCE, || {
            let said = self.json(&["neighbor", neighbor])?;
            let complete = said.pointer("/families/0/end_of_rib");
            match complete {
                Some(Value::Bool(true)) => Ok(()),
                _ => bail!("{said}"),
            }
        })
    }

    /// Waits until a session is over.
    ///
    /// # Errors
    /// It is Established to the end.
    pub fn wait_down(&self, neighbor: &str) -> Result<()> {
        until(&format!("{neighbor} is down"), PATIENCE, || {
            match self.state(neighbor)? {
                state if state == "established" => bail!("{neighbor} is {state}"),
                _ => Ok(()),
            }
        })
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Kills it without a word and starts it again.
    ///
    /// # Errors
    /// It does not come up again.
    pub fn crash_and_restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.restart()
    }

    /// Starts it again after it has ended.
    ///
    /// # Errors
    /// It does not come up again.
    pub fn restart(&mut self) -> Result<()> {
        self.process = launch(&self.netns, &self.config, &self.arguments)?;
        self.wait_for_api()
    }
}

/// Keys of an `[api]` that does not listen to TCP.
const UNIX_ONLY: &str = "listen = []\n";

fn with_api(config: &str, api: &str, socket: &Path) -> String {
    format!("{config}\n[api]\n{api}unix = \"{}\"\n", socket.display())
}

fn launch(netns: &Netns, config: &Path, arguments: &[String]) -> Result<Process> {
    let mut command = netns.command(binary("bgpd")?);
    netns.start(
        command
            .arg("-f")
            .arg(config)
            .args(arguments)
            .env("BGPD_LOG", "debug")
            .env("NO_COLOR", "1"),
        "bgpd",
    )
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The first value under a key, at any depth.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map
            .get(key)
            .or_else(|| map.values().find_map(|inner| find(inner, key))),
        Value::Array(list) => list.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}
