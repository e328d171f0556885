// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Next hops in use: which prefixes need them, and what is known of them.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::net::IpAddr;

use bgp_proto::Prefix;

use crate::{Disposition, NextHopState, Output, path::Path};

/// How a next hop is taken to be reached as long as nobody knows.
const ASSUMED: NextHopState = NextHopState::Reachable { metric: 0 };

#[derive(Debug, Default)]
struct NextHop {
    /// `None`: nobody has said yet. Until then it is used only by paths in the place of one that was in use.
    state: Option<NextHopState>,
    /// How many paths of each prefix use it.
    users: BTreeMap<Prefix, u32>,
}

/// All next hops, if they are tracked at all.
#[derive(Debug)]
pub(crate) struct NextHops {
    enabled: bool,
    known: BTreeMap<IpAddr, NextHop>,
    /// Addresses whose first user came or last user went.
    changed: BTreeSet<IpAddr>,
    tracked: BTreeSet<IpAddr>,
    /// How many paths of each prefix leave by an interface that they name.
    leaving: BTreeMap<u32, BTreeMap<Prefix, u32>>,
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
            let users = BTreeMap::new();
            (*address, NextHop { state, users })
        });
        Self {
            known: known.collect(),
            down: self.down.clone(),
            assumes: true,
            ..Self::new(self.enabled)
        }
    }

    pub(crate) fn use_by(&mut self, prefix: Prefix, path: &Path) {
        if !self.enabled {
            return;
        }
        if let Some(address) = address(path) {
            let hop = self.known.entry(address).or_default();
            *hop.users.entry(prefix).or_default() += 1;
            self.changed.insert(address);
        } else if let Some(index) = interface(path) {
            let users = self.leaving.entry(index).or_default();
            *users.entry(prefix).or_default() += 1;
        }
    }

    pub(crate) fn release(&mut self, prefix: Prefix, path: &Path) {
        if !self.enabled {
            return;
        }
        let Some(address) = address(path) else {
            self.release_interface(prefix, path);
            return;
        };
        let Some(hop) = self.known.get_mut(&address) else {
            return;
        };
        if let Some(count) = hop.users.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                hop.users.remove(&prefix);
            }
        }
        if hop.users.is_empty() {
            self.changed.insert(address);
        }
    }

    fn release_interface(&mut self, prefix: Prefix, path: &Path) {
        let Some(index) = interface(path) else {
            return;
        };
        let Some(users) = self.leaving.get_mut(&index) else {
            return;
        };
        if let Some(count) = users.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                users.remove(&prefix);
            }
        }
        if users.is_empty() {
            self.leaving.remove(&index);
        }
    }

    /// The prefixes for which it would be news that packets get through an interface, or do not.
    pub(crate) fn concerned_by_interface(&self, index: u32, up: bool) -> Vec<Prefix> {
        match self.leaving.get(&index) {
            Some(users) if self.down.contains(&index) == up => users.keys().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// Takes in whether packets get through an interface.
    pub(crate) fn interface_changed(&mut self, index: u32, up: bool) {
        if up {
            self.down.remove(&index);
        } else {
            self.down.insert(index);
        }
    }

    /// The prefixes for which this state of an address would be news.
    pub(crate) fn concerned(&self, address: IpAddr, state: NextHopState) -> Vec<Prefix> {
        match self.known.get(&address) {
            Some(hop) if hop.state != Some(state) => hop.users.keys().copied().collect(),
            _ => Vec::new(),
        }
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

    /// Whether a state of an address is what was assumed of it by all these paths that use it.
    pub(crate) fn is_as_assumed(
        &self,
        address: IpAddr,
        state: NextHopState,
        paths: &[Path],
    ) -> bool {
        state == ASSUMED
            && self.state(address).is_none()
            && paths
                .iter()
                .filter(|path| self.tracked(path) == Some(address))
                .all(Path::is_assumed)
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
        used.map(|(address, hop)| (*address, hop.users.len() as u64))
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
