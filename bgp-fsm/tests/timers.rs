// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Time: hold, keepalive, send hold, back-off, jitter.

#[path = "rig/rig.rs"]
mod rig;

use std::{collections::BTreeSet, time::Duration};

use bgp_fsm::{Action, Direction, DownReason, Event, Mode, SessionConfig, State, StopReason};
use bgp_proto::{Code, HoldTime, Instant, Notification, Open};
use rig::{FIRST, Rig, SECOND, closes, codes, config, down, keepalives, open, sent_open};

const SECOND_LONG: Duration = Duration::from_secs(1);

fn with_hold(ours: u16, theirs: u16) -> Rig {
    let ours = SessionConfig {
        hold_time: hold(ours),
        ..config()
    };
    Rig::established(
        ours,
        Open {
            hold_time: hold(theirs),
            ..open(1)
        },
    )
}

fn hold(seconds: u16) -> HoldTime {
    HoldTime::from_wire(seconds).unwrap()
}

#[test]
fn hold_time_zero_runs_no_timer_at_all() {
    for (ours, theirs) in [(0, 90), (90, 0), (0, 0)] {
        let mut rig = with_hold(ours, theirs);
        assert_eq!(rig.wait(), None, "{ours} and {theirs}");
        rig.step(Event::Update { connection: FIRST });
        rig.keepalive(FIRST);
        rig.step(Event::Progress { connection: FIRST });
        assert_eq!(rig.wait(), None, "{ours} and {theirs}");
        rig.now = rig.now + Duration::from_secs(1_000_000);
        assert_eq!(rig.step(Event::Tick), []);
        assert_eq!(rig.state(), State::Established);
    }
}

#[test]
fn the_lower_hold_time_holds() {
    for (ours, theirs, agreed) in [(90, 30, 30), (30, 90, 30), (65_535, 3, 3)] {
        let mut rig = with_hold(ours, theirs);
        let start = rig.now;
        let mut actions = Vec::new();
        while rig.state() == State::Established {
            actions.extend(rig.tick());
        }
        assert_eq!(rig.now.saturating_since(start), Duration::from_secs(agreed));
        assert_eq!(codes(&actions), [(FIRST, Code::HOLD_TIMER_EXPIRED)]);
        // A third of the hold time, with jitter.
        assert!(
            (2..=4).contains(&keepalives(&actions)),
            "{}",
            keepalives(&actions)
        );
    }
}

#[test]
fn update_keepalive_and_refresh_restart_the_hold_timer() {
    let events = [
        Event::Update { connection: FIRST },
        Event::Keepalive { connection: FIRST },
        Event::RouteRefresh { connection: FIRST },
    ];
    let mut rig = with_hold(9, 9);
    for event in events.iter().cycle().take(30) {
        rig.pass(8 * SECOND_LONG);
        rig.step(Event::Progress { connection: FIRST });
        rig.step(event.clone());
    }
    assert_eq!(rig.state(), State::Established);
    let actions = rig.pass(9 * SECOND_LONG);
    assert_eq!(codes(&actions), [(FIRST, Code::HOLD_TIMER_EXPIRED)]);
}

#[test]
fn keepalives_are_jittered_between_three_quarters_and_all() {
    let mut rig = with_hold(90, 90);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let before = rig.now;
        assert_eq!(keepalives(&rig.tick()), 1);
        let interval = rig.now.saturating_since(before);
        assert!((Duration::from_millis(22_500)..=30 * SECOND_LONG).contains(&interval));
        seen.insert(interval);
        rig.keepalive(FIRST);
        rig.step(Event::Progress { connection: FIRST });
    }
    assert!(seen.len() > 50, "{} different intervals", seen.len());
}

#[test]
fn a_configured_keepalive_time_is_used_unless_it_endangers_the_hold_time() {
    let wait = |keepalive: u64| {
        let config = SessionConfig {
            keepalive: Some(Duration::from_secs(keepalive)),
            ..config()
        };
        Rig::established(config, open(1)).wait().unwrap()
    };
    assert!(wait(5) <= 5 * SECOND_LONG);
    assert!(wait(500) <= 30 * SECOND_LONG);
    assert!(wait(0) >= Duration::from_millis(750));
}

#[test]
fn the_same_seed_gives_the_same_times_and_another_does_not() {
    let times = |seed| {
        let mut rig = Rig::new(SessionConfig { seed, ..config() });
        rig.step(Event::Start);
        let waits: Vec<Instant> = (0..20)
            .map(|_| {
                rig.tick();
                rig.now
            })
            .collect();
        waits
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
}

/// How long a session lasts with a peer that speaks but reads nothing.
fn until_send_hold(hold_time: u16, send_hold: Option<u64>) -> Duration {
    let ours = SessionConfig {
        hold_time: hold(hold_time),
        send_hold: send_hold.map(Duration::from_secs),
        ..config()
    };
    let mut rig = Rig::established(
        ours,
        Open {
            hold_time: hold(hold_time),
            ..open(1)
        },
    );
    let start = rig.now;
    loop {
        let actions = rig.tick();
        if rig.state() != State::Established {
            assert_eq!(codes(&actions), [(FIRST, Code::SEND_HOLD_TIMER_EXPIRED)]);
            let reason = DownReason::Sent(Notification::new(Code::SEND_HOLD_TIMER_EXPIRED));
            assert_eq!(down(&actions), Some(reason));
            return rig.now.saturating_since(start);
        }
        rig.keepalive(FIRST);
    }
}

#[test]
fn send_hold_is_eight_minutes_or_twice_the_hold_time_and_never_less_than_it() {
    assert_eq!(until_send_hold(90, None), Duration::from_secs(480));
    assert_eq!(until_send_hold(300, None), Duration::from_secs(600));
    assert_eq!(until_send_hold(9, Some(30)), Duration::from_secs(30));
    assert_eq!(until_send_hold(90, Some(30)), Duration::from_secs(90));
}

#[test]
fn octets_that_leave_restart_send_hold() {
    let ours = SessionConfig {
        send_hold: Some(Duration::from_secs(90)),
        ..config()
    };
    let mut rig = Rig::established(ours, open(1));
    for _ in 0..100 {
        rig.pass(Duration::from_secs(80));
        rig.step(Event::Progress { connection: FIRST });
        rig.keepalive(FIRST);
    }
    assert_eq!(rig.state(), State::Established);
}

/// Fails once, in `OpenSent`, and says how long the machine rests.
fn fail(rig: &mut Rig) -> Duration {
    if rig.state() == State::Idle {
        rig.tick();
    }
    rig.connected(FIRST, Direction::Outgoing);
    rig.keepalive(FIRST);
    assert_eq!(rig.state(), State::Idle);
    rig.wait().unwrap()
}

fn assert_rest(rest: Duration, seconds: u64) {
    let full = Duration::from_secs(seconds);
    assert!(
        (full * 3 / 4..=full).contains(&rest),
        "{rest:?} instead of {full:?}"
    );
}

#[test]
fn rest_after_errors_doubles_up_to_the_cap() {
    let mut rig = Rig::new(config());
    rig.step(Event::Start);
    for expected in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        assert_rest(fail(&mut rig), expected);
    }
}

#[test]
fn a_stable_session_forgets_the_errors_before_it_and_a_short_one_does_not() {
    for (up, expected) in [(600, None), (5, Some(16))] {
        let mut rig = Rig::new(config());
        rig.step(Event::Start);
        for _ in 0..4 {
            fail(&mut rig);
        }
        rig.tick();
        rig.connected(FIRST, Direction::Outgoing);
        rig.open(FIRST, open(1));
        rig.keepalive(FIRST);
        for _ in 0..up {
            rig.pass(SECOND_LONG);
            rig.keepalive(FIRST);
            rig.step(Event::Progress { connection: FIRST });
        }
        let actions = rig.closed(FIRST);
        assert_eq!(down(&actions), Some(DownReason::ConnectionLost));
        let rest = rig.wait().unwrap();
        if let Some(seconds) = expected {
            assert_rest(rest, seconds);
        } else {
            // Its first error: when the peer comes back, it finds us listening.
            assert!(rest <= Duration::from_millis(1), "{rest:?}");
            rig.tick();
            assert_eq!(rig.state(), State::Active);
        }
    }
}

#[test]
fn start_ends_the_rest_and_forgets_the_errors() {
    let mut rig = Rig::new(config());
    rig.step(Event::Start);
    for _ in 0..5 {
        fail(&mut rig);
    }
    assert!(rig.step(Event::Start).contains(&Action::Connect));
    assert_rest(fail(&mut rig), 1);
}

#[test]
fn a_stopped_machine_stays_down() {
    let mut rig = Rig::established(config(), open(1));
    rig.step(Event::Stop(StopReason::AdministrativeShutdown(
        String::new(),
    )));
    assert!(rig.session.is_stopped());
    assert_eq!(rig.wait(), None);
    // A resting one is stopped too.
    let mut rig = Rig::new(config());
    rig.step(Event::Start);
    fail(&mut rig);
    rig.step(Event::Stop(StopReason::AdministrativeShutdown(
        String::new(),
    )));
    assert!(rig.session.is_stopped());
    assert_eq!(rig.wait(), None);
}

#[test]
fn a_peer_that_refuses_connections_is_tried_again_and_listened_for_meanwhile() {
    let mut rig = Rig::new(config());
    rig.step(Event::Start);
    let mut attempts = 0;
    let mut listening = Duration::ZERO;
    let end = rig.now + Duration::from_secs(100);
    while rig.now < end {
        let before = rig.now;
        let state = rig.state();
        let actions = if state == State::Connect {
            rig.step(Event::ConnectFailed)
        } else {
            rig.tick()
        };
        attempts += actions
            .iter()
            .filter(|action| **action == Action::Connect)
            .count();
        if state == State::Active {
            listening += rig.now.saturating_since(before);
        }
    }
    assert!((15..=30).contains(&attempts), "{attempts}");
    assert!(listening > Duration::from_secs(90), "{listening:?}");
}

#[test]
fn a_connection_attempt_that_hangs_is_given_up_and_made_again() {
    let mut rig = Rig::new(config());
    rig.step(Event::Start);
    for _ in 0..10 {
        let actions = rig.tick();
        assert_eq!(actions, [Action::AbortConnect, Action::Connect]);
        assert!(rig.wait().unwrap() > 3 * SECOND_LONG);
    }
}

#[test]
fn a_late_answer_to_an_attempt_that_was_given_up_is_closed() {
    let mut rig = Rig::new(config());
    rig.step(Event::Start);
    rig.step(Event::Stop(StopReason::Deconfigured));
    assert_eq!(closes(&rig.connected(FIRST, Direction::Outgoing)), [FIRST]);
}

#[test]
fn an_open_that_never_comes_ends_the_connection() {
    let mut rig = Rig::new(SessionConfig {
        open_hold: Duration::from_secs(20),
        ..config()
    });
    rig.reach_open_sent();
    assert_eq!(rig.wait(), Some(Duration::from_secs(20)));
    let actions = rig.tick();
    assert_eq!(codes(&actions), [(FIRST, Code::HOLD_TIMER_EXPIRED)]);
    assert_eq!(closes(&actions), [FIRST]);
}

#[test]
fn delay_open_waits_for_the_peer_to_speak_first() {
    let delayed = SessionConfig {
        delay_open: Some(Duration::from_secs(10)),
        ..config()
    };
    let mut rig = Rig::new(delayed.clone());
    rig.step(Event::Start);
    assert_eq!(sent_open(&rig.connected(FIRST, Direction::Outgoing)), None);
    let actions = rig.open(FIRST, open(1));
    assert!(sent_open(&actions).is_some() && keepalives(&actions) == 1);
    assert_eq!(rig.state(), State::OpenConfirm);
    // And speaks itself when that takes too long.
    let mut rig = Rig::new(delayed);
    rig.reach_open_sent();
    assert!(sent_open(&rig.tick()).is_some());
    assert_eq!(rig.state(), State::OpenSent);
}

#[test]
fn a_delayed_connection_left_over_goes_on_when_the_other_one_breaks() {
    let delayed = SessionConfig {
        delay_open: Some(Duration::from_secs(10)),
        ..config()
    };
    let mut rig = Rig::new(delayed);
    rig.reach_open_sent();
    rig.connected(SECOND, Direction::Incoming);
    // Ours wins: 192.0.2.2 is higher. It breaks at once.
    rig.open(SECOND, open(1));
    rig.closed(SECOND);
    assert_eq!(rig.state(), State::Active);
    assert!(sent_open(&rig.tick()).is_some());
    assert_eq!(rig.state(), State::OpenSent);
}

#[test]
fn a_passive_machine_never_dials() {
    let mut rig = Rig::new(SessionConfig {
        mode: Mode::Passive,
        ..config()
    });
    rig.step(Event::Start);
    let actions = rig.pass(Duration::from_secs(1000));
    assert!(!actions.contains(&Action::Connect));
    rig.connected(FIRST, Direction::Incoming);
    rig.open(FIRST, open(1));
    rig.keepalive(FIRST);
    assert_eq!(rig.state(), State::Established);
    rig.closed(FIRST);
    let actions = rig.pass(Duration::from_secs(1000));
    assert!(!actions.contains(&Action::Connect));
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn times_of_zero_do_not_spin() {
    let zero = SessionConfig {
        connect_retry: Duration::ZERO,
        idle_hold: Duration::ZERO,
        idle_hold_max: Duration::ZERO,
        ..config()
    };
    let mut rig = Rig::new(zero);
    rig.step(Event::Start);
    for _ in 0..100 {
        let before = rig.now;
        rig.tick();
        rig.step(Event::ConnectFailed);
        assert!(rig.now > before);
    }
}
