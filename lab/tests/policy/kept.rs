// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A neighbour whose routes are kept only as policy leaves them: it is asked for them when policy changes.

use anyhow::{Result, ensure};
use lab::{
    Bgpd, Bird, Frr, Lab,
    config::{self, EBGP},
    until,
};

use super::{SETS, SOON, policy};

const ROUTES: [&str; 3] = ["10.20.1.0/24", "10.20.2.0/24", "10.9.0.0/16"];

/// Blocks only, with this MED.
fn ours(med: u32) -> String {
    let statements = [
        r#"{ conditions = { match-prefix-set = { prefix-set = "blocks", match-set-options = "invert" } }, actions = { route-disposition = "reject-route" } }"#.to_owned(),
        format!(r#"{{ actions = {{ route-disposition = "accept-route", bgp-actions = {{ set-med = {med} }} }} }}"#),
    ];
    let statements = statements.each_ref().map(String::as_str);
    let list = "keep-received = false\napply-policy = { import-policy-list = [\"in\"] }";
    config::ours_with(64513, list) + SETS + &policy("in", &statements)
}

fn everything() -> String {
    config::ours_with(64513, "keep-received = false")
}

/// Waits until exactly these have this MED.
fn until_med(us: &Bgpd, prefixes: &[&str], med: Option<u32>) -> Result<()> {
    until(&format!("MED {med:?}"), SOON, || {
        let rows = us.json(&["neighbor", "10.0.0.2", "adj-in"])?;
        let rows = rows.as_array().cloned().unwrap_or_default();
        ensure!(rows.len() == prefixes.len(), "{rows:?}");
        for row in &rows {
            let found = row["med"].as_u64();
            ensure!(found.unwrap_or(0) == u64::from(med.unwrap_or(0)), "{row}");
            ensure!(
                prefixes.iter().any(|prefix| row["prefix"] == **prefix),
                "{row}"
            );
        }
        Ok(())
    })
}

/// What is rejected or changed is not kept; other policies bring it back while the session stays.
fn asked(us: &Bgpd) -> Result<()> {
    us.wait_established("10.0.0.2")?;
    us.wait_end_of_rib("10.0.0.2")?;
    until_med(us, &ROUTES[..2], Some(7))?;
    ensure!(
        us.number("10.0.0.2", "families/0/received")? == 2,
        "the third is not kept"
    );
    let text = us.ctl(&["neighbor", "10.0.0.2", "adj-in"])?;
    ensure!(text.contains("Behind import policy"), "{text}");
    let text = us.ctl(&["neighbor", "10.0.0.2"])?;
    ensure!(text.contains("received routes not kept"), "{text}");
    let asked = us.number("10.0.0.2", "messages_sent/route_refresh")?;
    let said = us.reload(&ours(9))?;
    ensure!(
        said.contains("(import-policy): asked for its routes again"),
        "{said}"
    );
    until_med(us, &ROUTES[..2], Some(9))?;
    us.reload(&everything())?;
    until_med(us, &ROUTES, None)?;
    us.reload(&ours(7))?;
    until_med(us, &ROUTES[..2], Some(7))?;
    us.ctl(&["neighbor", "10.0.0.2", "softresetin"])?;
    until("it was asked each time", SOON, || {
        let now = us.number("10.0.0.2", "messages_sent/route_refresh")?;
        ensure!(now == asked + 4, "{asked}, now {now}");
        Ok(())
    })?;
    until_med(us, &ROUTES[..2], Some(7))?;
    let sessions = us.number("10.0.0.2", "established_count")?;
    ensure!(sessions == 1, "{sessions} sessions");
    // Kept from now on: nobody needs to be asked.
    us.reload(&ours(7).replace("keep-received = false", ""))?;
    until("what is rejected is there, too", SOON, || {
        let received = us.number("10.0.0.2", "families/0/received")?;
        ensure!(received == 3, "{received}");
        Ok(())
    })?;
    let said = us.reload(&ours(8).replace("keep-received = false", ""))?;
    ensure!(!said.contains("asked for"), "{said}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn frr_is_asked_for_what_was_not_kept() -> Result<()> {
    let lab = Lab::new("kept-frr")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours(7))?;
    let routes = ROUTES.map(|route| format!("network {route}"));
    let lines: Vec<&str> = routes.iter().map(String::as_str).collect();
    let text = config::frr(64513, "10.0.0.2", &[("10.0.0.1", 64512)])
        + &config::frr_family("ipv4", &lines);
    let _frr = Frr::start(&b, &text)?;
    asked(&us)
}

#[test]
#[ignore = "needs netns"]
fn bird_is_asked_for_what_was_not_kept_or_restarted_if_it_can_not_be() -> Result<()> {
    let lab = Lab::new("kept-bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours(7))?;
    let with = |lines: &str| {
        let lines = format!("{lines} {}", config::bird_channel("ipv4", ""));
        config::bird("10.0.0.2", &ROUTES) + &config::bird_session(EBGP, &lines)
    };
    let bird = Bird::start(&b, &with(""))?;
    asked(&us)?;
    drop(bird);

    us.reload(&ours(7))?;
    let _bird = Bird::start(&b, &with("enable route refresh off;"))?;
    us.wait_established("10.0.0.2")?;
    until_med(&us, &ROUTES[..2], Some(7))?;
    let sessions = us.number("10.0.0.2", "established_count")?;
    let error = us.ctl(&["neighbor", "10.0.0.2", "softresetin"]);
    let error = error.expect_err("it can't be asked").to_string();
    ensure!(error.contains("it has no route refresh"), "{error}");
    let said = us.reload(&everything())?;
    ensure!(
        said.contains("session restarted, it can not be asked"),
        "{said}"
    );
    until_med(&us, &ROUTES, None)?;
    let now = us.number("10.0.0.2", "established_count")?;
    ensure!(now == sessions + 1, "{sessions} sessions, then {now}");
    Ok(())
}
