// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BGP-4 wire codec: bytes to types and back, with RFC 7606 verdicts. No I/O.
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
pub use writer::{TooLarge, UpdateWriter};
