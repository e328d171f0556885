// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pieces of configurations, to be joined to texts: what most tests say in the same words.

use std::fmt::Write as _;

/// For a neighbour of our daemon's: both families in one session.
pub const BOTH_FAMILIES: &str =
    "afi-safis = [{ afi-safi-name = \"ipv4-unicast\" }, { afi-safi-name = \"ipv6-unicast\" }]\n";

/// For a neighbour of our daemon's: its routes go when its session ends.
pub const NO_RESTART: &str = "graceful-restart = { enabled = false }\n";

/// Our daemon in AS 64512, which accepts and announces everything. More keys of `[global]` may follow.
pub fn ours(router_id: &str) -> String {
    format!(
        "[global]\nas = 64512\nrouter-id = \"{router_id}\"\n\
         apply-policy = {{ default-import-policy = \"accept-route\", default-export-policy = \"accept-route\" }}\n"
    )
}

/// A neighbour of our daemon's with these keys.
pub fn neighbor(address: &str, asn: u32, keys: &str) -> String {
    format!("[[neighbors]]\nneighbor-address = \"{address}\"\npeer-as = {asn}\n{keys}\n")
}

/// A route that our daemon announces.
pub fn blackhole(prefix: &str) -> String {
    format!("[[static-routes]]\nprefix = \"{prefix}\"\nblackhole = true\n")
}

/// Our daemon at 10.0.0.1 with one neighbour at 10.0.0.2 that has these keys.
pub fn ours_with(asn: u32, keys: &str) -> String {
    ours("10.0.0.1") + &neighbor("10.0.0.2", asn, keys)
}

/// BIRD with these routes, of either family.
pub fn bird(router_id: &str, routes: &[&str]) -> String {
    let mut text = format!("router id {router_id};\nlog stderr all;\nprotocol device {{}}\n");
    let (six, four): (Vec<&str>, Vec<&str>) = routes.iter().partition(|route| route.contains(':'));
    for (name, family, routes) in [("s4", "ipv4", four), ("s6", "ipv6", six)] {
        let routes = routes.iter().fold(String::new(), |text, route| {
            text + "route " + route + " blackhole; "
        });
        // Writing to a string can not fail.
        let _ = writeln!(text, "protocol static {name} {{ {family}; {routes}}}");
    }
    text
}

/// Our end and the other one of a session: an address and an AS each.
pub type Ends<'a> = [(&'a str, u32); 2];

/// BIRD at 10.0.0.2 in AS 64513, and we.
pub const EBGP: Ends<'static> = [("10.0.0.2", 64513), ("10.0.0.1", 64512)];

/// A session of BIRD's with these lines. It is called `ours` and comes back soon.
pub fn bird_session([(local, asn), (remote, remote_as)]: Ends<'_>, lines: &str) -> String {
    format!(
        "protocol bgp ours {{ local {local} as {asn}; neighbor {remote} as {remote_as};\n\
         connect retry time 1; connect delay time 1; error wait time 1, 2; {lines} }}\n"
    )
}

/// A channel in which BIRD takes all and announces its own; `more` may be empty.
pub fn bird_channel(family: &str, more: &str) -> String {
    format!("{family} {{ import all; export where source = RTS_STATIC; {more} }};\n")
}

/// FRR with these neighbours. More lines about them may follow, each behind a space.
pub fn frr(asn: u32, router_id: &str, neighbors: &[(&str, u32)]) -> String {
    let head = format!(
        "router bgp {asn}\n bgp router-id {router_id}\n no bgp ebgp-requires-policy\n no bgp network import-check\n"
    );
    neighbors.iter().fold(head, |text, (address, remote)| {
        let line = format!(" neighbor {address} ");
        text + &format!("{line}remote-as {remote}\n{line}timers connect 1\n")
    })
}

/// What FRR does in a family, `ipv4` or `ipv6`, a line each.
pub fn frr_family(family: &str, lines: &[&str]) -> String {
    let head = format!(" address-family {family} unicast\n");
    let lines = lines
        .iter()
        .fold(head, |text, line| text + "  " + line + "\n");
    lines + " exit-address-family\n"
}

/// GoBGP without neighbours.
pub fn gobgp(asn: u32, router_id: &str) -> String {
    format!("[global.config]\nas = {asn}\nrouter-id = \"{router_id}\"\n")
}

/// A neighbour of GoBGP's; its tables may follow.
pub fn gobgp_neighbor(address: &str, asn: u32) -> String {
    format!(
        "[[neighbors]]\nconfig = {{ neighbor-address = \"{address}\", peer-as = {asn} }}\n\
         timers = {{ config = {{ connect-retry = 2 }} }}\n"
    )
}

/// A family of the GoBGP neighbour before it, with more tables.
pub fn gobgp_family(name: &str, tables: &str) -> String {
    format!("[[neighbors.afi-safis]]\nconfig = {{ afi-safi-name = \"{name}\" }}\n{tables}\n")
}

/// OpenBGPD that leaves the kernel alone, takes all and announces all, with these lines.
pub fn openbgp(asn: u32, router_id: &str, lines: &str) -> String {
    format!(
        "AS {asn}\nrouter-id {router_id}\nfib-update no\n{lines}\nallow from any\nallow to any\n"
    )
}
