// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two connections of one peer, step by step (RFC 4271 §6.8). Two machines against each other: `collision.rs`.

#[path = "rig/rig.rs"]
mod rig;

use std::time::Duration;

use bgp_fsm::{
    Action, ConnectionId, Direction, DownReason, Event, SessionConfig, State, StopReason,
};
use bgp_proto::{Capability, Code, GracefulRestart, HoldTime, Notification, Open};
use rig::{
    FIRST, Rig, SECOND, THIRD, closes, codes, config, down, keepalives, notifications, open,
    sent_open, up,
};

/// We dialled FIRST, the peer SECOND; both have our OPEN.
fn both() -> Rig {
    let mut rig = Rig::new(config());
    rig.reach_open_sent();
    assert!(sent_open(&rig.connected(SECOND, Direction::Incoming)).is_some());
    rig
}

fn restarting(last: u8) -> Open {
    let mut open = open(last);
    open.capabilities
        .push(Capability::GracefulRestart(GracefulRestart::default()));
    open
}

fn graceful() -> SessionConfig {
    let capability = Capability::GracefulRestart(GracefulRestart::default());
    SessionConfig {
        capabilities: vec![capability],
        ..config()
    }
}

/// Who loses when both connections are in `OpenSent` and OPENs arrive in this order.
fn loser(last: u8, order: [ConnectionId; 2]) -> (Rig, Vec<(ConnectionId, Code)>) {
    let mut rig = both();
    let mut said = Vec::new();
    for connection in order {
        said.extend(codes(&rig.open(connection, open(last))));
    }
    (rig, said)
}

#[test]
fn the_connection_dialled_by_the_higher_identifier_stays() {
    for order in [[FIRST, SECOND], [SECOND, FIRST]] {
        // We are 192.0.2.2.
        for (peer, lost) in [(1, SECOND), (3, FIRST)] {
            let (mut rig, said) = loser(peer, order);
            assert_eq!(said, [(lost, Code::CEASE_COLLISION)]);
            assert_eq!(rig.state(), State::OpenConfirm);
            let winner = if lost == FIRST { SECOND } else { FIRST };
            assert_eq!(up(&rig.keepalive(winner)).unwrap().0, winner);
        }
    }
}

#[test]
fn equal_identifiers_are_decided_by_the_as() {
    // AS 65001 is higher than ours: what the peer dialled stays.
    let (_, said) = loser(2, [FIRST, SECOND]);
    assert_eq!(said, [(FIRST, Code::CEASE_COLLISION)]);
}

#[test]
fn a_collision_is_no_error_and_costs_no_rest() {
    let (rig, _) = loser(1, [FIRST, SECOND]);
    assert_eq!(rig.session.last_error(), None);
}

#[test]
fn the_loser_is_not_confirmed_while_the_winner_may_come() {
    let mut rig = both();
    let actions = rig.open(SECOND, open(1));
    assert_eq!(keepalives(&actions), 0);
    // It is confirmed when the winner breaks,
    let mut broken = rig.session.clone();
    broken.step(Event::Closed { connection: FIRST }, rig.now);
    assert_eq!(keepalives(&broken.drain().collect::<Vec<_>>()), 1);
    // and when the winner never speaks.
    let actions = rig.pass(Duration::from_secs(5));
    assert_eq!(keepalives(&actions), 1);
    assert_eq!(rig.state(), State::OpenConfirm);
    let actions = rig.keepalive(SECOND);
    assert_eq!(up(&actions).unwrap().0, SECOND);
    // The other OPEN comes too late.
    let actions = rig.open(FIRST, open(1));
    assert_eq!(codes(&actions), [(FIRST, Code::CEASE_COLLISION)]);
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn the_wait_for_the_winner_is_shorter_than_the_hold_time() {
    let mut rig = both();
    rig.open(
        SECOND,
        Open {
            hold_time: HoldTime::from_wire(3).unwrap(),
            ..open(1)
        },
    );
    assert_eq!(rig.wait(), Some(Duration::from_secs(1)));
}

#[test]
fn a_keepalive_that_comes_early_counts_when_the_loser_is_confirmed() {
    let mut rig = both();
    rig.open(SECOND, open(1));
    assert_eq!(rig.keepalive(SECOND), []);
    let actions = rig.closed(FIRST);
    assert_eq!(keepalives(&actions), 1);
    assert_eq!(up(&actions).unwrap().0, SECOND);
}

#[test]
fn an_error_on_one_connection_leaves_the_other() {
    for state in [State::OpenSent, State::OpenConfirm, State::Established] {
        let mut rig = Rig::new(config());
        rig.reach_open_sent();
        if state > State::OpenSent {
            rig.open(FIRST, open(3));
        }
        if state == State::Established {
            rig.keepalive(FIRST);
        }
        rig.connected(SECOND, Direction::Incoming);
        let notification = Notification::new(Code::HEADER_NOT_SYNCHRONIZED);
        let actions = rig.fault(SECOND, notification);
        assert_eq!(codes(&actions), [(SECOND, Code::HEADER_NOT_SYNCHRONIZED)]);
        assert_eq!(closes(&actions), [SECOND]);
        assert_eq!(rig.state(), state);
    }
}

#[test]
fn a_second_connection_in_open_confirm_wins_or_loses_by_the_rule() {
    for (peer, lost) in [(1, SECOND), (3, FIRST)] {
        let mut rig = Rig::new(config());
        rig.reach_open_sent();
        rig.open(FIRST, open(peer));
        rig.connected(SECOND, Direction::Incoming);
        assert_eq!(rig.state(), State::OpenConfirm);
        let actions = rig.open(SECOND, open(peer));
        assert_eq!(codes(&actions), [(lost, Code::CEASE_COLLISION)]);
        assert_eq!(rig.state(), State::OpenConfirm);
    }
}

#[test]
fn an_established_session_wins_over_any_new_connection() {
    for peer in [1, 3] {
        let mut rig = Rig::established(config(), open(peer));
        rig.pass(Duration::from_secs(60));
        rig.connected(SECOND, Direction::Incoming);
        let actions = rig.open(SECOND, open(peer));
        assert_eq!(codes(&actions), [(SECOND, Code::CEASE_COLLISION)]);
        assert_eq!(closes(&actions), [SECOND]);
        assert_eq!(down(&actions), None);
        assert_eq!(rig.state(), State::Established);
    }
}

#[test]
fn a_peer_with_graceful_restart_that_comes_back_replaces_its_session_without_a_notification() {
    let mut rig = Rig::established(graceful(), restarting(1));
    rig.pass(Duration::from_secs(60));
    rig.connected(SECOND, Direction::Incoming);
    let actions = rig.open(SECOND, restarting(1));
    assert_eq!(notifications(&actions), []);
    assert_eq!(closes(&actions), [FIRST]);
    assert_eq!(down(&actions), Some(DownReason::Restarted));
    assert!(!DownReason::Restarted.is_orderly(), "routes are kept");
    assert_eq!(up(&rig.keepalive(SECOND)).unwrap().0, SECOND);
}

#[test]
fn the_late_half_of_a_collision_is_no_restart() {
    let mut rig = Rig::established(graceful(), restarting(1));
    rig.connected(SECOND, Direction::Incoming);
    let actions = rig.open(SECOND, restarting(1));
    assert_eq!(codes(&actions), [(SECOND, Code::CEASE_COLLISION)]);
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn without_graceful_restart_of_our_own_a_new_connection_is_no_restart() {
    let mut rig = Rig::established(config(), restarting(1));
    rig.pass(Duration::from_secs(60));
    rig.connected(SECOND, Direction::Incoming);
    let actions = rig.open(SECOND, restarting(1));
    assert_eq!(codes(&actions), [(SECOND, Code::CEASE_COLLISION)]);
}

#[test]
fn a_peer_that_dials_again_gives_up_its_silent_connection() {
    let mut rig = both();
    let actions = rig.connected(THIRD, Direction::Incoming);
    assert_eq!(codes(&actions), [(SECOND, Code::CEASE_COLLISION)]);
    assert_eq!(closes(&actions), [SECOND]);
    assert!(sent_open(&actions).is_some());
    rig.open(THIRD, open(3));
    assert_eq!(up(&rig.keepalive(THIRD)).unwrap().0, THIRD);
}

#[test]
fn of_two_that_the_peer_dialled_one_is_confirmed() {
    let mut rig = Rig::new(SessionConfig {
        delay_open: Some(Duration::from_secs(60)),
        ..config()
    });
    rig.step(Event::Start);
    rig.connected(FIRST, Direction::Incoming);
    rig.connected(SECOND, Direction::Incoming);
    assert_eq!(keepalives(&rig.open(SECOND, open(1))), 0);
    let actions = rig.open(FIRST, open(1));
    assert_eq!(keepalives(&actions), 1);
    assert_eq!(codes(&actions), [(SECOND, Code::CEASE_COLLISION)]);
    assert_eq!(up(&rig.keepalive(FIRST)).unwrap().0, FIRST);
}

#[test]
fn a_thousand_silent_connections_are_two() {
    let mut rig = Rig::established(config(), open(1));
    let mut open_now = 1_i32;
    for number in 2..1000 {
        let actions = rig.connected(ConnectionId(number), Direction::Incoming);
        open_now += 1 - i32::try_from(closes(&actions).len()).unwrap();
        assert!(open_now <= 2);
    }
    assert_eq!(rig.state(), State::Established);
    // The last one is closed when its time is over.
    let mut closed = Vec::new();
    for _ in 0..250 {
        rig.keepalive(FIRST);
        rig.step(Event::Progress { connection: FIRST });
        closed.extend(closes(&rig.pass(Duration::from_secs(1))));
    }
    assert_eq!(closed, [ConnectionId(999)]);
}

#[test]
fn dialling_ends_when_a_connection_of_the_peer_is_confirmed() {
    let mut rig = Rig::new(config());
    rig.step(Event::Start);
    rig.connected(FIRST, Direction::Incoming);
    let actions = rig.open(FIRST, open(1));
    assert!(actions.contains(&Action::AbortConnect));
    // It was too late for that.
    assert_eq!(
        closes(&rig.connected(SECOND, Direction::Outgoing)),
        [SECOND]
    );
    assert_eq!(rig.state(), State::OpenConfirm);
}

#[test]
fn there_is_never_more_than_one_attempt_to_connect() {
    let mut rig = Rig::new(config());
    rig.step(Event::Start);
    // An incoming connection breaks while we dial: Active, and the attempt goes on.
    rig.connected(FIRST, Direction::Incoming);
    rig.closed(FIRST);
    assert_eq!(rig.state(), State::Active);
    assert_eq!(rig.tick()[..2], [Action::AbortConnect, Action::Connect]);
}

/// A peer that restarts may be back before we have looked up.
#[test]
fn a_peer_that_is_back_at_once_is_taken_at_once() {
    let mut rig = Rig::established(config(), open(1));
    rig.closed(FIRST);
    assert_eq!(rig.state(), State::Idle);
    assert!(sent_open(&rig.connected(SECOND, Direction::Incoming)).is_some());
    assert_eq!(rig.state(), State::OpenSent);
    rig.open(SECOND, open(1));
    assert_eq!(up(&rig.keepalive(SECOND)).unwrap().0, SECOND);
}

/// Whoever breaks sessions again and again is damped, and an operator's word holds.
#[test]
fn in_idle_for_another_reason_connections_are_refused() {
    let mut rig = Rig::established(config(), open(1));
    rig.closed(FIRST);
    rig.connected(SECOND, Direction::Incoming);
    rig.open(SECOND, open(1));
    rig.keepalive(SECOND);
    rig.closed(SECOND);
    assert_eq!(closes(&rig.connected(THIRD, Direction::Incoming)), [THIRD]);
    rig.step(Event::Stop(StopReason::Deconfigured));
    assert_eq!(closes(&rig.connected(THIRD, Direction::Incoming)), [THIRD]);
}
