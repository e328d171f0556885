// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A file's tables, flattened: known keys by their path, the tables `config` left out.

use std::{collections::BTreeMap, ops::Range};

use super::{
    defaults::Defaults,
    error::{ConfigError, Warning},
    registry::{self, Found, State},
    value::{Key, Table, Value},
};

/// A table: the file itself, or one of a list.
#[derive(Debug)]
pub(super) struct Node<'t> {
    /// Where it begins.
    pub(super) span: Range<usize>,
    /// Path in the registry; empty for the file.
    pub(super) path: String,
    /// Values by their path from here.
    values: BTreeMap<String, &'t Value>,
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
    pub(super) fn get(&self, key: &str) -> Option<&'t Value> {
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
    /// Whose defaults hold.
    pub(super) defaults: Defaults,
    /// What is wrong.
    pub(super) errors: Vec<ConfigError>,
    /// What has no effect.
    pub(super) warnings: Vec<Warning>,
}

impl<'t> Notes<'t> {
    /// Nothing wrong yet.
    pub(super) fn new(file: &'t str, text: &'t str, defaults: Defaults) -> Self {
        Self {
            file,
            text,
            defaults,
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
    pub(super) fn flatten(&mut self, file: &'t Table) -> Node<'t> {
        let mut root = Node::new("", 0..self.text.len());
        self.walk(&mut root, "", file, false);
        root
    }

    /// `inside` is the path from `node`; `config` says that this is a table `config`.
    fn walk(&mut self, node: &mut Node<'t>, inside: &str, table: &'t Table, config: bool) {
        for (key, value) in table.iter() {
            // As in GoBGP, capitals do not count in a file of its.
            let name = match self.defaults {
                Defaults::Bgpd => key.name.clone(),
                Defaults::GoBgp => key.name.to_ascii_lowercase(),
            };
            let here = join(&node.path, inside);
            let nested = value.get_ref().as_table();
            if let (false, false, "config", Some(table)) =
                (config, here.is_empty(), name.as_str(), nested)
            {
                self.walk(node, inside, table, true);
                continue;
            }
            let (path, relative) = (join(&here, &name), join(inside, &name));
            match registry::find(&path) {
                None => self.unknown(key, &path),
                Some(Found::Table) => match nested {
                    Some(table) => {
                        node.tables.insert(relative.clone(), key.span.clone());
                        self.walk(node, &relative, table, false);
                    }
                    None => self.error(
                        value.span(),
                        format!("`{path}` is a table, not {}", value.kind()),
                    ),
                },
                Some(Found::Key(State::List)) => self.list(node, &path, relative, value),
                Some(Found::Key(State::Implemented)) => {
                    if node.values.insert(relative, value).is_some() {
                        self.error(
                            key.span.clone(),
                            format!("`{path}` is given twice, in `config` and beside it"),
                        );
                    }
                }
                Some(Found::Key(State::Accepted(why))) => {
                    self.warning(key.span.clone(), format!("`{path}` {why}"));
                }
                Some(Found::Key(State::Foreign(why))) if self.defaults == Defaults::GoBgp => {
                    self.warning(key.span.clone(), format!("`{path}` has no effect: {why}"));
                }
                Some(Found::Key(State::Refused(why) | State::Foreign(why))) => {
                    if value.get_ref().is_on() {
                        self.error(key.span.clone(), format!("`{path}`: {why}"));
                    }
                }
            }
        }
    }

    fn list(&mut self, node: &mut Node<'t>, path: &str, relative: String, value: &'t Value) {
        let Some(items) = value.get_ref().as_list() else {
            let message = format!("`{path}` is a list of tables, not {}", value.kind());
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
                    format!("`{path}` is a list of tables, not of {}", item.kinds()),
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

    fn unknown(&mut self, key: &Key, path: &str) {
        let message = format!("unknown key `{path}`");
        if let Some(near) = registry::nearest(path) {
            self.error_with(key.span.clone(), message, format!("did you mean `{near}`?"));
        } else {
            self.error(key.span.clone(), message);
        }
    }
}
