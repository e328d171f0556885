// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bars, as SVG: a row of them for each figure that matters, the longest as wide as the picture; or lines, where there is more and more.

use std::fmt::Write as _;

use crate::{
    Kind, Results,
    case::Axis,
    report::{Entrant, short},
};

mod lines;

const WIDTH: f64 = 640.0;
const TOP: f64 = 40.0;
const LABEL: f64 = 150.0;
const BAR: f64 = 16.0;

/// A plot of what a case has come to.
pub fn svg(title: &str, results: &Results) -> String {
    let (rows, y) = match results.axis {
        Some(Axis::Routes) => lines::panels(results),
        _ => bars(results),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"8\" y=\"24\" font-size=\"16\">{title}</text>\n{rows}</svg>\n"
    )
}

/// What is drawn, and how high it is.
fn bars(results: &Results) -> (String, f64) {
    let mut rows = String::new();
    let mut y = TOP;
    let figures = results
        .figures()
        .into_iter()
        .filter(|figure| figure.is_compared());
    for figure in figures {
        let medians = results.of.iter().map(|(entrant, _)| {
            let median = results.median(*entrant, figure);
            (*entrant, median)
        });
        let values: Vec<(Entrant, Option<f64>)> = medians.collect();
        let most = values
            .iter()
            .filter_map(|(_, value)| *value)
            .fold(0.0, f64::max);
        write_head(&mut rows, y, figure.head());
        y += BAR + 2.0;
        for (entrant, value) in values {
            let name = results.name(entrant);
            write_text(&mut rows, LABEL - 8.0, y + 12.0, "end", &name);
            let shown = value.map_or("not finished".into(), short);
            let share = value.map_or(0.0, |value| value / most.max(f64::MIN_POSITIVE));
            let width = share * (WIDTH - LABEL - 90.0);
            let _ = writeln!(
                rows,
                "<rect x=\"{LABEL}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{:.0}\" fill=\"{}\"/>",
                BAR - 2.0,
                colour(entrant.kind)
            );
            write_text(&mut rows, LABEL + width + 5.0, y + 12.0, "start", &shown);
            y += BAR;
        }
        y += 10.0;
    }
    (rows, y)
}

fn write_head(out: &mut String, y: f64, head: &str) {
    let text = format!("<tspan font-weight=\"bold\">{head}</tspan>");
    write_text(out, 8.0, y + 12.0, "start", &text);
}

fn write_text(out: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    // Writing into memory does not fail.
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.0}\" text-anchor=\"{anchor}\" fill=\"#222222\">{text}</text>"
    );
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Bgpd => "#c0392b",
        Kind::Bird => "#2d7dd2",
        Kind::Frr => "#5a9e6f",
        Kind::GoBgp => "#8e7cc3",
        Kind::OpenBgpd => "#d9a441",
        Kind::Netlink => "#7f8c8d",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Figure, Outcome};

    #[test]
    fn the_longest_bar_belongs_to_the_slowest() {
        let run = |time| Outcome {
            figures: [(Figure::Time, time)].into(),
            ..Outcome::default()
        };
        let at = None;
        let entrant = |kind| Entrant { kind, at };
        let results = Results {
            axis: None,
            of: vec![
                (entrant(Kind::Bgpd), vec![run(1.0)]),
                (entrant(Kind::Bird), vec![run(4.0)]),
                (entrant(Kind::GoBgp), vec![Outcome::default()]),
            ],
        };
        let text = svg("full", &results);
        for part in [
            "width=\"100.0\"",
            "width=\"400.0\"",
            "not finished",
            "</svg>",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
