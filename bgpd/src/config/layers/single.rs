// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours one at a time: what it costs to add one does not depend on how many there are.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        host::Host,
        model::Config,
        name::is_link_local,
        neighbor::Neighbor,
        settings::{Settings, table_value},
        value::Table,
    },
    Kind, Layers, Plan, Refusal, cannot_change,
    tables::{listed, overlay, put},
};

/// What a single neighbour depends on, kept between edits.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// Who we are and what policies there are.
    context: Table,
    pub(super) groups: BTreeMap<String, Settings>,
    /// Neighbours of the file, if some of the running ones may come from elsewhere.
    listed: Option<BTreeSet<String>>,
}

impl Layers {
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

    pub(super) fn group(&mut self, name: &str) -> Option<Settings> {
        let edited = self.edits.get(&Kind::Group);
        match edited.and_then(|edits| edits.get(name)) {
            Some(edited) => edited.clone(),
            None => self.base().groups.get(name).cloned(),
        }
    }

    pub(super) fn base(&mut self) -> &mut Base {
        if self.base.is_none() {
            let root = self.root();
            let mut whole = root.clone();
            for (kind, edits) in self.edits.iter().filter(|(kind, _)| kind.is_of_policies()) {
                overlay(&mut whole, *kind, edits);
            }
            let mut context = Table::default();
            for (key, value) in whole.iter() {
                let name = key.name.as_str();
                if ["global", "policy-definitions"].contains(&name)
                    || name.starts_with("defined-sets")
                {
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

    /// Nobody can remove a neighbour from a mesh but the mesh.
    pub(super) fn is_from_mesh(&mut self, name: &str, running: &Config) -> bool {
        let edited = self.edits.get(&Kind::Neighbor);
        let is_edited = edited.is_some_and(|edits| edits.contains_key(name));
        let Some(listed) = &self.base().listed else {
            return false;
        };
        let is_listed = listed.contains(name);
        !is_edited && !is_listed && self.has(Kind::Neighbor, name, running)
    }

    /// Reads a neighbour alone: others do not matter, however many there are. `None`: they may matter.
    pub(super) fn single(
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

pub(super) fn is_in_use(group: &str, running: &Config) -> Result<(), Refusal> {
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
