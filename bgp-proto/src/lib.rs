// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BGP-4 wire codec: bytes to types and back, with RFC 7606 verdicts. No I/O.
//!
//! ```
//! use bgp_proto::{AsPath, Asn, Family, Negotiated, NextHop, Origin, PathAttributes, Update, UpdateWriter, frame};
//! use core::net::Ipv4Addr;
//!
//! let session = Negotiated::default(); // or `Negotiated::from_opens(&ours, &theirs)`
//! let path = AsPath::from_sequence([Asn(64512), Asn(65001)]);
//! let attributes = PathAttributes::new(Origin::Igp, path, NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)));
//! let route = (0, "10.244.1.0/26".parse().unwrap());
//! UpdateWriter::new(&session).announce(&attributes, Family::IPV4_UNICAST, [route], |message| {
//!     let update = Update::decode(&message[frame::HEADER..], &session).unwrap();
//!     let (read, block) = update.announced().next().unwrap();
//!     assert_eq!((read, block.prefixes().next()), (&attributes, Some(route)));
//! }).unwrap();
//! ```
//!
//! A stream becomes messages in [`Framer`]; [`Open`], [`Notification`] and [`RouteRefresh`] are read whole. [`Update`] is
//! a checked view of the octets received: attributes are decoded once, prefixes stay where they are, and walking it can
//! not fail. What was wrong is in [`Update::faults`], and what that costs in [`Update::verdict`]; only what costs the
//! session is an `Err`. How octets are to be understood, [`Negotiated`] says.
#![no_std]
#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::iter_over_hash_type
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod reader;

mod as_path;
mod attribute;
mod attributes;
mod capability;
mod community;
mod family;
mod fault;
pub mod frame;
mod message;
mod negotiated;
mod nlri;
mod notification;
mod number;
mod open;
mod prefix;
mod time;
mod update;
mod writer;

pub use as_path::{AsPath, SegmentKind, Segments};
pub use attribute::{PackedAttributes, attribute_name};
pub use attributes::{Aggregator, NextHop, Origin, PathAttributes, UnknownAttribute};
pub use capability::{
    AddPath, AddPathDirection, Capability, ExtendedNextHop, GracefulRestart, LongLivedFamily,
    RestartFamily, Role,
};
pub use community::{Community, CommunityError, ExtendedCommunity, LargeCommunity};
pub use family::{Afi, Family, Safi, UnknownFamily};
pub use fault::{Fault, Reason, UpdateError, Verdict};
pub use frame::{Frame, Framer, HeaderError, MessageKind};
pub use message::{Message, RefreshError, RefreshSubtype, RouteRefresh};
pub use negotiated::{Negotiated, NegotiatedFamily, PeerKind};
pub use nlri::NlriBlock;
pub use notification::{Code, Notification};
pub use number::{Asn, ClusterId, RouterId};
pub use open::{HoldTime, Open, OpenError};
pub use prefix::{Ipv4Prefix, Ipv6Prefix, Prefix, PrefixError};
pub use time::Instant;
pub use update::Update;
pub use writer::{Messages, TooLarge, UpdateWriter};
