// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The same file, but for addresses, with gobgpd and with us: the same routes in, the same routes out.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, GoBgp, Lab, until};

/// `N` and `M` are the networks of the feeder and of the listener.
const FILE: &str = r#"
[global.config]
as = 64512
router-id = "10.0.N.1"
[global.apply-policy.config]
import-policy-list = ["in"]
export-policy-list = ["out"]
default-import-policy = "accept-route"
default-export-policy = "reject-route"

[[neighbors]]
  [neighbors.config]
  neighbor-address = "10.0.N.2"
  peer-as = 64513
  [neighbors.timers.config]
  connect-retry = 5
[[neighbors]]
  [neighbors.config]
  neighbor-address = "10.0.M.2"
  peer-as = 64514
  [neighbors.timers.config]
  connect-retry = 5

[[defined-sets.prefix-sets]]
prefix-set-name = "middle"
  [[defined-sets.prefix-sets.prefix-list]]
  ip-prefix = "10.33.0.0/16"
  masklength-range = "21..23"
[[defined-sets.prefix-sets]]
prefix-set-name = "exact"
  [[defined-sets.prefix-sets.prefix-list]]
  ip-prefix = "10.33.0.0/16"
  [[defined-sets.prefix-sets.prefix-list]]
  ip-prefix = "10.33.128.0/17"
  masklength-range = "17..22"
[[defined-sets.neighbor-sets]]
neighbor-set-name = "listener"
neighbor-info-list = ["10.0.M.2"]
[[defined-sets.neighbor-sets]]
neighbor-set-name = "feeder"
neighbor-info-list = ["10.0.N.0/24"]
[defined-sets.bgp-defined-sets]
  [[defined-sets.bgp-defined-sets.as-path-sets]]
  as-path-set-name = "origin"
  as-path-list = ["_65300$"]
  [[defined-sets.bgp-defined-sets.as-path-sets]]
  as-path-set-name = "both"
  as-path-list = ["_65100_", "_65210_"]
  [[defined-sets.bgp-defined-sets.as-path-sets]]
  as-path-set-name = "text"
  as-path-list = ["65100 65[23]00$"]
  [[defined-sets.bgp-defined-sets.as-path-sets]]
  as-path-set-name = "fed"
  as-path-list = ["^64513_"]
  [[defined-sets.bgp-defined-sets.community-sets]]
  community-set-name = "two"
  community-list = ["65100:10", "^65200:.*$"]
  [[defined-sets.bgp-defined-sets.community-sets]]
  community-set-name = "marked"
  community-list = ["64512:1"]
  [[defined-sets.bgp-defined-sets.large-community-sets]]
  large-community-set-name = "large"
  large-community-list = ["^64513:1:.*$"]

[[policy-definitions]]
name = "in"
  [[policy-definitions.statements]]
  name = "long"
    [policy-definitions.statements.conditions.bgp-conditions.as-path-length]
    operator = "ge"
    value = 5
    [policy-definitions.statements.actions]
    route-disposition = "reject-route"
  [[policy-definitions.statements]]
  name = "mark"
    [policy-definitions.statements.conditions.match-prefix-set]
    prefix-set = "middle"
    [policy-definitions.statements.conditions.bgp-conditions.match-as-path-set]
    as-path-set = "origin"
    [policy-definitions.statements.actions.bgp-actions]
    set-local-pref = 200
      [policy-definitions.statements.actions.bgp-actions.set-community]
      options = "add"
        [policy-definitions.statements.actions.bgp-actions.set-community.set-community-method]
        communities-list = ["64512:1"]
  [[policy-definitions.statements]]
  name = "not-exact"
    [policy-definitions.statements.conditions.match-prefix-set]
    prefix-set = "exact"
    match-set-options = "invert"
    [policy-definitions.statements.conditions.bgp-conditions.match-as-path-set]
    as-path-set = "both"
    match-set-options = "all"
    [policy-definitions.statements.actions]
    route-disposition = "accept-route"
      [policy-definitions.statements.actions.bgp-actions.set-as-path-prepend]
      as = "65005"
      repeat-n = 2
  [[policy-definitions.statements]]
  name = "strip"
    [policy-definitions.statements.conditions.bgp-conditions.match-community-set]
    community-set = "two"
    match-set-options = "all"
    [policy-definitions.statements.actions.bgp-actions.set-community]
    options = "remove"
      [policy-definitions.statements.actions.bgp-actions.set-community.set-community-method]
      communities-list = ["^65200:.*$"]
  [[policy-definitions.statements]]
  name = "fresh"
    [policy-definitions.statements.conditions.bgp-conditions.match-community-set]
    community-set = "two"
    match-set-options = "invert"
    [policy-definitions.statements.conditions.bgp-conditions.match-large-community-set]
    large-community-set = "large"
    [policy-definitions.statements.actions.bgp-actions.set-large-community]
    options = "replace"
      [policy-definitions.statements.actions.bgp-actions.set-large-community.set-large-community-method]
      communities-list = ["64512:7:7"]

[[policy-definitions]]
name = "out"
  [[policy-definitions.statements]]
  name = "not-back"
    [policy-definitions.statements.conditions.match-neighbor-set]
    neighbor-set = "listener"
    match-set-options = "invert"
    [policy-definitions.statements.actions]
    route-disposition = "reject-route"
  [[policy-definitions.statements]]
  name = "text"
    [policy-definitions.statements.conditions.bgp-conditions.match-as-path-set]
    as-path-set = "text"
    [policy-definitions.statements.actions.bgp-actions]
    set-med = "+10"
    set-next-hop = "10.0.M.99"
  [[policy-definitions.statements]]
  name = "marked"
    [policy-definitions.statements.conditions.bgp-conditions]
    route-type = "external"
    next-hop-in-list = ["10.0.N.2"]
    [policy-definitions.statements.conditions.bgp-conditions.match-community-set]
    community-set = "marked"
    [policy-definitions.statements.actions]
    route-disposition = "accept-route"
    [policy-definitions.statements.actions.bgp-actions]
    set-med = "77"
      [policy-definitions.statements.actions.bgp-actions.set-ext-community]
      options = "add"
        [policy-definitions.statements.actions.bgp-actions.set-ext-community.set-ext-community-method]
        communities-list = ["rt:64512:1"]
      [policy-definitions.statements.actions.bgp-actions.set-as-path-prepend]
      as = "last-as"
      repeat-n = 2
  [[policy-definitions.statements]]
  name = "never"
    [policy-definitions.statements.conditions.bgp-conditions]
    route-type = "local"
    [policy-definitions.statements.actions]
    route-disposition = "reject-route"
  [[policy-definitions.statements]]
  name = "rest"
    [policy-definitions.statements.conditions.bgp-conditions.match-as-path-set]
    as-path-set = "fed"
    match-set-options = "invert"
    [policy-definitions.statements.conditions.bgp-conditions.as-path-length]
    operator = "le"
    value = 4
    [policy-definitions.statements.actions]
    route-disposition = "accept-route"
"#;

/// The same policies in IPv6; an IPv4 prefix stands there behind `fd00`, 16 bits longer.
const SIX: [(&str, &str); 8] = [
    ("\"10.0.N.2\"", "\"fd0N::2\""),
    ("\"10.0.M.2\"", "\"fd0M::2\""),
    ("10.0.N.0/24", "fd0N::/64"),
    ("10.0.M.99", "fd0M::99"),
    ("10.33.0.0/16", "fd00:a21::/32"),
    ("21..23", "37..39"),
    ("10.33.128.0/17", "fd00:a21:8000::/33"),
    ("17..22", "33..38"),
];

#[derive(Clone, Copy, Eq, PartialEq)]
enum Family {
    Four,
    Six,
}

impl Family {
    fn channel(self) -> &'static str {
        match self {
            Self::Four => "ipv4",
            Self::Six => "ipv6",
        }
    }

    /// How the addresses of a network begin.
    fn network(self, number: u8) -> String {
        match self {
            Self::Four => format!("10.0.{number}."),
            Self::Six => format!("fd0{number}::"),
        }
    }

    fn address(self, network: u8, host: u8) -> String {
        self.network(network) + &host.to_string()
    }

    fn prefix(self, octets: [u8; 3], length: usize) -> String {
        let [a, b, c] = octets;
        match self {
            Self::Four => format!("{a}.{b}.{c}.0/{length}"),
            Self::Six => format!("fd00:{a:x}{b:02x}:{c:x}00::/{}", length + 16),
        }
    }

    /// The file of a daemon between these networks.
    fn file(self, n: u8, m: u8) -> String {
        let file = match self {
            Self::Four => FILE.to_owned(),
            Self::Six => SIX
                .iter()
                .fold(FILE.to_owned(), |file, (four, six)| file.replace(four, six)),
        };
        let file = file.replace("10.0.N.", &format!("10.0.{n}."));
        let file = file.replace("10.0.M.", &format!("10.0.{m}."));
        file.replace("fd0N::", &self.network(n))
            .replace("fd0M::", &self.network(m))
    }
}

/// How many routes are fed.
const ROUTES: usize = 64;

/// Routes of several lengths, paths and communities, each as BIRD's static protocol has it.
fn feed(family: Family) -> String {
    let paths: [&[u32]; 8] = [
        &[],
        &[65100],
        &[65200, 65100],
        &[65300],
        &[65300, 65100],
        &[65300, 65210, 65100],
        &[65001, 65300, 65200, 65100],
        &[65200, 65001],
    ];
    let communities: [&[(u16, u16)]; 4] = [
        &[],
        &[(65100, 10), (65200, 7)],
        &[(65100, 10)],
        &[(65200, 1), (65200, 2), (65100, 10), (65001, 1)],
    ];
    let mut text = String::new();
    for number in 0..ROUTES {
        // Every path with every community, at one length or another.
        let (path, marks) = (paths[number % 8], communities[number / 8 % 4]);
        let length = 21 + (number / 3) % 4;
        let prefix = match number {
            0 => family.prefix([10, 33, 0], 16),
            1 => family.prefix([10, 33, 128], 17),
            number => {
                let octet = |number: usize| u8::try_from(number).unwrap();
                let octets = [10, 33 + octet(number / 32), 8 * octet(number % 32)];
                family.prefix(octets, length)
            }
        };
        let _ = write!(text, "route {prefix} blackhole {{ ");
        for asn in path {
            let _ = write!(text, "bgp_path.prepend({asn}); ");
        }
        for (high, low) in marks {
            let _ = write!(text, "bgp_community.add(({high},{low})); ");
        }
        if number % 5 == 0 {
            let _ = write!(text, "bgp_large_community.add((64513,1,{number})); ");
        }
        if number % 3 == 0 {
            let _ = write!(text, "bgp_med = {number}; ");
        }
        text.push_str("};\n");
    }
    text
}

/// Two BIRDs: GoBGP tells a router nothing that it has from the same router. One feeds both daemons, the other one hears both, each
/// into a table of its own.
fn birds(family: Family) -> [String; 2] {
    let channel = family.channel();
    let timers = "connect retry time 1; connect delay time 1; error wait time 1, 2;";
    let mut feeder = format!(
        "router id 10.0.9.1;\nprotocol device {{}}\n{channel} table fed;\nprotocol static {{ {channel} {{ table fed; }};\n{}}}\n",
        feed(family)
    );
    let mut listener = "router id 10.0.9.2;\nprotocol device {}\n".to_owned();
    for (name, feeding, hearing) in [("ours", 0, 2), ("theirs", 1, 3)] {
        let [we, daemon] = [2, 1].map(|host| family.address(feeding, host));
        let _ = writeln!(
            feeder,
            "protocol bgp {name} {{ local {we} as 64513; neighbor {daemon} as 64512; {timers}\n\
             {channel} {{ table fed; import none; export all; next hop self; }}; }}"
        );
        let [we, daemon] = [2, 1].map(|host| family.address(hearing, host));
        let _ = writeln!(
            listener,
            "{channel} table {name};\n\
             protocol bgp {{ local {we} as 64514; neighbor {daemon} as 64512; {timers}\n\
             {channel} {{ table {name}; import all; export none; }}; }}"
        );
    }
    [feeder, listener]
}

/// What BIRD has heard: attributes by prefix, lists sorted, next hops by the same name in either network.
fn heard(bird: &Bird, table: &str, network: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let text = bird.ctl(&format!("show route table {table} all"))?;
    let mut routes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut prefix = "";
    for line in text.lines() {
        if line.contains('/') && !line.starts_with(char::is_whitespace) {
            prefix = line.split_whitespace().next().unwrap_or_default();
            routes.entry(prefix.to_owned()).or_default();
        } else if let Some((key, value)) = line.trim().split_once(": ")
            && key.starts_with("BGP.")
        {
            let mut words: Vec<&str> = value.split('(').map(str::trim).collect();
            words.sort_unstable();
            let mut value = words.join(" (").replace(network, "M-");
            if key == "BGP.next_hop" {
                // Ours has a link-local address beside the global one (RFC 2545 §3).
                value = value
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
            }
            routes
                .entry(prefix.to_owned())
                .or_default()
                .push(format!("{key}: {value}"));
        }
    }
    Ok(routes)
}

#[test]
#[ignore = "needs netns"]
fn gobgp_and_we_make_the_same_of_the_same_file() -> Result<()> {
    both_make_the_same("pold", Family::Four)
}

#[test]
#[ignore = "needs netns"]
fn gobgp_and_we_make_the_same_of_ipv6_routes() -> Result<()> {
    both_make_the_same("pol6", Family::Six)
}

fn both_make_the_same(name: &str, family: Family) -> Result<()> {
    let lab = Lab::new(name)?;
    let (a, c) = (lab.netns("a")?, lab.netns("c")?);
    let (feeder, listener) = (lab.netns("feed")?, lab.netns("hear")?);
    for (netns, end, networks) in [(&a, "eth0", [0, 2]), (&c, "eth1", [1, 3])] {
        for (other, device, network) in [
            (&feeder, "eth0", networks[0]),
            (&listener, "eth1", networks[1]),
        ] {
            lab.cable((netns, device), (other, end))?;
            netns.ip(&format!("addr add 10.0.{network}.1/24 dev {device}"))?;
            other.ip(&format!("addr add 10.0.{network}.2/24 dev {end}"))?;
            netns.ip(&format!(
                "-6 addr add fd0{network}::1/64 dev {device} nodad"
            ))?;
            other.ip(&format!("-6 addr add fd0{network}::2/64 dev {end} nodad"))?;
        }
    }
    let us = Bgpd::start(&a, &family.file(0, 2))?;
    let gobgp = GoBgp::start(&c, &family.file(1, 3))?;
    let [feeding, hearing] = birds(family);
    let _feeder = Bird::start(&feeder, &feeding)?;
    let bird = Bird::start(&listener, &hearing)?;
    for network in [0, 2] {
        us.wait_established(&family.address(network, 2))?;
    }
    let fed = family.address(1, 2);
    // They have told all when nothing comes for a while.
    let (mut last, mut same) = (0, 0);
    let (ours, theirs) = until("both have told everything", Duration::from_secs(60), || {
        let ours = heard(&bird, "ours", &family.network(2))?;
        let theirs = heard(&bird, "theirs", &family.network(3))?;
        let fed = gobgp.ctl(&format!("neighbor {fed} adj-in -a {}", family.channel()))?;
        ensure!(fed.lines().count() > ROUTES, "GoBGP is not fed yet");
        let seen = ours.len() + theirs.len();
        same = if seen == last { same + 1 } else { 0 };
        last = seen;
        ensure!(
            !ours.is_empty() && !theirs.is_empty() && same > 20,
            "{seen} routes and counting"
        );
        Ok((ours, theirs))
    })?;
    let mut different = String::new();
    for prefix in ours.keys().chain(theirs.keys()) {
        let (one, other) = (ours.get(prefix), theirs.get(prefix));
        if one != other {
            let _ = writeln!(different, "{prefix}\n  us:    {one:?}\n  GoBGP: {other:?}");
        }
    }
    ensure!(different.is_empty(), "{different}");
    // Each statement has had something to do.
    let text = format!("{ours:?}");
    for sign in [
        "(64512,1)",
        "65005 65005",
        "64512, 7, 7",
        "M-99",
        "BGP.med: 77",
        "BGP.med: 10",
        "(rt, 64512, 1)",
        "64512 64512 64512",
    ] {
        ensure!(text.contains(sign), "no {sign} in {text}");
    }
    ensure!(
        ours.len() < ROUTES && ours.len() > ROUTES / 2,
        "{} routes",
        ours.len()
    );
    Ok(())
}
