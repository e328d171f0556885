// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of a route on its way in, now and when policy changes.

use alloc::{borrow::Cow, vec::Vec};

use bgp_proto::{Instant, PathAttributes, Prefix};
use smallvec::SmallVec;
use triomphe::Arc;

use super::{Around, Rib, count};
use crate::{
    Disposition, KernelAttributes, PeerId, Policy, RouteBatch, Source, Unusable, Verdict,
    attributes::{Attributes, Interner},
    path::{Imported, Kind, Path, Rare},
    policy::{Draft, Memo},
};

/// A path as import leaves it.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    attributes: Attributes,
    rare: Option<Arc<Rare>>,
    refused: Option<Unusable>,
}

impl Arrival {
    /// The same without what it was before import.
    fn imported_only(self) -> Self {
        let rare = self.rare.as_ref();
        let Some(imported) = rare.and_then(|rare| rare.imported.clone()) else {
            return self;
        };
        let disposition = rare.map_or(imported.disposition, |rare| rare.disposition);
        let is_more = imported.preference.is_some() || imported.kernel.is_some();
        let imported = is_more.then(|| Imported {
            received: self.attributes.clone(),
            disposition,
            ..imported
        });
        Self {
            rare: Rare::of(&self.attributes, disposition, imported),
            ..self
        }
    }

    /// The attributes that it came with, and where packets were to go then.
    fn before_import(&self) -> (&Attributes, Disposition) {
        let rare = self.rare.as_ref();
        if let Some(imported) = rare.and_then(|rare| rare.imported.as_ref()) {
            return (&imported.received, imported.disposition);
        }
        let next_hop = Disposition::Via(self.attributes.next_hop());
        let disposition = rare.map_or(next_hop, |rare| rare.disposition);
        (&self.attributes, disposition)
    }
}

/// What import made of attributes, by their number and where packets go.
pub(super) type Arrivals = Memo<(u64, Disposition), Arrival>;

impl Rib {
    pub(super) fn apply(&mut self, batch: &RouteBatch, now: Instant) {
        let source = batch.source;
        if let Some(id) = source.peer()
            && !self.peers.get(&id).is_some_and(|peer| peer.is_up)
        {
            return; // What was under way when the session ended.
        }
        let policy = self.import_policy(source);
        let weight = self.weight(source);
        let imports_only = source.peer().is_some_and(|id| self.imports_only(id));
        let received: Vec<Arrival> = batch
            .paths
            .iter()
            .map(|(attributes, disposition)| {
                let received = self.interner.intern(attributes);
                let arrival = self.without_policy(source, &received, attributes, *disposition);
                if imports_only && policy.is_none() {
                    return arrival.imported_only();
                }
                arrival
            })
            .collect();
        let is_about_best = self.is_about_best();
        let mut known = Arrivals::default();
        for (prefix, path_id, path) in batch.routes() {
            let found = path.and_then(|at| Some((received.get(at)?, batch.paths.get(at)?)));
            let Some((arrival, (values, _))) = found else {
                self.withdraw(prefix, source, path_id);
                continue;
            };
            let arrival = match &policy {
                Some(policy) => self.arrival(policy, (prefix, values), source, arrival, &mut known),
                None => arrival.clone(),
            };
            if imports_only && arrival.refused == Some(Unusable::Policy) {
                self.withdraw(prefix, source, path_id);
                continue;
            }
            let (kind, peer) = Kind::of(source);
            let path = Path {
                kind,
                peer,
                path_id,
                sent_id: 0,
                attributes: arrival.attributes,
                rare: arrival.rare,
                since: now,
                weight,
                refused: arrival.refused,
            };
            self.announce(prefix, path, is_about_best);
        }
    }

    /// What the neighbour has sent is not kept as it was.
    pub(super) fn imports_only(&self, id: PeerId) -> bool {
        let peer = self.peers.get(&id);
        peer.is_some_and(|peer| peer.info.terms.imported_only)
    }

    /// The import policy of a source, if it does more than to accept.
    fn import_policy(&self, source: Source) -> Option<Policy> {
        let policy = &self.peers.get(&source.peer()?)?.info.import;
        (*policy != Policy::accept_all()).then(|| policy.clone())
    }

    /// What import makes of a path before policy is asked.
    fn without_policy(
        &mut self,
        source: Source,
        received: &Attributes,
        values: &PathAttributes,
        disposition: Disposition,
    ) -> Arrival {
        let refused = self.refusal(source, values);
        self.settle(source, received, disposition, Draft::new(values), refused)
    }

    /// What policy makes of a path that came in like this, with these values.
    fn arrival(
        &mut self,
        policy: &Policy,
        (prefix, values): (Prefix, &PathAttributes),
        source: Source,
        arrival: &Arrival,
        known: &mut Arrivals,
    ) -> Arrival {
        if arrival.refused.is_some() {
            return arrival.clone();
        }
        let (received, disposition) = arrival.before_import();
        let Some(facts) = self.around().import_facts(prefix, source, received) else {
            return arrival.clone();
        };
        known.get((received.hot().number, disposition), &facts, |watch| {
            let mut draft = Draft::new(values);
            match policy.run(&facts, &mut draft, watch) {
                Verdict::Accept => {
                    let arrival = self.settle(source, received, disposition, draft, None);
                    if source.peer().is_some_and(|id| self.imports_only(id)) {
                        return arrival.imported_only();
                    }
                    arrival
                }
                Verdict::Reject => Arrival {
                    attributes: received.clone(),
                    rare: Rare::of(received, disposition, None),
                    refused: Some(Unusable::Policy),
                },
            }
        })
    }

    /// A draft becomes what is stored.
    fn settle(
        &mut self,
        source: Source,
        received: &Attributes,
        disposition: Disposition,
        mut draft: Draft<'_>,
        refused: Option<Unusable>,
    ) -> Arrival {
        if let Some(peer) = source.peer().and_then(|id| self.peers.get(&id)) {
            peer.info.take_in(&mut draft.attributes);
        }
        let attributes = match draft.attributes {
            Cow::Borrowed(_) => received.clone(),
            Cow::Owned(changed) => self.interner.intern(&changed),
        };
        let kernel = draft.kernel;
        let kernel = (kernel != KernelAttributes::default()).then(|| Arc::new(kernel));
        let is_changed = attributes != *received || draft.preference.is_some() || kernel.is_some();
        let imported = is_changed.then(|| Imported {
            received: received.clone(),
            disposition,
            preference: draft.preference,
            kernel,
        });
        let (was, is) = (received.next_hop(), attributes.next_hop());
        let disposition = match disposition {
            Disposition::Via(hop) if hop == was => Disposition::Via(is),
            Disposition::Link { .. } if is != was => Disposition::Via(is),
            other => other,
        };
        Arrival {
            rare: Rare::of(&attributes, disposition, imported),
            attributes,
            refused,
        }
    }

    /// Why a path of this source can't be used, whatever its next hop.
    fn refusal(&self, source: Source, attributes: &PathAttributes) -> Option<Unusable> {
        let peer = &self.peers.get(&source.peer()?)?.info;
        if let Some(refused) = peer.path_refusal(&self.config, attributes) {
            return Some(refused);
        }
        if attributes.originator_id == Some(self.config.router_id) {
            return Some(Unusable::OriginatorLoop);
        }
        if attributes.cluster_list.contains(&self.config.cluster_id) {
            return Some(Unusable::ClusterLoop);
        }
        peer.is_ours(attributes.next_hop)
            .then_some(Unusable::OwnNextHop)
    }

    /// New policies of a neighbour: what they change is changed, and nothing else is touched.
    pub(super) fn policy(&mut self, id: PeerId, import: Policy, export: Policy) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let import_changed = peer.info.import != import;
        let export_changed = peer.info.export != export;
        peer.info.import = import;
        peer.info.export = export;
        let (key, is_up) = (crate::export::GroupKey::new(&peer.info), peer.is_up);
        // What is not kept comes again: whoever changes the policy asks for it.
        if import_changed && !self.imports_only(id) {
            let prefixes = self.prefixes_of(id);
            self.reimport(id, &prefixes);
        }
        if export_changed && is_up {
            self.change_group(id, key);
        }
    }

    /// A new policy for what goes into the forwarding table.
    pub(super) fn kernel_policy(&mut self, policy: Policy) {
        if self.config.kernel_export == policy {
            return;
        }
        let prefixes: Vec<Prefix> = self.table.prefixes().collect();
        self.touch_all(&prefixes);
        self.config.kernel_export = policy;
    }

    /// Prefixes of which a neighbour has a path.
    pub(super) fn prefixes_of(&self, id: PeerId) -> Vec<Prefix> {
        let mut prefixes: Vec<Prefix> = self.paths_of(id).map(|(prefix, _)| prefix).collect();
        prefixes.dedup();
        prefixes
    }

    /// Imports a neighbour's paths again, as they were received.
    pub(super) fn reimport(&mut self, id: PeerId, prefixes: &[Prefix]) {
        self.reimport_as(id, prefixes, |_, path| path.received().clone());
    }

    /// The same with other attributes than those that were received.
    pub(super) fn reimport_as(
        &mut self,
        id: PeerId,
        prefixes: &[Prefix],
        received: impl Fn(&mut Interner, &Path) -> Attributes,
    ) {
        let source = Source::Bgp(id);
        let policy = self.import_policy(source);
        let imports_only = self.imports_only(id);
        let mut known = Arrivals::default();
        for prefix in prefixes {
            for path in self.paths_at(*prefix, source) {
                let received = received(&mut self.interner, &path);
                let (values, disposition) = (received.unpack(), path.arrived_as());
                let mut arrival = self.without_policy(source, &received, &values, disposition);
                if let Some(policy) = &policy {
                    arrival =
                        self.arrival(policy, (*prefix, &values), source, &arrival, &mut known);
                }
                if !imports_only {
                    self.replace(*prefix, &path, arrival);
                } else if arrival.refused == Some(Unusable::Policy) {
                    self.withdraw(*prefix, source, path.path_id);
                } else {
                    self.replace(*prefix, &path, arrival.imported_only());
                }
            }
        }
    }

    /// A path of a neighbour as import would leave it now.
    pub(super) fn imported_again(
        &mut self,
        prefix: Prefix,
        path: &Path,
        known: &mut Arrivals,
    ) -> Path {
        let (source, received) = (path.source(), path.received().clone());
        let (values, disposition) = (received.unpack(), path.arrived_as());
        let mut arrival = self.without_policy(source, &received, &values, disposition);
        if let Some(policy) = self.import_policy(source) {
            arrival = self.arrival(&policy, (prefix, &values), source, &arrival, known);
        }
        Path {
            attributes: arrival.attributes,
            rare: arrival.rare,
            refused: arrival.refused,
            weight: self.weight(source),
            ..path.clone()
        }
    }

    /// Changes the attributes of a neighbour's paths as import has left them.
    pub(super) fn change_imported(
        &mut self,
        id: PeerId,
        prefixes: &[Prefix],
        change: impl Fn(&mut Interner, &Path) -> Attributes,
    ) {
        for prefix in prefixes {
            for path in self.paths_at(*prefix, Source::Bgp(id)) {
                let attributes = change(&mut self.interner, &path);
                let imported = path.imported().map(|imported| Imported {
                    received: attributes.clone(),
                    ..imported.clone()
                });
                let new = Arrival {
                    rare: Rare::of(&attributes, path.disposition(), imported),
                    refused: path.refused,
                    attributes,
                };
                self.replace(*prefix, &path, new);
            }
        }
    }

    /// What a source says of a prefix. It is a copy: choosing may move paths about in the list.
    fn paths_at(&self, prefix: Prefix, source: Source) -> SmallVec<[Path; 1]> {
        let paths = self.table.get(prefix).map(|entry| &*entry.paths);
        let paths = paths.unwrap_or_default().iter();
        let of_source = paths.filter(|path| path.source() == source);
        of_source.cloned().collect()
    }

    /// Puts a path that was imported again in its place.
    fn replace(&mut self, prefix: Prefix, old: &Path, new: Arrival) {
        let path = Path {
            attributes: new.attributes,
            rare: new.rare,
            refused: new.refused,
            ..old.clone()
        };
        if path.is_like(old) {
            return;
        }
        self.touch(prefix);
        let Some((at, entry)) = self.table.get_mut(prefix) else {
            return;
        };
        count(&mut self.peers, &mut self.totals, prefix, &path, true);
        self.next_hops.use_by(at, &entry.paths, &path);
        let around = Around {
            config: &self.config,
            peers: &self.peers,
            next_hops: &self.next_hops,
        };
        let place = entry.place(path.source(), path.path_id);
        entry.arrive(place, path, &around);
        count(&mut self.peers, &mut self.totals, prefix, old, false);
        self.next_hops.release(at, &entry.paths, old);
    }
}
