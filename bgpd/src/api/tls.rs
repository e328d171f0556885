// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who the API is over TCP, and whom it believes: certificates and keys from files.
//!
//! Every problem names the file and says what is wrong with it, for server and client alike.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// Files with certificates and a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// Who we are: our certificate, and those between it and one that the other side knows.
    pub certificate: PathBuf,
    /// The key that belongs to it.
    pub key: PathBuf,
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {problem}", path.display())]
    Bad {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key are none, or not of each other.
    #[error("{} with {}: {problem}", files.certificate.display(), files.key.display())]
    Pair {
        /// Which.
        files: Box<TlsFiles>,
        /// What the library says.
        problem: String,
    },
}

/// A server with this certificate; with `client_ca`, for clients only whose certificates come from there.
///
/// # Errors
/// [`TlsError`] for the first file that is wrong.
pub(super) fn server(
    files: &TlsFiles,
    client_ca: Option<&Path>,
) -> Result<ServerTlsConfig, TlsError> {
    let config = ServerTlsConfig::new()
        .identity(identity(files)?)
        .timeout(HANDSHAKE);
    let config = match client_ca {
        Some(path) => config.client_ca_root(authority(path)?),
        None => config,
    };
    // The library looks at both together; better now than with the first client.
    let pair = tonic::transport::Server::builder().tls_config(config.clone());
    pair.map_err(|error| TlsError::Pair {
        files: Box::new(files.clone()),
        problem: deepest(&error),
    })?;
    Ok(config)
}

/// A client that believes who is certified by `ca`, and that is itself who `files` say.
///
/// # Errors
/// [`TlsError`] for the first file that is wrong.
pub(crate) fn client(ca: &Path, files: Option<&TlsFiles>) -> Result<ClientTlsConfig, TlsError> {
    let config = ClientTlsConfig::new().ca_certificate(authority(ca)?);
    Ok(match files {
        Some(files) => config.identity(identity(files)?),
        None => config,
    })
}

/// A client that does not finish its handshake holds a socket for so long.
const HANDSHAKE: Duration = Duration::from_secs(10);

fn identity(files: &TlsFiles) -> Result<Identity, TlsError> {
    let certificate = certificates(&files.certificate)?;
    let key = read(&files.key)?;
    PrivateKeyDer::from_pem_slice(&key).map_err(|error| {
        let problem = format!("there is no private key in it in PEM format ({error})");
        bad(&files.key, problem)
    })?;
    Ok(Identity::from_pem(certificate, key))
}

fn authority(path: &Path) -> Result<Certificate, TlsError> {
    certificates(path).map(Certificate::from_pem)
}

/// A file with at least one certificate and nothing that looks like one and is none.
fn certificates(path: &Path) -> Result<Vec<u8>, TlsError> {
    let text = read(path)?;
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if !all.is_empty() => Ok(text),
        Ok(_) => Err(bad(path, "there is no certificate in it in PEM format")),
        Err(error) => Err(bad(
            path,
            format!("not certificates in PEM format ({error})"),
        )),
    }
}

fn bad(path: &Path, problem: impl Into<String>) -> TlsError {
    TlsError::Bad {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

/// Certificates are small, and a device or a pipe is not waited for.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    const MOST: u64 = 1 << 20;
    let read = || {
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        let mut text = Vec::new();
        std::fs::File::open(path)?
            .take(MOST)
            .read_to_end(&mut text)?;
        Ok(text)
    };
    read().map_err(|error| TlsError::Unreadable {
        path: path.to_owned(),
        error,
    })
}

fn deepest(mut error: &dyn std::error::Error) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
