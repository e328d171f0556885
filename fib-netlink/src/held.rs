// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel holds for prefixes, each different list of routes once: of a hundred thousand prefixes most hold the same.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::kernel::{Held, Kind};
use crate::table::MAIN;

/// Names a list of routes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct HeldId(u32);

pub(crate) type List = SmallVec<[Held; 1]>;

#[derive(Debug, Default)]
pub(crate) struct Helds {
    /// The first one is the empty list.
    entries: Vec<Entry>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// Lists of one route that were asked for lately, by where their way lies.
    recent: [u32; RECENT],
    /// In how many lists hops lead out of a device.
    devices: HashMap<u32, usize>,
    /// In how many lists a next-hop object of ours is named.
    objects: HashMap<u32, usize>,
    protocol: u8,
}

#[derive(Debug, Default)]
struct Entry {
    list: List,
    users: u32,
    /// Routes among them that can be the way to a next hop.
    candidates: u32,
}

const RECENT: usize = 32;

impl HeldId {
    pub(crate) const NOTHING: Self = Self(0);

    fn index(self) -> usize {
        self.0 as usize
    }
}

impl Helds {
    pub(crate) fn new(protocol: u8) -> Self {
        Self {
            entries: vec![Entry::default()],
            protocol,
            ..Self::default()
        }
    }

    /// Another protocol is ours now.
    pub(crate) fn set_protocol(&mut self, protocol: u8) {
        self.protocol = protocol;
        for entry in &mut self.entries {
            entry.candidates = candidates(&entry.list, protocol);
        }
    }

    pub(crate) fn get(&self, id: HeldId) -> &[Held] {
        self.entries
            .get(id.index())
            .map_or(&[], |entry| &entry.list)
    }

    /// How many routes of a list can be the way to a next hop.
    pub(crate) fn candidates(&self, id: HeldId) -> u32 {
        self.entries
            .get(id.index())
            .map_or(0, |entry| entry.candidates)
    }

    /// The name of a list of one route, for one more prefix.
    pub(crate) fn share_one(&mut self, held: Held) -> HeldId {
        let place = (Arc::as_ptr(&held.way).addr() >> 5) % RECENT;
        let id = self.recent[place];
        if let Some(entry) = self.entries.get_mut(id as usize)
            && let [known] = entry.list.as_slice()
            && *known == held
        {
            entry.users += 1;
            return HeldId(id);
        }
        let id = self.share(SmallVec::from_buf([held]));
        self.recent[place] = id.0;
        id
    }

    /// The name of a list, for one more prefix.
    pub(crate) fn share(&mut self, list: List) -> HeldId {
        if list.is_empty() {
            return HeldId::NOTHING;
        }
        let hash = self.hasher.hash_one(&list);
        let entries = &self.entries;
        let same = |id: &u32| entries[*id as usize].list == list;
        if let Some(id) = self.index.find(hash, same).copied() {
            self.entries[id as usize].users += 1;
            return HeldId(id);
        }
        self.count(&list, true);
        let entry = Entry {
            candidates: candidates(&list, self.protocol),
            list,
            users: 1,
        };
        let id = if let Some(id) = self.free.pop() {
            self.entries[id as usize] = entry;
            id
        } else {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 lists fit in memory")
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        let rehash = |id: &u32| hasher.hash_one(&entries[*id as usize].list);
        self.index.insert_unique(hash, id, rehash);
        HeldId(id)
    }

    /// A prefix less holds it.
    pub(crate) fn release(&mut self, id: HeldId) {
        let Some(entry) = self.entries.get_mut(id.index()).filter(|_| id.0 > 0) else {
            return;
        };
        entry.users -= 1;
        if entry.users > 0 {
            return;
        }
        let list = std::mem::take(entry).list;
        let hash = self.hasher.hash_one(&list);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == id.0) {
            entry.remove();
        }
        self.free.push(id.0);
        self.count(&list, false);
    }

    /// Whether held routes lead out of a device, or might.
    pub(crate) fn use_device(&self, index: u32) -> bool {
        self.devices.contains_key(&index) || self.devices.contains_key(&0)
    }

    /// Whether held routes name a next-hop object.
    pub(crate) fn use_object(&self, id: u32) -> bool {
        self.objects.contains_key(&id)
    }

    fn count(&mut self, list: &List, added: bool) {
        for held in list {
            for hop in &held.way.hops {
                count(&mut self.devices, hop.ifindex, added);
            }
            if let Some(id) = held.way.object {
                count(&mut self.objects, id, added);
            }
        }
    }
}

/// Whether a route of another program can be the way to a next hop.
pub(crate) fn is_candidate(held: &Held, ours: u8) -> bool {
    held.table == MAIN && held.protocol != ours && held.way.kind != Kind::Other
}

fn candidates(list: &List, ours: u8) -> u32 {
    let all = list.iter().filter(|held| is_candidate(held, ours));
    u32::try_from(all.count()).unwrap_or(u32::MAX)
}

/// One use more or less.
fn count(uses: &mut HashMap<u32, usize>, of: u32, added: bool) {
    let known = uses.entry(of).or_default();
    *known = if added {
        *known + 1
    } else {
        known.saturating_sub(1)
    };
    if *known == 0 {
        uses.remove(&of);
    }
}
