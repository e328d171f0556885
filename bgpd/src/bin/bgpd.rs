// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon's program.

use std::process::ExitCode;

use bgpd::{cli::DaemonArguments, config::Layers, daemon};
use clap::Parser;
use tikv_jemallocator::Jemalloc;

/// Threads take memory from a store of their own and give it back to a shared one, which suits messages and batches that one thread
/// makes and another frees.
#[global_allocator]
static MEMORY: Jemalloc = Jemalloc;

/// One arena behind those stores, which are small, since what one thread makes another frees; pages that nobody used for a second go
/// back to the kernel.
// SAFETY: jemalloc reads this name alone, as a pointer to a string that ends with zero.
#[allow(unsafe_code, reason = "jemalloc is told by a symbol")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MEMORY_OPTIONS: &[u8; 73] =
    b"narenas:1,dirty_decay_ms:1000,tcache_max:4096,tcache_nslots_small_max:64\0";

fn main() -> ExitCode {
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
    for missed in arguments.missed() {
        eprintln!("bgpd: warning: {missed}");
    }
    if let Err(missing) = arguments.tls.check(&config) {
        eprintln!("bgpd: {missing}");
        return ExitCode::FAILURE;
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
