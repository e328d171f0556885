// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Next hops in use: which prefixes need them, and what is known of them.

use alloc::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    vec::Vec,
};
use core::net::IpAddr;

use bgp_proto::Prefix;

use crate::{
    Disposition, NextHopState, Output,
    path::Path,
    table::{Place, Table},
};

/// How a next hop is taken to be reached as long as nobody knows.
const ASSUMED: NextHopState = NextHopState::Reachable { metric: 0 };

#[derive(Debug, Default)]
struct NextHop {
    /// `None`: nobody has said yet. Until then it is used only by paths in the place of one that was in use.
    state: Option<NextHopState>,
    users: Users,
}

/// Where the prefixes are that use something: the pages of the table, with how many are on each. A list of them would
/// take nearly as much room as their paths do; who they are is seen when the table is gone through.
#[derive(Debug, Default)]
struct Users {
    pages: BTreeMap<usize, u32>,
    prefixes: u64,
}

impl Users {
    fn add(&mut self, place: Place) {
        *self.pages.entry(place.page()).or_default() += 1;
        self.prefixes += 1;
    }

    fn remove(&mut self, place: Place) {
        if let Entry::Occupied(mut page) = self.pages.entry(place.page()) {
            *page.get_mut() -= 1;
            self.prefixes -= 1;
            if *page.get() == 0 {
                page.remove();
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.prefixes == 0
    }
}

/// All next hops, if they are tracked at all.
#[derive(Debug)]
pub(crate) struct NextHops {
    enabled: bool,
    known: BTreeMap<IpAddr, NextHop>,
    /// Addresses whose first user came or last user went.
    changed: BTreeSet<IpAddr>,
    tracked: BTreeSet<IpAddr>,
    /// Prefixes with paths that leave by an interface that they name.
    leaving: BTreeMap<u32, Users>,
    /// Interfaces through which nothing gets. The others are usable, heard of or not.
    down: BTreeSet<u32>,
    /// Addresses that nobody uses yet are taken to be reachable.
    assumes: bool,
}

/// The address that a path depends on.
fn address(path: &Path) -> Option<IpAddr> {
    match path.disposition() {
        Disposition::Via(next_hop)
            if !next_hop.is_unspecified() && path.source().is_installed() =>
        {
            Some(next_hop.addr())
        }
        _ => None,
    }
}

/// The interface that a path names beside its next hop.
fn interface(path: &Path) -> Option<u32> {
    match path.disposition() {
        Disposition::Link { interface, .. } if path.source().is_installed() => Some(interface),
        _ => None,
    }
}

fn uses_address(paths: &[Path], wanted: IpAddr) -> bool {
    paths.iter().any(|path| address(path) == Some(wanted))
}

fn uses_interface(paths: &[Path], wanted: u32) -> bool {
    paths.iter().any(|path| interface(path) == Some(wanted))
}

impl NextHops {
    pub(crate) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            known: BTreeMap::new(),
            changed: BTreeSet::new(),
            tracked: BTreeSet::new(),
            leaving: BTreeMap::new(),
            down: BTreeSet::new(),
            assumes: false,
        }
    }

    /// What is known, without who uses it. Of what is not in use it is assumed that it can be reached.
    pub(crate) fn assuming(&self) -> Self {
        let known = self.known.iter().map(|(address, hop)| {
            let state = hop.state;
            let users = Users::default();
            (*address, NextHop { state, users })
        });
        Self {
            known: known.collect(),
            down: self.down.clone(),
            assumes: true,
            ..Self::new(self.enabled)
        }
    }

    /// A path comes to a prefix that has these others.
    pub(crate) fn use_by(&mut self, place: Place, others: &[Path], path: &Path) {
        if !self.enabled {
            return;
        }
        if let Some(address) = address(path) {
            let hop = self.known.entry(address).or_default();
            if hop.users.is_empty() {
                self.changed.insert(address);
            }
            if !uses_address(others, address) {
                hop.users.add(place);
            }
        } else if let Some(index) = interface(path)
            && !uses_interface(others, index)
        {
            self.leaving.entry(index).or_default().add(place);
        }
    }

    /// A path has left a prefix that has these others.
    pub(crate) fn release(&mut self, place: Place, others: &[Path], path: &Path) {
        if !self.enabled {
            return;
        }
        if let Some(address) = address(path) {
            let hop = self.known.get_mut(&address);
            let Some(hop) = hop.filter(|_| !uses_address(others, address)) else {
                return;
            };
            hop.users.remove(place);
            if hop.users.is_empty() {
                self.changed.insert(address);
            }
        } else if let Some(index) = interface(path)
            && !uses_interface(others, index)
            && let Entry::Occupied(mut users) = self.leaving.entry(index)
        {
            users.get_mut().remove(place);
            if users.get().is_empty() {
                users.remove();
            }
        }
    }

    /// The prefixes for which it would be news that packets get through an interface, or do not.
    pub(crate) fn concerned_by_interface(
        &self,
        index: u32,
        up: bool,
        table: &Table,
    ) -> Vec<Prefix> {
        let users = self.leaving.get(&index);
        let Some(users) = users.filter(|_| self.down.contains(&index) == up) else {
            return Vec::new();
        };
        let all = table.on_pages(|page| users.pages.contains_key(&page));
        let concerned = all.filter(|(_, entry)| uses_interface(&entry.paths, index));
        concerned.map(|(prefix, _)| prefix).collect()
    }

    /// Takes in whether packets get through an interface.
    pub(crate) fn interface_changed(&mut self, index: u32, up: bool) {
        if up {
            self.down.remove(&index);
        } else {
            self.down.insert(index);
        }
    }

    /// The prefixes for which these states of addresses would be news.
    pub(crate) fn concerned(
        &self,
        states: &[(IpAddr, NextHopState)],
        table: &Table,
    ) -> Vec<Prefix> {
        let mut news = BTreeMap::new();
        let mut pages = BTreeSet::new();
        for (address, state) in states {
            if let Some(hop) = self.known.get(address)
                && hop.state != Some(*state)
            {
                pages.extend(hop.users.pages.keys().copied());
                news.insert(*address, (hop.state, *state));
            }
        }
        if pages.is_empty() {
            return Vec::new();
        }
        let is_news = |path: &Path| {
            let news = address(path).and_then(|address| news.get(&address));
            news.is_some_and(|news| *news != (None, ASSUMED) || !path.is_assumed())
        };
        let all = table.on_pages(|page| pages.contains(&page));
        let concerned = all.filter(|(_, entry)| entry.paths.iter().any(is_news));
        concerned.map(|(prefix, _)| prefix).collect()
    }

    /// Takes in what is known of an address.
    pub(crate) fn change(&mut self, address: IpAddr, state: NextHopState) {
        if let Some(hop) = self.known.get_mut(&address) {
            hop.state = Some(state);
        }
    }

    /// The address that a path depends on, if that matters.
    fn tracked(&self, path: &Path) -> Option<IpAddr> {
        if self.enabled { address(path) } else { None }
    }

    pub(crate) fn is_reachable(&self, path: &Path) -> bool {
        match self.tracked(path) {
            Some(address) => match self.state(address) {
                Some(state) => matches!(state, NextHopState::Reachable { .. }),
                None => path.is_assumed(),
            },
            None if self.down.is_empty() => true,
            None => interface(path).is_none_or(|index| !self.down.contains(&index)),
        }
    }

    /// Nobody has said yet whether its next hop can be reached.
    pub(crate) fn is_unknown(&self, path: &Path) -> bool {
        let address = self.tracked(path);
        address.is_some_and(|address| self.state(address).is_none())
    }

    pub(crate) fn cost(&self, path: &Path) -> u32 {
        match self.tracked(path).and_then(|address| self.state(address)) {
            Some(NextHopState::Reachable { metric }) => metric,
            _ => 0,
        }
    }

    /// Next hops in use, and how many prefixes have a path by way of each, in order.
    pub(crate) fn users(&self) -> impl Iterator<Item = (IpAddr, u64)> {
        let used = self.known.iter().filter(|(_, hop)| !hop.users.is_empty());
        used.map(|(address, hop)| (*address, hop.users.prefixes))
    }

    fn state(&self, address: IpAddr) -> Option<NextHopState> {
        let hop = self.known.get(&address);
        if hop.is_none() && self.assumes {
            return Some(NextHopState::Reachable { metric: 0 });
        }
        hop.and_then(|hop| hop.state)
    }

    /// Says what to track and what no longer.
    pub(crate) fn drain(&mut self, out: &mut Output) {
        for address in core::mem::take(&mut self.changed) {
            if self
                .known
                .get(&address)
                .is_some_and(|hop| !hop.users.is_empty())
            {
                if self.tracked.insert(address) {
                    out.track.push(address);
                }
            } else {
                self.known.remove(&address);
                if self.tracked.remove(&address) {
                    out.untrack.push(address);
                }
            }
        }
    }
}
