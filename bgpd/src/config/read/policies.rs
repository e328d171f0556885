// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `[defined-sets]` and `[[policy-definitions]]`: GoBGP's policies, as statements of `rib::policy`.

mod actions;
mod attach;
mod conditions;
mod sets;

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use rib::{
    Policy, Verdict,
    policy::{Condition, Statement},
};

use self::sets::Sets;
use super::{
    super::policy::{Clause, Policies, PolicyDefinition, PolicyStatement},
    Maybe, Node, Notes,
};

pub(super) use attach::{Direction, attached, general, kernel};

/// Most statements that a policy may come to with all that it calls.
const MOST_STATEMENTS: usize = 100_000;

/// Everything that can be attached.
#[derive(Debug)]
pub(super) struct Library<'t> {
    bodies: BTreeMap<&'t str, Body>,
    shown: Policies,
    /// What has been put together: neighbours with the same share it.
    programs: RefCell<Vec<(Vec<Statement>, Verdict, Policy)>>,
}

/// A policy that can be attached or called.
#[derive(Clone, Debug)]
struct Body {
    statement: Statement,
    /// Statements in it, with those of policies that it calls.
    size: usize,
}

impl<'t> Library<'t> {
    /// What is shown of it.
    pub(super) fn into_shown(self) -> Policies {
        self.shown
    }

    /// The policy that a value names.
    fn named(&self, notes: &mut Notes<'t>, value: Maybe<'t>) -> Option<(&'t str, &Statement)> {
        let name = notes.text(value)?;
        let body = find(notes, value, name, &self.bodies, POLICY)?;
        Some((name, &body.statement))
    }

    /// Statements and a default as a policy.
    fn program(&self, body: Vec<Statement>, default: Verdict) -> Result<Policy, rib::PolicyError> {
        let mut programs = self.programs.borrow_mut();
        let known = programs
            .iter()
            .find(|(known, verdict, _)| *verdict == default && *known == body);
        if let Some((_, _, policy)) = known {
            return Ok(policy.clone());
        }
        let policy = Policy::new(body.clone(), default)?;
        programs.push((body, default, policy.clone()));
        Ok(policy)
    }
}

/// What a name stands for, in messages: what it is, and the table that defines it.
type Kind = (&'static str, &'static str);

const POLICY: Kind = ("policy", "policy-definitions");

/// What a name stands for.
fn find<'t, 'n, T>(
    notes: &mut Notes<'t>,
    value: Maybe<'t>,
    name: &str,
    known: &'n BTreeMap<&'t str, T>,
    (what, table): Kind,
) -> Option<&'n T> {
    let found = known.get(name);
    if found.is_none() {
        let message = format!("there is no {what} \"{}\"", name.escape_debug());
        let near = known.keys().max_by(|a, b| {
            let likeness = |key: &str| strsim::jaro_winkler(name, key);
            likeness(a).total_cmp(&likeness(b))
        });
        let help = match near {
            Some(near) => format!("did you mean \"{}\"?", near.escape_debug()),
            None => format!("it would be defined by `[[{table}]]`"),
        };
        notes.error_with(value?.span(), message, help);
    }
    found
}

/// Reads all sets and policies, attached or not.
pub(super) fn library<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Library<'t> {
    let sets = Sets::read(notes, root);
    let mut tables: BTreeMap<&'t str, &Node<'t>> = BTreeMap::new();
    let mut order = Vec::new();
    for node in root.list("policy-definitions") {
        let name = notes.text(node.get("name"));
        let Some(name) = notes.required(node, "name", name) else {
            continue;
        };
        if tables.contains_key(name) {
            let message = format!("there is another policy \"{}\"", name.escape_debug());
            notes.error(span_of(node, "name"), message);
        } else {
            tables.insert(name, node);
            order.push(name);
        }
    }
    let mut reader = Reader {
        sets: &sets,
        nodes: tables,
        bodies: BTreeMap::new(),
        shown: BTreeMap::new(),
        stack: Vec::new(),
    };
    for name in &order {
        reader.policy(notes, name);
    }
    let definitions = order
        .iter()
        .filter_map(|name| reader.shown.remove(name))
        .collect();
    Library {
        bodies: reader.bodies,
        shown: Policies {
            definitions,
            sets: sets.shown,
        },
        programs: RefCell::default(),
    }
}

/// Where a value is, or else the table it is missing in.
fn span_of(node: &Node<'_>, key: &str) -> std::ops::Range<usize> {
    node.get(key)
        .map_or_else(|| node.span.clone(), super::Value::span)
}

/// Policies on their way from tables to statements.
struct Reader<'r, 't> {
    sets: &'r Sets<'t>,
    nodes: BTreeMap<&'t str, &'r Node<'t>>,
    bodies: BTreeMap<&'t str, Body>,
    shown: BTreeMap<&'t str, PolicyDefinition>,
    /// Policies that are being read, each called by the one before it.
    stack: Vec<&'t str>,
}

impl<'t> Reader<'_, 't> {
    fn policy(&mut self, notes: &mut Notes<'t>, name: &'t str) {
        if self.bodies.contains_key(name) {
            return;
        }
        let Some(node) = self.nodes.get(name).copied() else {
            return;
        };
        self.stack.push(name);
        let (mut body, mut size) = (Vec::new(), 1);
        let mut definition = PolicyDefinition {
            name: name.to_owned(),
            statements: Vec::new(),
        };
        for (number, table) in node.list("statements").iter().enumerate() {
            let given = notes
                .text(table.get("name"))
                .filter(|name| !name.is_empty());
            // As GoBGP names those without a name.
            let given = given.map_or_else(|| format!("{name}_stmt{number}"), str::to_owned);
            if definition
                .statements
                .iter()
                .any(|other| other.name == given)
            {
                let message = format!("there is another statement \"{}\"", given.escape_debug());
                notes.error(span_of(table, "name"), message);
            }
            let (statement, shown, more) = self.statement(notes, table, given);
            body.push(statement);
            definition.statements.push(shown);
            size += more;
        }
        if size > MOST_STATEMENTS {
            notes.error_with(
                node.span.clone(),
                format!("policy \"{}\" is too large", name.escape_debug()),
                format!(
                    "with all that it calls it is {size} statements; {MOST_STATEMENTS} are the most"
                ),
            );
            body.clear();
            size = 1;
        }
        self.stack.pop();
        let statement = Statement::named(name, body);
        self.bodies.insert(name, Body { statement, size });
        self.shown.insert(name, definition);
    }

    fn statement(
        &mut self,
        notes: &mut Notes<'t>,
        table: &Node<'t>,
        name: String,
    ) -> (Statement, PolicyStatement, usize) {
        let mut conditions = conditions::read(notes, table, self.sets);
        let mut then = Vec::new();
        let mut shown = Vec::new();
        let mut size = 1;
        if let Some(called) = self.call(notes, table) {
            size += called.size;
            shown.push(Clause {
                key: "call-policy".to_owned(),
                value: notes.text(table.get(CALL)).unwrap_or_default().to_owned(),
            });
            then.push(called.statement);
        }
        let (actions, more) = actions::read(notes, table);
        then.extend(actions);
        shown.extend(more);
        let body = match conditions.holds.len() {
            0 => then,
            1 => vec![Statement::when(conditions.holds.remove(0), then)],
            _ => vec![Statement::when(Condition::All(conditions.holds), then)],
        };
        let statement = Statement::Named {
            name: Arc::from(name.as_str()),
            body,
        };
        let shown = PolicyStatement {
            name,
            conditions: conditions.shown,
            actions: shown,
        };
        (statement, shown, size)
    }

    /// The policy that a statement runs.
    fn call(&mut self, notes: &mut Notes<'t>, table: &Node<'t>) -> Option<Body> {
        let value = table.get(CALL);
        let name = notes.text(value)?;
        find(notes, value, name, &self.nodes, POLICY)?;
        if let Some(from) = self.stack.iter().position(|caller| *caller == name) {
            let circle = self
                .stack
                .get(from..)
                .unwrap_or_default()
                .join("\" calls \"");
            let message = format!("policies in a circle: \"{circle}\" calls \"{name}\"");
            notes.error(value?.span(), message);
            return None;
        }
        if self.stack.len() >= DEEPEST_CALL {
            let message = format!("policies call each other more than {DEEPEST_CALL} deep");
            notes.error(value?.span(), message);
            return None;
        }
        // The name as the file has it: it lives as long.
        self.policy(notes, name);
        let body = self.bodies.get(name)?;
        (body.size <= MOST_STATEMENTS).then(|| body.clone())
    }
}

const CALL: &str = "actions.call-policy";

/// Each call is three levels of the tree, which has a limit of its own.
const DEEPEST_CALL: usize = 16;
