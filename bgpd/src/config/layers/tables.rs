// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The lists of a file whose entries can be changed.

use std::collections::BTreeMap;

use super::{
    super::{
        settings::{Setting, Settings, table_value},
        value::{Data, Key, Table, Value},
    },
    Kind, Said,
};

/// The tables of a list with their names.
pub(super) fn items(root: &Table, kind: Kind) -> impl Iterator<Item = (String, &Value)> {
    let list = root
        .find(kind.list())
        .and_then(|list| list.get_ref().as_list());
    let named = move |item| {
        let table = Value::get_ref(item).as_table()?;
        Some((kind.name(&Settings::of_table(table))?, item))
    };
    list.unwrap_or_default().iter().filter_map(named)
}

/// All of a kind that tables have, by name.
pub(super) fn listed(root: &Table, kind: Kind) -> BTreeMap<String, Settings> {
    if kind == Kind::Assignment {
        let said = global(root).split_off(APPLY_POLICY);
        return BTreeMap::from([("global".to_owned(), said)]);
    }
    let settings = |item: &Value| item.get_ref().as_table().map(Settings::of_table);
    items(root, kind)
        .filter_map(|(name, item)| Some((name, settings(item)?)))
        .collect()
}

pub(super) fn put(root: &mut Table, kind: Kind, items: impl Iterator<Item = Value>) {
    let items: Vec<Value> = items.collect();
    root.remove(kind.list());
    if !items.is_empty() {
        push(root, kind.list(), Value::new(0..0, Data::List(items)));
    }
}

/// Adds a value that has no place.
pub(super) fn push(root: &mut Table, name: &str, value: Value) {
    let name = name.to_owned();
    root.push(Key { name, span: 0..0 }, value);
}

/// The name of what holds statements that are in no policy, so that they are read like others. It is nobody's policy.
pub(super) const LOOSE: &str = "(statements in no policy)";

const APPLY_POLICY: &str = "apply-policy.";

fn global(root: &Table) -> Settings {
    let table = root
        .get("global")
        .and_then(|global| global.get_ref().as_table());
    table.map(Settings::of_table).unwrap_or_default()
}

/// Tables with what changes say of one kind.
pub(super) fn overlay(root: &mut Table, kind: Kind, edits: &BTreeMap<String, Said>) {
    if edits.is_empty() {
        return;
    }
    let edited = || edits.values().flatten();
    match kind {
        Kind::Assignment => {
            let mut all = global(root);
            let _ = all.split_off(APPLY_POLICY);
            edited().for_each(|said| all.say_all(APPLY_POLICY, said));
            root.remove("global");
            push(root, "global", table_value(&all));
        }
        Kind::Statement => {
            let statements = Setting::Tables(edited().cloned().collect());
            let holder = Settings::default()
                .with("name", LOOSE)
                .with("statements", statements);
            let policies = items(root, Kind::Policy).map(|(_, item)| item.clone());
            let all: Vec<Value> = policies.chain([table_value(&holder)]).collect();
            put(root, Kind::Policy, all.into_iter());
        }
        _ => {
            let others = items(root, kind).filter(|(name, _)| !edits.contains_key(name));
            let mut all: Vec<Value> = others.map(|(_, item)| item.clone()).collect();
            all.extend(edited().map(table_value));
            put(root, kind, all.into_iter());
        }
    }
}
