// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon's program.

use std::process::ExitCode;

use bgpd::{cli::DaemonArguments, config::Layers, daemon};
use clap::Parser;

fn main() -> ExitCode {
    daemon::share_memory();
    let arguments = DaemonArguments::parse();
    let source = arguments.source();
    let path = source.path.clone();
    let (layers, config) = match Layers::load(source) {
        Ok(read) => read,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::FAILURE;
        }
    };
    for warning in &config.warnings {
        eprintln!("{warning}");
    }
    for missed in arguments.ignored.missed() {
        eprintln!("bgpd: warning: {missed}");
    }
    if arguments.check {
        println!("{}: no errors", path.display());
        return ExitCode::SUCCESS;
    }
    daemon::init_log(config.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bgpd: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(daemon::run(daemon::Options { layers, config })) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bgpd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
