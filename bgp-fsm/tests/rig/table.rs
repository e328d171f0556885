// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the table of RFC 4271 §8 and compares what a machine did with a cell of it.

use std::collections::BTreeMap;

use bgp_fsm::{Action, State};
use bgp_proto::Message;

pub(crate) struct Table(BTreeMap<String, Vec<String>>);

/// What a machine did.
pub(crate) struct Observed<'a> {
    pub(crate) actions: &'a [Action],
    pub(crate) state: State,
    /// It will leave Idle by itself; `None`: not compared.
    pub(crate) comes_back: Option<bool>,
    /// It had a connection that it can drop.
    pub(crate) has_connection: bool,
    pub(crate) is_dialling: bool,
}

/// What it has to do.
pub(crate) struct Cell {
    pub(crate) text: String,
    before: State,
}

impl Table {
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        let row = |line: &str| {
            let mut cells = line.split('\t').map(str::to_owned);
            (cells.next().unwrap(), cells.skip(1).collect::<Vec<_>>())
        };
        let rows: BTreeMap<_, _> = lines.map(row).collect();
        assert_eq!(rows.len(), 30, "events 1 to 29 and ROUTE-REFRESH");
        assert!(rows.values().all(|cells| cells.len() == 6));
        Self(rows)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The cell, with its conditions decided.
    pub(crate) fn cell(&self, row: &str, before: State, delay: bool, waiting: bool) -> Cell {
        let text = &self.0[row][before as usize];
        // "after IdleHold: as 3", "as 16", "as 6/7"
        let elsewhere = text
            .strip_prefix("as ")
            .or(text.strip_prefix("after IdleHold: as "));
        if let Some(other) = elsewhere {
            let other = other.split(['/', ' ']).next().unwrap();
            return self.cell(other, before, delay, waiting);
        }
        let text = match text.split_once("? ") {
            Some((condition, alternatives)) => {
                let (yes, no) = alternatives.split_once(" : ").unwrap();
                let holds = match condition {
                    "delayopen" => delay,
                    "D running" => waiting,
                    other => panic!("condition {other}"),
                };
                if holds { yes } else { no }
            }
            None => text,
        };
        let text = text
            .trim_start_matches("same connection: ")
            .trim_start_matches("reset class only: ");
        let text = text.split([';', '(']).next().unwrap();
        Cell {
            text: text.to_owned(),
            before,
        }
    }
}

impl Cell {
    /// What of it can be seen from outside: messages in their order, dialling, dropping, routes, state, damping.
    pub(crate) fn check(&self, observed: &Observed<'_>) -> Result<(), &'static str> {
        self.check_messages(observed.actions)?;
        self.check_connections(observed)?;
        let down = observed
            .actions
            .iter()
            .any(|action| matches!(action, Action::Down { .. }));
        // A session that ends takes its routes with it, where the table says "del", and where it only says Idle.
        if down != (self.before == State::Established && self.next() == State::Idle) {
            return Err("routes");
        }
        if observed.state != self.next() {
            return Err("next state");
        }
        if let Some(comes_back) = observed.comes_back
            && observed.state == State::Idle
            && self.before != State::Idle
        {
            if self.has("damp") && !comes_back {
                return Err("does not come back");
            }
            if self.has("6/2") && comes_back {
                return Err("comes back though it was stopped");
            }
        }
        Ok(())
    }

    fn has(&self, token: &str) -> bool {
        self.text.split([' ', '[', ']']).any(|word| word == token)
    }

    fn next(&self) -> State {
        let states = [
            State::Idle,
            State::Connect,
            State::Active,
            State::OpenSent,
            State::OpenConfirm,
            State::Established,
        ];
        let named = |state: &State| self.has(&format!("={state}"));
        states.into_iter().find(named).unwrap_or(self.before)
    }

    fn check_messages(&self, actions: &[Action]) -> Result<(), &'static str> {
        let mut sent = actions.iter().filter_map(|action| match action {
            Action::Send { message, .. } => Some(message),
            _ => None,
        });
        let mut words = self.text.split([' ', '[', ']']);
        let mut optional = self.text.contains(" opt]") || self.text.contains(" if it can");
        while let Some(word) = words.next() {
            let matches = match word {
                "O" => matches!(sent.next(), Some(Message::Open(_))),
                "KA" => matches!(sent.next(), Some(Message::Keepalive)),
                // The second connection gets its OPEN.
                "trk" => matches!(sent.next(), Some(Message::Open(_)) | None),
                "N" => {
                    let code = words.next().unwrap_or_default();
                    match sent.next() {
                        Some(Message::Notification(notification)) => {
                            code_matches(code, notification.code)
                        }
                        None => std::mem::take(&mut optional),
                        Some(_) => false,
                    }
                }
                _ => continue,
            };
            if !matches {
                return Err("message");
            }
        }
        sent.next().map_or(Ok(()), |_| Err("one message more"))
    }

    fn check_connections(&self, observed: &Observed<'_>) -> Result<(), &'static str> {
        let has = |wanted: fn(&Action) -> bool| observed.actions.iter().any(wanted);
        if has(|action| matches!(action, Action::Connect)) != self.has("TCP") {
            return Err("dialling");
        }
        let closes = has(|action| matches!(action, Action::Close { .. }));
        let aborts = has(|action| matches!(action, Action::AbortConnect));
        let drops = self.has("x")
            || self.has("refuse")
            || self.next() == State::Idle && self.before != State::Idle;
        if closes != (drops && (observed.has_connection || self.has("refuse"))) {
            return Err("connection");
        }
        // Dialling ends with the attempt, and when another connection has what it takes.
        if self.has("x") && observed.is_dialling && !aborts {
            return Err("the attempt goes on");
        }
        let last_sent = observed
            .actions
            .iter()
            .rposition(|action| matches!(action, Action::Send { .. }));
        let closing = observed
            .actions
            .iter()
            .position(|action| matches!(action, Action::Close { .. }));
        if let (Some(sent), Some(closing)) = (last_sent, closing)
            && closing < sent
        {
            return Err("sends on a connection that it has closed");
        }
        Ok(())
    }
}

fn code_matches(wanted: &str, code: bgp_proto::Code) -> bool {
    let (major, minor) = wanted.split_once('/').unwrap();
    major == code.0.to_string() && (minor == "x" || minor == code.1.to_string())
}
