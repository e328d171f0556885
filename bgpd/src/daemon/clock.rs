// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The monotonic clock, as the pure machines count it: since the daemon's start.

use std::time::{Duration, Instant as StdInstant};

use bgp_proto::Instant;

/// Where the pure machines' time comes from. All tasks share one origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: StdInstant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            origin: StdInstant::now(),
        }
    }

    pub(super) fn now(self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// The runtime's name for a deadline.
    pub(super) fn wake(self, deadline: Instant) -> tokio::time::Instant {
        let since_origin = deadline.saturating_since(Instant::ZERO);
        // Far deadlines are looked at again in a day.
        let bounded = since_origin.min(self.origin.elapsed() + Duration::from_secs(86_400));
        tokio::time::Instant::from_std(self.origin + bounded)
    }
}
