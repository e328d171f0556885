// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration file: TOML, YAML or JSON with the key names of GoBGP.
//!
//! A [`Document`] is what is written, its [`Config`] what that means. Reading says everything that is wrong at once, each with its place. [`Config::for_host`] says what the file means on a
//! host, [`diff()`] what a new one changes.

mod defaults;
mod diff;
mod document;
#[cfg(test)]
mod documented;
mod error;
mod families;
mod host;
mod layers;
mod model;
mod name;
mod neighbor;
mod policy;
mod read;
mod registry;
mod settings;
mod terms;
mod tree;
mod value;
mod yaml;

use std::path::Path;

pub use defaults::Defaults;
pub use diff::{ConfigChange, diff, needs_new_session, needs_routes_again, neighbor_change};
pub use document::{ApiHost, BadApiHost, Document, Format, Source, TlsSource, UnknownFormat};
pub use error::{ConfigError, ConfigErrors, Warning};
#[cfg(feature = "daemon")]
pub(crate) use families::family_name;
pub use host::Host;
pub use layers::{Book, Edit, Fault, Kind, Layers, Plan, PolicyEdit, Refusal, Undo};
pub use model::{
    Api, ApiTls, Config, Encapsulation, EncapsulationMode, Fib, Global, Log, LogFormat, LogLevel,
    Mesh, MeshMode, MeshNode, OnStop, Pool, RouterIdSource, Sources, StaticRoute, StaticTarget,
    UnknownLevel,
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
pub use settings::{Setting, Settings};
pub(crate) use terms::NOT_KEPT;

/// Reads a file in the language that its name tells, and the files with passwords that it names.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    Document::load(path, None)?.config()
}

/// Reads a text as if it were the file at `path`: it may name the same files with passwords. `file` is its name in messages,
/// and tells its language.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_beside(text: &str, file: &str, path: &Path) -> Result<Config, ConfigErrors> {
    let document = Document::parse(text, file, Format::of(Path::new(file)))?;
    document.beside(path).config()
}

/// Reads a text in TOML. `file` is its name in messages. No other file is opened: an `auth-password-file` is an error here.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, file: &str) -> Result<Config, ConfigErrors> {
    Document::parse(text, file, Format::Toml)?.config()
}
