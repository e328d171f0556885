// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With `ExaBGP`, which prints each UPDATE that it hears: routes both ways in one session, attributes, withdrawal.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{
    Bgpd, ExaBgp, Lab,
    config::{self, BOTH_FAMILIES},
    until,
};
use serde_json::{Value, json};

fn ours() -> String {
    config::ours_with(64513, BOTH_FAMILIES)
        + &config::blackhole("10.1.0.0/16")
        + &config::blackhole("fd01::/48")
}

const THEIRS: &str = "
  router-id 10.0.0.2;
  local-address 10.0.0.2;
  local-as 64513;
  peer-as 64512;
  family { ipv4 unicast; ipv6 unicast; }
  static {
    route 10.2.0.0/16 next-hop 10.0.0.2 as-path [ 64513 65001 4200000003 ] med 9 large-community [ 64513:1:2 ];
    route fd02::/48 next-hop fd00::2 as-path [ 64513 ];
  }
";

/// The first UPDATE it has heard that says so of a prefix: `what` is "announce" or "withdraw".
fn update(exabgp: &ExaBgp, what: &str, prefix: &str) -> Result<Value> {
    until(
        &format!("ExaBGP hears {what} {prefix}"),
        Duration::from_secs(15),
        || {
            let heard = exabgp.heard();
            // The last line may be half written.
            let lines = heard
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let mut updates =
                lines.map(|line: Value| line["neighbor"]["message"]["update"].clone());
            let quoted = format!("\"{prefix}\"");
            let found = updates.find(|update| update[what].to_string().contains(&quoted));
            found.with_context(|| heard.clone())
        },
    )
}

#[test]
#[ignore = "needs netns"]
fn routes_of_both_families_go_both_ways() -> Result<()> {
    let lab = Lab::new("exa")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours())?;
    let exabgp = ExaBgp::start(&b, "10.0.0.1", THEIRS)?;
    us.wait_established("10.0.0.2")?;

    for (family, prefix, next_hop) in [
        ("ipv4 unicast", "10.1.0.0/16", "10.0.0.1"),
        ("ipv6 unicast", "fd01::/48", "fd00::1"),
    ] {
        let update = update(&exabgp, "announce", prefix)?;
        let path = update["attribute"]["as-path"].to_string();
        ensure!(path.contains("64512") && !path.contains(','), "{update}");
        ensure!(
            update["announce"][family][next_hop][0]["nlri"] == prefix,
            "{update}"
        );
    }

    let four = json!({
        "as_path": "64513 65001 4200000003", "next_hop": "10.0.0.2", "med": 9,
        "large_communities": ["64513:1:2"],
    });
    us.wait_best("10.2.0.0/16", &four)?;
    us.wait_best(
        "fd02::/48",
        &json!({ "as_path": "64513", "next_hop": "fd00::2" }),
    )
}

#[test]
#[ignore = "needs netns"]
fn what_we_take_back_is_withdrawn_in_both_families() -> Result<()> {
    let lab = Lab::new("exa")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours())?;
    let exabgp = ExaBgp::start(&b, "10.0.0.1", THEIRS)?;
    us.wait_established("10.0.0.2")?;
    for prefix in ["10.9.0.0/16", "fd09::/48"] {
        us.add_route(&format!("{prefix} --blackhole --med 5 --community 64512:7"))?;
        let told = update(&exabgp, "announce", prefix)?;
        ensure!(told["attribute"]["med"] == 5, "{told}");
        ensure!(
            told["attribute"]["community"] == json!([[64512, 7]]),
            "{told}"
        );
        us.ctl(&["route", "del", prefix])?;
        update(&exabgp, "withdraw", prefix)?;
    }
    Ok(())
}
