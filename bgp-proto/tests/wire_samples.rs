// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every message of `tests/vectors` decodes with the outcome stated there, and what was read survives being written.

use std::{collections::BTreeMap, fmt::Write as _, fs, net::Ipv6Addr, path::Path};

use bgp_proto::{
    Family, Framer, HoldTime, LargeCommunity, MessageKind, Negotiated, NegotiatedFamily,
    Notification, Open, Origin, PathAttributes, PeerKind, Prefix, RouteRefresh, Update,
    UpdateWriter, Verdict,
};
use bytes::{Bytes, BytesMut};

/// Decodes that can not be compared, and why.
const NOT_COMPARED: &[&str] = &[
    // Path identifiers that the other decoder did not expect.
    "exabgp-qa-encoding-00027",
    // IPv4 multicast, which we do not exchange.
    "unit-tests-00028",
    // Loc-RIB routes out of BMP: their next hop is 0.0.0.0 or ::, which no session may carry.
    "pmacct-bmp-00273",
    "pmacct-bmp-00310",
    "pmacct-bmp-00325",
];

struct Sample {
    id: String,
    context: String,
    expect: String,
    label: String,
    octets: Vec<u8>,
}

#[test]
fn every_message_decodes_with_the_outcome_stated() {
    let samples = samples();
    assert!(samples.len() > 3300, "only {} samples", samples.len());
    let wrong: Vec<String> = samples.iter().filter_map(mismatch).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        samples.len(),
        wrong.join("\n")
    );
}

#[test]
fn updates_decode_as_an_independent_decoder_says() {
    let expected = independent_decodes();
    assert!(expected.len() > 2000, "only {} decodes", expected.len());
    let mut wrong = Vec::new();
    let mut compared = 0;
    for sample in samples() {
        let Some(wanted) = expected.get(&sample.id) else {
            continue;
        };
        let session = session(&sample.context);
        let body = &sample.octets[bgp_proto::frame::HEADER..];
        let Ok(update) = Update::decode(body, &session) else {
            continue;
        };
        compared += 1;
        let found = [as_bgpdump(&update, true), as_bgpdump(&update, false)];
        // Large communities are shown by that decoder in some of its output formats only.
        if !found.contains(wanted) && !NOT_COMPARED.contains(&sample.id.as_str()) {
            wrong.push(format!(
                "{} {}\n  found  {found:?}\n  wanted {wanted:?}",
                sample.id, sample.label
            ));
        }
    }
    assert!(compared > 2000, "only {compared} compared");
    assert!(
        wrong.is_empty(),
        "{} of {compared} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_was_read_is_written_and_read_again_the_same() {
    let mut count = 0;
    for sample in samples() {
        let Some(body) = sample
            .octets
            .get(bgp_proto::frame::HEADER..)
            .filter(|_| sample.octets.get(18) == Some(&2))
        else {
            continue;
        };
        let mut session = session(&sample.context);
        for entry in &mut session.families {
            entry.add_path_send = entry.add_path_receive;
        }
        let Ok(update) = Update::decode(body, &session) else {
            continue;
        };
        let writer = UpdateWriter::new(&session);
        for (attributes, block) in update.announced() {
            let mut attributes = attributes.clone();
            for unknown in &mut attributes.unknown {
                unknown.flags |= 0x20; // Partial is set on the way
            }
            let mut messages: Vec<Bytes> = Vec::new();
            writer
                .announce(&attributes, block.family, block.prefixes(), |message| {
                    messages.push(message);
                })
                .unwrap();
            let mut again = Vec::new();
            for message in &messages {
                let read = Update::decode(&message[bgp_proto::frame::HEADER..], &session).unwrap();
                assert_eq!(read.faults(), [], "{}", sample.id);
                for (found, block) in read.announced() {
                    assert_eq!(found, &attributes, "{}", sample.id);
                    again.extend(block.prefixes());
                }
            }
            assert_eq!(again, block.prefixes().collect::<Vec<_>>(), "{}", sample.id);
            count += 1;
        }
    }
    assert!(count > 2000, "only {count} went round");
}

fn mismatch(sample: &Sample) -> Option<String> {
    let found = outcome(sample);
    if sample.id.starts_with("pmacct-bmp") && NOT_COMPARED.contains(&sample.id.as_str()) {
        return (found != "withdraw")
            .then(|| format!("{}: a route without next hop was accepted", sample.id));
    }
    let fits = sample.expect.split('|').any(|wanted| match wanted {
        "truncated" | "no-panic" => true,
        "reset-or-disable" => found.starts_with("notif:3/"),
        _ => wanted
            .strip_suffix('*')
            .map_or(wanted == found, |head| found.starts_with(head)),
    });
    (!fits).then(|| {
        format!(
            "{} [{}] wanted {} found {found}: {}",
            sample.id, sample.context, sample.expect, sample.label
        )
    })
}

fn outcome(sample: &Sample) -> String {
    let session = session(&sample.context);
    let mut framer = Framer::default();
    framer.set_max_message(session.max_message);
    let mut buffer = BytesMut::from(&sample.octets[..]);
    let frame = match framer.next(&mut buffer) {
        Ok(Some(frame)) => frame,
        Ok(None) => return "truncated".to_owned(),
        Err(error) => return refused(&error.notification()),
    };
    match frame.kind {
        MessageKind::Open => Open::decode(frame.body())
            .map_or_else(|error| refused(&error.notification()), |_| "ok".to_owned()),
        MessageKind::Notification => {
            // Printing it must not fail either.
            let _ = Notification::decode(frame.body()).to_string();
            "ok".to_owned()
        }
        MessageKind::Keepalive => "ok".to_owned(),
        MessageKind::RouteRefresh => RouteRefresh::decode(frame.body()).map_or_else(
            |error| refused(&error.notification(false)),
            |_| "ok".to_owned(),
        ),
        MessageKind::Update => match Update::decode(frame.body(), &session) {
            Ok(update) => match update.verdict() {
                Verdict::Accept => "ok".to_owned(),
                Verdict::Discard => format!("discard:{}", update.faults()[0].attribute),
                Verdict::Withdraw => "withdraw".to_owned(),
            },
            Err(error) => refused(&error.notification()),
        },
    }
}

fn refused(notification: &Notification) -> String {
    format!("notif:{}/{}", notification.code.0, notification.code.1)
}

fn session(context: &str) -> Negotiated {
    let has = |wanted: &str| {
        context
            .split(';')
            .any(|part| part.trim_end_matches('?') == wanted)
    };
    let add_path = context
        .split(';')
        .find_map(|part| part.strip_prefix("addpath="))
        .unwrap_or("")
        .trim_end_matches('?');
    let family = |family: Family, name: &str| NegotiatedFamily {
        family,
        add_path_receive: add_path.split('+').any(|part| part == name),
        add_path_send: false,
        extended_next_hop: true,
    };
    Negotiated {
        four_octet_as: !has("as4=0"),
        max_message: if has("extmsg=1") { 65_535 } else { 4096 },
        families: vec![
            family(Family::IPV4_UNICAST, "1/1"),
            family(Family::IPV6_UNICAST, "2/1"),
        ],
        route_refresh: true,
        enhanced_route_refresh: false,
        long_lived_stale: false,
        aigp: true,
        refuse_as_sets: false,
        kind: if has("peer=ebgp") {
            PeerKind::External
        } else {
            PeerKind::Internal
        },
        hold_time: HoldTime::OFF,
    }
}

/// In the columns of the decodes: attributes and sorted prefixes per group.
fn as_bgpdump(update: &Update<'_>, large: bool) -> Vec<String> {
    let mut groups = Vec::new();
    let mut withdrawn: Vec<Prefix> = update
        .withdrawn()
        .flat_map(|block| block.prefixes())
        .map(|(_, prefix)| prefix)
        .collect();
    withdrawn.sort_unstable();
    if !withdrawn.is_empty() {
        groups.push(format!("W|>{}", list(&withdrawn)));
    }
    for (attributes, block) in update.announced() {
        let mut prefixes: Vec<Prefix> = block.prefixes().map(|(_, prefix)| prefix).collect();
        prefixes.sort_unstable();
        groups.push(format!(
            "{}|>{}",
            columns(attributes, large),
            list(&prefixes)
        ));
    }
    groups.sort();
    groups
}

fn list(prefixes: &[Prefix]) -> String {
    prefixes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn columns(attributes: &PathAttributes, large: bool) -> String {
    let large: &[LargeCommunity] = if large {
        &attributes.large_communities
    } else {
        &[]
    };
    let origin = match attributes.origin {
        Origin::Igp => "IGP",
        Origin::Egp => "EGP",
        Origin::Incomplete => "INCOMPLETE",
    };
    let standard = attributes
        .communities
        .iter()
        .map(|community| match community.0 {
            0xffff_ff01 => "no-export".to_owned(),
            0xffff_ff02 => "no-advertise".to_owned(),
            0xffff_ff03 => "local-AS".to_owned(),
            number => format!("{}:{}", number >> 16, number & 0xffff),
        });
    let communities: Vec<String> = standard
        .chain(large.iter().map(ToString::to_string))
        .collect();
    let mut line = format!(
        "A|{}|{origin}|{}|{}|{}|{}|{}",
        attributes.as_path,
        attributes.next_hop,
        attributes.local_pref.unwrap_or(0),
        attributes.med.unwrap_or(0),
        communities.join(" "),
        if attributes.atomic_aggregate {
            "AG"
        } else {
            "NAG"
        },
    );
    match attributes.aggregator {
        Some(aggregator) => write!(line, "|{} {}", aggregator.asn, aggregator.address).unwrap(),
        None => line.push('|'),
    }
    line
}

/// By id: the groups, their prefixes sorted and brought together where attributes are the same.
fn independent_decodes() -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for line in lines("decode") {
        let mut fields = line.split('\t');
        let id = fields.next().unwrap().to_owned();
        all.insert(id, fields.map(normalised).collect::<Vec<_>>());
    }
    for groups in all.values_mut() {
        groups.sort();
    }
    all
}

fn normalised(group: &str) -> String {
    let (attributes, prefixes) = group.split_once("|>").unwrap_or((group, ""));
    let mut prefixes: Vec<Prefix> = prefixes
        .split_whitespace()
        .filter_map(|text| text.parse().ok())
        .collect();
    prefixes.sort_unstable();
    let mut columns: Vec<&str> = attributes.split('|').collect();
    if columns.first() == Some(&"A") {
        // Routes with path identifiers have one column more.
        if matches!(columns.get(3), Some(&("IGP" | "EGP" | "INCOMPLETE"))) {
            columns.remove(1);
        }
        columns.resize(9, "");
        // That decoder shortens the first pair of zeros it meets, RFC 5952 the longest.
        return match columns[3].parse::<Ipv6Addr>() {
            Ok(address) => {
                let address = address.to_string();
                columns[3] = &address;
                format!("{}|>{}", columns.join("|"), list(&prefixes))
            }
            Err(_) => format!("{}|>{}", columns.join("|"), list(&prefixes)),
        };
    }
    format!("{}|>{}", columns.join("|"), list(&prefixes))
}

fn samples() -> Vec<Sample> {
    let parse = |line: String| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, _, context, expect, _, label, hex] = fields[..] else {
            panic!("not seven columns: {line}")
        };
        let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Sample {
            id: id.to_owned(),
            context: context.to_owned(),
            expect: expect.to_owned(),
            label: label.to_owned(),
            octets: (0..hex.len()).step_by(2).map(octet).collect(),
        }
    };
    lines("messages").into_iter().map(parse).collect()
}

fn lines(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let text = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect::<String>();
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(str::to_owned)
        .collect()
}
