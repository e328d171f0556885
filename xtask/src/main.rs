// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask`: the project's own commands.

mod arena;
mod cluster;
mod dependencies;
mod instructions;
mod packages;
mod purity;
mod test;
mod tidy;
mod tools;
mod vm;

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// A cluster in network namespaces, live (Debian, root)
    Cluster(cluster::Arguments),
    /// Our daemon and others under load: how long, how much processor time and memory (Debian, root)
    Arena(arena::Arguments),
    /// All tests, as CI runs them; installs what they need (Debian, root)
    Test,
    /// What no compiler checks: sizes, licence lines, names, links
    Tidy,
    /// Licences and origins of the crates we build upon
    Dependencies,
    /// What the hot path costs in instructions, beside what is written down
    Instructions(instructions::Arguments),
    /// The pure crates build without std, bgpd embeds without a runtime
    Purity,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Cluster(arguments) => cluster::run(arguments),
        Task::Arena(arguments) => arena::run(&arguments),
        Task::Test => test::run(),
        Task::Tidy => tidy::run(),
        Task::Dependencies => dependencies::run(),
        Task::Instructions(arguments) => instructions::run(&arguments),
        Task::Purity => purity::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs cargo; what it prints is shown.
fn cargo(arguments: &[&str]) -> Result<()> {
    cargo_with(arguments, &[])
}

/// The same, with additions to the environment.
fn cargo_with(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .context("cargo can not be started")?;
    ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
    Ok(())
}
