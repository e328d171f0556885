// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Version 3 of GoBGP's API as version 4: whoever serves the latter serves both.
//!
//! Most messages are the same Rust type. Of the others, enums count from one instead of from zero ([`newer`]), an `Any`
//! has become a message with a `oneof` ([`any`]), and a few fields have other numbers. What an older client can send
//! becomes the newer message by `From`, or by `TryFrom` where an `Any` may hold nonsense; what it is answered becomes the
//! older one by `From`.

/// Both ways between two messages whose fields have the same names.
macro_rules! message {
    ($($name:ident {
        $(keep: [$($keep:ident),* $(,)?];)?
        $(shift: [$($shift:ident),* $(,)?];)?
        $(convert: [$($convert:ident),* $(,)?];)?
        $(each: [$($each:ident),* $(,)?];)?
        $(new: [$($new:ident),* $(,)?];)?
    })*) => {$(
        impl From<v3::$name> for v4::$name {
            fn from(old: v3::$name) -> Self {
                Self {
                    $($($keep: old.$keep,)*)?
                    $($($shift: newer(old.$shift),)*)?
                    $($($convert: old.$convert.map(Into::into),)*)?
                    $($($each: old.$each.into_iter().map(Into::into).collect(),)*)?
                    $($($new: Default::default(),)*)?
                }
            }
        }

        impl From<v4::$name> for v3::$name {
            fn from(new: v4::$name) -> Self {
                Self {
                    $($($keep: new.$keep,)*)?
                    $($($shift: older(new.$shift),)*)?
                    $($($convert: new.$convert.map(Into::into),)*)?
                    $($($each: new.$each.into_iter().map(Into::into).collect(),)*)?
                }
            }
        }
    )*};
}

pub mod any;
mod capability;
mod path;
mod peer;
mod policy;
mod rare;
mod request;

/// An `Any` that is not what belongs in its place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadAny {
    /// There is none, or an empty one.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A message that we do not know, or that belongs elsewhere.
    #[error("`{url}` is no {wanted} that is known here")]
    Unknown {
        /// What it says it is.
        url: String,
        /// What was expected.
        wanted: &'static str,
    },
    /// Its octets are not the message that it names.
    #[error("`{url}` can't be read: {error}")]
    Garbled {
        /// What it says it is.
        url: String,
        /// What is wrong.
        error: prost::DecodeError,
    },
}

/// Value of an enum that counts from zero in version 3 and from one in version 4. What is no value stays none.
pub fn newer(number: i32) -> i32 {
    if number < 0 {
        number
    } else {
        number.saturating_add(1)
    }
}

/// The other way; what is unspecified becomes the first value, as in version 3 it is.
pub fn older(number: i32) -> i32 {
    number.saturating_sub(1).max(0)
}
