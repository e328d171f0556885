// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `[defined-sets]`.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, sync::Arc};

use bgp_proto::{Community, ExtendedCommunity, Family, LargeCommunity, Prefix};
use ipnetwork::IpNetwork;
use rib::policy::{
    AddressSet, AsPathPattern, AsPathSet, CommunityKind, CommunityPattern, CommunitySet,
    PatternError, PrefixSet,
};

use super::{
    super::{
        super::{
            policy::{DefinedSet, SetKind},
            value::Value,
        },
        Maybe, Node, Notes,
    },
    Kind, find, span_of,
};

/// Sets of one kind by their names.
#[derive(Debug)]
pub(super) struct Named<'t, T> {
    kind: Kind,
    sets: BTreeMap<&'t str, T>,
}

impl<'t, T> Named<'t, T> {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            sets: BTreeMap::new(),
        }
    }

    /// The set that a value names.
    pub(super) fn find(&self, notes: &mut Notes<'t>, value: Maybe<'t>, name: &str) -> Option<&T> {
        find(notes, value, name, &self.sets, self.kind)
    }
}

/// Every set.
#[derive(Debug)]
pub(super) struct Sets<'t> {
    /// With the family of their prefixes; those without prefixes have none.
    pub(super) prefixes: Named<'t, (Option<Family>, Arc<PrefixSet>)>,
    pub(super) neighbors: Named<'t, Arc<AddressSet>>,
    pub(super) as_paths: Named<'t, Arc<AsPathSet>>,
    pub(super) communities: Named<'t, Arc<CommunitySet<Community>>>,
    pub(super) extended: Named<'t, Arc<CommunitySet<ExtendedCommunity>>>,
    pub(super) large: Named<'t, Arc<CommunitySet<LargeCommunity>>>,
    /// As they are written.
    pub(super) shown: Vec<DefinedSet>,
}

/// Where sets of patterns are, what their names and members are called.
struct Place {
    list: &'static str,
    name: &'static str,
    members: &'static str,
    kind: SetKind,
}

const AS_PATHS: Place = Place {
    list: "defined-sets.bgp-defined-sets.as-path-sets",
    name: "as-path-set-name",
    members: "as-path-list",
    kind: SetKind::AsPath,
};
const COMMUNITIES: Place = Place {
    list: "defined-sets.bgp-defined-sets.community-sets",
    name: "community-set-name",
    members: "community-list",
    kind: SetKind::Community,
};
const EXTENDED: Place = Place {
    list: "defined-sets.bgp-defined-sets.ext-community-sets",
    name: "ext-community-set-name",
    members: "ext-community-list",
    kind: SetKind::ExtendedCommunity,
};
const LARGE: Place = Place {
    list: "defined-sets.bgp-defined-sets.large-community-sets",
    name: "large-community-set-name",
    members: "large-community-list",
    kind: SetKind::LargeCommunity,
};
const NEIGHBORS: Place = Place {
    list: "defined-sets.neighbor-sets",
    name: "neighbor-set-name",
    members: "neighbor-info-list",
    kind: SetKind::Neighbor,
};
const PREFIXES: &str = "defined-sets.prefix-sets";

impl<'t> Sets<'t> {
    pub(super) fn read(notes: &mut Notes<'t>, root: &Node<'t>) -> Self {
        let mut shown = Vec::new();
        Self {
            prefixes: prefix_sets(notes, root, &mut shown),
            neighbors: neighbor_sets(notes, root, &mut shown),
            as_paths: patterns(notes, root, &AS_PATHS, &mut shown, |notes, value| {
                let text = notes.text(Some(value))?;
                pattern(notes, value, text.parse::<AsPathPattern>())
            })
            .map(|patterns| Arc::new(AsPathSet::new(patterns))),
            communities: patterns(notes, root, &COMMUNITIES, &mut shown, community_pattern)
                .map(|patterns| Arc::new(CommunitySet::new(patterns))),
            extended: patterns(notes, root, &EXTENDED, &mut shown, community_pattern)
                .map(|patterns| Arc::new(CommunitySet::new(patterns))),
            large: patterns(notes, root, &LARGE, &mut shown, community_pattern)
                .map(|patterns| Arc::new(CommunitySet::new(patterns))),
            shown,
        }
    }
}

impl<'t, T> Named<'t, T> {
    fn map<U>(self, of: impl Fn(T) -> U) -> Named<'t, U> {
        let sets = self.sets.into_iter();
        Named {
            kind: self.kind,
            sets: sets.map(|(name, set)| (name, of(set))).collect(),
        }
    }

    fn insert(&mut self, notes: &mut Notes<'t>, node: &Node<'t>, key: &str, set: T) {
        let name = notes.text(node.get(key));
        let Some(name) = notes.required(node, key, name) else {
            return;
        };
        if name.is_empty() {
            notes.error(span_of(node, key), "this is empty");
        } else if self.sets.insert(name, set).is_some() {
            let message = format!(
                "there is another {} \"{}\"",
                self.kind.0,
                name.escape_debug()
            );
            notes.error(span_of(node, key), message);
        }
    }
}

fn show(node: &Node<'_>, key: &str, kind: SetKind, members: Vec<String>) -> DefinedSet {
    let name = node.get(key).and_then(|value| value.get_ref().as_str());
    DefinedSet {
        kind,
        name: name.unwrap_or_default().to_owned(),
        members,
    }
}

/// What a set of this kind is called in messages.
fn called(kind: SetKind) -> Kind {
    match kind {
        SetKind::Prefix => ("prefix set", PREFIXES),
        SetKind::Neighbor => ("neighbor set", NEIGHBORS.list),
        SetKind::AsPath => ("as-path set", AS_PATHS.list),
        SetKind::Community => ("community set", COMMUNITIES.list),
        SetKind::ExtendedCommunity => ("ext-community set", EXTENDED.list),
        SetKind::LargeCommunity => ("large-community set", LARGE.list),
    }
}

/// Sets of what texts are read as.
fn patterns<'t, T>(
    notes: &mut Notes<'t>,
    root: &Node<'t>,
    place: &Place,
    shown: &mut Vec<DefinedSet>,
    read: impl Fn(&mut Notes<'t>, &'t Value) -> Option<T>,
) -> Named<'t, Vec<T>> {
    let mut sets = Named::new(called(place.kind));
    for node in root.list(place.list) {
        let items = notes.items(node.get(place.members)).unwrap_or_default();
        let members = items.iter().filter_map(|item| read(notes, item)).collect();
        let texts = items.iter().filter_map(|item| item.get_ref().as_str());
        let texts = texts.map(str::to_owned).collect();
        shown.push(show(node, place.name, place.kind, texts));
        sets.insert(notes, node, place.name, members);
    }
    sets
}

/// A pattern, or what is wrong with it.
fn pattern<T>(notes: &mut Notes<'_>, value: &Value, read: Result<T, PatternError>) -> Option<T> {
    match read {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            notes.error(value.span(), error.to_string());
            None
        }
    }
}

/// A community in a form that GoBGP knows besides ours: a number, a name in capitals.
pub(super) fn community_text(text: &str) -> String {
    if let Ok(number) = text.parse::<u32>() {
        return format!("{}:{}", number >> 16, number & 0xffff);
    }
    let name = text.to_ascii_lowercase().replace('_', "-");
    if name.parse::<Community>().is_ok() {
        return name;
    }
    text.to_owned()
}

/// A pattern for communities of any kind.
pub(super) fn community_pattern<'t, T: CommunityKind + fmt::Debug>(
    notes: &mut Notes<'t>,
    value: &'t Value,
) -> Option<CommunityPattern<T>> {
    let text = notes.text(Some(value))?;
    pattern(notes, value, community_text(text).parse())
}

/// Addresses, alone or by prefix.
pub(super) fn addresses<'t>(notes: &mut Notes<'t>, items: &[&'t Value]) -> Vec<Prefix> {
    let read = |item: &&'t Value| {
        let text = notes.text(Some(item))?;
        let network = if text.contains('/') {
            notes.prefix(Some(item))?
        } else {
            IpNetwork::from(notes.address(Some(item))?)
        };
        prefix(network)
    };
    items.iter().filter_map(read).collect()
}

fn prefix(network: IpNetwork) -> Option<Prefix> {
    network.to_string().parse().ok()
}

fn neighbor_sets<'t>(
    notes: &mut Notes<'t>,
    root: &Node<'t>,
    shown: &mut Vec<DefinedSet>,
) -> Named<'t, Arc<AddressSet>> {
    let mut sets = Named::new(called(SetKind::Neighbor));
    for node in root.list(NEIGHBORS.list) {
        let items = notes.items(node.get(NEIGHBORS.members)).unwrap_or_default();
        let members = addresses(notes, &items);
        if items.is_empty() {
            notes.error_with(
                node.span.clone(),
                "this set is empty: GoBGP lets it match every neighbour",
                "leave the condition out, or say `0.0.0.0/0` and `::/0`",
            );
        }
        let texts = members.iter().map(ToString::to_string).collect();
        shown.push(show(node, NEIGHBORS.name, SetKind::Neighbor, texts));
        sets.insert(
            notes,
            node,
            NEIGHBORS.name,
            Arc::new(AddressSet::new(members)),
        );
    }
    sets
}

fn prefix_sets<'t>(
    notes: &mut Notes<'t>,
    root: &Node<'t>,
    shown: &mut Vec<DefinedSet>,
) -> Named<'t, (Option<Family>, Arc<PrefixSet>)> {
    const NAME: &str = "prefix-set-name";
    let mut sets = Named::new(called(SetKind::Prefix));
    for node in root.list(PREFIXES) {
        let mut family = None;
        let (mut members, mut texts) = (Vec::new(), Vec::new());
        for entry in node.list("prefix-list") {
            let network = notes.prefix(entry.get("ip-prefix"));
            if entry.get("ip-prefix").is_none() {
                notes.required::<()>(entry, "ip-prefix", None);
            }
            let Some(prefix) = network.and_then(prefix) else {
                continue;
            };
            let first = *family.get_or_insert(prefix.family());
            if first != prefix.family() {
                let message =
                    format!("{prefix} is not of the same family as the first of this set");
                let help = "IPv4 and IPv6 prefixes are of different sets";
                notes.error_with(span_of(entry, "ip-prefix"), message, help);
            }
            if let Some(lengths) = lengths(notes, entry, prefix) {
                texts.push(format!("{prefix} {}..{}", lengths.start(), lengths.end()));
                members.push((prefix, lengths));
            }
        }
        shown.push(show(node, NAME, SetKind::Prefix, texts));
        sets.insert(
            notes,
            node,
            NAME,
            (family, Arc::new(PrefixSet::new(members))),
        );
    }
    sets
}

/// `masklength-range`; without it, the prefix itself.
fn lengths<'t>(
    notes: &mut Notes<'t>,
    entry: &Node<'t>,
    prefix: Prefix,
) -> Option<RangeInclusive<u8>> {
    let (own, most) = (
        prefix.length(),
        if prefix.family() == Family::IPV4_UNICAST {
            32
        } else {
            128
        },
    );
    let value = entry.get("masklength-range");
    let Some(text) = notes.text(value).filter(|text| !text.is_empty()) else {
        return Some(own..=own);
    };
    let span = value?.span();
    let bounds = text.split_once("..");
    let number = |text: &str| text.trim().parse::<u8>().ok();
    let Some((from, to)) = bounds.and_then(|(from, to)| number(from).zip(number(to))) else {
        let message = format!("\"{}\" is not a range of lengths", text.escape_debug());
        notes.error_with(span, message, format!("it is written as \"{own}..{most}\""));
        return None;
    };
    let (message, help) = if from > to {
        (
            format!("no length is from {from} to {to}"),
            format!("the lesser one comes first: \"{to}..{from}\""),
        )
    } else if to > most {
        (
            format!("the longest prefix is /{most}"),
            format!("\"{}..{most}\"", from.min(most)),
        )
    } else if from < own {
        (
            format!("nothing in {prefix} has a length of {from}"),
            format!("\"{own}..{}\"", to.max(own)),
        )
    } else {
        return Some(from..=to);
    };
    notes.error_with(span, message, help);
    None
}
