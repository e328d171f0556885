// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What passes: all or nothing, and which sources are announced. Nobody outside looks into the type.

use crate::Source;

/// Which routes pass an import or an export.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Policy {
    accept: bool,
    /// Interfaces' prefixes and the kernel's routes pass on export.
    redistribute: bool,
}

impl Policy {
    /// All routes; on export those of BGP, static and API routes, not what was learned from the kernel.
    pub const fn accept_all() -> Self {
        Self {
            accept: true,
            redistribute: false,
        }
    }

    /// None: what RFC 8212 asks of an external session without policy.
    pub const fn reject_all() -> Self {
        Self {
            accept: false,
            redistribute: false,
        }
    }

    /// The same, and on export what was learned from the kernel too.
    #[must_use]
    pub const fn redistributing(self) -> Self {
        Self {
            accept: self.accept,
            redistribute: true,
        }
    }

    pub(crate) fn imports(&self) -> bool {
        self.accept
    }

    pub(crate) fn exports(&self, source: Source) -> bool {
        self.accept && (self.redistribute || !matches!(source, Source::Direct | Source::Kernel))
    }
}
