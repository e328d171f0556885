// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `WatchEvent`: what happens, after what is.
//!
//! The daemon keeps a bounded queue for each watcher. One that does not keep up is told so (ABORTED) and has to ask
//! again: GoBGP would keep everything for it.

use std::time::SystemTime;

use bgp_proto::Prefix;
use bgpd_api::v4::{
    self,
    watch_event_request::table::filter::Type as Kind,
    watch_event_response::{Event, PeerEvent, TableEvent, peer_event},
};
use prost_types::Timestamp;
use tokio::sync::mpsc::Receiver;
use tonic::Status;

use super::{
    Gobgp, attributes, family_message,
    paths::Sight,
    peers::shown,
    stream::{Outlet, Replies, Unwanted, outlet},
    wrong,
};
use crate::{
    api::Control,
    config::PeerName,
    control::{RouteQuery, SessionState, Table, WatchEvent, WatchFilter},
};

/// What a client asked for.
#[derive(Clone, Copy)]
struct Wanted {
    peers: bool,
    best: bool,
    /// The best paths that there are already.
    init: bool,
}

impl<C: Control> Gobgp<C> {
    pub(super) async fn watch_event(
        &self,
        request: v4::WatchEventRequest,
    ) -> Result<Replies<v4::WatchEventResponse>, Status> {
        let wanted = wanted(&request)?;
        // First the events, then what is: nothing falls between.
        let filter = WatchFilter {
            peers: wanted.peers,
            routes: wanted.best,
            fib: false,
        };
        let events = self.control.watch(filter).await?;
        let (outlet, replies) = outlet(&self.shutdown);
        let this = self.clone();
        // Who has left wants nothing.
        tokio::spawn(async move { drop(this.tell(wanted, events, outlet).await) });
        Ok(replies)
    }

    async fn tell(
        self,
        wanted: Wanted,
        mut events: Receiver<WatchEvent>,
        mut outlet: Outlet<v4::WatchEventResponse>,
    ) -> Result<(), Unwanted> {
        if wanted.peers {
            let peers = match self.peers("").await {
                Ok(peers) => peers,
                Err(status) => {
                    outlet.fail(status);
                    return Ok(());
                }
            };
            let known = peers.iter().map(|(status, neighbor)| {
                let peer = shown::peer(status, neighbor, false);
                peer_event(peer_event::Type::Init, peer)
            });
            let end = peer_event(peer_event::Type::EndOfInit, nobody());
            outlet = outlet.send(known.chain([end]).collect()).await?;
        }
        if wanted.init {
            outlet = self.tell_best(outlet).await?;
        }
        while let Some(event) = events.recv().await {
            let reply = match event {
                WatchEvent::Peer {
                    address,
                    from: _,
                    to,
                    reason: _,
                } => self.peer_changed(address, to).await,
                WatchEvent::Best { prefix, route } => match self.sight(Table::LocRib).await {
                    Ok(sight) => Ok(best_changed(prefix, route.as_deref(), &sight)),
                    Err(status) => Err(status),
                },
                WatchEvent::Fib { .. } => continue,
                WatchEvent::Lagged(lost) => Err(Status::aborted(format!(
                    "read too slowly: {lost} events are lost; ask again"
                ))),
            };
            match reply {
                Ok(reply) => outlet = outlet.send(vec![reply]).await?,
                Err(status) => {
                    outlet.fail(status);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The best paths that there are, in pages: one message with all of them could be of any size.
    async fn tell_best(
        &self,
        mut outlet: Outlet<v4::WatchEventResponse>,
    ) -> Result<Outlet<v4::WatchEventResponse>, Unwanted> {
        let query = RouteQuery {
            best_only: true,
            ..RouteQuery::default()
        };
        let (sight, mut pages) = match (
            self.sight(Table::LocRib).await,
            self.control.routes(query).await,
        ) {
            (Ok(sight), Ok(pages)) => (sight, pages),
            (Err(status), _) => {
                outlet.fail(status);
                return Err(Unwanted);
            }
            (_, Err(error)) => {
                outlet.fail(error.into());
                return Err(Unwanted);
            }
        };
        let now = SystemTime::now();
        while let Some(page) = pages.recv().await {
            let paths = page.iter().map(|route| v4::Path {
                best: false,
                ..sight.path(route, now)
            });
            outlet = outlet.send(vec![table_event(paths.collect())]).await?;
        }
        Ok(outlet)
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

fn wanted(request: &v4::WatchEventRequest) -> Result<Wanted, Status> {
    let filters = request.table.iter().flat_map(|table| &table.filters);
    let mut wanted = Wanted {
        peers: request.peer.is_some(),
        best: false,
        init: false,
    };
    for filter in filters {
        match Kind::try_from(filter.r#type) {
            Ok(Kind::Best) => {
                wanted.best = true;
                wanted.init |= filter.init;
            }
            Ok(kind @ (Kind::Adjin | Kind::PostPolicy | Kind::Eor)) => {
                let text = format!(
                    "tables are watched by best path, not by {}",
                    kind.as_str_name()
                );
                return Err(Status::unimplemented(text));
            }
            Ok(Kind::Unspecified) => return Err(wrong("unspecified filter type")),
            Err(_) => return Err(wrong(format!("unknown filter type {}", filter.r#type))),
        }
    }
    if !(wanted.peers || wanted.best) {
        return Err(wrong("no events to watch"));
    }
    Ok(wanted)
}

fn best_changed(
    prefix: Prefix,
    route: Option<&crate::control::Route>,
    sight: &Sight,
) -> v4::WatchEventResponse {
    let now = SystemTime::now();
    let path = match route {
        Some(route) => v4::Path {
            best: false,
            ..sight.path(route, now)
        },
        None => v4::Path {
            nlri: Some(attributes::nlri(prefix)),
            age: Some(Timestamp::from(now)),
            family: Some(family_message(prefix.family())),
            is_withdraw: true,
            ..v4::Path::default()
        },
    };
    table_event(vec![path])
}

fn table_event(paths: Vec<v4::Path>) -> v4::WatchEventResponse {
    v4::WatchEventResponse {
        event: Some(Event::Table(TableEvent { paths })),
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
