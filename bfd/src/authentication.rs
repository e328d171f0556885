// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Authentication sections (RFC 5880 §4.2 to §4.4, §6.7): a password, or SHA1 with a key and a sequence number.
//!
//! MD5 is left out: whoever can choose it can choose SHA1.

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU8, time::Duration};

use bgp_proto::Instant;
use sha1_smol::Sha1;

use crate::{Packet, PacketError};

/// How packets are authenticated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// The password, for all to read: keeps mistakes out and nobody else.
    SimplePassword,
    /// SHA1 over packet and key. An old packet counts again as long as its number is not too old.
    KeyedSha1,
    /// The same, and every packet has a number of its own.
    MeticulousKeyedSha1,
}

impl Method {
    fn to_wire(self) -> u8 {
        match self {
            Self::SimplePassword => 1,
            Self::KeyedSha1 => 4,
            Self::MeticulousKeyedSha1 => 5,
        }
    }

    /// Most octets that a secret has.
    pub const fn longest(self) -> usize {
        match self {
            Self::SimplePassword => 16,
            Self::KeyedSha1 | Self::MeticulousKeyedSha1 => DIGEST,
        }
    }
}

/// A key that both ends have. `Debug` does not show its secret.
#[derive(Clone, Eq, PartialEq)]
pub struct Key {
    method: Method,
    id: u8,
    secret: Vec<u8>,
}

impl Key {
    /// `None` if the secret is empty, or longer than the method takes.
    pub fn new(method: Method, id: u8, secret: &[u8]) -> Option<Self> {
        (1..=method.longest())
            .contains(&secret.len())
            .then(|| Self {
                method,
                id,
                secret: secret.to_vec(),
            })
    }

    /// How.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The packet with its section.
    fn seal(&self, packet: &Packet, sequence: u32) -> Vec<u8> {
        let mut octets = packet.encode().to_vec();
        let section = match self.method {
            Method::SimplePassword => 3 + self.secret.len(),
            Method::KeyedSha1 | Method::MeticulousKeyedSha1 => SHA1_SECTION,
        };
        let length = |octets: usize| u8::try_from(octets).unwrap_or(u8::MAX);
        if let [_, flags, _, total, ..] = octets.as_mut_slice() {
            *flags |= Packet::AUTHENTICATED;
            *total = length(Packet::LENGTH + section);
        }
        octets.extend([self.method.to_wire(), length(section), self.id]);
        match self.method {
            Method::SimplePassword => octets.extend_from_slice(&self.secret),
            Method::KeyedSha1 | Method::MeticulousKeyedSha1 => {
                octets.push(0);
                octets.extend(sequence.to_be_bytes());
                let digest = self.digest(&octets);
                octets.extend(digest);
            }
        }
        octets
    }

    /// Over what comes before it and the key in its place, filled up with zeros.
    fn digest(&self, before: &[u8]) -> [u8; DIGEST] {
        let mut hash = Sha1::new();
        hash.update(before);
        hash.update(&self.secret);
        for _ in self.secret.len()..DIGEST {
            hash.update(&[0]);
        }
        hash.digest().bytes()
    }

    /// The sequence number of a packet that is sealed with this key, zero if the method has none.
    fn open(&self, octets: &[u8]) -> Option<u32> {
        let total = usize::from(*octets.get(3)?);
        let octets = octets.get(..total)?;
        let (head, section) = octets.split_at_checked(Packet::LENGTH)?;
        let (&[method, length, id], rest) = section.split_first_chunk()?;
        let right = method == self.method.to_wire()
            && usize::from(length) == section.len()
            && id == self.id;
        if !right {
            return None;
        }
        match self.method {
            Method::SimplePassword => is_same(rest, &self.secret).then_some(0),
            Method::KeyedSha1 | Method::MeticulousKeyedSha1 => {
                let (before, digest) = octets.split_at_checked(head.len() + 8)?;
                let sequence = rest.get(1..5)?.first_chunk().copied()?;
                is_same(digest, &self.digest(before)).then(|| u32::from_be_bytes(sequence))
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.method, self.id)
    }
}

/// Takes the same time wherever they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let pairs = one.iter().zip(other);
    one.len() == other.len() && pairs.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// A key in use by one session.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    key: Key,
    /// Of the last packet that we sent.
    sent: u32,
    /// Of the last one received, and until when that counts (`bfd.AuthSeqKnown`).
    received: Option<(u32, Instant)>,
}

impl Seal {
    pub(crate) fn new(key: Key, first: u32) -> Self {
        Self {
            key,
            sent: first,
            received: None,
        }
    }

    pub(crate) fn has(&self, key: &Key) -> bool {
        self.key == *key
    }

    pub(crate) fn apply(&mut self, packet: &Packet) -> Vec<u8> {
        self.sent = self.sent.wrapping_add(1);
        self.key.seal(packet, self.sent)
    }

    /// RFC 5880 §6.7.2 and §6.7.4: right, and not one of before.
    pub(crate) fn check(
        &mut self,
        octets: &[u8],
        multiplier: NonZeroU8,
        now: Instant,
    ) -> Result<(), PacketError> {
        let sequence = self.key.open(octets).ok_or(PacketError::Authentication)?;
        let least = match self.key.method {
            Method::SimplePassword => return Ok(()),
            Method::KeyedSha1 => 0,
            Method::MeticulousKeyedSha1 => 1,
        };
        let known = self.received.filter(|(_, until)| now < *until);
        let window = least..=3 * u32::from(multiplier.get());
        if known.is_some_and(|(last, _)| !window.contains(&sequence.wrapping_sub(last))) {
            return Err(PacketError::Authentication);
        }
        self.received = Some((sequence, now));
        Ok(())
    }

    /// How long the last number counts: twice the detection time.
    pub(crate) fn counts_for(&mut self, detection_time: Duration, now: Instant) {
        if let Some((_, until)) = &mut self.received {
            *until = now + detection_time * 2;
        }
    }
}

const DIGEST: usize = 20;

/// Type, length, key, a reserved octet, sequence number, digest.
const SHA1_SECTION: usize = 8 + DIGEST;
