// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl watch`: a line for each event, flushed at once.

use std::time::{Duration, UNIX_EPOCH};

use super::{Client, Failure, Printer, fib, json, routes, terminal::Paint};
use crate::control::{SessionState, WatchEvent, WatchFilter};

pub(super) async fn command(
    filter: WatchFilter,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let each = |event: WatchEvent| {
        let now = (print.clock)()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        if print.json {
            return json::line(print.out, &json::EventView::new(now, &event));
        }
        writeln!(
            print.out,
            "{} {}",
            time_of_day(now),
            line(&event, print.paint)
        )?;
        Ok(print.out.flush()?)
    };
    client.watch(filter, || (), each).await
}

/// UTC.
fn time_of_day(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    format!(
        "{:02}:{:02}:{:02}Z",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn line(event: &WatchEvent, paint: Paint) -> String {
    match event {
        WatchEvent::Peer {
            address,
            from,
            to,
            reason,
        } => {
            let new = json::state(*to);
            let new = if *to == SessionState::Established {
                paint.good(new)
            } else {
                paint.poor(new)
            };
            let reason = reason
                .as_ref()
                .map_or_else(String::new, |reason| format!(": {reason}"));
            format!("neighbor {address} {} -> {new}{reason}", json::state(*from))
        }
        WatchEvent::Best {
            prefix,
            route: Some(route),
        } => {
            let path = route.attributes.as_path.to_string();
            let path = if path.is_empty() {
                path
            } else {
                format!(" AS path {path}")
            };
            format!(
                "best     {prefix} {} from {}{path} {}",
                route.target,
                routes::from(route),
                routes::summary(&route.attributes)
            )
        }
        WatchEvent::Best {
            prefix,
            route: None,
        } => format!("best     {prefix} {}", paint.poor("gone")),
        WatchEvent::Fib {
            prefix,
            route: Some(route),
        } => {
            let state = fib::describe(&route.state, paint);
            format!(
                "fib      {prefix} {}{}: {state}",
                route.target,
                fib::metric(route.metric)
            )
        }
        WatchEvent::Fib {
            prefix,
            route: None,
        } => format!("fib      {prefix} {}", paint.poor("removed")),
        WatchEvent::Lagged(lost) => {
            format!(
                "{} at least {lost} events are lost, this reader is too slow; ask for the state again",
                paint.bad("lagged")
            )
        }
    }
}
