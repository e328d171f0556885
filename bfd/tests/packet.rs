// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control packet: octets, what is refused, and that nothing is lost on the way.

use std::num::NonZeroU8;

use bfd::{Diagnostic, Discriminator, Flags, Interval, Packet, PacketError, State};
use proptest::prelude::*;

/// Up, poll, control plane independent, 3 × 100 ms, takes 150 ms.
#[rustfmt::skip]
const OCTETS: [u8; 24] = [
    0x20, 0xe8, 3, 24, 0, 0, 0, 7, 0x12, 0x34, 0x56, 0x78, 0, 1, 0x86, 0xa0, 0, 2, 0x49, 0xf0, 0, 0, 0, 0,
];

fn packet() -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state: State::Up,
        flags: Flags::POLL | Flags::CONTROL_PLANE_INDEPENDENT,
        multiplier: NonZeroU8::new(3).unwrap(),
        my_discriminator: Discriminator::new(7).unwrap(),
        your_discriminator: Discriminator::new(0x1234_5678),
        desired_min_tx: Interval::from_millis(100),
        required_min_rx: Interval::from_millis(150),
        required_min_echo_rx: Interval::NEVER,
    }
}

#[test]
fn the_octets_are_those_of_rfc_5880() {
    assert_eq!(Packet::decode(&OCTETS), Ok(packet()));
    assert_eq!(packet().encode(), OCTETS);
}

#[test]
fn what_follows_the_length_is_ignored() {
    let mut longer = OCTETS.to_vec();
    longer.extend([0xff; 40]);
    assert_eq!(Packet::decode(&longer), Ok(packet()));
}

#[test]
fn each_check_of_rfc_5880_6_8_6_discards() {
    use PacketError as E;
    let zero = |range: std::ops::Range<usize>| {
        let mut octets = OCTETS;
        octets[range].fill(0);
        Packet::decode(&octets)
    };
    let set = |place: usize, octet: u8| {
        let mut octets = OCTETS;
        octets[place] = octet;
        Packet::decode(&octets)
    };
    assert_eq!(Packet::decode(&[]), Err(E::Short));
    assert_eq!(Packet::decode(&OCTETS[..3]), Err(E::Short));
    assert_eq!(Packet::decode(&OCTETS[..23]), Err(E::Length(24)));
    assert_eq!(set(0, 0x40), Err(E::Version(2)));
    assert_eq!(set(0, 0x00), Err(E::Version(0)));
    assert_eq!(set(3, 23), Err(E::Length(23)));
    assert_eq!(set(3, 25), Err(E::Length(25)));
    assert_eq!(set(2, 0), Err(E::Multiplier));
    assert_eq!(set(1, 0xe9), Err(E::Multipoint));
    assert_eq!(zero(4..8), Err(E::MyDiscriminator));
    assert_eq!(zero(8..12), Err(E::YourDiscriminator));
    // With authentication a packet is at least two octets longer.
    assert_eq!(set(1, 0xec), Err(E::Length(24)));
    let mut authenticated = OCTETS.to_vec();
    authenticated.extend([1, 8, 1, b's', b'e', b'c', b'r', b't']);
    (authenticated[1], authenticated[3]) = (0xec, 32);
    assert_eq!(Packet::decode(&authenticated), Err(E::Authentication));
}

#[test]
fn a_session_that_begins_needs_no_name_of_ours() {
    for (state, bits) in [(State::AdminDown, 0x00), (State::Down, 0x40)] {
        let mut octets = OCTETS;
        octets[1] = bits;
        octets[8..12].fill(0);
        let packet = Packet::decode(&octets).unwrap();
        assert_eq!((packet.state, packet.your_discriminator), (state, None));
    }
}

#[test]
fn flags_and_diagnostics_print() {
    assert_eq!(format!("{:?}", packet().flags), "PC");
    assert_eq!(
        Diagnostic::DETECTION_TIME_EXPIRED.to_string(),
        "control detection time expired"
    );
    assert_eq!(Diagnostic::from_wire(0xff).to_string(), "diagnostic 31");
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let flags = [
        Flags::POLL,
        Flags::FINAL,
        Flags::CONTROL_PLANE_INDEPENDENT,
        Flags::DEMAND,
    ];
    let flags = prop::collection::vec(prop::sample::select(flags.to_vec()), 0..4)
        .prop_map(|flags| flags.into_iter().fold(Flags::NONE, |all, flag| all | flag));
    let states = vec![State::AdminDown, State::Down, State::Init, State::Up];
    let words = any::<[u32; 3]>();
    (
        (
            any::<u8>(),
            prop::sample::select(states),
            flags,
            1..=u8::MAX,
        ),
        (1..=u32::MAX, 1..=u32::MAX),
        words,
    )
        .prop_map(
            |((diagnostic, state, flags, multiplier), (my, your), words)| Packet {
                diagnostic: Diagnostic::from_wire(diagnostic),
                state,
                flags,
                multiplier: NonZeroU8::new(multiplier).unwrap(),
                my_discriminator: Discriminator::new(my).unwrap(),
                your_discriminator: Discriminator::new(your),
                desired_min_tx: Interval::from_micros(words[0]),
                required_min_rx: Interval::from_micros(words[1]),
                required_min_echo_rx: Interval::from_micros(words[2]),
            },
        )
}

proptest! {
    #[test]
    fn a_packet_is_read_as_it_was_written(packet in any_packet()) {
        prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }

    #[test]
    fn octets_of_any_kind_do_no_harm(mut octets in prop::collection::vec(any::<u8>(), 0..64), likely: bool) {
        if let (true, [first, _, _, length, ..]) = (likely, octets.as_mut_slice()) {
            (*first, *length) = (0x20, 24);
        }
        if let Ok(packet) = Packet::decode(&octets) {
            prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
        }
    }
}
