// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where output goes, and how it may look there.

use std::{
    fmt::Display,
    io::{IsTerminal as _, Write},
    time::SystemTime,
};

use owo_colors::{OwoColorize as _, Style};

/// The surroundings of a command.
pub struct Terminal<'a> {
    /// Standard output.
    pub out: &'a mut (dyn Write + Send),
    /// Standard error.
    pub err: &'a mut (dyn Write + Send),
    /// Colours are welcome on standard output.
    pub color: bool,
    /// Columns to wrap help texts at; `None`: as wide as the terminal is.
    pub width: Option<usize>,
    /// Columns that tables are to fit into; `None`: nobody looks, and lines are as long as they are.
    pub columns: Option<usize>,
    /// Standard error may show how far a long listing is.
    pub progress: bool,
    /// `BGPD_TARGET`.
    pub target: Option<String>,
    /// The time of day, for events.
    pub clock: fn() -> SystemTime,
}

impl<'a> Terminal<'a> {
    /// Without colours, lines as long as they are.
    pub fn new(out: &'a mut (dyn Write + Send), err: &'a mut (dyn Write + Send)) -> Self {
        Self {
            out,
            err,
            color: false,
            width: None,
            columns: None,
            progress: false,
            target: None,
            clock: SystemTime::now,
        }
    }

    /// Whether somebody who looks at standard error would see nothing else: a list goes into a file or a pipe.
    pub fn progress_welcome() -> bool {
        std::io::stderr().is_terminal() && !std::io::stdout().is_terminal()
    }

    /// How wide standard output is, if it is a terminal.
    pub fn columns_there() -> Option<usize> {
        let size = || ratatui::crossterm::terminal::size().ok();
        let (columns, _) = std::io::stdout().is_terminal().then(size).flatten()?;
        (columns > 0).then_some(columns.into())
    }

    /// Whether standard output takes colours: it is a terminal, and `NO_COLOR` is not set.
    pub fn colors_welcome() -> bool {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        !refused && std::io::stdout().is_terminal()
    }

    /// Prints clap's help or complaint; the exit status.
    pub(super) fn usage(&mut self, error: &clap::Error) -> u8 {
        let rendered = error.render();
        let text = if self.color {
            rendered.ansi().to_string()
        } else {
            rendered.to_string()
        };
        let stream: &mut dyn Write = if error.use_stderr() {
            self.err
        } else {
            self.out
        };
        // Nothing is left to be done where even this can't be written.
        let _ = stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.flush());
        if error.use_stderr() { 2 } else { 0 }
    }
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(pub bool);

impl Paint {
    pub(super) fn good(self, text: impl Display) -> String {
        self.apply(text, Style::new().green())
    }

    pub(super) fn poor(self, text: impl Display) -> String {
        self.apply(text, Style::new().yellow())
    }

    pub(super) fn bad(self, text: impl Display) -> String {
        self.apply(text, Style::new().red())
    }

    pub(super) fn strong(self, text: impl Display) -> String {
        self.apply(text, Style::new().bold())
    }

    fn apply(self, text: impl Display, style: Style) -> String {
        if self.0 {
            text.style(style).to_string()
        } else {
            text.to_string()
        }
    }
}

/// How far a long listing is, on standard error.
pub(super) struct Progress<'a> {
    err: Option<&'a mut (dyn Write + Send)>,
    what: &'static str,
    count: usize,
    said: usize,
}

impl<'a> Progress<'a> {
    pub(super) fn new(err: Option<&'a mut (dyn Write + Send)>, what: &'static str) -> Self {
        Self {
            err,
            what,
            count: 0,
            said: 0,
        }
    }

    /// So many more have been printed.
    pub(super) fn add(&mut self, count: usize) {
        self.count += count;
        let Some(err) = self.err.as_mut() else {
            return;
        };
        if self.count - self.said >= SAID_EVERY {
            self.said = self.count;
            // What nobody can be told is not needed for the list.
            let _ = write!(err, "\r{} {}", self.count, self.what).and_then(|()| err.flush());
        }
    }
}

impl Drop for Progress<'_> {
    /// Leaves an empty line for what comes.
    fn drop(&mut self) {
        if let Some(err) = self.err.as_mut().filter(|_| self.said > 0) {
            let _ = write!(err, "\r\u{1b}[K").and_then(|()| err.flush());
        }
    }
}

/// Often enough to be seen moving, seldom enough to cost nothing.
const SAID_EVERY: usize = 8192;
