// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Configurations, cuts, and when a route left the kernel.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{
    Bgpd, Netns,
    config::{self, EBGP},
    time_of_day, until,
};

const SOON: Duration = Duration::from_secs(20);

/// After a cut, routes have to be gone within this time.
const GONE: Duration = Duration::from_millis(400);

/// What the tests' own machine may add to that in an attempt; the next one has to do without.
const LATE: Duration = Duration::from_secs(2);

/// Attempts to see it within [`GONE`]: the machine that tests has other things to do.
const ATTEMPTS: usize = 3;

/// Our configuration with these neighbours.
pub(crate) fn ours(neighbors: &[&str]) -> String {
    config::ours("10.0.0.1") + "[fib]\ndeferral = 1\n" + &neighbors.concat()
}

/// A neighbour with BFD at 3 × 100 ms and a hold time of 90 s.
pub(crate) fn neighbor(address: &str, extra: &str) -> String {
    let keys = format!(
        "{extra}\ntimers = {{ hold-time = 90, idle-hold-time-after-reset = 1 }}\n\
         bfd = {{ enabled = true, desired-minimum-tx-interval = 100, required-minimum-receive = 100 }}"
    );
    config::neighbor(address, 64513, &keys)
}

/// BIRD with BFD at 3 × 100 ms, two static routes, and these BGP protocols.
pub(crate) fn bird(extra: &str, bgp: &str) -> String {
    let times =
        "min rx interval 100 ms; min tx interval 100 ms; idle tx interval 1 s; multiplier 3;";
    let times = format!("interface \"*\" {{ {times} }}; multihop {{ {times} }};");
    config::bird("10.0.0.2", &["10.2.0.0/16", "fd02::/48"])
        + &format!("protocol bfd bfd1 {{ {times} {extra} }}\n{bgp}\n")
}

/// Sessions with us over both families.
pub(crate) fn bird_bgp(extra: &str) -> String {
    let lines = format!("hold time 90; {extra} ");
    let [four, six] =
        ["ipv4", "ipv6"].map(|family| lines.clone() + &config::bird_channel(family, ""));
    let ends = [("fd00::2", 64513), ("fd00::1", 64512)];
    config::bird_session(EBGP, &four).replace("bgp ours", "bgp p4")
        + &config::bird_session(ends, &six).replace("bgp ours", "bgp p6")
}

pub(crate) const FRR_BFD: &str = "
bfd
 profile fast
  transmit-interval 100
  receive-interval 100
  detect-multiplier 3
 exit
exit
";

/// FRR with sessions over both families.
pub(crate) fn frr() -> String {
    let neighbors = [("10.0.0.1", 64512), ("fd00::1", 64512)];
    let bfd = neighbors.map(|(address, _)| {
        format!(" neighbor {address} bfd\n neighbor {address} bfd profile fast\n")
    });
    config::frr(64513, "10.0.0.2", &neighbors)
        + &bfd.concat()
        + &config::frr_family("ipv4", &["network 10.2.0.0/16"])
        + &config::frr_family("ipv6", &["network fd02::/48", "neighbor fd00::1 activate"])
}

/// Waits until our session with a neighbour is in a state.
pub(crate) fn wait_bfd(us: &Bgpd, address: &str, state: &str) -> Result<()> {
    until(&format!("BFD with {address} is {state}"), SOON, || {
        let session = us.json(&["bfd", address])?;
        ensure!(session["state"] == state, "{session}");
        Ok(())
    })
}

/// Waits until a route is in the kernel, or is not.
pub(crate) fn kernel_has(netns: &Netns, prefix: &str, wanted: bool) -> Result<()> {
    until(&format!("{prefix} in the kernel: {wanted}"), SOON, || {
        let routes = netns.route(prefix)?;
        ensure!(routes.contains("proto bird") == wanted, "{routes}");
        Ok(())
    })
}

/// Drops all that arrives by `eth0`, which stays up. Returns when, at the latest, the first of them was deaf.
pub(crate) fn deaf(all: &[&Netns]) -> Result<Duration> {
    let rules = "add table netdev cut; add chain netdev cut in { type filter hook ingress device eth0 priority 0; policy drop; }";
    let mut at = None;
    for netns in all {
        netns.exec(&["nft", rules])?;
        at.get_or_insert_with(time_of_day);
    }
    at.context("nobody to be deaf")
}

/// Takes away every rule.
pub(crate) fn hears(all: &[&Netns]) -> Result<()> {
    all.iter()
        .try_for_each(|netns| netns.exec(&["nft", "flush ruleset"]).map(drop))
}

/// Cuts, looks how long routes took to leave the kernel, mends; again if that was too long, which the machine may be to
/// blame for.
pub(crate) fn fall(what: &str, mut cut: impl FnMut() -> Result<Duration>) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..ATTEMPTS {
        let time = cut().with_context(|| what.to_owned())?;
        println!("{what}: routes gone after {time:?}");
        times.push(time);
        if time <= GONE {
            return Ok(());
        }
        ensure!(time <= LATE, "{what}: {times:?}");
    }
    anyhow::bail!("{what}: never within {GONE:?}: {times:?}")
}
