// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bfd` of neighbours, groups and the mesh.

use bfd::Method;

use super::{
    super::neighbor::{Bfd, BfdAuthentication},
    Maybe, Notes, Passwords,
};

/// Milliseconds. Who writes microseconds, as other models do, is told.
const INTERVAL: std::ops::RangeInclusive<i64> = 10..=60_000;

/// A password, and the file that has it.
pub(super) type Password<'t> = (Maybe<'t>, Maybe<'t>);

/// Reads it; `get` finds the value of a key below `bfd`.
pub(super) fn bfd<'t>(
    notes: &mut Notes<'t>,
    get: impl Fn(&str) -> Maybe<'t>,
    password: Password<'t>,
    passwords: Passwords<'_>,
) -> Bfd {
    let usual = Bfd::default();
    let mut interval = |key| notes.number(get(key), INTERVAL);
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
        authentication: authentication(notes, get, password, passwords),
    }
}

fn authentication<'t>(
    notes: &mut Notes<'t>,
    get: impl Fn(&str) -> Maybe<'t>,
    (given, file): Password<'t>,
    passwords: Passwords<'_>,
) -> Option<BfdAuthentication> {
    let methods = [
        ("simple", Method::SimplePassword),
        ("keyed-sha1", Method::KeyedSha1),
        ("meticulous-keyed-sha1", Method::MeticulousKeyedSha1),
    ];
    let kind = get("auth-type");
    let method = notes.choice(kind, &methods);
    let id = notes.number(get("auth-key-id"), 0..=255).unwrap_or(1);
    let Some(value) = given.or(file) else {
        if let Some(kind) = kind {
            notes.error(kind.span(), "`auth-password` is missing");
        }
        return None;
    };
    let secret = notes.secret(given, file, passwords)?;
    let method = method.unwrap_or(Method::MeticulousKeyedSha1);
    let (octets, most) = (secret.as_bytes().len(), method.longest());
    if octets > most {
        let message = format!("the password has {octets} octets; this method takes at most {most}");
        notes.error(value.span(), message);
        return None;
    }
    Some(BfdAuthentication { method, id, secret })
}
