// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl explain`: why this prefix is, or is not, in the kernel.

use std::io::{self, Write};

use bgp_proto::NextHop;

use super::{Failure, Printer, fib, json, routes, status::elapsed, terminal::Paint};
use crate::control::{Explanation, Route};

pub(super) fn print(explanation: &Explanation, printer: &mut Printer<'_>) -> Result<(), Failure> {
    if printer.json {
        return json::document(printer.out, &json::ExplanationView::from(explanation));
    }
    Ok(text(explanation, printer.paint, printer.out)?)
}

fn text(explanation: &Explanation, paint: Paint, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let paths = match explanation.routes.len() {
        1 => "1 path".to_owned(),
        count => format!("{count} paths"),
    };
    let profile = match explanation.profile.as_str() {
        "" | "rfc" => String::new(),
        other => format!(", decided as {other} does"),
    };
    writeln!(
        out,
        "{}: {paths}{profile}",
        paint.strong(explanation.prefix)
    )?;
    for route in &explanation.routes {
        path(route, paint, out)?;
        reason(route, explanation.decided_by.as_deref(), paint, out)?;
    }
    match &explanation.kernel {
        Some(kernel) => {
            let state = fib::describe(&kernel.state, paint);
            writeln!(
                out,
                "\nKernel: {}{}: {state}",
                kernel.target,
                fib::metric(kernel.metric)
            )?;
        }
        None => writeln!(out, "\nKernel: no route wanted")?,
    }
    let advertised: Vec<_> = explanation
        .advertised_to
        .iter()
        .map(ToString::to_string)
        .collect();
    match advertised.as_slice() {
        [] => writeln!(out, "Advertised to: nobody"),
        addresses => writeln!(out, "Advertised to: {}", addresses.join(", ")),
    }
}

fn path(route: &Route, paint: Paint, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let codes = routes::codes(route);
    let codes = if route.best {
        paint.good(codes)
    } else {
        codes.to_owned()
    };
    let (from, age) = (routes::from(route), elapsed(route.age));
    writeln!(out, "\n{codes} from {from}, {}, for {age}", route.target)?;
    let attributes = &route.attributes;
    if attributes.as_path.is_empty() {
        writeln!(out, "     AS path: local")?;
    } else {
        writeln!(out, "     AS path: {}", attributes.as_path)?;
    }
    match attributes.next_hop {
        NextHop::V6LinkLocal { global, link_local } => {
            writeln!(out, "     next hop: {global}, {link_local}")?;
        }
        NextHop::V4(_) | NextHop::V6(_) => writeln!(out, "     next hop: {}", attributes.next_hop)?,
    }
    writeln!(out, "     attributes: {}", routes::summary(attributes))?;
    if route.path_id != 0 {
        writeln!(out, "     path ID: {}", route.path_id)?;
    }
    Ok(())
}

/// Why it is the best, or is not.
fn reason(
    route: &Route,
    decided_by: Option<&str>,
    paint: Paint,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    match (route.best, &route.unusable, &route.lost_at) {
        (true, ..) => {
            let reason = decided_by.unwrap_or("for a reason that is not known");
            writeln!(out, "     {} {reason}", paint.good("best:"))?;
        }
        (false, Some(reason), _) => writeln!(out, "     {} {reason}", paint.bad("not usable:"))?,
        (false, None, Some(step)) => writeln!(out, "     lost at step {step}")?,
        (false, None, None) => {}
    }
    if route.multipath && !route.best {
        writeln!(out, "     in use beside the best (multipath)")?;
    }
    Ok(())
}
