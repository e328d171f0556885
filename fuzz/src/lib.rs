// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fuzz targets: for everything that reads octets from outside, a function that must not panic on any of them.
//!
//! A target is a plain function in [`targets`], a line in [`targets::TARGETS`], a binary of three lines in
//! `fuzz_targets/`, and seeds in `corpus/NAME/`. `tests/replay.rs` runs each corpus through its function in every
//! ordinary test run; the fuzzer proper is
//!
//! ```text
//! cargo +nightly fuzz run --features libfuzzer update -- -max_total_time=60
//! ```

// What the tests of `rib` compare with: neighbours that decode what they are sent, and an interpreter of policies.
#[allow(dead_code, reason = "the tests of rib use the rest")]
#[path = "../../rib/tests/behaviour/world.rs"]
mod world;

#[path = "../../rib/tests/behaviour/interpreter.rs"]
mod interpreter;

pub mod targets;
