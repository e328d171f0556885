// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `SetLogLevel`. The versions differ in more than their numbers: what GoBGP 4 has no level for, it refuses.

use bgpd_api::{v3, v4};
use tonic::Status;

use super::wrong;
use crate::config::LogLevel;

/// `gobgp log-level panic` wants less than errors: less we do not have.
pub(super) fn version_3(number: i32) -> Result<LogLevel, Status> {
    use v3::set_log_level_request::Level;
    let level = Level::try_from(number).map_err(|_| unknown(number))?;
    Ok(match level {
        Level::Panic | Level::Fatal | Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
        Level::Trace => LogLevel::Trace,
    })
}

pub(super) fn version_4(number: i32) -> Result<LogLevel, Status> {
    use v4::set_log_level_request::Level;
    let level = Level::try_from(number).map_err(|_| unknown(number))?;
    Ok(match level {
        Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
        Level::Unspecified => return Err(wrong("unspecified log level")),
        Level::Panic | Level::Fatal | Level::Trace => {
            let name = level.as_str_name().to_lowercase();
            let name = name.trim_start_matches("level_");
            let text = format!("log level {name} is none of error, warn, info, debug");
            return Err(wrong(text));
        }
    })
}

fn unknown(number: i32) -> Status {
    wrong(format!("unknown log level {number}"))
}
