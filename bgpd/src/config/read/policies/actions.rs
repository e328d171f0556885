// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a statement of a policy does.

use std::{net::IpAddr, sync::Arc};

use bgp_proto::{Asn, Community, ExtendedCommunity, LargeCommunity, Origin};
use rib::policy::{
    Action, AsPathEdit, AsRange, AsSource, CommunityKind, CommunitySet, Edit, NextHopAction,
    Number, Statement, Tunnel,
};

use super::{
    super::{
        super::{policy::Clause, value::Value},
        Data, Maybe, Node, Notes,
    },
    conditions::word,
    sets::{community_pattern, community_text},
};

pub(super) const ORIGINS: &[(&str, Origin)] = &[
    ("igp", Origin::Igp),
    ("egp", Origin::Egp),
    ("incomplete", Origin::Incomplete),
];

/// Statements in order, and how they are shown.
#[derive(Default)]
struct Actions {
    steps: Vec<Statement>,
    shown: Vec<Clause>,
}

impl Actions {
    fn show(&mut self, key: &'static str, value: impl Into<String>) {
        self.shown.push(Clause {
            key: key.to_owned(),
            value: value.into(),
        });
    }

    fn push(&mut self, key: &'static str, value: impl Into<String>, action: Action) {
        self.show(key, value);
        self.steps.push(Statement::Act(action));
    }
}

/// The actions of a statement, whether it decides included.
pub(super) fn read<'t>(notes: &mut Notes<'t>, table: &Node<'t>) -> (Vec<Statement>, Vec<Clause>) {
    let mut out = Actions::default();
    communities(notes, table, &mut out);
    numbers(notes, table, &mut out);
    attributes(notes, table, &mut out);
    as_path(notes, table, &mut out);
    kernel(notes, table, &mut out);
    let dispositions = [
        ("none", None),
        ("accept-route", Some(Statement::Accept)),
        ("reject-route", Some(Statement::Reject)),
    ];
    let words: Vec<(&str, usize)> = dispositions
        .iter()
        .enumerate()
        .map(|(number, (word, _))| (*word, number))
        .collect();
    let chosen = word(notes, table.get("actions.route-disposition"), &words);
    if let Some((name, Some(statement))) = chosen.and_then(|number| dispositions.get(number)) {
        out.show("route-disposition", *name);
        out.steps.push(statement.clone());
    }
    (out.steps, out.shown)
}

const BGP: &str = "actions.bgp-actions";

fn bgp<'t>(node: &Node<'t>, key: &str) -> Maybe<'t> {
    node.get(&format!("{BGP}.{key}"))
}

fn communities<'t>(notes: &mut Notes<'t>, node: &Node<'t>, out: &mut Actions) {
    macro_rules! edit {
        ($key:literal, $kind:ty, $action:ident) => {
            if let Some((edit, shown)) = edit::<$kind>(notes, node, $key) {
                out.push($key, shown, Action::$action(edit));
            }
        };
    }
    edit!("set-community", Community, Communities);
    edit!("set-ext-community", ExtendedCommunity, ExtendedCommunities);
    edit!("set-large-community", LargeCommunity, LargeCommunities);
}

#[derive(Clone, Copy)]
enum Change {
    Add,
    Replace,
    Remove,
    Keep,
}

/// A change of a list of communities, and how it is shown.
fn edit<'t, T: CommunityKind>(
    notes: &mut Notes<'t>,
    node: &Node<'t>,
    key: &str,
) -> Option<(Edit<T>, String)> {
    let list = bgp(node, &format!("{key}.{key}-method.communities-list"));
    let items = notes.items(list).unwrap_or_default();
    let how = bgp(node, &format!("{key}.options"));
    let is_empty = how.and_then(|how| how.get_ref().as_str()) == Some("");
    if how.is_none() || is_empty {
        if let (false, Some(list)) = (items.is_empty(), list) {
            let help = "\"add\", \"remove\", \"replace\" or \"keep\"";
            notes.error_with(list.span(), "`options` is missing", help);
        }
        return None;
    }
    let changes = [
        ("add", Change::Add),
        ("replace", Change::Replace),
        ("remove", Change::Remove),
        ("keep", Change::Keep),
    ];
    let change = word(notes, how, &changes)?;
    let texts: Vec<&str> = items
        .iter()
        .filter_map(|item| item.get_ref().as_str())
        .collect();
    let how = how
        .and_then(|how| how.get_ref().as_str())
        .unwrap_or_default();
    let shown = format!("{} [{}]", how.to_ascii_lowercase(), texts.join(", "));
    let mut exact = || -> Arc<[T]> {
        items
            .iter()
            .filter_map(|item| community(notes, item))
            .collect()
    };
    let edit = match change {
        Change::Add => Edit::Add(exact()),
        Change::Replace => Edit::Replace(exact()),
        Change::Remove | Change::Keep => {
            let patterns = items
                .iter()
                .filter_map(|item| community_pattern(notes, item));
            let set = Arc::new(CommunitySet::new(patterns));
            match change {
                Change::Keep => Edit::Keep(set),
                _ => Edit::Remove(set),
            }
        }
    };
    Some((edit, shown))
}

/// A community, not a pattern.
fn community<'t, T: CommunityKind>(notes: &mut Notes<'t>, item: &'t Value) -> Option<T> {
    let text = notes.text(Some(item))?;
    let read = community_text(text).parse().ok();
    if read.is_none() {
        let message = format!(
            "\"{}\" is not a community of this kind",
            text.escape_debug()
        );
        let help =
            "they are written as 65000:1, rt:65000:1 or soo:65000:1 (extended), 65000:1:2 (large)";
        notes.error_with(item.span(), message, help);
    }
    read
}

/// A number, `"+10"` or `"-10"`. `None` within: "none".
fn number<'t>(
    notes: &mut Notes<'t>,
    value: Maybe<'t>,
    of: Number,
    may_go: bool,
) -> Option<(Option<Number>, String)> {
    let span = value?.span();
    let text = match value?.get_ref() {
        Data::Integer(integer) if !integer.starts_with(['+', '-']) => {
            let number: u32 = notes.number(value, 0..=u32::MAX.into())?;
            return Some((Some(Number::Constant(number)), number.to_string()));
        }
        Data::Integer(integer) => {
            let message = "a change is written as a text";
            notes.error_with(span, message, format!("\"{integer}\""));
            return None;
        }
        _ => notes.text(value)?,
    };
    if may_go && text == "none" {
        return Some((None, text.to_owned()));
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = digits
        .parse::<u32>()
        .ok()
        .filter(|_| !digits.starts_with('+'));
    let Some(number) = number else {
        let message = format!(
            "\"{}\" is no number from 0 to {}",
            text.escape_debug(),
            u32::MAX
        );
        notes.error_with(
            span,
            message,
            "it is written as \"100\", \"+100\" or \"-100\"",
        );
        return None;
    };
    let number = Number::Constant(number);
    let number = match text.as_bytes().first() {
        Some(b'+') => of.plus(number),
        Some(b'-') => of.minus(number),
        _ => number,
    };
    Some((Some(number), text.to_owned()))
}

fn numbers<'t>(notes: &mut Notes<'t>, node: &Node<'t>, out: &mut Actions) {
    if let Some((med, shown)) = number(notes, bgp(node, "set-med"), Number::Med, true) {
        out.push("set-med", shown, Action::Med(med));
    }
    let value = bgp(node, "set-local-pref");
    if let Some((Some(number), shown)) = number(notes, value, Number::LocalPref, false) {
        out.push("set-local-pref", shown, Action::LocalPref(number));
    }
    let value = node.get("actions.set-preference");
    if let Some((Some(number), shown)) = number(notes, value, Number::Preference, false) {
        if let (Number::Constant(65536..), Some(value)) = (&number, value) {
            notes.error(value.span(), "a preference is from 0 to 65535");
        }
        out.push("set-preference", shown, Action::Preference(number));
    }
}

fn attributes<'t>(notes: &mut Notes<'t>, node: &Node<'t>, out: &mut Actions) {
    let value = bgp(node, "set-route-origin");
    if let Some(origin) = word::<Origin>(notes, value, ORIGINS) {
        let shown = origin.to_string().to_ascii_lowercase();
        out.push("set-route-origin", shown, Action::Origin(origin));
    }
    let value = bgp(node, "set-next-hop");
    let Some(text) = notes.text(value).filter(|text| !text.is_empty()) else {
        return;
    };
    let hop = match text {
        "self" => Some(NextHopAction::Own),
        "unchanged" => Some(NextHopAction::Unchanged),
        "peer-address" => Some(NextHopAction::Peer),
        _ => text.parse().ok().map(NextHopAction::Address),
    };
    match (hop, value) {
        (Some(hop), _) => out.push("set-next-hop", text, Action::NextHop(hop)),
        (None, Some(value)) => {
            let message = format!("\"{}\" is no next hop", text.escape_debug());
            let help = "it is an address, \"self\", \"unchanged\" or \"peer-address\"";
            notes.error_with(value.span(), message, help);
        }
        (None, None) => {}
    }
}

fn as_path<'t>(notes: &mut Notes<'t>, node: &Node<'t>, out: &mut Actions) {
    const PREPEND: &str = "set-as-path-prepend";
    const REPLACE: &str = "set-as-path-replace";
    let asn = bgp(node, &format!("{PREPEND}.as"));
    let times = bgp(node, &format!("{PREPEND}.repeat-n"));
    if let Some(given) = asn.or(times) {
        for (there, name) in [(asn, "as"), (times, "repeat-n")] {
            if there.is_none() {
                notes.error(given.span(), format!("`{name}` is missing"));
            }
        }
        let source = source(notes, asn, &[]);
        let times: Option<u8> = notes.number(times, 1..=255);
        if let (Some((Some(source), shown)), Some(times)) = (source, times) {
            let edit = AsPathEdit::Prepend(source, times);
            out.push(PREPEND, format!("{shown} × {times}"), Action::AsPath(edit));
        }
    }
    let old = bgp(node, &format!("{REPLACE}.as"));
    let new = bgp(node, &format!("{REPLACE}.with"));
    let Some(given) = old.or(new) else {
        return;
    };
    for (there, name) in [(old, "as"), (new, "with")] {
        if there.is_none() {
            notes.error(given.span(), format!("`{name}` is missing"));
        }
    }
    let ranges = ranges(notes, old);
    if let (Some((ranges, what)), Some((source, with))) = (ranges, source(notes, new, &["none"])) {
        out.show(REPLACE, format!("{what} with {with}"));
        out.steps.extend(ranges.into_iter().map(|range| {
            let edit = match source {
                Some(source) => AsPathEdit::Replace(range, source),
                None => AsPathEdit::Remove(range),
            };
            Statement::Act(Action::AsPath(edit))
        }));
    }
}

/// A text, or a number as one.
fn text_or_number<'t>(notes: &mut Notes<'t>, value: Maybe<'t>) -> Option<String> {
    match value?.get_ref() {
        Data::Integer(integer) => Some(integer.clone()),
        _ => notes.text(value).map(str::to_owned),
    }
}

/// An AS number for the path, and how it is shown. `None` within: one of the words that stand for none.
fn source<'t>(
    notes: &mut Notes<'t>,
    value: Maybe<'t>,
    nothing: &[&str],
) -> Option<(Option<AsSource>, String)> {
    let text = text_or_number(notes, value)?;
    let source = match text.as_str() {
        "last-as" => Some(AsSource::First),
        "own" => Some(AsSource::Own),
        word if nothing.contains(&word) => None,
        number => {
            let Ok(number @ 1..) = number.parse::<u32>() else {
                let message = format!("\"{}\" is no AS number", number.escape_debug());
                let help = "it is a number, \"last-as\" (the first of the path) or \"own\"";
                notes.error_with(value?.span(), message, help);
                return None;
            };
            Some(AsSource::Asn(Asn(number)))
        }
    };
    Some((source, text))
}

/// The AS numbers that are replaced.
fn ranges<'t>(notes: &mut Notes<'t>, value: Maybe<'t>) -> Option<(Vec<AsRange>, String)> {
    let text = text_or_number(notes, value)?;
    let range = |first, last| AsRange {
        first: Asn(first),
        last: Asn(last),
    };
    let ranges = match text.as_str() {
        "all" => vec![AsRange::ALL],
        // RFC 6996 §5.
        "private" => vec![range(64_512, 65_534), range(4_200_000_000, 4_294_967_294)],
        other => {
            let Ok(range) = other.parse() else {
                let message = format!("\"{}\" is no AS number and no range", other.escape_debug());
                let help = "it is written as \"65001\", \"65001-65010\", \"private\" or \"all\"";
                notes.error_with(value?.span(), message, help);
                return None;
            };
            vec![range]
        }
    };
    Some((ranges, text))
}

fn kernel<'t>(notes: &mut Notes<'t>, node: &Node<'t>, out: &mut Actions) {
    let key = |last: &str| format!("actions.kernel-actions.{last}");
    let value = node.get(&key("set-metric"));
    if let Some(metric) = notes.number::<u32>(value, 0..=u32::MAX.into()) {
        out.push("set-metric", metric.to_string(), Action::Metric(metric));
    }
    let value = node.get(&key("set-preferred-source"));
    if let Some(address) = notes
        .address(value)
        .filter(|address| is_source(notes, value, *address))
    {
        let action = Action::PreferredSource(address);
        out.push("set-preferred-source", address.to_string(), action);
    }
    let value = node.get(&key("set-table"));
    if let Some(table) = notes.number::<u32>(value, 1..=u32::MAX.into()) {
        if let (255, Some(value)) = (table, value) {
            notes.error(value.span(), "table 255 (local) is the kernel's own");
        }
        out.push("set-table", table.to_string(), Action::Table(table));
    }
    let value = node.get(&key("set-tunnel"));
    if let Some(name) = notes.name(value) {
        let tunnel = match name.as_str() {
            "never" => Tunnel::Never,
            "always" => Tunnel::Always,
            "cross-subnet" => Tunnel::CrossSubnet,
            device => Tunnel::Device(device.into()),
        };
        // IFNAMSIZ, with its zero at the end.
        if let (16.., Some(value)) = (name.len(), value) {
            notes.error(value.span(), "names of interfaces have at most 15 octets");
        }
        out.push("set-tunnel", name, Action::Tunnel(tunnel));
    }
}

fn is_source<'t>(notes: &mut Notes<'t>, value: Maybe<'t>, address: IpAddr) -> bool {
    let source = !address.is_unspecified() && !address.is_multicast();
    if let (false, Some(value)) = (source, value) {
        notes.error(value.span(), format!("{address} is no address of a host"));
    }
    source
}
