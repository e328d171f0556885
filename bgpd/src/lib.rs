// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A BGP speaker: configuration, the pure `Speaker`, and (feature `daemon`) the daemon around it.

pub mod config;
pub mod control;
pub mod kernel;
pub mod peer;
pub mod speaker;

#[cfg(feature = "daemon")]
pub mod api;
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
mod gobgp;
