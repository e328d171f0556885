// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sockets the API listens on. Everything is bound before anything is served, and an error names the address.

use std::{
    fs, io,
    net::SocketAddr,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::{ServerTls, TlsError};
use crate::config::Api;

/// Why the API can't be offered.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A TCP address.
    #[error("the API can't listen on {address}: {error}")]
    Tcp {
        /// The one that was wanted.
        address: SocketAddr,
        /// The system's answer.
        error: io::Error,
    },
    /// A Unix socket.
    #[error("the API can't listen on unix:{}: {error}", path.display())]
    Unix {
        /// The one that was wanted.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// Somebody accepts connections on the Unix socket.
    #[error("the API can't listen on unix:{}: another bgpd answers there; stop it, or give this one its own socket", .0.display())]
    Taken(PathBuf),
    /// The path of the Unix socket is in use for something else.
    #[error("the API can't listen on unix:{}: a file that is not a socket is in the way", .0.display())]
    NotASocket(PathBuf),
    /// A certificate or a key.
    #[error("the API can't have TLS: {0}")]
    Tls(#[from] TlsError),
}

/// Bound sockets, not yet served.
#[derive(Debug)]
pub struct Listeners {
    pub(super) full: Sockets,
    /// For looking only.
    pub(super) read_only: Sockets,
    /// On all that are TCP.
    pub(super) tls: Option<ServerTls>,
}

/// Sockets that may do the same.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Option<UnixDoor>,
}

impl Sockets {
    async fn bind(listen: &[SocketAddr], unix: Option<&Path>) -> Result<Self, ListenError> {
        let mut tcp = Vec::with_capacity(listen.len());
        for &address in listen {
            let listener = TcpListener::bind(address)
                .await
                .map_err(|error| ListenError::Tcp { address, error })?;
            tcp.push(listener);
        }
        let unix = match unix {
            Some(path) => Some(UnixDoor::bind(path).await?),
            None => None,
        };
        Ok(Self { tcp, unix })
    }
}

impl Listeners {
    /// Binds every address. A socket file that nobody answers on is a leftover and is replaced; the new one has mode
    /// 0660 from its first moment.
    ///
    /// # Errors
    ///
    /// [`ListenError`] for the first that can't be bound; what was bound before is released.
    pub async fn bind(listen: &[SocketAddr], unix: Option<&Path>) -> Result<Self, ListenError> {
        Ok(Self {
            full: Sockets::bind(listen, unix).await?,
            read_only: Sockets::default(),
            tls: None,
        })
    }

    /// Everything that is configured, with its certificates.
    ///
    /// # Errors
    ///
    /// [`ListenError`] for the first that can't be had; what was bound before is released.
    pub async fn open(api: &Api) -> Result<Self, ListenError> {
        let tls = api.tls.as_ref().map(ServerTls::read);
        Ok(Self {
            tls: tls.transpose()?,
            full: Sockets::bind(&api.listen, api.unix.as_deref()).await?,
            read_only: Sockets::bind(&api.read_only_listen, api.read_only_unix.as_deref()).await?,
        })
    }

    /// How TCP sockets do TLS, if they do; what is read anew there holds here.
    pub fn tls(&self) -> Option<ServerTls> {
        self.tls.clone()
    }

    /// TCP addresses, with the ports that the system chose for port 0; those for looking only come last.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let all = self.full.tcp.iter().chain(&self.read_only.tcp);
        all.filter_map(|listener| listener.local_addr().ok())
            .collect()
    }
}

/// A listening Unix socket and the file that is ours to remove.
#[derive(Debug)]
pub(super) struct UnixDoor {
    pub(super) listener: Option<UnixListener>,
    file: SocketFile,
}

impl UnixDoor {
    async fn bind(path: &Path) -> Result<Self, ListenError> {
        clear(path).await?;
        let failed = |error| ListenError::Unix {
            path: path.to_owned(),
            error,
        };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let listener = listen(path).map_err(failed)?;
        let identity = identity(path).map_err(failed)?;
        Ok(Self {
            listener: Some(listener),
            file: SocketFile {
                path: path.to_owned(),
                identity,
            },
        })
    }

    /// The listener to serve, and the file, which goes when the second is dropped.
    pub(super) fn open(mut self) -> (Option<UnixListener>, SocketFile) {
        (self.listener.take(), self.file)
    }
}

/// Removes the socket file when dropped, unless another process has put its own there.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|data| (data.dev(), data.ino()))
}

/// Makes room: a leftover socket is removed, a live one and anything else is not.
async fn clear(path: &Path) -> Result<(), ListenError> {
    let failed = |error| ListenError::Unix {
        path: path.to_owned(),
        error,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(data) if !data.file_type().is_socket() => {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(ListenError::Taken(path.to_owned())),
        // EAGAIN: its backlog is full, so somebody is there.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(ListenError::Taken(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Linux makes the file with the mode of the socket, less the umask: there is no moment in which it is wider than
    // this. The second call gives the group what the umask may have taken.
    fchmod(socket.as_fd(), Mode::from_bits_truncate(MODE))?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}

/// Owner and group: who may write to the socket may give orders.
const MODE: u32 = 0o660;

const BACKLOG: i32 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_leftover_socket_is_replaced_and_ours_goes_when_we_go() {
        let directory = directory("leftover");
        let path = directory.join("bgpd.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert!(path.exists(), "the standard library leaves the file");

        let listeners = Listeners::bind(&[], Some(&path))
            .await
            .expect("a leftover is no obstacle");
        let mode = fs::metadata(&path).expect("is there").mode() & 0o777;
        assert_eq!(mode, 0o660);
        drop(listeners);
        assert!(!path.exists());
        fs::remove_dir_all(directory).expect("removed");
    }

    #[tokio::test]
    async fn a_socket_on_which_somebody_answers_stays() {
        let directory = directory("taken");
        let path = directory.join("bgpd.sock");
        let _first = Listeners::bind(&[], Some(&path)).await.expect("bound");

        let error = Listeners::bind(&[], Some(&path)).await.expect_err("taken");
        assert!(
            error.to_string().contains("another bgpd answers there"),
            "{error}"
        );
        assert!(path.exists());
        fs::remove_dir_all(directory).expect("removed");
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_not_touched() {
        let directory = directory("file");
        let path = directory.join("bgpd.sock");
        fs::write(&path, "precious").expect("written");

        let error = Listeners::bind(&[], Some(&path))
            .await
            .expect_err("in the way");
        assert!(matches!(error, ListenError::NotASocket(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("read"), "precious");
        fs::remove_dir_all(directory).expect("removed");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_named() {
        let first = Listeners::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))], None)
            .await
            .expect("bound");
        let address = first.addresses()[0];
        let error = Listeners::bind(&[address], None).await.expect_err("taken");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    fn directory(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("bgpd-listen-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("made");
        directory
    }
}
