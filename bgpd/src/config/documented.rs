// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The manual, `docs/config.md` and `docs/policy.md`, held against the keys there are.

use std::collections::BTreeSet;

use super::{
    Config, ConfigErrors, Document, Format, read,
    registry::{self, State},
};

fn parse_with(
    text: &str,
    file: &str,
    passwords: read::Passwords<'_>,
) -> Result<Config, ConfigErrors> {
    Document::parse(text, file, Format::Toml)?.config_with(passwords)
}

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
        // What another key is to say is not said here.
        let wrong = errors.lines().find(|said| {
            said.starts_with(&line)
                && !said.contains("there is no ")
                && !said.contains("` is missing")
                && !said.contains("error: TLS needs ")
        });
        assert_eq!(wrong, None, "{key}");
    }
}

/// A key of neighbours and groups, from its row in the manual.
struct Shared {
    /// Below the neighbour.
    key: &'static str,
    example: &'static str,
    /// Another value of the same type.
    other: String,
}

fn shared() -> Vec<Shared> {
    let mut all = Vec::new();
    for row in MANUAL
        .lines()
        .filter(|row| row.starts_with("| `neighbors."))
    {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let [key, kind, _, _, example] = cells[..] else {
            continue;
        };
        let key = key.trim_matches('`');
        let in_group = registry::find(&key.replacen("neighbors", "peer-groups", 1));
        if in_group != Some(registry::Found::Key(State::Implemented)) {
            continue;
        }
        let example = example.trim_matches('`');
        let other = match (example.parse::<u32>(), example) {
            (Ok(number), _) => (number + 1).to_string(),
            (_, "true") => "false".to_owned(),
            (_, "false") => "true".to_owned(),
            _ => {
                let choices = kind.split('"').skip(1).step_by(2);
                let mut quoted = choices.map(|choice| format!("\"{choice}\""));
                quoted
                    .find(|choice| choice != example)
                    .unwrap_or_else(|| "\"192.0.2.7\"".to_owned())
            }
        };
        let key = key.trim_start_matches("neighbors.");
        all.push(Shared {
            key,
            example,
            other,
        });
    }
    all
}

/// The neighbour that a value of its group and one of its own make.
fn neighbor(key: &str, group: Option<&str>, own: Option<&str>) -> Option<super::Neighbor> {
    let line = |value: Option<&str>| match (value, key.strip_prefix("afi-safis.")) {
        (None, _) => String::new(),
        (Some(value), None) => format!("{key} = {value}\n"),
        (Some(value), Some("afi-safi-name")) => {
            format!("afi-safis = [{{ afi-safi-name = {value} }}]\n")
        }
        (Some(value), Some(key)) => {
            format!("afi-safis = [{{ afi-safi-name = \"ipv4-unicast\", {key} = {value} }}]\n")
        }
    };
    // Some only make sense inside our AS, some only outside, some with a switch.
    let switches = [
        "",
        "ebgp-multihop.enabled = true\n",
        "ttl-security.enabled = true\n",
    ];
    let ases: &[&str] = match key {
        "peer-as" => &[""],
        _ => &["peer-as = 64512\n", "peer-as = 64513\n", ""],
    };
    let around = ases
        .iter()
        .flat_map(|asn| switches.iter().map(move |switch| format!("{asn}{switch}")));
    around.into_iter().find_map(|around| {
        let text = format!(
            "[global]\nas = 64512\nrouter-id = \"192.0.2.1\"\n\
             [[peer-groups]]\npeer-group-name = \"g\"\n{}\
             [[neighbors]]\nneighbor-address = \"192.0.2.2\"\npeer-group = \"g\"\n{around}{}",
            line(group),
            line(own),
        );
        let config = parse_with(&text, "x", &|name| Ok(name.display().to_string())).ok()?;
        config.neighbors.into_iter().next()
    })
}

#[test]
fn a_group_gives_every_key_and_the_neighbour_has_the_last_word() {
    let (mut given, mut overridden) = (0, 0);
    for Shared {
        key,
        example,
        other,
    } in shared()
    {
        if key == "route-reflector.route-reflector-cluster-id" {
            // One for all clients: group and neighbour may not differ.
            continue;
        }
        let (none, own) = (
            neighbor(key, None, None),
            neighbor(key, None, Some(example)),
        );
        let Some(own) = own else {
            // It needs more than itself, and has a test of its own.
            continue;
        };
        let inherited = neighbor(key, Some(example), None);
        assert_eq!(inherited.as_ref(), Some(&own), "{key} of the group");
        given += usize::from(none.as_ref() != Some(&own));
        let Some(by_other) = neighbor(key, Some(&other), None) else {
            continue;
        };
        let both = neighbor(key, Some(&other), Some(example));
        assert_eq!(both.as_ref(), Some(&own), "{key} = {example} over {other}");
        overridden += usize::from(by_other != own);
    }
    assert!(given >= 30 && overridden >= 30, "{given}, {overridden}");
}
