// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What policies did to a route.

use crate::config::PeerName;

pub use rib::{PolicyPoint, Verdict};

/// What one policy did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyTrace {
    /// Where it is asked.
    pub point: PolicyPoint,
    /// Whose it is: the neighbour that the path comes from, or those that are told the same; nobody for the kernel.
    pub peers: Vec<PeerName>,
    /// What became of the path.
    pub verdict: Verdict,
    /// No statement decided.
    pub is_default: bool,
    /// The rules that held, in order.
    pub hits: Vec<PolicyHit>,
}

/// A rule that held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyHit {
    /// Names of the policy and of its statement.
    pub names: Vec<String>,
    /// What it changed.
    pub changes: Vec<PolicyChange>,
    /// It decided.
    pub verdict: Option<Verdict>,
}

/// A change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyChange {
    /// Of what: `LOCAL_PREF`.
    pub what: String,
    /// What it was; empty if there was none.
    pub from: String,
    /// What it is; empty if there is none any more.
    pub to: String,
}
