// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line of the daemon; it is here so that its page of the manual is made with the others. GoBGP's options have
//! GoBGP's names.

use std::path::PathBuf;

use clap::Parser;

use crate::config::{ApiHost, Config, Format, LogFormat, LogLevel, Source, TlsSource};

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
    /// How the API's TCP sockets do TLS.
    #[command(flatten)]
    pub tls: TlsOptions,
    /// What gobgpd has besides.
    #[command(flatten)]
    pub ignored: Ignored,
}

/// TLS of the API: the words of gobgpd.
#[derive(Debug, clap::Args)]
pub struct TlsOptions {
    /// TLS on all TCP sockets of the API, with these files or those of the configuration
    #[arg(long)]
    pub tls: bool,
    /// With --tls: our certificate (PEM), instead of `api.tls-cert-file`
    #[arg(long, value_name = "FILE")]
    pub tls_cert_file: Option<PathBuf>,
    /// With --tls: its key (PEM), instead of `api.tls-key-file`
    #[arg(long, value_name = "FILE")]
    pub tls_key_file: Option<PathBuf>,
    /// With --tls: clients need a certificate that comes from here (PEM), instead of `api.tls-client-ca-file`
    #[arg(long, value_name = "FILE")]
    pub tls_client_ca_file: Option<PathBuf>,
}

impl TlsOptions {
    /// What counts instead of the configuration.
    fn files(&self) -> Option<TlsSource> {
        self.tls.then(|| TlsSource {
            certificate: self.tls_cert_file.clone(),
            key: self.tls_key_file.clone(),
            client_ca: self.tls_client_ca_file.clone(),
        })
    }

    /// What is missing, if anything.
    ///
    /// # Errors
    /// There is to be TLS, and neither here nor in the configuration is a certificate with its key.
    pub fn check(&self, config: &Config) -> Result<(), &'static str> {
        if self.tls && config.api.tls.is_none() {
            return Err("--tls needs --tls-cert-file and --tls-key-file");
        }
        Ok(())
    }

    fn is_without_effect(&self) -> bool {
        let files = [
            &self.tls_cert_file,
            &self.tls_key_file,
            &self.tls_client_ca_file,
        ];
        !self.tls && files.into_iter().any(Option::is_some)
    }
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
    fn missed(&self) -> Vec<String> {
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
    /// What has no effect and somebody may miss.
    pub fn missed(&self) -> Vec<String> {
        let mut all = self.ignored.missed();
        if self.tls.is_without_effect() {
            all.push(
                "--tls-cert-file and its like: without --tls there is no TLS by them".to_owned(),
            );
        }
        all
    }

    /// Where the configuration is.
    pub fn source(&self) -> Source {
        Source {
            path: self.config.clone(),
            format: self.config_type,
            log_level: self.log_level,
            log_format: self.log_plain.then_some(LogFormat::Text),
            api: self.api_hosts.clone(),
            tls: self.tls.files(),
        }
    }
}
