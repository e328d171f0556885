// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that embed the crates, or talk to the daemon.
//!
//! - `src/bin/speaker.rs`: a BGP speaker with nothing but `std` around it.
//! - `src/bin/best-paths.rs` and `best_paths.py`: watch best paths over GoBGP's API.
//! - `config/`: configuration files for the daemon.
