// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a file says before anyone asks what it means: tables, lists and values with their places, whichever language they
//! were written in.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    span: Range<usize>,
    data: Data,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    /// True or false.
    Boolean(bool),
    /// Decimal digits, perhaps behind a sign.
    Integer(String),
    /// As written.
    Float(String),
    /// Text.
    Text(String),
    /// A date, a time or both: there are no keys for them.
    Date,
    /// Nothing, said with a word.
    Null,
    /// Values in order.
    List(Vec<Value>),
    /// Values with names.
    Table(Table),
}

/// Values with names, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    entries: Vec<(Key, Value)>,
}

/// The name of a value, and where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Key {
    /// It.
    pub(super) name: String,
    /// Where it is.
    pub(super) span: Range<usize>,
}

impl Value {
    pub(super) fn new(span: Range<usize>, data: Data) -> Self {
        Self { span, data }
    }

    /// Where it is.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What it is.
    pub(super) fn get_ref(&self) -> &Data {
        &self.data
    }

    /// What it is, without its place.
    pub(super) fn into_data(self) -> Data {
        self.data
    }

    /// How many values it is.
    pub(super) fn size(&self) -> usize {
        match &self.data {
            Data::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Data::Table(table) => 1 + table.iter().map(|(_, value)| value.size()).sum::<usize>(),
            _ => 1,
        }
    }

    /// What it is with its article.
    pub(super) fn kind(&self) -> &'static str {
        self.data.kinds().0
    }

    /// What several of it are.
    pub(super) fn kinds(&self) -> &'static str {
        self.data.kinds().1
    }
}

impl Data {
    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(on) => Some(*on),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_integer(&self) -> Option<&str> {
        match self {
            Self::Integer(digits) => Some(digits),
            _ => None,
        }
    }

    pub(super) fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn as_table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Whether it switches something on.
    pub(super) fn is_on(&self) -> bool {
        match self {
            Self::Boolean(on) => *on,
            Self::Text(text) => !text.is_empty() && text != "none",
            Self::Integer(digits) => !digits.trim_matches(['0', '+', '-']).is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Table(table) => table.iter().any(|(_, value)| value.data.is_on()),
            Self::Null => false,
            Self::Float(_) | Self::Date => true,
        }
    }

    fn kinds(&self) -> (&'static str, &'static str) {
        match self {
            Self::Text(_) => ("a string", "strings"),
            Self::Integer(_) => ("a number", "numbers"),
            Self::Float(_) => ("a number with a fraction", "numbers"),
            Self::Boolean(_) => ("a boolean", "booleans"),
            Self::Date => ("a date", "dates"),
            Self::Null => ("nothing", "nothing"),
            Self::List(_) => ("a list", "lists"),
            Self::Table(_) => ("a table", "tables"),
        }
    }
}

impl Table {
    /// Names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Key, Value)> {
        self.entries.iter()
    }

    /// The value of this name, whether its letters are large or small.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let mut entries = self.entries.iter();
        let found = entries.find(|(key, _)| key.name.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    /// Adds a value; false if there is one of this name.
    pub(super) fn push(&mut self, key: Key, value: Value) -> bool {
        let is_new = self.entries.iter().all(|(other, _)| other.name != key.name);
        self.entries.push((key, value));
        is_new
    }

    /// Takes a value out; dots in the name lead into tables.
    pub(super) fn remove(&mut self, name: &str) {
        self.entries.retain(|(key, _)| key.name != name);
        if let Some((outer, inner)) = name.split_once('.') {
            for (key, value) in &mut self.entries {
                if let (true, Data::Table(table)) = (key.name == outer, &mut value.data) {
                    table.remove(inner);
                }
            }
        }
    }

    /// A value inside of tables, by a name with dots.
    pub(super) fn find(&self, path: &str) -> Option<&Value> {
        match (self.get(path), path.split_once('.')) {
            (None, Some((outer, inner))) => self.get(outer)?.data.as_table()?.find(inner),
            (found, _) => found,
        }
    }

    /// Adds what has no name of its own here yet.
    pub(super) fn merge(&mut self, other: Self) {
        for (key, value) in other.entries {
            if self.entries.iter().all(|(known, _)| known.name != key.name) {
                self.entries.push((key, value));
            }
        }
    }
}

/// What TOML says.
pub(super) fn from_toml(table: &DeTable<'_>) -> Table {
    let entries = table.iter().map(|(key, value)| {
        let (name, span) = (key.get_ref().to_string(), key.span());
        (Key { name, span }, value_of_toml(value))
    });
    Table {
        entries: entries.collect(),
    }
}

fn value_of_toml(value: &Spanned<DeValue<'_>>) -> Value {
    let data = match value.get_ref() {
        DeValue::String(text) => Data::Text(text.to_string()),
        DeValue::Integer(integer) => {
            let digits = integer.as_str();
            let decimal = || i128::from_str_radix(digits, integer.radix()).ok();
            match integer.radix() {
                10 => Data::Integer(digits.to_owned()),
                _ => Data::Integer(decimal().map_or_else(|| digits.to_owned(), |n| n.to_string())),
            }
        }
        DeValue::Float(float) => Data::Float(float.as_str().to_owned()),
        DeValue::Boolean(on) => Data::Boolean(*on),
        DeValue::Datetime(_) => Data::Date,
        DeValue::Array(items) => Data::List(items.iter().map(value_of_toml).collect()),
        DeValue::Table(table) => Data::Table(from_toml(table)),
    };
    Value::new(value.span(), data)
}
