// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BGP-4 wire codec: bytes to types and back, with RFC 7606 verdicts. No I/O.
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
