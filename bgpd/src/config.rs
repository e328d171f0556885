// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration file: TOML with the key names of GoBGP.
//!
//! [`parse`] says everything that is wrong at once, each with its place. [`Config::for_host`] says what the file means on a
//! host, [`diff`] what a new one changes.

mod diff;
mod error;
mod host;
mod model;
mod neighbor;

use std::path::Path;

pub use diff::{ConfigChange, diff};
pub use error::{ConfigError, ConfigErrors, Warning};
pub use host::Host;
pub use model::{
    Api, Config, Encapsulation, EncapsulationMode, Fib, Global, Log, LogFormat, LogLevel, Mesh,
    MeshMode, MeshNode, Pool, RouterIdSource, StaticRoute, StaticTarget,
};
pub use neighbor::{
    DynamicNeighbor, FamilyConfig, GracefulRestart, LocalAddress, Neighbor, NextHopMode,
    PeerPolicy, PolicyOrigin, Secret,
};

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, &file),
        Err(error) => Err(ConfigErrors::new(vec![ConfigError::without_place(
            &file,
            format!("can not be read: {error}"),
        )])),
    }
}

/// Reads a text. `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(_text: &str, file: &str) -> Result<Config, ConfigErrors> {
    Err(ConfigErrors::new(vec![ConfigError::without_place(
        file,
        "not read yet",
    )]))
}
