// SPDX-License-Identifier: Apache-2.0 OR MIT
//! UPDATEs read and written, and nom beside a hand-written cursor on the two loops that matter.

use std::{hint::black_box, net::Ipv4Addr};

use bgp_proto::{
    Aggregator, AsPath, Asn, Community, Family, Ipv4Prefix, Ipv6Prefix, LargeCommunity, Negotiated,
    NegotiatedFamily, NextHop, Origin, PathAttributes, Prefix, Update, UpdateWriter, frame::HEADER,
};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

criterion_group!(benches, updates, nlri, attributes);
criterion_main!(benches);

/// Whole messages. The throughput is in routes.
fn updates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("update");
    let session = session(false);
    let cases = [
        (
            "ipv4, 4 per message",
            Family::IPV4_UNICAST,
            4,
            session.clone(),
        ),
        (
            "ipv4, full messages",
            Family::IPV4_UNICAST,
            2000,
            session.clone(),
        ),
        (
            "ipv4, full messages, add-path",
            Family::IPV4_UNICAST,
            2000,
            self::session(true),
        ),
        ("ipv6, full messages", Family::IPV6_UNICAST, 2000, session),
    ];
    for (name, family, count, session) in cases {
        let (attributes, routes) = (rich(family), routes(family, count));
        let writer = UpdateWriter::new(&session);
        let write = || {
            let mut messages: Vec<Bytes> = Vec::with_capacity(8);
            writer
                .announce(&attributes, family, routes.iter().copied(), |message| {
                    messages.push(message);
                })
                .expect("the attributes fit");
            messages
        };
        let messages = write();
        group.throughput(Throughput::Elements(routes.len() as u64));
        group.bench_function(format!("decode {name}"), |bencher| {
            bencher.iter(|| {
                messages
                    .iter()
                    .fold(0, |sum, message| sum ^ read(message, &session))
            });
        });
        group.bench_function(format!("encode {name}"), |bencher| bencher.iter(write));
    }
    group.finish();
}

/// Every route of the message is looked at, as a table would.
fn read(message: &Bytes, session: &Negotiated) -> u32 {
    let update = Update::decode(&message[HEADER..], session).expect("what we write is right");
    let mut sum = 0_u32;
    for (attributes, block) in update.announced() {
        black_box(attributes);
        for (id, prefix) in block.ipv4() {
            sum ^= id ^ u32::from(prefix.addr()) ^ u32::from(prefix.length());
        }
        for (id, prefix) in block.ipv6() {
            black_box(prefix);
            sum ^= id ^ u32::from(prefix.length());
        }
    }
    sum
}

/// The loop over prefixes, without the rest: the crate's own against nom's combinators.
fn nlri(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nlri");
    let list: Vec<u8> = routes(Family::IPV4_UNICAST, 1000)
        .iter()
        .flat_map(|(_, prefix)| wire(*prefix))
        .collect();
    group.throughput(Throughput::Elements(1000));
    group.bench_function("nom, checked and walked", |bencher| {
        bencher.iter(|| {
            let list = black_box(&list[..]);
            let check = with_nom::walk(list).count();
            check
                + with_nom::walk(list)
                    .map(|(bits, length)| bits as usize ^ usize::from(length))
                    .sum::<usize>()
        });
    });
    let mut body = vec![0, 0, 0, 0];
    body[0..2].copy_from_slice(&u16::try_from(list.len()).expect("short").to_be_bytes());
    body.splice(2..2, list);
    let session = session(false);
    group.bench_function("cursor, checked and walked", |bencher| {
        bencher.iter(|| {
            let update = Update::decode(black_box(&body), &session).expect("right");
            let sum = |(_, prefix): (u32, Ipv4Prefix)| {
                u32::from(prefix.addr()) as usize ^ usize::from(prefix.length())
            };
            update
                .withdrawn()
                .flat_map(|block| block.ipv4())
                .map(sum)
                .sum::<usize>()
        });
    });
    group.finish();
}

/// The walk over attribute headers.
fn attributes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attributes");
    let session = session(false);
    let mut message = Bytes::new();
    UpdateWriter::new(&session)
        .announce(
            &rich(Family::IPV4_UNICAST),
            Family::IPV4_UNICAST,
            routes(Family::IPV4_UNICAST, 1),
            |one| message = one,
        )
        .expect("the attributes fit");
    let length = usize::from(u16::from_be_bytes([
        message[HEADER + 2],
        message[HEADER + 3],
    ]));
    let list = message.slice(HEADER + 4..HEADER + 4 + length);
    assert_eq!(with_nom::headers(&list), with_cursor::headers(&list));
    group.bench_function("headers, nom", |bencher| {
        bencher.iter(|| with_nom::headers(black_box(&list)));
    });
    group.bench_function("headers, cursor", |bencher| {
        bencher.iter(|| with_cursor::headers(black_box(&list)));
    });
    group.bench_function("all decoded", |bencher| {
        bencher.iter(|| {
            Update::decode(black_box(&message[HEADER..]), &session).map(|update| update.verdict())
        });
    });
    group.finish();
}

mod with_nom {
    use nom::{
        IResult, Parser,
        bytes::complete::take,
        number::complete::{be_u8, be_u16},
    };

    pub(crate) fn walk(mut list: &[u8]) -> impl Iterator<Item = (u32, u8)> {
        std::iter::from_fn(move || {
            let (rest, item) = prefix(list).ok()?;
            list = rest;
            Some(item)
        })
    }

    fn prefix(list: &[u8]) -> IResult<&[u8], (u32, u8), ()> {
        let (list, length) = be_u8.parse_complete(list)?;
        let (list, octets) = take(usize::from(length.div_ceil(8))).parse_complete(list)?;
        let mut address = [0; 4];
        match address.get_mut(..octets.len()) {
            Some(place) => place.copy_from_slice(octets),
            None => return Err(nom::Err::Error(())),
        }
        let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        Ok((list, (u32::from_be_bytes(address) & mask, length)))
    }

    pub(crate) fn headers(mut list: &[u8]) -> usize {
        let mut sum = 0;
        while let Ok((rest, (code, value))) = header(list) {
            sum += usize::from(code) ^ value.len();
            list = rest;
        }
        sum
    }

    fn header(list: &[u8]) -> IResult<&[u8], (u8, &[u8]), ()> {
        let (list, (flags, code)) = (be_u8, be_u8).parse_complete(list)?;
        let (list, length) = if flags & 0x10 == 0 {
            be_u8.map(u16::from).parse_complete(list)?
        } else {
            be_u16.parse_complete(list)?
        };
        let (list, value) = take(length).parse_complete(list)?;
        Ok((list, (code, value)))
    }
}

mod with_cursor {
    pub(crate) fn headers(mut list: &[u8]) -> usize {
        let mut sum = 0;
        while let Some((code, value, rest)) = header(list) {
            sum += usize::from(code) ^ value.len();
            list = rest;
        }
        sum
    }

    fn header(list: &[u8]) -> Option<(u8, &[u8], &[u8])> {
        let ([flags, code], list) = list.split_first_chunk()?;
        let (length, list) = if flags & 0x10 == 0 {
            let (length, list) = list.split_first()?;
            (usize::from(*length), list)
        } else {
            let (length, list) = list.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), list)
        };
        let (value, list) = list.split_at_checked(length)?;
        Some((*code, value, list))
    }
}

/// What a route of the Internet has: a path of five, communities, sometimes an aggregator.
fn rich(family: Family) -> PathAttributes {
    let hop = if family == Family::IPV4_UNICAST {
        NextHop::V4(Ipv4Addr::new(192, 0, 2, 1))
    } else {
        NextHop::V6("2001:db8::1".parse().expect("an address"))
    };
    let path = AsPath::from_sequence([64500, 3356, 1299, 6939, 210_000].map(Asn));
    let mut attributes = PathAttributes::new(Origin::Igp, path, hop);
    attributes.med = Some(10);
    attributes.aggregator = Some(Aggregator {
        asn: Asn(210_000),
        address: Ipv4Addr::new(192, 0, 2, 9),
    });
    attributes.communities = (1..=6).map(|low| Community(3356 << 16 | low)).collect();
    attributes.large_communities = vec![LargeCommunity {
        global: 210_000,
        local_1: 1,
        local_2: 2,
    }];
    attributes
}

/// Lengths as the Internet has them, mostly.
fn routes(family: Family, count: u32) -> Vec<(u32, Prefix)> {
    let route = |number: u32| {
        let bits = number.wrapping_mul(0x9e37_79b9);
        let prefix = if family == Family::IPV4_UNICAST {
            let length = [24, 24, 24, 22, 20, 23, 24, 16][number as usize % 8];
            Ipv4Prefix::truncating(bits.into(), length).map(Prefix::V4)
        } else {
            let length = [48, 48, 32, 44, 40, 48, 36, 29][number as usize % 8];
            let address = 0x2a00 << 112 | u128::from(bits) << 80;
            Ipv6Prefix::truncating(address.into(), length).map(Prefix::V6)
        };
        (number, prefix.expect("the length is right"))
    };
    (0..count).map(route).collect()
}

fn wire(prefix: Prefix) -> Vec<u8> {
    let mut octets = vec![prefix.length()];
    if let Prefix::V4(prefix) = prefix {
        octets.extend(
            prefix
                .addr()
                .octets()
                .iter()
                .take(usize::from(prefix.length().div_ceil(8))),
        );
    }
    octets
}

fn session(add_path: bool) -> Negotiated {
    let family = |family| NegotiatedFamily {
        family,
        add_path_receive: add_path,
        add_path_send: add_path,
        extended_next_hop: false,
    };
    Negotiated {
        four_octet_as: true,
        families: vec![family(Family::IPV4_UNICAST), family(Family::IPV6_UNICAST)],
        ..Negotiated::default()
    }
}
