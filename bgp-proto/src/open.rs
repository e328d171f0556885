// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OPEN (RFC 4271 §4.2), its optional parameters (RFC 5492, RFC 9072).

use alloc::vec::Vec;
use core::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;

use crate::{
    Asn, Capability, Code, MessageKind, Notification, RouterId, frame,
    reader::{Reader, Short},
};

/// The only version of BGP.
const VERSION: u8 = 4;

/// Optional parameter that holds capabilities (RFC 5492).
const CAPABILITIES: u8 = 2;

/// Marks extended optional parameters, in the place of the first parameter's type (RFC 9072 §2).
const EXTENDED: u8 = 255;

/// Hold Time from OPEN: zero, or at least three seconds (RFC 4271 §4.2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HoldTime(u16);

impl HoldTime {
    /// No hold timer, no keepalives.
    pub const OFF: Self = Self(0);

    /// From seconds.
    ///
    /// # Errors
    /// One or two seconds.
    pub const fn from_wire(seconds: u16) -> Result<Self, OpenError> {
        match seconds {
            1 | 2 => Err(OpenError::UnacceptableHoldTime(seconds)),
            _ => Ok(Self(seconds)),
        }
    }

    /// Seconds, 0 for none.
    pub const fn seconds(self) -> u16 {
        self.0
    }

    /// `None` if there is no hold timer.
    pub fn duration(self) -> Option<Duration> {
        (self.0 > 0).then(|| Duration::from_secs(self.0.into()))
    }
}

/// An OPEN that is refused (RFC 4271 §6.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OpenError {
    /// Not version 4.
    #[error("Unsupported Version Number {0}")]
    UnsupportedVersion(u8),
    /// AS 0 (RFC 7607), or one that is not configured for the peer (the session machine compares).
    #[error("Bad Peer AS {0}")]
    BadPeerAs(u32),
    /// Identifier 0.0.0.0 (RFC 6286).
    #[error("Bad BGP Identifier {0}")]
    BadIdentifier(Ipv4Addr),
    /// A parameter that is not registered.
    #[error("Unsupported Optional Parameter {0}")]
    UnsupportedParameter(u8),
    /// One or two seconds.
    #[error("Unacceptable Hold Time {0}")]
    UnacceptableHoldTime(u16),
    /// Lengths that do not fit together.
    #[error("malformed optional parameters")]
    Malformed,
}

impl OpenError {
    /// What we tell the peer (RFC 4271 §6.2).
    pub fn notification(&self) -> Notification {
        match self {
            Self::UnsupportedVersion(_) => {
                Notification::with_data(Code::OPEN_VERSION, &u16::from(VERSION).to_be_bytes())
            }
            Self::BadPeerAs(_) => Notification::new(Code::OPEN_BAD_PEER_AS),
            Self::BadIdentifier(_) => Notification::new(Code::OPEN_BAD_IDENTIFIER),
            Self::UnsupportedParameter(_) => Notification::new(Code::OPEN_UNSUPPORTED_PARAMETER),
            Self::UnacceptableHoldTime(_) => Notification::new(Code::OPEN_HOLD_TIME),
            Self::Malformed => Notification::new(Code::OPEN_UNSPECIFIC),
        }
    }
}

impl From<Short> for OpenError {
    fn from(_: Short) -> Self {
        Self::Malformed
    }
}

/// An OPEN.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Open {
    /// The speaker's AS: that of the four-octet capability if there is one, else that of the fixed field.
    pub asn: Asn,
    /// Proposed hold time.
    pub hold_time: HoldTime,
    /// BGP identifier.
    pub router_id: RouterId,
    /// Capabilities, in order.
    pub capabilities: Vec<Capability>,
}

impl Open {
    /// Reads the body of the message.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn decode(body: &[u8]) -> Result<Self, OpenError> {
        let mut reader = Reader(body);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(OpenError::UnsupportedVersion(version));
        }
        let short_as = reader.u16()?;
        let hold_time = HoldTime::from_wire(reader.u16()?)?;
        let identifier = reader.ipv4()?;
        let capabilities = parameters(&mut reader)?;
        let long_as = capabilities.iter().find_map(|capability| match capability {
            Capability::FourOctetAs(asn) => Some(*asn),
            _ => None,
        });
        let asn = long_as.unwrap_or(Asn(short_as.into()));
        if asn.0 == 0 || short_as == 0 {
            return Err(OpenError::BadPeerAs(asn.0));
        }
        let router_id = RouterId::new(identifier).ok_or(OpenError::BadIdentifier(identifier))?;
        Ok(Self {
            asn,
            hold_time,
            router_id,
            capabilities,
        })
    }

    /// The whole message. The four-octet capability is written where `capabilities` has it, with [`Self::asn`] otherwise
    /// lost if it does not fit two octets. Capabilities are one parameter each; more than 255 octets of them take the form
    /// of RFC 9072. What does not fit the message is left out.
    pub fn encode(&self) -> Bytes {
        let mut list: Vec<Vec<u8>> = Vec::new();
        let mut total = 0;
        for capability in &self.capabilities {
            let mut value = Vec::new();
            capability.encode_value(&mut value);
            let Ok(length) = u8::try_from(value.len()) else {
                continue;
            };
            total += value.len() + 5;
            if total > frame::MAX_STANDARD - frame::HEADER - 13 {
                break;
            }
            value.splice(0..0, [capability.code(), length]);
            list.push(value);
        }
        let plain: usize = list.iter().map(|value| value.len() + 2).sum();
        let extended = plain > 254 || list.iter().any(|value| value.len() > 255);
        frame::encode(MessageKind::Open, |out| {
            out.push(VERSION);
            out.extend_from_slice(&self.asn.to_two_octets().to_be_bytes());
            out.extend_from_slice(&self.hold_time.0.to_be_bytes());
            out.extend_from_slice(&self.router_id.addr().octets());
            if extended {
                let length: usize = list.iter().map(|value| value.len() + 3).sum();
                out.extend_from_slice(&[EXTENDED, EXTENDED]);
                out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
            } else {
                out.push(u8::try_from(plain).unwrap_or(u8::MAX));
            }
            for value in &list {
                out.push(CAPABILITIES);
                let length = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
                out.extend_from_slice(if extended { &length } else { &length[1..] });
                out.extend_from_slice(value);
            }
        })
    }
}

fn parameters(reader: &mut Reader<'_>) -> Result<Vec<Capability>, OpenError> {
    let length = reader.u8()?;
    let extended = length != 0 && reader.0.first() == Some(&EXTENDED);
    let octets = if extended {
        reader.u8()?;
        reader.part16()?
    } else {
        reader.take(length.into())?
    };
    if !reader.is_empty() {
        return Err(OpenError::Malformed);
    }
    let mut list = Reader(octets);
    let mut capabilities = Vec::new();
    while !list.is_empty() {
        let kind = list.u8()?;
        let value = if extended {
            list.part16()?
        } else {
            list.part8()?
        };
        if kind != CAPABILITIES {
            return Err(OpenError::UnsupportedParameter(kind));
        }
        let mut value = Reader(value);
        while !value.is_empty() {
            let code = value.u8()?;
            capabilities.push(Capability::decode(code, value.part8()?));
        }
    }
    Ok(capabilities)
}
