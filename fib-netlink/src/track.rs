// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Watches the way to addresses: longest match over connected routes and those of other programs, and the state of the
//! links they lead out of. A change costs work in proportion to the addresses it covers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::Reachability;
use crate::kernel::{Held, Kind};
use crate::links::Links;
use crate::table::Table;

/// The way to an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    Unreachable,
    Reachable {
        ifindex: u32,
        gateway: Option<IpAddr>,
        metric: u32,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Tracker {
    watched: BTreeMap<IpAddr, Watched>,
    /// Addresses of interest to the caller that have news.
    news: BTreeSet<IpAddr>,
    pub(crate) via_default: bool,
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
    pub(crate) fn new(via_default: bool) -> Self {
        Self {
            via_default,
            ..Self::default()
        }
    }

    pub(crate) fn ask(&mut self, address: IpAddr, table: &Table, links: &Links) {
        self.watch(address, table, links).asked = true;
        self.news.insert(address);
    }

    pub(crate) fn need(&mut self, address: IpAddr, table: &Table, links: &Links) {
        self.watch(address, table, links).needed += 1;
    }

    fn watch(&mut self, address: IpAddr, table: &Table, links: &Links) -> &mut Watched {
        let via_default = self.via_default;
        self.watched.entry(address).or_insert_with(|| Watched {
            found: find(address, table, links, via_default),
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

    /// Looks up all addresses of a prefix anew. Returns whether a want may be concerned.
    pub(crate) fn prefix_changed(
        &mut self,
        prefix: &IpNetwork,
        table: &Table,
        links: &Links,
    ) -> bool {
        let (first, last) = (prefix.network(), prefix.broadcast());
        let affected = self.watched.range_mut(first..=last);
        refind(affected, &mut self.news, |address| {
            find(address, table, links, self.via_default)
        })
    }

    /// Looks up everything anew: a link changed, or the rules did.
    pub(crate) fn all_changed(&mut self, table: &Table, links: &Links) -> bool {
        let affected = self.watched.iter_mut();
        refind(affected, &mut self.news, |address| {
            find(address, table, links, self.via_default)
        })
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
    find: impl Fn(IpAddr) -> Found,
) -> bool {
    let mut needed = false;
    for (address, watched) in affected {
        let now = find(*address);
        if now == watched.found {
            continue;
        }
        watched.found = now;
        needed |= watched.needed > 0;
        if watched.asked {
            news.insert(*address);
        }
    }
    needed
}

/// The longest match decides, even if its link is down: a shorter one would lead elsewhere.
fn find(address: IpAddr, table: &Table, links: &Links, via_default: bool) -> Found {
    if let Some(ifindex) = links.owner_of(address) {
        return Found::Reachable {
            ifindex,
            gateway: None,
            metric: 0,
        };
    }
    let Some((length, candidates)) = table.lookup(address) else {
        return Found::Unreachable;
    };
    if length == 0 && !via_default {
        return Found::Unreachable;
    }
    let mut candidates: Vec<&Held> = candidates.collect();
    candidates.sort_by_key(|held| held.metric);
    for held in candidates {
        if held.way.kind != Kind::Unicast {
            return Found::Unreachable;
        }
        if let Some(hop) = held
            .way
            .hops
            .iter()
            .find(|hop| links.is_running(hop.ifindex))
        {
            let on_link = hop.gateway.is_none();
            let metric = if on_link && held.protocol == PROTOCOL_KERNEL {
                0
            } else {
                held.metric
            };
            return Found::Reachable {
                ifindex: hop.ifindex,
                gateway: hop.gateway,
                metric,
            };
        }
    }
    Found::Unreachable
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
            } => Reachability::Reachable {
                metric: *metric,
                connected: gateway.is_none(),
                interface: links.name_of(*ifindex).to_owned(),
                gateway: *gateway,
            },
        }
    }
}
