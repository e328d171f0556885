// SPDX-License-Identifier: Apache-2.0 OR MIT
//! UPDATEs that somebody has received before. A hundred receivers mostly get the same ones, in the same order: each is read once, and
//! for the others it is compared, octet by octet.

use std::{collections::HashMap, ops::Range, sync::Arc};

use crate::{
    effect::{Effect, Reader, Word},
    ledger::{Index, Ledger},
};

/// Octets of messages that are kept; who gets others has them read.
const MOST: usize = 128 << 20;

/// No message has this number.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Known {
    body: Range<usize>,
    words: Range<usize>,
    effect: Effect,
    /// What came behind it, when it came last.
    next: u32,
}

/// All messages that are known.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    index: Option<Arc<Index>>,
    octets: Vec<u8>,
    words: Vec<Word>,
    all: Vec<Known>,
    by_hash: HashMap<u64, u32>,
    reader: Reader,
}

/// The last message of one receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Last(u32);

impl Default for Last {
    fn default() -> Self {
        Self(NONE)
    }
}

impl Memo {
    /// Tells a receiver alone; nothing is kept.
    pub(crate) fn tell(&mut self, ledger: &mut Ledger, body: &[u8]) {
        let effect = self.reader.read(ledger.index(), body);
        ledger.apply(&effect, &self.reader.words);
    }

    /// Tells one receiver of many.
    pub(crate) fn tell_one(&mut self, ledger: &mut Ledger, last: &mut Last, body: &[u8]) {
        let guess = self
            .all
            .get(last.0 as usize)
            .map_or(NONE, |known| known.next);
        let found = if self.is(guess, body) {
            Some(guess)
        } else {
            self.find(ledger, body)
        };
        let Some(number) = found else {
            *last = Last::default();
            return self.tell(ledger, body);
        };
        if let Some(before) = self.all.get_mut(last.0 as usize) {
            before.next = number;
        }
        *last = Last(number);
        let known = &self.all[number as usize];
        ledger.apply(&known.effect, &self.words[known.words.clone()]);
    }

    fn is(&self, number: u32, body: &[u8]) -> bool {
        let known = self.all.get(number as usize);
        known.is_some_and(|known| self.octets[known.body.clone()] == *body)
    }

    /// A message, which is kept from now on if there is room.
    fn find(&mut self, ledger: &Ledger, body: &[u8]) -> Option<u32> {
        let index = self.index.get_or_insert_with(|| Arc::clone(ledger.index()));
        if !Arc::ptr_eq(index, ledger.index()) {
            return None;
        }
        let hash = hash(body);
        if let Some(number) = self.by_hash.get(&hash) {
            return Some(*number).filter(|number| self.is(*number, body));
        }
        if self.octets.len() + body.len() > MOST {
            return None;
        }
        let effect = self.reader.read(index, body);
        let (octets, words) = (self.octets.len(), self.words.len());
        self.octets.extend_from_slice(body);
        self.words.extend_from_slice(&self.reader.words);
        let number = self.all.len() as u32;
        self.all.push(Known {
            body: octets..self.octets.len(),
            words: words..self.words.len(),
            effect,
            next: NONE,
        });
        self.by_hash.insert(hash, number);
        Some(number)
    }
}

fn hash(body: &[u8]) -> u64 {
    let (words, rest) = body.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let all = words.iter().chain([&last]);
    all.fold(body.len() as u64, |hash, word| {
        (hash ^ u64::from_le_bytes(*word))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{Expected, Table, Voice};

    fn messages(mut stream: &[u8]) -> Vec<&[u8]> {
        let mut all = Vec::new();
        while let Some(length) = stream.get(16..18) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            all.push(&stream[19..length]);
            stream = &stream[length..];
        }
        all
    }

    #[test]
    fn who_hears_what_others_have_heard_is_told_the_same() {
        let table = Table::public(bgp_proto::Family::IPV4_UNICAST, 2000, 1);
        let some = Table::public(bgp_proto::Family::IPV4_UNICAST, 100, 1);
        let index = Index::new(table.prefixes().map(|prefix| (prefix, None)));
        let voice = Voice {
            address: Ipv4Addr::new(10, 0, 1, 1).into(),
            asn: 64_601,
            internal: false,
        };
        let (announced, gone) = (table.stream(&voice, 0, 1), some.withdrawal());
        let (announced, gone) = (messages(&announced), messages(&gone));
        let mut memo = Memo::default();
        for skipped in 0..4 {
            let expected = Expected::of(table.prefixes());
            let expected = expected.without(Expected::of(some.prefixes()));
            let own = || table.prefixes().skip(skipped * 64 + 1000).take(70);
            let expected = expected.without(Expected::of(own()));
            let mut ledger = Ledger::new(&index, expected).without_own(own());
            let mut last = Last::default();
            // Each of them misses another message, and gets it late.
            let missing = announced[skipped + 3];
            let others = announced.iter().filter(|body| **body != missing);
            for body in others.chain([&missing, &missing]) {
                memo.tell_one(&mut ledger, &mut last, body);
            }
            assert!(!ledger.is_complete());
            for body in &gone {
                memo.tell_one(&mut ledger, &mut last, body);
            }
            assert!(ledger.is_complete(), "{} of {expected:?}", ledger.count());
        }
        assert_eq!(memo.all.len(), announced.len() + gone.len());
    }
}
