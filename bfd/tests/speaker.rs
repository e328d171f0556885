// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which session a packet belongs to, and how sessions come and go.

#[path = "rig/rig.rs"]
mod rig;

use std::{net::IpAddr, time::Duration};

use bfd::{Datagram, Discard, Discriminator, Output, Packet, PacketError, Path, Speaker, State};
use bgp_proto::Instant;
use rig::{packet, settings};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn here() -> Path {
    Path::single_hop(ip("192.0.2.1"), ip("192.0.2.2"), 3)
}

fn far() -> Path {
    Path::multihop(ip("192.0.2.1"), ip("192.0.2.2"))
}

fn receive(speaker: &mut Speaker, path: Path, ttl: u8, packet: &Packet) -> Result<(), Discard> {
    let octets = &packet.encode();
    speaker.receive(&Datagram { octets, path, ttl }, Instant::ZERO)
}

fn first() -> Packet {
    Packet {
        your_discriminator: None,
        ..packet(State::Down)
    }
}

fn state(speaker: &Speaker, id: Discriminator) -> State {
    speaker.session(id).unwrap().state()
}

#[test]
fn a_first_packet_is_found_by_address_interface_and_port() {
    let mut speaker = Speaker::new(1);
    let near = speaker.add(here(), settings(), Instant::ZERO);
    let behind = speaker.add(far(), settings(), Instant::ZERO);
    assert_ne!(near, behind);
    let other = Path::single_hop(ip("192.0.2.1"), ip("192.0.2.2"), 4);
    assert_eq!(
        receive(&mut speaker, other, 255, &first()),
        Err(Discard::Stranger(ip("192.0.2.2")))
    );
    let stranger = Path::multihop(ip("192.0.2.9"), ip("192.0.2.2"));
    assert_eq!(
        receive(&mut speaker, stranger, 60, &first()),
        Err(Discard::Stranger(ip("192.0.2.2")))
    );
    assert_eq!(receive(&mut speaker, far(), 60, &first()), Ok(()));
    assert_eq!(
        (state(&speaker, near), state(&speaker, behind)),
        (State::Down, State::Init)
    );
    // On a link our own address may be any.
    let asked = Path::single_hop(ip("192.0.2.77"), ip("192.0.2.2"), 3);
    assert_eq!(receive(&mut speaker, asked, 255, &first()), Ok(()));
    assert_eq!(state(&speaker, near), State::Init);
}

#[test]
fn a_single_hop_comes_with_a_ttl_of_255() {
    let mut speaker = Speaker::new(1);
    let id = speaker.add(here(), settings(), Instant::ZERO);
    assert_eq!(
        receive(&mut speaker, here(), 254, &first()),
        Err(Discard::Ttl(254))
    );
    assert_eq!(state(&speaker, id), State::Down);
}

#[test]
fn a_named_session_is_found_by_name_alone() {
    let mut speaker = Speaker::new(1);
    let id = speaker.add(here(), settings(), Instant::ZERO);
    let named = |id| Packet {
        your_discriminator: id,
        ..packet(State::Init)
    };
    let moved = Path::single_hop(ip("192.0.2.1"), ip("192.0.2.200"), 3);
    assert_eq!(receive(&mut speaker, moved, 255, &named(Some(id))), Ok(()));
    assert_eq!(state(&speaker, id), State::Up);
    let unknown = Discriminator::new(id.get() ^ 1).unwrap();
    assert_eq!(
        receive(&mut speaker, here(), 255, &named(Some(unknown))),
        Err(Discard::Discriminator(unknown))
    );
    for elsewhere in [
        Path::single_hop(ip("192.0.2.1"), ip("192.0.2.2"), 4),
        Path::single_hop(ip("2001:db8::1"), ip("2001:db8::2"), 3),
        far(),
    ] {
        assert_eq!(
            receive(&mut speaker, elsewhere, 255, &named(Some(id))),
            Err(Discard::Elsewhere(id))
        );
    }
    assert_eq!(
        receive(&mut speaker, here(), 255, &named(None)),
        Err(Discard::Packet(PacketError::YourDiscriminator))
    );
}

#[test]
fn a_path_has_one_session() {
    let mut speaker = Speaker::new(1);
    let id = speaker.add(here(), settings(), Instant::ZERO);
    assert_eq!(speaker.add(here(), settings(), Instant::ZERO), id);
    // Removed and wanted again before it is gone: it goes on.
    speaker.remove(id, Instant::ZERO);
    assert_eq!(state(&speaker, id), State::AdminDown);
    assert_eq!(speaker.add(here(), settings(), Instant::ZERO), id);
    assert_eq!(state(&speaker, id), State::Down);
}

#[test]
fn a_removed_session_says_so_for_a_while() {
    let mut speaker = Speaker::new(1);
    let id = speaker.add(here(), settings(), Instant::ZERO);
    speaker.drain();
    speaker.remove(id, Instant::ZERO);
    let (mut said, mut now, mut gone) = (0, Instant::ZERO, false);
    while let Some(at) = speaker.deadline() {
        now = at;
        speaker.tick(now);
        for output in speaker.drain() {
            match output {
                Output::Send { packet, .. } => {
                    assert_eq!(packet.state, State::AdminDown);
                    said += 1;
                }
                Output::Changed { .. } => {}
                Output::Gone(whose) => gone = whose == id,
            }
        }
    }
    assert!(gone && speaker.session(id).is_none());
    assert!((3..=5).contains(&said), "{said}");
    assert_eq!(now.saturating_since(Instant::ZERO), Duration::from_secs(3));
}
