// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Configuration files: bad ones say what is wrong as recorded, good ones mean what they say.

use std::{fs, path::PathBuf};

use bgpd::config::{
    self, AnyAs, Config, ConfigErrors, Document, Format, Host, LocalAddress, PolicyOrigin,
};

fn parse(text: &str) -> Config {
    config::parse(text, "bgpd.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

fn read(text: &str, format: Format) -> Result<Config, ConfigErrors> {
    Document::parse(text, "bgpd", format)?.config()
}

/// `golden/config/NAME.toml` is answered with what NAME.txt says, and what is in YAML or JSON with NAME.yaml.txt or so. `BLESS=1` records the answers.
#[test]
fn bad_files_are_answered_as_recorded() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().unwrap_or_default().to_os_string();
        let record = match extension.to_str() {
            Some("toml") => path.with_extension("txt"),
            Some(other @ ("yaml" | "json")) => path.with_extension(format!("{other}.txt")),
            _ => continue,
        };
        seen += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let document = Document::parse(&text, &name, Format::of(&path));
        let said = match document.and_then(|document| document.config()) {
            Ok(config) => config.warnings.iter().fold(String::new(), |said, warning| {
                said + &format!("{warning}\n")
            }),
            Err(errors) => format!("{errors}\n"),
        };
        assert!(!said.is_empty(), "{name}: nothing is said");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&record, &said).unwrap();
        }
        let recorded = fs::read_to_string(&record).unwrap_or_default();
        assert_eq!(said, recorded, "{name}");
    }
    assert!(seen >= 30, "{seen} files");
}

#[test]
fn the_smallest_file_of_gobgp_loads() {
    let config = parse(
        r#"
[global.config]
  as = 64512
  router-id = "192.0.2.1"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.2"
    peer-as = 64513
"#,
    );
    assert_eq!(config.warnings, []);
    assert_eq!(config.global.asn.0, 64512);
    let [peer] = &config.neighbors[..] else {
        panic!("{:?}", config.neighbors)
    };
    assert_eq!((peer.peer_as.0, peer.local_as.0), (64513, 64512));
    assert_eq!(peer.import.to_string(), "accept");
    let host = Host::default();
    assert_eq!(
        config
            .for_host(&host)
            .unwrap()
            .global
            .router_id()
            .to_string(),
        "192.0.2.1"
    );
}

const MESH: &str = r#"
[global]
as = 64512

[[pools]]
cidr = "10.244.0.0/16"

[mesh]
auth-password = "secret"

[[mesh.nodes]]
name = "a"
address = "192.0.2.1"
address6 = "2001:db8::1"
blocks = ["10.244.0.0/26"]

[[mesh.nodes]]
name = "b"
address = "192.0.2.2"
address6 = "2001:db8::2"
blocks = ["10.244.0.64/26"]

[[mesh.nodes]]
name = "c"
address = "192.0.2.3"
blocks = ["10.244.0.128/26"]
"#;

fn host(name: &str, addresses: &[&str]) -> Host {
    let addresses = addresses.iter().map(|text| {
        let (interface, network) = text.split_once(' ').unwrap();
        (interface.to_owned(), network.parse().unwrap())
    });
    Host {
        name: name.to_owned(),
        addresses: addresses.collect(),
    }
}

/// Addresses of the neighbours, those of clients with a `*`.
fn neighbors(config: &Config) -> Vec<String> {
    let peers = config.neighbors.iter();
    peers
        .map(|peer| {
            format!(
                "{}{}",
                peer.address,
                if peer.route_reflector_client { "*" } else { "" }
            )
        })
        .collect()
}

#[test]
fn a_node_of_the_mesh_peers_with_all_others_and_originates_its_blocks() {
    let mesh = parse(MESH);
    let a = mesh
        .for_host(&host("whatever", &["lo 127.0.0.1/8", "eth0 192.0.2.1/24"]))
        .unwrap();
    assert_eq!(neighbors(&a), ["192.0.2.2", "2001:db8::2", "192.0.2.3"]);
    assert_eq!(a.global.router_id().to_string(), "192.0.2.1");
    let routes: Vec<String> = a.static_routes.iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["10.244.0.0/26 blackhole"]);
    let peer = &a.neighbors[0];
    assert!(peer.is_internal() && peer.import.accept && peer.export.accept);
    assert_eq!(peer.auth_password.as_ref().unwrap().as_bytes(), b"secret");
    assert!(!format!("{peer:?}").contains("secret"));
    assert_eq!(
        a.for_host(&Host::default()).unwrap(),
        a,
        "again changes nothing"
    );

    let c = mesh.for_host(&host("c", &[])).unwrap();
    assert_eq!(
        neighbors(&c),
        ["192.0.2.1", "192.0.2.2"],
        "it has no IPv6 address"
    );
}

#[test]
fn with_reflectors_nodes_peer_with_them_only() {
    let mesh = parse(&format!("{MESH}route-reflector = true\n"));
    let a = mesh.for_host(&host("a", &[])).unwrap();
    assert_eq!(neighbors(&a), ["192.0.2.3"]);
    let c = mesh.for_host(&host("c", &[])).unwrap();
    assert_eq!(neighbors(&c), ["192.0.2.1*", "192.0.2.2*"]);
}

#[test]
fn a_mesh_has_timers_of_its_own() {
    let text = MESH.replacen(
        "[mesh]",
        "[mesh]\ntimers = { hold-time = 9 }\ngraceful-restart = { restart-time = 0 }\nbfd = { enabled = true, detection-multiplier = 5 }",
        1,
    );
    let config = parse(&text).for_host(&host("a", &[])).unwrap();
    assert!(!config.neighbors.is_empty());
    for peer in config.neighbors {
        assert_eq!((peer.hold_time, peer.graceful_restart.enabled), (9, false));
        assert_eq!((peer.bfd.enabled, peer.bfd.multiplier), (true, 5));
    }
}

#[test]
fn every_session_of_a_mesh_is_known_at_both_ends() {
    for extra in ["", "route-reflector = true\n"] {
        let mesh = parse(&format!("{MESH}{extra}"));
        let mut sessions = Vec::new();
        for name in ["a", "b", "c"] {
            let config = mesh.for_host(&host(name, &[])).unwrap();
            for peer in config.neighbors {
                let Some(LocalAddress::Address(local)) = peer.local_address else {
                    panic!("{peer:?}")
                };
                sessions.push((local, peer.address));
            }
        }
        for (local, remote) in &sessions {
            assert!(sessions.contains(&(*remote, *local)), "{local} {remote}");
        }
    }
}

#[test]
fn a_host_outside_of_the_mesh_is_told_so() {
    let errors = parse(MESH)
        .for_host(&host("d", &["eth0 192.0.2.4/24"]))
        .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "configuration: error: this host, \"d\", is not in the mesh: no node of `mesh.nodes` (a, b, c) has its name or one of its addresses"
    );
}

const INTERFACES: &str = r#"
[global]
as = 64512
router-id = { interface = "lo" }

[[neighbors]]
neighbor-address = "2001:db8::2"
peer-as = 64512
transport = { local-address = { interface = "eth0" } }
"#;

#[test]
fn interfaces_become_addresses() {
    let config = parse(INTERFACES);
    let host = host(
        "x",
        &[
            "lo 127.0.0.1/8",
            "lo 198.51.100.7/32",
            "eth0 fe80::1/64",
            "eth0 2001:db8::1/64",
        ],
    );
    let here = config.for_host(&host).unwrap();
    assert_eq!(here.global.router_id().to_string(), "198.51.100.7");
    let local = LocalAddress::Address("2001:db8::1".parse().unwrap());
    assert_eq!(here.neighbors[0].local_address, Some(local));

    let errors = config.for_host(&Host::default()).unwrap_err();
    assert_eq!(
        errors
            .iter()
            .map(config::ConfigError::message)
            .collect::<Vec<_>>(),
        [
            "`global.router-id`: interface lo has no IPv4 address that can be one",
            "neighbour 2001:db8::2: interface eth0 has no IPv6 address",
        ]
    );
}

/// Two neighbours, one static route; `edit` makes other files of it.
const BASE: &str = r#"
[global]
as = 64512
router-id = "192.0.2.1"

[[neighbors]]
neighbor-address = "192.0.2.2"
peer-as = 64512

[[neighbors]]
neighbor-address = "192.0.2.3"
peer-as = 64513
apply-policy = { default-import-policy = "reject-route", default-export-policy = "accept-route" }

[[static-routes]]
prefix = "10.0.0.0/24"
blackhole = true
"#;

fn changes(old: &str, new: &str) -> Vec<String> {
    config::diff(&parse(old), &parse(new))
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn equal_files_differ_in_nothing() {
    for text in [BASE, INTERFACES, MESH] {
        assert_eq!(changes(text, text), [""; 0]);
        assert_eq!(changes(text, &format!("# comment\n\n{text}")), [""; 0]);
    }
}

#[test]
fn changes_are_as_small_as_they_can_be() {
    for (from, to, said) in [
        (
            "peer-as = 64513",
            "peer-as = 64514",
            "neighbour 192.0.2.3 restarted (peer-as)",
        ),
        (
            "peer-as = 64513",
            "peer-as = 64513\ndescription = \"x\"",
            "neighbour 192.0.2.3 updated (description)",
        ),
        (
            "peer-as = 64513",
            "peer-as = 64513\nremove-private-as = \"all\"",
            "neighbour 192.0.2.3 updated (terms)",
        ),
        (
            "peer-as = 64513",
            "peer-as = 64513\nbfd = { enabled = true }",
            "neighbour 192.0.2.3 updated (bfd)",
        ),
        (
            "peer-as = 64513",
            "peer-as = 64513\nrole = \"peer\"",
            "neighbour 192.0.2.3 restarted (role)",
        ),
        (
            "peer-as = 64513",
            "peer-as = 64513\ngraceful-shutdown = true",
            "neighbour 192.0.2.3 updated (terms)",
        ),
        (
            "\"reject-route\"",
            "\"accept-route\"",
            "neighbour 192.0.2.3 updated (import-policy)",
        ),
        (
            "as = 64512\nrouter-id = \"192.0.2.1\"",
            "as = 64512\nport = -1\nrouter-id = \"192.0.2.1\"",
            "global.port changed: takes effect when bgpd is restarted",
        ),
        (
            "router-id = \"192.0.2.1\"",
            "router-id = \"192.0.2.1\"\n[log]\nlevel = \"debug\"",
            "log changed (now debug)",
        ),
        (
            "router-id = \"192.0.2.1\"",
            "router-id = \"192.0.2.1\"\n[fib]",
            "fib changed: takes effect when bgpd is restarted",
        ),
        (
            "router-id = \"192.0.2.1\"",
            "router-id = \"192.0.2.1\"\n[[pools]]\ncidr = \"10.9.0.0/16\"",
            "pools changed (now 1)",
        ),
    ] {
        assert!(BASE.contains(from), "{from}");
        assert_eq!(changes(BASE, &BASE.replacen(from, to, 1)), [said]);
    }
    let fib = |metric| format!("{BASE}\n[fib]\nmetric = {metric}\n");
    assert_eq!(
        changes(&fib(32), &fib(33)),
        ["kernel routing (fib) changed"]
    );
    let moved = BASE.replace("192.0.2.3", "192.0.2.4");
    assert_eq!(
        changes(BASE, &moved),
        [
            "neighbour 192.0.2.3 removed",
            "neighbour 192.0.2.4 added (AS 64513)"
        ]
    );
    let prohibited = BASE.replace("blackhole", "prohibit");
    assert_eq!(
        changes(BASE, &prohibited),
        [
            "static route 10.0.0.0/24 blackhole removed",
            "static route 10.0.0.0/24 prohibit added"
        ]
    );
}

#[test]
fn a_group_fills_what_its_members_leave_open() {
    let config = parse(
        r#"
[global]
as = 64512
router-id = "192.0.2.1"
apply-policy = { default-export-policy = "accept-route" }

[[peer-groups]]
peer-group-name = "tor"
peer-as = 64600
description = "ToR"
[peer-groups.config]
auth-password = "x"
[peer-groups.timers.config]
hold-time = 9
[[peer-groups.afi-safis]]
config = { afi-safi-name = "ipv4-unicast" }
prefix-limit = { config = { max-prefixes = 100, shutdown-threshold-pct = 80 } }
[[peer-groups.afi-safis]]
afi-safi-name = "ipv6-unicast"
add-paths = { receive = true }

[[neighbors]]
neighbor-address = "192.0.2.2"
peer-group = "tor"
description = "first"

[[neighbors]]
neighbor-address = "192.0.2.3"
peer-group = "tor"
peer-as = 64601
timers = { hold-time = 30 }
apply-policy = { default-import-policy = "accept-route" }
[[neighbors.afi-safis]]
afi-safi-name = "ipv4-unicast"

[[dynamic-neighbors]]
prefix = "10.0.0.0/8"
peer-group = "tor"
limit = 5
"#,
    );
    let [first, second] = &config.neighbors[..] else {
        panic!()
    };
    assert_eq!(
        (
            first.peer_as.0,
            first.hold_time,
            first.description.as_deref()
        ),
        (64600, 9, Some("first"))
    );
    assert_eq!(
        (
            second.peer_as.0,
            second.hold_time,
            second.description.as_deref()
        ),
        (64601, 30, Some("ToR"))
    );
    assert_eq!(first.families.len(), 2);
    assert_eq!(
        (first.families[0].max_prefixes, first.families[0].threshold),
        (Some(100), Some(80))
    );
    assert!(first.families[1].add_path_receive);
    assert_eq!(second.families.len(), 1);
    assert_eq!((first.import.accept, first.export.accept), (false, true));
    assert_eq!(
        (second.import.to_string(), second.import.origin),
        ("accept".to_owned(), PolicyOrigin::Explicit)
    );

    let dynamic = config.dynamic_neighbors[0].neighbor("10.1.2.3".parse().unwrap());
    assert_eq!((dynamic.peer_as.0, dynamic.passive), (64600, true));
    assert_eq!(dynamic.address.to_string(), "10.1.2.3");
    assert_eq!(config.dynamic_neighbors[0].limit, Some(5));
}

#[test]
fn passwords_are_read_from_files_beside_the_configuration() {
    let folder = std::env::temp_dir().join(format!("bgpd-config-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("key"), "from a file\n").unwrap();
    let text = BASE.replacen(
        "peer-as = 64512",
        "peer-as = 64512\nauth-password-file = \"key\"",
        1,
    );
    fs::write(folder.join("bgpd.toml"), &text).unwrap();
    let config = config::load(&folder.join("bgpd.toml")).unwrap();
    assert_eq!(
        config.neighbors[0]
            .auth_password
            .as_ref()
            .unwrap()
            .as_bytes(),
        b"from a file"
    );
    fs::write(
        folder.join("bgpd.toml"),
        text.replace("\"key\"", "\"/dev/zero\""),
    )
    .unwrap();
    let errors = config::load(&folder.join("bgpd.toml")).unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("the password can not be read: not a file"),
        "{errors}"
    );
    let errors = config::load(&folder.join("none.toml")).unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("none.toml: error: can not be read: No such file"),
        "{errors}"
    );
    fs::remove_dir_all(&folder).unwrap();
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = config::parse(&text, "x").map_err(|errors| errors.to_string());
    }

    /// Pieces of real files in any order come further than noise.
    #[test]
    fn no_mix_of_lines_makes_it_panic(picks in proptest::collection::vec(0_usize..400, 0..40), cut in 0_usize..60) {
        let files = [MESH, BASE, INTERFACES];
        let lines: Vec<&str> = files.iter().flat_map(|text| text.lines()).collect();
        let mut text: String = picks.iter().flat_map(|pick| [lines[pick % lines.len()], "\n"]).collect();
        let end = text.len().saturating_sub(cut);
        text.truncate((0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
        if let Ok(config) = config::parse(&text, "x") {
            let _ = config.for_host(&host("a", &["eth0 192.0.2.1/24"]));
        }
    }
}

#[test]
fn kernel_keys_mean_what_they_say() {
    let config = parse(
        r#"
[global]
as = 64512
router-id = "192.0.2.1"

[fib]
tables = [100, 200]
source-v4 = "192.0.2.1"
source-v6 = "2001:db8::1"
nexthop-objects = true

[[static-routes]]
prefix = "10.9.0.0/16"
throw = true
"#,
    );
    let fib = config.fib.as_ref().unwrap();
    assert_eq!(fib.tables, [100, 200].into());
    assert_eq!(fib.sources.v4, Some([192, 0, 2, 1].into()));
    assert_eq!(fib.sources.v6, "2001:db8::1".parse().ok());
    assert_eq!(config.static_routes[0].target, config::StaticTarget::Throw);
    let kernel = fib.to_fib_config(&config.pools);
    assert_eq!(kernel.tables, [100, 200].into());
    assert_eq!(kernel.nexthop_objects, Some(32));
    assert_eq!(
        config::Fib::default().to_fib_config(&[]).nexthop_objects,
        None
    );
}

#[test]
fn the_examples_load_without_warnings() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/config");
    let host = host(
        "node-1",
        &["lo 127.0.0.1/8", "lo 198.51.100.1/32", "eth0 192.0.2.11/24"],
    );
    for name in ["node", "route-reflector", "tor", "gobgpd"] {
        let path = folder.join(format!("{name}.toml"));
        let config = config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.warnings, [], "{name}");
        let here = config
            .for_host(&host)
            .unwrap_or_else(|errors| panic!("{errors}"));
        assert!(!here.neighbors.is_empty(), "{name}");
    }
}

#[test]
fn several_paths_are_sent_as_the_family_the_neighbour_or_its_group_says() {
    use rib::PathsSent::{All, Best, Ecmp};
    let text = |first: &str, group: &str| {
        format!(
            r#"
[global]
as = 64512
router-id = "192.0.2.1"

[[peer-groups]]
peer-group-name = "clients"
peer-as = 64512
add-paths = {{ {group} }}

[[neighbors]]
neighbor-address = "192.0.2.2"
peer-group = "clients"
[[neighbors.afi-safis]]
afi-safi-name = "ipv4-unicast"
add-paths = {{ {first} }}
[[neighbors.afi-safis]]
afi-safi-name = "ipv6-unicast"

[[neighbors]]
neighbor-address = "192.0.2.3"
peer-group = "clients"
"#
        )
    };
    let sent = |first: &str, group: &str| {
        let config = parse(&text(first, group));
        let families = config.neighbors.iter().flat_map(|peer| &peer.families);
        families
            .map(|family| family.add_path_send)
            .collect::<Vec<_>>()
    };
    let number = |number| std::num::NonZeroU8::new(number).unwrap();
    let (two, four) = (Some(Best(number(2))), Some(Best(number(4))));
    assert_eq!(sent("receive = true", ""), [None, None, None]);
    assert_eq!(sent("", "send-max = 4"), [four, four, four]);
    assert_eq!(sent("send-max = 2", "send-max = 4"), [two, four, four]);
    assert_eq!(sent("send-max = 0", "send-max = 4"), [None, four, four]);
    assert_eq!(sent("send-max = 2", ""), [two, None, None]);
    let all = [Some(All); 3];
    assert_eq!(sent("", "send = \"all\""), all);
    let (some, any) = (Some(Ecmp(number(3))), Some(Ecmp(number(255))));
    assert_eq!(sent("send-max = 3", "send = \"ecmp\""), [some, any, any]);

    let change = |old: &str, new: &str| changes(&text(old, ""), &text(new, ""));
    let updated = ["neighbour 192.0.2.2 updated (add-paths.send)"];
    assert_eq!(change("send-max = 2", "send-max = 3"), updated);
    assert_eq!(change("send-max = 2", "send = \"all\""), updated);
    let restarted = ["neighbour 192.0.2.2 restarted (afi-safis)"];
    assert_eq!(change("", "send-max = 3"), restarted);
    assert_eq!(
        change("send-max = 3", "send-max = 3, receive = true"),
        restarted
    );
}

#[test]
fn neighbours_without_addresses_are_who_is_at_the_other_end() {
    let global = "[global]\nas = 64512\nrouter-id = \"192.0.2.1\"\n[[neighbors]]\n";
    let neighbor = |text: &str| parse(&format!("{global}{text}")).neighbors.remove(0);
    let unnumbered = neighbor("neighbor-interface = \"eth0\"");
    assert_eq!(unnumbered.name.to_string(), "eth0");
    assert!(unnumbered.is_awaited());
    assert_eq!(unnumbered.remote_as(), "any AS");
    assert_eq!(unnumbered.families.len(), 2);
    let internal = neighbor("neighbor-interface = \"eth0\"\npeer-as = \"internal\"");
    assert!(internal.is_internal() && internal.import.accept);
    let external = neighbor("neighbor-address = \"fe80::1%eth0\"\npeer-as = \"external\"");
    assert_eq!(external.remote_as(), "any other AS");
    assert!(!external.is_awaited() && external.any_as == AnyAs::External);
    assert_eq!(external.address.to_string(), "fe80::1");

    let two = |first: &str, second: &str| {
        format!(
            "{global}neighbor-address = \"{first}\"\npeer-as = 1\n\
             [[neighbors]]\nneighbor-address = \"{second}\"\npeer-as = 1\n"
        )
    };
    let changed = changes(
        &two("fe80::1%eth0", "fe80::1%eth1"),
        &two("fe80::1%eth0", "fe80::1%eth2"),
    );
    assert_eq!(
        changed,
        [
            "neighbour fe80::1%eth1 removed",
            "neighbour fe80::1%eth2 added (AS 1)"
        ]
    );
}

const IN_TOML: &str = r#"
[global.config]
as = 64512
router-id = "192.0.2.1"
local-address-list = ["192.0.2.1", "2001:db8::1"]

[[defined-sets.prefix-sets]]
prefix-set-name = "ours"
prefix-list = [{ ip-prefix = "10.0.0.0/8", masklength-range = "16..24" }]

[[policy-definitions]]
name = "in"
[[policy-definitions.statements]]
conditions.match-prefix-set = { prefix-set = "ours", match-set-options = "invert" }
actions = { route-disposition = "reject-route", bgp-actions = { set-med = "+10" } }

[global.apply-policy.config]
import-policy-list = ["in"]

[[peer-groups]]
config = { peer-group-name = "tor", peer-as = 65001 }
timers.config = { hold-time = 9 }

[[neighbors]]
config = { neighbor-address = "192.0.2.2", peer-group = "tor", auth-password = "a: b #c" }
add-paths.config = { receive = true, send-max = 8 }

[[neighbors]]
config = { neighbor-address = "2001:db8::2", peer-as = 65002, description = "0x10" }
timers.config = { hold-time = 9 }

[[dynamic-neighbors]]
config = { prefix = "198.51.100.0/24", peer-group = "tor" }
"#;

const IN_YAML: &str = r#"
# The same, and a key without effect that holds the anchor.
collector: &timers { config: { hold-time: 0x9 } }
global:
  config: { as: 64512, router-id: 192.0.2.1, local-address-list: [192.0.2.1, "2001:db8::1"] }
  apply-policy:
    config:
      import-policy-list:
        - in
defined-sets:
  prefix-sets:
    - prefix-set-name: ours
      prefix-list:
        - ip-prefix: 10.0.0.0/8
          masklength-range: 16..24
policy-definitions:
  - name: in
    statements:
      - conditions: { match-prefix-set: { prefix-set: ours, match-set-options: invert } }
        actions:
          route-disposition: reject-route
          bgp-actions:
            set-med: "+10"
peer-groups:
  - config: { peer-group-name: tor, peer-as: 65001 }
    timers: *timers
neighbors:
  - config:
      neighbor-address: 192.0.2.2
      peer-group: tor
      auth-password: "a: b #c"
    add-paths:
      config: { receive: true, send-max: 8 }
  - config:
      <<: { peer-as: 65002, description: never }
      neighbor-address: 2001:db8::2
      description: "0x10"
    timers: *timers
    transport: ~
dynamic-neighbors:
  - config: { prefix: 198.51.100.0/24, peer-group: tor }
"#;

const IN_JSON: &str = r#"{
	"global": {
		"config": {"as": 64512, "router-id": "192.0.2.1", "local-address-list": ["192.0.2.1", "2001:db8::1"]},
		"apply-policy": {"config": {"import-policy-list": ["in"]}}
	},
	"defined-sets": {"prefix-sets": [{
		"prefix-set-name": "ours",
		"prefix-list": [{"ip-prefix": "10.0.0.0\/8", "masklength-range": "16..24"}]
	}]},
	"policy-definitions": [{"name": "in", "statements": [{
		"conditions": {"match-prefix-set": {"prefix-set": "ours", "match-set-options": "invert"}},
		"actions": {"route-disposition": "reject-route", "bgp-actions": {"set-med": "+10"}}
	}]}],
	"peer-groups": [{"config": {"peer-group-name": "tor", "peer-as": 65001}, "timers": {"config": {"hold-time": 9}}}],
	"neighbors": [
		{"config": {"neighbor-address": "192.0.2.2", "peer-group": "tor", "auth-password": "a: b \u0023c"},
		 "add-paths": {"config": {"receive": true, "send-max": 8}}},
		{"config": {"neighbor-address": "2001:db8::2", "peer-as": 65002, "description": "0x10"},
		 "timers": {"config": {"hold-time": 9}}, "transport": null}
	],
	"dynamic-neighbors": [{"config": {"prefix": "198.51.100.0/24", "peer-group": "tor"}}]
}"#;

#[test]
fn the_three_languages_say_the_same() {
    let toml = read(IN_TOML, Format::Toml).unwrap_or_else(|errors| panic!("{errors}"));
    let yaml = read(IN_YAML, Format::Yaml).unwrap_or_else(|errors| panic!("{errors}"));
    let json = read(IN_JSON, Format::Json).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(toml.neighbors.len(), 2);
    assert_eq!(toml.neighbors[1].description.as_deref(), Some("0x10"));
    assert_eq!(json, toml);
    let warnings = toml.warnings.clone();
    assert_eq!(Config { warnings, ..yaml }, toml);
}

#[test]
fn anchors_do_not_make_a_small_file_a_large_one() {
    let mut lines = vec!["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]".to_owned()];
    for level in 1..10 {
        let of = ["*a"; 10]
            .map(|name| format!("{name}{}", level - 1))
            .join(", ");
        lines.push(format!("a{level}: &a{level} [{of}]"));
    }
    let errors = read(&lines.join("\n"), Format::Yaml).unwrap_err();
    assert!(errors.to_string().contains("too large"), "{errors}");
    let deep = "[".repeat(100_000);
    assert!(read(&deep, Format::Json).is_err());
}
