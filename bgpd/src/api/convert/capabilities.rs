// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Capabilities: what they say, and a text for people.

use bgp_proto::{
    AddPath, AddPathDirection, Afi, Asn, Capability, ExtendedNextHop, Family, GracefulRestart,
    LongLivedFamily, RestartFamily, Role,
};
use bgpd_api::v1::{self, capability::Detail};

use super::{BadMessage, Protobuf, list, small};

impl Protobuf for Capability {
    type Message = v1::Capability;

    fn to_protobuf(&self) -> v1::Capability {
        let detail = match self {
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRouteRefresh => None,
            Self::Multiprotocol(family) => Some(Detail::Multiprotocol(family.to_protobuf())),
            Self::ExtendedNextHop(entries) => Some(Detail::ExtendedNextHop(v1::ExtendedNextHop {
                families: entries.iter().map(ExtendedNextHop::to_protobuf).collect(),
            })),
            Self::Role(role) => Some(Detail::Role(role.0.into())),
            Self::GracefulRestart(restart) => Some(Detail::GracefulRestart(restart.to_protobuf())),
            Self::FourOctetAs(asn) => Some(Detail::FourOctetAs(asn.0)),
            Self::AddPath(entries) => Some(Detail::AddPath(v1::AddPath {
                families: entries.iter().map(AddPath::to_protobuf).collect(),
            })),
            Self::LongLivedGracefulRestart(entries) => {
                let families = entries.iter().map(LongLivedFamily::to_protobuf).collect();
                Some(Detail::LongLivedGracefulRestart(
                    v1::LongLivedGracefulRestart { families },
                ))
            }
            Self::Fqdn { host, domain } => Some(Detail::Fqdn(v1::Fqdn {
                host: host.clone(),
                domain: domain.clone(),
            })),
            Self::SoftwareVersion(version) => Some(Detail::SoftwareVersion(version.clone())),
            Self::Unknown { value, .. } => Some(Detail::Unknown(value.to_vec())),
        };
        v1::Capability {
            code: self.code().into(),
            text: text(self),
            detail,
        }
    }

    fn from_protobuf(message: v1::Capability) -> Result<Self, BadMessage> {
        let code = small("code", message.code)?;
        let Some(detail) = message.detail else {
            return match code {
                2 => Ok(Self::RouteRefresh),
                6 => Ok(Self::ExtendedMessage),
                70 => Ok(Self::EnhancedRouteRefresh),
                _ => Err(BadMessage::missing("detail")),
            };
        };
        Ok(match detail {
            Detail::Multiprotocol(family) => Self::Multiprotocol(Family::from_protobuf(family)?),
            Detail::ExtendedNextHop(entries) => Self::ExtendedNextHop(list(
                "families",
                entries.families,
                ExtendedNextHop::from_protobuf,
            )?),
            Detail::Role(role) => Self::Role(Role(small("role", role)?)),
            Detail::GracefulRestart(restart) => {
                Self::GracefulRestart(GracefulRestart::from_protobuf(restart)?)
            }
            Detail::FourOctetAs(asn) => Self::FourOctetAs(Asn(asn)),
            Detail::AddPath(entries) => {
                Self::AddPath(list("families", entries.families, AddPath::from_protobuf)?)
            }
            Detail::LongLivedGracefulRestart(entries) => Self::LongLivedGracefulRestart(list(
                "families",
                entries.families,
                LongLivedFamily::from_protobuf,
            )?),
            Detail::Fqdn(v1::Fqdn { host, domain }) => Self::Fqdn { host, domain },
            Detail::SoftwareVersion(version) => Self::SoftwareVersion(version),
            Detail::Unknown(value) => Self::Unknown {
                code,
                value: value.into(),
            },
        })
    }
}

/// What a person reads.
pub fn text(capability: &Capability) -> String {
    match capability {
        Capability::Multiprotocol(family) => format!("multiprotocol {family}"),
        Capability::RouteRefresh => "route-refresh".to_owned(),
        Capability::ExtendedNextHop(entries) => joined("extended-nexthop", entries, |entry| {
            format!("{} over {}", entry.nlri, afi(entry.next_hop))
        }),
        Capability::ExtendedMessage => "extended-message".to_owned(),
        Capability::Role(role) => format!("role {}", role_name(*role)),
        Capability::GracefulRestart(restart) => restart_text(restart),
        Capability::FourOctetAs(_) => "4-octet-as".to_owned(),
        Capability::AddPath(entries) => joined("add-path", entries, |entry| {
            let direction = match entry.direction {
                AddPathDirection::Receive => "receive",
                AddPathDirection::Send => "send",
                AddPathDirection::Both => "both",
            };
            format!("{} {direction}", entry.family)
        }),
        Capability::EnhancedRouteRefresh => "enhanced-route-refresh".to_owned(),
        Capability::LongLivedGracefulRestart(entries) => {
            joined("long-lived-graceful-restart", entries, |entry| {
                format!("{} {} s", entry.family, entry.stale_time)
            })
        }
        Capability::Fqdn { host, domain } if domain.is_empty() => format!("fqdn {host}"),
        Capability::Fqdn { host, domain } => format!("fqdn {host}.{domain}"),
        Capability::SoftwareVersion(version) => format!("software-version {version}"),
        Capability::Unknown { code, .. } => format!("capability {code}"),
    }
}

fn joined<T>(name: &str, entries: &[T], entry: impl Fn(&T) -> String) -> String {
    let entries: Vec<_> = entries.iter().map(entry).collect();
    format!("{name} {}", entries.join(", "))
        .trim_end()
        .to_owned()
}

fn restart_text(restart: &GracefulRestart) -> String {
    let flags = [
        (restart.restarting, ", restarting"),
        (restart.notification, ", notification"),
    ];
    let flags: String = flags
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| *name)
        .collect();
    let preserved = |entry: &RestartFamily| {
        let preserved = if entry.forwarding_preserved {
            " preserved"
        } else {
            ""
        };
        format!("{}{preserved}", entry.family)
    };
    joined(
        &format!("graceful-restart {} s{flags}", restart.restart_time),
        &restart.families,
        preserved,
    )
}

fn afi(afi: Afi) -> String {
    match afi {
        Afi::IPV4 => "ipv4".to_owned(),
        Afi::IPV6 => "ipv6".to_owned(),
        Afi(number) => format!("afi {number}"),
    }
}

fn role_name(role: Role) -> String {
    match role {
        Role::PROVIDER => "provider".to_owned(),
        Role::ROUTE_SERVER => "route-server".to_owned(),
        Role::ROUTE_SERVER_CLIENT => "route-server-client".to_owned(),
        Role::CUSTOMER => "customer".to_owned(),
        Role::PEER => "peer".to_owned(),
        Role(number) => number.to_string(),
    }
}

fn required(family: Option<v1::Family>) -> Result<Family, BadMessage> {
    Family::from_protobuf(family.ok_or_else(|| BadMessage::missing("family"))?)
}

impl Protobuf for GracefulRestart {
    type Message = v1::GracefulRestart;

    fn to_protobuf(&self) -> v1::GracefulRestart {
        let entry = |entry: &RestartFamily| v1::graceful_restart::Entry {
            family: Some(entry.family.to_protobuf()),
            forwarding_preserved: entry.forwarding_preserved,
        };
        v1::GracefulRestart {
            restarting: self.restarting,
            notification: self.notification,
            restart_time: self.restart_time.into(),
            families: self.families.iter().map(entry).collect(),
        }
    }

    fn from_protobuf(message: v1::GracefulRestart) -> Result<Self, BadMessage> {
        let entry = |entry: v1::graceful_restart::Entry| {
            let forwarding_preserved = entry.forwarding_preserved;
            Ok(RestartFamily {
                family: required(entry.family)?,
                forwarding_preserved,
            })
        };
        Ok(Self {
            restarting: message.restarting,
            notification: message.notification,
            restart_time: small("restart_time", message.restart_time)?,
            families: list("families", message.families, entry)?,
        })
    }
}

impl Protobuf for LongLivedFamily {
    type Message = v1::long_lived_graceful_restart::Entry;

    fn to_protobuf(&self) -> Self::Message {
        v1::long_lived_graceful_restart::Entry {
            family: Some(self.family.to_protobuf()),
            forwarding_preserved: self.forwarding_preserved,
            stale_time: self.stale_time,
        }
    }

    fn from_protobuf(message: Self::Message) -> Result<Self, BadMessage> {
        let v1::long_lived_graceful_restart::Entry {
            family,
            forwarding_preserved,
            stale_time,
        } = message;
        Ok(Self {
            family: required(family)?,
            forwarding_preserved,
            stale_time,
        })
    }
}

impl Protobuf for AddPath {
    type Message = v1::add_path::Entry;

    fn to_protobuf(&self) -> Self::Message {
        v1::add_path::Entry {
            family: Some(self.family.to_protobuf()),
            receive: self.direction.receives(),
            send: self.direction.sends(),
        }
    }

    fn from_protobuf(message: Self::Message) -> Result<Self, BadMessage> {
        let direction = match (message.receive, message.send) {
            (true, true) => AddPathDirection::Both,
            (true, false) => AddPathDirection::Receive,
            (false, true) => AddPathDirection::Send,
            (false, false) => return Err(BadMessage::new("receive", "neither receives nor sends")),
        };
        Ok(Self {
            family: required(message.family)?,
            direction,
        })
    }
}

impl Protobuf for ExtendedNextHop {
    type Message = v1::extended_next_hop::Entry;

    fn to_protobuf(&self) -> Self::Message {
        v1::extended_next_hop::Entry {
            nlri: Some(self.nlri.to_protobuf()),
            next_hop_afi: self.next_hop.0.into(),
        }
    }

    fn from_protobuf(message: Self::Message) -> Result<Self, BadMessage> {
        let next_hop = Afi(small("next_hop_afi", message.next_hop_afi)?);
        Ok(Self {
            nlri: required(message.nlri)?,
            next_hop,
        })
    }
}

/// One of each kind, for tests.
#[cfg(test)]
pub(super) fn examples() -> Vec<Capability> {
    let (ipv4, ipv6) = (Family::IPV4_UNICAST, Family::IPV6_UNICAST);
    let directions = [
        AddPathDirection::Receive,
        AddPathDirection::Send,
        AddPathDirection::Both,
    ];
    vec![
        Capability::Multiprotocol(ipv6),
        Capability::RouteRefresh,
        Capability::ExtendedNextHop(vec![ExtendedNextHop {
            nlri: ipv4,
            next_hop: Afi::IPV6,
        }]),
        Capability::ExtendedMessage,
        Capability::Role(Role::CUSTOMER),
        Capability::GracefulRestart(GracefulRestart {
            restarting: true,
            notification: true,
            restart_time: 120,
            families: vec![RestartFamily {
                family: ipv4,
                forwarding_preserved: true,
            }],
        }),
        Capability::FourOctetAs(Asn(4_200_000_000)),
        Capability::AddPath(
            directions
                .map(|direction| AddPath {
                    family: ipv4,
                    direction,
                })
                .to_vec(),
        ),
        Capability::EnhancedRouteRefresh,
        Capability::LongLivedGracefulRestart(vec![LongLivedFamily {
            family: ipv6,
            forwarding_preserved: false,
            stale_time: 3600,
        }]),
        Capability::Fqdn {
            host: "node1".to_owned(),
            domain: "example.org".to_owned(),
        },
        Capability::SoftwareVersion("BIRD 2.17".to_owned()),
        Capability::Unknown {
            code: 130,
            value: vec![1, 2, 3].into(),
        },
        // A known code with a value that makes no sense.
        Capability::Unknown {
            code: 2,
            value: vec![9].into(),
        },
    ]
}
