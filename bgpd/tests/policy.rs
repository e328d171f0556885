// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies in configuration files: what they come to, where they work, and what a change of them touches.

use std::sync::Arc;

use bgp_proto::Family;
use bgpd::config::{self, Config, ConfigChange, Host, PolicyOrigin};
use rib::{
    Policy, Verdict,
    policy::{
        Action, AsPathEdit, AsSource, CommunitySet, Condition, Edit, MatchOption, Number,
        PrefixSet, Statement,
    },
};

fn parse(text: &str) -> Config {
    config::parse(text, "bgpd.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

/// As GoBGP's users write them: options in capitals, ranges, anonymous statements, sets that nobody uses.
const GOBGP: &str = r#"
[global.config]
  as = 64512
  router-id = "192.168.10.1"
[global.apply-policy.config]
  import-policy-list = ["policy2"]
  default-import-policy = "reject-route"
  default-export-policy = "accept-route"

[[neighbors]]
  [neighbors.config]
    peer-as = 65001
    neighbor-address = "192.168.10.2"

[defined-sets]
  [[defined-sets.prefix-sets]]
    prefix-set-name = "ps2"
    [[defined-sets.prefix-sets.prefix-list]]
      ip-prefix = "10.33.0.0/16"
      masklength-range = "21..24"
    [[defined-sets.prefix-sets.prefix-list]]
      ip-prefix = "10.50.0.0/16"
  [[defined-sets.neighbor-sets]]
    neighbor-set-name = "ns1"
    neighbor-info-list = ["192.168.10.2"]
  [defined-sets.bgp-defined-sets]
    [[defined-sets.bgp-defined-sets.community-sets]]
      community-set-name = "cs1"
      community-list = ["65100:10", "65200:.+"]
    [[defined-sets.bgp-defined-sets.as-path-sets]]
      as-path-set-name = "as2"
      as-path-list = ["^65100_", "65200 65300"]

[[policy-definitions]]
  name = "policy2"
  [[policy-definitions.statements]]
    [policy-definitions.statements.conditions]
      [policy-definitions.statements.conditions.match-prefix-set]
        prefix-set = "ps2"
        match-set-options = "INVERT"
      [policy-definitions.statements.conditions.bgp-conditions.match-community-set]
        community-set = "cs1"
        match-set-options = "all"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
      [policy-definitions.statements.actions.bgp-actions]
        set-med = "-200"
        [policy-definitions.statements.actions.bgp-actions.set-as-path-prepend]
          as = "65005"
          repeat-n = 5
        [policy-definitions.statements.actions.bgp-actions.set-community]
          options = "ADD"
          [policy-definitions.statements.actions.bgp-actions.set-community.set-community-method]
            communities-list = ["65100:20"]
"#;

#[test]
fn a_policy_of_gobgp_becomes_the_statements_that_it_means() {
    let config = parse(GOBGP);
    assert_eq!(config.warnings, []);
    let prefixes = PrefixSet::new([
        ("10.33.0.0/16".parse().unwrap(), 21..=24),
        ("10.50.0.0/16".parse().unwrap(), 16..=16),
    ]);
    let communities = ["65100:10", "65200:.+"].map(|text| text.parse().unwrap());
    let conditions = vec![
        Condition::All(vec![
            Condition::Family(Family::IPV4_UNICAST),
            Condition::Prefix(Arc::new(prefixes)).negated(),
        ]),
        Condition::Communities(MatchOption::All, Arc::new(CommunitySet::new(communities))),
    ];
    let new = Arc::from(["65100:20".parse().unwrap()]);
    let actions = vec![
        Statement::Act(Action::Communities(Edit::Add(new))),
        Statement::Act(Action::Med(Some(Number::Med.minus(Number::Constant(200))))),
        Statement::Act(Action::AsPath(AsPathEdit::Prepend(
            AsSource::Asn(bgp_proto::Asn(65005)),
            5,
        ))),
        Statement::Accept,
    ];
    let statement = Statement::when(Condition::All(conditions), actions);
    let body = vec![Statement::named(
        "policy2",
        vec![Statement::named("policy2_stmt0", vec![statement])],
    )];
    let expected = Policy::new(body, Verdict::Reject).unwrap();
    let import = &config.neighbors[0].import;
    assert_eq!(import.program, expected);
    assert_eq!(import.to_string(), "policy2, then reject");
    let [policy] = &config.policies.definitions[..] else {
        panic!("{:?}", config.policies)
    };
    let shown = policy.statements[0].actions.iter().map(ToString::to_string);
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            "set-community add [65100:20]",
            "set-med -200",
            "set-as-path-prepend 65005 × 5",
            "route-disposition accept-route"
        ]
    );
    assert_eq!(
        config.policies.sets[0].members,
        ["10.33.0.0/16 21..24", "10.50.0.0/16 16..16"]
    );
}

const TWO: &str = r#"
[[policy-definitions]]
name = "a"
statements = [{ actions.bgp-actions.set-med = 1 }]
[[policy-definitions]]
name = "b"
statements = [{ actions.bgp-actions.set-med = 2 }]
"#;

#[test]
fn the_nearest_list_counts_and_counts_alone() {
    let text = format!(
        r#"{TWO}
[global]
as = 64512
apply-policy = {{ import-policy-list = ["a"] }}

[[peer-groups]]
peer-group-name = "g"
apply-policy = {{ import-policy-list = ["b"], default-import-policy = "reject-route" }}

[[neighbors]]
neighbor-address = "192.0.2.1"
peer-as = 65001

[[neighbors]]
neighbor-address = "192.0.2.2"
peer-as = 65001
peer-group = "g"

[[neighbors]]
neighbor-address = "192.0.2.3"
peer-as = 65001
peer-group = "g"
apply-policy = {{ import-policy-list = [], export-policy-list = ["b", "a"] }}

[[neighbors]]
neighbor-address = "192.0.2.4"
peer-as = 65001
[[neighbors.afi-safis]]
afi-safi-name = "ipv4-unicast"
[[neighbors.afi-safis]]
afi-safi-name = "ipv6-unicast"
apply-policy = {{ import-policy-list = ["b"], default-import-policy = "reject-route" }}
"#
    );
    let config = parse(&text);
    let said: Vec<String> = config
        .neighbors
        .iter()
        .map(|peer| format!("{} | {}", peer.import, peer.export))
        .collect();
    let rfc8212 = "reject: eBGP without a policy (RFC 8212)";
    assert_eq!(
        said,
        [
            format!("a, then accept | {rfc8212}"),
            format!("b, then reject | {rfc8212}"),
            "reject: configured | b, a, then accept".to_owned(),
            format!("a, then accept; ipv6-unicast: b, then reject | {rfc8212}"),
        ]
    );
    assert_eq!(config.neighbors[0].import.origin, PolicyOrigin::Explicit);
}

/// The nodes of a mesh have no tables of their own.
#[test]
fn the_mesh_has_the_global_policies() {
    let text = format!(
        r#"{TWO}
[global]
as = 64512
router-id = "192.0.2.1"
apply-policy = {{ import-policy-list = ["a"], default-export-policy = "reject-route" }}
[[mesh.nodes]]
name = "one"
address = "192.0.2.1"
[[mesh.nodes]]
name = "two"
address = "192.0.2.2"
"#
    );
    let host = Host {
        name: "one".to_owned(),
        ..Host::default()
    };
    let config = parse(&text).for_host(&host).unwrap();
    let [peer] = &config.neighbors[..] else {
        panic!("{:?}", config.neighbors)
    };
    assert_eq!(
        (peer.import.to_string().as_str(), peer.export.accept),
        ("a, then accept", false)
    );
}

/// A reload tells those neighbours whose policies are different, and does not end a session.
#[test]
fn a_change_of_a_policy_touches_those_that_have_it() {
    let file = |two: &str, fib: &str| {
        let text = format!(
            r#"{two}
[global]
as = 64512
router-id = "192.0.2.9"
[[neighbors]]
neighbor-address = "192.0.2.1"
peer-as = 65001
apply-policy = {{ import-policy-list = ["a"] }}
[[neighbors]]
neighbor-address = "192.0.2.2"
peer-as = 65001
apply-policy = {{ import-policy-list = ["b"], default-export-policy = "accept-route" }}
{fib}
"#
        );
        parse(&text).for_host(&Host::default()).unwrap()
    };
    let changes = |old: &Config, new: &Config| -> Vec<String> {
        let changes = config::diff(old, new);
        changes.iter().map(ConfigChange::to_string).collect()
    };
    let before = file(TWO, "[fib]");
    assert_eq!(changes(&before, &file(TWO, "[fib]")), [""; 0]);
    let other = TWO.replace("set-med = 2", "set-med = 3");
    assert_eq!(
        changes(&before, &file(&other, "[fib]")),
        ["neighbour 192.0.2.2 updated (import-policy)"]
    );
    let kernel = "[fib]\napply-policy = { export-policy-list = [\"b\"] }";
    assert_eq!(
        changes(&before, &file(TWO, kernel)),
        ["policy of the kernel's routes changed (now b, then accept)"]
    );
}
