// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Statements: `Statement` and what a file says. What only a file can say (`call-policy`, what the kernel is told) stays and is
//! not listed.

use bgp_proto::Family;
use bgpd_api::v4::{
    self, Comparison, OriginType, RouteAction, ValidationState, community_action, conditions,
    match_set, med_action,
};
use tonic::Status;

use super::{
    super::{family, family_message, wrong},
    sets::{community, listed, network},
};
use crate::config::{SetKind, Setting, Settings};

/// Conditions about sets: the key, the key of the name in it, and what is in the set.
pub(super) const MATCHES: [(&str, &str, SetKind); 6] = [
    ("conditions.match-prefix-set", "prefix-set", SetKind::Prefix),
    (
        "conditions.match-neighbor-set",
        "neighbor-set",
        SetKind::Neighbor,
    ),
    (
        "conditions.bgp-conditions.match-as-path-set",
        "as-path-set",
        SetKind::AsPath,
    ),
    (
        "conditions.bgp-conditions.match-community-set",
        "community-set",
        SetKind::Community,
    ),
    (
        "conditions.bgp-conditions.match-ext-community-set",
        "ext-community-set",
        SetKind::ExtendedCommunity,
    ),
    (
        "conditions.bgp-conditions.match-large-community-set",
        "large-community-set",
        SetKind::LargeCommunity,
    ),
];

const LENGTH: &str = "conditions.bgp-conditions.as-path-length";
const COUNT: &str = "conditions.bgp-conditions.community-count";
const RPKI: &str = "conditions.bgp-conditions.rpki-validation-result";
const ROUTE_TYPE: &str = "conditions.bgp-conditions.route-type";
const NEXT_HOPS: &str = "conditions.bgp-conditions.next-hop-in-list";
const FAMILIES: &str = "conditions.bgp-conditions.afi-safi-in-list";
const ORIGIN_EQ: &str = "conditions.bgp-conditions.origin-eq";
const LOCAL_PREF_EQ: &str = "conditions.bgp-conditions.local-pref-eq";
const MED_EQ: &str = "conditions.bgp-conditions.med-eq";
const DISPOSITION: &str = "actions.route-disposition";
const MED: &str = "actions.bgp-actions.set-med";
const LOCAL_PREF: &str = "actions.bgp-actions.set-local-pref";
const NEXT_HOP: &str = "actions.bgp-actions.set-next-hop";
const ORIGIN: &str = "actions.bgp-actions.set-route-origin";
const PREPEND: &str = "actions.bgp-actions.set-as-path-prepend";

/// Actions on lists of communities: the key, and the last part of it again.
const COMMUNITIES: [(&str, SetKind); 3] = [
    ("set-community", SetKind::Community),
    ("set-ext-community", SetKind::ExtendedCommunity),
    ("set-large-community", SetKind::LargeCommunity),
];

/// What GoBGP counts as one condition, by its number for it.
pub(super) const CONDITIONS: &[(&str, u8)] = &[
    (MATCHES[0].0, 0),
    (MATCHES[1].0, 1),
    (MATCHES[2].0, 2),
    (MATCHES[3].0, 3),
    (MATCHES[4].0, 4),
    (LENGTH, 5),
    (RPKI, 6),
    (ROUTE_TYPE, 7),
    (MATCHES[5].0, 8),
    (NEXT_HOPS, 9),
    (FAMILIES, 10),
    (COUNT, 11),
    (ORIGIN_EQ, 12),
    (LOCAL_PREF_EQ, 13),
    (MED_EQ, 14),
];

/// What it counts as one action.
pub(super) const ACTIONS: &[(&str, u8)] = &[
    (DISPOSITION, 0),
    ("actions.bgp-actions.set-community", 1),
    ("actions.bgp-actions.set-ext-community", 2),
    (MED, 3),
    (PREPEND, 4),
    (NEXT_HOP, 5),
    (LOCAL_PREF, 6),
    ("actions.bgp-actions.set-large-community", 7),
    (ORIGIN, 8),
];

const OPTIONS: [(match_set::Type, &str); 3] = [
    (match_set::Type::Any, "any"),
    (match_set::Type::All, "all"),
    (match_set::Type::Invert, "invert"),
];
const OPERATORS: [(Comparison, &str); 3] = [
    (Comparison::Eq, "eq"),
    (Comparison::Ge, "ge"),
    (Comparison::Le, "le"),
];
const STATES: [(ValidationState, &str); 3] = [
    (ValidationState::NotFound, "not-found"),
    (ValidationState::Valid, "valid"),
    (ValidationState::Invalid, "invalid"),
];
const ROUTE_TYPES: [(conditions::RouteType, &str); 3] = [
    (conditions::RouteType::Internal, "internal"),
    (conditions::RouteType::External, "external"),
    (conditions::RouteType::Local, "local"),
];
const ORIGINS: [(OriginType, &str); 3] = [
    (OriginType::Igp, "igp"),
    (OriginType::Egp, "egp"),
    (OriginType::Incomplete, "incomplete"),
];
const DISPOSITIONS: [(RouteAction, &str); 2] = [
    (RouteAction::Accept, "accept-route"),
    (RouteAction::Reject, "reject-route"),
];
const CHANGES: [(community_action::Type, &str); 3] = [
    (community_action::Type::Add, "add"),
    (community_action::Type::Remove, "remove"),
    (community_action::Type::Replace, "replace"),
];

/// The word for a number of an enum.
fn word<E: Copy + Into<i32>>(
    words: &[(E, &'static str)],
    number: i32,
    what: &str,
) -> Result<&'static str, Status> {
    let known = words.iter().find(|(value, _)| (*value).into() == number);
    let known = known.map(|(_, word)| *word);
    known.ok_or_else(|| wrong(format!("unknown {what}: {number}")))
}

/// The number for a word of a file, in which capitals do not count.
fn number<E: Copy + Into<i32>>(words: &[(E, &str)], text: Option<&str>) -> Option<i32> {
    let text = text?.to_ascii_lowercase();
    let text = text.strip_prefix("attribute-").unwrap_or(&text);
    let known = words.iter().find(|(_, word)| *word == text);
    known.map(|(value, _)| (*value).into())
}

fn texts<'s>(all: impl Iterator<Item = &'s String>) -> Setting {
    Setting::List(all.map(|text| text.as_str().into()).collect())
}

fn texts_of(said: &Settings, key: &str) -> Vec<String> {
    match said.get(key) {
        Some(Setting::List(items)) => {
            let texts = items.iter().filter_map(|item| match item {
                Setting::Text(text) => Some(text.clone()),
                _ => None,
            });
            texts.collect()
        }
        _ => Vec::new(),
    }
}

/// A number that a file may write as a text.
fn number_of<T: TryFrom<i64>>(said: &Settings, key: &str) -> Option<T> {
    let number = match said.get(key)? {
        Setting::Number(number) => *number,
        Setting::Text(text) => text.parse().ok()?,
        _ => return None,
    };
    number.try_into().ok()
}

/// As a file would say it. Whether values make sense is known when it is read.
pub(super) fn said(statement: &v4::Statement) -> Result<Settings, Status> {
    let mut said = Settings::default().with("name", statement.name.as_str());
    if let Some(conditions) = &statement.conditions {
        said_conditions(conditions, &mut said)?;
    }
    if let Some(actions) = &statement.actions {
        said_actions(actions, &mut said)?;
    }
    Ok(said)
}

fn said_conditions(all: &v4::Conditions, said: &mut Settings) -> Result<(), Status> {
    let sets = [
        &all.prefix_set,
        &all.neighbor_set,
        &all.as_path_set,
        &all.community_set,
        &all.ext_community_set,
        &all.large_community_set,
    ];
    for ((key, name, _), set) in MATCHES.into_iter().zip(sets) {
        // As in GoBGP, no name is no condition.
        if let Some(set) = set.as_ref().filter(|set| !set.name.is_empty()) {
            let option = set.r#type.max(match_set::Type::Any.into());
            said.say(format!("{key}.{name}"), set.name.as_str());
            let option = word(&OPTIONS, option, "match set option")?;
            said.say(format!("{key}.match-set-options"), option);
        }
    }
    let length = all.as_path_length.as_ref();
    let count = all.community_count.as_ref();
    let compared = [
        (LENGTH, length.map(|length| (length.r#type, length.length))),
        (COUNT, count.map(|count| (count.r#type, count.count))),
    ];
    for (key, compared) in compared {
        if let Some((operator, value)) = compared {
            let operator = word(&OPERATORS, operator, "comparison")?;
            said.say(format!("{key}.operator"), operator);
            said.say(format!("{key}.value"), value);
        }
    }
    if all.rpki_result > ValidationState::None.into() {
        said.say(RPKI, word(&STATES, all.rpki_result, "validation state")?);
    }
    if all.route_type != 0 {
        said.say(
            ROUTE_TYPE,
            word(&ROUTE_TYPES, all.route_type, "route type")?,
        );
    }
    if !all.next_hop_in_list.is_empty() {
        said.say(NEXT_HOPS, texts(all.next_hop_in_list.iter()));
    }
    if !all.afi_safi_in.is_empty() {
        let families = all.afi_safi_in.iter().map(|message| {
            let of = family(Some(*message))?;
            match of {
                Family::IPV4_UNICAST | Family::IPV6_UNICAST => Ok(Setting::from(of.to_string())),
                _ => Err(Status::unimplemented(format!(
                    "routes of {of} are not exchanged"
                ))),
            }
        });
        said.say(FAMILIES, Setting::List(families.collect::<Result<_, _>>()?));
    }
    if all.origin != 0 {
        said.say(ORIGIN_EQ, word(&ORIGINS, all.origin, "origin")?);
    }
    if let Some(equal) = &all.local_pref_eq {
        said.say(LOCAL_PREF_EQ, equal.value);
    }
    if let Some(equal) = &all.med_eq {
        said.say(MED_EQ, equal.value);
    }
    Ok(())
}

fn said_actions(all: &v4::Actions, said: &mut Settings) -> Result<(), Status> {
    if all.route_action != 0 {
        said.say(
            DISPOSITION,
            word(&DISPOSITIONS, all.route_action, "route action")?,
        );
    }
    let lists = [&all.community, &all.ext_community, &all.large_community];
    for ((key, _), change) in COMMUNITIES.into_iter().zip(lists) {
        if let Some(change) = change {
            let how = word(&CHANGES, change.r#type, "action on communities")?;
            let key = format!("actions.bgp-actions.{key}");
            let method = key.rsplit('.').next().unwrap_or_default();
            said.say(
                format!("{key}.{method}-method.communities-list"),
                texts(change.communities.iter()),
            );
            said.say(format!("{key}.options"), how);
        }
    }
    if let Some(med) = &all.med {
        let text = match med_action::Type::try_from(med.r#type) {
            Ok(med_action::Type::Mod) => format!("{:+}", med.value),
            Ok(med_action::Type::Replace) => med.value.to_string(),
            _ => return Err(wrong(format!("unknown action on the MED: {}", med.r#type))),
        };
        said.say(MED, text);
    }
    if let Some(prepend) = &all.as_prepend {
        // The client of 3.10 says AS 0, which is nobody's, and nothing else for "last-as".
        let asn = if prepend.use_left_most || prepend.asn == 0 {
            "last-as".to_owned()
        } else {
            prepend.asn.to_string()
        };
        said.say(format!("{PREPEND}.as"), asn);
        said.say(format!("{PREPEND}.repeat-n"), prepend.repeat);
    }
    if let Some(hop) = &all.nexthop {
        let text = match (hop.self_, hop.unchanged, hop.peer_address) {
            (true, ..) => "self",
            (_, true, _) => "unchanged",
            (.., true) => "peer-address",
            _ => hop.address.as_str(),
        };
        said.say(NEXT_HOP, text);
    }
    if let Some(preference) = &all.local_pref {
        said.say(LOCAL_PREF, preference.value);
    }
    if let Some(action) = &all.origin_action {
        said.say(ORIGIN, word(&ORIGINS, action.origin, "origin")?);
    }
    Ok(())
}

/// As GoBGP lists it.
pub(super) fn shown(said: &Settings) -> v4::Statement {
    v4::Statement {
        name: said.text("name").unwrap_or_default().to_owned(),
        conditions: Some(shown_conditions(said)),
        actions: Some(shown_actions(said)),
    }
}

fn shown_conditions(said: &Settings) -> v4::Conditions {
    let sets = MATCHES.map(|(key, name, _)| {
        let set = said
            .text(&format!("{key}.{name}"))
            .filter(|name| !name.is_empty())?;
        let option = said.text(&format!("{key}.match-set-options"));
        Some(v4::MatchSet {
            r#type: number(&OPTIONS, option).unwrap_or(match_set::Type::Any.into()),
            name: set.to_owned(),
        })
    });
    let [
        prefix_set,
        neighbor_set,
        as_path_set,
        community_set,
        ext_community_set,
        large_community_set,
    ] = sets;
    let compared = |key: &str| {
        let operator = number(&OPERATORS, said.text(&format!("{key}.operator")))?;
        Some((operator, number_of(said, &format!("{key}.value"))?))
    };
    let hops = texts_of(said, NEXT_HOPS);
    let families = texts_of(said, FAMILIES);
    let families = families.iter().filter_map(|text| text.parse().ok());
    v4::Conditions {
        prefix_set,
        neighbor_set,
        as_path_length: compared(LENGTH)
            .map(|(r#type, length)| v4::AsPathLength { r#type, length }),
        as_path_set,
        community_set,
        ext_community_set,
        // Zero would be shown as a condition.
        rpki_result: number(&STATES, said.text(RPKI)).unwrap_or(-1),
        route_type: number(&ROUTE_TYPES, said.text(ROUTE_TYPE)).unwrap_or_default(),
        large_community_set,
        next_hop_in_list: hops.iter().map(|hop| host(hop)).collect(),
        afi_safi_in: families.map(family_message).collect(),
        community_count: compared(COUNT)
            .map(|(r#type, count)| v4::CommunityCount { r#type, count }),
        origin: number(&ORIGINS, said.text(ORIGIN_EQ)).unwrap_or_default(),
        local_pref_eq: number_of(said, LOCAL_PREF_EQ).map(|value| v4::LocalPrefEq { value }),
        med_eq: number_of(said, MED_EQ).map(|value| v4::MedEq { value }),
    }
}

/// A prefix; one that is an address alone as an address.
fn host(text: &str) -> String {
    let text = network(text);
    let end = if text.contains(':') { "/128" } else { "/32" };
    text.strip_suffix(end).unwrap_or(&text).to_owned()
}

fn shown_actions(said: &Settings) -> v4::Actions {
    let [community, ext_community, large_community] = COMMUNITIES.map(|(key, kind)| {
        let key = format!("actions.bgp-actions.{key}");
        let r#type = number(&CHANGES, said.text(&format!("{key}.options")))?;
        let method = key.rsplit('.').next().unwrap_or_default();
        let texts = texts_of(said, &format!("{key}.{method}-method.communities-list"));
        let is_pattern = r#type == i32::from(community_action::Type::Remove);
        let communities = texts.into_iter().map(|text| match kind {
            _ if is_pattern => listed(kind, &text),
            SetKind::Community => community(&text).unwrap_or(text),
            _ => text,
        });
        Some(v4::CommunityAction {
            r#type,
            communities: communities.collect(),
        })
    });
    let med = said.get(MED).and_then(|setting| {
        let text = match setting {
            Setting::Number(number) => number.to_string(),
            Setting::Text(text) => text.clone(),
            _ => return None,
        };
        let r#type = if text.starts_with(['+', '-']) {
            med_action::Type::Mod
        } else {
            med_action::Type::Replace
        };
        Some(v4::MedAction {
            r#type: r#type.into(),
            value: text.parse().ok()?,
        })
    });
    let repeat = number_of(said, &format!("{PREPEND}.repeat-n"));
    let as_prepend = repeat.and_then(|repeat| {
        let key = format!("{PREPEND}.as");
        let use_left_most = said.text(&key) == Some("last-as");
        let asn = number_of(said, &key);
        Some(v4::AsPrependAction {
            asn: asn.or(use_left_most.then_some(0))?,
            repeat,
            use_left_most,
        })
    });
    let nexthop = said.text(NEXT_HOP).filter(|hop| !hop.is_empty());
    let nexthop = nexthop.map(|hop| v4::NexthopAction {
        self_: hop == "self",
        unchanged: hop == "unchanged",
        peer_address: hop == "peer-address",
        address: match hop {
            "self" | "unchanged" | "peer-address" => String::new(),
            address => address.to_owned(),
        },
    });
    v4::Actions {
        route_action: number(&DISPOSITIONS, said.text(DISPOSITION)).unwrap_or_default(),
        community,
        med,
        as_prepend,
        ext_community,
        nexthop,
        local_pref: number_of(said, LOCAL_PREF).map(|value| v4::LocalPrefAction { value }),
        large_community,
        origin_action: number(&ORIGINS, said.text(ORIGIN))
            .map(|origin| v4::OriginAction { origin }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_of<E: Copy + Into<i32>>(
        words: &'static [(E, &'static str)],
    ) -> impl Strategy<Value = i32> {
        (0..words.len()).prop_map(|place| words[place].0.into())
    }

    fn match_set() -> impl Strategy<Value = Option<v4::MatchSet>> {
        let set = (one_of(&OPTIONS), "[a-z]{1,9}");
        proptest::option::of(set.prop_map(|(r#type, name)| v4::MatchSet { r#type, name }))
    }

    fn or_zero(number: impl Strategy<Value = i32>) -> impl Strategy<Value = i32> {
        proptest::option::of(number).prop_map(Option::unwrap_or_default)
    }

    fn conditions() -> impl Strategy<Value = v4::Conditions> {
        let compared = || proptest::option::of((one_of(&OPERATORS), any::<u32>()));
        let state = proptest::option::of(one_of(&STATES));
        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(family_message);
        (
            (
                match_set(),
                match_set(),
                match_set(),
                match_set(),
                match_set(),
                match_set(),
            ),
            (compared(), compared()),
            (
                state,
                or_zero(one_of(&ROUTE_TYPES)),
                or_zero(one_of(&ORIGINS)),
            ),
            proptest::sample::subsequence(vec!["192.0.2.1", "10.0.0.0/8", "2001:db8::1"], 0..=3),
            proptest::sample::subsequence(families.to_vec(), 0..=2),
            (any::<Option<u32>>(), any::<Option<u32>>()),
        )
            .prop_map(
                |(sets, (length, count), (state, route_type, origin), hops, families, equal)| {
                    v4::Conditions {
                        prefix_set: sets.0,
                        neighbor_set: sets.1,
                        as_path_set: sets.2,
                        community_set: sets.3,
                        ext_community_set: sets.4,
                        large_community_set: sets.5,
                        as_path_length: length
                            .map(|(r#type, length)| v4::AsPathLength { r#type, length }),
                        community_count: count
                            .map(|(r#type, count)| v4::CommunityCount { r#type, count }),
                        rpki_result: state.unwrap_or(-1),
                        route_type,
                        next_hop_in_list: hops.into_iter().map(str::to_owned).collect(),
                        afi_safi_in: families,
                        origin,
                        local_pref_eq: equal.0.map(|value| v4::LocalPrefEq { value }),
                        med_eq: equal.1.map(|value| v4::MedEq { value }),
                    }
                },
            )
    }

    fn change(
        texts: &'static [&'static str],
    ) -> impl Strategy<Value = Option<v4::CommunityAction>> {
        let texts = proptest::sample::subsequence(texts.to_vec(), 0..=texts.len());
        let change = (one_of(&CHANGES), texts).prop_map(|(r#type, texts)| {
            let is_pattern = r#type == i32::from(community_action::Type::Remove);
            let text = |text: &str| match (is_pattern, text.strip_prefix("rt:")) {
                (false, _) => text.to_owned(),
                (true, Some(value)) => format!("rt:^{value}$"),
                (true, None) => format!("^{text}$"),
            };
            v4::CommunityAction {
                r#type,
                communities: texts.into_iter().map(text).collect(),
            }
        });
        proptest::option::of(change)
    }

    fn actions() -> impl Strategy<Value = v4::Actions> {
        let med = (1..=2, any::<i64>()).prop_map(|(r#type, value)| v4::MedAction {
            r#type,
            value: if r#type == 1 {
                value
            } else {
                value.saturating_abs()
            },
        });
        let prepend = (any::<u32>(), 1..256_u32).prop_map(|(asn, repeat)| v4::AsPrependAction {
            asn,
            repeat,
            use_left_most: asn == 0,
        });
        let hop = (0..4, "[0-9]{1,3}\\.0\\.0\\.1").prop_map(|(kind, address)| v4::NexthopAction {
            address: if kind == 0 { address } else { String::new() },
            self_: kind == 1,
            unchanged: kind == 2,
            peer_address: kind == 3,
        });
        (
            or_zero(one_of(&DISPOSITIONS)),
            (
                change(&["1:2", "65535:65281"]),
                change(&["rt:1:2", "rt:10.0.0.1:2"]),
                change(&["1:2:3"]),
            ),
            proptest::option::of(med),
            proptest::option::of(prop_oneof![
                prepend,
                Just(v4::AsPrependAction {
                    asn: 0,
                    repeat: 3,
                    use_left_most: true
                })
            ]),
            proptest::option::of(hop),
            any::<Option<u32>>(),
            proptest::option::of(one_of(&ORIGINS)),
        )
            .prop_map(
                |(route_action, lists, med, as_prepend, nexthop, preference, origin)| v4::Actions {
                    route_action,
                    community: lists.0,
                    ext_community: lists.1,
                    large_community: lists.2,
                    med,
                    as_prepend,
                    nexthop,
                    local_pref: preference.map(|value| v4::LocalPrefAction { value }),
                    origin_action: origin.map(|origin| v4::OriginAction { origin }),
                },
            )
    }

    proptest! {
        #[test]
        fn a_statement_is_listed_as_it_was_set(conditions in conditions(), actions in actions()) {
            let statement = v4::Statement {
                name: "s".to_owned(),
                conditions: Some(conditions),
                actions: Some(actions),
            };
            let kept = said(&statement).unwrap();
            prop_assert_eq!(shown(&kept), statement);
            // What is listed says the same when it is set again.
            let again = said(&shown(&kept)).unwrap();
            prop_assert_eq!(shown(&again), shown(&kept));
        }
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused() {
        let of = |conditions, actions| v4::Statement {
            name: "s".to_owned(),
            conditions: Some(conditions),
            actions: Some(actions),
        };
        let conditions = v4::Conditions {
            route_type: 9,
            ..v4::Conditions::default()
        };
        let actions = v4::Actions {
            med: Some(v4::MedAction {
                r#type: 0,
                value: 1,
            }),
            ..v4::Actions::default()
        };
        let evpn = v4::Conditions {
            afi_safi_in: vec![v4::Family { afi: 25, safi: 70 }],
            ..v4::Conditions::default()
        };
        for (statement, code) in [
            (
                of(conditions, v4::Actions::default()),
                tonic::Code::InvalidArgument,
            ),
            (
                of(v4::Conditions::default(), actions),
                tonic::Code::InvalidArgument,
            ),
            (of(evpn, v4::Actions::default()), tonic::Code::Unimplemented),
        ] {
            assert_eq!(said(&statement).unwrap_err().code(), code);
        }
    }
}
