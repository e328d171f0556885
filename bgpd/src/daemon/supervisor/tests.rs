// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of what the API changes, in front of a real supervisor.

mod gobgp_policies;
mod watch_api;
