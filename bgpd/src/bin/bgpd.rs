// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon's command line.

use std::process::ExitCode;

use bgpd::{cli::DaemonArguments, config, daemon};
use clap::Parser;

fn main() -> ExitCode {
    let arguments = DaemonArguments::parse();
    let config = match config::load(&arguments.config) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::FAILURE;
        }
    };
    for warning in &config.warnings {
        eprintln!("{warning}");
    }
    if arguments.check {
        println!("{}: no errors", arguments.config.display());
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
    match runtime.block_on(daemon::run(daemon::Options {
        path: arguments.config,
        config,
    })) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bgpd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
