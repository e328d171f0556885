// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl plan`: what it says of a configuration is what a reload does, and nothing of it is done before.

use std::{path::PathBuf, process::Output, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Bird, Lab, binary, config, until};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(5);

/// Two neighbours, a block of our own, and the kernel.
fn ours() -> String {
    config::ours_with(64513, "timers = { hold-time = 90 }")
        + &config::neighbor("10.0.1.2", 64514, "timers = { hold-time = 90 }")
        + &config::blackhole("10.1.0.0/16")
        + "[fib]\n"
}

fn theirs(local: &str, remote: &str, asn: u32, routes: &[&str]) -> String {
    let ends = [(local, asn), (remote, 64512)];
    config::bird(local, routes) + &config::bird_session(ends, &config::bird_channel("ipv4", ""))
}

/// What is planned with: the file that runs, with other text in it.
fn other(us: &Bgpd, edit: impl Fn(&str) -> String) -> Result<PathBuf> {
    let path = us.config().with_extension("new");
    std::fs::write(&path, edit(&std::fs::read_to_string(us.config())?))?;
    Ok(path)
}

fn plan(us: &Bgpd, path: &std::path::Path) -> Result<Output> {
    let line = us.ctl_command();
    let target = line.split(' ').next_back().context("a target")?;
    let mut command = std::process::Command::new(binary("bgpctl")?);
    command
        .args(["--target", target, "--json", "plan"])
        .arg(path);
    Ok(command.output()?)
}

fn planned(us: &Bgpd, path: &std::path::Path) -> Result<Value> {
    let output = plan(us, path)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(2), "{said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The counts of something: added, removed, changed.
fn counts(forecast: &Value) -> [u64; 3] {
    ["added", "removed", "changed"].map(|key| forecast[key]["count"].as_u64().unwrap_or(u64::MAX))
}

/// Import and export of a neighbour.
fn of(plan: &Value, address: &str) -> [[u64; 3]; 2] {
    let all = plan["neighbors"].as_array().into_iter().flatten();
    let mut found = all.filter(|neighbor| neighbor["address"] == address);
    found.next().map_or([[0; 3]; 2], |neighbor| {
        [counts(&neighbor["import"]), counts(&neighbor["export"])]
    })
}

#[test]
#[ignore = "needs netns"]
fn what_is_planned_is_what_a_reload_does() -> Result<()> {
    let lab = Lab::new("plan")?;
    let (a, b, c) = lab.three()?;
    let routes = ["10.2.0.0/16", "10.3.0.0/16"];
    let first = Bird::start(&b, &theirs("10.0.0.2", "10.0.0.1", 64513, &routes))?;
    let second = Bird::start(&c, &theirs("10.0.1.2", "10.0.1.1", 64514, &[]))?;
    let us = Bgpd::start(&a, &ours())?;
    for route in routes {
        second.wait_route(route)?;
    }
    first.wait_route("10.1.0.0/16")?;
    until("the kernel has them", SOON, || {
        let fib = us.json(&["status"])?;
        ensure!(fib["fib"]["installed"] == 3, "{fib}");
        Ok(())
    })?;

    // Nothing new: nothing is said.
    let same = plan(&us, us.config())?;
    let said = String::from_utf8_lossy(&same.stderr);
    ensure!(same.status.code() == Some(0), "{said}");

    // One route of the first neighbour is refused, the other one is preferred more.
    let policy = "[[defined-sets.prefix-sets]]\nprefix-set-name = \"no\"\n\
        prefix-list = [{ ip-prefix = \"10.2.0.0/16\" }]\n\
        [[policy-definitions]]\nname = \"import\"\n\
        [[policy-definitions.statements]]\nname = \"no\"\n\
        conditions = { match-prefix-set = { prefix-set = \"no\" } }\nactions = { route-disposition = \"reject-route\" }\n\
        [[policy-definitions.statements]]\nname = \"more\"\n\
        actions = { route-disposition = \"accept-route\", bgp-actions = { set-local-pref = 300 } }\n";
    let new = other(&us, |text| {
        let applied = "timers = { hold-time = 90 }\napply-policy = { import-policy-list = [\"import\"], \
            default-import-policy = \"accept-route\", default-export-policy = \"accept-route\" }";
        text.replacen("timers = { hold-time = 90 }", applied, 1)
            .replace("10.1.0.0/16", "10.7.0.0/16")
            + policy
    })?;
    let forecast = planned(&us, &new)?;
    ensure!(
        of(&forecast, "10.0.0.2") == [[0, 1, 1], [1, 1, 0]],
        "{forecast}"
    );
    ensure!(
        of(&forecast, "10.0.1.2") == [[0; 3], [1, 2, 0]],
        "{forecast}"
    );
    ensure!(counts(&forecast["best"]) == [1, 2, 1], "{forecast}");
    ensure!(counts(&forecast["kernel"]) == [1, 2, 0], "{forecast}");
    let example = &forecast["neighbors"][0]["import"]["removed"]["examples"][0];
    ensure!(
        *example == json!({ "prefix": "10.2.0.0/16", "text": "rejected by import policy" }),
        "{forecast}"
    );
    let effects = forecast["changes"].as_array().into_iter().flatten();
    let effects: Vec<&Value> = effects.map(|change| &change["effect"]).collect();
    ensure!(effects.iter().all(|effect| *effect == "live"), "{forecast}");

    // Nothing of it has been done.
    second.wait_route("10.2.0.0/16")?;
    ensure!(us.number("10.0.0.2", "families/0/accepted")? == 2);
    // Now it is, and it is as was said.
    std::fs::copy(&new, us.config())?;
    us.ctl(&["reload"])?;
    second.wait_no_route("10.2.0.0/16")?;
    second.wait_route("10.7.0.0/16")?;
    second.wait_no_route("10.1.0.0/16")?;
    until("the kernel agrees", SOON, || {
        let fib = us.json(&["fib"])?;
        let there = fib.as_array().into_iter().flatten();
        let mut there: Vec<&str> = there.filter_map(|route| route["prefix"].as_str()).collect();
        there.sort_unstable();
        ensure!(there == ["10.3.0.0/16", "10.7.0.0/16"], "{fib}");
        Ok(())
    })?;
    ensure!(us.route("10.3.0.0/16")?["local_pref"] == 300);
    ensure!(us.number("10.0.0.2", "established_count")? == 1);
    let output = plan(&us, &new)?;
    ensure!(output.status.code() == Some(0), "{output:?}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_plan_names_the_sessions_that_would_end_and_what_is_wrong() -> Result<()> {
    let lab = Lab::new("plan")?;
    let (a, b, c) = lab.three()?;
    let _first = Bird::start(&b, &theirs("10.0.0.2", "10.0.0.1", 64513, &["10.2.0.0/16"]))?;
    let second = Bird::start(&c, &theirs("10.0.1.2", "10.0.1.1", 64514, &[]))?;
    let us = Bgpd::start(&a, &ours())?;
    second.wait_route("10.2.0.0/16")?;

    let new = other(&us, |text| {
        let text = text.replace("hold-time = 90", "hold-time = 30");
        text.replacen("hold-time = 30", "hold-time = 90", 1)
            + &config::neighbor("10.0.0.9", 65009, "")
    })?;
    let forecast = planned(&us, &new)?;
    let changes = forecast["changes"].as_array().context("changes")?;
    let said: Vec<(&Value, &Value)> = changes
        .iter()
        .map(|change| (&change["address"], &change["effect"]))
        .collect();
    let (restarts, starts) = (json!("session-restarts"), json!("session-starts"));
    let expected = [("10.0.1.2", &restarts), ("10.0.0.9", &starts)];
    let expected = expected.map(|(address, effect)| (json!(address), effect));
    let expected: Vec<(&Value, &Value)> = expected
        .iter()
        .map(|(address, effect)| (address, *effect))
        .collect();
    ensure!(said == expected, "{forecast}");
    ensure!(changes[0]["keys"] == json!(["hold-time"]), "{forecast}");
    // A session that restarts is taken to bring the same routes again.
    ensure!(counts(&forecast["best"]) == [0; 3], "{forecast}");

    // Without the first neighbour its route is gone, for the kernel and for the second one.
    let new = other(&us, |text| {
        let begin = text.find("[[neighbors]]").unwrap_or_default();
        let end = text.rfind("[[neighbors]]").unwrap_or_default();
        format!("{}{}", &text[..begin], &text[end..])
    })?;
    let forecast = planned(&us, &new)?;
    ensure!(
        forecast["changes"][0]["effect"] == "session-ends",
        "{forecast}"
    );
    ensure!(of(&forecast, "10.0.0.2")[0] == [0, 1, 0], "{forecast}");
    ensure!(
        of(&forecast, "10.0.1.2") == [[0; 3], [0, 1, 0]],
        "{forecast}"
    );
    ensure!(counts(&forecast["kernel"]) == [0, 1, 0], "{forecast}");

    let wrong = other(&us, |text| {
        text.replace("peer-as = 64514", "peer_as = 64514")
    })?;
    let output = plan(&us, &wrong)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{said}");
    ensure!(
        said.contains("bgpd.new:") && said.contains("peer-as"),
        "{said}"
    );
    ensure!(
        us.number("10.0.1.2", "established_count")? == 1,
        "nothing was done"
    );
    Ok(())
}
