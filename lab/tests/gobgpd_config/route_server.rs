// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A route server: policies of its clients are the clients' own, and those of `global` are for others.

use anyhow::{Result, ensure};
use lab::{Bgpd, Bird, GoBgp, Lab};

use super::{Peer, birds, differences, network, peer, seen};

const FILE: &str = r#"
[global.config]
  as = 64512
  router-id = "10.0.0.1"
[global.apply-policy.config]
  default-import-policy = "reject-route"

[[defined-sets.prefix-sets]]
  prefix-set-name = "details"
  [[defined-sets.prefix-sets.prefix-list]]
    ip-prefix = "10.0.0.0/8"
    masklength-range = "25..32"
[[defined-sets.bgp-defined-sets.as-path-sets]]
  as-path-set-name = "from-32"
  as-path-list = ["^65032"]

[[policy-definitions]]
  name = "no-details"
  [[policy-definitions.statements]]
    [policy-definitions.statements.conditions.match-prefix-set]
      prefix-set = "details"
    [policy-definitions.statements.actions]
      route-disposition = "reject-route"
[[policy-definitions]]
  name = "not-from-32"
  [[policy-definitions.statements]]
    [policy-definitions.statements.conditions.bgp-conditions.match-as-path-set]
      as-path-set = "from-32"
    [policy-definitions.statements.actions]
      route-disposition = "reject-route"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.31"
    peer-as = 65031
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.route-server.config]
    route-server-client = true
  [neighbors.apply-policy.config]
    import-policy-list = ["no-details"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.32"
    peer-as = 65032
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.route-server.config]
    route-server-client = true
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.33"
    peer-as = 65033
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.route-server.config]
    route-server-client = true
  [neighbors.apply-policy.config]
    export-policy-list = ["not-from-32"]
"#;

const CLIENTS: [Peer; 3] = [
    peer(
        31,
        65031,
        &["10.31.0.0/24 blackhole", "10.31.1.128/25 blackhole"],
    ),
    peer(
        32,
        65032,
        &[
            "10.32.0.0/24 blackhole { bgp_med = 9; }",
            "10.32.1.128/25 blackhole",
        ],
    ),
    peer(
        33,
        65033,
        &["10.33.0.0/24 blackhole", "10.33.1.128/25 blackhole"],
    ),
];

#[test]
#[ignore = "needs netns"]
fn clients_of_a_route_server_have_policies_of_their_own() -> Result<()> {
    let (ours, theirs) = (Lab::new("gcfr")?, Lab::new("gcfs")?);
    let (a, b) = network(&ours, &CLIENTS)?;
    let (c, d) = network(&theirs, &CLIENTS)?;
    let _gobgp = GoBgp::start_file(&c, "gobgpd.toml", FILE)?;
    let their_bird = Bird::start(&d, &birds(&CLIENTS))?;
    let _us = Bgpd::start_like_gobgp(&a, "gobgpd.toml", FILE)?;
    let bird = Bird::start(&b, &birds(&CLIENTS))?;
    let theirs = seen(&their_bird, &CLIENTS, &[])?;
    let ours = seen(&bird, &CLIENTS, &[])?;
    let different = differences(&ours, &theirs);
    ensure!(different.is_empty(), "{different}");
    ensure!(
        !ours[&32].1.is_empty() && ours[&33].1.len() < ours[&32].1.len() + 2,
        "{ours:?}"
    );
    Ok(())
}
