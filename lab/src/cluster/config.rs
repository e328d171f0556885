// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemons' configurations.

use std::fmt::Write as _;

use super::{
    Encap, Foreign, Mode, Options,
    topology::{NODES, Node, REFLECTOR, REFLECTOR6, TOR, TOR6},
};

/// AS of the nodes, and of the switch.
pub(super) const CLUSTER_AS: u32 = 64512;
pub(super) const TOR_AS: u32 = 65001;

/// What the ToR announces.
pub(super) const SERVICE: &str = "192.0.2.0/24";

pub(super) const SERVICE6: &str = "2001:db8:10::/64";

const PASSWORD: &str = "rack-1-secret";

/// The same for all nodes and the reflector; only nodes write to the kernel.
pub(super) fn cluster(options: Options) -> String {
    // GoBGP keeps the routes of a node that falls silent for this time too.
    let restart = if options.foreign == Some(Foreign::GoBgp) {
        12
    } else {
        120
    };
    let mut text = format!(
        "[global]\nas = {CLUSTER_AS}\n\n[mesh]\ntimers = {{ hold-time = 6 }}\ngraceful-restart = {{ restart-time = {restart} }}\n"
    );
    for node in &NODES {
        let (name, address, block) = (node.name, node.address, node.block());
        let _ = if options.is_dual() {
            let (address6, block6) = (node.address6, node.block6());
            write!(
                text,
                "[[mesh.nodes]]\nname = \"{name}\"\naddress = \"{address}\"\naddress6 = \"{address6}\"\n\
                 blocks = [\"{block}\", \"{block6}\"]\n"
            )
        } else {
            write!(
                text,
                "[[mesh.nodes]]\nname = \"{name}\"\naddress = \"{address}\"\nblocks = [\"{block}\"]\n"
            )
        };
    }
    if options.mode == Mode::RouteReflector {
        let _ = write!(
            text,
            "[[mesh.nodes]]\nname = \"rr\"\naddress = \"{REFLECTOR}\"\nroute-reflector = true\n"
        );
        if options.is_dual() {
            let _ = writeln!(text, "address6 = \"{REFLECTOR6}\"");
        }
    }
    text
}

/// A node: the cluster's file, the kernel, the pool, and the switch of its rack.
pub(super) fn node(options: Options, node: &Node) -> String {
    let pool = match options.encap {
        Encap::Never => "encapsulation = \"none\"\n",
        Encap::Vxlan => "encapsulation = \"vxlan\"\nmode = \"always\"\n",
        Encap::Ipip => "encapsulation = \"ipip\"\nmode = \"always\"\n",
        Encap::CrossSubnet => "encapsulation = \"ipip\"\nmode = \"cross-subnet\"\n",
    };
    let mut text = format!(
        "{}\n[fib]\ndeferral = 20\n\n[[pools]]\ncidr = \"10.244.0.0/16\"\n{pool}",
        cluster(options)
    );
    if options.is_dual() {
        let _ = write!(
            text,
            "\n[[pools]]\ncidr = \"fd00:10:244::/48\"\nencapsulation = \"none\"\n"
        );
    }
    let switches = [Some(TOR), options.is_dual().then_some(TOR6)];
    for switch in switches.into_iter().flatten().filter(|_| node.has_tor) {
        let _ = write!(
            text,
            "\n[[neighbors]]\nneighbor-address = \"{switch}\"\npeer-as = {TOR_AS}\nauth-password = \"{PASSWORD}\"\n\
             apply-policy = {{ default-import-policy = \"accept-route\", default-export-policy = \"accept-route\" }}\n"
        );
    }
    text
}

const BIRD: &str = "protocol device {}\n\
     protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; merge paths on; }\n";

const BIRD6: &str =
    "protocol kernel { ipv6 { import none; export where source = RTS_BGP; }; merge paths on; }\n";

/// The switch: BIRD, eBGP with the nodes of its rack, a session for each family.
pub(super) fn tor(options: Options) -> String {
    let mut text = format!(
        "router id {TOR};\n{BIRD}protocol static {{ ipv4; route {SERVICE} unreachable; }}\n"
    );
    if options.is_dual() {
        let _ = writeln!(
            text,
            "{BIRD6}protocol static {{ ipv6; route {SERVICE6} unreachable; }}"
        );
    }
    let mut session = |name: &str, family: &str, local: &str, remote: &str| {
        let _ = write!(
            text,
            "protocol bgp {name} {{ local {local} as {TOR_AS}; neighbor {remote} as {CLUSTER_AS}; password \"{PASSWORD}\"; hold time 6;\n\
             connect delay time 1; connect retry time 1; error wait time 1, 2;\n\
             {family} {{ import all; export where source = RTS_STATIC; }}; }}\n"
        );
    };
    for node in NODES.iter().filter(|node| node.has_tor) {
        session(node.name, "ipv4", TOR, node.address);
        if options.is_dual() {
            session(&format!("{}_6", node.name), "ipv6", TOR6, node.address6);
        }
    }
    text
}

/// A node with BIRD instead of ours.
pub(super) fn bird_node(options: Options, node: &Node) -> String {
    let mut text = format!(
        "router id {};\nprotocol device {{}}\nprotocol direct {{ ipv4; interface \"eth0\"; }}\n\
         protocol kernel {{ learn; ipv4 {{ import all; export where source ~ [RTS_STATIC, RTS_BGP]; }}; }}\nprotocol static {{ ipv4; route {} blackhole; }}\n",
        node.address,
        node.block()
    );
    for (name, address) in peers(options, node) {
        let _ = write!(
            text,
            "protocol bgp {name} {{ local {} as {CLUSTER_AS}; neighbor {address} as {CLUSTER_AS}; multihop; hold time 6;\n\
             connect delay time 1; connect retry time 1; error wait time 1, 2; graceful restart on;\n\
             ipv4 {{ import all; export where source ~ [RTS_STATIC, RTS_BGP]; }}; }}\n",
            node.address
        );
    }
    if node.has_tor {
        let _ = write!(
            text,
            "protocol bgp tor {{ local {} as {CLUSTER_AS}; neighbor {TOR} as {TOR_AS}; password \"{PASSWORD}\"; hold time 6;\n\
             ipv4 {{ import all; export where source ~ [RTS_STATIC, RTS_BGP]; }}; }}\n",
            node.address
        );
    }
    text
}

/// A node with FRR instead of ours.
pub(super) fn frr_node(options: Options, node: &Node) -> String {
    let mut text = format!(
        "ip nht resolve-via-default\nip route {} blackhole\nrouter bgp {CLUSTER_AS}\n bgp router-id {}\n\
         no bgp ebgp-requires-policy\n no bgp network import-check\n bgp graceful-restart\n timers bgp 2 6\n",
        node.block(),
        node.address
    );
    for (_, address) in peers(options, node) {
        let _ = write!(
            text,
            " neighbor {address} remote-as {CLUSTER_AS}\n neighbor {address} timers connect 1\n"
        );
    }
    if node.has_tor {
        let _ = write!(
            text,
            " neighbor {TOR} remote-as {TOR_AS}\n neighbor {TOR} password {PASSWORD}\n neighbor {TOR} graceful-restart-disable\n"
        );
    }
    let _ = writeln!(
        text,
        " address-family ipv4 unicast\n  network {}\n exit-address-family",
        node.block()
    );
    text
}

/// GoBGP as the reflector.
pub(super) fn gobgp_reflector() -> String {
    let mut text = format!("[global.config]\nas = {CLUSTER_AS}\nrouter-id = \"{REFLECTOR}\"\n");
    for node in &NODES {
        let _ = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {CLUSTER_AS}\n\
             [neighbors.timers.config]\nhold-time = 6\nconnect-retry = 1\n\
             [neighbors.transport.config]\npassive-mode = true\n\
             [neighbors.route-reflector.config]\nroute-reflector-client = true\nroute-reflector-cluster-id = \"{REFLECTOR}\"\n\
             [neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 60\n\
             [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv4-unicast\"\n\
             [neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n",
            node.address
        );
    }
    text
}

/// Whom a node has iBGP sessions with.
pub(super) fn peers(options: Options, node: &Node) -> Vec<(&'static str, &'static str)> {
    match options.mode {
        // `rr` is a word of BIRD's language.
        Mode::RouteReflector => vec![("reflector", REFLECTOR)],
        Mode::FullMesh => NODES
            .iter()
            .filter(|other| other.name != node.name)
            .map(|other| (other.name, other.address))
            .collect(),
    }
}
