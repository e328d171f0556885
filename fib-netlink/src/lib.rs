// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps a Linux routing table equal to a set of desired routes. Knows no BGP.
//!
//! Level triggered: what is desired is compared with what the kernel says it has, and the difference is written. Routes
//! that others delete come back; routes of others are never touched; what a previous run left is taken over as it is, and
//! what of it nobody desires is deleted when the caller says that all has been said.
//!
//! ```no_run
//! # #[cfg(feature = "netlink")]
//! # async fn example() -> std::io::Result<()> {
//! use fib_netlink::{Change, Fib, FibConfig, Hop, Route, Target};
//!
//! let (fib, mut events) = Fib::start(FibConfig::default())?;
//! let hop = Hop::via([10, 0, 0, 2].into());
//! let route = Route::new("10.9.0.0/16".parse().unwrap(), Target::Via(vec![hop]));
//! fib.apply(vec![Change::Install(route)]).await;
//! while let Some(event) = events.recv().await {
//!     println!("{event:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Fib`] (feature `netlink`, on by default) owns the sockets and one task.
//! - [`Reconciler`] is all of it that decides, without I/O or clock; [`plan()`] is its heart as a function.
//! - Hops that many routes share can be next-hop objects of the kernel ([`FibConfig::nexthop_objects`]).
//! - Ours is a route with our table, protocol **and** one of our metrics ([`Ownership`]).
#![deny(unsafe_code)]

mod config;
mod event;
mod held;
mod kernel;
mod learn;
mod links;
#[cfg(feature = "netlink")]
mod netlink;
mod objects;
mod plan;
mod reconciler;
mod route;
mod slots;
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
pub use netlink::{Departure, Fib, Notice, departure, notices};
pub use objects::{Nature, Object, ObjectOperation, ObjectVerb, Place};
pub use plan::{Decision, Goal, Operation, Ownership, Verb, decide, plan};
pub use reconciler::Reconciler;
pub use route::{Change, Hop, Route, RouteState, Status, Target, Totals, Want};
pub use trouble::Refusal;
