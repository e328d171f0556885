// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `WatchEvent`: what happens, after what is.
//!
//! Changes come in pieces that all who watch share, and so they share what is encoded of them ([`told`]). What waits for a
//! client is bounded: one that does not keep up (`RESOURCE_EXHAUSTED`), or reads nothing for a while (`ABORTED`), is told so
//! and has to ask again.
//! GoBGP would keep everything for it.

mod told;
mod wanted;

use std::{sync::Arc, time::SystemTime};

use bgp_proto::Family;
use bgpd_api::{
    Message as _, v3,
    v4::{
        self,
        watch_event_response::{Event, PeerEvent, peer_event},
    },
};
use bytes::Bytes;
use tonic::Status;

use self::{
    told::{Paths, Told, end_of_rib},
    wanted::{Filter, Kind, Wanted},
};
use super::{
    Gobgp, Version,
    peers::shown,
    stream::{Outlet, Replies, Unwanted, outlet},
};
use crate::{
    api::{Control, Subscription},
    config::{Neighbor, PeerName},
    control::{Changes, News, PeerStatus, RouteQuery, RouteSource, Sender, SessionState, Table},
};

/// Octets after which the present table goes on in another message: clients take no more than 256 MiB in one, and this is
/// held for each client that begins.
const INIT_OCTETS: usize = 16 << 20;

impl<C: Control> Gobgp<C> {
    pub(super) async fn watch_event(
        &self,
        request: v4::WatchEventRequest,
        version: Version,
    ) -> Result<Replies<Bytes>, Status> {
        let wanted = Wanted::new(&request, version)?;
        // First the events, then what is: nothing falls between.
        let news = self.control.follow(wanted.interest()).await?;
        let (outlet, replies) = outlet(&self.shutdown);
        let this = self.clone();
        // Who has left wants nothing.
        tokio::spawn(async move { drop(this.tell(wanted, news, outlet).await) });
        Ok(replies)
    }

    async fn tell(
        self,
        wanted: Wanted,
        mut news: Subscription,
        mut outlet: Outlet<Bytes>,
    ) -> Result<(), Unwanted> {
        match self.present(&wanted, outlet).await? {
            Ok(still) => outlet = still,
            Err(()) => return Ok(()),
        }
        loop {
            let messages = match news.next().await {
                Ok(Some(News::Changes(changes))) => {
                    wanted.changes(&self.told(&changes, wanted.version), &changes)
                }
                Ok(Some(News::EndOfRib(sender, family))) => wanted.end_of_rib(&sender, family),
                Ok(Some(News::Peer { name, to })) => match self.peer_changed(name, to).await {
                    Ok(reply) => vec![wanted.version.octets(reply)],
                    Err(status) => {
                        outlet.fail(status);
                        return Ok(());
                    }
                },
                Ok(None) => return Ok(()),
                Err(lost) => {
                    outlet.fail(Status::resource_exhausted(lost.to_string()));
                    return Ok(());
                }
            };
            if !messages.is_empty() {
                outlet = outlet.send(messages).await?;
            }
        }
    }

    /// What there is already. The inner error: the stream has ended with one.
    async fn present(
        &self,
        wanted: &Wanted,
        mut outlet: Outlet<Bytes>,
    ) -> Result<Result<Outlet<Bytes>, ()>, Unwanted> {
        let peers = match self.peers("").await {
            Ok(peers) => peers,
            Err(status) => {
                outlet.fail(status);
                return Ok(Err(()));
            }
        };
        if wanted.peers {
            let known = peers.iter().map(|(status, neighbor)| {
                let peer = shown::peer(status, neighbor, false);
                peer_event(peer_event::Type::Init, peer)
            });
            let end = peer_event(peer_event::Type::EndOfInit, nobody());
            let replies = known.chain([end]);
            outlet = outlet
                .send(replies.map(|reply| wanted.version.octets(reply)).collect())
                .await?;
        }
        for filter in wanted.filters.iter().filter(|filter| filter.init) {
            let told = self.present_of(wanted, filter, &peers, outlet).await?;
            match told {
                Ok(still) => outlet = still,
                Err(()) => return Ok(Err(())),
            }
        }
        Ok(Ok(outlet))
    }

    /// One filter's part of it: in one message if the client has not said otherwise, as GoBGP does, or as many as it takes.
    async fn present_of(
        &self,
        wanted: &Wanted,
        filter: &Filter,
        peers: &[(PeerStatus, Arc<Neighbor>)],
        mut outlet: Outlet<Bytes>,
    ) -> Result<Result<Outlet<Bytes>, ()>, Unwanted> {
        let from: Vec<_> = peers
            .iter()
            .map(|(status, neighbor)| (sender(status, neighbor), status))
            .filter(|(sender, _)| filter.is_from(sender))
            .collect();
        let query = |table, best_only| RouteQuery {
            table,
            best_only,
            ..RouteQuery::default()
        };
        let queries = match filter.kind {
            Kind::Best => vec![query(Table::LocRib, true)],
            Kind::Accepted => vec![query(Table::LocRib, false)],
            Kind::Received => {
                let tables = from.iter().map(|(sender, _)| Table::AdjIn(sender.name));
                tables.map(|table| query(table, false)).collect()
            }
            Kind::EndOfRib => {
                let ended = from.iter().flat_map(|(sender, status)| {
                    let families = status.families.iter().filter(|family| family.end_of_rib);
                    families.map(|family| end_of_rib(sender, family.family))
                });
                let ended: Vec<_> = ended.map(|path| wanted.version.table([path])).collect();
                return Ok(Ok(outlet.send(ended).await?));
            }
        };
        let is_from = |source| match source {
            RouteSource::Bgp(name) => from.iter().any(|(sender, _)| sender.name == name),
            _ => false,
        };
        let now = SystemTime::now();
        let mut paths = Paths::default();
        for query in queries {
            let asked = (
                self.sight(query.table).await,
                self.control.routes(query).await,
            );
            let (sight, mut pages) = match asked {
                (Ok(sight), Ok(pages)) => (sight, pages),
                (Err(status), _) => {
                    outlet.fail(status);
                    return Ok(Err(()));
                }
                (_, Err(error)) => {
                    outlet.fail(error.into());
                    return Ok(Err(()));
                }
            };
            while let Some(page) = pages.recv().await {
                let mut full = Vec::new();
                for route in &page {
                    if filter.kind == Kind::Accepted
                        && !(is_from(route.source) && sight.shows(route))
                    {
                        continue;
                    }
                    let path = v4::Path {
                        best: false,
                        ..sight.path(route, now)
                    };
                    paths.push(path, wanted.version);
                    if paths.len() >= wanted.batch || paths.octets() >= INIT_OCTETS {
                        full.push(std::mem::take(&mut paths).message());
                    }
                }
                // Nothing is also said: whoever does not read is found out.
                outlet = outlet.send(full).await?;
            }
        }
        if paths.len() > 0 {
            outlet = outlet.send(vec![paths.message()]).await?;
        }
        Ok(Ok(outlet))
    }

    /// Changes as octets: who comes first makes them.
    fn told(&self, changes: &Arc<Changes>, version: Version) -> Arc<Told> {
        told::of(changes, version, || self.sight_of(changes))
    }

    async fn peer_changed(
        &self,
        name: PeerName,
        to: SessionState,
    ) -> Result<v4::WatchEventResponse, Status> {
        let found = self.peers(&name.to_string()).await?;
        let mut peer = match found.first() {
            Some((status, neighbor)) => shown::peer(status, neighbor, false),
            // Gone meanwhile.
            None => v4::Peer {
                conf: Some(v4::PeerConf {
                    neighbor_address: name.to_string(),
                    ..v4::PeerConf::default()
                }),
                ..nobody()
            },
        };
        if let Some(state) = &mut peer.state {
            state.session_state = shown::session_state(to).into();
        }
        Ok(peer_event(peer_event::Type::State, peer))
    }
}

impl Version {
    fn octets(self, reply: v4::WatchEventResponse) -> Bytes {
        match self {
            Self::Three => v3::WatchEventResponse::from(reply).encode_to_vec().into(),
            Self::Four => reply.encode_to_vec().into(),
        }
    }

    /// A message with these paths.
    fn table(self, paths: impl IntoIterator<Item = v4::Path>) -> Bytes {
        let mut told = Paths::default();
        for path in paths {
            told.push(path, self);
        }
        told.message()
    }
}

impl Wanted {
    /// The message of a neighbour that has sent all, to whom it is of interest.
    fn end_of_rib(&self, sender: &Sender, family: Family) -> Vec<Bytes> {
        let mut filters = self.filters.iter().filter(|filter| filter.is_from(sender));
        if filters.clone().any(|filter| filter.kind == Kind::EndOfRib) {
            return vec![self.version.table([end_of_rib(sender, family)])];
        }
        // Clients that know no filter for it see it as an update with nothing in it.
        let is_update = |filter: &Filter| matches!(filter.kind, Kind::Received | Kind::Accepted);
        let is_old = self.version == Version::Three && filters.any(is_update);
        is_old.then(|| self.version.table([])).into_iter().collect()
    }
}

fn sender(status: &PeerStatus, neighbor: &Neighbor) -> Sender {
    Sender {
        name: status.address,
        asn: status.peer_as,
        router_id: status.router_id,
        is_external: matches!(status.relation, "external" | "member"),
        group: neighbor.group.clone(),
    }
}

fn peer_event(kind: peer_event::Type, peer: v4::Peer) -> v4::WatchEventResponse {
    v4::WatchEventResponse {
        event: Some(Event::Peer(PeerEvent {
            r#type: kind.into(),
            peer: Some(peer),
        })),
    }
}

/// The parts that clients take for granted.
fn nobody() -> v4::Peer {
    v4::Peer {
        conf: Some(v4::PeerConf::default()),
        state: Some(v4::PeerState::default()),
        transport: Some(v4::Transport::default()),
        ..v4::Peer::default()
    }
}
