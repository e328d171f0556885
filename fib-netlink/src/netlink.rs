// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Linux side: sockets, monitor, writer. All that decides is in the pure part; this only moves bytes.

mod handle;

pub use handle::Fib;
