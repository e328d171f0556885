// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `docs/rfc.md` names what is there, and every RFC that the code cites.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Crates whose sources cite RFCs.
const CRATES: &[&str] = &[
    "bgp-proto",
    "bgp-fsm",
    "bfd",
    "rib",
    "bgpd",
    "fib-netlink",
    "sim",
];

#[test]
fn every_file_and_name_of_the_rfc_page_exists() {
    let page = page();
    let mut seen = 0;
    let wrong: Vec<&str> = code_spans(&page)
        .filter(|span| span.contains(".rs"))
        .inspect(|_| seen += 1)
        .filter(|span| !exists(span))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 100, "{seen} names");
}

#[test]
fn every_test_that_the_page_of_the_api_names_exists() {
    let page = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let named = code_spans(&page).filter(|span| span.contains(".rs::"));
    let (there, missing): (Vec<&str>, Vec<&str>) = named.partition(|span| exists(span));
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(there.len() > 20, "{} tests", there.len());
}

#[test]
fn every_rfc_that_the_code_cites_is_on_the_page() {
    let page = page();
    let described: BTreeSet<&str> = page
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| word.len() == 4)
        .collect();
    let mut missing: BTreeMap<String, PathBuf> = BTreeMap::new();
    for name in CRATES {
        for file in sources(&root().join(name)) {
            let text = fs::read_to_string(&file).unwrap();
            for cited in text.split("RFC ").skip(1) {
                let number: String = cited.chars().take_while(char::is_ascii_digit).collect();
                if number.len() == 4 && !described.contains(number.as_str()) {
                    missing.insert(number, file.clone());
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// `path/to/file.rs` or `path/to/file.rs::name`.
fn exists(span: &str) -> bool {
    let (file, name) = match span.split_once("::") {
        Some((file, name)) => (file, Some(name)),
        None => (span, None),
    };
    let Ok(text) = fs::read_to_string(root().join(file)) else {
        return false;
    };
    name.is_none_or(|name| is_defined(&text, name))
}

fn is_defined(text: &str, name: &str) -> bool {
    ["fn", "struct", "enum", "static", "const"]
        .iter()
        .any(|kind| {
            let definition = format!("{kind} {name}");
            text.match_indices(&definition).any(|(at, _)| {
                let next = text[at + definition.len()..].chars().next();
                next.is_some_and(|c| !c.is_alphanumeric() && c != '_')
            })
        })
}

fn code_spans(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

fn page() -> String {
    fs::read_to_string(root().join("docs/rfc.md")).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
