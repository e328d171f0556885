// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One question to the kernel: how would a packet leave?

use std::{io, net::IpAddr};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rtnetlink::RouteMessageBuilder;

/// How packets to an address would leave this host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Departure {
    /// Straight to it, or they stay: it is on a link of ours, or ours.
    OnLink,
    /// By a router.
    Gateway(Option<IpAddr>),
    /// Not at all.
    Nowhere,
}

/// Asks the routing tables, as a socket bound to `device` would if there is one. It is answered at once, and needs no
/// privileges.
///
/// # Errors
/// The kernel's, except that there is no route.
pub fn departure(to: IpAddr, device: Option<u32>) -> io::Result<Departure> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&question(to, device), 0)?;
    let (octets, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&octets)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    match answer.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => Ok(found(&route)),
        NetlinkPayload::Error(error) => match error.to_io() {
            error if is_no_route(&error) => Ok(Departure::Nowhere),
            error => Err(error),
        },
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn question(to: IpAddr, device: Option<u32>) -> Vec<u8> {
    let length = if to.is_ipv4() { 32 } else { 128 };
    let request = RouteMessageBuilder::<IpAddr>::new().destination_prefix(to, length);
    let mut request = request.expect("the length of an address");
    if let Some(device) = device {
        request = request.output_interface(device);
    }
    let request = request.build();
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetRoute(request));
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut octets = vec![0; message.buffer_len()];
    message.serialize(&mut octets);
    octets
}

fn found(route: &RouteMessage) -> Departure {
    match route.header.kind {
        RouteType::Unicast => {}
        RouteType::Local => return Departure::OnLink,
        _ => return Departure::Nowhere,
    }
    let gateway = |attribute: &RouteAttribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) => {
            Some(Departure::Gateway(Some((*address).into())))
        }
        RouteAttribute::Gateway(RouteAddress::Inet6(address)) => {
            Some(Departure::Gateway(Some((*address).into())))
        }
        RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => Some(Departure::Gateway(None)),
        _ => None,
    };
    let gateway = route.attributes.iter().find_map(gateway);
    gateway.unwrap_or(Departure::OnLink)
}

/// Routes that refuse answer so, too.
fn is_no_route(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::NetworkUnreachable | K::HostUnreachable | K::PermissionDenied | K::InvalidInput
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_on_link() {
        let own = departure("127.0.0.1".parse().unwrap(), None).unwrap();
        assert_eq!(own, Departure::OnLink);
        assert!(departure("127.0.0.1".parse().unwrap(), Some(u32::MAX)).is_err());
    }
}
