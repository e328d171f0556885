// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl neighbor add`, `update` and `del`, with another daemon of ours as the neighbour.

use anyhow::{Result, bail, ensure};
use lab::{Bgpd, Lab, config};

fn refused(answer: Result<String>, with: &str) -> Result<()> {
    match answer {
        Ok(text) => bail!("not refused: {text}"),
        Err(error) => ensure!(error.to_string().contains(with), "{error}"),
    }
    Ok(())
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
#[ignore = "needs netns"]
fn a_neighbor_is_added_changed_and_removed_by_bgpctl() -> Result<()> {
    let lab = Lab::new("ctl-peer")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(
        &a,
        &(config::ours("10.0.0.1") + &config::blackhole("10.1.0.0/16")),
    )?;
    let theirs = config::ours("10.0.0.2").replace("as = 64512", "as = 64513");
    let them = Bgpd::start(&b, &(theirs + &config::neighbor("10.0.0.1", 64512, "")))?;
    let ctl = |line: &str| us.ctl(&words(line));

    ctl("neighbor add 10.0.0.2 --as 64513 --description far")?;
    us.wait_established("10.0.0.2")?;
    them.wait_route("10.1.0.0/16")?;
    let ups = us.number("10.0.0.2", "established_count")?;

    // The session stays, and so does what was not said.
    ctl("neighbor update 10.0.0.2 --default-export reject")?;
    them.wait_no_route("10.1.0.0/16")?;
    ensure!(ctl("neighbor 10.0.0.2")?.contains("far"));
    ensure!(us.number("10.0.0.2", "established_count")? == ups);
    ctl("neighbor update 10.0.0.2 --default-export accept")?;
    them.wait_route("10.1.0.0/16")?;
    // With another hold time it is another session.
    ctl("neighbor update 10.0.0.2 --hold-time 30")?;
    us.wait_established("10.0.0.2")?;
    let said = us.json(&["neighbor", "10.0.0.2"])?.to_string();
    ensure!(said.contains("\"hold_time\":30"), "{said}");

    // What is wrong is said, and changes nothing.
    refused(ctl("neighbor add 10.0.0.2 --as 64513"), "10.0.0.2")?;
    refused(ctl("neighbor add 10.0.0.3"), "peer-as")?;
    refused(ctl("neighbor add 10.0.0.3 --group nobody"), "nobody")?;
    refused(
        ctl("neighbor add 10.0.0.3 --as 64514 --hold-time 2"),
        "a hold time of 2 s is forbidden",
    )?;
    refused(ctl("neighbor update 10.0.0.2 --import nowhere"), "nowhere")?;
    refused(ctl("neighbor update 10.0.0.2"), "what is to change?")?;
    refused(
        ctl("neighbor update 10.0.0.9 --as 1"),
        "there is no neighbor 10.0.0.9",
    )?;
    refused(ctl("neighbor del 10.0.0.9"), "10.0.0.9")?;
    ensure!(us.state("10.0.0.2")? == "established");
    ensure!(
        us.json(&["neighbor"])?
            .as_array()
            .is_some_and(|all| all.len() == 1)
    );

    ctl("neighbor del 10.0.0.2")?;
    them.wait_no_route("10.1.0.0/16")?;
    ensure!(
        us.json(&["neighbor"])?
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    Ok(())
}
