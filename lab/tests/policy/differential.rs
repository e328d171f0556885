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

/// How many routes are fed.
const ROUTES: usize = 64;

/// Routes of several lengths, paths and communities, each as BIRD's static protocol has it.
fn feed() -> String {
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
            0 => "10.33.0.0/16".to_owned(),
            1 => "10.33.128.0/17".to_owned(),
            number => format!("10.{}.{}.0/{length}", 33 + number / 32, 8 * (number % 32)),
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
fn birds() -> [String; 2] {
    let timers = "connect retry time 1; connect delay time 1; error wait time 1, 2;";
    let mut feeder = format!(
        "router id 10.0.9.1;\nprotocol device {{}}\nipv4 table fed;\nprotocol static {{ ipv4 {{ table fed; }};\n{}}}\n",
        feed()
    );
    let mut listener = "router id 10.0.9.2;\nprotocol device {}\n".to_owned();
    for (name, feeding, hearing) in [("ours", 0, 2), ("theirs", 1, 3)] {
        let _ = writeln!(
            feeder,
            "protocol bgp {name} {{ local 10.0.{feeding}.2 as 64513; neighbor 10.0.{feeding}.1 as 64512; {timers}\n\
             ipv4 {{ table fed; import none; export all; next hop self; }}; }}"
        );
        let _ = writeln!(
            listener,
            "ipv4 table {name};\n\
             protocol bgp {{ local 10.0.{hearing}.2 as 64514; neighbor 10.0.{hearing}.1 as 64512; {timers}\n\
             ipv4 {{ table {name}; import all; export none; }}; }}"
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
        if line.starts_with("10.") {
            prefix = line.split_whitespace().next().unwrap_or_default();
            routes.entry(prefix.to_owned()).or_default();
        } else if let Some((key, value)) = line.trim().split_once(": ")
            && key.starts_with("BGP.")
        {
            let mut words: Vec<&str> = value.split('(').map(str::trim).collect();
            words.sort_unstable();
            let value = words.join(" (").replace(network, "10.0.M.");
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
    let lab = Lab::new("pold")?;
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
        }
    }
    let file = |n: u8, m: u8| {
        FILE.replace("10.0.N.", &format!("10.0.{n}."))
            .replace("10.0.M.", &format!("10.0.{m}."))
    };
    let us = Bgpd::start(&a, &file(0, 2))?;
    let gobgp = GoBgp::start(&c, &file(1, 3))?;
    let [feeding, hearing] = birds();
    let _feeder = Bird::start(&feeder, &feeding)?;
    let bird = Bird::start(&listener, &hearing)?;
    for neighbor in ["10.0.0.2", "10.0.2.2"] {
        us.wait_established(neighbor)?;
    }
    // They have told all when nothing comes for a while.
    let (mut last, mut same) = (0, 0);
    let (ours, theirs) = until("both have told everything", Duration::from_secs(60), || {
        let ours = heard(&bird, "ours", "10.0.2.")?;
        let theirs = heard(&bird, "theirs", "10.0.3.")?;
        let fed = gobgp.ctl("neighbor 10.0.1.2 adj-in")?;
        ensure!(fed.lines().count() > ROUTES, "GoBGP is not fed yet");
        let seen = ours.len() + theirs.len();
        same = if seen == last { same + 1 } else { 0 };
        last = seen;
        ensure!(
            !theirs.is_empty() && same > 20,
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
        "10.0.M.99",
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
