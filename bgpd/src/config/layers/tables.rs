// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The lists of a file whose entries can be changed.

use std::collections::BTreeMap;

use super::{
    super::{
        settings::Settings,
        value::{Data, Key, Table, Value},
    },
    Kind,
};

/// The tables of a list with their names.
pub(super) fn items(root: &Table, kind: Kind) -> impl Iterator<Item = (String, &Value)> {
    let list = root
        .get(kind.list())
        .and_then(|list| list.get_ref().as_list());
    let named = move |item| {
        let table = Value::get_ref(item).as_table()?;
        Some((kind.name(&Settings::of_table(table))?, item))
    };
    list.unwrap_or_default().iter().filter_map(named)
}

pub(super) fn listed(root: &Table, kind: Kind) -> BTreeMap<String, Settings> {
    let settings = |item: &Value| item.get_ref().as_table().map(Settings::of_table);
    items(root, kind)
        .filter_map(|(name, item)| Some((name, settings(item)?)))
        .collect()
}

pub(super) fn put(root: &mut Table, kind: Kind, items: impl Iterator<Item = Value>) {
    let items: Vec<Value> = items.collect();
    root.remove(kind.list());
    if !items.is_empty() {
        let key = Key {
            name: kind.list().to_owned(),
            span: 0..0,
        };
        root.push(key, Value::new(0..0, Data::List(items)));
    }
}
