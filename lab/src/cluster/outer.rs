// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is on the wire between nodes: a capture by tcpdump, where `tunl0` is real.

use std::process::Command;

use anyhow::{Result, ensure};

use super::{
    Encap, Story,
    scenes::PATIENCE,
    story::{scene, show},
    topology::{Cluster, NODES},
};
use crate::{Netns, Process, until};

impl Cluster {
    /// Pings between pods, and the packets as they come by at the router.
    pub(super) fn shows_the_outer_header(&self, story: &mut Story) -> Result<()> {
        if !matches!(self.options.encap, Encap::Ipip | Encap::CrossSubnet) {
            return Ok(());
        }
        scene("what is on the wire");
        let seen = self.ping_seen(0, 2, "ip proto 4")?;
        show("router", "tcpdump -v -i node3 ip proto 4", &seen);
        let (outer, inner) = (pair(NODES[0].address, NODES[2].address), pods(0, 2));
        for text in [&outer.0, &outer.1, &inner.0, &inner.1] {
            ensure!(seen.contains(text), "`{text}` was not seen:\n{seen}");
        }
        ensure!(seen.contains("proto IPIP (4)"), "{seen}");
        story.claim("a pod of node1 pings one of node3: IP protocol 4 between the nodes, the pods' packets inside, both ways");
        let inner = pods(0, 1);
        if self.options.encap == Encap::Ipip {
            let seen = self.ping_seen(0, 1, "ip proto 4")?;
            ensure!(seen.contains(&inner.0) && seen.contains(&inner.1), "{seen}");
            story.claim("and so it does inside of a subnet");
        } else {
            let seen = self.ping_seen(0, 1, "icmp or ip proto 4")?;
            show("router", "tcpdump -v -i node2 icmp or ip proto 4", &seen);
            ensure!(seen.contains(&inner.0) && seen.contains(&inner.1), "{seen}");
            ensure!(!seen.contains("IPIP"), "{seen}");
            story.claim("inside of a subnet a ping travels as it is");
        }
        Ok(())
    }

    /// A ping from a pod to a pod, seen at the router's port to the second's node.
    fn ping_seen(&self, from: usize, to: usize, filter: &str) -> Result<String> {
        let mut capture = Capture::start(&self.router, NODES[to].name, filter)?;
        let target = NODES[to].pod(3);
        let answer = self.pods[from][0].exec(&["ping", "-c", "2", "-W", "5", &target])?;
        ensure!(answer.contains("2 received"), "{answer}");
        let reply = pods(from, to).1;
        until("the answer is seen", PATIENCE, || {
            ensure!(capture.0.log().contains(&reply), "{}", capture.0.log());
            Ok(())
        })?;
        capture.0.terminate()?;
        let log = capture.0.log();
        // Without what tcpdump says about itself.
        let lines = log
            .lines()
            .filter(|line| line.starts_with(' ') || line.contains(" IP "));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }
}

/// A pod of a node and one of another, as they are pinged.
fn pods(from: usize, to: usize) -> (String, String) {
    pair(&NODES[from].pod(2), &NODES[to].pod(3))
}

/// As tcpdump writes it, both ways.
fn pair(one: &str, other: &str) -> (String, String) {
    (format!("{one} > {other}: "), format!("{other} > {one}: "))
}

/// A running tcpdump.
struct Capture(Process);

impl Capture {
    fn start(netns: &Netns, device: &str, filter: &str) -> Result<Self> {
        let mut command: Command = netns.command("tcpdump");
        command.args([
            "-Z",
            "root",
            "-n",
            "-v",
            "-l",
            "--immediate-mode",
            "-i",
            device,
        ]);
        command.args(filter.split(' '));
        let capture = Self(netns.start(&mut command, &format!("tcpdump-{device}"))?);
        until("tcpdump listens", PATIENCE, || {
            ensure!(
                capture.0.log().contains("listening on"),
                "{}",
                capture.0.log()
            );
            Ok(())
        })?;
        Ok(capture)
    }
}
