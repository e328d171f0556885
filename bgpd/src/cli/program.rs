// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line of the daemon; it is here so that its page of the manual is made with the others.

use std::path::PathBuf;

use clap::Parser;

/// A BGP routing daemon for Linux hosts and route reflectors.
#[derive(Debug, Parser)]
#[command(name = "bgpd", version, about)]
pub struct DaemonArguments {
    /// Configuration file (TOML)
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "/etc/bgpd/bgpd.toml"
    )]
    pub config: PathBuf,
    /// Read the configuration, say what is wrong with it, and exit
    #[arg(long)]
    pub check: bool,
}
