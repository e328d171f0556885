// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `apply-policy`: which policies work where.
//!
//! Each key counts by itself: that of the neighbour's family, or else the neighbour's, or else its group's, or else
//! `global.apply-policy`'s. A list is taken whole; an empty one is no policy.

use std::ops::Range;

use bgp_proto::Family;
use rib::{
    Policy, Verdict,
    policy::{Condition, Statement},
};

use super::{
    super::{
        super::{
            defaults::Defaults,
            model::Global,
            policy::{FamilyPolicy, PeerPolicy, PolicyOrigin},
        },
        Maybe, Node, Notes, Scope,
    },
    Library,
};

/// Which way routes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum Direction {
    /// From the neighbour.
    Import,
    /// To it.
    Export,
}

impl Direction {
    fn list(self) -> &'static str {
        match self {
            Self::Import => "apply-policy.import-policy-list",
            Self::Export => "apply-policy.export-policy-list",
        }
    }

    fn default(self) -> &'static str {
        match self {
            Self::Import => "apply-policy.default-import-policy",
            Self::Export => "apply-policy.default-export-policy",
        }
    }
}

/// Policies in order.
#[derive(Clone, Debug, Default)]
struct List {
    names: Vec<String>,
    body: Vec<Statement>,
}

const WORDS: &[(&str, bool)] = &[("accept-route", true), ("reject-route", false)];

/// The policies that a key names; `None` if it is not there.
fn list<'t>(notes: &mut Notes<'t>, library: &Library<'t>, value: Maybe<'t>) -> Option<List> {
    let items = notes.items(value)?;
    let mut out = List::default();
    for item in items {
        let Some((name, statement)) = library.named(notes, Some(item)) else {
            continue;
        };
        if out.names.iter().any(|other| other == name) {
            let message = format!("policy \"{}\" is there twice", name.escape_debug());
            notes.error(item.span(), message);
        }
        out.names.push(name.to_owned());
        out.body.push(statement.clone());
    }
    Some(out)
}

fn program(
    notes: &mut Notes<'_>,
    library: &Library<'_>,
    at: Range<usize>,
    body: Vec<Statement>,
    accept: bool,
) -> Policy {
    if body.is_empty() {
        return PeerPolicy::plain(accept, PolicyOrigin::Explicit).program;
    }
    library
        .program(body, verdict(accept))
        .unwrap_or_else(|error| {
            notes.error(at, error.to_string());
            Policy::reject_all()
        })
}

fn verdict(accept: bool) -> Verdict {
    if accept {
        Verdict::Accept
    } else {
        Verdict::Reject
    }
}

/// Where policies come from, and what is so without any.
type Around<'a, 't> = (&'a Node<'t>, &'a Global, &'a Library<'t>);

/// What is said about one direction.
#[derive(Default)]
struct Said {
    list: List,
    default: Option<bool>,
    /// Routes pass if nothing is said.
    open: bool,
    families: Vec<(Family, Option<List>, Option<bool>)>,
}

/// What works for neighbours that say nothing themselves: those of the mesh, which are internal. It is read in any case, so that errors in it are
/// errors even if every neighbour has policies of its own.
pub(in super::super) fn general<'t>(
    notes: &mut Notes<'t>,
    (root, _, library): Around<'_, 't>,
    direction: Direction,
) -> PeerPolicy {
    let value = |key: &str| root.get(&format!("global.{key}"));
    let given = value(direction.list());
    let said = Said {
        list: list(notes, library, given).unwrap_or_default(),
        default: notes.choice(value(direction.default()), WORDS),
        open: true,
        families: Vec::new(),
    };
    let at = given.map_or(0..0, super::super::Value::span);
    said.settled(notes, library, at)
}

/// What works between a neighbour and the table. Without a word anywhere, RFC 8212 decides. `client`: of our route server.
pub(in super::super) fn attached<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    (root, global, library): Around<'_, 't>,
    direction: Direction,
    (internal, client): (bool, bool),
) -> PeerPolicy {
    let gobgp = global.defaults == Defaults::GoBgp;
    let value = |key: &str| {
        let general = || root.get(&format!("global.{key}"));
        match (gobgp, client) {
            (false, _) => scope.get(key).or_else(general),
            (true, true) => scope.get(key),
            (true, false) => general(),
        }
    };
    let families = of_families(notes, scope, library, direction);
    if gobgp {
        ignored(notes, scope, direction, client);
    }
    let said = Said {
        list: list(notes, library, value(direction.list())).unwrap_or_default(),
        default: notes.choice(value(direction.default()), WORDS),
        open: internal || !global.ebgp_requires_policy,
        families: if gobgp { Vec::new() } else { families },
    };
    said.settled(notes, library, scope.span(direction.list()))
}

/// GoBGP has policies of neighbours for clients of its route server only, and none of families.
fn ignored<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>, direction: Direction, client: bool) {
    for key in [direction.list(), direction.default()] {
        let families = scope.list("afi-safis").iter();
        let of_families = families.filter_map(|table| table.get(key));
        let own = scope.get(key).filter(|_| !client);
        for value in own.into_iter().chain(of_families) {
            let message = "has no effect: in GoBGP it works for clients of a route server, and `global.apply-policy` for others";
            notes.warning(value.span(), message);
        }
    }
}

/// What works between the table and the kernel: everything passes where nothing else is said.
pub(in super::super) fn kernel<'t>(
    notes: &mut Notes<'t>,
    root: &Node<'t>,
    library: &Library<'t>,
) -> PeerPolicy {
    let value = root.get("fib.apply-policy.export-policy-list");
    let said = Said {
        list: list(notes, library, value).unwrap_or_default(),
        default: notes.choice(root.get("fib.apply-policy.default-export-policy"), WORDS),
        open: true,
        families: Vec::new(),
    };
    said.settled(
        notes,
        library,
        value.map_or(0..0, super::super::Value::span),
    )
}

impl Said {
    fn settled(self, notes: &mut Notes<'_>, library: &Library<'_>, at: Range<usize>) -> PeerPolicy {
        let List { names, mut body } = self.list;
        // A list is a policy, and GoBGP accepts what none of its policies decides about.
        let open = self.default.unwrap_or(self.open || !names.is_empty());
        let origin = if self.default.is_some() || !names.is_empty() {
            PolicyOrigin::Explicit
        } else if open {
            PolicyOrigin::Default
        } else {
            PolicyOrigin::Rfc8212
        };
        let mut shown = Vec::new();
        let mut fronts = Vec::new();
        for (family, own, default) in self.families {
            let listed = own.as_ref().is_some_and(|own| !own.names.is_empty());
            let accept = default.unwrap_or(open || (listed && self.default.is_none()));
            let own = own.unwrap_or_else(|| List {
                names: names.clone(),
                body: body.clone(),
            });
            let end = if accept {
                Statement::Accept
            } else {
                Statement::Reject
            };
            let then = own.body.into_iter().chain([end]).collect();
            fronts.push(Statement::when(Condition::Family(family), then));
            shown.push(FamilyPolicy {
                family,
                policies: own.names.into(),
                accept,
            });
        }
        body.splice(0..0, fronts);
        PeerPolicy {
            accept: open,
            origin,
            policies: names.into(),
            families: shown,
            program: program(notes, library, at, body, open),
        }
    }
}

/// Families that say something of their own.
fn of_families<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    library: &Library<'t>,
    direction: Direction,
) -> Vec<(Family, Option<List>, Option<bool>)> {
    let mut out = Vec::new();
    for table in scope.list("afi-safis") {
        let own = list(notes, library, table.get(direction.list()));
        let default = notes.choice(table.get(direction.default()), WORDS);
        let name = table.get("afi-safi-name");
        let family = name.and_then(|name| name.get_ref().as_str()?.parse().ok());
        if let (Some(family), true) = (family, own.is_some() || default.is_some()) {
            out.push((family, own, default));
        }
    }
    out
}
