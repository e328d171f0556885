// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Next hops that are not on a link: through the kernel's routes, through other neighbours' routes, and what follows when
//! the way to them changes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Bird, Lab, Monitor, Netns, config, time_of_day, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// How long the kernel may have the old way after the way to a next hop has changed.
const REACTION: Duration = Duration::from_millis(50);

/// Two routers behind us, each with an address (192.0.2.1 and 192.0.2.2) that only the kernel's routes lead to, from which
/// it is our iBGP neighbour, and both with 10.9.0.0/16.
struct Site {
    _lab: Lab,
    us: Netns,
    bgpd: Bgpd,
    routers: [Bird; 2],
}

impl Site {
    fn build(extra: &str) -> Result<Self> {
        let lab = Lab::new("hop")?;
        let us = lab.netns("us")?;
        let mut routers = Vec::new();
        us.ip("addr add 192.0.2.100/32 dev lo")?;
        for number in 1..=2 {
            let router = lab.netns(&format!("r{number}"))?;
            lab.cable((&us, &format!("eth{number}")), (&router, "eth0"))?;
            us.ip(&format!("addr add 10.0.{number}.1/24 dev eth{number}"))?;
            router.ip(&format!("addr add 10.0.{number}.2/24 dev eth0"))?;
            router.ip(&format!("addr add 192.0.2.{number}/32 dev lo"))?;
            router.ip(&format!("route add 192.0.2.100/32 via 10.0.{number}.1"))?;
            routers.push(Bird::start(&router, &router_config(number))?);
        }
        for number in 1..=2 {
            // As an IGP would: both ways to both, the straight one cheaper.
            let cost = number * 10;
            us.ip(&format!(
                "route add 192.0.2.{number}/32 via 10.0.{number}.2 metric {cost} proto static"
            ))?;
        }
        let bgpd = Bgpd::start(&us, &our_config(extra))?;
        bgpd.wait_established("192.0.2.1")?;
        bgpd.wait_established("192.0.2.2")?;
        Ok(Self {
            _lab: lab,
            us,
            bgpd,
            routers: routers.try_into().ok().context("two routers")?,
        })
    }

    fn kernel_has(&self, prefix: &str, wanted: &str) -> Result<()> {
        self.us.wait_route_with(prefix, wanted)
    }

    /// Waits until a next hop is in use that nothing leads to.
    fn unreachable(&self, address: &str) -> Result<()> {
        until(&format!("{address} is unreachable"), SOON, || {
            let all = self.bgpd.json(&["nexthop"])?;
            ensure!(next_hop(&all, address)["reachable"] == false, "{all}");
            Ok(())
        })
    }

    /// The time from a command's effect to that on the route that follows from it, as the kernel tells of both.
    fn reaction(&self, command: &str, wanted: &str) -> Result<Duration> {
        let monitor = Monitor::start(&self.us)?;
        let begun = time_of_day();
        self.us.ip(command)?;
        let effect = monitor.wait(wanted, begun)?;
        let cause = monitor.wait("192.0.2.1 ", begun)?;
        let took = effect.saturating_sub(cause);
        if took > REACTION {
            eprintln!("{command}: {took:?}\n{}", monitor.log());
        }
        Ok(took)
    }
}

fn our_config(extra: &str) -> String {
    ours_with(extra, "recursive")
}

fn ours_with(extra: &str, gateway: &str) -> String {
    let keys = format!(
        "gateway = \"{gateway}\"\ntimers = {{ connect-retry = 1 }}\n\
         transport = {{ local-address = \"192.0.2.100\" }}"
    );
    let fib = format!("[fib]\n{extra}\n");
    config::ours("192.0.2.100")
        + &fib
        + &config::neighbor("192.0.2.1", 64512, &keys)
        + &config::neighbor("192.0.2.2", 64512, &keys)
}

fn router_config(number: u8) -> String {
    let id = format!("192.0.2.{number}");
    let lines = "multihop; ipv4 { import all; export filter { if source != RTS_STATIC then reject;\n\
         if net = 198.51.100.0/24 then bgp_next_hop = 203.0.113.7; accept; }; };";
    config::bird(&id, &["10.9.0.0/16"])
        + "protocol static lower { disabled; ipv4; route 203.0.113.0/24 blackhole; }\n\
           protocol static upper { disabled; ipv4; route 198.51.100.0/24 blackhole; }\n"
        + &config::bird_session([(&id, 64512), ("192.0.2.100", 64512)], lines)
}

fn next_hop(all: &Value, address: &str) -> Value {
    let found = all.as_array().into_iter().flatten();
    let mut found = found.filter(|one| one["address"] == address);
    found.next().cloned().unwrap_or_default()
}

#[test]
#[ignore = "needs netns"]
fn the_nearer_next_hop_wins_and_every_change_is_in_the_kernel_at_once() -> Result<()> {
    let site = Site::build("")?;
    until("both routers' paths", SOON, || {
        let routes = site.bgpd.json(&["route", "10.9.0.0/16"])?;
        ensure!(
            routes.as_array().is_some_and(|all| all.len() == 2),
            "{routes}"
        );
        Ok(())
    })?;
    site.kernel_has("10.9.0.0/16", "via 10.0.1.2 dev eth1")?;
    let all = site.bgpd.json(&["nexthop"])?;
    let first = next_hop(&all, "192.0.2.1");
    ensure!(
        first["gateway"] == "10.0.1.2" && first["cost"] == 10 && first["prefixes"] == 1,
        "{all}"
    );
    // The straight way gets dearer than the other router.
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        site.us
            .ip("route add 192.0.2.1/32 via 10.0.1.2 metric 50 proto static")?;
        let away = site.reaction(
            "route del 192.0.2.1/32 via 10.0.1.2 metric 10",
            "10.9.0.0/16 via 10.0.2.2",
        )?;
        let back = site.reaction(
            "route add 192.0.2.1/32 via 10.0.1.2 metric 10 proto static",
            "10.9.0.0/16 via 10.0.1.2",
        )?;
        site.us
            .ip("route del 192.0.2.1/32 via 10.0.1.2 metric 50")?;
        slowest = slowest.max(away).max(back);
    }
    ensure!(
        slowest < REACTION,
        "the slowest of ten took {slowest:?}, all {:?}",
        begun.elapsed()
    );
    // A link that goes down takes the way with it.
    site.us.ip("link set eth1 down")?;
    site.kernel_has("10.9.0.0/16", "via 10.0.2.2 dev eth2")?;
    let all = site.bgpd.json(&["nexthop"])?;
    ensure!(
        next_hop(&all, "192.0.2.1")["reachable"] == false,
        "the link is down: {all}"
    );
    let text = site.bgpd.ctl(&["nexthop"])?;
    ensure!(text.contains("unreachable"), "{text}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_next_hop_in_another_neighbours_route_is_reached_through_it() -> Result<()> {
    let site = Site::build("")?;
    let [first, second] = &site.routers;
    // The first router announces 198.51.100.0/24 by way of 203.0.113.7, which nothing leads to yet.
    first.ctl("enable upper")?;
    site.unreachable("203.0.113.7")?;
    // The second one brings the network it is in: packets go there.
    second.ctl("enable lower")?;
    site.kernel_has("198.51.100.0/24", "via 10.0.2.2 dev eth2")?;
    let all = site.bgpd.json(&["nexthop"])?;
    let upper = next_hop(&all, "203.0.113.7");
    ensure!(
        upper["gateway"] == "10.0.2.2" && upper["cost"] == 20,
        "{all}"
    );
    // The first one is nearer.
    first.ctl("enable lower")?;
    site.kernel_has("198.51.100.0/24", "via 10.0.1.2 dev eth1")?;
    first.ctl("disable lower")?;
    second.ctl("disable lower")?;
    site.us.wait_route("198.51.100.0/24", "")
}

#[test]
#[ignore = "needs netns"]
fn a_default_route_leads_to_next_hops_only_if_that_is_wanted() -> Result<()> {
    let site = Site::build("resolve-via-default = false")?;
    site.us.ip("route add default via 10.0.2.2")?;
    site.routers[0].ctl("enable upper")?;
    site.unreachable("203.0.113.7")?;
    site.bgpd
        .reload(&our_config("resolve-via-default = true"))?;
    site.kernel_has("198.51.100.0/24", "via 10.0.2.2 dev eth2")
}

#[test]
#[ignore = "needs netns"]
fn packets_go_to_the_neighbour_where_it_is_the_gateway() -> Result<()> {
    let site = Site::build("")?;
    site.routers[1].ctl("enable upper")?;
    site.unreachable("203.0.113.7")?;
    site.bgpd.reload(&ours_with("", "direct"))?;
    // By way of 192.0.2.2, which is this link away.
    site.kernel_has("198.51.100.0/24", "via 10.0.2.2 dev eth2")?;
    let route = site.bgpd.json(&["route", "198.51.100.0/24"])?;
    ensure!(
        route[0]["next_hop"] == "203.0.113.7" && route[0]["target"] == "via 192.0.2.2",
        "what is announced on stays as it was: {route}"
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_restart_removes_no_route_that_is_reached_through_others() -> Result<()> {
    let mut site = Site::build("")?;
    site.routers[0].ctl("enable upper")?;
    site.routers[1].ctl("enable lower")?;
    site.kernel_has("198.51.100.0/24", "via 10.0.2.2 dev eth2")?;
    for _ in 0..5 {
        let monitor = Monitor::start(&site.us)?;
        let sweeps = |bgpd: &Bgpd| {
            bgpd.log()
                .matches("stale kernel routes are removed")
                .count()
        };
        let before = sweeps(&site.bgpd);
        let begun = time_of_day();
        site.bgpd.crash_and_restart()?;
        until("it has converged", SOON, || {
            ensure!(sweeps(&site.bgpd) > before, "{}", site.bgpd.log());
            Ok(())
        })?;
        // What it swept is told before a change that comes later.
        site.us.ip("route add blackhole 192.0.2.77/32")?;
        monitor.wait("192.0.2.77", begun)?;
        site.us.ip("route del blackhole 192.0.2.77/32")?;
        let seen = monitor.finish()?;
        ensure!(
            !seen
                .replace("Deleted blackhole 192.0.2.77", "")
                .contains("Deleted"),
            "{seen}"
        );
    }
    Ok(())
}
