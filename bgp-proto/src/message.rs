// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ROUTE-REFRESH and KEEPALIVE, and the messages as a session machine sends them.

use bytes::Bytes;

use crate::{Afi, Code, Family, MessageKind, Notification, Open, Safi, frame, reader::Reader};

/// What a ROUTE-REFRESH means (RFC 2918, RFC 7313). Unregistered ones are ignored.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RefreshSubtype(pub u8);

impl RefreshSubtype {
    /// Send your routes again.
    pub const REQUEST: Self = Self(0);
    /// They begin (RFC 7313).
    pub const BEGIN: Self = Self(1);
    /// They end (RFC 7313).
    pub const END: Self = Self(2);
}

/// A ROUTE-REFRESH.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RouteRefresh {
    /// Which routes.
    pub family: Family,
    /// What it means.
    pub subtype: RefreshSubtype,
}

/// A ROUTE-REFRESH of the wrong length.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("ROUTE-REFRESH of {} octets", .0.len())]
pub struct RefreshError(Bytes);

impl RefreshError {
    /// What the peer is told: 7/1 and the message, as much of it as fits, if enhanced route refresh was negotiated
    /// (RFC 7313 §5), else 1/2 and its length.
    pub fn notification(&self, enhanced: bool) -> Notification {
        if enhanced {
            let room = frame::MAX_STANDARD - frame::HEADER - 2;
            Notification::with_data(Code::REFRESH_LENGTH, self.0.get(..room).unwrap_or(&self.0))
        } else {
            let length = u16::try_from(self.0.len()).unwrap_or(u16::MAX);
            Notification::with_data(Code::HEADER_BAD_LENGTH, &length.to_be_bytes())
        }
    }
}

impl RouteRefresh {
    /// Reads the body of the message.
    ///
    /// # Errors
    /// Not four octets. A request may have outbound route filters (RFC 5291) behind them; we never offered to take any
    /// and ignore them.
    pub fn decode(body: &[u8]) -> Result<Self, RefreshError> {
        let wrong = || {
            RefreshError(frame::encode(MessageKind::RouteRefresh, |out| {
                out.extend_from_slice(body);
            }))
        };
        let mut reader = Reader(body);
        let refresh = (|| {
            let (afi, subtype, safi) = (
                Afi(reader.u16()?),
                RefreshSubtype(reader.u8()?),
                Safi(reader.u8()?),
            );
            Ok::<_, crate::reader::Short>(Self {
                family: Family { afi, safi },
                subtype,
            })
        })();
        refresh
            .ok()
            .filter(|refresh| reader.is_empty() || refresh.subtype == RefreshSubtype::REQUEST)
            .ok_or_else(wrong)
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        frame::encode(MessageKind::RouteRefresh, |out| {
            out.extend_from_slice(&self.family.afi.0.to_be_bytes());
            out.extend_from_slice(&[self.subtype.0, self.family.safi.0]);
        })
    }
}

/// A message to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// OPEN.
    Open(Open),
    /// UPDATE, already encoded.
    Update(Bytes),
    /// NOTIFICATION.
    Notification(Notification),
    /// KEEPALIVE.
    Keepalive,
    /// ROUTE-REFRESH.
    RouteRefresh(RouteRefresh),
}

impl Message {
    /// Its kind.
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Open(_) => MessageKind::Open,
            Self::Update(_) => MessageKind::Update,
            Self::Notification(_) => MessageKind::Notification,
            Self::Keepalive => MessageKind::Keepalive,
            Self::RouteRefresh(_) => MessageKind::RouteRefresh,
        }
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Open(open) => open.encode(),
            Self::Update(octets) => octets.clone(),
            Self::Notification(notification) => notification.encode(),
            Self::Keepalive => frame::encode(MessageKind::Keepalive, |_| {}),
            Self::RouteRefresh(refresh) => refresh.encode(),
        }
    }
}
