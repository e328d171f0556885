// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Figures, their medians, and the tables that show them.

use std::collections::BTreeMap;

use crate::{
    Kind,
    case::{Axis, Case},
    machine::Machine,
};

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
    /// Until all routes were listed.
    Listing,
    /// Until it was known what would change.
    Plan,
    /// As the median, meanwhile.
    MedianListing,
    /// As the slow ones, meanwhile.
    SlowListing,
    /// The most memory that the daemon had meanwhile, beyond that before.
    Grown,
    /// Processor time of who asked for it.
    ClientCpu,
    /// The most memory that it had.
    ClientPeak,
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
            Self::Listing => "listing, s",
            Self::Plan => "plan, s",
            Self::MedianListing => "p50 listing, ms",
            Self::SlowListing => "p99 listing, ms",
            Self::Grown => "adds, MiB",
            Self::ClientCpu => "client's CPU, s",
            Self::ClientPeak => "client's peak, MiB",
            Self::Cpu => "CPU, s",
            Self::Resident => "memory, MiB",
            Self::Peak => "peak, MiB",
            Self::Each => "a session, kB",
            Self::Messages => "messages, 1000",
            Self::Octets => "received, MiB",
            Self::Own => "load's CPU, %",
        }
    }

    /// It is due to the daemon, and less is better.
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
    /// What else there is to say.
    pub remark: Option<String>,
}

/// Who has run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entrant {
    /// Which daemon.
    pub kind: Kind,
    /// Where on the axis, if there is one.
    pub at: Option<u32>,
}

/// What came of all runs of a case.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// What there is more or less of, if anything.
    pub axis: Option<Axis>,
    /// In order.
    pub of: Vec<(Entrant, Vec<Outcome>)>,
}

impl Results {
    /// A figure of all runs that have it, sorted.
    fn values(&self, entrant: Entrant, figure: Figure) -> Vec<f64> {
        let runs = self.of.iter().filter(|(of, _)| *of == entrant);
        let runs = runs.flat_map(|(_, runs)| runs);
        let found = runs.filter_map(|run| run.figures.get(&figure));
        let mut values: Vec<f64> = found.copied().collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The median of a figure over all runs that have it.
    pub fn median(&self, entrant: Entrant, figure: Figure) -> Option<f64> {
        let values = self.values(entrant, figure);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(values[middle]),
            _ => Some(f64::midpoint(values[middle - 1], values[middle])),
        }
    }

    /// The median, and between what the runs were.
    fn cell(&self, entrant: Entrant, figure: Figure) -> Option<String> {
        let median = short(self.median(entrant, figure)?);
        let values = self.values(entrant, figure);
        let (least, most) = (short(*values.first()?), short(*values.last()?));
        if least == most || !figure.is_compared() {
            return Some(median);
        }
        Some(format!("{median} ({least}–{most})"))
    }

    /// As it is called in a table.
    pub(crate) fn name(&self, entrant: Entrant) -> String {
        match (self.axis, entrant.at) {
            (Some(axis), Some(at)) => format!("{}, {}", entrant.kind.name(), axis.label(at)),
            _ => entrant.kind.name().to_owned(),
        }
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
        let line = |name: &str, cell: &dyn Fn(Figure) -> Option<String>| {
            let cells = figures
                .iter()
                .map(|figure| cell(*figure).unwrap_or_else(|| "–".into()));
            format!(
                "| {name} | {} |\n",
                cells.collect::<Vec<String>>().join(" | ")
            )
        };
        for (entrant, _) in &self.of {
            let cell = |figure| self.cell(*entrant, figure);
            text += &line(&self.name(*entrant), &cell);
        }
        let others = self.of.iter().map(|(entrant, _)| *entrant);
        for other in others.filter(|entrant| entrant.kind != Kind::Bgpd) {
            let kind = Kind::Bgpd;
            let ratio = |figure: Figure| {
                let ours = self.median(Entrant { kind, ..other }, figure)?;
                let theirs = self.median(other, figure)?;
                (figure.is_compared() && theirs > 0.0).then(|| short(ours / theirs))
            };
            text += &line(&format!("bgpd / {}", self.name(other)), &ratio);
        }
        text + &self.remarks()
    }

    /// Who has not finished, and what else there is to say.
    fn remarks(&self) -> String {
        let mut all: Vec<String> = Vec::new();
        for (entrant, runs) in &self.of {
            let name = self.name(*entrant);
            if let Some(fault) = runs.iter().find_map(|run| run.fault.as_deref()) {
                all.push(format!("\n{name} has not finished: {fault}\n"));
            }
            if let Some(remark) = runs.iter().find_map(|run| run.remark.as_deref()) {
                all.push(format!("\n{name}: {remark}\n"));
            }
        }
        all.concat()
    }

    /// Heading, table and plot, and what it was measured with.
    pub fn section(&self, case: &Case, machine: &Machine) -> String {
        let name = case.name;
        let kinds = self.of.iter().map(|(entrant, _)| entrant.kind);
        let runs = self.of.iter().map(|(_, runs)| runs.len()).max();
        format!(
            "### {name}\n\n{}.\n\n{}\n{}\n![{name}](arena/{name}.svg)\n",
            sentence(case.what),
            self.table(),
            machine.describe(kinds, runs.unwrap_or_default())
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
            ..Outcome::default()
        }
    }

    #[test]
    fn medians_are_compared_and_what_has_not_finished_is_said() {
        let late = Outcome {
            fault: Some("> 120 s: 0 of 1".into()),
            ..Outcome::default()
        };
        let at = None;
        let entrant = |kind| Entrant { kind, at };
        let results = Results {
            axis: None,
            of: vec![
                (
                    entrant(Kind::Bgpd),
                    vec![outcome(1.0), outcome(9.0), outcome(2.0)],
                ),
                (entrant(Kind::Bird), vec![outcome(4.0), outcome(4.0)]),
                (entrant(Kind::GoBgp), vec![late]),
            ],
        };
        let table = results.table();
        for line in [
            "| | time, s | load's CPU, % |\n",
            "| bgpd | 2.00 (1.00–9.00) | 10.0 |\n",
            "| bird | 4.00 | 10.0 |\n",
            "| gobgp | – | – |\n",
            "| bgpd / bird | 0.500 | – |\n",
            "\ngobgp has not finished: > 120 s: 0 of 1\n",
        ] {
            assert!(table.contains(line), "{line}{table}");
        }
    }

    #[test]
    fn each_size_is_compared_with_the_same_of_others() {
        let entry = |kind, at, time| {
            let at = Some(at);
            (Entrant { kind, at }, vec![outcome(time)])
        };
        let results = Results {
            axis: Some(Axis::Routes),
            of: vec![
                entry(Kind::Bgpd, 100_000, 1.0),
                entry(Kind::Bgpd, 1_000_000, 9.0),
                entry(Kind::Bird, 100_000, 2.0),
                entry(Kind::Bird, 1_000_000, 10.0),
            ],
        };
        let table = results.table();
        for line in [
            "| bgpd, 100 k | 1.00 | 10.0 |\n",
            "| bgpd / bird, 100 k | 0.500 | – |\n",
            "| bgpd / bird, 1 M | 0.900 | – |\n",
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
