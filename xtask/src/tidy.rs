// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask tidy`: what no compiler checks. Sizes, licence lines, names, links, things left open.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail, ensure};

/// Code lines of a file, tests and comments not counted.
const FILE: usize = 600;
/// Lines of a function.
const FUNCTION: usize = 90;
/// Octets of any file.
const OCTETS: u64 = 1 << 20;

/// File names that say nothing of what is inside.
const NAMELESS: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "misc", "mod",
];

/// Which of our crates may use which. An edge that is new needs a sentence in ARCHITECTURE.md, and a place here.
const EDGES: &[(&str, &[&str])] = &[
    ("bgp-proto", &[]),
    ("bgp-fsm", &["bgp-proto"]),
    ("bfd", &["bgp-proto"]),
    ("rib", &["bgp-proto"]),
    ("fib-netlink", &[]),
    ("proto", &[]),
    (
        "bgpd",
        &[
            "bgp-proto",
            "bgp-fsm",
            "bfd",
            "rib",
            "fib-netlink",
            "bgpd-api",
        ],
    ),
    ("sim", &["bgp-proto", "bgp-fsm", "rib", "bgpd"]),
    ("lab", &[]),
    ("arena", &["bgp-proto", "lab", "bgpd-api"]),
    ("benches", &["bgp-proto", "rib", "fib-netlink"]),
];

const OURS: &[&str] = &[
    "bgp-proto",
    "bgp-fsm",
    "bfd",
    "rib",
    "fib-netlink",
    "bgpd-api",
    "bgpd",
    "bgpd-sim",
    "lab",
];

/// Checks every file that git knows.
///
/// # Errors
/// All that is wrong, a line each.
pub(crate) fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask is in the workspace")?;
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()?;
    ensure!(
        listed.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let listed = String::from_utf8(listed.stdout)?;
    let mut faults = Vec::new();
    let mut files = 0;
    for name in listed.lines() {
        let path = root.join(name);
        // What is deleted and not yet committed is listed still.
        let Ok(octets) = fs::read(&path) else {
            continue;
        };
        files += 1;
        if octets.len() as u64 > OCTETS {
            faults.push(format!("{name}: larger than {OCTETS} octets"));
        }
        let Ok(text) = String::from_utf8(octets) else {
            continue;
        };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => rust(name, &text, &mut faults),
            Some("md") => markdown(root, name, &text, &mut faults),
            _ => {}
        }
    }
    for (folder, allowed) in EDGES {
        edges(root, folder, allowed, &mut faults)?;
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    println!("{files} files are tidy");
    Ok(())
}

fn rust(name: &str, text: &str, faults: &mut Vec<String>) {
    if !text.starts_with("// SPDX-License-Identifier: Apache-2.0 OR MIT\n") {
        faults.push(format!("{name}:1: the licence line is missing"));
    }
    let stem = Path::new(name)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if NAMELESS.contains(&stem) {
        faults.push(format!("{name}: named after nothing that is inside"));
    }
    let is_test =
        name.contains("/tests/") || name.ends_with("/tests.rs") || name.contains("/benches/");
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.trim_start();
        let mut has = |words: &str, what: &str| {
            if code.contains(words) && !code.contains("\"#\"") {
                faults.push(format!("{name}:{number}: {what}"));
            }
        };
        has(concat!("to", "do!("), "left open");
        has(concat!("unimple", "mented!("), "left open");
        has(concat!("db", "g!("), "left in");
        has(concat!("FIX", "ME"), "left open");
        if code == concat!("#[ign", "ore]") {
            faults.push(format!(
                "{name}:{number}: ignored without saying what it needs"
            ));
        }
    }
    if is_test {
        return;
    }
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().filter(|line| is_code(line)).count();
    if lines > FILE {
        faults.push(format!(
            "{name}: {lines} lines of code; find the seam (at most {FILE})"
        ));
    }
    for (line, length, function) in functions(code)
        .into_iter()
        .filter(|(_, length, _)| *length > FUNCTION)
    {
        faults.push(format!(
            "{name}:{line}: fn {function} has {length} lines (at most {FUNCTION})"
        ));
    }
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

/// Line, length and name of each function: from its head to the brace at the same depth, as rustfmt sets it.
fn functions(text: &str) -> Vec<(usize, usize, &str)> {
    let mut open: BTreeMap<usize, (usize, &str)> = BTreeMap::new();
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let depth = line.len() - line.trim_start().len();
        let words = line.trim_start().split("fn ").collect::<Vec<_>>();
        if let [head, rest, ..] = words.as_slice()
            && head.split_whitespace().all(|word| {
                word.starts_with("pub")
                    || ["(crate)", "in", "const", "async", "unsafe"].contains(&word)
            })
            && !line.trim_end().ends_with(['}', ';'])
        {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            open.insert(depth, (number, name));
        } else if line.trim_end() == format!("{:depth$}}}", "")
            && let Some((begun, name)) = open.remove(&depth)
        {
            found.push((begun, number - begun + 1, name));
        }
    }
    found
}

/// Links between documents lead somewhere.
fn markdown(root: &Path, name: &str, text: &str, faults: &mut Vec<String>) {
    let folder = root
        .join(name)
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default();
    for (number, line) in (1..).zip(text.lines()) {
        for link in line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = link.split('#').next().unwrap_or_default();
            let is_file = !file.is_empty() && !file.contains("://") && !file.contains(' ');
            if is_file && !folder.join(file).exists() {
                faults.push(format!("{name}:{number}: there is no {file}"));
            }
        }
    }
}

fn edges(root: &Path, folder: &str, allowed: &[&str], faults: &mut Vec<String>) -> Result<()> {
    let file = root.join(folder).join("Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(&file)?
        .parse()
        .with_context(|| file.display().to_string())?;
    let used = manifest.get("dependencies").and_then(toml::Value::as_table);
    for used in used.into_iter().flat_map(toml::Table::keys) {
        if OURS.contains(&used.as_str()) && !allowed.contains(&used.as_str()) {
            faults.push(format!("{folder}/Cargo.toml: must not depend on {used}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_head_to_brace() {
        let text = "impl A {\n    pub(crate) fn one(\n        a: u8,\n    ) {\n        if a {\n        }\n    }\n}\n\nconst fn two() -> u8 {\n    2\n}\n";
        assert_eq!(functions(text), [(2, 6, "one"), (10, 3, "two")]);
    }

    #[test]
    fn what_is_wrong_is_found() {
        let mut faults = Vec::new();
        let long = format!("fn a() {{\n{}}}\n", "    b();\n".repeat(FUNCTION));
        rust(
            "x/src/util.rs",
            &format!("{long}#[ign{}]\n", "ore]\n//"),
            &mut faults,
        );
        let text = faults.join("\n");
        for said in [
            "licence line",
            "named after nothing",
            "fn a has 92 lines",
            "ignored without",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }

    #[test]
    fn links_lead_somewhere() {
        let (root, mut faults) = (Path::new(env!("CARGO_MANIFEST_DIR")), Vec::new());
        markdown(
            root,
            "README.md",
            "[a](src/tidy.rs) [b](src/nowhere.rs) [c](https://example.org) [d](#e)",
            &mut faults,
        );
        assert_eq!(faults, ["README.md:1: there is no src/nowhere.rs"]);
    }
}
