// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Small messages for the same neighbours, handed on together.
//!
//! What a reflector has for its clients after a turn is a message for the routes of each client, which goes to all but
//! that client. One by one they would be as many entries in each queue; joined they are one, and two for those left out
//! of some.

use bytes::{Bytes, BytesMut};
use rib::{PeerId, Transmit};

/// Octets of a bundle: as many as the RIB itself puts into one piece.
const BUNDLE: usize = 16 << 10;

/// Messages for one list of neighbours, some of them not for one of these.
pub(super) struct Bundle<'a> {
    parts: &'a [Transmit],
    joined: Bytes,
    /// Who is left out of a part, sorted.
    spared: Vec<PeerId>,
}

/// All of it in bundles, in order.
pub(super) fn bundles(mut rest: &[Transmit]) -> impl Iterator<Item = Bundle<'_>> {
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let mut octets = 0;
        let together = rest.iter().take_while(|next| {
            octets += next.messages.len();
            octets <= BUNDLE && next.recipients.share_list(&first.recipients)
        });
        // One that is large goes alone.
        let (parts, others) = rest.split_at(together.count().max(1));
        rest = others;
        Some(Bundle::of(parts))
    })
}

impl<'a> Bundle<'a> {
    fn of(parts: &'a [Transmit]) -> Self {
        let joined = match parts {
            [one] => one.messages.clone(),
            many => {
                let octets = many.iter().map(|part| part.messages.len()).sum();
                let mut joined = BytesMut::with_capacity(octets);
                for part in many {
                    joined.extend_from_slice(&part.messages);
                }
                joined.freeze()
            }
        };
        let mut spared: Vec<PeerId> = parts
            .iter()
            .filter_map(|part| part.recipients.left_out())
            .collect();
        spared.sort_unstable();
        Self {
            parts,
            joined,
            spared,
        }
    }

    /// Gives every neighbour its messages, and how many they are.
    pub(super) fn for_each(&self, mut send: impl FnMut(PeerId, Bytes, u32)) {
        let Some(first) = self.parts.first() else {
            return;
        };
        let all = self.parts.iter().map(|part| part.count).sum();
        for id in first.recipients.list() {
            if self.spared.binary_search(id).is_err() {
                send(*id, self.joined.clone(), all);
            } else {
                self.for_spared(*id, &mut send);
            }
        }
    }

    /// The parts in a row that are for this neighbour, without those that are not.
    fn for_spared(&self, id: PeerId, send: &mut impl FnMut(PeerId, Bytes, u32)) {
        let mut begin = 0;
        let is_for = |part: &Transmit| part.recipients.left_out() != Some(id);
        for row in self.parts.chunk_by(|one, next| is_for(one) == is_for(next)) {
            let octets: usize = row.iter().map(|part| part.messages.len()).sum();
            let end = begin + octets;
            if row.first().is_some_and(is_for) {
                let count = row.iter().map(|part| part.count).sum();
                send(id, self.joined.slice(begin..end), count);
            }
            begin = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use proptest::prelude::*;
    use rib::Recipients;

    use super::*;

    type Heard = BTreeMap<PeerId, (Vec<u8>, u32)>;

    fn hear(heard: &mut Heard, id: PeerId, messages: &[u8], count: u32) {
        let (octets, total) = heard.entry(id).or_default();
        octets.extend_from_slice(messages);
        *total += count;
    }

    /// Part `number` of a turn: to the first or the second of two lists, without one, so many octets.
    fn part() -> impl Strategy<Value = (bool, Option<u32>, usize)> {
        let size = prop_oneof![8 => 1..200_usize, 1 => 8_000..20_000_usize];
        (prop::bool::weighted(0.2), prop::option::of(0..5_u32), size)
    }

    proptest! {
        #[test]
        fn everybody_hears_what_is_for_it_in_order(parts in prop::collection::vec(part(), 0..60)) {
            let lists: [Arc<[PeerId]>; 2] = [(0..4).map(PeerId).collect(), (2..5).map(PeerId).collect()];
            let transmits: Vec<Transmit> = parts
                .iter()
                .zip(0_u8..)
                .map(|(&(second, but, octets), number)| Transmit {
                    recipients: Recipients::new(Arc::clone(&lists[usize::from(second)]), but.map(PeerId)),
                    messages: vec![number; octets].into(),
                    count: u32::from(number) + 1,
                })
                .collect();
            let mut expected = Heard::new();
            for transmit in &transmits {
                for id in transmit.recipients.iter() {
                    hear(&mut expected, id, &transmit.messages, transmit.count);
                }
            }
            let mut heard = Heard::new();
            let mut entries = BTreeMap::<PeerId, usize>::new();
            for bundle in bundles(&transmits) {
                prop_assert!(bundle.joined.len() <= BUNDLE || bundle.parts.len() == 1);
                bundle.for_each(|id, messages, count| {
                    hear(&mut heard, id, &messages, count);
                    *entries.entry(id).or_default() += 1;
                });
            }
            prop_assert_eq!(heard, expected);
            // Never more entries than messages.
            for (id, count) in entries {
                let messages = transmits.iter().filter(|part| part.recipients.iter().any(|other| other == id));
                prop_assert!(count <= messages.count());
            }
        }
    }

    #[test]
    fn what_is_small_goes_together() {
        let list: Arc<[PeerId]> = (0..100).map(PeerId).collect();
        let turn: Vec<Transmit> = (0..100)
            .map(|number| Transmit {
                recipients: Recipients::new(Arc::clone(&list), Some(PeerId(number))),
                messages: Bytes::from_static(&[7; 80]),
                count: 1,
            })
            .collect();
        let mut entries = 0;
        for bundle in bundles(&turn) {
            bundle.for_each(|_, messages, count| {
                assert_eq!(messages.len(), 80 * count as usize);
                entries += 1;
            });
        }
        // One each, and two for those whose own message is neither first nor last.
        assert_eq!(entries, 100 + 98);
    }
}
