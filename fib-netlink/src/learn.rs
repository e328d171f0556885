// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel knows and we did not tell it: routes of other programs, connected prefixes.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use crate::kernel::{Held, Kind};
use crate::links::Links;
use crate::track::PROTOCOL_KERNEL;
use crate::{Interfaces, Learn, LearnedChange, LearnedHop, LearnedOrigin, LearnedRoute};

type Key = (LearnedOrigin, IpNetwork);

#[derive(Debug, Default)]
pub(crate) struct Learned {
    pub(crate) rules: Learn,
    known: BTreeMap<Key, LearnedRoute>,
    news: BTreeSet<Key>,
}

/// `RTPROT_REDIRECT`: the kernel obeyed an ICMP message.
const PROTOCOL_REDIRECT: u8 = 1;

impl Learned {
    pub(crate) fn new(rules: Learn) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// The routes of a prefix in our table that are not ours.
    pub(crate) fn kernel<'a>(
        &mut self,
        prefix: IpNetwork,
        foreign: impl Iterator<Item = &'a Held>,
        links: &Links,
    ) {
        let Some(interfaces) = &self.rules.kernel else {
            return;
        };
        let made = |held: &&Held| {
            held.protocol != PROTOCOL_KERNEL
                && held.protocol != PROTOCOL_REDIRECT
                && !matches!(held.way.kind, Kind::Throw | Kind::Other)
                && is_meant(held, interfaces, links)
        };
        let best = foreign.filter(made).min_by_key(|held| held.metric);
        let route = best.map(|held| learned(held, links));
        self.set((LearnedOrigin::Kernel, prefix), route);
    }

    /// The connected prefixes there are now.
    pub(crate) fn direct(&mut self, links: &Links) {
        let mut now = BTreeMap::new();
        if let Some(interfaces) = &self.rules.direct {
            for (prefix, ifindex, name) in links
                .connected()
                .filter(|(.., name)| interfaces.matches(name))
            {
                let hop = LearnedHop {
                    gateway: None,
                    ifindex,
                    interface: name.to_owned(),
                };
                now.entry(prefix).or_insert_with(|| LearnedRoute {
                    protocol: PROTOCOL_KERNEL,
                    metric: 0,
                    hops: vec![hop],
                });
            }
        }
        let known = self
            .known
            .keys()
            .filter(|(origin, _)| *origin == LearnedOrigin::Direct);
        let gone: Vec<Key> = known
            .filter(|(_, prefix)| !now.contains_key(prefix))
            .copied()
            .collect();
        for key in gone {
            self.set(key, None);
        }
        for (prefix, route) in now {
            self.set((LearnedOrigin::Direct, prefix), Some(route));
        }
    }

    /// Forgets what the kernel routes were; they are to be shown again after a change of the rules.
    pub(crate) fn forget_kernel(&mut self) {
        let known = self
            .known
            .keys()
            .filter(|(origin, _)| *origin == LearnedOrigin::Kernel);
        for key in known.copied().collect::<Vec<_>>() {
            self.set(key, None);
        }
    }

    fn set(&mut self, key: Key, route: Option<LearnedRoute>) {
        if self.known.get(&key) == route.as_ref() {
            return;
        }
        match route {
            Some(route) => self.known.insert(key, route),
            None => self.known.remove(&key),
        };
        self.news.insert(key);
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Takes news, at most so many.
    pub(crate) fn drain(&mut self, limit: usize) -> Vec<LearnedChange> {
        let mut out = Vec::new();
        while out.len() < limit {
            let Some(key) = self.news.pop_first() else {
                break;
            };
            let (origin, prefix) = key;
            out.push(LearnedChange {
                prefix,
                origin,
                route: self.known.get(&key).cloned(),
            });
        }
        out
    }
}

fn is_meant(held: &Held, interfaces: &Interfaces, links: &Links) -> bool {
    if held.way.hops.is_empty() {
        return interfaces.matches("");
    }
    held.way
        .hops
        .iter()
        .any(|hop| interfaces.matches(links.name_of(hop.ifindex)))
}

fn learned(held: &Held, links: &Links) -> LearnedRoute {
    let hop = |hop: &crate::kernel::KernelHop| LearnedHop {
        gateway: hop.gateway,
        ifindex: hop.ifindex,
        interface: links.name_of(hop.ifindex).to_owned(),
    };
    LearnedRoute {
        protocol: held.protocol,
        metric: held.metric,
        hops: held.way.hops.iter().map(hop).collect(),
    }
}
