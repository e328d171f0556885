// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Intervals, poll sequences, silence (RFC 5880 §6.5, §6.8.2 to §6.8.7).

#[path = "rig/rig.rs"]
mod rig;

use std::{num::NonZeroU8, time::Duration};

use bfd::{Action, Diagnostic, Event, Flags, Interval, Packet, Settings, State};
use bgp_proto::Instant;
use rig::{after, packet, reach, sent, session, settings};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn faster() -> Settings {
    Settings {
        desired_min_tx: Interval::from_millis(50),
        required_min_rx: Interval::from_millis(50),
        ..settings()
    }
}

fn slower() -> Settings {
    Settings {
        desired_min_tx: Interval::from_millis(400),
        required_min_rx: Interval::from_millis(400),
        ..settings()
    }
}

fn answer() -> Event {
    Event::Packet(Packet {
        flags: Flags::FINAL,
        ..packet(State::Up)
    })
}

#[test]
fn nothing_is_sent_faster_than_a_second_unless_up() {
    let (mut session, now) = reach(State::Up);
    assert_eq!(session.transmit_interval(), Some(ms(100)));
    session.step(Event::Packet(packet(State::Down)), now);
    let Some(Action::Send(said)) = session.drain().next() else {
        panic!("a change is said at once")
    };
    assert_eq!(said.desired_min_tx, Interval::from_millis(1000));
    assert_eq!(session.transmit_interval(), Some(ms(1000)));
}

#[test]
fn the_slower_of_both_sides_sets_the_pace() {
    let (mut session, now) = reach(State::Up);
    let slow = Packet {
        required_min_rx: Interval::from_millis(250),
        ..packet(State::Up)
    };
    session.step(Event::Packet(slow), now);
    assert_eq!(session.transmit_interval(), Some(ms(250)));
    // What we can take, against what the neighbour would like; and the neighbour's multiplier.
    let slow = Packet {
        desired_min_tx: Interval::from_millis(300),
        multiplier: NonZeroU8::new(5).unwrap(),
        ..packet(State::Up)
    };
    session.step(Event::Packet(slow), now);
    assert_eq!(session.detection_time(), Some(ms(1500)));
    let eager = Packet {
        desired_min_tx: Interval::from_millis(10),
        ..packet(State::Up)
    };
    session.step(Event::Packet(eager), now);
    assert_eq!(session.detection_time(), Some(ms(300)));
}

#[test]
fn a_neighbour_that_wants_more_gets_the_next_packet_sooner() {
    let (mut session, now) = reach(State::Up);
    let slow = Packet {
        required_min_rx: Interval::from_millis(5000),
        ..packet(State::Up)
    };
    session.step(Event::Packet(slow), now);
    session.step(Event::Packet(packet(State::Up)), now);
    // Nothing has been sent since the session came up.
    let latest = now + ms(100);
    assert!(
        session.deadline() <= Some(latest),
        "{:?}",
        session.deadline()
    );
}

#[test]
fn silence_is_a_failure_after_the_detection_time_and_not_before() {
    let (mut session, now) = reach(State::Up);
    session.step(Event::Packet(packet(State::Up)), now + ms(50));
    session.step(Event::Tick, now + ms(349));
    assert_eq!(session.state(), State::Up);
    session.drain();
    let actions = after(&mut session, |session| {
        session.step(Event::Tick, now + ms(350));
    });
    let [Action::Send(said), Action::Changed { diagnostic, .. }] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!(*diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
    assert_eq!(said.diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
    // The neighbour's name for the session is forgotten.
    let later = sent(&mut session, Event::Tick, now + ms(1500));
    assert_eq!(
        later.first().map(|packet| packet.your_discriminator),
        Some(None)
    );
}

#[test]
fn a_packet_that_arrived_in_time_counts_however_late_it_is_looked_at() {
    let (mut session, now) = reach(State::Up);
    // The machine wakes up long after; the kernel says when the packet came.
    session.step(Event::Packet(packet(State::Up)), now + ms(290));
    session.step(Event::Tick, now + ms(500));
    assert_eq!(session.state(), State::Up);
}

#[test]
fn silence_before_the_session_is_up_forgets_the_neighbour() {
    let (mut session, now) = reach(State::Init);
    session.step(Event::Tick, now + ms(3000));
    assert_eq!(
        (session.state(), session.remote_discriminator()),
        (State::Down, None)
    );
    let (mut session, now) = reach(State::AdminDown);
    session.step(Event::Packet(packet(State::Up)), now);
    assert!(session.remote_discriminator().is_some());
    session.step(Event::Tick, now + ms(3000));
    assert_eq!(
        (session.state(), session.remote_discriminator()),
        (State::AdminDown, None)
    );
}

#[test]
fn a_passive_session_waits_for_the_neighbour() {
    let passive = Settings {
        passive: true,
        ..settings()
    };
    let mut session = session(passive);
    assert_eq!(session.deadline(), None);
    assert_eq!(session.drain().count(), 0);
    let said = sent(
        &mut session,
        Event::Packet(packet(State::Down)),
        Instant::ZERO,
    );
    assert_eq!(said.first().map(|packet| packet.state), Some(State::Init));
    assert_eq!(session.transmit_interval(), Some(ms(1000)));
}

#[test]
fn slower_intervals_wait_for_the_answer_and_faster_ones_do_not() {
    let (mut session, now) = reach(State::Up);
    session.step(Event::Settings(slower()), now);
    assert_eq!(
        session.transmit_interval(),
        Some(ms(100)),
        "the neighbour still expects us"
    );
    assert_eq!(session.detection_time(), Some(ms(1200)));
    let said = sent(&mut session, Event::Tick, now + ms(100));
    assert_eq!(said.first().map(|packet| packet.flags), Some(Flags::POLL));
    assert_eq!(
        said.first().map(|packet| packet.desired_min_tx),
        Some(Interval::from_millis(400))
    );
    session.step(answer(), now + ms(110));
    assert_eq!(session.transmit_interval(), Some(ms(400)));

    let (mut session, now) = reach(State::Up);
    session.step(Event::Settings(faster()), now);
    // The neighbour can take one each 100 ms; ours would be faster. It still sends as before.
    assert_eq!(session.detection_time(), Some(ms(300)));
    let eager = Packet {
        desired_min_tx: Interval::from_millis(10),
        required_min_rx: Interval::from_millis(10),
        ..packet(State::Up)
    };
    session.step(Event::Packet(eager), now);
    assert_eq!(session.transmit_interval(), Some(ms(50)));
    session.step(
        Event::Packet(Packet {
            flags: Flags::FINAL,
            ..eager
        }),
        now,
    );
    assert_eq!(session.detection_time(), Some(ms(150)));
}

#[test]
fn a_change_during_a_poll_is_polled_for_after_it() {
    let (mut session, now) = reach(State::Up);
    session.step(Event::Settings(slower()), now);
    session.step(Event::Settings(settings()), now);
    session.step(Event::Settings(slower()), now);
    session.step(answer(), now);
    let said = sent(&mut session, Event::Tick, now + ms(100));
    assert_eq!(said.first().map(|packet| packet.flags), Some(Flags::POLL));
    assert_eq!(session.transmit_interval(), Some(ms(100)));
    session.step(answer(), now + ms(100));
    let said = sent(&mut session, Event::Tick, now + ms(550));
    assert_eq!(said.first().map(|packet| packet.flags), Some(Flags::NONE));
}

#[test]
fn a_question_is_answered_at_once_and_is_not_asked_back() {
    let (mut session, now) = reach(State::Up);
    session.step(Event::Settings(faster()), now);
    session.drain();
    let question = Packet {
        flags: Flags::POLL,
        ..packet(State::Up)
    };
    let said = sent(&mut session, Event::Packet(question), now);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].flags, Flags::FINAL);
}

#[test]
fn a_neighbour_in_demand_mode_or_that_takes_none_is_left_in_peace() {
    let (mut session, now) = reach(State::Up);
    let demand = Packet {
        flags: Flags::DEMAND,
        ..packet(State::Up)
    };
    session.step(Event::Packet(demand), now);
    assert_eq!(session.transmit_interval(), None);
    session.step(Event::Packet(packet(State::Up)), now);
    assert_eq!(session.transmit_interval(), Some(ms(100)));
    let none = Packet {
        required_min_rx: Interval::NEVER,
        ..packet(State::Up)
    };
    session.step(Event::Packet(none), now);
    assert_eq!(session.transmit_interval(), None);
    session.drain();
    assert!(sent(&mut session, Event::Tick, now + ms(200)).is_empty());
}

#[test]
fn the_operators_of_both_sides_are_told_apart_from_failures() {
    let (mut session, now) = reach(State::Up);
    let actions = after(&mut session, |session| {
        session.step(Event::Packet(packet(State::AdminDown)), now);
    });
    assert!(
        matches!(
            actions.last(),
            Some(Action::Changed {
                to: State::Down,
                remote_admin_down: true,
                ..
            })
        ),
        "{actions:?}"
    );
    let (mut session, now) = reach(State::Up);
    let said = sent(&mut session, Event::Stop, now);
    assert_eq!(said[0].state, State::AdminDown);
    assert_eq!(said[0].diagnostic, Diagnostic::ADMINISTRATIVELY_DOWN);
    assert!(sent(&mut session, Event::Packet(packet(State::Up)), now).is_empty());
    session.step(Event::Start, now);
    assert_eq!(session.state(), State::Down);
}

#[test]
fn periodic_packets_keep_their_distance() {
    let (mut session, mut now) = reach(State::Up);
    let mut last = None;
    for _ in 0..1000 {
        let due = session.deadline().unwrap();
        let late = due + ms(1);
        session.step(Event::Packet(packet(State::Up)), due);
        session.step(Event::Tick, late);
        assert_eq!(session.drain().count(), 1);
        if let Some(last) = last {
            let distance = late.saturating_since(last);
            assert!((ms(75)..=ms(101)).contains(&distance), "{distance:?}");
        }
        last = Some(late);
        now = late;
    }
    assert_eq!(session.state(), State::Up);
    assert!(now.saturating_since(Instant::ZERO) > Duration::from_secs(75));
}
