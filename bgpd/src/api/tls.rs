// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who the API is over TCP, and whom it believes: certificates and keys from files.
//!
//! Every problem names the file and says what is wrong with it, for server and client alike.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{Error, RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier},
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::config::ApiTls;

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

/// How the API's TCP sockets do TLS: all of them share it, and what is read anew holds from the next connection on.
#[derive(Clone, Debug)]
pub struct ServerTls(Arc<RwLock<Current>>);

/// What was read last and was right.
#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// Ours, and those that clients' have to come from.
    certificates: [Vec<CertificateDer<'static>>; 2],
}

impl ServerTls {
    /// With our certificate; with `client_ca`, for clients only whose certificates come from there.
    ///
    /// # Errors
    /// [`TlsError`] for the first file that is wrong.
    pub fn read(files: &ApiTls) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(current(files)?))))
    }

    /// Reads the files again, which may be others now; says whether there is anything new in them.
    ///
    /// # Errors
    /// [`TlsError`] for the first file that is wrong: then what was there before stays.
    pub fn renew(&self, files: &ApiTls) -> Result<bool, TlsError> {
        let new = current(files)?;
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = current.certificates != new.certificates;
        *current = new;
        Ok(is_new)
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current.config).into()
    }
}

fn current(files: &ApiTls) -> Result<Current, TlsError> {
    let ours = certificates(&files.certificate)?;
    let key = key(&files.key)?;
    let wrong = |error: Error| TlsError::Pair {
        files: Box::new(TlsFiles {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        }),
        problem: error.to_string(),
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?;
    let mut theirs = Vec::new();
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            theirs = certificates(path)?;
            let mut roots = RootCertStore::empty();
            for certificate in &theirs {
                let added = roots.add(certificate.clone());
                added.map_err(|error| bad(path, error.to_string()))?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder
                .with_client_cert_verifier(verifier.map_err(|error| bad(path, error.to_string()))?)
        }
    };
    let mut config = builder.with_single_cert(ours.clone(), key).map_err(wrong)?;
    // HTTP/2, which is all that gRPC speaks.
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Current {
        config: Arc::new(config),
        certificates: [ours, theirs],
    })
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

fn identity(files: &TlsFiles) -> Result<Identity, TlsError> {
    certificates(&files.certificate)?;
    key(&files.key)?;
    Ok(Identity::from_pem(
        read(&files.certificate)?,
        read(&files.key)?,
    ))
}

fn authority(path: &Path) -> Result<Certificate, TlsError> {
    certificates(path)?;
    read(path).map(Certificate::from_pem)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| {
        let problem = format!("there is no private key in it in PEM format ({error})");
        bad(path, problem)
    })
}

/// A file with at least one certificate and nothing that looks like one and is none.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
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
