// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several paths of a prefix (RFC 7911): what a neighbour may send, and what it is sent.

use std::num::NonZeroU8;

use rib::PathsSent;

use super::{Maybe, Notes};

/// Which paths are sent, before it is known how many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Which {
    All,
    Best,
    Ecmp,
}

/// The keys of a neighbour or of one of its families.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddPaths<'t> {
    receive: Option<bool>,
    send: Option<Which>,
    max: Option<u8>,
    at: Maybe<'t>,
}

impl<'t> AddPaths<'t> {
    pub(super) fn read(notes: &mut Notes<'t>, get: impl Fn(&str) -> Maybe<'t>) -> Self {
        let words = [
            ("all", Which::All),
            ("best", Which::Best),
            ("ecmp", Which::Ecmp),
        ];
        let (send, max) = (get("add-paths.send"), get("add-paths.send-max"));
        Self {
            receive: notes.boolean(get("add-paths.receive")),
            send: notes.choice(send, &words),
            max: notes.number(max, 0..=255),
            at: max.or(send),
        }
    }

    /// What a family says, and the neighbour where the family says nothing.
    pub(super) fn or(self, general: Self) -> Self {
        Self {
            receive: self.receive.or(general.receive),
            send: self.send.or(general.send),
            max: self.max.or(general.max),
            at: self.at.or(general.at),
        }
    }

    pub(super) fn receive(self) -> bool {
        self.receive.unwrap_or(false)
    }

    /// Which paths are sent, if several may be. `send-max` alone is for the best, and 0 is as if it were not there.
    pub(super) fn send(self, notes: &mut Notes<'t>) -> Option<PathsSent> {
        let limit = self.max.and_then(NonZeroU8::new);
        match (self.send, limit) {
            (None, None) => None,
            (None | Some(Which::Best), Some(limit)) => Some(PathsSent::Best(limit)),
            (Some(Which::All), None) => Some(PathsSent::All),
            (Some(Which::Ecmp), limit) => Some(PathsSent::Ecmp(limit.unwrap_or(NonZeroU8::MAX))),
            (Some(Which::Best), None) => {
                let message = "`add-paths.send = \"best\"` needs `add-paths.send-max`";
                let help = "how many: `send-max = 4`; or `send = \"all\"`";
                notes.error_with(self.at?.span(), message, help);
                None
            }
            (Some(Which::All), Some(_)) => {
                let message = "`add-paths.send = \"all\"` has no `add-paths.send-max`";
                let help = "so many of the best are `send = \"best\"`";
                notes.error_with(self.at?.span(), message, help);
                None
            }
        }
    }
}
