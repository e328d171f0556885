// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BFD sessions.

use std::{net::IpAddr, num::NonZeroU8, time::Duration};

use bfd::{Discriminator, Interval, Method, State};
use serde::Serialize;

use crate::control::BfdStatus;

#[derive(Serialize)]
pub(in crate::cli) struct BfdView<'a> {
    address: IpAddr,
    local_address: Option<IpAddr>,
    interface: Option<&'a str>,
    multihop: bool,
    state: &'static str,
    since: f64,
    diagnostic: String,
    remote_state: &'static str,
    remote_diagnostic: String,
    remote_control_plane_independent: bool,
    discriminator: Option<u32>,
    remote_discriminator: Option<u32>,
    timers: Timers,
    remote_timers: Option<Timers>,
    passive: bool,
    transmit_interval: Option<f64>,
    detection_time: Option<f64>,
    packets_received: u64,
    packets_sent: u64,
    ups: u64,
    downs: u64,
    authentication: Option<&'static str>,
    problem: Option<&'a str>,
}

/// In seconds.
#[derive(Serialize)]
struct Timers {
    desired_min_tx: f64,
    required_min_rx: f64,
    multiplier: u8,
}

impl Timers {
    fn new((multiplier, desired, required): (NonZeroU8, Interval, Interval)) -> Self {
        Self {
            desired_min_tx: desired.as_duration().as_secs_f64(),
            required_min_rx: required.as_duration().as_secs_f64(),
            multiplier: multiplier.get(),
        }
    }
}

impl<'a> From<&'a BfdStatus> for BfdView<'a> {
    fn from(status: &'a BfdStatus) -> Self {
        let settings = &status.settings;
        Self {
            address: status.remote,
            local_address: status.local,
            interface: status.interface.as_deref(),
            multihop: status.multihop,
            state: state(status.state),
            since: status.since.as_secs_f64(),
            diagnostic: status.diagnostic.to_string(),
            remote_state: state(status.remote_state),
            remote_diagnostic: status.remote_diagnostic.to_string(),
            remote_control_plane_independent: status.remote_independent,
            discriminator: status.discriminator.map(Discriminator::get),
            remote_discriminator: status.remote_discriminator.map(Discriminator::get),
            timers: Timers::new((
                settings.multiplier,
                settings.desired_min_tx,
                settings.required_min_rx,
            )),
            remote_timers: status.remote_intervals.map(Timers::new),
            passive: settings.passive,
            transmit_interval: status.transmit_interval.as_ref().map(Duration::as_secs_f64),
            detection_time: status.detection_time.as_ref().map(Duration::as_secs_f64),
            packets_received: status.counters.received,
            packets_sent: status.counters.sent,
            ups: status.counters.ups,
            downs: status.counters.downs,
            authentication: status.authentication.map(method),
            problem: status.problem.as_deref(),
        }
    }
}

/// As it is configured.
pub(in crate::cli) fn method(method: Method) -> &'static str {
    match method {
        Method::SimplePassword => "simple",
        Method::KeyedSha1 => "keyed-sha1",
        Method::MeticulousKeyedSha1 => "meticulous-keyed-sha1",
    }
}

/// As programs read it.
fn state(state: State) -> &'static str {
    match state {
        State::AdminDown => "admin-down",
        State::Down => "down",
        State::Init => "init",
        State::Up => "up",
    }
}
