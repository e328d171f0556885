// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a neighbour is not told of a prefix, for those who ask.

use alloc::vec::Vec;
use core::fmt;

use bgp_proto::{Community, Prefix};

use super::Rib;
use crate::{
    PeerId, Source,
    group::Group,
    path::{Entry, Path},
};

/// Why a neighbour is not told of a prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Silence {
    /// The session has not agreed on the family.
    Family,
    /// No path of the prefix can be used.
    NoPath,
    /// The best path comes from it.
    ItsOwn,
    /// A well-known community keeps the path inside (RFC 1997).
    Community(Community),
    /// Kept after its neighbour was lost for long, and this one does not know what that means (RFC 9494 §4.3).
    LongLivedStale,
    /// It was for customers only (RFC 9234 §5).
    OnlyToCustomer,
    /// Learned inside our AS, and neither side is a client (RFC 4456 §6).
    NotReflected,
    /// What comes from interfaces or other programs is not announced.
    NotRedistributed,
    /// Export policy rejects it.
    Policy,
    /// There is no next hop that it could be told.
    NextHop,
    /// It is being told, or does not read.
    NotYet,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Family => "the session is not for this family",
            Self::NoPath => "no path can be used",
            Self::ItsOwn => "the best path comes from it",
            Self::Community(community) => return write!(f, "the path has {community}"),
            Self::LongLivedStale => {
                "the path has LLGR_STALE, which it does not understand (RFC 9494)"
            }
            Self::OnlyToCustomer => "the path is for customers only (OTC)",
            Self::NotReflected => "learned inside our AS, and neither side is a client",
            Self::NotRedistributed => {
                "interfaces and other programs' routes are not announced to it"
            }
            Self::Policy => "rejected by export policy",
            Self::NextHop => "there is no next hop that it could be told",
            Self::NotYet => "not yet: it is being told, or does not read",
        })
    }
}

impl Rib {
    /// Neighbours with a session that have not been told, and why.
    pub(super) fn silences(&self, prefix: Prefix, entry: &Entry) -> Vec<(PeerId, Silence)> {
        let told = self.prefixes_told(prefix);
        let mut found: Vec<(PeerId, Silence)> = self
            .groups
            .iter()
            .flat_map(|group| group.peers().map(move |id| (id, group)))
            .filter(|(id, _)| !told.contains(id))
            .map(|(id, group)| (id, self.silence(prefix, entry, id, group)))
            .collect();
        found.sort_by_key(|(id, _)| *id);
        found
    }

    fn silence(&self, prefix: Prefix, entry: &Entry, id: PeerId, group: &Group) -> Silence {
        let key = &group.key;
        if !key.has_family(prefix.family()) {
            return Silence::Family;
        }
        let Some(best) = entry.best() else {
            return Silence::NoPath;
        };
        if best.source() == Source::Bgp(id) {
            return Silence::ItsOwn;
        }
        let around = self.around();
        let sender = around.sender(best.source());
        let Ok(reflection) = around.telling(key, best, sender) else {
            return kept(best, group);
        };
        if key.export.has_statements() {
            let facts = around.export_facts(prefix, best, sender, key);
            let sent = key.under_policy(best, &facts, reflection, &mut ());
            return if sent.is_none() {
                Silence::Policy
            } else {
                Silence::NotYet
            };
        }
        let hop = key.next_hop(&best.attributes, best.source(), prefix.family());
        if hop.is_none() {
            Silence::NextHop
        } else {
            Silence::NotYet
        }
    }
}

/// Why a path does not pass before anybody looks at its attributes.
fn kept(path: &Path, group: &Group) -> Silence {
    let key = &group.key;
    let communities = path.attributes.unpack().communities;
    let keeping = [
        Community::NO_ADVERTISE,
        Community::NO_EXPORT,
        Community::NO_EXPORT_SUBCONFED,
    ];
    if !key.passes_communities(path)
        && let Some(community) = keeping
            .into_iter()
            .find(|known| communities.contains(known))
    {
        return Silence::Community(community);
    }
    if key.keeps_marked(path) {
        return Silence::OnlyToCustomer;
    }
    if key.is_stale_to(path) {
        return Silence::LongLivedStale;
    }
    if !key.export.exports(path.source()) {
        let is_learned = matches!(path.source(), Source::Direct | Source::Kernel);
        return if is_learned && key.export != crate::Policy::reject_all() {
            Silence::NotRedistributed
        } else {
            Silence::Policy
        };
    }
    Silence::NotReflected
}
