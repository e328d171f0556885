// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BFD sessions.

use std::num::NonZeroU8;

use bfd::{Counters, Diagnostic, Discriminator, Interval, Method, Settings, State};
use bgpd_api::v1;

use super::{BadMessage, Protobuf, address, duration_from, duration_to};
use crate::control::BfdStatus;

impl Protobuf for BfdStatus {
    type Message = v1::BfdSession;

    fn to_protobuf(&self) -> v1::BfdSession {
        let Settings {
            desired_min_tx,
            required_min_rx,
            multiplier,
            passive,
        } = self.settings;
        v1::BfdSession {
            address: self.remote.to_string(),
            local_address: self.local.map(|local| local.to_string()),
            interface: self.interface.clone(),
            multihop: self.multihop,
            state: state_to(self.state).into(),
            diagnostic: self.diagnostic.code().into(),
            since: Some(duration_to(self.since)),
            remote_state: state_to(self.remote_state).into(),
            remote_diagnostic: self.remote_diagnostic.code().into(),
            remote_control_plane_independent: self.remote_independent,
            discriminator: self.discriminator.map(Discriminator::get),
            remote_discriminator: self.remote_discriminator.map(Discriminator::get),
            timers: Some(timers_to((multiplier, desired_min_tx, required_min_rx))),
            remote_timers: self.remote_intervals.map(timers_to),
            passive,
            transmit_interval: self.transmit_interval.map(duration_to),
            detection_time: self.detection_time.map(duration_to),
            packets_received: self.counters.received,
            packets_sent: self.counters.sent,
            ups: self.counters.ups,
            downs: self.counters.downs,
            problem: self.problem.clone(),
            authentication: method_to(self.authentication).into(),
        }
    }

    fn from_protobuf(message: v1::BfdSession) -> Result<Self, BadMessage> {
        let timers = message
            .timers
            .ok_or_else(|| BadMessage::missing("timers"))?;
        let (multiplier, desired_min_tx, required_min_rx) = timers_from("timers", timers)?;
        let duration = |field, message: Option<_>| {
            let there = message.is_some();
            there.then(|| duration_from(field, message)).transpose()
        };
        let local = message.local_address.as_deref();
        let remote_timers = message.remote_timers;
        Ok(Self {
            remote: address("address", &message.address)?,
            local: local
                .map(|text| address("local_address", text))
                .transpose()?,
            interface: message.interface,
            multihop: message.multihop,
            state: state_from("state", message.state)?,
            diagnostic: diagnostic("diagnostic", message.diagnostic)?,
            since: duration_from("since", message.since)?,
            remote_state: state_from("remote_state", message.remote_state)?,
            remote_diagnostic: diagnostic("remote_diagnostic", message.remote_diagnostic)?,
            remote_independent: message.remote_control_plane_independent,
            discriminator: message.discriminator.and_then(Discriminator::new),
            remote_discriminator: message.remote_discriminator.and_then(Discriminator::new),
            settings: Settings {
                desired_min_tx,
                required_min_rx,
                multiplier,
                passive: message.passive,
            },
            remote_intervals: remote_timers
                .map(|timers| timers_from("remote_timers", timers))
                .transpose()?,
            transmit_interval: duration("transmit_interval", message.transmit_interval)?,
            detection_time: duration("detection_time", message.detection_time)?,
            counters: Counters {
                received: message.packets_received,
                sent: message.packets_sent,
                ups: message.ups,
                downs: message.downs,
            },
            problem: message.problem,
            authentication: method_from(message.authentication)?,
        })
    }
}

type Timers = (NonZeroU8, Interval, Interval);

fn timers_to((multiplier, desired, required): Timers) -> v1::BfdTimers {
    v1::BfdTimers {
        desired_min_tx: desired.as_micros(),
        required_min_rx: required.as_micros(),
        multiplier: u32::from(multiplier.get()),
    }
}

fn timers_from(field: &str, timers: v1::BfdTimers) -> Result<Timers, BadMessage> {
    let multiplier = u8::try_from(timers.multiplier)
        .ok()
        .and_then(NonZeroU8::new);
    let wrong = || BadMessage::new("multiplier", "is from 1 to 255").within(field);
    Ok((
        multiplier.ok_or_else(wrong)?,
        Interval::from_micros(timers.desired_min_tx),
        Interval::from_micros(timers.required_min_rx),
    ))
}

fn diagnostic(field: &str, code: u32) -> Result<Diagnostic, BadMessage> {
    let code = u8::try_from(code).ok().filter(|code| *code < 32);
    code.map(Diagnostic::from_wire)
        .ok_or_else(|| BadMessage::new(field, "is from 0 to 31"))
}

fn method_to(method: Option<Method>) -> v1::BfdAuthentication {
    match method {
        None => v1::BfdAuthentication::Unspecified,
        Some(Method::SimplePassword) => v1::BfdAuthentication::Simple,
        Some(Method::KeyedSha1) => v1::BfdAuthentication::KeyedSha1,
        Some(Method::MeticulousKeyedSha1) => v1::BfdAuthentication::MeticulousKeyedSha1,
    }
}

fn method_from(method: i32) -> Result<Option<Method>, BadMessage> {
    Ok(Some(match v1::BfdAuthentication::try_from(method) {
        Ok(v1::BfdAuthentication::Unspecified) => return Ok(None),
        Ok(v1::BfdAuthentication::Simple) => Method::SimplePassword,
        Ok(v1::BfdAuthentication::KeyedSha1) => Method::KeyedSha1,
        Ok(v1::BfdAuthentication::MeticulousKeyedSha1) => Method::MeticulousKeyedSha1,
        Err(_) => return Err(BadMessage::new("authentication", "is not known")),
    }))
}

fn state_to(state: State) -> v1::BfdState {
    match state {
        State::AdminDown => v1::BfdState::AdminDown,
        State::Down => v1::BfdState::Down,
        State::Init => v1::BfdState::Init,
        State::Up => v1::BfdState::Up,
    }
}

fn state_from(field: &str, state: i32) -> Result<State, BadMessage> {
    match v1::BfdState::try_from(state) {
        Ok(v1::BfdState::AdminDown) => Ok(State::AdminDown),
        Ok(v1::BfdState::Down) => Ok(State::Down),
        Ok(v1::BfdState::Init) => Ok(State::Init),
        Ok(v1::BfdState::Up) => Ok(State::Up),
        Ok(v1::BfdState::Unspecified) | Err(_) => Err(BadMessage::new(field, "is not known")),
    }
}
