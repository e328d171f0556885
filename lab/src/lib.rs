// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Network namespaces on this machine, real daemons in them, and traffic between them.
//!
//! Needs root. Everything is made under names of this process and removed when a [`Lab`] is dropped; processes are
//! ended by the pid they were started with.

mod bgpd;
pub mod cluster;
pub mod config;
mod foreign;
mod kernel;
mod netns;
mod process;
mod traffic;
mod wait;

pub use bgpd::{Bgpd, binary};
pub use foreign::{Bird, ExaBgp, Frr, GoBgp, OpenBgp};
pub use kernel::{Monitor, time_of_day};
pub use netns::{Lab, Netns};
pub use process::{Process, output, run};
pub use traffic::{Echo, Flow, Report};
pub use wait::{Ended, until};
