// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One neighbour: its session machine, the framing and decoding of what it sends, and what the RIB is told.
//!
//! Pure: octets, connections and time are arguments. [`crate::speaker::Speaker`] runs many of these in one thread, the
//! daemon runs each in a task of its own. It refuses to know routes of other peers, and policy.

use std::net::IpAddr;

use bgp_fsm::{Action, ConnectionId, DownReason, Event, Session, State, StopReason};
use bgp_proto::{
    Capability, Family, Frame, Framer, Instant, MessageKind, Negotiated, NextHop, NlriBlock,
    Notification, Open, PathAttributes, PeerKind, Update, Verdict,
};
use bytes::{Bytes, BytesMut};
use rib::{Disposition, Input, PathsSent, Policy, RouteBatch, Source};

mod bfd;
mod complaints;
mod events;
mod limits;
mod refresh;
mod restart;
mod settings;

pub use events::{BfdNews, Counts, PeerCounts, PeerEvent, PeerOrder};
pub use restart::Staleness;
pub use settings::{PeerSettings, PrefixLimit};

/// Routes gathered before they are handed to the RIB, at most.
const ROUTES_PER_BATCH: usize = 1024;

/// One neighbour.
#[derive(Debug)]
pub struct Peer {
    settings: PeerSettings,
    session: Session,
    connections: Vec<Connection>,
    up: Option<Established>,
    helper: restart::Helper,
    complaints: complaints::Complaints,
    /// RIB still has (stale) routes of it.
    known_to_rib: bool,
    batch: RouteBatch,
    orders: Vec<PeerOrder>,
    counts: PeerCounts,
    /// Had too many prefixes; is tried again then.
    restart_at: Option<Instant>,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    framer: Framer,
    local: IpAddr,
    interface: Option<u32>,
    /// Nothing it says counts any more.
    dead: bool,
}

#[derive(Debug)]
struct Established {
    connection: ConnectionId,
    negotiated: Negotiated,
    remote: Open,
    /// Of a session between link-local addresses.
    interface: Option<u32>,
    feeds: refresh::Feeds,
    repeats: refresh::Repeats,
    end_of_rib: Vec<Family>,
    prefixes: limits::Prefixes,
}

impl Peer {
    /// A neighbour in Idle; [`PeerEvent::Start`] begins.
    pub fn new(settings: PeerSettings) -> Self {
        let session = Session::new(settings.session.clone());
        let batch = RouteBatch::new(Source::Bgp(settings.id));
        Self {
            settings,
            session,
            connections: Vec::new(),
            up: None,
            helper: restart::Helper::default(),
            complaints: complaints::Complaints::default(),
            known_to_rib: false,
            batch,
            orders: Vec::new(),
            counts: PeerCounts::default(),
            restart_at: None,
        }
    }

    /// Feeds one event.
    pub fn step(&mut self, event: PeerEvent, now: Instant) {
        match event {
            PeerEvent::Start => self.start(now),
            PeerEvent::Stop(reason) => self.stop(reason, now),
            PeerEvent::Connected {
                connection,
                direction,
                local,
                interface,
            } => {
                self.connections.reserve_exact(1);
                self.connections.push(Connection {
                    id: connection,
                    framer: Framer::default(),
                    local,
                    interface,
                    dead: false,
                });
                self.session.step(
                    Event::Connected {
                        connection,
                        direction,
                    },
                    now,
                );
            }
            PeerEvent::ConnectFailed => self.session.step(Event::ConnectFailed, now),
            PeerEvent::Closed(connection) => {
                self.connections.retain(|known| known.id != connection);
                self.session.step(Event::Closed { connection }, now);
            }
            PeerEvent::Progress(connection) => {
                self.session.step(Event::Progress { connection }, now);
            }
            PeerEvent::Fed(family) => self.fed(family),
            PeerEvent::RefreshIn => self.refresh_in(),
            PeerEvent::RefreshOut => self.refresh_out(),
            PeerEvent::Policy { import, export } => self.policy(import, export, now),
            PeerEvent::Weight(weight) => self.weight(weight),
            PeerEvent::Terms(terms) => self.terms(*terms, now),
            PeerEvent::PathsSent(paths) => self.paths_sent(paths),
            PeerEvent::Prefixes {
                shard,
                family,
                count,
            } => self.prefixes(shard, family, count, now),
            PeerEvent::Bfd(news) => self.bfd(news, now),
            PeerEvent::StrictBfd(wait) => self.session.set_strict_bfd(wait, now),
            PeerEvent::Dropped { family, routes } => self.dropped(family, routes),
            PeerEvent::Tick => self.tick(now),
        }
        self.carry_out(now);
    }

    /// Takes in what arrived on a connection and leaves in `buffer` what is not a whole message yet.
    pub fn read(&mut self, connection: ConnectionId, buffer: &mut BytesMut, now: Instant) {
        loop {
            let Some(known) = self
                .connections
                .iter_mut()
                .find(|known| known.id == connection && !known.dead)
            else {
                buffer.clear();
                break;
            };
            match known.framer.next(buffer) {
                Ok(Some(frame)) => self.frame(connection, &frame, now),
                Ok(None) => break,
                Err(error) => {
                    known.dead = true;
                    let notification = error.notification();
                    self.session.step(
                        Event::Fault {
                            connection,
                            notification,
                        },
                        now,
                    );
                }
            }
            self.carry_out(now);
        }
        self.flush();
    }

    /// When [`PeerEvent::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.session.deadline(),
            self.helper.deadline(),
            self.restart_at,
            self.up.as_ref().and_then(|up| up.repeats.deadline()),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// What is to be done, in order.
    pub fn drain(&mut self) -> std::vec::Drain<'_, PeerOrder> {
        self.orders.drain(..)
    }

    /// It is down, none of its routes are kept, and no time is set to start it again.
    pub fn may_be_forgotten(&self) -> bool {
        self.up.is_none() && self.helper.deadline().is_none() && self.restart_at.is_none()
    }

    /// Down until an operator starts it.
    pub fn is_shut_down(&self) -> bool {
        self.session.is_stopped() && self.restart_at.is_none()
    }

    /// Its settings.
    pub fn settings(&self) -> &PeerSettings {
        &self.settings
    }

    /// The session machine, for display.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Counters.
    pub fn counts(&self) -> PeerCounts {
        self.counts
    }

    /// The neighbour's OPEN, of the running session.
    pub fn remote(&self) -> Option<&Open> {
        self.up.as_ref().map(|up| &up.remote)
    }

    /// What the running session agreed on.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.up.as_ref().map(|up| &up.negotiated)
    }

    /// So many UPDATEs of the RIB's went out, with so many octets together.
    pub fn sent_updates(&mut self, count: u32, octets: usize) {
        self.counts.sent.update += u64::from(count);
        self.counts.sent.bytes += octets as u64;
    }

    /// Our address on the session's connection.
    pub fn local_address(&self) -> Option<IpAddr> {
        let up = self.up.as_ref()?;
        self.connections
            .iter()
            .find(|known| known.id == up.connection)
            .map(|known| known.local)
    }

    /// `external`, `member`, `internal` or `client`, as configured or, for a dynamic neighbour, as learned.
    pub fn relation_name(&self) -> &'static str {
        let asn = match (self.settings.session.peer_as, self.remote()) {
            (bgp_fsm::PeerAs::Exact(asn), _) => Some(asn),
            (bgp_fsm::PeerAs::Any | bgp_fsm::PeerAs::External, remote) => {
                remote.map(|remote| remote.asn)
            }
        };
        match asn.map_or(rib::Relation::External, |asn| self.settings.relation(asn)) {
            rib::Relation::External => "external",
            rib::Relation::Member => "member",
            rib::Relation::Internal => "internal",
            rib::Relation::Client => "client",
        }
    }

    /// Whether the neighbour has sent End-of-RIB for a family in this session.
    pub fn has_end_of_rib(&self, family: Family) -> bool {
        self.up
            .as_ref()
            .is_some_and(|up| up.end_of_rib.contains(&family))
    }

    /// How routes of a family are kept that the neighbour had announced before its session broke, and until when.
    pub fn stale(&self, family: Family) -> Option<(Staleness, Instant)> {
        self.helper.stale(family)
    }

    /// Established, and the neighbour's whole table is here.
    pub fn is_converged(&self) -> bool {
        self.up.as_ref().is_some_and(|up| {
            up.negotiated
                .families()
                .all(|family| up.end_of_rib.contains(&family))
        })
    }

    fn frame(&mut self, connection: ConnectionId, frame: &Frame, now: Instant) {
        self.counts.received.add(frame.kind, frame.octets());
        let event = match frame.kind {
            MessageKind::Open => match Open::decode(frame.body()) {
                Ok(open) => Event::Open { connection, open },
                Err(error) => Event::Fault {
                    connection,
                    notification: error.notification(),
                },
            },
            MessageKind::Keepalive => Event::Keepalive { connection },
            MessageKind::Notification => Event::Notification {
                connection,
                notification: Notification::decode(frame.body()),
            },
            MessageKind::Update => return self.update(connection, frame.body(), now),
            MessageKind::RouteRefresh => return self.route_refresh(connection, frame.body(), now),
        };
        self.session.step(event, now);
    }

    fn update(&mut self, connection: ConnectionId, body: &[u8], now: Instant) {
        let event = match &mut self.up {
            Some(up) if up.connection == connection => match Update::decode(body, &up.negotiated) {
                Ok(update) => {
                    self.routes(update, now);
                    Event::Update { connection }
                }
                Err(error) => Event::Fault {
                    connection,
                    notification: error.notification(),
                },
            },
            // Before Established the session machine answers it.
            _ => Event::Update { connection },
        };
        self.session.step(event, now);
    }

    fn routes(&mut self, update: Update<'_>, now: Instant) {
        if update.verdict() == Verdict::Withdraw {
            self.counts.treated_as_withdraw += 1;
        }
        for fault in update.faults() {
            let words = self.complaints.about(fault, now);
            self.orders.extend(words.map(PeerOrder::Faulty));
        }
        for block in update.withdrawn() {
            self.batch_withdrawals(&block);
        }
        let end_of_rib = update.end_of_rib();
        for (attributes, block) in update.into_announced() {
            self.batch_announcements(attributes, &block);
        }
        if let Some(family) = end_of_rib {
            self.end_of_rib(family);
        } else if self.batch.len() >= ROUTES_PER_BATCH {
            self.flush();
        }
    }

    fn batch_withdrawals(&mut self, block: &NlriBlock<'_>) {
        for (path_id, prefix) in block.ipv4() {
            self.batch.withdraw(prefix.into(), path_id);
        }
        for (path_id, prefix) in block.ipv6() {
            self.batch.withdraw(prefix.into(), path_id);
        }
    }

    fn batch_announcements(&mut self, attributes: PathAttributes, block: &NlriBlock<'_>) {
        let disposition = self.disposition(attributes.next_hop);
        let path = self.batch.push_path(attributes, disposition);
        for (path_id, prefix) in block.ipv4() {
            self.batch.announce(prefix.into(), path_id, path);
        }
        for (path_id, prefix) in block.ipv6() {
            self.batch.announce(prefix.into(), path_id, path);
        }
    }

    /// Link-local next hops are on the link of a session that has one (RFC 2545 §3).
    fn disposition(&self, next_hop: NextHop) -> Disposition {
        let interface = self.up.as_ref().and_then(|up| up.interface);
        match (next_hop, interface) {
            (NextHop::V6LinkLocal { link_local, .. }, Some(interface)) => Disposition::Link {
                gateway: link_local,
                interface,
            },
            (NextHop::V6(gateway), Some(interface)) if gateway.is_unicast_link_local() => {
                Disposition::Link { gateway, interface }
            }
            _ => self.settings.disposition(next_hop),
        }
    }

    /// Hands what was gathered to the RIB.
    fn flush(&mut self) {
        if !self.batch.is_empty() {
            let next = RouteBatch::new(Source::Bgp(self.settings.id));
            self.orders
                .push(PeerOrder::Rib(Input::Routes(std::mem::replace(
                    &mut self.batch,
                    next,
                ))));
        }
    }

    fn end_of_rib(&mut self, family: Family) {
        self.flush();
        if self.helper.end_of_rib(family) {
            self.orders
                .push(PeerOrder::Rib(Input::SweepStale(self.settings.id, family)));
        }
        if let Some(up) = &mut self.up
            && !up.end_of_rib.contains(&family)
        {
            up.end_of_rib.push(family);
        }
        self.orders
            .push(PeerOrder::Rib(Input::EndOfRib(self.settings.id, family)));
    }

    fn policy(&mut self, import: Policy, export: Policy, now: Instant) {
        let is_other = self.settings.import != import;
        self.settings.import = import.clone();
        self.settings.export = export.clone();
        if self.known_to_rib {
            self.orders.push(PeerOrder::Rib(Input::Policy(
                self.settings.id,
                import,
                export,
            )));
        }
        if is_other && self.settings.terms.imported_only {
            self.hear_again(now);
        }
    }

    fn weight(&mut self, weight: u16) {
        self.settings.weight = weight;
        if self.known_to_rib {
            let input = Input::Weight(self.settings.id, weight);
            self.orders.push(PeerOrder::Rib(input));
        }
    }

    fn terms(&mut self, terms: rib::Terms, now: Instant) {
        let is_alike = terms.imported_only && terms.imports_like(&self.settings.terms);
        let old = std::mem::replace(&mut self.settings.terms, terms);
        if self.known_to_rib {
            let id = self.settings.id;
            let terms = self.settings.terms_with(self.session.config().local_as);
            let input = Input::Terms(id, Box::new(terms));
            self.orders.push(PeerOrder::Rib(input));
        }
        if old.imported_only && !is_alike {
            self.hear_again(now);
        }
    }

    fn paths_sent(&mut self, paths: Vec<(Family, PathsSent)>) {
        self.settings.paths_sent.clone_from(&paths);
        if self.known_to_rib {
            let input = Input::PathsSent(self.settings.id, paths);
            self.orders.push(PeerOrder::Rib(input));
        }
    }

    fn start(&mut self, now: Instant) {
        self.restart_at = None;
        self.session.step(Event::Start, now);
    }

    fn stop(&mut self, reason: StopReason, now: Instant) {
        self.restart_at = None;
        self.session.step(Event::Stop(reason), now);
        self.carry_out(now);
        if self.known_to_rib {
            // It was away, its routes were kept, and nobody waits for it any more.
            self.helper.forget();
            self.drop_routes();
        }
    }

    fn prefixes(&mut self, shard: usize, family: Family, count: u64, now: Instant) {
        let Some(up) = &mut self.up else { return };
        match up
            .prefixes
            .count(shard, family, count, &self.settings.limits)
        {
            None => {}
            Some(limits::Finding::Near(count, max)) => {
                self.orders.push(PeerOrder::NearLimit(family, count, max));
            }
            Some(limits::Finding::Exceeded(count, max)) => {
                self.orders.push(PeerOrder::OverLimit(family, count, max));
            }
            Some(limits::Finding::Over(limit)) => {
                self.stop(StopReason::MaximumPrefixes(family, limit.max), now);
                self.restart_at = limit.restart.map(|rest| now + rest);
            }
        }
    }

    fn dropped(&mut self, family: Family, routes: u64) {
        self.counts.beyond_limit += routes;
        let Some(up) = &mut self.up else { return };
        let finding = up.prefixes.dropped(family, &self.settings.limits);
        if let Some(limits::Finding::Exceeded(count, max)) = finding {
            self.orders.push(PeerOrder::OverLimit(family, count, max));
        }
    }

    fn tick(&mut self, now: Instant) {
        if self.restart_at.is_some_and(|at| at <= now) {
            self.start(now);
        }
        let mut late = self.helper.expire(now);
        if let Some(up) = &mut self.up {
            late.extend(
                up.repeats
                    .expire(now)
                    .into_iter()
                    .map(restart::Order::Sweep),
            );
        }
        self.stale_routes(late);
        if self
            .session
            .deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.session.step(Event::Tick, now);
        }
    }

    fn send(&mut self, connection: ConnectionId, kind: MessageKind, message: Bytes) {
        self.counts.sent.add(kind, message.len());
        self.orders.push(PeerOrder::Send(connection, message));
    }

    /// Carries out what the session machine wants.
    fn carry_out(&mut self, now: Instant) {
        let actions: Vec<Action> = self.session.drain().collect();
        for action in actions {
            match action {
                Action::Connect => self.orders.push(PeerOrder::Connect),
                Action::AbortConnect => self.orders.push(PeerOrder::AbortConnect),
                Action::Send {
                    connection,
                    message,
                } => self.send(connection, message.kind(), message.encode()),
                Action::Close { connection } => self.close(connection),
                Action::Up {
                    connection,
                    negotiated,
                    remote,
                } => self.session_up(connection, negotiated, remote, now),
                Action::Down { reason } => self.session_down(&reason, now),
                Action::Changed { from, to } => self.changed(from, to),
            }
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        self.connections.retain(|known| known.id != connection);
        self.orders.push(PeerOrder::Close(connection));
    }

    fn session_up(
        &mut self,
        connection: ConnectionId,
        mut negotiated: Negotiated,
        remote: Open,
        now: Instant,
    ) {
        if self.settings.relation(remote.asn) == rib::Relation::Member {
            // RFC 5065 §4: UPDATEs are those of an internal session.
            negotiated.kind = PeerKind::Internal;
            negotiated.aigp = true;
        }
        let local = self
            .connections
            .iter()
            .find(|known| known.id == connection)
            .map(|known| (known.local, known.interface));
        let interface = local.and_then(|(_, interface)| interface);
        let local = local.map(|(local, _)| local);
        if let Some(known) = self
            .connections
            .iter_mut()
            .find(|known| known.id == connection)
        {
            known.framer.set_max_message(negotiated.max_message);
        }
        let id = self.settings.id;
        let families: Vec<Family> = negotiated.families().collect();
        let ours = &self.settings.session.capabilities;
        let gone = self.helper.up(&remote, &families, ours, now);
        self.orders.push(PeerOrder::Up(connection));
        self.orders
            .push(PeerOrder::Rib(Input::PeerUp(Box::new(self.settings.info(
                self.session.config().local_as,
                &negotiated,
                &remote,
                local,
            )))));
        self.orders.extend(
            gone.into_iter()
                .map(|family| PeerOrder::Rib(Input::SweepStale(id, family))),
        );
        self.known_to_rib = true;
        self.has_restarted();
        self.up = Some(Established {
            connection,
            negotiated,
            remote,
            interface,
            feeds: refresh::Feeds::first(&families),
            repeats: refresh::Repeats::default(),
            end_of_rib: Vec::new(),
            prefixes: limits::Prefixes::default(),
        });
    }

    /// The neighbour knows it now: a later session is not the first after our restart (RFC 4724 §3). One that restarts
    /// itself would not wait for us before it says that it has said all.
    fn has_restarted(&mut self) {
        let mut is_news = false;
        for capability in &mut self.settings.session.capabilities {
            if let Capability::GracefulRestart(restart) = capability {
                is_news |= std::mem::take(&mut restart.restarting);
            }
        }
        if is_news {
            let capabilities = self.settings.session.capabilities.clone();
            self.session.set_capabilities(capabilities);
        }
    }

    fn session_down(&mut self, reason: &DownReason, now: Instant) {
        let Some(up) = self.up.take() else { return };
        self.flush();
        let id = self.settings.id;
        let families: Vec<Family> = up.negotiated.families().collect();
        self.orders.push(PeerOrder::Down);
        let Some(orders) = self.helper.down(reason.is_orderly(), &families, now) else {
            return self.drop_routes();
        };
        self.orders.push(PeerOrder::Rib(Input::PeerLost(id)));
        self.stale_routes(orders);
    }

    fn stale_routes(&mut self, orders: Vec<restart::Order>) {
        let id = self.settings.id;
        let inputs = orders.into_iter().map(|order| match order {
            restart::Order::Sweep(family) => Input::SweepStale(id, family),
            restart::Order::LongLived(family) => Input::LongLivedStale(id, family),
        });
        self.orders.extend(inputs.map(PeerOrder::Rib));
    }

    fn drop_routes(&mut self) {
        self.known_to_rib = false;
        self.orders
            .push(PeerOrder::Rib(Input::PeerDown(self.settings.id)));
    }

    fn changed(&mut self, from: State, to: State) {
        let error = self.session.last_error().filter(|_| to < from);
        let reason = error.map(ToString::to_string);
        self.orders.push(PeerOrder::Changed { from, to, reason });
    }
}
