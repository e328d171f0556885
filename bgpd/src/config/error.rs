// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is wrong with a file, and where.

use std::{fmt, ops::Range};

/// A place in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Place {
    file: String,
    line: usize,
    column: usize,
    /// The line's text.
    text: String,
    /// How many characters of it are meant.
    width: usize,
}

impl Place {
    fn new(file: &str, source: &str, span: Range<usize>) -> Self {
        let floor = |mut at: usize| {
            at = at.min(source.len());
            while !source.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (floor(span.start), floor(span.end));
        let begin = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let stop = source[start..]
            .find('\n')
            .map_or(source.len(), |at| start + at);
        let text = source[begin..stop].trim_end_matches('\r');
        Self {
            file: file.to_owned(),
            line: source[..begin].matches('\n').count() + 1,
            column: source[begin..start].chars().count() + 1,
            text: without_password(text),
            width: source[start..end.clamp(start, stop)].chars().count().max(1),
        }
    }

    /// The line and a caret below what is meant. Tabs stay tabs so that the caret stands right, and control characters
    /// do not reach the terminal.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean = |c: char| match c {
            '\t' => '\t',
            c if c.is_control() => '\u{fffd}',
            c => c,
        };
        let text: String = self.text.chars().map(clean).collect();
        let before = |c: char| if c == '\t' { '\t' } else { ' ' };
        let indent: String = text.chars().take(self.column - 1).map(before).collect();
        write!(f, "\n    {text}\n    {indent}{}", "^".repeat(self.width))
    }
}

/// A line as it may be shown: messages end up in logs.
fn without_password(line: &str) -> String {
    let Some(at) = line.find("password") else {
        return line.to_owned();
    };
    let hide = |c: char| {
        if c.is_whitespace() || "=:\"'".contains(c) {
            c
        } else {
            '*'
        }
    };
    let (before, rest) = line.split_at(at);
    // TOML has `=` behind the key, YAML and JSON a colon.
    match rest.find(['=', ':']) {
        Some(at) => {
            let (key, value) = rest.split_at(at);
            let hidden: String = value.chars().map(hide).collect();
            format!("{before}{key}{hidden}")
        }
        None => line.to_owned(),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    place: Option<Place>,
    /// The file, when there is no place in it.
    file: String,
    message: String,
    help: Option<String>,
}

impl ConfigError {
    /// Wrong at a place.
    pub(super) fn at(
        file: &str,
        source: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            place: Some(Place::new(file, source, span)),
            ..Self::without_place(file, message)
        }
    }

    /// Wrong as a whole.
    pub(super) fn without_place(file: &str, message: impl Into<String>) -> Self {
        Self {
            place: None,
            file: file.to_owned(),
            message: message.into(),
            help: None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and column from 1, if a place is to blame.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => {
                write!(f, "{place}: error: {}", self.message)?;
                place.show(f)?;
            }
            None => write!(f, "{}: error: {}", self.file, self.message)?,
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// All that is wrong, in the order of the file; at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// In the order of the file.
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by_key(ConfigError::position);
        errors.dedup();
        Self(errors)
    }

    /// All of it on one line, without places.
    pub fn in_words(&self) -> String {
        let words = self.0.iter().map(|error| match &error.help {
            Some(help) => format!("{}: {help}", error.message),
            None => error.message.clone(),
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Something accepted that is not done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    place: Place,
    message: String,
}

impl Warning {
    pub(super) fn at(
        file: &str,
        source: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            place: Place::new(file, source, span),
            message: message.into(),
        }
    }
}

impl Warning {
    /// Line and column from 1.
    pub fn position(&self) -> (usize, usize) {
        (self.place.line, self.place.column)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: warning: {}", self.place, self.message)
    }
}
