// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BFD control packets that a neighbour sends to a session.

use std::time::Duration;

use bfd::{Datagram, Output, Packet, Path, Settings, Speaker, State};
use bgp_proto::Instant;

/// Datagrams of a length octet and a payload each, half a second apart. A session is up only if it was told so in time, and says
/// nothing faster than once in a second unless it is; what it sends can be read.
pub fn bfd(data: &[u8]) {
    let (ours, theirs) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let path = Path::single_hop(ours, theirs, 1);
    let mut speaker = Speaker::new(1);
    let id = speaker.add(path, Settings::default(), Instant::ZERO);
    let mut now = Instant::ZERO;
    let mut rest = data;
    while let Some((length, after)) = rest.split_first() {
        let (payload, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        now = now + Duration::from_millis(500);
        // A fuzzer does not guess the name that we gave the session.
        let mut octets = payload.to_vec();
        if let Some(your) = octets.get_mut(8..12)
            && your != [0; 4]
        {
            your.copy_from_slice(&id.get().to_be_bytes());
        }
        let datagram = Datagram {
            octets: &octets,
            path,
            ttl: 255,
        };
        let _ = speaker.receive(&datagram, now);
        speaker.tick(now);
        for output in speaker.drain() {
            if let Output::Send { packet, .. } = output {
                assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
                let slow = packet.desired_min_tx.as_duration() >= Duration::from_secs(1);
                assert!(slow || packet.state == State::Up);
            }
        }
        assert!(speaker.deadline().is_none_or(|deadline| deadline > now));
        let session = speaker.session(id).expect("nobody removes it");
        if session.state() == State::Up {
            assert!(session.remote_discriminator().is_some());
            assert!(session.remote_state() >= State::Init);
        }
    }
}
