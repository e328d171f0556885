// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The same routes in the same order to another daemon and to bgpd with its profile: both choose the same, after every
//! round of arrivals and changes. Another seed: `SEED=7`.

mod cases;
mod daemons;
mod speaker;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cases::{NEIGHBORS, ROUNDS, Saying, marker, plain};
use daemons::{BirdRouter, Choice, Choices, Daemon, FrrRouter, GoBgpRouter, More, Ours};
use lab::{Lab, Netns, until};
use speaker::Speaker;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a daemon has chosen after each round.
fn played(
    tag: &str,
    script: &[Vec<Saying>],
    start: impl FnOnce(&Netns) -> Result<Box<dyn Daemon>>,
) -> Result<Vec<Choices>> {
    let lab = Lab::new(tag)?;
    let (router, others) = lab.pair()?;
    for who in NEIGHBORS {
        others.ip(&format!("addr add {}/24 dev eth0", who.address()))?;
    }
    let daemon = start(&router)?;
    let speakers = NEIGHBORS.iter().map(|who| Speaker::dial(&others, *who));
    let mut speakers = speakers.collect::<Result<Vec<_>>>()?;
    let mut all = Vec::new();
    for (round, sayings) in script.iter().enumerate() {
        for Saying {
            neighbor,
            prefix,
            path,
        } in sayings
        {
            speakers[*neighbor]
                .say(*prefix, path.as_ref())
                .with_context(|| daemon.log())?;
        }
        let markers: Vec<String> = (0..NEIGHBORS.len())
            .map(|neighbor| marker(round, neighbor).to_string())
            .collect();
        for (neighbor, speaker) in speakers.iter_mut().enumerate() {
            speaker.say(marker(round, neighbor), Some(&plain(neighbor)))?;
        }
        until(&format!("round {round} at {tag}"), PATIENCE, || {
            let choices = daemon.choices()?;
            for marker in &markers {
                let best = choices.get(marker).and_then(|choice| choice.best);
                ensure!(best.is_some(), "no {marker}");
            }
            // What was seen before the markers may be older than they are.
            Ok(())
        })?;
        daemon.settle()?;
        let mut choices = daemon.choices()?;
        choices.retain(|prefix, choice| !prefix.starts_with("10.255.") && choice.best.is_some());
        all.push(choices);
    }
    Ok(all)
}

/// Both have chosen the same in every round. Returns how many choices there were.
fn same(script: &[Vec<Saying>], theirs: &[Choices], ours: &[Choices]) -> Result<usize> {
    let mut differences = Vec::new();
    let mut count = 0;
    for round in 0..ROUNDS {
        let (theirs, ours) = (&theirs[round], &ours[round]);
        for prefix in theirs
            .keys()
            .chain(ours.keys())
            .collect::<std::collections::BTreeSet<_>>()
        {
            let none = Choice::default();
            let (his, our) = (
                theirs.get(prefix).unwrap_or(&none),
                ours.get(prefix).unwrap_or(&none),
            );
            count += 1;
            if his.best != our.best || (!his.level.is_empty() && his.level != our.level) {
                differences.push(format!(
                    "after round {round}: {prefix}: they {his:?}, we {our:?}\n{}",
                    told(script, round, prefix)
                ));
            }
        }
    }
    ensure!(
        differences.is_empty(),
        "{} of {count} choices differ:\n{}",
        differences.len(),
        differences
            .iter()
            .take(4)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
    Ok(count)
}

/// What was said of a prefix up to a round, a line each.
fn told(script: &[Vec<Saying>], last: usize, prefix: &str) -> String {
    let of_prefix = script[..=last]
        .iter()
        .flatten()
        .filter(|saying| saying.prefix.to_string() == prefix);
    let line = |saying: &Saying| {
        let who = NEIGHBORS[saying.neighbor];
        let path = saying.path.as_ref().map_or_else(
            || "withdrawn".to_owned(),
            |path| {
                format!(
                    "path {} {:?} med {:?} local-pref {:?} originator {:?} clusters {}",
                    path.as_path,
                    path.origin,
                    path.med,
                    path.local_pref,
                    path.originator_id,
                    path.cluster_list.len()
                )
            },
        );
        format!(
            "  {} (AS {}, id {}): {path}",
            who.number, who.asn, who.router_id[3]
        )
    };
    of_prefix.map(line).collect::<Vec<_>>().join("\n")
}

/// Plays the same to another daemon and to ours.
fn compare(
    tag: &str,
    ours: (&str, &str),
    theirs: impl FnOnce(&Netns) -> Result<Box<dyn Daemon>>,
) -> Result<()> {
    let ours = |netns: &Netns| us(netns, ours.0, ours.1);
    compare_in(&cases::script(seed()), tag, ours, theirs)
}

fn seed() -> u64 {
    let seed = std::env::var("SEED");
    seed.ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn compare_in(
    script: &[Vec<Saying>],
    tag: &str,
    ours: impl FnOnce(&Netns) -> Result<Box<dyn Daemon>>,
    theirs: impl FnOnce(&Netns) -> Result<Box<dyn Daemon>>,
) -> Result<()> {
    let theirs = played(tag, script, theirs)?;
    let ours = played("us", script, ours)?;
    let count = same(script, &theirs, &ours)?;
    println!("{tag}: {count} choices are the same (seed {})", seed());
    ensure!(count > 3000, "only {count} choices");
    Ok(())
}

fn us(netns: &Netns, options: &str, several: &str) -> Result<Box<dyn Daemon>> {
    let more = More::default();
    Ok(Box::new(Ours::start(netns, options, several, more)?))
}

fn frr(netns: &Netns, options: &str) -> Result<Box<dyn Daemon>> {
    Ok(Box::new(FrrRouter::start(netns, options, More::default())?))
}

fn bird(netns: &Netns, options: &str) -> Result<Box<dyn Daemon>> {
    Ok(Box::new(BirdRouter::start(netns, options)?))
}

fn gobgp(netns: &Netns, options: &str) -> Result<Box<dyn Daemon>> {
    Ok(Box::new(GoBgpRouter::start(netns, options)?))
}

#[test]
#[ignore = "needs netns"]
fn frr_as_it_comes() -> Result<()> {
    compare("frr", ("profile = \"frr\"", ""), |netns| frr(netns, ""))
}

#[test]
#[ignore = "needs netns"]
fn frr_without_arrival_order() -> Result<()> {
    let ours = "profile = \"frr\", deterministic-med = true, external-compare-router-id = true";
    let relaxed = ", ebgp = { allow-multiple-as = true }";
    let theirs = " bgp deterministic-med\n bgp bestpath compare-routerid\n bgp bestpath as-path multipath-relax\n";
    compare("frd", (ours, relaxed), |netns| frr(netns, theirs))
}

#[test]
#[ignore = "needs netns"]
fn frr_with_other_meds_and_without_lengths() -> Result<()> {
    let ours = "profile = \"frr\", always-compare-med = true, med-missing-as-worst = true, ignore-as-path-length = true";
    let theirs = " bgp always-compare-med\n bgp bestpath med missing-as-worst\n bgp bestpath as-path ignore\n";
    compare("frm", (ours, ""), |netns| frr(netns, theirs))
}

#[test]
#[ignore = "needs netns"]
fn frr_with_weights_and_interior_costs() -> Result<()> {
    // Those inside of the AS are at different distances, and one outside has a weight.
    let script = cases::with_distant_next_hops(cases::script(seed()));
    let ways = |netns: &Netns| -> Result<()> {
        for (number, cost) in [(14, 10), (15, 30), (16, 20)] {
            netns.ip(&format!(
                "route add 10.9.0.{number}/32 via 10.0.0.{number} metric {cost}"
            ))?;
        }
        Ok(())
    };
    let more = More {
        weights: &[(12, 7)],
        next_hops: true,
    };
    let ours = |netns: &Netns| -> Result<Box<dyn Daemon>> {
        ways(netns)?;
        let options = "profile = \"frr\", deterministic-med = true";
        Ok(Box::new(Ours::start(netns, options, "", more)?))
    };
    let theirs = |netns: &Netns| -> Result<Box<dyn Daemon>> {
        ways(netns)?;
        let options = " bgp deterministic-med\n";
        Ok(Box::new(FrrRouter::start(netns, options, more)?))
    };
    compare_in(&script, "frw", ours, theirs)
}

#[test]
#[ignore = "needs netns"]
fn bird_as_it_comes() -> Result<()> {
    compare("bird", ("profile = \"bird\"", ""), |netns| bird(netns, ""))
}

#[test]
#[ignore = "needs netns"]
fn bird_with_deterministic_med() -> Result<()> {
    // A best route whose neighbouring AS changes stays the best one in BIRD, whatever it has become. So none does here.
    let script = cases::with_steady_neighbor_as(cases::script(seed()));
    let ours = "profile = \"bird\", deterministic-med = true";
    compare_in(
        &script,
        "bid",
        |netns| us(netns, ours, ""),
        |netns| bird(netns, "deterministic med on;"),
    )
}

#[test]
#[ignore = "needs netns"]
fn bird_with_older_routes_other_meds_and_without_lengths() -> Result<()> {
    let ours = "profile = \"bird\", always-compare-med = true, med-missing-as-worst = true, ignore-as-path-length = true, \
                external-compare-router-id = false";
    let theirs = "med metric on; default bgp_med 4294967295; path metric off; prefer older on;";
    compare("bim", (ours, ""), |netns| bird(netns, theirs))
}

#[test]
#[ignore = "needs netns"]
fn gobgp_as_it_comes() -> Result<()> {
    compare("go", ("profile = \"gobgp\"", ""), |netns| gobgp(netns, ""))
}

#[test]
#[ignore = "needs netns"]
fn gobgp_with_identifiers_all_meds_and_without_lengths() -> Result<()> {
    let ours = "profile = \"gobgp\", always-compare-med = true, external-compare-router-id = true, ignore-as-path-length = true";
    let theirs = "always-compare-med = true\nexternal-compare-router-id = true\nignore-as-path-length = true\n";
    compare("gom", (ours, ""), |netns| gobgp(netns, theirs))
}
