// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Strict BFD: an OPEN is confirmed only over a path that works.

#[path = "rig/rig.rs"]
mod rig;

use std::time::Duration;

use bgp_fsm::{Action, Direction, Event, SessionConfig, State};
use bgp_proto::{Code, HoldTime, Notification, Open};
use rig::{FIRST, Rig, SECOND, codes, config, keepalives, open};

fn strict() -> SessionConfig {
    SessionConfig {
        strict_bfd: Some(Duration::from_secs(30)),
        ..config()
    }
}

/// OPENs are exchanged on [`FIRST`].
fn exchanged() -> (Rig, Vec<Action>) {
    let mut rig = Rig::new(strict());
    rig.reach_open_sent();
    let actions = rig.open(FIRST, open(1));
    (rig, actions)
}

#[test]
fn an_open_is_confirmed_when_the_path_is_up() {
    let (mut rig, actions) = exchanged();
    assert_eq!((rig.state(), keepalives(&actions)), (State::OpenConfirm, 0));
    // The peer confirms, and keeps its side alive.
    for _ in 0..2 {
        assert_eq!(keepalives(&rig.keepalive(FIRST)), 0);
        assert_eq!(rig.state(), State::OpenConfirm);
    }
    let actions = rig.step(Event::Bfd { up: true });
    assert_eq!((rig.state(), keepalives(&actions)), (State::Established, 1));
}

#[test]
fn the_peers_confirmation_may_come_after_ours() {
    let (mut rig, _) = exchanged();
    let actions = rig.step(Event::Bfd { up: true });
    assert_eq!((rig.state(), keepalives(&actions)), (State::OpenConfirm, 1));
    rig.keepalive(FIRST);
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn a_path_that_is_up_already_makes_no_difference() {
    let mut rig = Rig::new(strict());
    rig.step(Event::Bfd { up: true });
    rig.reach_open_sent();
    assert_eq!(keepalives(&rig.open(FIRST, open(1))), 1);
    rig.keepalive(FIRST);
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn a_path_that_was_up_has_to_come_up_again() {
    let mut rig = Rig::new(strict());
    rig.step(Event::Bfd { up: true });
    rig.step(Event::Bfd { up: false });
    rig.reach_open_sent();
    assert_eq!(keepalives(&rig.open(FIRST, open(1))), 0);
    // An established session is not touched by this event; its end is a fault.
    rig.step(Event::Bfd { up: true });
    rig.keepalive(FIRST);
    assert!(rig.step(Event::Bfd { up: false }).is_empty());
    assert_eq!(rig.state(), State::Established);
    let actions = rig.fault(FIRST, Notification::new(Code::CEASE_BFD_DOWN));
    assert_eq!(codes(&actions), [(FIRST, Code::CEASE_BFD_DOWN)]);
    assert_eq!(rig.state(), State::Idle);
    assert!(rig.wait().is_some(), "it comes back by itself");
}

#[test]
fn the_wait_ends_with_6_10() {
    for (hold, wait) in [(90, 30), (9, 9), (0, 30)] {
        let mut rig = Rig::new(strict());
        rig.reach_open_sent();
        let hold_time = HoldTime::from_wire(hold).unwrap();
        rig.open(
            FIRST,
            Open {
                hold_time,
                ..open(1)
            },
        );
        let start = rig.now;
        let mut actions = Vec::new();
        while rig.state() == State::OpenConfirm {
            // The peer goes on confirming, so that its silence is not what ends it.
            rig.keepalive(FIRST);
            actions.extend(rig.tick());
        }
        assert_eq!(codes(&actions), [(FIRST, Code::CEASE_BFD_DOWN)]);
        assert_eq!(rig.now.saturating_since(start), Duration::from_secs(wait));
    }
}

#[test]
fn who_is_no_longer_strict_waits_no_longer() {
    let (mut rig, _) = exchanged();
    rig.keepalive(FIRST);
    rig.session.set_strict_bfd(None, rig.now);
    assert_eq!(
        rig.session
            .drain()
            .filter(|action| matches!(action, Action::Up { .. }))
            .count(),
        1
    );
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn a_collision_is_decided_while_both_wait() {
    let (mut rig, _) = exchanged();
    rig.connected(SECOND, Direction::Incoming);
    // We have the higher identifier: the connection that we dialled stays.
    let actions = rig.open(SECOND, open(1));
    assert_eq!(codes(&actions), [(SECOND, Code::CEASE_COLLISION)]);
    rig.keepalive(FIRST);
    rig.step(Event::Bfd { up: true });
    assert_eq!(rig.state(), State::Established);
}
