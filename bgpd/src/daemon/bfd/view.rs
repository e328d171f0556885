// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a neighbour's task sees of BFD.

use bfd::State;
use tracing::{info, warn};

use super::{Health, Watched};
use crate::peer::BfdNews;

/// The last that was seen.
#[derive(Debug, Default)]
pub(in crate::daemon) struct BfdView {
    watched: Option<Watched>,
    seen: Health,
}

impl BfdView {
    /// Nothing is known.
    pub(in crate::daemon) const UNKNOWN: BfdNews = BfdNews {
        up: false,
        failed: false,
        independent: false,
    };

    /// What happens from now on; how often it failed before is nobody's concern.
    pub(in crate::daemon) fn new(mut watched: Option<Watched>) -> Self {
        let failures = watched
            .as_ref()
            .map_or(0, |watched| watched.borrow().failures);
        if let Some(watched) = &mut watched {
            watched.mark_changed();
        }
        Self {
            watched,
            seen: Health {
                failures,
                ..Health::default()
            },
        }
    }

    /// Whether the path is watched.
    pub(in crate::daemon) fn is_on(&self) -> bool {
        self.watched.is_some()
    }

    /// Waits for news. May be dropped and called again.
    pub(in crate::daemon) async fn next(&mut self) -> BfdNews {
        let Some(watched) = &mut self.watched else {
            return std::future::pending().await;
        };
        if watched.changed().await.is_err() {
            // Somebody else watches now, or nobody.
            self.watched = None;
            return Self::UNKNOWN;
        }
        let health = watched.borrow_and_update().clone();
        let was = std::mem::replace(&mut self.seen, health);
        self.seen.tell(&was)
    }
}

impl Health {
    /// Logs the difference, and says what it is to the session.
    fn tell(&self, was: &Self) -> BfdNews {
        let failed = self.failures != was.failures;
        if let Some(problem) = self
            .problem
            .as_ref()
            .filter(|_| self.problem != was.problem)
        {
            warn!(%problem, "no BFD session");
        }
        let remote_admin_down = self.remote_admin_down;
        let diagnostic = self.diagnostic;
        if failed {
            warn!(from = %was.state, to = %self.state, %diagnostic, "BFD session failed");
        } else if self.state != was.state {
            info!(from = %was.state, to = %self.state, %diagnostic, remote_admin_down, "BFD session changed");
        }
        BfdNews {
            up: self.state == State::Up,
            failed,
            independent: self.independent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;

    use super::*;

    fn health(state: State, failures: u64) -> Health {
        Health {
            state,
            failures,
            ..Health::default()
        }
    }

    const UP: BfdNews = BfdNews {
        up: true,
        ..BfdView::UNKNOWN
    };

    #[tokio::test]
    async fn a_failure_is_seen_though_the_path_works_again() {
        let (sender, receiver) = watch::channel(health(State::Up, 3));
        let mut view = BfdView::new(Some(receiver));
        // What it is now, without what was before.
        assert_eq!(view.next().await, UP);
        sender.send_replace(health(State::Down, 4));
        sender.send_replace(health(State::Up, 4));
        assert_eq!(view.next().await, BfdNews { failed: true, ..UP });
        drop(sender);
        assert_eq!(view.next().await, BfdView::UNKNOWN);
        assert!(!view.is_on());
        let silence = tokio::time::timeout(Duration::from_millis(1), view.next()).await;
        assert!(silence.is_err());
    }

    #[tokio::test]
    async fn an_operator_is_no_failure() {
        let (sender, receiver) = watch::channel(health(State::Up, 0));
        let mut view = BfdView::new(Some(receiver));
        view.next().await;
        sender.send_replace(health(State::Down, 0));
        assert_eq!(view.next().await, BfdView::UNKNOWN);
    }
}
