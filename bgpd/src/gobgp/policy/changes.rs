// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a request makes of sets, statements and policies, and why it does not, in GoBGP's words.

use std::collections::BTreeMap;

use bgpd_api::v4;

use super::{
    sets::{listed, shown},
    statements::{ACTIONS, CONDITIONS, MATCHES},
};
use crate::config::{Book, Fault, Refusal, SetKind, Setting, Settings};

/// Whether a policy brings its statements or names those that there are.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Statements {
    Known,
    New,
}

fn missing(text: String) -> Refusal {
    Refusal::Worded(Fault::Missing, text)
}

fn not_now(text: String) -> Refusal {
    Refusal::Worded(Fault::NotNow, text)
}

pub(super) fn in_use(what: &str, name: &str) -> Refusal {
    not_now(format!("can't delete. {what} {name} is in use"))
}

fn name_of(said: &Settings) -> &str {
    said.text("name").unwrap_or_default()
}

/// The members of a set; what makes each the same however it is written, and how it is said.
fn members(kind: SetKind, set: &Settings) -> Vec<(String, Setting)> {
    match set.get(kind.members_key()) {
        Some(Setting::List(members)) => {
            let members = members.iter().map(|member| match member {
                Setting::Text(text) => (listed(kind, text), member.clone()),
                other => (String::new(), other.clone()),
            });
            members.collect()
        }
        Some(Setting::Tables(prefixes)) => {
            let shown = shown(kind, set).prefixes;
            let same = shown.iter().map(|prefix: &v4::Prefix| {
                let (from, to) = (prefix.mask_length_min, prefix.mask_length_max);
                format!("{} {from}..{to}", prefix.ip_prefix)
            });
            let prefixes = prefixes.iter();
            let prefixes = prefixes.map(|prefix| Setting::Tables(vec![prefix.clone()]));
            same.zip(prefixes).collect()
        }
        _ => Vec::new(),
    }
}

fn put_members(kind: SetKind, set: &mut Settings, members: Vec<(String, Setting)>) {
    let members = members.into_iter().map(|(_, member)| member);
    let members = if kind == SetKind::Prefix {
        let tables = members.flat_map(|member| match member {
            Setting::Tables(tables) => tables,
            _ => Vec::new(),
        });
        Setting::Tables(tables.collect())
    } else {
        Setting::List(members.collect())
    };
    set.say(kind.members_key(), members);
}

/// `AddDefinedSet`: adds to a set of the same name, or replaces it.
pub(super) fn add_set(
    book: &mut Book,
    kind: SetKind,
    set: &Settings,
    replace: bool,
) -> Result<(), Refusal> {
    let name = set.text(kind.name_key()).unwrap_or_default().to_owned();
    let key = (kind, name);
    let Some(known) = book.sets.get_mut(&key).filter(|_| !replace) else {
        book.sets.insert(key, set.clone());
        return Ok(());
    };
    let mut all = members(kind, known);
    for (same, member) in members(kind, set) {
        if all.iter().all(|(other, _)| *other != same) {
            all.push((same, member));
        }
    }
    let is_of_six = |(same, _): &(String, Setting)| same.contains(':');
    if kind == SetKind::Prefix && all.iter().any(is_of_six) && !all.iter().all(is_of_six) {
        let text = "can't append different family".to_owned();
        return Err(Refusal::Worded(Fault::Wrong, text));
    }
    put_members(kind, known, all);
    Ok(())
}

/// `DeleteDefinedSet`: the set, or members of it.
pub(super) fn remove_set(
    book: &mut Book,
    kind: SetKind,
    set: &Settings,
    all: bool,
) -> Result<(), Refusal> {
    let name = set.text(kind.name_key()).unwrap_or_default();
    let key = (kind, name.to_owned());
    let needs = |said: &&Settings| {
        let keys = MATCHES.iter().filter(|(_, _, of)| *of == kind);
        let mut keys = keys.map(|(key, last, _)| format!("{key}.{last}"));
        let of_source = "conditions.match-source-neighbor-set.neighbor-set";
        keys.any(|key| said.text(&key) == Some(name))
            || (kind == SetKind::Neighbor && said.text(of_source) == Some(name))
    };
    let is_needed = all && everywhere(book).any(|said| needs(&said));
    let Some(known) = book.sets.get_mut(&key) else {
        return Err(missing(format!("not found defined-set: {name}")));
    };
    if is_needed {
        return Err(in_use("defined-set", name));
    }
    if all {
        book.sets.remove(&key);
        return Ok(());
    }
    let gone = members(kind, set);
    let mut rest = members(kind, known);
    rest.retain(|(same, _)| gone.iter().all(|(other, _)| other != same));
    put_members(kind, known, rest);
    Ok(())
}

/// Every statement, those of policies as often as they are in one.
fn everywhere(book: &Book) -> impl Iterator<Item = &Settings> {
    let of_policies = book.policies.values().flat_map(Book::statements_of);
    book.statements.values().chain(of_policies)
}

/// Statements by name, each once. Two of the same name in a file are listed as the first of them.
pub(super) fn statements(book: &Book) -> BTreeMap<&str, &Settings> {
    let mut all = BTreeMap::new();
    for said in everywhere(book) {
        all.entry(name_of(said)).or_insert(said);
    }
    all
}

/// The statement of a name, if there is one. A file may have several that differ; nobody can say then which is meant.
fn known(book: &Book, name: &str) -> Result<Option<Settings>, Refusal> {
    let mut found = everywhere(book).filter(|said| name_of(said) == name);
    let Some(first) = found.next() else {
        return Ok(None);
    };
    if found.any(|other| other != first) {
        let text =
            format!("statement {name} is in several policies, and not the same in all of them");
        return Err(not_now(text));
    }
    Ok(Some(first.clone()))
}

/// Makes a statement this in all policies that it is in, or else in none.
fn put(book: &mut Book, said: &Settings) {
    let name = name_of(said);
    let mut is_in_policy = false;
    for policy in book.policies.values_mut() {
        let mut all = Book::statements_of(policy).to_vec();
        let mut found = false;
        for other in all.iter_mut().filter(|other| name_of(other) == name) {
            *other = said.clone();
            found = true;
        }
        if found {
            Book::put_statements(policy, all);
            is_in_policy = true;
        }
    }
    if !is_in_policy {
        book.statements.insert(name.to_owned(), said.clone());
    }
}

/// Whether something is said for a key or for one in it.
fn says(said: &Settings, key: &str) -> bool {
    said.iter().any(|(other, _)| is_in(other, key))
}

fn is_in(key: &str, table: &str) -> bool {
    let rest = key.strip_prefix(table);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Conditions and actions with what they are called if one of them is in the way.
fn parts() -> impl Iterator<Item = (&'static str, String)> {
    let conditions = CONDITIONS.iter();
    let conditions = conditions.map(|(key, number)| (*key, format!("condition {number}")));
    let actions = ACTIONS.iter().map(|(key, number)| match number {
        0 => (*key, "route action".to_owned()),
        _ => (*key, format!("action {number}")),
    });
    conditions.chain(actions)
}

/// Sets that a statement asks and that are not there.
fn check_sets(book: &Book, said: &Settings) -> Result<(), Refusal> {
    for (key, last, kind) in MATCHES {
        let name = said.text(&format!("{key}.{last}")).unwrap_or_default();
        if !name.is_empty() && !book.sets.contains_key(&(kind, name.to_owned())) {
            let words = match kind {
                SetKind::AsPath => "as path set",
                other => other.words(),
            };
            return Err(missing(format!("not found {words} {name}")));
        }
    }
    Ok(())
}

/// `AddStatement`: adds what is said to a statement of the same name.
pub(super) fn add_statement(book: &mut Book, said: &Settings) -> Result<(), Refusal> {
    check_sets(book, said)?;
    let mut both = match known(book, name_of(said))? {
        Some(known) => known,
        None => Settings::default().with("name", name_of(said)),
    };
    for (key, what) in parts() {
        if says(said, key) && says(&both, key) {
            let text = format!("{what} is already set");
            return Err(Refusal::Worded(Fault::Exists, text));
        }
    }
    both.amend(said);
    put(book, &both);
    Ok(())
}

/// `DeleteStatement`: the statement, or conditions and actions of it whatever their values.
pub(super) fn remove_statement(book: &mut Book, said: &Settings, all: bool) -> Result<(), Refusal> {
    let name = name_of(said);
    let Some(mut rest) = known(book, name)? else {
        return Err(missing(format!("not found statement: {name}")));
    };
    if all {
        return match book.statements.remove(name) {
            Some(_) => Ok(()),
            None => Err(in_use("statement", name)),
        };
    }
    for (key, what) in parts().filter(|(key, _)| says(said, key)) {
        if !says(&rest, key) {
            return Err(missing(format!("{what} is not set")));
        }
        let keys: Vec<String> = rest.iter().map(|(other, _)| other.to_owned()).collect();
        for other in keys.iter().filter(|other| is_in(other, key)) {
            rest.unsay(other);
        }
    }
    put(book, &rest);
    Ok(())
}

/// `AddPolicy`: adds statements to a policy of the same name.
pub(super) fn add_policy(
    book: &mut Book,
    policy: &Settings,
    how: Statements,
) -> Result<(), Refusal> {
    let name = name_of(policy);
    let before = book.policies.get(name).cloned();
    let mut whole = before.unwrap_or_else(|| Settings::default().with("name", name));
    let mut all = Book::statements_of(&whole).to_vec();
    for said in Book::statements_of(policy) {
        let statement = name_of(said);
        if all.iter().any(|other| name_of(other) == statement) {
            let text = format!("statement {statement} is in policy {name} already");
            return Err(Refusal::Worded(Fault::Exists, text));
        }
        check_sets(book, said)?;
        match (known(book, statement)?, how) {
            (Some(known), Statements::Known) => all.push(known),
            (None, Statements::Known) => {
                return Err(missing(format!("not found statement {statement}")));
            }
            (Some(_), Statements::New) => {
                let text = format!("statement {statement} already defined");
                return Err(Refusal::Worded(Fault::Exists, text));
            }
            (None, Statements::New) => all.push(said.clone()),
        }
        book.statements.remove(statement);
    }
    Book::put_statements(&mut whole, all);
    book.policies.insert(name.to_owned(), whole);
    Ok(())
}

/// `DeletePolicy`: the policy, or statements of it. `keep`: statements stay that are in no policy then.
pub(super) fn remove_policy(
    book: &mut Book,
    said: &v4::Policy,
    all: bool,
    keep: bool,
) -> Result<(), Refusal> {
    let name = &said.name;
    let Some(policy) = book.policies.get_mut(name) else {
        return Err(missing(format!("not found policy: {name}")));
    };
    let goes = |statement: &Settings| {
        all || said
            .statements
            .iter()
            .any(|other| other.name == name_of(statement))
    };
    let (gone, rest): (Vec<_>, Vec<_>) =
        Book::statements_of(policy).iter().cloned().partition(goes);
    if all {
        book.policies.remove(name);
    } else {
        Book::put_statements(policy, rest);
    }
    for statement in gone.into_iter().filter(|_| keep) {
        if known(book, name_of(&statement))?.is_none() {
            book.statements
                .insert(name_of(&statement).to_owned(), statement);
        }
    }
    Ok(())
}
