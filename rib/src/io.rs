// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What goes into a RIB and what comes out.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::net::IpAddr;

use bgp_proto::{Asn, ClusterId, Family, Prefix, RouterId};
use bytes::Bytes;
use smallvec::SmallVec;

use crate::{
    Attributes, Disposition, KernelAttributes, PathsSent, PeerId, PeerInfo, Policy, RouteBatch,
    Selection, Source, Terms,
};

/// Whether an address can be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NextHopState {
    /// Yes, at this interior cost.
    Reachable {
        /// Metric of the route that leads there.
        metric: u32,
    },
    /// No.
    Unreachable,
}

/// What a RIB is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A session is up: it is fed from the start. Stale routes of the neighbour stay.
    PeerUp(Box<PeerInfo>),
    /// It is over, and the neighbour's routes with it: piece by piece, as the table is drained.
    PeerDown(PeerId),
    /// It is over, and the neighbour's routes stay as stale (RFC 4724 §4.2).
    PeerLost(PeerId),
    /// The neighbour begins to send its table again (RFC 7313): what it has announced is stale until it is said again.
    MarkStale(PeerId, Family),
    /// What is stale becomes the last choice and says so; what must not be kept so long goes (RFC 9494 §4.2).
    LongLivedStale(PeerId, Family),
    /// What is still stale goes.
    SweepStale(PeerId, Family),
    /// Announcements and withdrawals.
    Routes(RouteBatch),
    /// The neighbour has sent all of its table.
    EndOfRib(PeerId, Family),
    /// The neighbour wants our routes again (RFC 2918).
    Refresh(PeerId, Family),
    /// The neighbour does not read fast enough: send it nothing for now.
    Congested(PeerId),
    /// It has caught up.
    Drained(PeerId),
    /// Next hops changed.
    NextHops(Vec<(IpAddr, NextHopState)>),
    /// Whether packets get through an interface, by its index: of next hops that count on one interface only. One that is not
    /// mentioned is usable.
    Interfaces(Vec<(u32, bool)>),
    /// New import and export policy of a neighbour.
    Policy(PeerId, Policy, Policy),
    /// New policy for what goes into the forwarding table.
    KernelPolicy(Policy),
    /// New weight of a neighbour's paths.
    Weight(PeerId, u16),
    /// Who we are from now on. Only while no neighbour has a session: what they were told is not told again.
    Speaker(Speaker),
    /// Another way to choose the best path.
    Selection(Selection),
    /// New terms with a neighbour whose session stays.
    Terms(PeerId, Box<Terms>),
    /// Which paths a neighbour is told that takes several.
    PathsSent(PeerId, Vec<(Family, PathsSent)>),
}

/// Who we are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Speaker {
    /// Our AS.
    pub local_as: Asn,
    /// The AS that our confederation is to others, if we are in one.
    pub confederation: Option<Asn>,
    /// Our identifier.
    pub router_id: RouterId,
    /// The cluster that we reflect for.
    pub cluster_id: ClusterId,
}

/// Messages for some neighbours.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// For these.
    pub recipients: Recipients,
    /// Whole UPDATEs, one behind the other.
    pub messages: Bytes,
    /// How many.
    pub count: u32,
}

/// Neighbours that are sent the same message: a list that many messages share, and perhaps one that is left out.
#[derive(Clone, Debug, Default)]
pub struct Recipients {
    peers: Arc<[PeerId]>,
    but: Option<PeerId>,
}

impl Recipients {
    /// All of a list but one.
    pub fn new(peers: Arc<[PeerId]>, but: Option<PeerId>) -> Self {
        Self { peers, but }
    }

    /// The list, with the one that is left out.
    pub fn list(&self) -> &[PeerId] {
        &self.peers
    }

    /// Who is left out.
    pub fn left_out(&self) -> Option<PeerId> {
        self.but
    }

    /// Whether both are of the same list, whoever is left out.
    pub fn share_list(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.peers, &other.peers)
    }

    /// Whether they are the same, by the list that they share.
    pub(crate) fn are(&self, other: &Self) -> bool {
        self.share_list(other) && self.but == other.but
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = PeerId> + '_ {
        let but = self.but;
        let peers = self.peers.iter().copied();
        peers.filter(move |peer| Some(*peer) != but)
    }

    /// Nobody.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// One way of a route for the forwarding table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FibPath {
    /// Where packets go.
    pub disposition: Disposition,
    /// Where the path comes from.
    pub source: Source,
    /// Its attributes.
    pub attributes: Attributes,
    pub(crate) kernel: Option<triomphe::Arc<KernelAttributes>>,
}

static UNCHANGED: KernelAttributes = KernelAttributes {
    metric: None,
    source: None,
    table: None,
    tunnel: None,
};

impl FibPath {
    /// What policy wants of the kernel route. Of several ways of a route, the first says it for all but the tunnel.
    pub fn kernel(&self) -> &KernelAttributes {
        self.kernel.as_deref().unwrap_or(&UNCHANGED)
    }
}

/// A route for the forwarding table: the best path, and those that are as good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FibRoute {
    /// Source of the best path.
    pub source: Source,
    /// The best path first.
    pub paths: SmallVec<[FibPath; 1]>,
}

/// The best path of a prefix changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FibChange {
    /// Which prefix.
    pub prefix: Prefix,
    /// What the forwarding table should have; `None`: nothing of ours.
    pub best: Option<FibRoute>,
}

/// What a RIB wants done, in the order of the fields.
#[derive(Debug, Default)]
pub struct Output {
    /// New or changed routes for the forwarding table, by prefix.
    pub install: Vec<FibChange>,
    /// Messages. Those for one neighbour stay in order.
    pub transmit: Vec<Transmit>,
    /// Routes that leave the forwarding table, by prefix.
    pub remove: Vec<FibChange>,
    /// Prefixes whose best path is another one, or has other attributes, or is gone: only if the driver wants them.
    pub best: Vec<Prefix>,
    /// It does.
    pub with_best: bool,
    /// Prefix and path identifier of what went with its neighbour: only if the driver wants that.
    pub departed: Vec<(PeerId, Vec<(Prefix, u32)>)>,
    /// It does.
    pub with_departed: bool,
    /// Families of which a neighbour has been sent everything: End-of-RIB is due.
    pub fed: Vec<(PeerId, Family)>,
    /// Next hops to watch from now on.
    pub track: Vec<IpAddr>,
    /// Next hops that nobody needs any more.
    pub untrack: Vec<IpAddr>,
    /// Nobody wants to know what goes into the forwarding table and leaves it. The driver says so.
    pub without_forwarding: bool,
    /// Prefixes whose attributes did not fit a message: they were withdrawn from the neighbours of one update group.
    pub too_large: u64,
}

impl Output {
    /// Nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.install.is_empty()
            && self.transmit.is_empty()
            && self.remove.is_empty()
            && self.best.is_empty()
            && self.departed.is_empty()
            && self.fed.is_empty()
            && self.track.is_empty()
            && self.untrack.is_empty()
    }

    /// Forgets everything that is to be done, keeps the memory.
    pub fn clear(&mut self) {
        self.install.clear();
        self.transmit.clear();
        self.remove.clear();
        self.best.clear();
        self.departed.clear();
        self.fed.clear();
        self.track.clear();
        self.untrack.clear();
        self.too_large = 0;
    }
}
