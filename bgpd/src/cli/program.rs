// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line of the daemon; it is here so that its page of the manual is made with the others. GoBGP's options have
//! GoBGP's names.

use std::path::PathBuf;

use clap::Parser;

use crate::config::{ApiHost, Format, LogFormat, LogLevel, Source};

/// A BGP routing daemon for Linux hosts and route reflectors.
#[derive(Debug, Parser)]
#[command(name = "bgpd", version, about)]
pub struct DaemonArguments {
    /// Configuration file, ours or GoBGP's
    #[arg(
        short,
        long,
        visible_short_alias = 'f',
        visible_alias = "config-file",
        value_name = "FILE",
        default_value = "/etc/bgpd/bgpd.toml"
    )]
    pub config: PathBuf,
    /// Its language, toml, yaml or json; by default what its name ends in, and toml for other names
    #[arg(short = 't', long, value_name = "TYPE")]
    pub config_type: Option<Format>,
    /// Read the configuration, say what is wrong with it, and exit
    #[arg(long, short_alias = 'd', visible_alias = "dry-run")]
    pub check: bool,
    /// From which level on is logged: error, warn, info, debug or trace; stronger than the configuration
    #[arg(short, long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// Log lines are text, even if the configuration wants JSON
    #[arg(short = 'p', long)]
    pub log_plain: bool,
    /// Where the API listens, instead of where the configuration says: ADDRESS:PORT, :PORT or `unix:///PATH`
    #[arg(long, value_name = "HOSTS", value_delimiter = ',')]
    pub api_hosts: Option<Vec<ApiHost>>,
    /// What gobgpd has besides.
    #[command(flatten)]
    pub ignored: Ignored,
}

/// What gobgpd has and we take without doing anything: a unit that starts it can start us.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of gobgpd's"
)]
pub struct Ignored {
    /// systemd is told in any case.
    #[arg(long, hide = true)]
    pub sdnotify: bool,
    /// There is no syslog.
    #[arg(short, long, hide = true, value_name = "WHERE")]
    pub syslog: Option<String>,
    /// Nor this.
    #[arg(long, hide = true)]
    pub syslog_facility: Option<String>,
    /// There is no other log.
    #[arg(long, hide = true)]
    pub disable_stdlog: bool,
    /// See `global.shards`.
    #[arg(long, hide = true)]
    pub cpus: Option<u32>,
    /// Neighbours are told by themselves.
    #[arg(short = 'r', long, hide = true)]
    pub graceful_restart: bool,
    /// There is no pprof.
    #[arg(long, hide = true)]
    pub pprof_host: Option<String>,
    /// There is none.
    #[arg(long, hide = true)]
    pub pprof_disable: bool,
}

impl Ignored {
    /// What somebody may miss.
    pub fn missed(&self) -> Vec<String> {
        let said = [
            (
                self.syslog.is_some() || self.syslog_facility.is_some(),
                "--syslog: the log goes to the standard error output",
            ),
            (
                self.disable_stdlog,
                "--disable-stdlog: the log goes to the standard error output",
            ),
            (self.cpus.is_some(), "--cpus: see `global.shards`"),
            (
                self.graceful_restart,
                "--graceful-restart: with `fib` every start tells neighbours that it is one",
            ),
            (self.pprof_host.is_some(), "--pprof-host: there is no pprof"),
        ];
        let missed = said.into_iter().filter(|(is_so, _)| *is_so);
        missed.map(|(_, text)| text.to_owned()).collect()
    }
}

impl DaemonArguments {
    /// Where the configuration is.
    pub fn source(&self) -> Source {
        Source {
            path: self.config.clone(),
            format: self.config_type,
            log_level: self.log_level,
            log_format: self.log_plain.then_some(LogFormat::Text),
            api: self.api_hosts.clone(),
        }
    }
}
