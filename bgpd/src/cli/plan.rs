// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl plan`: what a configuration would change, before it is read.

use std::{
    io::{self, Read as _, Write},
    path::Path,
};

use super::{Client, Failure, Printer, arguments::PlanArgs, json, terminal::Paint};
use crate::control::{Effect, Forecast, MAX_PLANNED_FILE, Plan, PlanRequest, PlannedChange, Tally};

/// What was asked for, and the file in it.
pub(super) fn request(arguments: &PlanArgs) -> Result<PlanRequest, Failure> {
    let failed = |error: io::Error| {
        let text = format!("{}: {error}", arguments.file.display());
        Failure::Usage(text)
    };
    let mut text = String::new();
    let most = MAX_PLANNED_FILE as u64 + 1;
    if arguments.file == Path::new("-") {
        io::stdin().take(most).read_to_string(&mut text)
    } else {
        std::fs::File::open(&arguments.file)
            .and_then(|file| file.take(most).read_to_string(&mut text))
    }
    .map_err(failed)?;
    Ok(PlanRequest {
        file: arguments.file.display().to_string(),
        text,
        examples: arguments.examples.into(),
        time_limit: std::time::Duration::from_secs(arguments.time_limit),
    })
}

pub(super) async fn command(
    request: &PlanRequest,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let plan = client.plan(request).await?;
    if !plan.is_empty() {
        print.status = DIFFERENT;
    }
    if print.json {
        return json::document(print.out, &json::PlanView::from(&plan));
    }
    Ok(text(&plan, print.paint, print.out)?)
}

/// There are differences. As `diff` says it, but for the number: 1 says that something went wrong.
pub(super) const DIFFERENT: u8 = 2;

fn text(plan: &Plan, paint: Paint, out: &mut (dyn Write + Send)) -> io::Result<()> {
    for warning in &plan.warnings {
        writeln!(out, "{} {warning}", paint.poor("Warning:"))?;
    }
    if plan.is_empty() {
        writeln!(out, "Nothing would change.")?;
        return looked_at(plan, out);
    }
    for change in &plan.changes {
        writeln!(out, "{}", line(change, paint))?;
    }
    for peer in &plan.peers {
        forecast(
            &format!("Routes from {}", peer.peer),
            &peer.import,
            paint,
            out,
        )?;
        forecast(
            &format!("Routes to {}", peer.peer),
            &peer.export,
            paint,
            out,
        )?;
    }
    forecast("Best paths", &plan.best, paint, out)?;
    forecast("Kernel routes", &plan.kernel, paint, out)?;
    looked_at(plan, out)?;
    for note in &plan.notes {
        writeln!(out, "Note: {note}.")?;
    }
    Ok(())
}

fn looked_at(plan: &Plan, out: &mut (dyn Write + Send)) -> io::Result<()> {
    if plan.is_partial {
        writeln!(
            out,
            "\nOnly {} prefixes were looked at, then the time was over (--time-limit): there may be more.",
            plan.prefixes
        )?;
    } else if plan.prefixes > 0 {
        writeln!(out, "\n{} prefixes were looked at.", plan.prefixes)?;
    }
    Ok(())
}

fn line(change: &PlannedChange, paint: Paint) -> String {
    let effect = match change.effect {
        Effect::Live => String::new(),
        Effect::RoutesAgain => paint.poor(" [is asked for its routes again]"),
        Effect::SessionStarts => paint.good(" [session starts]"),
        Effect::SessionEnds => paint.bad(" [session ends]"),
        Effect::SessionRestarts => paint.bad(" [session restarts]"),
        Effect::NeedsRestart => paint.poor(" [no effect before]"),
    };
    format!("{}{effect}", change.text)
}

fn forecast(
    title: &str,
    forecast: &Forecast,
    paint: Paint,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    if forecast.is_empty() {
        return Ok(());
    }
    let Forecast {
        added,
        removed,
        changed,
    } = forecast;
    let kinds: [(&str, &Tally, String); 3] = [
        ("+", added, paint.good("+")),
        ("-", removed, paint.bad("-")),
        ("~", changed, paint.poor("~")),
    ];
    let counts = kinds.iter().filter(|(_, tally, _)| tally.count > 0);
    let counts: Vec<String> = counts
        .map(|(sign, tally, _)| format!("{sign}{}", tally.count))
        .collect();
    writeln!(out, "\n{}: {}", paint.strong(title), counts.join(" "))?;
    for (_, tally, sign) in &kinds {
        for example in &tally.examples {
            writeln!(out, "  {sign} {}  {}", example.prefix, example.text)?;
        }
        let more = tally.count - tally.examples.len() as u64;
        if more > 0 {
            writeln!(out, "  {sign} and {more} more")?;
        }
    }
    Ok(())
}
