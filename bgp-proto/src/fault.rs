// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an error in an UPDATE costs (RFC 7606 §2): an attribute, the routes, or the session.

use core::fmt;

use bytes::Bytes;

use crate::{Code, Notification};

/// How grave an error is, least first. The gravest of an UPDATE decides.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// No error.
    Accept,
    /// Attributes are dropped, the routes stay.
    Discard,
    /// The routes are treated as withdrawn.
    Withdraw,
}

/// What is wrong with an attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Its flags contradict its type.
    Flags,
    /// Its length is wrong.
    Length,
    /// Its value is none that is defined.
    Value,
    /// It is there a second time.
    Duplicate,
    /// It is mandatory and not there.
    Missing,
    /// It must not come from such a peer.
    NotFromSuchAPeer,
    /// It is longer than the list of attributes.
    Overrun,
    /// The next hop is no address a router can have.
    Martian,
    /// Routes of a family that was not negotiated.
    FamilyNotNegotiated,
    /// IPv4 routes with an IPv6 next hop, which was not negotiated (RFC 8950).
    NextHopNotNegotiated,
    /// An `AS_SET`, which the session is told to refuse (RFC 9774).
    AsSet,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flags => "Attribute Flags Error",
            Self::Length => "Attribute Length Error",
            Self::Value => "invalid value",
            Self::Duplicate => "present a second time",
            Self::Missing => "Missing Well-known Attribute",
            Self::NotFromSuchAPeer => "not expected from such a peer",
            Self::Overrun => "longer than the attribute list",
            Self::Martian => "not the address of a router",
            Self::FamilyNotNegotiated => "address family not negotiated",
            Self::NextHopNotNegotiated => "IPv6 next hop not negotiated for IPv4",
            Self::AsSet => "AS_SET refused",
        })
    }
}

/// An error that does not cost the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Type code of the attribute, 0 for the routes outside of the attributes.
    pub attribute: u8,
    /// Its name, `attribute` if we do not know it, `NLRI` for 0.
    pub name: &'static str,
    /// What is wrong.
    pub reason: Reason,
    /// What it costs.
    pub verdict: Verdict,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cost = match self.verdict {
            Verdict::Accept => "ignored",
            Verdict::Discard => "attribute discarded",
            Verdict::Withdraw => "routes treated as withdrawn",
        };
        write!(
            f,
            "{} ({}): {}: {cost}",
            self.name, self.attribute, self.reason
        )
    }
}

/// An error that costs the session (RFC 7606 §3, §5).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UpdateError {
    /// Lengths that do not fit together, or an error that hides which routes are meant.
    #[error("Malformed Attribute List")]
    MalformedAttributeList,
    /// A well-known attribute that nobody knows.
    #[error("Unrecognized Well-known Attribute {code}")]
    UnrecognizedWellKnown {
        /// Type code.
        code: u8,
        /// The attribute as received, for the peer to see.
        attribute: Bytes,
    },
    /// NLRI that can not be read.
    #[error("Invalid Network Field")]
    InvalidNetworkField,
    /// `MP_REACH_NLRI` or `MP_UNREACH_NLRI` that can not be read.
    #[error("Optional Attribute Error in attribute {code}")]
    OptionalAttribute {
        /// Type code.
        code: u8,
        /// The attribute as received, for the peer to see.
        attribute: Bytes,
    },
}

impl UpdateError {
    /// What the peer is told (RFC 4271 §6.3).
    pub fn notification(&self) -> Notification {
        match self {
            Self::MalformedAttributeList => {
                Notification::new(Code::UPDATE_MALFORMED_ATTRIBUTE_LIST)
            }
            Self::UnrecognizedWellKnown { attribute, .. } => Notification {
                code: Code::UPDATE_UNRECOGNIZED_WELL_KNOWN,
                data: attribute.clone(),
            },
            Self::InvalidNetworkField => Notification::new(Code::UPDATE_NETWORK_FIELD),
            Self::OptionalAttribute { attribute, .. } => Notification {
                code: Code::UPDATE_OPTIONAL_ATTRIBUTE,
                data: attribute.clone(),
            },
        }
    }
}
