// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl bfd`: the sessions, or one in full.

use std::{
    io::{self, Write},
    net::IpAddr,
    num::NonZeroU8,
    time::Duration,
};

use bfd::{Diagnostic, Discriminator, Interval, State};

use super::{
    Client, Failure, Printer,
    columns::{Cell, Columns},
    json,
    status::elapsed,
    terminal::Paint,
};
use crate::control::BfdStatus;

pub(super) async fn command(
    address: Option<IpAddr>,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let sessions = client.bfd(address).await?;
    if address.is_some() {
        let session = sessions
            .first()
            .ok_or_else(|| Failure::NotFound("no such session".to_owned()))?;
        if print.json {
            return json::document(print.out, &json::BfdView::from(session));
        }
        return Ok(detail(session, print.paint, print.out)?);
    }
    if print.json {
        let views: Vec<_> = sessions.iter().map(json::BfdView::from).collect();
        return json::document(print.out, &views);
    }
    if sessions.is_empty() {
        return Ok(writeln!(print.out, "No neighbor has BFD.")?);
    }
    let rows: Vec<_> = sessions
        .iter()
        .map(|session| row(session, print.paint))
        .collect();
    let headings = [
        "Peer",
        "Interface",
        "State",
        ">Since",
        ">Interval",
        ">Detection",
        ">Downs",
        "Info",
    ];
    Ok(Columns::new(headings)
        .within(print.columns)
        .print(print.out, &rows)?)
}

fn row(session: &BfdStatus, paint: Paint) -> [Cell; 8] {
    let state = session.state.to_string();
    [
        session.remote.into(),
        place(session).into(),
        Cell::painted(state, painted(session.state, paint)),
        elapsed(session.since).into(),
        time(session.transmit_interval).into(),
        time(session.detection_time).into(),
        session.counters.downs.into(),
        info(session).into(),
    ]
}

fn place(session: &BfdStatus) -> &str {
    match &session.interface {
        _ if session.multihop => "multihop",
        Some(interface) => interface,
        None => "-",
    }
}

fn painted(state: State, paint: Paint) -> String {
    if state == State::Up {
        paint.good(state)
    } else {
        paint.poor(state)
    }
}

/// What an operator has to know at a glance: why it is not up.
fn info(session: &BfdStatus) -> String {
    if let Some(problem) = &session.problem {
        return problem.clone();
    }
    let mut notes = Vec::new();
    if session.state != State::Up && session.diagnostic != Diagnostic::NONE {
        notes.push(session.diagnostic.to_string());
    }
    if session.remote_discriminator.is_none() {
        notes.push("the neighbor is not heard".to_owned());
    } else if session.remote_state != State::Up {
        notes.push(format!("remote {}", session.remote_state));
    }
    if session.remote_diagnostic != Diagnostic::NONE {
        notes.push(format!("remote: {}", session.remote_diagnostic));
    }
    notes.join("; ")
}

fn detail(session: &BfdStatus, paint: Paint, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let hops = if session.multihop {
        "multihop"
    } else {
        "single hop"
    };
    let on = session.interface.as_ref();
    let on = on.map_or_else(String::new, |name| format!(" on {name}"));
    let from = session.local;
    let from = from.map_or_else(String::new, |local| format!(", from {local}"));
    writeln!(out, "BFD with {}: {hops}{on}{from}", session.remote)?;
    let state = painted(session.state, paint);
    writeln!(
        out,
        "State:       {state} for {}, {}",
        elapsed(session.since),
        session.diagnostic
    )?;
    if let Some(problem) = &session.problem {
        writeln!(out, "Problem:     {}", paint.bad(problem))?;
    }
    let name = |number: Option<Discriminator>| {
        number.map_or_else(|| "unknown".to_owned(), |number| number.to_string())
    };
    let independent = if session.remote_independent {
        ", independent of its control plane"
    } else {
        ""
    };
    writeln!(
        out,
        "Remote:      {}, {}{independent}",
        session.remote_state, session.remote_diagnostic
    )?;
    writeln!(
        out,
        "Names:       {}, remote {}",
        name(session.discriminator),
        name(session.remote_discriminator)
    )?;
    let settings = &session.settings;
    let passive = if settings.passive { ", passive" } else { "" };
    let ours = (
        settings.multiplier,
        settings.desired_min_tx,
        settings.required_min_rx,
    );
    writeln!(out, "Configured:  {}{passive}", timers(ours))?;
    if let Some(method) = session.authentication {
        writeln!(
            out,
            "Packets are: authenticated, {}",
            json::bfd_method(method)
        )?;
    }
    if let Some(remote) = session.remote_intervals {
        writeln!(out, "Remote has:  {}", timers(remote))?;
    }
    writeln!(
        out,
        "Agreed:      transmit every {}, detection time {}",
        time(session.transmit_interval),
        time(session.detection_time)
    )?;
    let counters = &session.counters;
    writeln!(
        out,
        "Packets:     {} received, {} sent",
        counters.received, counters.sent
    )?;
    writeln!(
        out,
        "Changes:     {} up, {} down",
        counters.ups, counters.downs
    )
}

fn timers((multiplier, desired, required): (NonZeroU8, Interval, Interval)) -> String {
    let ms = |interval: Interval| time(Some(interval.as_duration()));
    format!(
        "transmit {}, receive {}, multiplier {multiplier}",
        ms(desired),
        ms(required)
    )
}

/// In milliseconds: that is what is configured.
fn time(time: Option<Duration>) -> String {
    match time {
        None => "-".to_owned(),
        Some(time) if time.subsec_micros() % 1000 == 0 => format!("{} ms", time.as_millis()),
        Some(time) => format!("{:.3} ms", time.as_secs_f64() * 1000.0),
    }
}
