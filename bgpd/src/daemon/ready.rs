// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whoever supervises the daemon is told that it works: systemd's `Type=notify`.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

use tracing::warn;

/// Says so to the socket that the environment names, if it names one.
pub(super) fn say() {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    if let Err(error) = say_to(&name) {
        warn!(socket = ?name, %error, "the supervisor of the daemon can not be told that it is ready");
    }
}

/// A name that begins with `@` is no file.
fn say_to(name: &OsStr) -> io::Result<()> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.send_to_addr(b"READY=1", &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_started_us_hears_that_we_are_ready() {
        let name = format!("bgpd-ready-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let supervisor = UnixDatagram::bind_addr(&address).unwrap();
        say_to(OsStr::new(&format!("@{name}"))).unwrap();
        let mut heard = [0; 16];
        let length = supervisor.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
        assert!(say_to(OsStr::new("/nowhere/at/all")).is_err());
    }
}
