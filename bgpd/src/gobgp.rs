// SPDX-License-Identifier: Apache-2.0 OR MIT
//! GoBGP's management API in front of [`Control`]: what `gobgp` and programs written for GoBGP speak.
//!
//! Everything is implemented once, against the messages of version 4; [`service`] serves both versions with it. One
//! file is one subject, and what is not served says so (UNIMPLEMENTED). Where GoBGP answers UNKNOWN for whatever is
//! wrong, the status here says what kind of wrong it is; the words are GoBGP's where clients know them.

mod attributes;
mod binary;
mod capabilities;
mod changes;
mod communities;
mod log;
mod octets;
mod origination;
mod paths;
mod peers;
mod policy;
mod rare;
mod service;
mod stream;
mod watch;

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bgp_proto::{Afi, Family, Safi};
use bgpd_api::v4;
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub(crate) use self::octets::Streams;
use self::origination::Names;
use crate::{api::Control, config::family_name};

/// The largest message that is read and written, as in GoBGP and its client.
pub(crate) const MAX_MESSAGE: usize = 256 << 20;

/// Of GoBGP's API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    Three,
    Four,
}

/// Both services. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gobgp<C> {
    control: C,
    shutdown: CancellationToken,
    /// What paths are called that were added here.
    names: Arc<Mutex<Names>>,
}

impl<C: Control> Gobgp<C> {
    pub(crate) fn new(control: C, shutdown: CancellationToken) -> Self {
        Self {
            control,
            shutdown,
            names: Arc::default(),
        }
    }

    /// Refuses what GoBGP does not do before `StartBgp`.
    fn started(&self) -> Result<(), Status> {
        if self.control.config().global.is_given() {
            return Ok(());
        }
        Err(Status::failed_precondition("bgp server hasn't started yet"))
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The family that a request asks for.
fn family(message: Option<v4::Family>) -> Result<Family, Status> {
    let v4::Family { afi, safi } = message.ok_or_else(|| wrong("family is required"))?;
    match (u16::try_from(afi), u8::try_from(safi)) {
        (Ok(afi), Ok(safi)) if afi > 0 && safi > 0 => Ok(Family {
            afi: Afi(afi),
            safi: Safi(safi),
        }),
        _ => Err(wrong(format!(
            "address family: afi {afi} safi {safi} not supported"
        ))),
    }
}

fn family_message(family: Family) -> v4::Family {
    v4::Family {
        afi: family.afi.0.into(),
        safi: family.safi.0.into(),
    }
}

fn not_supported(family: Family) -> Status {
    wrong(format!(
        "address family: {} not supported",
        family_name(family)
    ))
}

/// Of a request that can't be converted.
fn bad(error: impl Display) -> Status {
    wrong(error.to_string())
}

fn wrong(text: impl Into<String>) -> Status {
    Status::invalid_argument(text)
}
