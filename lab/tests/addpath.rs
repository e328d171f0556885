// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several paths of a prefix (RFC 7911), both ways, with BIRD, FRR and GoBGP as clients of our reflector and as reflectors
//! of ours; and what the kernel of a client makes of them.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{
    Bgpd, Bird, Frr, GoBgp, Lab, Netns,
    config::{self, BOTH_FAMILIES, NO_RESTART},
    until,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

/// What all three announce, the first with IPv4, the second with IPv6.
const ALL: [&str; 2] = ["10.9.0.0/16", "fd09::/32"];

/// What only BIRD and FRR announce: with the bandwidth of their links, 200 and 100 Mbit/s.
const TWO: &str = "10.8.0.0/16";

/// Our daemon at 10.0.0.NUMBER with these neighbours, each with its AS and what is said about it.
fn ours(number: u8, global: &str, neighbors: &[(u8, u32, &str)]) -> String {
    let head = config::ours(&format!("10.0.0.{number}")) + "shards = 3\n" + global + "\n";
    neighbors.iter().fold(head, |text, (peer, asn, said)| {
        let timers = "timers = { connect-retry = 1, idle-hold-time-after-reset = 1 }\n";
        let keys = [said, "\n", NO_RESTART, timers, BOTH_FAMILIES].concat();
        text + &config::neighbor(&format!("10.0.0.{peer}"), *asn, &keys)
    })
}

/// A client that takes and gives several paths.
const BOTH: &str = "route-reflector = { route-reflector-client = true }\nadd-paths = { receive = true, send = \"all\" }";

/// The reflector; what its client of our make, 10.0.0.5, is sent, and what BIRD in another AS is.
fn reflector(ours_is_sent: &str) -> String {
    let client = format!(
        "route-reflector = {{ route-reflector-client = true }}\nadd-paths = {{ {ours_is_sent} }}"
    );
    let other = "add-paths = { send-max = 4 }";
    ours(
        1,
        "",
        &[
            (2, 64512, BOTH),
            (3, 64512, BOTH),
            (4, 64512, BOTH),
            (5, 64512, &client),
            (7, 64513, other),
        ],
    )
}

/// Our client of the other three, as reflectors.
fn client_of_theirs() -> String {
    let several = "add-paths = { receive = true }";
    ours(
        6,
        "",
        &[
            (2, 64512, several),
            (3, 64512, several),
            (4, 64512, several),
        ],
    )
}

const BIRD: &str = "
router id 10.0.0.2;
protocol device {}
protocol direct { ipv4; ipv6; }
protocol static both { ipv4; route 10.9.0.0/16 blackhole; route 10.8.0.0/16 blackhole; }
protocol static six { ipv6; route fd09::/32 blackhole; }
template bgp six_and_four { local 10.0.0.2 as 64512; graceful restart off;
  connect retry time 1; connect delay time 1; error wait time 1, 2;
  ipv4 { import all; add paths on; }; ipv6 { import all; next hop address fd00::2; add paths on; }; }
protocol bgp reflector from six_and_four { neighbor 10.0.0.1 as 64512;
  ipv4 { export filter { if source != RTS_STATIC then reject;
      bgp_ext_community.add((generic, 0x4004fc00, 0x4bbebc20)); accept; }; };
  ipv6 { export where source = RTS_STATIC; }; }
protocol bgp below from six_and_four { neighbor 10.0.0.6 as 64512; rr client; ipv4 { export where source != RTS_DEVICE; }; }
";

const FRR: &str = "
router bgp 64512
 bgp router-id 10.0.0.3
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 64512
 neighbor 10.0.0.1 timers connect 1
 neighbor 10.0.0.6 remote-as 64512
 neighbor 10.0.0.6 timers connect 1
 address-family ipv4 unicast
  network 10.9.0.0/16
  network 10.8.0.0/16
  neighbor 10.0.0.1 addpath-tx-all-paths
  neighbor 10.0.0.1 route-map out4 out
  neighbor 10.0.0.6 route-reflector-client
  neighbor 10.0.0.6 addpath-tx-all-paths
 exit-address-family
 address-family ipv6 unicast
  network fd09::/32
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.1 addpath-tx-all-paths
  neighbor 10.0.0.1 route-map out6 out
  neighbor 10.0.0.6 activate
  neighbor 10.0.0.6 route-reflector-client
  neighbor 10.0.0.6 addpath-tx-bestpath-per-AS
  neighbor 10.0.0.6 route-map out6 out
 exit-address-family
route-map out4 permit 10
 set extcommunity bandwidth 100
route-map out6 permit 10
 set ipv6 next-hop global fd00::3
";

fn gobgp() -> String {
    let several = "add-paths = { config = { receive = true, send-max = 8 } }";
    let families = config::gobgp_family("ipv4-unicast", several)
        + &config::gobgp_family("ipv6-unicast", several);
    let client = "route-reflector = { config = { route-reflector-client = true, route-reflector-cluster-id = \"10.0.0.4\" } }\n";
    config::gobgp(64512, "10.0.0.4")
        + &config::gobgp_neighbor("10.0.0.1", 64512)
        + &families
        + &config::gobgp_neighbor("10.0.0.6", 64512)
        + client
        + &families
}

/// BIRD in another AS.
const OUTSIDE: &str = "
router id 10.0.0.7;
protocol device {}
protocol direct { ipv4; ipv6; }
protocol bgp ours { local 10.0.0.7 as 64513; neighbor 10.0.0.1 as 64512; graceful restart off;
  connect retry time 1; connect delay time 1; error wait time 1, 2;
  ipv4 { import all; export none; add paths rx; }; ipv6 { import all; export none; add paths rx; }; }
";

/// Identifiers and next hops of a prefix, as `bgpctl neighbor ADDRESS adj-in` or `adj-out` lists them.
fn paths(us: &Bgpd, neighbor: &str, table: &str, prefix: &str) -> Result<BTreeMap<u64, String>> {
    let routes = us.json(&["neighbor", neighbor, table])?;
    let of_prefix = routes.as_array().context("a list")?.iter();
    let of_prefix = of_prefix.filter(|route| route["prefix"] == prefix);
    of_prefix
        .map(|route| {
            let id = route["path_id"].as_u64().context("an identifier")?;
            let hop = route["next_hop"].as_str().context("a next hop")?;
            Ok((id, hop.to_owned()))
        })
        .collect()
}

/// Waits until a table has a prefix by these next hops.
fn wait_paths(
    us: &Bgpd,
    (neighbor, table): (&str, &str),
    prefix: &str,
    hops: &[&str],
) -> Result<BTreeMap<u64, String>> {
    let what = format!("{prefix} by {hops:?}, {table} of {neighbor}");
    until(&what, SOON, || {
        let paths = paths(us, neighbor, table, prefix)?;
        let mut found: Vec<&str> = paths.values().map(String::as_str).collect();
        found.sort_unstable();
        ensure!(found == hops, "{paths:?}");
        ensure!(!paths.contains_key(&0), "without identifiers: {paths:?}");
        Ok(paths)
    })
}

/// Waits until a text has each of these and none of those.
fn wait_text(
    what: &str,
    has: &[&str],
    has_not: &[&str],
    text: impl Fn() -> Result<String>,
) -> Result<()> {
    until(&format!("{what}: {has:?}, not {has_not:?}"), SOON, || {
        let text = text()?;
        let ok = has.iter().all(|part| text.contains(part))
            && !has_not.iter().any(|part| text.contains(part));
        ensure!(ok, "{text}");
        Ok(())
    })
}

/// Gateways and weights of a route in the kernel.
fn wait_kernel(netns: &Netns, prefix: &str, wanted: &[(&str, u64)]) -> Result<()> {
    until(
        &format!("{prefix} by {wanted:?} in the kernel"),
        SOON,
        || {
            let family = if prefix.contains(':') { "-6" } else { "-4" };
            let text = netns.ip_output(&format!("{family} -j route show {prefix}"))?;
            let routes: Value = serde_json::from_str(&text)?;
            let hops = routes[0]["nexthops"].as_array().into_iter().flatten();
            let mut found: Vec<(&str, u64)> = hops
                .filter_map(|hop| Some((hop["gateway"].as_str()?, hop["weight"].as_u64()?)))
                .collect();
            found.sort_unstable();
            ensure!(found == wanted, "{text}");
            Ok(())
        },
    )
}

struct Network {
    hosts: Vec<Netns>,
    reflector: Bgpd,
    bird: Bird,
    frr: Frr,
    gobgp: GoBgp,
    client: Bgpd,
    _lab: Lab,
}

/// The reflector at 10.0.0.1, BIRD, FRR and GoBGP behind it, and a client of our make with its kernel.
fn network(name: &str, ours_is_sent: &str) -> Result<Network> {
    let lab = Lab::new(name)?;
    let hosts = lab.lan(7)?;
    let reflector = Bgpd::start(&hosts[0], &reflector(ours_is_sent))?;
    let bird = Bird::start(&hosts[1], BIRD)?;
    let frr = Frr::start_with_zebra(&hosts[2], FRR)?;
    let gobgp = GoBgp::start(&hosts[3], &gobgp())?;
    gobgp.ctl("global rib add -a ipv4 10.9.0.0/16 origin igp nexthop 10.0.0.4")?;
    gobgp.ctl("global rib add -a ipv6 fd09::/32 origin igp nexthop fd00::4")?;
    let kernel = "use-multiple-paths = { enabled = true }\n[fib]\n";
    let receives = "add-paths = { receive = true }";
    let client = Bgpd::start(&hosts[4], &ours(5, kernel, &[(1, 64512, receives)]))?;
    for neighbor in ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"] {
        reflector.wait_established(neighbor)?;
    }
    Ok(Network {
        hosts,
        reflector,
        bird,
        frr,
        gobgp,
        client,
        _lab: lab,
    })
}

/// Next hops of all three, of both families.
const HOPS: [[&str; 3]; 2] = [
    ["10.0.0.2", "10.0.0.3", "10.0.0.4"],
    ["fd00::2", "fd00::3", "fd00::4"],
];

/// Each of the other three has the paths of the other two, and not its own again.
fn others_have_two(net: &Network) -> Result<()> {
    for (prefix, [bird, frr, gobgp]) in ALL.into_iter().zip(HOPS) {
        let via = |hop: &str| format!("BGP.next_hop: {hop}");
        wait_text("BIRD", &[&via(frr), &via(gobgp)], &[&via(bird)], || {
            net.bird.ctl(&format!("show route for {prefix} all"))
        })?;
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        wait_text("FRR", &[bird, gobgp, "3 available"], &[], || {
            net.frr.ctl(&format!("show bgp {family} unicast {prefix}"))
        })?;
        wait_text("GoBGP", &[bird, frr], &[], || {
            net.gobgp.ctl(&format!("global rib -a {family} {prefix}"))
        })?;
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_reflector_tells_its_clients_all_paths_or_the_best() -> Result<()> {
    let net = network("addpath", "send-max = 2")?;
    others_have_two(&net)?;
    let here = ("10.0.0.1", "adj-in");
    let mut before = BTreeMap::new();
    for (prefix, hops) in ALL.into_iter().zip(HOPS) {
        let best = wait_paths(&net.client, here, prefix, &hops[..2])?;
        let told = paths(&net.reflector, "10.0.0.5", "adj-out", prefix)?;
        ensure!(best == told, "{prefix}: {best:?} is not {told:?}");
        before.insert(prefix, best);
    }

    let shown = net.reflector.json(&["neighbor", "10.0.0.5"])?;
    for family in shown["families"].as_array().context("families")? {
        let agreed = &family["add_path"];
        let expected =
            serde_json::json!({ "receive": false, "send": true, "paths": "best", "send_max": 2 });
        ensure!(*agreed == expected, "{agreed}");
    }

    // All of them, without a new session and under the same identifiers.
    net.reflector.reload(&reflector("send = \"all\""))?;
    let mut all = BTreeMap::new();
    for (prefix, hops) in ALL.into_iter().zip(HOPS) {
        let paths = wait_paths(&net.client, here, prefix, &hops)?;
        let kept = before[prefix]
            .iter()
            .all(|(id, hop)| paths.get(id) == Some(hop));
        ensure!(kept, "{:?} became {paths:?}", before[prefix]);
        all.insert(prefix, paths);
    }

    // One goes: the others stay as they are. It comes back under another identifier.
    net.bird.ctl("disable both")?;
    let [prefix, _] = ALL;
    let rest = wait_paths(&net.client, here, prefix, &HOPS[0][1..])?;
    ensure!(
        rest.iter()
            .all(|(id, hop)| all[prefix].get(id) == Some(hop)),
        "{:?} became {rest:?}",
        all[prefix]
    );
    net.bird.ctl("enable both")?;
    let again = wait_paths(&net.client, here, prefix, &HOPS[0])?;
    let stayed = rest.iter().all(|(id, hop)| again.get(id) == Some(hop));
    let new = again.keys().max() > all[prefix].keys().max();
    ensure!(stayed && new, "{:?}, {rest:?}, {again:?}", all[prefix]);

    // Whoever asks again hears the same again; whoever restarts hears it for the first time.
    net.client.ctl(&["neighbor", "10.0.0.1", "softresetin"])?;
    net.bird.ctl("reload in reflector")?;
    net.gobgp.ctl("neighbor 10.0.0.1 softresetin")?;
    let neighbor = net.client.json(&["neighbor", "10.0.0.1"])?;
    ensure!(neighbor["established_count"] == 1, "{neighbor}");
    others_have_two(&net)?;
    let refreshed = wait_paths(&net.client, here, prefix, &HOPS[0])?;
    ensure!(refreshed == again, "{refreshed:?} is not {again:?}");
    net.reflector.ctl(&["neighbor", "10.0.0.2", "reset"])?;
    others_have_two(&net)?;
    wait_paths(&net.client, here, prefix, &HOPS[0]).map(drop)
}

#[test]
#[ignore = "needs netns"]
fn paths_of_a_lost_neighbour_go_and_another_as_hears_several_too() -> Result<()> {
    let mut net = network("addlost", "send = \"all\"")?;
    let outside = Bird::start(&net.hosts[6], OUTSIDE)?;
    net.reflector.wait_established("10.0.0.7")?;
    // On their subnet, the next hops stay what they are (RFC 4271 §5.1.3); of IPv6 subnets the session knows nothing.
    let [v4, v6] = ALL;
    let via = HOPS[0].map(|hop| format!("via {hop} "));
    for (prefix, hops) in [(v4, HOPS[0]), (v6, ["fd00::1"; 3])] {
        wait_paths(&net.reflector, ("10.0.0.7", "adj-out"), prefix, &hops)?;
    }
    wait_text("BIRD outside", &[&via[0], &via[1], &via[2]], &[], || {
        outside.ctl(&format!("show route for {v4}"))
    })?;
    let by_us = || {
        let shown = outside.ctl(&format!("show route for {v6}"))?;
        Ok(format!("{} times", shown.matches("via fd00::1 ").count()))
    };
    wait_text("BIRD outside", &["3 times"], &[], by_us)?;
    net.frr.process().kill()?;
    for (prefix, [bird, _, gobgp]) in ALL.into_iter().zip(HOPS) {
        wait_paths(&net.client, ("10.0.0.1", "adj-in"), prefix, &[bird, gobgp])?;
    }
    wait_text("BIRD outside", &[&via[0], &via[2]], &[&via[1]], || {
        outside.ctl(&format!("show route for {v4}"))
    })?;
    wait_text("BIRD outside", &["2 times"], &[], by_us)
}

#[test]
#[ignore = "needs netns"]
fn several_paths_come_from_bird_frr_and_gobgp() -> Result<()> {
    let net = network("addrecv", "send = \"all\"")?;
    let client = Bgpd::start(&net.hosts[5], &client_of_theirs())?;
    let [v4, v6] = ALL;
    for neighbor in ["10.0.0.2", "10.0.0.3", "10.0.0.4"] {
        wait_paths(&client, (neighbor, "adj-in"), v4, &HOPS[0])?;
    }
    // FRR sends the best of each neighbouring AS here: all three are of our own.
    wait_paths(&client, ("10.0.0.3", "adj-in"), v6, &["fd00::3"])?;
    wait_paths(&client, ("10.0.0.4", "adj-in"), v6, &HOPS[1])?;
    // Each takes one path back and leaves the others.
    let before = paths(&client, "10.0.0.4", "adj-in", v4)?;
    net.bird.ctl("disable both")?;
    for neighbor in ["10.0.0.3", "10.0.0.4"] {
        wait_paths(&client, (neighbor, "adj-in"), v4, &HOPS[0][1..])?;
    }
    let after = paths(&client, "10.0.0.4", "adj-in", v4)?;
    ensure!(
        after.iter().all(|(id, hop)| before.get(id) == Some(hop)),
        "{before:?} became {after:?}"
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn traffic_is_shared_by_the_bandwidth_of_the_links() -> Result<()> {
    let net = network("addweight", "send = \"ecmp\"")?;
    let kernel = &net.hosts[4];
    wait_kernel(kernel, TWO, &[("10.0.0.2", 2), ("10.0.0.3", 1)])?;
    // GoBGP does not say how fast it is.
    let [v4, v6] = ALL;
    wait_kernel(
        kernel,
        v4,
        &[("10.0.0.2", 1), ("10.0.0.3", 1), ("10.0.0.4", 1)],
    )?;
    wait_kernel(
        kernel,
        v6,
        &[("fd00::2", 1), ("fd00::3", 1), ("fd00::4", 1)],
    )?;
    // FRR gets a faster link.
    let faster = "configure terminal\nroute-map out4 permit 10\nset extcommunity bandwidth 600";
    net.frr.ctl(faster)?;
    wait_kernel(kernel, TWO, &[("10.0.0.2", 1), ("10.0.0.3", 3)])?;
    let routes = net.client.json(&["route", TWO])?;
    ensure!(
        routes[0]["best"] == true && routes[1]["multipath"] == true,
        "{routes}"
    );
    // One path of the two goes.
    net.bird.ctl("disable both")?;
    until("one way in the kernel", SOON, || {
        let text = kernel.ip_output(&format!("route show {TWO}"))?;
        ensure!(text.contains(&format!("{TWO} via 10.0.0.3 ")), "{text}");
        Ok(())
    })
}
