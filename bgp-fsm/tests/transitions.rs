// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every state × event: printed into `golden/transitions.txt` (`BLESS=1` rewrites it), and held against the table of RFC
//! 4271 §8 in `rfc4271_table.tsv`, which was not made by this program.

#[path = "rig/rig.rs"]
mod rig;

#[path = "rig/table.rs"]
mod table;

use std::{fmt::Write as _, path::Path, time::Duration};

use bgp_fsm::{Action, ConnectionId, Direction, Event, Mode, SessionConfig, State, StopReason};
use bgp_proto::{Code, Family, Message, Notification};
use rig::{FIRST, Rig, SECOND, config, open};
use table::{Observed, Table};

/// Where a machine is before the event. `delay` and `waiting`: `DelayOpen` is configured, and runs.
#[derive(Clone, Copy)]
struct Setting {
    name: &'static str,
    state: State,
    delay: bool,
    waiting: bool,
}

#[rustfmt::skip]
const SETTINGS: &[Setting] = &[
    Setting { name: "Idle",              state: State::Idle,        delay: false, waiting: false },
    Setting { name: "Idle resting",      state: State::Idle,        delay: false, waiting: false },
    Setting { name: "Connect",           state: State::Connect,     delay: false, waiting: false },
    Setting { name: "Connect delay",     state: State::Connect,     delay: true,  waiting: false },
    Setting { name: "Connect waiting",   state: State::Connect,     delay: true,  waiting: true },
    Setting { name: "Active",            state: State::Active,      delay: false, waiting: false },
    Setting { name: "Active delay",      state: State::Active,      delay: true,  waiting: false },
    Setting { name: "Active waiting",    state: State::Active,      delay: true,  waiting: true },
    Setting { name: "OpenSent",          state: State::OpenSent,    delay: false, waiting: false },
    Setting { name: "OpenConfirm",       state: State::OpenConfirm, delay: false, waiting: false },
    Setting { name: "Established",       state: State::Established, delay: false, waiting: false },
];

impl Setting {
    fn config(self, row: &str) -> SessionConfig {
        let passive = matches!(row, "4" | "5" | "7") && self.state == State::Idle;
        SessionConfig {
            delay_open: self.delay.then_some(Duration::from_secs(10)),
            mode: if passive { Mode::Passive } else { Mode::Active },
            ..config()
        }
    }

    fn reach(self, row: &str) -> Rig {
        let mut rig = Rig::new(self.config(row));
        match (self.state, self.waiting) {
            (State::Idle, _) if self.name == "Idle" => {}
            (State::Idle, _) if rig.session.config().mode == Mode::Passive => {
                rig.step(Event::Start);
                rig.connected(FIRST, Direction::Incoming);
                rig.keepalive(FIRST);
            }
            (State::Idle, _) => {
                rig.reach_open_sent();
                rig.keepalive(FIRST);
            }
            (State::Connect, false) => drop(rig.step(Event::Start)),
            (State::Connect, true) | (State::OpenSent, _) => rig.reach_open_sent(),
            (State::Active, waiting) => {
                rig.reach_open_sent();
                rig.closed(FIRST);
                if waiting {
                    rig.connected(FIRST, Direction::Incoming);
                }
            }
            (State::OpenConfirm, _) => {
                rig.reach_open_sent();
                rig.open(FIRST, open(1));
            }
            (State::Established, _) => rig = Rig::established(self.config(row), open(1)),
        }
        assert_eq!(rig.state(), self.state, "{}", self.name);
        rig
    }

    /// The connection that the machine has.
    fn has_connection(self) -> bool {
        self.waiting || self.state >= State::OpenSent
    }

    fn is_dialling(self) -> bool {
        self.state == State::Connect && !self.waiting
    }
}

#[rustfmt::skip]
const ROWS: &[(&str, &str)] = &[
    ("1", "ManualStart"), ("2", "ManualStop"), ("4", "ManualStart_passive"), ("6", "AutomaticStart_damp"),
    ("7", "AutomaticStart_damp_passive"), ("8", "AutomaticStop"), ("9", "ConnectRetry expires"), ("10", "HoldTimer expires"),
    ("11", "KeepaliveTimer expires"), ("12", "DelayOpen expires"), ("16", "Tcp_CR_Acked"), ("17", "TcpConnectionConfirmed"),
    ("18", "TcpConnectionFails"), ("19", "BGPOpen"), ("20", "BGPOpen again, or while DelayOpen runs"), ("21", "BGPHeaderErr"),
    ("22", "BGPOpenMsgErr"), ("24", "NotifMsgVerErr"), ("25", "NotifMsg"), ("26", "KeepAliveMsg"), ("27", "UpdateMsg"),
    ("28", "UpdateMsgErr"), ("29", "SendHoldTimer expires"), ("RR", "ROUTE-REFRESH"), ("RR!", "ROUTE-REFRESH of a wrong length"),
];

/// Feeds the event of a row. `None`: it can not happen there.
fn feed(row: &str, setting: Setting, rig: &mut Rig) -> Option<Vec<Action>> {
    let connection = FIRST;
    let fault = |code| Event::Fault {
        connection,
        notification: Notification::new(code),
    };
    let event = match row {
        "1" | "4" => Event::Start,
        "2" => Event::Stop(StopReason::AdministrativeShutdown(String::new())),
        "8" => Event::Stop(StopReason::MaximumPrefixes(Family::IPV4_UNICAST, 1000)),
        "6" | "7" | "9" | "10" | "11" | "12" | "29" => return expire(row, setting, rig),
        "16" | "17" => return connect(row, setting, rig),
        "18" if setting.is_dialling() => Event::ConnectFailed,
        // In Idle an event about a connection that was closed may still be on its way.
        _ if setting.state != State::Idle && !setting.has_connection() => return None,
        "18" => Event::Closed { connection },
        "19" if setting.waiting || setting.state == State::OpenConfirm => return None,
        "20" if setting.state == State::OpenSent => return None,
        "19" | "20" => Event::Open {
            connection,
            open: open(1),
        },
        "21" => fault(Code::HEADER_BAD_LENGTH),
        "22" => fault(Code::OPEN_HOLD_TIME),
        "24" => Event::Notification {
            connection,
            notification: Notification::new(Code::OPEN_VERSION),
        },
        "25" => Event::Notification {
            connection,
            notification: Notification::new(Code::CEASE_ADMIN_RESET),
        },
        "26" => Event::Keepalive { connection },
        "27" => Event::Update { connection },
        "28" => fault(Code::UPDATE_ATTRIBUTE_LENGTH),
        "RR" => Event::RouteRefresh { connection },
        "RR!" => fault(Code::REFRESH_LENGTH),
        other => unreachable!("row {other}"),
    };
    Some(rig.step(event))
}

/// Events 6, 7, 9 to 12, 29: lets time pass until the timer expires.
fn expire(row: &str, setting: Setting, rig: &mut Rig) -> Option<Vec<Action>> {
    let session = setting.state >= State::OpenConfirm;
    let runs = match row {
        "6" | "7" => setting.name == "Idle resting",
        "9" => matches!(setting.state, State::Connect | State::Active) && !setting.waiting,
        "10" => setting.state >= State::OpenSent,
        "11" => session,
        "12" => setting.waiting,
        _ => setting.state == State::Established,
    };
    if !runs {
        return None;
    }
    loop {
        if row == "29" {
            // The peer speaks, but does not read.
            rig.keepalive(FIRST);
        }
        let actions = rig.tick();
        let only_keepalive = rig::keepalives(&actions) == actions.len();
        if row == "11" || !only_keepalive {
            return Some(actions);
        }
    }
}

fn connect(row: &str, setting: Setting, rig: &mut Rig) -> Option<Vec<Action>> {
    let connection = if setting.has_connection() {
        SECOND
    } else {
        FIRST
    };
    match row {
        "16" if !setting.is_dialling() => None,
        "16" => Some(rig.connected(connection, Direction::Outgoing)),
        _ => Some(rig.connected(connection, Direction::Incoming)),
    }
}

#[test]
fn every_state_and_event_as_recorded() {
    let mut text = String::from(
        "# state | event | what is done, next state | until the next deadline. An event that can not happen is not listed.\n",
    );
    for setting in SETTINGS {
        for (row, name) in ROWS {
            let mut rig = setting.reach(row);
            let Some(actions) = feed(row, *setting, &mut rig) else {
                continue;
            };
            let done: Vec<String> = actions.iter().map(notation).collect();
            let done = if done.is_empty() {
                "-".to_owned()
            } else {
                done.join(" ")
            };
            let wait = rig.wait().map_or("no deadline".to_owned(), |wait| {
                format!("{:.1} s", wait.as_secs_f64())
            });
            writeln!(
                text,
                "{:<15} | {row:>3} {name:<38} | {done:<44} | {wait}",
                setting.name
            )
            .unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transitions.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, recorded,
        "what the machine does has changed; BLESS=1 records it"
    );
}

/// The notation of the table.
fn notation(action: &Action) -> String {
    let which = |connection: &ConnectionId| if *connection == FIRST { "" } else { "'" };
    match action {
        Action::Connect => "TCP".to_owned(),
        Action::AbortConnect => "x(dialling)".to_owned(),
        Action::Send {
            connection,
            message,
        } => {
            let message = match message {
                Message::Open(_) => "O".to_owned(),
                Message::Keepalive => "KA".to_owned(),
                Message::Notification(sent) if sent.data.is_empty() => {
                    format!("N {}/{}", sent.code.0, sent.code.1)
                }
                Message::Notification(sent) => {
                    format!("N {}/{} {:02x?}", sent.code.0, sent.code.1, &sent.data[..])
                }
                Message::Update(_) | Message::RouteRefresh(_) => {
                    unreachable!("not the machine's business")
                }
            };
            message + which(connection)
        }
        Action::Close { connection } => format!("x{}", which(connection)),
        Action::Up { .. } => "up".to_owned(),
        Action::Down { .. } => "del".to_owned(),
        Action::Changed { to, .. } => format!("={to}"),
    }
}

#[test]
fn every_cell_is_as_rfc_4271_has_it() {
    let table = Table::parse(include_str!("rfc4271_table.tsv"));
    let mut checked = 0;
    let mut wrong = Vec::new();
    for setting in SETTINGS {
        for row in table.rows() {
            let mut rig = setting.reach(row);
            // An automatic start without damping is our Start too.
            let ours = match row {
                "3" => "1",
                "5" => "4",
                "13" => "6",
                "14" | "15" | "23" => continue,
                other => other,
            };
            let Some(actions) = feed(ours, *setting, &mut rig) else {
                continue;
            };
            let observed = Observed {
                actions: &actions,
                state: rig.state(),
                // Deviations: what stops by itself (a prefix limit) stays down until the driver starts it again; and a peer
                // without our version is damped like any other, there being no other version to come back with.
                comes_back: (!matches!(row, "8" | "24")).then(|| rig.session.deadline().is_some()),
                has_connection: setting.has_connection() && row != "18",
                is_dialling: setting.is_dialling() && row != "18",
            };
            let cell = table.cell(row, setting.state, setting.delay, setting.waiting);
            if let Err(error) = cell.check(&observed) {
                wrong.push(format!(
                    "{} × {row}: {error}: `{}` but {actions:?}",
                    setting.name, cell.text
                ));
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 150, "only {checked} cells were compared");
}

#[test]
fn timers_of_a_state_do_not_outlive_it() {
    let wait = |index: usize| SETTINGS[index].reach("").wait().unwrap();
    // OpenSent: nothing but the wait for the OPEN; ConnectRetry would be due within five seconds.
    assert_eq!(wait(8), Duration::from_secs(240));
    // OpenConfirm, Established: the keepalive timer comes first.
    for index in [9, 10] {
        assert!((Duration::from_millis(22_500)..=Duration::from_secs(30)).contains(&wait(index)));
    }
    // DelayOpen alone.
    assert_eq!(wait(4), Duration::from_secs(10));
    assert_eq!(wait(7), Duration::from_secs(10));
}
