// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours by prefix: many nodes that we do not know by name come at once to a route reflector.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Lab, until};

const SOON: Duration = Duration::from_secs(10);

/// Nodes that come, and how many are let in.
const NODES: u8 = 40;
const LIMIT: u8 = 30;

const OURS: &str = r#"
[global]
as = 64512
router-id = "10.0.0.1"
shards = 2

[[peer-groups]]
peer-group-name = "nodes"
peer-as = 64512
route-reflector = { route-reflector-client = true }
graceful-restart = { enabled = false }

[[dynamic-neighbors]]
prefix = "10.0.1.0/24"
peer-group = "nodes"
limit = 30
"#;

/// One BIRD that is all nodes: each has an address, an identifier, a table and a route of its own. It does not open
/// two sessions with the same address, so that we have as many.
fn nodes() -> String {
    let node = |number: u8| {
        format!(
            "ipv4 table t{number};\n\
             protocol static s{number} {{ ipv4 {{ table t{number}; }}; route 10.200.{number}.0/24 blackhole; }}\n\
             protocol bgp n{number} {{ local 10.0.1.{number} as 64512; neighbor 10.0.2.{number} as 64512;\n\
             router id 10.0.1.{number}; connect retry time 1; connect delay time 1; error wait time 1, 2;\n\
             ipv4 {{ table t{number}; import all; export where source = RTS_STATIC; next hop self; }}; }}\n"
        )
    };
    let nodes: Vec<String> = (1..=NODES).map(node).collect();
    format!(
        "router id 10.0.1.254;\nprotocol device {{}}\n{}",
        nodes.concat()
    )
}

/// Routes of a node: its own, and what it has been told.
fn routes(bird: &Bird, number: u8) -> Result<usize> {
    let table = bird.ctl(&format!("show route table t{number}"))?;
    Ok(table.matches("10.200.").count())
}

/// The nodes that are in, after they have all been told of each other.
fn inside(us: &Bgpd, bird: &Bird) -> Result<Vec<u8>> {
    until("as many are in as may be, and know all", SOON, || {
        let established = us.json(&["status"])?["established"].clone();
        ensure!(established == LIMIT, "{established} are");
        let mut inside = Vec::new();
        for number in 1..=NODES {
            match routes(bird, number)? {
                1 => {}
                count if count == usize::from(LIMIT) => inside.push(number),
                count => anyhow::bail!("node {number} has {count} routes"),
            }
        }
        ensure!(inside.len() == usize::from(LIMIT), "{inside:?}");
        Ok(inside)
    })
}

#[test]
#[ignore = "needs netns"]
fn as_many_nodes_as_may_come_hear_of_each_other_and_the_rest_wait() -> Result<()> {
    let lab = Lab::new("dyn")?;
    let (a, b) = lab.pair()?;
    a.ip("route add 10.0.1.0/24 dev eth0")?;
    b.ip("route add 10.0.2.0/24 dev eth0")?;
    for number in 1..=NODES {
        a.ip(&format!("addr add 10.0.2.{number}/32 dev eth0"))?;
        b.ip(&format!("addr add 10.0.1.{number}/32 dev eth0"))?;
    }
    let us = Bgpd::start(&a, OURS)?;
    let bird = Bird::start(&b, &nodes())?;
    let first = inside(&us, &bird)?;

    // One leaves: its route does too, and somebody who waited takes the place.
    let gone = first[0];
    bird.ctl(&format!("disable n{gone}"))?;
    let second = inside(&us, &bird)?;
    ensure!(!second.contains(&gone), "{gone} in {second:?}");
    us.wait_no_route(&format!("10.200.{gone}.0/24"))?;
    let stayed = first
        .iter()
        .filter(|number| second.contains(number))
        .count();
    ensure!(stayed == first.len() - 1, "{first:?}, then {second:?}");
    for number in first.iter().skip(1) {
        let neighbor = us.json(&["neighbor", &format!("10.0.1.{number}")])?;
        ensure!(
            neighbor["established_count"] == 1 && neighbor["dynamic"] == true,
            "{neighbor}"
        );
    }

    // All leave at once; none of them remains known.
    bird.ctl("disable all")?;
    until("nobody is left", SOON, || {
        let status = us.json(&["status"])?;
        ensure!(status["neighbors"] == 0 && status["paths"] == 0, "{status}");
        Ok(())
    })
}
