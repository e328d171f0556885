// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours that are gone. Their paths go in pieces: what others send waits for a piece and not for a whole table, and of a
//! piece alone is remembered what was best before.

use alloc::vec::Vec;
use core::ops::Bound;

use bgp_proto::Prefix;

use super::{DRAIN_CHUNK, Rib};
use crate::{Output, PeerId, Source};

/// A neighbour whose paths are being removed.
#[derive(Debug)]
pub(super) struct Leaving {
    id: PeerId,
    /// None are left in front of it.
    from: Bound<Prefix>,
}

impl Rib {
    /// Nothing is told to a neighbour any more, and what it told goes as the table is drained.
    pub(super) fn peer_down(&mut self, id: PeerId) {
        self.leave_group(id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.is_up = false;
        if self.leaving.iter().all(|leaving| leaving.id != id) {
            let from = Bound::Unbounded;
            self.leaving.push_back(Leaving { id, from });
        }
    }

    /// Removes a piece, if little else is to be told.
    pub(super) fn remove_piece(&mut self, out: &mut Output) {
        while self.dirty.len() < DRAIN_CHUNK
            && let Some(mut leaving) = self.leaving.pop_front()
        {
            let room = DRAIN_CHUNK.saturating_sub(self.dirty.len());
            if !self.remove_from(&mut leaving, room) {
                self.leaving.push_front(leaving);
            }
        }
        if out.with_departed {
            out.departed.append(&mut self.departed);
        }
        self.departed = Vec::new();
    }

    /// Removes all that is left of a neighbour: it is there again.
    pub(super) fn finish_leaving(&mut self, id: PeerId) {
        let place = self.leaving.iter().position(|leaving| leaving.id == id);
        if let Some(mut leaving) = place.and_then(|place| self.leaving.remove(place)) {
            self.remove_from(&mut leaving, usize::MAX);
        }
    }

    /// Removes so many paths. Says whether that was all.
    fn remove_from(&mut self, leaving: &mut Leaving, limit: usize) -> bool {
        let (id, source) = (leaving.id, Source::Bgp(leaving.id));
        let left = self.received_from(id);
        let near = self.table.near_from(id, leaving.from);
        let paths = near
            .flat_map(|(prefix, entry)| entry.paths.iter().map(move |path| (prefix, path)))
            .filter(|(_, path)| path.source() == source)
            .map(|(prefix, path)| (prefix, path.path_id));
        let paths: Vec<_> = paths.take(left.min(limit)).collect();
        for (prefix, path_id) in &paths {
            self.withdraw(*prefix, source, *path_id);
        }
        let is_gone = paths.len() == left || paths.is_empty();
        if is_gone {
            self.forget(id);
        }
        if let Some((last, _)) = paths.last() {
            leaving.from = Bound::Included(*last);
        }
        self.departed.push((id, paths));
        is_gone
    }
}
