// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Watches the way to addresses: longest match over connected routes, those of other programs and the desired ones, and
//! the state of the links they lead out of. A change costs work in proportion to the addresses it covers.
//!
//! A desired route is no way to an address that it needs itself, however many steps away: the next shorter match counts. So
//! what is found follows from the desired and the foreign routes alone, and never keeps itself alive.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::Reachability;
use crate::kernel::{Held, Kind, stored_metric};
use crate::links::Links;
use crate::table::{MAIN, Slot, Table};
use crate::wants::{Resolved, Wants};

/// All that a way depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) table: &'a Table,
    pub(crate) wants: &'a Wants,
    pub(crate) links: &'a Links,
}

/// The way to an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    Unreachable,
    Reachable {
        ifindex: u32,
        gateway: Option<IpAddr>,
        metric: u32,
        /// The gateway is to be taken as on the link whatever its address: the way is a tunnel.
        onlink: bool,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Tracker {
    watched: BTreeMap<IpAddr, Watched>,
    /// Addresses of interest to the caller that have news.
    news: BTreeSet<IpAddr>,
    /// Addresses that wants need and that are found another way now.
    moved: BTreeSet<IpAddr>,
    pub(crate) via_default: bool,
    /// Desired routes may be in the table by which the kernel looks up gateways; table and metric of those that name none.
    pub(crate) via_desired: Option<(u32, u32)>,
}

#[derive(Debug)]
struct Watched {
    found: Found,
    /// The caller asked for it.
    asked: bool,
    /// How many wants need it.
    needed: usize,
}

impl Tracker {
    pub(crate) fn new(via_default: bool, via_desired: Option<(u32, u32)>) -> Self {
        Self {
            via_default,
            via_desired,
            ..Self::default()
        }
    }

    pub(crate) fn ask(&mut self, address: IpAddr, view: View<'_>) {
        self.watch(address, view).asked = true;
        self.news.insert(address);
    }

    pub(crate) fn need(&mut self, address: IpAddr, view: View<'_>) {
        self.watch(address, view).needed += 1;
    }

    fn watch(&mut self, address: IpAddr, view: View<'_>) -> &mut Watched {
        let search = self.search(view);
        self.watched.entry(address).or_insert_with(|| Watched {
            found: search.find(address, &mut Vec::new()),
            asked: false,
            needed: 0,
        })
    }

    pub(crate) fn forget(&mut self, address: IpAddr) {
        self.news.remove(&address);
        self.release(address, |watched| watched.asked = false);
    }

    pub(crate) fn unneed(&mut self, address: IpAddr) {
        self.release(address, |watched| {
            watched.needed = watched.needed.saturating_sub(1);
        });
    }

    fn release(&mut self, address: IpAddr, change: impl FnOnce(&mut Watched)) {
        let Some(watched) = self.watched.get_mut(&address) else {
            return;
        };
        change(watched);
        if !watched.asked && watched.needed == 0 {
            self.watched.remove(&address);
        }
    }

    pub(crate) fn found(&self, address: IpAddr) -> Option<&Found> {
        self.watched.get(&address).map(|watched| &watched.found)
    }

    fn search<'a>(&self, view: View<'a>) -> Search<'a> {
        Search {
            view,
            via_default: self.via_default,
            via_desired: self.via_desired,
        }
    }

    /// Looks up all addresses of a prefix anew.
    pub(crate) fn prefix_changed(&mut self, prefix: &IpNetwork, view: View<'_>) {
        let search = self.search(view);
        let (first, last) = (prefix.network(), prefix.broadcast());
        let affected = self.watched.range_mut(first..=last);
        refind(affected, &mut self.news, &mut self.moved, search);
    }

    /// Looks up everything anew: a link changed, or the rules did.
    pub(crate) fn all_changed(&mut self, view: View<'_>) {
        let search = self.search(view);
        let all = self.watched.iter_mut();
        refind(all, &mut self.news, &mut self.moved, search);
    }

    /// Takes the addresses that wants need and that are found another way now.
    pub(crate) fn take_moved(&mut self) -> BTreeSet<IpAddr> {
        std::mem::take(&mut self.moved)
    }

    /// The addresses of interest to the caller, in order.
    pub(crate) fn asked(&self, links: &Links) -> impl Iterator<Item = (IpAddr, Reachability)> {
        let asked = self.watched.iter().filter(|(_, watched)| watched.asked);
        asked.map(|(address, watched)| (*address, watched.found.to_public(links)))
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Takes news, at most so many.
    pub(crate) fn drain(&mut self, limit: usize, links: &Links) -> Vec<(IpAddr, Reachability)> {
        let mut out = Vec::new();
        while out.len() < limit {
            let Some(address) = self.news.pop_first() else {
                break;
            };
            if let Some(found) = self.found(address) {
                out.push((address, found.to_public(links)));
            }
        }
        out
    }
}

fn refind<'a>(
    affected: impl Iterator<Item = (&'a IpAddr, &'a mut Watched)>,
    news: &mut BTreeSet<IpAddr>,
    moved: &mut BTreeSet<IpAddr>,
    search: Search<'_>,
) {
    for (address, watched) in affected {
        let now = search.find(*address, &mut Vec::new());
        if now == watched.found {
            continue;
        }
        watched.found = now;
        if watched.needed > 0 {
            moved.insert(*address);
        }
        if watched.asked {
            news.insert(*address);
        }
    }
}

/// A lookup, and the rules for it.
#[derive(Clone, Copy)]
struct Search<'a> {
    view: View<'a>,
    via_default: bool,
    via_desired: Option<(u32, u32)>,
}

/// Routes through routes through routes: more steps than this are a mistake.
const STEPS: usize = 8;

impl Search<'_> {
    /// The longest match decides, even if its link is down: a shorter one would lead elsewhere. `asked` is what led here.
    fn find(self, address: IpAddr, asked: &mut Vec<IpAddr>) -> Found {
        if let Some(ifindex) = self.view.links.owner_of(address) {
            return Found::Reachable {
                ifindex,
                gateway: None,
                metric: 0,
                onlink: false,
            };
        }
        for (length, slot) in self.view.table.matches(address) {
            if length == 0 && !self.via_default {
                break;
            }
            let foreign = self.foreign(slot);
            let desired = self.desired(address, slot, asked);
            match (foreign, desired) {
                // What the kernel would take: the lower metric; where they are equal, ours could not be written.
                (Some((metric, foreign)), Some((own, desired))) => {
                    return if own < metric { desired } else { foreign };
                }
                (Some((_, found)), None) | (None, Some((_, found))) => return found,
                (None, None) => {}
            }
        }
        Found::Unreachable
    }

    /// What routes of other programs to one prefix come to, if there are any, with their lowest metric.
    fn foreign(self, slot: &Slot) -> Option<(u32, Found)> {
        let candidates = self.view.table.held_by(slot).iter();
        let mut candidates: Vec<&Held> = candidates
            .filter(|held| self.view.table.is_candidate(held))
            .collect();
        candidates.sort_by_key(|held| held.metric);
        let lowest = candidates.first()?.metric;
        for held in candidates {
            if held.way.kind != Kind::Unicast {
                return Some((lowest, Found::Unreachable));
            }
            let mut hops = held.way.hops.iter();
            if let Some(hop) = hops.find(|hop| self.view.links.is_running(hop.ifindex)) {
                let on_link = hop.gateway.is_none();
                let metric = if on_link && held.protocol == PROTOCOL_KERNEL {
                    0
                } else {
                    held.metric
                };
                let found = Found::Reachable {
                    ifindex: hop.ifindex,
                    gateway: hop.gateway,
                    metric,
                    onlink: hop.onlink,
                };
                return Some((lowest, found));
            }
        }
        Some((lowest, Found::Unreachable))
    }

    /// What our route to one prefix comes to, with its metric; nothing if there is none, or it needs the address itself.
    fn desired(
        self,
        address: IpAddr,
        slot: &Slot,
        asked: &mut Vec<IpAddr>,
    ) -> Option<(u32, Found)> {
        let (id, (table, metric)) = (slot.wanted?, self.via_desired?);
        let want = self.view.wants.want(id)?;
        if want.table.unwrap_or(table) != MAIN {
            return None;
        }
        let Resolved::Ready(way) = self.view.wants.resolved(id)? else {
            return None;
        };
        let own = stored_metric(&IpNetwork::from(address), want.metric.unwrap_or(metric));
        if way.kind != Kind::Unicast {
            return Some((own, Found::Unreachable));
        }
        let crate::Target::Via(hops) = &want.target else {
            return None;
        };
        asked.push(address);
        let found = hops.iter().find_map(|hop| self.step(hop, asked));
        asked.pop();
        Some((own, found?))
    }

    /// The way of one hop of a desired route.
    fn step(self, hop: &crate::Hop, asked: &mut Vec<IpAddr>) -> Option<Found> {
        if let Some(name) = &hop.interface {
            let ifindex = self.view.links.index_of(name)?;
            return self
                .view
                .links
                .is_running(ifindex)
                .then_some(Found::Reachable {
                    ifindex,
                    gateway: hop.gateway,
                    metric: 0,
                    onlink: hop.onlink,
                });
        }
        let next = hop.gateway?;
        if asked.contains(&next) || asked.len() > STEPS {
            return None;
        }
        match self.find(next, asked) {
            Found::Reachable {
                ifindex,
                gateway,
                metric,
                onlink,
            } => Some(Found::Reachable {
                ifindex,
                gateway: gateway.or(Some(next)),
                metric,
                onlink,
            }),
            Found::Unreachable => None,
        }
    }
}

/// `RTPROT_KERNEL`: the kernel made the route itself, for an address.
pub(crate) const PROTOCOL_KERNEL: u8 = 2;

impl Found {
    fn to_public(&self, links: &Links) -> Reachability {
        match self {
            Self::Unreachable => Reachability::Unreachable,
            Self::Reachable {
                ifindex,
                gateway,
                metric,
                ..
            } => Reachability::Reachable {
                metric: *metric,
                connected: gateway.is_none(),
                interface: links.name_of(*ifindex).to_owned(),
                gateway: *gateway,
            },
        }
    }
}
