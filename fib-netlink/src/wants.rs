// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Targets that desired routes share, with their devices looked up once for all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::kernel::{KernelHop, Kind, Way};
use crate::links::Links;
use crate::track::{Found, Tracker};
use crate::{Hop, Target};

/// Names a want. Small, because each desired route holds one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct WantId(u32);

/// A desired route without its prefix.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Want {
    pub(crate) target: Target,
    pub(crate) table: Option<u32>,
    pub(crate) metric: Option<u32>,
    pub(crate) source: Option<IpAddr>,
}

/// What a want comes to with the devices there are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Resolved {
    /// It can be written so.
    Ready(Arc<Way>),
    /// None of its devices is there and up.
    Waiting,
}

#[derive(Debug, Default)]
pub(crate) struct Wants {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    index: HashMap<Want, u32, RandomState>,
}

#[derive(Debug)]
struct Entry {
    want: Want,
    users: usize,
    resolved: Resolved,
}

impl Wants {
    /// The want's name, one user more, if it is known.
    pub(crate) fn again(&mut self, want: &Want) -> Option<WantId> {
        let id = *self.index.get(want)?;
        self.entries.get_mut(id as usize)?.as_mut()?.users += 1;
        Some(WantId(id))
    }

    /// A name for a new want, with one user.
    pub(crate) fn insert(&mut self, want: Want, resolved: Resolved) -> WantId {
        let entry = Some(Entry {
            resolved,
            want: want.clone(),
            users: 1,
        });
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 targets fit in memory")
        });
        self.entries[id as usize] = entry;
        self.index.insert(want, id);
        WantId(id)
    }

    /// One user less. Returns the want if that was the last one.
    pub(crate) fn release(&mut self, id: WantId) -> Option<Want> {
        let place = self.entries.get_mut(id.0 as usize)?;
        let entry = place.as_mut()?;
        entry.users -= 1;
        if entry.users > 0 {
            return None;
        }
        let entry = place.take()?;
        self.index.remove(&entry.want);
        self.free.push(id.0);
        Some(entry.want)
    }

    pub(crate) fn want(&self, id: WantId) -> Option<&Want> {
        Some(&self.entries.get(id.0 as usize)?.as_ref()?.want)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Want> {
        self.entries.iter().flatten().map(|entry| &entry.want)
    }

    pub(crate) fn resolved(&self, id: WantId) -> Option<&Resolved> {
        Some(&self.entries.get(id.0 as usize)?.as_ref()?.resolved)
    }

    /// Looks all devices up anew. Returns for each name whether it comes to something else now, `None` if none does.
    pub(crate) fn resolve_all(&mut self, links: &Links, tracker: &Tracker) -> Option<Vec<bool>> {
        let again = |place: &mut Option<Entry>| {
            let Some(entry) = place else { return false };
            let now = resolve(&entry.want, links, tracker);
            let moved = now != entry.resolved;
            entry.resolved = now;
            moved
        };
        let moved: Vec<bool> = self.entries.iter_mut().map(again).collect();
        moved.contains(&true).then_some(moved)
    }
}

impl WantId {
    pub(crate) fn is_marked(self, marks: &[bool]) -> bool {
        marks.get(self.0 as usize).copied().unwrap_or(false)
    }
}

impl Want {
    /// Gateways whose device is ours to find.
    pub(crate) fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        let hops = match &self.target {
            Target::Via(hops) => hops.as_slice(),
            _ => &[],
        };
        hops.iter()
            .filter(|hop| hop.interface.is_none())
            .filter_map(|hop| hop.gateway)
    }
}

pub(crate) fn resolve(want: &Want, links: &Links, tracker: &Tracker) -> Resolved {
    let kind = match &want.target {
        Target::Via(hops) => return resolve_hops(hops, want.source, links, tracker),
        Target::Blackhole => Kind::Blackhole,
        Target::Unreachable => Kind::Unreachable,
        Target::Prohibit => Kind::Prohibit,
    };
    Resolved::Ready(Arc::new(Way::reject(kind)))
}

/// Hops whose device is missing, or whose gateway nothing leads to, are left out as long as others remain: the kernel
/// refuses a group for one bad hop.
fn resolve_hops(
    hops: &[Hop],
    source: Option<IpAddr>,
    links: &Links,
    tracker: &Tracker,
) -> Resolved {
    let resolved = hops
        .iter()
        .filter_map(|hop| resolve_hop(hop, links, tracker));
    let (sure, unsure): (Vec<_>, Vec<_>) = resolved.partition(|hop| hop.ifindex != 0);
    let chosen = if sure.is_empty() { unsure } else { sure };
    let mut found: Vec<KernelHop> = Vec::with_capacity(chosen.len());
    for hop in chosen {
        let same =
            |known: &&mut KernelHop| known.gateway == hop.gateway && known.ifindex == hop.ifindex;
        match found.iter_mut().find(same) {
            Some(known) => known.weight = known.weight.saturating_add(hop.weight),
            None => found.push(hop),
        }
    }
    if found.is_empty() {
        return Resolved::Waiting;
    }
    Resolved::Ready(Arc::new(Way::unicast(found, source)))
}

fn resolve_hop(hop: &Hop, links: &Links, tracker: &Tracker) -> Option<KernelHop> {
    let plain = |gateway, ifindex| KernelHop {
        gateway,
        ifindex,
        weight: hop.weight.max(1),
        onlink: hop.onlink,
    };
    if let Some(name) = &hop.interface {
        let index = links
            .index_of(name)
            .filter(|index| links.is_enabled(*index))?;
        return Some(plain(hop.gateway, index));
    }
    match hop.gateway.and_then(|gateway| tracker.found(gateway)) {
        Some(Found::Reachable {
            ifindex,
            gateway,
            onlink,
            ..
        }) => Some(KernelHop {
            onlink: hop.onlink || *onlink,
            ..plain(gateway.or(hop.gateway), *ifindex)
        }),
        // The kernel shall say in its own words what is wrong with it.
        _ => Some(plain(hop.gateway, 0)),
    }
}
