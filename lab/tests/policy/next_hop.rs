// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `set-next-hop` as BIRD hears it, internal and external, in both families.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, Lab, config, until};

use super::{SOON, policy};

/// A family: our addresses and theirs begin with the name of the network.
struct Family {
    name: &'static str,
    networks: [&'static str; 2],
    routes: [&'static str; 5],
}

const FAMILIES: [Family; 2] = [
    Family {
        name: "ipv4",
        networks: ["10.0.0.", "10.0.1."],
        routes: [
            "10.20.1.0/24",
            "10.20.2.0/24",
            "10.20.3.0/24",
            "10.20.4.0/24",
            "10.20.5.0/24",
        ],
    },
    Family {
        name: "ipv6",
        networks: ["fd00::", "fd01::"],
        routes: [
            "fd20:1::/32",
            "fd20:2::/32",
            "fd20:3::/32",
            "fd20:4::/32",
            "fd20:5::/32",
        ],
    },
];

/// The first route is left alone; the others get ourselves, what they have, an address, and (on import) who sends them.
fn ours(listener: u32) -> String {
    let mut text = "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n".to_owned();
    let (mut import, mut export) = (Vec::new(), Vec::new());
    for family in &FAMILIES {
        let [fed, told] = family.networks;
        let lists = |import, export| {
            format!(
                "apply-policy = {{ {import}-policy-list = [\"{import}\"], default-import-policy = \"accept-route\", \
                 default-export-policy = \"{export}\" }}"
            )
        };
        text += &config::neighbor(&format!("{fed}2"), 64513, &lists("import", "reject-route"));
        text += &config::neighbor(
            &format!("{told}2"),
            listener,
            &lists("export", "accept-route"),
        );
        let given = format!("{told}99");
        let actions = ["", "self", "unchanged", &given, "unchanged"];
        for (number, (route, action)) in family.routes.iter().zip(actions).enumerate() {
            let set = format!("{}-{number}", family.name);
            let _ = writeln!(
                text,
                "[[defined-sets.prefix-sets]]\nprefix-set-name = \"{set}\"\nprefix-list = [{{ ip-prefix = \"{route}\" }}]"
            );
            let statement = |action: &str| {
                format!(
                    "{{ conditions = {{ match-prefix-set = {{ prefix-set = \"{set}\" }} }}, \
                     actions = {{ bgp-actions = {{ set-next-hop = \"{action}\" }} }} }}"
                )
            };
            if !action.is_empty() {
                export.push(statement(action));
            }
            if number == 4 {
                import.push(statement("peer-address"));
            }
        }
    }
    for (name, statements) in [("import", import), ("export", export)] {
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        text += &policy(name, &statements);
    }
    text
}

/// The feeder's routes have the next hop 77, which is not its own.
fn feeder() -> String {
    let routes: Vec<&str> = FAMILIES.iter().flat_map(|family| family.routes).collect();
    let mut text = config::bird("10.0.0.2", &routes);
    for family in &FAMILIES {
        let (network, name) = (family.networks[0], family.name);
        let _ = writeln!(
            text,
            "protocol bgp {{ local {network}2 as 64513; neighbor {network}1 as 64512; connect retry time 1; \
             connect delay time 1;\n{name} {{ import none; export filter {{ bgp_next_hop = {network}77; accept; }}; }}; }}"
        );
    }
    text
}

fn listener(asn: u32) -> String {
    let mut text = config::bird("10.0.1.2", &[]);
    for family in &FAMILIES {
        let (network, name) = (family.networks[1], family.name);
        let _ = writeln!(
            text,
            "protocol bgp {{ local {network}2 as {asn}; neighbor {network}1 as 64512; connect retry time 1; \
             connect delay time 1;\n{name} {{ import all; export none; gateway recursive; }}; }}"
        );
    }
    text
}

/// The global address, the first where there are two.
fn next_hop(bird: &Bird, route: &str) -> Result<String> {
    let text = bird.ctl(&format!("show route {route} all"))?;
    let hop = text.split("BGP.next_hop: ").nth(1).unwrap_or_default();
    let hop = hop.split_whitespace().next().unwrap_or_default();
    ensure!(!hop.is_empty(), "{text}");
    Ok(hop.to_owned())
}

fn hears(asn: u32, name: &str) -> Result<()> {
    let lab = Lab::new(name)?;
    let (a, b, c) = lab.three()?;
    for (netns, address) in [
        (&a, "fd00::1/64 dev eth0"),
        (&b, "fd00::2/64 dev eth0"),
        (&a, "fd01::1/64 dev eth1"),
        (&c, "fd01::2/64 dev eth0"),
    ] {
        netns.ip(&format!("-6 addr replace {address} nodad"))?;
    }
    let us = Bgpd::start(&a, &ours(asn))?;
    let _feeder = Bird::start(&b, &feeder())?;
    let bird = Bird::start(&c, &listener(asn))?;
    for neighbor in ["10.0.0.2", "fd00::2", "10.0.1.2", "fd01::2"] {
        us.wait_established(neighbor)?;
    }
    for family in &FAMILIES {
        let [fed, told] = family.networks;
        let received = format!("{fed}77");
        let ourselves = format!("{told}1");
        let usual = if asn == 64512 { &received } else { &ourselves };
        let wanted = [
            usual.clone(),
            ourselves.clone(),
            received.clone(),
            format!("{told}99"),
            format!("{fed}2"),
        ];
        for (route, wanted) in family.routes.iter().zip(wanted) {
            until(&format!("{route} by {wanted}"), SOON, || {
                let hop = next_hop(&bird, route)?;
                ensure!(hop == wanted, "{hop}");
                Ok(())
            })?;
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn an_internal_neighbour_hears_the_next_hops_that_policy_sets() -> Result<()> {
    hears(64512, "polhi")
}

#[test]
#[ignore = "needs netns"]
fn an_external_neighbour_hears_the_next_hops_that_policy_sets() -> Result<()> {
    hears(64514, "polhe")
}
