// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl fib`: what the kernel should have, and whether it has it.

use super::{
    Client, Failure, Printer,
    columns::{Cell, Columns},
    json,
    terminal::{Paint, Progress},
};
use crate::control::{FibRoute, FibState};

pub(super) async fn print(client: &mut Client, print: &mut Printer<'_>) -> Result<(), Failure> {
    let mut progress = Progress::new(print.progress.then_some(&mut *print.err), "kernel routes");
    if print.json {
        let mut array = json::Array::default();
        let each = |routes: Vec<FibRoute>| {
            progress.add(routes.len());
            routes
                .iter()
                .try_for_each(|route| array.push(print.out, &json::FibView::from(route)))
        };
        client.fib(each).await?;
        return array.finish(print.out);
    }
    let mut columns = Columns::new(["Network", "Target", ">Metric", "State"]).within(print.columns);
    let mut found = false;
    let each = |routes: Vec<FibRoute>| {
        found |= !routes.is_empty();
        progress.add(routes.len());
        let rows: Vec<_> = routes.iter().map(|route| row(route, print.paint)).collect();
        Ok(columns.print(print.out, &rows)?)
    };
    client.fib(each).await?;
    drop(progress);
    if !found {
        writeln!(print.out, "No kernel routes are wanted.")?;
    }
    Ok(())
}

fn row(route: &FibRoute, paint: Paint) -> [Cell; 4] {
    let state = describe(&route.state, paint);
    [
        route.prefix.into(),
        (&route.target).into(),
        route.metric.into(),
        state.into(),
    ]
}

/// A state with all that is known about it.
pub(super) fn describe(state: &FibState, paint: Paint) -> String {
    match state {
        FibState::Pending => paint.poor("pending"),
        FibState::Installed => paint.good("installed"),
        FibState::Adopted => paint.good("adopted from the previous run"),
        FibState::Failed { error, attempts: 1 } => format!("{}: {error}", paint.bad("failed")),
        FibState::Failed { error, attempts } => {
            format!("{}: {error} (tried {attempts} times)", paint.bad("failed"))
        }
        FibState::Blocked(route) => format!("{}: in the way is {route}", paint.bad("blocked")),
        FibState::WaitingForInterface(name) => {
            format!("{} {name}", paint.poor("waiting for interface"))
        }
    }
}

/// ` metric 32`, or nothing for the kernel's default.
pub(super) fn metric(metric: u32) -> String {
    if metric == 0 {
        String::new()
    } else {
        format!(" metric {metric}")
    }
}
