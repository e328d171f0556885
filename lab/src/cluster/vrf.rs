// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes in the table of a VRF, where the kernel has real `vrf` and `dummy` devices.

use anyhow::{Result, ensure};

use super::{
    Story,
    scenes::PATIENCE,
    story::{scene, show},
};
use crate::{Bgpd, Bird, Lab, until};

const OURS: &str = "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n[fib]\n\
     [[pools]]\ncidr = \"10.2.0.0/16\"\ntable = 100\nsource = \"10.99.0.1\"\n\
     [[neighbors]]\nneighbor-address = \"10.0.0.2\"\npeer-as = 64513\n\
     apply-policy = { default-import-policy = \"accept-route\", default-export-policy = \"accept-route\" }\n";

const THEIRS: &str = "router id 10.0.0.2;\nprotocol device {}\n\
     protocol static { ipv4; route 10.2.0.0/16 blackhole; route 10.3.0.0/16 blackhole; }\n\
     protocol bgp { local 10.0.0.2 as 64513; neighbor 10.0.0.1 as 64512;\n\
     connect retry time 1; connect delay time 1; error wait time 1, 2;\n\
     ipv4 { import all; export where source = RTS_STATIC; }; }\n";

/// A pool whose routes are in a VRF: they are there and nowhere else, and a ping from the VRF arrives.
pub(super) fn routes_of_a_vrf(story: &mut Story) -> Result<()> {
    scene("a pool in a VRF");
    let lab = Lab::new("vrf")?;
    let (a, b) = lab.pair()?;
    a.ip("link add red type vrf table 100")?;
    a.ip("link set red up")?;
    a.ip("addr add 10.99.0.1/32 dev red")?;
    // The way back into the VRF.
    a.ip("route add 10.99.0.1/32 dev red")?;
    b.ip("link add pods type dummy")?;
    b.ip("link set pods up")?;
    b.ip("addr add 10.2.0.1/32 dev pods")?;
    b.ip("route add 10.99.0.1/32 via 10.0.0.1")?;
    let bgpd = Bgpd::start(&a, OURS)?;
    let _bird = Bird::start(&b, THEIRS)?;
    bgpd.wait_established("10.0.0.2")?;
    let wanted = "10.2.0.0/16 via 10.0.0.2 dev eth0 proto bird src 10.99.0.1";
    until("the route of the VRF", PATIENCE, || {
        let routes = a.ip_output("route show vrf red")?;
        let there = routes.lines().any(|line| line.trim() == wanted);
        ensure!(there, "{routes}");
        let main = a.ip_output("route show proto bird")?;
        ensure!(
            main.contains("10.3.0.0/16") && !main.contains("10.2.0.0/16"),
            "{main}"
        );
        Ok(())
    })?;
    show(
        "vrf",
        "ip route show vrf red",
        &a.ip_output("route show vrf red")?,
    );
    story
        .claim("routes of the pool are in the table of the VRF, those of others in the main table");
    let answer = a.exec(&["ping", "-I", "red", "-c", "2", "-W", "5", "10.2.0.1"])?;
    ensure!(answer.contains("2 received"), "{answer}");
    story.claim("a ping from the VRF arrives");
    Ok(())
}
