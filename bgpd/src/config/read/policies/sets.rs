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

impl<'t> Sets<'t> {
    pub(super) fn read(notes: &mut Notes<'t>, root: &Node<'t>) -> Self {
        let mut shown = Vec::new();
        Self {
            prefixes: prefix_sets(notes, root, &mut shown),
            neighbors: neighbor_sets(notes, root, &mut shown),
            as_paths: patterns(notes, root, SetKind::AsPath, &mut shown, |notes, value| {
                let text = notes.text(Some(value))?;
                pattern(notes, value, text.parse::<AsPathPattern>())
            })
            .map(|patterns| Arc::new(AsPathSet::new(patterns))),
            communities: patterns(
                notes,
                root,
                SetKind::Community,
                &mut shown,
                community_pattern,
            )
            .map(|patterns| Arc::new(CommunitySet::new(patterns))),
            extended: patterns(
                notes,
                root,
                SetKind::ExtendedCommunity,
                &mut shown,
                community_pattern,
            )
            .map(|patterns| Arc::new(CommunitySet::new(patterns))),
            large: patterns(
                notes,
                root,
                SetKind::LargeCommunity,
                &mut shown,
                community_pattern,
            )
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

fn show(node: &Node<'_>, kind: SetKind, members: Vec<String>) -> DefinedSet {
    let name = node
        .get(kind.name_key())
        .and_then(|value| value.get_ref().as_str());
    DefinedSet {
        kind,
        name: name.unwrap_or_default().to_owned(),
        members,
    }
}

/// What a set of this kind is called in messages.
fn called(kind: SetKind) -> Kind {
    (kind.words(), kind.list())
}

/// Sets of what texts are read as.
fn patterns<'t, T>(
    notes: &mut Notes<'t>,
    root: &Node<'t>,
    kind: SetKind,
    shown: &mut Vec<DefinedSet>,
    read: impl Fn(&mut Notes<'t>, &'t Value) -> Option<T>,
) -> Named<'t, Vec<T>> {
    let mut sets = Named::new(called(kind));
    for node in root.list(kind.list()) {
        let items = notes
            .items(node.get(kind.members_key()))
            .unwrap_or_default();
        let members = items.iter().filter_map(|item| read(notes, item)).collect();
        let texts = items.iter().filter_map(|item| item.get_ref().as_str());
        let texts = texts.map(str::to_owned).collect();
        shown.push(show(node, kind, texts));
        sets.insert(notes, node, kind.name_key(), members);
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
    const KIND: SetKind = SetKind::Neighbor;
    let mut sets = Named::new(called(KIND));
    for node in root.list(KIND.list()) {
        let items = notes
            .items(node.get(KIND.members_key()))
            .unwrap_or_default();
        let members = addresses(notes, &items);
        if items.is_empty() {
            notes.error_with(
                node.span.clone(),
                "this set is empty: GoBGP lets it match every neighbour",
                "leave the condition out, or say `0.0.0.0/0` and `::/0`",
            );
        }
        let texts = members.iter().map(ToString::to_string).collect();
        shown.push(show(node, KIND, texts));
        sets.insert(
            notes,
            node,
            KIND.name_key(),
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
    const KIND: SetKind = SetKind::Prefix;
    let mut sets = Named::new(called(KIND));
    for node in root.list(KIND.list()) {
        let mut family = None;
        let (mut members, mut texts) = (Vec::new(), Vec::new());
        for entry in node.list(KIND.members_key()) {
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
        shown.push(show(node, KIND, texts));
        sets.insert(
            notes,
            node,
            KIND.name_key(),
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
