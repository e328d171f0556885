// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routing information base: Adj-RIB-In, decision, who-tells-whom, Adj-RIB-Out, packing. No I/O.
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

mod attributes;
mod batch;
mod decision;
mod export;
mod group;
mod io;
mod next_hop;
mod path;
mod peer;
pub mod policy;
mod query;
mod rib;
mod shards;
mod source;
mod table;
mod terms;

pub use attributes::Attributes;
pub use batch::{PathIndex, RouteBatch};
pub use decision::{DecisionStep, Profile, Selection};
pub use export::{Learned, Telling, who_tells_whom};
pub use group::PathsSent;
pub use io::{
    FibChange, FibPath, FibRoute, Input, NextHopState, Output, Recipients, Speaker, Transmit,
};
pub use path::Unusable;
pub use peer::{FamilyCounts, NextHopMode, PeerInfo, Relation, RibConfig};
pub use policy::{
    KernelAttributes, Policy, PolicyChange, PolicyError, PolicyHit, PolicyPoint, PolicyTrace,
    Verdict,
};
pub use query::{
    Explanation, PrefixFilter, RoutePage, RouteQuery, RouteView, Table, TableSize, Totals,
};
pub use rib::{Difference, Forecast, Imported, Proposal, ProposedPeer, Rib, Sent, Silence};
pub use shards::Shards;
pub use source::{Disposition, PeerId, Preferences, Source};
pub use terms::{PrivateAs, Terms};
