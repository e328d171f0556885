// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The same configuration in the language of each daemon.

use std::{
    fmt::{Error, Write as _},
    path::Path,
};

use bgp_proto::Family;

use crate::{
    Kind, Neighbor, Relation, Setup,
    contestant::{ASN, DAEMON, GATEWAY},
    policy,
};

/// Writes what a daemon is to read.
pub(crate) fn write(kind: Kind, setup: &Setup, socket: &Path) -> Result<String, Error> {
    match kind {
        Kind::Bgpd => bgpd(setup, socket),
        Kind::Bird => bird(setup),
        Kind::Frr => frr(setup),
        Kind::GoBgp => gobgp(setup),
        Kind::OpenBgpd => openbgpd(setup, socket),
        Kind::Netlink => Ok(String::new()),
    }
}

fn family_name(setup: &Setup) -> &'static str {
    if setup.family == Family::IPV4_UNICAST {
        "ipv4"
    } else {
        "ipv6"
    }
}

fn bgpd(setup: &Setup, socket: &Path) -> Result<String, Error> {
    let apply = policy::applied(setup.policy.as_ref());
    let shards = setup
        .shards
        .map_or_else(String::new, |count| format!("shards = {count}\n"));
    let mut text = format!(
        "[global]\nas = {ASN}\nrouter-id = \"{DAEMON}\"\n{shards}\
         apply-policy = {{ default-import-policy = \"accept-route\", default-export-policy = \"accept-route\"{apply} }}\n\
         [api]\nlisten = []\nunix = \"{}\"\n\
         [[peer-groups]]\npeer-group-name = \"all\"\ntransport = {{ passive-mode = true }}\n",
        socket.display()
    );
    if setup.is_reflector() {
        writeln!(
            text,
            "route-reflector = {{ route-reflector-client = true }}"
        )?;
    }
    let family = family_name(setup);
    writeln!(
        text,
        "[[peer-groups.afi-safis]]\nafi-safi-name = \"{family}-unicast\""
    )?;
    if setup.kernel {
        writeln!(text, "[fib]")?;
    }
    policy::gobgp(setup.policy.as_ref(), &mut text)?;
    for Neighbor { address, asn, .. } in &setup.neighbors {
        writeln!(
            text,
            "[[neighbors]]\nneighbor-address = \"{address}\"\npeer-as = {asn}\npeer-group = \"all\""
        )?;
    }
    Ok(text)
}

fn bird(setup: &Setup) -> Result<String, Error> {
    let family = family_name(setup);
    let mut text = format!("router id {DAEMON};\nprotocol device {{}}\n");
    let mut igp = "";
    let mut filter = "import all; export all;";
    if let Some(policy) = &setup.policy {
        policy::bird(policy, &mut text)?;
        filter = "import filter arena; export filter arena;";
    }
    if setup.kernel {
        writeln!(
            text,
            "protocol kernel {{ {family} {{ import none; export all; }}; }}"
        )?;
    }
    if setup.is_reflector() {
        // The way to the clients, which is in the kernel's table for the others.
        igp = "igp table way;";
        writeln!(
            text,
            "ipv4 table way;\nprotocol static {{ ipv4 {{ table way; }}; route 10.0.0.0/8 via {GATEWAY}; }}"
        )?;
    }
    writeln!(
        text,
        "template bgp neighbor_of_all {{ local as {ASN}; passive on; {family} {{ {filter} {igp} }}; }}"
    )?;
    for (number, neighbor) in setup.neighbors.iter().enumerate() {
        let Neighbor {
            address,
            asn,
            relation,
        } = neighbor;
        let client = match relation {
            Relation::Client => "rr client;",
            Relation::External => "",
        };
        writeln!(
            text,
            "protocol bgp p{number} from neighbor_of_all {{ neighbor {address} as {asn}; {client} }}"
        )?;
    }
    Ok(text)
}

fn frr(setup: &Setup) -> Result<String, Error> {
    let family = family_name(setup);
    let mut text = format!(
        "hostname arena\nlog stdout\nrouter bgp {ASN}\n bgp router-id {DAEMON}\n no bgp ebgp-requires-policy\n \
         no bgp default ipv4-unicast\n no bgp network import-check\n neighbor all peer-group\n neighbor all passive\n \
         neighbor all advertisement-interval 0\n"
    );
    for Neighbor { address, asn, .. } in &setup.neighbors {
        writeln!(
            text,
            " neighbor {address} remote-as {asn}\n neighbor {address} peer-group all"
        )?;
    }
    writeln!(
        text,
        " address-family {family} unicast\n  neighbor all activate"
    )?;
    if setup.is_reflector() {
        writeln!(text, "  neighbor all route-reflector-client")?;
    }
    if setup.policy.is_some() {
        writeln!(
            text,
            "  neighbor all route-map arena in\n  neighbor all route-map arena out"
        )?;
    }
    writeln!(text, " exit-address-family")?;
    if let Some(policy) = &setup.policy {
        policy::frr(policy, &mut text)?;
    }
    Ok(text)
}

fn gobgp(setup: &Setup) -> Result<String, Error> {
    let family = family_name(setup);
    let apply = policy::applied(setup.policy.as_ref());
    let mut text = format!(
        "[global.config]\nas = {ASN}\nrouter-id = \"{DAEMON}\"\n\
         [global.apply-policy]\nconfig = {{ default-import-policy = \"accept-route\", \
         default-export-policy = \"accept-route\"{apply} }}\n"
    );
    policy::gobgp(setup.policy.as_ref(), &mut text)?;
    for Neighbor {
        address,
        asn,
        relation,
    } in &setup.neighbors
    {
        writeln!(
            text,
            "[[neighbors]]\nconfig = {{ neighbor-address = \"{address}\", peer-as = {asn} }}\n\
             transport = {{ config = {{ passive-mode = true }} }}"
        )?;
        if *relation == Relation::Client {
            writeln!(
                text,
                "route-reflector = {{ config = {{ route-reflector-client = true, route-reflector-cluster-id = \"{DAEMON}\" }} }}"
            )?;
        }
        writeln!(
            text,
            "[[neighbors.afi-safis]]\nconfig = {{ afi-safi-name = \"{family}-unicast\" }}"
        )?;
    }
    Ok(text)
}

fn openbgpd(setup: &Setup, socket: &Path) -> Result<String, Error> {
    let other = if setup.family == Family::IPV4_UNICAST {
        "announce IPv6 none"
    } else {
        "announce IPv4 none\n announce IPv6 unicast"
    };
    let fib = if setup.kernel { "yes" } else { "no" };
    let mut text = format!(
        "AS {ASN}\nrouter-id {DAEMON}\nfib-update {fib}\nsocket \"{}\"\ngroup \"all\" {{\n passive\n {other}\n",
        socket.display()
    );
    for Neighbor {
        address,
        asn,
        relation,
    } in &setup.neighbors
    {
        let client = match relation {
            Relation::Client => "route-reflector\n",
            Relation::External => "",
        };
        writeln!(
            text,
            " neighbor {address} {{\n  remote-as {asn}\n  {client} }}"
        )?;
    }
    writeln!(text, "}}\nallow from any\nallow to any")?;
    if let Some(policy) = &setup.policy {
        policy::openbgpd(policy, &mut text)?;
    }
    Ok(text)
}
