// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A configuration file.

use std::{collections::BTreeSet, sync::LazyLock};

use bgpd::config::{self, Config, ConfigChange, Host};

/// What is wrong is said with its place and without control characters; what is right means the same when it is read
/// again, and going to another configuration and back ends where it began.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match config::parse(text, "bgpd.toml") {
        Ok(config) => {
            for warning in &config.warnings {
                inside(text, warning.position());
                printable(&warning.to_string());
            }
            assert_eq!(config::parse(text, "bgpd.toml").as_ref(), Ok(&config));
            on_a_host(&config);
        }
        Err(errors) => {
            assert!(errors.iter().count() > 0);
            for error in &errors {
                inside(text, error.position().expect("an error has its place"));
            }
            printable(&errors.to_string());
        }
    }
}

fn on_a_host(config: &Config) {
    let host = host();
    let config = match config.for_host(&host) {
        Ok(config) => config,
        Err(errors) => return printable(&errors.to_string()),
    };
    assert_eq!(config.for_host(&host).as_ref(), Ok(&config));
    let _ = (config.global.router_id(), config.global.cluster_id());
    assert_eq!(config::diff(&config, &config), []);
    let (there, back) = (config::diff(&BASE, &config), config::diff(&config, &BASE));
    assert_eq!(there.len(), back.len());
    assert_eq!(added(&there), removed(&back));
    assert_eq!(removed(&there), added(&back));
    for change in there.iter().chain(&back) {
        printable(&change.to_string());
    }
}

fn added(changes: &[ConfigChange]) -> BTreeSet<String> {
    let named = |change: &ConfigChange| match change {
        ConfigChange::AddPeer(neighbor) => Some(neighbor.address.to_string()),
        ConfigChange::AddStatic(route) => Some(route.to_string()),
        _ => None,
    };
    changes.iter().filter_map(named).collect()
}

fn removed(changes: &[ConfigChange]) -> BTreeSet<String> {
    let named = |change: &ConfigChange| match change {
        ConfigChange::RemovePeer(address) => Some(address.to_string()),
        ConfigChange::RemoveStatic(route) => Some(route.to_string()),
        _ => None,
    };
    changes.iter().filter_map(named).collect()
}

/// A line and a column that the file has; the end of a line is one more.
fn inside(text: &str, (line, column): (usize, usize)) {
    let mut lines = text.split('\n');
    let there = lines
        .nth(line.checked_sub(1).expect("lines count from 1"))
        .expect("the line is there");
    assert!(
        (1..=there.chars().count() + 1).contains(&column),
        "{line}:{column}"
    );
}

fn printable(text: &str) {
    let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(!text.contains(bad), "{text:?}");
}

fn host() -> Host {
    let address =
        |name: &str, network: &str| (name.to_owned(), network.parse().expect("a network"));
    Host {
        name: "node-1".to_owned(),
        addresses: vec![
            address("lo", "127.0.0.1/8"),
            address("eth0", "192.0.2.11/24"),
            address("eth0", "2001:db8::11/64"),
            address("eth0", "fe80::1/64"),
        ],
    }
}

/// What runs already.
static BASE: LazyLock<Config> = LazyLock::new(|| {
    let text = include_str!("../../../examples/config/node.toml");
    let config = config::parse(text, "node.toml").expect("an example is right");
    config
        .for_host(&host())
        .expect("the host has what it asks for")
});
