// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Graceful restart of a session with path identifiers (RFC 4724, RFC 7911), of either end, with BIRD and FRR: the kernel of
//! the other end never loses the prefix, and identifiers that nobody uses any more go.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Bird, Frr, Lab, Monitor, Netns, config, until};

const SOON: Duration = Duration::from_secs(30);

/// What it may take to write a route anew; to learn it anew takes a second at least.
const BLINK: Duration = Duration::from_millis(100);

/// 10.0.0.3, in AS 64514, has two ways to each of two prefixes: the first prefix we are told, the second the daemon at
/// 10.0.0.2, which tells us both ways as we tell it. That it could restart
/// gracefully makes BIRD wait for its table before it tells others that it has all.
const FEEDER: &str = "
router id 10.0.0.3;
protocol device {}
protocol static one { ipv4 { preference 100; };
  route 10.8.0.0/16 blackhole { bgp_path.prepend(65001); }; route 10.9.0.0/16 blackhole { bgp_path.prepend(65001); }; }
protocol static two { ipv4 { preference 90; };
  route 10.8.0.0/16 blackhole { bgp_path.prepend(65002); }; route 10.9.0.0/16 blackhole { bgp_path.prepend(65002); }; }
template bgp feed { local 10.0.0.3 as 64514; connect retry time 1; connect delay time 1; error wait time 1, 2;
  graceful restart on; }
protocol bgp to_us from feed { neighbor 10.0.0.1 as 64512;
  ipv4 { import none; export where net = 10.8.0.0/16; add paths tx; }; }
protocol bgp to_them from feed { neighbor 10.0.0.2 as 64513;
  ipv4 { import none; export where net = 10.9.0.0/16; add paths tx; }; }
";

struct Scene {
    us: Bgpd,
    feeder: Bird,
    /// Ours, and that of the other daemon.
    hosts: [Netns; 2],
    _lab: Lab,
}

/// The last ASes of paths.
type Origins = BTreeSet<String>;

fn origins(paths: impl IntoIterator<Item = impl AsRef<str>>) -> Origins {
    let last = |path: &str| path.split_whitespace().next_back().map(str::to_owned);
    paths
        .into_iter()
        .filter_map(|path| last(path.as_ref()))
        .collect()
}

impl Scene {
    fn start() -> Result<Self> {
        let lab = Lab::new("gradd")?;
        let [us, other, feeder] = <[Netns; 3]>::try_from(lab.lan(3)?).ok().context("three")?;
        let both = "add-paths = { receive = true, send = \"all\" }";
        let ours = config::ours_with(64513, both)
            + &config::neighbor("10.0.0.3", 64514, "add-paths = { receive = true }")
            + "[fib]\n";
        Ok(Self {
            us: Bgpd::start(&us, &ours)?,
            feeder: Bird::start(&feeder, FEEDER)?,
            hosts: [us, other],
            _lab: lab,
        })
    }

    /// What the other daemon has told us.
    fn here(&self) -> Result<Origins> {
        let routes = self.us.json(&["neighbor", "10.0.0.2", "adj-in"])?;
        let routes = routes.as_array().context("a list")?.iter();
        let routes = routes.filter(|route| route["prefix"] == "10.9.0.0/16");
        let paths: Vec<&str> = routes
            .filter_map(|route| route["as_path"].as_str())
            .collect();
        let found = origins(&paths);
        ensure!(found.len() == paths.len(), "twice the same: {paths:?}");
        Ok(found)
    }

    /// We die, one of the two ways goes meanwhile, and we come back.
    fn we_restart(&mut self, there: impl Fn() -> Result<Origins>) -> Result<()> {
        have("the other daemon", &["65001", "65002"], &there)?;
        self.hosts[1].wait_route_with("10.8.0.0/16", "via")?;
        let monitor = Monitor::start(&self.hosts[1])?;
        self.us.process().kill()?;
        self.feeder.ctl("disable one")?;
        ensure!(there()? == origins(["65001", "65002"]), "both are kept");
        self.us.restart()?;
        have("the other daemon", &["65002"], &there)?;
        self.feeder.ctl("enable one")?;
        have("the other daemon", &["65001", "65002"], &there)?;
        // BIRD replaces a route in two steps.
        let gap = monitor.longest_gap("10.8.0.0/16")?;
        ensure!(gap < BLINK, "{gap:?}: {}", monitor.log());
        Ok(())
    }

    /// The same of them.
    fn they_restart<T>(
        &self,
        mut daemon: T,
        kill: impl Fn(&mut T) -> Result<()>,
        again: impl Fn() -> Result<T>,
    ) -> Result<T> {
        have("we", &["65001", "65002"], || self.here())?;
        self.hosts[0].wait_route_with("10.9.0.0/16", "via")?;
        let monitor = Monitor::start(&self.hosts[0])?;
        kill(&mut daemon)?;
        drop(daemon);
        self.us.wait_down("10.0.0.2")?;
        self.feeder.ctl("disable one")?;
        ensure!(self.here()? == origins(["65001", "65002"]), "both are kept");
        let neighbor = self.us.json(&["neighbor", "10.0.0.2"])?;
        let stale = &neighbor["families"][0]["stale"];
        ensure!(stale["long_lived"] == false, "{neighbor}");
        let daemon = again()?;
        have("we", &["65002"], || self.here())?;
        self.feeder.ctl("enable one")?;
        have("we", &["65001", "65002"], || self.here())?;
        let gap = monitor.longest_gap("10.9.0.0/16")?;
        ensure!(
            gap.is_zero(),
            "{gap:?}: {}\n{}",
            monitor.log(),
            std::fs::read_to_string(self.hosts[1].file("bird.log"))?
        );
        Ok(daemon)
    }
}

fn have(who: &str, wanted: &[&str], found: impl Fn() -> Result<Origins>) -> Result<()> {
    until(&format!("{who} have {wanted:?}"), SOON, || {
        let found = found()?;
        ensure!(found == origins(wanted), "{found:?}");
        Ok(())
    })
}

#[test]
#[ignore = "needs netns"]
fn of_two_paths_none_is_lost_when_bird_or_we_restart() -> Result<()> {
    let mut scene = Scene::start()?;
    let session = |name: &str, peer: &str, asn: u32, lines: &str| {
        let lines = format!("graceful restart on; {lines}");
        config::bird_session([("10.0.0.2", 64513), (peer, asn)], &lines)
            .replace("bgp ours", &format!("bgp {name}"))
    };
    let theirs = config::bird("10.0.0.2", &[])
        + "protocol direct { ipv4; }\n\
           protocol kernel { persist; merge paths on; ipv4 { import none; export where source = RTS_BGP; }; }\n"
        + &session(
            "ours",
            "10.0.0.1",
            64512,
            "ipv4 { import all; export where net = 10.9.0.0/16; add paths on; };",
        )
        + &session(
            "feed",
            "10.0.0.3",
            64514,
            "ipv4 { import all; export none; add paths on; };",
        );
    let host = scene.hosts[1].clone();
    let bird = Bird::start(&host, &theirs)?;
    scene.we_restart(|| {
        let text = bird.ctl("show route for 10.8.0.0/16 all protocol ours")?;
        let paths: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("BGP.as_path:"))
            .collect();
        let found = origins(&paths);
        ensure!(found.len() == paths.len(), "twice the same: {text}");
        Ok(found)
    })?;
    let again = || Bird::start_again(&host, &theirs);
    scene.they_restart(bird, |bird| bird.process().kill(), again)?;
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn of_two_paths_none_is_lost_when_frr_or_we_restart() -> Result<()> {
    let mut scene = Scene::start()?;
    let theirs = config::frr(
        64513,
        "10.0.0.2",
        &[("10.0.0.1", 64512), ("10.0.0.3", 64514)],
    ) + " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n"
        + &config::frr_family("ipv4", &["neighbor 10.0.0.1 addpath-tx-all-paths"]);
    let host = scene.hosts[1].clone();
    let frr = Frr::start_with_zebra(&host, &theirs)?;
    scene.we_restart(|| {
        let paths = frr.paths("10.8.0.0/16")?;
        let paths: Vec<&str> = paths
            .iter()
            .filter_map(|path| path["aspath"]["string"].as_str())
            .collect();
        let found = origins(&paths);
        ensure!(found.len() == paths.len(), "twice the same: {paths:?}");
        Ok(found)
    })?;
    let again = || Frr::start_with_zebra(&host, &theirs);
    scene.they_restart(frr, |frr| frr.process().kill(), again)?;
    Ok(())
}
