// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a command failed, for the user and for the exit status.

use std::{fmt::Write as _, io};

use crate::api::convert::BadMessage;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No daemon answers: where it was looked for, and what the system said.
    #[error("{}", unreachable(.0))]
    Unreachable(Vec<(String, io::Error)>),
    /// Something else answers.
    #[error("what answers at {0} is not bgpd, or one that is older than this bgpctl")]
    NotBgpd(String),
    /// The connection broke: where to, and how.
    #[error("the connection to bgpd at {0} broke: {1}")]
    Lost(String, String),
    /// The daemon says no.
    #[error("{}", .0.message())]
    Refused(Box<tonic::Status>),
    /// The daemon does not have what was asked for.
    #[error("{0}")]
    NotFound(String),
    /// Its answer can't be understood.
    #[error("the answer can't be understood, bgpd may be newer than this bgpctl: {0}")]
    Answer(#[from] BadMessage),
    /// The command makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Output can't be written.
    #[error("can't write: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// See [`run`](super::run).
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::NotBgpd(_)
            | Self::Lost(..)
            | Self::Refused(_)
            | Self::Answer(_)
            | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::NotFound(_) => 4,
        }
    }

    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// `{"error":"…","kind":"…"}`.
    pub(super) fn json(&self) -> serde_json::Value {
        let kind = match self {
            Self::Unreachable(_) => "unreachable",
            Self::NotBgpd(_) => "not-bgpd",
            Self::Lost(..) => "lost",
            Self::Refused(status) => match status.code() {
                tonic::Code::InvalidArgument => "invalid",
                tonic::Code::FailedPrecondition => "not-possible",
                tonic::Code::Unavailable => "unavailable",
                tonic::Code::PermissionDenied => "not-allowed",
                _ => "refused",
            },
            Self::NotFound(_) => "not-found",
            Self::Answer(_) => "answer",
            Self::Usage(_) => "usage",
            Self::Output(_) => "output",
        };
        serde_json::json!({ "error": self.to_string(), "kind": kind })
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

fn unreachable(tried: &[(String, io::Error)]) -> String {
    let mut text = String::from("no bgpd answers.");
    for (target, error) in tried {
        // Writing to a string can't fail.
        let _ = write!(text, "\n  tried {target}: {error}");
        if error.kind() == io::ErrorKind::PermissionDenied {
            text.push_str("; be root, or in the group of the socket");
        }
    }
    text.push_str("\nStart it with `bgpd --config FILE`, or say where it listens with --target or BGPD_TARGET.");
    text
}
