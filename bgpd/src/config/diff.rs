// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a new configuration changes.

use std::{fmt, net::IpAddr};

use super::{
    Config,
    model::{Fib, Log, Pool, StaticRoute},
    neighbor::{DynamicNeighbor, Neighbor},
};

/// One thing to do so that the running speaker is as the new configuration says.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigChange {
    /// A neighbour is new.
    AddPeer(Box<Neighbor>),
    /// A neighbour is gone.
    RemovePeer(IpAddr),
    /// A neighbour's session must be set up anew.
    RestartPeer {
        /// As it is now.
        neighbor: Box<Neighbor>,
        /// What is different.
        keys: Vec<&'static str>,
    },
    /// A neighbour changes while its session stays.
    UpdatePeer {
        /// As it is now.
        neighbor: Box<Neighbor>,
        /// What is different.
        keys: Vec<&'static str>,
    },
    /// A static route is new.
    AddStatic(StaticRoute),
    /// A static route is gone.
    RemoveStatic(StaticRoute),
    /// All pools, as they are now.
    PoolsChanged(Vec<Pool>),
    /// How the kernel is used, as it is now.
    FibChanged(Option<Fib>),
    /// All dynamic neighbours, as they are now.
    DynamicChanged(Vec<DynamicNeighbor>),
    /// What is logged, as it is now.
    LogChanged(Log),
    /// A key that takes effect with the next start.
    NeedsRestart(&'static str),
}

impl fmt::Display for ConfigChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What to do so that a speaker that runs `old` is as `new` says.
pub fn diff(_old: &Config, _new: &Config) -> Vec<ConfigChange> {
    Vec::new()
}
