// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything about policies at once, in the words of the file: an edit of it may concern several things that refer to
//! each other, and depends on what is there.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{
    super::{
        policy::SetKind,
        settings::{Setting, Settings},
    },
    Kind, Layers, Refusal, Said,
    tables::listed,
};

/// Sets, policies, and what is assigned where, as file and changes say together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// Sets by their kind and name.
    pub sets: BTreeMap<(SetKind, String), Settings>,
    /// Policies by name. Each of their statements has a name.
    pub policies: BTreeMap<String, Settings>,
    /// Statements that are in no policy, by name.
    pub statements: BTreeMap<String, Settings>,
    /// What `global.apply-policy` says, without these words before its keys.
    pub global: Settings,
    /// The neighbour that was asked for, if a file or a change says something of it.
    pub neighbor: Option<(String, Settings)>,
}

/// The key of a policy's statements.
const STATEMENTS: &str = "statements";

impl Book {
    /// The statements of a policy, in order.
    pub fn statements_of(policy: &Settings) -> &[Settings] {
        policy.tables(STATEMENTS)
    }

    /// The same policy with other statements.
    pub fn put_statements(policy: &mut Settings, statements: Vec<Settings>) {
        policy.say(STATEMENTS, Setting::Tables(statements));
    }

    fn entries(&self) -> BTreeMap<(Kind, &str), &Settings> {
        let sets = self.sets.iter();
        let sets = sets.map(|((kind, name), set)| ((Kind::Set(*kind), name.as_str()), set));
        let policies = self.policies.iter();
        let policies = policies.map(|(name, policy)| ((Kind::Policy, name.as_str()), policy));
        let statements = self.statements.iter();
        let statements = statements.map(|(name, said)| ((Kind::Statement, name.as_str()), said));
        let neighbor = self.neighbor.iter();
        let neighbor = neighbor.map(|(name, said)| ((Kind::Neighbor, name.as_str()), said));
        let global = ((Kind::Assignment, "global"), &self.global);
        sets.chain(policies)
            .chain(statements)
            .chain(neighbor)
            .chain([global])
            .collect()
    }

    /// What is different in another one.
    pub(super) fn changes(&self, new: &Self) -> Vec<(Kind, String, Said)> {
        let (old, new) = (self.entries(), new.entries());
        let gone = old.keys().filter(|key| !new.contains_key(*key));
        let gone = gone.map(|(kind, name)| (*kind, (*name).to_owned(), None));
        let other = new
            .iter()
            .filter(|(key, said)| old.get(*key) != Some(*said));
        let other =
            other.map(|((kind, name), said)| (*kind, (*name).to_owned(), Some((*said).clone())));
        gone.chain(other).collect()
    }
}

/// What becomes of a [`Book`]: it is asked where nothing else changes it meanwhile.
#[derive(Clone)]
pub struct PolicyEdit {
    /// The neighbour that it is about, if it is about one.
    neighbor: Option<String>,
    change: Change,
}

type Change = Arc<dyn Fn(&mut Book) -> Result<(), Refusal> + Send + Sync>;

impl PolicyEdit {
    /// An edit. The book has this neighbour, if there is one.
    pub fn new(
        neighbor: Option<String>,
        change: impl Fn(&mut Book) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        let change = Arc::new(change);
        Self { neighbor, change }
    }
}

impl fmt::Debug for PolicyEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyEdit")
            .field("neighbor", &self.neighbor)
            .finish_non_exhaustive()
    }
}

/// Who knows what a function does? It is equal to itself.
impl PartialEq for PolicyEdit {
    fn eq(&self, other: &Self) -> bool {
        self.neighbor == other.neighbor && Arc::ptr_eq(&self.change, &other.change)
    }
}

impl Layers {
    /// Everything about policies.
    pub fn book(&self, neighbor: Option<&str>) -> Book {
        let root = self.whole();
        let mut policies = listed(&root, Kind::Policy);
        policies.remove(super::tables::LOOSE);
        for (name, policy) in &mut policies {
            name_statements(name, policy);
        }
        let sets = SetKind::ALL.into_iter().flat_map(|kind| {
            let sets = listed(&root, Kind::Set(kind)).into_iter();
            sets.map(move |(name, set)| ((kind, name), set))
        });
        let loose = self.edits.get(&Kind::Statement).into_iter().flatten();
        let loose = loose.filter_map(|(name, said)| Some((name.clone(), said.clone()?)));
        let neighbor = neighbor.and_then(|name| {
            let said = listed(&root, Kind::Neighbor).remove(name)?;
            Some((name.to_owned(), said))
        });
        Book {
            sets: sets.collect(),
            policies,
            statements: loose.collect(),
            global: listed(&root, Kind::Assignment)
                .into_values()
                .next()
                .unwrap_or_default(),
            neighbor,
        }
    }

    /// What an edit of policies comes to.
    pub(super) fn turned(&self, edit: &PolicyEdit) -> Result<Vec<(Kind, String, Said)>, Refusal> {
        let old = self.book(edit.neighbor.as_deref());
        let mut new = old.clone();
        (edit.change)(&mut new)?;
        Ok(old.changes(&new))
    }
}

/// Gives a name to each statement that has none: GoBGP's.
fn name_statements(name: &str, policy: &mut Settings) {
    let mut statements = Book::statements_of(policy).to_vec();
    for (number, statement) in statements.iter_mut().enumerate() {
        if statement.text("name").is_none_or(str::is_empty) {
            statement.say("name", format!("{name}_stmt{number}"));
        }
    }
    if !statements.is_empty() {
        Book::put_statements(policy, statements);
    }
}
