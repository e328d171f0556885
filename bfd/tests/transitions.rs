// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every state × event, printed into `golden/transitions.txt` (`BLESS=1` rewrites it), and the table of RFC 5880 §6.2.

#[path = "rig/rig.rs"]
mod rig;

use std::{fmt::Write as _, path::Path, time::Duration};

use bfd::{Action, Event, Flags, Interval, Session, Settings, State};
use bgp_proto::Instant;
use rig::{after, packet, reach, settings};

const EVENTS: &[&str] = &[
    "AdminDown received",
    "Down received",
    "Init received",
    "Up received",
    "Up with P received",
    "Up with F received",
    "Up in demand mode received",
    "Up, takes none, received",
    "silence",
    "next packet is due",
    "operator starts",
    "operator stops",
    "faster settings",
    "slower settings",
];

const STATES: [State; 4] = [State::AdminDown, State::Down, State::Init, State::Up];

fn feed(row: &str, session: &mut Session, now: Instant) -> Instant {
    let event = match row {
        "AdminDown received" => Event::Packet(packet(State::AdminDown)),
        "Down received" => Event::Packet(packet(State::Down)),
        "Init received" => Event::Packet(packet(State::Init)),
        "Up received" => Event::Packet(packet(State::Up)),
        "Up with P received" => Event::Packet(with(Flags::POLL)),
        "Up with F received" => Event::Packet(with(Flags::FINAL)),
        "Up in demand mode received" => Event::Packet(with(Flags::DEMAND)),
        "Up, takes none, received" => Event::Packet(bfd::Packet {
            required_min_rx: Interval::NEVER,
            ..packet(State::Up)
        }),
        "operator starts" => Event::Start,
        "operator stops" => Event::Stop,
        "faster settings" => Event::Settings(Settings {
            desired_min_tx: Interval::from_millis(50),
            required_min_rx: Interval::from_millis(50),
            ..settings()
        }),
        "slower settings" => Event::Settings(Settings {
            desired_min_tx: Interval::from_millis(2000),
            required_min_rx: Interval::from_millis(2000),
            ..settings()
        }),
        "silence" => {
            let at = now + Duration::from_secs(10);
            session.step(Event::Tick, at);
            return at;
        }
        "next packet is due" => {
            let at = session.deadline().expect("something is sent");
            session.step(Event::Tick, at);
            return at;
        }
        _ => unreachable!("{row}"),
    };
    session.step(event, now);
    now
}

fn with(flags: Flags) -> bfd::Packet {
    bfd::Packet {
        flags,
        ..packet(State::Up)
    }
}

fn show(actions: &[Action]) -> String {
    let mut text = String::new();
    for action in actions {
        match action {
            Action::Send(packet) => {
                let your = if packet.your_discriminator.is_some() {
                    ""
                } else {
                    " to nobody"
                };
                let ms = |interval: Interval| interval.as_micros() / 1000;
                write!(
                    text,
                    "[{} {:?} {}/{}{your}] ",
                    packet.state,
                    packet.flags,
                    ms(packet.desired_min_tx),
                    ms(packet.required_min_rx)
                )
            }
            Action::Changed {
                to,
                diagnostic,
                remote_admin_down,
                ..
            } => {
                let admin = if *remote_admin_down {
                    ", by its operator"
                } else {
                    ""
                };
                write!(text, "={to} ({diagnostic}{admin}) ")
            }
        }
        .unwrap();
    }
    if text.is_empty() {
        "-".to_owned()
    } else {
        text.trim_end().to_owned()
    }
}

#[test]
fn every_state_and_event_is_as_recorded() {
    let mut text = String::from(
        "# state | event | what is done: [packet: state, flags, desired transmit / required receive interval in ms] =next state\n\
         # | detection time, transmit interval after it (ms)\n",
    );
    for state in STATES {
        for row in EVENTS {
            let (mut session, now) = reach(state);
            let actions = after(&mut session, |session| {
                feed(row, session, now);
            });
            let ms = |time: Option<Duration>| {
                time.map_or_else(|| "-".to_owned(), |time| time.as_millis().to_string())
            };
            let times = format!(
                "{} {}",
                ms(session.detection_time()),
                ms(session.transmit_interval())
            );
            writeln!(
                text,
                "{state:<9} | {row:<26} | {:<75} | {times}",
                show(&actions)
            )
            .unwrap();
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transitions.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

/// RFC 5880 §6.2 and §6.8.6, by hand.
#[test]
fn states_follow_the_table_of_the_rfc() {
    use State::{AdminDown, Down, Init, Up};
    #[rustfmt::skip]
    let table = [
        // ours,     AdminDown  Down       Init       Up received
        (AdminDown, [AdminDown, AdminDown, AdminDown, AdminDown]),
        (Down,      [Down,      Init,      Up,        Down]),
        (Init,      [Down,      Init,      Up,        Up]),
        (Up,        [Down,      Down,      Up,        Up]),
    ];
    for (ours, row) in table {
        for (theirs, next) in STATES.into_iter().zip(row) {
            let (mut session, now) = reach(ours);
            session.step(Event::Packet(packet(theirs)), now);
            assert_eq!(session.state(), next, "{ours} × {theirs}");
        }
    }
}
