// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BGP daemons under load, ours beside others: how long, how much processor time, how much memory.
//!
//! A daemon runs in one network namespace, and in the other one thread is all its neighbours ([`Load`]): it sends streams
//! that were encoded before ([`Table`]), and of what it receives it keeps one bit a prefix ([`Ledger`]), so that it costs less than
//! what it measures. What is sent, and what must have arrived in the end, is a [`Case`].
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "random numbers are cut to what is needed, and figures are printed with three digits"
)]

mod case;
mod contestant;
mod drive;
mod effect;
mod language;
mod ledger;
mod listing;
mod load;
mod machine;
mod memo;
mod meter;
mod netlink;
mod plot;
mod policy;
mod random;
mod report;
mod rounds;
mod stage;
mod table;

pub use case::{Axis, CASES, Case, Series, Size, named};
pub use contestant::{Contestant, Kind, Neighbor, Relation, Running, Setup};
pub use ledger::{Expected, Index, Ledger};
pub use load::{Load, Voice};
pub use machine::Machine;
pub use meter::Usage;
pub use plot::svg;
pub use policy::Policy;
pub use report::{Entrant, Figure, Outcome, Results, into_document};
pub use rounds::Rounds;
pub use stage::{Stage, run};
pub use table::{Group, Table};
