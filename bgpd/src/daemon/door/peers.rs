// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What clients are told of a neighbour.

use bgp_fsm::State;
use bgp_proto::{Family, Instant};
use rib::FamilyCounts;

use super::{Door, Running};
use crate::{
    config::Neighbor,
    control::{
        AddPathStatus, ControlError, FamilyStatus, LastError, MessageCounts, PeerStatus,
        StaleStatus,
    },
    daemon::{link, peer_task::session_state, settings},
    peer::{Counts, Peer, Staleness},
};

impl Door {
    /// The state of one neighbour; nothing if its task has just ended.
    pub(super) async fn peer_status(
        &self,
        running: &Running,
    ) -> Result<Option<PeerStatus>, ControlError> {
        let counts = self.counts(running).await?;
        let now = self.clock.now();
        let known = running.clone();
        Ok(running
            .handle
            .ask(move |peer, queued| describe(peer, queued, &known, &counts, now))
            .await)
    }

    async fn counts(&self, running: &Running) -> Result<Vec<(Family, FamilyCounts)>, ControlError> {
        let id = running.id;
        let mut sum: Vec<(Family, FamilyCounts)> = Vec::new();
        for shard in &self.shards {
            for (family, counts) in shard.ask(move |rib| rib.counts(id)).await? {
                match sum.iter_mut().find(|(known, _)| *known == family) {
                    Some((_, total)) => {
                        total.received += counts.received;
                        total.accepted += counts.accepted;
                        total.advertised += counts.advertised;
                    }
                    None => sum.push((family, counts)),
                }
            }
        }
        Ok(sum)
    }
}

fn describe(
    peer: &Peer,
    queued: usize,
    running: &Running,
    counts: &[(Family, FamilyCounts)],
    now: Instant,
) -> PeerStatus {
    let neighbor = &running.neighbor;
    let session = peer.session();
    let settings = peer.settings();
    let negotiated = peer.negotiated();
    let hold_time = negotiated
        .map_or(settings.session.hold_time, |negotiated| {
            negotiated.hold_time
        })
        .seconds();
    PeerStatus {
        address: neighbor.name,
        peer_as: peer.remote().map_or(neighbor.peer_as, |remote| remote.asn),
        local_as: session.config().local_as,
        description: neighbor.description.clone().unwrap_or_default(),
        relation: peer.relation_name(),
        dynamic: running.dynamic,
        admin_down: session.is_stopped(),
        state: session_state(session.state()),
        since: session
            .established_since()
            .or(session.ended_at())
            .map(|since| now.saturating_since(since)),
        established_count: session.established_count(),
        router_id: peer.remote().map(|remote| remote.router_id),
        local_address: peer.local_address(),
        hold_time,
        keepalive: settings
            .session
            .keepalive
            .map_or(u64::from(hold_time / 3), |interval| interval.as_secs())
            .try_into()
            .unwrap_or(u16::MAX),
        remote_capabilities: peer
            .remote()
            .map(|remote| remote.capabilities.clone())
            .unwrap_or_default(),
        local_capabilities: session.local_open().capabilities,
        received: messages(peer.counts().received),
        sent: messages(peer.counts().sent),
        treated_as_withdraw: peer.counts().treated_as_withdraw,
        beyond_limit: peer.counts().beyond_limit,
        queued: queued as u64,
        panics: running.panics.as_ref().map_or(0, |panics| panics.count),
        last_error: last_error(peer, running, now),
        families: families(peer, counts, now),
        import_policy: neighbor.import.to_string(),
        import_policies: neighbor.import.names(),
        export_policies: neighbor.export.names(),
        export_policy: neighbor.export.to_string(),
        md5: neighbor.auth_password.is_some(),
        terms: neighbor.terms_in_words(),
        obstacle: obstacle(peer, neighbor),
    }
}

/// As it is now; of a neighbour that we would talk to.
fn obstacle(peer: &Peer, neighbor: &Neighbor) -> Option<String> {
    let session = peer.session();
    let wants = session.state() <= State::Active && !session.is_stopped();
    wants.then(|| link::obstacle(&settings::endpoint(neighbor)))?
}

/// Of the session, or what ended the task before this one.
fn last_error(peer: &Peer, running: &Running, now: Instant) -> Option<LastError> {
    let of_session = peer.session().last_error().map(|error| LastError {
        text: error.to_string(),
        code: error.code(),
        age: now.saturating_since(error.at()),
    });
    of_session.or_else(|| {
        running.panics.as_ref().map(|panics| LastError {
            text: format!("internal error: {}", panics.text),
            code: None,
            age: now.saturating_since(panics.at),
        })
    })
}

fn families(peer: &Peer, counts: &[(Family, FamilyCounts)], now: Instant) -> Vec<FamilyStatus> {
    peer.settings()
        .families()
        .map(|family| {
            let counted = counts
                .iter()
                .find(|(known, _)| *known == family)
                .map(|(_, counts)| *counts)
                .unwrap_or_default();
            let agreed = peer
                .negotiated()
                .and_then(|negotiated| negotiated.family(family));
            let mut sent = peer.settings().paths_sent.iter();
            FamilyStatus {
                family,
                negotiated: agreed.is_some(),
                add_path: AddPathStatus {
                    receive: agreed.is_some_and(|agreed| agreed.add_path_receive),
                    send: agreed.is_some_and(|agreed| agreed.add_path_send),
                    paths: sent
                        .find(|(known, _)| *known == family)
                        .map(|(_, paths)| *paths),
                },
                received: counted.received,
                accepted: counted.accepted,
                advertised: counted.advertised,
                end_of_rib: peer.has_end_of_rib(family),
                stale: peer.stale(family).map(|(how, until)| StaleStatus {
                    long_lived: how == Staleness::LongLived,
                    seconds_left: until.saturating_since(now).as_secs(),
                }),
            }
        })
        .collect()
}

fn messages(counts: Counts) -> MessageCounts {
    let Counts {
        open,
        update,
        notification,
        keepalive,
        route_refresh,
        bytes,
    } = counts;
    MessageCounts {
        open,
        update,
        notification,
        keepalive,
        route_refresh,
        bytes,
    }
}
