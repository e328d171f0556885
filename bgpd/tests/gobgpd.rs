// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files of gobgpd's: what holds where they say nothing, and what of them is taken otherwise than in a file of ours.

use bgpd::config::{
    Config, ConfigErrors, Defaults, Document, Format, Neighbor, NextHopMode, PolicyOrigin,
};

const HEAD: &str = "[global.config]\nas = 64512\nrouter-id = \"192.0.2.1\"\n";

fn read(text: &str) -> Result<Config, ConfigErrors> {
    Document::parse(text, "gobgpd.conf", Format::Toml)?.config()
}

fn config(text: &str) -> Config {
    read(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The neighbour 192.0.2.2 in AS 64513 with these tables below it.
fn neighbor(tables: &str) -> Neighbor {
    let text = format!(
        "{HEAD}[[neighbors]]\nconfig = {{ neighbor-address = \"192.0.2.2\", peer-as = 64513 }}\n{tables}"
    );
    config(&text).neighbors.remove(0)
}

/// Warnings, without the file's name.
fn warnings(config: &Config) -> Vec<String> {
    let all = config.warnings.iter().map(ToString::to_string);
    all.map(|text| text.replace("gobgpd.conf:", "")).collect()
}

#[test]
fn a_file_is_gobgps_if_it_has_a_table_global_config() {
    let cases = [
        ("[global]\nas = 64512\n", Defaults::Bgpd),
        (HEAD, Defaults::GoBgp),
        ("[Global.Config]\nAS = 64512\n", Defaults::GoBgp),
        (
            "[global.config]\nas = 64512\ndefaults = \"bgpd\"\n",
            Defaults::Bgpd,
        ),
        (
            "[global]\ndefaults = \"bgpd\"\nconfig = { as = 64512 }\n",
            Defaults::Bgpd,
        ),
        (
            "[global]\nas = 64512\ndefaults = \"gobgp\"\n",
            Defaults::GoBgp,
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(config(text).global.defaults, wanted, "{text}");
    }
    let errors = read("[global]\nas = 64512\ndefaults = \"frr\"\n").unwrap_err();
    assert!(errors.to_string().contains(":3:12: error"), "{errors}");
}

#[test]
fn what_a_file_does_not_say_is_as_in_gobgp() {
    let peer = neighbor("");
    assert_eq!(peer.connect_retry, 120);
    assert_eq!((peer.hold_time, peer.keepalive), (90, None));
    assert!(!peer.graceful_restart.enabled);
    assert_eq!(peer.next_hop, NextHopMode::ToSelf);
    assert!(!peer.terms.enforce_first_as && !peer.connected_check);
    assert!(peer.import.accept && peer.export.accept);
    assert_eq!(peer.import.origin, PolicyOrigin::Default);
    let global = config(HEAD).global;
    assert_eq!(global.selection, rib::Selection::of(rib::Profile::GoBgp));

    // What it does say counts.
    let peer = neighbor("timers.config.connect-retry = 7\nnext-hop = \"auto\"\n");
    assert_eq!((peer.connect_retry, peer.next_hop), (7, NextHopMode::Auto));

    // A route server is not in the way.
    let client = neighbor("route-server.config.route-server-client = true\n");
    assert_eq!(client.next_hop, NextHopMode::Auto);

    let inside = config(&format!(
        "{HEAD}[[neighbors]]\nconfig = {{ neighbor-address = \"192.0.2.2\", peer-as = 64512 }}\n"
    ));
    assert_eq!(inside.neighbors[0].next_hop, NextHopMode::Auto);

    let ours =
        "[global]\nas = 64512\n[[neighbors]]\nneighbor-address = \"192.0.2.2\"\npeer-as = 64513\n";
    let peer = config(ours).neighbors.remove(0);
    assert_eq!((peer.connect_retry, peer.next_hop), (5, NextHopMode::Auto));
    assert!(!peer.import.accept && peer.graceful_restart.enabled);
}

#[test]
fn graceful_restart_is_of_the_families_that_say_so() {
    const FAMILIES: &str = "[[neighbors.afi-safis]]\nconfig.afi-safi-name = \"ipv4-unicast\"\n\
        mp-graceful-restart.config.enabled = true\n\
        long-lived-graceful-restart.config = { enabled = true, restart-time = 70 }\n\
        [[neighbors.afi-safis]]\nconfig.afi-safi-name = \"ipv6-unicast\"\n";
    let cases = [
        ("enabled = true", [(true, None), (false, None)]),
        (
            "enabled = true, long-lived-enabled = true",
            [(true, Some(70)), (false, None)],
        ),
        (
            "enabled = true, helper-only = true",
            [(false, None), (false, None)],
        ),
    ];
    for (keys, wanted) in cases {
        let peer = neighbor(&format!(
            "graceful-restart.config = {{ {keys} }}\n{FAMILIES}"
        ));
        let families = peer.families.iter();
        let families: Vec<_> = families
            .map(|family| (family.graceful_restart, family.long_lived))
            .collect();
        assert_eq!(families, wanted, "{keys}");
        assert_eq!(peer.graceful_restart.restart_time, peer.hold_time);
    }
}

#[test]
fn values_of_other_kinds_are_taken_as_gobgpd_takes_them() {
    let peer = neighbor(
        "Timers.Config = { Hold-Time = \"30\", keepalive-interval = 10.0 }\n\
         transport.config = { passive-mode = 1, remote-port = \"1790\" }\n\
         ebgp-multihop.config.enabled = \"true\"\n",
    );
    assert_eq!((peer.hold_time, peer.keepalive), (30, Some(10)));
    assert!(peer.passive && peer.multihop == Some(255));
    assert_eq!(peer.remote_port, 1790);
    let text = "[global.config]\nas = \"64512\"\nrouter-id = \"192.0.2.1\"\nlocal-address-list = \"192.0.2.1\"\n\
        [[neighbors]]\nconfig = { neighbor-address = \"192.0.2.2\", peer-as = \"64513\", description = 7, auth-password = 12345 }\n";
    let read = config(text);
    assert_eq!(read.global.listen_addresses.len(), 1);
    let peer = &read.neighbors[0];
    assert_eq!((read.global.asn.0, peer.peer_as.0), (64512, 64513));
    assert_eq!(peer.description.as_deref(), Some("7"));
    assert_eq!(peer.auth_password.as_ref().unwrap().as_bytes(), b"12345");

    // What is no number stays none, and in a file of ours a text is a text.
    let wrong = [
        text.replace("\"64513\"", "\"64513x\""),
        text.replace("\"64512\"", "\"many\""),
        text.replace("[global.config]", "[global]"),
    ];
    for text in wrong {
        assert!(
            Document::parse(&text, "x", Format::Toml)
                .unwrap()
                .config()
                .is_err(),
            "{text}"
        );
    }
}

#[test]
fn a_group_is_stronger_than_its_members_where_it_is_in_gobgp() {
    let text = format!(
        "{HEAD}[[peer-groups]]\nconfig = {{ peer-group-name = \"g\", peer-as = 65001, description = \"g\" }}\n\
         graceful-restart.config = {{ enabled = true, restart-time = 33 }}\n\
         timers.config.hold-time = 9\n\
         [[neighbors]]\nconfig = {{ neighbor-address = \"192.0.2.2\", peer-group = \"g\", peer-as = 65002, description = \"own\" }}\n\
         graceful-restart.config.enabled = false\n\
         timers.config.hold-time = 30\n\
         [[neighbors]]\nconfig = {{ neighbor-address = \"192.0.2.3\", peer-group = \"g\", peer-as = 65001 }}\n"
    );
    let read = config(&text);
    let [first, second] = &read.neighbors[..] else {
        panic!("two neighbours")
    };
    assert_eq!((first.peer_as.0, first.hold_time), (65001, 30));
    assert!(first.graceful_restart.enabled && first.graceful_restart.restart_time == 33);
    assert_eq!(first.description.as_deref(), Some("own"));
    assert_eq!((second.peer_as.0, second.hold_time), (65001, 9));
    let said = warnings(&read);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("`peer-as` of its group counts"),
        "{said:?}"
    );

    // In a file of ours the neighbour has the last word.
    let ours = config(&text.replace("[global.config]", "[global]"));
    assert_eq!(ours.neighbors[0].peer_as.0, 65002);
    assert!(!ours.neighbors[0].graceful_restart.enabled);
}

const POLICY: &str = "[[policy-definitions]]\nname = \"p\"\n[[policy-definitions.statements]]\n\
    actions.route-disposition = \"reject-route\"\n";

#[test]
fn policies_of_neighbours_are_for_clients_of_a_route_server() {
    let of = |client: bool, global: &str| {
        let text = format!(
            "{HEAD}{POLICY}[global.apply-policy.config]\n{global}\n\
             [[neighbors]]\nconfig = {{ neighbor-address = \"192.0.2.2\", peer-as = 64513 }}\n\
             route-server.config.route-server-client = {client}\n\
             apply-policy.config = {{ import-policy-list = [\"p\"], default-export-policy = \"reject-route\" }}\n"
        );
        let read = config(&text);
        let (peer, said) = (&read.neighbors[0], warnings(&read));
        (peer.import.to_string(), peer.export.to_string(), said.len())
    };
    let all = |import: &str, export: &str, said| (import.to_owned(), export.to_owned(), said);
    assert_eq!(of(true, ""), all("p, then accept", "reject: configured", 0));
    assert_eq!(of(false, ""), all("accept", "accept", 2));
    let global = "default-import-policy = \"reject-route\"\nexport-policy-list = [\"p\"]";
    assert_eq!(
        of(true, global),
        all("p, then accept", "reject: configured", 0)
    );
    assert_eq!(
        of(false, global),
        all("reject: configured", "p, then accept", 2)
    );
}

#[test]
fn what_gobgpd_ignores_is_ignored_with_a_warning() {
    let ignored = [
        "[neighbors.config]\nsend-community = \"both\"",
        "[neighbors.timers.config]\nminimum-advertisement-interval = 30",
        "[[neighbors.afi-safis]]\nconfig.afi-safi-name = \"ipv4-unicast\"\nipv4-unicast.prefix-limit.config.max-prefixes = 3",
        "[[neighbors.afi-safis]]\nconfig.afi-safi-name = \"ipv4-unicast\"\napply-policy.config.default-import-policy = \"reject-route\"",
        "[[policy-definitions]]\nname = \"q\"\n[[policy-definitions.statements]]\nconditions.call-policy = \"q\"",
        "[[policy-definitions]]\nname = \"q\"\n[[policy-definitions.statements]]\nconditions.match-tag-set.tag-set = \"t\"",
        "[[policy-definitions]]\nname = \"q\"\n[[policy-definitions.statements]]\nactions.igp-actions.set-tag = \"1\"",
        "[collector.config]\nurl = \"http://192.0.2.9\"",
        "[global.default-route-distance.config]\nexternal-route-distance = 20",
    ];
    for tables in ignored {
        let neighbor = match tables.strip_prefix("[neighbors.config]\n") {
            Some(more) => format!(
                "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"192.0.2.2\"\npeer-as = 64513\n{more}\n"
            ),
            None => format!(
                "[[neighbors]]\nconfig = {{ neighbor-address = \"192.0.2.2\", peer-as = 64513 }}\n{tables}\n"
            ),
        };
        let read = config(&format!("{HEAD}{neighbor}"));
        let said = warnings(&read);
        assert!(
            said.len() == 1 && said[0].contains("warning: "),
            "{tables}: {said:?}"
        );
        let peer = &read.neighbors[0];
        assert!(
            peer.import.accept && peer.families[0].max_prefixes.is_none(),
            "{tables}"
        );
    }
}

#[test]
fn what_would_change_routes_and_is_not_there_is_refused_with_its_place() {
    let refused = [
        (
            "[[rpki-servers]]\nconfig.address = \"192.0.2.9\"",
            "rpki-servers",
        ),
        (
            "[[bmp-servers]]\nconfig.address = \"192.0.2.9\"",
            "bmp-servers",
        ),
        ("[[mrt-dump]]\nconfig.dump-type = \"updates\"", "mrt-dump"),
        ("[[vrfs]]\nconfig.name = \"red\"", "vrfs"),
        ("[zebra.config]\nenabled = true", "zebra.enabled"),
        (
            "[global.route-selection-options.config]\ndisable-best-path-selection = true",
            "disable-best-path-selection",
        ),
        (
            "[[neighbors]]\nconfig = { neighbor-address = \"192.0.2.2\", peer-as = 1 }\n[[neighbors.afi-safis]]\nconfig.afi-safi-name = \"l2vpn-evpn\"",
            "l2vpn-evpn",
        ),
        ("[global.config.x]\ny = 1", "unknown key `global.x`"),
    ];
    for (tables, wanted) in refused {
        let errors = read(&format!("{HEAD}{tables}\n")).unwrap_err().to_string();
        assert!(
            errors.contains("gobgpd.conf:") && errors.contains(wanted),
            "{tables}: {errors}"
        );
    }
    config(&format!(
        "{HEAD}[zebra.config]\nenabled = false\nversion = 6\n"
    ));
}

/// What the lab gives to both daemons.
#[test]
fn the_files_of_the_lab_say_the_same_in_three_languages() {
    let files = [
        (
            include_str!("../../lab/tests/gobgpd_config/gobgpd.toml"),
            Format::Toml,
        ),
        (
            include_str!("../../lab/tests/gobgpd_config/gobgpd.yaml"),
            Format::Yaml,
        ),
        (
            include_str!("../../lab/tests/gobgpd_config/gobgpd.json"),
            Format::Json,
        ),
    ];
    let read = files.map(|(text, format)| {
        let document = Document::parse(text, "gobgpd", format);
        let config = document.and_then(|document| document.config());
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        Config {
            warnings: Vec::new(),
            ..config
        }
    });
    assert_eq!(read[0].neighbors.len(), 10);
    assert_eq!(read[0], read[1]);
    assert_eq!(read[0], read[2]);
}
