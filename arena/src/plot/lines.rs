// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Figures over the number of routes: a panel for each figure, a line for each daemon. What grows linearly is straight.

use std::fmt::Write as _;

use super::{TOP, WIDTH, colour, write_head, write_text};
use crate::{Figure, Kind, Results, case::Axis, report::short};

const HEIGHT: f64 = 150.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 90.0;
const LETTERS: f64 = 36.0;

/// What is drawn, and how high it is.
pub(super) fn panels(results: &Results) -> (String, f64) {
    let mut out = String::new();
    let mut y = TOP;
    for figure in [Figure::Time, Figure::Cpu, Figure::Peak] {
        if results.figures().contains(&figure) {
            write_head(&mut out, y, figure.head());
            panel(&mut out, y + 24.0, results, figure);
            y += HEIGHT + 60.0;
        }
    }
    (out, y)
}

fn panel(out: &mut String, top: f64, results: &Results, figure: Figure) {
    let entrants = results.of.iter().map(|(entrant, _)| *entrant);
    let points = entrants.filter_map(|entrant| {
        let at = f64::from(entrant.at?);
        Some((entrant.kind, at, results.median(entrant, figure)?))
    });
    let points: Vec<(Kind, f64, f64)> = points.collect();
    let widest = points.iter().map(|point| point.1).fold(1.0, f64::max);
    let highest = points.iter().map(|point| point.2).fold(1e-9, f64::max);
    let x = |at: f64| LEFT + at / widest * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| top + HEIGHT * (1.0 - value / highest);
    let (right, bottom) = (x(widest), y(0.0));
    // Writing into memory does not fail.
    let _ = writeln!(
        out,
        "<path d=\"M{LEFT} {top} V{bottom} H{right}\" fill=\"none\" stroke=\"#888888\"/>"
    );
    write_text(out, LEFT - 6.0, top + 6.0, "end", &short(highest));
    write_text(out, LEFT - 6.0, bottom, "end", "0");
    let mut marks: Vec<u32> = results.of.iter().filter_map(|(of, _)| of.at).collect();
    marks.sort_unstable();
    marks.dedup();
    let mut taken = f64::INFINITY;
    for mark in marks.into_iter().rev() {
        let at = x(mark.into());
        // There is room for one beside the other, or it is left out.
        if at + LETTERS < taken {
            taken = at;
            let label = Axis::Routes.label(mark);
            write_text(out, at, bottom + 16.0, "middle", &label);
        }
    }
    for kind in Kind::ALL {
        let own = points.iter().filter(|point| point.0 == kind);
        let own: Vec<(f64, f64)> = own.map(|(_, at, value)| (x(*at), y(*value))).collect();
        let Some(last) = own.last() else {
            continue;
        };
        let line: Vec<String> = own.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let colour = colour(kind);
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (x, y) in &own {
            let _ = writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
            );
        }
        write_text(out, last.0 + 8.0, last.1 + 4.0, "start", kind.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, report::Entrant};

    #[test]
    fn what_is_twice_as_much_is_twice_as_far() {
        let entry = |at, time| {
            let outcome = Outcome {
                figures: [(Figure::Time, time)].into(),
                ..Outcome::default()
            };
            let entrant = Entrant {
                kind: Kind::Bgpd,
                at: Some(at),
            };
            (entrant, vec![outcome])
        };
        let results = Results {
            axis: Some(Axis::Routes),
            of: vec![
                entry(1_000_000, 1.0),
                entry(1_950_000, 1.95),
                entry(2_000_000, 2.0),
            ],
        };
        let (text, _) = panels(&results);
        // From 60 to 550, and from the bottom at 214 to the top at 64.
        for part in ["\"305.0,139.0 537.8,67.8 550.0,64.0\"", ">2 M<", ">2.00<"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            !text.contains(">1950 k<"),
            "there is no room for it: {text}"
        );
    }
}
