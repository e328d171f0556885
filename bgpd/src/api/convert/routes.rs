// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes: of the RIB, of the kernel, of the API itself.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, LazyLock},
};

use bgp_proto::{
    Family, Fault, Negotiated, NegotiatedFamily, NextHop, PathAttributes, PeerKind, Prefix, Update,
    UpdateWriter,
    frame::{HEADER, MAX_EXTENDED},
};
use bgpd_api::v1::{self, route_source::Source};

use super::{BadMessage, Protobuf, address, duration_from, duration_to, list, peer_name, prefix};
use crate::control::{
    Explanation, FibRoute, FibState, NewRoute, NextHopStatus, PolicyTrace, Route, RouteSource, Way,
};

impl Protobuf for Route {
    type Message = v1::Route;

    fn to_protobuf(&self) -> v1::Route {
        v1::Route {
            prefix: self.prefix.to_string(),
            path_id: self.path_id,
            source: Some(self.source.to_protobuf()),
            attributes: Some(self.attributes.to_protobuf()),
            target: self.target.clone(),
            best: self.best,
            multipath: self.multipath,
            unusable: self.unusable.clone(),
            stale: self.stale,
            lost_at: self.lost_at.clone(),
            age: Some(duration_to(self.age)),
        }
    }

    fn from_protobuf(message: v1::Route) -> Result<Self, BadMessage> {
        let source = message
            .source
            .ok_or_else(|| BadMessage::missing("source"))?;
        let attributes = message
            .attributes
            .ok_or_else(|| BadMessage::missing("attributes"))?;
        let attributes = PathAttributes::from_protobuf(attributes)
            .map_err(|error| error.within("attributes"))?;
        Ok(Self {
            prefix: prefix("prefix", &message.prefix)?,
            path_id: message.path_id,
            source: RouteSource::from_protobuf(source)?,
            attributes: Arc::new(attributes),
            target: message.target,
            best: message.best,
            multipath: message.multipath,
            unusable: message.unusable,
            stale: message.stale,
            lost_at: message.lost_at,
            age: duration_from("age", message.age)?,
        })
    }
}

impl Protobuf for RouteSource {
    type Message = v1::RouteSource;

    fn to_protobuf(&self) -> v1::RouteSource {
        let local = |source: v1::LocalSource| Source::Local(source.into());
        let source = match self {
            Self::Bgp(address) => Source::Bgp(address.to_string()),
            Self::Static => local(v1::LocalSource::Static),
            Self::Direct => local(v1::LocalSource::Direct),
            Self::Kernel => local(v1::LocalSource::Kernel),
            Self::Api => local(v1::LocalSource::Api),
        };
        v1::RouteSource {
            source: Some(source),
        }
    }

    fn from_protobuf(message: v1::RouteSource) -> Result<Self, BadMessage> {
        let number = match message
            .source
            .ok_or_else(|| BadMessage::missing("source"))?
        {
            Source::Bgp(text) => return Ok(Self::Bgp(peer_name("source.bgp", &text)?)),
            Source::Local(number) => number,
        };
        match v1::LocalSource::try_from(number) {
            Ok(v1::LocalSource::Static) => Ok(Self::Static),
            Ok(v1::LocalSource::Direct) => Ok(Self::Direct),
            Ok(v1::LocalSource::Kernel) => Ok(Self::Kernel),
            Ok(v1::LocalSource::Api) => Ok(Self::Api),
            Ok(v1::LocalSource::Unspecified) | Err(_) => Err(BadMessage::new(
                "source.local",
                format!("{number} is not known here"),
            )),
        }
    }
}

impl Protobuf for Explanation {
    type Message = v1::ExplainResponse;

    fn to_protobuf(&self) -> v1::ExplainResponse {
        v1::ExplainResponse {
            prefix: self.prefix.to_string(),
            routes: self.routes.iter().map(Route::to_protobuf).collect(),
            decided_by: self.decided_by.clone(),
            profile: self.profile.clone(),
            kernel: self.kernel.as_ref().map(FibRoute::to_protobuf),
            advertised_to: self.advertised_to.iter().map(ToString::to_string).collect(),
            policies: self.policies.iter().map(PolicyTrace::to_protobuf).collect(),
            not_advertised_to: self
                .not_advertised_to
                .iter()
                .map(|(peer, reason)| v1::NotAdvertised {
                    address: peer.to_string(),
                    reason: reason.clone(),
                })
                .collect(),
            no_kernel: self.no_kernel.clone(),
        }
    }

    fn from_protobuf(message: v1::ExplainResponse) -> Result<Self, BadMessage> {
        let advertised_to = message
            .advertised_to
            .iter()
            .map(|text| peer_name("advertised_to", text));
        Ok(Self {
            prefix: prefix("prefix", &message.prefix)?,
            routes: list("routes", message.routes, Route::from_protobuf)?,
            decided_by: message.decided_by,
            profile: message.profile,
            kernel: message.kernel.map(FibRoute::from_protobuf).transpose()?,
            advertised_to: advertised_to.collect::<Result<_, _>>()?,
            policies: list("policies", message.policies, PolicyTrace::from_protobuf)?,
            not_advertised_to: list("not_advertised_to", message.not_advertised_to, |silent| {
                Ok((peer_name("address", &silent.address)?, silent.reason))
            })?,
            no_kernel: message.no_kernel,
        })
    }
}

impl Protobuf for NextHopStatus {
    type Message = v1::TrackedNextHop;

    fn to_protobuf(&self) -> v1::TrackedNextHop {
        let way = |way: &Way| v1::Way {
            gateway: way
                .gateway
                .map_or_else(String::new, |gateway| gateway.to_string()),
            interface: way.interface.clone(),
            cost: way.cost,
        };
        v1::TrackedNextHop {
            address: self.address.to_string(),
            way: self.way.as_ref().map(way),
            prefixes: self.prefixes,
        }
    }

    fn from_protobuf(message: v1::TrackedNextHop) -> Result<Self, BadMessage> {
        let way = |way: v1::Way| {
            let gateway = Some(way.gateway).filter(|text| !text.is_empty());
            Ok(Way {
                gateway: gateway
                    .map(|text| address("way.gateway", &text))
                    .transpose()?,
                interface: way.interface,
                cost: way.cost,
            })
        };
        Ok(Self {
            address: address("address", &message.address)?,
            way: message.way.map(way).transpose()?,
            prefixes: message.prefixes,
        })
    }
}

impl Protobuf for FibRoute {
    type Message = v1::FibRoute;

    fn to_protobuf(&self) -> v1::FibRoute {
        let (state, detail, attempts) = match &self.state {
            FibState::Pending => (v1::FibState::Pending, "", 0),
            FibState::Installed => (v1::FibState::Installed, "", 0),
            FibState::Adopted => (v1::FibState::Adopted, "", 0),
            FibState::Failed { error, attempts } => {
                (v1::FibState::Failed, error.as_str(), *attempts)
            }
            FibState::Blocked(route) => (v1::FibState::Blocked, route.as_str(), 0),
            FibState::WaitingForInterface(name) => {
                (v1::FibState::WaitingForInterface, name.as_str(), 0)
            }
        };
        v1::FibRoute {
            prefix: self.prefix.to_string(),
            target: self.target.clone(),
            metric: self.metric,
            state: state.into(),
            detail: detail.to_owned(),
            attempts,
        }
    }

    fn from_protobuf(message: v1::FibRoute) -> Result<Self, BadMessage> {
        let detail = message.detail;
        let state = match v1::FibState::try_from(message.state) {
            Ok(v1::FibState::Pending) => FibState::Pending,
            Ok(v1::FibState::Installed) => FibState::Installed,
            Ok(v1::FibState::Adopted) => FibState::Adopted,
            Ok(v1::FibState::Failed) => FibState::Failed {
                error: detail,
                attempts: message.attempts,
            },
            Ok(v1::FibState::Blocked) => FibState::Blocked(detail),
            Ok(v1::FibState::WaitingForInterface) => FibState::WaitingForInterface(detail),
            Ok(v1::FibState::Unspecified) | Err(_) => {
                return Err(BadMessage::new(
                    "state",
                    format!("{} is not known here", message.state),
                ));
            }
        };
        let prefix = prefix("prefix", &message.prefix)?;
        Ok(Self {
            prefix,
            target: message.target,
            metric: message.metric,
            state,
        })
    }
}

impl Protobuf for NewRoute {
    type Message = v1::NewRoute;

    fn to_protobuf(&self) -> v1::NewRoute {
        v1::NewRoute {
            prefix: self.prefix.to_string(),
            path_id: self.path_id,
            attributes: Some(self.attributes.to_protobuf()),
            blackhole: self.blackhole,
        }
    }

    fn from_protobuf(message: v1::NewRoute) -> Result<Self, BadMessage> {
        let prefix = prefix("prefix", &message.prefix)?;
        let mut attributes = message.attributes.unwrap_or_default();
        attributes.next_hop.get_or_insert_with(|| ourselves(prefix));
        let attributes = PathAttributes::from_protobuf(attributes)
            .map_err(|error| error.within("attributes"))?;
        if prefix.addr().is_ipv6() && attributes.next_hop.addr().is_ipv4() {
            let problem = format!(
                "{prefix} needs an IPv6 next hop, not {}",
                attributes.next_hop
            );
            return Err(BadMessage::new("attributes.next_hop", problem));
        }
        tellable(prefix, &attributes).map_err(|problem| BadMessage::new("attributes", problem))?;
        Ok(Self {
            prefix,
            path_id: message.path_id,
            attributes,
            blackhole: message.blackhole,
        })
    }
}

/// Whether a neighbour would take the route: it is written, and read with our own eyes.
fn tellable(prefix: Prefix, attributes: &PathAttributes) -> Result<(), String> {
    let mut attributes = attributes.clone();
    if attributes.next_hop.is_unspecified() {
        attributes.next_hop = match prefix {
            Prefix::V4(_) => NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)),
            Prefix::V6(_) => NextHop::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        };
    }
    for unknown in &mut attributes.unknown {
        unknown.flags = PASSED_ON;
    }
    attributes.unknown.sort_by_key(|unknown| unknown.code);
    let family = prefix.family();
    let mut outcome = Err("they do not fit into one message".to_owned());
    // Too long is the outcome already.
    let _ = UpdateWriter::new(&ANYTHING).announce(&attributes, family, [(0, prefix)], |message| {
        outcome = match Update::decode(&message[HEADER..], &ANYTHING) {
            Ok(update) => match (update.faults().first(), update.announced().next()) {
                (
                    Some(Fault {
                        name,
                        attribute,
                        reason,
                        ..
                    }),
                    _,
                ) => Err(format!("{name} ({attribute}): {reason}")),
                (None, Some((read, _))) if *read == attributes => Ok(()),
                (None, _) => Err("they would not arrive as they are here".to_owned()),
            },
            Err(error) => Err(error.to_string()),
        };
    });
    outcome
}

/// Flags of an attribute that we do not know: optional, transitive, partial.
const PASSED_ON: u8 = 0xe0;

/// An internal session that has agreed on everything.
static ANYTHING: LazyLock<Negotiated> = LazyLock::new(|| {
    let family = |family| NegotiatedFamily {
        family,
        add_path_receive: false,
        add_path_send: false,
        extended_next_hop: true,
    };
    Negotiated {
        four_octet_as: true,
        max_message: MAX_EXTENDED,
        families: [Family::IPV4_UNICAST, Family::IPV6_UNICAST]
            .map(family)
            .to_vec(),
        kind: PeerKind::Internal,
        aigp: true,
        ..Negotiated::default()
    }
});

/// The next hop that stands for this router.
fn ourselves(prefix: Prefix) -> v1::NextHop {
    let address = match prefix.addr() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    v1::NextHop {
        address: address.to_string(),
        link_local: None,
    }
}
