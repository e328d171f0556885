// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemons that choose, and how each is asked what it has chosen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Bird, Frr, GoBgp, Netns, until};
use serde_json::Value;

use crate::{
    PATIENCE,
    cases::{NEIGHBORS, OUR_AS},
};

/// What a daemon has chosen of a prefix, by the last octets of the neighbours' addresses.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Choice {
    pub(crate) best: Option<u8>,
    /// All in use, the best among them; empty if the daemon does not say.
    pub(crate) level: BTreeSet<u8>,
}

pub(crate) type Choices = BTreeMap<String, Choice>;

/// What only some runs need.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct More<'a> {
    /// Weights of neighbours.
    pub(crate) weights: &'a [(u8, u16)],
    /// The kernel says how far next hops are.
    pub(crate) next_hops: bool,
}

impl More<'_> {
    fn weight(self, neighbor: u8) -> u16 {
        let mut weights = self.weights.iter();
        weights
            .find(|(number, _)| *number == neighbor)
            .map_or(0, |(_, weight)| *weight)
    }
}

pub(crate) trait Daemon {
    fn choices(&self) -> Result<Choices>;

    /// The end of its log.
    fn log(&self) -> String {
        String::new()
    }

    /// Brings up to date what [`choices`](Self::choices) looks at.
    fn settle(&self) -> Result<()> {
        Ok(())
    }
}

/// Ours.
pub(crate) struct Ours(Bgpd);

impl Ours {
    /// `options` are those of `global.route-selection-options`, `several` those of `global.use-multiple-paths`.
    pub(crate) fn start(
        netns: &Netns,
        options: &str,
        several: &str,
        more: More<'_>,
    ) -> Result<Self> {
        let mut config = format!(
            "[global]\nas = {OUR_AS}\nrouter-id = \"10.0.0.1\"\nshards = 1\n\
             apply-policy = {{ default-import-policy = \"accept-route\", default-export-policy = \"reject-route\" }}\n\
             route-selection-options = {{ {options} }}\n\
             use-multiple-paths = {{ enabled = true{several} }}\n"
        );
        for who in NEIGHBORS {
            write!(
                config,
                "[[neighbors]]\nneighbor-address = \"{}\"\npeer-as = {}\nweight = {}\n\
                 transport = {{ passive-mode = true }}\n",
                who.address(),
                who.asn,
                more.weight(who.number)
            )?;
        }
        if more.next_hops {
            config += "[fib]\n";
        }
        Ok(Self(Bgpd::start(netns, &config)?))
    }
}

impl Daemon for Ours {
    fn choices(&self) -> Result<Choices> {
        let mut choices = Choices::new();
        for route in self.0.json(&["route"])?.as_array().context("a list")? {
            let Some(from) = last_octet(&route["neighbor"]) else {
                continue;
            };
            let prefix = route["prefix"].as_str().unwrap_or_default().to_owned();
            let choice = choices.entry(prefix).or_default();
            if route["best"] == true {
                choice.best = Some(from);
            }
            if route["best"] == true || route["multipath"] == true {
                choice.level.insert(from);
            }
        }
        Ok(choices)
    }
}

/// FRR, with zebra: it knows which next hops can be reached.
pub(crate) struct FrrRouter(Frr);

impl FrrRouter {
    pub(crate) fn start(netns: &Netns, options: &str, more: More<'_>) -> Result<Self> {
        let mut config = format!(
            "router bgp {OUR_AS}\n bgp router-id 10.0.0.1\n no bgp ebgp-requires-policy\n{options}"
        );
        for who in NEIGHBORS {
            let (address, asn) = (who.address(), who.asn);
            write!(
                config,
                " neighbor {address} remote-as {asn}\n neighbor {address} passive\n"
            )?;
        }
        config += " address-family ipv4 unicast\n  maximum-paths 16\n  maximum-paths ibgp 16\n";
        for (number, weight) in more.weights {
            writeln!(config, "  neighbor 10.0.0.{number} weight {weight}")?;
        }
        config += " exit-address-family\n";
        Ok(Self(Frr::start_with_zebra(netns, &config)?))
    }
}

impl Daemon for FrrRouter {
    fn choices(&self) -> Result<Choices> {
        let text = self.0.ctl("show bgp ipv4 unicast json")?;
        let table: Value = serde_json::from_str(&text)?;
        let mut choices = Choices::new();
        for (prefix, paths) in table["routes"].as_object().context("routes")? {
            let mut choice = Choice::default();
            for path in paths.as_array().into_iter().flatten() {
                let from = last_octet(&path["peerId"]).context("a neighbour")?;
                if path["bestpath"] == true {
                    choice.best = Some(from);
                }
                if path["bestpath"] == true || path["multipath"] == true {
                    choice.level.insert(from);
                }
            }
            choices.insert(prefix.clone(), choice);
        }
        Ok(choices)
    }
}

/// BIRD. Which routes share traffic is seen in the kernel.
pub(crate) struct BirdRouter(Bird, Netns);

impl BirdRouter {
    pub(crate) fn start(netns: &Netns, options: &str) -> Result<Self> {
        let mut config = "router id 10.0.0.1;\nprotocol device {}\nprotocol direct { ipv4; }\n\
            protocol kernel { merge paths on limit 16; ipv4 { export where source = RTS_BGP; }; }\n"
            .to_owned();
        for who in NEIGHBORS {
            let (number, asn, address) = (who.number, who.asn, who.address());
            write!(
                config,
                "protocol bgp p{number} {{ local 10.0.0.1 as {OUR_AS}; neighbor {address} as {asn}; passive on; {options}\n\
                 ipv4 {{ import all; export none; }}; }}\n"
            )?;
        }
        Ok(Self(Bird::start(netns, &config)?, netns.clone()))
    }
}

impl Daemon for BirdRouter {
    // With deterministic MED a route may lose to another one than the best. If it shared traffic it still does: the kernel
    // is not told before something that is in use changes. A new kernel protocol is told of everything.
    fn settle(&self) -> Result<()> {
        self.0.ctl("restart kernel1")?;
        until("the kernel has all routes", PATIENCE, || {
            let choices = self.choices()?;
            let missing = choices.iter().find(|(_, choice)| choice.level.is_empty());
            ensure!(missing.is_none(), "{missing:?}");
            Ok(())
        })
    }

    fn choices(&self) -> Result<Choices> {
        let mut choices = Choices::new();
        let mut prefix = String::new();
        for line in self.0.ctl("show route")?.lines() {
            if line.starts_with(|first: char| first.is_ascii_digit()) {
                line.split(' ')
                    .next()
                    .unwrap_or_default()
                    .clone_into(&mut prefix);
            }
            if let Some((_, rest)) = line.split_once("unicast [p") {
                let number = rest.get(..2).and_then(|text| text.parse().ok());
                let choice = choices.entry(prefix.clone()).or_default();
                if rest.contains("] * (") {
                    choice.best = number;
                }
            }
        }
        let mut prefix = String::new();
        for line in self.1.ip_output("route show proto bird")?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if !line.starts_with(char::is_whitespace) {
                (*words.first().unwrap_or(&"")).clone_into(&mut prefix);
                if !prefix.contains('/') {
                    prefix += "/32";
                }
            }
            let gateways = words.windows(2).filter(|pair| pair[0] == "via");
            let choice = choices.entry(prefix.clone()).or_default();
            choice
                .level
                .extend(gateways.filter_map(|pair| octet(pair[1])));
        }
        Ok(choices)
    }
}

/// GoBGP, which does not say which routes share traffic.
pub(crate) struct GoBgpRouter(GoBgp);

impl GoBgpRouter {
    pub(crate) fn start(netns: &Netns, options: &str) -> Result<Self> {
        let mut config = format!(
            "[global.config]\nas = {OUR_AS}\nrouter-id = \"10.0.0.1\"\n\
             [global.route-selection-options.config]\n{options}\n"
        );
        for who in NEIGHBORS {
            write!(
                config,
                "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}\n\
                 [neighbors.transport.config]\npassive-mode = true\n",
                who.address(),
                who.asn
            )?;
        }
        Ok(Self(GoBgp::start(netns, &config)?))
    }
}

impl Daemon for GoBgpRouter {
    // It counts the age of routes in seconds: what comes in the next round is to be younger.
    fn settle(&self) -> Result<()> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH);
        let second = now()?.as_secs();
        until("the next second", PATIENCE, || {
            ensure!(now()?.as_secs() > second, "not yet");
            Ok(())
        })
    }

    fn log(&self) -> String {
        let log = self.0.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    fn choices(&self) -> Result<Choices> {
        let table: Value = serde_json::from_str(&self.0.ctl("global rib -j")?)?;
        let mut choices = Choices::new();
        for (prefix, paths) in table.as_object().context("a table")? {
            let mut paths = paths.as_array().into_iter().flatten();
            // Who said it is not in there, but everybody's next hop is itself.
            let best = paths.find(|path| path["best"] == true);
            let mut attributes = best
                .and_then(|path| path["attrs"].as_array())
                .into_iter()
                .flatten();
            let best = attributes.find_map(|attribute| last_octet(&attribute["nexthop"]));
            let choice = Choice {
                best,
                level: BTreeSet::new(),
            };
            choices.insert(prefix.clone(), choice);
        }
        Ok(choices)
    }
}

fn last_octet(address: &Value) -> Option<u8> {
    octet(address.as_str()?)
}

fn octet(address: &str) -> Option<u8> {
    address.rsplit('.').next()?.parse().ok()
}
