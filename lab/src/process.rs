// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that are run to their end, and programs that run until they are dropped.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How long a program that was asked to end may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// Runs a command line (split at spaces) to its end.
///
/// # Errors
/// It can not be started, or fails: with what it printed.
pub fn run(line: &str) -> Result<()> {
    output(line).map(drop)
}

/// Runs a command line (split at spaces) to its end and returns what it printed.
///
/// # Errors
/// It can not be started, or fails: with what it printed.
pub fn output(line: &str) -> Result<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (program, arguments) = words.split_first().context("an empty command")?;
    run_words(program, arguments.iter().copied())
}

pub(crate) fn run_words<'a>(
    program: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<String> {
    let arguments: Vec<&str> = arguments.into_iter().collect();
    let output = Command::new(program)
        .args(&arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} can not be started"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "`{program} {}` failed: {}{text}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(text)
}

/// A program that runs in the background. It is ended when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it prints goes to the log file.
    ///
    /// # Errors
    /// It can not be started.
    pub fn start(command: &mut Command, name: &str, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{name} can not be started"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            log: log.to_owned(),
        })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Still running?
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it without a chance to say good-bye (SIGKILL).
    ///
    /// # Errors
    /// It has ended before.
    pub fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .with_context(|| format!("{} had ended", self.name))?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// It has ended before.
    pub fn signal(&self, signal: nix::sys::signal::Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).context("a pid")?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal)
            .with_context(|| format!("{} has ended", self.name))
    }

    /// Asks it to end (SIGTERM), and waits for that.
    ///
    /// # Errors
    /// It does not end in time; then it is killed.
    pub fn terminate(&mut self) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        self.signal(nix::sys::signal::Signal::SIGTERM)?;
        let end = Instant::now() + FAREWELL;
        while self.is_running() {
            if Instant::now() > end {
                self.kill()?;
                bail!("{} did not end in {FAREWELL:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.terminate();
    }
}
