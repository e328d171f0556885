// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where log lines go: standard error, as text or JSON.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging. `BGPD_LOG` in the environment is stronger than the configuration.
pub fn init(log: &Log) {
    let filter =
        EnvFilter::try_from_env("BGPD_LOG").unwrap_or_else(|_| EnvFilter::new(log.level.as_str()));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false);
    // A second start in one process (tests) keeps the first logger.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
