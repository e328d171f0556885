// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every file of every corpus goes through the target of its directory.

use std::{collections::BTreeSet, fs, path::Path};

use bgpd_fuzz::targets::TARGETS;

#[test]
fn every_corpus_passes_its_target() {
    for (name, target) in TARGETS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "corpus/{name} is empty");
        for (file, data) in inputs {
            // Captured by the test harness: the last one printed before a panic is the one.
            println!("{file}");
            target(&data);
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let folders: BTreeSet<String> = fs::read_dir(corpus())
        .expect("the corpus is part of the repository")
        .map(|entry| entry.expect("a directory can be read"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, folders);
}

#[test]
fn cut_and_stretched_inputs_pass_too() {
    for (name, target) in TARGETS {
        for (file, data) in inputs(name) {
            println!("{file}");
            for end in 0..data.len().min(512) {
                target(&data[..end]);
            }
            let mut stretched = data.clone();
            stretched.extend_from_slice(&data);
            target(&stretched);
        }
    }
}

fn inputs(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(corpus().join(name))
        .expect("each target has a corpus")
        .map(|entry| entry.expect("a directory can be read").path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let data = fs::read(&file).expect("a file of the corpus can be read");
            (file.display().to_string(), data)
        })
        .collect()
}

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}
