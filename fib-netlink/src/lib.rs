// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps a Linux routing table equal to a set of desired routes. Knows no BGP.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

mod config;
mod event;
#[cfg(feature = "netlink")]
mod netlink;
mod route;

pub use config::{FibConfig, Interfaces, Learn};
pub use event::{
    FibEvent, LearnedChange, LearnedHop, LearnedOrigin, LearnedRoute, Link, Reachability,
};
#[cfg(feature = "netlink")]
pub use netlink::Fib;
pub use route::{Change, Hop, Route, RouteState, Status, Target};
