// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Configuration files: bad ones say what is wrong as recorded, good ones mean what they say.

use std::{fs, path::PathBuf};

use bgpd::config::{self, Config, Host};

fn parse(text: &str) -> Config {
    config::parse(text, "bgpd.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

/// `golden/config/NAME.toml` is answered with what NAME.txt says. `BLESS=1` records the answers.
#[test]
fn bad_files_are_answered_as_recorded() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let said = match config::parse(&text, &name) {
            Ok(config) => config
                .warnings
                .iter()
                .map(|warning| format!("{warning}\n"))
                .collect(),
            Err(errors) => format!("{errors}\n"),
        };
        assert!(!said.is_empty(), "{name}: nothing is said");
        let record = path.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&record, &said).unwrap();
        }
        let recorded = fs::read_to_string(&record).unwrap_or_default();
        assert_eq!(said, recorded, "{name}");
    }
    assert!(seen >= 30, "{seen} files");
}

#[test]
fn the_smallest_file_of_gobgp_loads() {
    let config = parse(
        r#"
[global.config]
  as = 64512
  router-id = "192.0.2.1"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.2"
    peer-as = 64513
"#,
    );
    assert_eq!(config.warnings, []);
    assert_eq!(config.global.asn.0, 64512);
    let [peer] = &config.neighbors[..] else {
        panic!("{:?}", config.neighbors)
    };
    assert_eq!((peer.peer_as.0, peer.local_as.0), (64513, 64512));
    assert_eq!(
        peer.import.to_string(),
        "reject: eBGP without a policy (RFC 8212)"
    );
    let host = Host::default();
    assert_eq!(
        config
            .for_host(&host)
            .unwrap()
            .global
            .router_id()
            .to_string(),
        "192.0.2.1"
    );
}
