// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Figures, their medians, and the tables that show them.

use std::collections::BTreeMap;

use crate::{Kind, case::Case};

/// What is measured, in the order of the columns.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Figure {
    /// From the first connection attempt until all sessions are Established.
    Established,
    /// From the first octet until the last receiver has everything.
    Time,
    /// Until all routes have another next hop.
    Moved,
    /// Until all routes have left the kernel again.
    Gone,
    /// Half of the changes were known everywhere by then.
    Median,
    /// All but one in a hundred were.
    Slow,
    /// From the end of connections until everybody knows.
    Dead,
    /// Processor time of the daemon until it rests.
    Cpu,
    /// Its memory in the end.
    Resident,
    /// The most that it had.
    Peak,
    /// Memory of a session.
    Each,
    /// Messages received.
    Messages,
    /// Octets received.
    Octets,
    /// Our processor time as a part of the daemon's.
    Own,
}

impl Figure {
    /// The head of its column.
    pub fn head(self) -> &'static str {
        match self {
            Self::Established => "up, s",
            Self::Time => "time, s",
            Self::Moved => "moved, s",
            Self::Gone => "withdrawn, s",
            Self::Median => "p50, ms",
            Self::Slow => "p99, ms",
            Self::Dead => "dead, ms",
            Self::Cpu => "CPU, s",
            Self::Resident => "memory, MiB",
            Self::Peak => "peak, MiB",
            Self::Each => "a session, kB",
            Self::Messages => "messages, 1000",
            Self::Octets => "received, MiB",
            Self::Own => "load's CPU, %",
        }
    }

    /// It is the daemon's, and less is better.
    pub(crate) fn is_compared(self) -> bool {
        !matches!(self, Self::Messages | Self::Octets | Self::Own)
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The figures.
    pub figures: BTreeMap<Figure, f64>,
    /// Why there is not more.
    pub fault: Option<String>,
}

/// What came of all runs of a case.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Of each daemon, in order.
    pub of: Vec<(Kind, Vec<Outcome>)>,
}

impl Results {
    /// The median of a figure over all runs that have it.
    pub fn median(&self, kind: Kind, figure: Figure) -> Option<f64> {
        let (_, runs) = self.of.iter().find(|(of, _)| *of == kind)?;
        let found = runs.iter().filter_map(|run| run.figures.get(&figure));
        let mut values: Vec<f64> = found.copied().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(values[middle]),
            _ => Some(f64::midpoint(values[middle - 1], values[middle])),
        }
    }

    /// Why a daemon has not finished, if it has not.
    pub fn fault(&self, kind: Kind) -> Option<&str> {
        let (_, runs) = self.of.iter().find(|(of, _)| *of == kind)?;
        runs.iter().find_map(|run| run.fault.as_deref())
    }

    /// Figures that somebody has.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let runs = self.of.iter().flat_map(|(_, runs)| runs);
        let mut all: Vec<Figure> = runs.flat_map(|run| run.figures.keys().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// A table in Markdown: a line for each daemon, and how ours compares.
    pub fn table(&self) -> String {
        let figures = self.figures();
        let heads: Vec<&str> = figures.iter().map(|figure| figure.head()).collect();
        let mut text = format!(
            "| | {} |\n|---|{}\n",
            heads.join(" | "),
            "---|".repeat(heads.len())
        );
        let line = |name: &str, cell: &dyn Fn(Figure) -> Option<f64>| {
            let cells = figures
                .iter()
                .map(|figure| cell(*figure).map_or("–".into(), short));
            format!(
                "| {name} | {} |\n",
                cells.collect::<Vec<String>>().join(" | ")
            )
        };
        for (kind, _) in &self.of {
            text += &line(kind.name(), &|figure| self.median(*kind, figure));
        }
        for (kind, _) in self.of.iter().filter(|(kind, _)| *kind != Kind::Bgpd) {
            let ratio = |figure: Figure| {
                let (ours, other) = (
                    self.median(Kind::Bgpd, figure)?,
                    self.median(*kind, figure)?,
                );
                (figure.is_compared() && other > 0.0).then(|| ours / other)
            };
            text += &line(&format!("bgpd / {}", kind.name()), &ratio);
        }
        for (kind, _) in &self.of {
            if let Some(fault) = self.fault(*kind) {
                text += "\n";
                text += kind.name();
                text += " has not finished: ";
                text += fault;
                text += "\n";
            }
        }
        text
    }

    /// Heading, table and plot.
    pub fn section(&self, case: &Case) -> String {
        let name = case.name;
        format!(
            "### {name}\n\n{}.\n\n{}\n![{name}](arena/{name}.svg)\n",
            sentence(case.what),
            self.table()
        )
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

/// Three digits that count.
pub(crate) fn short(value: f64) -> String {
    match value {
        _ if value >= 99.95 => format!("{value:.0}"),
        _ if value >= 9.995 => format!("{value:.1}"),
        _ if value >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A document with the section of a case in the place of the one that it had, or before the end of the others.
pub fn into_document(document: &str, name: &str, section: &str) -> String {
    let (begin, end) = (
        format!("<!-- arena:{name} -->\n"),
        format!("<!-- /arena:{name} -->\n"),
    );
    let block = format!("{begin}{section}{end}");
    if let Some((before, rest)) = document.split_once(&begin)
        && let Some((_, after)) = rest.split_once(&end)
    {
        return format!("{before}{block}{after}");
    }
    let last = "<!-- /arena -->\n";
    match document.split_once(last) {
        Some((before, after)) => format!("{before}{block}\n{last}{after}"),
        None => format!("{document}\n{block}\n{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(time: f64) -> Outcome {
        Outcome {
            figures: [(Figure::Time, time), (Figure::Own, 10.0)].into(),
            fault: None,
        }
    }

    #[test]
    fn medians_are_compared_and_what_has_not_finished_is_said() {
        let late = Outcome {
            fault: Some("> 120 s: 0 of 1".into()),
            ..Outcome::default()
        };
        let results = Results {
            of: vec![
                (Kind::Bgpd, vec![outcome(1.0), outcome(9.0), outcome(2.0)]),
                (Kind::Bird, vec![outcome(4.0), outcome(4.0)]),
                (Kind::GoBgp, vec![late]),
            ],
        };
        let table = results.table();
        for line in [
            "| | time, s | load's CPU, % |\n",
            "| bgpd | 2.00 | 10.0 |\n",
            "| bird | 4.00 | 10.0 |\n",
            "| gobgp | – | – |\n",
            "| bgpd / bird | 0.500 | – |\n",
            "\ngobgp has not finished: > 120 s: 0 of 1\n",
        ] {
            assert!(table.contains(line), "{line}{table}");
        }
    }

    #[test]
    fn a_section_is_replaced_where_it_is() {
        let text = into_document("# A\n", "full", "one\n");
        let text = into_document(&text, "late", "two\n");
        let text = into_document(&format!("{text}# B\n"), "full", "three\n");
        assert_eq!(
            text,
            "# A\n\n<!-- arena:full -->\nthree\n<!-- /arena:full -->\n\n<!-- arena:late -->\ntwo\n<!-- /arena:late -->\n\n\
             <!-- /arena -->\n# B\n"
        );
    }
}
