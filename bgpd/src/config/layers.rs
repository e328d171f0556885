// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration in force: what the file said when it was read, and what was changed over the API since.
//!
//! A change over the API is in the words of the file and is read by the same code, so that it can be wrong in the same ways. Of
//! neighbours, groups, ranges, sets and policies it is known which were changed, and only those: a file that is read again counts
//! for all that it has changed itself, and else what was changed over the API stays.

mod book;
mod edit;
mod single;
mod tables;

use std::{collections::BTreeMap, path::Path};

use self::{
    edit::cannot_change,
    single::{Base, is_in_use},
    tables::{LOOSE, listed, overlay, push},
};
use super::{
    diff,
    document::{Document, Source},
    error::ConfigErrors,
    host::Host,
    model::Config,
    name::PeerName,
    settings::{FAMILIES, Setting, Settings, table_value},
    value::Table,
};

pub use self::{
    book::{Book, PolicyEdit},
    edit::{Edit, Fault, Kind, Plan, Refusal},
};

/// What a change says of an entry: how it is, or that there is none.
type Said = Option<Settings>;

/// What was there before an edit, so that it can be put back.
#[derive(Debug)]
pub struct Undo(Before);

#[derive(Debug)]
enum Before {
    /// Of each, that nothing had been said of it, or what.
    Entries(Vec<(Kind, String, Option<Said>)>),
    All(Box<Layers>),
}

/// The file as it was read, and the changes since.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Where the file is, for reloads.
    source: Source,
    /// Its text only: its tables are larger by far.
    text: Option<String>,
    /// `[global]` instead of the file's.
    global: Option<Settings>,
    /// The file's `[global]`, neighbours, groups and ranges do not count any more.
    has_ended: bool,
    /// `None`: removed.
    edits: BTreeMap<Kind, BTreeMap<String, Said>>,
    base: Option<Base>,
}

impl Layers {
    /// Reads the file, and says what it means.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(source: Source) -> Result<(Self, Config), ConfigErrors> {
        let document = source.document()?;
        let config = source.overrule(document.config()?);
        let layers = Self {
            text: Some(document.into_text()),
            source,
            ..Self::default()
        };
        Ok((layers, config))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// A text instead of a file, which is not read again.
    pub fn of_text(text: &str) -> Self {
        Self {
            text: Some(text.to_owned()),
            ..Self::default()
        }
    }

    /// The file as it is now. What it says differently from before counts instead of what was changed over the API.
    ///
    /// # Errors
    /// Everything that is wrong with it, by itself or together with what was changed.
    pub fn reload(&self) -> Result<(Self, Config), ConfigErrors> {
        let (mut new, config) = Self::load(self.source.clone())?;
        new.global.clone_from(&self.global);
        new.has_ended = self.has_ended;
        if self.count() == 0 && new.global.is_none() && !new.has_ended {
            return Ok((new, config));
        }
        let (was, is) = (self.root(), new.root());
        for (kind, edits) in &self.edits {
            let (was, is) = (listed(&was, *kind), listed(&is, *kind));
            let kept = edits
                .iter()
                .filter(|(name, _)| was.get(*name) == is.get(*name))
                .map(|(name, edit)| (name.clone(), edit.clone()));
            new.edits.insert(*kind, kept.collect());
        }
        let mut both = new.config()?;
        both.warnings = config.warnings;
        Ok((new, both))
    }

    /// How many neighbours, groups, sets and the like are not as the file says.
    pub fn count(&self) -> usize {
        self.edits.values().map(BTreeMap::len).sum()
    }

    /// What file and changes mean together.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn config(&self) -> Result<Config, ConfigErrors> {
        let mut config = self.document(self.whole()).config()?;
        let policies = &mut config.policies.definitions;
        policies.retain(|policy| policy.name != LOOSE);
        Ok(self.source.overrule(config))
    }

    /// What an edit would make of the running configuration. Nothing has changed yet.
    ///
    /// # Errors
    /// Why it is not possible.
    pub fn plan(&mut self, edit: &Edit, running: &Config, host: &Host) -> Result<Plan, Refusal> {
        match (edit, running.global.is_given()) {
            (Edit::Begin(_), true) => return Err(Refusal::NotNow("bgp server is already running")),
            (Edit::End, false) => return Err(Refusal::NotNow("bgp server is not running")),
            (Edit::Begin(_), false) => {
                return Ok(Plan::Begin(Box::new(self.try_out(edit, host)?)));
            }
            (Edit::End, true) => return Ok(Plan::End(Box::new(self.try_out(edit, host)?))),
            (_, false) => return Err(Refusal::NotNow("bgp server hasn't started yet")),
            (Edit::Entries(_), true) => return self.plan_whole(edit, running, host),
            _ => {}
        }
        let (kind, name) = edit.names()?;
        let is_there = self.has(kind, &name, running);
        match edit {
            Edit::Add(..) if is_there => return Err(Refusal::Exists(kind.words(), name)),
            Edit::Replace(..) | Edit::Remove(..) if !is_there => {
                return Err(Refusal::Missing(kind.words(), name));
            }
            Edit::Remove(Kind::Group, _) => is_in_use(&name, running)?,
            _ => {}
        }
        if kind == Kind::Neighbor && self.is_from_mesh(&name, running) {
            let message = format!("neighbour {name} is of the mesh: `mesh.nodes` has to change");
            return Err(Refusal::Wrong(message));
        }
        let single = match edit {
            Edit::Remove(Kind::Neighbor, _) => {
                name.parse().ok().map(|name| Plan::Neighbor(name, None))
            }
            Edit::Add(Kind::Neighbor, said) | Edit::Replace(Kind::Neighbor, said) => {
                self.single(said, running, host)?
            }
            _ => None,
        };
        if let Some(plan) = single {
            return Ok(plan);
        }
        self.plan_whole(edit, running, host)
    }

    fn plan_whole(&mut self, edit: &Edit, running: &Config, host: &Host) -> Result<Plan, Refusal> {
        let mut config = self.try_out(edit, host)?;
        config.warnings.clone_from(&running.warnings);
        if let Some(key) = diff::restarts(running, &config).first() {
            return Err(cannot_change(key));
        }
        Ok(Plan::Whole(Box::new(config)))
    }

    /// The configuration with an edit that is not kept.
    fn try_out(&mut self, edit: &Edit, host: &Host) -> Result<Config, Refusal> {
        let undo = self.keep(edit);
        let whole = self.config().and_then(|config| config.for_host(host));
        self.put_back(undo);
        whole.map_err(Refusal::from)
    }

    /// An edit without reference to what was said before.
    ///
    /// # Errors
    /// There is nothing to refer to.
    pub fn settled(&mut self, edit: Edit) -> Result<Edit, Refusal> {
        let (kind, said) = match edit {
            Edit::Amend(kind, said) => (kind, said),
            Edit::Policies(edit) => return Ok(Edit::Entries(self.turned(&edit)?)),
            _ => return Ok(edit),
        };
        let name = kind.name(&said).unwrap_or_default();
        let edited = self.edits.get(&kind).and_then(|edits| edits.get(&name));
        let before = match edited {
            Some(edited) => edited.clone(),
            None => listed(&self.root(), kind).remove(&name),
        };
        let mut both = before.ok_or(Refusal::Missing(kind.words(), name))?;
        if both.tables(FAMILIES).is_empty()
            && let Some(group) = both.text("peer-group").and_then(|name| self.group(name))
        {
            // Families are said all or none: what the group says of them is not to be lost.
            both.say(FAMILIES, Setting::Tables(group.tables(FAMILIES).to_vec()));
        }
        both.amend(&said);
        Ok(Edit::Replace(kind, both))
    }

    /// Remembers an edit that has been planned.
    pub fn keep(&mut self, edit: &Edit) -> Undo {
        let said = match edit {
            Edit::Add(_, said) | Edit::Replace(_, said) | Edit::Amend(_, said) => {
                Some(said.clone())
            }
            Edit::Remove(..) | Edit::Policies(_) => None,
            Edit::Entries(entries) => return self.keep_entries(entries.clone()),
            Edit::Begin(_) | Edit::End => return self.keep_all(edit),
        };
        let named = edit.names().ok();
        let entry = named.map(|(kind, name)| (kind, name, said));
        self.keep_entries(entry.into_iter().collect())
    }

    fn keep_entries(&mut self, entries: Vec<(Kind, String, Said)>) -> Undo {
        let mut before = Vec::with_capacity(entries.len());
        for (kind, name, said) in entries {
            self.forget_base(kind);
            let edits = self.edits.entry(kind).or_default();
            let was = edits.insert(name.clone(), said);
            before.push((kind, name, was));
        }
        Undo(Before::Entries(before))
    }

    /// What single neighbours depend on is not as it was.
    fn forget_base(&mut self, kind: Kind) {
        if kind.is_of_policies() {
            self.base = None;
        }
    }

    fn keep_all(&mut self, edit: &Edit) -> Undo {
        let before = Box::new(self.clone());
        self.base = None;
        if let Edit::Begin(global) = edit {
            self.global = Some(global.clone());
        } else {
            self.global = None;
            self.has_ended = true;
            self.edits.clear();
        }
        Undo(Before::All(before))
    }

    /// Forgets an edit that could not be made.
    pub fn put_back(&mut self, undo: Undo) {
        let entries = match undo.0 {
            Before::Entries(entries) => entries,
            Before::All(before) => return *self = *before,
        };
        for (kind, name, before) in entries {
            self.forget_base(kind);
            let edits = self.edits.entry(kind).or_default();
            match before {
                Some(before) => edits.insert(name, before),
                None => edits.remove(&name),
            };
        }
    }

    fn has(&mut self, kind: Kind, name: &str, running: &Config) -> bool {
        match kind {
            Kind::Neighbor => name
                .parse::<PeerName>()
                .is_ok_and(|name| running.neighbors.iter().any(|peer| peer.name == name)),
            Kind::Group => match self.edits.get(&kind).and_then(|edits| edits.get(name)) {
                Some(edit) => edit.is_some(),
                None => self.base().groups.contains_key(name),
            },
            Kind::Range => {
                let mut ranges = running.dynamic_neighbors.iter();
                ranges.any(|range| range.prefix.to_string() == name)
            }
            // They are edited as entries.
            Kind::Set(_) | Kind::Policy | Kind::Statement | Kind::Assignment => false,
        }
    }

    /// The file's tables, as far as they count.
    fn root(&self) -> Table {
        let text = self.text.as_deref().unwrap_or_default();
        let mut root = self.source.tables(text);
        if self.has_ended {
            for name in ["global", "mesh"] {
                root.remove(name);
            }
            for kind in Kind::OF_SPEAKER {
                root.remove(kind.list());
            }
            if self.global.is_none() {
                // Nobody announces them.
                root.remove("static-routes");
            }
        }
        if let Some(global) = &self.global {
            root.remove("global");
            push(&mut root, "global", table_value(global));
        }
        root
    }

    /// File and changes together.
    fn whole(&self) -> Table {
        let mut root = self.root();
        for (kind, edits) in &self.edits {
            overlay(&mut root, *kind, edits);
        }
        root
    }

    fn document(&self, root: Table) -> Document {
        Document::of_tables(root, &self.source)
    }
}
