// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a statement of a policy depends on.

use std::sync::Arc;

use bgp_proto::{Family, Origin};
use rib::policy::{
    AddressSet, Comparison, Condition, MatchOption, Number, Protocol, RouteType, RpkiState,
};

use super::{
    super::{
        super::{families::OTHER_FAMILIES, policy::Clause, value::Value},
        Maybe, Node, Notes,
    },
    actions::ORIGINS,
    sets::{Named, Sets, addresses},
    span_of,
};

/// Conditions, all of which have to hold.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) holds: Vec<Condition>,
    /// As they are shown.
    pub(super) shown: Vec<Clause>,
}

impl Conditions {
    fn push(&mut self, key: &'static str, value: impl Into<String>, condition: Condition) {
        self.shown.push(Clause {
            key: key.to_owned(),
            value: value.into(),
        });
        self.holds.push(condition);
    }
}

/// The conditions of a statement.
pub(super) fn read<'t>(notes: &mut Notes<'t>, table: &Node<'t>, sets: &Sets<'t>) -> Conditions {
    let mut out = Conditions::default();
    of_route(notes, table, sets, &mut out);
    lists(notes, table, sets, &mut out);
    numbers(notes, table, &mut out);
    words(notes, table, &mut out);
    out
}

const ANY_OR_NONE: &[(&str, MatchOption)] =
    &[("any", MatchOption::Any), ("invert", MatchOption::Invert)];
const ALL: &[(&str, MatchOption)] = &[
    ("any", MatchOption::Any),
    ("all", MatchOption::All),
    ("invert", MatchOption::Invert),
];

/// What there is to know of a condition about a set.
struct Match<'k> {
    key: &'static str,
    /// The table it is in.
    table: &'k str,
    /// The key in it that names the set.
    set: &'static str,
    options: &'static [(&'static str, MatchOption)],
}

impl Match<'_> {
    /// The set, how it is asked, and how that is shown.
    fn read<'t, 's, T>(
        &self,
        notes: &mut Notes<'t>,
        node: &Node<'t>,
        sets: &'s Named<'t, T>,
    ) -> Option<(&'s T, MatchOption, String)> {
        let key = |last: &str| format!("{}.{}.{last}", self.table, self.key);
        let how = node.get(&key("match-set-options"));
        let option = word(notes, how, self.options).unwrap_or(MatchOption::Any);
        let value = node.get(&key(self.set));
        if value.is_none() && how.is_some() {
            let message = format!("`{}` is missing", self.set);
            notes.error(span_of(node, &key("match-set-options")), message);
        }
        // As in GoBGP, no name is no condition.
        let name = notes.text(value).filter(|name| !name.is_empty())?;
        let set = sets.find(notes, value, name)?;
        let shown = match option {
            MatchOption::Any => "any",
            MatchOption::All => "all",
            MatchOption::Invert => "invert",
        };
        Some((set, option, format!("{shown} {name}")))
    }
}

/// One of several words, in small letters or capitals.
pub(super) fn word<'t, T: Copy>(
    notes: &mut Notes<'t>,
    value: Maybe<'t>,
    words: &[(&str, T)],
) -> Option<T> {
    let text = value?.get_ref().as_str().map(str::to_ascii_lowercase);
    let known = text.and_then(|text| words.iter().find(|(word, _)| *word == text));
    match known {
        Some((_, meant)) => Some(*meant),
        None => notes.choice(value, words),
    }
}

fn negated(option: MatchOption, condition: Condition) -> Condition {
    match option {
        MatchOption::Invert => condition.negated(),
        MatchOption::Any | MatchOption::All => condition,
    }
}

type OfNeighbor = fn(Arc<AddressSet>) -> Condition;

/// What is asked of the prefix and the neighbours.
fn of_route<'t>(notes: &mut Notes<'t>, node: &Node<'t>, sets: &Sets<'t>, out: &mut Conditions) {
    let prefix = Match {
        key: "match-prefix-set",
        table: "conditions",
        set: "prefix-set",
        options: ANY_OR_NONE,
    };
    if let Some(((family, set), option, shown)) = prefix.read(notes, node, &sets.prefixes) {
        // As in GoBGP: a prefix of the other family is never matched, not even by "invert".
        let condition = match (family, option) {
            (None, _) => Condition::Any(Vec::new()),
            (Some(family), MatchOption::Invert) => Condition::All(vec![
                Condition::Family(*family),
                Condition::Prefix(Arc::clone(set)).negated(),
            ]),
            (Some(_), _) => Condition::Prefix(Arc::clone(set)),
        };
        out.push(prefix.key, shown, condition);
    }
    let kinds: [(&'static str, OfNeighbor); 2] = [
        ("match-neighbor-set", Condition::Neighbor),
        ("match-source-neighbor-set", Condition::From),
    ];
    for (key, condition) in kinds {
        let of = Match {
            key,
            table: "conditions",
            set: "neighbor-set",
            options: ANY_OR_NONE,
        };
        if let Some((set, option, shown)) = of.read(notes, node, &sets.neighbors) {
            out.push(key, shown, negated(option, condition(Arc::clone(set))));
        }
    }
    let protocols = [
        ("bgp", Protocol::Bgp),
        ("static", Protocol::Static),
        ("directly-connected", Protocol::Direct),
        ("kernel", Protocol::Kernel),
        ("api", Protocol::Api),
    ];
    let value = node.get("conditions.install-protocol-eq");
    if let Some(protocol) = word(notes, value, &protocols) {
        out.push(
            "install-protocol-eq",
            said(value),
            Condition::Protocol(protocol),
        );
    }
}

/// A text as it is shown.
fn said(value: Maybe<'_>) -> String {
    let text = value.and_then(|value| value.get_ref().as_str());
    text.unwrap_or_default().to_ascii_lowercase()
}

const BGP: &str = "conditions.bgp-conditions";

/// What is asked of lists in attributes.
fn lists<'t>(notes: &mut Notes<'t>, node: &Node<'t>, sets: &Sets<'t>, out: &mut Conditions) {
    macro_rules! list {
        ($key:literal, $set:literal, $sets:ident, $condition:ident) => {
            let of = Match {
                key: $key,
                table: BGP,
                set: $set,
                options: ALL,
            };
            if let Some((set, option, shown)) = of.read(notes, node, &sets.$sets) {
                let condition = Condition::$condition(option, Arc::clone(set));
                out.push($key, shown, condition);
            }
        };
    }
    list!("match-as-path-set", "as-path-set", as_paths, AsPath);
    list!(
        "match-community-set",
        "community-set",
        communities,
        Communities
    );
    list!(
        "match-ext-community-set",
        "ext-community-set",
        extended,
        ExtendedCommunities
    );
    list!(
        "match-large-community-set",
        "large-community-set",
        large,
        LargeCommunities
    );
}

fn bgp<'t>(node: &Node<'t>, key: &str) -> Maybe<'t> {
    node.get(&format!("{BGP}.{key}"))
}

/// What is asked of numbers.
fn numbers<'t>(notes: &mut Notes<'t>, node: &Node<'t>, out: &mut Conditions) {
    let counted = [
        ("as-path-length", Number::AsPathLength),
        ("community-count", Number::Communities),
    ];
    let operators = [
        ("eq", (Comparison::Equal, "=")),
        ("ge", (Comparison::AtLeast, ">=")),
        ("le", (Comparison::AtMost, "<=")),
        ("attribute-eq", (Comparison::Equal, "=")),
        ("attribute-ge", (Comparison::AtLeast, ">=")),
        ("attribute-le", (Comparison::AtMost, "<=")),
    ];
    for (key, number) in counted {
        let (how, limit) = (
            bgp(node, &format!("{key}.operator")),
            bgp(node, &format!("{key}.value")),
        );
        if how.is_none() && limit.is_none() {
            continue;
        }
        let operator = word(notes, how, &operators);
        let value: Option<u32> = notes.number(limit, 0..=u32::MAX.into());
        for (there, name) in [(how, "operator"), (limit, "value")] {
            if let (None, Some(other)) = (there, how.or(limit)) {
                notes.error(other.span(), format!("`{name}` is missing"));
            }
        }
        if let (Some((comparison, sign)), Some(value)) = (operator, value) {
            let condition = Condition::Compare(number, comparison, Number::Constant(value));
            out.push(key, format!("{sign} {value}"), condition);
        }
    }
    let equal = [
        ("local-pref-eq", Number::LocalPref),
        ("med-eq", Number::Med),
    ];
    for (key, number) in equal {
        if let Some(value) = notes.number::<u32>(bgp(node, key), 0..=u32::MAX.into()) {
            let value_is = Condition::Compare(number, Comparison::Equal, Number::Constant(value));
            out.push(key, value.to_string(), value_is);
        }
    }
}

/// What is one of several words.
fn words<'t>(notes: &mut Notes<'t>, node: &Node<'t>, out: &mut Conditions) {
    let value = bgp(node, "origin-eq");
    if let Some(origin) = word::<Origin>(notes, value, ORIGINS) {
        out.push("origin-eq", said(value), Condition::Origin(origin));
    }
    let value = bgp(node, "route-type");
    let types = [
        ("none", None),
        ("internal", Some(RouteType::Internal)),
        ("external", Some(RouteType::External)),
        ("local", Some(RouteType::Local)),
    ];
    if let Some(Some(kind)) = word(notes, value, &types) {
        out.push("route-type", said(value), Condition::RouteType(kind));
    }
    let value = bgp(node, "rpki-validation-result");
    let states = [
        ("none", None),
        ("not-found", Some(RpkiState::NotFound)),
        ("valid", Some(RpkiState::Valid)),
        ("invalid", Some(RpkiState::Invalid)),
    ];
    if let Some(Some(state)) = word(notes, value, &states) {
        out.push(
            "rpki-validation-result",
            said(value),
            Condition::Rpki(state),
        );
    }
    let items = notes
        .items(bgp(node, "next-hop-in-list"))
        .unwrap_or_default();
    if !items.is_empty() {
        let hops = addresses(notes, &items);
        let shown: Vec<String> = hops.iter().map(ToString::to_string).collect();
        let set = Arc::new(AddressSet::new(hops));
        out.push(
            "next-hop-in-list",
            shown.join(", "),
            Condition::NextHop(set),
        );
    }
    let items = notes
        .items(bgp(node, "afi-safi-in-list"))
        .unwrap_or_default();
    if !items.is_empty() {
        let families = items.into_iter().filter_map(|item| family(notes, item));
        let families: Vec<Family> = families.collect();
        let shown: Vec<String> = families.iter().map(ToString::to_string).collect();
        let any = Condition::Any(families.into_iter().map(Condition::Family).collect());
        out.push("afi-safi-in-list", shown.join(", "), any);
    }
}

fn family<'t>(notes: &mut Notes<'t>, item: &'t Value) -> Option<Family> {
    let text = notes.text(Some(item))?;
    let read = text.parse().ok();
    if read.is_none() {
        let message = format!("\"{}\" is no family", text.escape_debug());
        if OTHER_FAMILIES.iter().any(|(_, _, name)| *name == text) {
            let message = "routes of this family are not exchanged: it never matches";
            notes.warning(item.span(), message);
        } else {
            let help = "it is one of \"ipv4-unicast\", \"ipv6-unicast\"";
            notes.error_with(item.span(), message, help);
        }
    }
    read
}
