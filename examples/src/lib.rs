// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that embed the crates: `src/bin/speaker.rs` is a BGP speaker with nothing but `std` around it. Configuration
//! files for the daemon are in `config/`.
