// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A file's tables, flattened: known keys by their path, the tables `config` left out.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    error::{ConfigError, Warning},
    registry::{self, Found, State},
};

/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A table: the file itself, or one of a list.
#[derive(Debug)]
pub(super) struct Node<'t> {
    /// Where it begins.
    pub(super) span: Range<usize>,
    /// Path in the registry; empty for the file.
    pub(super) path: String,
    /// Values by their path from here.
    values: BTreeMap<String, &'t Value<'t>>,
    /// Tables of lists by their path from here.
    lists: BTreeMap<String, Vec<Node<'t>>>,
    /// Tables that are there, even if nothing is in them.
    tables: BTreeMap<String, Range<usize>>,
}

impl<'t> Node<'t> {
    fn new(path: &str, span: Range<usize>) -> Self {
        Self {
            span,
            path: path.to_owned(),
            values: BTreeMap::new(),
            lists: BTreeMap::new(),
            tables: BTreeMap::new(),
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&'t Value<'t>> {
        debug_assert_eq!(
            registry::find(&join(&self.path, key)),
            Some(Found::Key(State::Implemented)),
            "{}.{key}",
            self.path
        );
        self.values.get(key).copied()
    }

    /// The tables of a list.
    pub(super) fn list(&self, key: &str) -> &[Node<'t>] {
        self.lists.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether there is a list, even an empty one.
    pub(super) fn has_list(&self, key: &str) -> bool {
        self.lists.contains_key(key)
    }

    /// Where a table is, if it is there.
    pub(super) fn table(&self, key: &str) -> Option<Range<usize>> {
        self.tables.get(key).cloned()
    }
}

/// A path and a key.
pub(super) fn join(path: &str, key: &str) -> String {
    match (path, key) {
        ("", _) => key.to_owned(),
        (_, "") => path.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

/// What is being read, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Notes<'t> {
    /// The file's name.
    pub(super) file: &'t str,
    /// Its text.
    pub(super) text: &'t str,
    /// What is wrong.
    pub(super) errors: Vec<ConfigError>,
    /// What has no effect.
    pub(super) warnings: Vec<Warning>,
}

impl<'t> Notes<'t> {
    /// Nothing wrong yet.
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Something is wrong.
    pub(super) fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.errors
            .push(ConfigError::at(self.file, self.text, span, message));
    }

    /// Something is wrong, and this would help.
    pub(super) fn error_with(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors
            .push(ConfigError::at(self.file, self.text, span, message).help(help));
    }

    /// Something has no effect.
    pub(super) fn warning(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.warnings
            .push(Warning::at(self.file, self.text, span, message));
    }

    /// Sorts the keys of a file into known ones and notes.
    pub(super) fn flatten(&mut self, file: &'t Spanned<DeTable<'t>>) -> Node<'t> {
        let mut root = Node::new("", file.span());
        self.walk(&mut root, "", file.get_ref(), false);
        root
    }

    /// `inside` is the path from `node`; `config` says that this is a table `config`.
    fn walk(&mut self, node: &mut Node<'t>, inside: &str, table: &'t DeTable<'t>, config: bool) {
        for (key, value) in table {
            let name: &DeString<'_> = key.get_ref();
            let here = join(&node.path, inside);
            let nested = value.get_ref().as_table();
            if let (false, false, "config", Some(table)) =
                (config, here.is_empty(), name.as_ref(), nested)
            {
                self.walk(node, inside, table, true);
                continue;
            }
            let (path, relative) = (join(&here, name), join(inside, name));
            match registry::find(&path) {
                None => self.unknown(key, &path),
                Some(Found::Table) => match nested {
                    Some(table) => {
                        node.tables.insert(relative.clone(), key.span());
                        self.walk(node, &relative, table, false);
                    }
                    None => self.error(
                        value.span(),
                        format!("`{path}` is a table, not {}", kind(value)),
                    ),
                },
                Some(Found::Key(State::List)) => self.list(node, &path, relative, value),
                Some(Found::Key(State::Implemented)) => {
                    if node.values.insert(relative, value).is_some() {
                        self.error(
                            key.span(),
                            format!("`{path}` is given twice, in `config` and beside it"),
                        );
                    }
                }
                Some(Found::Key(State::Accepted(why))) => {
                    self.warning(key.span(), format!("`{path}` {why}"));
                }
                Some(Found::Key(State::Refused(why))) => {
                    if is_on(value.get_ref()) {
                        self.error(key.span(), format!("`{path}`: {why}"));
                    }
                }
            }
        }
    }

    fn list(&mut self, node: &mut Node<'t>, path: &str, relative: String, value: &'t Value<'t>) {
        let Some(items) = value.get_ref().as_array() else {
            let message = format!("`{path}` is a list of tables, not {}", kind(value));
            return self.error_with(
                value.span(),
                message,
                format!("each of them begins with `[[{path}]]`"),
            );
        };
        let mut nodes = Vec::new();
        for item in items {
            let mut inner = Node::new(path, item.span());
            match item.get_ref().as_table() {
                Some(table) => self.walk(&mut inner, "", table, false),
                None => self.error(
                    item.span(),
                    format!("`{path}` is a list of tables, not of {}", plural(item)),
                ),
            }
            nodes.push(inner);
        }
        if node.lists.insert(relative, nodes).is_some() {
            self.error(
                value.span(),
                format!("`{path}` is given twice, in `config` and beside it"),
            );
        }
    }

    fn unknown(&mut self, key: &Spanned<DeString<'_>>, path: &str) {
        let message = format!("unknown key `{path}`");
        match registry::nearest(path) {
            Some(near) => self.error_with(key.span(), message, format!("did you mean `{near}`?")),
            None => self.error(key.span(), message),
        }
    }
}

/// Whether a value switches something on.
fn is_on(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Boolean(on) => *on,
        DeValue::String(text) => !text.is_empty() && text != "none",
        DeValue::Integer(number) => !number.as_str().trim_matches(['0', '+', '-']).is_empty(),
        DeValue::Array(items) => !items.is_empty(),
        DeValue::Table(table) => table.values().any(|value| is_on(value.get_ref())),
        DeValue::Float(_) | DeValue::Datetime(_) => true,
    }
}

/// A value's kind with its article.
pub(super) fn kind(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn plural(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "strings",
        DeValue::Integer(_) | DeValue::Float(_) => "numbers",
        DeValue::Boolean(_) => "booleans",
        DeValue::Datetime(_) => "dates",
        DeValue::Array(_) => "lists",
        DeValue::Table(_) => "tables",
    }
}
