// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Against the kernel of this machine, in namespaces that each test makes for itself (needs root).

mod install;
mod listening;
mod objects;
mod ownership;
mod repair;
mod speed;
mod world;
