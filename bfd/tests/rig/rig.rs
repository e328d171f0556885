// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A session and the packets of its neighbour.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::num::NonZeroU8;

use bfd::{
    Action, Diagnostic, Discriminator, Event, Flags, Interval, Packet, Session, Settings, State,
};
use bgp_proto::Instant;

/// 3 × 100 ms.
pub(crate) fn settings() -> Settings {
    Settings {
        desired_min_tx: Interval::from_millis(100),
        required_min_rx: Interval::from_millis(100),
        ..Settings::default()
    }
}

pub(crate) fn ours() -> Discriminator {
    Discriminator::new(7).unwrap()
}

/// The neighbour's: 3 × 100 ms too, slow unless it is up.
pub(crate) fn packet(state: State) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state,
        flags: Flags::NONE,
        multiplier: NonZeroU8::new(3).unwrap(),
        my_discriminator: Discriminator::new(9).unwrap(),
        your_discriminator: Some(ours()),
        desired_min_tx: Interval::from_millis(if state == State::Up { 100 } else { 1000 }),
        required_min_rx: Interval::from_millis(100),
        required_min_echo_rx: Interval::NEVER,
    }
}

pub(crate) fn session(settings: Settings) -> Session {
    Session::new(ours(), settings, 1, Instant::ZERO)
}

/// A session in a state, and the time. An Up one has had the answer to its poll.
pub(crate) fn reach(state: State) -> (Session, Instant) {
    let now = Instant::ZERO;
    let mut session = session(settings());
    match state {
        State::AdminDown => session.step(Event::Stop, now),
        State::Down => {}
        State::Init => session.step(Event::Packet(packet(State::Down)), now),
        State::Up => {
            session.step(Event::Packet(packet(State::Init)), now);
            let answer = Packet {
                flags: Flags::FINAL,
                ..packet(State::Up)
            };
            session.step(Event::Packet(answer), now);
        }
    }
    assert_eq!(session.state(), state);
    session.drain();
    (session, now)
}

/// What comes out of it.
pub(crate) fn after(session: &mut Session, what: impl FnOnce(&mut Session)) -> Vec<Action> {
    what(session);
    session.drain().collect()
}

/// The packets among what comes out of it.
pub(crate) fn sent(session: &mut Session, event: Event, now: Instant) -> Vec<Packet> {
    let actions = after(session, |session| session.step(event, now));
    let packets = actions.into_iter().filter_map(|action| match action {
        Action::Send(packet) => Some(packet),
        Action::Changed { .. } => None,
    });
    packets.collect()
}
