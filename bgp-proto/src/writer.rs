// SPDX-License-Identifier: Apache-2.0 OR MIT
//! UPDATE written: attributes once, then as many prefixes as the message holds.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::{
    Afi, Family, MessageKind, Negotiated, NextHop, PathAttributes, Prefix,
    attribute::{self, Context, EXTENDED_LENGTH, MP_UNREACH, OPTIONAL, encode_reach_head},
    frame, nlri,
};

/// The attributes leave no room for a single prefix in a message of this session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the attributes do not fit into one message")]
pub struct TooLarge;

/// Octets of a prefix at most: path identifier, length, address.
const LONGEST_PREFIX: usize = 4 + 1 + 16;

/// Writes UPDATEs for sessions that have agreed on the same things.
#[derive(Clone, Debug)]
pub struct UpdateWriter {
    four_octet_as: bool,
    aigp: bool,
    max_message: usize,
    add_path: Vec<Family>,
}

impl UpdateWriter {
    /// For a session.
    pub fn new(session: &Negotiated) -> Self {
        let add_path = session
            .families
            .iter()
            .filter(|entry| entry.add_path_send)
            .map(|entry| entry.family)
            .collect();
        Self {
            four_octet_as: session.four_octet_as,
            aigp: session.aigp,
            max_message: session.max_message,
            add_path,
        }
    }

    /// Announces prefixes of one family with the same attributes, in as many messages as it takes. IPv4 prefixes with an
    /// IPv4 next hop take the classic form, all others `MP_REACH_NLRI`. Nothing is written for no prefix,
    /// nor for one of another family.
    ///
    /// # Errors
    /// The attributes are too long for a message of this session; nothing was written.
    pub fn announce(
        &self,
        attributes: &PathAttributes,
        family: Family,
        prefixes: impl IntoIterator<Item = (u32, Prefix)>,
        out: impl FnMut(Bytes),
    ) -> Result<(), TooLarge> {
        let mut messages = Messages::default();
        self.announce_into(attributes, family, prefixes, &mut messages)?;
        messages.each(out);
        Ok(())
    }

    /// The same, behind messages that are there already.
    ///
    /// # Errors
    /// The attributes are too long for a message of this session; nothing was written.
    pub fn announce_into(
        &self,
        attributes: &PathAttributes,
        family: Family,
        prefixes: impl IntoIterator<Item = (u32, Prefix)>,
        messages: &mut Messages,
    ) -> Result<(), TooLarge> {
        let classic = family.afi == Afi::IPV4 && matches!(attributes.next_hop, NextHop::V4(_));
        let context = Context {
            four_octet_as: self.four_octet_as,
            aigp: self.aigp,
            classic,
        };
        let mut encoded = core::mem::take(&mut messages.attributes);
        encoded.clear();
        attribute::encode_all(attributes, context, &mut encoded);
        // Header, two lengths, the head of MP_REACH_NLRI with two addresses.
        let fixed =
            frame::HEADER + 4 + encoded.len() + if classic { 0 } else { 4 + 3 + 1 + 32 + 1 };
        let room = self.max_message.checked_sub(fixed);
        let room = room.filter(|room| *room >= LONGEST_PREFIX);
        // What a peer could not read would cost the session: an IPv4 next hop of IPv6 routes is written as mapped.
        let hop = match attributes.next_hop {
            NextHop::V4(address) if family.afi != Afi::IPV4 => {
                NextHop::V6(address.to_ipv6_mapped())
            }
            hop => hop,
        };
        if let Some(room) = room {
            self.pack(family, room, prefixes, messages, |list, out| {
                if classic {
                    classic_message(&encoded, list, out);
                } else {
                    reach_message(family, hop, &encoded, list, out);
                }
            });
        }
        messages.attributes = encoded;
        room.map(drop).ok_or(TooLarge)
    }

    /// Withdraws prefixes of one family, in as many messages as it takes.
    pub fn withdraw(
        &self,
        family: Family,
        prefixes: impl IntoIterator<Item = (u32, Prefix)>,
        out: impl FnMut(Bytes),
    ) {
        let mut messages = Messages::default();
        self.withdraw_into(family, prefixes, &mut messages);
        messages.each(out);
    }

    /// The same, behind messages that are there already.
    pub fn withdraw_into(
        &self,
        family: Family,
        prefixes: impl IntoIterator<Item = (u32, Prefix)>,
        messages: &mut Messages,
    ) {
        let classic = family == Family::IPV4_UNICAST;
        let fixed = frame::HEADER + 4 + if classic { 0 } else { 4 + 3 };
        let room = self.max_message.saturating_sub(fixed);
        self.pack(family, room, prefixes, messages, |list, out| {
            if classic {
                withdrawn_message(list, out);
            } else {
                unreach_message(family, list, out);
            }
        });
    }

    /// The End-of-RIB marker (RFC 4724 §2).
    pub fn end_of_rib(&self, family: Family) -> Bytes {
        let mut out = Vec::new();
        if family == Family::IPV4_UNICAST {
            withdrawn_message(&[], &mut out);
        } else {
            unreach_message(family, &[], &mut out);
        }
        out.into()
    }

    fn pack(
        &self,
        family: Family,
        room: usize,
        prefixes: impl IntoIterator<Item = (u32, Prefix)>,
        messages: &mut Messages,
        write: impl Fn(&[u8], &mut Vec<u8>),
    ) {
        let add_path = self.add_path.contains(&family);
        let Messages {
            octets,
            count,
            list,
            ..
        } = messages;
        list.clear();
        let of_family = |(_, prefix): &(u32, Prefix)| prefix.family() == family;
        for (id, prefix) in prefixes.into_iter().filter(of_family) {
            let before = list.len();
            nlri::encode(list, add_path, id, prefix);
            if list.len() > room {
                write(list.get(..before).unwrap_or_default(), octets);
                *count += 1;
                list.drain(..before);
            }
        }
        if !list.is_empty() {
            write(list, octets);
            *count += 1;
        }
    }
}

/// Whole messages, one behind the other.
#[derive(Debug, Default)]
pub struct Messages {
    octets: Vec<u8>,
    count: u32,
    /// Room to write in.
    attributes: Vec<u8>,
    list: Vec<u8>,
}

impl Messages {
    /// All their octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Forgets them, keeps the memory.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.count = 0;
    }

    fn each(&self, out: impl FnMut(Bytes)) {
        let mut rest = self.octets.as_slice();
        let message = || {
            let [high, low] = *rest.get(frame::LENGTH)?.first_chunk()?;
            let length = u16::from_be_bytes([high, low]).into();
            let (message, behind) = rest.split_at_checked(length)?;
            rest = behind;
            Some(Bytes::copy_from_slice(message))
        };
        core::iter::from_fn(message).for_each(out);
    }
}

/// Appends a message with this body.
fn message(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    frame::begin(out, MessageKind::Update);
    body(out);
    frame::finish(out.get_mut(start..).unwrap_or_default());
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
}

fn put_length(out: &mut [u8], place: usize, length: usize) {
    if let Some(octets) = out.get_mut(place..place + 2) {
        octets.copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    }
}

fn classic_message(attributes: &[u8], list: &[u8], out: &mut Vec<u8>) {
    message(out, |out| {
        push_length(out, 0);
        push_length(out, attributes.len());
        out.extend_from_slice(attributes);
        out.extend_from_slice(list);
    });
}

/// `MP_REACH_NLRI` stands in front (RFC 7606 §5.1).
fn reach_message(
    family: Family,
    next_hop: NextHop,
    attributes: &[u8],
    list: &[u8],
    out: &mut Vec<u8>,
) {
    message(out, |out| {
        push_length(out, 0);
        let total = out.len();
        push_length(out, 0);
        let place = encode_reach_head(out, family, next_hop);
        out.extend_from_slice(list);
        let length = out.len() - place - 2;
        put_length(out, place, length);
        out.extend_from_slice(attributes);
        let length = out.len() - total - 2;
        put_length(out, total, length);
    });
}

fn withdrawn_message(list: &[u8], out: &mut Vec<u8>) {
    message(out, |out| {
        push_length(out, list.len());
        out.extend_from_slice(list);
        push_length(out, 0);
    });
}

fn unreach_message(family: Family, list: &[u8], out: &mut Vec<u8>) {
    message(out, |out| {
        push_length(out, 0);
        push_length(out, list.len() + 7);
        out.extend_from_slice(&[OPTIONAL | EXTENDED_LENGTH, MP_UNREACH]);
        push_length(out, list.len() + 3);
        out.extend_from_slice(&family.afi.0.to_be_bytes());
        out.push(family.safi.0);
        out.extend_from_slice(list);
    });
}
