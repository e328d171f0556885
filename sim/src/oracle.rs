// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every Loc-RIB has to hold, computed the slow way: whole tables are passed round until nothing changes.
//!
//! It shares no code with `rib`: each rule is written a second time here, in the plainest form.

use std::{cmp::Reverse, collections::BTreeMap, net::Ipv4Addr};

use bgp_proto::{AsPath, Asn, ClusterId, NextHop, PathAttributes, Prefix};
use rib::{PathsSent, RouteQuery, Table};

use crate::{
    as_path::{Parts, before},
    rules::Rules,
    world::{LinkKind, World, address},
};

/// Rounds after which a world that still changes is reported as one that never settles.
const ROUNDS: usize = 100;

/// Best paths by prefix.
pub type Table4 = BTreeMap<Prefix, PathAttributes>;

/// All best paths.
const BEST: RouteQuery = RouteQuery {
    table: Table::LocRib,
    family: None,
    prefix: None,
    best_only: true,
    after: None,
    limit: usize::MAX,
};

/// All paths by prefix.
type Candidates = BTreeMap<Prefix, Vec<Candidate>>;

/// A path at a speaker, and where it has it from.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    attributes: PathAttributes,
    from: From,
}

impl Candidate {
    /// Whom it is from.
    fn neighbour(&self) -> Option<usize> {
        match self.from {
            From::Here => None,
            From::Peer { number, .. } => Some(number),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    Here,
    Peer { number: usize, relation: Relation },
}

/// What a neighbour is to a speaker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Relation {
    External,
    /// Another member AS of the same confederation.
    Member,
    Internal,
    Client,
}

/// What the best paths have to be, per speaker.
///
/// # Panics
/// When the world has no stable state.
pub fn expected(world: &World) -> Vec<Table4> {
    let best = |(prefix, paths)| Some((prefix, choose(world, paths)?.attributes));
    let table = |table: Candidates| table.into_iter().filter_map(best).collect();
    stable(world).into_iter().map(table).collect()
}

/// What all paths that can be used have to be, per speaker, in order.
///
/// # Panics
/// When the world has no stable state.
pub fn expected_paths(world: &World) -> Vec<Vec<String>> {
    let written = |(prefix, paths): (Prefix, Vec<Candidate>)| {
        let paths = paths.into_iter();
        paths.map(move |path| write(prefix, &path.attributes))
    };
    let table = |table: Candidates| sorted(table.into_iter().flat_map(written));
    stable(world).into_iter().map(table).collect()
}

/// All paths of all speakers.
fn stable(world: &World) -> Vec<Candidates> {
    let prefixes: Vec<Prefix> = world
        .nodes
        .iter()
        .flat_map(|node| node.local.keys().copied())
        .collect();
    let mut all: Vec<Candidates> = vec![BTreeMap::new(); world.nodes.len()];
    for _ in 0..ROUNDS {
        let mut next = vec![BTreeMap::new(); world.nodes.len()];
        for (speaker, table) in next.iter_mut().enumerate() {
            for prefix in &prefixes {
                table.insert(*prefix, candidates(world, &all, speaker, *prefix));
            }
        }
        if next == all {
            return all;
        }
        all = next;
    }
    panic!("the world has no stable state");
}

fn write(prefix: Prefix, attributes: &PathAttributes) -> String {
    let path = &attributes.as_path;
    let plain = PathAttributes {
        as_path: AsPath::empty(),
        ..attributes.clone()
    };
    format!("{prefix}: {path}: {plain:?}")
}

fn sorted(paths: impl Iterator<Item = String>) -> Vec<String> {
    let mut paths: Vec<String> = paths.collect();
    paths.sort_unstable();
    paths
}

/// What all paths that can be used are, per speaker, in order.
pub fn actual_paths(world: &World) -> Vec<Vec<String>> {
    let query = RouteQuery {
        best_only: false,
        ..BEST
    };
    let table = |node: &crate::world::Node| {
        let views = node.speaker.rib().routes(&query).routes;
        let usable = views.iter().filter(|view| view.unusable.is_none());
        sorted(usable.map(|view| write(view.prefix, &view.attributes.unpack())))
    };
    world.nodes.iter().map(table).collect()
}

/// What the best paths are, per speaker.
pub fn actual(world: &World) -> Vec<Table4> {
    let table = |node: &crate::world::Node| {
        node.speaker
            .rib()
            .routes(&BEST)
            .routes
            .into_iter()
            .map(|view| (view.prefix, view.attributes.unpack()))
            .collect()
    };
    world.nodes.iter().map(table).collect()
}

fn candidates(
    world: &World,
    tables: &[Candidates],
    speaker: usize,
    prefix: Prefix,
) -> Vec<Candidate> {
    let local = world.nodes[speaker].local.get(&prefix);
    let mut all: Vec<Candidate> = local
        .map(|attributes| Candidate {
            attributes: attributes.clone(),
            from: From::Here,
        })
        .into_iter()
        .collect();
    for (neighbour, relation) in neighbours(world, speaker) {
        let mut theirs = tables[neighbour].get(&prefix).cloned().unwrap_or_default();
        if is_linked(world, LinkKind::RouteServer, neighbour, speaker) {
            // The best of what is for it.
            let is_told = |path: &Candidate| {
                path.neighbour() != Some(speaker)
                    && told(world, neighbour, speaker, Relation::External, path).is_some()
            };
            theirs.retain(is_told);
        }
        let their_view = relation_of(world, neighbour, speaker);
        let told = |path: &Candidate| told(world, neighbour, speaker, their_view, path);
        let sent = if takes_several(world, speaker, neighbour) {
            let wanted = world.paths.get(&(neighbour, speaker));
            let wanted = *wanted.unwrap_or(&PathsSent::All);
            several(world, wanted, theirs, |path| told(path).is_some())
        } else {
            choose(world, theirs).into_iter().collect()
        };
        let others = sent.iter().filter(|path| path.neighbour() != Some(speaker));
        for attributes in others.filter_map(told) {
            let none = Rules::default();
            let rules = world.rules.get(&(speaker, neighbour)).unwrap_or(&none);
            let border = world.border(speaker, neighbour);
            let taken = |sent| rules.taken(border, [neighbour, speaker], prefix, sent);
            if let Some(attributes) = accepted(world, speaker, attributes).and_then(taken) {
                all.push(Candidate {
                    attributes,
                    from: From::Peer {
                        number: neighbour,
                        relation,
                    },
                });
            }
        }
    }
    all
}

/// Which paths a neighbour is told that takes several. Those that are not for it do not count; its own do, as others are told
/// them.
fn several(
    world: &World,
    wanted: PathsSent,
    mut paths: Vec<Candidate>,
    is_for_it: impl Fn(&Candidate) -> bool,
) -> Vec<Candidate> {
    let limit = match wanted {
        PathsSent::All => usize::MAX,
        PathsSent::Best(limit) => limit.get().into(),
        PathsSent::Ecmp(limit) => {
            paths = as_good(paths);
            limit.get().into()
        }
    };
    let mut sent = Vec::new();
    while sent.len() < limit
        && let Some(best) = choose(world, paths.clone())
    {
        let place = paths.iter().position(|path| *path == best);
        paths.remove(place.expect("one of them was chosen"));
        if is_for_it(&best) {
            sent.push(best);
        }
    }
    sent
}

fn neighbours(world: &World, speaker: usize) -> Vec<(usize, Relation)> {
    (0..world.network.links.len())
        .filter(|link| world.is_established(*link))
        .filter_map(|link| {
            let [(first, _), (second, _)] = world.network.links[link].ends;
            match speaker {
                _ if speaker == first => Some((second, relation_of(world, first, second))),
                _ if speaker == second => Some((first, relation_of(world, second, first))),
                _ => None,
            }
        })
        .collect()
}

/// Whether two speakers send each other all paths.
fn takes_several(world: &World, one: usize, other: usize) -> bool {
    let mut links = world.network.links.iter().zip(&world.kinds);
    links.any(|(link, kind)| {
        let ends = link.ends.map(|(speaker, _)| speaker);
        *kind == LinkKind::Several && ends.contains(&one) && ends.contains(&other)
    })
}

/// What `other` is to `speaker`.
fn relation_of(world: &World, speaker: usize, other: usize) -> Relation {
    let (here, there) = (&world.nodes[speaker], &world.nodes[other]);
    if here.is_member_beside(there) {
        return Relation::Member;
    }
    if here.asn != there.asn {
        return Relation::External;
    }
    let is_client = [LinkKind::Reflector, LinkKind::Several]
        .into_iter()
        .any(|kind| is_linked(world, kind, speaker, other));
    if is_client {
        Relation::Client
    } else {
        Relation::Internal
    }
}

/// Whether there is such a link from `speaker` to `other`.
fn is_linked(world: &World, wanted: LinkKind, speaker: usize, other: usize) -> bool {
    let mut links = world.network.links.iter().zip(&world.kinds);
    links.any(|(link, kind)| {
        let [(first, _), (second, _)] = link.ends;
        *kind == wanted && (first, second) == (speaker, other)
    })
}

/// What `speaker` sends of a path to `other`, if it is not from there.
fn told(
    world: &World,
    speaker: usize,
    other: usize,
    relation: Relation,
    path: &Candidate,
) -> Option<PathAttributes> {
    let node = &world.nodes[speaker];
    let mut sent = path.attributes.clone();
    let without = Rules::default();
    let rules = world.rules.get(&(speaker, other)).unwrap_or(&without);
    if !rules.tells(&sent) {
        return None;
    }
    let reflected = match (path.from, relation) {
        (
            From::Peer {
                relation: Relation::Internal,
                ..
            },
            Relation::Internal,
        ) => return None,
        (
            From::Peer {
                relation: Relation::Internal | Relation::Client,
                ..
            },
            Relation::Internal | Relation::Client,
        ) => true,
        _ => false,
    };
    if reflected {
        let From::Peer { number, .. } = path.from else {
            return None;
        };
        sent.originator_id = sent.originator_id.or(Some(world.nodes[number].router_id));
        sent.cluster_list
            .insert(0, ClusterId(node.router_id.as_u32()));
    }
    let serves = is_linked(world, LinkKind::RouteServer, speaker, other);
    let mut parts = Parts::of(&sent.as_path);
    match relation {
        Relation::External => {
            parts.members.clear();
            let ours = node.seen_by(&world.nodes[other]);
            before(
                ours,
                usize::from(!serves) + rules.times(),
                &mut parts.outside,
            );
            sent.local_pref = None;
            let is_kept = serves || path.from == From::Here;
            sent.med = rules.med().or(sent.med.filter(|_| is_kept));
        }
        Relation::Member => before(node.asn, 1 + rules.times(), &mut parts.members),
        Relation::Internal | Relation::Client => {}
    }
    if relation != Relation::External {
        sent.local_pref = Some(sent.local_pref.unwrap_or(100));
    }
    sent.as_path = parts.path();
    if matches!(relation, Relation::External | Relation::Member) {
        sent.originator_id = None;
        sent.cluster_list.clear();
    }
    let is_ours = path.from == From::Here || relation == Relation::External && !serves;
    let plain = if is_ours {
        NextHop::V4(address(speaker))
    } else {
        sent.next_hop
    };
    sent.next_hop = rules.hop(plain, path.attributes.next_hop, [speaker, other]);
    Some(sent)
}

/// What `speaker` takes of it.
fn accepted(world: &World, speaker: usize, sent: PathAttributes) -> Option<PathAttributes> {
    let node = &world.nodes[speaker];
    let looped = sent.as_path.contains(node.asn)
        || node
            .confederation
            .is_some_and(|identifier| sent.as_path.contains(identifier))
        || sent.originator_id == Some(node.router_id)
        || sent.next_hop == NextHop::V4(address(speaker))
        || sent
            .cluster_list
            .contains(&ClusterId(node.router_id.as_u32()));
    (!looped).then_some(sent)
}

/// The decision process, one elimination after the other (RFC 4271 §9.1.2.2, RFC 4456 §9).
fn choose(world: &World, paths: Vec<Candidate>) -> Option<Candidate> {
    let mut paths = as_good(paths);
    keep_lowest(&mut paths, |path| identifier(world, path));
    keep_lowest(&mut paths, |path| path.attributes.cluster_list.len());
    keep_lowest(&mut paths, |path| match path.from {
        From::Here => Ipv4Addr::UNSPECIFIED,
        From::Peer { number, .. } => address(number),
    });
    paths.into_iter().next()
}

/// What is left of paths before something makes the choice unique.
fn as_good(mut paths: Vec<Candidate>) -> Vec<Candidate> {
    keep_lowest(&mut paths, |path| path.from != From::Here);
    keep_lowest(&mut paths, |path| {
        Reverse(path.attributes.local_pref.unwrap_or(100))
    });
    keep_lowest(&mut paths, |path| path.attributes.as_path.hop_count());
    keep_lowest(&mut paths, |path| path.attributes.origin as u8);
    let all = paths.clone();
    paths.retain(|path| !all.iter().any(|other| beats_by_med(other, path)));
    keep_lowest(&mut paths, |path| {
        !matches!(
            path.from,
            From::Peer {
                relation: Relation::External,
                ..
            }
        )
    });
    paths
}

fn keep_lowest<K: Ord>(paths: &mut Vec<Candidate>, key: impl Fn(&Candidate) -> K) {
    if let Some(lowest) = paths.iter().map(&key).min() {
        paths.retain(|path| key(path) == lowest);
    }
}

fn beats_by_med(first: &Candidate, second: &Candidate) -> bool {
    let neighbour = |path: &Candidate| path.attributes.as_path.neighbor_as().unwrap_or(Asn(0));
    let med = |path: &Candidate| path.attributes.med.unwrap_or(0);
    neighbour(first) == neighbour(second) && med(first) < med(second)
}

fn identifier(world: &World, path: &Candidate) -> u32 {
    match (path.attributes.originator_id, path.from) {
        (Some(originator), _) => originator.as_u32(),
        (None, From::Peer { number, .. }) => world.nodes[number].router_id.as_u32(),
        (None, From::Here) => 0,
    }
}
