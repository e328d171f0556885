// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps a Linux routing table equal to a set of desired routes. Knows no BGP.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

mod config;
mod event;
mod kernel;
mod learn;
mod links;
#[cfg(feature = "netlink")]
mod netlink;
mod plan;
mod reconciler;
mod route;
mod table;
mod track;
mod trouble;
mod wants;

pub use config::{FibConfig, Interfaces, Learn};
pub use event::{
    FibEvent, LearnedChange, LearnedHop, LearnedOrigin, LearnedRoute, Link, Reachability,
};
pub use kernel::{Held, KernelHop, KernelRoute, Kind, Way, stored_metric};
pub use links::{AddressUpdate, LinkUpdate};
#[cfg(feature = "netlink")]
pub use netlink::{Fib, Notice, notices};
pub use plan::{Decision, Goal, Operation, Ownership, Verb, decide, plan};
pub use reconciler::Reconciler;
pub use route::{Change, Hop, Route, RouteState, Status, Target};
pub use trouble::Refusal;
