// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where log lines go: standard error, as text or JSON.

use std::{
    io::{self, IsTerminal as _},
    sync::OnceLock,
};

use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, prelude::*, reload};

use crate::config::{Log, LogFormat};

/// The API's transport is of interest to nobody who looks at BGP; `BGPD_LOG=h2=debug` shows it all the same.
const QUIET: &str = "h2=warn,hyper=warn,tower=warn,tonic=warn";

/// Puts another level in place. There is one logger in a process.
static LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging. `BGPD_LOG` in the environment is stronger than the configuration.
pub fn init(log: Log) {
    let (level, handle) = reload::Layer::new(filter(log));
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colours)
        .with_target(false);
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // A second start in one process (tests) keeps the first logger.
    if tracing_subscriber::registry()
        .with(level)
        .with(lines)
        .try_init()
        .is_ok()
    {
        let _ = LEVEL.set(handle);
    }
}

/// Takes over another level. `BGPD_LOG` stays stronger.
pub(super) fn change(log: Log) {
    if let Some(level) = LEVEL.get() {
        // The logger lives as long as the process.
        let _ = level.reload(filter(log));
    }
}

fn filter(log: Log) -> EnvFilter {
    let wanted = std::env::var("BGPD_LOG").unwrap_or_else(|_| log.level.as_str().to_owned());
    EnvFilter::try_new(format!("{QUIET},{wanted}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{QUIET},{}", log.level.as_str())))
}
