// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Authenticated sessions: what is sent, what is believed, and that an old packet is not.

#[path = "rig/rig.rs"]
mod rig;

use std::time::Duration;

use bfd::{
    Datagram, Discard, Discriminator, Key, Method, Output, Packet, PacketError, Path, Speaker,
    State,
};
use bgp_proto::Instant;
use rig::{packet, settings};

const METHODS: [Method; 3] = [
    Method::SimplePassword,
    Method::KeyedSha1,
    Method::MeticulousKeyedSha1,
];

fn path() -> Path {
    Path::single_hop([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), 3)
}

fn key(method: Method, id: u8, secret: &[u8]) -> Key {
    Key::new(method, id, secret).unwrap()
}

/// A speaker with one session, that is authenticated if there is a key.
fn speaker(seed: u64, key: Option<Key>) -> (Speaker, Discriminator) {
    let mut speaker = Speaker::new(seed);
    let id = speaker.add(path(), settings(), Instant::ZERO);
    speaker.authenticate(id, key);
    speaker.drain();
    (speaker, id)
}

fn first() -> Packet {
    Packet {
        your_discriminator: None,
        ..packet(State::Down)
    }
}

fn hear(speaker: &mut Speaker, octets: &[u8], now: Instant) -> Result<(), Discard> {
    let datagram = Datagram {
        octets,
        path: path(),
        ttl: 255,
    };
    speaker.receive(&datagram, now)
}

fn refused() -> Result<(), Discard> {
    Err(Discard::Packet(PacketError::Authentication))
}

/// Both, for so long.
fn run(ends: &mut [(Speaker, Discriminator); 2], time: Duration) {
    let mut now = Instant::ZERO;
    let end = now + time;
    while now < end {
        for (from, to) in [(0, 1), (1, 0)] {
            ends[from].0.tick(now);
            let outputs: Vec<Output> = ends[from].0.drain().collect();
            for output in outputs {
                if let Output::Send { id, packet } = output {
                    let octets = ends[from].0.encode(id, &packet);
                    // What is refused is what the tests are about.
                    let _ = hear(&mut ends[to].0, &octets, now);
                }
            }
        }
        now = now + Duration::from_millis(5);
    }
}

fn states(ends: &[(Speaker, Discriminator); 2]) -> [State; 2] {
    [0, 1].map(|end: usize| ends[end].0.session(ends[end].1).unwrap().state())
}

#[test]
fn who_has_the_key_comes_up_and_nobody_else() {
    for method in METHODS {
        let mut ends = [1, 2].map(|seed| speaker(seed, Some(key(method, 1, b"secret"))));
        run(&mut ends, Duration::from_secs(20));
        assert_eq!(states(&ends), [State::Up; 2], "{method:?}");
        let others = [
            None,
            Some(key(method, 2, b"secret")),
            Some(key(method, 1, b"Secret")),
            Some(key(method, 1, b"secret1")),
        ];
        let foreign = METHODS.into_iter().filter(|other| *other != method);
        let foreign = foreign.map(|other| Some(key(other, 1, b"secret")));
        for other in others.into_iter().chain(foreign) {
            let ours = speaker(1, Some(key(method, 1, b"secret")));
            let mut ends = [ours, speaker(2, other.clone())];
            run(&mut ends, Duration::from_secs(10));
            assert_eq!(states(&ends), [State::Down; 2], "{method:?} {other:?}");
        }
    }
}

#[test]
fn the_octets_are_those_of_rfc_5880() {
    let (mut ours, id) = speaker(1, Some(key(Method::SimplePassword, 7, b"abc")));
    let octets = ours.encode(id, &packet(State::Up));
    assert_eq!((octets[1] & 4, octets[3]), (4, 30));
    assert_eq!(octets[24..], [1, 6, 7, b'a', b'b', b'c']);
    let (mut ours, id) = speaker(1, Some(key(Method::MeticulousKeyedSha1, 7, b"abc")));
    let octets = ours.encode(id, &packet(State::Up));
    assert_eq!((octets.len(), octets[3]), (52, 52));
    assert_eq!(octets[24..28], [5, 28, 7, 0]);
    let next = ours.encode(id, &packet(State::Up));
    let number = |octets: &[u8]| u32::from_be_bytes(octets[28..32].try_into().unwrap());
    assert_eq!(number(&next), number(&octets).wrapping_add(1));
    assert_ne!(octets[32..], next[32..]);
}

#[test]
fn a_packet_of_before_is_not_believed() {
    for (method, again) in [
        (Method::SimplePassword, Ok(())),
        (Method::KeyedSha1, Ok(())),
        (Method::MeticulousKeyedSha1, refused()),
    ] {
        let key = Some(key(method, 1, b"secret"));
        let (mut theirs, their_id) = speaker(2, key.clone());
        let (mut ours, _) = speaker(1, key);
        let packets: Vec<Vec<u8>> = (0..40).map(|_| theirs.encode(their_id, &first())).collect();
        let now = Instant::ZERO;
        assert_eq!(hear(&mut ours, &packets[5], now), Ok(()));
        assert_eq!(hear(&mut ours, &packets[5], now), again, "{method:?}");
        if method == Method::SimplePassword {
            continue;
        }
        assert_eq!(hear(&mut ours, &packets[4], now), refused());
        // Three times the multiplier may be lost, and no more.
        assert_eq!(hear(&mut ours, &packets[15], now), refused());
        assert_eq!(hear(&mut ours, &packets[14], now), Ok(()));
        // After twice the detection time of 3 s any number counts.
        let later = now + Duration::from_millis(5999);
        assert_eq!(hear(&mut ours, &packets[0], later), refused());
        let later = now + Duration::from_secs(6);
        assert_eq!(hear(&mut ours, &packets[0], later), Ok(()));
    }
}

#[test]
fn a_key_has_a_length() {
    for method in METHODS {
        let longest = method.longest();
        assert!(Key::new(method, 1, b"").is_none());
        assert!(Key::new(method, 1, &vec![b'x'; longest]).is_some());
        assert!(Key::new(method, 1, &vec![b'x'; longest + 1]).is_none());
    }
    assert_eq!(
        format!("{:?}", key(Method::KeyedSha1, 3, b"secret")),
        "KeyedSha1 3"
    );
}

#[test]
fn sections_that_lie_are_refused() {
    let (mut ours, id) = speaker(1, Some(key(Method::KeyedSha1, 1, b"secret")));
    let good = ours.encode(id, &first());
    let now = Instant::ZERO;
    for place in 24..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 1;
        // The reserved octet is covered by the digest too.
        assert_eq!(hear(&mut ours, &bad, now), refused(), "{place}");
    }
    for length in 26..52 {
        let mut bad = good[..usize::from(length)].to_vec();
        bad[3] = length;
        assert_eq!(hear(&mut ours, &bad, now), refused(), "{length}");
        bad[25] = length - 24;
        assert_eq!(hear(&mut ours, &bad, now), refused(), "{length}");
    }
    assert_eq!(hear(&mut ours, &good, now), Ok(()));
    // What follows the packet is ignored.
    let mut longer = ours.encode(id, &first());
    longer.push(0);
    assert_eq!(hear(&mut ours, &longer, now), Ok(()));
}
