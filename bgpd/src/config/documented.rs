// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The manual, `docs/config.md` and `docs/policy.md`, held against the keys there are.

use std::collections::BTreeSet;

use super::{
    parse_with,
    registry::{self, State},
};

const MANUAL: &str = concat!(
    include_str!("../../../docs/config.md"),
    include_str!("../../../docs/policy.md")
);

/// Texts in backticks.
fn quoted() -> BTreeSet<&'static str> {
    MANUAL.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_key_is_documented() {
    let quoted = quoted();
    let keys = registry::entries().filter(|(_, state)| *state != State::List);
    let missing: Vec<&str> = keys
        .map(|(key, _)| *key)
        .filter(|key| !quoted.contains(key))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn no_key_is_documented_that_is_not_there() {
    let first = |row: &'static str| row.strip_prefix("| `")?.split_once('`').map(|(key, _)| key);
    let rows = MANUAL
        .lines()
        .filter_map(first)
        .filter(|key| *key != "description");
    let unknown: Vec<&str> = rows
        .map(|key| key.trim_end_matches(".*"))
        .filter(|key| registry::find(key).is_none())
        .collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn every_block_loads() {
    let mut blocks = 0;
    for (number, block) in MANUAL.split("```").skip(1).step_by(2).enumerate() {
        let Some(block) = block.strip_prefix("toml\n") else {
            continue;
        };
        let global = if block.contains("[global]") {
            ""
        } else {
            "[global]\nas = 64512\n"
        };
        let text = format!("{global}{block}");
        let read = parse_with(&text, &format!("block {number}"), &|_| {
            Ok("secret".to_owned())
        });
        let config = read.unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.warnings, [], "{block}");
        blocks += 1;
    }
    assert!(blocks >= 14, "{blocks} blocks");
}

/// The example of each key, alone in a file, is of a kind the key takes.
#[test]
fn every_example_is_of_the_right_kind() {
    for row in MANUAL.lines().filter(|row| row.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let [key, _, _, _, example] = cells[..] else {
            continue;
        };
        let (table, name) = key.trim_matches('`').rsplit_once('.').unwrap();
        // One table of each list is opened on the way.
        let parts: Vec<&str> = table.split('.').collect();
        let heads: String = (1..=parts.len())
            .map(|to| parts[..to].join("."))
            .filter_map(|path| match registry::find(&path) {
                Some(registry::Found::Key(State::List)) => Some(format!("[[{path}]]\n")),
                _ if path == table => Some(format!("[{path}]\n")),
                _ => None,
            })
            .collect();
        let text = format!("{heads}{name} = {}\n", example.trim_matches('`'));
        let read = parse_with(&text, "x", &|_| Ok("secret".to_owned()));
        let errors = read.map_or_else(|errors| errors.to_string(), |_| String::new());
        let line = format!("x:{}:", text.lines().count());
        let wrong = errors
            .lines()
            .find(|said| said.starts_with(&line) && !said.contains("there is no "));
        assert_eq!(wrong, None, "{key}");
    }
}
