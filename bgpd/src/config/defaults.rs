// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What holds where a file says nothing: our defaults, or GoBGP's in a file of GoBGP's.

use super::value::{Data, Table};

/// Whose defaults hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Defaults {
    /// Ours.
    #[default]
    Bgpd,
    /// GoBGP's.
    GoBgp,
}

impl Defaults {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bgpd => "bgpd",
            Self::GoBgp => "gobgp",
        }
    }

    /// A file has GoBGP's if it has a table `global.config`, without which GoBGP takes none, and which no file of ours needs.
    /// `global.defaults` is stronger.
    pub(super) fn of(root: &Table) -> Self {
        let table = |table: &Table, key| {
            table
                .get(key)
                .and_then(|value| value.get_ref().as_table().cloned())
        };
        let Some(global) = table(root, "global") else {
            return Self::Bgpd;
        };
        let inner = table(&global, "config");
        let said = |table: &Table| {
            let value = table.get("defaults")?.get_ref();
            [Self::Bgpd, Self::GoBgp]
                .into_iter()
                .find(|known| value.as_str() == Some(known.as_str()))
        };
        let usual = if inner.is_some() {
            Self::GoBgp
        } else {
            Self::Bgpd
        };
        said(&global).or_else(|| said(&inner?)).unwrap_or(usual)
    }

    /// A true or false as GoBGP reads it, which is lenient.
    pub(super) fn boolean(self, data: &Data) -> Option<bool> {
        match (self, data) {
            (Self::GoBgp, Data::Text(text)) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
                "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
                _ => None,
            },
            (Self::GoBgp, Data::Integer(digits)) => {
                digits.parse().ok().map(|number: i64| number != 0)
            }
            _ => data.as_bool(),
        }
    }

    /// The digits of a number.
    pub(super) fn integer(self, data: &Data) -> Option<&str> {
        match (self, data) {
            (Self::GoBgp, Data::Text(text)) if text.parse::<i64>().is_ok() => Some(text),
            (Self::GoBgp, Data::Float(text)) => {
                let (whole, _) = text.split_once('.')?;
                whole.parse::<i64>().ok().map(|_| whole)
            }
            (Self::GoBgp, Data::Boolean(on)) => Some(digit(*on)),
            _ => data.as_integer(),
        }
    }

    /// A text.
    pub(super) fn text(self, data: &Data) -> Option<&str> {
        match (self, data) {
            (Self::GoBgp, Data::Integer(text) | Data::Float(text)) => Some(text),
            (Self::GoBgp, Data::Boolean(on)) => Some(digit(*on)),
            _ => data.as_str(),
        }
    }
}

fn digit(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}
