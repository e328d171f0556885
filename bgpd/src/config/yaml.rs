// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files in YAML, and in JSON, which is YAML written in another way.
//!
//! One document of tables, lists and values. Numbers and booleans are those of YAML 1.2. Anchors stand for what they name, and
//! `<<` takes over the keys of a table; there is a bound to what a small file can become that way. Tags are refused.

use std::{collections::BTreeMap, iter::Peekable, ops::Range};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::value::{Data, Key, Table, Value};

/// What is wrong, and where.
pub(super) type Fault = (Range<usize>, String);

/// Tables in tables: no file has as many.
const DEEPEST: usize = 32;

/// Values that come of anchors.
const MOST_COPIED: usize = 1_000_000;

/// The table that a text is.
pub(super) fn read(text: &str) -> Result<Table, Fault> {
    let mut reader = Reader {
        places: Places::new(text),
        events: Parser::new_from_str(text).peekable(),
        anchors: BTreeMap::new(),
        copied: 0,
        depth: 0,
    };
    reader.next()?; // The stream begins.
    if let Event::StreamEnd = reader.peek()? {
        return Ok(Table::default());
    }
    reader.next()?; // The document begins.
    let value = reader.value()?;
    let span = value.span();
    let table = match value.into_data() {
        Data::Table(table) => table,
        Data::Null => Table::default(),
        _ => return Err((span, "a file is a table".to_owned())),
    };
    reader.next()?; // The document ends.
    match reader.next()? {
        (Event::StreamEnd, _) => Ok(table),
        (_, span) => Err((span, "a file is one document".to_owned())),
    }
}

struct Reader<'i> {
    places: Places,
    events: Peekable<Parser<'i, StrInput<'i>>>,
    /// Values by the numbers of their anchors.
    anchors: BTreeMap<usize, Value>,
    copied: usize,
    depth: usize,
}

impl<'i> Reader<'i> {
    fn next(&mut self) -> Result<(Event<'i>, Range<usize>), Fault> {
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, self.places.range(&span))),
            Some(Err(error)) => Err(self.places.fault(&error)),
            None => Ok((Event::StreamEnd, 0..0)),
        }
    }

    fn peek(&mut self) -> Result<&Event<'i>, Fault> {
        match self.events.peek() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(self.places.fault(error)),
            None => Ok(&Event::StreamEnd),
        }
    }

    fn value(&mut self) -> Result<Value, Fault> {
        let (event, span) = self.next()?;
        let (anchor, value) = match event {
            Event::Alias(anchor) => return self.copy(anchor, span),
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Err((span, "tags are not taken here".to_owned()));
            }
            Event::Scalar(text, style, anchor, _) => {
                let data = if style == ScalarStyle::Plain {
                    plain(&text)
                } else {
                    Data::Text(text.into_owned())
                };
                (anchor, Value::new(span, data))
            }
            Event::SequenceStart(anchor, _) => (anchor, self.inside(span, Self::list)?),
            Event::MappingStart(anchor, _) => (anchor, self.inside(span, Self::table)?),
            _ => return Err((span, "a value is missing".to_owned())),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn copy(&mut self, anchor: usize, span: Range<usize>) -> Result<Value, Fault> {
        let Some(value) = self.anchors.get(&anchor) else {
            return Err((span, "this stands for what it is in".to_owned()));
        };
        self.copied += value.size();
        if self.copied > MOST_COPIED {
            return Err((span, "anchors make this file too large".to_owned()));
        }
        Ok(value.clone())
    }

    fn inside(
        &mut self,
        begin: Range<usize>,
        read: fn(&mut Self) -> Result<Data, Fault>,
    ) -> Result<Value, Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err((begin, "this is too deep".to_owned()));
        }
        let data = read(self)?;
        self.depth -= 1;
        Ok(Value::new(begin, data))
    }

    fn list(&mut self) -> Result<Data, Fault> {
        let mut items = Vec::new();
        while *self.peek()? != Event::SequenceEnd {
            items.push(self.value()?);
        }
        self.next()?;
        Ok(Data::List(items))
    }

    fn table(&mut self) -> Result<Data, Fault> {
        let mut table = Table::default();
        let mut merged = Vec::new();
        while *self.peek()? != Event::MappingEnd {
            let (name, span) = match self.next()? {
                (Event::Scalar(text, _, 0, None), span) => (text.into_owned(), span),
                (_, span) => return Err((span, "a key is a text".to_owned())),
            };
            let value = self.value()?;
            match value.get_ref() {
                // As in GoBGP, a key without a value is not there.
                Data::Null => {}
                _ if name == "<<" => merged.push(value),
                _ => {
                    let message = format!("`{}` is there twice", name.escape_debug());
                    let at = span.clone();
                    if !table.push(Key { name, span }, value) {
                        return Err((at, message));
                    }
                }
            }
        }
        self.next()?;
        for value in merged {
            merge(&mut table, value)?;
        }
        Ok(Data::Table(table))
    }
}

/// Keys of another table, or of several, that are not there yet.
fn merge(table: &mut Table, value: Value) -> Result<(), Fault> {
    let span = value.span();
    match value.into_data() {
        Data::Table(other) => table.merge(other),
        Data::List(items) => items.into_iter().try_for_each(|item| merge(table, item))?,
        _ => return Err((span, "`<<` is for tables".to_owned())),
    }
    Ok(())
}

/// A scalar without quotes, by YAML 1.2's core schema.
fn plain(text: &str) -> Data {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let of_radix = |prefix: &str, radix| {
        let digits = text.strip_prefix(prefix)?;
        i128::from_str_radix(digits, radix).ok()
    };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Boolean(true),
        "false" | "False" | "FALSE" => Data::Boolean(false),
        _ if is_decimal => Data::Integer(text.to_owned()),
        _ => match of_radix("0x", 16).or_else(|| of_radix("0o", 8)) {
            Some(number) => Data::Integer(number.to_string()),
            None if is_float(text, digits) => Data::Float(text.to_owned()),
            None => Data::Text(text.to_owned()),
        },
    }
}

/// `inf` and `nan` without their dots are names.
fn is_float(text: &str, digits: &str) -> bool {
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok()
}

/// Where characters are, in octets.
struct Places {
    /// Of each character if one is longer than an octet.
    octets: Option<Vec<usize>>,
    end: usize,
}

impl Places {
    fn new(text: &str) -> Self {
        let octets = || text.char_indices().map(|(at, _)| at).collect();
        Self {
            octets: (!text.is_ascii()).then(octets),
            end: text.len(),
        }
    }

    fn octet(&self, marker: &Marker) -> usize {
        match &self.octets {
            Some(octets) => octets.get(marker.index()).copied().unwrap_or(self.end),
            None => marker.index().min(self.end),
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        self.octet(&span.start)..self.octet(&span.end)
    }

    fn fault(&self, error: &ScanError) -> Fault {
        let at = self.octet(error.marker());
        (at..at, error.info().to_owned())
    }
}
