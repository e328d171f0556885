// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Long-lived graceful restart (RFC 9494) with BIRD, FRR and GoBGP: they keep our routes long after we have gone, and we
//! theirs, each as the last choice and marked so.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{
    Bgpd, Bird, Frr, GoBgp, Lab, Netns,
    config::{self, EBGP},
    until,
};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

/// Two seconds of an ordinary restart, then an hour.
const KEYS: &str = "graceful-restart = { restart-time = 2 }
afi-safis = [{ afi-safi-name = \"ipv4-unicast\", long-lived-graceful-restart = { enabled = true, restart-time = 3600 } }]";

/// We at 10.0.0.1 and 10.0.1.1, whoever it is at 10.0.0.2, and at 10.0.1.2 a BIRD that knows nothing of long-lived routes.
struct Scene {
    us: Bgpd,
    b: Netns,
    listener: Bird,
    _lab: Lab,
}

impl Scene {
    fn start() -> Result<Self> {
        let lab = Lab::new("llgr")?;
        let (a, b, c) = lab.three()?;
        let ours = config::ours_with(64513, KEYS)
            + &config::neighbor("10.0.1.2", 64514, "")
            + &config::blackhole("10.1.0.0/16")
            + "[fib]\n";
        let lines =
            "long lived graceful restart off;".to_owned() + &config::bird_channel("ipv4", "");
        let ends = [("10.0.1.2", 64514), ("10.0.1.1", 64512)];
        let listener = config::bird("10.0.1.2", &[]) + &config::bird_session(ends, &lines);
        Ok(Self {
            us: Bgpd::start(&a, &ours)?,
            listener: Bird::start(&c, &listener)?,
            b,
            _lab: lab,
        })
    }

    /// Their routes are here and have been told.
    fn begins(&self) -> Result<()> {
        for prefix in ["10.2.0.0/16", "10.3.0.0/16"] {
            self.us.wait_best(prefix, &json!({ "communities": [] }))?;
            self.listener.wait_route(prefix)?;
        }
        Ok(())
    }

    /// We are away for longer than a restart takes, and come back.
    fn we_go(&mut self, is_marked: impl Fn() -> Result<bool>) -> Result<()> {
        let wait = |what: &str, wanted: bool| {
            until(what, SOON, || {
                let found = is_marked()?;
                ensure!(found == wanted, "marked: {found}");
                Ok(())
            })
        };
        wait("they have our route", false)?;
        self.us.process().kill()?;
        wait("they keep it as the last choice", true)?;
        self.us.restart()?;
        wait("they have it anew", false)?;
        self.begins()
    }

    /// They have been killed.
    fn they_have_gone(&self) -> Result<()> {
        for prefix in ["10.2.0.0/16", "10.3.0.0/16"] {
            self.us
                .wait_best(prefix, &json!({ "communities": ["llgr-stale"] }))?;
            // One who does not know what that means hears no more of it.
            self.listener.wait_no_route(prefix)?;
        }
        let neighbor = self.us.json(&["neighbor", "10.0.0.2"])?;
        let stale = &neighbor["families"][0]["stale"];
        let left = stale["seconds_left"].as_u64();
        ensure!(
            stale["long_lived"] == true && left.is_some_and(|left| (3500..=3600).contains(&left)),
            "{neighbor}"
        );
        let text = self.us.ctl(&["neighbor", "10.0.0.2"])?;
        ensure!(text.contains("long-lived stale, kept for 3"), "{text}");
        // Anything else is better, and is told.
        self.us
            .add_route("10.2.0.0/16 --blackhole --as-path 65010")?;
        self.listener.wait_route("10.2.0.0/16")?;
        self.us.ctl(&["route", "del", "10.2.0.0/16"])?;
        self.listener.wait_no_route("10.2.0.0/16")
    }

    /// They are back with one route of the two.
    fn they_are_back(&self) -> Result<()> {
        self.us
            .wait_best("10.2.0.0/16", &json!({ "communities": [] }))?;
        self.listener.wait_route("10.2.0.0/16")?;
        self.us.wait_no_route("10.3.0.0/16")?;
        let neighbor = self.us.json(&["neighbor", "10.0.0.2"])?;
        ensure!(neighbor["families"][0]["stale"].is_null(), "{neighbor}");
        Ok(())
    }
}

#[test]
#[ignore = "needs netns"]
fn bird_and_we_keep_each_others_routes_for_long() -> Result<()> {
    let mut scene = Scene::start()?;
    let theirs = |routes: &[&str]| {
        let lines =
            "graceful restart on; graceful restart time 2; long lived graceful restart on;\n\
             long lived stale time 3600;"
                .to_owned()
                + &config::bird_channel("ipv4", "");
        config::bird("10.0.0.2", routes) + &config::bird_session(EBGP, &lines)
    };
    let mut bird = Bird::start(&scene.b, &theirs(&["10.2.0.0/16", "10.3.0.0/16"]))?;
    scene.begins()?;
    scene.we_go(|| {
        let text = bird.ctl("show route for 10.1.0.0/16 all")?;
        ensure!(text.contains("10.1.0.0/16"), "{text}");
        Ok(text.contains("(65535,6)"))
    })?;
    bird.process().kill()?;
    scene.they_have_gone()?;
    drop(bird);
    let _bird = Bird::start(&scene.b, &theirs(&["10.2.0.0/16"]))?;
    scene.they_are_back()
}

#[test]
#[ignore = "needs netns"]
fn frr_and_we_keep_each_others_routes_for_long() -> Result<()> {
    let mut scene = Scene::start()?;
    let theirs = |routes: &[&str]| {
        let neighbors = [("10.0.0.1", 64512)];
        config::frr(64513, "10.0.0.2", &neighbors)
            + " bgp graceful-restart\n bgp graceful-restart restart-time 2\n \
               bgp long-lived-graceful-restart stale-time 3600\n"
            + &config::frr_family("ipv4", routes)
    };
    let both = ["network 10.2.0.0/16", "network 10.3.0.0/16"];
    let mut frr = Frr::start_with_zebra(&scene.b, &theirs(&both))?;
    scene.begins()?;
    scene.we_go(|| {
        let path = frr.path("10.1.0.0/16")?;
        let communities = path["community"]["string"].as_str().unwrap_or_default();
        Ok(communities.contains("llgr-stale"))
    })?;
    frr.process().kill()?;
    scene.they_have_gone()?;
    drop(frr);
    let _frr = Frr::start_with_zebra(&scene.b, &theirs(&both[..1]))?;
    scene.they_are_back()
}

#[test]
#[ignore = "needs netns"]
fn gobgp_and_we_keep_each_others_routes_for_long() -> Result<()> {
    let mut scene = Scene::start()?;
    let restarts = "graceful-restart = { config = { enabled = true, restart-time = 2, long-lived-enabled = true } }\n";
    let long = "mp-graceful-restart = { config = { enabled = true } }\n\
         long-lived-graceful-restart = { config = { enabled = true, restart-time = 3600 } }";
    let theirs = config::gobgp(64513, "10.0.0.2")
        + &config::gobgp_neighbor("10.0.0.1", 64512)
        + restarts
        + &config::gobgp_family("ipv4-unicast", long);
    let mut gobgp = GoBgp::start(&scene.b, &theirs)?;
    for prefix in ["10.2.0.0/16", "10.3.0.0/16"] {
        gobgp.ctl(&format!("global rib add -a ipv4 {prefix} nexthop 10.0.0.2"))?;
    }
    scene.begins()?;
    scene.we_go(|| {
        gobgp.wait_route("10.1.0.0/16")?;
        let text = gobgp.ctl("-j global rib -a ipv4 10.1.0.0/16")?;
        Ok(text.contains("4294901766"))
    })?;
    gobgp.process().kill()?;
    scene.they_have_gone()?;
    drop(gobgp);
    let gobgp = GoBgp::start(&scene.b, &theirs)?;
    gobgp.ctl("global rib add -a ipv4 10.2.0.0/16 nexthop 10.0.0.2")?;
    scene.they_are_back()
}
