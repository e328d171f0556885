// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo xtask instructions`: what the hot path costs in instructions, beside what it did when somebody last looked.
//! Other than times, that is the same on a busy machine.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{packages, tools::Tool};

/// Must be of the version of the crate `iai-callgrind` in the lock file.
const RUNNER: Tool = Tool {
    name: "iai-callgrind-runner",
    version: "0.16.1",
    probe: &[],
};

/// What is written down: the tolerance and the counts.
const FILE: &str = "benches/instructions.toml";

/// How far a count may be away from what is written, in either direction: other compilers and C libraries need a little more or less.
const TOLERANCE: f64 = 0.05;

/// `cargo xtask instructions`
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Write the counts down as those that are right
    #[arg(long)]
    bless: bool,
}

/// Counts, and compares.
///
/// # Errors
/// All counts that are too far from what is written, a line each.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    packages::ensure(&["valgrind"])?;
    let counts = counted()?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
    if arguments.bless {
        return Ok(fs::write(path, written(&counts))?);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("no {FILE}"))?;
    let known = toml::from_str(&text).with_context(|| FILE.to_owned())?;
    let faults = differences(&known, &counts);
    ensure!(
        faults.is_empty(),
        "{}\nIf that is as it should be: `cargo xtask instructions --bless`",
        faults.join("\n")
    );
    Ok(())
}

/// Instructions of each bench.
type Counts = BTreeMap<String, u64>;

fn counted() -> Result<Counts> {
    let runner = RUNNER.ensure()?;
    let output = Command::new(env!("CARGO"))
        .args(["bench", "--quiet", "--package", "benches"])
        .args(["--bench", "instructions", "--", "--output-format=json"])
        .env("IAI_CALLGRIND_RUNNER", runner)
        .output()
        .context("cargo can not be started")?;
    ensure!(
        output.status.success(),
        "the benches have failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut counts = Counts::new();
    for summary in serde_json::Deserializer::from_slice(&output.stdout).into_iter() {
        let (name, count) = read(&summary?).context("a summary of another form")?;
        counts.insert(name, count);
    }
    ensure!(!counts.is_empty(), "the benches have counted nothing");
    Ok(counts)
}

/// The name and the instructions of one bench.
fn read(summary: &Value) -> Option<(String, u64)> {
    let function = summary["function_name"].as_str()?;
    let id = summary["id"].as_str()?;
    let total = &summary["profiles"][0]["summaries"]["total"]["summary"]["Callgrind"];
    let count = &total["Ir"]["metrics"];
    // Beside what the run before had, if there was one.
    let now = count.get("Left").or_else(|| count["Both"].get(0))?;
    Some((format!("{function}-{id}"), now["Int"].as_u64()?))
}

fn written(counts: &Counts) -> String {
    let mut text = String::from(
        "# Instructions of the benches in benches/benches/instructions.rs, each with 10 000 routes.\n\
         # Written by `cargo xtask instructions --bless`; a count that is 5 % away from this fails the tests.\n",
    );
    for (name, count) in counts {
        let _ = writeln!(text, "{name} = {count}");
    }
    text
}

/// What is too far from what is written, or only on one side. Prints all.
fn differences(known: &Counts, counts: &Counts) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, count) in counts {
        let Some(before) = known.get(name) else {
            faults.push(format!("{name}: {count} instructions, nothing is written"));
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = *count as f64 / *before as f64;
        println!("   {name:24} {count:>12}  {:+.1} %", (ratio - 1.0) * 100.0);
        if (ratio - 1.0).abs() > TOLERANCE {
            faults.push(format!(
                "{name}: {count} instructions, {ratio:.2} times the {before} that are written in {FILE}"
            ));
        }
    }
    let gone = known.keys().filter(|name| !counts.contains_key(*name));
    faults.extend(gone.map(|name| format!("{name}: is written in {FILE}, and was not counted")));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(all: &[(&str, u64)]) -> Counts {
        all.iter()
            .map(|(name, n)| ((*name).to_owned(), *n))
            .collect()
    }

    #[test]
    fn what_is_within_the_tolerance_passes() {
        let known = counts(&[("a", 1000), ("b", 1000)]);
        assert!(differences(&known, &counts(&[("a", 1049), ("b", 951)])).is_empty());
    }

    #[test]
    fn more_and_less_and_new_and_gone_are_told() {
        let known = counts(&[("more", 1000), ("less", 1000), ("gone", 1)]);
        let faults = differences(
            &known,
            &counts(&[("more", 1051), ("less", 949), ("new", 1)]),
        );
        let told: Vec<_> = faults
            .iter()
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(told, ["less", "more", "new", "gone"]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let known = counts(&[("decode-four", 12), ("fib-install", 7)]);
        let read: Counts = toml::from_str(&written(&known)).unwrap();
        assert_eq!(read, known);
    }
}
