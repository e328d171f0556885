// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Aligned columns, a page at a time: a table of a million routes is never held, and nothing is ever cut off. On a terminal
//! that is too narrow the last column goes on below.

use std::io::{self, Write};

/// One cell: its text, and the text with colours.
#[derive(Debug)]
pub(super) struct Cell {
    plain: String,
    painted: Option<String>,
}

impl Cell {
    /// `painted` shows the same text as `plain`.
    pub(super) fn painted(plain: impl Into<String>, painted: String) -> Self {
        Self {
            plain: plain.into(),
            painted: Some(painted),
        }
    }

    fn width(&self) -> usize {
        visible(&self.plain)
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            plain: text.to_string(),
            painted: None,
        }
    }
}

/// Headings, and widths that grow with what was printed. A heading that starts with `>` is of a column aligned to the
/// right. The last column is never padded.
#[derive(Debug)]
pub(super) struct Columns<const N: usize> {
    headings: [&'static str; N],
    widths: [usize; N],
    headed: bool,
    /// As wide as a line may be.
    within: usize,
}

impl<const N: usize> Columns<N> {
    pub(super) fn new(headings: [&'static str; N]) -> Self {
        let widths = headings.map(|heading| heading.trim_start_matches('>').chars().count());
        Self {
            headings,
            widths,
            headed: false,
            within: usize::MAX,
        }
    }

    /// The same for a terminal of so many columns.
    pub(super) fn within(self, columns: Option<usize>) -> Self {
        Self {
            within: columns.unwrap_or(usize::MAX),
            ..self
        }
    }

    /// Prints rows, below the headings if they are the first.
    pub(super) fn print(
        &mut self,
        out: &mut (dyn Write + Send),
        rows: &[[Cell; N]],
    ) -> io::Result<()> {
        // A single long cell is not to push everything out of sight.
        let widest = self.within / 2;
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = cell.width().min(widest).max(*width);
            }
        }
        if !std::mem::replace(&mut self.headed, true) {
            let headings = self
                .headings
                .map(|heading| Cell::from(heading.trim_start_matches('>')));
            self.row(out, &headings)?;
        }
        rows.iter().try_for_each(|row| self.row(out, row))
    }

    fn row(&self, out: &mut (dyn Write + Send), row: &[Cell; N]) -> io::Result<()> {
        let mut line = String::new();
        let mut printed = 0;
        // Blanks are owed until something follows them, so that no line ends with any.
        let mut owed = 0;
        for (number, ((heading, width), cell)) in
            self.headings.iter().zip(self.widths).zip(row).enumerate()
        {
            if number + 1 == N && printed + owed + cell.width() > self.within {
                return self.wrapped(out, line, printed + owed, cell);
            }
            let padding = width - cell.width().min(width);
            let right = heading.starts_with('>');
            if right {
                owed += padding;
            }
            if !cell.plain.is_empty() {
                line.extend(std::iter::repeat_n(' ', owed));
                printed += owed + cell.width();
                owed = 0;
                line.push_str(cell.painted.as_ref().unwrap_or(&cell.plain));
            }
            owed += if right { 0 } else { padding } + usize::from(width > 0);
        }
        writeln!(out, "{line}")
    }

    /// The last cell, word by word in what is left of the width; if that is too little, below.
    fn wrapped(
        &self,
        out: &mut (dyn Write + Send),
        mut line: String,
        begin: usize,
        cell: &Cell,
    ) -> io::Result<()> {
        let below = begin + NARROW > self.within;
        let indent = if below { INDENT } else { begin };
        if below {
            writeln!(out, "{}", line.trim_end())?;
            line.clear();
            line.extend(std::iter::repeat_n(' ', indent));
        } else {
            // The painted text of what is before is longer than it looks.
            let blanks = begin - visible(&line).min(begin);
            line.extend(std::iter::repeat_n(' ', blanks));
        }
        let mut used = indent;
        let mut is_first = true;
        let text = cell.painted.as_ref().unwrap_or(&cell.plain);
        for word in text.split(' ') {
            let length = visible(word);
            if !is_first && used + 1 + length > self.within {
                writeln!(out, "{line}")?;
                line.clear();
                line.extend(std::iter::repeat_n(' ', indent));
                (used, is_first) = (indent, true);
            }
            if !is_first {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
            is_first = false;
        }
        writeln!(out, "{line}")
    }
}

/// Letters of a line without its colours.
fn visible(line: &str) -> usize {
    let mut inside = false;
    let is_letter = |letter: &char| {
        let is_colour = inside || *letter == '\u{1b}';
        inside = is_colour && *letter != 'm';
        !is_colour
    };
    line.chars().filter(is_letter).count()
}

/// With less than this beside the other columns, the last one goes below.
const NARROW: usize = 20;

/// So far to the right.
const INDENT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_do_not_end_with_blanks() {
        let mut columns = Columns::new(["Name", ">Count", "Info"]);
        let mut out = Vec::new();
        let row = |name: &str, count: u32, info: &str| [name.into(), count.into(), info.into()];
        columns
            .print(&mut out, &[row("a", 1, "x"), row("longer", 1000, "")])
            .expect("written");
        columns
            .print(&mut out, &[row("longest of all", 7, "y")])
            .expect("written");
        let expected = "Name   Count Info\na          1 x\nlonger  1000\nlongest of all     7 y\n";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }

    #[test]
    fn what_does_not_fit_goes_on_below() {
        let print = |within, name: &str| {
            let mut out = Vec::new();
            let row: [Cell; 2] = [
                Cell::painted(name, format!("\u{1b}[1m{name}\u{1b}[0m")),
                "one two three four five six".into(),
            ];
            let mut columns = Columns::new(["Name", "Info"]).within(Some(within));
            columns.print(&mut out, &[row]).expect("written");
            String::from_utf8(out).expect("text")
        };
        let beside = "Name Info\n\u{1b}[1mabc\u{1b}[0m  one two three four\n     five six\n";
        assert_eq!(print(25, "abc"), beside);
        let name = "a-long-name";
        let below = "Name        Info\n\u{1b}[1ma-long-name\u{1b}[0m\n    one two three four\n    five six\n";
        assert_eq!(print(24, name), below);
        assert_eq!(print(200, "abc").lines().count(), 2);
    }
}
