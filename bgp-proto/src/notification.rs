// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NOTIFICATION: every registered code by name (RFC 4271 §4.5, 4486, 5492, 6608, 7313, 8538, 9003, 9234, 9384, 9687).

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use core::fmt;

use bytes::Bytes;

use crate::{Family, MessageKind, frame};

/// Error code and subcode.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Code(pub u8, pub u8);

macro_rules! codes {
    ($($(#[$doc:meta])* $constant:ident = ($major:literal, $minor:literal, $name:literal);)*) => {
        impl Code {
            $($(#[$doc])* pub const $constant: Self = Self($major, $minor);)*
        }

        /// Names in the registry's words.
        static NAMES: &[(Code, &str)] = &[$((Code::$constant, $name)),*];
    };
}

codes! {
    /// RFC 4271 §6.1.
    HEADER_NOT_SYNCHRONIZED = (1, 1, "Message Header Error: Connection Not Synchronized");
    /// RFC 4271 §6.1.
    HEADER_BAD_LENGTH = (1, 2, "Message Header Error: Bad Message Length");
    /// RFC 4271 §6.1.
    HEADER_BAD_TYPE = (1, 3, "Message Header Error: Bad Message Type");
    /// RFC 4271 §6.2.
    OPEN_UNSPECIFIC = (2, 0, "OPEN Message Error: Unspecific");
    /// RFC 4271 §6.2.
    OPEN_VERSION = (2, 1, "OPEN Message Error: Unsupported Version Number");
    /// RFC 4271 §6.2.
    OPEN_BAD_PEER_AS = (2, 2, "OPEN Message Error: Bad Peer AS");
    /// RFC 4271 §6.2, RFC 6286.
    OPEN_BAD_IDENTIFIER = (2, 3, "OPEN Message Error: Bad BGP Identifier");
    /// RFC 4271 §6.2.
    OPEN_UNSUPPORTED_PARAMETER = (2, 4, "OPEN Message Error: Unsupported Optional Parameter");
    /// RFC 4271 §6.2.
    OPEN_HOLD_TIME = (2, 6, "OPEN Message Error: Unacceptable Hold Time");
    /// RFC 5492 §5.
    OPEN_UNSUPPORTED_CAPABILITY = (2, 7, "OPEN Message Error: Unsupported Capability");
    /// RFC 9234 §4.2.
    OPEN_ROLE_MISMATCH = (2, 11, "OPEN Message Error: Role Mismatch");
    /// RFC 4271 §6.3.
    UPDATE_MALFORMED_ATTRIBUTE_LIST = (3, 1, "UPDATE Message Error: Malformed Attribute List");
    /// RFC 4271 §6.3.
    UPDATE_UNRECOGNIZED_WELL_KNOWN = (3, 2, "UPDATE Message Error: Unrecognized Well-known Attribute");
    /// RFC 4271 §6.3.
    UPDATE_MISSING_WELL_KNOWN = (3, 3, "UPDATE Message Error: Missing Well-known Attribute");
    /// RFC 4271 §6.3.
    UPDATE_ATTRIBUTE_FLAGS = (3, 4, "UPDATE Message Error: Attribute Flags Error");
    /// RFC 4271 §6.3.
    UPDATE_ATTRIBUTE_LENGTH = (3, 5, "UPDATE Message Error: Attribute Length Error");
    /// RFC 4271 §6.3.
    UPDATE_ORIGIN = (3, 6, "UPDATE Message Error: Invalid ORIGIN Attribute");
    /// RFC 4271 §6.3.
    UPDATE_NEXT_HOP = (3, 8, "UPDATE Message Error: Invalid NEXT_HOP Attribute");
    /// RFC 4271 §6.3.
    UPDATE_OPTIONAL_ATTRIBUTE = (3, 9, "UPDATE Message Error: Optional Attribute Error");
    /// RFC 4271 §6.3.
    UPDATE_NETWORK_FIELD = (3, 10, "UPDATE Message Error: Invalid Network Field");
    /// RFC 4271 §6.3.
    UPDATE_AS_PATH = (3, 11, "UPDATE Message Error: Malformed AS_PATH");
    /// RFC 4271 §6.5.
    HOLD_TIMER_EXPIRED = (4, 0, "Hold Timer Expired");
    /// RFC 4271 §6.6.
    FSM = (5, 0, "Finite State Machine Error");
    /// RFC 6608 §3.
    FSM_OPEN_SENT = (5, 1, "Finite State Machine Error: Unexpected Message in OpenSent State");
    /// RFC 6608 §3.
    FSM_OPEN_CONFIRM = (5, 2, "Finite State Machine Error: Unexpected Message in OpenConfirm State");
    /// RFC 6608 §3.
    FSM_ESTABLISHED = (5, 3, "Finite State Machine Error: Unexpected Message in Established State");
    /// RFC 4486 §3.
    CEASE_MAXIMUM_PREFIXES = (6, 1, "Cease: Maximum Number of Prefixes Reached");
    /// RFC 4486 §3, RFC 9003.
    CEASE_ADMIN_SHUTDOWN = (6, 2, "Cease: Administrative Shutdown");
    /// RFC 4486 §3.
    CEASE_DECONFIGURED = (6, 3, "Cease: Peer De-configured");
    /// RFC 4486 §3, RFC 9003.
    CEASE_ADMIN_RESET = (6, 4, "Cease: Administrative Reset");
    /// RFC 4486 §3.
    CEASE_REJECTED = (6, 5, "Cease: Connection Rejected");
    /// RFC 4486 §3.
    CEASE_CONFIGURATION_CHANGE = (6, 6, "Cease: Other Configuration Change");
    /// RFC 4486 §3.
    CEASE_COLLISION = (6, 7, "Cease: Connection Collision Resolution");
    /// RFC 4486 §3.
    CEASE_OUT_OF_RESOURCES = (6, 8, "Cease: Out of Resources");
    /// RFC 8538 §3.
    CEASE_HARD_RESET = (6, 9, "Cease: Hard Reset");
    /// RFC 9384 §3.
    CEASE_BFD_DOWN = (6, 10, "Cease: BFD Down");
    /// RFC 7313 §5.
    REFRESH_LENGTH = (7, 1, "ROUTE-REFRESH Message Error: Invalid Message Length");
    /// RFC 9687 §4.
    SEND_HOLD_TIMER_EXPIRED = (8, 0, "Send Hold Timer Expired");
}

/// Names of whole classes, for subcodes that are not registered.
static CLASSES: &[(u8, &str)] = &[
    (1, "Message Header Error"),
    (2, "OPEN Message Error"),
    (3, "UPDATE Message Error"),
    (4, "Hold Timer Expired"),
    (5, "Finite State Machine Error"),
    (6, "Cease"),
    (7, "ROUTE-REFRESH Message Error"),
    (8, "Send Hold Timer Expired"),
];

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES
            .iter()
            .find(|(code, _)| code == self)
            .map(|(_, name)| *name);
        let class = || {
            CLASSES
                .iter()
                .find(|(major, _)| *major == self.0)
                .map(|(_, name)| *name)
        };
        f.write_str(named.or_else(class).unwrap_or("Unregistered Error"))?;
        write!(f, " ({}/{})", self.0, self.1)
    }
}

/// Octets of a shutdown communication at most (RFC 9003 §2).
const SHUTDOWN_TEXT: usize = 255;

/// A NOTIFICATION: the session is over, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notification {
    /// Code and subcode.
    pub code: Code,
    /// Data; what is in it depends on the code.
    pub data: Bytes,
}

impl Notification {
    /// Without data.
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            data: Bytes::new(),
        }
    }

    /// With data.
    pub fn with_data(code: Code, data: &[u8]) -> Self {
        Self {
            code,
            data: Bytes::copy_from_slice(data),
        }
    }

    /// With a text for the operator of the other side (RFC 9003 §2): cut at 255 octets, between characters. An empty text
    /// makes no data.
    pub fn with_shutdown_text(code: Code, text: &str) -> Self {
        let end = (0..=text.len().min(SHUTDOWN_TEXT))
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        let text = text.get(..end).unwrap_or_default();
        if text.is_empty() {
            return Self::new(code);
        }
        let mut data = Vec::with_capacity(text.len() + 1);
        data.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        data.extend_from_slice(text.as_bytes());
        Self {
            code,
            data: data.into(),
        }
    }

    /// With the limit that was passed (RFC 4486 §4).
    pub fn maximum_prefixes(family: Family, limit: u32) -> Self {
        let mut data = Vec::with_capacity(7);
        data.extend_from_slice(&family.afi.0.to_be_bytes());
        data.push(family.safi.0);
        data.extend_from_slice(&limit.to_be_bytes());
        Self {
            code: Code::CEASE_MAXIMUM_PREFIXES,
            data: data.into(),
        }
    }

    /// Reads the body of the message. It never fails: one that is too short for a code is 0/0.
    pub fn decode(body: &[u8]) -> Self {
        match body {
            [major, minor, data @ ..] => Self::with_data(Code(*major, *minor), data),
            _ => Self::new(Code(0, 0)),
        }
    }

    /// The whole message. Data that would make it longer than 4096 octets is cut.
    pub fn encode(&self) -> Bytes {
        let data = self
            .data
            .get(..self.data.len().min(frame::MAX_STANDARD - frame::HEADER - 2))
            .unwrap_or_default();
        frame::encode(MessageKind::Notification, |out| {
            out.extend_from_slice(&[self.code.0, self.code.1]);
            out.extend_from_slice(data);
        })
    }

    /// The shutdown communication (RFC 9003), with control characters escaped. `None` if there is none, or if its length
    /// or encoding is wrong: the NOTIFICATION counts all the same.
    pub fn shutdown_text(&self) -> Option<String> {
        if !matches!(
            self.code,
            Code::CEASE_ADMIN_SHUTDOWN | Code::CEASE_ADMIN_RESET | Code::CEASE_HARD_RESET
        ) {
            return None;
        }
        let data = if self.code == Code::CEASE_HARD_RESET {
            self.data.get(2..)?
        } else {
            &self.data
        };
        let (length, text) = data.split_first()?;
        if text.len() != usize::from(*length) || text.is_empty() {
            return None;
        }
        core::str::from_utf8(text).ok().map(escape)
    }
}

/// Shown as nothing, or turns the text around: as good as a control character to whoever forges a log line.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// A peer's text made safe for logs and terminals.
pub(crate) fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, character| {
            if character.is_control() || is_invisible(character) {
                out.push_str(&character.escape_default().to_string());
            } else {
                out.push(character);
            }
            out
        })
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        match self.shutdown_text() {
            Some(text) => write!(f, ": \"{text}\""),
            None => Ok(()),
        }
    }
}
