// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole speakers in one thread on virtual time, from a seed, checked against a naive oracle.
//!
//! [`World`] runs `bgpd::speaker::Speaker`s over simulated TCP connections that can be reset or cut; [`oracle`] says
//! what every Loc-RIB has to hold when the world is quiet. A failure names the seed, and the same seed gives the same run.

mod as_path;
mod network;
pub mod oracle;
mod random;
mod rules;
mod world;

pub use network::Fault;
pub use random::Random;
pub use rules::Rules;
pub use world::{LinkKind, World};
