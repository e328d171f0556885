// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The targets, by name.
#![expect(
    clippy::missing_panics_doc,
    reason = "to panic is what a target is for"
)]

pub mod advertisement;
pub mod api;
pub mod bfd;
pub mod config;
pub mod frame;
pub mod netlink;
pub mod open;
pub mod policy;
pub mod session;
pub mod update;

/// A target: it panics where something that must hold does not.
pub type Target = fn(&[u8]);

/// All of them; the names are those of the binaries and of the corpus directories.
pub static TARGETS: &[(&str, Target)] = &[
    ("advertisement", advertisement::advertisement),
    ("api", api::api),
    ("bfd", bfd::bfd),
    ("config", config::config),
    ("frame", frame::frame),
    ("netlink", netlink::netlink),
    ("open", open::open),
    ("policy", policy::policy),
    ("session", session::session),
    ("update", update::update),
];
