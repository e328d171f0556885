// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The part that decides, against a model of the kernel; needs neither Linux nor root.

mod model;
mod next_hops;
mod planning;
mod reconciling;
