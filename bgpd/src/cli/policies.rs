// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl policy`: what is defined. `bgpctl neighbor ADDRESS policy`: what works for a neighbour.

use serde::Serialize;

use super::{Client, Failure, Printer, columns::Columns, json};
use crate::config::{Clause, DefinedSet, PeerName, PolicyDefinition, SetKind};

pub(super) async fn command(
    what: Option<&str>,
    name: Option<&str>,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let found = client.policies().await?;
    if let Some(kind) = what.and_then(SetKind::named) {
        let wanted =
            |set: &&DefinedSet| set.kind == kind && name.is_none_or(|name| set.name == name);
        let sets: Vec<&DefinedSet> = found.sets.iter().filter(wanted).collect();
        if let (true, Some(name)) = (sets.is_empty(), name) {
            return Err(absent(&format!("{} set", kind.as_str()), name));
        }
        return print_sets(&sets, kind, print);
    }
    if let (Some(word), Some(_)) = (what, name) {
        let kinds = SetKind::ALL.map(SetKind::as_str).join(", ");
        return Err(Failure::Usage(format!(
            "`{word}` is no kind of sets; there are {kinds}"
        )));
    }
    let wanted = |policy: &&PolicyDefinition| what.is_none_or(|name| policy.name == name);
    let policies: Vec<&PolicyDefinition> = found.definitions.iter().filter(wanted).collect();
    if let (true, Some(name)) = (policies.is_empty(), what) {
        return Err(absent("policy", name));
    }
    if print.json {
        return json::document(print.out, &views(&policies));
    }
    if policies.is_empty() {
        writeln!(print.out, "No policies are defined.")?;
    }
    print_policies(&policies, print)
}

fn absent(what: &str, name: &str) -> Failure {
    Failure::NotFound(format!("there is no {what} {name:?}"))
}

/// What works between a neighbour and the table, and what that consists of.
pub(super) async fn of_neighbor(
    address: PeerName,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let peers = client.peers(Some(address)).await?;
    let found = client.policies().await?;
    let Some(peer) = peers.first() else {
        return Ok(());
    };
    let of = |names: &[String]| -> Vec<&PolicyDefinition> {
        let find = |name| found.definitions.iter().find(|policy| &policy.name == name);
        names.iter().filter_map(find).collect()
    };
    let sides = [
        ("Import", &peer.import_policy, of(&peer.import_policies)),
        ("Export", &peer.export_policy, of(&peer.export_policies)),
    ];
    if print.json {
        let [import, export] = sides.map(|(_, applied, policies)| Applied {
            applied,
            policies: views(&policies),
        });
        return json::document(print.out, &OfNeighbor { import, export });
    }
    for (name, applied, policies) in &sides {
        writeln!(print.out, "{name}: {applied}")?;
        print_policies(policies, print)?;
    }
    Ok(())
}

fn print_sets(sets: &[&DefinedSet], kind: SetKind, print: &mut Printer<'_>) -> Result<(), Failure> {
    if print.json {
        let views: Vec<SetView<'_>> = sets
            .iter()
            .map(|set| SetView {
                kind: kind.as_str(),
                name: &set.name,
                members: &set.members,
            })
            .collect();
        return json::document(print.out, &views);
    }
    if sets.is_empty() {
        writeln!(print.out, "No {} sets are defined.", kind.as_str())?;
        return Ok(());
    }
    let mut rows = Vec::new();
    for set in sets {
        let mut name = set.name.as_str();
        for member in &set.members {
            rows.push([name.into(), member.as_str().into()]);
            name = "";
        }
        if set.members.is_empty() {
            rows.push([name.into(), "(empty)".into()]);
        }
    }
    Ok(Columns::new(["Name", "Members"])
        .within(print.columns)
        .print(print.out, &rows)?)
}

fn print_policies(policies: &[&PolicyDefinition], print: &mut Printer<'_>) -> Result<(), Failure> {
    for policy in policies {
        writeln!(print.out, "Policy {}", policy.name)?;
        for statement in &policy.statements {
            writeln!(print.out, "  Statement {}", statement.name)?;
            for condition in &statement.conditions {
                writeln!(print.out, "    if {condition}")?;
            }
            for action in &statement.actions {
                writeln!(print.out, "    {action}")?;
            }
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct SetView<'a> {
    kind: &'static str,
    name: &'a str,
    members: &'a [String],
}

#[derive(Serialize)]
struct OfNeighbor<'a> {
    import: Applied<'a>,
    export: Applied<'a>,
}

#[derive(Serialize)]
struct Applied<'a> {
    applied: &'a str,
    policies: Vec<PolicyView<'a>>,
}

#[derive(Serialize)]
struct PolicyView<'a> {
    name: &'a str,
    statements: Vec<StatementView<'a>>,
}

#[derive(Serialize)]
struct StatementView<'a> {
    name: &'a str,
    conditions: Vec<ClauseView<'a>>,
    actions: Vec<ClauseView<'a>>,
}

#[derive(Serialize)]
struct ClauseView<'a> {
    key: &'a str,
    value: &'a str,
}

fn views<'a>(policies: &[&'a PolicyDefinition]) -> Vec<PolicyView<'a>> {
    let clauses = |clauses: &'a [Clause]| {
        let view = |clause: &'a Clause| ClauseView {
            key: &clause.key,
            value: &clause.value,
        };
        clauses.iter().map(view).collect()
    };
    policies
        .iter()
        .map(|policy| PolicyView {
            name: &policy.name,
            statements: policy
                .statements
                .iter()
                .map(|statement| StatementView {
                    name: &statement.name,
                    conditions: clauses(&statement.conditions),
                    actions: clauses(&statement.actions),
                })
                .collect(),
        })
        .collect()
}
