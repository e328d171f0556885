// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of sets and policies.

use super::{
    Entries,
    State::{Accepted, Foreign, Implemented, List},
};

pub(super) const POLICIES: Entries = &[
    ("defined-sets.prefix-sets", List),
    ("defined-sets.prefix-sets.prefix-set-name", Implemented),
    ("defined-sets.prefix-sets.prefix-list", List),
    (
        "defined-sets.prefix-sets.prefix-list.ip-prefix",
        Implemented,
    ),
    (
        "defined-sets.prefix-sets.prefix-list.masklength-range",
        Implemented,
    ),
    ("defined-sets.neighbor-sets", List),
    ("defined-sets.neighbor-sets.neighbor-set-name", Implemented),
    ("defined-sets.neighbor-sets.neighbor-info-list", Implemented),
    (
        "defined-sets.tag-sets.*",
        Accepted("has no effect: routes have no tags"),
    ),
    ("defined-sets.bgp-defined-sets.as-path-sets", List),
    (
        "defined-sets.bgp-defined-sets.as-path-sets.as-path-set-name",
        Implemented,
    ),
    (
        "defined-sets.bgp-defined-sets.as-path-sets.as-path-list",
        Implemented,
    ),
    ("defined-sets.bgp-defined-sets.community-sets", List),
    (
        "defined-sets.bgp-defined-sets.community-sets.community-set-name",
        Implemented,
    ),
    (
        "defined-sets.bgp-defined-sets.community-sets.community-list",
        Implemented,
    ),
    ("defined-sets.bgp-defined-sets.ext-community-sets", List),
    (
        "defined-sets.bgp-defined-sets.ext-community-sets.ext-community-set-name",
        Implemented,
    ),
    (
        "defined-sets.bgp-defined-sets.ext-community-sets.ext-community-list",
        Implemented,
    ),
    ("defined-sets.bgp-defined-sets.large-community-sets", List),
    (
        "defined-sets.bgp-defined-sets.large-community-sets.large-community-set-name",
        Implemented,
    ),
    (
        "defined-sets.bgp-defined-sets.large-community-sets.large-community-list",
        Implemented,
    ),
    ("policy-definitions", List),
    ("policy-definitions.name", Implemented),
    ("policy-definitions.statements", List),
    ("policy-definitions.statements.name", Implemented),
    (
        "policy-definitions.statements.conditions.match-prefix-set.prefix-set",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.match-prefix-set.match-set-options",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.match-neighbor-set.neighbor-set",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.match-neighbor-set.match-set-options",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.match-source-neighbor-set.neighbor-set",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.match-source-neighbor-set.match-set-options",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.install-protocol-eq",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.match-tag-set.*",
        Foreign("routes have no tags"),
    ),
    (
        "policy-definitions.statements.conditions.call-policy",
        Foreign("GoBGP ignores it: see `actions.call-policy`"),
    ),
    (
        "policy-definitions.statements.conditions.igp-conditions.*",
        Foreign("routes of other protocols have no such attributes"),
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.match-as-path-set.as-path-set",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.match-as-path-set.match-set-options",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.match-community-set.community-set",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.match-community-set.match-set-options",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.match-ext-community-set.ext-community-set",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.match-ext-community-set.match-set-options",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.match-large-community-set.large-community-set",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.match-large-community-set.match-set-options",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.as-path-length.operator",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.as-path-length.value",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.community-count.operator",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.community-count.value",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.local-pref-eq",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.med-eq",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.origin-eq",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.route-type",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.rpki-validation-result",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.next-hop-in-list",
        Implemented,
    ),
    (
        "policy-definitions.statements.conditions.bgp-conditions.afi-safi-in-list",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.route-disposition",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.call-policy",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.set-preference",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.igp-actions.*",
        Foreign("routes have no tags"),
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-community.options",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-community.set-community-method.communities-list",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-community.set-community-method.community-set-ref",
        Foreign("GoBGP ignores it: write the members into `communities-list`"),
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-ext-community.options",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-ext-community.set-ext-community-method.communities-list",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-ext-community.set-ext-community-method.ext-community-set-ref",
        Foreign("GoBGP ignores it: write the members into `communities-list`"),
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-large-community.options",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-large-community.set-large-community-method.communities-list",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-med",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-local-pref",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-route-origin",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-next-hop",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-as-path-prepend.as",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-as-path-prepend.repeat-n",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-as-path-replace.as",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.bgp-actions.set-as-path-replace.with",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.kernel-actions.set-metric",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.kernel-actions.set-preferred-source",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.kernel-actions.set-table",
        Implemented,
    ),
    (
        "policy-definitions.statements.actions.kernel-actions.set-tunnel",
        Implemented,
    ),
];
