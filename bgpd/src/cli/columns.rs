// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Aligned columns, a page at a time: a table of a million routes is never held, and nothing is ever cut off.

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
        self.plain.chars().count()
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
}

impl<const N: usize> Columns<N> {
    pub(super) fn new(headings: [&'static str; N]) -> Self {
        let widths = headings.map(|heading| heading.trim_start_matches('>').chars().count());
        Self {
            headings,
            widths,
            headed: false,
        }
    }

    /// Prints rows, below the headings if they are the first.
    pub(super) fn print(
        &mut self,
        out: &mut (dyn Write + Send),
        rows: &[[Cell; N]],
    ) -> io::Result<()> {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
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
        // Blanks are owed until something follows them, so that no line ends with any.
        let mut owed = 0;
        for ((heading, width), cell) in self.headings.iter().zip(self.widths).zip(row) {
            let padding = width - cell.width().min(width);
            let right = heading.starts_with('>');
            if right {
                owed += padding;
            }
            if !cell.plain.is_empty() {
                line.extend(std::iter::repeat_n(' ', owed));
                owed = 0;
                line.push_str(cell.painted.as_ref().unwrap_or(&cell.plain));
            }
            owed += if right { 0 } else { padding } + usize::from(width > 0);
        }
        writeln!(out, "{line}")
    }
}

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
}
