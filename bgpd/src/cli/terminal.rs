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
    /// `BGPD_TARGET`.
    pub target: Option<String>,
    /// The time of day, for events.
    pub clock: fn() -> SystemTime,
}

impl Terminal<'_> {
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
