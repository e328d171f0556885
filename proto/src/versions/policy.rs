// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies, their sets and assignments.

use super::{newer, older};
use crate::{v3, v4};

message! {
    DefinedSet {
        keep: [name, list, prefixes];
        shift: [defined_type];
    }
    MatchSet {
        keep: [name];
        shift: [r#type];
    }
    AsPathLength {
        keep: [length];
        shift: [r#type];
    }
    CommunityCount {
        keep: [count];
        shift: [r#type];
    }
    CommunityAction {
        keep: [communities];
        shift: [r#type];
    }
    MedAction {
        keep: [value];
        shift: [r#type];
    }
    Actions {
        keep: [route_action, as_prepend, nexthop, local_pref, origin_action];
        convert: [community, med, ext_community, large_community];
    }
    Statement {
        keep: [name];
        convert: [conditions, actions];
    }
    Policy {
        keep: [name];
        each: [statements];
    }
    PolicyAssignment {
        keep: [name, direction, default_action];
        each: [policies];
    }
}

impl From<v3::Conditions> for v4::Conditions {
    fn from(old: v3::Conditions) -> Self {
        Self {
            prefix_set: old.prefix_set.map(Into::into),
            neighbor_set: old.neighbor_set.map(Into::into),
            as_path_length: old.as_path_length.map(Into::into),
            as_path_set: old.as_path_set.map(Into::into),
            community_set: old.community_set.map(Into::into),
            ext_community_set: old.ext_community_set.map(Into::into),
            // Older clients leave out what they do not ask for, and so send "none", as which GoBGP takes it too.
            rpki_result: if old.rpki_result < 1 {
                NO_CONDITION
            } else {
                newer(old.rpki_result)
            },
            route_type: old.route_type,
            large_community_set: old.large_community_set.map(Into::into),
            next_hop_in_list: old.next_hop_in_list,
            afi_safi_in: old.afi_safi_in,
            community_count: old.community_count.map(Into::into),
            origin: old.origin,
            local_pref_eq: None,
            med_eq: None,
        }
    }
}

impl From<v4::Conditions> for v3::Conditions {
    fn from(new: v4::Conditions) -> Self {
        Self {
            prefix_set: new.prefix_set.map(Into::into),
            neighbor_set: new.neighbor_set.map(Into::into),
            as_path_length: new.as_path_length.map(Into::into),
            as_path_set: new.as_path_set.map(Into::into),
            community_set: new.community_set.map(Into::into),
            ext_community_set: new.ext_community_set.map(Into::into),
            rpki_result: if new.rpki_result < 1 {
                NO_CONDITION
            } else {
                older(new.rpki_result)
            },
            route_type: new.route_type,
            large_community_set: new.large_community_set.map(Into::into),
            next_hop_in_list: new.next_hop_in_list.into_iter().map(as_prefix).collect(),
            afi_safi_in: new.afi_safi_in,
            community_count: new.community_count.map(Into::into),
            origin: new.origin,
        }
    }
}

/// Version 3 lists an address as a prefix.
fn as_prefix(hop: String) -> String {
    match (hop.contains('/'), hop.contains(':')) {
        (true, _) => hop,
        (false, false) => hop + "/32",
        (false, true) => hop + "/128",
    }
}

/// `rpki_result` of a statement that does not ask for it, in both versions.
const NO_CONDITION: i32 = -1;
