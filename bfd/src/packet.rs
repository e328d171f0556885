// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control packet (RFC 5880 §4.1): octets to a type and back, and those checks of §6.8.6 that need no session.

use core::{
    fmt,
    num::NonZeroU8,
    ops::{BitOr, Sub},
};

use thiserror::Error;

use crate::{Diagnostic, Discriminator, Interval, State};

/// The flag bits of a control packet, at their places in its second octet.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Flags(u8);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// P: answer me.
    pub const POLL: Self = Self(0x20);
    /// F: the answer to P.
    pub const FINAL: Self = Self(0x10);
    /// C: the sender's BFD does not share fate with its control plane.
    pub const CONTROL_PLANE_INDEPENDENT: Self = Self(0x08);
    /// D: the sender wants no periodic packets while the session is up.
    pub const DEMAND: Self = Self(0x02);

    /// Whether all of these are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for Flags {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::POLL, "P"),
            (Self::FINAL, "F"),
            (Self::CONTROL_PLANE_INDEPENDENT, "C"),
            (Self::DEMAND, "D"),
        ];
        let mut set = names.iter().filter(|(flag, _)| self.contains(*flag));
        set.try_for_each(|(_, name)| f.write_str(name))
    }
}

/// Why a control packet is discarded without looking for its session (RFC 5880 §6.8.6).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum PacketError {
    #[error("shorter than a control packet")]
    Short,
    #[error("version {0} is not 1")]
    Version(u8),
    #[error("its length of {0} is less than that of a control packet or more than has arrived")]
    Length(u8),
    #[error("the detection multiplier is zero")]
    Multiplier,
    #[error("the multipoint bit is set")]
    Multipoint,
    #[error("it names no session of its sender")]
    MyDiscriminator,
    #[error("it names no session of ours, and is not of one that begins")]
    YourDiscriminator,
    #[error("it is not authenticated as its session is")]
    Authentication,
}

/// A control packet without authentication.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packet {
    /// Why the sender's state changed last.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// P, F, C, D.
    pub flags: Flags,
    /// So many packets missing are a failure.
    pub multiplier: NonZeroU8,
    /// The sender's name for the session.
    pub my_discriminator: Discriminator,
    /// The receiver's name for the session, if the sender knows it.
    pub your_discriminator: Option<Discriminator>,
    /// The sender would like to send this often.
    pub desired_min_tx: Interval,
    /// The sender can take them this often.
    pub required_min_rx: Interval,
    /// The sender would return echo packets this often.
    pub required_min_echo_rx: Interval,
}

impl Packet {
    /// Octets of a packet without authentication.
    pub const LENGTH: usize = 24;

    /// A: there is an authentication section.
    pub(crate) const AUTHENTICATED: u8 = 0x04;

    /// Reads the payload of a datagram of a session without authentication. What follows the packet's own length is ignored, as RFC 5880 §6.8.6 wants.
    ///
    /// # Errors
    /// Why it is to be discarded.
    pub fn decode(octets: &[u8]) -> Result<Self, PacketError> {
        match Self::read(octets)? {
            (packet, false) => Ok(packet),
            (_, true) => Err(PacketError::Authentication),
        }
    }

    /// Reads it, and whether there is an authentication section, which is not looked at.
    pub(crate) fn read(octets: &[u8]) -> Result<(Self, bool), PacketError> {
        let Some(([first, second, multiplier, length], rest)) = octets.split_first_chunk() else {
            return Err(PacketError::Short);
        };
        if first >> 5 != VERSION {
            return Err(PacketError::Version(first >> 5));
        }
        let authenticated = second & Self::AUTHENTICATED != 0;
        let least = Self::LENGTH + if authenticated { 2 } else { 0 };
        if usize::from(*length) < least || usize::from(*length) > octets.len() {
            return Err(PacketError::Length(*length));
        }
        let multiplier = NonZeroU8::new(*multiplier).ok_or(PacketError::Multiplier)?;
        if second & MULTIPOINT != 0 {
            return Err(PacketError::Multipoint);
        }
        let mut words = rest.as_chunks().0.iter().copied().map(u32::from_be_bytes);
        let mut word = || words.next().ok_or(PacketError::Short);
        let packet = Self {
            diagnostic: Diagnostic::from_wire(*first),
            state: State::from_wire(second >> 6),
            flags: Flags(second & FLAGS),
            multiplier,
            my_discriminator: Discriminator::new(word()?).ok_or(PacketError::MyDiscriminator)?,
            your_discriminator: Discriminator::new(word()?),
            desired_min_tx: Interval::from_micros(word()?),
            required_min_rx: Interval::from_micros(word()?),
            required_min_echo_rx: Interval::from_micros(word()?),
        };
        if packet.your_discriminator.is_none() && packet.state > State::Down {
            return Err(PacketError::YourDiscriminator);
        }
        Ok((packet, authenticated))
    }

    /// Writes it.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let words = [
            self.my_discriminator.get(),
            self.your_discriminator.map_or(0, Discriminator::get),
            self.desired_min_tx.as_micros(),
            self.required_min_rx.as_micros(),
            self.required_min_echo_rx.as_micros(),
        ];
        let head = [
            VERSION << 5 | self.diagnostic.code(),
            self.state.to_wire() << 6 | self.flags.0,
            self.multiplier.get(),
            24,
        ];
        let mut octets = [0; Self::LENGTH];
        let values = head
            .into_iter()
            .chain(words.into_iter().flat_map(u32::to_be_bytes));
        for (octet, value) in octets.iter_mut().zip(values) {
            *octet = value;
        }
        octets
    }
}

const VERSION: u8 = 1;
const MULTIPOINT: u8 = 0x01;
const FLAGS: u8 = 0x3a;
