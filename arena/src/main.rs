// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask arena` builds this and runs it.

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use arena::{CASES, Case, Contestant, Kind, Outcome, Results};
use clap::Parser;

/// A daemon that has used so much time has run often enough.
const LONG: Duration = Duration::from_secs(40);

/// Nothing small takes longer.
const QUICK: Duration = Duration::from_secs(20);

/// BGP daemons under load, ours beside others.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to run: names as `--list` shows them, or all
    scenarios: Vec<String>,
    /// Show what there is, and exit
    #[arg(long)]
    list: bool,
    /// Other daemons, or none
    #[arg(long, value_delimiter = ',', default_value = "bird,gobgp,frr,openbgpd")]
    against: Vec<String>,
    /// How often; the median counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Sizes that only show that it works
    #[arg(long)]
    quick: bool,
    /// So many routes instead
    #[arg(long)]
    routes: Option<u32>,
    /// Another bgpd
    #[arg(long)]
    bgpd_bin: Option<PathBuf>,
    /// Another BIRD
    #[arg(long)]
    bird_bin: Option<PathBuf>,
    /// Another FRR bgpd
    #[arg(long)]
    frr_bin: Option<PathBuf>,
    /// Another gobgpd
    #[arg(long)]
    gobgp_bin: Option<PathBuf>,
    /// Another OpenBGPD
    #[arg(long)]
    openbgpd_bin: Option<PathBuf>,
    /// Write tables into this document, and plots into the folder `arena` beside it
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arena: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for case in CASES {
            println!("{:14} {}", case.name, case.what);
        }
        return Ok(());
    }
    ensure!(
        nix::unistd::geteuid().is_root(),
        "network namespaces need root"
    );
    let contestants = contestants(arguments)?;
    for case in cases(arguments)? {
        let mut size = if arguments.quick {
            case.quick
        } else {
            case.size
        };
        size.routes = arguments.routes.unwrap_or(size.routes);
        let limit = if arguments.quick { QUICK } else { case.limit };
        let mut results = Results::default();
        let able = |contestant: &&Contestant| !case.without.contains(&contestant.kind);
        let limits = case.limits.iter().map(|kind| limit_of(*kind));
        let limits = limits.collect::<Result<Vec<_>>>()?;
        for contestant in contestants.iter().filter(able).chain(&limits) {
            let mut runs = Vec::new();
            let begun = Instant::now();
            for number in 1..=arguments.runs {
                let outcome =
                    arena::run(case, size, limit, contestant).unwrap_or_else(|error| Outcome {
                        fault: Some(format!("{error:#}")),
                        ..Outcome::default()
                    });
                eprintln!(
                    "{} {} {number}: {outcome:?}",
                    case.name,
                    contestant.kind.name()
                );
                let has_finished = outcome.fault.is_none();
                runs.push(outcome);
                // Who does not finish once is not waited for again, nor is who takes his time.
                if !has_finished || begun.elapsed() > LONG {
                    break;
                }
            }
            results.of.push((contestant.kind, runs));
        }
        println!("\n{}: {}\n\n{}", case.name, case.what, results.table());
        if let Some(document) = &arguments.write {
            write(document, case, &results)?;
        }
    }
    Ok(())
}

fn write(document: &PathBuf, case: &Case, results: &Results) -> Result<()> {
    let folder = document.with_file_name("arena");
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join(format!("{}.svg", case.name)),
        arena::svg(case.name, results),
    )?;
    let text = fs::read_to_string(document).with_context(|| document.display().to_string())?;
    let text = arena::into_document(&text, case.name, &results.section(case));
    Ok(fs::write(document, text)?)
}

fn cases(arguments: &Arguments) -> Result<Vec<&'static Case>> {
    if arguments.scenarios.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let mut all = Vec::new();
    for word in &arguments.scenarios {
        let meant = arena::named(word);
        ensure!(
            !meant.is_empty(),
            "there is no scenario {word}; `--list` shows them"
        );
        all.extend(meant);
    }
    Ok(all)
}

fn limit_of(kind: Kind) -> Result<Contestant> {
    let program = kind.program()?;
    Ok(Contestant { kind, program })
}

fn contestants(arguments: &Arguments) -> Result<Vec<Contestant>> {
    let mut kinds = vec![Kind::Bgpd];
    for word in arguments.against.iter().filter(|word| *word != "none") {
        match Kind::ALL.into_iter().find(|kind| kind.name() == word) {
            Some(kind) => kinds.push(kind),
            None => bail!("there is no daemon {word}"),
        }
    }
    kinds.dedup();
    let of = |kind| {
        let given = match kind {
            Kind::Bgpd => &arguments.bgpd_bin,
            Kind::Bird => &arguments.bird_bin,
            Kind::Frr => &arguments.frr_bin,
            Kind::GoBgp => &arguments.gobgp_bin,
            Kind::OpenBgpd => &arguments.openbgpd_bin,
            Kind::Netlink => &None,
        };
        let program = given.clone().map_or_else(|| kind.program(), Ok)?;
        Ok(Contestant { kind, program })
    };
    kinds.into_iter().map(of).collect()
}
