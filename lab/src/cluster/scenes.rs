// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the cluster is made to do, and what has to come of it.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    Encap, Story, config,
    story::{scene, show},
    topology::{
        Cluster, Daemon, NODES, Node, PODS, REFLECTOR6, Reflector, SERVICE_HOST, SERVICE_HOST6,
        TOR, TOR6,
    },
};
use crate::{Bgpd, Echo, Flow, Netns, Process, until};

/// Time for sessions to come up and routes to arrive.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Packets a second of a flow.
const RATE: u32 = 100;

/// Of the next echo, in its own namespace.
static PORT: AtomicU16 = AtomicU16::new(7000);

impl Cluster {
    /// Sessions Established, routes in every kernel, the reflector's table complete.
    pub(super) fn converges(&self, story: &mut Story) -> Result<()> {
        scene("it converges");
        for (node, bgpd) in self.ours() {
            for address in self.neighbors(node) {
                bgpd.wait_established(address)?;
            }
        }
        if let Some(Reflector::Ours(bgpd)) = &self.reflector {
            for node in &NODES {
                bgpd.wait_established(node.address)?;
                if self.options.is_dual() {
                    bgpd.wait_established(node.address6)?;
                }
            }
        }
        story.claim("every session of our daemons is Established, those with the ToR with TCP MD5");
        for node in &NODES {
            self.has_all_routes(node)?;
            self.has_all_ipv6_routes(node)?;
        }
        story.claim(
            "every node's kernel has the others' blocks, its own block, and the ToR's network",
        );
        match &self.reflector {
            Some(Reflector::Ours(bgpd)) => {
                for node in &NODES {
                    bgpd.wait_route(&node.block())?;
                    if self.options.is_dual() {
                        bgpd.wait_route(&node.block6())?;
                    }
                }
                story.claim("the reflector has a best route for every block");
            }
            Some(Reflector::GoBgp(gobgp)) => {
                for node in &NODES {
                    gobgp.wait_route(&node.block())?;
                }
                story.claim("GoBGP, the reflector, has a best route for every block");
            }
            None => {}
        }
        self.tor_has_blocks(&[1, 2, 3])?;
        story.claim("the ToR (BIRD) has every block in its kernel");
        Ok(())
    }

    /// The tables, as one would look at them.
    pub(super) fn shows_routes(&self) -> Result<()> {
        for (node, netns) in NODES.iter().zip(&self.nodes) {
            show(node.name, "ip route", &netns.routes()?);
            if self.options.is_dual() {
                let routes = netns.ip_output("-6 route show proto bird")?;
                show(node.name, "ip -6 route show proto bird", &routes);
            }
        }
        for (node, bgpd) in self.ours() {
            show(node.name, "bgpctl neighbor", &bgpd.ctl(&["neighbor"])?);
        }
        match &self.reflector {
            Some(Reflector::Ours(bgpd)) => {
                show("rr", "bgpctl neighbor", &bgpd.ctl(&["neighbor"])?);
                show("rr", "bgpctl route", &bgpd.ctl(&["route"])?);
            }
            Some(Reflector::GoBgp(gobgp)) => {
                show("rr", "gobgp global rib", &gobgp.ctl("global rib")?);
            }
            None => {}
        }
        match self.daemons.get(1) {
            Some(Daemon::Bird(bird)) => {
                show("node2", "birdc show route", &bird.ctl("show route")?);
            }
            Some(Daemon::Frr(frr)) => {
                show("node2", "vtysh -c 'show ip bgp'", &frr.ctl("show ip bgp")?);
            }
            _ => {}
        }
        show(
            "tor",
            "ip route show proto bird",
            &self.tor.ip_output("route show proto bird")?,
        );
        Ok(())
    }

    /// Packets between pods of all nodes, and between the ToR and pods of all nodes.
    pub(super) fn carries_traffic(&self, story: &mut Story) -> Result<()> {
        scene("it carries traffic");
        let mut plans = Vec::new();
        for from in 0..NODES.len() {
            for to in (0..NODES.len()).filter(|to| *to != from) {
                plans.push(self.flow_between(from, to)?);
            }
        }
        let sent = self.all_arrive(&plans)?;
        story.claim(&format!(
            "{sent} packets between pods of different nodes and back, none lost"
        ));
        let plans = (0..NODES.len()).map(|to| self.flow_from_tor(to));
        let sent = self.all_arrive(&plans.collect::<Result<Vec<_>>>()?)?;
        story.claim(&format!(
            "{sent} packets from a host behind the ToR to pods and back, none lost"
        ));
        let device = match self.options.encap {
            Encap::Never => return Ok(()),
            Encap::Vxlan => "vxlan.calico",
            Encap::Ipip | Encap::CrossSubnet => "tunl0",
        };
        let count = self.packets_through(2, device)?;
        ensure!(count > 0, "no packet went through node3's {device}");
        story.claim(&format!("{count} of them left node3 through {device}"));
        if self.options.encap == Encap::CrossSubnet {
            let direct = self.nodes[0].ip_output(&format!("route get {}", NODES[1].pod(2)))?;
            ensure!(direct.contains("dev eth0"), "{direct}");
            story.claim("inside of a subnet packets go without the tunnel");
        }
        Ok(())
    }

    /// The same over IPv6, and a ping as one would send it.
    pub(super) fn carries_ipv6(&self, story: &mut Story) -> Result<()> {
        let mut plans = Vec::new();
        for (to, node) in NODES.iter().enumerate() {
            for from in (0..NODES.len()).filter(|from| *from != to) {
                plans.push(self.flow6_between(from, to)?);
            }
            let (pod, there) = (&self.pods[to][1], node.pod6(PODS[1]));
            plans.push(Plan::new(&self.tor, SERVICE_HOST6, pod, &there)?);
        }
        let sent = self.all_arrive(&plans)?;
        story.claim(&format!(
            "{sent} packets over IPv6 between pods, and from behind the ToR, none lost"
        ));
        let there = NODES[2].pod6(PODS[0]);
        let answer = self.pods[0][0].exec(&["ping", "-6", "-c", "1", "-W", "2", &there])?;
        show("pod1-2", &format!("ping -6 -c 1 {there}"), answer.trim());
        story.claim("node3's pods answer a ping over IPv6 by way of the router, without a tunnel");
        Ok(())
    }

    /// SIGKILL and a new start, with packets on their way.
    pub(super) fn restarts_a_daemon(&mut self, story: &mut Story) -> Result<()> {
        scene("node3's daemon is killed and started again, under traffic");
        let mut running = vec![
            self.flow_between(0, 2)?,
            self.flow_between(2, 1)?,
            self.flow_from_tor(2)?,
        ];
        if self.options.is_dual() {
            running.push(self.flow6_between(0, 2)?);
        }
        let flows = running
            .iter()
            .map(|plan| plan.start(RATE))
            .collect::<Result<Vec<_>>>()?;
        let changes = self.watch_routes()?;
        std::thread::sleep(Duration::from_millis(500));
        let Some(Daemon::Ours(bgpd)) = self.daemons.get_mut(2) else {
            bail!("node3 runs ours");
        };
        bgpd.process().kill()?;
        let left = self.nodes[2].ip_output("route show proto bird")?;
        for node in NODES.iter().filter(|node| node.number != 3) {
            ensure!(
                left.contains(&node.block()),
                "without its daemon node3's kernel lost {}:\n{left}",
                node.block()
            );
        }
        story.claim("killed: its kernel keeps the routes");
        std::thread::sleep(Duration::from_millis(500));
        for node in NODES.iter().filter(|node| node.number != 3) {
            let routes = self.nodes[usize::from(node.number) - 1].routes()?;
            ensure!(
                routes.contains(&NODES[2].block()),
                "{} lost node3's block:\n{routes}",
                node.name
            );
        }
        story.claim("the other nodes keep node3's block meanwhile (graceful restart)");
        let Some(Daemon::Ours(bgpd)) = self.daemons.get_mut(2) else {
            bail!("node3 runs ours");
        };
        bgpd.restart()?;
        for address in self.neighbors(&NODES[2]) {
            self.bgpd(2)?.wait_established(address)?;
        }
        until("node3 has converged", PATIENCE, || {
            let log = self.bgpd(2)?.log();
            ensure!(
                log.matches("stale kernel routes are removed").count() >= 2,
                "it has not swept yet"
            );
            Ok(())
        })?;
        self.has_all_routes(&NODES[2])?;
        self.has_all_ipv6_routes(&NODES[2])?;
        story.claim("started again: it took over its kernel routes, its sessions are back, it has converged");
        std::thread::sleep(Duration::from_millis(500));
        let mut sent = 0;
        for (plan, flow) in running.iter().zip(flows) {
            let report = flow.finish()?;
            ensure!(
                report.lost.is_empty(),
                "{}: {} of {} packets lost: {:?}; kernel routes meanwhile:\n{}",
                plan.name,
                report.lost.len(),
                report.sent,
                report.lost,
                changes.iter().map(Process::log).collect::<String>()
            );
            sent += report.sent;
        }
        story.claim(&format!(
            "{sent} packets meanwhile, {RATE} a second in each of {} flows: none lost",
            running.len()
        ));
        Ok(())
    }

    /// What becomes of the nodes' kernel routes.
    fn watch_routes(&self) -> Result<Vec<Process>> {
        let nodes = self.nodes.iter();
        let watch = nodes.map(|node| {
            let mut ip = node.command("ip");
            node.start(ip.args(["-t", "monitor", "route", "neigh"]), "monitor")
        });
        watch.collect()
    }

    /// The power fails: no good-bye on any connection.
    pub(super) fn loses_a_node(&mut self, story: &mut Story) -> Result<()> {
        scene("node2 loses its power");
        let changes = self.watch_routes()?;
        self.router.ip("link set node2 down")?;
        match self.daemons.get_mut(1).context("node2 has a daemon")? {
            Daemon::Ours(bgpd) => bgpd.process().kill()?,
            Daemon::Bird(bird) => bird.process().kill()?,
            Daemon::Frr(frr) => frr.process().kill()?,
        }
        for number in [0, 2] {
            for block in [NODES[1].block(), NODES[1].block6()] {
                self.nodes[number].wait_route(&block, "")?;
            }
        }
        story.claim("its block has left the kernels of the other nodes (hold time 6 s)");
        self.tor_has_blocks(&[1, 3])?;
        story.claim("and that of the ToR, which keeps the other blocks");
        for number in [0, 2] {
            show(
                NODES[number].name,
                "ip route show proto bird",
                &self.nodes[number].ip_output("route show proto bird")?,
            );
        }
        let mut plans = vec![self.flow_between(0, 2)?, self.flow_from_tor(2)?];
        if self.options.is_dual() {
            plans.push(self.flow6_between(0, 2)?);
        }
        let sent = self.all_arrive(&plans).with_context(|| {
            let changes: String = changes.iter().map(Process::log).collect();
            format!("kernel routes meanwhile:\n{changes}")
        })?;
        story.claim(&format!(
            "what is left carries traffic: {sent} packets, none lost"
        ));
        Ok(())
    }

    fn ours(&self) -> impl Iterator<Item = (&Node, &Bgpd)> {
        NODES
            .iter()
            .zip(&self.daemons)
            .filter_map(|(node, daemon)| match daemon {
                Daemon::Ours(bgpd) => Some((node, &**bgpd)),
                Daemon::Bird(_) | Daemon::Frr(_) => None,
            })
    }

    fn bgpd(&self, number: usize) -> Result<&Bgpd> {
        match self.daemons.get(number) {
            Some(Daemon::Ours(bgpd)) => Ok(bgpd),
            _ => bail!("{} runs another daemon", NODES[number].name),
        }
    }

    fn neighbors(&self, node: &Node) -> Vec<&'static str> {
        let tor = node.has_tor.then_some(TOR);
        let peers = config::peers(self.options, node).into_iter();
        let peers = peers.map(|(_, address)| address).chain(tor);
        if !self.options.is_dual() {
            return peers.collect();
        }
        let with_both = peers.flat_map(|address| [address, beside(address)]);
        with_both.collect()
    }

    /// The same of IPv6: nothing of it is in a tunnel.
    fn has_all_ipv6_routes(&self, node: &Node) -> Result<()> {
        if !self.options.is_dual() {
            return Ok(());
        }
        let netns = &self.nodes[usize::from(node.number) - 1];
        let router = if node.has_tor { TOR6 } else { node.gateway6 };
        netns.wait_route_with(
            config::SERVICE6,
            &format!("via {router} dev eth0 proto bird"),
        )?;
        for other in &NODES {
            let way = if other.number == node.number {
                "dev lo proto bird".to_owned()
            } else if other.gateway6 == node.gateway6 {
                format!("via {} dev eth0 proto bird", other.address6)
            } else {
                format!("via {} dev eth0 proto bird", node.gateway6)
            };
            netns.wait_route_with(&other.block6(), &way)?;
        }
        Ok(())
    }

    /// Waits until a node's kernel routes are exactly as they have to be.
    fn has_all_routes(&self, node: &Node) -> Result<()> {
        let netns = &self.nodes[usize::from(node.number) - 1];
        let wanted = self.wanted_routes(node);
        until(&format!("the routes of {}", node.name), PATIENCE, || {
            let routes = netns.routes()?;
            for line in &wanted {
                let found = routes.lines().any(|route| match line.strip_suffix(" via") {
                    Some(block) => route.starts_with(block) && route.contains(" via "),
                    None => route.split_whitespace().eq(line.split_whitespace()),
                });
                ensure!(found, "`{line}` is not in\n{routes}");
            }
            Ok(())
        })
    }

    fn wanted_routes(&self, node: &Node) -> Vec<String> {
        let is_foreign = !matches!(
            self.daemons.get(usize::from(node.number) - 1),
            Some(Daemon::Ours(_))
        );
        let mut lines = Vec::new();
        if !is_foreign {
            lines.push(format!("blackhole {} proto bird", node.block()));
            let router = if node.has_tor { TOR } else { node.gateway };
            lines.push(format!(
                "{} via {router} dev eth0 proto bird",
                config::SERVICE
            ));
            for other in NODES.iter().filter(|other| other.name != node.name) {
                let same = other.gateway == node.gateway;
                let (block, address) = (other.block(), other.address);
                lines.push(match self.options.encap {
                    Encap::Vxlan => {
                        format!("{block} via {address} dev vxlan.calico proto bird onlink")
                    }
                    Encap::Ipip => format!("{block} via {address} dev tunl0 proto bird onlink"),
                    Encap::CrossSubnet if !same => {
                        format!("{block} via {address} dev tunl0 proto bird onlink")
                    }
                    Encap::Never if !same => {
                        format!("{block} via {} dev eth0 proto bird", node.gateway)
                    }
                    Encap::Never | Encap::CrossSubnet => {
                        format!("{block} via {address} dev eth0 proto bird")
                    }
                });
            }
        }
        // Another daemon's routes look otherwise, but they are there.
        for other in NODES
            .iter()
            .filter(|other| is_foreign && other.name != node.name)
        {
            lines.push(format!("{} via", other.block()));
        }
        for last in PODS {
            let (pod, cali) = (node.pod(last), node.cali(last));
            lines.push(format!("{pod} dev {cali} scope link"));
        }
        lines
    }

    /// The switch has these nodes' blocks in its kernel, and no others.
    fn tor_has_blocks(&self, numbers: &[u8]) -> Result<()> {
        until("the routes of the ToR", PATIENCE, || {
            let routes = self.tor.ip_output("route show proto bird")?
                + &self.tor.ip_output("-6 route show proto bird")?;
            for node in &NODES {
                let wanted = numbers.contains(&node.number);
                let block6 = self.options.is_dual().then(|| node.block6());
                for block in [node.block()].into_iter().chain(block6) {
                    let found = routes.contains(&block);
                    ensure!(found == wanted, "{block} {wanted}:\n{routes}");
                }
                // Nor is one that is gone still half of the way to others: BIRD changes its routes one by one.
                for address in [node.address, node.address6] {
                    let via = format!("via {address} ");
                    ensure!(wanted || !routes.contains(&via), "{via}:\n{routes}");
                }
            }
            Ok(())
        })
    }

    fn packets_through(&self, node: usize, device: &str) -> Result<u64> {
        let text = self.nodes[node].ip_output(&format!("-s -j link show dev {device}"))?;
        let json: serde_json::Value = serde_json::from_str(&text)?;
        let count = json
            .pointer("/0/stats64/tx/packets")
            .and_then(serde_json::Value::as_u64);
        count.with_context(|| text.clone())
    }

    fn flow_between(&self, from: usize, to: usize) -> Result<Plan> {
        let (here, there) = (NODES[from].pod(2), NODES[to].pod(3));
        Plan::new(&self.pods[from][0], &here, &self.pods[to][1], &there)
    }

    fn flow6_between(&self, from: usize, to: usize) -> Result<Plan> {
        let (here, there) = (NODES[from].pod6(2), NODES[to].pod6(3));
        Plan::new(&self.pods[from][0], &here, &self.pods[to][1], &there)
    }

    fn flow_from_tor(&self, to: usize) -> Result<Plan> {
        Plan::new(
            &self.tor,
            SERVICE_HOST,
            &self.pods[to][1],
            &NODES[to].pod(3),
        )
    }

    /// Twenty packets of each, there and back, one flow behind the other.
    fn all_arrive(&self, plans: &[Plan]) -> Result<u32> {
        let mut sent = 0;
        for plan in plans {
            let flow = plan.start(RATE)?;
            std::thread::sleep(Duration::from_millis(200));
            let report = flow.finish()?;
            ensure!(
                report.lost.is_empty() && report.sent > 0,
                "{} ({}): {} of {} packets lost: {:?}",
                plan.name,
                self.options.describe(),
                report.lost.len(),
                report.sent,
                report.lost
            );
            sent += report.sent;
        }
        Ok(sent)
    }
}

/// The IPv6 address of one who has an IPv4 address.
fn beside(address: &str) -> &'static str {
    let node = NODES.iter().find(|node| node.address == address);
    match node {
        Some(node) => node.address6,
        None if address == TOR => TOR6,
        None => REFLECTOR6,
    }
}

/// From where to where.
struct Plan {
    name: String,
    from: (Netns, SocketAddr),
    echo: (Echo, SocketAddr),
}

impl Plan {
    fn new(from: &Netns, here: &str, to: &Netns, there: &str) -> Result<Self> {
        let port = PORT.fetch_add(1, Ordering::Relaxed);
        let there = SocketAddr::new(there.parse()?, port);
        Ok(Self {
            name: format!("{here} to {there}"),
            from: (from.clone(), SocketAddr::new(here.parse()?, 0)),
            echo: (Echo::start(to, there)?, there),
        })
    }

    fn start(&self, rate: u32) -> Result<Flow> {
        Flow::start(&self.from.0, self.from.1, self.echo.1, rate)
    }
}
