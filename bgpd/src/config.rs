// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration file: TOML with the key names of GoBGP.
//!
//! [`parse`] says everything that is wrong at once, each with its place. [`Config::for_host`] says what the file means on a
//! host, [`diff()`] what a new one changes.

mod diff;
#[cfg(test)]
mod documented;
mod error;
mod host;
mod model;
mod name;
mod neighbor;
mod policy;
mod read;
mod registry;
mod terms;
mod tree;

use std::{
    io::{self, Read as _},
    path::Path,
};

use toml::de::DeTable;

pub use diff::{ConfigChange, diff, needs_new_session, needs_routes_again};
pub use error::{ConfigError, ConfigErrors, Warning};
pub use host::Host;
pub use model::{
    Api, ApiTls, Config, Encapsulation, EncapsulationMode, Fib, Global, Log, LogFormat, LogLevel,
    Mesh, MeshMode, MeshNode, OnStop, Pool, RouterIdSource, Sources, StaticRoute, StaticTarget,
};
pub(crate) use name::is_link_local;
pub use name::{BadName, Interface, PeerName};
pub use neighbor::{
    AnyAs, Bfd, BfdAuthentication, DynamicNeighbor, FamilyConfig, Gateway, GracefulRestart,
    LimitAction, LocalAddress, Neighbor, NextHopMode, Secret,
};
pub use policy::{
    Clause, DefinedSet, FamilyPolicy, PeerPolicy, Policies, PolicyDefinition, PolicyOrigin,
    PolicyStatement, SetKind,
};
pub(crate) use terms::NOT_KEPT;

use tree::Notes;

/// Reads a file, and the files with passwords that it names.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let file = path.display().to_string();
    let directory = path.parent().unwrap_or(Path::new(""));
    match std::fs::read_to_string(path) {
        Ok(text) => parse_with(&text, &file, &|name| password(&directory.join(name))),
        Err(error) => {
            let message = format!("can not be read: {error}");
            Err(ConfigErrors::new(vec![ConfigError::without_place(
                &file, message,
            )]))
        }
    }
}

/// Reads a text as if it were the file at `path`: it may name the same files with passwords. `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_beside(text: &str, file: &str, path: &Path) -> Result<Config, ConfigErrors> {
    let directory = path.parent().unwrap_or(Path::new(""));
    parse_with(text, file, &|name| password(&directory.join(name)))
}

/// A password is short, and is not waited for.
fn password(path: &Path) -> io::Result<String> {
    const MOST: u64 = 4096;
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MOST)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Reads a text. `file` is its name in messages. No other file is opened: an `auth-password-file` is an error here.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, file: &str) -> Result<Config, ConfigErrors> {
    let refuse = |_: &Path| Err(io::Error::other("a text alone is being read, no files"));
    parse_with(text, file, &refuse)
}

fn parse_with(
    text: &str,
    file: &str,
    passwords: read::Passwords<'_>,
) -> Result<Config, ConfigErrors> {
    let (table, faults) = DeTable::parse_recoverable(text);
    let mut notes = Notes::new(file, text);
    for fault in &faults {
        notes.error(fault.span().unwrap_or(0..0), fault.message());
    }
    if !faults.is_empty() {
        // What was not understood would look missing.
        return Err(ConfigErrors::new(notes.errors));
    }
    let root = notes.flatten(&table);
    let config = read::config(&mut notes, &root, passwords);
    if notes.errors.is_empty() {
        notes.warnings.sort_by_key(Warning::position);
        Ok(Config {
            warnings: notes.warnings,
            ..config
        })
    } else {
        Err(ConfigErrors::new(notes.errors))
    }
}
