// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of the tables, in the pieces in which it happens: made once, and shared by all who follow.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use bgp_proto::{Asn, Family, PathAttributes, Prefix, RouterId};

use super::{Route, RouteSource, SessionState};
use crate::config::PeerName;

/// Changes and other news that wait for one who follows: past that it is let go, and has to ask again.
pub const NEWS_PER_FOLLOWER: usize = 1 << 18;

/// Changes in one piece of news.
pub const CHANGES_PER_NEWS: usize = 1024;

/// What to follow.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says of one thing whether it is told"
)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Interest {
    /// Sessions.
    pub peers: bool,
    /// Best paths.
    pub best: bool,
    /// What neighbours send, before import policy.
    pub received: bool,
    /// The same after import policy: what it rejects is withdrawn.
    pub accepted: bool,
    /// Neighbours that have sent all of a table (RFC 4724 §2).
    pub ends: bool,
}

impl Interest {
    /// Whatever one of the two wants.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            peers: self.peers || other.peers,
            best: self.best || other.best,
            received: self.received || other.received,
            accepted: self.accepted || other.accepted,
            ends: self.ends || other.ends,
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum News {
    /// A session changed its state.
    Peer {
        /// Whose.
        name: PeerName,
        /// To.
        to: SessionState,
    },
    /// Routes changed.
    Changes(Arc<Changes>),
    /// A neighbour has sent all of a table.
    EndOfRib(Arc<Sender>, Family),
}

/// Which table a change is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Watched {
    /// Best paths of the Loc-RIB.
    Best,
    /// What a neighbour has sent.
    Received,
    /// What import policy has made of it.
    Accepted,
}

/// Changes of tables, in order.
#[derive(Debug)]
pub struct Changes {
    /// When they were told.
    pub at: SystemTime,
    /// Them. At most [`CHANGES_PER_NEWS`].
    pub changes: Vec<Change>,
    /// The neighbours that they come from.
    pub senders: Vec<Sender>,
    /// What a front end has made of them, once for all whom it serves.
    pub made: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Changes {
    /// Of nobody that is known.
    pub fn new(changes: Vec<Change>, at: SystemTime) -> Self {
        Self {
            at,
            changes,
            senders: Vec::new(),
            made: OnceLock::new(),
        }
    }
}

/// One route of one table is another, or no more.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which table.
    pub table: Watched,
    /// Destination.
    pub prefix: Prefix,
    /// RFC 7911 path identifier.
    pub path_id: u32,
    /// Where it comes from; of a best path that is gone, nobody.
    pub source: Option<RouteSource>,
    /// Its attributes, and since when it is so; `None`: it is gone.
    pub path: Option<(Arc<PathAttributes>, Duration)>,
    /// Its next hop can't be reached.
    pub is_unreachable: bool,
}

impl Change {
    /// The route that there is now.
    pub fn route(&self) -> Option<Route> {
        let (attributes, age) = self.path.as_ref()?;
        Some(Route {
            prefix: self.prefix,
            path_id: self.path_id,
            source: self.source?,
            attributes: Arc::clone(attributes),
            target: String::new(),
            best: self.table == Watched::Best,
            multipath: false,
            unusable: (self.is_unreachable).then(|| rib::Unusable::NextHopUnreachable.to_string()),
            stale: false,
            lost_at: None,
            age: *age,
        })
    }
}

/// A neighbour that routes come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sender {
    /// What it is called.
    pub name: PeerName,
    /// Its AS.
    pub asn: Asn,
    /// Identifier from its OPEN; `None` once its session is over.
    pub router_id: Option<RouterId>,
    /// It is of another AS.
    pub is_external: bool,
    /// Its peer group.
    pub group: Option<String>,
}
