// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How `bgpctl top` looks. At least 80 columns are filled; with more, names have them.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row as Cells, Table},
};

use super::{
    super::status::{elapsed, octets},
    state::{COLUMNS, Column, Row, Top},
};
use crate::control::{SessionState, Status};

/// Lines above and below the table, its heading among them.
const AROUND: u16 = 6;

/// Lines of the table that fit.
pub(super) fn page(height: u16) -> usize {
    height.saturating_sub(AROUND).into()
}

impl Top {
    /// Draws everything, with colours or without.
    pub fn draw(&self, frame: &mut Frame<'_>, paint: bool) {
        draw(frame, self, paint);
    }
}

fn draw(frame: &mut Frame<'_>, top: &Top, paint: bool) {
    let [head, table, foot] = Layout::vertical([
        Constraint::Length(4),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let rows = top.rows();
    summary(frame, head, top);
    neighbors(frame, table, top, &rows, paint);
    frame.render_widget(Paragraph::new(help(top, rows.len())), foot);
}

fn summary(frame: &mut Frame<'_>, area: Rect, top: &Top) {
    let Some(status) = top.status() else {
        let text = top.problem.clone();
        let text = text.unwrap_or_else(|| "asking bgpd ...".to_owned());
        frame.render_widget(Paragraph::new(text), area);
        return;
    };
    let (paths, installed) = top.totals();
    let Status {
        version,
        local_as,
        router_id,
        uptime,
        ..
    } = status;
    let memory = status.memory.map_or_else(String::new, |memory| {
        format!("   memory {}", octets(memory))
    });
    let kernel = match &status.fib {
        None => "Kernel     not managed".to_owned(),
        Some(fib) => format!(
            "Kernel     {} installed ({}/s)   {} queued   {} failed",
            count(fib.installed),
            rate(installed),
            count(fib.pending),
            count(fib.failed)
        ),
    };
    let converging = if status.converging {
        "   converging"
    } else {
        ""
    };
    let third = top.problem.clone().unwrap_or(kernel);
    let lines = vec![
        Line::from(vec![
            Span::styled("bgpd", Modifier::BOLD),
            Span::raw(format!(
                " {version}   AS {local_as}   {}   up {}{memory}",
                router_id.addr(),
                elapsed(*uptime)
            )),
        ]),
        Line::raw(format!(
            "Neighbors  {} of {} Established{converging}   Prefixes {}   Paths {} ({}/s)",
            status.established,
            status.peers,
            count(status.prefixes),
            count(status.paths),
            rate(paths)
        )),
        Line::raw(third),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

fn neighbors(frame: &mut Frame<'_>, area: Rect, top: &Top, rows: &[Row], paint: bool) {
    let heading = COLUMNS.iter().map(|(column, _, heading)| {
        let is_sorted = *column == top.sort;
        let mark = match (is_sorted, top.is_reversed) {
            (false, _) => "",
            (true, true) => "v",
            (true, false) => "^",
        };
        let text = format!("{heading}{mark}");
        let line = Line::raw(text);
        let line = if is_right(*column) {
            line.right_aligned()
        } else {
            line
        };
        let style = if is_sorted {
            Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED)
        } else {
            Style::new().add_modifier(Modifier::BOLD)
        };
        Cell::from(line).style(style)
    });
    let visible = rows.iter().skip(top.skipped);
    let lines = visible.map(|row| {
        let cells = COLUMNS.map(|(column, ..)| {
            let line = Line::raw(text(column, row));
            let line = if is_right(column) {
                line.right_aligned()
            } else {
                line
            };
            let color = color(column, row).filter(|_| paint);
            Cell::from(line).style(color.map_or_else(Style::new, |color| Style::new().fg(color)))
        });
        Cells::new(cells)
    });
    let widths = COLUMNS.map(|(column, ..)| match column {
        Column::Name => Constraint::Min(17),
        Column::Asn => Constraint::Length(10),
        Column::Since => Constraint::Length(11),
        Column::Received | Column::Sent | Column::RouteRate => Constraint::Length(5),
        Column::State | Column::Routes | Column::Advertised => Constraint::Length(7),
    });
    let table = Table::new(lines, widths)
        .header(Cells::new(heading))
        .column_spacing(1);
    frame.render_widget(table, area);
}

fn is_right(column: Column) -> bool {
    !matches!(column, Column::Name | Column::State)
}

fn text(column: Column, row: &Row) -> String {
    match column {
        Column::Name => row.name.to_string(),
        Column::Asn => row.asn.to_string(),
        Column::State => match (row.admin_down, row.state) {
            (true, _) => "Down",
            (_, SessionState::Established) => "Estab",
            (_, SessionState::OpenConfirm) => "OpConf",
            (_, SessionState::OpenSent) => "OpSent",
            (_, SessionState::Connect) => "Connect",
            (_, SessionState::Active) => "Active",
            (_, SessionState::Idle) => "Idle",
        }
        .to_owned(),
        Column::Since => row.since.map_or_else(|| "never".to_owned(), elapsed),
        Column::Received => rate(row.received_rate),
        Column::Sent => rate(row.sent_rate),
        Column::Routes => count(row.routes),
        Column::RouteRate => rate(row.route_rate),
        Column::Advertised => count(row.advertised),
    }
}

fn color(column: Column, row: &Row) -> Option<Color> {
    match (column, row.state) {
        (Column::State, SessionState::Established) => Some(Color::Green),
        (Column::State, _) if row.admin_down => Some(Color::Red),
        (Column::State, _) => Some(Color::Yellow),
        _ => None,
    }
}

fn help(top: &Top, found: usize) -> String {
    if top.is_typing {
        return format!("/{}_", top.filter);
    }
    let keys = COLUMNS.map(|(_, key, _)| key.to_string()).join(" ");
    let filter = if top.filter.is_empty() {
        "/ filter".to_owned()
    } else {
        format!("/{} ({found})", top.filter)
    };
    format!("q quit  {filter}  sort by column: {keys}, again: turned round")
}

/// In five columns: `99999`, `123k`, `12.3M`.
fn count(number: u64) -> String {
    match number {
        0..100_000 => number.to_string(),
        100_000..1_000_000 => format!("{}k", number / 1000),
        1_000_000..100_000_000 => {
            format!("{}.{}M", number / 1_000_000, number / 100_000 % 10)
        }
        _ => format!("{}M", number / 1_000_000),
    }
}

/// In five columns.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded"
)]
fn rate(rate: f64) -> String {
    let sign = if rate < -0.05 { "-" } else { "" };
    let size = rate.abs();
    if (0.05..9.95).contains(&size) {
        format!("{sign}{size:.1}")
    } else if size < 10_000.0 {
        format!("{sign}{size:.0}")
    } else if size < 1_000_000.0 {
        format!("{sign}{}k", (size / 1000.0) as u64)
    } else {
        format!("{sign}{:.1}M", size / 1_000_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_columns() {
        let counts = [
            0,
            99_999,
            100_000,
            999_999,
            1_000_000,
            12_345_678,
            100_000_000,
        ];
        let counts = counts.map(count);
        assert_eq!(
            counts,
            ["0", "99999", "100k", "999k", "1.0M", "12.3M", "100M"]
        );
        assert!(counts.iter().all(|text| text.len() <= 5));
        let rates = [
            0.0, 0.04, 0.05, 9.94, 9.96, -12.0, 9999.4, 10_000.0, -999_999.0, 2e6,
        ];
        let rates = rates.map(rate);
        assert_eq!(
            rates,
            [
                "0", "0", "0.1", "9.9", "10", "-12", "9999", "10k", "-999k", "2.0M"
            ]
        );
        assert!(rates.iter().all(|text| text.len() <= 5));
    }
}
