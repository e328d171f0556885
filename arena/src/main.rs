// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask arena` builds this and runs it.

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use arena::{CASES, Case, Contestant, Kind, Machine, Results, Rounds};
use clap::Parser;

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
    let rounds = Rounds {
        contestants: contestants(arguments)?,
        runs: arguments.runs,
        is_quick: arguments.quick,
        routes: arguments.routes,
    };
    let cases = cases(arguments)?;
    let mut machine = Machine::of(&rounds.contestants);
    let begun = Instant::now();
    if !arguments.quick {
        let all = cases.iter().map(|case| rounds.estimate(case));
        println!(
            "With BIRD alone this takes about {} minutes.",
            all.sum::<Duration>().as_secs().div_ceil(60)
        );
    }
    let mut faults = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        println!(
            "\n{} ({} of {}, after {} s; about {} s): {}",
            case.name,
            number + 1,
            cases.len(),
            begun.elapsed().as_secs(),
            rounds.estimate(case).as_secs(),
            case.what
        );
        let results = rounds.run(case, &mut machine, |results, machine| {
            if let Some(document) = &arguments.write
                && let Err(error) = write(document, case, results, machine)
            {
                faults.push(format!("{}: {error:#}", case.name));
            }
        });
        println!("\n{}", results.table());
    }
    ensure!(faults.is_empty(), "not written: {}", faults.join("; "));
    Ok(())
}

fn write(document: &PathBuf, case: &Case, results: &Results, machine: &Machine) -> Result<()> {
    let folder = document.with_file_name("arena");
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join(format!("{}.svg", case.name)),
        arena::svg(case.name, results),
    )?;
    let text = fs::read_to_string(document).with_context(|| document.display().to_string())?;
    let section = results.section(case, machine);
    let text = arena::into_document(&text, case.name, &section);
    // The others' sections are not to be lost by a full disk.
    let new = document.with_extension("md.new");
    fs::write(&new, text)?;
    Ok(fs::rename(new, document)?)
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
