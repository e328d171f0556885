// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is at the other end of an interface: learned from router advertisements, and told by ours.
//!
//! One task for each interface that has an unnumbered neighbour. It knows no BGP: the supervisor makes a neighbour of what it
//! says.

use std::{io, net::Ipv6Addr, time::Duration};

use nix::{
    ifaddrs::getifaddrs,
    net::if_::{InterfaceFlags, if_nametoindex},
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tracing::{debug, warn};

use super::{advertisement::Heard, peer_task::Notice, ra::RouterSocket};
use crate::config::Interface;

/// Between our advertisements. The neighbour learns by the first.
const ADVERTISE: Duration = Duration::from_secs(10);

/// How soon it is seen that an interface goes, or comes.
const LOOK: Duration = Duration::from_secs(1);

/// Questions are answered, and answers are passed on, not more often than this.
const PAUSE: Duration = Duration::from_millis(200);

/// What is known of the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sight {
    /// A router has said that it has this address.
    Router(Ipv6Addr),
    /// The interface is down or gone.
    Down,
}

/// Runs until it is aborted.
pub(super) async fn watch(interface: Interface, notices: mpsc::Sender<Notice>) {
    let mut told: Option<String> = None;
    loop {
        if is_up(interface) {
            match RouterSocket::open(interface) {
                Ok(socket) => {
                    told = None;
                    let ended = serve(&socket, interface, &notices).await;
                    debug!(%interface, ?ended, "no advertisements for now");
                    // The supervisor may be ending.
                    let _ = notices.send(Notice::Sight(interface, Sight::Down)).await;
                }
                Err(error) => {
                    let words = error.to_string();
                    if told.as_ref() != Some(&words) {
                        warn!(%interface, %error, "router advertisements are not possible");
                    }
                    told = Some(words);
                }
            }
        }
        sleep(LOOK).await;
    }
}

/// Speaks and listens as long as the interface is what it was.
async fn serve(
    socket: &RouterSocket,
    interface: Interface,
    notices: &mpsc::Sender<Notice>,
) -> io::Result<()> {
    let mut advertise = interval(ADVERTISE);
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answered: Option<Instant> = None;
    let mut passed_on: Option<(Ipv6Addr, Instant)> = None;
    socket.solicit()?;
    loop {
        tokio::select! {
            _ = advertise.tick() => socket.advertise()?,
            _ = look.tick() => {
                if !is_up(interface) || if_nametoindex(interface.as_str())? != socket.index() {
                    return Ok(());
                }
            }
            heard = socket.hear() => match heard? {
                Heard::Question => {
                    if answered.is_none_or(|at| at.elapsed() >= PAUSE) {
                        answered = Some(Instant::now());
                        socket.advertise()?;
                    }
                }
                Heard::Router(address) => {
                    if passed_on.is_none_or(|(last, at)| last != address || at.elapsed() >= LOOK) {
                        passed_on = Some((address, Instant::now()));
                        // Full: the next advertisement says the same.
                        let _ = notices.try_send(Notice::Sight(interface, Sight::Router(address)));
                    }
                }
            },
        }
    }
}

/// Up, with somebody at the other end and a link-local address that advertisements can come from.
fn is_up(interface: Interface) -> bool {
    let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let Ok(mut addresses) = getifaddrs() else {
        return false;
    };
    addresses.any(|entry| {
        let address = entry
            .address
            .as_ref()
            .and_then(|address| address.as_sockaddr_in6());
        entry.interface_name == interface.as_str()
            && entry.flags.contains(running)
            && address.is_some_and(|address| address.ip().is_unicast_link_local())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_is_not_up() {
        assert!(!is_up(Interface::new("nowhere0").unwrap()));
    }
}
