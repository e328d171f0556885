// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Router advertisements and solicitations (RFC 4861 §4.1, §4.2): the codec, without sockets.
//!
//! What is read is whose address is at the other end; routes, prefixes and lifetimes are not our business.

use std::net::Ipv6Addr;

/// Type of a solicitation.
pub const SOLICITATION: u8 = 133;
/// Type of an advertisement.
pub const ADVERTISEMENT: u8 = 134;

/// Header of an advertisement, and of a solicitation.
const ADVERTISEMENT_OCTETS: usize = 16;
const SOLICITATION_OCTETS: usize = 8;

/// Nobody further away than the link can send it (RFC 4861 §6.1).
pub const HOP_LIMIT: u8 = 255;

/// A message that counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// A router is there.
    Router(Ipv6Addr),
    /// Somebody wants to know whether one is here.
    Question,
}

/// Reads an `ICMPv6` message whose checksum the kernel has looked at. `None`: RFC 4861 §6.1 says that it does not count.
pub fn parse(message: &[u8], source: Ipv6Addr, hop_limit: u8) -> Option<Heard> {
    let (&[kind, code], _) = message.split_first_chunk()?;
    if hop_limit != HOP_LIMIT || code != 0 {
        return None;
    }
    match kind {
        ADVERTISEMENT => {
            let well_formed = options(message.get(ADVERTISEMENT_OCTETS..)?);
            (well_formed && source.is_unicast_link_local()).then_some(Heard::Router(source))
        }
        SOLICITATION => options(message.get(SOLICITATION_OCTETS..)?).then_some(Heard::Question),
        _ => None,
    }
}

/// Whether they fill what is left: type, length in units of eight octets, which is never zero.
fn options(mut left: &[u8]) -> bool {
    while let Some(length) = left.get(1) {
        let octets = usize::from(*length) * 8;
        match left.get(octets..) {
            Some(rest) if octets > 0 => left = rest,
            _ => return false,
        }
    }
    left.is_empty()
}

/// An advertisement of a router that is not to be used as a default one: its lifetime is zero. The kernel adds the checksum.
pub fn advertisement() -> [u8; ADVERTISEMENT_OCTETS] {
    let mut message = [0; ADVERTISEMENT_OCTETS];
    message[0] = ADVERTISEMENT;
    message
}

/// The question for a router.
pub fn solicitation() -> [u8; SOLICITATION_OCTETS] {
    let mut message = [0; SOLICITATION_OCTETS];
    message[0] = SOLICITATION;
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

    /// With a source link-layer address, an MTU and a prefix, as radvd sends it.
    fn full() -> Vec<u8> {
        let mut message = advertisement().to_vec();
        message.extend([1, 1, 2, 0, 0, 0, 0, 1]);
        message.extend([5, 1, 0, 0, 0, 0, 5, 220]);
        message.extend([3, 4, 64, 0xc0]);
        message.extend([0; 28]);
        message
    }

    #[test]
    fn an_advertisement_says_whose_link_it_is() {
        for message in [advertisement().to_vec(), full()] {
            assert_eq!(parse(&message, ROUTER, 255), Some(Heard::Router(ROUTER)));
        }
        assert_eq!(parse(&solicitation(), ROUTER, 255), Some(Heard::Question));
        assert_eq!(
            parse(&solicitation(), Ipv6Addr::UNSPECIFIED, 255),
            Some(Heard::Question)
        );
    }

    #[test]
    fn what_rfc_4861_forbids_does_not_count() {
        let good = full();
        assert_eq!(parse(&good, ROUTER, 254), None);
        assert_eq!(parse(&good, "2001:db8::1".parse().unwrap(), 255), None);
        let changed = |place: usize, octet: u8| {
            let mut message = full();
            message[place] = octet;
            parse(&message, ROUTER, 255)
        };
        assert_eq!(changed(0, 135), None);
        assert_eq!(changed(1, 1), None);
        // An option without length, and one that is longer than the message.
        assert_eq!(changed(17, 0), None);
        assert_eq!(changed(17, 200), None);
        for end in (0..good.len()).filter(|end| ![16, 24, 32].contains(end)) {
            assert_eq!(parse(&good[..end], ROUTER, 255), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_heard_does_harm(message: Vec<u8>, hop_limit: u8) {
            let heard = parse(&message, ROUTER, hop_limit);
            prop_assert!(heard.is_none() || hop_limit == 255);
        }
    }
}
