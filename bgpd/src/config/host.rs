// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A configuration file may be the same on many hosts: what it means on one of them.

use ipnetwork::IpNetwork;

use super::{Config, ConfigErrors};

/// The host a configuration is for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its addresses with the interfaces that have them.
    pub addresses: Vec<(String, IpNetwork)>,
}

impl Config {
    /// What it means on a host: interfaces become addresses, the mesh becomes neighbours.
    ///
    /// # Errors
    /// What it asks for and the host has not.
    pub fn for_host(&self, _host: &Host) -> Result<Config, ConfigErrors> {
        Ok(self.clone())
    }
}
