// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets: `DefinedSet` and what a file says. Members are listed as GoBGP lists them, however they were written.

use bgp_proto::{Community, LargeCommunity};
use bgpd_api::v4::{self, DefinedType};
use ipnetwork::IpNetwork;
use tonic::Status;

use super::super::wrong;
use crate::config::{SetKind, Setting, Settings};

/// What is in a set of this type; `None`: we have no such sets.
pub(super) fn kind(defined_type: i32) -> Result<Option<SetKind>, Status> {
    match DefinedType::try_from(defined_type) {
        Ok(DefinedType::Prefix) => Ok(Some(SetKind::Prefix)),
        Ok(DefinedType::Neighbor) => Ok(Some(SetKind::Neighbor)),
        Ok(DefinedType::AsPath) => Ok(Some(SetKind::AsPath)),
        Ok(DefinedType::Community) => Ok(Some(SetKind::Community)),
        Ok(DefinedType::ExtCommunity) => Ok(Some(SetKind::ExtendedCommunity)),
        Ok(DefinedType::LargeCommunity) => Ok(Some(SetKind::LargeCommunity)),
        Ok(DefinedType::Tag | DefinedType::NextHop) => Ok(None),
        Ok(DefinedType::Unspecified) => Err(wrong("unspecified defined type")),
        Err(_) => Err(wrong(format!("unknown defined type {defined_type}"))),
    }
}

fn defined_type(kind: SetKind) -> DefinedType {
    match kind {
        SetKind::Prefix => DefinedType::Prefix,
        SetKind::Neighbor => DefinedType::Neighbor,
        SetKind::AsPath => DefinedType::AsPath,
        SetKind::Community => DefinedType::Community,
        SetKind::ExtendedCommunity => DefinedType::ExtCommunity,
        SetKind::LargeCommunity => DefinedType::LargeCommunity,
    }
}

/// As a file would say it. Whether members make sense is known when they are read.
pub(super) fn said(set: &v4::DefinedSet) -> Result<(SetKind, Settings), Status> {
    let Some(kind) = kind(set.defined_type)? else {
        let text =
            "bgpd has neither tags nor sets of next hops: a statement lists next hops itself";
        return Err(Status::unimplemented(text));
    };
    if set.name.is_empty() {
        return Err(wrong("empty set name"));
    }
    let members = if kind == SetKind::Prefix {
        let prefixes = set.prefixes.iter().map(prefix);
        Setting::Tables(prefixes.collect::<Result<_, _>>()?)
    } else {
        let texts = set.list.iter().map(|text| member(kind, text).into());
        Setting::List(texts.collect())
    };
    let settings = Settings::default()
        .with(kind.name_key(), set.name.as_str())
        .with(kind.members_key(), members);
    Ok((kind, settings))
}

/// A member as it is kept.
fn member(kind: SetKind, text: &str) -> String {
    match kind {
        SetKind::AsPath => text.replace(BOUNDARY, "_"),
        SetKind::Neighbor => network(text),
        _ => text.to_owned(),
    }
}

/// As GoBGP lists `_` in an expression for AS paths.
const BOUNDARY: &str = "(^|[,{}() ]|$)";

fn prefix(prefix: &v4::Prefix) -> Result<Settings, Status> {
    if !prefix.rtc_prefix.is_empty() {
        let text = "routes of the family rtc are not exchanged";
        return Err(Status::unimplemented(text));
    }
    let (from, to) = (prefix.mask_length_min, prefix.mask_length_max);
    let mut said = Settings::default().with("ip-prefix", network(&prefix.ip_prefix));
    // No lengths at all are those of a client that has not said any.
    if (from, to) != (0, 0) || prefix.ip_prefix.ends_with("/0") {
        said.say("masklength-range", format!("{from}..{to}"));
    }
    Ok(said)
}

/// An address or a prefix as a prefix without bits of a host; else as it is.
pub(super) fn network(text: &str) -> String {
    let Ok(network) = text.parse::<IpNetwork>() else {
        return text.to_owned();
    };
    format!("{}/{}", network.network(), network.prefix())
}

/// As GoBGP lists it.
pub(super) fn shown(kind: SetKind, set: &Settings) -> v4::DefinedSet {
    let mut shown = v4::DefinedSet {
        defined_type: defined_type(kind).into(),
        name: set.text(kind.name_key()).unwrap_or_default().to_owned(),
        ..v4::DefinedSet::default()
    };
    match set.get(kind.members_key()) {
        Some(Setting::Tables(prefixes)) => {
            shown.prefixes = prefixes.iter().map(shown_prefix).collect();
        }
        Some(Setting::List(members)) => {
            let texts = members.iter().filter_map(|member| match member {
                Setting::Text(text) => Some(listed(kind, text)),
                _ => None,
            });
            shown.list = texts.collect();
        }
        _ => {}
    }
    shown
}

fn shown_prefix(said: &Settings) -> v4::Prefix {
    let ip_prefix = network(said.text("ip-prefix").unwrap_or_default());
    let own = ip_prefix.rsplit_once('/').map_or("0", |(_, own)| own);
    let range = said
        .text("masklength-range")
        .filter(|text| !text.is_empty());
    let (from, to) = range
        .and_then(|text| text.split_once(".."))
        .unwrap_or((own, own));
    let number = |text: &str| text.trim().parse().unwrap_or_default();
    v4::Prefix {
        mask_length_min: number(from),
        mask_length_max: number(to),
        ip_prefix,
        ..v4::Prefix::default()
    }
}

/// A member as GoBGP lists it, which is the same however it was written: a community is an expression for it alone.
pub(super) fn listed(kind: SetKind, text: &str) -> String {
    match kind {
        SetKind::Prefix => text.to_owned(),
        SetKind::Neighbor => network(text),
        SetKind::AsPath if is_single_as(text) => text.to_owned(),
        SetKind::AsPath => text.replace('_', BOUNDARY),
        SetKind::Community => match community(text) {
            Some(number) => alone(&number),
            None => text.to_owned(),
        },
        SetKind::ExtendedCommunity => match text.split_once(':') {
            Some((kind, value)) if is_value(value) => format!("{kind}:{}", alone(value)),
            _ => text.to_owned(),
        },
        SetKind::LargeCommunity => match text.parse::<LargeCommunity>() {
            Ok(_) => alone(text),
            Err(_) => text.to_owned(),
        },
    }
}

fn alone(text: &str) -> String {
    format!("^{text}$")
}

/// A community as two numbers, if it is one and no expression.
pub(super) fn community(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase().replace('_', "-");
    let number = text.parse().map(Community).or_else(|_| name.parse());
    let Community(number) = number.ok()?;
    Some(format!("{}:{}", number >> 16, number & 0xffff))
}

/// Whether it is what stands behind the kind of an extended community: a number or an address, and a number.
fn is_value(text: &str) -> bool {
    let is_of = |text: &str, signs: &[char]| {
        let fits = |c: char| c.is_ascii_digit() || signs.contains(&c);
        !text.is_empty() && text.chars().all(fits)
    };
    let halves = text.split_once(':');
    halves.is_some_and(|(front, number)| is_of(front, &['.']) && is_of(number, &[]))
}

/// Whether GoBGP takes it for an AS or a range of them at some place of the path: those are listed as they are.
fn is_single_as(text: &str) -> bool {
    let inner = text.strip_prefix(['^', '_']);
    let inner = inner.and_then(|inner| inner.strip_suffix(['_', '$']));
    inner.is_some_and(|inner| {
        !inner.is_empty() && inner.chars().all(|c| c.is_ascii_digit() || c == '-')
    })
}
