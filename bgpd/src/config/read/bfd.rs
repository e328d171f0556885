// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bfd` of neighbours, groups and the mesh.

use super::{super::neighbor::Bfd, Maybe, Notes};

/// Milliseconds. Who writes microseconds, as other models do, is told.
const INTERVAL: std::ops::RangeInclusive<i64> = 10..=60_000;

/// Reads it; `get` finds the value of a key below `bfd`.
pub(super) fn bfd<'t>(notes: &mut Notes<'t>, get: impl Fn(&str) -> Maybe<'t>) -> Bfd {
    let usual = Bfd::default();
    let mut interval = |key| {
        let value = get(key);
        let read: Option<u32> = notes.number(value, INTERVAL);
        read
    };
    let min_transmit = interval("desired-minimum-tx-interval").unwrap_or(usual.min_transmit);
    let min_receive = interval("required-minimum-receive").unwrap_or(usual.min_receive);
    Bfd {
        enabled: notes.boolean(get("enabled")).unwrap_or(usual.enabled),
        strict: notes.boolean(get("strict")).unwrap_or(usual.strict),
        strict_hold_time: notes
            .number(get("strict-hold-time"), 1..=65535)
            .unwrap_or(usual.strict_hold_time),
        min_transmit,
        min_receive,
        multiplier: notes
            .number(get("detection-multiplier"), 1..=255)
            .unwrap_or(usual.multiplier),
        multihop: notes.boolean(get("multihop")),
        passive: notes.boolean(get("passive")).unwrap_or(usual.passive),
    }
}
