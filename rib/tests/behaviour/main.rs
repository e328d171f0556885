// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Behaviour of the RIB as its neighbours, the forwarding table and its questioners see it. Everything here goes
//! through the public interface; neighbours are played by [`world::World`], which decodes each message strictly.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod add_path;
mod allocations;
mod confederation;
mod decision;
mod feed;
mod forecast;
mod imported_only;
mod interpreter;
mod long_lived;
mod model;
mod news;
mod next_hops;
mod oracle;
mod policy;
mod policy_model;
mod questions;
mod roles;
mod route_server;
mod silence;
mod terms;
mod who_tells_whom;
mod world;
