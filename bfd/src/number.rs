// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The quantities of a control packet (RFC 5880 §4.1).

use core::{fmt, num::NonZeroU32, time::Duration};

/// State of a session (RFC 5880 §4.1).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// An operator holds the session down; nothing is said about the path.
    AdminDown,
    /// There is no session, or it has just failed.
    #[default]
    Down,
    /// The neighbour is heard and does not hear us yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    pub(crate) fn from_wire(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    pub(crate) fn to_wire(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why the state changed last (RFC 5880 §4.1), five bits.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Diagnostic(u8);

#[allow(missing_docs, reason = "the names of RFC 5880 section 4.1")]
impl Diagnostic {
    pub const NONE: Self = Self(0);
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    pub const ECHO_FAILED: Self = Self(2);
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    pub const FORWARDING_PLANE_RESET: Self = Self(4);
    pub const PATH_DOWN: Self = Self(5);
    pub const CONCATENATED_PATH_DOWN: Self = Self(6);
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);
    pub const REVERSE_CONCATENATED_PATH_DOWN: Self = Self(8);
}

impl Diagnostic {
    /// The lower five bits.
    pub const fn from_wire(bits: u8) -> Self {
        Self(bits & 0x1f)
    }

    /// The code.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Its name, if it has one.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "no diagnostic",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbor signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            _ => return None,
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "diagnostic {}", self.0),
        }
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.0, self)
    }
}

/// Names a session within one system; never zero.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Discriminator(NonZeroU32);

impl Discriminator {
    /// `None` for zero, which is nobody's.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Discriminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Time between packets, in microseconds. Zero means: never.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Interval(u32);

impl Interval {
    /// None are wanted.
    pub const NEVER: Self = Self(0);

    /// So many microseconds.
    pub const fn from_micros(micros: u32) -> Self {
        Self(micros)
    }

    /// So many milliseconds, as many as fit.
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Microseconds.
    pub const fn as_micros(self) -> u32 {
        self.0
    }

    /// As a duration.
    pub const fn as_duration(self) -> Duration {
        Duration::from_micros(self.0 as u64)
    }
}
