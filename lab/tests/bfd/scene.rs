// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Configurations, cuts, and when a route left the kernel.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Netns, Process, until};

const SOON: Duration = Duration::from_secs(20);

/// After a cut, routes have to be gone within this time.
const GONE: Duration = Duration::from_millis(400);

/// What the tests' own machine may add to that in an attempt; the next one has to do without.
const LATE: Duration = Duration::from_secs(2);

/// Attempts to see it within [`GONE`]: the machine that tests has other things to do.
const ATTEMPTS: usize = 3;

/// Our configuration with these neighbours.
pub(crate) fn ours(neighbors: &[&str]) -> String {
    let head = "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n[fib]\ndeferral = 1\n";
    neighbors
        .iter()
        .fold(head.to_owned(), |text, neighbor| text + neighbor)
}

/// A neighbour with BFD at 3 × 100 ms and a hold time of 90 s.
pub(crate) fn neighbor(address: &str, extra: &str) -> String {
    format!(
        "[[neighbors]]\nneighbor-address = \"{address}\"\npeer-as = 64513\n{extra}\n\
         timers = {{ hold-time = 90, idle-hold-time-after-reset = 1 }}\n\
         apply-policy = {{ default-import-policy = \"accept-route\", default-export-policy = \"accept-route\" }}\n\
         bfd = {{ enabled = true, desired-minimum-tx-interval = 100, required-minimum-receive = 100 }}\n"
    )
}

/// BIRD with BFD at 3 × 100 ms, two static routes, and these BGP protocols.
pub(crate) fn bird(extra: &str, bgp: &str) -> String {
    let times =
        "min rx interval 100 ms; min tx interval 100 ms; idle tx interval 1 s; multiplier 3;";
    format!(
        "router id 10.0.0.2;\nlog stderr all;\nprotocol device {{}}\n\
         protocol bfd bfd1 {{ interface \"*\" {{ {times} }}; multihop {{ {times} }}; {extra} }}\n\
         protocol static s4 {{ ipv4; route 10.2.0.0/16 blackhole; }}\n\
         protocol static s6 {{ ipv6; route fd02::/48 blackhole; }}\n{bgp}\n"
    )
}

/// Sessions with us over both families.
pub(crate) fn bird_bgp(extra: &str) -> String {
    let mut text = String::new();
    for (name, local, remote, family) in [
        ("p4", "10.0.0.2", "10.0.0.1", "ipv4"),
        ("p6", "fd00::2", "fd00::1", "ipv6"),
    ] {
        // Writing to a string can not fail.
        let _ = writeln!(
            text,
            "protocol bgp {name} {{ local {local} as 64513; neighbor {remote} as 64512; hold time 90; {extra}\n\
             connect retry time 1; connect delay time 1; error wait time 1, 2;\n\
             {family} {{ import all; export where source = RTS_STATIC; }}; }}"
        );
    }
    text
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
    "
router bgp 64513
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 64512
 neighbor 10.0.0.1 timers connect 1
 neighbor 10.0.0.1 bfd
 neighbor 10.0.0.1 bfd profile fast
 neighbor fd00::1 remote-as 64512
 neighbor fd00::1 timers connect 1
 neighbor fd00::1 bfd
 neighbor fd00::1 bfd profile fast
 address-family ipv4 unicast
  network 10.2.0.0/16
 exit-address-family
 address-family ipv6 unicast
  network fd02::/48
  neighbor fd00::1 activate
 exit-address-family
"
    .to_owned()
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
    let family = if prefix.contains(':') { "-6" } else { "-4" };
    until(&format!("{prefix} in the kernel: {wanted}"), SOON, || {
        let routes = netns.ip_output(&format!("{family} route show {prefix}"))?;
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

/// Since midnight, UTC.
pub(crate) fn time_of_day() -> Duration {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Duration::new(since.as_secs() % DAY, since.subsec_nanos())
}

const DAY: u64 = 86_400;

/// What happens to routes in a namespace, with times.
pub(crate) struct Monitor(Process);

impl Monitor {
    pub(crate) fn start(netns: &Netns) -> Result<Self> {
        let mut command = netns.command("ip");
        command
            .args(["-ts", "-o", "monitor", "route"])
            .env("TZ", "UTC");
        let monitor = Self(netns.start(&mut command, "monitor")?);
        // It hears what happens from when it has its socket: a route of our own shows that.
        until("the monitor listens", SOON, || {
            netns.ip("route replace blackhole 203.0.113.0/24")?;
            netns.ip("route del blackhole 203.0.113.0/24")?;
            ensure!(monitor.log().contains("203.0.113.0/24"));
            Ok(())
        })?;
        Ok(monitor)
    }

    pub(crate) fn log(&self) -> String {
        self.0.log()
    }

    /// How long after a point in time a route was removed.
    pub(crate) fn removed(&self, prefix: &str, after: Duration) -> Result<Duration> {
        let deleted = format!("Deleted {prefix} ");
        until(
            &format!("{prefix} is removed"),
            Duration::from_secs(5),
            || {
                let log = self.log();
                let lines = log.lines().filter(|line| line.contains(&deleted));
                let mut times = lines.filter_map(clock);
                let since = times.find_map(|time| {
                    // Not of a cut before this one; and a day may end meanwhile.
                    let since = (time + Duration::from_secs(DAY)).checked_sub(after)?;
                    let since = Duration::new(since.as_secs() % DAY, since.subsec_nanos());
                    (since < Duration::from_secs(30)).then_some(since)
                });
                since.with_context(|| log.clone())
            },
        )
    }
}

/// The time of `[2026-11-21T08:52:21.123456] …`.
fn clock(line: &str) -> Option<Duration> {
    let (_, rest) = line.split_once('T')?;
    let (time, _) = rest.split_once(']')?;
    let mut seconds = 0.0;
    for part in time.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(Duration::from_secs_f64(seconds))
}
