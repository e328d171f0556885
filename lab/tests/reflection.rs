// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Route reflection (RFC 4456): clients of three makes, clients and others, two reflectors.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{
    Bgpd, Bird, Frr, Lab,
    config::{self, BOTH_FAMILIES},
    until,
};
use serde_json::{Value, json};

/// What a withdrawal may take through two reflectors.
const SOON: Duration = Duration::from_secs(5);

/// Our daemon at 10.0.0.NUMBER, with these iBGP neighbours.
fn ours(number: u8, global: &str, clients: &[u8], others: &[u8]) -> String {
    let neighbor = |peer: &u8, is_client: bool| {
        let keys = format!(
            "route-reflector = {{ route-reflector-client = {is_client} }}\n\
             timers = {{ connect-retry = 1, idle-hold-time-after-reset = 1 }}\n{BOTH_FAMILIES}"
        );
        config::neighbor(&format!("10.0.0.{peer}"), 64512, &keys)
    };
    let clients = clients.iter().map(|peer| neighbor(peer, true));
    let others = others.iter().map(|peer| neighbor(peer, false));
    let neighbors: String = clients.chain(others).collect();
    config::ours(&format!("10.0.0.{number}")) + "shards = 2\n" + global + "\n" + &neighbors
}

/// What an edge announces, for our daemon's configuration.
fn own_route(number: u8) -> String {
    config::blackhole(&format!("10.{number}.0.0/16"))
}

/// BIRD at 10.0.0.NUMBER with `10.NUMBER.0.0/16` and `fd00:NUMBER::/32`, and a session with each of these reflectors.
fn bird(number: u8, reflectors: &[u8]) -> String {
    let address = format!("10.0.0.{number}");
    let channels = config::bird_channel("ipv4", "next hop self;")
        + &config::bird_channel("ipv6", &format!("next hop address fd00::{number};"));
    let session = |text: String, peer: &u8| {
        let ends = [(&*address, 64512), (&format!("10.0.0.{peer}"), 64512)];
        let session = config::bird_session(ends, &channels);
        text + &session.replace("bgp ours", &format!("bgp rr{peer}"))
    };
    let routes = [
        &*format!("10.{number}.0.0/16"),
        &format!("fd00:{number}::/32"),
    ];
    let head = config::bird(&address, &routes);
    reflectors.iter().fold(head, session)
}

fn frr(number: u8, reflector: u8) -> String {
    let neighbor = format!("10.0.0.{reflector}");
    config::frr(64512, &format!("10.0.0.{number}"), &[(&neighbor, 64512)])
        + &config::frr_family("ipv4", &[&format!("network 10.{number}.0.0/16")])
}

/// BIRD has the route of 10.0.0.ORIGIN as it was announced, through these reflectors.
fn bird_has(bird: &Bird, origin: u8, clusters: &str) -> Result<()> {
    let text = bird.wait_route(&format!("10.{origin}.0.0/16"))?;
    for line in [
        format!("BGP.next_hop: 10.0.0.{origin}\n"),
        format!("BGP.originator_id: 10.0.0.{origin}\n"),
        format!("BGP.cluster_list: {clusters}\n"),
        "BGP.local_pref: 100\n".to_owned(),
        "BGP.as_path: \n".to_owned(),
    ] {
        ensure!(text.contains(&line), "no {line:?} in {text}");
    }
    Ok(())
}

/// The same of our daemon.
fn bgpd_has(us: &Bgpd, origin: u8, clusters: &[&str]) -> Result<()> {
    let route = us.route(&format!("10.{origin}.0.0/16"))?;
    let address = format!("10.0.0.{origin}");
    ensure!(
        route["next_hop"] == address && route["originator_id"] == address,
        "{route}"
    );
    ensure!(route["cluster_list"] == json!(clusters), "{route}");
    ensure!(
        route["local_pref"] == 100 && route["as_path"] == "",
        "{route}"
    );
    Ok(())
}

/// The same of FRR.
fn frr_has(frr: &Frr, origin: u8, cluster: &str) -> Result<()> {
    let prefix = format!("10.{origin}.0.0/16");
    frr.wait_route(&prefix)?;
    let path = frr.path(&prefix)?;
    let address = format!("10.0.0.{origin}");
    ensure!(
        path["nexthops"][0]["ip"] == address && path["originatorId"] == address,
        "{path}"
    );
    ensure!(path["clusterList"]["list"] == json!([cluster]), "{path}");
    ensure!(path["locPrf"] == 100 || path["localpref"] == 100, "{path}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn clients_hear_of_everybody_and_the_others_of_clients_only() -> Result<()> {
    let lab = Lab::new("refl")?;
    let hosts = lab.lan(6)?;
    let rr = Bgpd::start(&hosts[0], &ours(1, "", &[2, 3, 4], &[5, 6]))?;
    let bird2 = Bird::start(&hosts[1], &bird(2, &[1]))?;
    let frr3 = Frr::start_with_zebra(&hosts[2], &frr(3, 1))?;
    let bgpd4 = Bgpd::start(&hosts[3], &(ours(4, "", &[], &[1]) + &own_route(4)))?;
    let bird5 = Bird::start(&hosts[4], &bird(5, &[1]))?;
    let bgpd6 = Bgpd::start(&hosts[5], &(ours(6, "", &[], &[1]) + &own_route(6)))?;
    for number in 2..=6 {
        rr.wait_established(&format!("10.0.0.{number}"))?;
        rr.wait_route(&format!("10.{number}.0.0/16"))?;
    }

    for origin in [3, 4, 5, 6] {
        bird_has(&bird2, origin, "10.0.0.1")?;
    }
    for origin in [2, 4, 5, 6] {
        frr_has(&frr3, origin, "10.0.0.1")?;
    }
    for origin in [2, 3, 5, 6] {
        bgpd_has(&bgpd4, origin, &["10.0.0.1"])?;
    }
    for origin in [2, 3, 4] {
        bird_has(&bird5, origin, "10.0.0.1")?;
        bgpd_has(&bgpd6, origin, &["10.0.0.1"])?;
    }
    let route = bgpd4.route("fd00:2::/32")?;
    ensure!(
        route["next_hop"] == "fd00::2" && route["originator_id"] == "10.0.0.2",
        "{route}"
    );

    // What came from one that is no client went to clients, and by now it would have gone to the other as well.
    let text = bird5.ctl("show route 10.6.0.0/16").unwrap_or_default();
    ensure!(!text.contains("10.0.0.6"), "{text}");
    bgpd6.wait_no_route("10.5.0.0/16")?;
    // Nor does a client hear its own route.
    let own = bgpd4.json(&["route", "10.4.0.0/16"])?;
    ensure!(own.as_array().map(Vec::len) == Some(1), "{own}");
    let told = rr.json(&["neighbor", "10.0.0.4", "adj-out"])?;
    ensure!(!told.to_string().contains("10.4.0.0/16"), "{told}");
    Ok(())
}

/// Two reflectors that peer with each other, with the clients BIRD (10.0.0.3) and bgpd (10.0.0.4) at both.
struct Pair {
    rr: [Bgpd; 2],
    bird: Bird,
    bgpd: Bgpd,
}

impl Pair {
    fn start(lab: &Lab, clusters: [&str; 2]) -> Result<Self> {
        let hosts = lab.lan(4)?;
        let reflector = |number: u8| {
            let cluster = clusters[usize::from(number) - 1];
            let global = format!("cluster-id = \"{cluster}\"");
            let config = ours(number, &global, &[3, 4], &[3 - number]);
            Bgpd::start(&hosts[usize::from(number) - 1], &config)
        };
        let pair = Self {
            rr: [reflector(1)?, reflector(2)?],
            bird: Bird::start(&hosts[2], &bird(3, &[1, 2]))?,
            bgpd: Bgpd::start(&hosts[3], &(ours(4, "", &[], &[1, 2]) + &own_route(4)))?,
        };
        for (rr, other) in pair.rr.iter().zip(["10.0.0.2", "10.0.0.1"]) {
            rr.wait_established(other)?;
            rr.wait_established("10.0.0.3")?;
            rr.wait_established("10.0.0.4")?;
        }
        Ok(pair)
    }

    /// UPDATEs that the reflectors have got, of all neighbours.
    fn updates(&self) -> Result<Vec<Value>> {
        let mut counts = Vec::new();
        for rr in &self.rr {
            let neighbors = rr.json(&["neighbor"])?;
            for neighbor in neighbors.as_array().context("neighbours")? {
                counts.push(neighbor["messages_received"]["update"].clone());
            }
        }
        Ok(counts)
    }

    /// From now on nobody says anything any more.
    fn falls_silent(&self) -> Result<()> {
        until("all is said", SOON, || {
            let before = self.updates()?;
            std::thread::sleep(Duration::from_secs(1));
            let after = self.updates()?;
            ensure!(before == after, "{before:?}, a second later {after:?}");
            Ok(())
        })
    }

    /// The client's route is gone everywhere, and does not come back.
    fn forgets_bird(&self) -> Result<()> {
        self.bird.ctl("disable all")?;
        for daemon in self.rr.iter().chain([&self.bgpd]) {
            until("the route is gone", SOON, || {
                daemon.wait_no_route("10.3.0.0/16")
            })?;
        }
        self.falls_silent()?;
        for daemon in self.rr.iter().chain([&self.bgpd]) {
            let routes = daemon.json(&["route"])?.to_string();
            ensure!(!routes.contains("10.3.0.0/16"), "{routes}");
        }
        Ok(())
    }
}

#[test]
#[ignore = "needs netns"]
fn two_reflectors_of_one_cluster_take_nothing_reflected_from_each_other() -> Result<()> {
    let lab = Lab::new("refl")?;
    let pair = Pair::start(&lab, ["10.0.0.99", "10.0.0.99"])?;
    for rr in &pair.rr {
        let route = rr.route("10.3.0.0/16")?;
        ensure!(
            route["neighbor"] == "10.0.0.3" && route["cluster_list"] == json!([]),
            "{route}"
        );
    }
    bgpd_has(&pair.bgpd, 3, &["10.0.0.99"])?;
    bird_has(&pair.bird, 4, "10.0.0.99")?;
    pair.falls_silent()?;

    // Without its session, the first one has only what the second reflects: that is its own cluster's (RFC 4456 §8).
    pair.bird.ctl("disable rr1")?;
    until("the route is gone", SOON, || {
        pair.rr[0].wait_no_route("10.3.0.0/16")
    })?;
    bgpd_has(&pair.bgpd, 3, &["10.0.0.99"])?;
    pair.bird.ctl("enable rr1")?;
    pair.rr[0].wait_route("10.3.0.0/16")?;
    pair.forgets_bird()
}

#[test]
#[ignore = "needs netns"]
fn two_reflectors_of_two_clusters_stand_in_for_each_other() -> Result<()> {
    let lab = Lab::new("refl")?;
    let pair = Pair::start(&lab, ["10.0.0.91", "10.0.0.92"])?;
    pair.falls_silent()?;
    pair.bird.ctl("disable rr1")?;
    until("the detour", SOON, || {
        let route = pair.rr[0].route("10.3.0.0/16")?;
        ensure!(
            route["neighbor"] == "10.0.0.2" && route["cluster_list"] == json!(["10.0.0.92"]),
            "{route}"
        );
        ensure!(route["next_hop"] == "10.0.0.3", "{route}");
        Ok(())
    })?;
    // The client has both ways; the shorter list of clusters wins (RFC 4456 §9).
    until("the longer list of clusters", SOON, || {
        let routes = pair.bgpd.json(&["route", "10.3.0.0/16"])?;
        let lists: Vec<&Value> = routes
            .as_array()
            .into_iter()
            .flatten()
            .map(|route| &route["cluster_list"])
            .collect();
        ensure!(
            lists == [&json!(["10.0.0.92"]), &json!(["10.0.0.91", "10.0.0.92"])],
            "{routes}"
        );
        Ok(())
    })?;
    pair.falls_silent()?;
    pair.forgets_bird()
}
