// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several paths of one prefix: from one neighbour (RFC 7911), and from several into the kernel (ECMP).

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{
    Bgpd, Bird, Lab,
    config::{self, NO_RESTART},
    until,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// Our daemon with BIRDs at 10.0.0.2 and, in another subnet, at 10.0.1.2.
fn ours(extra: &str, of_neighbors: &str) -> String {
    let keys = format!("{of_neighbors}\n{NO_RESTART}timers = {{ connect-retry = 1 }}");
    config::ours("10.0.0.1")
        + extra
        + &config::neighbor("10.0.0.2", 64513, &keys)
        + &config::neighbor("10.0.1.2", 64513, &keys)
}

/// BIRD in a subnet, with 10.9.0.0/16.
fn theirs(subnet: u8) -> String {
    let [local, remote] = [2, 1].map(|host| format!("10.0.{subnet}.{host}"));
    let lines = "graceful restart off;".to_owned() + &config::bird_channel("ipv4", "");
    config::bird(&local, &["10.9.0.0/16"])
        + &config::bird_session([(&local, 64513), (&remote, 64512)], &lines)
}

/// BIRD with two routes for 10.9.0.0/16, both of which it announces.
const TWO: &str = "
router id 10.0.0.2;
protocol device {}
protocol static one { ipv4 { preference 100; }; route 10.9.0.0/16 blackhole { bgp_path.prepend(65001); }; }
protocol static two { ipv4 { preference 90; };
  route 10.9.0.0/16 blackhole { bgp_path.prepend(65002); bgp_path.prepend(65002); }; }
protocol bgp ours { local 10.0.0.2 as 64513; neighbor 10.0.0.1 as 64512;
  connect retry time 1; connect delay time 1; error wait time 1, 2; graceful restart off;
  ipv4 { import all; export where source = RTS_STATIC; add paths tx; }; }
";

#[test]
#[ignore = "needs netns"]
fn one_neighbour_sends_two_paths_of_a_prefix() -> Result<()> {
    let lab = Lab::new("add")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours("", "add-paths = { receive = true }"))?;
    let bird = Bird::start(&b, TWO)?;
    let paths = |wanted: &[&str]| -> Result<Value> {
        let mut last = Value::Null;
        until(&format!("{wanted:?}"), SOON, || {
            last = us.json(&["route"])?;
            let routes: Vec<&Value> = last.as_array().into_iter().flatten().collect();
            let seen: Vec<&str> = routes
                .iter()
                .filter_map(|route| route["as_path"].as_str())
                .collect();
            ensure!(seen == wanted, "{last}");
            Ok(())
        })?;
        Ok(last)
    };
    let both = paths(&["64513 65001", "64513 65002 65002"])?;
    ensure!(both[0]["path_id"] != both[1]["path_id"], "{both}");
    ensure!(
        both[0]["best"] == true && both[1]["best"] == false,
        "{both}"
    );
    bird.ctl("disable one")?;
    let rest = paths(&["64513 65002 65002"])?;
    ensure!(
        rest[0]["best"] == true && rest[0]["path_id"] == both[1]["path_id"],
        "{rest}"
    );
    bird.ctl("enable one")?;
    paths(&["64513 65001", "64513 65002 65002"])?;
    bird.ctl("disable two")?;
    paths(&["64513 65001"])?;
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    ensure!(neighbor["established_count"] == 1, "{neighbor}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn two_neighbours_share_the_traffic_and_one_takes_over() -> Result<()> {
    let lab = Lab::new("ecmp")?;
    let (a, b, c) = lab.three()?;
    let several = "use-multiple-paths = { enabled = true }\n[fib]\n";
    let us = Bgpd::start(&a, &ours("[fib]\n", ""))?;
    let _first = Bird::start(&b, &theirs(0))?;
    let second = Bird::start(&c, &theirs(1))?;
    let both = "10.9.0.0/16 proto bird nexthop via 10.0.0.2 dev eth0 weight 1 nexthop via 10.0.1.2 dev eth1 weight 1";
    until("both are known", SOON, || {
        let routes = us.json(&["route", "10.9.0.0/16"])?;
        ensure!(routes.as_array().is_some_and(|routes| routes.len() == 2));
        Ok(())
    })?;
    let one = "10.9.0.0/16 via 10.0.0.2 dev eth0 proto bird";
    a.wait_route("10.9.0.0/16", one)?;
    let said = us.reload(&ours(several, ""))?;
    ensure!(said.contains("at most 16 paths in use"), "{said}");
    a.wait_route("10.9.0.0/16", both)?;
    us.reload(&ours("[fib]\n", ""))?;
    a.wait_route("10.9.0.0/16", one)?;
    us.reload(&ours(several, ""))?;
    a.wait_route("10.9.0.0/16", both)?;
    for neighbor in ["10.0.0.2", "10.0.1.2"] {
        let neighbor = us.json(&["neighbor", neighbor])?;
        ensure!(neighbor["established_count"] == 1, "{neighbor}");
    }
    let routes = us.json(&["route", "10.9.0.0/16"])?;
    ensure!(
        routes[0]["best"] == true && routes[1]["multipath"] == true,
        "{routes}"
    );

    // An end that is announced, and one that nobody announces: the way through the other stays.
    second.ctl("disable ours")?;
    a.wait_route("10.9.0.0/16", one)?;
    second.ctl("enable ours")?;
    a.wait_route("10.9.0.0/16", both)?;
    b.ip("link set eth0 down")?;
    a.wait_route(
        "10.9.0.0/16",
        "10.9.0.0/16 via 10.0.1.2 dev eth1 proto bird",
    )?;
    b.ip("link set eth0 up")?;
    a.wait_route("10.9.0.0/16", both)
}
