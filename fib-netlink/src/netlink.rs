// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Linux side: sockets, monitor, writer. All that decides is in the pure part; this only moves bytes.

mod decode;
mod driver;
mod encode;
mod handle;
mod lookup;
mod nexthop;
mod socket;
mod writer;

pub use decode::{Notice, notices};
pub use handle::Fib;
pub use lookup::{Departure, departure};
