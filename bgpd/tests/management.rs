// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The management API and `bgpctl`, from the words typed to the daemon's door and back, over real sockets.
//!
//! The daemon is a fake with fixed data; no root, no fixed port.
#![cfg(feature = "daemon")]

#[path = "management/cli.rs"]
mod cli;
#[path = "management/contract.rs"]
mod contract;
#[path = "management/data.rs"]
mod data;
#[path = "management/fake.rs"]
mod fake;
#[path = "management/gobgp.rs"]
mod gobgp;
#[path = "management/gobgp_watch.rs"]
mod gobgp_watch;
#[path = "management/mutated.rs"]
mod mutated;
#[path = "management/server.rs"]
mod server;
#[path = "management/tls.rs"]
mod tls;
#[path = "management/top.rs"]
mod top;
