// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bidirectional forwarding detection (RFC 5880 to 5883), asynchronous mode: packets, session machines and how packets
//! find their session. No I/O.
//!
//! ```
//! use bfd::{Output, Path, Settings, Speaker, State};
//! use bgp_proto::Instant;
//!
//! let mut speaker = Speaker::new(7);
//! let path = Path::single_hop("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap(), 3);
//! let id = speaker.add(path, Settings::default(), Instant::ZERO);
//! let Some(Output::Send { packet, .. }) = speaker.drain().next() else { panic!("the first packet goes at once") };
//! assert_eq!((packet.state, packet.my_discriminator), (State::Down, id));
//! assert!(speaker.deadline().is_some()); // then feed `Speaker::tick`
//! ```
//!
//! The driver feeds datagrams with the time at which the *kernel* had them, and feeds all that have arrived before it
//! feeds a tick: then a driver that gets the processor late does not take its own sleep for the silence of a neighbour.
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

mod authentication;
mod jitter;
mod number;
mod packet;
mod session;
mod speaker;

pub use authentication::{Key, Method};
pub use number::{Diagnostic, Discriminator, Interval, State};
pub use packet::{Flags, Packet, PacketError};
pub use session::{Action, Counters, Event, Session, Settings};
pub use speaker::{Datagram, Discard, Hops, Output, Path, Speaker};

/// UDP port of single-hop control packets (RFC 5881 §4).
pub const SINGLE_HOP_PORT: u16 = 3784;

/// UDP port of multihop control packets (RFC 5883 §5).
pub const MULTIHOP_PORT: u16 = 4784;

/// The TTL or hop limit of what we send, and of what a single hop may have (RFC 5881 §5).
pub const TTL: u8 = 255;
