// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The target `policy` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgpd_fuzz::targets::policy::policy(data));
