// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Capabilities (RFC 5492): what each side of a session can do.

use alloc::{string::String, vec::Vec};

use bytes::Bytes;

use crate::{
    Afi, Asn, Family, Safi,
    notification::escape,
    reader::{Reader, Short},
};

/// One family of a graceful restart capability (RFC 4724 §3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RestartFamily {
    /// Which family.
    pub family: Family,
    /// The forwarding state has been preserved over the restart (F bit).
    pub forwarding_preserved: bool,
}

/// Graceful restart (RFC 4724, RFC 8538).
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct GracefulRestart {
    /// The speaker has restarted (R bit).
    pub restarting: bool,
    /// NOTIFICATIONs count as restarts too (N bit, RFC 8538).
    pub notification: bool,
    /// Seconds until the session is back, at most 4095.
    pub restart_time: u16,
    /// Families whose routes may be kept.
    pub families: Vec<RestartFamily>,
}

/// One family of a long-lived graceful restart capability (RFC 9494 §3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LongLivedFamily {
    /// Which family.
    pub family: Family,
    /// The forwarding state has been preserved over the restart (F bit).
    pub forwarding_preserved: bool,
    /// Seconds for which stale routes are kept, at most 2^24 - 1.
    pub stale_time: u32,
}

/// Which way path identifiers are used (RFC 7911 §4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AddPathDirection {
    /// The speaker can receive several paths.
    Receive = 1,
    /// It can send them.
    Send = 2,
    /// Both.
    Both = 3,
}

impl AddPathDirection {
    /// Receive is part of it.
    pub fn receives(self) -> bool {
        self != Self::Send
    }

    /// Send is part of it.
    pub fn sends(self) -> bool {
        self != Self::Receive
    }
}

/// One family of an add-path capability.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AddPath {
    /// Which family.
    pub family: Family,
    /// Which way.
    pub direction: AddPathDirection,
}

/// One entry of an extended next hop capability (RFC 8950 §4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ExtendedNextHop {
    /// Routes of this family
    pub nlri: Family,
    /// may have next hops of this one.
    pub next_hop: Afi,
}

/// A speaker's role towards its neighbour (RFC 9234 §4.1). Others than 0 to 4 are kept.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Role(pub u8);

impl Role {
    /// Provider of transit.
    pub const PROVIDER: Self = Self(0);
    /// Route server.
    pub const ROUTE_SERVER: Self = Self(1);
    /// Client of a route server.
    pub const ROUTE_SERVER_CLIENT: Self = Self(2);
    /// Customer.
    pub const CUSTOMER: Self = Self(3);
    /// Peer.
    pub const PEER: Self = Self(4);

    /// The role of the other side (RFC 9234 §4.2); `None` for one that is not known.
    pub fn opposite(self) -> Option<Self> {
        Some(match self {
            Self::PROVIDER => Self::CUSTOMER,
            Self::CUSTOMER => Self::PROVIDER,
            Self::ROUTE_SERVER => Self::ROUTE_SERVER_CLIENT,
            Self::ROUTE_SERVER_CLIENT => Self::ROUTE_SERVER,
            Self::PEER => Self::PEER,
            _ => return None,
        })
    }
}

/// A capability.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Capability {
    /// 1: routes of this family (RFC 4760 §8).
    Multiprotocol(Family),
    /// 2: ROUTE-REFRESH (RFC 2918).
    RouteRefresh,
    /// 5: IPv4 routes with IPv6 next hops (RFC 8950).
    ExtendedNextHop(Vec<ExtendedNextHop>),
    /// 6: messages of up to 65 535 octets (RFC 8654).
    ExtendedMessage,
    /// 9: role (RFC 9234).
    Role(Role),
    /// 64: graceful restart (RFC 4724).
    GracefulRestart(GracefulRestart),
    /// 65: AS numbers of four octets (RFC 6793), with the speaker's own.
    FourOctetAs(Asn),
    /// 69: several paths for a prefix (RFC 7911).
    AddPath(Vec<AddPath>),
    /// 70: enhanced route refresh (RFC 7313).
    EnhancedRouteRefresh,
    /// 71: long-lived graceful restart (RFC 9494).
    LongLivedGracefulRestart(Vec<LongLivedFamily>),
    /// 73: host and domain name, escaped for display.
    Fqdn {
        /// Host name.
        host: String,
        /// Domain name.
        domain: String,
    },
    /// 75: software version, escaped for display.
    SoftwareVersion(String),
    /// Any other, and those above whose value can not be understood: kept and without effect.
    Unknown {
        /// Code.
        code: u8,
        /// Value.
        value: Bytes,
    },
}

impl Capability {
    /// Its code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Multiprotocol(_) => 1,
            Self::RouteRefresh => 2,
            Self::ExtendedNextHop(_) => 5,
            Self::ExtendedMessage => 6,
            Self::Role(_) => 9,
            Self::GracefulRestart(_) => 64,
            Self::FourOctetAs(_) => 65,
            Self::AddPath(_) => 69,
            Self::EnhancedRouteRefresh => 70,
            Self::LongLivedGracefulRestart(_) => 71,
            Self::Fqdn { .. } => 73,
            Self::SoftwareVersion(_) => 75,
            Self::Unknown { code, .. } => *code,
        }
    }

    /// Reads a capability; one whose value makes no sense is kept as unknown (it then has no effect).
    pub(crate) fn decode(code: u8, value: &[u8]) -> Self {
        let unknown = || Self::Unknown {
            code,
            value: Bytes::copy_from_slice(value),
        };
        let mut reader = Reader(value);
        match known(code, &mut reader) {
            Ok(Some(capability)) if reader.is_empty() => capability,
            _ => unknown(),
        }
    }

    /// Appends the value, without code and length.
    pub(crate) fn encode_value(&self, out: &mut Vec<u8>) {
        match self {
            Self::Multiprotocol(family) => {
                out.extend_from_slice(&family.afi.0.to_be_bytes());
                out.extend_from_slice(&[0, family.safi.0]);
            }
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRouteRefresh => {}
            Self::ExtendedNextHop(entries) => {
                for entry in entries {
                    out.extend_from_slice(&entry.nlri.afi.0.to_be_bytes());
                    out.extend_from_slice(&u16::from(entry.nlri.safi.0).to_be_bytes());
                    out.extend_from_slice(&entry.next_hop.0.to_be_bytes());
                }
            }
            Self::Role(role) => out.push(role.0),
            Self::GracefulRestart(restart) => encode_restart(restart, out),
            Self::FourOctetAs(asn) => out.extend_from_slice(&asn.0.to_be_bytes()),
            Self::AddPath(entries) => {
                for entry in entries {
                    push_family(out, entry.family);
                    out.push(entry.direction as u8);
                }
            }
            Self::LongLivedGracefulRestart(entries) => {
                for entry in entries {
                    push_family(out, entry.family);
                    out.push(u8::from(entry.forwarding_preserved) << 7);
                    out.extend_from_slice(
                        entry.stale_time.to_be_bytes().get(1..).unwrap_or_default(),
                    );
                }
            }
            Self::Fqdn { host, domain } => {
                push_text(out, host);
                push_text(out, domain);
            }
            Self::SoftwareVersion(version) => push_text(out, version),
            Self::Unknown { value, .. } => out.extend_from_slice(value),
        }
    }
}

fn known(code: u8, reader: &mut Reader<'_>) -> Result<Option<Capability>, Short> {
    Ok(Some(match code {
        1 => {
            let (afi, _reserved, safi) = (Afi(reader.u16()?), reader.u8()?, Safi(reader.u8()?));
            Capability::Multiprotocol(Family { afi, safi })
        }
        2 => Capability::RouteRefresh,
        5 => Capability::ExtendedNextHop(entries(reader, extended_next_hop)?),
        6 => Capability::ExtendedMessage,
        9 => Capability::Role(Role(reader.u8()?)),
        64 => Capability::GracefulRestart(decode_restart(reader)?),
        65 => Capability::FourOctetAs(Asn(reader.u32()?)),
        69 => Capability::AddPath(entries(reader, add_path)?.into_iter().flatten().collect()),
        70 => Capability::EnhancedRouteRefresh,
        71 => Capability::LongLivedGracefulRestart(entries(reader, long_lived)?),
        73 => {
            let host = text(reader)?;
            // Some speakers leave the domain out altogether.
            let domain = if reader.is_empty() {
                String::new()
            } else {
                text(reader)?
            };
            Capability::Fqdn { host, domain }
        }
        75 => Capability::SoftwareVersion(text(reader)?),
        _ => return Ok(None),
    }))
}

fn entries<T>(
    reader: &mut Reader<'_>,
    entry: impl Fn(&mut Reader<'_>) -> Result<T, Short>,
) -> Result<Vec<T>, Short> {
    let mut all = Vec::new();
    while !reader.is_empty() {
        all.push(entry(reader)?);
    }
    Ok(all)
}

fn family(reader: &mut Reader<'_>) -> Result<Family, Short> {
    Ok(Family {
        afi: Afi(reader.u16()?),
        safi: Safi(reader.u8()?),
    })
}

fn extended_next_hop(reader: &mut Reader<'_>) -> Result<ExtendedNextHop, Short> {
    let (afi, safi) = (Afi(reader.u16()?), reader.u16()?);
    let safi = Safi(u8::try_from(safi).map_err(|_| Short)?);
    Ok(ExtendedNextHop {
        nlri: Family { afi, safi },
        next_hop: Afi(reader.u16()?),
    })
}

fn decode_restart(reader: &mut Reader<'_>) -> Result<GracefulRestart, Short> {
    let head = reader.u16()?;
    let families = entries(reader, |reader| {
        let family = family(reader)?;
        Ok(RestartFamily {
            family,
            forwarding_preserved: reader.u8()? & 0x80 != 0,
        })
    })?;
    Ok(GracefulRestart {
        restarting: head & 0x8000 != 0,
        notification: head & 0x4000 != 0,
        restart_time: head & 0x0fff,
        families,
    })
}

fn encode_restart(restart: &GracefulRestart, out: &mut Vec<u8>) {
    let flags = u16::from(restart.restarting) << 15 | u16::from(restart.notification) << 14;
    out.extend_from_slice(&(flags | restart.restart_time.min(0x0fff)).to_be_bytes());
    for entry in &restart.families {
        push_family(out, entry.family);
        out.push(u8::from(entry.forwarding_preserved) << 7);
    }
}

/// An entry whose direction is not registered has no effect (RFC 7911 §4).
fn add_path(reader: &mut Reader<'_>) -> Result<Option<AddPath>, Short> {
    let family = family(reader)?;
    let direction = match reader.u8()? {
        1 => AddPathDirection::Receive,
        2 => AddPathDirection::Send,
        3 => AddPathDirection::Both,
        _ => return Ok(None),
    };
    Ok(Some(AddPath { family, direction }))
}

fn long_lived(reader: &mut Reader<'_>) -> Result<LongLivedFamily, Short> {
    let family = family(reader)?;
    let word = reader.u32()?;
    Ok(LongLivedFamily {
        family,
        forwarding_preserved: word & 0x8000_0000 != 0,
        stale_time: word & 0x00ff_ffff,
    })
}

fn text(reader: &mut Reader<'_>) -> Result<String, Short> {
    let octets = reader.part8()?;
    Ok(escape(&String::from_utf8_lossy(octets)))
}

fn push_family(out: &mut Vec<u8>, family: Family) {
    out.extend_from_slice(&family.afi.0.to_be_bytes());
    out.push(family.safi.0);
}

/// A text of at most 64 octets, as RFC drafts for capabilities 73 and 75 ask.
fn push_text(out: &mut Vec<u8>, text: &str) {
    let end = (0..=text.len().min(64))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    let text = text.get(..end).unwrap_or_default();
    out.push(u8::try_from(text.len()).unwrap_or_default());
    out.extend_from_slice(text.as_bytes());
}
