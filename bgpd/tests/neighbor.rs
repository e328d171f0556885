// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One neighbour, from what it says to what the RIB is told, without sockets.

#[path = "neighbor/bfd.rs"]
mod bfd;
#[path = "neighbor/graceful_restart.rs"]
mod graceful_restart;
#[path = "neighbor/prefix_limit.rs"]
mod prefix_limit;
#[path = "neighbor/refresh.rs"]
mod refresh;
#[path = "neighbor/rig.rs"]
mod rig;
