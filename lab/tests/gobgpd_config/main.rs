// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The same file, to the letter, with gobgpd and with us, in each of its three languages: the same sessions come up, they are offered
//! the same, and every neighbour is told the same.

mod route_server;

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, GoBgp, Lab, Netns, until};

const TOML: &str = include_str!("gobgpd.toml");
const YAML: &str = include_str!("gobgpd.yaml");
const JSON: &str = include_str!("gobgpd.json");

/// Longer than gobgpd rests before it connects.
const PATIENCE: Duration = Duration::from_secs(90);

/// A neighbour: the last octet of its address, its AS, ours, lines of its protocol and its routes.
struct Peer {
    host: u8,
    asn: u32,
    daemon: u32,
    lines: &'static str,
    channel: &'static str,
    routes: &'static [&'static str],
}

const fn peer(host: u8, asn: u32, routes: &'static [&'static str]) -> Peer {
    Peer {
        host,
        asn,
        daemon: 64512,
        lines: "",
        channel: "",
        routes,
    }
}

const PEERS: [Peer; 11] = [
    peer(
        11,
        65011,
        &[
            "10.1.0.0/24 blackhole { bgp_med = 30; }",
            "10.1.1.0/24 blackhole { bgp_community.add((65011,666)); }",
            "10.1.2.0/24 blackhole { bgp_path.prepend(64600); }",
            "10.1.3.16/28 blackhole",
            "10.99.0.0/24 blackhole",
        ],
    ),
    peer(
        12,
        65012,
        &["10.2.0.0/24 blackhole", "10.99.0.0/24 blackhole"],
    ),
    peer(13, 65013, &["10.3.0.0/24 blackhole"]),
    Peer {
        daemon: 64999,
        lines: "password \"of two words\";",
        ..peer(14, 65014, &["10.4.0.0/24 blackhole"])
    },
    peer(
        15,
        65015,
        &[
            "10.5.0.0/24 blackhole { bgp_path.prepend(64512); }",
            "10.5.1.0/24 blackhole { bgp_path.prepend(64512); bgp_path.prepend(64512); }",
        ],
    ),
    peer(
        16,
        65016,
        &[
            "10.6.0.0/24 blackhole",
            "10.6.1.0/24 blackhole",
            "10.6.2.0/24 blackhole",
        ],
    ),
    peer(21, 64512, &["10.21.0.0/24 blackhole"]),
    peer(
        22,
        64512,
        &["10.22.0.0/24 blackhole", "10.99.0.0/24 blackhole"],
    ),
    Peer {
        channel: "add paths on;",
        ..peer(23, 64512, &["10.23.0.0/24 blackhole"])
    },
    peer(41, 65040, &["10.41.0.0/24 blackhole"]),
    // Nobody's neighbour: its address is in no file.
    peer(50, 65050, &["10.50.0.0/24 blackhole"]),
];

/// One BIRD that is all of them. It has one session with an address, so that the daemon has an address for each. The next hop of its routes is nobody's address, so that it takes them back.
fn birds(peers: &[Peer]) -> String {
    let mut text = "router id 10.0.0.2;\nprotocol device {}\n".to_owned();
    for peer in peers {
        let Peer {
            host,
            asn,
            daemon,
            lines,
            channel,
            routes,
        } = peer;
        let routes = routes
            .iter()
            .fold(String::new(), |all, route| all + "route " + route + ";\n");
        let _ = writeln!(
            text,
            "ipv4 table t{host};\nprotocol static s{host} {{ ipv4 {{ table t{host}; }};\n{routes}}}\n\
             protocol bgp p{host} {{ local 10.0.0.{host} as {asn}; neighbor 10.0.2.{host} as {daemon}; router id 10.0.1.{host};\n\
             connect retry time 1; connect delay time 1; error wait time 1, 2; {lines}\n\
             ipv4 {{ table t{host}; import all; {channel}\n\
             export filter {{ if source != RTS_STATIC then reject; bgp_next_hop = 10.0.0.200; accept; }}; }}; }}"
        );
    }
    text
}

/// Addresses of BIRD's, and the two ends of a cable.
fn network(lab: &Lab, peers: &[Peer]) -> Result<(Netns, Netns)> {
    let (a, b) = lab.pair()?;
    for peer in peers {
        a.ip(&format!("addr add 10.0.2.{}/16 dev eth0", peer.host))?;
        b.ip(&format!("addr add 10.0.0.{}/16 dev eth0", peer.host))?;
    }
    Ok((a, b))
}

/// What neighbours see of a daemon: by neighbour, its session, and attributes by prefix.
type Seen = BTreeMap<u8, (Vec<String>, BTreeMap<String, Vec<String>>)>;

/// Lines of BIRD about a session that are not about time or what only one of the daemons has.
fn session(bird: &Bird, host: u8) -> Result<Vec<String>> {
    let text = bird.ctl(&format!("show protocols all p{host}"))?;
    // What the daemon has offered stands behind what BIRD has.
    let (_, theirs) = text
        .split_once("Neighbor capabilities")
        .unwrap_or(("", text.as_str()));
    let wanted = [
        "BGP state:",
        "AF announced:",
        "AF supported:",
        "Restart time:",
        "RX:",
        "TX:",
    ];
    let lines = text
        .lines()
        .filter(|line| line.contains("BGP state:"))
        .chain(theirs.lines());
    let lines = lines.map(str::trim);
    let mut lines: Vec<String> = lines
        .filter(|line| wanted.iter().any(|key| line.starts_with(key)))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    // Who is not up is somewhere on its way.
    if !lines.iter().any(|line| line == "BGP state: Established") {
        return Ok(Vec::new());
    }
    // The whole hold time, not what is left of it.
    let hold = text.lines().find(|line| line.contains("Hold timer:"));
    lines.extend(hold.and_then(|line| Some(format!("hold time {}", line.rsplit_once('/')?.1))));
    Ok(lines)
}

fn heard(bird: &Bird, host: u8) -> Result<BTreeMap<String, Vec<String>>> {
    let text = bird.ctl(&format!("show route table t{host} protocol p{host} all"))?;
    let mut routes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut prefix = "";
    for line in text.lines() {
        if line.contains('/') && !line.starts_with(char::is_whitespace) {
            prefix = line.split_whitespace().next().unwrap_or_default();
        } else if let Some((key, value)) = line.trim().split_once(": ")
            && key.starts_with("BGP.")
        {
            let mut words: Vec<&str> = value.split('(').map(str::trim).collect();
            words.sort_unstable();
            let said = format!("{key}: {}", words.join(" ("));
            routes.entry(prefix.to_owned()).or_default().push(said);
        }
    }
    for paths in routes.values_mut() {
        paths.sort();
    }
    Ok(routes)
}

/// Waits until everybody who comes up is up and nothing more is told.
fn seen(bird: &Bird, peers: &[Peer], down: &[u8]) -> Result<Seen> {
    let (mut last, mut same) = (Seen::new(), 0);
    until("everything has been told", PATIENCE, || {
        let mut now = Seen::new();
        for peer in peers {
            now.insert(
                peer.host,
                (session(bird, peer.host)?, heard(bird, peer.host)?),
            );
        }
        for (host, (lines, _)) in &now {
            let is_up = lines.iter().any(|line| line == "BGP state: Established");
            ensure!(is_up || down.contains(host), "10.0.0.{host} is down");
            ensure!(!is_up || !down.contains(host), "10.0.0.{host} is up");
        }
        same = if now == last { same + 1 } else { 0 };
        last = now;
        ensure!(same > 10, "more is told");
        Ok(last.clone())
    })
}

/// Without marks of reflection: gobgpd 3.10 has them on what it tells clients of other ASes, and none on what it reflects to
/// others (RFC 4456 §8 is the other way round).
fn without_reflection(seen: &Seen) -> Seen {
    let mut seen = seen.clone();
    for (_, routes) in seen.values_mut() {
        for lines in routes.values_mut() {
            lines.retain(|line| {
                !line.starts_with("BGP.cluster_list") && !line.starts_with("BGP.originator_id")
            });
        }
    }
    seen
}

/// Where the first differs from the second.
fn differences(ours: &Seen, theirs: &Seen) -> String {
    let mut text = String::new();
    for (host, (session, routes)) in ours {
        let Some((their_session, their_routes)) = theirs.get(host) else {
            continue;
        };
        if session != their_session {
            let _ = writeln!(
                text,
                "10.0.0.{host}\n  us:    {session:?}\n  GoBGP: {their_session:?}"
            );
        }
        let mut prefixes: Vec<_> = routes.keys().chain(their_routes.keys()).collect();
        prefixes.sort();
        prefixes.dedup();
        for prefix in prefixes {
            let (one, other) = (routes.get(prefix), their_routes.get(prefix));
            if one != other {
                let _ = writeln!(
                    text,
                    "10.0.0.{host} {prefix}\n  us:    {one:?}\n  GoBGP: {other:?}"
                );
            }
        }
    }
    text
}

/// Who stays down: the one with too many prefixes, and the one that nobody knows.
const DOWN: [u8; 2] = [16, 50];

#[test]
#[ignore = "needs netns"]
fn gobgpd_and_we_do_the_same_with_the_same_file() -> Result<()> {
    let (ours, theirs) = (Lab::new("gcfa")?, Lab::new("gcfb")?);
    let (a, b) = network(&ours, &PEERS)?;
    let (c, d) = network(&theirs, &PEERS)?;
    let gobgp = GoBgp::start_file(&c, "gobgpd.toml", TOML)?;
    let their_bird = Bird::start(&d, &birds(&PEERS))?;
    let us = Bgpd::start_like_gobgp(&a, "gobgpd.toml", TOML)?;
    let bird = Bird::start(&b, &birds(&PEERS))?;
    let theirs = seen(&their_bird, &PEERS, &DOWN)?;
    let ours = seen(&bird, &PEERS, &DOWN)?;
    let different = differences(&without_reflection(&ours), &without_reflection(&theirs));
    ensure!(different.is_empty(), "{different}");

    // Everything in the file has had something to do.
    let all = format!("{ours:?}");
    for sign in [
        "Restart time: 33",
        "hold time 15",
        "hold time 12",
        "(64512,12)",
        "BGP.med: 77",
        "BGP.originator_id: 10.0.1.21",
        "BGP.cluster_list: 10.9.9.9",
        "BGP.next_hop: 10.0.0.200",
        "BGP.next_hop: 10.0.2.13",
        "BGP.as_path: 64999",
    ] {
        ensure!(all.contains(sign), "no {sign} in {all}");
    }
    let told = |host: u8, prefix: &str| ours[&host].1.get(prefix).cloned();
    ensure!(told(12, "10.1.1.0/24").is_none(), "a blackhole passed");
    ensure!(told(12, "10.1.3.16/28").is_none(), "details passed");
    ensure!(told(13, "10.2.0.0/24").is_some(), "a default of 13 counted");
    ensure!(told(12, "10.5.0.0/24").is_some(), "our AS once");
    ensure!(told(12, "10.5.1.0/24").is_none(), "our AS twice");
    ensure!(
        told(23, "10.21.0.0/24").is_some() && told(23, "10.23.0.0/24").is_none(),
        "reflection"
    );
    let paths = told(23, "10.99.0.0/24").unwrap_or_default();
    let several = paths.iter().filter(|line| line.starts_with("BGP.next_hop"));
    ensure!(several.count() > 1, "{paths:?}");
    // Who is shut down says so, with both.
    ensure!(
        us.state("10.0.0.24")? == "idle",
        "{}",
        us.state("10.0.0.24")?
    );
    let shut = gobgp.ctl("neighbor")?;
    ensure!(shut.contains("Idle(Admin)"), "{shut}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn yaml_and_json_of_gobgpd_start_us_as_toml_does() -> Result<()> {
    let mut told: Vec<(&str, Seen)> = Vec::new();
    for (name, text) in [("gobgpd.yaml", YAML), ("gobgpd.json", JSON)] {
        let (ours, theirs) = (Lab::new("gcfc")?, Lab::new("gcfd")?);
        let (a, b) = network(&ours, &PEERS)?;
        let (c, _) = theirs.pair()?;
        // gobgpd takes the file: it is in its language.
        let gobgp = GoBgp::start_file(&c, name, text)?;
        ensure!(gobgp.ctl("neighbor")?.contains("10.0.0.24"), "{name}");
        let _us = Bgpd::start_like_gobgp(&a, name, text)?;
        let bird = Bird::start(&b, &birds(&PEERS))?;
        told.push((name, seen(&bird, &PEERS, &DOWN)?));
    }
    let [(_, yaml), (_, json)] = &told[..] else {
        unreachable!("two files")
    };
    let different = differences(yaml, json);
    ensure!(different.is_empty(), "{different}");
    ensure!(yaml[&12].1.contains_key("10.1.0.0/24"), "{yaml:?}");
    Ok(())
}
