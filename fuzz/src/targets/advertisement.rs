// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages of neighbour discovery, as the raw socket of an unnumbered neighbour hears them.

use std::net::Ipv6Addr;

use bgpd::daemon::advertisement::{
    ADVERTISEMENT, HOP_LIMIT, Heard, SOLICITATION, parse, solicitation,
};

/// The hop limit, whether the sender's address is a link-local one, then the message.
///
/// What counts is what RFC 4861 §6.1 lets count; options that are added to it take nothing away, and a piece of one does.
pub fn advertisement(data: &[u8]) {
    let Some((&[hop_limit, near], message)) = data.split_first_chunk() else {
        return;
    };
    let first = if near & 1 == 0 { 0xfe80 } else { 0x2001 };
    let source = Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 1);
    let Some(heard) = parse(message, source, hop_limit) else {
        return;
    };
    assert_eq!(hop_limit, HOP_LIMIT);
    assert_eq!(message[1], 0, "the code");
    match (heard, message[0]) {
        (Heard::Router(router), ADVERTISEMENT) => {
            assert_eq!(router, source);
            assert!(router.is_unicast_link_local());
            assert!(message.len() >= 16);
        }
        (Heard::Question, SOLICITATION) => assert!(message.len() >= solicitation().len()),
        other => panic!("{other:?}"),
    }
    // A header and options, all in units of eight octets.
    assert_eq!(message.len() % 8, 0);
    let again = |more: &[u8]| parse(&[message, more].concat(), source, hop_limit);
    assert_eq!(again(&[1, 1, 0, 0, 0, 0, 0, 1]), Some(heard));
    assert_eq!(again(&[1, 1, 0, 0]), None);
    assert_eq!(again(&[1, 0, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!(parse(message, source, HOP_LIMIT - 1), None);
}
