// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a neighbour that has to be on a link of ours is.
//!
//! The kernel is asked each time: interfaces and addresses come and go, and who asks often is only who has no session.

use std::{io, net::IpAddr};

use fib_netlink::{Departure, departure};
use nix::net::if_::if_nametoindex;

use super::socket::Endpoint;

/// Why no connection with the neighbour is tried or taken.
pub(super) fn obstacle(endpoint: &Endpoint) -> Option<String> {
    let remote = endpoint.remote.ip();
    if !endpoint.on_link || remote.is_unspecified() {
        return None;
    }
    let device = endpoint.device.as_deref().map(if_nametoindex).transpose();
    let device = match device {
        Ok(device) => device,
        Err(_) => {
            return endpoint
                .device
                .as_ref()
                .map(|name| format!("there is no interface {name}"));
        }
    };
    words(remote, departure(remote, device))
}

fn words(remote: IpAddr, found: io::Result<Departure>) -> Option<String> {
    let why = match found {
        // The attempt to connect will tell.
        Ok(Departure::OnLink) | Err(_) => return None,
        Ok(Departure::Gateway(Some(router))) => format!("it is behind {router}"),
        Ok(Departure::Gateway(None)) => "it is behind a router".to_owned(),
        Ok(Departure::Nowhere) => "there is no route to it".to_owned(),
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
        assert_eq!(words(remote, Ok(Departure::OnLink)), None);
        let router = Departure::Gateway(Some("10.0.0.1".parse().unwrap()));
        let text = words(remote, Ok(router)).unwrap();
        assert!(text.starts_with("192.0.2.1 is on no link of ours (it is behind 10.0.0.1)"));
        let text = words(remote, Ok(Departure::Nowhere)).unwrap();
        assert!(text.contains("no route"), "{text}");
    }
}
