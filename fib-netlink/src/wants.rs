// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Targets that desired routes share, with their devices looked up once for all of them.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::kernel::{KernelHop, Kind, Way};
use crate::links::Links;
use crate::track::{Found, Tracker};
use crate::{Hop, Target, Want};

/// Names a want. Small, because each desired route holds one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct WantId(NonZeroU32);

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
    free: Vec<WantId>,
    index: HashMap<Arc<Want>, WantId, RandomState>,
    /// Those that were asked for lately, by where they lie.
    recent: [Option<WantId>; RECENT],
    /// Who needs what.
    needs: BTreeSet<(Need, WantId)>,
}

/// Something that a want comes to something else by.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Need {
    /// A gateway whose device is ours to find.
    Gateway(IpAddr),
    /// A device by name.
    Device(String),
}

#[derive(Debug)]
struct Entry {
    want: Arc<Want>,
    users: usize,
    resolved: Resolved,
    /// The next-hop object that its routes name.
    object: Option<Arc<Way>>,
}

const RECENT: usize = 32;

impl Wants {
    /// The want's name, one user more, if it is known.
    pub(crate) fn again(&mut self, want: &Arc<Want>) -> Option<WantId> {
        let place = (Arc::as_ptr(want).addr() >> 5) % RECENT;
        if let Some(id) = self.recent[place]
            && let Some(Some(entry)) = self.entries.get_mut(id.index())
            && Arc::ptr_eq(&entry.want, want)
        {
            entry.users += 1;
            return Some(id);
        }
        let id = *self.index.get(want)?;
        let entry = self.entries.get_mut(id.index())?.as_mut()?;
        entry.users += 1;
        if Arc::ptr_eq(&entry.want, want) {
            self.recent[place] = Some(id);
        }
        Some(id)
    }

    /// A name for a new want, with one user.
    pub(crate) fn insert(&mut self, want: Arc<Want>, resolved: Resolved) -> WantId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            let count = u32::try_from(self.entries.len());
            WantId::of(count.expect("fewer than 2^32 targets fit in memory") - 1)
        });
        self.needs.extend(want.needs().map(|need| (need, id)));
        self.entries[id.index()] = Some(Entry {
            resolved,
            want: Arc::clone(&want),
            users: 1,
            object: None,
        });
        self.index.insert(want, id);
        id
    }

    /// One user less. Returns the want if that was the last one, and whether it had an object.
    pub(crate) fn release(&mut self, id: WantId) -> Option<(Arc<Want>, bool)> {
        let place = self.entries.get_mut(id.index())?;
        let entry = place.as_mut()?;
        entry.users -= 1;
        if entry.users > 0 {
            return None;
        }
        let entry = place.take()?;
        self.index.remove(&entry.want);
        for need in entry.want.needs() {
            self.needs.remove(&(need, id));
        }
        self.free.push(id);
        Some((entry.want, entry.object.is_some()))
    }

    pub(crate) fn want(&self, id: WantId) -> Option<&Want> {
        Some(&self.entries.get(id.index())?.as_ref()?.want)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Want> {
        self.entries.iter().flatten().map(|entry| &*entry.want)
    }

    /// All names that mean something, in order.
    pub(crate) fn ids(&self) -> Vec<WantId> {
        let used = (0u32..).zip(&self.entries);
        let used = used.filter(|(_, entry)| entry.is_some());
        used.map(|(index, _)| WantId::of(index)).collect()
    }

    pub(crate) fn users(&self, id: WantId) -> usize {
        let entry = self.entries.get(id.index()).and_then(Option::as_ref);
        entry.map_or(0, |entry| entry.users)
    }

    /// The object that the routes of a want name.
    pub(crate) fn object(&self, id: WantId) -> Option<&Arc<Way>> {
        self.entries.get(id.index())?.as_ref()?.object.as_ref()
    }

    pub(crate) fn set_object(&mut self, id: WantId, object: Option<Arc<Way>>) {
        let entry = self.entries.get_mut(id.index());
        if let Some(entry) = entry.and_then(Option::as_mut) {
            entry.object = object;
        }
    }

    pub(crate) fn resolved(&self, id: WantId) -> Option<&Resolved> {
        Some(&self.entries.get(id.index())?.as_ref()?.resolved)
    }

    /// Looks devices up anew for wants that need one of these. Returns those wants in order, and whether each comes to
    /// something else now.
    pub(crate) fn resolve_again(
        &mut self,
        needs: BTreeSet<Need>,
        links: &Links,
        tracker: &Tracker,
    ) -> Vec<(WantId, bool)> {
        let concerned: BTreeSet<WantId> = needs
            .into_iter()
            .flat_map(|need| {
                let of_it = (need.clone(), WantId::FIRST)..=(need, WantId::LAST);
                self.needs.range(of_it).map(|(_, id)| *id)
            })
            .collect();
        let mut moved = Vec::new();
        for id in concerned {
            let Some(entry) = self.entries.get_mut(id.index()).and_then(Option::as_mut) else {
                continue;
            };
            let now = resolve(&entry.want, links, tracker);
            moved.push((id, now != entry.resolved));
            entry.resolved = now;
        }
        moved
    }
}

impl WantId {
    const FIRST: Self = Self(NonZeroU32::MIN);
    const LAST: Self = Self(NonZeroU32::MAX);

    /// The name of the entry at an index.
    pub(crate) fn of(index: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index))
    }

    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Want {
    /// Gateways whose device is ours to find.
    pub(crate) fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        self.needs().filter_map(|need| match need {
            Need::Gateway(gateway) => Some(gateway),
            Need::Device(_) => None,
        })
    }

    pub(crate) fn hops(&self) -> &[Hop] {
        match &self.target {
            Target::Via(hops) => hops,
            _ => &[],
        }
    }

    /// What it comes to something else by.
    fn needs(&self) -> impl Iterator<Item = Need> {
        self.hops().iter().filter_map(|hop| match &hop.interface {
            Some(name) => Some(Need::Device(name.clone())),
            None => hop.gateway.map(Need::Gateway),
        })
    }
}

pub(crate) fn resolve(want: &Want, links: &Links, tracker: &Tracker) -> Resolved {
    let kind = match &want.target {
        Target::Via(hops) => return resolve_hops(hops, want.source, links, tracker),
        Target::Blackhole => Kind::Blackhole,
        Target::Unreachable => Kind::Unreachable,
        Target::Prohibit => Kind::Prohibit,
        Target::Throw => Kind::Throw,
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
