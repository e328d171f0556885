// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two ASes of ours: the session comes up whichever of both the other end was told. FRR 8.4 and BIRD have no such thing
//! themselves.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Bird, Frr, Lab, Netns, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

/// Us at 10.0.0.1 with one neighbour at 10.0.0.2 that has these keys.
fn ours(keys: &str) -> String {
    format!(
        "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n\
         apply-policy = {{ default-import-policy = \"accept-route\", default-export-policy = \"accept-route\" }}\n\
         [[static-routes]]\nprefix = \"10.1.0.0/16\"\nblackhole = true\n\
         [[neighbors]]\nneighbor-address = \"10.0.0.2\"\n\
         timers = {{ connect-retry = 1, idle-hold-time-after-reset = 1 }}\n{keys}\n"
    )
}

fn frr(remote: u32) -> String {
    format!(
        "router bgp 64513\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp network import-check\n \
         neighbor 10.0.0.1 remote-as {remote}\n neighbor 10.0.0.1 timers connect 1\n \
         address-family ipv4 unicast\n  network 10.2.0.0/16\n exit-address-family\n"
    )
}

fn bird(remote: u32) -> String {
    format!(
        "router id 10.0.0.2;\nlog stderr all;\nprotocol device {{}}\n\
         protocol static {{ ipv4; route 10.2.0.0/16 blackhole; }}\n\
         protocol bgp {{ local 10.0.0.2 as 64513; neighbor 10.0.0.1 as {remote};\n\
         connect retry time 1; connect delay time 1; error wait time 1, 2;\n\
         ipv4 {{ import all; export where source = RTS_STATIC; }}; }}\n"
    )
}

/// The AS path of the neighbour's route as we have it, and what is our AS towards it.
fn seen(us: &Bgpd) -> Result<(String, u64)> {
    us.wait_established("10.0.0.2")?;
    us.wait_route("10.2.0.0/16")?;
    let route = &us.json(&["route", "10.2.0.0/16"])?[0];
    let path = route["as_path"].as_str().context("a path")?.to_owned();
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    let own = neighbor["local_as"].as_u64().context("our AS")?;
    Ok((path, own))
}

fn frr_path(frr: &Frr) -> Result<String> {
    until("FRR has our route", SOON, || {
        let text = frr.ctl("show bgp ipv4 unicast 10.1.0.0/16 json")?;
        let table: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        let path = table["paths"][0]["aspath"]["string"].as_str();
        path.map(str::to_owned).context(text)
    })
}

fn bird_path(bird: &Bird) -> Result<String> {
    let text = bird.wait_route("10.1.0.0/16")?;
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("BGP.as_path: "));
    line.map(str::to_owned).context(text)
}

/// For each AS that the other end may have been told: what it sees of ours, and we of its.
const CASES: [(u32, &str, &str); 2] = [
    (64999, "64999 64512", "64999 64513"),
    (64512, "64512", "64513"),
];

fn both_ways(start: impl Fn(&Netns, u32) -> Result<Box<dyn Fn() -> Result<String>>>) -> Result<()> {
    let keys = "peer-as = 64513\nlocal-as = 64999\n\
        local-as-options = { dual-as = true, no-prepend = false, replace-as = false }";
    for (told, our_path, their_path) in CASES {
        let lab = Lab::new("dual")?;
        let (a, b) = lab.pair()?;
        let us = Bgpd::start(&a, &ours(keys))?;
        let path = start(&b, told)?;
        let (seen, own) = seen(&us)?;
        ensure!(
            (seen.as_str(), own) == (their_path, told.into()),
            "{seen}, {own}"
        );
        let path = path()?;
        ensure!(path == our_path, "{told}: {path}");
        let neighbor = us.ctl(&["neighbor", "10.0.0.2"])?;
        let words = "our AS 64999 or, if that is refused, 64512";
        ensure!(neighbor.contains(words), "{neighbor}");
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn frr_may_know_us_by_either_as() -> Result<()> {
    both_ways(|b, told| {
        let frr = Frr::start(b, &frr(told))?;
        Ok(Box::new(move || frr_path(&frr)))
    })
}

#[test]
#[ignore = "needs netns"]
fn bird_may_know_us_by_either_as() -> Result<()> {
    both_ways(|b, told| {
        let bird = Bird::start(b, &bird(told))?;
        Ok(Box::new(move || bird_path(&bird)))
    })
}
