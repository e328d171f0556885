// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With BIRD 2: routes of both families both ways, MD5, two-octet AS numbers, refresh, collision, death.

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Lab, until};

const OURS: &str = r#"
[global]
as = 64512
router-id = "10.0.0.1"

[[neighbors]]
neighbor-address = "10.0.0.2"
peer-as = 64513
[neighbors.apply-policy]
default-import-policy = "accept-route"
default-export-policy = "accept-route"
[[neighbors.afi-safis]]
afi-safi-name = "ipv4-unicast"
[[neighbors.afi-safis]]
afi-safi-name = "ipv6-unicast"

[[static-routes]]
prefix = "10.1.0.0/16"
blackhole = true
[[static-routes]]
prefix = "fd01::/48"
blackhole = true
"#;

fn theirs(extra: &str) -> String {
    format!(
        "router id 10.0.0.2;\nprotocol device {{}}\nprotocol static s4 {{ ipv4; route 10.2.0.0/16 blackhole; }}\n\
         protocol static s6 {{ ipv6; route fd02::/48 blackhole; }}\n\
         protocol bgp peer1 {{ local 10.0.0.2 as 64513; neighbor 10.0.0.1 as 64512; connect retry time 1; connect delay time 1;\n\
         error wait time 1, 5; {extra}\n\
         ipv4 {{ import all; export all; }};\n ipv6 {{ import all; export all; next hop address fd00::2; }}; }}\n"
    )
}

#[test]
#[ignore = "needs netns"]
fn routes_of_both_families_go_both_ways() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, OURS)?;
    let bird = Bird::start(&b, &theirs(""))?;
    us.wait_established("10.0.0.2")?;
    us.wait_route("10.2.0.0/16")?;
    us.wait_route("fd02::/48")?;
    let text = bird.wait_route("10.1.0.0/16")?;
    ensure!(
        text.contains("BGP.next_hop: 10.0.0.1") && text.contains("BGP.as_path: 64512"),
        "{text}"
    );
    let text = bird.wait_route("fd01::/48")?;
    ensure!(text.contains("BGP.next_hop: fd00::1"), "{text}");
    println!("{}", us.ctl(&["neighbor"])?);
    println!("{}", us.ctl(&["neighbor", "10.0.0.2"])?);
    println!("{}", us.ctl(&["route"])?);
    println!("{}", us.ctl(&["explain", "10.2.0.0/16"])?);
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_peer_that_is_killed_takes_its_routes_along() -> Result<()> {
    let lab = Lab::new("bird")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(
        &a,
        &OURS.replace(
            "[neighbors.apply-policy]",
            "[neighbors.graceful-restart]\nenabled = false\n[neighbors.apply-policy]",
        ),
    )?;
    let mut bird = Bird::start(&b, &theirs("graceful restart off;"))?;
    us.wait_route("10.2.0.0/16")?;
    bird.process().kill()?;
    until(
        "the route is gone",
        std::time::Duration::from_secs(2),
        || us.wait_no_route("10.2.0.0/16"),
    )?;
    Ok(())
}
