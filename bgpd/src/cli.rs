// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl`: words in, a question to the daemon, tables or JSON out.
//!
//! [`run`] does everything but touch the process: it is given its arguments and its terminal, so a test sees exactly
//! what a user sees. Answers are converted to [`control`](crate::control) types first and printed from those, the same
//! ones the daemon speaks.

mod arguments;
mod bfd;
mod changes;
mod client;
mod columns;
mod diff;
mod explanations;
mod failure;
mod fib;
mod json;
mod neighbors;
mod nexthops;
mod plan;
mod policies;
mod program;
mod routes;
mod status;
mod terminal;
mod top;
mod watch;

use std::{ffi::OsString, io, path::Path};

use clap::{CommandFactory as _, FromArgMatches as _};

use self::{
    arguments::{Arguments, Command, Tables},
    terminal::Paint,
};
pub use self::{
    client::{Client, Target, Tls},
    failure::Failure,
    program::DaemonArguments,
    terminal::Terminal,
    top::{Press, Snapshot, Top},
};
use crate::control::PrefixMatch;

/// Runs one command; returns the exit status: 0 done, 1 the daemon refused or something broke, 2 wrong usage,
/// 3 no daemon answers, 4 what was asked for does not exist. Commands that compare say 2 if there are differences.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, terminal: &mut Terminal<'_>) -> u8 {
    let grammar = Arguments::command();
    let grammar = match terminal.width {
        Some(width) => grammar.term_width(width),
        None => grammar,
    };
    let parsed = grammar
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return terminal.usage(&error),
    };
    let (json, done) = (arguments.json, execute(arguments, terminal).await);
    // Also what came before a failure is to be seen.
    let flushed = terminal.out.flush().map_err(Failure::from);
    let failure = match (done, flushed) {
        (Ok(status), Ok(())) => return status,
        (Err(failure), _) | (_, Err(failure)) => failure,
    };
    // Who pipes us to `head` has seen enough: nothing went wrong.
    if failure.is_broken_pipe() {
        return 0;
    }
    let _ = if json {
        writeln!(terminal.err, "{}", failure.json())
    } else {
        writeln!(terminal.err, "bgpctl: {failure}")
    };
    failure.exit_status()
}

async fn execute(arguments: Arguments, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let command = arguments.command.ours();
    match &command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "bgpctl", &mut script);
            terminal.out.write_all(&script)?;
            return Ok(0);
        }
        Command::Man { directory } => {
            return man(directory, arguments.json, terminal).map(|()| 0);
        }
        _ => {}
    }
    // Wrong usage is wrong whether or not a daemon is there.
    match &command {
        Command::Route(arguments) => arguments.check()?,
        Command::Neighbor(arguments) => arguments.check()?,
        _ => {}
    }
    let planned = match &command {
        Command::Plan(arguments) => Some(plan::request(arguments)?),
        _ => None,
    };
    let named = arguments.target.as_deref().or(terminal.target.as_deref());
    let tls = arguments.tls.read()?;
    let candidates = Target::candidates(named)?;
    let candidates = match &tls {
        Some(_) => with_tls(candidates, named)?,
        None => candidates,
    };
    let mut client = Client::connect_with(&candidates, tls.as_ref()).await?;
    let mut print = Printer {
        out: &mut *terminal.out,
        err: &mut *terminal.err,
        progress: terminal.progress,
        columns: terminal.columns,
        json: arguments.json,
        paint: Paint(arguments.color.decide(terminal.color)),
        clock: terminal.clock,
        status: 0,
    };
    match planned {
        Some(request) => plan::command(&request, &mut client, &mut print).await?,
        None => answer(command, &mut client, &mut print).await?,
    }
    Ok(print.status)
}

/// Those that there can be TLS with.
fn with_tls(mut candidates: Vec<Target>, named: Option<&str>) -> Result<Vec<Target>, Failure> {
    candidates.retain(|target| matches!(target, Target::Tcp(_)));
    match named {
        Some(named) if candidates.is_empty() => Err(Failure::Usage(format!(
            "{named} is a Unix socket: there is no TLS over it"
        ))),
        _ => Ok(candidates),
    }
}

/// Pages of the manual, a file for each command, and that of the daemon.
fn man(directory: &Path, json: bool, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let text = format!("{}: {error}", directory.display());
        Failure::Output(io::Error::new(error.kind(), text))
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), directory).map_err(failed)?;
    let page = clap_mangen::Man::new(DaemonArguments::command()).section("8");
    page.generate_to(directory).map_err(failed)?;
    if json {
        return json::document(terminal.out, &json::Done {});
    }
    Ok(())
}

/// How and where a command prints.
struct Printer<'a> {
    out: &'a mut (dyn std::io::Write + Send),
    err: &'a mut (dyn std::io::Write + Send),
    progress: bool,
    columns: Option<usize>,
    json: bool,
    paint: Paint,
    clock: fn() -> std::time::SystemTime,
    /// The exit status of a command that has done what it was to do.
    status: u8,
}

async fn answer(
    command: Command,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    match command {
        Command::Status => status::print(&client.status().await?, print),
        Command::Neighbor(arguments) => match &arguments.change {
            Some(change) => changes::command(change, client, print).await,
            None => neighbors::command(&arguments, client, print).await,
        },
        Command::Route(arguments) => routes::command(arguments, client, print).await,
        Command::Explain { prefix } => {
            let matching = if prefix.is_address {
                PrefixMatch::Longest
            } else {
                PrefixMatch::Exact
            };
            explanations::print(&client.explain(prefix.prefix, matching).await?, print)
        }
        Command::Bfd { address } => bfd::command(address, client, print).await,
        Command::Diff(arguments) => diff::command(&arguments, client, print).await,
        Command::Top(arguments) => top::command(&arguments, client, print).await,
        Command::Fib => fib::print(client, print).await,
        Command::Policy { what, name } => {
            policies::command(what.as_deref(), name.as_deref(), client, print).await
        }
        Command::Nexthop => nexthops::print(&client.next_hops().await?, print),
        Command::Watch(filter) => watch::command(filter.filter(), client, print).await,
        Command::Reload => {
            let changes = client.reload().await?;
            if print.json {
                return json::document(print.out, &json::Reload { changes: &changes });
            }
            if changes.is_empty() {
                writeln!(print.out, "Nothing has changed.")?;
            }
            for change in changes {
                writeln!(print.out, "{change}")?;
            }
            Ok(())
        }
        // Resolved before a connection was made.
        Command::Completions { .. }
        | Command::Man { .. }
        | Command::Plan(_)
        | Command::Show { .. }
        | Command::Global { .. } => Ok(()),
    }
}

impl Command {
    /// The words of other daemons' tools, in ours.
    fn ours(self) -> Self {
        match self {
            Self::Show { what } => match what {
                Tables::Status => Self::Status,
                Tables::Protocols(arguments) => Self::Neighbor(arguments),
                Tables::Route(arguments) => Self::Route(arguments),
                Tables::Bfd { .. } => Self::Bfd { address: None },
                Tables::Fib => Self::Fib,
                Tables::Nexthop => Self::Nexthop,
            },
            Self::Global { rib: None } => Self::Status,
            Self::Global {
                rib: Some(arguments::Global::Rib(arguments)),
            } => Self::Route(arguments),
            command => command,
        }
    }
}
