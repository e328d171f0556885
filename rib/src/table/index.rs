// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys in order, on three levels: nodes of lists of keys.
//!
//! What comes in no order touches three short arrays, of which the first two stay in the processor's caches, and moves
//! half a list at most.

use alloc::{vec, vec::Vec};
use core::ops::Bound;

use smallvec::SmallVec;

use super::Place;
use crate::PeerId;

/// Keys in one list (few in tests, so that these need few keys).
const LIST: usize = if cfg!(test) { 16 } else { 64 };

/// A list grows by so many.
const STEP: usize = 8;

/// Lists in one node.
const NODE: usize = if cfg!(test) { 8 } else { 128 };

/// The places of keys.
#[derive(Debug)]
pub(super) struct Index<K> {
    nodes: Parts<K, Node<K>>,
}

type Node<K> = Parts<K, List<K>>;

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self {
            nodes: Parts {
                firsts: Vec::new(),
                parts: Vec::new(),
            },
        }
    }
}

impl<K: Copy + Ord> Index<K> {
    pub(super) fn get(&self, key: K) -> Option<Place> {
        let list = &self.nodes.holding(key)?.holding(key)?.keys;
        let at = list.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        list.get(at).map(|(_, place)| *place)
    }

    /// The place of a key, for a path of this neighbour.
    pub(super) fn get_or_insert(
        &mut self,
        key: K,
        peer: Option<PeerId>,
        add: impl FnOnce() -> Place,
    ) -> Place {
        let number = self.nodes.number(key);
        let is_last_node = number + 1 >= self.nodes.parts.len();
        let Some(node) = self.nodes.parts.get_mut(number) else {
            let place = add();
            let list = List::new((key, place), peer);
            self.nodes.insert(0, key, Node::new(key, list));
            return place;
        };
        let at = node.number(key);
        let is_last = is_last_node && at + 1 >= node.parts.len();
        let Some(list) = node.parts.get_mut(at) else {
            return add();
        };
        list.note(peer);
        let before = match list.keys.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(found) => return list.keys.get(found).map_or_else(add, |(_, place)| *place),
            Err(before) => before,
        };
        let place = add();
        let new = (key, place);
        if list.keys.len() < LIST {
            list.insert(before, new);
        } else if is_last && before == LIST {
            // What comes in order fills its lists and nodes.
            let list = List::new(new, peer);
            if node.parts.len() < NODE {
                node.insert(at + 1, key, list);
            } else {
                self.nodes.insert(number + 1, key, Node::new(key, list));
            }
        } else {
            let behind = list.divide(before, new);
            let first = behind.keys.first().map_or(key, |(first, _)| *first);
            node.insert(at + 1, first, behind);
            if node.parts.len() > NODE {
                let behind = node.split_off(NODE / 2);
                let first = behind.firsts.first().copied().unwrap_or(first);
                self.nodes.insert(number + 1, first, behind);
            }
        }
        place
    }

    pub(super) fn remove(&mut self, key: K) -> Option<Place> {
        let number = self.nodes.number(key);
        let node = self.nodes.parts.get_mut(number)?;
        let at = node.number(key);
        let list = &mut node.parts.get_mut(at)?.keys;
        let found = list.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        let (_, place) = list.remove(found);
        if list.is_empty() {
            node.remove(at);
        } else if list.capacity() > list.len() * 2 + STEP {
            list.shrink_to(list.len() + STEP);
        }
        if node.parts.is_empty() {
            self.nodes.remove(number);
        }
        Some(place)
    }

    pub(super) fn range_from(&self, from: Bound<K>) -> impl Iterator<Item = (K, Place)> + '_ {
        let (number, list, key) = match from {
            Bound::Unbounded => (0, 0, 0),
            Bound::Included(key) => self.position(key, |known| known < key),
            Bound::Excluded(key) => self.position(key, |known| known <= key),
        };
        let nodes = self.nodes.parts.get(number..).unwrap_or_default();
        let lists = nodes.iter().flat_map(|node| &node.parts).skip(list);
        lists.flat_map(|list| &list.keys).skip(key).copied()
    }

    /// Keys that may have a path of a neighbour and all others that are near one, from here on, and some in front of it.
    pub(super) fn near_from(
        &self,
        peer: PeerId,
        from: Bound<K>,
    ) -> impl Iterator<Item = (K, Place)> + '_ {
        let (number, list) = match from {
            Bound::Unbounded => (0, 0),
            Bound::Included(key) | Bound::Excluded(key) => {
                let (number, list, _) = self.position(key, |_| false);
                (number, list)
            }
        };
        let nodes = self.nodes.parts.get(number..).unwrap_or_default();
        let lists = nodes.iter().flat_map(|node| &node.parts).skip(list);
        let lists = lists.filter(move |list| list.peers.binary_search(&peer).is_ok());
        lists.flat_map(|list| &list.keys).copied()
    }

    /// A neighbour has no path any more.
    pub(super) fn forget(&mut self, peer: PeerId) {
        let nodes = self.nodes.parts.iter_mut();
        for list in nodes.flat_map(|node| &mut node.parts) {
            if let Ok(at) = list.peers.binary_search(&peer) {
                list.peers.remove(at);
                list.peers.shrink_to_fit();
            }
        }
    }

    /// The node and in it the list of a key, and how many in that are in front.
    fn position(&self, key: K, is_before: impl Fn(K) -> bool) -> (usize, usize, usize) {
        let number = self.nodes.number(key);
        let node = self.nodes.parts.get(number);
        let list = node.map_or(0, |node| node.number(key));
        let keys = node.and_then(|node| node.parts.get(list));
        let before = keys.map_or(0, |list| {
            list.keys.partition_point(|(key, _)| is_before(*key))
        });
        (number, list, before)
    }
}

/// Parts in order, each with a key beside: the part has no key below that. Only the first one may, since a key
/// in front of all goes there.
#[derive(Debug)]
struct Parts<K, T> {
    firsts: Vec<K>,
    parts: Vec<T>,
}

impl<K: Copy + Ord, T> Parts<K, T> {
    fn new(first: K, part: T) -> Self {
        Self {
            firsts: vec![first],
            parts: vec![part],
        }
    }

    /// The part that a key is in, if it is in one.
    fn number(&self, key: K) -> usize {
        let behind = self.firsts.partition_point(|first| *first <= key);
        behind.saturating_sub(1)
    }

    fn holding(&self, key: K) -> Option<&T> {
        self.parts.get(self.number(key))
    }

    fn insert(&mut self, at: usize, first: K, part: T) {
        self.firsts.insert(at, first);
        self.parts.insert(at, part);
    }

    fn remove(&mut self, at: usize) {
        self.firsts.remove(at);
        self.parts.remove(at);
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self {
            firsts: self.firsts.split_off(at),
            parts: self.parts.split_off(at),
        }
    }
}

#[derive(Debug)]
struct List<K> {
    keys: Vec<(K, Place)>,
    /// Neighbours, sorted. No others have paths here; these had one here, or near here before the list was divided.
    peers: SmallVec<[PeerId; 4]>,
}

impl<K: Copy> List<K> {
    fn new(key: (K, Place), peer: Option<PeerId>) -> Self {
        Self {
            keys: vec![key],
            peers: peer.into_iter().collect(),
        }
    }

    fn note(&mut self, peer: Option<PeerId>) {
        if let Some(peer) = peer
            && let Err(at) = self.peers.binary_search(&peer)
        {
            self.peers.insert(at, peer);
        }
    }

    fn insert(&mut self, at: usize, key: (K, Place)) {
        if self.keys.len() == self.keys.capacity() {
            self.keys.reserve_exact(STEP);
        }
        self.keys.insert(at, key);
    }

    /// Inserts a key where there is no room: the second half goes into a list of its own.
    fn divide(&mut self, at: usize, key: (K, Place)) -> Self {
        let mut behind = Vec::with_capacity(LIST / 2 + STEP);
        behind.extend(self.keys.drain(LIST / 2..));
        self.keys.shrink_to(LIST / 2 + STEP);
        let mut behind = Self {
            keys: behind,
            peers: self.peers.clone(),
        };
        if at <= LIST / 2 {
            self.insert(at, key);
        } else {
            behind.insert(at - LIST / 2, key);
        }
        behind
    }
}
