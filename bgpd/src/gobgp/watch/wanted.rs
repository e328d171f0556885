// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client wants to watch.

use bgpd_api::v4::{self, watch_event_request::table::filter::Type};
use tonic::Status;

use super::{super::wrong, Version};
use crate::{
    config::PeerName,
    control::{Change, Interest, RouteSource, Sender, Watched},
};

pub(super) struct Wanted {
    pub(super) version: Version,
    pub(super) peers: bool,
    pub(super) filters: Vec<Filter>,
    /// Paths in one message.
    pub(super) batch: usize,
}

pub(super) struct Filter {
    pub(super) kind: Kind,
    /// What there is already, too.
    pub(super) init: bool,
    /// Of this neighbour only.
    peer: Option<PeerName>,
    /// Of neighbours in this group only.
    group: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Best,
    Received,
    Accepted,
    EndOfRib,
}

impl Wanted {
    pub(super) fn new(request: &v4::WatchEventRequest, version: Version) -> Result<Self, Status> {
        let filters = request.table.iter().flat_map(|table| &table.filters);
        let filters: Vec<_> = filters.map(Filter::new).collect::<Result<_, _>>()?;
        let peers = request.peer.is_some();
        if !peers && filters.is_empty() {
            return Err(wrong("no events to watch"));
        }
        let batch = match request.batch_size {
            0 => usize::MAX,
            paths => paths as usize,
        };
        Ok(Self {
            version,
            peers,
            filters,
            batch,
        })
    }

    pub(super) fn interest(&self) -> Interest {
        let has = |kind| self.filters.iter().any(|filter| filter.kind == kind);
        let updates = has(Kind::Received) || has(Kind::Accepted);
        Interest {
            peers: self.peers,
            best: has(Kind::Best),
            received: has(Kind::Received),
            accepted: has(Kind::Accepted),
            ends: has(Kind::EndOfRib) || self.version == Version::Three && updates,
        }
    }

    /// Whether a change is to be told; of the neighbours, those that the changes come from are known.
    pub(super) fn has(&self, change: &Change, senders: &[Sender]) -> bool {
        let kind = match change.table {
            Watched::Best => Kind::Best,
            Watched::Received => Kind::Received,
            Watched::Accepted => Kind::Accepted,
        };
        let mut filters = self.filters.iter().filter(|filter| filter.kind == kind);
        filters.any(|filter| filter.is_open() || filter.is_from_source(change.source, senders))
    }
}

impl Filter {
    fn new(filter: &v4::watch_event_request::table::Filter) -> Result<Self, Status> {
        let kind = match Type::try_from(filter.r#type) {
            Ok(Type::Best) => Kind::Best,
            Ok(Type::Adjin) => Kind::Received,
            Ok(Type::PostPolicy) => Kind::Accepted,
            Ok(Type::Eor) => Kind::EndOfRib,
            Ok(Type::Unspecified) => return Err(wrong("unspecified filter type")),
            Err(_) => return Err(wrong(format!("unknown filter type {}", filter.r#type))),
        };
        let peer = match filter.peer_address.as_str() {
            "" => None,
            text => {
                let peer = text.parse::<PeerName>();
                Some(peer.map_err(|_| wrong(format!("`{text}` is no address of a neighbor")))?)
            }
        };
        let group = (!filter.peer_group.is_empty()).then(|| filter.peer_group.clone());
        Ok(Self {
            kind,
            init: filter.init,
            peer,
            group,
        })
    }

    /// Of all neighbours. Best paths are of nobody: GoBGP does not ask whose they are either.
    fn is_open(&self) -> bool {
        self.kind == Kind::Best || self.peer.is_none() && self.group.is_none()
    }

    pub(super) fn is_from(&self, sender: &Sender) -> bool {
        let is_group = |group| sender.group.as_deref() == Some(group);
        self.peer.is_none_or(|peer| peer == sender.name)
            && self.group.as_deref().is_none_or(is_group)
    }

    fn is_from_source(&self, source: Option<RouteSource>, senders: &[Sender]) -> bool {
        let Some(RouteSource::Bgp(name)) = source else {
            return false;
        };
        let mut senders = senders.iter().filter(|sender| sender.name == name);
        senders.any(|sender| self.is_from(sender))
    }
}
