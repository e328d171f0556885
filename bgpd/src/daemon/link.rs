// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a neighbour that has to be on a link of ours is.
//!
//! The kernel is asked each time: interfaces and addresses come and go, and who asks often is only who has no session.

use std::net::IpAddr;

use fib_netlink::{Departure, departure};
use nix::net::if_::if_nametoindex;

use super::socket::Endpoint;

/// Why no connection with the neighbour is tried or taken.
pub(super) fn obstacle(endpoint: &Endpoint) -> Option<String> {
    let remote = endpoint.remote.ip();
    if !endpoint.on_link || remote.is_unspecified() {
        return None;
    }
    let device = endpoint.device.as_deref();
    let Ok(index) = device.map(if_nametoindex).transpose() else {
        return device.map(|name| format!("there is no interface {name}"));
    };
    words(remote, departure(remote, index).ok())
}

fn words(remote: IpAddr, found: Option<Departure>) -> Option<String> {
    let why = match found {
        // The attempt to connect will tell.
        Some(Departure::OnLink) | None => return None,
        Some(Departure::Gateway(Some(router))) => format!("it is behind {router}"),
        Some(Departure::Gateway(None)) => "it is behind a router".to_owned(),
        Some(Departure::Nowhere) => "there is no route to it".to_owned(),
    };
    Some(format!(
        "{remote} is on no link of ours ({why}): is an interface down, or `ebgp-multihop` missing?"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_behind_a_router_is_not_on_a_link() {
        let remote = "192.0.2.1".parse().unwrap();
        assert_eq!(words(remote, Some(Departure::OnLink)), None);
        let router = Departure::Gateway(Some("10.0.0.1".parse().unwrap()));
        let text = words(remote, Some(router)).unwrap();
        assert!(text.starts_with("192.0.2.1 is on no link of ours (it is behind 10.0.0.1)"));
        let text = words(remote, Some(Departure::Nowhere)).unwrap();
        assert!(text.contains("no route"), "{text}");
    }
}
