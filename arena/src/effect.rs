// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an UPDATE does to whoever receives it. Of its attributes only the second AS of the path is looked at, that is, the
//! neighbour that it came from.

use std::net::IpAddr;

use bgp_proto::Prefix;

use crate::ledger::{ANYBODY, Index};

/// What becomes of 64 prefixes in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Which: the number of the first is 64 times this.
    pub place: u32,
    /// Those that are there now.
    pub set: u64,
    /// Those that are not, or not by the right path.
    pub clear: u64,
    /// The sum of the hashes of those that are set.
    pub sum: u64,
}

/// What an UPDATE does beside its words.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effect {
    pub announced: u32,
    pub withdrawn: u32,
    pub strange: u32,
    pub is_broken: bool,
}

/// Reads UPDATEs, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// What the last one does to which prefixes.
    pub words: Vec<Word>,
    effect: Effect,
    guess: u32,
}

impl Reader {
    /// Takes the body of an UPDATE. Its words are there until the next one.
    pub(crate) fn read(&mut self, index: &Index, body: &[u8]) -> Effect {
        self.words.clear();
        self.effect = Effect::default();
        self.effect.is_broken = self.update(index, body).is_none();
        self.effect
    }

    fn update(&mut self, index: &Index, body: &[u8]) -> Option<()> {
        let (withdrawn, rest) = counted(body)?;
        let (mut attributes, announced) = counted(rest)?;
        self.withdraw(index, withdrawn, 4)?;
        let mut from = ANYBODY;
        while !attributes.is_empty() {
            let [flags, code, ..] = *attributes else {
                return None;
            };
            let (value, rest) = if flags & 0x10 != 0 {
                counted(attributes.get(2..)?)?
            } else {
                let length = usize::from(*attributes.get(2)?);
                attributes.get(3..)?.split_at_checked(length)?
            };
            attributes = rest;
            match code {
                2 => {
                    // The head of a segment, our own neighbour, and the one behind.
                    from = value
                        .get(6..10)
                        .and_then(|octets| octets.try_into().ok())
                        .map_or(ANYBODY, u32::from_be_bytes);
                }
                14 => {
                    let hop = usize::from(*value.get(3)?);
                    let list = value.get(5 + hop..)?;
                    // AS_PATH stands behind MP_REACH_NLRI in what some daemons write.
                    let from = if from == ANYBODY {
                        path(attributes)
                    } else {
                        from
                    };
                    self.announce(index, list, octets(value)?, from)?;
                }
                15 => self.withdraw(index, value.get(3..)?, octets(value)?)?,
                _ => {}
            }
        }
        self.announce(index, announced, 4, from)
    }

    fn announce(&mut self, index: &Index, mut list: &[u8], octets: usize, from: u32) -> Option<()> {
        while !list.is_empty() {
            let key;
            (key, list) = next(list, octets)?;
            self.effect.announced += 1;
            let Some(number) = index.number(key, self.guess) else {
                self.effect.strange += 1;
                continue;
            };
            self.guess = number + 1;
            let best = index.from(number);
            self.put(index, number, best == ANYBODY || best == from);
        }
        Some(())
    }

    fn withdraw(&mut self, index: &Index, mut list: &[u8], octets: usize) -> Option<()> {
        while !list.is_empty() {
            let key;
            (key, list) = next(list, octets)?;
            self.effect.withdrawn += 1;
            if let Some(number) = index.number(key, self.guess) {
                self.guess = number + 1;
                self.put(index, number, false);
            }
        }
        Some(())
    }

    /// A prefix is there from now on, or is not. Words are applied in order, so that only the last one can be added to.
    fn put(&mut self, index: &Index, number: u32, is_there: bool) {
        let (place, bit) = (number / 64, 1 << (number % 64));
        if self.words.last().is_none_or(|last| last.place != place) {
            let (set, clear, sum) = (0, 0, 0);
            self.words.push(Word {
                place,
                set,
                clear,
                sum,
            });
        }
        let last = self.words.len() - 1;
        let word = &mut self.words[last];
        // Told twice by one message, it still counts once.
        let was_there = word.set & bit != 0;
        if is_there {
            word.set |= bit;
            word.clear &= !bit;
        } else {
            word.set &= !bit;
            word.clear |= bit;
        }
        match (was_there, is_there) {
            (false, true) => word.sum = word.sum.wrapping_add(index.hash(number)),
            (true, false) => word.sum = word.sum.wrapping_sub(index.hash(number)),
            _ => {}
        }
    }
}

/// The second AS of the path among these attributes.
fn path(mut attributes: &[u8]) -> u32 {
    while let [flags, code, length, ..] = *attributes {
        let head = if flags & 0x10 != 0 { 4 } else { 3 };
        let length = match attributes.get(2..4) {
            Some(&[high, low]) if head == 4 => usize::from(u16::from_be_bytes([high, low])),
            _ => usize::from(length),
        };
        let value = attributes.get(head..).unwrap_or_default();
        if code == 2 {
            let octets = value.get(6..10).and_then(|octets| octets.try_into().ok());
            return octets.map_or(ANYBODY, u32::from_be_bytes);
        }
        attributes = value.get(length..).unwrap_or_default();
    }
    ANYBODY
}

/// Octets of an address of the family at the beginning of a value.
fn octets(value: &[u8]) -> Option<usize> {
    match value.get(..2)? {
        [0, 1] => Some(4),
        [0, 2] => Some(16),
        _ => None,
    }
}

/// What has its length in front, and what is behind.
fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// The next prefix of a list, as a key.
fn next(list: &[u8], octets: usize) -> Option<(u64, &[u8])> {
    let (length, rest) = list.split_first()?;
    let bytes = usize::from(length.div_ceil(8));
    if bytes > octets {
        return None;
    }
    let (address, rest) = rest.split_at_checked(bytes)?;
    let mut word = [0; 8];
    // Of an IPv6 address, what is behind 56 bits is not used here.
    let kept = bytes.min(7);
    word[..kept].copy_from_slice(&address[..kept]);
    let high = u64::from_be_bytes(word);
    let key = if octets == 4 {
        (high >> 32 << 8) | u64::from(*length)
    } else {
        high | u64::from(*length)
    };
    Some((key, rest))
}

/// A prefix as a number.
pub(crate) fn key(prefix: Prefix) -> u64 {
    let length = u64::from(prefix.length());
    match prefix.addr() {
        IpAddr::V4(address) => (u64::from(u32::from(address)) << 8) | length,
        IpAddr::V6(address) => ((u128::from(address) >> 64) as u64 & !0xff) | length,
    }
}
