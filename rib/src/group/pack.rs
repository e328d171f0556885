// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages in the making: prefixes by what their messages share.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use bgp_proto::{Family, Messages, PathAttributes, UpdateWriter};
use bytes::Bytes;

use super::adj_out::{Nlri, Told};
use crate::{Output, PeerId, Recipients, Transmit};

/// Who gets a message.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum To {
    All,
    AllBut(PeerId),
    Only(PeerId),
}

impl To {
    /// All but the neighbour it comes from, if that is one.
    pub(super) fn but(from: Option<PeerId>) -> Self {
        from.map_or(Self::All, Self::AllBut)
    }

    fn resolve(self, members: &Arc<[PeerId]>) -> Recipients {
        match self {
            Self::All => Recipients::new(Arc::clone(members), None),
            Self::AllBut(peer) => Recipients::new(Arc::clone(members), Some(peer)),
            Self::Only(peer) if members.binary_search(&peer).is_ok() => {
                Recipients::new(Arc::from([peer]), None)
            }
            Self::Only(_) => Recipients::default(),
        }
    }
}

/// A route to be announced.
#[derive(Debug)]
struct Announcement {
    told: Told,
    to: To,
    nlri: Nlri,
}

impl Announcement {
    /// What routes in one message have in common: the attributes, by number, what they become, and the recipients.
    fn shared(&self) -> impl Ord + use<> {
        let Told {
            attributes,
            source,
            form,
        } = &self.told;
        let number = attributes.hot().number;
        (number, self.nlri.0.family(), *source, *form, self.to)
    }
}

/// Announcements and withdrawals that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Pack {
    announce: Vec<Announcement>,
    withdraw: BTreeMap<(Family, To), Vec<Nlri>>,
}

impl Pack {
    pub(super) fn announce(&mut self, nlri: Nlri, told: &Told, to: To) {
        let told = told.clone();
        self.announce.push(Announcement { told, to, nlri });
    }

    pub(super) fn withdraw(&mut self, nlri: Nlri, to: To) {
        let key = (nlri.0.family(), to);
        self.withdraw.entry(key).or_default().push(nlri);
    }

    /// Writes the messages, withdrawals first, to those members that are to hear of a family, with the attributes that
    /// `made` makes of what they are told.
    pub(super) fn write(
        mut self,
        writer: &UpdateWriter,
        made: impl Fn(&Told, Family) -> Option<PathAttributes>,
        mut members: impl FnMut(Family) -> Arc<[PeerId]>,
        out: &mut Output,
    ) {
        let mut stream = Stream::new(writer);
        for ((family, to), list) in self.withdraw {
            stream.withdraw(family, &list, to.resolve(&members(family)), out);
        }
        // Mostly it is in order: sets have the numbers in which they came.
        self.announce.sort_by_key(Announcement::shared);
        for list in self.announce.chunk_by(|a, b| a.shared() == b.shared()) {
            let Some(first) = list.first() else { continue };
            let family = first.nlri.0.family();
            let recipients = first.to.resolve(&members(family));
            if recipients.is_empty() {
                continue;
            }
            let Some(attributes) = made(&first.told, family) else {
                continue;
            };
            stream.to(recipients, out);
            let nlri = list.iter().map(|route| written(&route.nlri));
            let sent = writer.announce_into(&attributes, family, nlri, &mut stream.messages);
            if sent.is_err() {
                // Others keep it; these had something older, or nothing.
                out.too_large += list.len() as u64;
                let list: Vec<Nlri> = list.iter().map(|route| route.nlri).collect();
                stream.withdraw(family, &list, first.to.resolve(&members(family)), out);
            }
        }
        stream.flush(out);
    }
}

/// Messages for the same neighbours, up to so many octets, are handed over in one piece.
const PIECE: usize = 16 << 10;

/// Messages that are written one behind the other.
struct Stream<'a> {
    writer: &'a UpdateWriter,
    recipients: Recipients,
    messages: Messages,
}

impl<'a> Stream<'a> {
    fn new(writer: &'a UpdateWriter) -> Self {
        Self {
            writer,
            recipients: Recipients::default(),
            messages: Messages::default(),
        }
    }

    /// Who gets the next message.
    fn to(&mut self, recipients: Recipients, out: &mut Output) {
        let is_full = self.messages.octets().len() >= PIECE;
        if is_full || !self.recipients.are(&recipients) {
            self.flush(out);
            self.recipients = recipients;
        }
    }

    fn flush(&mut self, out: &mut Output) {
        if self.messages.count() > 0 {
            out.transmit.push(Transmit {
                recipients: self.recipients.clone(),
                messages: Bytes::copy_from_slice(self.messages.octets()),
                count: self.messages.count(),
            });
            self.messages.clear();
        }
    }

    fn withdraw(&mut self, family: Family, list: &[Nlri], to: Recipients, out: &mut Output) {
        if !to.is_empty() {
            self.to(to, out);
            let nlri = list.iter().map(written);
            self.writer.withdraw_into(family, nlri, &mut self.messages);
        }
    }
}

/// In the order of the wire: the identifier comes first.
fn written((prefix, id): &Nlri) -> (u32, bgp_proto::Prefix) {
    (*id, *prefix)
}
