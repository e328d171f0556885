// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages in the making: prefixes by what their messages share.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use bgp_proto::{Family, UpdateWriter};

use super::adj_out::Nlri;
use crate::{Attributes, Output, PeerId, Recipients, Transmit};

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

/// Prefixes by what their messages share: the attributes, by number, and the recipients.
type Announcements = BTreeMap<(u64, Family, To), (Option<Attributes>, Vec<Nlri>)>;

/// Announcements and withdrawals that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Pack {
    announce: Announcements,
    withdraw: BTreeMap<(Family, To), Vec<Nlri>>,
}

impl Pack {
    pub(super) fn announce(&mut self, nlri: Nlri, attributes: &Attributes, to: To) {
        let (set, list) = self
            .announce
            .entry((attributes.hot().number, nlri.0.family(), to))
            .or_default();
        set.get_or_insert_with(|| attributes.clone());
        list.push(nlri);
    }

    pub(super) fn withdraw(&mut self, nlri: Nlri, to: To) {
        let key = (nlri.0.family(), to);
        self.withdraw.entry(key).or_default().push(nlri);
    }

    /// Writes the messages, withdrawals first, to those members that are to hear of a family.
    pub(super) fn write(
        self,
        writer: &UpdateWriter,
        mut members: impl FnMut(Family) -> Arc<[PeerId]>,
        out: &mut Output,
    ) {
        for ((family, to), list) in self.withdraw {
            withdraw(writer, family, &list, &to.resolve(&members(family)), out);
        }
        for ((_, family, to), (attributes, list)) in self.announce {
            let recipients = to.resolve(&members(family));
            let Some(attributes) = attributes.filter(|_| !recipients.is_empty()) else {
                continue;
            };
            let sent = writer.announce(&attributes.unpack(), family, written(&list), |message| {
                out.transmit.push(Transmit {
                    recipients: recipients.clone(),
                    message,
                });
            });
            if sent.is_err() {
                // Others keep it; these had something older, or nothing.
                out.too_large += list.len() as u64;
                withdraw(writer, family, &list, &recipients, out);
            }
        }
    }
}

fn withdraw(
    writer: &UpdateWriter,
    family: Family,
    list: &[Nlri],
    to: &Recipients,
    out: &mut Output,
) {
    if to.is_empty() {
        return;
    }
    writer.withdraw(family, written(list), |message| {
        out.transmit.push(Transmit {
            recipients: to.clone(),
            message,
        });
    });
}

/// In the order of the wire: the identifier comes first.
fn written(list: &[Nlri]) -> impl Iterator<Item = (u32, bgp_proto::Prefix)> + '_ {
    list.iter().map(|(prefix, id)| (*id, *prefix))
}
