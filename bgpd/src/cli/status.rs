// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl status`, and durations as all commands print them.

use std::time::Duration;

use super::{Failure, Printer, json};
use crate::control::Status;

pub(super) fn print(status: &Status, printer: &mut Printer<'_>) -> Result<(), Failure> {
    if printer.json {
        return json::document(printer.out, &json::StatusView::from(status));
    }
    let paint = printer.paint;
    let out = &mut *printer.out;
    let listening = match status.listening.as_slice() {
        [] => "nowhere (port = -1)".to_owned(),
        addresses => addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    writeln!(out, "AS:         {}", status.local_as)?;
    writeln!(out, "Router-ID:  {}", status.router_id.addr())?;
    if status.cluster_id != status.router_id.addr() {
        writeln!(out, "Cluster-ID: {}", status.cluster_id)?;
    }
    writeln!(out, "Listening:  {listening}")?;
    writeln!(
        out,
        "Version:    bgpd {}, up {}, RIB shards: {}",
        status.version,
        elapsed(status.uptime),
        status.shards
    )?;
    let established = format!("{} of {} Established", status.established, status.peers);
    let all_up = status.established == status.peers;
    let established = if all_up {
        established
    } else {
        paint.poor(established)
    };
    writeln!(out, "Neighbors:  {established}")?;
    writeln!(
        out,
        "Routes:     {} prefixes, {} paths",
        status.prefixes, status.paths
    )?;
    if let Some(memory) = status.memory {
        writeln!(out, "Memory:     {}", octets(memory))?;
    }
    if !status.log.is_empty() {
        writeln!(out, "Log:        {}", status.log)?;
    }
    match status.fib {
        None => writeln!(
            out,
            "Kernel:     not managed (no [fib] in the configuration)"
        )?,
        Some(fib) => {
            let failed = format!("{} failed", fib.failed);
            let failed = if fib.failed == 0 {
                failed
            } else {
                paint.bad(failed)
            };
            writeln!(
                out,
                "Kernel:     {} installed, {} pending, {failed}",
                fib.installed, fib.pending
            )?;
        }
    }
    if status.converging {
        writeln!(
            out,
            "Converging: initial tables are still arriving; nothing stale has been removed from the kernel"
        )?;
    }
    for warning in &status.warnings {
        writeln!(out, "{} {warning}", paint.poor("Warning:   "))?;
    }
    Ok(())
}

/// `12.3 MiB`.
pub(super) fn octets(number: u64) -> String {
    let tenths = number / (1 << 20) * 10 + number % (1 << 20) * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// `01:02:03`, `4d01:02:03`.
pub(super) fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let clock = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if days == 0 {
        clock
    } else {
        format!("{days}d{clock}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_printed_like_a_clock_with_days() {
        assert_eq!(elapsed(Duration::from_secs(3723)), "01:02:03");
        assert_eq!(elapsed(Duration::from_secs(2 * 86_400 + 59)), "2d00:00:59");
    }
}
