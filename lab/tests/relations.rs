// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What neighbours are to each other: AS paths as agreed, seen where they arrive.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Frr, Lab, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

const GLOBAL: &str = "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n\
    apply-policy = { default-import-policy = \"accept-route\", default-export-policy = \"accept-route\" }\n";

/// Us at 10.0.0.1 with one neighbour at 10.0.0.2 that has these keys.
fn ours(keys: &str) -> String {
    format!("{GLOBAL}[[neighbors]]\nneighbor-address = \"10.0.0.2\"\n{keys}\n")
}

/// FRR at 10.0.0.2 with one neighbour at 10.0.0.1 that has these lines.
fn frr(asn: u32, remote: u32, lines: &[&str]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!(" neighbor 10.0.0.1 {line}\n"))
        .collect();
    let lines = lines.concat();
    format!(
        "router bgp {asn}\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp network import-check\n \
         neighbor 10.0.0.1 remote-as {remote}\n neighbor 10.0.0.1 timers connect 1\n{lines} \
         address-family ipv4 unicast\n  network 10.2.0.0/16\n exit-address-family\n"
    )
}

/// The AS path of a prefix as FRR prints it.
fn frr_path(frr: &Frr, prefix: &str) -> Result<String> {
    let text = frr.ctl(&format!("show bgp ipv4 unicast {prefix} json"))?;
    let table: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    let path = table["paths"][0]["aspath"]["string"].as_str();
    path.map(str::to_owned).context(text)
}

fn frr_has(frr: &Frr, prefix: &str, path: &str) -> Result<()> {
    until(&format!("FRR has {prefix} by {path}"), SOON, || {
        let found = frr_path(frr, prefix)?;
        ensure!(found == path, "{found}");
        Ok(())
    })
}

/// The AS path of a prefix as we print it.
fn our_path(us: &Bgpd, prefix: &str) -> Result<String> {
    us.wait_route(prefix)?;
    let route = &us.json(&["route", prefix])?[0];
    route["as_path"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| route.to_string())
}

fn we_have(us: &Bgpd, prefix: &str, path: &str) -> Result<()> {
    let found = our_path(us, prefix)?;
    ensure!(found == path, "{prefix} has {found}, not {path}");
    Ok(())
}

fn add(us: &Bgpd, prefix: &str, path: &str) -> Result<()> {
    let words = ["route", "add", prefix, "--blackhole", "--as-path", path];
    us.ctl(&words).map(drop)
}

fn reload(us: &Bgpd, config: &str) -> Result<()> {
    us.write_config(config)?;
    us.ctl(&["reload"]).map(drop)
}

fn established_count(us: &Bgpd) -> Result<u64> {
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    neighbor["established_count"].as_u64().context("a count")
}

#[test]
#[ignore = "needs netns"]
fn frr_sees_the_as_paths_that_were_agreed() -> Result<()> {
    let lab = Lab::new("rel")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours("peer-as = 64513\nlocal-as = 64999"))?;
    let frr = Frr::start(&b, &frr(64513, 64999, &[]))?;
    us.wait_established("10.0.0.2")?;
    add(&us, "10.1.0.0/16", "65010 7018 4200000000")?;
    add(&us, "10.3.0.0/16", "65010 64513")?;
    frr_has(&frr, "10.1.0.0/16", "64999 65010 7018 4200000000")?;
    we_have(&us, "10.2.0.0/16", "64513")?;

    // These need no new session.
    let alone = "peer-as = 64513\nlocal-as = 64999\n";
    reload(
        &us,
        &ours(&format!("{alone}remove-private-as = \"replace\"")),
    )?;
    frr_has(&frr, "10.1.0.0/16", "64999 64999 7018 64999")?;
    reload(&us, &ours(&format!("{alone}remove-private-as = \"all\"")))?;
    frr_has(&frr, "10.1.0.0/16", "64999 7018")?;
    // Its own AS is private and stays: it refuses the loop.
    ensure!(frr_path(&frr, "10.3.0.0/16").is_err(), "a loop");
    reload(
        &us,
        &ours(&format!(
            "{alone}as-path-options = {{ replace-peer-as = true }}"
        )),
    )?;
    frr_has(&frr, "10.3.0.0/16", "64999 65010 64999")?;
    frr_has(&frr, "10.1.0.0/16", "64999 65010 7018 4200000000")?;
    ensure!(established_count(&us)? == 1, "the session has stayed");

    reload(
        &us,
        &ours(&format!(
            "{alone}local-as-options = {{ no-prepend = false, replace-as = false }}"
        )),
    )?;
    frr_has(&frr, "10.1.0.0/16", "64999 64512 65010 7018 4200000000")?;
    until("our own AS is before its path", SOON, || {
        we_have(&us, "10.2.0.0/16", "64999 64513")
    })?;
    let neighbor = us.ctl(&["neighbor", "10.0.0.2"])?;
    ensure!(
        neighbor.contains("Terms: our own AS behind the local AS, local AS before received paths"),
        "{neighbor}"
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn the_local_as_of_frr_is_taken_as_it_comes() -> Result<()> {
    for (form, path) in [("", "64999 64513"), (" no-prepend replace-as", "64999")] {
        let lab = Lab::new("rel")?;
        let (a, b) = lab.pair()?;
        let local_as = format!("local-as 64999{form}");
        let us = Bgpd::start(&a, &ours("peer-as = 64999"))?;
        let frr = Frr::start(&b, &frr(64513, 64512, &[&local_as, "allowas-in 1"]))?;
        us.wait_established("10.0.0.2")?;
        we_have(&us, "10.2.0.0/16", path)?;
        // It takes its own AS once.
        add(&us, "10.1.0.0/16", "64513")?;
        add(&us, "10.3.0.0/16", "64513 64513")?;
        let seen = if form.is_empty() {
            "64999 64512 64513"
        } else {
            "64512 64513"
        };
        frr_has(&frr, "10.1.0.0/16", seen)?;
        ensure!(frr_path(&frr, "10.3.0.0/16").is_err(), "too often");
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn the_path_of_a_route_server_is_taken_where_that_is_agreed() -> Result<()> {
    let lab = Lab::new("rel")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours("peer-as = 64513"))?;
    let server = frr(64513, 64512, &[]).replace(
        "  network",
        "  neighbor 10.0.0.1 route-server-client\n  network",
    );
    let _frr = Frr::start(&b, &server)?;
    us.wait_established("10.0.0.2")?;
    let explained = until("why it is not used", SOON, || {
        let text = us.ctl(&["explain", "10.2.0.0/16"])?;
        ensure!(text.contains("10.0.0.2"), "{text}");
        Ok(text)
    })?;
    ensure!(
        explained.contains("the AS path does not begin with the neighbour's AS"),
        "{explained}"
    );
    reload(
        &us,
        &ours("peer-as = 64513\nas-path-options = { enforce-first-as = false }"),
    )?;
    we_have(&us, "10.2.0.0/16", "")?;
    ensure!(established_count(&us)? == 1, "the session has stayed");
    Ok(())
}
