// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where log lines go: standard error, as text or JSON.

use std::{
    io::{self, IsTerminal as _},
    sync::{Mutex, OnceLock, PoisonError},
};

use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, prelude::*, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// The API's transport is of interest to nobody who looks at BGP; `BGPD_LOG=h2=debug` shows it all the same.
const QUIET: &str = "h2=warn,hyper=warn,tower=warn,tonic=warn";

/// Puts another level in place. There is one logger in a process.
static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    handle: reload::Handle<EnvFilter, Registry>,
    /// What is in place, in words.
    level: Mutex<String>,
}

impl Logger {
    fn put(&self, directives: &str, words: String) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        // The logger lives as long as the process.
        let _ = self.handle.reload(filter(directives));
        *level = words;
    }
}

/// Starts logging. `BGPD_LOG` in the environment is stronger than the configuration.
pub fn init(log: Log) {
    let (directives, words) = wanted(log);
    let (level, handle) = reload::Layer::new(filter(&directives));
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
        let level = Mutex::new(words);
        let _ = LOGGER.set(Logger { handle, level });
    }
}

/// Takes over the configuration's level. `BGPD_LOG` stays stronger; what was ordered over the API is over.
pub(super) fn change(log: Log) {
    if let Some(logger) = LOGGER.get() {
        let (directives, words) = wanted(log);
        logger.put(&directives, words);
    }
}

/// Another level at once, whatever configuration and environment say. False: this process has no logger of ours.
pub(super) fn order(level: LogLevel) -> bool {
    let Some(logger) = LOGGER.get() else {
        return false;
    };
    let level = level.as_str();
    logger.put(level, format!("{level} (ordered over the API)"));
    true
}

/// What is logged, in words; nothing without a logger of ours.
pub(super) fn level() -> String {
    let level = LOGGER.get().map(|logger| &logger.level);
    level.map_or_else(String::new, |level| {
        level.lock().unwrap_or_else(PoisonError::into_inner).clone()
    })
}

/// The directives that count, and how they are told.
fn wanted(log: Log) -> (String, String) {
    let configured = log.level.as_str().to_owned();
    match std::env::var("BGPD_LOG") {
        Ok(set) if EnvFilter::try_new(&set).is_ok() => {
            let words = format!("{set} (BGPD_LOG)");
            (set, words)
        }
        _ => (configured.clone(), configured),
    }
}

fn filter(directives: &str) -> EnvFilter {
    EnvFilter::new(format!("{QUIET},{directives}"))
}

#[cfg(test)]
mod tests {
    use tracing::enabled;

    use super::*;

    #[test]
    fn the_level_is_ordered_while_the_process_runs_until_the_configuration_changes() {
        let shown = || {
            let (info, debug) = (
                enabled!(tracing::Level::INFO),
                enabled!(tracing::Level::DEBUG),
            );
            (level(), info, debug)
        };
        let of = |level| Log {
            level,
            ..Log::default()
        };
        init(of(LogLevel::Info));
        assert_eq!(shown(), ("info".to_owned(), true, false));
        assert!(order(LogLevel::Debug));
        let ordered = |level: &str| format!("{level} (ordered over the API)");
        assert_eq!(shown(), (ordered("debug"), true, true));
        assert!(order(LogLevel::Warn));
        assert_eq!(shown(), (ordered("warn"), false, false));
        change(of(LogLevel::Debug));
        assert_eq!(shown(), ("debug".to_owned(), true, true));
    }
}
