// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What would become of the routes if policies were others: found out beside the table, a piece at a time. The table is
//! only looked at.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::ops::Bound;

use bgp_proto::{Instant, PathAttributes, Prefix};

use super::{Around, LOCAL_WEIGHT, Rib, fib_route, import::Arrivals};
use crate::{
    Attributes, Disposition, FibRoute, NextHopMode, PathsSent, PeerId, PeerInfo, Policy, Relation,
    RouteBatch, Selection, Source, Terms, Unusable,
    export::GroupKey,
    path::{Entry, Kind, Path, Rare},
};

/// What is to be different. What it says nothing of stays.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// Neighbours with a session that are different, or gone (`None`).
    pub peers: BTreeMap<PeerId, Option<Box<ProposedPeer>>>,
    /// Another way to choose the best path.
    pub selection: Option<Selection>,
    /// Another policy for what goes into the forwarding table.
    pub kernel_export: Option<Policy>,
    /// Static routes that come and go.
    pub statics: Option<RouteBatch>,
    /// Every route of the forwarding table is to be said, also those that stay as they are.
    pub all_forwarding: bool,
}

/// What a neighbour would be, as far as the configuration says it.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "as in PeerInfo")]
pub struct ProposedPeer {
    pub import: Policy,
    pub export: Policy,
    pub relation: Option<Relation>,
    pub next_hop: NextHopMode,
    pub allow_own_as: u8,
    pub weight: u16,
    pub terms: Terms,
    pub paths_sent: Vec<(bgp_proto::Family, PathsSent)>,
}

impl ProposedPeer {
    fn patch(&self, info: &mut PeerInfo) {
        let Self {
            import,
            export,
            relation,
            next_hop,
            allow_own_as,
            weight,
            terms,
            paths_sent,
        } = self.clone();
        *info = PeerInfo {
            import,
            export,
            relation: relation.unwrap_or(info.relation),
            next_hop,
            allow_own_as,
            weight,
            terms,
            paths_sent,
            ..info.clone()
        };
    }
}

/// A path as import leaves it, or why it is refused.
pub type Imported = Result<Attributes, Unusable>;

/// A path as it is sent, and where it comes from.
pub type Sent = (Source, PathAttributes);

/// Something that would be different.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "before and after")]
#[allow(
    clippy::large_enum_variant,
    reason = "one is told at a time, and most are of the large kind"
)]
pub enum Difference {
    /// What import makes of a path of a neighbour; `None` if the path would not be there.
    Imported {
        peer: PeerId,
        prefix: Prefix,
        path_id: u32,
        before: Imported,
        after: Option<Imported>,
    },
    /// The best path.
    Best {
        prefix: Prefix,
        before: Option<(Source, Attributes)>,
        after: Option<(Source, Attributes)>,
    },
    /// What these neighbours are sent, apart from the one that it comes from.
    Sent {
        peers: Arc<[PeerId]>,
        prefix: Prefix,
        path_id: u32,
        before: Option<Sent>,
        after: Option<Sent>,
    },
    /// The route in the forwarding table.
    Forwarding {
        prefix: Prefix,
        before: Option<FibRoute>,
        after: Option<FibRoute>,
    },
}

/// A look at one shard under a [`Proposal`], which goes on where it was left.
#[derive(Debug)]
pub struct Forecast {
    proposal: Proposal,
    /// Neighbours and configuration as they would be; its table stays empty.
    then: Rib,
    /// Static routes that come (with their path) and go.
    statics: BTreeMap<Prefix, Option<Path>>,
    /// What the new policies made of attributes, by neighbour, for one piece.
    known: BTreeMap<PeerId, Arrivals>,
    after: Option<Prefix>,
    is_done: bool,
}

/// Neighbours that are sent the same, and would be.
struct Audience {
    group: usize,
    peers: Arc<[PeerId]>,
    /// What they would be sent depends on this; `None`: on the same as now.
    key: Option<GroupKey>,
}

impl Forecast {
    /// Nothing looked at yet.
    pub fn new(rib: &Rib, proposal: Proposal) -> Self {
        let mut config = rib.config.clone();
        if let Some(selection) = proposal.selection {
            config.selection = selection;
        }
        if let Some(policy) = &proposal.kernel_export {
            config.kernel_export = policy.clone();
        }
        let mut then = Rib::new(config);
        then.next_hops = rib.next_hops.assuming();
        let batch = proposal.statics.as_ref();
        let routes = batch.into_iter().flat_map(|batch| {
            let made = |number: usize| batch.paths.get(number).map(static_path);
            batch
                .routes()
                .map(move |(prefix, _, path)| (prefix, path.and_then(made)))
        });
        let statics = routes.collect();
        Self {
            proposal,
            then,
            statics,
            known: BTreeMap::new(),
            after: None,
            is_done: false,
        }
    }

    /// Everything has been looked at.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Looks at so many prefixes more, in order, and says how many those were. To be asked of the same shard every time; what
    /// changes between two pieces is seen as it is then.
    pub fn look(&mut self, rib: &Rib, limit: usize, each: &mut impl FnMut(Difference)) -> u64 {
        self.renew_peers(rib);
        self.known.clear();
        let audiences = self.audiences(rib);
        let from = self.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut seen = 0;
        self.is_done = true;
        for (prefix, entry) in rib.table.range_from(from) {
            if usize::try_from(seen).is_ok_and(|seen| seen >= limit) {
                self.is_done = false;
                break;
            }
            self.prefix(rib, (prefix, entry), &audiences, each);
            self.after = Some(prefix);
            seen += 1;
        }
        if self.is_done {
            // What is left belongs to no prefix that is there.
            for (prefix, path) in core::mem::take(&mut self.statics) {
                if path.is_some() {
                    self.statics.insert(prefix, path);
                    self.prefix(rib, (prefix, &Entry::default()), &audiences, each);
                    seen += 1;
                }
            }
        }
        seen
    }

    /// Sessions may have come and gone since the last piece.
    fn renew_peers(&mut self, rib: &Rib) {
        let mut peers = rib.peers.iter();
        let known = |(id, peer): (_, &super::Peer)| {
            let then = self.then.peers.get(id);
            match self.proposal.peers.get(id) {
                Some(None) => then.is_none(),
                _ => then.is_some_and(|then| {
                    (then.is_up, then.info.router_id) == (peer.is_up, peer.info.router_id)
                }),
            }
        };
        if self.after.is_some() && peers.all(known) {
            return;
        }
        self.then.peers.clear();
        for (id, peer) in &rib.peers {
            let mut info = peer.info.clone();
            match self.proposal.peers.get(id) {
                Some(None) => continue,
                Some(Some(proposed)) => proposed.patch(&mut info),
                None => {}
            }
            let peer = super::Peer {
                info,
                counters: peer.counters,
                is_up: peer.is_up,
            };
            self.then.peers.insert(*id, peer);
        }
    }

    fn audiences(&self, rib: &Rib) -> Vec<Audience> {
        let mut audiences = Vec::new();
        for (group, told) in rib.groups.iter().enumerate() {
            let mut keys: Vec<(Option<GroupKey>, Vec<PeerId>)> = Vec::new();
            for id in told.peers() {
                let key = match self.proposal.peers.get(&id) {
                    Some(None) => continue,
                    Some(Some(_)) => self
                        .then
                        .peers
                        .get(&id)
                        .map(|then| GroupKey::new(&then.info)),
                    None => None,
                };
                let key = key.filter(|key| *key != told.key);
                match keys.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, peers)) => peers.push(id),
                    None => keys.push((key, alloc::vec![id])),
                }
            }
            audiences.extend(keys.into_iter().map(|(key, peers)| Audience {
                group,
                peers: peers.into(),
                key,
            }));
        }
        audiences
    }

    fn prefix(
        &mut self,
        rib: &Rib,
        (prefix, entry): (Prefix, &Entry),
        audiences: &[Audience],
        each: &mut impl FnMut(Difference),
    ) {
        let mut new = entry.clone();
        let is_other = self.import(rib, prefix, &mut new, each);
        let now = rib.around();
        let then = Around {
            config: &self.then.config,
            peers: &self.then.peers,
            next_hops: &self.then.next_hops,
        };
        if is_other || self.proposal.selection.is_some() {
            new.decide(&then);
        }
        let best = |entry: &Entry| {
            let best = entry.best()?;
            Some((best.source(), best.attributes.clone()))
        };
        let (before, after) = (best(entry), best(&new));
        let is_better = before != after;
        if is_better {
            each(Difference::Best {
                prefix,
                before,
                after,
            });
        }
        let asks_kernel = is_other || is_better || self.proposal.kernel_export.is_some();
        if asks_kernel || self.proposal.selection.is_some() || self.proposal.all_forwarding {
            let before = fib_route(prefix, entry, now);
            let after = fib_route(prefix, &new, then);
            let is_said = before.is_some() && self.proposal.all_forwarding;
            if is_said || before != after {
                each(Difference::Forwarding {
                    prefix,
                    before,
                    after,
                });
            }
        }
        for audience in audiences {
            let Some(group) = rib.groups.get(audience.group) else {
                continue;
            };
            let is_same_entry = !(is_other || is_better);
            if audience.key.is_none() && is_same_entry && self.proposal.selection.is_none() {
                continue;
            }
            let key = audience.key.as_ref().unwrap_or(&group.key);
            let before = sent(&group.key, prefix, entry, now);
            let after = sent(key, prefix, &new, then);
            compare(prefix, &audience.peers, before, after, each);
        }
    }

    /// Imports the paths of a prefix as they would be. Says whether any of them is different.
    fn import(
        &mut self,
        rib: &Rib,
        prefix: Prefix,
        entry: &mut Entry,
        each: &mut impl FnMut(Difference),
    ) -> bool {
        let paths = entry.paths.iter();
        let of_peers: BTreeSet<(PeerId, u32)> = paths
            .filter_map(|path| Some((path.source().peer()?, path.path_id)))
            .filter(|(id, _)| self.proposal.peers.contains_key(id))
            .collect();
        let mut is_other = false;
        for (peer, path_id) in of_peers {
            let Some(place) = entry.place(Source::Bgp(peer), path_id) else {
                continue;
            };
            let Some(old) = entry.paths.get(place).cloned() else {
                continue;
            };
            let is_gone = matches!(self.proposal.peers.get(&peer), Some(None));
            let new = (!is_gone).then(|| {
                if rib.imports_only(peer) {
                    return old.clone();
                }
                let known = self.known.entry(peer).or_default();
                self.then.imported_again(prefix, &old, known)
            });
            if new.as_ref().is_some_and(|new| new.is_like(&old)) {
                continue;
            }
            is_other = true;
            let (before, after) = (outcome(&old), new.as_ref().map(outcome));
            if Some(&before) != after.as_ref() {
                each(Difference::Imported {
                    peer,
                    prefix,
                    path_id,
                    before,
                    after,
                });
            }
            self.put(entry, Some(place), new);
        }
        if let Some(path) = self.statics.remove(&prefix) {
            let place = entry.place(Source::Static, 0);
            is_other |= place.is_some() || path.is_some();
            self.put(entry, place, path);
        }
        is_other
    }

    fn put(&self, entry: &mut Entry, place: Option<usize>, path: Option<Path>) {
        let then = self.then.around();
        match (place, path) {
            (_, Some(mut path)) => {
                path.sent_id = entry.sent_id(place);
                entry.arrive(place, path, &then);
            }
            (Some(place), None) => drop(entry.leave(place, &then)),
            (None, None) => {}
        }
    }
}

fn outcome(path: &Path) -> Imported {
    match path.refused {
        None => Ok(path.attributes.clone()),
        Some(reason) => Err(reason),
    }
}

fn static_path((attributes, disposition): &(PathAttributes, Disposition)) -> Path {
    let attributes = Attributes::alone(attributes);
    let (kind, peer) = Kind::of(Source::Static);
    Path {
        kind,
        peer,
        rare: Rare::of(&attributes, *disposition, None),
        attributes,
        since: Instant::ZERO,
        path_id: 0,
        sent_id: 0,
        weight: LOCAL_WEIGHT,
        refused: None,
    }
}

/// What neighbours are sent of a prefix, by path identifier.
fn sent(key: &GroupKey, prefix: Prefix, entry: &Entry, around: Around<'_>) -> BTreeMap<u32, Sent> {
    let family = prefix.family();
    let mut all = BTreeMap::new();
    if !key.has_family(family) {
        return all;
    }
    let made = |path: &Path| -> Option<Sent> {
        let sender = around.sender(path.source());
        let reflection = around.telling(key, path, sender).ok()?;
        let attributes = if key.export.has_statements() {
            let facts = around.export_facts(prefix, path, sender, key);
            key.under_policy(path, &facts, reflection, &mut ())?
        } else {
            key.attributes(&path.attributes, path.source(), family, reflection)?
        };
        Some((path.source(), attributes))
    };
    let mut tell = |id: u32, path: &Path| {
        let sent = made(path);
        let is_told = sent.is_some();
        all.extend(sent.map(|sent| (id, sent)));
        is_told
    };
    if let Some(paths) = key.paths_sent(family) {
        paths.choose(entry, &around, |path| tell(path.sent_id, path));
    } else if !entry.best().is_some_and(|best| tell(0, best)) && key.chooses() {
        PathsSent::default().choose(entry, &around, |path| tell(0, path));
    }
    all
}

fn compare(
    prefix: Prefix,
    peers: &Arc<[PeerId]>,
    mut before: BTreeMap<u32, Sent>,
    mut after: BTreeMap<u32, Sent>,
    each: &mut impl FnMut(Difference),
) {
    let ids: BTreeSet<u32> = before.keys().chain(after.keys()).copied().collect();
    for path_id in ids {
        let (before, after) = (before.remove(&path_id), after.remove(&path_id));
        if before != after {
            each(Difference::Sent {
                peers: Arc::clone(peers),
                prefix,
                path_id,
                before,
                after,
            });
        }
    }
}
