// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `gobgp` of Debian, unchanged, asks our daemon and GoBGP's own, which were started with the same file and
//! hear the same routes: it prints the same, apart from ages.

mod both;
mod monitors;
mod mrt;
mod orders;
mod speakers;
mod versions;

use std::time::Instant;

use anyhow::{Result, ensure};
use lab::until;
use serde_json::Value;

use self::both::{Both, SOON, sort_attributes, without};

/// Routes of our own: `global rib add` of these.
const ROUTES: [&str; 9] = [
    "10.1.0.0/24 nexthop 10.0.0.1 local-pref 200 med 5 community 64512:9,no-export",
    "10.1.1.0/24 origin igp aspath 65001,65002 rt 64512:7 large-community 64512:1:2",
    "10.1.2.0/24 origin egp nexthop 10.0.0.8 aggregator 65001:10.9.9.9",
    "10.1.3.0/24 aigp metric 77",
    "10.1.4.0/24 aspath 65001,{65002,65003} community 64512:1,64512:2",
    "10.1.5.0/24 nexthop 10.0.0.7 identifier 7",
    "10.1.6.0/24",
    "-a ipv6 2001:db8:1::/48 nexthop fd00::1 origin egp",
    "-a ipv6 2001:db8:1:1::/64 community 64512:6 large-community 64512:6:6",
];

const TABLES: &[&str] = &[
    "global",
    "global rib",
    "global rib -a ipv4",
    "global rib -a ipv6",
    "global rib -a vpnv4",
    "global rib -a evpn",
    "global rib 10.2.1.0/24",
    "global rib 10.2.1.9",
    "global rib 10.2.3.9",
    "global rib 192.0.2.1",
    "global rib 10.7.0.0/24",
    "global rib 10.9.0.0/24",
    "global rib 10.2.0.0/16 longer-prefixes",
    "global rib 10.2.1.1/32 shorter-prefixes",
    "global rib -a ipv6 2001:db8:2::/48 longer-prefixes",
    "global rib -a ipv6 2001:db8:2:1::1/128 shorter-prefixes",
    "global rib -a ipv6 2001:db8:2:1::1",
    "global rib summary",
    "global rib summary -a ipv6",
    "neighbor 10.0.0.2 adj-in",
    "neighbor 10.0.0.2 adj-in 10.2.1.0/24",
    "neighbor 10.0.0.2 adj-in summary",
    "neighbor fd00::2 adj-in",
    "neighbor fd00::2 adj-in summary -a ipv6",
    "neighbor 10.0.0.3 adj-in",
    "neighbor 10.0.0.3 adj-in -a ipv6",
    "neighbor 10.0.0.2 accepted",
    "neighbor 10.0.0.2 accepted summary",
    "neighbor fd00::2 accepted",
    "neighbor 10.0.0.3 accepted",
    "neighbor 10.0.0.2 rejected",
    "neighbor 10.0.0.3 rejected",
    "neighbor 10.0.0.2 rejected summary",
    "neighbor 10.0.0.2 local",
    "neighbor 10.0.0.2 local summary",
    "neighbor 10.0.0.9 adj-in",
    "neighbor 10.0.0.99 adj-in",
    "neighbor 10.0.0.2 adj-in -a evpn",
    "neighbor 10.0.0.2 adj-out -a ipv6",
    "neighbor 10.0.0.2 adj-in summary -a ipv6",
    "neighbor 10.0.0.2 adj-out summary -a vpnv4",
    "neighbor fd00::2 adj-in summary -a ipv4",
    "neighbor 10.0.0.9 adj-in summary -a ls",
    "neighbor 10.0.0.9 adj-in summary",
    "global rib summary -a vpnv6",
];

/// What neighbours are told.
const TOLD: &[&str] = &[
    "neighbor 10.0.0.2 adj-out",
    "neighbor 10.0.0.2 adj-out 10.1.1.0/24",
    "neighbor 10.0.0.3 adj-out",
    "neighbor fd00::2 adj-out",
];

/// Prefixes that gobgpd tells a neighbour of otherwise, or not at all: it does not heed `no-export` and
/// `no-advertise`, sends AIGP and communities that are not transitive to everybody, gives external neighbours the next
/// hop of a route of our own as it was added, and numbers paths even where one is sent only.
const OTHERWISE: [&str; 8] = [
    "10.1.0.0/24",
    "10.1.2.0/24",
    "10.1.3.0/24",
    "10.1.5.0/24",
    "10.2.1.0/24",
    "10.3.0.0/24",
    "10.3.7.0/24",
    "10.9.0.0/24",
];

#[test]
#[ignore = "needs netns"]
fn gobgp_prints_the_same_of_both_daemons() -> Result<()> {
    let mut both = Both::start()?;
    let asked = everything(&mut both);
    both.finish()?;
    asked
}

#[test]
#[ignore = "needs netns"]
fn a_client_of_the_route_server_has_a_table_of_its_own() -> Result<()> {
    let mut both = Both::start_route_server()?;
    for table in [
        "neighbor 10.0.0.2 local",
        "neighbor 10.0.0.2 local 10.3.255.0/24",
        "neighbor 10.0.0.2 local 10.2.0.0/16 longer-prefixes",
        "neighbor 10.0.0.2 local summary",
        "neighbor 10.0.0.3 local",
        "neighbor fd00::2 local",
        "neighbor 10.0.0.3 local -a ipv6",
        "neighbor 10.0.0.3 local summary -a ipv6",
        "neighbor 10.0.0.2 adj-in",
        "neighbor fd00::2 accepted",
    ] {
        both.same(table)?;
    }
    told(&mut both, &["neighbor 10.0.0.3 adj-out"])?;
    both.finish()
}

fn everything(both: &mut Both) -> Result<()> {
    neighbors(both)?;
    let monitors = both.start_on_each(&["monitor global rib", "-j monitor global rib"])?;
    for route in ROUTES {
        both.tell(&format!("global rib add {route}"))?;
    }
    for table in TABLES {
        both.same(table)?;
    }
    told(both, TOLD)?;
    mistakes(both)?;
    for route in ROUTES {
        let prefix = route.split(" nexthop").next().unwrap_or(route);
        both.tell(&format!("global rib del {prefix}"))?;
    }
    both.same("global rib")?;
    both.same("global rib -a ipv6")?;
    both.same_logs(monitors, "", "2001:db8:1:1::/64")?;
    completion(both)?;
    inject(both)
}

/// What neighbours are told.
fn told(both: &mut Both, tables: &[&str]) -> Result<()> {
    for told in tables {
        let others = |text: &str| {
            let lines = text.lines();
            let lines = lines.filter(|line| !OTHERWISE.iter().any(|it| line.contains(it)));
            lines.map(squeezed).collect::<Vec<_>>().join("\n")
        };
        both.same_but(told, others, |table| {
            if let Value::Object(table) = table {
                table.retain(|prefix, _| !OTHERWISE.contains(&prefix.as_str()));
            }
            sort_attributes(table);
        })?;
    }
    Ok(())
}

/// A line whose columns are as wide as the widest of lines that are not compared.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn neighbors(both: &mut Both) -> Result<()> {
    // What the policy of the global table rejects, gobgpd counts as accepted.
    for list in ["neighbor", "neighbor -a ipv4", "neighbor -a ipv6"] {
        both.same_text(list, |text| {
            text.replace("|       13        12", "|       13        11")
                .replace("|       12        11", "|       12        10")
        })?;
    }
    for address in ["10.0.0.2", "fd00::2", "10.0.0.3", "10.0.0.9"] {
        both.same_but(&format!("neighbor {address}"), as_agreed, |neighbor| {
            let apart = [
                // gobgpd shows what a neighbour has been told itself, we what holds for it.
                "/apply_policy",
                // We rest for a shorter time.
                "/timers/config/idle_hold_time_after_reset",
                "/afi_safis/0/state/accepted",
                "/afi_safis/0/state/advertised",
                "/afi_safis/1/state/advertised",
            ];
            for path in apart {
                if let Some(value) = neighbor.pointer_mut(path) {
                    *value = Value::Null;
                }
            }
            let state = &mut neighbor["state"];
            for way in ["sent", "received"] {
                for count in ["update", "keepalive", "total"] {
                    state["messages"][way][count] = Value::Null;
                }
            }
            state["local_cap"] = Value::Null;
            if let Value::Array(all) = &mut state["remote_cap"] {
                all.sort_by_key(ToString::to_string);
            }
        })?;
    }
    Ok(())
}

/// What does not depend on what each of the two can do, on how it packs what it has to say, and on the routes that it
/// tells otherwise ([`OTHERWISE`]).
fn as_agreed(text: &str) -> String {
    const APART: [&str; 7] = [
        "Updates:",
        "Keepalives:",
        "Total:",
        "Advertised:",
        "Accepted:",
        "Local:",
        "name:",
    ];
    let lines = text.lines().filter(|line| {
        let line = line.trim();
        !line.ends_with(":\tadvertised") && !APART.iter().any(|word| line.starts_with(word))
    });
    let heard = lines.map(|line| line.replace("advertised and received", "received"));
    heard.collect::<Vec<_>>().join("\n")
}

/// What is refused is refused with the same words.
fn mistakes(both: &mut Both) -> Result<()> {
    for words in [
        "global rib add 10.1.9.0/33",
        "global rib add 10.1.9.0/24 nexthop nowhere",
        "global rib del 10.1.99.0/24",
        "global rib 10.1.9.0/33",
        "neighbor 10.0.0.99 softreset",
        "neighbor 10.0.0.99 local",
        "neighbor del 10.0.0.99",
        "neighbor add 10.0.0.2 as 64513",
        "vrf green rib",
    ] {
        both.same(words)?;
    }
    Ok(())
}

/// The script for the shell is the client's own.
fn completion(both: &mut Both) -> Result<()> {
    both.same_text("completion bash", str::to_owned)?;
    let script = both.ours.tell("completion bash")?;
    ensure!(script.contains("__start_gobgp"), "{script}");
    Ok(())
}

/// So many routes of a table dump, and some more: `gobgp` ends before the last of them have left it.
fn inject(both: &mut Both) -> Result<()> {
    const MANY: u32 = 100_000;
    let dump = mrt::dump(MANY + MANY / 10);
    let mut ended = Vec::new();
    for side in both.sides() {
        let file = side.netns.file("dump.mrt");
        std::fs::write(&file, &dump)?;
        let start = Instant::now();
        side.tell(&format!("mrt inject global {}", file.display()))?;
        for (family, routes) in [("ipv4", MANY), ("ipv6", MANY / 100)] {
            until(&format!("{routes} routes in {}", side.name), SOON, || {
                let text = side.json(&format!("global rib summary -a {family}"))?;
                let count = text["num_destination"].as_u64().unwrap_or(0);
                ensure!(count >= u64::from(routes) + 100, "{text}");
                Ok(())
            })?;
        }
        ended.push(start.elapsed());
    }
    println!("injected within {ended:?}");
    for table in [
        "global rib summary -a ipv6",
        "global rib 20.0.0.0/24",
        "global rib 20.1.0.0/20 longer-prefixes",
        "global rib 21.134.159.0/24",
        "global rib -a ipv6 2001:db9::/40 longer-prefixes",
    ] {
        // Whom the dump has a path from is not kept here.
        both.same_but(table, str::to_owned, |value| {
            without(&["source-id"], value);
        })?;
    }
    Ok(())
}
