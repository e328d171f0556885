// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is agreed with a neighbour about AS paths.

use bgp_proto::Asn;
use rib::{PrivateAs, Terms};

use super::{super::neighbor::Neighbor, Notes, Scope};

pub(super) fn read<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    own: Asn,
    peer: &Neighbor,
) -> Terms {
    let (no_prepend, replace) = local_as(notes, scope, own, peer);
    let mut flag = |key| notes.boolean(scope.get(key));
    Terms {
        also_own: (!replace).then_some(own),
        prepend_received: !no_prepend,
        replace_peer_as: flag("as-path-options.replace-peer-as").unwrap_or(false),
        enforce_first_as: flag("as-path-options.enforce-first-as").unwrap_or(true),
        private_as: private_as(notes, scope),
    }
}

/// `no-prepend` and `replace-as`: only with a `local-as` that is not ours.
fn local_as<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    own: Asn,
    peer: &Neighbor,
) -> (bool, bool) {
    let mut form = |key: &str| {
        let value = notes.boolean(scope.get(key)).unwrap_or(true);
        if !value && peer.local_as == own {
            let message = "has no effect without a `local-as` that is not `global.as`";
            notes.warning(scope.span(key), message);
        }
        value || peer.local_as == own
    };
    (
        form("local-as-options.no-prepend"),
        form("local-as-options.replace-as"),
    )
}

fn private_as<'t>(notes: &mut Notes<'t>, scope: &Scope<'_, 't>) -> Option<PrivateAs> {
    let words = [
        ("", None),
        ("none", None),
        ("all", Some(PrivateAs::Remove)),
        ("replace", Some(PrivateAs::Replace)),
    ];
    notes
        .choice(scope.get("remove-private-as"), &words)
        .flatten()
}
