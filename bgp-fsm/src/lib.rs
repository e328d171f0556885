// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The session state machine of one BGP peer (RFC 4271 section 8), without I/O.
#![no_std]
#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::iter_over_hash_type
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod config;
mod connection;
mod event;
mod session;
mod timer;

pub use config::{Mode, PeerAs, SessionConfig};
pub use event::{Action, ConnectionId, Direction, DownReason, Event, State, StopReason};
pub use session::{LastError, Session};
