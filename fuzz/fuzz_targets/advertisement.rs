// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The target `advertisement` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgpd_fuzz::targets::advertisement::advertisement(data));
