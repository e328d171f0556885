// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The interfaces of this host and their addresses.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::Link;
use crate::kernel::network;

/// An interface as the kernel describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkUpdate {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Administratively up: routes over it can be written.
    pub enabled: bool,
    /// And with a carrier, as far as the kernel knows: packets get through.
    pub running: bool,
}

/// An address of an interface as the kernel describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddressUpdate {
    /// The interface.
    pub index: u32,
    /// The address itself, with the length of its connected prefix.
    pub address: IpNetwork,
    /// The connected prefix; the far end on a point-to-point link.
    pub connected: IpNetwork,
    /// It can be used from other hosts: neither host nor link scope.
    pub global: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Links {
    by_index: BTreeMap<u32, Entry>,
    by_name: HashMap<String, u32>,
}

#[derive(Debug)]
struct Entry {
    link: LinkUpdate,
    addresses: Vec<AddressUpdate>,
}

impl Links {
    /// Takes in what the kernel says of a link. Returns what it was before.
    pub(crate) fn update(&mut self, link: LinkUpdate) -> Option<LinkUpdate> {
        let (index, name) = (link.index, link.name.clone());
        let mut before = None;
        if let Some(entry) = self.by_index.get_mut(&index) {
            before = Some(std::mem::replace(&mut entry.link, link));
        } else {
            let addresses = Vec::new();
            self.by_index.insert(index, Entry { link, addresses });
        }
        if let Some(old) = before.as_ref().filter(|old| old.name != name) {
            self.forget_name(&old.name, index);
        }
        self.by_name.insert(name, index);
        before
    }

    /// Returns the name of the link, if there was one.
    pub(crate) fn remove(&mut self, index: u32) -> Option<String> {
        let gone = self.by_index.remove(&index)?;
        self.forget_name(&gone.link.name, index);
        Some(gone.link.name)
    }

    /// A name may belong to a newer link already.
    fn forget_name(&mut self, name: &str, index: u32) {
        if self.by_name.get(name) == Some(&index) {
            self.by_name.remove(name);
        }
    }

    /// Returns whether that is news.
    pub(crate) fn add_address(&mut self, address: AddressUpdate) -> bool {
        let Some(entry) = self.by_index.get_mut(&address.index) else {
            return false;
        };
        let same = |known: &AddressUpdate| {
            known.address == address.address && known.connected == address.connected
        };
        if entry.addresses.iter().any(same) {
            return false;
        }
        entry.addresses.push(address);
        true
    }

    pub(crate) fn remove_address(&mut self, address: &AddressUpdate) -> bool {
        let Some(entry) = self.by_index.get_mut(&address.index) else {
            return false;
        };
        let before = entry.addresses.len();
        entry.addresses.retain(|known| {
            known.address != address.address || known.connected != address.connected
        });
        entry.addresses.len() != before
    }

    pub(crate) fn index_of(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name_of(&self, index: u32) -> &str {
        self.by_index
            .get(&index)
            .map_or("", |entry| entry.link.name.as_str())
    }

    pub(crate) fn is_enabled(&self, index: u32) -> bool {
        self.by_index
            .get(&index)
            .is_some_and(|entry| entry.link.enabled)
    }

    pub(crate) fn is_running(&self, index: u32) -> bool {
        self.by_index
            .get(&index)
            .is_some_and(|entry| entry.link.enabled && entry.link.running)
    }

    /// Whether an address is one of our own.
    pub(crate) fn owner_of(&self, address: IpAddr) -> Option<u32> {
        let has = |entry: &Entry| {
            entry
                .addresses
                .iter()
                .any(|known| known.address.ip() == address)
        };
        self.by_index
            .iter()
            .find(|(_, entry)| has(entry))
            .map(|(index, _)| *index)
    }

    /// The connected prefixes of links that are up, with the index of the link.
    pub(crate) fn connected(&self) -> impl Iterator<Item = (IpNetwork, u32, &str)> {
        self.by_index
            .iter()
            .filter(|(_, entry)| entry.link.enabled && entry.link.running)
            .flat_map(|(index, entry)| {
                let global = entry.addresses.iter().filter(|address| address.global);
                global.map(|address| (network(address.connected), *index, entry.link.name.as_str()))
            })
    }

    pub(crate) fn indices(&self) -> Vec<u32> {
        self.by_index.keys().copied().collect()
    }

    pub(crate) fn addresses(&self, index: u32) -> &[AddressUpdate] {
        self.by_index
            .get(&index)
            .map_or(&[], |entry| &entry.addresses)
    }

    pub(crate) fn to_public(&self) -> Vec<Link> {
        let public = |(index, entry): (&u32, &Entry)| Link {
            index: *index,
            name: entry.link.name.clone(),
            up: entry.link.enabled && entry.link.running,
            addresses: entry.addresses.iter().map(|known| known.address).collect(),
        };
        self.by_index.iter().map(public).collect()
    }
}
