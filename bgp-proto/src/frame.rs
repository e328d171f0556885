// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Framing: a stream of octets cut into messages (RFC 4271 §4.1, §6.1, RFC 8654).

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::{Code, Notification};

/// Octets of the header.
pub const HEADER: usize = 19;

/// Longest message without RFC 8654.
pub const MAX_STANDARD: usize = 4096;

/// Longest message with RFC 8654, except OPEN and KEEPALIVE.
pub const MAX_EXTENDED: usize = 65_535;

const MARKER: [u8; 16] = [0xff; 16];

/// The kinds of message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MessageKind {
    /// RFC 4271 §4.2.
    Open = 1,
    /// RFC 4271 §4.3.
    Update = 2,
    /// RFC 4271 §4.5.
    Notification = 3,
    /// RFC 4271 §4.4.
    Keepalive = 4,
    /// RFC 2918.
    RouteRefresh = 5,
}

impl MessageKind {
    fn from_wire(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Open,
            2 => Self::Update,
            3 => Self::Notification,
            4 => Self::Keepalive,
            5 => Self::RouteRefresh,
            _ => return None,
        })
    }

    /// Shortest and longest whole message of the kind, if messages may have `max` octets.
    fn bounds(self, max: usize) -> (usize, usize) {
        match self {
            Self::Open => (29, MAX_STANDARD),
            Self::Update => (23, max),
            Self::Notification => (21, max),
            Self::Keepalive => (HEADER, HEADER),
            Self::RouteRefresh => (HEADER, max),
        }
    }
}

/// A header that can not be understood: the stream is lost (RFC 4271 §6.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// The marker is not all ones.
    #[error("Connection Not Synchronized: the marker is not all ones")]
    NotSynchronized,
    /// The length can not be that of such a message.
    #[error("Bad Message Length {0}")]
    BadLength(u16),
    /// No such message.
    #[error("Bad Message Type {0}")]
    BadType(u8),
}

impl HeaderError {
    /// What the peer is told (RFC 4271 §6.1).
    pub fn notification(&self) -> Notification {
        match self {
            Self::NotSynchronized => Notification::new(Code::HEADER_NOT_SYNCHRONIZED),
            Self::BadLength(length) => {
                Notification::with_data(Code::HEADER_BAD_LENGTH, &length.to_be_bytes())
            }
            Self::BadType(kind) => Notification::with_data(Code::HEADER_BAD_TYPE, &[*kind]),
        }
    }
}

/// One whole message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// Its kind.
    pub kind: MessageKind,
    message: Bytes,
}

impl Frame {
    /// What is behind the header.
    pub fn body(&self) -> &[u8] {
        self.message.get(HEADER..).unwrap_or_default()
    }

    /// The whole message.
    pub fn message(&self) -> &Bytes {
        &self.message
    }

    /// Octets of the whole message.
    pub fn octets(&self) -> usize {
        self.message.len()
    }
}

/// Cuts messages out of a stream. One for each connection.
#[derive(Clone, Debug)]
pub struct Framer {
    max: usize,
}

impl Default for Framer {
    /// Messages of up to 4096 octets, until more is negotiated.
    fn default() -> Self {
        Self { max: MAX_STANDARD }
    }
}

impl Framer {
    /// Longest message from now on (RFC 8654).
    pub fn set_max_message(&mut self, max: usize) {
        self.max = max.clamp(MAX_STANDARD, MAX_EXTENDED);
    }

    /// Takes the next whole message out of the buffer; `None` when there is none yet. A header is judged as soon as its
    /// octets are there.
    ///
    /// # Errors
    /// The stream can not be understood from here on.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, HeaderError> {
        let marker = buffer
            .get(..buffer.len().min(MARKER.len()))
            .unwrap_or_default();
        if marker.iter().any(|octet| *octet != 0xff) {
            return Err(HeaderError::NotSynchronized);
        }
        let Some([a, b, code]) = buffer.get(MARKER.len()..HEADER) else {
            return Ok(None);
        };
        let length = u16::from_be_bytes([*a, *b]);
        let octets = usize::from(length);
        if octets < HEADER || octets > self.max {
            return Err(HeaderError::BadLength(length));
        }
        let kind = MessageKind::from_wire(*code).ok_or(HeaderError::BadType(*code))?;
        let (min, max) = kind.bounds(self.max);
        if octets < min || octets > max {
            return Err(HeaderError::BadLength(length));
        }
        if buffer.len() < octets {
            return Ok(None);
        }
        Ok(Some(Frame {
            kind,
            message: buffer.split_to(octets).freeze(),
        }))
    }
}

/// Writes a whole message: header, and what `body` adds.
pub(crate) fn encode(kind: MessageKind, body: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(64);
    begin(&mut out, kind);
    body(&mut out);
    finish(&mut out);
    out.into()
}

/// Where the length of a message is in it.
pub(crate) const LENGTH: core::ops::Range<usize> = MARKER.len()..MARKER.len() + 2;

/// Begins a message at the end of a buffer.
pub(crate) fn begin(out: &mut Vec<u8>, kind: MessageKind) {
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&[0, 0, kind as u8]);
}

/// Writes the length of the message that these octets are.
pub(crate) fn finish(out: &mut [u8]) {
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(LENGTH) {
        place.copy_from_slice(&length);
    }
}
