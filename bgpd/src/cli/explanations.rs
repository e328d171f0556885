// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl explain`: why this prefix is, or is not, in the kernel.

use std::io::{self, Write};

use bgp_proto::NextHop;

use super::{Failure, Printer, fib, json, routes, status::elapsed, terminal::Paint};
use crate::control::{Explanation, PolicyHit, PolicyPoint, PolicyTrace, Route, Verdict};

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
    if let Some(kernel) = &explanation.kernel {
        let state = fib::describe(&kernel.state, paint);
        writeln!(
            out,
            "\nKernel: {}{}: {state}",
            kernel.target,
            fib::metric(kernel.metric)
        )?;
    } else {
        let reason = explanation.no_kernel.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        writeln!(out, "\nKernel: no route wanted{reason}")?;
    }
    let advertised: Vec<_> = explanation
        .advertised_to
        .iter()
        .map(ToString::to_string)
        .collect();
    match advertised.as_slice() {
        [] => writeln!(out, "Advertised to: nobody")?,
        addresses => writeln!(out, "Advertised to: {}", addresses.join(", "))?,
    }
    if !explanation.not_advertised_to.is_empty() {
        writeln!(out, "Not advertised to:")?;
    }
    for (peer, reason) in &explanation.not_advertised_to {
        writeln!(out, "     {peer}: {reason}")?;
    }
    for trace in &explanation.policies {
        policy(trace, paint, out)?;
    }
    Ok(())
}

/// What a policy did, a line for each rule that held.
fn policy(trace: &PolicyTrace, paint: Paint, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let peers: Vec<String> = trace.peers.iter().map(ToString::to_string).collect();
    let whose = match trace.point {
        PolicyPoint::Import => format!("Import from {}", peers.join(", ")),
        PolicyPoint::Export => format!("Export to {}", peers.join(", ")),
        PolicyPoint::Kernel => "Export to the kernel".to_owned(),
    };
    let verdict = match trace.verdict {
        Verdict::Accept => paint.good("accepted"),
        Verdict::Reject => paint.bad("rejected"),
    };
    let default = if trace.is_default { " by default" } else { "" };
    writeln!(out, "\n{whose}: {verdict}{default}")?;
    for hit in &trace.hits {
        writeln!(out, "     {}", rule(hit))?;
    }
    Ok(())
}

/// A rule that held: its names, what it changed, what it decided.
fn rule(hit: &PolicyHit) -> String {
    let or_none = |text: &str| {
        if text.is_empty() {
            "none".to_owned()
        } else {
            text.to_owned()
        }
    };
    let changes = hit.changes.iter().map(|change| {
        let (from, to) = (or_none(&change.from), or_none(&change.to));
        format!("{} {from} -> {to}", change.what)
    });
    let decided = hit.verdict.map(|verdict| match verdict {
        Verdict::Accept => "accepts".to_owned(),
        Verdict::Reject => "rejects".to_owned(),
    });
    let mut done: Vec<String> = changes.chain(decided).collect();
    if done.is_empty() {
        done.push("goes on".to_owned());
    }
    let name = if hit.names.is_empty() {
        "(no name)".to_owned()
    } else {
        hit.names.join(" / ")
    };
    format!("{name}: {}", done.join(", "))
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
