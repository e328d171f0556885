// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A policy that looks at much and refuses nothing, in the language of each daemon: a route that is in a set of prefixes and
//! whose path has an AS gets a community, and the next statement looks at it.

use std::fmt::{Error, Write};

use bgp_proto::Prefix;

use crate::Table;

/// Statements.
const STATEMENTS: usize = 20;

/// Sets of prefixes, which the statements share.
const SETS: usize = 4;

/// Prefixes of a set.
const ENTRIES: usize = 10_000;

/// Statements and sets.
#[derive(Clone, Debug)]
pub struct Policy {
    sets: Vec<Vec<Prefix>>,
    /// Which set, which AS.
    statements: Vec<(usize, u32)>,
}

impl Policy {
    /// One that holds for some routes of a table.
    pub fn of(table: &Table) -> Self {
        let prefixes: Vec<Prefix> = table.prefixes().collect();
        let entries = ENTRIES.min(prefixes.len() / SETS);
        let set = |number: usize| {
            let some = prefixes.iter().skip(number).step_by(SETS);
            some.copied().take(entries).collect()
        };
        let asn = |number: usize| table.groups[number * 7 % table.groups.len()].path[0];
        Self {
            sets: (0..SETS).map(set).collect(),
            statements: (0..STATEMENTS)
                .map(|number| (number % SETS, asn(number)))
                .collect(),
        }
    }
}

/// What the table `apply-policy` has more, in GoBGP's language and ours.
pub(crate) fn applied(policy: Option<&Policy>) -> &'static str {
    if policy.is_some() {
        ", import-policy-list = [\"arena\"], export-policy-list = [\"arena\"]"
    } else {
        ""
    }
}

/// GoBGP and bgpd.
pub(crate) fn gobgp(policy: Option<&Policy>, text: &mut String) -> Result<(), Error> {
    let Some(Policy { sets, statements }) = policy else {
        return Ok(());
    };
    for (number, set) in sets.iter().enumerate() {
        writeln!(
            text,
            "[[defined-sets.prefix-sets]]\nprefix-set-name = \"set{number}\"\nprefix-list = ["
        )?;
        for prefix in set {
            let length = prefix.length();
            writeln!(
                text,
                "{{ ip-prefix = \"{prefix}\", masklength-range = \"{length}..{length}\" }},"
            )?;
        }
        writeln!(text, "]")?;
    }
    for (number, (_, asn)) in statements.iter().enumerate() {
        writeln!(
            text,
            "[[defined-sets.bgp-defined-sets.as-path-sets]]\nas-path-set-name = \"path{number}\"\nas-path-list = [\"_{asn}_\"]"
        )?;
    }
    writeln!(text, "[[policy-definitions]]\nname = \"arena\"")?;
    for (number, (set, _)) in statements.iter().enumerate() {
        writeln!(
            text,
            "[[policy-definitions.statements]]\nname = \"statement{number}\"\n\
             [policy-definitions.statements.conditions.match-prefix-set]\nprefix-set = \"set{set}\"\n\
             [policy-definitions.statements.conditions.bgp-conditions.match-as-path-set]\nas-path-set = \"path{number}\"\n\
             [policy-definitions.statements.actions.bgp-actions.set-community]\noptions = \"add\"\n\
             [policy-definitions.statements.actions.bgp-actions.set-community.set-community-method]\n\
             communities-list = [\"65000:{number}\"]"
        )?;
    }
    Ok(())
}

/// BIRD: a filter.
pub(crate) fn bird(policy: &Policy, text: &mut String) -> Result<(), Error> {
    for (number, set) in policy.sets.iter().enumerate() {
        writeln!(text, "define set{number} = [ {} ];", joined(set))?;
    }
    writeln!(text, "filter arena {{")?;
    for (number, (set, asn)) in policy.statements.iter().enumerate() {
        writeln!(
            text,
            " if net ~ set{set} && bgp_path ~ [= * {asn} * =] then bgp_community.add((65000,{number}));"
        )?;
    }
    writeln!(text, " accept;\n}}")
}

/// FRR: a route map.
pub(crate) fn frr(policy: &Policy, text: &mut String) -> Result<(), Error> {
    for (number, set) in policy.sets.iter().enumerate() {
        for (place, prefix) in set.iter().enumerate() {
            writeln!(
                text,
                "ip prefix-list set{number} seq {} permit {prefix}",
                place + 1
            )?;
        }
    }
    for (number, (set, asn)) in policy.statements.iter().enumerate() {
        writeln!(
            text,
            "bgp as-path access-list path{number} seq 1 permit _{asn}_\nroute-map arena permit {}\n \
             match ip address prefix-list set{set}\n match as-path path{number}\n set community 65000:{number} additive\n \
             on-match next\nexit",
            number + 1
        )?;
    }
    writeln!(text, "route-map arena permit 1000\nexit")
}

/// OpenBGPD: rules, which have no expressions for paths but know an AS in them.
pub(crate) fn openbgpd(policy: &Policy, text: &mut String) -> Result<(), Error> {
    for (number, set) in policy.sets.iter().enumerate() {
        writeln!(text, "prefix-set \"set{number}\" {{ {} }}", joined(set))?;
    }
    for direction in ["from", "to"] {
        for (number, (set, asn)) in policy.statements.iter().enumerate() {
            writeln!(
                text,
                "match {direction} any prefix-set \"set{set}\" AS {asn} set community 65000:{number}"
            )?;
        }
    }
    Ok(())
}

fn joined(prefixes: &[Prefix]) -> String {
    let words: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
    words.join(", ")
}
