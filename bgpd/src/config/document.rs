// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A file as it is written, and what it says.

use std::{
    io::{self, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use toml::de::DeTable;

use super::{
    defaults::Defaults,
    error::{ConfigError, ConfigErrors, Warning},
    model::{ApiTls, Config, LogFormat, LogLevel},
    read,
    tree::Notes,
    value::{self, Table},
    yaml,
};

/// The language of a file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// TOML.
    #[default]
    Toml,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// By the end of a file's name; TOML unless it says otherwise.
    pub fn of(path: &Path) -> Self {
        let extension = path.extension().unwrap_or_default();
        match extension.to_ascii_lowercase().to_str() {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            _ => Self::Toml,
        }
    }
}

/// There is no such language.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is one of toml, yaml, json")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    /// GoBGP's words.
    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        match word {
            "toml" => Ok(Self::Toml),
            "yaml" | "yml" => Ok(Self::Yaml),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

/// Where the configuration is, and what the command line says instead of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its language, if its name does not tell.
    pub format: Option<Format>,
    /// From which level on is logged.
    pub log_level: Option<LogLevel>,
    /// How a line of the log looks.
    pub log_format: Option<LogFormat>,
    /// Where the API listens.
    pub api: Option<Vec<ApiHost>>,
    /// The API does TLS.
    pub tls: Option<TlsSource>,
}

/// Files of the API's TLS, where the configuration's do not count.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsSource {
    /// Our certificate.
    pub certificate: Option<PathBuf>,
    /// The key that belongs to it.
    pub key: Option<PathBuf>,
    /// Where certificates of clients have to come from.
    pub client_ca: Option<PathBuf>,
}

impl TlsSource {
    /// Together with the configuration's; `None` if something is missing.
    fn over(&self, file: Option<&ApiTls>) -> Option<ApiTls> {
        let certificate = self.certificate.as_ref();
        let key = self.key.as_ref();
        let client_ca = self.client_ca.as_ref();
        Some(ApiTls {
            certificate: certificate.or(file.map(|file| &file.certificate))?.clone(),
            key: key.or(file.map(|file| &file.key))?.clone(),
            client_ca: client_ca
                .or(file.and_then(|file| file.client_ca.as_ref()))
                .cloned(),
        })
    }
}

impl Source {
    /// Reads the file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        Ok(self.overrule(self.document()?.config()?))
    }

    /// The file as it is written.
    pub(super) fn document(&self) -> Result<Document, ConfigErrors> {
        Document::load(&self.path, self.format)
    }

    /// The tables of a text that was read from here, and was right then.
    pub(super) fn tables(&self, text: &str) -> Table {
        let format = self.format.unwrap_or_else(|| Format::of(&self.path));
        Document::parse(text, "", format).map_or_else(|_| Table::default(), |read| read.root)
    }

    /// What the command line says counts.
    pub(super) fn overrule(&self, mut config: Config) -> Config {
        let log = &mut config.log;
        log.level = self.log_level.unwrap_or(log.level);
        log.format = self.log_format.unwrap_or(log.format);
        if let Some(hosts) = &self.api {
            let tcp = hosts.iter().filter_map(|host| match host {
                ApiHost::Tcp(address) => Some(*address),
                ApiHost::Unix(_) => None,
            });
            config.api.listen = tcp.collect();
            config.api.unix = hosts.iter().find_map(|host| match host {
                ApiHost::Unix(path) => Some(path.clone()),
                ApiHost::Tcp(_) => None,
            });
        }
        if let Some(said) = &self.tls {
            config.api.tls = said.over(config.api.tls.as_ref());
        }
        config
    }
}

/// A place where the API listens, as GoBGP's `--api-hosts` has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ApiHost {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// This is no place to listen.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is an address and a port, as in 127.0.0.1:50051 or :50051, or unix:///PATH")]
pub struct BadApiHost;

impl FromStr for ApiHost {
    type Err = BadApiHost;

    /// `:50051` is every address of the host.
    fn from_str(text: &str) -> Result<Self, BadApiHost> {
        if let Some(path) = text.strip_prefix("unix://") {
            return match path {
                "" => Err(BadApiHost),
                _ => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or(BadApiHost)?;
        let host = match host {
            "" => "[::]",
            "localhost" => "127.0.0.1",
            host => host,
        };
        let address = format!("{host}:{port}").parse().map_err(|_| BadApiHost)?;
        Ok(Self::Tcp(address))
    }
}

/// A file's tables with their places: what a [`Config`] is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its name in messages.
    file: String,
    text: String,
    root: Table,
    /// Where the files with passwords that it names are looked for; none are read without.
    directory: Option<PathBuf>,
}

impl Document {
    /// Reads a file, in the language that its name tells if none is given.
    ///
    /// # Errors
    /// It can't be read, or is not of that language.
    pub fn load(path: &Path, format: Option<Format>) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("can not be read: {error}");
            ConfigErrors::new(vec![ConfigError::without_place(&file, message)])
        })?;
        let document = Self::parse(&text, &file, format.unwrap_or_else(|| Format::of(path)))?;
        Ok(document.beside(path))
    }

    /// Reads a text. `file` is its name in messages. No file is opened: an `auth-password-file` will be an error.
    ///
    /// # Errors
    /// It is not of that language.
    pub fn parse(text: &str, file: &str, format: Format) -> Result<Self, ConfigErrors> {
        let faults = match format {
            Format::Toml => {
                let (table, faults) = DeTable::parse_recoverable(text);
                if faults.is_empty() {
                    Ok(value::from_toml(table.get_ref()))
                } else {
                    let fault = |fault: toml::de::Error| {
                        (fault.span().unwrap_or(0..0), fault.message().to_owned())
                    };
                    Err(faults.into_iter().map(fault).collect())
                }
            }
            Format::Yaml | Format::Json => yaml::read(text).map_err(|fault| vec![fault]),
        };
        // If not everything is understood, the rest is not looked at: it would seem to lack something.
        let root = faults.map_err(|faults: Vec<yaml::Fault>| {
            let errors = faults.into_iter();
            let at = |(span, message)| ConfigError::at(file, text, span, message);
            ConfigErrors::new(errors.map(at).collect())
        })?;
        Ok(Self {
            file: file.to_owned(),
            text: text.to_owned(),
            root,
            directory: None,
        })
    }

    /// With the files with passwords that the file at `path` may name.
    #[must_use]
    pub fn beside(self, path: &Path) -> Self {
        Self {
            directory: Some(path.parent().unwrap_or(Path::new("")).to_owned()),
            ..self
        }
    }

    /// Tables that no file has: errors in them have no place. Passwords are where those of the file are.
    pub(super) fn of_tables(root: Table, source: &Source) -> Self {
        let directory = source.path.parent();
        Self {
            file: source.path.display().to_string(),
            text: String::new(),
            root,
            directory: directory.map(Path::to_owned),
        }
    }

    /// Its tables.
    #[cfg(test)]
    pub(super) fn root(&self) -> &Table {
        &self.root
    }

    /// Its tables alone.
    pub(super) fn into_root(self) -> Table {
        self.root
    }

    /// Its text alone.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// What it means.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn config(&self) -> Result<Config, ConfigErrors> {
        match &self.directory {
            Some(directory) => self.config_with(&|name| password(&directory.join(name))),
            None => {
                self.config_with(&|_| Err(io::Error::other("a text alone is being read, no files")))
            }
        }
    }

    /// What it means, with passwords from there.
    pub(super) fn config_with(
        &self,
        passwords: read::Passwords<'_>,
    ) -> Result<Config, ConfigErrors> {
        let mut notes = Notes::new(&self.file, &self.text, Defaults::of(&self.root));
        let root = notes.flatten(&self.root);
        let config = read::config(&mut notes, &root, passwords);
        if !notes.errors.is_empty() {
            return Err(ConfigErrors::new(notes.errors));
        }
        notes.warnings.sort_by_key(Warning::position);
        Ok(Config {
            warnings: notes.warnings,
            ..config
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_listens_where_gobgp_would() {
        let tcp = |text: &str| Ok(ApiHost::Tcp(text.parse().unwrap()));
        let cases = [
            (":50051", tcp("[::]:50051")),
            ("localhost:1", tcp("127.0.0.1:1")),
            ("[::1]:2", tcp("[::1]:2")),
            ("unix:///run/x", Ok(ApiHost::Unix("/run/x".into()))),
            ("unix://", Err(BadApiHost)),
            ("50051", Err(BadApiHost)),
            ("example.org:1", Err(BadApiHost)),
        ];
        for (text, wanted) in cases {
            assert_eq!(text.parse(), wanted, "{text}");
        }
    }
}
