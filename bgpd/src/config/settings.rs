// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys of a neighbour, a group or a range with their values, as somebody other than a file says them.

use std::{collections::BTreeMap, fmt};

use super::value::{Data, Key, Table, Value};

/// The list of families.
pub(super) const FAMILIES: &str = "afi-safis";

/// Keys with their values. The keys are those of a file, written with dots, and without the tables `config`:
/// `timers.hold-time`.
#[derive(Clone, Default, PartialEq)]
pub struct Settings(BTreeMap<String, Setting>);

/// What is said for a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// True or false.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Setting>),
    /// Tables: their order counts.
    Tables(Vec<Settings>),
}

impl From<bool> for Setting {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<T: Into<i64>> From<T> for Setting
where
    T: num_like::Number,
{
    fn from(number: T) -> Self {
        Self::Number(number.into())
    }
}

/// Which types are numbers here.
mod num_like {
    pub trait Number {}
    impl Number for u8 {}
    impl Number for u16 {}
    impl Number for u32 {}
    impl Number for i32 {}
    impl Number for i64 {}
}

impl From<&str> for Setting {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Setting {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Settings {
    /// Says something for a key, instead of what was said before.
    pub fn say(&mut self, key: impl Into<String>, setting: impl Into<Setting>) {
        self.0.insert(key.into(), setting.into());
    }

    /// The same, with something said besides.
    #[must_use]
    pub fn with(mut self, key: &str, setting: impl Into<Setting>) -> Self {
        self.say(key, setting);
        self
    }

    /// Says all that others say. Families are told apart by their names.
    pub fn amend(&mut self, other: &Self) {
        let before = self.tables(FAMILIES).to_vec();
        for (key, setting) in &other.0 {
            self.0.insert(key.clone(), setting.clone());
        }
        if let Some(Setting::Tables(families)) = self.0.get_mut(FAMILIES) {
            for family in families {
                let name = |family: &Self| family.text("afi-safi-name").map(str::to_owned);
                let known = before.iter().find(|known| name(known) == name(family));
                if let Some(known) = known {
                    let mut both = known.clone();
                    both.0.extend(std::mem::take(&mut family.0));
                    *family = both;
                }
            }
        }
    }

    /// Takes back what is said for a key.
    pub fn unsay(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Takes back, and gives, what is said for keys that begin so; they lose that beginning.
    #[must_use]
    pub fn split_off(&mut self, beginning: &str) -> Self {
        let mut rest = Self::default();
        self.0
            .retain(|key, setting| match key.strip_prefix(beginning) {
                Some(end) => {
                    rest.0.insert(end.to_owned(), setting.clone());
                    false
                }
                None => true,
            });
        rest
    }

    /// Says what others say, with this before their keys.
    pub fn say_all(&mut self, beginning: &str, others: &Self) {
        for (key, setting) in &others.0 {
            self.0.insert(format!("{beginning}{key}"), setting.clone());
        }
    }

    /// What is said for a key.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.0.get(key)
    }

    /// Every key with what is said for it, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(key, setting)| (key.as_str(), setting))
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text; none if the key is not there or has no text.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Setting::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number; none if the key is not there or has no number.
    pub fn number(&self, key: &str) -> Option<i64> {
        match self.0.get(key)? {
            Setting::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether a key is there and true.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.0.get(key), Some(Setting::Flag(true)))
    }

    /// The tables of a list; none if it is not there.
    pub fn tables(&self, key: &str) -> &[Settings] {
        match self.0.get(key) {
            Some(Setting::Tables(tables)) => tables,
            _ => &[],
        }
    }

    /// What a file says, wherever it does.
    pub(super) fn of_table(table: &Table) -> Self {
        let mut settings = Self::default();
        settings.fill("", table);
        settings
    }

    fn fill(&mut self, path: &str, table: &Table) {
        for (key, value) in table.iter() {
            let path = match (path, key.name.as_str()) {
                (path, "config") => path.to_owned(),
                (path, name) => super::tree::join(path, name),
            };
            match value.get_ref() {
                Data::Table(table) => self.fill(&path, table),
                data => {
                    self.0.insert(path, setting(data));
                }
            }
        }
    }

    /// As a table of a file.
    pub(super) fn to_table(&self) -> Table {
        let mut table = Table::default();
        for (name, setting) in &self.0 {
            let key = Key {
                name: name.clone(),
                span: 0..0,
            };
            table.push(key, value(setting));
        }
        table
    }
}

fn setting(data: &Data) -> Setting {
    match data {
        Data::Boolean(flag) => Setting::Flag(*flag),
        Data::Integer(digits) => digits
            .parse()
            .map_or_else(|_| Setting::Text(digits.clone()), Setting::Number),
        Data::Float(text) | Data::Text(text) => Setting::Text(text.clone()),
        Data::Date | Data::Null => Setting::List(Vec::new()),
        Data::List(items) => match items.first().map(Value::get_ref) {
            Some(Data::Table(_)) => {
                let tables = items.iter().filter_map(|item| item.get_ref().as_table());
                Setting::Tables(tables.map(Settings::of_table).collect())
            }
            _ => Setting::List(items.iter().map(|item| setting(item.get_ref())).collect()),
        },
        Data::Table(table) => Setting::Tables(vec![Settings::of_table(table)]),
    }
}

fn value(setting: &Setting) -> Value {
    let data = match setting {
        Setting::Flag(flag) => Data::Boolean(*flag),
        Setting::Number(number) => Data::Integer(number.to_string()),
        Setting::Text(text) => Data::Text(text.clone()),
        Setting::List(items) => Data::List(items.iter().map(value).collect()),
        Setting::Tables(tables) => Data::List(tables.iter().map(table_value).collect()),
    };
    Value::new(0..0, data)
}

/// A table as an item of a list.
pub(super) fn table_value(settings: &Settings) -> Value {
    Value::new(0..0, Data::Table(settings.to_table()))
}

/// Without values: there are passwords among them.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Format};

    #[test]
    fn what_a_file_says_is_the_same_however_it_is_written() {
        let read = |text| {
            let document = Document::parse(text, "x", Format::Toml).unwrap();
            Settings::of_table(document.root())
        };
        let nested = read(
            "[config]\npeer-as = 0x10\n[timers.config]\nhold-time = 9\n[[afi-safis]]\n[afi-safis.config]\nenabled = true\n",
        );
        let flat = read("peer-as = 16\ntimers.hold-time = 9\n[[afi-safis]]\nenabled = true\n");
        assert_eq!(nested, flat);
        let family = Settings::default().with("enabled", true);
        let said = Settings::default()
            .with("peer-as", 16_u32)
            .with("timers.hold-time", 9_u16)
            .with("afi-safis", Setting::Tables(vec![family]));
        assert_eq!(nested, said);
        assert_eq!(Settings::of_table(&said.to_table()), said);
        assert_eq!(
            format!("{:?}", Settings::default().with("auth-password", "secret")),
            r#"{"auth-password"}"#
        );
    }
}
