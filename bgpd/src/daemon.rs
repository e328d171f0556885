// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon: tasks and threads around the pure parts, sockets, kernel, signals.
//!
//! Which task owns what is drawn in ARCHITECTURE.md. Nothing here decides about BGP.

#[doc(hidden)]
pub mod advertisement;
mod bfd;
mod bundle;
mod clock;
mod connection;
mod door;
mod events;
mod fib_task;
mod host;
mod link;
mod listener;
mod log;
mod outbox;
mod peer_task;
mod ra;
mod ready;
mod settings;
mod shard;
mod sink;
mod socket;
mod supervisor;
mod sys;
mod unnumbered;

pub use log::init as init_log;
pub use supervisor::{Options, run};
