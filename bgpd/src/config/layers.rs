// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration in force: what the file said when it was read, and what was changed over the API since.
//!
//! A change over the API is in the words of the file and is read by the same code, so that it can be wrong in the same ways. Of
//! neighbours, groups and ranges it is known which were changed, and only those: a file that is read again counts for all that
//! it has changed itself, and else what was changed over the API stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    diff,
    document::{Document, Source},
    error::ConfigErrors,
    host::Host,
    model::Config,
    name::{PeerName, is_link_local},
    neighbor::Neighbor,
    settings::{FAMILIES, Setting, Settings, table_value},
    value::{Data, Key, Table, Value},
};

/// What can be added, replaced and removed while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A neighbour.
    Neighbor,
    /// A peer group.
    Group,
    /// A prefix from which neighbours may connect.
    Range,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Neighbor, Self::Group, Self::Range];

    /// The list of a file that it is in.
    fn list(self) -> &'static str {
        match self {
            Self::Neighbor => "neighbors",
            Self::Group => "peer-groups",
            Self::Range => "dynamic-neighbors",
        }
    }

    /// What it is called, in one way however it was written.
    pub fn name(self, settings: &Settings) -> Option<String> {
        let key = match self {
            Self::Neighbor => "neighbor-address",
            Self::Group => "peer-group-name",
            Self::Range => "prefix",
        };
        let text = settings.text(key).filter(|text| !text.is_empty());
        match self {
            Self::Neighbor => text
                .or_else(|| settings.text("neighbor-interface"))
                .map(canonical::<PeerName>),
            Self::Group => text.map(str::to_owned),
            Self::Range => text.map(canonical::<ipnetwork::IpNetwork>),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Neighbor => "neighbour",
            Self::Group => "peer group",
            Self::Range => "range of dynamic neighbours",
        }
    }
}

fn canonical<T: std::str::FromStr + ToString>(text: &str) -> String {
    text.parse::<T>()
        .map_or_else(|_| text.to_owned(), |read| read.to_string())
}

/// One change over the API.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// It is not there yet.
    Add(Kind, Settings),
    /// It is there, and all that is said about it is new.
    Replace(Kind, Settings),
    /// It is there, and what is said counts besides what was said before.
    Amend(Kind, Settings),
    /// It is there; its name.
    Remove(Kind, String),
    /// Who we are, as in `[global]`: nobody has said so yet.
    Begin(Settings),
    /// We are nobody any more, and neighbours, groups and ranges are gone.
    End,
}

/// Why an edit is not made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It is there already.
    #[error("there is a {0} {1} already")]
    Exists(&'static str, String),
    /// It is not there.
    #[error("there is no {0} {1}")]
    Missing(&'static str, String),
    /// Somebody needs it.
    #[error("peer group {0} is not removed: {1} is in it")]
    InUse(String, String),
    /// Right in principle.
    #[error("{0}")]
    NotNow(&'static str),
    /// It makes no sense; everything that is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// What an edit comes to.
#[derive(Debug)]
pub enum Plan {
    /// One neighbour is new or different, or is none any more.
    Neighbor(PeerName, Option<Box<Neighbor>>),
    /// Anything may be different.
    Whole(Box<Config>),
    /// All of it begins.
    Begin(Box<Config>),
    /// All of it ends.
    End(Box<Config>),
}

/// What a change says of an entry: how it is, or that there is none.
type Said = Option<Settings>;

/// What was there before an edit, so that it can be put back.
#[derive(Debug)]
pub struct Undo(Before);

#[derive(Debug)]
enum Before {
    /// Nothing had been said of it, or what.
    Entry(Kind, String, Option<Said>),
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
    edits: BTreeMap<Kind, BTreeMap<String, Option<Settings>>>,
    base: Option<Base>,
}

/// What a single neighbour depends on, kept between edits.
#[derive(Clone, Debug)]
struct Base {
    /// The file without lists.
    context: Table,
    groups: BTreeMap<String, Settings>,
    /// Neighbours of the file, if some of the running ones may come from elsewhere.
    listed: Option<BTreeSet<String>>,
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

    /// How many neighbours, groups and ranges are not as the file says.
    pub fn count(&self) -> usize {
        self.edits.values().map(BTreeMap::len).sum()
    }

    /// What file and changes mean together.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn config(&self) -> Result<Config, ConfigErrors> {
        let mut root = self.root();
        for kind in Kind::ALL {
            let Some(edits) = self.edits.get(&kind).filter(|edits| !edits.is_empty()) else {
                continue;
            };
            let mut items: Vec<Value> = items(&root, kind)
                .filter(|(name, _)| !edits.contains_key(name))
                .map(|(_, item)| item.clone())
                .collect();
            items.extend(edits.values().flatten().map(table_value));
            put(&mut root, kind, items.into_iter());
        }
        let config = self.document(root).config()?;
        Ok(self.source.overrule(config))
    }

    /// All groups as they are said.
    pub fn groups(&mut self) -> Vec<Settings> {
        let base = self.base();
        let file: Vec<(String, Settings)> = base
            .groups
            .iter()
            .map(|(name, group)| (name.clone(), group.clone()))
            .collect();
        let edits = self.edits.get(&Kind::Group).cloned().unwrap_or_default();
        let mut all: BTreeMap<String, Settings> = file.into_iter().collect();
        for (name, edit) in edits {
            match edit {
                Some(group) => all.insert(name, group),
                None => all.remove(&name),
            };
        }
        all.into_values().collect()
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
        let Edit::Amend(kind, said) = edit else {
            return Ok(edit);
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
            Edit::Remove(..) => None,
            Edit::Begin(_) | Edit::End => return self.keep_all(edit),
        };
        let (kind, name) = edit.names().unwrap_or((Kind::Neighbor, String::new()));
        let edits = self.edits.entry(kind).or_default();
        Undo(Before::Entry(kind, name.clone(), edits.insert(name, said)))
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
        let (kind, name, before) = match undo.0 {
            Before::Entry(kind, name, before) => (kind, name, before),
            Before::All(before) => return *self = *before,
        };
        let edits = self.edits.entry(kind).or_default();
        match before {
            Some(before) => edits.insert(name, before),
            None => edits.remove(&name),
        };
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
        }
    }

    fn group(&mut self, name: &str) -> Option<Settings> {
        let edited = self.edits.get(&Kind::Group);
        match edited.and_then(|edits| edits.get(name)) {
            Some(edited) => edited.clone(),
            None => self.base().groups.get(name).cloned(),
        }
    }

    /// Nobody can remove a neighbour from a mesh but the mesh.
    fn is_from_mesh(&mut self, name: &str, running: &Config) -> bool {
        let edited = self.edits.get(&Kind::Neighbor);
        let is_edited = edited.is_some_and(|edits| edits.contains_key(name));
        let Some(listed) = &self.base().listed else {
            return false;
        };
        let is_listed = listed.contains(name);
        !is_edited && !is_listed && self.has(Kind::Neighbor, name, running)
    }

    /// Reads a neighbour alone: others do not matter, however many there are. `None`: they may matter.
    fn single(
        &mut self,
        said: &Settings,
        running: &Config,
        host: &Host,
    ) -> Result<Option<Plan>, Refusal> {
        let group = said.text("peer-group").and_then(|name| self.group(name));
        let base = self.base();
        if base.listed.is_some() {
            return Ok(None);
        }
        let mut root = std::mem::take(&mut base.context);
        put(&mut root, Kind::Group, group.iter().map(table_value));
        put(
            &mut root,
            Kind::Neighbor,
            std::iter::once(table_value(said)),
        );
        let document = self.document(root);
        let read = document.config();
        self.base().context = document.into_root();
        let config = read.and_then(|config| config.for_host(host))?;
        if config.global.cluster_id() != running.global.cluster_id() {
            return Err(cannot_change("global.cluster-id"));
        }
        let neighbor = config.neighbors.into_iter().next();
        let neighbor = neighbor.map(|neighbor| Box::new(sharing(neighbor, running)));
        // Those of the same address on several links share a password.
        let is_apart = |neighbor: &Neighbor| !is_link_local(neighbor.address);
        Ok(neighbor
            .filter(|neighbor| is_apart(neighbor))
            .map(|neighbor| Plan::Neighbor(neighbor.name, Some(neighbor))))
    }

    /// The file's tables, as far as they count.
    fn root(&self) -> Table {
        let text = self.text.as_deref().unwrap_or_default();
        let mut root = self.source.tables(text);
        if self.has_ended {
            for name in ["global", "mesh"] {
                root.remove(name);
            }
            for kind in Kind::ALL {
                root.remove(kind.list());
            }
            if self.global.is_none() {
                // Nobody announces them.
                root.remove("static-routes");
            }
        }
        if let Some(global) = &self.global {
            root.remove("global");
            let key = Key {
                name: "global".to_owned(),
                span: 0..0,
            };
            root.push(key, table_value(global));
        }
        root
    }

    fn document(&self, root: Table) -> Document {
        Document::of_tables(root, &self.source)
    }

    fn base(&mut self) -> &mut Base {
        if self.base.is_none() {
            let root = self.root();
            let mut context = Table::default();
            for (key, value) in root.iter() {
                if ["global", "defined-sets", "policy-definitions"].contains(&key.name.as_str()) {
                    context.push(key.clone(), value.clone());
                }
            }
            let has_mesh = root.get("mesh").is_some();
            self.base = Some(Base {
                context,
                groups: listed(&root, Kind::Group),
                listed: has_mesh.then(|| listed(&root, Kind::Neighbor).into_keys().collect()),
            });
        }
        self.base.as_mut().expect("made above")
    }
}

impl Edit {
    /// What is edited.
    fn names(&self) -> Result<(Kind, String), Refusal> {
        match self {
            Self::Remove(kind, name) => Ok((*kind, name.clone())),
            Self::Add(kind, said) | Self::Replace(kind, said) | Self::Amend(kind, said) => {
                match kind.name(said) {
                    Some(name) => Ok((*kind, name)),
                    None => Err(Refusal::Wrong(format!("the {} has no name", kind.words()))),
                }
            }
            Self::Begin(_) | Self::End => Err(Refusal::Wrong("it has no name".to_owned())),
        }
    }
}

/// With the policies of a neighbour like it, if there is one: equal ones are one in memory.
fn sharing(neighbor: Neighbor, running: &Config) -> Neighbor {
    let mut others = running.neighbors.iter().rev();
    let alike =
        others.find(|other| (&other.import, &other.export) == (&neighbor.import, &neighbor.export));
    match alike {
        Some(other) => Neighbor {
            import: other.import.clone(),
            export: other.export.clone(),
            ..neighbor
        },
        None => neighbor,
    }
}

fn is_in_use(group: &str, running: &Config) -> Result<(), Refusal> {
    let is_in = |neighbor: &Neighbor| neighbor.group.as_deref() == Some(group);
    let mut neighbors = running.neighbors.iter();
    let by = neighbors
        .find(|neighbor| is_in(neighbor))
        .map(|neighbor| neighbor.name.to_string());
    let mut ranges = running.dynamic_neighbors.iter();
    let by = by.or_else(|| {
        ranges
            .find(|range| is_in(&range.template))
            .map(|range| range.prefix.to_string())
    });
    match by {
        Some(by) => Err(Refusal::InUse(group.to_owned(), by)),
        None => Ok(()),
    }
}

impl From<ConfigErrors> for Refusal {
    fn from(errors: ConfigErrors) -> Self {
        Self::Wrong(errors.in_words())
    }
}

fn cannot_change(key: &str) -> Refusal {
    Refusal::Wrong(format!("`{key}` can not change while bgpd runs"))
}

/// The tables of a list with their names.
fn items(root: &Table, kind: Kind) -> impl Iterator<Item = (String, &Value)> {
    let list = root
        .get(kind.list())
        .and_then(|list| list.get_ref().as_list());
    let named = move |item| {
        let table = Value::get_ref(item).as_table()?;
        Some((kind.name(&Settings::of_table(table))?, item))
    };
    list.unwrap_or_default().iter().filter_map(named)
}

fn listed(root: &Table, kind: Kind) -> BTreeMap<String, Settings> {
    let settings = |item: &Value| item.get_ref().as_table().map(Settings::of_table);
    items(root, kind)
        .filter_map(|(name, item)| Some((name, settings(item)?)))
        .collect()
}

fn put(root: &mut Table, kind: Kind, items: impl Iterator<Item = Value>) {
    let items: Vec<Value> = items.collect();
    root.remove(kind.list());
    if !items.is_empty() {
        let key = Key {
            name: kind.list().to_owned(),
            span: 0..0,
        };
        root.push(key, Value::new(0..0, Data::List(items)));
    }
}
