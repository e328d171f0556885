// SPDX-License-Identifier: Apache-2.0 OR MIT
//! [`control`](crate::control) ⇄ protobuf: the only place that knows both.
//!
//! Towards protobuf nothing can fail. From protobuf everything is checked, and an error names the field and says what
//! would be right, because it is what the client's user reads. GoBGP's messages will convert here as well.

mod attributes;
mod bfd;
mod capabilities;
mod events;
mod peers;
mod plan;
mod policies;
mod policy;
mod requests;
mod routes;

use std::{fmt::Display, net::IpAddr, str::FromStr, time::Duration};

use bgp_proto::{Afi, Family, Prefix, RouterId, Safi};
use bgpd_api::v1;

use crate::config::PeerName;

pub use self::capabilities::text as capability_text;
pub use self::requests::{explain_request, order, order_request, query, query_request};

/// A type with a protobuf message of its own.
pub trait Protobuf: Sized {
    /// The message.
    type Message;

    /// Always possible.
    fn to_protobuf(&self) -> Self::Message;

    /// The way back.
    ///
    /// # Errors
    ///
    /// [`BadMessage`] if the message says nothing that this type can hold.
    fn from_protobuf(message: Self::Message) -> Result<Self, BadMessage>;
}

/// A message that makes no sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadMessage {
    /// Which field, with the way to it: `routes[2].attributes.next_hop`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl BadMessage {
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }

    fn missing(field: &str) -> Self {
        Self::new(field, "is missing")
    }

    /// The same, seen from the message around it.
    fn within(mut self, outer: impl Display) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }
}

/// Converts each element, with its index in the error.
///
/// # Errors
///
/// The first element's that can't be converted.
pub fn list<M, T>(
    field: &str,
    messages: Vec<M>,
    convert: impl Fn(M) -> Result<T, BadMessage>,
) -> Result<Vec<T>, BadMessage> {
    let convert = |(index, message)| {
        convert(message).map_err(|error| error.within(format_args!("{field}[{index}]")))
    };
    messages.into_iter().enumerate().map(convert).collect()
}

/// An IP address.
///
/// # Errors
///
/// If `text` is none.
pub fn address(field: &str, text: &str) -> Result<IpAddr, BadMessage> {
    text.parse()
        .map_err(|_| BadMessage::new(field, format!("`{text}` is not an IP address")))
}

/// What a neighbour is called.
///
/// # Errors
///
/// If `text` can be no neighbour.
pub fn peer_name(field: &str, text: &str) -> Result<PeerName, BadMessage> {
    text.parse()
        .map_err(|error: crate::config::BadName| BadMessage::new(field, error.to_string()))
}

/// A prefix; a bare address counts as a host route.
///
/// # Errors
///
/// If `text` is none, or has host bits set: then the error names the prefix that was probably meant.
pub fn prefix(field: &str, text: &str) -> Result<Prefix, BadMessage> {
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(length)),
    };
    let unreadable = || {
        BadMessage::new(
            field,
            format!("`{text}` is not a prefix such as 192.0.2.0/24 or 2001:db8::/32"),
        )
    };
    let address: IpAddr = address.parse().map_err(|_| unreadable())?;
    let (bits, family) = if address.is_ipv4() {
        (32, "IPv4")
    } else {
        (128, "IPv6")
    };
    let length = match length {
        None => bits,
        Some(length) if length.bytes().all(|octet| octet.is_ascii_digit()) => u8::from_str(length)
            .ok()
            .filter(|&length| length <= bits)
            .ok_or_else(|| {
                BadMessage::new(
                    field,
                    format!("`{text}`: a prefix of {family} has a length of at most {bits}"),
                )
            })?,
        Some(_) => return Err(unreadable()),
    };
    let truncated = Prefix::truncating(address, length).ok_or_else(unreadable)?;
    if truncated.addr() == address {
        Ok(truncated)
    } else {
        Err(BadMessage::new(
            field,
            format!("`{text}` has host bits set; did you mean {truncated}?"),
        ))
    }
}

fn parsed<T: FromStr>(field: &str, text: &str, what: &str) -> Result<T, BadMessage> {
    text.parse()
        .map_err(|_| BadMessage::new(field, format!("`{text}` is not {what}")))
}

fn router_id(field: &str, text: &str) -> Result<RouterId, BadMessage> {
    let address = parsed(field, text, "a BGP identifier such as 192.0.2.1")?;
    RouterId::new(address)
        .ok_or_else(|| BadMessage::new(field, "a BGP identifier is not 0.0.0.0 (RFC 6286)"))
}

fn small<T: TryFrom<u32>>(field: &str, number: u32) -> Result<T, BadMessage> {
    T::try_from(number).map_err(|_| BadMessage::new(field, format!("{number} is too large")))
}

fn duration_to(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

fn duration_from(
    field: &str,
    duration: Option<prost_types::Duration>,
) -> Result<Duration, BadMessage> {
    let duration = duration.unwrap_or_default();
    let (seconds, nanos) = (
        u64::try_from(duration.seconds),
        u32::try_from(duration.nanos),
    );
    match (seconds, nanos) {
        (Ok(seconds), Ok(nanos @ ..1_000_000_000)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(BadMessage::new(field, "is not a positive duration")),
    }
}

impl Protobuf for Family {
    type Message = v1::Family;

    fn to_protobuf(&self) -> v1::Family {
        v1::Family {
            afi: self.afi.0.into(),
            safi: self.safi.0.into(),
        }
    }

    fn from_protobuf(message: v1::Family) -> Result<Self, BadMessage> {
        Ok(Self {
            afi: Afi(small("afi", message.afi)?),
            safi: Safi(small("safi", message.safi)?),
        })
    }
}

#[cfg(test)]
mod tests;
